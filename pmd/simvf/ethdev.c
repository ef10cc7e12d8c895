/* SPDX-License-Identifier: BSD-3-Clause */
/* Control operations of the device. Control thread. */
#include <errno.h>
#include <string.h>

#include "pmd/simvf/classify.h"
#include "pmd/simvf/fault.h"
#include "pmd/simvf/filter.h"
#include "pmd/simvf/gen.h"
#include "pmd/simvf/wire.h"

static struct simvf_dev *of(const struct rte_eth_dev *eth)
{
	return eth->data->dev_private;
}

static int reclassify(struct simvf_dev *dev)
{
	int ret;

	simvf_lock(dev);
	ret = simvf_gen_rebuild(dev);
	simvf_unlock(dev);
	return ret;
}

static int infos_get(struct rte_eth_dev *eth, struct rte_eth_dev_info *info)
{
	const struct simvf_args *args = &of(eth)->args;

	info->max_rx_queues = args->queues;
	info->max_tx_queues = args->queues;
	info->if_index = (unsigned int)of(eth)->if_index;
	info->max_mac_addrs = SIMVF_MAX_MACS;
	info->min_rx_bufsize = RTE_MAX(args->buf_align, 64u);
	info->max_rx_pktlen = SIMVF_MAX_FRAME + RTE_ETHER_CRC_LEN;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = SIMVF_MAX_FRAME - SIMVF_OVERHEAD;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_RSS_HASH | RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	info->tx_queue_offload_capa = 0;
	info->reta_size = SIMVF_RETA_SIZE;
	info->hash_key_size = sizeof(of(eth)->rss_key);
	info->flow_type_rss_offloads = SIMVF_RSS_TYPES;
	info->rx_desc_lim =
		(struct rte_eth_desc_lim){ .nb_max = 4096, .nb_min = 32, .nb_align = 32 };
	info->tx_desc_lim = info->rx_desc_lim;
	info->tx_desc_lim.nb_seg_max = SIMVF_MAX_SEGS;
	info->tx_desc_lim.nb_mtu_seg_max = SIMVF_MAX_SEGS;
	info->default_rxconf.rx_free_thresh = 32;
	info->default_txconf.tx_free_thresh = 32;
	info->default_txconf.tx_rs_thresh = 32;
	info->default_rxportconf =
		(struct rte_eth_dev_portconf){ .burst_size = 32, .ring_size = 512, .nb_queues = 1 };
	info->default_txportconf = info->default_rxportconf;
	info->speed_capa = RTE_ETH_LINK_SPEED_25G;
	info->dev_capa = RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP;
	return 0;
}

/* ---- RSS ---- */

/* With the device's lock. */
static int set_rss(struct simvf_dev *dev, const struct rte_eth_rss_conf *conf)
{
	/* Many applications leave the length out. */
	if (conf->rss_key != NULL && conf->rss_key_len != 0 &&
		conf->rss_key_len != sizeof(dev->rss_key))
		return -EINVAL;
	dev->rss_types = conf->rss_hf & SIMVF_RSS_TYPES;
	if (conf->rss_key != NULL)
		memcpy(dev->rss_key, conf->rss_key, sizeof(dev->rss_key));
	return 0;
}

static int rss_hash_update(struct rte_eth_dev *eth, struct rte_eth_rss_conf *conf)
{
	struct simvf_dev *dev = of(eth);
	int ret;

	simvf_lock(dev);
	ret = set_rss(dev, conf);
	if (ret == 0)
		ret = simvf_gen_rebuild(dev);
	simvf_unlock(dev);
	return ret;
}

static int rss_hash_conf_get(struct rte_eth_dev *eth, struct rte_eth_rss_conf *conf)
{
	const struct simvf_dev *dev = of(eth);

	conf->rss_hf = dev->rss ? dev->rss_types : 0;
	if (conf->rss_key != NULL && conf->rss_key_len >= sizeof(dev->rss_key)) {
		memcpy(conf->rss_key, dev->rss_key, sizeof(dev->rss_key));
		conf->rss_key_len = sizeof(dev->rss_key);
	}
	return 0;
}

