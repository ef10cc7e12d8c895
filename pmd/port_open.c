/* SPDX-License-Identifier: BSD-3-Clause */
/* From a device's name to a port that runs. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "pmd/dma.h"
#include "pmd/port_priv.h"

/* Frame bytes beside the MTU: Ethernet header and two tags (QinQ). */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)
/* NICs round buffer sizes down to 1 KiB (82599 SRRCTL and its kin): keep to multiples. */
#define BUF_GRANULE 1024
/*
 * What a driver wants beside the MTU in a buffer, else it spreads frames over several (igb counts
 * header, checksum and three tags).
 */
#define BUF_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 3 * RTE_VLAN_HLEN)
#define TX_CACHE     64
/* Intel's drivers want tx_free_thresh below the ring's size by more than 3. */
#define TX_SPARE 4

static int find_port_id(const char *device, uint16_t *port_id)
{
	struct rte_dev_iterator it;
	int ret = rte_eth_iterator_init(&it, device);

	if (ret < 0)
		return ret;
	/* One ethdev per device: the first is the one. */
	*port_id = rte_eth_iterator_next(&it);
	if (*port_id == RTE_MAX_ETHPORTS)
		return -ENODEV;
	rte_eth_iterator_cleanup(&it);
	return 0;
}

static int probe(struct pmd_port *port)
{
	int ret;

	if (find_port_id(port->device, &port->port_id) == 0)
		return -EEXIST;
	ret = rte_dev_probe(port->device);
	if (ret < 0)
		return ret;
	ret = find_port_id(port->device, &port->port_id);
	return ret;
}

/*
 * With its first device VFIO maps all of EAL's own memory. If it may not lock so much, EAL says of
 * the device only that it cannot be attached.
 */
static void log_no_device(const struct pmd_port *port, int err)
{
	uint64_t own = rte_eal_get_physmem_size();
	struct pmd_memlock lock;
	char path[300];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", port->device);
	if (err != EEXIST && access(path, F_OK) == 0 &&
		pmd_memlock_read("/proc/self/status", &lock) == 0 && !lock.unlimited &&
		lock.locked + own > lock.limit)
		PMD_LOG(ERR,
			"%s: cannot open device %s: found a limit of %" PRIu64 " KiB of locked "
			"memory, %" PRIu64 " KiB in use; allowed at least %" PRIu64 " KiB, and "
			"what the containers have (ulimit -l, LimitMEMLOCK=), or CAP_IPC_LOCK",
			port->name, port->device, lock.limit >> 10, lock.locked >> 10,
			(lock.locked + own) >> 10);
	else
		PMD_LOG(ERR, "%s: cannot open device %s: %s", port->name, port->device,
			err == EEXIST ? "another port has it" : rte_strerror(err));
}

static int configure(struct pmd_port *port, struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = { .rxmode.mtu = port->mtu };
	int ret;

	if (port->nb_queues > info->max_rx_queues || port->nb_queues > info->max_tx_queues) {
		PMD_LOG(ERR, "%s: queues = %u; %s has %u Rx and %u Tx queues", port->name,
			port->nb_queues, port->device, info->max_rx_queues, info->max_tx_queues);
		return -EINVAL;
	}
	if (port->nb_queues > 1) {
		uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

		conf.rx_adv_conf.rss_conf.rss_hf = wanted & info->flow_type_rss_offloads;
		if (conf.rx_adv_conf.rss_conf.rss_hf != 0)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		port->reta_size = info->reta_size;
	}
	/*
	 * No offloads: none that edits received frames may run on a mapped queue, and FAST_FREE
	 * would free a batch into the first mbuf's pool.
	 */
	ret = rte_eth_dev_configure(port->port_id, port->nb_queues, port->nb_queues, &conf);
	if (ret < 0) {
		PMD_LOG(ERR, "%s: %s refuses %u queues with MTU %u: %s", port->name, port->device,
			port->nb_queues, port->mtu, rte_strerror(-ret));
		return ret;
	}
	ret = rte_eth_dev_set_mtu(port->port_id, port->mtu);
	if (ret == -ENOTSUP) {
		PMD_LOG(INFO, "%s: %s cannot set an MTU; assuming %u", port->name, port->device,
			port->mtu);
	} else if (ret < 0) {
		PMD_LOG(ERR, "%s: %s refuses MTU %u: %s", port->name, port->device, port->mtu,
			rte_strerror(-ret));
		return ret;
	}
	ret = rte_eth_dev_adjust_nb_rx_tx_desc(port->port_id, &port->rx_desc, &port->tx_desc);
	if (ret < 0)
		PMD_LOG(ERR, "%s: cannot set %u Rx and %u Tx descriptors: %s", port->name,
			port->rx_desc, port->tx_desc, rte_strerror(-ret));
	return ret;
}

static uint32_t choose_buffer(const struct pmd_port *port, uint16_t wanted)
{
	if (wanted != 0)
		return wanted;
	return RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_DATAROOM,
		RTE_ALIGN_CEIL((uint32_t)port->mtu + BUF_OVERHEAD, BUF_GRANULE));
}

