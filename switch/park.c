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

void sw_lane_park(struct switch_ctx *sw, struct sw_lane *lane, const char *why, bool awaits_worker)
{
	SW_LOG(CRIT, "%s queue %u: %s; the queue is parked, its memory is kept", lane->port->name,
		lane->queue, why);
	lane->state = SW_LANE_PARKED;
	lane->awaits_worker = awaits_worker;
	lane->why_copied = why;
	pmd_rxpool_revoke(lane->pool);
	pmd_txpool_revoke(lane->txpool);
	vh_port_pair_parked(&lane->pair, lane->pair_index);
	/* If the device is in an unknown state, nothing polls it any more. */
	sw_lane_suspend_all(sw, lane->port, lane->port->stuck);
	sw_plans_publish(sw, false);
}

/* A port that is stuck keeps what it has; one without a device is not asked for anything. */
static bool may_come_back(const struct sw_lane *lane)
{
	return lane->state == SW_LANE_PARKED && lane->awaits_worker && !lane->port->stuck &&
		!lane->port->removed;
}

/* Its lanes that left the plans before `then`, when every worker has let go of them. */
static void take_back(struct switch_ctx *sw, struct sw_container *c, uint64_t then)
{
	struct sw_lane *lanes[CFG_MAX_PAIRS];
	unsigned int nb = 0;

	for (uint16_t i = 0; i < c->nb_lanes; i++) {
		struct sw_lane *lane = c->lanes[i];

		if (!may_come_back(lane) || lane->paused_since > then)
			continue;
		pmd_rxpool_abandon(lane->pool);
		pmd_txpool_abandon(lane->txpool);
		/* At work, as far as taking it back goes. */
		lane->state = SW_LANE_COPIED;
		lanes[nb++] = lane;
	}
	if (nb == 0 || sw_lanes_stop(sw, lanes, nb) < 0)
		return;
	SW_LOG(NOTICE, "%s: the worker has let go: %u ring pairs are parked no more", c->conf->name,
		nb);
	/* Not from here: the device may be about to stop. */
	__atomic_store_n(&c->changed, true, __ATOMIC_RELEASE);
	sw_requests_wake(&sw->requests);
}

static void take_back_all(struct switch_ctx *sw, uint64_t then)
{
	for (unsigned int i = 0; i < sw->nb_containers; i++)
		take_back(sw, &sw->containers[i], then);
}

static bool some_may_come_back(const struct switch_ctx *sw)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (may_come_back(sw->lanes[i]))
			return true;
	return false;
}

void sw_park_end(struct switch_ctx *sw)
{
	take_back_all(sw, rte_get_timer_cycles());
}

void sw_park_tick(struct switch_ctx *sw)
{
	if (sw->park_grace != NULL) {
		if (!sw_grace_over(sw->park_grace))
			return;
		sw->park_grace = NULL;
		take_back_all(sw, sw->park_grace_since);
	} else if (some_may_come_back(sw) && sw_plans_publish(sw, false) == 0) {
		/* Published once more: plans name them still if memory was short. */
		sw->park_grace_since = rte_get_timer_cycles();
		sw->park_grace = sw_grace_begin();
	}
}
