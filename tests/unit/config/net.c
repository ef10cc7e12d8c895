/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/net.h"

#include <string.h>
#include <sys/socket.h>

#include "tests/unit/unit.h"

static void check_vf(const char *text, const char *pf, int index)
{
	struct cfg_vf vf = { .index = -2 };

	CU_ASSERT_PTR_NULL(cfg_vf_parse(text, &vf));
	CU_ASSERT_STRING_EQUAL(vf.pf, pf);
	CU_ASSERT_EQUAL(vf.index, index);
}

static void bad_vf(const char *text, const char *why)
{
	struct cfg_vf vf = { .pf = "x", .index = -2 };
	const char *found = cfg_vf_parse(text, &vf);

	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	CU_ASSERT_STRING_EQUAL(found, why);
	CU_ASSERT(strcmp(vf.pf, "x") == 0 && vf.index == -2);
}

static void test_vf(void)
{
	static const char no_pf[] = "PF is no interface and no PCI address";

	check_vf("pf:ens1f0,vf=3", "ens1f0", 3);
	check_vf("pf:ens1f0,vf=auto", "ens1f0", -1);
	check_vf("pf:1:0.1,vf=0", "0000:01:00.1", 0);
	check_vf("pf:0000:3B:00.0,vf=255", "0000:3b:00.0", 255);
	bad_vf("pf:ens1f0", "no ,vf= behind the PF");
	bad_vf("pf:ens1f0,x=1", "no ,vf= behind the PF");
	bad_vf("pf:,vf=1", no_pf);
	bad_vf("pf:0000:3b:00,vf=1", no_pf);
	bad_vf("pf:0123456789abcdef,vf=1", no_pf);
	bad_vf("pf:a/b,vf=1", no_pf);
	bad_vf("pf:ens1f0,vf=", "VF is no number below 256");
	bad_vf("pf:ens1f0,vf=-1", "VF is no number below 256");
	bad_vf("pf:ens1f0,vf=256", "VF is no number below 256");
	bad_vf("pf:ens1f0,vf=1,x=2", "VF is no number below 256");
	bad_vf("pf:ens1f0,vf=99999999999999999999", "VF is no number below 256");
	CU_ASSERT_FALSE(cfg_is_vf("net_pf:x"));
}

static void check_mac(const char *text, bool given)
{
	struct cfg_mac mac = { .given = !given };
	char back[32];

	CU_ASSERT_PTR_NULL(cfg_mac_parse(text, &mac));
	CU_ASSERT_EQUAL(mac.given, given);
	cfg_mac_format(&mac, back, sizeof(back));
	CU_ASSERT_STRING_EQUAL(back, text);
}

static void bad_mac(const char *text, const char *why)
{
	struct cfg_mac mac = { .given = false };
	const char *found = cfg_mac_parse(text, &mac);

	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	CU_ASSERT_STRING_EQUAL(found, why);
	CU_ASSERT_FALSE(mac.given);
}

static void test_mac(void)
{
	check_mac("unchanged", false);
	check_mac("02:00:00:00:aa:ff", true);
	bad_mac("02:00:00:00:aa", "not a MAC address");
	bad_mac("02:00:00:00:aa:f", "not a MAC address");
	bad_mac("02:00:00:00:aa:ff:", "not a MAC address");
	bad_mac("2:00:00:00:aa:ff", "not a MAC address");
	bad_mac("02-00-00-00-aa-ff", "not a MAC address");
	bad_mac("03:00:00:00:aa:ff", "an address of a group");
	bad_mac("00:00:00:00:00:00", "all zero");
}

static void test_ifname(void)
{
	char name[CFG_IFNAME_LEN] = "x";

	CU_ASSERT_PTR_NULL(cfg_ifname_parse("enp1s0f0v12.999", name));
	CU_ASSERT_STRING_EQUAL(name, "enp1s0f0v12.999");
	static const char *const bad[] = { "", "enp1s0f0v12.9999", ".", "..", "a/b", "a:1", "a b",
		"a,b", "eth%d", "\x80" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(cfg_ifname_parse(bad[i], name));
	CU_ASSERT_STRING_EQUAL(name, "enp1s0f0v12.999");
}

static void check_address(const char *text, int family, const char *back)
{
	struct cfg_address address;
	char buf[64];

	CU_ASSERT_PTR_NULL(cfg_address_parse(text, &address));
	CU_ASSERT_EQUAL(address.family, family);
	cfg_address_format(&address, buf, sizeof(buf));
	CU_ASSERT_STRING_EQUAL(buf, back);
}

static void bad_address(const char *text, const char *why)
{
	struct cfg_address address;
	const char *found = cfg_address_parse(text, &address);

	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	CU_ASSERT_STRING_EQUAL(found, why);
}

static void test_address(void)
{
	check_address("none", 0, "none");
	check_address("10.0.0.2/24", AF_INET, "10.0.0.2/24");
	check_address("0.0.0.0/0", AF_INET, "0.0.0.0/0");
	check_address("fd00:0:0::2/64", AF_INET6, "fd00::2/64");
	bad_address("10.0.0.2", "no /PREFIX");
	bad_address("10.0.0.2/33", "no such PREFIX");
	bad_address("10.0.0.2/", "no such PREFIX");
	bad_address("fd00::2/129", "no such PREFIX");
	bad_address("10.0.0/24", "not an IP address");
	bad_address("0123456789012345678901234567890123456789012345678/24", "not an IP address");
}

static const struct unit_test tests[] = {
	{ "a VF", test_vf },
	{ "a MAC address", test_mac },
	{ "an interface", test_ifname },
	{ "an IP address", test_address },
};

UNIT_MAIN("config/net", NULL, NULL, tests)
