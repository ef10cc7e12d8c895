/* SPDX-License-Identifier: BSD-3-Clause */
/* What a split ring is checked for before any thread works on it. */
#include <errno.h>

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

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

static const struct unit_test tests[] = {
	{ "ring sizes", test_start_sizes },
	{ "misaligned parts are refused", test_start_alignment },
	{ "parts outside of memory are refused", test_start_outside },
	{ "each part may lie in a region of its own", test_start_in_two_regions },
	{ "descriptors up to the region's last byte", test_start_desc_ends_with_region },
	{ "avail ring up to the region's last byte", test_start_avail_ends_with_region },
	{ "used ring up to the region's last byte", test_start_used_ends_with_region },
	{ "contradictory indices are refused", test_start_indices },
	{ "begins at used->idx", test_start_at_used_idx },
	{ "header of 10 or 12 bytes", test_start_header_length },
	{ "negotiated features", test_start_flags },
	{ "asks the container not to kick", test_start_suppresses_kicks },
};

UNIT_MAIN("vhost/split_start", NULL, NULL, tests)
