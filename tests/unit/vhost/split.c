/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/split.h"

#include <errno.h>

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

/* ---- start ---- */

static void expect_start(struct fake_ring *f, bool ok)
{
	struct vh_vring before;
	const char *why = NULL;

	memset(&f->vr, 0x5a, sizeof(f->vr));
	before = f->vr;
	if (ok) {
		CU_ASSERT_EQUAL(vh_ring_start(&f->vr, &f->setup, &why), 0);
		return;
	}
	CU_ASSERT_EQUAL(vh_ring_start(&f->vr, &f->setup, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(why);
	CU_ASSERT_EQUAL(memcmp(&before, &f->vr, sizeof(before)), 0);
}

static void test_start_sizes(void)
{
	static const uint32_t bad[] = { 0, 3, 255, 257, 32767, 32769, 65536, 1u << 31, UINT32_MAX };
	struct fake_ring f;

	fake_ring_prepare(&f, 256, 0, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.setup.size = bad[i];
		expect_start(&f, false);
	}
	for (uint32_t size = 1; size <= VH_RING_MAX_SIZE; size *= 2) {
		f.setup.size = size;
		expect_start(&f, true);
		CU_ASSERT_EQUAL(vh_ring_size(&f.vr), size);
	}
	fake_ring_free(&f);
}

static void test_start_alignment(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 256, 0, 0);
	const struct vh_ring_setup good = f.setup;
	for (uint32_t off = 1; off <= 16; off++) {
		f.setup.desc = good.desc + off;
		expect_start(&f, off % 16 == 0);
		f.setup = good;
		f.setup.avail = good.avail + off;
		expect_start(&f, off % 2 == 0);
		f.setup = good;
		f.setup.used = good.used + off;
		expect_start(&f, off % 4 == 0);
		f.setup = good;
	}
	fake_ring_free(&f);
}

static void test_start_outside(void)
{
	static const uint64_t bad[] = { 0, FAKE_PEER - 16, FAKE_PEER + FAKE_REGION_SIZE,
		FAKE_PEER + FAKE_PEER_STEP + FAKE_REGION_SIZE, FAKE_GPA, UINT64_MAX - 15 };
	struct fake_ring f;

	fake_ring_prepare(&f, 256, 0, 0);
	const struct vh_ring_setup good = f.setup;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.setup.desc = bad[i];
		expect_start(&f, false);
		f.setup = good;
		f.setup.avail = bad[i];
		expect_start(&f, false);
		f.setup = good;
		f.setup.used = bad[i];
		expect_start(&f, false);
		f.setup = good;
	}
	fake_ring_free(&f);
}

static void test_start_in_two_regions(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 256, 0, 0);
	f.setup.used = FAKE_PEER + FAKE_PEER_STEP;
	expect_start(&f, true);
	CU_ASSERT_PTR_EQUAL(f.vr.used, f.mem->regions[1].host);
	fake_ring_free(&f);
}

/* A ring of 8 entries, its parts at these offsets, in a region of this many bytes. */
static bool starts_in(uint32_t region, uint32_t desc, uint32_t avail, uint32_t used, bool event_idx)
{
	struct vh_mem_desc d = { .gpa = FAKE_GPA,
		.size = region,
		.peer_addr = FAKE_PEER,
		.map_size = region,
		.fd = fake_memfd(region) };
	struct vh_vring vr;
	const char *why = "";

	struct vh_mem *mem = vh_mem_create(&d, 1, &why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
	struct vh_ring_setup setup = { .desc = FAKE_PEER + desc,
		.avail = FAKE_PEER + avail,
		.used = FAKE_PEER + used,
		.size = 8,
		.mem = mem,
		.callfd = -1,
		.features = event_idx ? FAKE_F_EVENT_IDX : 0 };
	int ret = vh_ring_start(&vr, &setup, &why);
	vh_mem_unref(mem);
	close(d.fd);
	return ret == 0;
}

/* Of 8 entries: 128 bytes of descriptors, 4 + 16 (+ 2) avail, 4 + 64 (+ 2) used. */
static void test_start_desc_ends_with_region(void)
{
	CU_ASSERT_TRUE(starts_in(96 + 128, 96, 72, 0, false));
	CU_ASSERT_FALSE(starts_in(96 + 127, 96, 72, 0, false));
}

static void test_start_avail_ends_with_region(void)
{
	CU_ASSERT_TRUE(starts_in(200 + 20, 0, 200, 128, false));
	CU_ASSERT_FALSE(starts_in(200 + 19, 0, 200, 128, false));
	CU_ASSERT_TRUE(starts_in(200 + 22, 0, 200, 128, true));
	CU_ASSERT_FALSE(starts_in(200 + 21, 0, 200, 128, true));
}

static void test_start_used_ends_with_region(void)
{
	CU_ASSERT_TRUE(starts_in(152 + 68, 0, 128, 152, false));
	CU_ASSERT_FALSE(starts_in(152 + 67, 0, 128, 152, false));
	CU_ASSERT_TRUE(starts_in(152 + 70, 0, 128, 152, true));
	CU_ASSERT_FALSE(starts_in(152 + 69, 0, 128, 152, true));
}

static void test_start_indices(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 8, 0, 65532);
	fake_set_avail(&f, 4); /* all 8 on offer */
	expect_start(&f, true);
	fake_set_avail(&f, 5); /* 9 */
	expect_start(&f, false);
	fake_set_avail(&f, 65531); /* behind used */
	expect_start(&f, false);
	fake_set_avail(&f, 65532); /* none */
	expect_start(&f, true);
	fake_ring_free(&f);
}

