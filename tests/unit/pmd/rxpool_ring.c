/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive mapping on a ring: allocation, publishing, giving back. */
#include "pmd/rxpool.h"

#include <stdlib.h>

#include <rte_ether.h>

#include "tests/unit/pmd/rx_rig.h"

/* ---- mapped: allocation ---- */

static void check_position(uint64_t features, uint32_t hdr_len)
{
	struct rte_mbuf *m[8];

	start_with(256, features);
	CU_ASSERT_EQUAL_FATAL(ring.vr.hdr_len, hdr_len);
	post_many(8);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 8), 0);
	for (uint32_t i = 0; i < 8; i++) {
		uint16_t id = nth_id(i);
		uint8_t *virtio = ring.mem->regions[0].host + (buf_gpa(id) - FAKE_GPA);

		CU_ASSERT_PTR_EQUAL(
			(uint8_t *)m[i]->buf_addr + RTE_PKTMBUF_HEADROOM, virtio + hdr_len);
		CU_ASSERT_EQUAL(rte_mbuf_iova_get(m[i]), (rte_iova_t)(uintptr_t)m[i]->buf_addr);
		CU_ASSERT_EQUAL(m[i]->buf_len, RTE_PKTMBUF_HEADROOM + BUF_SIZE);
		CU_ASSERT_EQUAL(m[i]->data_off, RTE_PKTMBUF_HEADROOM);
		/* the header is there before any packet is, and nothing else */
		CU_ASSERT(header_is_clean(id, hdr_len));
		CU_ASSERT(bytes_are(id, hdr_len, 0xee, 64));
		receive(m[i], BUF_SIZE, (uint8_t)i);
	}
	publish(m, 8);
	for (uint16_t i = 0; i < 8; i++) {
		expect_used(i, nth_id(i), BUF_SIZE);
		CU_ASSERT(frame_is(nth_id(i), hdr_len, BUF_SIZE, (uint8_t)i));
		CU_ASSERT(header_is_clean(nth_id(i), hdr_len));
	}
	expect_clean();
	stop();
}

static void test_data_behind_header_12(void)
{
	check_position(FAKE_F_V1, 12);
}

static void test_data_behind_header_10(void)
{
	check_position(0, 10);
}

static void test_more_than_offered(void)
{
	struct rte_mbuf *m[9];

	start();
	CU_ASSERT_EQUAL(alloc(m, 1), -ENOBUFS);
	post_many(8);
	CU_ASSERT_EQUAL(alloc(m, 9), -ENOBUFS);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	CU_ASSERT_EQUAL(pool->shortages, 2);
	CU_ASSERT_EQUAL(pmd_rxpool_unfit(pool), VH_FIT);
	CU_ASSERT_EQUAL(alloc(m, 8), 0);
	rte_pktmbuf_free_bulk(m, 8);
	expect_clean();
	stop();
}

static void test_more_than_slots(void)
{
	static struct rte_mbuf *m[SLOTS + 1];

	start_with(512, FAKE_F_V1);
	post_many(512);
	CU_ASSERT_EQUAL(alloc(m, SLOTS + 1), -ENOBUFS);
	CU_ASSERT_EQUAL_FATAL(alloc(m, SLOTS), 0);
	CU_ASSERT_EQUAL(alloc(m + SLOTS, 1), -ENOBUFS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool->headers.mp), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), SLOTS);
	receive_all(m, SLOTS);
	publish(m, SLOTS);
	for (uint16_t i = 0; i < SLOTS; i++)
		expect_used(i, nth_id(i), 60u + i);
	expect_clean();
	stop();
}

/* Four buffers, the third of which is like this. */
static void check_bad_in_mid_burst(uint64_t gpa, uint32_t len, uint16_t flags, enum vh_fit why)
{
	struct rte_mbuf *m[4] = { NULL };

	start();
	for (uint32_t i = 0; i < 4; i++) {
		soil(nth_id(i));
		if (i == 2)
			fake_post(&ring, nth_id(i), gpa, len, flags);
		else
			fake_post(&ring, nth_id(i), buf_gpa(nth_id(i)), HDR + BUF_SIZE, W);
	}
	CU_ASSERT_EQUAL(alloc(m, 4), -ENOBUFS);
	for (uint32_t i = 0; i < 4; i++) /* drivers pass their rings: they would free it at stop */
		CU_ASSERT_PTR_NULL(m[i]);
	CU_ASSERT_EQUAL(pmd_rxpool_unfit(pool), why);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&ring.vr) != VH_FAULT_NONE, why == VH_FIT_FAULT);
	for (uint32_t i = 0; i < 4; i++) /* not even a header is written */
		CU_ASSERT(bytes_are(nth_id(i), 0, 0xee, HDR));
	if (why != VH_FIT_FAULT) {
		CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
		receive_all(m, 2);
		publish(m, 2);
		expect_used(0, nth_id(0), 60);
		expect_used(1, nth_id(1), 61);
	}
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_NONE);
	stop();
}

