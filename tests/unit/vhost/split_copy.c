/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/split_copy.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W       VRING_DESC_F_WRITE
#define HDR     12
#define MIN_LEN 60
#define MAX_LEN 1514
#define BUF(i)  (FAKE_GPA_DATA + (i)*4096u)

static struct rte_mempool *mp;

static uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 256 + 1);
}

/* A packet of our own, spread over as many segments as asked for. */
static struct rte_mbuf *packet(uint32_t len, uint16_t nb_segs)
{
	struct rte_mbuf *head = NULL;
	uint32_t done = 0;

	for (uint16_t s = 0; s < nb_segs; s++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		uint32_t n = (len - done) / (nb_segs - s);
		uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
		CU_ASSERT_PTR_NOT_NULL_FATAL(data);
		for (uint32_t i = 0; i < n; i++)
			data[i] = pattern(done + i);
		done += n;
		if (head == NULL)
			head = m;
		else
			CU_ASSERT_FATAL(rte_pktmbuf_chain(head, m) == 0);
	}
	return head;
}

static int copy_rx(struct fake_ring *f, uint32_t len, uint16_t nb_segs)
{
	struct rte_mbuf *m = packet(len, nb_segs);
	int ret = vh_split_copy_rx(&f->vr, m);

	CU_ASSERT_EQUAL(m->pkt_len, len); /* stays the caller's */
	rte_pktmbuf_free(m);
	vh_split_flush(&f->vr);
	return ret;
}

/* Whether guest memory has bytes from, from + 1, ... of a packet. */
static bool has_packet(const struct fake_ring *f, uint64_t gpa, uint32_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (*fake_ptr(f, gpa + i) != pattern(from + i))
			return false;
	return true;
}

static bool header_is(const struct fake_ring *f, uint64_t gpa, uint16_t num_buffers)
{
	struct virtio_net_hdr_mrg_rxbuf want = { .num_buffers = num_buffers }, hdr;

	fake_read(f, gpa, &hdr, sizeof(hdr));
	return memcmp(&hdr, &want, sizeof(hdr)) == 0;
}

/* Guest memory that no test writes by accident. */
static void soil(struct fake_ring *f)
{
	for (uint32_t i = 0; i < 64; i++)
		memset(fake_ptr(f, BUF(i)), 0xee, 4096);
	memset(fake_ptr(f, FAKE_GPA_BORDER - 4096), 0xee, 4096);
	memset(fake_ptr(f, FAKE_GPA_BORDER), 0xee, 4096);
}

static void start(struct fake_ring *f, uint32_t size, uint64_t features)
{
	fake_ring_init_at(f, size, features, 65533);
	soil(f);
}

static void expect_used(struct fake_ring *f, uint16_t n, uint32_t id, uint32_t len)
{
	CU_ASSERT_EQUAL(fake_used(f, n).id, id);
	CU_ASSERT_EQUAL(fake_used(f, n).len, len);
}

static void expect_nothing_taken(struct fake_ring *f)
{
	CU_ASSERT_EQUAL(f->used->idx, 65533);
	CU_ASSERT_EQUAL(f->vr.last_avail, 65533);
	CU_ASSERT_EQUAL(f->vr.last_used, 65533);
}

/* ---- receive ---- */

static void test_rx_one_buffer(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 3, BUF(0), 2048, W);
	fake_post(&f, 4, BUF(1), 2048, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1000, 1), 0);
	CU_ASSERT_EQUAL(f.used->idx, 65534);
	expect_used(&f, 0, 3, HDR + 1000);
	/* VERSION_1 without MRG_RXBUF: still 12 bytes, and num_buffers has to be 1 */
	CU_ASSERT(header_is(&f, BUF(0), 1));
	CU_ASSERT(has_packet(&f, BUF(0) + HDR, 0, 1000));
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(0) + HDR + 1000), 0xee);
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(1)), 0xee);
	fake_ring_free(&f);
}

static void test_rx_legacy_header(void)
{
	static const uint8_t zero[10];
	uint8_t hdr[10];
	struct fake_ring f;

	start(&f, 8, 0);
	fake_post(&f, 0, BUF(0), 10 + 64, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 64, 1), 0);
	expect_used(&f, 0, 0, 10 + 64);
	fake_read(&f, BUF(0), hdr, sizeof(hdr));
	CU_ASSERT_EQUAL(memcmp(hdr, zero, sizeof(hdr)), 0);
	CU_ASSERT(has_packet(&f, BUF(0) + 10, 0, 64));
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(0) + 10 + 64), 0xee);
	fake_ring_free(&f);
}

