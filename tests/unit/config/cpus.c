/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/cpus.h"

#include "tests/unit/config/load.h"

static void test_this_machine(void)
{
	struct cfg_cpus cpus;

	cfg_cpu_online_path = "/sys/devices/system/cpu/online";
	cfg_cpus_online(&cpus);
	CU_ASSERT(cpus.list[0] != '\0');
	unsigned int nb = 0;
	for (unsigned int i = 0; i < CFG_MAX_CPU + 10; i++)
		nb += cfg_cpu_in(&cpus, i);
	CU_ASSERT_EQUAL(nb, (unsigned int)sysconf(_SC_NPROCESSORS_ONLN));

	/* Without that file, and with rubbish in it: still some CPU. */
	cfg_cpu_online_path = "/nonexistent";
	cfg_cpus_online(&cpus);
	CU_ASSERT(cfg_cpu_in(&cpus, 0));
	write_file(cpus_file, "x\n", 2);
	cfg_cpu_online_path = cpus_file;
	cfg_cpus_online(&cpus);
	CU_ASSERT(cfg_cpu_in(&cpus, 0));
	CU_ASSERT_STRING_NOT_EQUAL(cpus.list, "x");
}

static const struct unit_test tests[] = {
	{ "CPUs of this machine", test_this_machine },
};

UNIT_MAIN("config/cpus", setup, teardown, tests)
