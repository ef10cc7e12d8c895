/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mempool driver between a container that is a fake ring and a NIC driver that is the test: it
 * allocates, writes frames where the mbufs say, and publishes or gives back. Built for each kind of
 * ring.
 */
#include "pmd/rxpool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_ether.h>
#include <rte_mempool.h>

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

static uint64_t buf_gpa(uint16_t id)
{
	return FAKE_GPA_DATA + id * (uint64_t)STRIDE;
}

/* So that what must be written shows. */
static void soil(uint16_t id)
{
	memset(fake_ptr(&ring, buf_gpa(id)), 0xee, STRIDE);
}

static void post_len(uint16_t id, uint32_t len)
{
	soil(id);
	fake_post(&ring, id, buf_gpa(id), len, W);
}

static void post(uint16_t id)
{
	post_len(id, HDR + BUF_SIZE);
}

/* No order that anyone could mistake for a slot or a position. */
static uint16_t nth_id(uint32_t i)
{
	return (uint16_t)((i * 37 + 5) % ring.size);
}

static void post_many(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		post(nth_id(i));
}

static bool header_is_clean(uint16_t id, uint32_t hdr_len)
{
	struct virtio_net_hdr_mrg_rxbuf want = { .num_buffers = 1 };

	return memcmp(fake_ptr(&ring, buf_gpa(id)), &want, hdr_len) == 0;
}

static bool bytes_are(uint16_t id, uint32_t off, uint8_t byte, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (*fake_ptr(&ring, buf_gpa(id) + off + i) != byte)
			return false;
	return true;
}

/* Buffers that were taken and not offered again; what is completed has been flushed. */
static uint16_t nb_taken_ever(void)
{
	return fake_nb_used(&ring) + fake_nb_taken(&ring);
}

static void expect_used(uint16_t pos, uint16_t id, uint32_t frame_len)
{
	CU_ASSERT_EQUAL(fake_used(&ring, pos).id, id);
	CU_ASSERT_EQUAL(fake_used(&ring, pos).len, ring.vr.hdr_len + frame_len);
}

static void expect_filler(uint16_t pos, uint16_t id)
{
	expect_used(pos, id, PMD_MIN_FRAME);
	CU_ASSERT(header_is_clean(id, HDR));
	CU_ASSERT(bytes_are(id, HDR, 0, PMD_MIN_FRAME));
	CU_ASSERT(bytes_are(id, HDR + PMD_MIN_FRAME, 0xee, 16));
}

/* ---- the driver ---- */

static int alloc(struct rte_mbuf **m, unsigned int n)
{
	return rte_pktmbuf_alloc_bulk(pool->headers.mp, m, n);
}

