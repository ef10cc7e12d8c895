/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "vhost/sigbus.h"

#define PAGE 4096u
#define GPA  0x100000ULL
#define PEER 0x7f0000000000ULL
#define SIZE (4 * PAGE)

static int new_memfd(uint64_t size)
{
	int fd = memfd_create("mem", MFD_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

/* A good region that begins one page into its file. */
static struct vh_mem_desc region(uint64_t gpa, uint64_t peer_addr)
{
	return (struct vh_mem_desc){
		.gpa = gpa,
		.size = SIZE,
		.peer_addr = peer_addr,
		.map_offset = PAGE,
		.map_size = PAGE + SIZE,
		.fd = new_memfd(PAGE + SIZE),
	};
}

static void close_all(const struct vh_mem_desc *d, uint32_t nb)
{
	for (uint32_t i = 0; i < nb; i++)
		close(d[i].fd);
}

/* Three regions, given unsorted: two that adjoin each other, a hole of one region, one more. */
static struct vh_mem *three_regions(struct vh_mem_desc d[3])
{
	const char *why = "";

	d[0] = region(GPA + 3 * SIZE, PEER);
	d[1] = region(GPA + SIZE, PEER + 8 * SIZE);
	d[2] = region(GPA, PEER + 4 * SIZE);
	struct vh_mem *mem = vh_mem_create(d, 3, &why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
	return mem;
}

/* The byte of the region's file that an address of ours shows. */
static bool shows_file(uint8_t *addr, int fd, uint64_t offset)
{
	static uint8_t mark;
	uint8_t found = 0;

	*addr = ++mark;
	return pread(fd, &found, 1, (off_t)offset) == 1 && found == mark;
}

static void test_sorted(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);

	CU_ASSERT_EQUAL(mem->nb_regions, 3);
	CU_ASSERT_EQUAL(mem->regions[0].gpa, GPA);
	CU_ASSERT_EQUAL(mem->regions[1].gpa, GPA + SIZE);
	CU_ASSERT_EQUAL(mem->regions[2].gpa, GPA + 3 * SIZE);
	CU_ASSERT_EQUAL(mem->peer_addr[0], PEER + 4 * SIZE);
	CU_ASSERT_EQUAL(mem->peer_addr[1], PEER + 8 * SIZE);
	CU_ASSERT_EQUAL(mem->peer_addr[2], PEER);
	/* The caller's table stays as it was. */
	CU_ASSERT_EQUAL(d[0].gpa, GPA + 3 * SIZE);
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void test_first_and_last_byte(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);
	uint16_t hint = 0;

	for (uint32_t i = 0; i < 3; i++) {
		uint8_t *first = vh_mem_translate(mem, &hint, d[i].gpa, 1);
		uint8_t *last = vh_mem_translate(mem, &hint, d[i].gpa + SIZE - 1, 1);

		CU_ASSERT_PTR_NOT_NULL_FATAL(first);
		CU_ASSERT_PTR_NOT_NULL_FATAL(last);
		CU_ASSERT(shows_file(first, d[i].fd, PAGE));
		CU_ASSERT(shows_file(last, d[i].fd, PAGE + SIZE - 1));
		CU_ASSERT_PTR_EQUAL(vh_mem_translate(mem, &hint, d[i].gpa, SIZE), first);
	}
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void test_outside(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);

	/* Whatever the hint says. */
	for (uint32_t h = 0; h < 3; h++) {
		static const uint64_t bad[] = { 0, GPA - 1, GPA + 2 * SIZE, GPA + 3 * SIZE - 1,
			GPA + 4 * SIZE, UINT64_MAX, UINT64_MAX - SIZE, 1ULL << 63 };

		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			uint16_t hint = h;

			CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, bad[i], 1));
			CU_ASSERT_EQUAL(hint, h);
		}
	}
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void test_crossing(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);
	uint16_t hint = 0;

	CU_ASSERT_PTR_NOT_NULL(vh_mem_translate(mem, &hint, GPA + SIZE - 10, 10));
	/* into the next region: legal memory, but not one piece */
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA + SIZE - 10, 11));
	/* into the hole */
	CU_ASSERT_PTR_NOT_NULL(vh_mem_translate(mem, &hint, GPA + 2 * SIZE - 10, 10));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA + 2 * SIZE - 10, 11));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA, 3 * SIZE));
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void test_length_overflow(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);
	uint16_t hint = 0;

	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA, UINT64_MAX));
	/* gpa + len is GPA + 1 after the wrap */
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA + 10, UINT64_MAX - 8));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA + 10, 0 - (GPA + 10)));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, UINT64_MAX, UINT64_MAX));
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void test_top_of_address_space(void)
{
	const char *why = "";
	struct vh_mem_desc d = region(UINT64_MAX - SIZE, PEER);
	struct vh_mem *mem = vh_mem_create(&d, 1, &why);
	uint16_t hint = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
	CU_ASSERT_PTR_NOT_NULL(vh_mem_translate(mem, &hint, UINT64_MAX - 1, 1));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, UINT64_MAX - 1, 2));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, UINT64_MAX, 1));
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, 0, 1));
	vh_mem_unref(mem);
	close(d.fd);
}