static void test_rx_buffer_exactly_fits(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	fake_post(&f, 0, BUF(0), HDR + 1514, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1514, 1), 0);
	CU_ASSERT(header_is(&f, BUF(0), 1));
	CU_ASSERT_EQUAL(f.used->idx, 65534);
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(0) + HDR + 1514), 0xee);
	fake_ring_free(&f);
}

static void test_rx_chain(void)
{
	/* Header alone, as old Linux guests post it, then data in two pieces. */
	const struct vring_desc parts[] = { { BUF(0), HDR, W, 0 }, { BUF(1), 100, W, 0 },
		{ BUF(2), 2000, W, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 2, parts, 3);
	CU_ASSERT_EQUAL(copy_rx(&f, 1000, 1), 0);
	expect_used(&f, 0, 2, HDR + 1000);
	CU_ASSERT(header_is(&f, BUF(0), 1));
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(0) + HDR), 0xee);
	CU_ASSERT(has_packet(&f, BUF(1), 0, 100));
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(1) + 100), 0xee);
	CU_ASSERT(has_packet(&f, BUF(2), 100, 900));
	fake_ring_free(&f);
}

static void test_rx_header_split(void)
{
	const struct vring_desc parts[] = { { BUF(0), 5, W, 0 }, { BUF(1), 2000, W, 0 } };
	struct virtio_net_hdr_mrg_rxbuf hdr, want = { .num_buffers = 1 };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 2);
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), 0);
	fake_read(&f, BUF(0), &hdr, 5);
	fake_read(&f, BUF(1), (uint8_t *)&hdr + 5, 7);
	CU_ASSERT_EQUAL(memcmp(&hdr, &want, sizeof(hdr)), 0);
	CU_ASSERT(has_packet(&f, BUF(1) + 7, 0, 100));
	fake_ring_free(&f);
}

static void test_rx_indirect(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, W, 0 }, { BUF(1), 2000, W, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1 | FAKE_F_INDIRECT);
	fake_indirect(&f, 1, BUF(60), parts, 2);
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), 0);
	expect_used(&f, 0, 1, HDR + 100);
	CU_ASSERT(has_packet(&f, BUF(1), 0, 100));
	fake_ring_free(&f);
}

static void test_rx_mergeable(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	for (uint16_t i = 0; i < 4; i++)
		fake_post(&f, 7 - i, BUF(i), 512, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1200, 1), 0);
	CU_ASSERT_EQUAL(f.used->idx, 0); /* 65533 + 3 */
	expect_used(&f, 0, 7, 512);
	expect_used(&f, 1, 6, 512);
	expect_used(&f, 2, 5, HDR + 1200 - 1024);
	CU_ASSERT(header_is(&f, BUF(0), 3));
	CU_ASSERT(has_packet(&f, BUF(0) + HDR, 0, 500));
	CU_ASSERT(has_packet(&f, BUF(1), 500, 512));
	CU_ASSERT(has_packet(&f, BUF(2), 1012, 188));
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(2) + 188), 0xee);
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(3)), 0xee);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 1);
	fake_ring_free(&f);
}

static void test_rx_mergeable_chains(void)
{
	const struct vring_desc a[] = { { BUF(0), 12, W, 0 }, { BUF(1), 88, W, 0 } };
	const struct vring_desc b[] = { { BUF(2), 50, W, 0 }, { BUF(3), 1000, W, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	fake_chain(&f, 0, a, 2);
	fake_chain(&f, 4, b, 2);
	CU_ASSERT_EQUAL(copy_rx(&f, 300, 1), 0);
	expect_used(&f, 0, 0, 100);
	expect_used(&f, 1, 4, 212);
	CU_ASSERT(header_is(&f, BUF(0), 2));
	CU_ASSERT(has_packet(&f, BUF(1), 0, 88));
	CU_ASSERT(has_packet(&f, BUF(2), 88, 50));
	CU_ASSERT(has_packet(&f, BUF(3), 138, 162));
	fake_ring_free(&f);
}

static void test_rx_too_small(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, BUF(0), HDR + 999, W);
	fake_post(&f, 1, BUF(1), 2048, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1000, 1), -EMSGSIZE);
	expect_nothing_taken(&f);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	/* a packet that does fit still finds the buffer */
	CU_ASSERT_EQUAL(copy_rx(&f, 999, 1), 0);
	expect_used(&f, 0, 0, HDR + 999);
	fake_ring_free(&f);
}

