/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "pmd/sriov/nl_priv.h"

struct search {
	const char *parent; /* NULL: whatever comes */
	bool found;
	struct pmd_link link;
};

static void read_attr(const struct nlattr *attr, struct pmd_link *link, bool *pci)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
		break;
	case IFLA_MASTER:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			link->master = mnl_attr_get_u32(attr);
		break;
	case IFLA_CARRIER:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) == 0)
			link->carrier = mnl_attr_get_u8(attr) != 0;
		break;
	case IFLA_PARENT_DEV_NAME:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(link->parent, sizeof(link->parent), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_PARENT_DEV_BUS_NAME:
		*pci = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
			strcmp(mnl_attr_get_str(attr), "pci") == 0;
		break;
	}
}

static int on_link(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct pmd_link link = { 0 };
	struct search *search = arg;
	const struct nlattr *attr;
	bool pci = false;

	if (msg->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(msg) < sizeof(*info))
		return 0;
	link.index = (unsigned int)info->ifi_index;
	link.up = (info->ifi_flags & IFF_UP) != 0;
	mnl_attr_for_each(attr, msg, sizeof(*info)) read_attr(attr, &link, &pci);
	if (!pci)
		link.parent[0] = '\0';
	if (search->found || (search->parent != NULL && strcmp(search->parent, link.parent) != 0))
		return 0;
	search->link = link;
	search->found = true;
	return 0;
}

static int finish(struct pmd_nl *nl, int ret, const struct search *search, struct pmd_link *out)
{
	if (ret < 0)
		return ret;
	if (!search->found)
		return pmd_nl_fail(nl, ENODEV, NULL);
	*out = search->link;
	return 0;
}

int pmd_nl_link_get(struct pmd_nl *nl, const char *name, struct pmd_link *out)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct search search = { 0 };
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_GETLINK, 0, 0);

	if (strlen(name) >= IF_NAMESIZE || name[0] == '\0')
		return pmd_nl_fail(nl, ENODEV, NULL);
	mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	return finish(nl, pmd_nl_transact(nl, msg, on_link, &search), &search, out);
}

int pmd_nl_link_find(struct pmd_nl *nl, const char *parent, struct pmd_link *out)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct search search = { .parent = parent };
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_GETLINK, NLM_F_DUMP, 0);

	if (parent[0] == '\0')
		return pmd_nl_fail(nl, ENODEV, NULL);
	return finish(nl, pmd_nl_transact(nl, msg, on_link, &search), &search, out);
}

int pmd_nl_link_set_up(struct pmd_nl *nl, unsigned int index, bool up)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_SETLINK, 0, index);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);

	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = IFF_UP;
	return pmd_nl_transact(nl, msg, NULL, NULL);
}

int pmd_nl_link_set_mac(struct pmd_nl *nl, unsigned int index, const uint8_t mac[6])
{
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_SETLINK, 0, index);

	mnl_attr_put(msg, IFLA_ADDRESS, 6, mac);
	return pmd_nl_transact(nl, msg, NULL, NULL);
}

int pmd_nl_link_rename(struct pmd_nl *nl, unsigned int index, const char *name)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_SETLINK, 0, index);

	if (strlen(name) >= IF_NAMESIZE)
		return pmd_nl_fail(nl, EINVAL, "the name is too long");
	mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	return pmd_nl_transact(nl, msg, NULL, NULL);
}

int pmd_nl_link_move(struct pmd_nl *nl, unsigned int index, int netns_fd, const char *name)
{
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = pmd_nl_link_msg(buf, RTM_SETLINK, 0, index);
	struct pmd_nl *there;
	struct pmd_link link;
	int ret;

	if (strlen(name) >= IF_NAMESIZE)
		return pmd_nl_fail(nl, EINVAL, "the name is too long");
	/*
	 * The kernel would move a device whose own name is free there and then fail to rename it:
	 * half done, in a namespace from where we cannot move it.
	 */
	ret = pmd_nl_open(netns_fd, &there);
	if (ret < 0)
		return pmd_nl_fail(nl, -ret, NULL);
	ret = pmd_nl_link_get(there, name, &link);
	pmd_nl_close(there);
	if (ret == 0)
		return pmd_nl_fail(nl, EEXIST, "a netdev of this name is there already");

	struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	info->ifi_change = IFF_UP; /* down: only such a netdev can be renamed on all kernels */
	mnl_attr_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	return pmd_nl_transact(nl, msg, NULL, NULL);
}

int pmd_nl_addr_add(
	struct pmd_nl *nl, unsigned int index, uint8_t family, uint8_t prefix, const uint8_t *bytes)
{
	size_t len = family == AF_INET6 ? 16 : 4;
	char buf[PMD_NL_REQUEST_LEN];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *info;

	if ((family != AF_INET && family != AF_INET6) || prefix > len * 8)
		return pmd_nl_fail(nl, EINVAL, "neither an IPv4 nor an IPv6 address");
	msg->nlmsg_type = RTM_NEWADDR;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	info->ifa_family = family;
	info->ifa_prefixlen = prefix;
	info->ifa_index = index;
	mnl_attr_put(msg, IFA_LOCAL, len, bytes);
	mnl_attr_put(msg, IFA_ADDRESS, len, bytes);
	return pmd_nl_transact(nl, msg, NULL, NULL);
}
