/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/ask.h"

#include "tests/unit/pmd/sriov/fake.h"

static void test_ask(void)
{
	struct pmd_vf_attr attr = { .known = 1u << PMD_VF_VLAN, .vlan = 42 };
	char why[PMD_SRIOV_WHY_LEN];
	struct pmd_pf pf;

	CU_ASSERT_EQUAL_FATAL(set_numvfs(2), 0);
	CU_ASSERT_EQUAL_FATAL(pmd_pf_get(PF, &pf, why), 0);
	unbind(vf_pci(1));
	CU_ASSERT_EQUAL(fake_vf_set(pf.ifindex, 1, PMD_VF_VLAN, &attr, why), 0);

	CU_ASSERT_EQUAL(pmd_vf_ask(vf_pci(0), &attr), 0);
	CU_ASSERT(attr.known & (1u << PMD_VF_VLAN));
	CU_ASSERT_EQUAL(attr.vlan, 0);
	CU_ASSERT_EQUAL(pmd_vf_ask(vf_pci(1), &attr), 0);
	CU_ASSERT_EQUAL(attr.vlan, 42);

	/* Not there; no VF; a VF whose PF does not know it. */
	CU_ASSERT_EQUAL(pmd_vf_ask("0000:77:00.0", &attr), -ENODEV);
	CU_ASSERT_EQUAL(pmd_vf_ask(PF, &attr), -ENODEV);
	sh("rm sys/bus/pci/devices/" PF "/virtfn1");
	CU_ASSERT_EQUAL(pmd_vf_ask(vf_pci(1), &attr), -ENODEV);
}

static const struct unit_test tests[] = {
	{ "a VF that somebody else has prepared", test_ask },
};

UNIT_MAIN("pmd/sriov/ask", setup, teardown, tests)
