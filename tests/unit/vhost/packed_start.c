/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packed ring is checked for before any thread works on it. */
#include <errno.h>

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define P    FAKE_F_PACKED
#define WRAP 0x8000u

static void expect_start(struct fake_ring *f, bool ok)
{
	struct vh_vring before;
	const char *why = NULL;

	memset(&f->vr, 0x5a, sizeof(f->vr));
	before = f->vr;
	if (ok) {
		CU_ASSERT_EQUAL(vh_ring_start(&f->vr, &f->setup, &why), 0);
		CU_ASSERT_EQUAL(f->vr.kind, VH_RING_PACKED);
		CU_ASSERT_EQUAL(vh_ring_size(&f->vr), f->setup.size);
		return;
	}
	CU_ASSERT_EQUAL(vh_ring_start(&f->vr, &f->setup, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(why);
	CU_ASSERT_EQUAL(memcmp(&before, &f->vr, sizeof(before)), 0);
}

static void test_sizes(void)
{
	static const uint32_t good[] = { 1, 2, 3, 127, 255, 256, 257, 32767, 32768 };
	static const uint32_t bad[] = { 0, 32769, 65535, 65536, 65537, 1u << 31, UINT32_MAX };
	struct fake_ring f;

	fake_ring_prepare(&f, 256, P, WRAP);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		f.setup.size = bad[i];
		expect_start(&f, false);
	}
	for (size_t i = 0; i < RTE_DIM(good); i++) {
		f.setup.size = good[i];
		expect_start(&f, true);
	}
	fake_ring_free(&f);
}

static void test_alignment(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 256, P, WRAP);
	const struct vh_ring_setup good = f.setup;
	for (uint32_t off = 1; off <= 16; off++) {
		f.setup.desc = good.desc + off;
		expect_start(&f, off % 16 == 0);
		f.setup = good;
		f.setup.avail = good.avail + off;
		expect_start(&f, off % 4 == 0);
		f.setup = good;
		f.setup.used = good.used + off;
		expect_start(&f, off % 4 == 0);
		f.setup = good;
	}
	fake_ring_free(&f);
}

static void test_outside(void)
{
	static const uint64_t bad[] = { 0, FAKE_PEER - 16, FAKE_PEER + FAKE_REGION_SIZE,
		FAKE_PEER + FAKE_PEER_STEP + FAKE_REGION_SIZE, FAKE_GPA, UINT64_MAX - 15 };
	struct fake_ring f;

	fake_ring_prepare(&f, 256, P, WRAP);
	const struct vh_ring_setup good = f.setup;
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
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

/* A ring of 9 entries in the first region, a part of it ending `beyond` bytes behind it. */
static bool starts_at_the_end(uint64_t *part, struct fake_ring *f, uint32_t bytes, uint32_t beyond)
{
	const struct vh_ring_setup good = f->setup;
	const char *why;
	int ret;

	*part = FAKE_PEER + FAKE_REGION_SIZE - bytes + beyond;
	ret = vh_ring_start(&f->vr, &f->setup, &why);
	f->setup = good;
	return ret == 0;
}

static void test_end_of_the_region(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 9, P, WRAP);
	CU_ASSERT_TRUE(starts_at_the_end(&f.setup.desc, &f, 9 * 16, 0));
	CU_ASSERT_FALSE(starts_at_the_end(&f.setup.desc, &f, 9 * 16, 16));
	CU_ASSERT_TRUE(starts_at_the_end(&f.setup.avail, &f, 4, 0));
	CU_ASSERT_FALSE(starts_at_the_end(&f.setup.avail, &f, 4, 4));
	CU_ASSERT_TRUE(starts_at_the_end(&f.setup.used, &f, 4, 0));
	CU_ASSERT_FALSE(starts_at_the_end(&f.setup.used, &f, 4, 4));
	fake_ring_free(&f);
}

static void test_in_two_regions(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 256, P, WRAP);
	f.setup.used = FAKE_PEER + FAKE_PEER_STEP;
	expect_start(&f, true);
	/* the wish for no kicks is written there */
	CU_ASSERT_EQUAL(((struct vring_packed_desc_event *)(void *)f.mem->regions[1].host)->flags,
		VRING_PACKED_EVENT_FLAG_DISABLE);
	fake_ring_free(&f);
}

static void test_base(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 255, P, 0);
	for (uint32_t base = 0; base < 65536; base += 254) {
		f.setup.base = (uint16_t)base;
		expect_start(&f, (base & ~WRAP) < 255);
	}
	f.setup.base = WRAP | 255;
	expect_start(&f, false);
	f.setup.base = 255;
	expect_start(&f, false);
	fake_ring_free(&f);
}

/* Where it stands follows from the base alone; what is in the ring is the container's. */
static void test_starts_at_base(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_prepare(&f, 8, P, WRAP | 6);
	for (uint16_t i = 0; i < 3; i++)
		fake_packed_post(&f, 20 + i, FAKE_GPA_DATA, 2048, VRING_DESC_F_WRITE);
	expect_start(&f, true);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	CU_ASSERT_EQUAL(vh_packed_peek_rx(&f.vr, 2, 100, &buf), VH_FIT);
	CU_ASSERT_EQUAL(buf.id, 22);
	CU_ASSERT_EQUAL(vh_ring_settle(&f.vr), WRAP | 6);
	f.setup.base = 6; /* of the other round: nothing here is for us */
	expect_start(&f, true);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 0);
	CU_ASSERT_EQUAL(vh_ring_settle(&f.vr), 6);
	fake_ring_free(&f);
}

static void test_header_length_and_flags(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 8, P, WRAP);
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.hdr_len, 10);
	CU_ASSERT_EQUAL(f.vr.flags, 0);
	f.setup.features = P | FAKE_F_MRG;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.hdr_len, 12);
	CU_ASSERT_EQUAL(f.vr.flags, VH_RING_MERGEABLE);
	f.setup.features = P | FAKE_F_V1 | FAKE_F_INDIRECT | FAKE_F_EVENT_IDX;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.vr.hdr_len, 12);
	CU_ASSERT_EQUAL(f.vr.flags, VH_RING_INDIRECT | VH_RING_EVENT_IDX);
	CU_ASSERT_EQUAL(f.vr.fault, VH_FAULT_NONE);
	fake_ring_free(&f);
}

static void test_suppresses_kicks(void)
{
	struct fake_ring f;

	fake_ring_prepare(&f, 8, P | FAKE_F_EVENT_IDX, WRAP);
	f.device_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
	f.driver_event->off_wrap = 0x1234;
	f.driver_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
	expect_start(&f, true);
	CU_ASSERT_EQUAL(f.device_event->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	/* the driver's own is not ours to write */
	CU_ASSERT_EQUAL(f.driver_event->off_wrap, 0x1234);
	CU_ASSERT_EQUAL(f.driver_event->flags, VRING_PACKED_EVENT_FLAG_DESC);
	fake_ring_free(&f);
}

static const struct unit_test tests[] = {
	{ "ring sizes", test_sizes },
	{ "misaligned parts are refused", test_alignment },
	{ "parts outside of memory are refused", test_outside },
	{ "parts up to the region's last byte", test_end_of_the_region },
	{ "each part may lie in a region of its own", test_in_two_regions },
	{ "a base beyond the ring is refused", test_base },
	{ "begins at the base", test_starts_at_base },
	{ "header of 10 or 12 bytes, negotiated features", test_header_length_and_flags },
	{ "asks the container not to kick", test_suppresses_kicks },
};

UNIT_MAIN("vhost/packed_start", NULL, NULL, tests)