static void test_start_at_used_idx(void)
{
	struct fake_ring f;

	/* What was taken before and never completed is on offer again. */
	fake_ring_prepare(&f, 8, 0, 1234);
	fake_set_avail(&f, 1237);
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.last_used, 1234);
	CU_ASSERT_EQUAL(f.vr.last_avail, 1234);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 3);
	CU_ASSERT_FALSE(vh_split_flush(&f.vr));
	CU_ASSERT_EQUAL(f.used->idx, 1234);
	fake_ring_free(&f);
}

static void test_start_header_length(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 8, 0, 0);
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.hdr_len, 10);
	f.setup.features = FAKE_F_MRG;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.hdr_len, 12);
	f.setup.features = FAKE_F_V1;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.hdr_len, 12);
	fake_ring_free(&f);
}

static void test_start_flags(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 8, 0, 0);
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.flags, 0);
	f.setup.features = FAKE_F_MRG;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.flags, VH_RING_MERGEABLE);
	f.setup.features = FAKE_F_INDIRECT;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.flags, VH_RING_INDIRECT);
	f.setup.features = FAKE_F_EVENT_IDX | FAKE_F_V1;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.flags, VH_RING_EVENT_IDX);
	CU_ASSERT_EQUAL(f.vr.fault, VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_start_suppresses_kicks(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 8, 0, 0);
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.used->flags, VRING_USED_F_NO_NOTIFY);
	fake_ring_free(&f);

	/* With EVENT_IDX the flag must be 0, also where an earlier ring has set it. */
	fake_ring_prepare(&f, 8, FAKE_F_EVENT_IDX, 0);
	f.used->flags = VRING_USED_F_NO_NOTIFY;
	expect_start(&f, true);
	uint16_t event;
	memcpy(&event, &f.used->ring[8], sizeof(event)); /* avail_event */
	CU_ASSERT_EQUAL(f.used->flags, 0);
	CU_ASSERT_EQUAL(event, 65535);
	/* the driver's own rule: no kick for anything that it will post in a long time */
	CU_ASSERT_FALSE(vring_need_event(event, 1, 0));
	CU_ASSERT_FALSE(vring_need_event(event, 8, 0));
	fake_ring_free(&f);
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

/* ---- notification ---- */

static void complete_some(struct fake_ring *f, uint16_t n)
{
	fake_set_avail(f, f->vr.last_avail + n);
	CU_ASSERT_EQUAL(vh_split_avail(&f->vr, n), n);
	vh_split_take(&f->vr, n);
	for (uint16_t i = 0; i < n; i++)
		put_used(f, 0, 1);
}

static void test_call_flag(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	complete_some(&f, 1);
	CU_ASSERT_TRUE(vh_split_flush(&f.vr));
	CU_ASSERT_FALSE(vh_split_flush(&f.vr)); /* nothing new */
	f.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	complete_some(&f, 1);
	CU_ASSERT_FALSE(vh_split_flush(&f.vr));
	CU_ASSERT_EQUAL(f.used->idx, 2);
	fake_ring_free(&f);
}

/* Completes n buffers from `start` on, with used_event at `event`. */
static bool calls_for(uint16_t start, uint16_t n, uint16_t event)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 8, FAKE_F_EVENT_IDX, start);
	f.avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* has no meaning then */
	fake_set_used_event(&f, event);
	complete_some(&f, n);
	bool call = vh_split_flush(&f.vr);
	fake_ring_free(&f);
	return call;
}