static void test_rx_not_enough_buffers(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	CU_ASSERT_EQUAL(copy_rx(&f, 60, 1), -EAGAIN);
	fake_post(&f, 0, BUF(0), 512, W);
	fake_post(&f, 1, BUF(1), 512, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1200, 1), -EAGAIN);
	expect_nothing_taken(&f);
	fake_post(&f, 2, BUF(2), 512, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1200, 1), 0);
	fake_ring_free(&f);
}

static void test_rx_whole_ring_not_enough(void)
{
	struct fake_ring f;

	start(&f, 4, FAKE_F_MRG);
	for (uint16_t i = 0; i < 4; i++)
		fake_post(&f, i, BUF(i), 100, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 400, 1), -EMSGSIZE); /* waiting would never end */
	expect_nothing_taken(&f);
	CU_ASSERT_EQUAL(copy_rx(&f, 400 - HDR, 1), 0);
	CU_ASSERT_EQUAL(f.used->idx, 1); /* 65533 + 4 */
	fake_ring_free(&f);
}

static void test_rx_many_tiny_buffers(void)
{
	struct fake_ring f;

	start(&f, 128, FAKE_F_MRG);
	for (uint16_t i = 0; i < 128; i++)
		fake_post(&f, i, BUF(i % 64), 16, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1514, 1), -EMSGSIZE);
	expect_nothing_taken(&f);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	CU_ASSERT_EQUAL(copy_rx(&f, 64 * 16 - HDR, 1), 0);
	CU_ASSERT_EQUAL((uint16_t)(f.used->idx - 65533), 64);
	fake_ring_free(&f);
}

static void test_rx_segments(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	for (uint16_t i = 0; i < 8; i++)
		fake_post(&f, i, BUF(i), 700, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 2000, 3), 0);
	CU_ASSERT(header_is(&f, BUF(0), 3));
	CU_ASSERT(has_packet(&f, BUF(0) + HDR, 0, 688));
	CU_ASSERT(has_packet(&f, BUF(1), 688, 700));
	CU_ASSERT(has_packet(&f, BUF(2), 1388, 612));
	expect_used(&f, 2, 2, 612);
	fake_ring_free(&f);
}

static void test_rx_crosses_regions(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, FAKE_GPA_BORDER - 300, 2048, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1000, 1), 0);
	CU_ASSERT(header_is(&f, FAKE_GPA_BORDER - 300, 1));
	CU_ASSERT(has_packet(&f, FAKE_GPA_BORDER - 300 + HDR, 0, 1000));
	fake_ring_free(&f);
}

static void test_rx_read_only(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, W, 0 }, { BUF(1), 2000, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 2);
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_DIRECTION);
	expect_nothing_taken(&f);
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(0)), 0xee);
	fake_ring_free(&f);
}

static void test_rx_zero_length(void)
{
	const struct vring_desc parts[] = { { BUF(0), 0, W, 0 }, { BUF(1), 20, W, 0 },
		{ 0, 0, W, 0 }, { BUF(2), 2000, W, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 4);
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), 0);
	expect_used(&f, 0, 0, HDR + 100);
	CU_ASSERT(has_packet(&f, BUF(1) + HDR, 0, 8));
	CU_ASSERT(has_packet(&f, BUF(2), 8, 92));
	fake_ring_free(&f);
}

static void test_rx_no_room_for_header(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	fake_post(&f, 0, BUF(0), HDR - 1, W);
	fake_post(&f, 1, BUF(1), 2000, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_HEADER);
	expect_nothing_taken(&f);
	fake_ring_free(&f);
}

/* The packet fits into what is legal; the rest is nobody's business. But what is needed must be. */
static void test_rx_outside(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, FAKE_GPA_END - 100, 2048, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 200, 1), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_ADDRESS);
	expect_nothing_taken(&f);
	fake_ring_free(&f);
}

static void test_rx_bad_second_buffer(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	fake_post(&f, 0, BUF(0), 100, W);
	fake_offer(&f, 8);
	CU_ASSERT_EQUAL(copy_rx(&f, 200, 1), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_DESC_INDEX);
	expect_nothing_taken(&f);
	fake_ring_free(&f);
}

/* split_copy.h: -EPROTO when the container broke the ring, whatever it broke. */
static void test_rx_avail_index_jump(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_set_avail(&f, (uint16_t)(65533 + 9));
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_AVAIL_INDEX);
	expect_nothing_taken(&f);
	fake_ring_free(&f);
}

