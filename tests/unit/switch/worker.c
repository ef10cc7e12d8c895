/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's loop in a thread of its own, polling a queue that the test writes the packets for. */
#include "switch/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "switch/plan.h"
#include "switch/switch.h"
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define LONG_US   (60 * US_PER_S) /* beyond every limit of these tests */
#define LIMIT_SEC 10
#define DEEP      17 /* sleeps, after which the next one lasts 131 ms */
#define DEEPER    21 /* 2 s, which is more than a grace period may take */

static struct switch_ctx sw;
static struct sw_worker worker;
static struct pmd_port port;
static struct sw_lane lane;
static struct sw_lane *lane_ptr = &lane;
static pthread_t thread;

/* The queue: packets that wait, how many each poll finds in any case, and what came of it. */
static uint32_t waiting, every_poll;
static uint64_t polls;

static uint16_t poll_queue(struct sw_lane *l)
{
	uint16_t nb = (uint16_t)__atomic_exchange_n(&waiting, 0, __ATOMIC_ACQ_REL);

	(void)l;
	__atomic_fetch_add(&polls, 1, __ATOMIC_RELAXED);
	return nb + (uint16_t)__atomic_load_n(&every_poll, __ATOMIC_RELAXED);
}

static void *run(void *arg)
{
	sw_worker_main(arg);
	return NULL;
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static bool is_asleep(void)
{
	return __atomic_load_n(&worker.asleep, __ATOMIC_RELAXED);
}

static void setup(void)
{
	static bool ready;

	CU_ASSERT_FATAL(ready || fake_eal());
	ready = true;
	memset(&sw, 0, sizeof(sw));
	memset(&worker, 0, sizeof(worker));
	memset(&lane, 0, sizeof(lane));
	waiting = every_poll = 0;
	polls = 0;
	sw.workers = &worker;
	sw.nb_workers = 1;
	sw.lanes = &lane_ptr;
	sw.nb_lanes = 1;
	lane.state = SW_LANE_PAUSED;
	lane.port = &port;
}

static void start(unsigned int sleep_max_us, unsigned int after_us)
{
	struct sw_plan *plan = calloc(1, sizeof(*plan) + sizeof(plan->entries[0]));

	CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
	plan->nb_entries = 1;
	plan->entries[0] = (struct sw_plan_entry){ .rx = poll_queue, .lane = &lane };
	worker.plan = plan;
	worker.idle_sleep_max_us = sleep_max_us;
	worker.idle_after_us = after_us;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run, &worker), 0);
}

