/* SPDX-License-Identifier: BSD-3-Clause */
/* Several threads at once: two ends of a wire, control beside a polling worker, telemetry. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_flow.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/simvf/dev.h"

#define NB_DESC 64

static bool stop;
static struct dev a, b;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static void end(pthread_t *threads, int nb)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < nb; i++)
		pthread_join(threads[i], NULL);
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	CU_ASSERT_EQUAL_FATAL(pthread_create(thread, NULL, fn, arg), 0);
}

static bool in_time(uint64_t begin, uint32_t ms)
{
	return rte_get_tsc_cycles() - begin < rte_get_tsc_hz() / 1000 * ms;
}

/* Numbered frames from a's queue *arg, which is their first byte behind the type. */
static void *sender(void *arg)
{
	uint16_t queue = *(const uint16_t *)arg;
	uint8_t frame[200] = { 2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a, 0x88, 0xb5 };
	uint32_t number = 0;

	frame[14] = (uint8_t)queue;
	while (!stopped()) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(a.mp);

		if (m == NULL)
			continue;
		memcpy(&frame[16], &number, sizeof(number));
		memset(&frame[20], (int)number, sizeof(frame) - 20);
		memcpy(rte_pktmbuf_append(m, sizeof(frame)), frame, sizeof(frame));
		while (rte_eth_tx_burst(a.port, queue, &m, 1) == 0) {
			if (stopped()) {
				rte_pktmbuf_free(m);
				return NULL;
			}
			sched_yield();
		}
		number++;
	}
	return NULL;
}

static void *asker(void *arg)
{
	char command[64];

	while (!stopped()) {
		snprintf(command, sizeof(command), "/simvf/stats,%s", (const char *)arg);
		dev_ask(command, "rx_packets");
		snprintf(command, sizeof(command), "/simvf/latency,%s", (const char *)arg);
		dev_ask(command, "samples");
	}
	return NULL;
}

/* What b receives is whole and in order for each sender. Returns how many, 0 if not. */
static uint32_t check(uint32_t *next, struct rte_mbuf **m, uint16_t n, bool gaps)
{
	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(m[i], uint8_t *);
		uint32_t number;

		memcpy(&number, &frame[16], sizeof(number));
		if (m[i]->pkt_len != 200 || frame[14] > 1 || frame[20] != (uint8_t)number ||
			memcmp(&frame[20], &frame[21], 179) != 0 || number < next[frame[14]] ||
			(!gaps && number != next[frame[14]]))
			return 0;
		next[frame[14]] = number + 1;
	}
	return n;
}

/* Two senders, a receiver whose queue stops and starts under them, and telemetry. */
static void run_wire(const char *more, uint32_t stop_every, bool gaps)
{
	static const uint16_t queues[2] = { 0, 1 };
	uint32_t next[2] = { 0 }, polls = 0;
	uint64_t got = 0, begin;
	pthread_t threads[3];
	bool good = true;
	char args[128];

	stop = false;
	snprintf(args, sizeof(args), "wire=peer:net_simvf81,%s", more);
	dev_open(&a, &(struct dev_conf){ .args = args, .name = "net_simvf80", .queues = 2 });
	dev_open(&b,
		&(struct dev_conf){ .args = "wire=peer:net_simvf80,mac=02:00:00:00:00:0b",
			.name = "net_simvf81",
			.nb_desc = NB_DESC });
	for (int i = 0; i < 2; i++)
		start(&threads[i], sender, (void *)(uintptr_t)&queues[i]);
	start(&threads[2], asker, b.name);
	begin = rte_get_tsc_cycles();
	/* On a busy machine it takes its time. */
	while (good && (in_time(begin, 500) || (got < 1000 && in_time(begin, 10000)))) {
		struct rte_mbuf *m[DEV_BURST];
		uint16_t n = rte_eth_rx_burst(b.port, 0, m, DEV_BURST);

		good = check(next, m, n, gaps) == n;
		rte_pktmbuf_free_bulk(m, n);
		got += n;
		if (stop_every != 0 && ++polls % stop_every == 0) {
			CU_ASSERT_EQUAL_FATAL(rte_eth_dev_rx_queue_stop(b.port, 0), 0);
			/* nothing is written behind our back: all are home, and stay so */
			CU_ASSERT_EQUAL_FATAL(rte_mempool_avail_count(b.mp), b.mp->size);
			CU_ASSERT_EQUAL_FATAL(rte_eth_dev_rx_queue_start(b.port, 0), 0);
		}
	}
	end(threads, 3);
	CU_ASSERT(good);
	CU_ASSERT(got >= 1000);
	CU_ASSERT_EQUAL(dev_xstat(&b, "sim_iommu_faults"), 0);
	dev_close(&a);
	dev_close(&b);
}

static void test_wire(void)
{
	run_wire("pause=1", 0, false);
}

static void test_wire_with_stops(void)
{
	run_wire("pause=1", 100, true);
}

static void test_wire_with_losses(void)
{
	run_wire("pause=0", 1000, true);
}

/* ---- control beside a worker ---- */

static void *worker(void *arg)
{
	uint64_t *bad = arg;

	while (!stopped()) {
		for (uint16_t q = 0; q < 2; q++) {
			struct rte_mbuf *m[DEV_BURST];
			uint16_t n = rte_eth_rx_burst(a.port, q, m, DEV_BURST), sent;

			for (uint16_t i = 0; i < n; i++)
				*bad += m[i]->pkt_len < 60 || m[i]->pkt_len > 1000;
			sent = rte_eth_tx_burst(a.port, q, m, n);
			rte_pktmbuf_free_bulk(m + sent, n - sent);
		}
	}
	return NULL;
}

static void test_control_beside_worker(void)
{
	struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_item items[] = { { .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_END } };
	struct rte_flow_action_queue to = { .index = 1 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &to },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	uint64_t bad = 0, begin, rounds = 0;
	pthread_t threads[2];
	char command[64];

	stop = false;
	dev_open(&a, &(struct dev_conf){ .args = "latency=1,tx_lag=16", .queues = 2, .rss = true });
	start(&threads[0], worker, &bad);
	start(&threads[1], asker, a.name);
	begin = rte_get_tsc_cycles();
	for (; in_time(begin, 500) || (rounds < 4 && in_time(begin, 10000)); rounds++) {
		struct rte_flow *rule = rte_flow_create(a.port, &attr, items, actions, NULL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(rule);
		CU_ASSERT_EQUAL(rte_eth_stats_reset(a.port), 0);
		snprintf(command, sizeof(command), "/simvf/set,%s:size=%s", a.name,
			rounds % 2 ? "60-1000" : "100");
		dev_ask(command, "");
		snprintf(command, sizeof(command), "/simvf/set,%s:rate=%u", a.name,
			rounds % 3 ? 0 : 100000);
		dev_ask(command, "");
		CU_ASSERT_EQUAL(rte_flow_destroy(a.port, rule, NULL), 0);
	}
	/* The last round has reset them. */
	begin = rte_get_tsc_cycles();
	while (dev_stats(&a).ipackets == 0 && in_time(begin, 10000))
		rte_pause();
	CU_ASSERT(dev_stats(&a).ipackets > 0);
	end(threads, 2);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(rounds >= 4);
	dev_close(&a);
}

static const struct unit_test tests[] = {
	{ "two senders, nothing lost", test_wire },
	{ "two senders, a receiver that stops and starts", test_wire_with_stops },
	{ "two senders, a receiver that misses some", test_wire_with_losses },
	{ "rules, sizes and rates beside a worker", test_control_beside_worker },
};

DEV_MAIN("pmd/simvf/threads", tests)