/* ---- transmit ---- */

static void write_packet(struct fake_ring *f, uint64_t gpa, uint32_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		*fake_ptr(f, gpa + i) = pattern(from + i);
}

static struct rte_mbuf *empty_mbuf(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memset(m->buf_addr, 0xdd, m->buf_len);
	return m;
}

/* Copies a packet out and completes its buffer, if it was taken. */
static int copy_tx_into(struct fake_ring *f, struct rte_mbuf *m)
{
	struct vh_taken taken;
	uint16_t before = f->vr.last_avail;
	int ret = vh_split_copy_tx(&f->vr, m, MIN_LEN, MAX_LEN, &taken);

	CU_ASSERT_EQUAL(f->vr.last_avail - before, ret == 0 || ret == -EMSGSIZE);
	if (ret == 0 || ret == -EMSGSIZE)
		vh_split_put_used(&f->vr, taken, 0);
	return ret;
}

/* Takes one packet and expects it to have len bytes, the rest up to MIN_LEN padded. */
static void expect_tx(struct fake_ring *f, uint32_t len)
{
	struct rte_mbuf *m = empty_mbuf();
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t padded = RTE_MAX(len, (uint32_t)MIN_LEN), bad = 0;

	CU_ASSERT_EQUAL(copy_tx_into(f, m), 0);
	vh_split_flush(&f->vr);
	CU_ASSERT_EQUAL(m->pkt_len, padded);
	CU_ASSERT_EQUAL(m->data_len, padded);
	CU_ASSERT_EQUAL(m->nb_segs, 1);
	for (uint32_t i = 0; i < padded; i++)
		bad += data[i] != (i < len ? pattern(i) : 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(data[padded], 0xdd);
	CU_ASSERT_EQUAL(data[-1], 0xdd);
	rte_pktmbuf_free(m);
}

static int copy_tx(struct fake_ring *f)
{
	struct rte_mbuf *m = empty_mbuf();
	int ret = copy_tx_into(f, m);

	if (ret != 0) {
		CU_ASSERT_EQUAL(m->pkt_len, 0); /* untouched */
		CU_ASSERT_EQUAL(*rte_pktmbuf_mtod(m, uint8_t *), 0xdd);
	}
	rte_pktmbuf_free(m);
	vh_split_flush(&f->vr);
	return ret;
}

static void expect_completed(struct fake_ring *f, uint32_t id)
{
	CU_ASSERT_EQUAL(f->used->idx, 65534);
	expect_used(f, 0, id, 0);
}

static void test_tx_single(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	write_packet(&f, BUF(0) + HDR, 0, 1000);
	fake_post(&f, 5, BUF(0), HDR + 1000, 0);
	expect_tx(&f, 1000);
	expect_completed(&f, 5);
	CU_ASSERT_EQUAL(copy_tx(&f), -EAGAIN);
	fake_ring_free(&f);
}

static void test_tx_legacy_header(void)
{
	struct fake_ring f;

	start(&f, 8, 0);
	write_packet(&f, BUF(0) + 10, 0, 200);
	fake_post(&f, 0, BUF(0), 10 + 200, 0);
	expect_tx(&f, 200);
	fake_ring_free(&f);
}

static void test_tx_header_and_data(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, 0, 0 }, { BUF(1), 100, 0, 0 },
		{ BUF(2), 400, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	write_packet(&f, BUF(1), 0, 100);
	write_packet(&f, BUF(2), 100, 400);
	fake_chain(&f, 3, parts, 3);
	expect_tx(&f, 500);
	expect_completed(&f, 3);
	fake_ring_free(&f);
}

static void test_tx_header_split(void)
{
	const struct vring_desc parts[] = { { BUF(0), 3, 0, 0 }, { BUF(1), 4, 0, 0 },
		{ BUF(2), 0, 0, 0 }, { BUF(3), 5 + 70, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	write_packet(&f, BUF(3) + 5, 0, 70);
	fake_chain(&f, 0, parts, 4);
	expect_tx(&f, 70);
	expect_completed(&f, 0);
	fake_ring_free(&f);
}

static void test_tx_indirect(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, 0, 0 }, { BUF(1), 300, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1 | FAKE_F_INDIRECT);
	write_packet(&f, BUF(1), 0, 300);
	fake_indirect(&f, 6, BUF(60), parts, 2);
	expect_tx(&f, 300);
	expect_completed(&f, 6);
	fake_ring_free(&f);
}

static void test_tx_padding(void)
{
	static const uint32_t lens[] = { 14, 59, 60, 61 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct fake_ring f;

		start(&f, 8, FAKE_F_V1);
		write_packet(&f, BUF(0) + HDR, 0, lens[i]);
		fake_post(&f, 0, BUF(0), HDR + lens[i], 0);
		expect_tx(&f, lens[i]);
		fake_ring_free(&f);
	}
}

static void expect_dropped(uint32_t data_len)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 2, BUF(0), HDR + data_len, 0);
	CU_ASSERT_EQUAL(copy_tx(&f), -EMSGSIZE);
	expect_completed(&f, 2);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_tx_runt(void)
{
	expect_dropped(0);
	expect_dropped(1);
	expect_dropped(13);
}

static void test_tx_oversize(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	write_packet(&f, BUF(0) + HDR, 0, MAX_LEN);
	fake_post(&f, 0, BUF(0), HDR + MAX_LEN, 0);
	expect_tx(&f, MAX_LEN);
	fake_ring_free(&f);
	expect_dropped(MAX_LEN + 1);
	expect_dropped(1u << 20);
}

/* A packet of the maximum, and one byte more behind it: not to be cut off in silence. */
static void test_tx_oversize_by_last_descriptor(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, 0, 0 }, { BUF(1), MAX_LEN, 0, 0 },
		{ BUF(2), 1, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 3);
	CU_ASSERT_EQUAL(copy_tx(&f), -EMSGSIZE);
	expect_completed(&f, 0);
	fake_ring_free(&f);
}

