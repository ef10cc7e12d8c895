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
 * A grace period that begins now, for whoever cannot wait for it. NULL: out of memory. Control thread.
 * over: whether it has ended; then `grace` is gone. drop: it is not looked at any more. NULL is allowed.
 */
struct sw_grace;
struct sw_grace *sw_grace_begin(void);
bool sw_grace_over(struct sw_grace *grace);
void sw_grace_drop(struct sw_grace *grace);

#endif /* SWITCH_PLAN_H */
