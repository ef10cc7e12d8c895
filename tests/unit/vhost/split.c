/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/split.h"

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W        VRING_DESC_F_WRITE
#define NEXT     VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT

#define TABLE FAKE_GPA_DATA /* indirect tables */

static void put_used(struct fake_ring *f, uint16_t id, uint32_t len)
{
	vh_split_put_used(&f->vr, (struct vh_taken){ .id = id, .entries = 1 }, len);
}

/* ---- avail, take, complete ---- */

static void test_empty_ring(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 8), 0);
	CU_ASSERT_FALSE(vh_ring_offers(&f.vr, 1));
	CU_ASSERT_FALSE(vh_split_flush(&f.vr));
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_full_ring(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	for (uint16_t i = 0; i < 8; i++)
		fake_post(&f, i, FAKE_GPA_DATA, 2048, W);
	CU_ASSERT_TRUE(vh_ring_offers(&f.vr, 8));
	CU_ASSERT_FALSE(vh_ring_offers(&f.vr, 9));
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 8), 8);
	vh_split_take(&f.vr, 8);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_largest_ring_full(void)
{
	struct fake_ring f;

	fake_ring_init_at(&f, VH_RING_MAX_SIZE, 0, 40000);
	fake_set_avail(&f, (uint16_t)(40000 + VH_RING_MAX_SIZE));
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, VH_RING_MAX_SIZE), VH_RING_MAX_SIZE);
	vh_split_take(&f.vr, VH_RING_MAX_SIZE);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_avail_looks_only_if_needed(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	fake_set_avail(&f, 3);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 3);
	fake_set_avail(&f, 5);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 3), 3);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 4), 5);
	fake_ring_free(&f);
}

static void test_untake(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 8, 0, 65534);
	for (uint16_t i = 0; i < 5; i++)
		fake_post(&f, 7 - i, FAKE_GPA_DATA + i * 2048u, 2048, W);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 5), 5);
	vh_split_take(&f.vr, 4);
	vh_split_untake(&f.vr, 3);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 4);
	CU_ASSERT_EQUAL(vh_split_peek_rx(&f.vr, 0, 100, &buf), VH_FIT);
	CU_ASSERT_EQUAL(buf.id, 6);
	/* invisible to the container */
	CU_ASSERT_FALSE(vh_split_flush(&f.vr));
	CU_ASSERT_EQUAL(f.used->idx, 65534);
	fake_ring_free(&f);
}

static void test_used_entries_appear_at_flush(void)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 4, 0, 65535);
	fake_set_avail(&f, 2);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 3), 3);
	vh_split_take(&f.vr, 3);
	put_used(&f, 3, 100);
	put_used(&f, 1, 200);
	CU_ASSERT_EQUAL(f.used->idx, 65535);
	vh_split_flush(&f.vr);
	CU_ASSERT_EQUAL(f.used->idx, 1);
	CU_ASSERT_EQUAL(f.used->ring[3].id, 3);
	CU_ASSERT_EQUAL(f.used->ring[3].len, 100);
	CU_ASSERT_EQUAL(f.used->ring[0].id, 1);
	CU_ASSERT_EQUAL(f.used->ring[0].len, 200);
	fake_ring_free(&f);
}

/* Three times around the 16-bit indices, one to eight buffers at a time. */
static void test_index_wrap(void)
{
	struct fake_ring f;
	uint16_t pos = 0;
	uint32_t bad = 0;

	fake_ring_init(&f, 8, 0);
	for (uint32_t turn = 0; turn < 45000; turn++) {
		uint16_t n = turn % 8 + 1;

		for (uint16_t i = 0; i < n; i++)
			fake_post(&f, (uint16_t)(5 * (pos + i)) & 7, FAKE_GPA_DATA, 2048, W);
		bad += vh_split_avail(&f.vr, n) != n;
		for (uint16_t i = 0; i < n; i++) {
			struct vh_rx_buf buf;

			bad += vh_split_peek_rx(&f.vr, 0, 2048, &buf) != VH_FIT;
			vh_split_take(&f.vr, 1);
			put_used(&f, buf.id, turn);
		}
		vh_split_flush(&f.vr);
		for (uint16_t i = 0; i < n; i++, pos++)
			bad += fake_split_used(&f, pos).id != ((5u * pos) & 7) ||
				fake_split_used(&f, pos).len != turn;
		bad += f.used->idx != pos;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_avail_index_jump(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	fake_set_avail(&f, 9);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_AVAIL_INDEX);
	/* taking it back does not help */
	fake_set_avail(&f, 8);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	fake_ring_free(&f);
}

static void test_avail_index_jump_counts_loans(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	fake_set_avail(&f, 5);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 5), 5);
	vh_split_take(&f.vr, 5);
	fake_set_avail(&f, 9); /* 5 out and 4 more: one too many */
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_AVAIL_INDEX);
	fake_ring_free(&f);
}

