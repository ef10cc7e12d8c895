/* SPDX-License-Identifier: BSD-3-Clause */
/* The transmit mapping: completion, in order whatever the driver does. */
#include "pmd/txpool.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mempool.h>

#include "tests/unit/pmd/tx_rig.h"

/* ---- completion ---- */

static void test_complete_in_order(void)
{
	struct rte_mbuf *m[PMD_BURST];

	start();
	post_many(0, PMD_BURST);
	lend_many(m, PMD_BURST);
	expect_used(0);
	for (uint16_t i = 0; i < PMD_BURST; i++) {
		rte_pktmbuf_free(m[i]);
		CU_ASSERT_EQUAL(fake_nb_used(&ring), i); /* nothing is seen before the flush */
		CU_ASSERT_EQUAL(pmd_txpool_loans(pool), PMD_BURST - 1u - i);
		expect_used(i + 1);
	}
	stop();
}

static void test_complete_newest_first(void)
{
	struct rte_mbuf *m[PMD_BURST];

	start();
	post_many(0, PMD_BURST);
	lend_many(m, PMD_BURST);
	for (uint16_t i = PMD_BURST - 1; i > 0; i--) {
		rte_pktmbuf_free(m[i]);
		expect_used(0);
		CU_ASSERT_EQUAL(pmd_txpool_loans(pool), PMD_BURST);
	}
	rte_pktmbuf_free(m[0]);
	expect_used(PMD_BURST);
	stop();
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

static void shuffle(struct rte_mbuf **m, uint32_t n)
{
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = rnd(i + 1);
		struct rte_mbuf *t = m[i];

		m[i] = m[j];
		m[j] = t;
	}
}

/* What must be seen at the container after each free: all up to the oldest that is out. */
static void check_random_order(uint32_t seed, uint32_t max_bulk)
{
	struct rte_mbuf *m[64], *order[64];
	uint16_t oldest = 0;

	rnd_state = seed * 2654435761u;
	start();
	post_many(0, 64);
	lend_many(m, 64);
	memcpy(order, m, sizeof(m));
	shuffle(order, 64);
	for (uint32_t at = 0, n; at < 64; at += n) {
		n = RTE_MIN(1 + rnd(max_bulk), 64 - at);
		rte_mempool_put_bulk(pool->headers.mp, (void **)&order[at], n);
		for (uint32_t i = 0; i < at + n; i++)
			for (uint32_t j = 0; j < at + n; j++)
				oldest += oldest < 64 && order[j] == m[oldest];
		expect_used(oldest);
	}
	CU_ASSERT_EQUAL(oldest, 64);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

static void test_complete_random_order(void)
{
	for (uint32_t seed = 1; seed <= 20; seed++)
		check_random_order(seed, 1);
}

static void test_complete_random_bulks(void)
{
	for (uint32_t seed = 1; seed <= 20; seed++)
		check_random_order(seed, 40);
}

static void test_complete_bulk_in_order(void)
{
	struct rte_mbuf *m[64];

	start();
	post_many(0, 64);
	lend_many(m, 64);
	rte_mempool_put_bulk(pool->headers.mp, (void **)&m[0], 32);
	expect_used(32);
	rte_mempool_put_bulk(pool->headers.mp, (void **)&m[32], 32);
	expect_used(64);
	stop();
}

/* Drivers that are handed a chain of ours free it segment by segment. */
static void test_complete_segments(void)
{
	struct rte_mbuf *m[3];

	start();
	post_many(0, 3);
	lend_many(m, 3);
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m[0], m[1]), 0);
	rte_pktmbuf_free(m[0]);
	expect_used(2);
	rte_pktmbuf_free_seg(m[2]);
	expect_used(3);
	/* and the headers know nothing of it any more */
	post_many(3, 253);
	for (uint32_t i = 3; i < 256; i++)
		rte_pktmbuf_free(lend());
	nb_used();
	post_many(256, 3);
	lend_many(m, 3);
	for (uint32_t i = 0; i < 3; i++)
		expect_plain(m[i]);
	rte_pktmbuf_free_bulk(m, 3);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

/* A second reference: the buffer is the NIC's until the last one goes. */
static void test_complete_last_reference(void)
{
	struct rte_mbuf *m;

	start();
	post_many(0, 1);
	m = lend();
	rte_mbuf_refcnt_update(m, 1);
	rte_pktmbuf_free(m);
	expect_used(0);
	rte_pktmbuf_free(m);
	expect_used(1);
	CU_ASSERT_EQUAL(rte_mbuf_refcnt_read(m), 1);
	stop();
}