static void test_short_in_mid_burst(void)
{
	check_bad_in_mid_burst(buf_gpa(0), HDR + BUF_SIZE - 1, W, VH_FIT_SHORT);
	check_bad_in_mid_burst(buf_gpa(0), 0, W, VH_FIT_SHORT);
}

static void test_chain_in_mid_burst(void)
{
	check_bad_in_mid_burst(buf_gpa(0), HDR + BUF_SIZE, W | VRING_DESC_F_NEXT, VH_FIT_CHAIN);
}

static void test_region_in_mid_burst(void)
{
	check_bad_in_mid_burst(FAKE_GPA_BORDER - 100, HDR + BUF_SIZE, W, VH_FIT_REGION);
}

static void test_outside_in_mid_burst(void)
{
	check_bad_in_mid_burst(FAKE_GPA_END, HDR + BUF_SIZE, W, VH_FIT_FAULT);
	check_bad_in_mid_burst(UINT64_MAX, HDR + BUF_SIZE, W, VH_FIT_FAULT);
}

static void test_read_only_in_mid_burst(void)
{
	check_bad_in_mid_burst(buf_gpa(0), HDR + BUF_SIZE, 0, VH_FIT_FAULT);
}

#if !FAKE_PACKED
static void test_avail_index_jump(void)
{
	struct rte_mbuf *m;

	start();
	fake_set_avail(&ring, 257);
	CU_ASSERT_EQUAL(alloc(&m, 1), -ENOBUFS);
	CU_ASSERT_EQUAL(vh_ring_fault(&ring.vr), VH_FAULT_AVAIL_INDEX);
	stop();
}
#endif

static void test_same_id_twice(void)
{
	struct rte_mbuf *m[3];

	start();
	post(7);
	post(7);
	post(9);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 3), 0);
	CU_ASSERT_PTR_NOT_EQUAL(m[0], m[1]); /* one buffer, two loans */
	CU_ASSERT_PTR_EQUAL(m[0]->buf_addr, m[1]->buf_addr);
	receive_all(m, 3);
	publish(m, 3);
	expect_used(0, 7, 60);
	expect_used(1, 7, 61);
	expect_used(2, 9, 62);
	expect_clean();
	stop();
}

/* ---- mapped: publishing ---- */

static void test_publish_in_order(void)
{
	struct rte_mbuf *m[PMD_BURST];

	start();
	post_many(PMD_BURST);
	CU_ASSERT_EQUAL_FATAL(alloc(m, PMD_BURST), 0);
	receive_all(m, PMD_BURST);
	pmd_rxpool_publish(pool, m, PMD_BURST, &stats);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0); /* the container sees nothing before the flush */
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	vh_ring_flush(FAKE_KIND, &ring.vr);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), PMD_BURST);
	uint64_t bytes = 0;
	for (uint16_t i = 0; i < PMD_BURST; i++) {
		expect_used(i, nth_id(i), 60u + i);
		CU_ASSERT(frame_is(nth_id(i), HDR, 60u + i, (uint8_t)i));
		bytes += 60u + i;
	}
	CU_ASSERT_EQUAL(stats.packets, PMD_BURST);
	CU_ASSERT_EQUAL(stats.mapped, PMD_BURST);
	CU_ASSERT_EQUAL(stats.bytes, bytes);
	CU_ASSERT_EQUAL(stats.fillers + stats.relocated, 0);
	expect_clean();
	stop();
}

static void test_publish_oldest_of_many(void)
{
	struct rte_mbuf *m[10];

	start();
	post_many(10);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 10), 0);
	receive_all(m, 10);
	publish(m, 3);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 3);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 7);
	publish(m + 3, 7);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 10);
	expect_used(9, nth_id(9), 69);
	expect_clean();
	stop();
}

/* What a container does to a descriptor after we have taken it concerns nobody. */
static void test_descriptor_changed_later(void)
{
	struct rte_mbuf *m;

	start();
	post(7);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
#if FAKE_PACKED
	memset(ring.packed, 0, 256 * sizeof(*ring.packed));
#else
	fake_desc(&ring, 7, 0, 0, 0, 0);
	ring.avail->ring[0] = 60000;
#endif
	receive(m, 100, 1);
	publish(&m, 1);
	expect_used(0, 7, 100);
	CU_ASSERT(frame_is(7, HDR, 100, 1));
	expect_clean();
	stop();
}

/* ---- mapped: giving back ---- */

static void check_return_order(const uint16_t *order, uint16_t n)
{
	struct rte_mbuf *m[64], *again[64];

	start();
	post_many(n);
	CU_ASSERT_EQUAL_FATAL(alloc(m, n), 0);
	for (uint16_t i = 0; i < n; i++)
		rte_pktmbuf_free(m[order[i]]);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	vh_ring_flush(FAKE_KIND, &ring.vr);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0);

	/* the same ones are on offer again, in the same order */
	CU_ASSERT_EQUAL_FATAL(alloc(again, n), 0);
	receive_all(again, n);
	publish(again, n);
	for (uint16_t i = 0; i < n; i++)
		expect_used(i, nth_id(i), 60u + i);
	CU_ASSERT_EQUAL(stats.fillers, 0);
	expect_clean();
	stop();
}

