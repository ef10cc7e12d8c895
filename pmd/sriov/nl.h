/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of rtnetlink that provisioning needs: links, addresses, and the attributes of VFs, which
 * are set through their PF.
 *
 * Ownership: a struct pmd_nl is one socket, in the namespace it was opened for.
 * Threads: the control thread. Nothing here leaves the caller in another namespace.
 * On failure: -errno, and pmd_nl_why() says it in words, the kernel's own if it gave any. An answer
 * that does not come within PMD_NL_LIMIT_MS is -ETIMEDOUT. Nothing is logged.
 */
#ifndef PMD_SRIOV_NL_H
#define PMD_SRIOV_NL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define PMD_NL_LIMIT_MS 5000 /* some PF drivers reset a VF before they answer */

struct pmd_nl;
struct nlmsghdr;

/* netns_fd: -1 for the caller's own namespace. */
int pmd_nl_open(int netns_fd, struct pmd_nl **out);
void pmd_nl_close(struct pmd_nl *nl); /* NULL is allowed */

/* Of the last call that failed. Never NULL. */
const char *pmd_nl_why(const struct pmd_nl *nl);

struct pmd_link {
	unsigned int index;
	char name[IF_NAMESIZE];
	char parent[32]; /* PCI address; "" if it has none, or before Linux 5.14 */
	uint8_t mac[6]; /* 0 if it has no such address */
	unsigned int master; /* of a bridge, bond, ...; 0: none */
	bool up; /* administratively */
	bool carrier;
};

/* By name; -ENODEV. By its PCI device; -ENODEV. */
int pmd_nl_link_get(struct pmd_nl *nl, const char *name, struct pmd_link *out);
int pmd_nl_link_find(struct pmd_nl *nl, const char *parent, struct pmd_link *out);

int pmd_nl_link_set_up(struct pmd_nl *nl, unsigned int index, bool up);
int pmd_nl_link_set_mac(struct pmd_nl *nl, unsigned int index, const uint8_t mac[6]);
int pmd_nl_link_rename(struct pmd_nl *nl, unsigned int index, const char *name);

/* To another namespace, where it is called `name` (-EEXIST: taken), is down and has no address. */
int pmd_nl_link_move(struct pmd_nl *nl, unsigned int index, int netns_fd, const char *name);

/* bytes: 4 or 16, as the family says. An address that is there already is fine. */
int pmd_nl_addr_add(struct pmd_nl *nl, unsigned int index, uint8_t family, uint8_t prefix,
	const uint8_t *bytes);

/* What a PF sets for one VF. The kernel takes each alone, so that an error can name it. */
enum pmd_vf_key {
	PMD_VF_MAC,
	PMD_VF_VLAN, /* with QoS and protocol */
	PMD_VF_SPOOF_CHECK,
	PMD_VF_TRUST,
	PMD_VF_LINK_STATE,
	PMD_VF_RATE, /* both, in one call */
	PMD_VF_NB_KEYS,
};

struct pmd_vf_attr {
	unsigned int known; /* 1 << key: the others are not reported, not kept, not wanted */
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
	uint16_t vlan_proto; /* ETH_P_8021Q, ETH_P_8021AD */
	uint8_t qos;
	bool spoof_check;
	bool trust;
	uint8_t link_state; /* IFLA_VF_LINK_STATE_..., in the order of enum cfg_link_state */
	uint32_t max_tx_rate, min_tx_rate; /* Mbit/s; 0: no limit */
};

/* -ENODEV: no such PF; -ENOENT: it reports no such VF. */
int pmd_nl_vf_get(
	struct pmd_nl *nl, unsigned int pf_index, unsigned int vf, struct pmd_vf_attr *out);
int pmd_nl_vf_set(struct pmd_nl *nl, unsigned int pf_index, unsigned int vf, enum pmd_vf_key key,
	const struct pmd_vf_attr *attr);

/* nl_vf.c, for its test: reads VF's attributes off a message about the PF. Returns as above. */
int pmd_nl_vf_read(const struct nlmsghdr *msg, unsigned int vf, struct pmd_vf_attr *out);

#endif /* PMD_SRIOV_NL_H */
