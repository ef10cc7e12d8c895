/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive mapping: life, host backing, the swap of backings, trying a ring. */
#include "pmd/rxpool.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/pmd/rx_rig.h"

/* ---- creation ---- */

static void expect_invalid(uint32_t nb_desc, uint32_t buf_size)
{
	errno = 0;
	struct pmd_rxpool *p = new_pool(nb_desc, buf_size);
	CU_ASSERT_PTR_NULL(p);
	CU_ASSERT_EQUAL(errno, EINVAL);
	pmd_rxpool_destroy(p);
}

static void expect_created(uint32_t nb_desc, uint32_t buf_size, uint32_t slots)
{
	struct pmd_rxpool *p = new_pool(nb_desc, buf_size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->mask + 1u, slots);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(p), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(p), 0);
}

static void test_create_number_limits(void)
{
	expect_created(1, 64, 256);
	expect_created(64, 64, 256);
	expect_created(65, 64, 512);
	expect_created(4096, 64, 16384);
	/* both halves of 32768 slots, less what the worker may have in its hands */
	expect_created(16384 - 2 * PMD_BURST, 64, 32768);
	expect_invalid(16385, 64);
	expect_invalid(65536, 64);
}

static void test_create_number_does_not_wrap(void)
{
	expect_invalid(UINT32_MAX, 64);
	expect_invalid((1u << 31) - 2 * PMD_BURST, 64);
	expect_invalid(1u << 31, 64);
}

static void test_create_size_limits(void)
{
	expect_created(1, UINT16_MAX - RTE_PKTMBUF_HEADROOM, 256);
	expect_invalid(1, UINT16_MAX - RTE_PKTMBUF_HEADROOM + 1);
	expect_invalid(1, UINT32_MAX);
}

static void test_create_name_taken(void)
{
	struct pmd_rxpool *a = pmd_rxpool_create("same", 16, 64, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	errno = 0;
	CU_ASSERT_PTR_NULL(pmd_rxpool_create("same", 16, 64, SOCKET_ID_ANY));
	CU_ASSERT_EQUAL(errno, EEXIST);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(a), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(NULL), 0);
}

/* ---- host backing ---- */

static void test_host_all_buffers(void)
{
	static struct rte_mbuf *m[SLOTS];
	struct rte_mbuf *more;
	uint32_t bad = 0;

	start_host();
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool->headers.mp), SLOTS);
	CU_ASSERT_EQUAL_FATAL(alloc(m, SLOTS), 0);
	CU_ASSERT_EQUAL(alloc(&more, 1), -ENOBUFS);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), SLOTS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool->headers.mp), 0);
	/* Written from end to end, then read: two that overlap, or a header in one, would show. */
	for (uint32_t i = 0; i < SLOTS; i++) {
		CU_ASSERT_FATAL(m[i]->buf_len >= RTE_PKTMBUF_HEADROOM + BUF_SIZE);
		memset(m[i]->buf_addr, (int)i, RTE_PKTMBUF_HEADROOM + BUF_SIZE);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		const uint8_t *buf = m[i]->buf_addr;

		bad += buf[0] != (uint8_t)i ||
			memcmp(buf, buf + 1, RTE_PKTMBUF_HEADROOM + BUF_SIZE - 1);
		bad += rte_mbuf_iova_get(m[i]) != (rte_iova_t)(uintptr_t)buf;
		bad += m[i]->pool != pool->headers.mp || m[i]->data_off != RTE_PKTMBUF_HEADROOM;
	}
	CU_ASSERT_EQUAL(bad, 0);
	rte_pktmbuf_free_bulk(m, SLOTS);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(alloc(m, SLOTS), 0);
	rte_pktmbuf_free_bulk(m, SLOTS);
	stop_host();
}

