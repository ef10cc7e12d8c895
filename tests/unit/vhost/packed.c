/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/packed.h"

#include <errno.h>

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W        VRING_DESC_F_WRITE
#define NEXT     VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT
#define P        FAKE_F_PACKED

#define TABLE FAKE_GPA_DATA /* indirect tables */
#define WRAP  0x8000u /* in a base */

static void expect_used(struct fake_ring *f, uint16_t n, uint32_t id, uint32_t len)
{
	CU_ASSERT_EQUAL(fake_used(f, n).id, id);
	CU_ASSERT_EQUAL(fake_used(f, n).len, len);
}

/* ---- avail, take, complete ---- */

static void test_empty_ring(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 0);
	CU_ASSERT_FALSE(vh_ring_offers(&f.vr, 1));
	CU_ASSERT_FALSE(vh_packed_flush(&f.vr));
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static const uint32_t sizes[] = { 1, 2, 3, 8, 255, 256, 32767, 32768 };

static void test_full_ring(void)
{
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		uint16_t n = (uint16_t)sizes[i];
		struct fake_ring f;

		fake_ring_init(&f, n, P);
		fake_post_some(&f, 0, n);
		CU_ASSERT_TRUE(vh_ring_offers(&f.vr, n));
		CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, n), n);
		CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, UINT16_MAX), n);
		vh_packed_take(&f.vr, n);
		/* the same entries are there still, and must not be taken twice */
		CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
		CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, UINT16_MAX), 0);
		for (uint16_t b = 0; b < n; b++)
			fake_put_used(&f, b, 1, b + 1u);
		vh_packed_flush(&f.vr);
		CU_ASSERT_EQUAL(fake_nb_used(&f), n);
		expect_used(&f, 0, 0, 1);
		expect_used(&f, n - 1, n - 1u, n);
		CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
		CU_ASSERT_EQUAL(f.vr.last_avail, 0);
		CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
		fake_ring_free(&f);
	}
}

/* Rounds without end, one to `size` buffers at a time. */
static uint32_t rounds(uint32_t size, uint16_t base, uint32_t turns)
{
	struct fake_ring f;
	uint32_t bad = 0;
	uint16_t pos = 0;

	fake_ring_init_at(&f, size, P, base);
	for (uint32_t turn = 0; turn < turns; turn++) {
		uint16_t n = (uint16_t)(turn % size + 1);

		for (uint16_t i = 0; i < n; i++)
			fake_packed_post(&f, 7 * (pos + i), FAKE_GPA_DATA, 2048, W);
		bad += vh_packed_avail(&f.vr, n) != n;
		for (uint16_t i = 0; i < n; i++) {
			struct vh_rx_buf buf;

			bad += vh_packed_peek_rx(&f.vr, 0, 2048, &buf) != VH_FIT;
			vh_packed_take(&f.vr, 1);
			fake_put_used(&f, buf.id, 1, turn);
		}
		bad += vh_packed_avail(&f.vr, 1) != 0;
		vh_packed_flush(&f.vr);
		for (uint16_t i = 0; i < n; i++, pos++)
			bad += fake_used(&f, pos).id != (uint16_t)(7 * pos) ||
				fake_used(&f, pos).len != turn;
		bad += fake_nb_used(&f) != pos;
	}
	bad += vh_ring_fault(&f.vr) != VH_FAULT_NONE;
	fake_ring_free(&f);
	return bad;
}

static void test_wrap(void)
{
	CU_ASSERT_EQUAL(rounds(1, WRAP, 1000), 0);
	CU_ASSERT_EQUAL(rounds(1, 0, 1000), 0);
	CU_ASSERT_EQUAL(rounds(2, WRAP, 1000), 0);
	CU_ASSERT_EQUAL(rounds(3, WRAP | 2, 1000), 0);
	CU_ASSERT_EQUAL(rounds(8, 7, 45000), 0);
	CU_ASSERT_EQUAL(rounds(255, WRAP | 254, 3000), 0);
	CU_ASSERT_EQUAL(rounds(256, 100, 3000), 0);
	CU_ASSERT_EQUAL(rounds(32768, 32767, 600), 0);
}