static bool reta_selected(const struct rte_eth_rss_reta_entry64 *reta, uint16_t i)
{
	return (reta[i / RTE_ETH_RETA_GROUP_SIZE].mask >> (i % RTE_ETH_RETA_GROUP_SIZE)) & 1;
}

static int reta_update(
	struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	struct simvf_dev *dev = of(eth);
	int ret;

	if (size != SIMVF_RETA_SIZE)
		return -EINVAL;
	simvf_lock(dev);
	for (uint16_t i = 0; i < size; i++)
		if (reta_selected(reta, i))
			dev->reta[i] = (uint8_t)reta[i / RTE_ETH_RETA_GROUP_SIZE]
					       .reta[i % RTE_ETH_RETA_GROUP_SIZE];
	ret = simvf_gen_rebuild(dev);
	simvf_unlock(dev);
	return ret;
}

static int reta_query(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	if (size != SIMVF_RETA_SIZE)
		return -EINVAL;
	for (uint16_t i = 0; i < size; i++)
		if (reta_selected(reta, i))
			reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
				of(eth)->reta[i];
	return 0;
}

/* ---- life ---- */

static int dev_configure(struct rte_eth_dev *eth)
{
	const struct rte_eth_conf *conf = &eth->data->dev_conf;
	struct simvf_dev *dev = of(eth);
	int ret = 0;

	simvf_lock(dev);
	dev->filter.vlan = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
	dev->rss = (conf->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) != 0;
	memcpy(dev->rss_key, simvf_default_key, sizeof(dev->rss_key));
	if (dev->rss)
		ret = set_rss(dev, &conf->rx_adv_conf.rss_conf);
	for (uint16_t i = 0; i < SIMVF_RETA_SIZE && eth->data->nb_rx_queues > 0; i++)
		dev->reta[i] = (uint8_t)(i % eth->data->nb_rx_queues);
	simvf_unlock(dev);
	return ret;
}

void simvf_select_bursts(struct rte_eth_dev *eth)
{
	const struct simvf_args *args = &of(eth)->args;
	bool full = args->copy || args->latency || args->tx_lag != 0;

	switch (args->wire) {
	case SIMVF_GEN:
		eth->rx_pkt_burst = args->copy ? simvf_rx_gen_copy : simvf_rx_gen;
		break;
	case SIMVF_SINK:
		eth->rx_pkt_burst = simvf_rx_none;
		break;
	default:
		eth->rx_pkt_burst = simvf_rx_wire;
	}
	if (args->wire == SIMVF_PEER || args->wire == SIMVF_IFACE)
		eth->tx_pkt_burst = simvf_tx_wire;
	else
		eth->tx_pkt_burst = full ? simvf_tx_sink_full : simvf_tx_sink;
	eth->rx_queue_count = simvf_rx_queue_count;
	eth->rx_descriptor_status = simvf_rx_descriptor_status;
	eth->tx_descriptor_status = simvf_tx_descriptor_status;
}

static void set_started(struct simvf_dev *dev, bool started)
{
	simvf_lock(dev);
	dev->started = started;
	simvf_unlock(dev);
}

static int dev_stop(struct rte_eth_dev *eth)
{
	set_started(of(eth), false);
	for (uint16_t i = 0; i < eth->data->nb_rx_queues; i++)
		simvf_rxq_stop(of(eth), i);
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		simvf_txq_stop(of(eth), i);
	eth->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
	simvf_lock(of(eth));
	simvf_fault_set(of(eth), SIMVF_FAULT_PF_RESET, 0);
	simvf_unlock(of(eth));
	return 0;
}

static int dev_start(struct rte_eth_dev *eth)
{
	struct simvf_dev *dev = of(eth);
	int ret;

	if (simvf_fault_next(dev, SIMVF_FAULT_DEV_START_FAILS))
		return -EIO;
	ret = reclassify(dev);
	for (uint16_t i = 0; ret == 0 && i < eth->data->nb_rx_queues; i++)
		if (!dev->rxq[i]->deferred)
			ret = simvf_rxq_start(dev, i);
	if (ret < 0) {
		dev_stop(eth);
		return ret;
	}
	for (uint16_t i = 0; i < eth->data->nb_tx_queues; i++)
		if (!dev->txq[i]->deferred)
			simvf_txq_start(dev, i);
	simvf_iface_drain(dev);
	set_started(dev, true);
	return 0;
}

