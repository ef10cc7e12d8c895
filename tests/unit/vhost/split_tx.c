/* SPDX-License-Identifier: BSD-3-Clause */
/* The next transmit buffer of a split ring, as the mapping looks at it: vh_split_peek_tx(). */
#include "vhost/split.h"

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W        VRING_DESC_F_WRITE
#define NEXT     VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT
#define MIN_LEN  60u
#define TABLE    (FAKE_GPA_DATA + 65536)

/* What a ring with this one descriptor says; the buffer itself is checked where it fits. */
static enum vh_fit peek_on(
	uint64_t features, uint64_t gpa, uint32_t len, uint16_t flags, enum vh_fault want_fault)
{
	struct fake_ring f;
	struct vh_tx_buf buf = { .addr = NULL };

	fake_ring_init(&f, 8, features);
	fake_post(&f, 5, gpa, len, flags);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 1);
	enum vh_fit fit = vh_split_peek_tx(&f.vr, MIN_LEN, &buf);
	CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), want_fault);
	CU_ASSERT_EQUAL(f.vr.last_avail, 0); /* looked at, not taken */
	if (fit == VH_FIT) {
		CU_ASSERT_EQUAL(buf.taken.id, 5);
		CU_ASSERT_EQUAL(buf.taken.entries, 1);
		CU_ASSERT_EQUAL(buf.len, len - f.vr.hdr_len);
		*fake_ptr(&f, gpa + f.vr.hdr_len) = 77;
		*fake_ptr(&f, gpa + len - 1) = 78;
		CU_ASSERT_EQUAL(buf.addr[0], 77);
		CU_ASSERT_EQUAL(buf.addr[buf.len - 1], 78);
	}
	fake_ring_free(&f);
	return fit;
}

static enum vh_fit peek(uint64_t gpa, uint32_t len, uint16_t flags)
{
	return peek_on(FAKE_F_V1 | FAKE_F_INDIRECT, gpa, len, flags, VH_FAULT_NONE);
}

static void expect_fault(uint64_t gpa, uint32_t len, uint16_t flags, enum vh_fault fault)
{
	CU_ASSERT_EQUAL(peek_on(FAKE_F_V1, gpa, len, flags, fault), VH_FIT_FAULT);
}

static void test_fits(void)
{
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12 + MIN_LEN, 0), VH_FIT);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12 + 1514, 0), VH_FIT);
	/* whether that is too much for the port is not asked here */
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 1u << 20, 0), VH_FIT);
}

static void test_fits_behind_header_10(void)
{
	CU_ASSERT_EQUAL(peek_on(0, FAKE_GPA_DATA, 10 + MIN_LEN, 0, VH_FAULT_NONE), VH_FIT);
	CU_ASSERT_EQUAL(peek_on(FAKE_F_MRG, FAKE_GPA_DATA, 12 + MIN_LEN, 0, VH_FAULT_NONE), VH_FIT);
}

static void test_short(void)
{
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12 + MIN_LEN - 1, 0), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12, 0), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 0, 0), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(
		peek_on(0, FAKE_GPA_DATA, 10 + MIN_LEN - 1, 0, VH_FAULT_NONE), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(
		peek_on(FAKE_F_MRG, FAKE_GPA_DATA, 11 + MIN_LEN, 0, VH_FAULT_NONE), VH_FIT_SHORT);
}

/* A chain may be fine; the path that copies finds out. */
static void test_chain(void)
{
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12, NEXT), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12 + 1514, NEXT), VH_FIT_CHAIN);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_END, 12, NEXT | W), VH_FIT_CHAIN);
}

static void test_indirect(void)
{
	CU_ASSERT_EQUAL(peek(TABLE, 32, INDIRECT), VH_FIT_CHAIN);
	/* not negotiated: still for the path that copies to say */
	CU_ASSERT_EQUAL(peek_on(0, TABLE, 32, INDIRECT, VH_FAULT_NONE), VH_FIT_CHAIN);
}

static void test_wrong_direction(void)
{
	expect_fault(FAKE_GPA_DATA, 12 + 1514, W, VH_FAULT_DIRECTION);
	expect_fault(FAKE_GPA_DATA, 0, W, VH_FAULT_DIRECTION);
}