static void test_avail_index_backwards(void)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 8, 0, 65530);
	fake_set_avail(&f, 65535);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 5), 5);
	vh_split_take(&f.vr, 5);
	fake_set_avail(&f, 65534); /* one of those that we have taken */
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_AVAIL_INDEX);
	fake_ring_free(&f);

	fake_ring_init_at(&f, 8, 0, 100);
	fake_set_avail(&f, 99); /* before anything was taken */
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_AVAIL_INDEX);
	fake_ring_free(&f);
}

/* vring.h: "the ring gives nothing more", also of what it was known to offer before. */
static void test_nothing_after_a_fault(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init(&f, 8, 0);
	for (uint16_t i = 0; i < 3; i++)
		fake_post(&f, i, FAKE_GPA_DATA, 2048, W);
	fake_post(&f, 3, FAKE_GPA_END, 2048, W);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 4), 4);
	CU_ASSERT_EQUAL(vh_split_peek_rx(&f.vr, 3, 100, &buf), VH_FIT_FAULT);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 0);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 5), 0);
	fake_ring_free(&f);
}

static void test_first_fault_wins(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	vh_ring_set_fault(&f.vr, VH_FAULT_CHAIN);
	vh_ring_set_fault(&f.vr, VH_FAULT_ADDRESS);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_CHAIN);
	fake_ring_free(&f);
}

/* ---- peek ---- */

static enum vh_fit peek_desc(uint64_t gpa, uint32_t len, uint16_t flags, enum vh_fault *fault)
{
	struct fake_ring f;
	struct vh_rx_buf buf = { .addr = NULL };

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_post(&f, 5, gpa, len, flags);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 1);
	enum vh_fit fit = vh_split_peek_rx(&f.vr, 0, 1000, &buf);
	*fault = vh_ring_fault(&f.vr);
	CU_ASSERT_EQUAL(fit == VH_FIT_FAULT, *fault != VH_FAULT_NONE);
	if (fit == VH_FIT) {
		CU_ASSERT_EQUAL(buf.id, 5);
		*buf.addr = 77;
		CU_ASSERT_EQUAL(*fake_ptr(&f, gpa), 77);
	}
	/* takes nothing */
	CU_ASSERT_EQUAL(f.vr.last_avail, 0);
	CU_ASSERT_EQUAL(f.used->idx, 0);
	fake_ring_free(&f);
	return fit;
}

static void test_peek_fits(void)
{
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, UINT32_MAX, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_BORDER - 1000, 1000, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_BORDER, 1000, W, &fault), VH_FIT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_END - 1000, 1000, W, &fault), VH_FIT);
}

static void test_peek_short(void)
{
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 999, W, &fault), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 0, W, &fault), VH_FIT_SHORT);
}

static void test_peek_chain(void)
{
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, W | NEXT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_desc(TABLE, 16, INDIRECT, &fault), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek_desc(TABLE, 16, INDIRECT | W, &fault), VH_FIT_CHAIN);
}

static void test_peek_region(void)
{
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_BORDER - 999, 1000, W, &fault), VH_FIT_REGION);
	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_BORDER - 1, 1000, W, &fault), VH_FIT_REGION);
}

static void test_peek_outside(void)
{
	static const uint64_t bad[] = { 0, FAKE_GPA - 1, FAKE_GPA_END, UINT64_MAX,
		UINT64_MAX - 500 };
	enum vh_fault fault;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(peek_desc(bad[i], 1000, W, &fault), VH_FIT_FAULT);
		CU_ASSERT_EQUAL(fault, VH_FAULT_ADDRESS);
	}
}

