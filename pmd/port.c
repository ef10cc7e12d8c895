/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that runs: stopped, started, given back. */
#include "pmd/port_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>

RTE_LOG_REGISTER(pmd_logtype, vfring.pmd, INFO);

void pmd_port_remove_device(uint16_t port_id)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port_id, &info) != 0 || info.device == NULL)
		return;
	struct rte_device *dev = info.device;
	rte_eth_dev_close(port_id);
	rte_dev_remove(dev);
}

static void free_queue(struct pmd_queue *q)
{
	pmd_rxpool_destroy(q->pool);
	pmd_txpool_destroy(q->txpool);
}

void pmd_port_free(struct pmd_port *port)
{
	for (uint16_t q = 0; port->queues != NULL && q < port->nb_queues; q++)
		free_queue(&port->queues[q]);
	rte_mempool_free(port->tx_pool);
	pmd_dma_close(port);
	free(port->queues);
	free(port);
}

bool pmd_port_close(struct pmd_port *port)
{
	if (port == NULL)
		return true;
	if (!port->stuck && !port->removed)
		pmd_port_remove(port);
	if (port->stuck)
		return false;
	pmd_port_free(port);
	return true;
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

/* The device has been out of use since stopped_at. */
static void count_gap(struct pmd_port *port)
{
	port->nb_gaps++;
	port->gap_last_us =
		(rte_get_timer_cycles() - port->stopped_at) * US_PER_S / rte_get_timer_hz();
	port->gap_max_us = RTE_MAX(port->gap_max_us, port->gap_last_us);
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
	count_gap(port);
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
	if (pmd_events_close(port) < 0) {
		pmd_port_give_up(port, "EAL does not let go of it");
		return;
	}
	pmd_port_remove_device(port->port_id);
	port->removed = true;
	/* Room for the port that may take its place. The rest is small, and still looked at. */
	for (uint16_t q = 0; q < port->nb_queues; q++)
		pmd_rxpool_drop_host(port->queues[q].pool);
	rte_mempool_free(port->tx_pool);
	port->tx_pool = NULL;
}

void pmd_port_inherit(struct pmd_port *port, struct pmd_port *old)
{
	port->nb_gaps = old->nb_gaps;
	port->gap_max_us = old->gap_max_us;
	port->stopped_at = old->stopped_at;
	count_gap(port);
	pmd_port_free(old);
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
	/* Not before the last queue runs: until then it is tried again. */
	if (result == 0)
		port->halted = false;
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
