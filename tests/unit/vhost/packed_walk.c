/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains and indirect tables of a packed ring. */
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define NEXT     VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT
#define P        FAKE_F_PACKED
#define WRAP     0x8000u
#define TABLE    FAKE_GPA_DATA
#define MAX      64

/*
 * Addresses of the data descriptors of the chain `ahead` entries behind the next one, or -1. What
 * it occupies is in *taken.
 */
static int walk(struct fake_ring *f, uint16_t ahead, uint64_t *gpa, struct vh_taken *taken)
{
	struct vh_packed_walk w;
	struct vring_desc d;
	int nb = 0, ret;

	vh_packed_walk_init(&w, ahead);
	while ((ret = vh_packed_walk_next(&f->vr, &w, &d)) == 1 && nb < MAX)
		gpa[nb++] = d.addr;
	*taken = w.taken;
	if (ret == 0) { /* an end cannot be walked past */
		CU_ASSERT_EQUAL(vh_packed_walk_next(&f->vr, &w, &d), 0);
		CU_ASSERT_FALSE(vh_packed_walk_open(&w));
	}
	return ret == 0 ? nb : -1;
}

static void expect_walk(
	struct fake_ring *f, uint16_t ahead, int nb, uint64_t first, uint16_t id, uint16_t entries)
{
	struct vh_taken taken;
	uint64_t gpa[MAX];

	CU_ASSERT_EQUAL(walk(f, ahead, gpa, &taken), nb);
	for (int i = 0; i < nb; i++)
		CU_ASSERT_EQUAL(gpa[i], first + 11u * (unsigned int)i);
	CU_ASSERT_EQUAL(taken.id, id);
	CU_ASSERT_EQUAL(taken.entries, entries);
	CU_ASSERT_EQUAL(vh_ring_fault(&f->vr), VH_FAULT_NONE);
}

static void expect_fault(struct fake_ring *f, enum vh_fault fault)
{
	struct vh_taken taken;
	uint64_t gpa[MAX];

	CU_ASSERT_EQUAL(walk(f, 0, gpa, &taken), -1);
	CU_ASSERT_EQUAL(vh_ring_fault(&f->vr), fault);
	f->vr.fault = VH_FAULT_NONE;
}

/* A chain whose descriptors have addresses `first`, first + 11, ... */
static void chain(struct fake_ring *f, uint16_t id, uint64_t first, uint16_t nb)
{
	struct vring_desc parts[300];

	for (uint16_t i = 0; i < nb; i++)
		parts[i] = (struct vring_desc){ .addr = first + 11u * i, .len = 60 };
	fake_packed_chain(f, id, parts, nb);
}

static const struct vring_desc three[] = { { .addr = 11 }, { .addr = 22 }, { .addr = 33 } };

static void test_single(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	chain(&f, 65535, 1000, 1);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 1);
	expect_walk(&f, 0, 1, 1000, 65535, 1);
	fake_ring_free(&f);
}

/* Its id is in the last descriptor, and only the first one is known to be available. */
static void test_across_the_end(void)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 7, P, 5);
	chain(&f, 3, 1000, 4);
	chain(&f, 5000, 2000, 2);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 1), 1);
	expect_walk(&f, 0, 4, 1000, 3, 4);
	expect_walk(&f, 4, 2, 2000, 5000, 2);
	CU_ASSERT_EQUAL(fake_nb_taken(&f), 0);
	fake_ring_free(&f);
}

static void test_as_long_as_the_ring(void)
{
	static const uint16_t sizes[] = { 1, 2, 7, 63, 64 };

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		struct fake_ring f;

		fake_ring_init_at(&f, sizes[i], P, WRAP | (sizes[i] - 1));
		chain(&f, 9, 1000, sizes[i]);
		expect_walk(&f, 0, sizes[i], 1000, 9, sizes[i]);
		fake_ring_free(&f);
	}
}

