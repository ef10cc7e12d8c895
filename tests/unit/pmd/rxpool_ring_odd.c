/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive mapping on a ring: drivers that break the rules, and packets that are not plain. */
#include "pmd/rxpool.h"

#include <stdlib.h>

#include <rte_ether.h>

#include "tests/unit/pmd/rx_rig.h"

/* ---- mapped: what a driver must not do ---- */

static void test_overtaking(void)
{
	struct rte_mbuf *m[4];

	start();
	post_many(4);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 4), 0);
	receive_all(m, 4);
	publish(m + 1, 3); /* m[0] is still with the driver */
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_ORDER);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0);
	CU_ASSERT_EQUAL(stats.mapped, 0);
	CU_ASSERT_EQUAL(stats.fillers, 0);
	CU_ASSERT_EQUAL(stats.drop_order, 3);
	CU_ASSERT_EQUAL(stats.packets, 3);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 1);
	rte_pktmbuf_free(m[0]);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	stop();
}

static void test_overtaking_in_mid_burst(void)
{
	struct rte_mbuf *m[4], *burst[3];

	start();
	post_many(4);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 4), 0);
	receive_all(m, 4);
	burst[0] = m[0];
	burst[1] = m[2];
	burst[2] = m[1];
	publish(burst, 3);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_ORDER);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 1);
	expect_used(0, nth_id(0), 60);
	CU_ASSERT_EQUAL(stats.mapped, 1);
	CU_ASSERT_EQUAL(stats.drop_order, 2);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 3); /* behind m[3] */
	rte_pktmbuf_free(m[3]);
	CU_ASSERT_EQUAL(nb_taken_ever(), 1);
	stop();
}

static void test_overtaking_returned_and_held(void)
{
	struct rte_mbuf *m[3];

	start();
	post_many(3);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 3), 0);
	rte_pktmbuf_free(m[0]);
	receive(m[2], 60, 1);
	publish(m + 2, 1); /* m[0] could be filled, m[1] could not */
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_ORDER);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0);
	CU_ASSERT_EQUAL(stats.fillers, 0);
	rte_pktmbuf_free(m[1]);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	stop();
}

static void test_foreign_pool(void)
{
	struct rte_mempool *other =
		rte_pktmbuf_pool_create("other", 7, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct rte_mbuf *m[3];

	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	m[2] = m[1];
	m[1] = rte_pktmbuf_alloc(other);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m[1]);
	receive_all(m, 3);
	publish(m, 3);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_FOREIGN);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 1);
	CU_ASSERT_EQUAL(stats.mapped, 1);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(other), 0);
	stop();
	rte_mempool_free(other);
}

static void test_not_on_loan(void)
{
	struct rte_mbuf *m, *stale;

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	stale = pmd_headers_at(&pool->headers, 1); /* ours, but nobody has it */
	stale->data_len = 60;
	publish(&stale, 1);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_FOREIGN);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 1);
	rte_pktmbuf_free(m);
	stop();
}

static void test_published_twice(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 1), 0);
	m[1] = m[0];
	receive(m[0], 60, 1);
	publish(m, 2);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_FOREIGN);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 1);
	stop();
}

static void test_double_free(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	rte_mempool_put(pool->headers.mp, m[0]);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_NONE);
	rte_mempool_put(pool->headers.mp, m[0]); /* waits for its turn */
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_FOREIGN);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 2);
	rte_mempool_put(pool->headers.mp, m[1]);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	rte_mempool_put(pool->headers.mp, m[1]); /* offered again already */
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	stop();
}

static void no_free_cb(void *addr, void *arg)
{
	(void)addr;
	(void)arg;
}

/*
 * The driver makes one of our headers point elsewhere. That is its fault to report; but what comes
 * after must still write into the container's buffer, not where that header pointed.
 */
static void test_external_buffer(void)
{
	static struct rte_mbuf_ext_shared_info shinfo = { .free_cb = no_free_cb };
	static uint8_t elsewhere[4096];
	struct rte_mbuf *m[2];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	rte_mbuf_ext_refcnt_set(&shinfo, 1);
	rte_pktmbuf_attach_extbuf(m[0], elsewhere, 0, sizeof(elsewhere), &shinfo);
	rte_pktmbuf_reset_headroom(m[0]);
	receive(m[0], 60, 1);
	publish(m, 1);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_FOREIGN);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0);
	receive(m[1], 61, 1);
	publish(m + 1, 1); /* before the control thread has stopped the queue */
	if (fake_nb_used(&ring) == 2)
		expect_filler(0, nth_id(0));
	else
		CU_ASSERT_EQUAL(fake_nb_used(&ring), 0);
	stop();
}

