/* SPDX-License-Identifier: BSD-3-Clause */
/* The copying path to the container, built for each kind of ring. */
#include "vhost/copy.h"

#include <errno.h>

#include "tests/unit/vhost/packets.h"

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
	int ret = vh_ring_copy_rx(FAKE_KIND, &f->vr, m);

	CU_ASSERT_EQUAL(m->pkt_len, len); /* stays the caller's */
	rte_pktmbuf_free(m);
	vh_ring_flush(FAKE_KIND, &f->vr);
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

static void test_rx_one_buffer(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 3, BUF(0), 2048, W);
	fake_post(&f, 4, BUF(1), 2048, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 1000, 1), 0);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 1);
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
	CU_ASSERT_EQUAL(fake_nb_used(&f), 1);
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
	CU_ASSERT_EQUAL(fake_nb_used(&f), 3);
	expect_used(&f, 0, 7, 512);
	expect_used(&f, 1, 6, 512);
	expect_used(&f, 2, 5, HDR + 1200 - 1024);
	CU_ASSERT(header_is(&f, BUF(0), 3));
	CU_ASSERT(has_packet(&f, BUF(0) + HDR, 0, 500));
	CU_ASSERT(has_packet(&f, BUF(1), 500, 512));
	CU_ASSERT(has_packet(&f, BUF(2), 1012, 188));
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(2) + 188), 0xee);
	CU_ASSERT_EQUAL(*fake_ptr(&f, BUF(3)), 0xee);
	CU_ASSERT_EQUAL(vh_ring_avail(FAKE_KIND, &f.vr, 1), 1);
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
	CU_ASSERT_EQUAL(fake_nb_used(&f), 4);
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
	CU_ASSERT_EQUAL(fake_nb_used(&f), 64);
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

/* Descriptors that a packet does not need are not looked at; the next buffer is where it should be. */
static void test_rx_next_packet(void)
{
	const struct vring_desc parts[] = { { BUF(0), 2000, W, 0 }, { FAKE_GPA_END, 50, W, 0 },
		{ BUF(1), 50, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 3, parts, 3);
	fake_post(&f, 7, BUF(2), 2000, W);
	CU_ASSERT_EQUAL(copy_rx(&f, 100, 1), 0);
	CU_ASSERT_EQUAL(copy_rx(&f, 1100, 1), 0);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 2);
	expect_used(&f, 0, 3, HDR + 100);
	expect_used(&f, 1, 7, HDR + 1100);
	CU_ASSERT(has_packet(&f, BUF(0) + HDR, 0, 100));
	CU_ASSERT(has_packet(&f, BUF(2) + HDR, 0, 1100));
	fake_ring_free(&f);
}

#if FAKE_PACKED
/* The second one's chain has no end. */
static void test_rx_bad_second_buffer(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_MRG);
	fake_post(&f, 0, BUF(0), 100, W);
	fake_post(&f, 0, BUF(1), 100, W | VRING_DESC_F_NEXT);
	CU_ASSERT_EQUAL(copy_rx(&f, 200, 1), -EPROTO);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_CHAIN);
	expect_nothing_taken(&f);
	fake_ring_free(&f);
}

/* All chains of a ring that is full of them, and the ring does not divide by their length. */
static void test_rx_ring_of_chains(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, W, 0 }, { BUF(1), 50, W, 0 },
		{ BUF(2), 50, W, 0 } };
	struct fake_ring f;

	start(&f, 10, FAKE_F_MRG);
	for (uint16_t i = 0; i < 30; i++) {
		for (uint16_t n = 0; n < 3; n++)
			fake_chain(&f, 3 * i + n, parts, 3);
		CU_ASSERT_EQUAL(
			copy_rx(&f, 4 * HDR + 320, 1), -EAGAIN); /* a tenth entry may come */
		CU_ASSERT_EQUAL(copy_rx(&f, 2 * HDR + 300, 1), 0);
		for (uint16_t n = 0; n < 3; n++)
			expect_used(&f, 3 * i + n, 3u * i + n, HDR + 100);
	}
	CU_ASSERT_EQUAL(fake_nb_used(&f), 90);
	fake_ring_free(&f);
}
#else
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

/* copy.h: -EPROTO when the container broke the ring, whatever it broke. */
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
#endif

static const struct unit_test tests[] = {
	{ "one buffer", test_rx_one_buffer },
	{ "legacy header", test_rx_legacy_header },
	{ "a buffer that fits exactly", test_rx_buffer_exactly_fits },
	{ "a chain", test_rx_chain },
	{ "header over two descriptors", test_rx_header_split },
	{ "an indirect table", test_rx_indirect },
	{ "several mergeable buffers", test_rx_mergeable },
	{ "mergeable buffers that are chains", test_rx_mergeable_chains },
	{ "a buffer too small without MRG_RXBUF", test_rx_too_small },
	{ "not enough buffers takes none", test_rx_not_enough_buffers },
	{ "the whole ring is not enough", test_rx_whole_ring_not_enough },
	{ "too many tiny buffers", test_rx_many_tiny_buffers },
	{ "a packet in segments", test_rx_segments },
	{ "a buffer in two regions", test_rx_crosses_regions },
	{ "a read-only descriptor is a fault", test_rx_read_only },
	{ "descriptors of length 0", test_rx_zero_length },
	{ "no room for the header is a fault", test_rx_no_room_for_header },
	{ "a buffer outside of memory is a fault", test_rx_outside },
	{ "a bad second buffer takes none", test_rx_bad_second_buffer },
	{ "behind a chain of which not all is needed", test_rx_next_packet },
#if FAKE_PACKED
	{ "a ring full of chains", test_rx_ring_of_chains },
#else
	{ "avail index jump is a fault", test_rx_avail_index_jump },
#endif
	{ "no mbuf was lost", test_no_mbuf_lost },
};

PACKETS_MAIN("vhost/copy_rx", tests)
