/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes: putting a ring pair to work and taking it back. Control thread. */
#include "switch/lane.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "switch/plan.h"
#include "switch/switch.h"

#define RESTART_WINDOW_SEC 10
#define MAX_RESTARTS       20

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
	if (pmd_rxpool_detach(lane->pool) < 0) {
		lane->port->stuck = true;
		return -EIO;
	}
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

/* Why the ring cannot be mapped, or NULL. The ring is at rest. */
static const char *map_obstacle(struct sw_lane *lane)
{
	const struct pmd_driver *driver = lane->port->driver;
	enum vh_fit fit;

	lane->lacks_buffers = false;
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
	lane->lacks_buffers = fit == VH_FIT_EMPTY;
	if (fit != VH_FIT)
		return vh_fit_str(fit);
	if (restarts_too_often(lane))
		return "restarted too often for its neighbours on the port";
	return NULL;
}

static void pause_lane(struct switch_ctx *sw, struct sw_lane *lane, bool whole_device)
{
	lane->state = SW_LANE_PAUSED;
	lane->paused_since = rte_get_timer_cycles();
	if (whole_device)
		suspend_siblings(sw, lane, true);
}

int sw_lane_start(struct switch_ctx *sw, struct sw_lane *lane, const char **why)
{
	int ret;

	assert_control(sw);
	if (lane->state == SW_LANE_PARKED || lane->port->stuck)
		return -EIO;
	if (lane->state != SW_LANE_DRAIN && lane->state != SW_LANE_PAUSED)
		return 0;
	ret = vh_port_pair_start(lane->container->vport, lane->pair_index, &lane->pair, why);
	if (ret == -EAGAIN && lane->state == SW_LANE_PAUSED)
		return ret;

	const char *obstacle = ret == 0 ? map_obstacle(lane) : NULL;
	bool map = ret == 0 && obstacle == NULL;
	if (lane->state == SW_LANE_DRAIN || map) {
		int err;

		pause_lane(sw, lane, map);
		err = sw_plans_publish(sw, true);
		if (err < 0) {
			park(sw, lane, "a worker does not let go");
			return -EIO;
		}
	}
	if (ret < 0)
		return ret;

	if (map) {
		ret = swap_backing(lane, &lane->pair.rx);
		if (ret == -EAGAIN) {
			obstacle = vh_fit_str(VH_FIT_EMPTY);
			lane->lacks_buffers = true;
		} else if (ret < 0) {
			/* -EIO: a driver's -EINVAL is not the container's fault. */
			park(sw, lane, "the Rx queue cannot be mapped and not be restored");
			return -EIO;
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
	return sw_plans_publish(sw, false) == 0 ? 0 : -EIO;
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

/* A ring taken back before anybody looked at its fault: the container is not let off. */
static void remember_fault(struct sw_lane *lane)
{
	enum vh_fault fault = vh_ring_fault(&lane->pair.rx);

	if (fault == VH_FAULT_NONE)
		fault = vh_ring_fault(&lane->pair.tx);
	if (fault != VH_FAULT_NONE)
		lane->container->must_reset = vh_fault_str(fault);
}

/* Second half of taking back: no worker looks at the lane any more. */
static int finish_stop(struct switch_ctx *sw, struct sw_lane *lane, bool mapped)
{
	int ret = 0;

	drop_waiting(lane);
	if (mapped)
		ret = swap_backing(lane, NULL);
	if (ret < 0) {
		park(sw, lane, "the NIC does not let go of the ring");
		return ret;
	}
	remember_fault(lane);
	vh_port_pair_stopped(&lane->pair, lane->pair_index);
	lane->why_copied = NULL;
	SW_LOG(DEBUG, "%s: ring pair %u taken back", lane->container->conf->name, lane->pair_index);
	return 0;
}

int sw_lanes_stop(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	bool mapped[CFG_MAX_PAIRS] = { false };
	bool resumed = false; /* siblings that had to keep still */
	uint32_t stopping = 0;
	int ret, result = 0;

	assert_control(sw);
	RTE_VERIFY(nb <= CFG_MAX_PAIRS);
	for (unsigned int i = 0; i < nb; i++) {
		if (lanes[i]->state == SW_LANE_PARKED)
			result = -EIO;
		if (lanes[i]->state != SW_LANE_MAPPED && lanes[i]->state != SW_LANE_COPIED)
			continue;
		mapped[i] = lanes[i]->state == SW_LANE_MAPPED;
		stopping |= 1u << i;
		pause_lane(sw, lanes[i], mapped[i]);
	}
	if (stopping == 0)
		return result;
	ret = sw_plans_publish(sw, true);
	for (unsigned int i = 0; i < nb; i++) {
		if (!(stopping & (1u << i)))
			continue;
		if (ret < 0)
			park(sw, lanes[i], "a worker does not let go of the ring");
		else if (finish_stop(sw, lanes[i], mapped[i]) < 0)
			result = -EIO;
	}
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < nb; i++) {
		if (!mapped[i] || lanes[i]->port->stuck)
			continue;
		suspend_siblings(sw, lanes[i], false);
		resumed |= !pmd_port_stops_queues(lanes[i]->port);
	}
	if (resumed)
		sw_plans_publish(sw, false);
	return result;
}

void sw_lanes_drain(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	bool changed = false;

	assert_control(sw);
	for (unsigned int i = 0; i < nb; i++) {
		if (lanes[i]->state != SW_LANE_PAUSED)
			continue;
		lanes[i]->state = SW_LANE_DRAIN;
		changed = true;
	}
	if (changed)
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
	if (lane->lacks_buffers && vh_ring_offers(&lane->pair.rx, wanted_at_start(lane)))
		return SW_CARE_REMAP;
	return SW_CARE_NONE;
}
