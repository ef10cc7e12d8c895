/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: DPDK lcores that poll their plan until told to stop.
 *
 * Ownership: `plan` is written by the control thread (RCU), `stats` by the worker.
 */
#ifndef SWITCH_WORKER_H
#define SWITCH_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

/* Interrupts a system call that a worker hangs in; its handler does nothing. */
#define SW_WAKE_SIGNAL SIGURG

struct sw_plan;

struct sw_worker_stats {
	uint64_t turns;
	uint64_t packets;
	uint64_t busy_cycles; /* of turns that moved a packet */
	uint64_t idle_cycles;
};

struct sw_worker {
	struct sw_plan *plan; /* RCU; read by the worker, replaced by the control thread */
	pthread_t thread; /* valid from the first turn on */
	uint64_t turns_seen; /* the control thread's: watchdog.c */
	unsigned int looks; /* likewise: since the worker was last seen to move */
	bool stop; /* set by the control thread, relaxed */
	unsigned int lcore;
	unsigned int cpu;
	int numa_node;
	struct sw_worker_stats stats __rte_cache_aligned; /* written by the worker */
} __rte_cache_aligned;

/* lcore_function_t; arg is the struct sw_worker. */
int sw_worker_main(void *arg);

#endif /* SWITCH_WORKER_H */