/* A frame arrives: byte i is seed + i. */
static void receive(struct rte_mbuf *m, uint32_t len, uint8_t seed)
{
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(seed + i);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

static void receive_all(struct rte_mbuf **m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		receive(m[i], 60 + i, (uint8_t)i);
}

static bool frame_is(uint16_t id, uint32_t hdr_len, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		if (*fake_ptr(&ring, buf_gpa(id) + hdr_len + i) != (uint8_t)(seed + i))
			return false;
	return true;
}

static void publish(struct rte_mbuf **m, uint16_t n)
{
	pmd_rxpool_publish(pool, m, n, &stats);
	vh_ring_flush(FAKE_KIND, &ring.vr);
}

/* ---- around each test ---- */

static struct pmd_rxpool *new_pool(uint32_t nb_desc, uint32_t buf_size)
{
	static unsigned int nb;
	char name[32];

	snprintf(name, sizeof(name), "pool%u", nb++);
	return pmd_rxpool_create(name, nb_desc, buf_size, SOCKET_ID_ANY);
}

static void start_host(void)
{
	memset(&stats, 0, sizeof(stats));
	pool = new_pool(NB_DESC, BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
}

static void stop_host(void)
{
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_destroy(pool), 0);
	pool = NULL;
}

static void start_with(uint32_t size, uint64_t features)
{
	start_host();
	fake_ring_init(&ring, size, features | FAKE_F_KIND);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
}

static void start(void)
{
	start_with(256, FAKE_F_V1 | FAKE_F_MRG);
}

static void stop(void)
{
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(fake_nb_taken(&ring), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_detach(pool), 0);
	stop_host();
	fake_ring_free(&ring);
}

static void expect_clean(void)
{
	CU_ASSERT_EQUAL(pmd_rxpool_fault(pool), PMD_RX_FAULT_NONE);
	CU_ASSERT_EQUAL(vh_ring_fault(&ring.vr), VH_FAULT_NONE);
}

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
	struct rte_mbuf *m[4];

	start();
	for (uint32_t i = 0; i < 4; i++) {
		soil(nth_id(i));
		if (i == 2)
			fake_post(&ring, nth_id(i), gpa, len, flags);
		else
			fake_post(&ring, nth_id(i), buf_gpa(nth_id(i)), HDR + BUF_SIZE, W);
	}
	CU_ASSERT_EQUAL(alloc(m, 4), -ENOBUFS);
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

/* ---- against a model ---- */

/* What happened to a position of the ring; positions are those of the avail ring, 16 bits. */
struct model_pos {
	uint16_t id;
	bool out; /* with the driver; else it came home unfilled */
	struct rte_mbuf *m;
	uint16_t len; /* of the frame that the container must find */
	uint8_t seed;
	bool filler;
	bool tagged;
};

static struct {
	struct model_pos pos[65536];
	uint16_t avail; /* posted up to here */
	uint16_t head; /* taken up to here */
	uint16_t tail; /* completed up to here */
	uint16_t seen; /* read by the container up to here */
	uint16_t ids[1024]; /* that the container holds */
	uint32_t nb_ids;
	uint32_t slots;
	uint64_t packets, fillers, tagged, errors;
} mo;

/* Counts instead of asserting each time: millions of assertions are slow. */
static void model_check(bool ok)
{
	mo.errors += !ok;
}

static void model_post(void)
{
	for (uint32_t n = rnd(48); n > 0 && mo.nb_ids > 0; n--) {
		uint32_t i = rnd(mo.nb_ids);
		uint16_t id = mo.ids[i];

		mo.ids[i] = mo.ids[--mo.nb_ids];
		mo.pos[mo.avail++] = (struct model_pos){ .id = id };
		memset(fake_ptr(&ring, buf_gpa(id)), 0xee, HDR + 128);
		fake_post(&ring, id, buf_gpa(id), HDR + BUF_SIZE, W);
	}
}

static void model_alloc(void)
{
	struct rte_mbuf *m[PMD_BURST];
	uint16_t n = (uint16_t)(1 + rnd(PMD_BURST));
	uint16_t offered = mo.avail - mo.head, out = mo.head - mo.tail;
	bool ok = alloc(m, n) == 0;

	model_check(ok == (n <= offered && n <= mo.slots - out));
	for (uint16_t i = 0; ok && i < n; i++) {
		struct model_pos *p = &mo.pos[mo.head++];
		const uint8_t *virtio = ring.mem->regions[0].host + (buf_gpa(p->id) - FAKE_GPA);

		model_check((uint8_t *)m[i]->buf_addr + RTE_PKTMBUF_HEADROOM == virtio + HDR);
		p->out = true;
		p->m = m[i];
	}
}

static void model_return(void)
{
	uint16_t out = mo.head - mo.tail;

	for (uint32_t n = rnd(4); n > 0 && out > 0; n--) {
		struct model_pos *p = &mo.pos[(uint16_t)(mo.tail + rnd(out))];

		if (!p->out)
			continue;
		p->out = false;
		rte_pktmbuf_free(p->m);
		while (mo.head != mo.tail && !mo.pos[(uint16_t)(mo.head - 1)].out)
			mo.head--;
		out = mo.head - mo.tail;
	}
}

/*
 * Packets for the oldest buffers that the driver has; before them, fillers for what it gave back.
 */
static void model_receive(void)
{
	struct rte_mbuf *m[PMD_BURST];
	uint16_t want = (uint16_t)rnd(PMD_BURST + 1), n = 0, pos = mo.tail;

	for (; pos != mo.head && n < want; pos++) {
		struct model_pos *p = &mo.pos[pos];

		p->filler = !p->out;
		if (p->filler) {
			p->len = PMD_MIN_FRAME;
			continue;
		}
		p->len = (uint16_t)(rnd(8) == 0 ? 14 + rnd(BUF_SIZE - 14 + 1) : 60 + rnd(40));
		p->seed = (uint8_t)rnd(256);
		p->tagged = rnd(10) == 0 && p->len + 4 <= (int)BUF_SIZE;
		receive(p->m, p->len, p->seed);
		if (p->tagged) {
			p->m->vlan_tci = 0x123;
			p->len += 4;
			model_check(rte_vlan_insert(&p->m) == 0);
			mo.tagged++;
		}
		p->out = false;
		m[n++] = p->m;
		mo.packets++;
	}
	for (uint16_t i = mo.tail; i != pos; i++)
		mo.fillers += mo.pos[i].filler;
	mo.tail = pos;
	publish(m, n);
	model_check(pool->fault == PMD_RX_FAULT_NONE);
}

static void model_container_reads(void)
{
	uint16_t idx = fake_nb_used(&ring);

	model_check(idx == mo.tail);
	for (; mo.seen != idx; mo.seen++) {
		const struct model_pos *p = &mo.pos[mo.seen];
		struct vring_used_elem e = fake_used(&ring, mo.seen);
		const uint8_t *frame = fake_ptr(&ring, buf_gpa(p->id) + HDR);

		model_check(e.id == p->id);
		model_check(e.len == HDR + p->len);
		model_check(header_is_clean(p->id, HDR));
		for (uint32_t i = 0; i < p->len; i++) {
			uint8_t want = (uint8_t)(p->seed + i);

			if (p->filler)
				want = 0;
			else if (p->tagged && i >= 12 && i < 16)
				want = (uint8_t)(0x81000123u >> (8 * (15 - i)));
			else if (p->tagged && i >= 16)
				want = (uint8_t)(p->seed + i - 4);
			model_check(frame[i] == want);
		}
		mo.ids[mo.nb_ids++] = p->id;
	}
}

static void model_indices(void)
{
	model_check(pmd_rxpool_loans(pool) == (uint16_t)(mo.head - mo.tail));
	model_check(fake_nb_taken(&ring) == (uint16_t)(mo.head - mo.tail));
	model_check(fake_nb_used(&ring) == mo.tail);
	model_check(ring.vr.fault == VH_FAULT_NONE);
}

static void model_run(uint32_t size, uint32_t nb_desc, uint32_t steps, uint32_t seed)
{
	memset(&mo, 0, sizeof(mo));
	memset(&stats, 0, sizeof(stats));
	rnd_state = seed;
	pool = new_pool(nb_desc, BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	mo.slots = pool->mask + 1u;
	fake_ring_init(&ring, size, FAKE_F_V1 | FAKE_F_KIND);
	CU_ASSERT_EQUAL(pmd_rxpool_attach(pool, &ring.vr), 0);
	for (uint16_t i = 0; i < size; i++)
		mo.ids[mo.nb_ids++] = i;

	for (uint32_t step = 0; step < steps && mo.errors == 0; step++) {
		switch (rnd(8)) {
		case 0:
		case 1:
			model_post();
			break;
		case 2:
		case 3:
			model_alloc();
			break;
		case 4:
			model_return();
			break;
		case 5:
		case 6:
			model_receive();
			break;
		default:
			model_container_reads();
			break;
		}
		model_indices();
	}
	CU_ASSERT_EQUAL_FATAL(mo.errors, 0);

	/* The queue stops: all comes home. The container has every id exactly once. */
	while (mo.head != mo.tail)
		model_return();
	model_container_reads();
	CU_ASSERT_EQUAL(mo.errors, 0);
	CU_ASSERT_EQUAL(mo.nb_ids + (uint16_t)(mo.avail - mo.tail), size);
	CU_ASSERT_EQUAL(stats.packets, mo.packets);
	CU_ASSERT_EQUAL(stats.mapped, mo.packets);
	CU_ASSERT_EQUAL(stats.fillers, mo.fillers);
	CU_ASSERT_EQUAL(stats.relocated, mo.tagged);
	CU_ASSERT_EQUAL(stats.drop_order + stats.drop_length + stats.drop_segments, 0);
	/* the run was worth it: positions wrapped, and everything happened */
	CU_ASSERT(mo.packets + mo.fillers > 3 * 65536u);
	CU_ASSERT(mo.fillers > 1000);
	CU_ASSERT(mo.tagged > 1000);
	stop();
}

static void test_model_ring_as_slots(void)
{
	model_run(256, NB_DESC, 200000, 12345);
}

static void test_model_ring_larger(void)
{
	model_run(1024, NB_DESC, 200000, 777);
}

static void test_model_ring_smaller(void)
{
	model_run(64, 100, 200000, 31337);
}

#if FAKE_PACKED
static void test_model_ring_of_255(void)
{
	model_run(255, NB_DESC, 200000, 4711);
}
#endif

static const struct unit_test tests[] = {
	{ "create: number of descriptors", test_create_number_limits },
	{ "create: a number that would wrap", test_create_number_does_not_wrap },
	{ "create: buffer size", test_create_size_limits },
	{ "create: a name that is taken", test_create_name_taken },
	{ "host: all buffers, distinct, with room, and again", test_host_all_buffers },
	{ "host: all or nothing", test_host_all_or_nothing },
	{ "destroy is refused with loans out", test_destroy_with_loans },
	{ "attach is refused with loans out", test_attach_with_loans },
	{ "detach is refused with loans out", test_detach_with_loans },
	{ "host buffers after detach, ring again after that", test_host_after_detach },
	{ "attach clears faults", test_attach_clears_faults },
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
	{ "VLAN tag on the longest frame", test_vlan_longest },
	{ "data further behind is moved", test_data_moved_backwards },
	{ "several segments are dropped", test_segments },
	{ "lengths: runt and oversize are dropped", test_lengths },
	{ "a dropped packet keeps the order", test_dropped_keeps_order },
	{ "try: fits, and takes nothing", test_try_fits },
	{ "try: too few", test_try_too_few },
	{ "try: looks at all that is offered", test_try_looks_at_all },
	{ "try: a broken ring", test_try_broken_ring },
	{ "every fault has a name", test_names },
	{ "model: as many slots as the ring", test_model_ring_as_slots },
	{ "model: fewer slots than the ring", test_model_ring_larger },
	{ "model: more slots than the ring", test_model_ring_smaller },
#if FAKE_PACKED
	{ "model: a ring of 255", test_model_ring_of_255 },
#endif
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run("pmd/rxpool", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