static void test_hint(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);
	uint16_t hint = 0;

	CU_ASSERT_PTR_NOT_NULL(vh_mem_translate(mem, &hint, GPA + 3 * SIZE, 1));
	CU_ASSERT_EQUAL(hint, 2);
	/* a miss leaves it where it was */
	CU_ASSERT_PTR_NULL(vh_mem_translate(mem, &hint, GPA + 4 * SIZE, 1));
	CU_ASSERT_EQUAL(hint, 2);
	CU_ASSERT_PTR_NOT_NULL(vh_mem_translate(mem, &hint, GPA + SIZE, 1));
	CU_ASSERT_EQUAL(hint, 1);
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void test_part(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);
	uint16_t hint = 2;
	uint64_t len = 100;

	uint8_t *a = vh_mem_translate_part(mem, &hint, GPA + SIZE - 30, &len);
	CU_ASSERT_EQUAL(len, 30);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT(shows_file(a, d[2].fd, PAGE + SIZE - 30));

	len = 70;
	a = vh_mem_translate_part(mem, &hint, GPA + SIZE, &len);
	CU_ASSERT_EQUAL(len, 70);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT(shows_file(a, d[1].fd, PAGE));

	len = UINT64_MAX;
	CU_ASSERT_PTR_NOT_NULL(vh_mem_translate_part(mem, &hint, GPA, &len));
	CU_ASSERT_EQUAL(len, SIZE);

	len = 1;
	CU_ASSERT_PTR_NULL(vh_mem_translate_part(mem, &hint, GPA + 2 * SIZE, &len));
	vh_mem_unref(mem);
	close_all(d, 3);
}

static void expect_refused(const struct vh_mem_desc *d, uint32_t nb)
{
	const char *why = NULL;

	errno = 0;
	CU_ASSERT_PTR_NULL(vh_mem_create(d, nb, &why));
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_PTR_NOT_NULL(why);
}

static void test_refuses_number(void)
{
	struct vh_mem_desc d[VH_MEM_MAX_REGIONS + 1];
	const char *why = "";

	for (uint32_t i = 0; i <= VH_MEM_MAX_REGIONS; i++)
		d[i] = region(GPA + i * SIZE, PEER + i * SIZE);
	expect_refused(d, 0);
	expect_refused(d, VH_MEM_MAX_REGIONS + 1);
	struct vh_mem *mem = vh_mem_create(d, VH_MEM_MAX_REGIONS, &why);
	CU_ASSERT_PTR_NOT_NULL(mem);
	vh_mem_unref(mem);
	close_all(d, VH_MEM_MAX_REGIONS + 1);
}