static void test_return_newest_first(void)
{
	uint16_t order[64];

	for (uint16_t i = 0; i < 64; i++)
		order[i] = 63 - i;
	check_return_order(order, 64);
}

static void test_return_oldest_first(void)
{
	uint16_t order[64];

	for (uint16_t i = 0; i < 64; i++)
		order[i] = i;
	check_return_order(order, 64);
}

/* xorshift32: the same numbers everywhere. */
static uint32_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 17;
	rnd_state ^= rnd_state << 5;
	return rnd_state % below;
}

static void test_return_random_order(void)
{
	for (uint32_t seed = 1; seed <= 20; seed++) {
		uint16_t order[64];

		rnd_state = seed * 2654435761u;
		for (uint16_t i = 0; i < 64; i++)
			order[i] = i;
		for (uint16_t i = 63; i > 0; i--) {
			uint16_t j = (uint16_t)rnd(i + 1u), t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		check_return_order(order, 64);
	}
}

static void test_returned_newest_is_offered_again(void)
{
	struct rte_mbuf *m[3], *again;

	start();
	post_many(3);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 3), 0);
	rte_pktmbuf_free(m[2]);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 2);
	CU_ASSERT_EQUAL(nb_taken_ever(), 2);
	CU_ASSERT_EQUAL_FATAL(alloc(&again, 1), 0);
	m[2] = again;
	receive_all(m, 3);
	publish(m, 3);
	for (uint16_t i = 0; i < 3; i++)
		expect_used(i, nth_id(i), 60u + i);
	CU_ASSERT_EQUAL(stats.fillers, 0);
	expect_clean();
	stop();
}

static void test_filler(void)
{
	struct rte_mbuf *m[4];

	start();
	post_many(4);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 4), 0);
	receive_all(m, 4);
	rte_pktmbuf_free(m[1]);
	memset(fake_ptr(&ring, buf_gpa(nth_id(1)) + HDR), 0xee, 256); /* a half-written frame */
	rte_pktmbuf_free(m[0]);
	memset(fake_ptr(&ring, buf_gpa(nth_id(0)) + HDR), 0xee, 256);
	vh_ring_flush(FAKE_KIND, &ring.vr);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 0); /* they wait */
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 4);
	publish(m + 2, 2);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 4);
	expect_filler(0, nth_id(0));
	expect_filler(1, nth_id(1));
	expect_used(2, nth_id(2), 62);
	expect_used(3, nth_id(3), 63);
	CU_ASSERT(frame_is(nth_id(2), HDR, 62, 2));
	CU_ASSERT_EQUAL(stats.fillers, 2);
	CU_ASSERT_EQUAL(stats.packets, 2);
	CU_ASSERT_EQUAL(stats.mapped, 2);
	expect_clean();
	stop();
}

/* af_packet puts a tag in front, over the header; then the frame is too long and goes back. */
static void test_filler_after_spoiled_header(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	receive(m[0], BUF_SIZE, 0x55);
	m[0]->vlan_tci = 5;
	CU_ASSERT_EQUAL(rte_vlan_insert(&m[0]), 0);
	CU_ASSERT(!header_is_clean(nth_id(0), HDR));
	publish(m, 1);
	CU_ASSERT_EQUAL(stats.drop_length, 1);
	receive(m[1], 100, 1);
	publish(m + 1, 1);
	expect_used(0, nth_id(0), PMD_MIN_FRAME);
	CU_ASSERT(header_is_clean(nth_id(0), HDR));
	CU_ASSERT(bytes_are(nth_id(0), HDR, 0, PMD_MIN_FRAME));
	expect_used(1, nth_id(1), 100);
	stop();
}

static const struct unit_test tests[] = {
	{ "data stands behind a header of 12 bytes", test_data_behind_header_12 },
	{ "data stands behind a header of 10 bytes", test_data_behind_header_10 },
	{ "more than is offered gives nothing", test_more_than_offered },
	{ "more than there are slots gives nothing", test_more_than_slots },
	{ "a short buffer in mid-burst", test_short_in_mid_burst },
	{ "a chain in mid-burst", test_chain_in_mid_burst },
	{ "a buffer in two regions in mid-burst", test_region_in_mid_burst },
	{ "a buffer outside of memory in mid-burst", test_outside_in_mid_burst },
	{ "a read-only buffer in mid-burst", test_read_only_in_mid_burst },
#if !FAKE_PACKED
	{ "avail index jump gives nothing", test_avail_index_jump },
#endif
	{ "the same id posted twice", test_same_id_twice },
	{ "publish: in order, seen at the flush", test_publish_in_order },
	{ "publish: the oldest of many", test_publish_oldest_of_many },
	{ "publish: a descriptor changed meanwhile", test_descriptor_changed_later },
	{ "return: newest first", test_return_newest_first },
	{ "return: oldest first", test_return_oldest_first },
	{ "return: random orders", test_return_random_order },
	{ "return: the newest is offered again", test_returned_newest_is_offered_again },
	{ "filler: older buffers came home unfilled", test_filler },
	{ "filler: header written anew", test_filler_after_spoiled_header },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run("pmd/rxpool_ring", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
