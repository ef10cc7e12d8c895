/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/list.h"

#include "tests/unit/pmd/sriov/fake.h"

static char *text;

static int list(void)
{
	size_t len;
	int ret;

	free(text);
	text = NULL;
	FILE *f = open_memstream(&text, &len);
	ret = pmd_sriov_list(f);
	fclose(f);
	/* Unit tests run as whoever they run as. */
	char *note = strstr(text, "(without root:");
	if (note != NULL)
		*note = '\0';
	return ret;
}

static void same(const char *want)
{
	if (strcmp(text, want) != 0)
		printf("# found:\n%s# wanted:\n%s", text, want);
	CU_ASSERT_STRING_EQUAL(text, want);
	free(text);
	text = NULL;
}

static void test_none(void)
{
	sh("rm -r sys");
	CU_ASSERT_EQUAL(list(), 0);
	same("no SR-IOV device\n");
}

static void test_pfs(void)
{
	sh("mkdir -p sys/bus/pci/devices/0000:03:00.1");
	put("64\n", "sys/bus/pci/devices/0000:03:00.1/sriov_totalvfs");
	CU_ASSERT_EQUAL(list(), 2);
	same("PF pf0 0000:01:00.0, driver igb, 0 of 7 VFs, up\n"
	     "PF - 0000:03:00.1, driver -, 0 of 64 VFs\n");
}

static void test_vfs(void)
{
	struct pmd_vf_conf conf[] = { DPDK("web0", 2) };
	struct pmd_sriov *s;

	set_numvfs(3);
	conf[0].attr.known = ALL;
	conf[0].attr.mac[0] = 2;
	conf[0].attr.vlan = 100;
	CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(conf, 1, "vfring", &s), 0);
	unbind(vf_pci(1));
	/* a netdev's name may hold anything but white space, slashes and colons */
	sh("mv sys/bus/pci/devices/%s/net/vfnet0 \"sys/bus/pci/devices/%s/net/$(printf "
	   "'v\\033[2J')\"",
		vf_pci(0), vf_pci(0));
	put("0x1003\n", "sys/bus/pci/devices/%s/net/v\033[2J/flags", vf_pci(0));
	CU_ASSERT_EQUAL(list(), 1);
	same("PF pf0 0000:01:00.0, driver igb, 3 of 7 VFs, up\n"
	     "    VF  address       driver       group  mac                vlan  used by\n"
	     "     0  0000:01:10.0  igbvf           40  00:00:00:00:00:00     -  netdev v?[2J, up\n"
	     "     1  0000:01:10.1  -               41  00:00:00:00:00:00     -  free\n"
	     "     2  0000:01:10.2  vfio-pci        42  02:00:00:00:00:00   100  "
	     "vfringd instance vfring, port web0\n");
	pmd_sriov_release(s);
}

static const struct unit_test tests[] = {
	{ "no SR-IOV device", test_none },
	{ "PFs without VFs", test_pfs },
	{ "VFs and who uses them", test_vfs },
};

UNIT_MAIN("pmd/sriov/list", setup, teardown, tests)
