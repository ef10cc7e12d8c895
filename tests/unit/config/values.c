/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/values.h"

#include "tests/unit/config/load.h"

/* One CPU only: the default is wrong on this machine. */
static void test_default_worker(void)
{
	write_file(cpus_file, "0\n", 2);
	bad(PORT "mtu=1500\n",
		"3: [switch] workers: found \"1\" (the default; no CPU 1 online); "
		"allowed 1 to 64 distinct CPUs of 0, such as 1,3,5-7\n");
	bad("[switch]\n" PORT,
		"1: [switch] workers: found \"1\" (the default; no CPU 1 online); "
		"allowed 1 to 64 distinct CPUs of 0, such as 1,3,5-7\n");
}

static void test_missing(void)
{
	bad("[port p]\nmtu=1500\n[container c]\n",
		"1: [port p] device: found nothing, but it is required; allowed " DEVICES "\n"
		"3: [container c] socket: found nothing, but it is required; "
		"allowed an absolute path of at most 107 bytes\n"
		"3: [container c] port: found nothing, but it is required; "
		"allowed NAME or NAME:FIRST_QUEUE, 0 to 255\n");
}

static const struct unit_test tests[] = {
	{ "default worker", test_default_worker },
	{ "missing keys", test_missing },
};

UNIT_MAIN("config/values", setup, teardown, tests)
