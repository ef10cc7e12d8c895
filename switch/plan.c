/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/plan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "switch/switch.h"
#include "vhost/wait.h"

#define SLICE_MS 20

/*
 * liburcu's synchronize_rcu() has no limit, so the wait is for a callback, which has. Two hold the
 * completion: the control thread and the callback; the last one frees it.
 */
struct sw_grace {
	struct rcu_head rcu;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	int refs;
};

static void grace_drop(struct sw_grace *g)
{
	int refs;

	pthread_mutex_lock(&g->lock);
	refs = --g->refs;
	pthread_mutex_unlock(&g->lock);
	if (refs > 0)
		return;
	pthread_cond_destroy(&g->cond);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void grace_done(struct rcu_head *head)
{
	struct sw_grace *g = caa_container_of(head, struct sw_grace, rcu);

	pthread_mutex_lock(&g->lock);
	g->done = true;
	pthread_cond_signal(&g->cond);
	pthread_mutex_unlock(&g->lock);
	grace_drop(g);
}

static struct sw_grace *grace_create(void)
{
	struct sw_grace *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	vh_cond_init(&g->cond);
	g->refs = 2;
	return g;
}

static bool grace_is_over(struct sw_grace *g)
{
	bool done;

	pthread_mutex_lock(&g->lock);
	done = g->done;
	pthread_mutex_unlock(&g->lock);
	return done;
}

bool sw_plans_late(struct switch_ctx *sw)
{
	if (sw->late != NULL && grace_is_over(sw->late))
		sw_plans_forget(sw);
	return sw->late != NULL;
}

void sw_plans_forget(struct switch_ctx *sw)
{
	if (sw->late != NULL)
		grace_drop(sw->late);
	sw->late = NULL;
}

/* In slices: a worker may have to be helped out of a container's trap meanwhile. */
static int grace_wait(struct switch_ctx *sw, struct sw_grace *g)
{
	unsigned int limit = sw_plans_late(sw) ? SW_GRACE_LATE_MS : SW_GRACE_LIMIT_MS;
	bool done;

	call_rcu(&g->rcu, grace_done);
	for (unsigned int ms = 0; ms < limit; ms += SLICE_MS) {
		struct timespec end = vh_deadline_ms(SLICE_MS);
		int ret = 0;

		pthread_mutex_lock(&g->lock);
		while (!g->done && ret == 0)
			ret = pthread_cond_timedwait(&g->cond, &g->lock, &end);
		done = g->done;
		pthread_mutex_unlock(&g->lock);
		if (done)
			break;
		sw_watchdog(sw);
	}
	/* The last one to begin is the last one to end. */
	sw_plans_forget(sw);
	if (!done) {
		sw->late = g;
		return -ETIMEDOUT;
	}
	grace_drop(g);
	return 0;
}

static void add_entry(struct sw_plan *plan, struct sw_lane *lane)
{
	struct sw_plan_entry *e = &plan->entries[plan->nb_entries++];
	const struct sw_lane_polls *polls = &sw_lane_polls[lane->pair.rx.kind];

	e->lane = lane;
	switch (lane->state) {
	case SW_LANE_MAPPED:
		e->rx = polls->rx_mapped;
		e->tx = lane->tx_mapped ? polls->tx_mapped : polls->tx_copied;
		break;
	case SW_LANE_COPIED:
		e->rx = polls->rx_copied;
		e->tx = lane->tx_mapped ? polls->tx_mapped : polls->tx_copied;
		break;
	default:
		e->rx = sw_poll_drain;
		e->tx = NULL;
		break;
	}
}

static struct sw_plan *build(struct switch_ctx *sw, unsigned int worker)
{
	struct sw_plan *plan =
		calloc(1, sizeof(*plan) + sw->nb_lanes * sizeof(struct sw_plan_entry));

	if (plan == NULL)
		return NULL;
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->worker == worker && sw_lane_polled(sw->lanes[i]))
			add_entry(plan, sw->lanes[i]);
	return plan;
}

static void free_plan(struct rcu_head *head)
{
	free(caa_container_of(head, struct sw_plan, rcu));
}

int sw_plans_publish(struct switch_ctx *sw, bool wait)
{
	struct sw_plan *plans[CFG_MAX_WORKERS];
	struct sw_grace *grace = NULL;
	unsigned int w;

	for (w = 0; w < sw->nb_workers; w++) {
		plans[w] = build(sw, w);
		if (plans[w] == NULL)
			goto free;
	}
	if (wait) {
		grace = grace_create();
		if (grace == NULL)
			goto free;
	}
	for (w = 0; w < sw->nb_workers; w++) {
		struct sw_plan *old = rcu_xchg_pointer(&sw->workers[w].plan, plans[w]);

		if (old != NULL)
			call_rcu(&old->rcu, free_plan);
	}
	return wait ? grace_wait(sw, grace) : 0;

free:
	while (w-- > 0)
		free(plans[w]);
	return -ENOMEM;
}