static void test_host_all_or_nothing(void)
{
	static struct rte_mbuf *m[SLOTS + 1];

	start_host();
	CU_ASSERT_EQUAL_FATAL(alloc(m, SLOTS - 3), 0);
	CU_ASSERT_EQUAL(alloc(m + SLOTS - 3, 4), -ENOBUFS);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), SLOTS - 3);
	CU_ASSERT_EQUAL(alloc(m + SLOTS - 3, 3), 0);
	rte_pktmbuf_free_bulk(m, SLOTS);
	stop_host();
}

static void test_destroy_with_loans(void)
{
	struct rte_mbuf *m;

	start_host();
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(pool), -EBUSY);
	rte_pktmbuf_free(m);
	stop_host();
}

/* ---- a ring that could not be taken back in time ---- */

static void wipe_ring(void)
{
	/* As a driver that starts its ring anew. Nothing but zeroes may be found there afterwards. */
	memset(ring.mem->regions[0].host, 0, ring.mem->regions[0].size);
}

static bool ring_is_wiped(void)
{
	const uint8_t *at = ring.mem->regions[0].host;

	for (uint64_t i = 0; i < ring.mem->regions[0].size; i++)
		if (at[i] != 0)
			return false;
	return true;
}

static void test_abandon(void)
{
	struct rte_mbuf *m[8], *more;

	start();
	post_many(16);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 8), 0);
	receive_all(m, 8);
	publish(m, 2);
	rte_pktmbuf_free(m[4]); /* waits for its turn */
	pmd_rxpool_revoke(pool);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_REVOKED);

	pmd_rxpool_abandon(pool);
	wipe_ring();
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 5);
	CU_ASSERT_EQUAL(alloc(&more, 1), -ENOBUFS);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), -EBUSY);
	rte_pktmbuf_free(m[3]);
	rte_pktmbuf_free(m[7]);
	pmd_rxpool_abandon(pool); /* again is harmless */
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 3);
	publish(&m[2], 1);
	rte_pktmbuf_free_bulk(m + 5, 2);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT(ring_is_wiped());

	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), 0);
	fake_ring_free(&ring);
	/* and to another ring, as if nothing had been */
	fake_ring_init(&ring, 256, FAKE_F_V1 | FAKE_F_KIND);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
	post_many(8);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 8), 0);
	receive_all(m, 8);
	publish(m, 8);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 8);
	expect_clean();
	stop();
}

static void test_abandon_host(void)
{
	struct rte_mbuf *m;

	start_host();
	pmd_rxpool_revoke(pool);
	pmd_rxpool_abandon(pool);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	rte_pktmbuf_free(m);
	stop_host();
}

/* ---- swapping the backing ---- */

static void test_attach_with_loans(void)
{
	struct rte_mbuf *m;

	start_host();
	fake_ring_init(&ring, 256, FAKE_F_V1 | FAKE_F_KIND);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), -EBUSY);
	CU_ASSERT_PTR_NULL(pool->vr);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
	stop();
}

static void test_detach_with_loans(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(2);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 2), 0);
	rte_pktmbuf_free(m[0]); /* waits for its turn: still a loan */
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 2);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), -EBUSY);
	CU_ASSERT_PTR_EQUAL(pool->vr, &ring.vr);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(pool), -EBUSY);
	rte_pktmbuf_free(m[1]);
	stop();
}

static void test_host_after_detach(void)
{
	static struct rte_mbuf *m[SLOTS];
	uint32_t in_ring = 0;

	start();
	post_many(256);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 32), 0);
	receive_all(m, 32);
	publish(m, 20);
	rte_pktmbuf_free_bulk(m + 20, 12);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), 0); /* again is harmless */

	CU_ASSERT_EQUAL_FATAL(alloc(m, SLOTS), 0);
	const uint8_t *first = ring.mem->regions[0].host;
	for (uint32_t i = 0; i < SLOTS; i++) {
		const uint8_t *buf = m[i]->buf_addr;

		in_ring += buf >= first - STRIDE && buf < first + FAKE_REGION_SIZE;
		memset(m[i]->buf_addr, 0x33, RTE_PKTMBUF_HEADROOM + BUF_SIZE);
	}
	CU_ASSERT_EQUAL(in_ring, 0);
	rte_pktmbuf_free_bulk(m, SLOTS);

	/* and once more to the ring, where it stood */
	vh_ring_settle(&ring.vr);
	CU_ASSERT_EQUAL(fake_nb_used(&ring), 20);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 1), 0);
	receive(m[0], 60, 1);
	publish(m, 1);
	expect_used(20, nth_id(20), 60);
	stop();
}

