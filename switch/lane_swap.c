/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/lane_swap.h"

#include <errno.h>

#include <rte_cycles.h>

#include "pmd/dma.h"
#include "switch/switch.h"

#define RESTART_WINDOW_SEC 10
#define MAX_RESTARTS       20
/* How long the NIC gets to transmit what it has, before its queue is stopped. */
#define TX_HOME_LIMIT_MS 10

uint16_t sw_swap_wanted(const struct sw_lane *lane)
{
	/*
	 * A driver that takes buffers as packets come needs none: should they turn out not to fit,
	 * the lane falls back.
	 */
	return lane->port->driver->prefills ? lane->port->rx_desc : 0;
}

bool sw_swap_disturbs(const struct sw_lane *lane)
{
	bool rx = lane->want_rx != (lane->pool->vr != NULL);
	bool tx = lane->txpool->vr != NULL && !lane->want_tx;

	return (rx && !lane->port->stops_queues) || (tx && !lane->port->stops_tx_queues);
}

/*
 * Mapping stops the device for a moment where single queues cannot be stopped. A container that
 * comes and goes all the time must not cost its neighbours theirs.
 */
static bool restarts_too_often(struct sw_lane *lane)
{
	uint64_t now = rte_get_timer_cycles();

	if (pmd_port_stops_queues(lane->port) || lane->port->nb_queues == 1)
		return false;
	if (now - lane->window_start > RESTART_WINDOW_SEC * rte_get_timer_hz()) {
		lane->window_start = now;
		lane->window_starts = 0;
	}
	return ++lane->window_starts > MAX_RESTARTS;
}

/* Why received packets cannot be mapped, or NULL. The ring is at rest. */
static const char *rx_obstacle(struct sw_lane *lane)
{
	enum vh_fit fit;

	lane->lacks_buffers = false;
	if (lane->container->conf->mapping == CFG_MAPPING_OFF)
		return "mapping = off";
	if (lane->never_map != NULL)
		return lane->never_map;
	if (lane->port->driver == NULL)
		return "driver not on the list for mapping";
	/* DESIGN, invariant 4: never more than half the ring on loan to the NIC. */
	if (vh_ring_size(&lane->pair.rx) < 2u * lane->port->rx_desc)
		return "ring has less than twice rx_desc entries";
	fit = pmd_rxpool_try(lane->pool, &lane->pair.rx, sw_swap_wanted(lane));
	lane->lacks_buffers = fit == VH_FIT_EMPTY;
	if (fit != VH_FIT)
		return vh_fit_str(fit);
	if (restarts_too_often(lane))
		return "restarted too often for its neighbours on the port";
	return NULL;
}

static const char *tx_obstacle(const struct sw_lane *lane)
{
	if (lane->container->conf->mapping == CFG_MAPPING_OFF)
		return "mapping = off";
	if (lane->container->conf->mapping == CFG_MAPPING_RX)
		return "mapping = rx";
	if (lane->never_map_tx != NULL)
		return lane->never_map_tx;
	if (lane->port->driver == NULL)
		return "driver not on the list for mapping";
	if (lane->port->driver->tx_reap == PMD_TX_REAP_NONE)
		return "driver keeps what it has sent";
	if (vh_ring_size(&lane->pair.tx) < 2u * lane->port->tx_desc)
		return "ring has less than twice tx_desc entries";
	return NULL;
}

void sw_swap_decide(struct sw_lane *lane)
{
	lane->why_copied = rx_obstacle(lane);
	lane->why_tx_copied = tx_obstacle(lane);
	if (lane->why_copied == NULL || lane->why_tx_copied == NULL) {
		const char *why = NULL;

		lane->dma = pmd_dma_get(lane->port, lane->pair.mem, &why) == 0;
		if (!lane->dma && lane->why_copied == NULL)
			lane->why_copied = why;
		if (!lane->dma && lane->why_tx_copied == NULL)
			lane->why_tx_copied = why;
	}
	lane->want_rx = lane->why_copied == NULL;
	lane->want_tx = lane->why_tx_copied == NULL;
}

void sw_swap_release(struct sw_lane *lane)
{
	if (lane->dma)
		pmd_dma_put(lane->port, lane->pair.mem);
	lane->dma = false;
}

/* Waits a moment for the NIC to transmit what it has been lent: nothing is lost then. */
static void bring_tx_home(struct sw_lane *lane)
{
	uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() * TX_HOME_LIMIT_MS / 1000;

	while (pmd_txpool_loans(lane->txpool) > 0 && rte_get_timer_cycles() < end)
		pmd_tx_reap(lane->port_id, lane->queue, lane->tx_cleanup);
}

/* Those of an abandoned ring have been counted. */
static void count_unsure(struct sw_lane *lane)
{
	if (!lane->abandoned)
		lane->stats.tx_unsure += pmd_txpool_loans(lane->txpool);
}

/* Transmissions that a stop of the device would cut off: those of every lane on the port. */
static void leave_tx_behind(struct switch_ctx *sw, const struct pmd_port *port)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++) {
		struct sw_lane *lane = sw->lanes[i];

		if (lane->port != port || lane->txpool->vr == NULL)
			continue;
		bring_tx_home(lane);
		count_unsure(lane);
	}
}