static void test_avail_looks_only_if_needed(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	fake_post_some(&f, 0, 5);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 3), 3); /* and no further */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 3);
	f.packed[1].flags = 0; /* what is known is not asked for again */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 4), 4);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 5);
	fake_ring_free(&f);
}

static void test_avail_of_the_other_round(void)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 8, P, 6); /* wrap counter 0 */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
	f.packed[6].flags = VH_PACKED_AVAIL; /* as of the round before */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
	f.packed[6].flags = VH_PACKED_USED;
	f.packed[7].flags = VH_PACKED_USED;
	f.packed[0].flags = VH_PACKED_USED; /* ends this round: the other way from here */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 2);
	f.packed[0].flags = VH_PACKED_AVAIL;
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	fake_ring_free(&f);
}

static void test_untake(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 5, P, 3);
	for (uint16_t i = 0; i < 5; i++)
		fake_packed_post(&f, 70 - i, FAKE_GPA_DATA + i * 2048u, 2048, W);
	fake_take(&f, 4);
	vh_packed_untake(&f.vr, 3); /* back across the end */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 3);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 5), 4);
	CU_ASSERT_EQUAL(vh_packed_peek_rx(&f.vr, 0, 100, &buf), VH_FIT);
	CU_ASSERT_EQUAL(buf.id, 69);
	CU_ASSERT_EQUAL(fake_nb_taken(&f), 1);
	/* invisible to the container */
	CU_ASSERT_FALSE(vh_packed_flush(&f.vr));
	CU_ASSERT_EQUAL(fake_nb_used(&f), 0);
	fake_ring_free(&f);
}

/* A batch is seen whole or not at all: everything but the first entry is there before. */
static void test_first_last(void)
{
	struct vring_packed_desc before;
	struct fake_ring f;

	fake_ring_init_at(&f, 4, P, WRAP | 2);
	fake_post_some(&f, 0, 4);
	before = f.packed[2];
	fake_take(&f, 4);
	fake_put_used(&f, 9, 1, 100);
	/* as the driver wrote it: if this is our end, the next back end can use it */
	CU_ASSERT_EQUAL(memcmp(&f.packed[2], &before, sizeof(before)), 0);
	fake_put_used(&f, 8, 1, 0);
	fake_put_used(&f, 7, 1, 300); /* behind the end */
	CU_ASSERT_EQUAL(memcmp(&f.packed[2], &before, sizeof(before)), 0);
	CU_ASSERT_EQUAL(f.packed[3].flags, VH_PACKED_OWNER);
	CU_ASSERT_EQUAL(f.packed[0].flags, W);
	CU_ASSERT_EQUAL(f.packed[1].flags & VH_PACKED_OWNER, VH_PACKED_USED);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 0);
	CU_ASSERT_TRUE(vh_packed_flush(&f.vr));
	/* WRITE says that the length means something */
	CU_ASSERT_EQUAL(f.packed[2].flags, VH_PACKED_OWNER | W);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 3);
	expect_used(&f, 0, 9, 100);
	expect_used(&f, 1, 8, 0);
	expect_used(&f, 2, 7, 300);
	CU_ASSERT_EQUAL(fake_nb_taken(&f), 1);
	fake_ring_free(&f);
}

static void test_chains_are_skipped(void)
{
	const struct vring_desc parts[3] = { { FAKE_GPA_DATA, 10, 0, 0 } };
	struct fake_ring f;

	/* 7 entries: three rounds do not end where a chain does */
	fake_ring_init(&f, 7, P);
	for (uint16_t i = 0; i < 21; i++) {
		fake_packed_chain(&f, 100 + i, parts, 3);
		fake_take(&f, 3);
		fake_put_used(&f, 100 + i, 3, 0);
		vh_packed_flush(&f.vr);
		CU_ASSERT_EQUAL(fake_nb_used(&f), i + 1);
		expect_used(&f, i, 100u + i, 0);
	}
	CU_ASSERT_EQUAL(f.vr.last_used, 0);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
	fake_ring_free(&f);
}

/* ---- what a container may do to what we hold ---- */

/* Every entry looks available, whatever we look for. */
static void flip(struct fake_ring *f)
{
	for (uint32_t i = 0; i < f->size; i++)
		f->packed[i].flags ^= VH_PACKED_OWNER;
}

