/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/dma.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void check_range(uintptr_t host, uint64_t size, uintptr_t addr, size_t whole)
{
	struct vh_region region = { .host = (uint8_t *)host, .size = size };
	struct pmd_dma_range r = pmd_dma_range(&region);

	CU_ASSERT_EQUAL((uintptr_t)r.addr, addr);
	CU_ASSERT_EQUAL(r.size, whole);
}

static void test_range(void)
{
	check_range(0x200000, 0x1000, 0x200000, 0x1000);
	check_range(0x200010, 0x10, 0x200000, 0x1000);
	check_range(0x200fff, 2, 0x200000, 0x2000);
	check_range(0x201000, 0x200001, 0x201000, 0x201000);
}

static int read_status(const char *text, struct pmd_memlock *lock)
{
	char path[] = "/tmp/vfring-status-XXXXXX";
	int fd = mkstemp(path), ret;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(dprintf(fd, "%s", text), (int)strlen(text));
	ret = pmd_memlock_read(path, lock);
	close(fd);
	unlink(path);
	return ret;
}

static void test_memlock(void)
{
	struct rlimit before, small = { .rlim_cur = 8 << 20 };
	struct pmd_memlock lock;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	small.rlim_max = before.rlim_max;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_MEMLOCK, &small), 0);
	CU_ASSERT_EQUAL(
		read_status("Name: x\nVmLck:\t    1028 kB\nCapEff:\t0000000000000000\n", &lock), 0);
	CU_ASSERT_FALSE(lock.unlimited);
	CU_ASSERT_EQUAL(lock.limit, 8 << 20);
	CU_ASSERT_EQUAL(lock.locked, 1028 << 10);
	/* CAP_IPC_LOCK is bit 14. */
	CU_ASSERT_EQUAL(read_status("CapEff:\t0000000000004000\n", &lock), 0);
	CU_ASSERT_TRUE(lock.unlimited);
	CU_ASSERT_EQUAL(lock.locked, 0);
	CU_ASSERT_EQUAL(read_status("CapEff:\t000001ffffffbfff\n", &lock), 0);
	CU_ASSERT_FALSE(lock.unlimited);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_MEMLOCK, &before), 0);

	CU_ASSERT_EQUAL(pmd_memlock_read("/nonexistent", &lock), -ENOENT);
}

static const struct unit_test tests[] = {
	{ "whole pages of a region", test_range },
	{ "limit of locked memory", test_memlock },
};

UNIT_MAIN("pmd/dma", NULL, NULL, tests)
