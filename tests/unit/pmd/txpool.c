/* SPDX-License-Identifier: BSD-3-Clause */
/* The transmit mapping: life, the ring behind it, lending. */
#include "pmd/txpool.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_mempool.h>

#include "tests/unit/pmd/tx_rig.h"

/* ---- creation ---- */

static void expect_invalid(uint32_t nb_desc)
{
	errno = 0;
	struct pmd_txpool *p = new_pool(nb_desc);
	CU_ASSERT_PTR_NULL(p);
	CU_ASSERT_EQUAL(errno, EINVAL);
	pmd_txpool_destroy(p);
}

static void expect_created(uint32_t nb_desc, uint32_t slots)
{
	struct pmd_txpool *p = new_pool(nb_desc);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->mask + 1u, slots);
	CU_ASSERT_EQUAL(pmd_txpool_room(p), slots);
	CU_ASSERT_EQUAL(pmd_txpool_loans(p), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(p->headers.mp), slots);
	CU_ASSERT(!pmd_txpool_broken(p));
	CU_ASSERT_EQUAL(pmd_txpool_destroy(p), 0);
}

static void test_create_limits(void)
{
	expect_created(1, 256);
	expect_created(64, 256);
	expect_created(65, 512);
	expect_created(4096, 16384);
	expect_created(PMD_RX_MAX_DESC, 32768);
	expect_invalid(PMD_RX_MAX_DESC + 1);
	expect_invalid(65536);
}

static void test_create_number_does_not_wrap(void)
{
	expect_invalid(UINT32_MAX);
	expect_invalid((1u << 31) - 2 * PMD_BURST);
	expect_invalid(1u << 31);
}

static void test_create_name_taken(void)
{
	struct pmd_txpool *a = pmd_txpool_create("same", 16, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	errno = 0;
	CU_ASSERT_PTR_NULL(pmd_txpool_create("same", 16, SOCKET_ID_ANY));
	CU_ASSERT_EQUAL(errno, EEXIST);
	CU_ASSERT_EQUAL(pmd_txpool_destroy(a), 0);
	CU_ASSERT_EQUAL(pmd_txpool_destroy(NULL), 0);
}

/* ---- the ring behind it ---- */

static void test_busy_with_loans(void)
{
	struct fake_ring other;
	struct rte_mbuf *m[2];

	start();
	fake_ring_init(&other, 256, FAKE_F_V1);
	post_many(0, 2);
	lend_many(m, 2);
	rte_pktmbuf_free(m[1]); /* waits for its turn: still a loan */
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 2);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &other.vr), -EBUSY);
	CU_ASSERT_PTR_EQUAL(pool->vr, &ring.vr);
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), -EBUSY);
	CU_ASSERT_PTR_EQUAL(pool->vr, &ring.vr);
	CU_ASSERT_EQUAL(pmd_txpool_destroy(pool), -EBUSY);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 2);
	rte_pktmbuf_free(m[0]);
	expect_used(2);
	fake_ring_free(&other);
	stop();
}

static void test_detach_and_attach(void)
{
	struct rte_mbuf *m[40];

	start();
	post_many(0, 100);
	lend_many(m, 40);
	rte_pktmbuf_free_bulk(m, 40);
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), 0);
	CU_ASSERT_PTR_NULL(pool->vr);
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), 0); /* again is harmless */

	/* and once more to the ring, where it stood */
	vh_ring_settle(&ring.vr);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &ring.vr), 0);
	lend_many(m, 30);
	rte_pktmbuf_free_bulk(m, 30);
	expect_used(70);
	stop();
}

static void test_free_after_detach(void)
{
	struct rte_mbuf *m;

	start();
	post_many(0, 1);
	m = lend();
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	rte_mempool_put(pool->headers.mp, m);
	CU_ASSERT(pmd_txpool_broken(pool));
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
	expect_used(1);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &ring.vr), 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

