/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PMD_SIMVF_FILTER_H
#define PMD_SIMVF_FILTER_H

#include "pmd/simvf/simvf.h"

/* Whether a frame from the wire is for this device. Under the link's lock. */
bool simvf_filter_allows(const struct simvf_filter *filter, const uint8_t *frame);

int simvf_promiscuous_enable(struct rte_eth_dev *eth);
int simvf_promiscuous_disable(struct rte_eth_dev *eth);
int simvf_allmulticast_enable(struct rte_eth_dev *eth);
int simvf_allmulticast_disable(struct rte_eth_dev *eth);
int simvf_mac_addr_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac);
int simvf_mac_addr_add(
	struct rte_eth_dev *eth, struct rte_ether_addr *mac, uint32_t index, uint32_t pool);
void simvf_mac_addr_remove(struct rte_eth_dev *eth, uint32_t index);
int simvf_vlan_filter_set(struct rte_eth_dev *eth, uint16_t id, int on);
int simvf_vlan_offload_set(struct rte_eth_dev *eth, int mask);

#endif /* PMD_SIMVF_FILTER_H */
