/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/port.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_malloc.h>

RTE_LOG_REGISTER(pmd_logtype, vfring.pmd, INFO);

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

static void remove_device(uint16_t port_id)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port_id, &info) != 0 || info.device == NULL)
		return;
	struct rte_device *dev = info.device;
	rte_eth_dev_close(port_id);
	rte_dev_remove(dev);
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
	snprintf(name, sizeof(name), "rx_%u_%u", port->port_id, queue);
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
	snprintf(name, sizeof(name), "txmap_%u_%u", port->port_id, queue);
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
	snprintf(name, sizeof(name), "tx_%u", port->port_id);
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

static void free_queue(struct pmd_queue *q)
{
	pmd_rxpool_destroy(q->pool);
	pmd_txpool_destroy(q->txpool);
}

static void free_port(struct pmd_port *port)
{
	for (uint16_t q = 0; port->queues != NULL && q < port->nb_queues; q++)
		free_queue(&port->queues[q]);
	rte_mempool_free(port->tx_pool);
	pmd_dma_close(port);
	free(port->queues);
	free(port);
}

int pmd_port_open(const struct pmd_port_conf *conf, struct pmd_port **out)
{
	struct rte_eth_dev_info info;
	struct pmd_port *port = calloc(1, sizeof(*port));
	int ret;

	if (port == NULL)
		return -ENOMEM;
	snprintf(port->name, sizeof(port->name), "%s", conf->name);
	snprintf(port->device, sizeof(port->device), "%s",
		conf->vf != NULL ? conf->vf : conf->device);
	port->nb_queues = conf->nb_queues;
	port->mtu = conf->mtu;
	port->rx_desc = conf->rx_desc;
	port->tx_desc = conf->tx_desc;
	port->vlan = conf->vlan;
	port->max_frame = conf->mtu + FRAME_OVERHEAD;
	port->rx_buffer = choose_buffer(port, conf->rx_buffer);

	ret = probe(port);
	if (ret < 0) {
		PMD_LOG(ERR, "%s: cannot open device %s: %s", port->name, port->device,
			ret == -EEXIST ? "another port has it" : rte_strerror(-ret));
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
	port->pf_ifindex = pmd_device_pf(port, port->pf_ifname);
	*out = port;
	return 0;

remove:
	/* A device that runs cannot be closed. */
	if (port->started)
		rte_eth_dev_stop(port->port_id);
	remove_device(port->port_id);
free:
	free_port(port);
	return ret;
}

void pmd_port_close(struct pmd_port *port)
{
	if (port == NULL || port->stuck)
		return;
	if (!port->removed)
		pmd_port_remove(port);
	if (!port->stuck)
		free_port(port);
}

void pmd_port_give_up(struct pmd_port *port, const char *why)
{
	if (!port->stuck)
		PMD_LOG(CRIT, "%s: %s; the port is left as it is", port->name, why);
	port->stuck = true;
}

void pmd_port_halt(struct pmd_port *port)
{
	if (port->halted || port->stuck)
		return;
	PMD_LOG(ERR, "%s: it stays stopped, and is started as soon as it can be", port->name);
	port->halted = true;
}

/* A driver may wait for ever on a device that is gone: then nothing more is asked of it. */
static int check_present(struct pmd_port *port)
{
	if (port->stuck)
		return -EIO;
	if (pmd_device_present(port))
		return 0;
	pmd_port_give_up(port, "the device has vanished");
	return -ENODEV;
}

static int stop_device(struct pmd_port *port)
{
	int ret;

	if (!port->started)
		return 0;
	ret = check_present(port);
	if (ret < 0)
		return ret;
	port->stopped_at = rte_get_timer_cycles();
	ret = rte_eth_dev_stop(port->port_id);
	if (ret < 0) {
		PMD_LOG(ERR, "%s: cannot stop the device: %s", port->name, rte_strerror(-ret));
		pmd_port_give_up(port, "its state is unknown");
		return ret;
	}
	port->started = false;
	return 0;
}

int pmd_rx_stop(struct pmd_port *port, uint16_t queue)
{
	struct pmd_queue *q = &port->queues[queue];
	int ret = 0;

	if (port->stuck)
		return -EIO;
	if (!port->stops_queues) {
		ret = stop_device(port);
	} else if (!q->rx_stopped && (ret = check_present(port)) == 0) {
		ret = rte_eth_dev_rx_queue_stop(port->port_id, queue);
		if (ret < 0) {
			PMD_LOG(ERR, "%s: cannot stop Rx queue %u: %s", port->name, queue,
				rte_strerror(-ret));
			pmd_port_give_up(port, "its state is unknown");
		} else {
			q->rx_stopped = true;
		}
	}
	if (ret == 0 && pmd_rxpool_loans(q->pool) != 0) {
		PMD_LOG(ERR, "%s: Rx queue %u is stopped, but its driver keeps %u buffers",
			port->name, queue, pmd_rxpool_loans(q->pool));
		pmd_port_give_up(port, "buffers are missing");
		ret = -EBUSY;
	}
	return ret;
}

int pmd_tx_stop(struct pmd_port *port, uint16_t queue)
{
	struct pmd_queue *q = &port->queues[queue];
	int ret = 0;

	if (port->stuck)
		return -EIO;
	if (!port->stops_tx_queues) {
		ret = stop_device(port);
	} else if (!q->tx_stopped && (ret = check_present(port)) == 0) {
		ret = rte_eth_dev_tx_queue_stop(port->port_id, queue);
		if (ret < 0) {
			PMD_LOG(ERR, "%s: cannot stop Tx queue %u: %s", port->name, queue,
				rte_strerror(-ret));
			pmd_port_give_up(port, "its state is unknown");
		} else {
			q->tx_stopped = true;
		}
	}
	if (ret == 0 && pmd_txpool_loans(q->txpool) != 0) {
		PMD_LOG(ERR, "%s: Tx queue %u is stopped, but its driver keeps %u buffers",
			port->name, queue, pmd_txpool_loans(q->txpool));
		pmd_port_give_up(port, "buffers are missing");
		ret = -EBUSY;
	}
	return ret;
}

static int start_device(struct pmd_port *port)
{
	int ret = rte_eth_dev_start(port->port_id);

	if (ret < 0) {
		if (!port->halted) /* once */
			PMD_LOG(ERR, "%s: cannot start the device: %s", port->name,
				rte_strerror(-ret));
		return ret;
	}
	port->started = true;
	port->halted = false;
	port->nb_gaps++;
	port->gap_last_us =
		(rte_get_timer_cycles() - port->stopped_at) * US_PER_S / rte_get_timer_hz();
	port->gap_max_us = RTE_MAX(port->gap_max_us, port->gap_last_us);
	PMD_LOG(DEBUG, "%s: no packet went through for %" PRIu64 " us", port->name,
		port->gap_last_us);
	return 0;
}

int pmd_port_restart(struct pmd_port *port)
{
	int ret = stop_device(port);

	return ret < 0 ? ret : pmd_port_resume(port);
}

void pmd_port_remove(struct pmd_port *port)
{
	if (stop_device(port) < 0 || check_present(port) < 0)
		return;
	pmd_events_close(port);
	remove_device(port->port_id);
	port->removed = true;
}

int pmd_port_resume(struct pmd_port *port)
{
	int ret = check_present(port), result = 0;

	if (ret < 0)
		return ret;
	if (!port->started) {
		ret = start_device(port);
		if (ret < 0)
			return ret;
	}
	for (uint16_t i = 0; i < port->nb_queues; i++) {
		struct pmd_queue *q = &port->queues[i];

		ret = q->rx_stopped ? rte_eth_dev_rx_queue_start(port->port_id, i) : 0;
		q->rx_stopped = q->rx_stopped && ret < 0;
		if (ret == 0 && q->tx_stopped) {
			ret = rte_eth_dev_tx_queue_start(port->port_id, i);
			q->tx_stopped = ret < 0;
		}
		if (ret < 0) {
			PMD_LOG(ERR, "%s: cannot start queue %u: %s", port->name, i,
				rte_strerror(-ret));
			result = ret;
		}
	}
	return result;
}

bool pmd_port_poll_link(struct pmd_port *port)
{
	struct rte_eth_link link = { .link_status = RTE_ETH_LINK_DOWN };
	bool up;

	if (!pmd_port_usable(port) || rte_eth_link_get_nowait(port->port_id, &link) != 0)
		return false;
	up = link.link_status == RTE_ETH_LINK_UP;
	if (up == port->link_up)
		return false;
	port->link_up = up;
	PMD_LOG(NOTICE, "%s: link %s", port->name, up ? "up" : "down");
	return true;
}
