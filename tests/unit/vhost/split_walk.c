/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains and indirect tables of a split ring. */
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W        VRING_DESC_F_WRITE
#define NEXT     VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT

#define TABLE FAKE_GPA_DATA /* indirect tables */

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

static const struct unit_test tests[] = {
	{ "one descriptor", test_walk_single },
	{ "a chain as long as the ring", test_walk_chain_as_long_as_the_ring },
	{ "loops are faults", test_walk_loops },
	{ "next beyond the ring is a fault", test_walk_next_out_of_range },
	{ "an indirect table", test_walk_indirect },
	{ "direct descriptors before the table", test_walk_direct_before_indirect },
	{ "indirect without negotiation is a fault", test_walk_indirect_not_negotiated },
	{ "a table in a table is a fault", test_walk_indirect_nested },
	{ "NEXT beside INDIRECT is a fault", test_walk_indirect_with_next },
	{ "table lengths", test_walk_indirect_length },
	{ "table addresses", test_walk_indirect_address },
	{ "indices end with the table", test_walk_inside_the_table },
	{ "the largest table", test_walk_largest_table },
};

UNIT_MAIN("vhost/split_walk", NULL, NULL, tests)