static void test_held_entries_offered_again(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	fake_post_some(&f, 0, 8);
	fake_take(&f, 5);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	flip(&f); /* the five that we hold, as of the next round */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	vh_packed_take(&f.vr, 3);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 0);
	fake_put_used(&f, 0, 1, 60);
	fake_put_used(&f, 1, 1, 60);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 0); /* nobody has seen them used */
	vh_packed_flush(&f.vr);
	/* now they may be, and the first of them was not made available again */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 0);
	f.packed[0].flags = VH_PACKED_USED;
	f.packed[1].flags = VH_PACKED_USED;
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 2);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_ids_are_opaque(void)
{
	static const uint16_t ids[] = { 65535, 65535, 8, 0, 0, 32768, 9, 9 };
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init(&f, 8, P);
	for (uint16_t i = 0; i < 8; i++)
		fake_packed_post(&f, ids[i], FAKE_GPA_DATA, 2048, W);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 8);
	for (uint16_t i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(vh_packed_peek_rx(&f.vr, 0, 100, &buf), VH_FIT);
		vh_packed_take(&f.vr, 1);
		fake_put_used(&f, buf.id, 1, i);
	}
	vh_packed_flush(&f.vr);
	for (uint16_t i = 0; i < 8; i++)
		expect_used(&f, i, ids[i], i);
	fake_ring_free(&f);
}

/* vring.h: "the ring gives nothing more", also of what it was known to offer before. */
static void test_nothing_after_a_fault(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init(&f, 8, P);
	fake_post_some(&f, 0, 3);
	fake_packed_post(&f, 3, FAKE_GPA_END, 2048, W);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 4), 4);
	CU_ASSERT_EQUAL(vh_packed_peek_rx(&f.vr, 3, 100, &buf), VH_FIT_FAULT);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 5), 0);
	fake_ring_free(&f);
}

static void test_offers(void)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 5, P, WRAP | 3);
	CU_ASSERT_TRUE(vh_ring_offers(&f.vr, 0));
	fake_post_some(&f, 0, 4); /* two of this round, two of the next */
	CU_ASSERT_TRUE(vh_ring_offers(&f.vr, 4));
	CU_ASSERT_FALSE(vh_ring_offers(&f.vr, 5));
	fake_take(&f, 1);
	CU_ASSERT_TRUE(vh_ring_offers(&f.vr, 3));
	CU_ASSERT_FALSE(vh_ring_offers(&f.vr, 5));
	fake_put_used(&f, 0, 1, 60);
	vh_packed_flush(&f.vr);
	CU_ASSERT_FALSE(vh_ring_offers(&f.vr, 4));
	fake_ring_free(&f);
}

/* ---- peek ---- */

static enum vh_fit peek_desc(uint64_t gpa, uint32_t len, uint16_t flags, enum vh_fault *fault)
{
	struct fake_ring f;
	struct vh_rx_buf buf = { .addr = NULL };

	fake_ring_init_at(&f, 8, P | FAKE_F_INDIRECT, 7);
	fake_packed_post(&f, 50000, gpa, len, flags);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 1);
	enum vh_fit fit = vh_packed_peek_rx(&f.vr, 0, 1000, &buf);
	*fault = vh_ring_fault(&f.vr);
	CU_ASSERT_EQUAL(fit == VH_FIT_FAULT, *fault != VH_FAULT_NONE);
	if (fit == VH_FIT) {
		CU_ASSERT_EQUAL(buf.id, 50000);
		*buf.addr = 77;
		CU_ASSERT_EQUAL(*fake_ptr(&f, gpa), 77);
	}
	/* takes nothing */
	CU_ASSERT_EQUAL(f.vr.last_avail, 7);
	CU_ASSERT_EQUAL(fake_nb_taken(&f), 0);
	fake_ring_free(&f);
	return fit;
}