/* Stops what has to be stopped, so that nothing which is to be swapped is out. */
static int stop_queues(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	struct pmd_port *port = lanes[0]->port;
	bool rx = false, tx = false;
	int ret = 0;

	for (unsigned int i = 0; i < nb; i++) {
		rx |= lanes[i]->want_rx != (lanes[i]->pool->vr != NULL);
		if (lanes[i]->txpool->vr == NULL || lanes[i]->want_tx)
			continue;
		bring_tx_home(lanes[i]);
		tx |= pmd_txpool_loans(lanes[i]->txpool) > 0;
	}
	if ((rx && !port->stops_queues) || (tx && !port->stops_tx_queues))
		leave_tx_behind(sw, port);
	for (unsigned int i = 0; i < nb && ret == 0; i++) {
		struct sw_lane *lane = lanes[i];

		if (lane->want_rx != (lane->pool->vr != NULL))
			ret = pmd_rx_stop(port, lane->queue);
		if (ret < 0 || lane->want_tx || pmd_txpool_loans(lane->txpool) == 0)
			continue;
		if (port->stops_tx_queues)
			count_unsure(lane);
		ret = pmd_tx_stop(port, lane->queue);
	}
	return ret;
}

static int set_backings(struct sw_lane *lane)
{
	int ret = 0;

	if (lane->want_rx != (lane->pool->vr != NULL))
		ret = lane->want_rx ? pmd_rxpool_attach(lane->pool, &lane->pair.rx)
				    : pmd_rxpool_detach(lane->pool);
	if (ret == 0 && lane->want_tx != (lane->txpool->vr != NULL))
		ret = lane->want_tx ? pmd_txpool_attach(lane->txpool, &lane->pair.tx)
				    : pmd_txpool_detach(lane->txpool);
	return ret;
}

/* Takes a ring off its stopped queue: it cannot fill it now. */
static int fall_back(struct sw_lane *lane, enum vh_fit fit)
{
	lane->want_rx = false;
	if (lane->state != SW_LANE_PARKED)
		lane->why_copied = vh_fit_str(fit);
	lane->lacks_buffers = fit == VH_FIT_EMPTY;
	if (lane->state == SW_LANE_MAPPED)
		lane->state = SW_LANE_COPIED;
	return pmd_rxpool_detach(lane->pool);
}

/*
 * What has been stopped is filled anew on its start, the whole device perhaps. A container that is
 * slow, or hostile, must not keep its neighbours' device from starting, nor make its driver give up
 * half way (ixgbe, i40e and ice keep what they had got).
 */
static int reserve_buffers(struct switch_ctx *sw, const struct pmd_port *port)
{
	int ret = 0;

	for (unsigned int i = 0; i < sw->nb_lanes && ret == 0; i++) {
		struct sw_lane *lane = sw->lanes[i];
		enum vh_fit fit;

		if (lane->port != port || lane->pool->vr == NULL ||
			(port->started && !port->queues[lane->queue].rx_stopped))
			continue;
		fit = pmd_rxpool_reserve(lane->pool, sw_swap_wanted(lane));
		if (fit != VH_FIT)
			ret = fall_back(lane, fit);
	}
	return ret;
}

static void release_buffers(struct switch_ctx *sw, const struct pmd_port *port)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == port)
			pmd_rxpool_release(sw->lanes[i]->pool);
}

/* 0 also if the port has to be halted: then it is, and no ring is out. */
static int start_queues(struct switch_ctx *sw, struct pmd_port *port)
{
	int ret = reserve_buffers(sw, port);
	bool started = ret == 0 && pmd_port_resume(port) == 0;

	release_buffers(sw, port);
	if (started)
		return 0;
	/* Not for want of buffers, it seems. On host buffers it must start. */
	for (unsigned int i = 0; i < sw->nb_lanes && ret == 0; i++) {
		struct sw_lane *lane = sw->lanes[i];

		if (lane->port == port && lane->pool->vr != NULL &&
			(!port->started || port->queues[lane->queue].rx_stopped))
			ret = fall_back(lane, VH_FIT_EMPTY);
	}
	if (ret < 0) /* a driver that gave up half way has kept buffers */
		return ret;
	ret = pmd_port_resume(port);
	if (ret == 0 || port->stuck || port->started)
		return ret;
	/* Every queue has its host buffers: nobody's ring depends on the device any more. */
	pmd_port_halt(port);
	return 0;
}

int sw_swap(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	struct pmd_port *port = lanes[0]->port;
	int ret = stop_queues(sw, lanes, nb);

	for (unsigned int i = 0; i < nb && ret == 0; i++)
		ret = set_backings(lanes[i]);
	/* Halted before: port.c starts it, and then every container on it. */
	if (ret == 0 && !port->halted)
		ret = start_queues(sw, port);
	if (ret == 0)
		return port->halted ? -EAGAIN : 0;
	if (!port->stuck)
		pmd_port_give_up(port, "its queues cannot be restored");
	return -EIO;
}