static int link_update(struct rte_eth_dev *eth, int wait)
{
	struct rte_eth_link link = {
		.link_speed = RTE_ETH_SPEED_NUM_25G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = RTE_ETH_LINK_UP,
	};

	(void)wait;
	if (!simvf_wire_link_up(of(eth)))
		link.link_status = RTE_ETH_LINK_DOWN;
	return rte_eth_linkstatus_set(eth, &link);
}

static int mtu_set(struct rte_eth_dev *eth, uint16_t mtu)
{
	uint16_t len = (uint16_t)(mtu + SIMVF_OVERHEAD);
	struct simvf_dev *dev = of(eth);

	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		if (dev->rxq[i] != NULL)
			dev->rxq[i]->max_len = RTE_MIN(dev->rxq[i]->buf_size, len);
		if (dev->txq[i] != NULL)
			dev->txq[i]->max_len = len;
	}
	return reclassify(dev);
}

static void rxq_info_get(struct rte_eth_dev *eth, uint16_t queue, struct rte_eth_rxq_info *info)
{
	const struct simvf_rxq *q = of(eth)->rxq[queue];

	info->mp = q->mp;
	info->nb_desc = q->nb_desc;
	info->rx_buf_size = q->buf_size;
	info->conf.rx_free_thresh = q->free_thresh;
	info->conf.rx_deferred_start = q->deferred;
}

static void txq_info_get(struct rte_eth_dev *eth, uint16_t queue, struct rte_eth_txq_info *info)
{
	const struct simvf_txq *q = of(eth)->txq[queue];

	info->nb_desc = q->nb_desc;
	info->conf.tx_free_thresh = q->free_thresh;
	info->conf.tx_rs_thresh = q->rs_thresh;
	info->conf.tx_deferred_start = q->deferred;
}

const struct eth_dev_ops simvf_ops = {
	.dev_configure = dev_configure,
	.dev_start = dev_start,
	.dev_stop = dev_stop,
	.dev_close = simvf_dev_close,
	.dev_infos_get = infos_get,
	.link_update = link_update,
	.mtu_set = mtu_set,
	.promiscuous_enable = simvf_promiscuous_enable,
	.promiscuous_disable = simvf_promiscuous_disable,
	.allmulticast_enable = simvf_allmulticast_enable,
	.allmulticast_disable = simvf_allmulticast_disable,
	.mac_addr_set = simvf_mac_addr_set,
	.mac_addr_add = simvf_mac_addr_add,
	.mac_addr_remove = simvf_mac_addr_remove,
	.vlan_filter_set = simvf_vlan_filter_set,
	.vlan_offload_set = simvf_vlan_offload_set,
	.flow_ops_get = simvf_flow_ops_get,
	.rx_queue_setup = simvf_rx_queue_setup,
	.rx_queue_release = simvf_rx_queue_release,
	.rx_queue_start = simvf_rx_queue_start,
	.rx_queue_stop = simvf_rx_queue_stop,
	.tx_queue_setup = simvf_tx_queue_setup,
	.tx_queue_release = simvf_tx_queue_release,
	.tx_queue_start = simvf_tx_queue_start,
	.tx_queue_stop = simvf_tx_queue_stop,
	.tx_done_cleanup = simvf_tx_done_cleanup,
	.rxq_info_get = rxq_info_get,
	.txq_info_get = txq_info_get,
	.rss_hash_update = rss_hash_update,
	.rss_hash_conf_get = rss_hash_conf_get,
	.reta_update = reta_update,
	.reta_query = reta_query,
	.stats_get = simvf_stats_get,
	.stats_reset = simvf_stats_reset,
	.xstats_get = simvf_xstats_get,
	.xstats_get_names = simvf_xstats_get_names,
	.xstats_reset = simvf_stats_reset,
};
