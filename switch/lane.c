/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes: putting a ring pair to work and taking it back. Control thread. */
#include "switch/lane.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "switch/plan.h"
#include "switch/switch.h"
#include "vhost/split.h"

static const char *const state_names[SW_LANE_STATES] = {
	[SW_LANE_DRAIN] = "drain",
	[SW_LANE_PAUSED] = "paused",
	[SW_LANE_COPIED] = "copied",
	[SW_LANE_MAPPED] = "mapped",
	[SW_LANE_PARKED] = "parked",
};

const char *sw_lane_state_str(enum sw_lane_state state)
{
	return state < SW_LANE_STATES ? state_names[state] : "?";
}

/* The control thread's own mistakes: these functions belong to it alone. */
static void assert_control(const struct switch_ctx *sw)
{
	RTE_VERIFY(pthread_equal(sw->control, pthread_self()));
}

/* Lanes of the same port have to keep still while its device is stopped. */
static void suspend_siblings(struct switch_ctx *sw, const struct sw_lane *lane, bool suspend)
{
	if (pmd_port_stops_queues(lane->port))
		return;
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == lane->port && sw->lanes[i] != lane)
			sw->lanes[i]->suspended = suspend;
}

static void park(struct switch_ctx *sw, struct sw_lane *lane, const char *why)
{
	SW_LOG(CRIT, "%s queue %u: %s; the queue is parked, its memory is kept", lane->port->name,
		lane->queue, why);
	lane->state = SW_LANE_PARKED;
	lane->why_copied = why;
	if (lane->pair.conn != NULL)
		vh_port_pair_parked(&lane->pair, lane->pair_index);
	if (lane->port->stuck) {
		/* The device is in an unknown state: nothing polls it any more. */
		for (unsigned int i = 0; i < sw->nb_lanes; i++)
			if (sw->lanes[i]->port == lane->port)
				sw->lanes[i]->suspended = true;
	} else {
		suspend_siblings(sw, lane, false);
	}
	sw_plans_publish(sw, false);
}

/*
 * Swaps what stands behind the Rx queue's pool; vr NULL: host buffers. The lane is in no plan, nor
 * are its siblings if the device has to stop.
 */
static int swap_backing(struct sw_lane *lane, struct vh_vring *vr)
{
	int ret = pmd_queue_stop(lane->port, lane->queue);

	if (ret < 0)
		return ret;
	ret = vr != NULL ? pmd_rxpool_attach(lane->pool, vr) : pmd_rxpool_detach(lane->pool);
	if (ret < 0)
		return ret;
	ret = pmd_queue_start(lane->port, lane->queue);
	if (ret == 0 || vr == NULL)
		return ret;
	/* The ring could not fill the queue after all: back to host buffers. */
	if (pmd_rxpool_detach(lane->pool) < 0)
		return -EIO;
	ret = pmd_queue_start(lane->port, lane->queue);
	return ret < 0 ? ret : -EAGAIN;
}

/*
 * Buffers that the ring must offer before the queue can start on it. A driver that takes buffers as
 * packets come needs none: should they turn out not to fit, the lane falls back.
 */
static uint16_t wanted_at_start(const struct sw_lane *lane)
{
	return lane->port->driver->prefills ? lane->port->rx_desc : 0;
}

/* Why the ring cannot be mapped, or NULL. The ring is at rest. */
static const char *map_obstacle(struct sw_lane *lane)
{
	const struct pmd_driver *driver = lane->port->driver;
	enum vh_fit fit;

	if (lane->container->conf->mapping == CFG_MAPPING_OFF)
		return "mapping = off";
	if (lane->never_map != NULL)
		return lane->never_map;
	if (driver == NULL)
		return "driver not on the list for mapping";
	/* DESIGN, invariant 4: never more than half the ring on loan to the NIC. */
	if (lane->pair.rx.mask + 1u < 2u * lane->port->rx_desc)
		return "ring has less than twice rx_desc entries";
	fit = pmd_rxpool_try(lane->pool, &lane->pair.rx, wanted_at_start(lane));
	return fit == VH_FIT ? NULL : vh_fit_str(fit);
}

/* Out of the plans, and nobody looks any more. */
static int withdraw(struct switch_ctx *sw, struct sw_lane *lane, bool whole_device)
{
	lane->state = SW_LANE_PAUSED;
	lane->paused_since = rte_get_timer_cycles();
	if (whole_device)
		suspend_siblings(sw, lane, true);
	return sw_plans_publish(sw, true);
}