/* Whatever it is called, a buffer that ends outside of all memory is never handed out. */
static void test_peek_beyond_the_end(void)
{
	enum vh_fault fault;

	CU_ASSERT_NOT_EQUAL(peek_desc(FAKE_GPA_END - 999, 1000, W, &fault), VH_FIT);
}

static void test_peek_read_only(void)
{
	enum vh_fault fault;

	CU_ASSERT_EQUAL(peek_desc(FAKE_GPA_DATA, 1000, 0, &fault), VH_FIT_FAULT);
	CU_ASSERT_EQUAL(fault, VH_FAULT_DIRECTION);
}

static void test_peek_id_out_of_range(void)
{
	static const uint16_t bad[] = { 8, 9, 255, 32768, 65535 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fake_ring f;
		struct vh_rx_buf buf;

		fake_ring_init(&f, 8, 0);
		fake_offer(&f, bad[i]);
		CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 1);
		CU_ASSERT_EQUAL(vh_split_peek_rx(&f.vr, 0, 100, &buf), VH_FIT_FAULT);
		CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_DESC_INDEX);
		fake_ring_free(&f);
	}
}

static void test_peek_ahead(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 8, 0, 65533);
	for (uint16_t i = 0; i < 8; i++)
		fake_post(&f, 7 - i, FAKE_GPA_DATA + i * 4096u, 4096, W);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 8), 8);
	for (uint16_t i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(vh_split_peek_rx(&f.vr, i, 100, &buf), VH_FIT);
		CU_ASSERT_EQUAL(buf.id, 7 - i);
		CU_ASSERT_PTR_EQUAL(buf.addr, f.mem->regions[0].host + (1u << 20) + i * 4096u);
	}
	fake_ring_free(&f);
}

/* ---- names ---- */

static void test_names(void)
{
	for (int i = 0; i < VH_FAULT_COUNT; i++)
		CU_ASSERT_PTR_NOT_NULL(vh_fault_str((enum vh_fault)i));
	for (int i = 0; i < VH_FIT_COUNT; i++)
		CU_ASSERT_PTR_NOT_NULL(vh_fit_str((enum vh_fit)i));
	CU_ASSERT_STRING_EQUAL(vh_fault_str(VH_FAULT_COUNT), "?");
	CU_ASSERT_STRING_EQUAL(vh_fit_str(VH_FIT_COUNT), "?");
}

static const struct unit_test tests[] = {
	{ "empty ring gives nothing", test_empty_ring },
	{ "full ring gives all of it", test_full_ring },
	{ "full ring of the largest size", test_largest_ring_full },
	{ "avail reads the index only if it needs more", test_avail_looks_only_if_needed },
	{ "untaken buffers are next again", test_untake },
	{ "used entries appear at the flush", test_used_entries_appear_at_flush },
	{ "16-bit indices wrap", test_index_wrap },
	{ "avail index jump is a fault", test_avail_index_jump },
	{ "avail index jump counts loans as well", test_avail_index_jump_counts_loans },
	{ "avail index going backwards is a fault", test_avail_index_backwards },
	{ "nothing more after a fault", test_nothing_after_a_fault },
	{ "the first fault wins", test_first_fault_wins },
	{ "peek: a buffer that fits", test_peek_fits },
	{ "peek: a short or empty buffer", test_peek_short },
	{ "peek: chains and indirect tables", test_peek_chain },
	{ "peek: a buffer in two regions", test_peek_region },
	{ "peek: a buffer outside of memory is a fault", test_peek_outside },
	{ "peek: a buffer that ends outside of memory", test_peek_beyond_the_end },
	{ "peek: a read-only buffer is a fault", test_peek_read_only },
	{ "peek: a number beyond the ring is a fault", test_peek_id_out_of_range },
	{ "peek: further ahead", test_peek_ahead },
	{ "every fault and verdict has a name", test_names },
};

UNIT_MAIN("vhost/split", NULL, NULL, tests)