/* ---- mapped: odd packets ---- */

static void test_vlan_inserted(void)
{
	struct rte_mbuf *m[2];
	uint8_t frame[18];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	receive_all(m, 2);
	m[0]->vlan_tci = 0x2064;
	CU_ASSERT_EQUAL(rte_vlan_insert(&m[0]), 0);
	CU_ASSERT_EQUAL(m[0]->data_off, RTE_PKTMBUF_HEADROOM - 4);
	publish(m, 2);
	expect_used(0, nth_id(0), 64);
	expect_used(1, nth_id(1), 61);
	CU_ASSERT(header_is_clean(nth_id(0), HDR));
	fake_read(&ring, buf_gpa(nth_id(0)) + HDR, frame, sizeof(frame));
	static const uint8_t want[18] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0x00, 0x20,
		0x64, 12, 13 };
	CU_ASSERT_EQUAL(memcmp(frame, want, sizeof(want)), 0);
	/* from the ether type on, as received */
	for (uint8_t i = 12; i < 60; i++)
		CU_ASSERT_EQUAL(*fake_ptr(&ring, buf_gpa(nth_id(0)) + HDR + 4 + i), i);
	CU_ASSERT_EQUAL(stats.relocated, 1);
	CU_ASSERT_EQUAL(stats.mapped, 2);
	CU_ASSERT_EQUAL(stats.bytes, 64 + 61);
	expect_clean();
	stop();
}

static void test_vlan_inserted_legacy(void)
{
	struct rte_mbuf *m;

	start_with(256, 0);
	post(1);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	receive(m, 60, 0);
	m->vlan_tci = 7;
	CU_ASSERT_EQUAL(rte_vlan_insert(&m), 0);
	publish(&m, 1);
	expect_used(0, 1, 64);
	CU_ASSERT(header_is_clean(1, 10));
	CU_ASSERT_EQUAL(*fake_ptr(&ring, buf_gpa(1) + 10 + 12), 0x81);
	CU_ASSERT_EQUAL(*fake_ptr(&ring, buf_gpa(1) + 10 + 15), 7);
	stop();
}

static void test_vlan_stripped(void)
{
	struct rte_mbuf *m;

	start();
	post(1);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	receive(m, 60, 0);
	m->vlan_tci = 0xe123;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	publish(&m, 1);
	expect_used(0, 1, 64);
	CU_ASSERT(header_is_clean(1, HDR));
	CU_ASSERT(frame_is(1, HDR, 12, 0));
	static const uint8_t tag[] = { 0x81, 0x00, 0xe1, 0x23 };
	CU_ASSERT_EQUAL(memcmp(fake_ptr(&ring, buf_gpa(1) + HDR + 12), tag, 4), 0);
	for (uint8_t i = 12; i < 60; i++)
		CU_ASSERT_EQUAL(*fake_ptr(&ring, buf_gpa(1) + HDR + 4 + i), i);
	CU_ASSERT_EQUAL(*fake_ptr(&ring, buf_gpa(1) + HDR + 64), 0xee);
	CU_ASSERT_EQUAL(stats.relocated, 1);
	CU_ASSERT_EQUAL(stats.bytes, 64);
	expect_clean();
	stop();
}

static void test_vlan_of_the_port(void)
{
	struct rte_mbuf *m[2];

	start();
	pool->port_vlan = 0x123;
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	for (uint16_t i = 0; i < 2; i++) {
		receive(m[i], 60, 0);
		m[i]->vlan_tci = i == 0 ? 0xe123 : 0xe124;
		m[i]->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	}
	publish(m, 2);
	expect_used(0, nth_id(0), 60);
	CU_ASSERT(frame_is(nth_id(0), HDR, 60, 0));
	expect_used(1, nth_id(1), 64); /* not the port's own: the container has to see it */
	CU_ASSERT_EQUAL(stats.relocated, 1);
	CU_ASSERT_EQUAL(stats.mapped, 2);
	expect_clean();
	stop();
}