/* A NIC that rounds the size down would spread frames over several buffers, or lose them. */
static int check_granule(const struct pmd_port *port)
{
	uint32_t granule, least;

	if (port->driver == NULL || port->driver->rx_granule == 0)
		return 0;
	granule = port->driver->rx_granule;
	least = RTE_ALIGN_CEIL((uint32_t)port->mtu + BUF_OVERHEAD, granule);
	if (port->rx_buffer >= least && port->rx_buffer % granule == 0)
		return 0;
	PMD_LOG(ERR, "%s: rx_buffer = %u; %s (%s) allows multiples of %u, with MTU %u from %u on",
		port->name, port->rx_buffer, port->device, port->driver_name, granule, port->mtu,
		least);
	return -EINVAL;
}

/* The same, for a driver that tells. */
static int check_buffer(const struct pmd_port *port, uint16_t queue)
{
	struct rte_eth_rxq_info info = { .rx_buf_size = 0 };

	if (rte_eth_rx_queue_info_get(port->port_id, queue, &info) != 0 || info.rx_buf_size == 0 ||
		info.rx_buf_size >= port->rx_buffer)
		return 0;
	PMD_LOG(ERR, "%s: rx_buffer = %u; %s makes it %u; allowed are sizes that it can do",
		port->name, port->rx_buffer, port->device, info.rx_buf_size);
	return -EINVAL;
}

static int setup_rx_queue(
	struct pmd_port *port, uint16_t queue, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rxconf conf = info->default_rxconf;
	char name[RTE_MEMPOOL_NAMESIZE];
	int ret;

	conf.offloads = 0;
	conf.rx_drop_en = 1; /* a slow container must not stall its neighbours' queues */
	snprintf(name, sizeof(name), "rx_%u_%u", port->number, queue);
	port->queues[queue].pool =
		pmd_rxpool_create(name, port->rx_desc, port->rx_buffer, port->socket_id);
	if (port->queues[queue].pool == NULL) {
		ret = -errno;
		PMD_LOG(ERR, "%s: no memory for the buffers of Rx queue %u (%u descriptors): %s",
			port->name, queue, port->rx_desc, rte_strerror(-ret));
		return ret;
	}
	port->queues[queue].pool->port_vlan = port->vlan;
	ret = rte_eth_rx_queue_setup(port->port_id, queue, port->rx_desc, port->socket_id, &conf,
		port->queues[queue].pool->headers.mp);
	if (ret < 0)
		PMD_LOG(ERR, "%s: %s refuses Rx queue %u (%u descriptors, %u byte buffers): %s",
			port->name, port->device, queue, port->rx_desc, port->rx_buffer,
			rte_strerror(-ret));
	return ret < 0 ? ret : check_buffer(port, queue);
}

static int setup_tx_queue(
	struct pmd_port *port, uint16_t queue, const struct rte_eth_dev_info *info)
{
	struct rte_eth_txconf conf = info->default_txconf;
	char name[RTE_MEMPOOL_NAMESIZE];
	int ret;

	conf.offloads = 0;
	/*
	 * DESIGN, invariant 4: a container's buffers come home as soon as there is one batch of
	 * them, not when the NIC's ring runs short. Drivers that name no threshold keep nothing.
	 */
	if (port->driver != NULL && port->driver->tx_rs_thresh != 0)
		conf.tx_rs_thresh = port->driver->tx_rs_thresh;
	if (port->driver != NULL && conf.tx_rs_thresh != 0 &&
		port->tx_desc > RTE_MAX(conf.tx_rs_thresh, TX_SPARE))
		conf.tx_free_thresh = port->tx_desc - RTE_MAX(conf.tx_rs_thresh, TX_SPARE);
	snprintf(name, sizeof(name), "txmap_%u_%u", port->number, queue);
	port->queues[queue].txpool = pmd_txpool_create(name, port->tx_desc, port->socket_id);
	if (port->queues[queue].txpool == NULL) {
		ret = -errno;
		PMD_LOG(ERR, "%s: no memory for Tx queue %u (%u descriptors): %s", port->name,
			queue, port->tx_desc, rte_strerror(-ret));
		return ret;
	}
	/*
	 * A clean-up looks at every descriptor but the one to be used next (ixgbe, i40e, ice): that
	 * one must not hold the oldest buffer, which all others wait for.
	 */
	if (port->driver != NULL && port->driver->tx_reap == PMD_TX_REAP_CLEANUP)
		pmd_txpool_limit(port->queues[queue].txpool, port->tx_desc - 1);
	ret = rte_eth_tx_queue_setup(port->port_id, queue, port->tx_desc, port->socket_id, &conf);
	if (ret < 0)
		PMD_LOG(ERR, "%s: %s refuses Tx queue %u (%u descriptors): %s", port->name,
			port->device, queue, port->tx_desc, rte_strerror(-ret));
	return ret;
}

/*
 * A VF whose PF did not answer when it was probed (it was down) has made up an address, which it
 * would announce at each start, and the PF refuse.
 */