static void test_open_until_its_end(void)
{
	struct vh_packed_walk w;
	struct vring_desc d;
	struct fake_ring f;

	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	chain(&f, 7, 1000, 3);
	fake_packed_indirect(&f, 8, TABLE, three, 3);
	vh_packed_walk_init(&w, 0);
	CU_ASSERT_TRUE(vh_packed_walk_open(&w));
	CU_ASSERT_EQUAL(vh_packed_walk_next(&f.vr, &w, &d), 1);
	CU_ASSERT_EQUAL(vh_packed_walk_next(&f.vr, &w, &d), 1);
	CU_ASSERT_TRUE(vh_packed_walk_open(&w));
	CU_ASSERT_EQUAL(vh_packed_walk_next(&f.vr, &w, &d), 1);
	CU_ASSERT_FALSE(vh_packed_walk_open(&w));
	/* of a table, all is known with its first descriptor */
	vh_packed_walk_init(&w, 3);
	CU_ASSERT_EQUAL(vh_packed_walk_next(&f.vr, &w, &d), 1);
	CU_ASSERT_FALSE(vh_packed_walk_open(&w));
	CU_ASSERT_EQUAL(w.taken.id, 8);
	CU_ASSERT_EQUAL(w.taken.entries, 1);
	fake_ring_free(&f);
}

static void test_end_is_not_available(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	chain(&f, 7, 1000, 3);
	f.packed[2].flags ^= VH_PACKED_OWNER;
	expect_fault(&f, VH_FAULT_CHAIN);
	/* nor ever: NEXT to all around */
	f.packed[2].flags ^= VH_PACKED_OWNER;
	f.packed[2].flags |= NEXT;
	expect_fault(&f, VH_FAULT_CHAIN);
	fake_ring_free(&f);
}

/* A chain may not lead into what we hold, however available it looks. */
static void test_into_what_we_hold(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	chain(&f, 1, 1000, 5);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 5), 5);
	vh_packed_take(&f.vr, 5);
	for (uint16_t i = 0; i < 8; i++) /* NEXT all around, and of the right round each */
		f.packed[i].flags = NEXT | (i < 5 ? VH_PACKED_USED : VH_PACKED_AVAIL);
	expect_fault(&f, VH_FAULT_CHAIN);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	fake_ring_free(&f);
}

/* The whole ring is one chain that does not end. */
static void test_loop(void)
{
	static const uint32_t sizes[] = { 1, 2, 63, 32768 };

	for (size_t s = 0; s < RTE_DIM(sizes); s++) {
		struct vh_packed_walk w;
		struct vring_desc d;
		struct fake_ring f;
		uint32_t nb = 0;
		int ret;

		fake_ring_init(&f, sizes[s], P);
		for (uint32_t i = 0; i < sizes[s]; i++)
			f.packed[i].flags = VH_PACKED_AVAIL | NEXT;
		vh_packed_walk_init(&w, 0);
		while ((ret = vh_packed_walk_next(&f.vr, &w, &d)) == 1)
			nb++;
		CU_ASSERT_EQUAL(ret, -1);
		CU_ASSERT_EQUAL(nb, sizes[s]);
		CU_ASSERT_EQUAL(vh_ring_fault(&f.vr), VH_FAULT_CHAIN);
		fake_ring_free(&f);
	}
}

static void test_indirect(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	fake_packed_indirect(&f, 60000, TABLE, three, 3);
	expect_walk(&f, 0, 3, 11, 60000, 1);
	/* WRITE beside INDIRECT is to be ignored (2.7.7) */
	f.packed[0].flags |= VRING_DESC_F_WRITE;
	expect_walk(&f, 0, 3, 11, 60000, 1);
	fake_ring_free(&f);
}

/* In a table, no flag but WRITE means anything (2.7.7): DPDK sets NEXT, AVAIL and USED. */
static void test_flags_in_a_table(void)
{
	struct vring_desc parts[3], d;
	struct vh_packed_walk w;
	struct fake_ring f;

	memcpy(parts, three, sizeof(parts));
	parts[0].flags = VRING_DESC_F_WRITE | VH_PACKED_OWNER;
	parts[1].flags = NEXT | VH_PACKED_AVAIL;
	parts[2].flags = NEXT | 0x100;
	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	fake_packed_indirect(&f, 1, TABLE, parts, 3);
	expect_walk(&f, 0, 3, 11, 1, 1);
	vh_packed_walk_init(&w, 0);
	for (uint16_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(vh_packed_walk_next(&f.vr, &w, &d), 1);
		CU_ASSERT_EQUAL(d.flags, i == 0 ? VRING_DESC_F_WRITE : 0);
	}
	fake_ring_free(&f);
}