static void test_event_boundaries(void)
{
	CU_ASSERT_FALSE(calls_for(10, 3, 9));
	CU_ASSERT_TRUE(calls_for(10, 3, 10));
	CU_ASSERT_TRUE(calls_for(10, 3, 11));
	CU_ASSERT_TRUE(calls_for(10, 3, 12));
	CU_ASSERT_FALSE(calls_for(10, 3, 13));
	CU_ASSERT_FALSE(calls_for(10, 3, 10 + 32768));
	CU_ASSERT_TRUE(calls_for(10, 1, 10));
	CU_ASSERT_FALSE(calls_for(10, 1, 11));
}

static void test_event_wrap(void)
{
	CU_ASSERT_FALSE(calls_for(65534, 3, 65533));
	CU_ASSERT_TRUE(calls_for(65534, 3, 65534));
	CU_ASSERT_TRUE(calls_for(65534, 3, 65535));
	CU_ASSERT_TRUE(calls_for(65534, 3, 0));
	CU_ASSERT_FALSE(calls_for(65534, 3, 1));
	CU_ASSERT_TRUE(calls_for(65535, 1, 65535)); /* new index is 0 */
	CU_ASSERT_FALSE(calls_for(65535, 1, 0));
	CU_ASSERT_TRUE(calls_for(0, 1, 0));
	CU_ASSERT_FALSE(calls_for(0, 1, 65535));
}

/* Against the kernel's own function, near the wrap and elsewhere. */
static void test_event_like_the_kernel(void)
{
	struct fake_ring f;
	uint32_t bad = 0;

	fake_ring_init_at(&f, 8, FAKE_F_EVENT_IDX, 65500);
	for (uint32_t turn = 0; turn < 400; turn++) {
		uint16_t old = f.vr.last_used, n = turn % 8 + 1;
		uint16_t event = (uint16_t)(old + turn % 13 - 2);

		fake_set_used_event(&f, event);
		complete_some(&f, n);
		bad += vh_split_flush(&f.vr) != !!vring_need_event(event, old + n, old);
	}
	CU_ASSERT_EQUAL(bad, 0);
	fake_ring_free(&f);
}

static void test_call_writes_the_eventfd(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	CU_ASSERT_FALSE(fake_was_called(&f));
	vh_ring_call(&f.vr);
	CU_ASSERT_TRUE(fake_was_called(&f));
	fake_ring_free(&f);
}

/* ---- settle ---- */

static void test_settle(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 8, 0, 65534);
	for (uint16_t i = 0; i < 6; i++)
		fake_post(&f, i, FAKE_GPA_DATA, 2048, W);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 6), 6);
	vh_split_take(&f.vr, 5);
	put_used(&f, 0, 60);
	put_used(&f, 1, 61);
	put_used(&f, 2, 62);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 1);
	CU_ASSERT_EQUAL(f.used->idx, 1);
	/* by the control thread, which no container may block */
	CU_ASSERT_FALSE(fake_was_called(&f));
	/* the two that were taken and not completed are next */
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 3), 3);
	CU_ASSERT_EQUAL(vh_split_peek_rx(&f.vr, 0, 100, &buf), VH_FIT);
	CU_ASSERT_EQUAL(buf.id, 3);
	fake_ring_free(&f);
}

static void test_settle_again(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	complete_some(&f, 2);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 2);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 2);
	CU_ASSERT_EQUAL(f.used->idx, 2);
	fake_ring_free(&f);
}

static void test_settle_without_a_call(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	f.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	complete_some(&f, 2);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 2);
	CU_ASSERT_EQUAL(f.used->idx, 2);
	CU_ASSERT_FALSE(fake_was_called(&f));
	fake_ring_free(&f);
}

/* ---- walk ---- */

/* Data descriptors of a chain, their addresses in gpa[] (room for 64), or -1. */
static int walk(struct fake_ring *f, uint16_t id, uint64_t *gpa)
{
	struct vh_split_walk w;
	struct vring_desc d;
	int nb = 0, ret;

	vh_split_walk_init(&w, &f->vr, id);
	while ((ret = vh_split_walk_next(&f->vr, &w, &d)) == 1 && nb < 64)
		gpa[nb++] = d.addr;
	/* neither an end nor a fault can be walked past */
	if (ret == 0)
		CU_ASSERT_EQUAL(vh_split_walk_next(&f->vr, &w, &d), 0);
	return ret == 0 ? nb : -1;
}