static void teardown(void)
{
	__atomic_store_n(&worker.stop, true, __ATOMIC_RELAXED);
	/* It may have fallen asleep just after one signal: until it has ended. */
	for (;;) {
		struct timespec end;

		pthread_kill(thread, SW_WAKE_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_nsec += 1000000;
		end.tv_sec += end.tv_nsec / 1000000000;
		end.tv_nsec %= 1000000000;
		if (pthread_timedjoin_np(thread, NULL, &end) == 0)
			break;
	}
	rcu_barrier();
	free(worker.plan);
}

static void until(bool (*cond)(uint64_t), uint64_t arg)
{
	uint64_t end = rte_get_tsc_cycles() + LIMIT_SEC * rte_get_tsc_hz();
	bool met;

	while (!(met = cond(arg)) && rte_get_tsc_cycles() < end)
		rte_delay_us_sleep(1000);
	CU_ASSERT_TRUE_FATAL(met);
}

static bool has_slept(uint64_t times)
{
	return get(&worker.stats.sleeps) >= times;
}

static bool has_polled(uint64_t times)
{
	return get(&polls) >= times;
}

static bool has_packets(uint64_t nb)
{
	return get(&worker.stats.packets) >= nb;
}

/* It has slept so many times, and sleeps again. */
static bool sleeps_after(uint64_t times)
{
	return get(&worker.stats.sleeps) >= times && is_asleep();
}

static void test_off(void)
{
	start(0, 0);
	until(has_polled, 100000);
	CU_ASSERT_EQUAL(get(&worker.stats.sleeps), 0);
	CU_ASSERT_EQUAL(get(&worker.stats.slept_cycles), 0);
}

static void test_never_while_packets_come(void)
{
	every_poll = 1;
	start(LONG_US, 0);
	until(has_packets, 100000);
	CU_ASSERT_EQUAL(get(&worker.stats.sleeps), 0);
}

static void test_not_before_its_time(void)
{
	start(10, LONG_US);
	until(has_polled, 100000);
	CU_ASSERT_EQUAL(get(&worker.stats.sleeps), 0);
	CU_ASSERT_EQUAL(get(&worker.stats.slept_cycles), 0);
}

static void test_at_once_if_wanted(void)
{
	uint64_t seen;

	start(10, 0);
	until(has_slept, 100);
	/* One turn, one sleep. */
	seen = get(&worker.stats.sleeps);
	CU_ASSERT(get(&polls) <= get(&worker.stats.sleeps) + 2);
	until(has_slept, seen + 100);
	CU_ASSERT(get(&worker.stats.slept_cycles) > get(&worker.stats.sleeps));
	CU_ASSERT_EQUAL(get(&worker.stats.busy_cycles), 0);
}

/* The TSC's frequency is an estimate where the machine does not tell it. */
static bool has_slept_us(uint64_t us)
{
	return get(&worker.stats.slept_cycles) >= us * (rte_get_tsc_hz() / US_PER_S) / 100 * 99;
}

/* 1, 2, 4 ... microseconds: the first n sleeps last 2^n - 1 together, at least. */
static void test_doubles(void)
{
	start(LONG_US, 0);
	until(has_slept, 10);
	CU_ASSERT(has_slept_us(1023));
	until(sleeps_after, DEEP);
	CU_ASSERT(has_slept_us((1 << DEEP) - 1));
	CU_ASSERT(get(&worker.stats.sleeps) <= DEEP + 2);
}

static void test_longest(void)
{
	uint64_t sleeps, cycles;

	/* Were it not held at 4, these would last for ages. */
	start(4, 0);
	until(has_slept, 50);
	sleeps = get(&worker.stats.sleeps);
	cycles = get(&worker.stats.slept_cycles);
	CU_ASSERT(cycles >= (sleeps - 2) * 4 * (rte_get_tsc_hz() / US_PER_S));
}

static void test_packet_starts_anew(void)
{
	start(LONG_US, 0);
	until(sleeps_after, DEEP);
	__atomic_store_n(&waiting, 1, __ATOMIC_RELEASE);
	pthread_kill(thread, SW_WAKE_SIGNAL);
	until(has_packets, 1);
	/* Without the packet, so many sleeps more would last for days. */
	until(sleeps_after, 2 * DEEP);
}

/* A sleeper holds nothing: a grace period ends while it sleeps, and it wakes to the new plan. */
static void test_grace_period(void)
{
	uint64_t seen;

	start(LONG_US, 0);
	until(sleeps_after, DEEPER);
	seen = get(&polls);
	CU_ASSERT_EQUAL(sw_plans_publish(&sw, true), 0);
	CU_ASSERT_EQUAL(get(&polls), seen);
	CU_ASSERT_EQUAL(worker.plan->nb_entries, 0);

	pthread_kill(thread, SW_WAKE_SIGNAL);
	until(sleeps_after, DEEPER + 1);
	CU_ASSERT_EQUAL(get(&polls), seen);
}

static void test_watchdog_lets_it_sleep(void)
{
	uint64_t turns;

	start(LONG_US, 0);
	until(sleeps_after, DEEP);
	turns = get(&worker.stats.turns);
	for (unsigned int i = 0; i < 10; i++)
		sw_watchdog(&sw);
	CU_ASSERT_EQUAL(worker.still_since, 0);
	CU_ASSERT_EQUAL(get(&worker.stats.turns), turns);
}

static const struct unit_test tests[] = {
	{ "off: it never sleeps", test_off },
	{ "it does not sleep while packets come", test_never_while_packets_come },
	{ "it does not sleep before idle_after", test_not_before_its_time },
	{ "idle_after 0: it sleeps after every turn without a packet", test_at_once_if_wanted },
	{ "each sleep is twice as long as the one before", test_doubles },
	{ "up to the longest", test_longest },
	{ "a packet starts it anew", test_packet_starts_anew },
	{ "a grace period does not wait for a sleeper", test_grace_period },
	{ "the watchdog does not take a sleeper for one that hangs", test_watchdog_lets_it_sleep },
};

static void on_wake(int sig)
{
	(void)sig;
}

int main(void)
{
	/* As the daemon has it: a signal that is ignored wakes nobody. */
	struct sigaction wake = { .sa_handler = on_wake };

	sigaction(SW_WAKE_SIGNAL, &wake, NULL);
	return unit_run("switch/worker", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