int sw_lane_start(struct switch_ctx *sw, struct sw_lane *lane, const char **why)
{
	int ret;

	assert_control(sw);
	if (lane->state != SW_LANE_DRAIN && lane->state != SW_LANE_PAUSED)
		return lane->state == SW_LANE_PARKED ? -EIO : 0;
	ret = vh_port_pair_start(lane->container->vport, lane->pair_index, &lane->pair, why);
	if (ret == -EAGAIN && lane->state == SW_LANE_PAUSED)
		return ret;

	const char *obstacle = ret == 0 ? map_obstacle(lane) : NULL;
	bool map = ret == 0 && obstacle == NULL;
	if (lane->state == SW_LANE_DRAIN || map) {
		int err = withdraw(sw, lane, map);
		if (err < 0) {
			park(sw, lane, "a worker does not let go");
			return err;
		}
	}
	if (ret < 0)
		return ret;

	if (map) {
		ret = swap_backing(lane, &lane->pair.rx);
		if (ret == -EAGAIN) {
			obstacle = vh_fit_str(VH_FIT_EMPTY);
		} else if (ret < 0) {
			park(sw, lane, "the Rx queue cannot be mapped and not be restored");
			return ret;
		}
		suspend_siblings(sw, lane, false);
	}
	lane->why_copied = obstacle;
	lane->state = obstacle == NULL ? SW_LANE_MAPPED : SW_LANE_COPIED;
	lane->nb_starts++;
	lane->nb_mapped_starts += lane->state == SW_LANE_MAPPED;
	SW_LOG(INFO, "%s: ring pair %u of %u entries on %s queue %u: %s%s%s",
		lane->container->conf->name, lane->pair_index, lane->pair.rx.mask + 1u,
		lane->port->name, lane->queue, sw_lane_state_str(lane->state),
		obstacle ? ", because " : "", obstacle ? obstacle : "");
	/* Nobody waits for what the old plans named: this only adds. */
	return sw_plans_publish(sw, false);
}

/* Packets between the NIC and the ring when it was taken away: counted, not forgotten. */
static void drop_waiting(struct sw_lane *lane)
{
	lane->stats.rx_drop_stop += lane->nb_rx_wait;
	while (lane->nb_rx_wait > 0) {
		rte_pktmbuf_free(lane->rx_wait[lane->rx_wait_at++]);
		lane->nb_rx_wait--;
	}
	lane->stats.tx_drop_stop += lane->nb_tx_wait;
	while (lane->nb_tx_wait > 0) {
		rte_pktmbuf_free(lane->tx_wait[lane->tx_wait_at++]);
		lane->nb_tx_wait--;
	}
}

int sw_lane_stop(struct switch_ctx *sw, struct sw_lane *lane)
{
	bool mapped = lane->state == SW_LANE_MAPPED;
	int ret;

	assert_control(sw);
	if (lane->state == SW_LANE_PARKED)
		return -EIO;
	if (lane->state != SW_LANE_MAPPED && lane->state != SW_LANE_COPIED)
		return 0;

	ret = withdraw(sw, lane, mapped);
	if (ret < 0) {
		park(sw, lane, "a worker does not let go of the ring");
		return ret;
	}
	drop_waiting(lane);
	if (mapped) {
		ret = swap_backing(lane, NULL);
		if (ret < 0) {
			park(sw, lane, "the NIC does not let go of the ring");
			return ret;
		}
		suspend_siblings(sw, lane, false);
	}
	vh_port_pair_stopped(&lane->pair, lane->pair_index);
	lane->why_copied = NULL;
	SW_LOG(DEBUG, "%s: ring pair %u taken back", lane->container->conf->name, lane->pair_index);
	/* The siblings go on. */
	return mapped && !pmd_port_stops_queues(lane->port) ? sw_plans_publish(sw, false) : 0;
}

void sw_lane_drain(struct switch_ctx *sw, struct sw_lane *lane)
{
	assert_control(sw);
	if (lane->state != SW_LANE_PAUSED)
		return;
	lane->state = SW_LANE_DRAIN;
	sw_plans_publish(sw, false);
}

enum sw_care sw_lane_care(struct sw_lane *lane, const char **why)
{
	enum vh_fault fault;

	if (lane->state != SW_LANE_MAPPED && lane->state != SW_LANE_COPIED)
		return SW_CARE_NONE;

	fault = vh_ring_fault(&lane->pair.rx);
	if (fault == VH_FAULT_NONE)
		fault = vh_ring_fault(&lane->pair.tx);
	if (fault != VH_FAULT_NONE) {
		*why = vh_fault_str(fault);
		return SW_CARE_RESET;
	}
	if (lane->state == SW_LANE_MAPPED) {
		if (pmd_rxpool_fault(lane->pool) != PMD_RX_FAULT_NONE)
			*why = pmd_rx_fault_str(pmd_rxpool_fault(lane->pool));
		else if (pmd_rxpool_unfit(lane->pool) != VH_FIT)
			*why = vh_fit_str(pmd_rxpool_unfit(lane->pool));
		else
			return SW_CARE_NONE;
		lane->never_map = *why;
		return SW_CARE_COPY;
	}
	/* Copied only because the container had not posted enough yet? */
	if (lane->why_copied == vh_fit_str(VH_FIT_EMPTY) &&
		vh_split_offered(&lane->pair.rx) >= wanted_at_start(lane))
		return SW_CARE_REMAP;
	return SW_CARE_NONE;
}
