/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/plan.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "switch/switch.h"
#include "tests/unit/unit.h"

static struct switch_ctx sw;
static struct sw_worker workers[2];
static struct pmd_port port;
static struct sw_lane lanes[4];
static struct sw_lane *lane_ptrs[4];

static void setup(void)
{
	memset(&sw, 0, sizeof(sw));
	memset(workers, 0, sizeof(workers));
	memset(lanes, 0, sizeof(lanes));
	memset(&port, 0, sizeof(port));
	sw.workers = workers;
	sw.nb_workers = 2;
	sw.lanes = lane_ptrs;
	sw.nb_lanes = 4;
	for (unsigned int i = 0; i < 4; i++) {
		lane_ptrs[i] = &lanes[i];
		lanes[i].worker = i % 2;
		lanes[i].port = &port;
	}
}

static void teardown(void)
{
	sw_plans_forget(&sw);
	/* Old plans are freed by the callback; the last ones are ours. */
	rcu_barrier();
	for (unsigned int w = 0; w < 2; w++)
		free(workers[w].plan);
}

static void test_states(void)
{
	lanes[0].state = SW_LANE_DRAIN;
	lanes[1].state = SW_LANE_COPIED;
	lanes[2].state = SW_LANE_MAPPED;
	lanes[3].state = SW_LANE_PARKED;
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);

	CU_ASSERT_EQUAL_FATAL(workers[0].plan->nb_entries, 2);
	CU_ASSERT_PTR_EQUAL(workers[0].plan->entries[0].lane, &lanes[0]);
	CU_ASSERT_PTR_EQUAL(workers[0].plan->entries[0].rx, sw_poll_drain);
	CU_ASSERT_PTR_NULL(workers[0].plan->entries[0].tx);
	CU_ASSERT_PTR_EQUAL(workers[0].plan->entries[1].lane, &lanes[2]);
	CU_ASSERT_PTR_EQUAL(workers[0].plan->entries[1].rx, sw_lane_polls[VH_RING_SPLIT].rx_mapped);
	CU_ASSERT_PTR_EQUAL(workers[0].plan->entries[1].tx, sw_lane_polls[VH_RING_SPLIT].tx_copied);
	CU_ASSERT_EQUAL_FATAL(workers[1].plan->nb_entries, 1);
	CU_ASSERT_PTR_EQUAL(workers[1].plan->entries[0].lane, &lanes[1]);
	CU_ASSERT_PTR_EQUAL(workers[1].plan->entries[0].rx, sw_lane_polls[VH_RING_SPLIT].rx_copied);
	CU_ASSERT_PTR_EQUAL(workers[1].plan->entries[0].tx, sw_lane_polls[VH_RING_SPLIT].tx_copied);
}

/* A port whose device is stuck, has gone or does not start: nobody calls its driver. */
static void test_unusable(void)
{
	bool *const flags[] = { &port.stuck, &port.removed, &port.halted };

	for (unsigned int i = 0; i < 4; i++)
		lanes[i].state = i < 2 ? SW_LANE_DRAIN : SW_LANE_MAPPED;
	for (unsigned int f = 0; f < RTE_DIM(flags); f++) {
		*flags[f] = true;
		CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
		CU_ASSERT_EQUAL(workers[0].plan->nb_entries, 0);
		CU_ASSERT_EQUAL(workers[1].plan->nb_entries, 0);
		*flags[f] = false;
	}
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
	CU_ASSERT_EQUAL(workers[0].plan->nb_entries, 2);
}

static void test_left_out(void)
{
	for (unsigned int i = 0; i < 4; i++)
		lanes[i].state = SW_LANE_MAPPED;
	lanes[0].state = SW_LANE_PAUSED;
	lanes[1].suspended = true;
	lanes[2].state = SW_LANE_PARKED;
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
	CU_ASSERT_EQUAL(workers[0].plan->nb_entries, 0);
	CU_ASSERT_EQUAL_FATAL(workers[1].plan->nb_entries, 1);
	CU_ASSERT_PTR_EQUAL(workers[1].plan->entries[0].lane, &lanes[3]);
}

/* A worker that is stuck in its turn: registered, online, and silent until told. */
static sem_t registered, let_go;

static void *stuck_worker(void *arg)
{
	(void)arg;
	rcu_register_thread();
	sem_post(&registered);
	sem_wait(&let_go);
	rcu_quiescent_state();
	rcu_unregister_thread();
	return NULL;
}

static void test_grace(void)
{
	pthread_t t;

	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
	sem_init(&registered, 0, 0);
	sem_init(&let_go, 0, 0);
	pthread_create(&t, NULL, stuck_worker, NULL);
	sem_wait(&registered);

	/* The wait has an end, and the plan is published all the same. */
	lanes[0].state = SW_LANE_PARKED;
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), -ETIMEDOUT);
	CU_ASSERT_EQUAL(workers[0].plan->nb_entries, 1);

	sem_post(&let_go);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nobody else is kept waiting for a worker that is known not to run; when it runs, that is over. */
static void test_late(void)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	int64_t begin, took = SW_GRACE_LIMIT_MS;
	pthread_t t;

	CU_ASSERT(!sw_plans_late(&sw));
	sem_init(&registered, 0, 0);
	sem_init(&let_go, 0, 0);
	pthread_create(&t, NULL, stuck_worker, NULL);
	sem_wait(&registered);
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), -ETIMEDOUT);
	CU_ASSERT(sw_plans_late(&sw));
	/* One of some: this thread may be without a CPU as well. */
	for (int i = 0; i < 5 && took >= SW_GRACE_LIMIT_MS; i++) {
		begin = now_ms();
		CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), -ETIMEDOUT);
		took = now_ms() - begin;
	}
	CU_ASSERT(took < SW_GRACE_LIMIT_MS);
	CU_ASSERT(sw_plans_late(&sw));

	sem_post(&let_go);
	pthread_join(t, NULL);
	begin = now_ms();
	while (sw_plans_late(&sw) && now_ms() - begin < 10000)
		nanosleep(&pause, NULL);
	CU_ASSERT(!sw_plans_late(&sw));
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
}

static const struct unit_test tests[] = {
	{ "each worker polls its lanes, each by its state", test_states },
	{ "ports whose device cannot be used", test_unusable },
	{ "paused, parked and suspended lanes are in no plan", test_left_out },
	{ "a worker that does not let go is waited for with a limit", test_grace },
	{ "after that not so long, until the worker runs", test_late },
};
UNIT_MAIN("switch/plan", setup, teardown, tests)
