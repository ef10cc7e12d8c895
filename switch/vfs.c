/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/vfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_ether.h>

#include "switch/switch.h"

static const struct cfg_container *find_netns(const struct cfg *cfg, unsigned int port)
{
	for (unsigned int i = 0; i < cfg->nb_containers; i++)
		if (cfg->containers[i].kind == CFG_CONTAINER_NETNS &&
			cfg->containers[i].port == port)
			return &cfg->containers[i];
	return NULL;
}

bool sw_port_is_netdev(const struct cfg *cfg, unsigned int port)
{
	return find_netns(cfg, port) != NULL;
}

static void fill_attr(const struct cfg_port *port, struct pmd_vf_attr *attr)
{
	_Static_assert(
		(int)CFG_LINK_AUTO == 0 && (int)CFG_LINK_ENABLE == 1 && (int)CFG_LINK_DISABLE == 2,
		"in the order of IFLA_VF_LINK_STATE_...");

	*attr = (struct pmd_vf_attr){
		.known = (1u << PMD_VF_VLAN) | (1u << PMD_VF_SPOOF_CHECK) | (1u << PMD_VF_TRUST) |
			(1u << PMD_VF_LINK_STATE) | (1u << PMD_VF_RATE),
		.vlan = port->vlan,
		.vlan_proto = ETH_P_8021Q,
		.spoof_check = port->spoof_check,
		.trust = port->trust,
		.link_state = (uint8_t)port->link_state,
		.max_tx_rate = port->max_tx_rate,
		.min_tx_rate = port->min_tx_rate,
	};
	if (port->mac.given) {
		attr->known |= 1u << PMD_VF_MAC;
		memcpy(attr->mac, port->mac.bytes, sizeof(attr->mac));
	}
}

static void fill_conf(const struct cfg *cfg, unsigned int i, struct pmd_vf_conf *conf)
{
	const struct cfg_port *port = &cfg->ports[i];
	const struct cfg_container *c = find_netns(cfg, i);

	*conf = (struct pmd_vf_conf){
		.port = port->name,
		.pf = port->vf.pf,
		.index = port->vf.index,
		.kind = c != NULL ? PMD_VF_NETDEV : PMD_VF_DPDK,
	};
	fill_attr(port, &conf->attr);
	if (c == NULL)
		return;
	conf->container = c->name;
	conf->netns = c->netns;
	conf->ifname = c->ifname;
	conf->family = c->address.family;
	conf->prefix = c->address.prefix;
	memcpy(conf->address, c->address.bytes, sizeof(conf->address));
}

int sw_vfs_claim(const struct cfg *cfg, struct pmd_sriov **out)
{
	struct pmd_vf_conf *conf = calloc(cfg->nb_ports, sizeof(*conf));
	int ret;

	if (conf == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < cfg->nb_ports; i++)
		fill_conf(cfg, i, &conf[i]);
	ret = pmd_sriov_claim(conf, cfg->nb_ports, cfg->sw.instance, out);
	free(conf);
	return ret;
}

void sw_netns_tick(struct switch_ctx *sw)
{
	for (unsigned int i = 0; i < sw->nb_namespaces; i++)
		sw->namespaces[i].place = pmd_sriov_place(sw->sriov, sw->namespaces[i].conf->port);
}

const char *sw_netns_state_str(enum pmd_vf_place place)
{
	static const char *const names[] = {
		[PMD_VF_PLACED] = "placed",
		[PMD_VF_WAITING] = "waiting",
		[PMD_VF_FAILED] = "failed",
		[PMD_VF_GONE] = "gone",
	};

	return names[place];
}
