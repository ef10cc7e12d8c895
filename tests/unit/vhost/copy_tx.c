/* SPDX-License-Identifier: BSD-3-Clause */
/* The copying path from the container, built for each kind of ring. */
#include "vhost/copy.h"

#include <errno.h>

#include "tests/unit/vhost/packets.h"

#define MIN_LEN 60
#define MAX_LEN 1514

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
	int ret = vh_ring_copy_tx(FAKE_KIND, &f->vr, m, MIN_LEN, MAX_LEN, &taken);

	CU_ASSERT_EQUAL(fake_nb_taken(f) != 0, ret == 0 || ret == -EMSGSIZE);
	if (ret == 0 || ret == -EMSGSIZE)
		vh_ring_put_used(FAKE_KIND, &f->vr, taken, 0);
	CU_ASSERT_EQUAL(fake_nb_taken(f), 0);
	return ret;
}

/* Takes one packet and expects it to have len bytes, the rest up to MIN_LEN padded. */
static void expect_tx(struct fake_ring *f, uint32_t len)
{
	struct rte_mbuf *m = empty_mbuf();
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t padded = RTE_MAX(len, (uint32_t)MIN_LEN), bad = 0;

	CU_ASSERT_EQUAL(copy_tx_into(f, m), 0);
	vh_ring_flush(FAKE_KIND, &f->vr);
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
	vh_ring_flush(FAKE_KIND, &f->vr);
	return ret;
}

static void expect_completed(struct fake_ring *f, uint32_t id)
{
	CU_ASSERT_EQUAL(fake_nb_used(f), 1);
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

#if FAKE_PACKED
/* Its first descriptor is there, its second is not. */
static void test_tx_no_end(void)
{
	const struct vring_desc parts[] = { { BUF(0), HDR, 0, 0 }, { BUF(1), 100, 0, 0 } };
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_chain(&f, 0, parts, 2);
	f.packed[0].flags ^= VH_PACKED_OWNER; /* the ring started in its last entry */
	expect_tx_fault(&f, VH_FAULT_CHAIN);
	/* neither where nobody asks for more of it than has been seen */
	start(&f, 8, FAKE_F_V1);
	fake_post(&f, 0, BUF(0), HDR + MAX_LEN + 1, VRING_DESC_F_NEXT);
	expect_tx_fault(&f, VH_FAULT_CHAIN);
}
#else
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

/* copy.h: -EPROTO when the container broke the ring, whatever it broke. */
static void test_tx_avail_index_jump(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	fake_set_avail(&f, (uint16_t)(65533 + 9));
	expect_tx_fault(&f, VH_FAULT_AVAIL_INDEX);
}
#endif

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

/* A packet with more behind it than is looked at: the next one is where it should be. */
static void check_next_after(const struct vring_desc *parts, uint16_t nb)
{
	struct fake_ring f;

	start(&f, 512, FAKE_F_V1);
	fake_chain(&f, 300, parts, nb);
	write_packet(&f, BUF(40) + HDR, 0, 200);
	fake_post(&f, 5, BUF(40), HDR + 200, 0);
	CU_ASSERT_EQUAL(copy_tx(&f), -EMSGSIZE);
	expect_completed(&f, 300);
	expect_tx(&f, 200);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 2);
	expect_used(&f, 1, 5, 0);
	fake_ring_free(&f);
}

static void test_tx_next_packet(void)
{
	struct vring_desc parts[70] = { { .addr = 0 } };

	for (uint32_t i = 0; i < 70; i++)
		parts[i] = (struct vring_desc){ .addr = BUF(i % 32), .len = 20 };
	check_next_after(parts, 70); /* too many pieces */
	parts[0].len = 4000;
	check_next_after(parts, 2); /* too long after the first one */
	check_next_after(parts, 70);
	/* what it is then said to be is not read */
	parts[1].addr = FAKE_GPA_END;
	parts[2].flags = W;
	check_next_after(parts, 3);
}

/* No driver makes such a packet: it would only keep the worker busy. */
static void test_tx_endless(void)
{
	struct vring_desc parts[257];
	struct fake_ring f;

	for (uint32_t i = 0; i < 257; i++)
		parts[i] = (struct vring_desc){ .addr = BUF(0) };
	start(&f, 512, FAKE_F_V1);
	parts[255].len = HDR + 100;
	write_packet(&f, BUF(0) + HDR, 0, 100);
	fake_chain(&f, 200, parts, 256);
	expect_tx(&f, 100);
	fake_ring_free(&f);

	parts[255].len = 0;
	start(&f, 512, FAKE_F_V1);
	fake_chain(&f, 200, parts, 257);
	expect_tx_fault(&f, VH_FAULT_CHAIN);
#if FAKE_PACKED
	parts[0].len = 4000; /* its end has to be found, even if the packet is lost */
	start(&f, 512, FAKE_F_V1);
	fake_chain(&f, 200, parts, 257);
	expect_tx_fault(&f, VH_FAULT_CHAIN);
#endif
}

static void test_tx_same_id_twice(void)
{
	struct fake_ring f;

	start(&f, 8, FAKE_F_V1);
	write_packet(&f, BUF(0) + HDR, 0, 100);
	fake_post(&f, 4, BUF(0), HDR + 100, 0);
	fake_post(&f, 4, BUF(0), HDR + 100, 0);
	expect_tx(&f, 100);
	expect_tx(&f, 100);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 2);
	expect_used(&f, 0, 4, 0);
	expect_used(&f, 1, 4, 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static const struct unit_test tests[] = {
	{ "one descriptor", test_tx_single },
	{ "legacy header", test_tx_legacy_header },
	{ "header, then data", test_tx_header_and_data },
	{ "header over three descriptors", test_tx_header_split },
	{ "an indirect table", test_tx_indirect },
	{ "padding", test_tx_padding },
	{ "runts are completed and dropped", test_tx_runt },
	{ "long packets are completed and dropped", test_tx_oversize },
	{ "too long by its last descriptor", test_tx_oversize_by_last_descriptor },
	{ "lengths that would wrap", test_tx_huge_lengths },
	{ "a missing header is a fault", test_tx_header_missing },
	{ "a writable descriptor is a fault", test_tx_writable },
	{ "a buffer outside of memory is a fault", test_tx_outside },
#if FAKE_PACKED
	{ "a chain without an end is a fault", test_tx_no_end },
#else
	{ "a loop is a fault", test_tx_loop },
	{ "a number beyond the ring is a fault", test_tx_bad_id },
	{ "avail index jump is a fault", test_tx_avail_index_jump },
#endif
	{ "a buffer in two regions", test_tx_crosses_regions },
	{ "64 descriptors and more", test_tx_long_chain },
	{ "the packet behind one that is refused", test_tx_next_packet },
	{ "more descriptors than a packet has", test_tx_endless },
	{ "the same buffer twice", test_tx_same_id_twice },
	{ "no mbuf was lost", test_no_mbuf_lost },
};

PACKETS_MAIN("vhost/copy_tx", tests)
