/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/worker.h"

#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "switch/plan.h"

#define FIRST_SLEEP_US 1

/* What a worker remembers of the time since its last packet. */
struct idleness {
	unsigned int sleep_max_us; /* 0: never sleeps */
	unsigned int sleep_us; /* the next one */
	uint64_t after; /* cycles without a packet before the first one */
	uint64_t since; /* cycles: the first turn without */
	uint64_t packets; /* seen by then */
};

static void idleness_init(struct idleness *idle, const struct sw_worker *w)
{
	*idle = (struct idleness){
		.sleep_max_us = w->idle_sleep_max_us,
		.after = rte_get_tsc_hz() / US_PER_S * w->idle_after_us,
		.packets = UINT64_MAX,
	};
	/* By default the kernel lets a timer be 50 microseconds late. */
	if (idle->sleep_max_us != 0)
		prctl(PR_SET_TIMERSLACK, 1);
}

/* The worker holds nothing of a plan. Returns the time after. */
static uint64_t sleep_once(struct sw_worker *w, struct idleness *idle, uint64_t now)
{
	struct timespec t = {
		.tv_sec = idle->sleep_us / US_PER_S,
		.tv_nsec = idle->sleep_us % US_PER_S * 1000L,
	};

	__atomic_store_n(&w->asleep, true, __ATOMIC_RELAXED);
	rcu_thread_offline();
	/* A signal ends it early, which does no harm. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	rcu_thread_online();
	__atomic_store_n(&w->asleep, false, __ATOMIC_RELAXED);

	uint64_t woken = rte_rdtsc();
	w->stats.slept_cycles += woken - now;
	w->stats.sleeps++;
	idle->sleep_us = RTE_MIN(2 * idle->sleep_us, idle->sleep_max_us);
	return woken;
}

/* After a turn without a packet. Returns the time, which is a later one if it slept. */
static uint64_t back_off(struct sw_worker *w, struct idleness *idle, uint64_t now)
{
	if (idle->packets != w->stats.packets) {
		idle->packets = w->stats.packets;
		idle->since = now;
		idle->sleep_us = FIRST_SLEEP_US;
	}
	return now - idle->since < idle->after ? now : sleep_once(w, idle, now);
}

int sw_worker_main(void *arg)
{
	struct sw_worker *w = arg;
	uint64_t then = rte_rdtsc();
	struct idleness idle;

	idleness_init(&idle, w);
	/* Seen by the control thread once it has seen a turn. */
	w->thread = pthread_self();
	w->tid = gettid();
	rcu_register_thread();
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		const struct sw_plan *plan = rcu_dereference(w->plan);
		uint32_t nb = 0;

		for (uint32_t i = 0; i < plan->nb_entries; i++) {
			const struct sw_plan_entry *e = &plan->entries[i];

			nb += e->rx(e->lane);
			if (e->tx != NULL)
				nb += e->tx(e->lane);
		}
		if (plan->nb_entries == 0)
			rte_pause();
		/* Nothing of the plan is kept beyond this point. */
		rcu_quiescent_state();

		/* One reading a turn: the end of this one is the start of the next. */
		uint64_t now = rte_rdtsc();
		__atomic_store_n(&w->stats.turns, w->stats.turns + 1, __ATOMIC_RELEASE);
		w->stats.packets += nb;
		if (nb > 0) {
			w->stats.busy_cycles += now - then;
		} else {
			w->stats.idle_cycles += now - then;
			if (unlikely(idle.sleep_max_us != 0))
				now = back_off(w, &idle, now);
		}
		then = now;
	}
	rcu_unregister_thread();
	return 0;
}