static void test_vlan_longest(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	receive(m[0], BUF_SIZE - 4, 0);
	m[0]->vlan_tci = 1;
	CU_ASSERT_EQUAL(rte_vlan_insert(&m[0]), 0);
	receive(m[1], BUF_SIZE - 3, 0); /* with its tag one byte too long */
	m[1]->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
	publish(m, 2);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 1);
	expect_used(0, nth_id(0), BUF_SIZE);
	CU_ASSERT_EQUAL(
		*fake_ptr(&ring, buf_gpa(nth_id(0)) + HDR + BUF_SIZE - 1), (uint8_t)(BUF_SIZE - 5));
	CU_ASSERT(bytes_are(nth_id(0), HDR + BUF_SIZE, 0xee, STRIDE - HDR - BUF_SIZE));
	CU_ASSERT_EQUAL(stats.drop_length, 1);
	CU_ASSERT_EQUAL(stats.mapped, 1);
	expect_clean();
	stop();
}

/* A driver that leaves room in front, or takes a trailer off the front. */
static void test_data_moved_backwards(void)
{
	struct rte_mbuf *m;

	start();
	post(1);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	m->data_off += 10;
	receive(m, 200, 3);
	publish(&m, 1);
	expect_used(0, 1, 200);
	CU_ASSERT(frame_is(1, HDR, 200, 3));
	CU_ASSERT(header_is_clean(1, HDR));
	CU_ASSERT_EQUAL(stats.relocated, 1);
	expect_clean();
	stop();
}

static void test_segments(void)
{
	struct rte_mbuf *m[3], *burst[2];

	start();
	post_many(3);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 3), 0);
	receive_all(m, 3);
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m[0], m[1]), 0);
	burst[0] = m[0];
	burst[1] = m[2];
	publish(burst, 2);
	CU_ASSERT_EQUAL(stats.drop_segments, 1);
	CU_ASSERT_EQUAL(stats.mapped, 1);
	CU_ASSERT_EQUAL(stats.packets, 2);
	CU_ASSERT_EQUAL(stats.fillers, 2);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 3);
	expect_used(2, nth_id(2), 62);
	expect_clean();
	stop();
}

static void check_length(uint32_t len, bool good)
{
	struct rte_mbuf *m;

	start();
	post(1);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	publish(&m, 1);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), good);
	CU_ASSERT_EQUAL(stats.mapped, good);
	CU_ASSERT_EQUAL(stats.drop_length, !good);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), good); /* else on offer again */
	expect_clean();
	stop();
}

static void test_lengths(void)
{
	check_length(0, false);
	check_length(13, false);
	check_length(14, true);
	check_length(BUF_SIZE, true);
	check_length(BUF_SIZE + 1, false);
	check_length(UINT16_MAX, false);
}

static void test_dropped_keeps_order(void)
{
	struct rte_mbuf *m[3];

	start();
	post_many(3);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 3), 0);
	receive_all(m, 3);
	m[1]->data_len = 13;
	publish(m, 3);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 3);
	expect_used(0, nth_id(0), 60);
	expect_used(1, nth_id(1), PMD_MIN_FRAME);
	CU_ASSERT(bytes_are(nth_id(1), HDR, 0, PMD_MIN_FRAME));
	expect_used(2, nth_id(2), 62);
	CU_ASSERT_EQUAL(stats.drop_length, 1);
	CU_ASSERT_EQUAL(stats.fillers, 1);
	CU_ASSERT_EQUAL(stats.mapped, 2);
	CU_ASSERT_EQUAL(stats.packets, 3);
	expect_clean();
	stop();
}

static const struct unit_test tests[] = {
	{ "fault: a packet overtakes a held buffer", test_overtaking },
	{ "fault: overtaking in mid-burst", test_overtaking_in_mid_burst },
	{ "fault: overtaking one returned and one held", test_overtaking_returned_and_held },
	{ "fault: mbuf of another pool", test_foreign_pool },
	{ "fault: mbuf that is not on loan", test_not_on_loan },
	{ "fault: mbuf published twice", test_published_twice },
	{ "fault: double free", test_double_free },
	{ "fault: external buffer", test_external_buffer },
	{ "VLAN tag inserted in front", test_vlan_inserted },
	{ "VLAN tag inserted in front, legacy header", test_vlan_inserted_legacy },
	{ "VLAN tag stripped is put back", test_vlan_stripped },
	{ "VLAN tag of the port stays out", test_vlan_of_the_port },
	{ "VLAN tag on the longest frame", test_vlan_longest },
	{ "data further behind is moved", test_data_moved_backwards },
	{ "several segments are dropped", test_segments },
	{ "lengths: runt and oversize are dropped", test_lengths },
	{ "a dropped packet keeps the order", test_dropped_keeps_order },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run(
		"pmd/rxpool_ring_odd", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
