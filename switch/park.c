/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lanes that could not be taken back in time. Where a worker is the reason (its CPU is somebody else's
 * for a while, a debugger holds it), nothing is broken: it lets go when it runs again, and the lane is
 * taken back then. Meanwhile librte_vhost and the container have gone on, and may use the ring's
 * memory anew: nothing is written there any more, but for the packets that the worker was just handling
 * and the buffers that the NIC has. Control thread.
 */
#include <rte_cycles.h>

#include "switch/lane.h"
#include "switch/plan.h"
#include "switch/switch.h"

/* Where it is memory that was short, not time; unless a grace period has ended meanwhile. */
#define RETRY_SEC 1

void sw_lane_park(struct switch_ctx *sw, struct sw_lane *lane, const char *why)
{
	SW_LOG(CRIT, "%s queue %u: %s; the queue is parked, its memory is kept", lane->port->name,
		lane->queue, why);
	lane->state = SW_LANE_PARKED;
	lane->revoked = true;
	lane->why_copied = why;
	pmd_rxpool_revoke(lane->pool);
	pmd_txpool_revoke(lane->txpool);
	vh_port_pair_parked(&lane->pair, lane->pair_index);
	/* If the device is in an unknown state, nothing polls it any more. */
	sw_lane_suspend_all(sw, lane->port, lane->port->stuck);
	sw_plans_publish(sw, false);
}

void sw_park_abandon(struct switch_ctx *sw)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++) {
		struct sw_lane *lane = sw->lanes[i];

		if (!lane->revoked || lane->abandoned)
			continue;
		if (!lane->port->stuck) /* else they have been counted when the NIC was stopped */
			lane->stats.tx_unsure += pmd_txpool_loans(lane->txpool);
		pmd_rxpool_abandon(lane->pool);
		pmd_txpool_abandon(lane->txpool);
		lane->abandoned = true;
	}
}

int sw_lanes_wait(struct switch_ctx *sw)
{
	int ret = sw_plans_publish(sw, true);

	if (ret == 0)
		sw_park_abandon(sw);
	return ret;
}

bool sw_lane_may_return(const struct sw_lane *lane)
{
	return lane->state == SW_LANE_PARKED && !lane->port->stuck && !lane->port->removed;
}

static void take_back(struct switch_ctx *sw, struct sw_container *c)
{
	uint64_t now = rte_get_timer_cycles();
	struct sw_lane *lanes[CFG_MAX_PAIRS];
	unsigned int nb = 0;

	for (uint16_t i = 0; i < c->nb_lanes; i++) {
		struct sw_lane *lane = c->lanes[i];

		if (!sw_lane_may_return(lane) ||
			(!lane->abandoned &&
				now - lane->paused_since < RETRY_SEC * rte_get_timer_hz()))
			continue;
		/* At work, as far as taking it back goes. */
		lane->state = SW_LANE_COPIED;
		lanes[nb++] = lane;
	}
	if (nb == 0 || sw_lanes_stop(sw, lanes, nb) < 0)
		return;
	SW_LOG(NOTICE, "%s: the worker has let go: %u ring pairs are parked no more", c->conf->name,
		nb);
	__atomic_store_n(&c->changed, true, __ATOMIC_RELEASE);
	sw_requests_wake(&sw->requests);
}

void sw_park_tick(struct switch_ctx *sw)
{
	if (sw_plans_late(sw))
		return;
	for (unsigned int i = 0; i < sw->nb_containers; i++)
		take_back(sw, &sw->containers[i]);
}
