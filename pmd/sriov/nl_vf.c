/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <string.h>

#include "pmd/sriov/nl_priv.h"

/* A driver that cannot tell leaves all ones there (kernel: rtnl_fill_vfinfo()). */
#define NOT_REPORTED UINT32_MAX

struct reading {
	unsigned int vf;
	struct pmd_vf_attr *out;
	bool found;
};

/* Copied out: a nested attribute may stand anywhere, and be shorter than it should. */
#define FETCH(attr, to)                                                                            \
	(mnl_attr_get_payload_len(attr) >= sizeof(to) &&                                           \
		memcpy(&(to), mnl_attr_get_payload(attr), sizeof(to)) != NULL)

static void read_vlans(const struct nlattr *list, struct pmd_vf_attr *out)
{
	struct ifla_vf_vlan_info vlan;
	const struct nlattr *attr;

	/* The kernel reports one, and knows of no more. */
	mnl_attr_for_each_nested(attr, list)
	{
		if (mnl_attr_get_type(attr) != IFLA_VF_VLAN_INFO || !FETCH(attr, vlan))
			continue;
		out->vlan = (uint16_t)vlan.vlan;
		out->qos = (uint8_t)vlan.qos;
		out->vlan_proto = ntohs(vlan.vlan_proto);
		out->known |= 1u << PMD_VF_VLAN;
		return;
	}
}

static void read_value(const struct nlattr *attr, struct pmd_vf_attr *out)
{
	struct ifla_vf_mac mac;
	struct ifla_vf_vlan vlan;
	struct ifla_vf_rate rate;
	struct ifla_vf_spoofchk flag; /* the layout of all those with one number */

	_Static_assert(sizeof(struct ifla_vf_trust) == sizeof(flag), "one number");
	_Static_assert(sizeof(struct ifla_vf_link_state) == sizeof(flag), "one number");
	switch (mnl_attr_get_type(attr)) {
	case IFLA_VF_MAC:
		if (!FETCH(attr, mac))
			break;
		memcpy(out->mac, mac.mac, sizeof(out->mac));
		out->known |= 1u << PMD_VF_MAC;
		break;
	case IFLA_VF_VLAN: /* the list, which comes later, has the protocol as well */
		if (!FETCH(attr, vlan))
			break;
		out->vlan = (uint16_t)vlan.vlan;
		out->qos = (uint8_t)vlan.qos;
		out->vlan_proto = ETH_P_8021Q;
		out->known |= 1u << PMD_VF_VLAN;
		break;
	case IFLA_VF_VLAN_LIST:
		read_vlans(attr, out);
		break;
	case IFLA_VF_RATE:
		if (!FETCH(attr, rate))
			break;
		out->max_tx_rate = rate.max_tx_rate;
		out->min_tx_rate = rate.min_tx_rate;
		out->known |= 1u << PMD_VF_RATE;
		break;
	case IFLA_VF_SPOOFCHK:
		if (!FETCH(attr, flag) || flag.setting == NOT_REPORTED)
			break;
		out->spoof_check = flag.setting != 0;
		out->known |= 1u << PMD_VF_SPOOF_CHECK;
		break;
	case IFLA_VF_TRUST:
		if (!FETCH(attr, flag) || flag.setting == NOT_REPORTED)
			break;
		out->trust = flag.setting != 0;
		out->known |= 1u << PMD_VF_TRUST;
		break;
	case IFLA_VF_LINK_STATE:
		if (!FETCH(attr, flag))
			break;
		out->link_state = (uint8_t)flag.setting;
		out->known |= 1u << PMD_VF_LINK_STATE;
		break;
	}
}

/* Every value names its VF; the kernel leaves out VFs that the driver does not report on. */
static bool is_about(const struct nlattr *info, unsigned int vf)
{
	const struct nlattr *attr;
	uint32_t index;

	mnl_attr_for_each_nested(attr, info) if (mnl_attr_get_type(attr) == IFLA_VF_MAC &&
		FETCH(attr, index)) return index == vf;
	return false;
}