/* virtio 1.1, 2.6.5: other bits mean nothing, and a driver may leave rubbish in them. */
static void test_unknown_flags(void)
{
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, 12 + MIN_LEN, 0x8000 | 0x80), VH_FIT);
}

static void test_regions(void)
{
	CU_ASSERT_EQUAL(peek(FAKE_GPA_BORDER - 12 - MIN_LEN, 12 + MIN_LEN, 0), VH_FIT);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_BORDER, 12 + MIN_LEN, 0), VH_FIT);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_BORDER - 12 - MIN_LEN + 1, 12 + MIN_LEN, 0), VH_FIT_REGION);
	/* also where only the header is on the other side */
	CU_ASSERT_EQUAL(peek(FAKE_GPA_BORDER - 12, 12 + MIN_LEN, 0), VH_FIT_REGION);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_BORDER - 1, 12 + MIN_LEN, 0), VH_FIT_REGION);
}

static void test_address(void)
{
	CU_ASSERT_EQUAL(peek(FAKE_GPA_END - 12 - MIN_LEN, 12 + MIN_LEN, 0), VH_FIT);
	/* what crosses into nothing is not lent; the path that copies faults */
	CU_ASSERT_EQUAL(peek(FAKE_GPA_END - 12 - MIN_LEN + 1, 12 + MIN_LEN, 0), VH_FIT_REGION);
	CU_ASSERT_EQUAL(peek(FAKE_GPA_DATA, UINT32_MAX, 0), VH_FIT_REGION);
	expect_fault(FAKE_GPA_END, 12 + MIN_LEN, 0, VH_FAULT_ADDRESS);
	expect_fault(FAKE_GPA - 1, 12 + MIN_LEN, 0, VH_FAULT_ADDRESS);
	expect_fault(0, 12 + MIN_LEN, 0, VH_FAULT_ADDRESS);
	expect_fault(UINT64_MAX, 12 + MIN_LEN, 0, VH_FAULT_ADDRESS);
	expect_fault(UINT64_MAX - 40, 12 + MIN_LEN, 0, VH_FAULT_ADDRESS);
}

static void test_id_out_of_range(void)
{
	static const uint16_t ids[] = { 8, 255, 256, 32768, 65535 };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct fake_ring f;
		struct vh_tx_buf buf;

		fake_ring_init(&f, 8, FAKE_F_V1);
		f.avail->ring[0] = ids[i];
		fake_set_avail(&f, 1);
		CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 1), 1);
		CU_ASSERT_EQUAL(vh_split_peek_tx(&f.vr, MIN_LEN, &buf), VH_FIT_FAULT);
		CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_DESC_INDEX);
		fake_ring_free(&f);
	}
}

/* One after the other, through the wrap of the index and of the ring. */
static void test_in_turn(void)
{
	struct fake_ring f;
	struct vh_tx_buf buf = { .addr = NULL };
	uint32_t bad = 0;

	fake_ring_init_at(&f, 8, FAKE_F_V1, 65530);
	for (uint32_t i = 0; i < 50; i++) {
		uint16_t id = (uint16_t)((5 * i + 3) % 8);

		fake_post(&f, id, FAKE_GPA_DATA + 256u * id, 12 + MIN_LEN + i, 0);
		bad += vh_split_avail(&f.vr, 1) != 1;
		bad += vh_split_peek_tx(&f.vr, MIN_LEN, &buf) != VH_FIT;
		bad += buf.taken.id != id || buf.len != MIN_LEN + i;
		vh_split_take(&f.vr, buf.taken.entries);
		vh_split_put_used(&f.vr, buf.taken, 0);
		vh_split_flush(&f.vr);
	}
	CU_ASSERT_EQUAL(bad, 0);
	fake_ring_free(&f);
}

static const struct unit_test tests[] = {
	{ "one descriptor fits", test_fits },
	{ "behind a header of 10 bytes", test_fits_behind_header_10 },
	{ "short frames", test_short },
	{ "a chain", test_chain },
	{ "an indirect table", test_indirect },
	{ "wrong direction", test_wrong_direction },
	{ "unknown flags", test_unknown_flags },
	{ "region borders", test_regions },
	{ "outside of memory", test_address },
	{ "descriptor number beyond the ring", test_id_out_of_range },
	{ "one after the other", test_in_turn },
};

UNIT_MAIN("vhost/split_tx", NULL, NULL, tests)