/* A length near 2^32 must not wrap to a small one with the header added or taken. */
static void test_tx_huge_lengths(void)
{
	const struct vring_desc parts[] = { { BUF(0), 1u << 20, 0, 0 },
		{ BUF(0), UINT32_MAX, 0, 0 }, { BUF(0), 1u << 20, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 3);
	CU_ASSERT_EQUAL(copy_tx(&f), -EMSGSIZE);
	expect_completed(&f, 0);
	fake_ring_free(&f);
}

static void expect_tx_fault(struct fake_ring *f, enum vh_fault fault)
{
	CU_ASSERT_EQUAL(copy_tx(f), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f->vr), fault);
	expect_nothing_taken(f);
	fake_ring_free(f);
}

static void test_tx_header_missing(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, BUF(0), HDR - 1, 0);
	expect_tx_fault(&f, VH_FAULT_HEADER);
	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, BUF(0), 0, 0);
	expect_tx_fault(&f, VH_FAULT_HEADER);
}

static void test_tx_writable(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, 0, 0 }, { BUF(1), 100, W, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, BUF(0), 100, W);
	expect_tx_fault(&f, VH_FAULT_DIRECTION);
	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 2);
	expect_tx_fault(&f, VH_FAULT_DIRECTION);
}

static void test_tx_outside(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, FAKE_GPA_END, 100, 0);
	expect_tx_fault(&f, VH_FAULT_ADDRESS);
	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, FAKE_GPA_END - 50, 100, 0);
	expect_tx_fault(&f, VH_FAULT_ADDRESS);
}

static void test_tx_loop(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_desc(&f, 0, BUF(0), 1, VRING_DESC_F_NEXT, 1);
	fake_desc(&f, 1, BUF(0), 0, VRING_DESC_F_NEXT, 0);
	fake_offer(&f, 0);
	expect_tx_fault(&f, VH_FAULT_CHAIN);
}

static void test_tx_bad_id(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_offer(&f, 8);
	expect_tx_fault(&f, VH_FAULT_DESC_INDEX);
}

/* split_copy.h: -EPROTO when the container broke the ring, whatever it broke. */
static void test_tx_avail_index_jump(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_set_avail(&f, (uint16_t)(65533 + 9));
	expect_tx_fault(&f, VH_FAULT_AVAIL_INDEX);
}

static void test_tx_crosses_regions(void)
{
	struct fake_ring f;

	/* in the data, in the header, and exactly between the two */
	static const uint32_t before[] = { 500, 5, HDR };
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		start(&f, 8, FAKE_F_V1);
		write_packet(&f, FAKE_GPA_BORDER - before[i] + HDR, 0, 1000);
		fake_post(&f, 0, FAKE_GPA_BORDER - before[i], HDR + 1000, 0);
		expect_tx(&f, 1000);
		fake_ring_free(&f);
	}
}