static void test_refuses_size_and_wrap(void)
{
	const struct vh_mem_desc good = region(GPA, PEER);
	struct vh_mem_desc d = good;

	d.size = 0;
	expect_refused(&d, 1);
	d = good;
	d.gpa = UINT64_MAX - SIZE + 2;
	expect_refused(&d, 1);
	d = good;
	d.peer_addr = UINT64_MAX - SIZE + 2;
	expect_refused(&d, 1);
	d = good;
	d.size = UINT64_MAX; /* wraps with its offset to 4095 */
	d.gpa = 0;
	d.peer_addr = 0;
	expect_refused(&d, 1);
	close(good.fd);
}

static void test_refuses_overlap(void)
{
	struct vh_mem_desc d[2] = { region(GPA + SIZE - 1, PEER), region(GPA, PEER + SIZE) };

	expect_refused(d, 2);
	d[0].gpa = GPA; /* twice the same */
	expect_refused(d, 2);
	d[0].gpa = GPA + PAGE; /* inside */
	d[0].size = PAGE;
	expect_refused(d, 2);
	close_all(d, 2);
}

static void test_refuses_mapping(void)
{
	const struct vh_mem_desc good = region(GPA, PEER);
	struct vh_mem_desc d = good;

	d.map_offset++; /* one byte beyond the mapping */
	expect_refused(&d, 1);
	d = good;
	d.map_offset = UINT64_MAX - 10;
	expect_refused(&d, 1);
	d = good;
	d.map_size = PAGE + SIZE - 1;
	expect_refused(&d, 1);
	d = good;
	d.map_size = 0;
	expect_refused(&d, 1);
	close(good.fd);
}

static void test_refuses_file(void)
{
	struct vh_mem_desc d = region(GPA, PEER);

	CU_ASSERT_EQUAL(ftruncate(d.fd, PAGE + SIZE - 1), 0);
	expect_refused(&d, 1);
	close(d.fd);
	d.fd = -1;
	expect_refused(&d, 1);
}

/* More often than there are SIGBUS handles, so that a leak of one shows. */
static void test_failed_mmap_leaves_nothing(void)
{
	struct vh_mem_desc d[2] = { region(GPA, PEER), region(GPA + SIZE, PEER + SIZE) };
	char path[64];
	const char *why = NULL;
	int failures = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", d[1].fd);
	int readonly = open(path, O_RDONLY | O_CLOEXEC);
	CU_ASSERT_FATAL(readonly >= 0);
	close(d[1].fd);
	d[1].fd = readonly;
	for (int i = 0; i < VH_SIGBUS_MAX_RANGES + 10; i++) {
		errno = 0;
		failures += vh_mem_create(d, 2, &why) == NULL && errno == EACCES;
	}
	CU_ASSERT_EQUAL(failures, VH_SIGBUS_MAX_RANGES + 10);
	CU_ASSERT_PTR_NOT_NULL(why);
	close_all(d, 2);
}

static bool is_mapped(void *addr)
{
	unsigned char vec;

	return mincore(addr, PAGE, &vec) == 0;
}

/* All regions in one piece, each where its pages may be. */
static void check_area(const struct vh_mem *mem, size_t align)
{
	uint8_t *begin = mem->area, *end = begin + mem->area_size;

	CU_ASSERT_EQUAL(mem->area_align, align);
	CU_ASSERT_EQUAL((uintptr_t)begin % align, 0);
	CU_ASSERT_EQUAL(mem->area_size % align, 0);
	for (uint32_t i = 0; i < mem->nb_regions; i++) {
		uint8_t *map = mem->map[i];

		CU_ASSERT_EQUAL((uintptr_t)map % align, 0);
		CU_ASSERT(map >= begin && map + mem->map_size[i] <= end);
		begin = map + mem->map_size[i]; /* they do not overlap */
	}
}

static void test_area(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);

	check_area(mem, 2u << 20);
	CU_ASSERT_EQUAL(mem->area_size, 3 * (2u << 20));
	void *area = mem->area;
	vh_mem_unref(mem);
	for (unsigned int i = 0; i < 3; i++)
		CU_ASSERT_FALSE(is_mapped((uint8_t *)area + i * (2u << 20)));
	close_all(d, 3);
}

