/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans: what one worker polls. Immutable, replaced whole, under RCU (liburcu, QSBR).
 *
 * Ownership: a plan belongs to RCU once it is published: the control thread replaces it, a grace
 * period later it is freed.
 * Threads: the control thread builds and publishes; it is no registered RCU reader. A worker reads
 * its own plan pointer, announces a quiescent state once a turn, and keeps nothing of a plan across
 * it.
 */
#ifndef SWITCH_PLAN_H
#define SWITCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* The QSBR flavour under its generic names. */
#define URCU_API_MAP
#include <urcu/urcu-qsbr.h>

#include "switch/lane.h"

struct sw_plan_entry {
	sw_poll_fn rx;
	sw_poll_fn tx; /* NULL: nothing to transmit */
	struct sw_lane *lane;
};

struct sw_plan {
	uint32_t nb_entries;
	struct rcu_head rcu;
	struct sw_plan_entry entries[];
};

struct switch_ctx;

/*
 * Gives every worker a plan that follows from the lanes' states. With `wait`, returns only after a
 * grace period: no worker uses what the old plans named. Control thread.
 * Returns 0, -ENOMEM (nothing was changed), -ETIMEDOUT (published, but some worker has not let go).
 */
int sw_plans_publish(struct switch_ctx *sw, bool wait);

/*
 * How long sw_plans_publish() waits for a grace period. A worker's turn takes microseconds, but on a
 * busy host it may wait for its CPU. Less than VH_TAKE_BACK_LIMIT_MS.
 */
#define SW_GRACE_LIMIT_MS 1500

/*
 * Whether a grace period that was waited for in vain has not ended yet: some worker does not run.
 * Until it has, sw_plans_publish() waits for SW_GRACE_LATE_MS only, since everybody else waits for the
 * control thread. Control thread.
 */
bool sw_plans_late(struct switch_ctx *sw);
#define SW_GRACE_LATE_MS 100

/* Forgets about it. Before the switch_ctx goes. */
void sw_plans_forget(struct switch_ctx *sw);

#endif /* SWITCH_PLAN_H */