/* As many pieces as we look at, and one more. */
static void test_tx_long_chain(void)
{
	struct vring_desc parts[65];
	struct fake_ring f;

	for (uint32_t i = 0; i < 65; i++)
		parts[i] = (struct vring_desc){ .addr = BUF(i), .len = i == 0 ? HDR : 10 };
	start(&f, 128, FAKE_F_V1);
	for (uint32_t i = 1; i < 65; i++)
		write_packet(&f, BUF(i), (i - 1) * 10, 10);
	fake_chain(&f, 7, parts, 64);
	expect_tx(&f, 630);
	expect_completed(&f, 7);
	fake_ring_free(&f);

	start(&f, 128, FAKE_F_V1);
	fake_chain(&f, 7, parts, 65);
	CU_ASSERT_EQUAL(copy_tx(&f), -EMSGSIZE);
	expect_completed(&f, 7);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_tx_same_id_twice(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	write_packet(&f, BUF(0) + HDR, 0, 100);
	fake_post(&f, 4, BUF(0), HDR + 100, 0);
	fake_offer(&f, 4);
	expect_tx(&f, 100);
	expect_tx(&f, 100);
	CU_ASSERT_EQUAL(f.used->idx, 65535);
	expect_used(&f, 0, 4, 0);
	expect_used(&f, 1, 4, 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_no_mbuf_lost(void)
{
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 0);
}

static const struct unit_test tests[] = {
	{ "rx: one buffer", test_rx_one_buffer },
	{ "rx: legacy header", test_rx_legacy_header },
	{ "rx: a buffer that fits exactly", test_rx_buffer_exactly_fits },
	{ "rx: a chain", test_rx_chain },
	{ "rx: header over two descriptors", test_rx_header_split },
	{ "rx: an indirect table", test_rx_indirect },
	{ "rx: several mergeable buffers", test_rx_mergeable },
	{ "rx: mergeable buffers that are chains", test_rx_mergeable_chains },
	{ "rx: a buffer too small without MRG_RXBUF", test_rx_too_small },
	{ "rx: not enough buffers takes none", test_rx_not_enough_buffers },
	{ "rx: the whole ring is not enough", test_rx_whole_ring_not_enough },
	{ "rx: too many tiny buffers", test_rx_many_tiny_buffers },
	{ "rx: a packet in segments", test_rx_segments },
	{ "rx: a buffer in two regions", test_rx_crosses_regions },
	{ "rx: a read-only descriptor is a fault", test_rx_read_only },
	{ "rx: descriptors of length 0", test_rx_zero_length },
	{ "rx: no room for the header is a fault", test_rx_no_room_for_header },
	{ "rx: a buffer outside of memory is a fault", test_rx_outside },
	{ "rx: a bad second buffer takes none", test_rx_bad_second_buffer },
	{ "rx: avail index jump is a fault", test_rx_avail_index_jump },
	{ "tx: one descriptor", test_tx_single },
	{ "tx: legacy header", test_tx_legacy_header },
	{ "tx: header, then data", test_tx_header_and_data },
	{ "tx: header over three descriptors", test_tx_header_split },
	{ "tx: an indirect table", test_tx_indirect },
	{ "tx: padding", test_tx_padding },
	{ "tx: runts are completed and dropped", test_tx_runt },
	{ "tx: long packets are completed and dropped", test_tx_oversize },
	{ "tx: too long by its last descriptor", test_tx_oversize_by_last_descriptor },
	{ "tx: lengths that would wrap", test_tx_huge_lengths },
	{ "tx: a missing header is a fault", test_tx_header_missing },
	{ "tx: a writable descriptor is a fault", test_tx_writable },
	{ "tx: a buffer outside of memory is a fault", test_tx_outside },
	{ "tx: a loop is a fault", test_tx_loop },
	{ "tx: a number beyond the ring is a fault", test_tx_bad_id },
	{ "tx: avail index jump is a fault", test_tx_avail_index_jump },
	{ "tx: a buffer in two regions", test_tx_crosses_regions },
	{ "tx: 64 descriptors and more", test_tx_long_chain },
	{ "tx: the same buffer twice", test_tx_same_id_twice },
	{ "no mbuf was lost", test_no_mbuf_lost },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	mp = rte_pktmbuf_pool_create("test", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (mp == NULL)
		return EXIT_FAILURE;
	int ret = unit_run("vhost/split_copy", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_mempool_free(mp);
	rte_eal_cleanup();
	return ret;
}
