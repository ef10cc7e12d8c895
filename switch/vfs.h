/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFs that the configuration asks for, and containers that get one with its kernel driver.
 * Control thread; claim and release without EAL.
 */
#ifndef SWITCH_VFS_H
#define SWITCH_VFS_H

#include <stdbool.h>

#include "config/config.h"
#include "pmd/sriov/claim.h"

struct switch_ctx;

/* A container with kind = netns. */
struct sw_netns {
	const struct cfg_container *conf;
	enum pmd_vf_place place;
};

/* As pmd_sriov_claim(), for all ports of the configuration. */
int sw_vfs_claim(const struct cfg *cfg, struct pmd_sriov **out);

/* Whether the port's VF goes into a namespace: then it is no port of DPDK's. */
bool sw_port_is_netdev(const struct cfg *cfg, unsigned int port);

/* Brings the VFs of namespaces to their places: some times a second. */
void sw_netns_tick(struct switch_ctx *sw);
const char *sw_netns_state_str(enum pmd_vf_place place);

#endif /* SWITCH_VFS_H */