static void test_attach_clears_faults(void)
{
	struct rte_mbuf *m;

	start();
	post_many(1);
	CU_ASSERT_EQUAL_FATAL(alloc(&m, 1), 0);
	rte_pktmbuf_free(m);
	rte_mempool_put(pool->headers.mp, m);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_FOREIGN);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_NONE);
	CU_ASSERT_EQUAL(pmd_rxpool_unfit(pool), VH_FIT);
	stop();
}

/* ---- pmd_rxpool_try ---- */

static void test_try_fits(void)
{
	start();
	post_many(8);
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 8), VH_FIT);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	CU_ASSERT(bytes_are(nth_id(0), 0, 0xee, HDR));
	expect_clean();
	stop();
}

static void test_try_too_few(void)
{
	start();
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 1), VH_FIT_EMPTY);
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 0), VH_FIT);
	post_many(8);
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 9), VH_FIT_EMPTY);
	expect_clean();
	stop();
}

/* Also behind what is wanted, or where nothing is wanted: it will be next. */
static void test_try_looks_at_all(void)
{
	start();
	post_many(8);
	post_len(nth_id(8), HDR + BUF_SIZE - 1);
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 4), VH_FIT_SHORT);
	stop();

	start();
	fake_post(&ring, 0, buf_gpa(0), HDR + BUF_SIZE, W | VRING_DESC_F_NEXT);
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 0), VH_FIT_CHAIN);
	stop();
}

static void test_try_broken_ring(void)
{
	start();
	vh_ring_set_fault(&ring.vr, VH_FAULT_CHAIN);
	CU_ASSERT_EQUAL(pmd_rxpool_try(pool, &ring.vr, 1), VH_FIT_FAULT);
	stop();
}

static void test_names(void)
{
	for (int i = 0; i < PMD_RX_FAULT_COUNT; i++)
		CU_ASSERT_PTR_NOT_NULL(pmd_rx_fault_str((enum pmd_rx_fault)i));
	CU_ASSERT_STRING_EQUAL(pmd_rx_fault_str(PMD_RX_FAULT_COUNT), "?");
}

static const struct unit_test tests[] = {
	{ "create: number of descriptors", test_create_number_limits },
	{ "create: a number that would wrap", test_create_number_does_not_wrap },
	{ "create: buffer size", test_create_size_limits },
	{ "create: a name that is taken", test_create_name_taken },
	{ "host: all buffers, distinct, with room, and again", test_host_all_buffers },
	{ "host: all or nothing", test_host_all_or_nothing },
	{ "destroy is refused with loans out", test_destroy_with_loans },
	{ "abandon: loans come home, and nothing is written to the ring", test_abandon },
	{ "abandon: harmless on host buffers", test_abandon_host },
	{ "attach is refused with loans out", test_attach_with_loans },
	{ "detach is refused with loans out", test_detach_with_loans },
	{ "host buffers after detach, ring again after that", test_host_after_detach },
	{ "attach clears faults", test_attach_clears_faults },
	{ "try: fits, and takes nothing", test_try_fits },
	{ "try: too few", test_try_too_few },
	{ "try: looks at all that is offered", test_try_looks_at_all },
	{ "try: a broken ring", test_try_broken_ring },
	{ "every fault has a name", test_names },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run("pmd/rxpool", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