/* Huge pages of each size that the machine has one of; beside a region of small ones. */
static void test_area_of_huge_pages(void)
{
	static const struct {
		unsigned int flag;
		size_t size;
	} pages[] = { { MFD_HUGE_2MB, 2ul << 20 }, { MFD_HUGE_1GB, 1ul << 30 } };

	for (unsigned int i = 0; i < 2; i++) {
		struct vh_mem_desc d[2] = { region(GPA, PEER) };
		const char *why = "";
		int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | pages[i].flag);

		if (fd < 0 || ftruncate(fd, (off_t)pages[i].size) != 0) {
			close(fd);
			close_all(d, 1);
			continue;
		}
		d[1] = (struct vh_mem_desc){ .gpa = 4ull << 30,
			.size = pages[i].size,
			.peer_addr = PEER + (4ull << 30),
			.map_size = pages[i].size,
			.fd = fd };
		struct vh_mem *mem = vh_mem_create(d, 2, &why);
		/* Or there are no such pages now. */
		if (mem != NULL)
			check_area(mem, pages[i].size);
		else
			CU_ASSERT_STRING_EQUAL(why, "cannot map the region");
		vh_mem_unref(mem);
		close_all(d, 2);
	}
}

static void test_reference_count(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);
	uint8_t *host = mem->regions[0].host;

	host[0] = 42;
	CU_ASSERT_PTR_EQUAL(vh_mem_ref(mem), mem);
	close_all(d, 3); /* the mapping needs no descriptor */
	vh_mem_unref(mem);
	CU_ASSERT_EQUAL(host[0], 42);
	CU_ASSERT(is_mapped(host));
	vh_mem_unref(mem);
	CU_ASSERT_FALSE(is_mapped(host));
	vh_mem_unref(NULL);
}

static void test_from_peer(void)
{
	struct vh_mem_desc d[3];
	struct vh_mem *mem = three_regions(d);

	/* d[2] is the first region after sorting, d[0] the last */
	CU_ASSERT_PTR_EQUAL(vh_mem_from_peer(mem, PEER + 4 * SIZE, SIZE), mem->regions[0].host);
	CU_ASSERT_PTR_EQUAL(
		vh_mem_from_peer(mem, PEER + SIZE - 1, 1), mem->regions[2].host + SIZE - 1);
	CU_ASSERT_PTR_NULL(vh_mem_from_peer(mem, PEER + SIZE - 1, 2));
	CU_ASSERT_PTR_NULL(vh_mem_from_peer(mem, PEER + SIZE, 1));
	CU_ASSERT_PTR_NULL(vh_mem_from_peer(mem, PEER - 1, 1));
	CU_ASSERT_PTR_NULL(vh_mem_from_peer(mem, PEER + 1, UINT64_MAX));
	CU_ASSERT_PTR_NULL(vh_mem_from_peer(mem, GPA, 1)); /* not a guest address */
	vh_mem_unref(mem);
	close_all(d, 3);
}

static const struct unit_test tests[] = {
	{ "an unsorted table gets sorted", test_sorted },
	{ "first and last byte of each region", test_first_and_last_byte },
	{ "below, beyond and in a hole is nothing", test_outside },
	{ "a length must end in the same region", test_crossing },
	{ "a length that wraps around is refused", test_length_overflow },
	{ "a region at the top of the address space", test_top_of_address_space },
	{ "the hint follows hits and survives misses", test_hint },
	{ "translate_part cuts at the region's end", test_part },
	{ "0 and 9 regions are refused, 8 are not", test_refuses_number },
	{ "empty and wrapping regions are refused", test_refuses_size_and_wrap },
	{ "overlapping regions are refused", test_refuses_overlap },
	{ "a region beyond its mapping is refused", test_refuses_mapping },
	{ "a file that is too short or closed is refused", test_refuses_file },
	{ "a failed mmap leaves nothing behind", test_failed_mmap_leaves_nothing },
	{ "one piece of address space", test_area },
	{ "one piece, with huge pages", test_area_of_huge_pages },
	{ "the last reference unmaps", test_reference_count },
	{ "librte_vhost's addresses become ours", test_from_peer },
};

UNIT_MAIN("vhost/mem", NULL, NULL, tests)
