/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "switch/switch.h"

/* Looks without a turn in between, after which a worker in a call is no longer just preempted. */
#define MAX_LOOKS 3

static void rescue(struct sw_worker *w, struct sw_lane *lane, struct vh_vring *vr)
{
	if (!vh_ring_calling(vr))
		return;
	if (vh_ring_call_blocks(vr) || w->looks >= MAX_LOOKS) {
		SW_LOG(WARNING, "%s: its call eventfd blocks the worker on CPU %u",
			lane->container->conf->name, w->cpu);
		/* First the dummy, then the signal: a write that starts in between goes there. */
		vh_ring_silence(vr);
	}
	/* Costs one that was merely preempted nothing. */
	pthread_kill(w->thread, SW_WAKE_SIGNAL);
}

void sw_watchdog(struct switch_ctx *sw)
{
	for (unsigned int i = 0; i < sw->nb_workers; i++) {
		struct sw_worker *w = &sw->workers[i];
		uint64_t turns = __atomic_load_n(&w->stats.turns, __ATOMIC_ACQUIRE);

		/*
		 * Before its first turn there is no thread to signal. A sleeper makes no turns, but
		 * hangs in nothing.
		 */
		if (turns != w->turns_seen || turns == 0 ||
			__atomic_load_n(&w->asleep, __ATOMIC_RELAXED)) {
			w->turns_seen = turns;
			w->looks = 0;
			continue;
		}
		w->looks++;
		for (unsigned int l = 0; l < sw->nb_lanes; l++) {
			struct sw_lane *lane = sw->lanes[l];

			/* With no connection there are no rings to hang in. */
			if (lane->worker != i || lane->pair.conn == NULL)
				continue;
			rescue(w, lane, &lane->pair.rx);
			rescue(w, lane, &lane->pair.tx);
		}
	}
}