static void expect_fault(struct fake_ring *f, uint16_t id, enum vh_fault fault)
{
	uint64_t gpa[64];

	CU_ASSERT_EQUAL(walk(f, id, gpa), -1);
	CU_ASSERT_EQUAL(vh_ring_fault(&f->vr), fault);
	f->vr.fault = VH_FAULT_NONE;
}

static void test_walk_single(void)
{
	struct fake_ring f;
	uint64_t gpa[64];

	fake_ring_init(&f, 8, 0);
	fake_desc(&f, 7, 1111, 60, 0, 65535); /* next without NEXT means nothing */
	CU_ASSERT_EQUAL(walk(&f, 7, gpa), 1);
	CU_ASSERT_EQUAL(gpa[0], 1111);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_walk_chain_as_long_as_the_ring(void)
{
	struct fake_ring f;
	uint64_t gpa[64];

	fake_ring_init(&f, 8, 0);
	for (uint16_t i = 0; i < 8; i++)
		fake_desc(&f, (3 * i) & 7, i, 60, i < 7 ? NEXT : 0, (3 * (i + 1)) & 7);
	CU_ASSERT_EQUAL(walk(&f, 0, gpa), 8);
	for (uint16_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(gpa[i], i);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_walk_loops(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	fake_desc(&f, 2, 0, 60, NEXT, 2); /* to itself */
	expect_fault(&f, 2, VH_FAULT_CHAIN);
	fake_desc(&f, 3, 0, 60, NEXT, 4);
	fake_desc(&f, 4, 0, 0, NEXT, 3);
	expect_fault(&f, 3, VH_FAULT_CHAIN);
	for (uint16_t i = 0; i < 8; i++) /* the whole ring, and around */
		fake_desc(&f, i, 0, 60, NEXT, (i + 1) & 7);
	expect_fault(&f, 0, VH_FAULT_CHAIN);
	fake_ring_free(&f);
}

static void test_walk_next_out_of_range(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	fake_desc(&f, 0, 0, 60, NEXT, 8);
	expect_fault(&f, 0, VH_FAULT_DESC_INDEX);
	fake_desc(&f, 0, 0, 60, NEXT, 65535);
	expect_fault(&f, 0, VH_FAULT_DESC_INDEX);
	fake_ring_free(&f);
}

static const struct vring_desc three[] = { { .addr = 11 }, { .addr = 22 }, { .addr = 33 } };

static void test_walk_indirect(void)
{
	struct fake_ring f;
	uint64_t gpa[64];

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 6, TABLE, three, 3);
	CU_ASSERT_EQUAL(walk(&f, 6, gpa), 3);
	CU_ASSERT_EQUAL(gpa[0], 11);
	CU_ASSERT_EQUAL(gpa[2], 33);
	/* WRITE beside INDIRECT is to be ignored (2.6.5.3.2) */
	f.desc[6].flags |= W;
	CU_ASSERT_EQUAL(walk(&f, 6, gpa), 3);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_walk_direct_before_indirect(void)
{
	struct fake_ring f;
	uint64_t gpa[64];

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 2, TABLE, three, 3);
	fake_desc(&f, 0, 1, 12, NEXT, 1);
	fake_desc(&f, 1, 2, 12, NEXT, 2);
	CU_ASSERT_EQUAL(walk(&f, 0, gpa), 5);
	CU_ASSERT_EQUAL(gpa[0], 1);
	CU_ASSERT_EQUAL(gpa[1], 2);
	CU_ASSERT_EQUAL(gpa[2], 11);
	CU_ASSERT_EQUAL(gpa[4], 33);
	fake_ring_free(&f);
}

static void test_walk_indirect_not_negotiated(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	fake_indirect(&f, 0, TABLE, three, 3);
	expect_fault(&f, 0, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
}

static void test_walk_indirect_nested(void)
{
	struct vring_desc nested = { .addr = TABLE + 4096, .len = 16, .flags = INDIRECT };
	struct fake_ring f;

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 0, TABLE, &nested, 1);
	expect_fault(&f, 0, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
}

static void test_walk_indirect_with_next(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 0, TABLE, three, 3);
	f.desc[0].flags |= NEXT;
	expect_fault(&f, 0, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
}

static void test_walk_indirect_length(void)
{
	static const uint32_t bad[] = { 0, 1, 15, 17, 47, 49, 9 * 16, UINT32_MAX, UINT32_MAX - 15 };
	struct fake_ring f;

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 0, TABLE, three, 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.desc[0].len = bad[i];
		expect_fault(&f, 0, VH_FAULT_INDIRECT);
	}
	fake_ring_free(&f);
}

static void test_walk_indirect_address(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 0, TABLE, three, 3);
	f.desc[0].addr = TABLE + 8;
	expect_fault(&f, 0, VH_FAULT_INDIRECT);
	f.desc[0].addr = FAKE_GPA_END;
	expect_fault(&f, 0, VH_FAULT_ADDRESS);
	f.desc[0].addr = FAKE_GPA_END - 32; /* the last entry is outside */
	expect_fault(&f, 0, VH_FAULT_ADDRESS);
	f.desc[0].addr = FAKE_GPA_BORDER - 32; /* not in one piece */
	expect_fault(&f, 0, VH_FAULT_ADDRESS);
	f.desc[0].addr = UINT64_MAX - 15;
	expect_fault(&f, 0, VH_FAULT_ADDRESS);
	fake_ring_free(&f);
}

/* Indices in a table count from the table's start, and end with it, not with the ring. */
static void test_walk_inside_the_table(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 0, TABLE, three, 3);
	struct vring_desc *table = (struct vring_desc *)(void *)fake_ptr(&f, TABLE);
	table[2].flags = NEXT;
	table[2].next = 3;
	expect_fault(&f, 0, VH_FAULT_DESC_INDEX);
	table[2].next = 1; /* a loop */
	expect_fault(&f, 0, VH_FAULT_CHAIN);
	fake_ring_free(&f);
}

