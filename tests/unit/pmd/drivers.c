/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/drivers.h"

#include <string.h>

#include "tests/unit/unit.h"

static void test_listed(void)
{
	static const char *const names[] = { "net_af_packet", "net_null" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct pmd_driver *d = pmd_driver_find(names[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(d);
		CU_ASSERT_STRING_EQUAL(d->name, names[i]);
		CU_ASSERT_EQUAL(d->evidence, PMD_TESTED);
		CU_ASSERT_FALSE(d->prefills);
	}
}

/* Those that DESIGN names as unfit (invariant 7) must not slip in. */
static void test_not_listed(void)
{
	static const char *const names[] = { "mlx5_pci", "mlx5_eth", "net_virtio",
		"net_virtio_user", "net_tap", "net_ring" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CU_ASSERT_PTR_NULL(pmd_driver_find(names[i]));
}

static void test_whole_name(void)
{
	CU_ASSERT_PTR_NULL(pmd_driver_find("net_af_packet0"));
	CU_ASSERT_PTR_NULL(pmd_driver_find("net_nul"));
	CU_ASSERT_PTR_NULL(pmd_driver_find(""));
	CU_ASSERT_PTR_NULL(pmd_driver_find(NULL));
}

static const struct unit_test tests[] = {
	{ "drivers on the list", test_listed },
	{ "drivers known not to bear mapping are not", test_not_listed },
	{ "only a whole name matches", test_whole_name },
};

UNIT_MAIN("pmd/drivers", NULL, NULL, tests)
