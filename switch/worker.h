/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: DPDK lcores that poll their plan until told to stop.
 *
 * Ownership: `plan` is written by the control thread (RCU), `stats` and `asleep` by the worker.
 *
 * Idle back-off, if configured: a worker that has seen no packet for `idle_after_us` sleeps after
 * each turn without one, for 1 microsecond, then 2, 4 and so on up to `idle_sleep_max_us`; the first
 * packet ends that. Sleeping is the one thing in the loop that is a system call beside a container's
 * eventfd. A sleeper is RCU-offline: taking back does not wait for it, and it finds the new plan when
 * it wakes. Nothing wakes it but the clock (most NIC queues have nothing that could), so its longest
 * sleep is also how late a packet may be, and how late it sees `stop`.
 */
#ifndef SWITCH_WORKER_H
#define SWITCH_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_common.h>

/* Interrupts a system call that a worker hangs in; its handler does nothing. */
#define SW_WAKE_SIGNAL SIGURG

struct sw_plan;

struct sw_worker_stats {
	uint64_t turns;
	uint64_t packets;
	uint64_t busy_cycles; /* of turns that moved a packet */
	uint64_t idle_cycles;
	uint64_t slept_cycles; /* neither busy nor idle */
	uint64_t sleeps;
};

struct sw_worker {
	struct sw_plan *plan; /* RCU; read by the worker, replaced by the control thread */
	pthread_t thread; /* valid from the first turn on, like tid */
	pid_t tid;
	uint64_t turns_seen; /* the control thread's: watchdog.c */
	uint64_t still_since; /* likewise: timer cycles, 0: seen to move */
	bool stop; /* set by the control thread, relaxed */
	unsigned int lcore;
	unsigned int cpu;
	int numa_node;
	unsigned int idle_after_us; /* set before the launch, like the four around it */
	unsigned int idle_sleep_max_us; /* 0: never sleeps */
	struct sw_worker_stats stats __rte_cache_aligned; /* written by the worker */
	bool asleep; /* written by the worker, relaxed; for the watchdog */
} __rte_cache_aligned;

/* lcore_function_t; arg is the struct sw_worker. */
int sw_worker_main(void *arg);

#endif /* SWITCH_WORKER_H */