int pmd_nl_vf_read(const struct nlmsghdr *msg, unsigned int vf, struct pmd_vf_attr *out)
{
	const struct nlattr *list, *info, *attr;

	*out = (struct pmd_vf_attr){ .vlan_proto = ETH_P_8021Q };
	if (mnl_nlmsg_get_payload_len(msg) < sizeof(struct ifinfomsg))
		return -EBADMSG;
	mnl_attr_for_each(list, msg, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(list) != IFLA_VFINFO_LIST)
			continue;
		mnl_attr_for_each_nested(info, list)
		{
			if (mnl_attr_get_type(info) != IFLA_VF_INFO || !is_about(info, vf))
				continue;
			mnl_attr_for_each_nested(attr, info) read_value(attr, out);
			return 0;
		}
	}
	return -ENOENT;
}

static int on_pf(const struct nlmsghdr *msg, void *arg)
{
	struct reading *r = arg;

	if (msg->nlmsg_type == RTM_NEWLINK && pmd_nl_vf_read(msg, r->vf, r->out) == 0)
		r->found = true;
	return 0;
}

int pmd_nl_vf_get(
	struct pmd_nl *nl, unsigned int pf_index, unsigned int vf, struct pmd_vf_attr *out)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_GETLINK, 0, pf_index);
	struct reading r = { .vf = vf, .out = out };
	int ret;

	*out = (struct pmd_vf_attr){ .vlan_proto = ETH_P_8021Q };
	/* Without the counters more VFs fit into an answer. */
	mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
	ret = pmd_nl_transact(nl, msg, on_pf, &r);
	if (ret < 0)
		return ret;
	return r.found ? 0 : pmd_nl_fail(nl, ENOENT, "the PF's driver reports no such VF");
}

static void put_vlan(struct nlmsghdr *msg, unsigned int vf, const struct pmd_vf_attr *attr)
{
	struct ifla_vf_vlan vlan = { .vf = vf, .vlan = attr->vlan, .qos = attr->qos };
	struct ifla_vf_vlan_info info = { .vf = vf,
		.vlan = attr->vlan,
		.qos = attr->qos,
		.vlan_proto = htons(attr->vlan_proto) };

	/* The older attribute, unless it cannot say it: every driver takes it. */
	if (attr->vlan_proto == ETH_P_8021Q || attr->vlan_proto == 0) {
		mnl_attr_put(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
		return;
	}
	struct nlattr *list = mnl_attr_nest_start(msg, IFLA_VF_VLAN_LIST);
	mnl_attr_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info);
	mnl_attr_nest_end(msg, list);
}

static void put_flag(struct nlmsghdr *msg, uint16_t type, unsigned int vf, unsigned int value)
{
	struct ifla_vf_spoofchk flag = { .vf = vf, .setting = value };

	mnl_attr_put(msg, type, sizeof(flag), &flag);
}

static void put_value(
	struct nlmsghdr *msg, unsigned int vf, enum pmd_vf_key key, const struct pmd_vf_attr *attr)
{
	struct ifla_vf_mac mac = { .vf = vf };
	struct ifla_vf_rate rate = {
		.vf = vf, .max_tx_rate = attr->max_tx_rate, .min_tx_rate = attr->min_tx_rate
	};

	switch (key) {
	case PMD_VF_MAC:
		memcpy(mac.mac, attr->mac, sizeof(attr->mac));
		mnl_attr_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
		break;
	case PMD_VF_VLAN:
		put_vlan(msg, vf, attr);
		break;
	case PMD_VF_SPOOF_CHECK:
		put_flag(msg, IFLA_VF_SPOOFCHK, vf, attr->spoof_check);
		break;
	case PMD_VF_TRUST:
		put_flag(msg, IFLA_VF_TRUST, vf, attr->trust);
		break;
	case PMD_VF_LINK_STATE:
		put_flag(msg, IFLA_VF_LINK_STATE, vf, attr->link_state);
		break;
	case PMD_VF_RATE:
		mnl_attr_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
		break;
	case PMD_VF_NB_KEYS:
		break;
	}
}

int pmd_nl_vf_set(struct pmd_nl *nl, unsigned int pf_index, unsigned int vf, enum pmd_vf_key key,
	const struct pmd_vf_attr *attr)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_SETLINK, 0, pf_index);
	struct nlattr *list = mnl_attr_nest_start(msg, IFLA_VFINFO_LIST);
	struct nlattr *info = mnl_attr_nest_start(msg, IFLA_VF_INFO);

	put_value(msg, vf, key, attr);
	mnl_attr_nest_end(msg, info);
	mnl_attr_nest_end(msg, list);
	return pmd_nl_transact(nl, msg, NULL, NULL);
}
