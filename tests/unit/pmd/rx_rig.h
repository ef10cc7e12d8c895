/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mempool driver between a container that is a fake ring and a NIC driver that is the test: it
 * allocates, writes frames where the mbufs say, and publishes or gives back. Built for each kind of
 * ring.
 */
#ifndef TESTS_UNIT_PMD_RX_RIG_H
#define TESTS_UNIT_PMD_RX_RIG_H

#include <stdio.h>

#include <rte_mempool.h>

#include "pmd/rxpool.h"
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define NB_DESC  16u
#define SLOTS    256u /* 2 * (NB_DESC + 2 * PMD_BURST), rounded up */
#define BUF_SIZE 2048u
#define STRIDE   2304u /* of the container's buffers */
#define HDR      12u
#define W        VRING_DESC_F_WRITE

static struct fake_ring ring;
static struct pmd_rxpool *pool;
static struct pmd_rx_stats stats;

/* ---- the container ---- */

static inline uint64_t buf_gpa(uint16_t id)
{
	return FAKE_GPA_DATA + id * (uint64_t)STRIDE;
}

/* So that what must be written shows. */
static inline void soil(uint16_t id)
{
	memset(fake_ptr(&ring, buf_gpa(id)), 0xee, STRIDE);
}

static inline void post_len(uint16_t id, uint32_t len)
{
	soil(id);
	fake_post(&ring, id, buf_gpa(id), len, W);
}

static inline void post(uint16_t id)
{
	post_len(id, HDR + BUF_SIZE);
}

/* No order that anyone could mistake for a slot or a position. */
static inline uint16_t nth_id(uint32_t i)
{
	return (uint16_t)((i * 37 + 5) % ring.size);
}

static inline void post_many(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		post(nth_id(i));
}

static inline bool header_is_clean(uint16_t id, uint32_t hdr_len)
{
	struct virtio_net_hdr_mrg_rxbuf want = { .num_buffers = 1 };

	return memcmp(fake_ptr(&ring, buf_gpa(id)), &want, hdr_len) == 0;
}

static inline bool bytes_are(uint16_t id, uint32_t off, uint8_t byte, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (*fake_ptr(&ring, buf_gpa(id) + off + i) != byte)
			return false;
	return true;
}

/* Buffers that were taken and not offered again; what is completed has been flushed. */
static inline uint16_t nb_taken_ever(void)
{
	return fake_nb_used(&ring) + fake_nb_taken(&ring);
}

static inline void expect_used(uint16_t pos, uint16_t id, uint32_t frame_len)
{
	CU_ASSERT_EQUAL(fake_used(&ring, pos).id, id);
	CU_ASSERT_EQUAL(fake_used(&ring, pos).len, ring.vr.hdr_len + frame_len);
}

static inline void expect_filler(uint16_t pos, uint16_t id)
{
	expect_used(pos, id, PMD_MIN_FRAME);
	CU_ASSERT(header_is_clean(id, HDR));
	CU_ASSERT(bytes_are(id, HDR, 0, PMD_MIN_FRAME));
	CU_ASSERT(bytes_are(id, HDR + PMD_MIN_FRAME, 0xee, 16));
}

/* ---- the driver ---- */

static inline int alloc(struct rte_mbuf **m, unsigned int n)
{
	return rte_pktmbuf_alloc_bulk(pool->headers.mp, m, n);
}

/* A frame arrives: byte i is seed + i. */
static inline void receive(struct rte_mbuf *m, uint32_t len, uint8_t seed)
{
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(seed + i);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

static inline void receive_all(struct rte_mbuf **m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		receive(m[i], 60 + i, (uint8_t)i);
}

static inline bool frame_is(uint16_t id, uint32_t hdr_len, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		if (*fake_ptr(&ring, buf_gpa(id) + hdr_len + i) != (uint8_t)(seed + i))
			return false;
	return true;
}

static inline void publish(struct rte_mbuf **m, uint16_t n)
{
	pmd_rxpool_publish(pool, m, n, &stats);
	vh_ring_flush(FAKE_KIND, &ring.vr);
}

/* ---- around each test ---- */

static inline struct pmd_rxpool *new_pool(uint32_t nb_desc, uint32_t buf_size)
{
	static unsigned int nb;
	char name[32];

	snprintf(name, sizeof(name), "pool%u", nb++);
	return pmd_rxpool_create(name, nb_desc, buf_size, SOCKET_ID_ANY);
}

static inline void start_host(void)
{
	memset(&stats, 0, sizeof(stats));
	pool = new_pool(NB_DESC, BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
}

static inline void stop_host(void)
{
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(pool), 0);
	pool = NULL;
}

static inline void start_with(uint32_t size, uint64_t features)
{
	start_host();
	fake_ring_init(&ring, size, features | FAKE_F_KIND);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
}

static inline void start(void)
{
	start_with(256, FAKE_F_V1 | FAKE_F_MRG);
}

static inline void stop(void)
{
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(fake_nb_taken(&ring), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), 0);
	stop_host();
	fake_ring_free(&ring);
}

static inline void expect_clean(void)
{
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_NONE);
	CU_ASSERT_EQUAL(vh_ring_fault(&ring.vr), VH_FAULT_NONE);
}

#endif /* TESTS_UNIT_PMD_RX_RIG_H */