/* With a lag, as NICs have it: positions go round 16 bits, slots many times. */
static void check_positions_wrap(uint32_t size, uint32_t nb_desc, uint16_t first)
{
	enum { N = 3 * 65536 + 100, LAG = 40 };
	static struct rte_mbuf *m[LAG];
	uint16_t seen = 0;
	uint32_t bad = 0;

	pool = new_pool(nb_desc);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	fake_ring_init_at(&ring, size, FAKE_F_V1 | FAKE_F_KIND, first);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &ring.vr), 0);
	for (uint32_t i = 0; i < N + LAG; i++) {
		if (i >= LAG)
			rte_pktmbuf_free(m[i % LAG]);
		if (i < N) {
			post(nth_id(i), 60);
			m[i % LAG] = lend();
			bad += *(uint8_t *)m[i % LAG]->buf_addr != (nth_id(i) & 0xff);
		}
		if (i % 16 == 15)
			vh_ring_flush(ring.vr.kind, &ring.vr);
		for (uint16_t used = fake_nb_used(&ring); seen != used; seen++) {
			uint32_t nth = i + 1 - LAG - (uint16_t)(used - seen);

			bad += fake_used(&ring, seen).id != nth_id(nth);
		}
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	CU_ASSERT_EQUAL(nb_used(), (uint16_t)N);
	stop();
}

static void test_positions_wrap(void)
{
#if FAKE_PACKED
	check_positions_wrap(256, NB_DESC, 0);
	check_positions_wrap(63, 200, 0x8000 | 62);
	check_positions_wrap(1000, 1, 0x8000);
#else
	check_positions_wrap(256, NB_DESC, 0);
	check_positions_wrap(64, 200, 65500);
	check_positions_wrap(1024, 1, 40000);
#endif
}

/* ---- copied packets between the lent ones ---- */

static void test_copied_alone(void)
{
	start();
	post_many(0, 3);
	for (uint16_t i = 1; i <= 3; i++) {
		copied();
		CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
		expect_used(i);
	}
	stop();
}

static void test_copied_waits(void)
{
	struct rte_mbuf *m;

	start();
	post_many(0, 4);
	m = lend();
	copied();
	copied();
	copied();
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 4);
	CU_ASSERT_EQUAL(pmd_txpool_room(pool), SLOTS - 4);
	expect_used(0);
	rte_pktmbuf_free(m);
	expect_used(4);
	stop();
}

static void test_copied_between(void)
{
	struct rte_mbuf *m[3];

	start();
	post_many(0, 6);
	copied(); /* 0 */
	m[0] = lend(); /* 1 */
	copied(); /* 2 */
	m[1] = lend(); /* 3 */
	m[2] = lend(); /* 4 */
	copied(); /* 5 */
	expect_used(1);
	rte_pktmbuf_free(m[1]);
	expect_used(1);
	rte_pktmbuf_free(m[0]);
	expect_used(4);
	rte_pktmbuf_free(m[2]);
	expect_used(6);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

/* As a worker sends them: one burst of both, freed as one, grouped by pool. */
static void test_copied_in_one_burst(void)
{
	struct rte_mempool *other = rte_pktmbuf_pool_create(
		"other", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct rte_mbuf *m[PMD_BURST];

	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	rnd_state = 99;
	start();
	for (uint32_t round = 0; round < 50; round++) {
		post_many(round * PMD_BURST, PMD_BURST);
		for (uint32_t i = 0; i < PMD_BURST; i++) {
			if (rnd(3) > 0) {
				m[i] = lend();
				continue;
			}
			m[i] = rte_pktmbuf_alloc(other);
			CU_ASSERT_PTR_NOT_NULL_FATAL(m[i]);
			copied();
		}
		rte_pktmbuf_free_bulk(m, PMD_BURST);
		expect_used((uint16_t)((round + 1) * PMD_BURST));
		CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
	}
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(other), 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
	rte_mempool_free(other);
}

/* Nothing but copies for a long time: slots and positions go round all the same. */
static void test_copied_for_long(void)
{
	uint32_t bad = 0;

	start();
	for (uint32_t i = 0; i < 70000; i++) {
		post(nth_id(i), 60);
		copied();
		vh_ring_flush(ring.vr.kind, &ring.vr);
		bad += fake_used(&ring, (uint16_t)i).id != nth_id(i);
	}
	CU_ASSERT_EQUAL(bad, 0);
	stop();
}

/* ---- what a driver must not do ---- */

static void test_double_free_completed(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(0, 2);
	lend_many(m, 2);
	rte_pktmbuf_free(m[0]);
	CU_ASSERT(!pmd_txpool_broken(pool));
	rte_mempool_put(pool->headers.mp, m[0]);
	CU_ASSERT(pmd_txpool_broken(pool));
	expect_used(1);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 1);
	rte_pktmbuf_free(m[1]); /* the others come home as ever */
	expect_used(2);
	CU_ASSERT(pmd_txpool_broken(pool)); /* once is enough */
	stop();
}

static void test_double_free_waiting(void)
{
	struct rte_mbuf *m[3];

	start();
	post_many(0, 3);
	lend_many(m, 3);
	rte_pktmbuf_free(m[1]);
	rte_mempool_put(pool->headers.mp, m[1]);
	CU_ASSERT(pmd_txpool_broken(pool));
	expect_used(0);
	rte_pktmbuf_free(m[0]);
	expect_used(2);
	rte_pktmbuf_free(m[2]);
	expect_used(3);
	stop();
}

static void test_double_free_in_bulk(void)
{
	struct rte_mbuf *m[5], *bulk[6];

	start();
	post_many(0, 5);
	lend_many(m, 5);
	bulk[0] = m[2];
	bulk[1] = m[0];
	bulk[2] = m[2];
	bulk[3] = m[0];
	bulk[4] = m[3];
	bulk[5] = m[1];
	rte_mempool_put_bulk(pool->headers.mp, (void **)bulk, 6);
	CU_ASSERT(pmd_txpool_broken(pool));
	expect_used(4);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 1);
	rte_pktmbuf_free(m[4]);
	expect_used(5);
	stop();
}