/* The container could not be made to wait, and uses its ring anew. */
static void test_abandon(void)
{
	struct rte_mbuf *m[8];
	uint8_t *shared;

	start();
	shared = ring.mem->regions[0].host;
	post_many(0, 10);
	lend_many(m, 8);
	rte_pktmbuf_free_bulk(m, 2);
	rte_pktmbuf_free(m[4]); /* waits for its turn */
	expect_used(2);
	pmd_txpool_revoke(pool);
	CU_ASSERT(pmd_txpool_broken(pool));

	pmd_txpool_abandon(pool);
	memset(shared, 0, ring.mem->regions[0].size);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 5);
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), -EBUSY);
	rte_pktmbuf_free_bulk(m + 2, 2);
	pmd_txpool_abandon(pool); /* again is harmless */
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 3);
	rte_pktmbuf_free_bulk(m + 5, 3);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
	vh_ring_flush(ring.vr.kind, &ring.vr);
	for (uint64_t i = 0; i < ring.mem->regions[0].size; i++)
		if (shared[i] != 0)
			CU_FAIL_FATAL("the ring's memory was written to");

	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), 0);
	pmd_txpool_abandon(pool);
	fake_ring_free(&ring);
	fake_ring_init(&ring, 256, FAKE_F_V1 | FAKE_F_KIND);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &ring.vr), 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	post_many(0, 8);
	lend_many(m, 8);
	rte_pktmbuf_free_bulk(m, 8);
	expect_used(8);
	stop();
}

/* A driver that took the pool for an ordinary one. */
static void test_nothing_to_allocate(void)
{
	start();
	CU_ASSERT_PTR_NULL(rte_pktmbuf_alloc(pool->headers.mp));
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

/* ---- lending ---- */

static void expect_frame(const struct rte_mbuf *m, uint16_t id, uint32_t len)
{
	uint8_t *frame = ring.mem->regions[0].host + (buf_gpa(id) - FAKE_GPA) + ring.vr.hdr_len;
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	CU_ASSERT_PTR_EQUAL(data, frame);
	CU_ASSERT_PTR_EQUAL(m->buf_addr, frame);
	CU_ASSERT_EQUAL(rte_mbuf_iova_get(m), (rte_iova_t)(uintptr_t)frame);
	CU_ASSERT_EQUAL(rte_pktmbuf_iova(m), (rte_iova_t)(uintptr_t)frame);
	CU_ASSERT_EQUAL(m->data_off, 0);
	CU_ASSERT_EQUAL(m->buf_len, len);
	CU_ASSERT_EQUAL(m->data_len, len);
	CU_ASSERT_EQUAL(m->pkt_len, len);
	CU_ASSERT_EQUAL(data[0], id & 0xff);
	CU_ASSERT_EQUAL(data[len - 1], id & 0xff);
}

static void check_lend(uint64_t features, uint32_t hdr_len)
{
	struct rte_mbuf *m[3];
	static const uint32_t lens[3] = { PMD_MIN_FRAME, 61, STRIDE - HDR };

	start_with(256, features, NB_DESC);
	CU_ASSERT_EQUAL_FATAL(ring.vr.hdr_len, hdr_len);
	/* more than once round the slots: a header that comes back is as good as new */
	for (uint32_t round = 0; round < SLOTS; round++) {
		for (uint32_t i = 0; i < 3; i++)
			post(nth_id(3 * round + i), lens[i]);
		for (uint32_t i = 0; i < 3; i++) {
			m[i] = lend();
			expect_frame(m[i], nth_id(3 * round + i), lens[i]);
			expect_plain(m[i]);
		}
		CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 3);
		CU_ASSERT_PTR_NOT_EQUAL(m[0], m[1]);
		CU_ASSERT_PTR_NOT_EQUAL(m[1], m[2]);
		rte_pktmbuf_free_bulk(m, 3);
		vh_ring_flush(ring.vr.kind, &ring.vr);
	}
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

static void test_lend_header_12(void)
{
	check_lend(FAKE_F_V1, 12);
}

static void test_lend_header_10(void)
{
	check_lend(0, 10);
}

static void test_same_id_twice(void)
{
	struct rte_mbuf *m[3];

	start();
	post(7, 60);
	post(7, 60);
	post(9, 60);
	lend_many(m, 3);
	CU_ASSERT_PTR_NOT_EQUAL(m[0], m[1]); /* one buffer, two loans */
	CU_ASSERT_PTR_EQUAL(m[0]->buf_addr, m[1]->buf_addr);
	rte_pktmbuf_free_bulk(m, 3);
	CU_ASSERT_EQUAL(nb_used(), 3);
	CU_ASSERT_EQUAL(fake_used(&ring, 0).id, 7);
	CU_ASSERT_EQUAL(fake_used(&ring, 1).id, 7);
	CU_ASSERT_EQUAL(fake_used(&ring, 2).id, 9);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

static void test_room(void)
{
	static struct rte_mbuf *m[SLOTS];

	start_with(512, FAKE_F_V1, NB_DESC);
	post_many(0, 512);
	for (uint32_t i = 0; i < SLOTS; i++) {
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), SLOTS - i);
		CU_ASSERT_EQUAL(rte_mempool_avail_count(pool->headers.mp), SLOTS - i);
		m[i] = lend();
	}
	CU_ASSERT_EQUAL(pmd_txpool_room(pool), 0);
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), SLOTS);
	/* what waits for its turn has its place still */
	rte_pktmbuf_free_bulk(m + 1, SLOTS - 1);
	CU_ASSERT_EQUAL(pmd_txpool_room(pool), 0);
	expect_used(0);
	rte_pktmbuf_free(m[0]);
	CU_ASSERT_EQUAL(pmd_txpool_room(pool), SLOTS);
	expect_used(SLOTS);
	stop();
}

