/* SPDX-License-Identifier: BSD-3-Clause */
/* MAC and VLAN filters. They apply to real frames, not to generated ones. */
#include "pmd/simvf/filter.h"

#include <errno.h>

static struct simvf_dev *of(const struct rte_eth_dev *eth)
{
	return eth->data->dev_private;
}

static bool vlan_allowed(const struct simvf_filter *f, const uint8_t *frame)
{
	uint16_t type = (uint16_t)(frame[12] << 8 | frame[13]);
	uint16_t id = (uint16_t)((frame[14] << 8 | frame[15]) & 0xfff);

	if (!f->vlan || type != RTE_ETHER_TYPE_VLAN)
		return true;
	return (f->vlan_ids[id / 64] >> (id % 64)) & 1;
}

bool simvf_filter_allows(const struct simvf_filter *f, const uint8_t *frame)
{
	struct rte_ether_addr dst;

	memcpy(&dst, frame, sizeof(dst));
	if (!vlan_allowed(f, frame))
		return false;
	if (f->promisc || rte_is_broadcast_ether_addr(&dst))
		return true;
	if (rte_is_multicast_ether_addr(&dst))
		return f->allmulti;
	/* All zeroes stand where there is no address. */
	for (int i = 0; i < SIMVF_MAX_MACS && !rte_is_zero_ether_addr(&dst); i++)
		if (rte_is_same_ether_addr(&dst, &f->mac[i]))
			return true;
	return false;
}

/* ---- operations; control thread ---- */

static int set_flag(struct rte_eth_dev *eth, bool *flag, bool value)
{
	simvf_lock(of(eth));
	*flag = value;
	simvf_unlock(of(eth));
	return 0;
}

int simvf_promiscuous_enable(struct rte_eth_dev *eth)
{
	return set_flag(eth, &of(eth)->filter.promisc, true);
}

int simvf_promiscuous_disable(struct rte_eth_dev *eth)
{
	return set_flag(eth, &of(eth)->filter.promisc, false);
}

int simvf_allmulticast_enable(struct rte_eth_dev *eth)
{
	return set_flag(eth, &of(eth)->filter.allmulti, true);
}

int simvf_allmulticast_disable(struct rte_eth_dev *eth)
{
	return set_flag(eth, &of(eth)->filter.allmulti, false);
}

static void set_mac(struct simvf_dev *dev, uint32_t index, const struct rte_ether_addr *mac)
{
	simvf_lock(dev);
	dev->filter.mac[index] = *mac;
	simvf_unlock(dev);
}

int simvf_mac_addr_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac)
{
	set_mac(of(eth), 0, mac);
	return 0;
}

int simvf_mac_addr_add(
	struct rte_eth_dev *eth, struct rte_ether_addr *mac, uint32_t index, uint32_t pool)
{
	(void)pool;
	set_mac(of(eth), index, mac);
	return 0;
}

void simvf_mac_addr_remove(struct rte_eth_dev *eth, uint32_t index)
{
	const struct rte_ether_addr none = { { 0 } };

	set_mac(of(eth), index, &none);
}

int simvf_vlan_filter_set(struct rte_eth_dev *eth, uint16_t id, int on)
{
	uint64_t *word = &of(eth)->filter.vlan_ids[id / 64];
	uint64_t bit = UINT64_C(1) << (id % 64);

	simvf_lock(of(eth));
	*word = on ? *word | bit : *word & ~bit;
	simvf_unlock(of(eth));
	return 0;
}

int simvf_vlan_offload_set(struct rte_eth_dev *eth, int mask)
{
	uint64_t offloads = eth->data->dev_conf.rxmode.offloads;

	if (mask & RTE_ETH_VLAN_FILTER_MASK)
		set_flag(eth, &of(eth)->filter.vlan,
			(offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0);
	return 0;
}