static void test_indirect_not_negotiated(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	fake_packed_indirect(&f, 0, TABLE, three, 3);
	expect_fault(&f, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
}

static void test_indirect_nested(void)
{
	struct vring_desc parts[3];
	struct fake_ring f;

	memcpy(parts, three, sizeof(parts));
	parts[1] = (struct vring_desc){ .addr = TABLE + 4096, .len = 16, .flags = INDIRECT };
	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	fake_packed_indirect(&f, 0, TABLE, parts, 3);
	expect_fault(&f, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
}

/* 2.7.7: each list has descriptors of one kind. */
static void test_indirect_in_a_chain(void)
{
	const struct vring_desc last[] = { { 1, 12, 0, 0 }, { TABLE, 48, INDIRECT, 0 } };
	const struct vring_desc first[] = { { TABLE, 48, INDIRECT, 0 }, { 1, 12, 0, 0 } };
	struct fake_ring f;

	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	fake_packed_chain(&f, 0, last, 2);
	expect_fault(&f, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	fake_packed_chain(&f, 0, first, 2);
	expect_fault(&f, VH_FAULT_INDIRECT);
	fake_ring_free(&f);
}

static void test_table_lengths(void)
{
	static const uint32_t bad[] = { 0, 1, 15, 17, 47, 49, 10 * 16, UINT32_MAX,
		UINT32_MAX - 15 };
	struct vring_desc parts[9];
	struct fake_ring f;

	for (uint16_t i = 0; i < 9; i++)
		parts[i] = (struct vring_desc){ .addr = 11u * (i + 1) };
	fake_ring_init(&f, 9, P | FAKE_F_INDIRECT);
	fake_packed_indirect(&f, 0, FAKE_GPA_BORDER - sizeof(parts), parts, 9);
	expect_walk(&f, 0, 9, 11, 0, 1); /* as long as the ring, up to the region's end */
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		f.packed[0].len = bad[i];
		expect_fault(&f, VH_FAULT_INDIRECT);
	}
	fake_ring_free(&f);
}

static void test_table_addresses(void)
{
	static const uint64_t bad[] = { FAKE_GPA_END, FAKE_GPA_END - 32, FAKE_GPA_BORDER - 32,
		UINT64_MAX - 15 };
	struct fake_ring f;

	fake_ring_init(&f, 8, P | FAKE_F_INDIRECT);
	fake_packed_indirect(&f, 0, TABLE, three, 3);
	f.packed[0].addr = TABLE + 8;
	expect_fault(&f, VH_FAULT_INDIRECT);
	for (size_t i = 0; i < RTE_DIM(bad); i++) { /* outside, or not in one piece */
		f.packed[0].addr = bad[i];
		expect_fault(&f, VH_FAULT_ADDRESS);
	}
	fake_ring_free(&f);
}

static const struct unit_test tests[] = {
	{ "one descriptor", test_single },
	{ "a chain across the end of the ring", test_across_the_end },
	{ "a chain as long as the ring", test_as_long_as_the_ring },
	{ "a chain is open until its last descriptor", test_open_until_its_end },
	{ "a chain whose end is not available is a fault", test_end_is_not_available },
	{ "a chain into what we hold is a fault", test_into_what_we_hold },
	{ "a chain without an end is a fault", test_loop },
	{ "an indirect table", test_indirect },
	{ "flags in a table", test_flags_in_a_table },
	{ "indirect without negotiation is a fault", test_indirect_not_negotiated },
	{ "a table in a table is a fault", test_indirect_nested },
	{ "a table in a chain is a fault", test_indirect_in_a_chain },
	{ "table lengths", test_table_lengths },
	{ "table addresses", test_table_addresses },
};

UNIT_MAIN("vhost/packed_walk", NULL, NULL, tests)
