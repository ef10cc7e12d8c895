/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmit mapping between a container that is a fake ring and a NIC driver that is the test: it
 * gets mbufs, reads what they point at, and frees them when it likes. Built for each kind of ring.
 */
#ifndef TESTS_UNIT_PMD_TX_RIG_H
#define TESTS_UNIT_PMD_TX_RIG_H

#include <stdio.h>

#include "pmd/rxpool.h"
#include "pmd/txpool.h"
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"
#include "vhost/ring.h"

#define NB_DESC 16u
#define SLOTS   256u /* 2 * (NB_DESC + 2 * PMD_BURST), rounded up */
#define STRIDE  256u /* of the container's buffers */
#define HDR     12u

static struct fake_ring ring;
static struct pmd_txpool *pool;

/* ---- the container ---- */

static inline uint64_t buf_gpa(uint16_t id)
{
	return FAKE_GPA_DATA + id * (uint64_t)STRIDE;
}

/* No order that anyone could mistake for a slot or a position. */
static inline uint16_t nth_id(uint32_t i)
{
	return (uint16_t)((i * 37 + 5) % ring.size);
}

/* Which frame this is shows in each byte; header bytes are none of it. */
static inline void post(uint16_t id, uint32_t frame_len)
{
	memset(fake_ptr(&ring, buf_gpa(id)), 0xee, ring.vr.hdr_len);
	memset(fake_ptr(&ring, buf_gpa(id) + ring.vr.hdr_len), id & 0xff, frame_len);
	fake_post(&ring, id, buf_gpa(id), ring.vr.hdr_len + frame_len, 0);
}

/* The n-th buffer carries 60 + n bytes, up to 60 + 63. */
static inline uint32_t nth_len(uint32_t i)
{
	return 60 + i % 64;
}

static inline void post_many(uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		post(nth_id(i), nth_len(i));
}

static inline uint16_t nb_used(void)
{
	vh_ring_flush(ring.vr.kind, &ring.vr);
	return fake_nb_used(&ring);
}

/* All that the container got back, from the first to the n-th, and nothing more. */
static inline void expect_used(uint16_t n)
{
	uint32_t bad = 0;

	CU_ASSERT_EQUAL(nb_used(), n);
	for (uint16_t i = n > ring.size ? n - (uint16_t)ring.size : 0; i < n; i++) {
		struct vring_used_elem e = fake_used(&ring, i);

		/* virtio 1.1, 2.6.8.2: the device wrote nothing */
		bad += e.id != nth_id(i) || e.len != 0;
	}
	CU_ASSERT_EQUAL(bad, 0);
}

/* ---- the worker ---- */

static inline struct vh_tx_buf take(void)
{
	struct vh_tx_buf buf = { .addr = NULL };

	CU_ASSERT_FATAL(vh_ring_avail(ring.vr.kind, &ring.vr, 1) > 0);
	CU_ASSERT_EQUAL(vh_ring_peek_tx(ring.vr.kind, &ring.vr, PMD_MIN_FRAME, &buf), VH_FIT);
	vh_ring_take(ring.vr.kind, &ring.vr, buf.taken.entries);
	return buf;
}

static inline struct rte_mbuf *lend(void)
{
	struct vh_tx_buf buf = take();

	return pmd_txpool_lend(pool, &buf);
}

static inline void lend_many(struct rte_mbuf **m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		m[i] = lend();
}

/* A packet that was copied. */
static inline void copied(void)
{
	pmd_txpool_done(pool, take().taken);
}

/* ---- around each test ---- */

static inline struct pmd_txpool *new_pool(uint32_t nb_desc)
{
	static unsigned int nb;
	char name[32];

	snprintf(name, sizeof(name), "txpool%u", nb++);
	return pmd_txpool_create(name, nb_desc, SOCKET_ID_ANY);
}

static inline void start_with(uint32_t size, uint64_t features, uint32_t nb_desc)
{
	pool = new_pool(nb_desc);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	fake_ring_init(&ring, size, features | FAKE_F_KIND);
	CU_ASSERT_EQUAL(pmd_txpool_attach(pool, &ring.vr), 0);
}

static inline void start(void)
{
	start_with(256, FAKE_F_V1, NB_DESC);
}

static inline void stop(void)
{
	CU_ASSERT_EQUAL(pmd_txpool_loans(pool), 0);
	CU_ASSERT_EQUAL(pmd_txpool_room(pool), pool->mask + 1u);
	CU_ASSERT_EQUAL(fake_nb_taken(&ring), 0);
	CU_ASSERT_EQUAL(pmd_txpool_detach(pool), 0);
	CU_ASSERT_EQUAL(pmd_txpool_destroy(pool), 0);
	fake_ring_free(&ring);
}

/* As a driver finds any mbuf of one segment, with no room in front or behind. */
static inline void expect_plain(struct rte_mbuf *m)
{
	const char *why = "";

	CU_ASSERT_EQUAL(rte_mbuf_check(m, 1, &why), 0);
	CU_ASSERT_EQUAL(rte_mbuf_refcnt_read(m), 1);
	CU_ASSERT_EQUAL(m->nb_segs, 1);
	CU_ASSERT_PTR_NULL(m->next);
	CU_ASSERT_EQUAL(m->ol_flags, 0);
	CU_ASSERT(RTE_MBUF_DIRECT(m));
	CU_ASSERT_PTR_EQUAL(m->pool, pool->headers.mp);
	CU_ASSERT_EQUAL(rte_pktmbuf_headroom(m), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_tailroom(m), 0);
}

#endif /* TESTS_UNIT_PMD_TX_RIG_H */
