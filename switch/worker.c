/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/worker.h"

#include <rte_cycles.h>
#include <rte_pause.h>

#include "switch/plan.h"

int sw_worker_main(void *arg)
{
	struct sw_worker *w = arg;
	uint64_t then = rte_rdtsc();

	/* Seen by the control thread once it has seen a turn. */
	w->thread = pthread_self();
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
		if (nb > 0)
			w->stats.busy_cycles += now - then;
		else
			w->stats.idle_cycles += now - then;
		then = now;
	}
	rcu_unregister_thread();
	return 0;
}