/* Positions are 16 bits, so 32768 slots are the most that can be told from none. */
static void test_room_limited(void)
{
	struct rte_mbuf *m[NB_DESC];
	uint32_t posted = 0;

	start();
	pmd_txpool_limit(pool, NB_DESC - 1);
	for (int lap = 0; lap < 3; lap++) {
		post_many(posted, NB_DESC - 1);
		posted += NB_DESC - 1;
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), NB_DESC - 1);
		lend_many(m, NB_DESC - 1);
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), 0);
		rte_pktmbuf_free(m[1]); /* waits for its turn: no room yet */
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), 0);
		rte_pktmbuf_free(m[0]);
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), 2);
		rte_pktmbuf_free_bulk(&m[2], NB_DESC - 3);
		expect_used(posted);
	}
	pmd_txpool_limit(pool, SLOTS);
	stop();
}

static void test_room_of_largest(void)
{
	enum { N = 32768 };
	static struct rte_mbuf *m[N];
	uint32_t bad = 0;

	start_with(N, FAKE_F_V1, PMD_RX_MAX_DESC);
	memset(fake_ptr(&ring, FAKE_GPA_DATA), 1, STRIDE);
	for (uint32_t turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < N; i++)
			fake_post(&ring, (uint16_t)i, FAKE_GPA_DATA, HDR + 60, 0);
		lend_many(m, N);
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), 0);
		CU_ASSERT_EQUAL(pmd_txpool_loans(pool), N);
		for (uint32_t i = 0; i < N; i++) /* the oldest in the middle */
			rte_pktmbuf_free(m[(i + N / 2) % N]);
		CU_ASSERT_EQUAL(pmd_txpool_room(pool), N);
		vh_ring_flush(ring.vr.kind, &ring.vr);
		for (uint32_t i = 0; i < N; i++)
			bad += fake_used(&ring, (uint16_t)(turn * N + i)).id != i;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(!pmd_txpool_broken(pool));
	stop();
}

static const struct unit_test tests[] = {
	{ "create: number of descriptors", test_create_limits },
	{ "create: a number that would wrap", test_create_number_does_not_wrap },
	{ "create: a name that is taken", test_create_name_taken },
	{ "attach, detach and destroy are refused with loans out", test_busy_with_loans },
	{ "detach, and the same ring again", test_detach_and_attach },
	{ "free after detach", test_free_after_detach },
	{ "abandon: loans come home, and nothing is written to the ring", test_abandon },
	{ "nothing can be allocated", test_nothing_to_allocate },
	{ "lend: the frame behind a header of 12 bytes", test_lend_header_12 },
	{ "lend: the frame behind a header of 10 bytes", test_lend_header_10 },
	{ "lend: the same id twice", test_same_id_twice },
	{ "room: all slots, and what waits", test_room },
	{ "room: fewer than all slots", test_room_limited },
	{ "room: the largest pool", test_room_of_largest },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run("pmd/txpool", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
