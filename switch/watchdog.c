/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "switch/switch.h"

/* A worker hangs if it is where the lane is and has not ended a turn since the last look. */
static void rescue(struct sw_worker *w, struct sw_lane *lane, struct vh_vring *vr)
{
	if (!vh_ring_stuck(vr))
		return;
	SW_LOG(WARNING, "%s: its call eventfd blocks the worker on CPU %u",
		lane->container->conf->name, w->cpu);
	/* First the dummy, then the signal: a write that starts in between goes to the dummy. */
	vh_ring_silence(vr);
	pthread_kill(w->thread, SW_WAKE_SIGNAL);
}

void sw_watchdog(struct switch_ctx *sw)
{
	for (unsigned int i = 0; i < sw->nb_workers; i++) {
		struct sw_worker *w = &sw->workers[i];
		uint64_t turns = __atomic_load_n(&w->stats.turns, __ATOMIC_ACQUIRE);
		bool moves = turns != w->turns_seen;

		w->turns_seen = turns;
		/* Before its first turn there is no thread to signal. */
		if (moves || turns == 0)
			continue;
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