static void test_walk_largest_table(void)
{
	struct vring_desc parts[8] = { { .addr = 0 } };
	struct fake_ring f;
	uint64_t gpa[64];

	fake_ring_init(&f, 8, FAKE_F_INDIRECT);
	fake_indirect(&f, 0, FAKE_GPA_BORDER - sizeof(parts), parts, 8);
	CU_ASSERT_EQUAL(walk(&f, 0, gpa), 8);
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
	{ "start: ring sizes", test_start_sizes },
	{ "start: misaligned parts are refused", test_start_alignment },
	{ "start: parts outside of memory are refused", test_start_outside },
	{ "start: each part may lie in a region of its own", test_start_in_two_regions },
	{ "start: descriptors up to the region's last byte", test_start_desc_ends_with_region },
	{ "start: avail ring up to the region's last byte", test_start_avail_ends_with_region },
	{ "start: used ring up to the region's last byte", test_start_used_ends_with_region },
	{ "start: contradictory indices are refused", test_start_indices },
	{ "start: begins at used->idx", test_start_at_used_idx },
	{ "start: header of 10 or 12 bytes", test_start_header_length },
	{ "start: negotiated features", test_start_flags },
	{ "start: asks the container not to kick", test_start_suppresses_kicks },
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
	{ "call: the avail ring's flag", test_call_flag },
	{ "call: exact boundaries of used_event", test_event_boundaries },
	{ "call: used_event around 65535", test_event_wrap },
	{ "call: used_event as the kernel decides", test_event_like_the_kernel },
	{ "call: writes the eventfd", test_call_writes_the_eventfd },
	{ "settle: completes and gives back the rest", test_settle },
	{ "settle: twice is harmless", test_settle_again },
	{ "settle: respects the container's wish", test_settle_without_a_call },
	{ "walk: one descriptor", test_walk_single },
	{ "walk: a chain as long as the ring", test_walk_chain_as_long_as_the_ring },
	{ "walk: loops are faults", test_walk_loops },
	{ "walk: next beyond the ring is a fault", test_walk_next_out_of_range },
	{ "walk: an indirect table", test_walk_indirect },
	{ "walk: direct descriptors before the table", test_walk_direct_before_indirect },
	{ "walk: indirect without negotiation is a fault", test_walk_indirect_not_negotiated },
	{ "walk: a table in a table is a fault", test_walk_indirect_nested },
	{ "walk: NEXT beside INDIRECT is a fault", test_walk_indirect_with_next },
	{ "walk: table lengths", test_walk_indirect_length },
	{ "walk: table addresses", test_walk_indirect_address },
	{ "walk: indices end with the table", test_walk_inside_the_table },
	{ "walk: the largest table", test_walk_largest_table },
	{ "every fault and verdict has a name", test_names },
};

UNIT_MAIN("vhost/split", NULL, NULL, tests)