static void set_mac(const struct pmd_port *port, const uint8_t *mac)
{
	struct rte_ether_addr now, want;
	int ret;

	if (mac == NULL || rte_eth_macaddr_get(port->port_id, &now) != 0)
		return;
	memcpy(want.addr_bytes, mac, sizeof(want.addr_bytes));
	if (rte_is_same_ether_addr(&now, &want))
		return;
	ret = rte_eth_dev_default_mac_addr_set(port->port_id, &want);
	if (ret < 0)
		PMD_LOG(WARNING, "%s: %s does not take the MAC address that its PF gave it: %s",
			port->name, port->device, rte_strerror(-ret));
}

static int setup_queues(struct pmd_port *port, const struct rte_eth_dev_info *info)
{
	/* NIC rings, unsent tails, one burst in the making, and what lcore caches may keep. */
	unsigned int nb_tx = port->nb_queues * (port->tx_desc + 2 * PMD_BURST) +
		2 * TX_CACHE * (rte_lcore_count() + 1);
	uint32_t tx_room = RTE_PKTMBUF_HEADROOM +
		RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_DATAROOM, port->max_frame);
	char name[RTE_MEMPOOL_NAMESIZE];
	int ret = 0;

	port->queues = calloc(port->nb_queues, sizeof(*port->queues));
	if (port->queues == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), "tx_%u", port->number);
	port->tx_pool = rte_pktmbuf_pool_create(
		name, nb_tx, TX_CACHE, 0, (uint16_t)tx_room, port->socket_id);
	if (port->tx_pool == NULL) {
		PMD_LOG(ERR, "%s: no memory for %u transmit buffers: %s", port->name, nb_tx,
			rte_strerror(rte_errno));
		return -ENOMEM;
	}
	for (uint16_t q = 0; q < port->nb_queues && ret == 0; q++) {
		ret = setup_rx_queue(port, q, info);
		if (ret == 0)
			ret = setup_tx_queue(port, q, info);
	}
	return ret;
}

static int start(struct pmd_port *port)
{
	int ret = rte_eth_dev_start(port->port_id);

	if (ret < 0) {
		PMD_LOG(ERR, "%s: cannot start %s: %s", port->name, port->device,
			rte_strerror(-ret));
		return ret;
	}
	port->started = true;
	if (port->driver != NULL && port->driver->whole_device)
		return 0;
	/* Nothing announces the ability to stop one queue: try it while nobody uses it. */
	port->stops_queues = rte_eth_dev_rx_queue_stop(port->port_id, 0) == 0;
	port->queues[0].rx_stopped = port->stops_queues;
	port->stops_tx_queues = rte_eth_dev_tx_queue_stop(port->port_id, 0) == 0;
	port->queues[0].tx_stopped = port->stops_tx_queues;
	return pmd_port_resume(port);
}

int pmd_port_open(const struct pmd_port_conf *conf, struct pmd_port **out)
{
	static unsigned int number;
	struct rte_eth_dev_info info;
	struct pmd_port *port = calloc(1, sizeof(*port));
	int ret;

	if (port == NULL)
		return -ENOMEM;
	snprintf(port->name, sizeof(port->name), "%s", conf->name);
	snprintf(port->device, sizeof(port->device), "%s",
		conf->vf != NULL ? conf->vf : conf->device);
	port->number = number++;
	port->nb_queues = conf->nb_queues;
	port->mtu = conf->mtu;
	port->rx_desc = conf->rx_desc;
	port->tx_desc = conf->tx_desc;
	port->vlan = conf->vlan;
	port->max_frame = conf->mtu + FRAME_OVERHEAD;
	port->rx_buffer = choose_buffer(port, conf->rx_buffer);

	ret = probe(port);
	if (ret < 0) {
		log_no_device(port, -ret);
		goto free;
	}
	ret = rte_eth_dev_info_get(port->port_id, &info);
	if (ret < 0)
		goto remove;
	port->socket_id = rte_eth_dev_socket_id(port->port_id);
	if (port->socket_id < 0)
		port->socket_id = (int)rte_socket_id();
	port->dev = info.device;
	snprintf(port->driver_name, sizeof(port->driver_name), "%s", info.driver_name);
	port->driver = pmd_driver_find(port->driver_name);
	pmd_dma_open(port);
	pmd_device_pf(port);

	ret = check_granule(port);
	if (ret == 0)
		ret = configure(port, &info);
	if (ret == 0) {
		set_mac(port, conf->mac);
		ret = setup_queues(port, &info);
	}
	if (ret == 0)
		ret = start(port);
	if (ret < 0)
		goto remove;

	PMD_LOG(INFO, "%s: %s, driver %s (%s), %u queue(s) of %u Rx and %u Tx descriptors, MTU %u",
		port->name, port->device, port->driver_name,
		port->driver == NULL                           ? "not on the list for mapping"
			: port->driver->evidence == PMD_TESTED ? "mapping tested"
							       : "mapping read in its source",
		port->nb_queues, port->rx_desc, port->tx_desc, port->mtu);
	*out = port;
	return 0;

remove:
	/* A device that runs cannot be closed. */
	if (port->started)
		rte_eth_dev_stop(port->port_id);
	pmd_port_remove_device(port->port_id);
free:
	pmd_port_free(port);
	return ret;
}
