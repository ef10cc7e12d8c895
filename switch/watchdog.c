/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "switch/switch.h"

/*
 * A worker that was in a call at each look for so long, and waits there, is not just preempted (it
 * often is, on its way out of that call). Well within a grace period's limit.
 */
#define HANGS_MS 400

/* Whether it waits for something else than a CPU. True if nobody knows. */
static bool waits(const struct sw_worker *w)
{
	char path[64], stat[128] = "";
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)w->tid);
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	if (fgets(stat, sizeof(stat), f) == NULL)
		stat[0] = '\0';
	fclose(f);
	/* proc(5): number, name in parentheses, state */
	state = strrchr(stat, ')');
	return state == NULL || state[1] == '\0' || strchr("SD", state[2]) != NULL;
}

static void rescue(struct sw_worker *w, struct sw_lane *lane, struct vh_vring *vr, bool hangs)
{
	if (!vh_ring_calling(vr))
		return;
	if (vh_ring_call_blocks(vr) || (hangs && waits(w))) {
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
	uint64_t now = rte_get_timer_cycles(), limit = rte_get_timer_hz() * HANGS_MS / MS_PER_S;

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
			w->still_since = 0;
			continue;
		}
		if (w->still_since == 0)
			w->still_since = now;
		for (unsigned int l = 0; l < sw->nb_lanes; l++) {
			struct sw_lane *lane = sw->lanes[l];

			/* With no connection there are no rings to hang in. */
			if (lane->worker != i || lane->pair.conn == NULL)
				continue;
			rescue(w, lane, &lane->pair.rx, now - w->still_since > limit);
			rescue(w, lane, &lane->pair.tx, now - w->still_since > limit);
		}
	}
}