static void test_peek_rx(void)
{
	static const uint64_t bad[] = { 0, FAKE_GPA - 1, FAKE_GPA_END, UINT64_MAX,
		UINT64_MAX - 500 };
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, UINT32_MAX, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_BORDER - 1000, 1000, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_END - 1000, 1000, W, &fault), VH_FIT);
	/* flags that mean nothing (2.7.13 leaves them reserved) */
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, W | 0x100, &fault), VH_FIT);

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 999, W, &fault), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 0, W, &fault), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, W | NEXT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, NEXT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_desc(TABLE, 16, INDIRECT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_desc(TABLE, 16, INDIRECT | W, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_BORDER - 999, 1000, W, &fault), VH_FIT_REGION);
	CU_ASSERT_NOT_EQUAL(peek_desc(FAKE_GPA_END - 999, 1000, W, &fault), VH_FIT);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		CU_ASSERT_EQUAL(peek_desc(bad[i], 1000, W, &fault), VH_FIT_FAULT);
		CU_ASSERT_EQUAL(fault, VH_FAULT_ADDRESS);
	}
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, 0, &fault), VH_FIT_FAULT);
	CU_ASSERT_EQUAL(fault, VH_FAULT_DIRECTION);
}

static void test_peek_ahead(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 7, P, WRAP | 5);
	for (uint16_t i = 0; i < 7; i++)
		fake_packed_post(&f, 300 + i, FAKE_GPA_DATA + i * 4096u, 4096, W);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 7), 7);
	for (uint16_t i = 0; i < 7; i++) {
		CU_ASSERT_EQUAL(vh_packed_peek_rx(&f.vr, i, 100, &buf), VH_FIT);
		CU_ASSERT_EQUAL(buf.id, 300 + i);
		CU_ASSERT_PTR_EQUAL(buf.addr, f.mem->regions[0].host + (1u << 20) + i * 4096u);
	}
	fake_ring_free(&f);
}

static enum vh_fit peek_tx(uint64_t gpa, uint32_t len, uint16_t flags, enum vh_fault *fault)
{
	struct fake_ring f;
	struct vh_tx_buf buf;

	fake_ring_init(&f, 8, P | FAKE_F_V1);
	fake_packed_post(&f, 12345, gpa, len, flags);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 1);
	enum vh_fit fit = vh_packed_peek_tx(&f.vr, 60, &buf);
	*fault = vh_ring_fault(&f.vr);
	CU_ASSERT_EQUAL(fit == VH_FIT_FAULT, *fault != VH_FAULT_NONE);
	if (fit == VH_FIT) {
		CU_ASSERT_EQUAL(buf.taken.id, 12345);
		CU_ASSERT_EQUAL(buf.taken.entries, 1);
		CU_ASSERT_EQUAL(buf.len, len - 12);
		*buf.addr = 77;
		CU_ASSERT_EQUAL(*fake_ptr(&f, gpa + 12), 77);
	}
	CU_ASSERT_EQUAL(f.vr.last_avail, 0);
	fake_ring_free(&f);
	return fit;
}

static void test_peek_tx(void)
{
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_DATA, 72, 0, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_DATA, 100000, 0, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_END - 72, 72, 0, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_DATA, 71, 0, &fault), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_DATA, 0, 0, &fault), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_DATA, 12, NEXT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_tx(TABLE, 32, INDIRECT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_BORDER - 50, 72, 0, &fault), VH_FIT_REGION);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_END, 72, 0, &fault), VH_FIT_FAULT);
	CU_ASSERT_EQUAL(fault, VH_FAULT_ADDRESS);
	CU_ASSERT_EQUAL(peek_tx(FAKE_GPA_DATA, 72, W, &fault), VH_FIT_FAULT);
	CU_ASSERT_EQUAL(fault, VH_FAULT_DIRECTION);
}

static const struct unit_test tests[] = {
	{ "empty ring gives nothing", test_empty_ring },
	{ "full rings of all sizes", test_full_ring },
	{ "round and round", test_wrap },
	{ "avail looks only if it needs more", test_avail_looks_only_if_needed },
	{ "avail knows its round", test_avail_of_the_other_round },
	{ "untaken buffers are next again", test_untake },
	{ "used entries appear with the first one", test_first_last },
	{ "a chain is skipped with its first entry", test_chains_are_skipped },
	{ "entries that we hold are offered again", test_held_entries_offered_again },
	{ "ids are opaque", test_ids_are_opaque },
	{ "nothing more after a fault", test_nothing_after_a_fault },
	{ "offers: as another thread sees it", test_offers },
	{ "peek: receive", test_peek_rx },
	{ "peek: further ahead", test_peek_ahead },
	{ "peek: transmit", test_peek_tx },
};

UNIT_MAIN("vhost/packed", NULL, NULL, tests)