static void test_free_of_what_was_not_lent(void)
{
	struct rte_mbuf *m[2];

	start();
	rte_mempool_put(pool->headers.mp, pmd_headers_at(&pool->headers, 0));
	CU_ASSERT(pmd_txpool_broken(pool));
	expect_used(0);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
	post_many(0, 2);
	lend_many(m, 2);
	rte_mempool_put(pool->headers.mp, pmd_headers_at(&pool->headers, 2));
	rte_mempool_put(pool->headers.mp, pmd_headers_at(&pool->headers, SLOTS - 1));
	expect_used(0);
	rte_pktmbuf_free_bulk(m, 2);
	expect_used(2);
	stop();
}

/* A copied packet's place is nobody's to free, waiting or done. */
static void test_free_of_what_was_copied(void)
{
	struct rte_mbuf *m;

	start();
	post_many(0, 2);
	m = lend();
	copied();
	rte_mempool_put(pool->headers.mp, pmd_headers_at(&pool->headers, 1));
	CU_ASSERT(pmd_txpool_broken(pool));
	expect_used(0);
	rte_pktmbuf_free(m);
	expect_used(2);
	stop();
}

static void test_attach_clears_fault(void)
{
	start();
	rte_mempool_put(pool->headers.mp, pmd_headers_at(&pool->headers, 9));
	CU_ASSERT(pmd_txpool_broken(pool));
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), 0);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &ring.vr), 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

/* What a container does to a buffer that is lent, or to its ring, changes no completion. */
static void test_container_meddles(void)
{
	struct rte_mbuf *m[2];

	start();
	post_many(0, 2);
	lend_many(m, 2);
	for (uint32_t i = 0; i < 256; i++) {
		ring.desc[i].addr = UINT64_MAX;
		ring.desc[i].len = UINT32_MAX;
#if FAKE_PACKED
		ring.packed[i].id = UINT16_MAX;
		ring.packed[i].flags ^= VH_PACKED_KIND;
#else
		ring.desc[i].flags = UINT16_MAX;
		ring.desc[i].next = UINT16_MAX;
#endif
	}
	fake_post(&ring, nth_id(7), FAKE_GPA_END, 100, 0);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 2);
	rte_pktmbuf_free_bulk(m, 2);
	expect_used(2);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

static const struct unit_test tests[] = {
	{ "complete: in order, seen at the flush", test_complete_in_order },
	{ "complete: newest first", test_complete_newest_first },
	{ "complete: random orders", test_complete_random_order },
	{ "complete: random orders in bulks", test_complete_random_bulks },
	{ "complete: bulks in order", test_complete_bulk_in_order },
	{ "complete: segments", test_complete_segments },
	{ "complete: at the last reference", test_complete_last_reference },
	{ "positions and slots wrap", test_positions_wrap },
	{ "copied: alone", test_copied_alone },
	{ "copied: waits for an older loan", test_copied_waits },
	{ "copied: between loans", test_copied_between },
	{ "copied: in one burst with loans", test_copied_in_one_burst },
	{ "copied: nothing else", test_copied_for_long },
	{ "fault: freed twice, completed", test_double_free_completed },
	{ "fault: freed twice, waiting", test_double_free_waiting },
	{ "fault: freed twice in a bulk", test_double_free_in_bulk },
	{ "fault: freed, never lent", test_free_of_what_was_not_lent },
	{ "fault: freed, but was copied", test_free_of_what_was_copied },
	{ "fault: attach clears it", test_attach_clears_fault },
	{ "a container that meddles", test_container_meddles },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run("pmd/txpool_done", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
