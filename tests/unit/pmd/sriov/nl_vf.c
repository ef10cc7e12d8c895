/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says of VFs, read off messages as rtnetlink builds them. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "pmd/sriov/nl.h"
#include "tests/unit/unit.h"

#define ALL ((1u << PMD_VF_NB_KEYS) - 1)

static char buf[4096];
static struct nlmsghdr *msg;

static struct nlattr *begin(void)
{
	memset(buf, 0, sizeof(buf));
	msg = mnl_nlmsg_put_header(buf);
	msg->nlmsg_type = RTM_NEWLINK;
	mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(msg, IFLA_IFNAME, "ens1f0");
	mnl_attr_put_u32(msg, IFLA_NUM_VF, 2);
	return mnl_attr_nest_start(msg, IFLA_VFINFO_LIST);
}

static void put_pair(uint16_t type, uint32_t vf, uint32_t value)
{
	struct ifla_vf_trust pair = { .vf = vf, .setting = value };

	mnl_attr_put(msg, type, sizeof(pair), &pair);
}

/* As rtnl_fill_vfinfo() does; `flags` for spoof check and trust: all ones is "not reported". */
static void put_vf(uint32_t vf, uint32_t flags)
{
	struct nlattr *info = mnl_attr_nest_start(msg, IFLA_VF_INFO), *list;
	struct ifla_vf_mac mac = { .vf = vf, .mac = { 2, 0, 0, 0, 0, (uint8_t)vf } };
	struct ifla_vf_vlan vlan = { .vf = vf, .vlan = 100 + vf, .qos = 3 };
	struct ifla_vf_vlan_info vlan_info = {
		.vf = vf, .vlan = 100 + vf, .qos = 3, .vlan_proto = htons(ETH_P_8021AD)
	};
	struct ifla_vf_rate rate = { .vf = vf, .min_tx_rate = 10, .max_tx_rate = 1000 };

	mnl_attr_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	mnl_attr_put(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	mnl_attr_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
	put_pair(IFLA_VF_TX_RATE, vf, 1000);
	put_pair(IFLA_VF_SPOOFCHK, vf, flags);
	put_pair(IFLA_VF_LINK_STATE, vf, IFLA_VF_LINK_STATE_DISABLE);
	put_pair(IFLA_VF_TRUST, vf, flags);
	list = mnl_attr_nest_start(msg, IFLA_VF_VLAN_LIST);
	mnl_attr_put(msg, IFLA_VF_VLAN_INFO, sizeof(vlan_info), &vlan_info);
	mnl_attr_nest_end(msg, list);
	mnl_attr_nest_end(msg, info);
}

static void test_all(void)
{
	struct nlattr *list = begin();
	struct pmd_vf_attr attr;

	put_vf(0, 0);
	put_vf(5, 1); /* in between, the driver reported nothing */
	mnl_attr_nest_end(msg, list);

	CU_ASSERT_EQUAL(pmd_nl_vf_read(msg, 5, &attr), 0);
	CU_ASSERT_EQUAL(attr.known, ALL);
	CU_ASSERT_EQUAL(attr.mac[5], 5);
	CU_ASSERT_EQUAL(attr.vlan, 105);
	CU_ASSERT_EQUAL(attr.qos, 3);
	CU_ASSERT_EQUAL(attr.vlan_proto, ETH_P_8021AD);
	CU_ASSERT_TRUE(attr.spoof_check);
	CU_ASSERT_TRUE(attr.trust);
	CU_ASSERT_EQUAL(attr.link_state, IFLA_VF_LINK_STATE_DISABLE);
	CU_ASSERT_EQUAL(attr.min_tx_rate, 10);
	CU_ASSERT_EQUAL(attr.max_tx_rate, 1000);

	CU_ASSERT_EQUAL(pmd_nl_vf_read(msg, 0, &attr), 0);
	CU_ASSERT_EQUAL(attr.vlan, 100);
	CU_ASSERT_FALSE(attr.spoof_check);
	CU_ASSERT_EQUAL(pmd_nl_vf_read(msg, 1, &attr), -ENOENT);
	CU_ASSERT_EQUAL(attr.known, 0);
}

static void test_not_reported(void)
{
	struct nlattr *list = begin();
	struct pmd_vf_attr attr;

	put_vf(1, UINT32_MAX);
	mnl_attr_nest_end(msg, list);
	CU_ASSERT_EQUAL(pmd_nl_vf_read(msg, 1, &attr), 0);
	CU_ASSERT_EQUAL(attr.known, ALL & ~(1u << PMD_VF_SPOOF_CHECK | 1u << PMD_VF_TRUST));
}

static void test_none(void)
{
	struct pmd_vf_attr attr;
	struct nlattr *list = begin();

	mnl_attr_nest_end(msg, list);
	CU_ASSERT_EQUAL(pmd_nl_vf_read(msg, 0, &attr), -ENOENT);
	msg->nlmsg_len = NLMSG_LENGTH(4);
	CU_ASSERT_EQUAL(pmd_nl_vf_read(msg, 0, &attr), -EBADMSG);
}

/* The kernel would not, but reading beyond a message is no way to find out. */
static void test_damaged(void)
{
	struct pmd_vf_attr attr;

	srand(1);
	for (int i = 0; i < 100000; i++) {
		struct nlattr *list = begin();
		uint32_t len;

		put_vf(0, 1);
		put_vf(1, 1);
		mnl_attr_nest_end(msg, list);
		len = msg->nlmsg_len;
		for (int n = rand() % 4; n >= 0; n--)
			buf[NLMSG_HDRLEN + (uint32_t)rand() % (len - NLMSG_HDRLEN)] = (char)rand();
		/* On the heap and as short as it says, so that the sanitizers see more. */
		char *copy = malloc(len);
		memcpy(copy, buf, len);
		pmd_nl_vf_read((void *)copy, (unsigned int)i % 2, &attr);
		free(copy);
	}
	CU_PASS();
}

static const struct unit_test tests[] = {
	{ "every attribute", test_all },
	{ "what a driver does not report", test_not_reported },
	{ "no VF in the message", test_none },
	{ "damaged messages", test_damaged },
};

UNIT_MAIN("pmd/sriov/nl_vf", NULL, NULL, tests)
