/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults on request: each does what its name says, as often as it was asked for, and no more. */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/simvf/dev.h"

#define NB_DESC 64

static uint64_t left(const struct dev *d, const char *fault)
{
	char command[64];

	snprintf(command, sizeof(command), "/simvf/fault,%s", d->name);
	return dev_ask(command, fault);
}

static void test_start_and_stop_fail(void)
{
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "" });
	dev_fault(&d, "rx_stop_fails", 2);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), -EIO);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), -EIO);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	dev_fault(&d, "rx_start_fails", 1);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), -EIO);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), d.mp->size);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	dev_fault(&d, "tx_stop_fails", 1);
	CU_ASSERT_EQUAL(rte_eth_dev_tx_queue_stop(d.port, 0), -EIO);
	CU_ASSERT_EQUAL(rte_eth_dev_tx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(d.port), 0);
	dev_fault(&d, "dev_start_fails", 1);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), -EIO);
	CU_ASSERT_EQUAL(left(&d, "dev_start_fails"), 0);
	/* a queue that fails fails the device, which gives everything back */
	dev_fault(&d, "rx_start_fails", 1);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), -EIO);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), d.mp->size);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	dev_close(&d);
}

static void test_link_down(void)
{
	struct rte_mbuf *m[1];
	struct rte_eth_link link;
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "" });
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	dev_fault(&d, "link_down", 1);
	CU_ASSERT_EQUAL(rte_eth_link_get_nowait(d.port, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_DOWN);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 0);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_tx_link_drops"), 1);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 1), 0);
	dev_fault(&d, "link_down", 0);
	CU_ASSERT_EQUAL(rte_eth_link_get_nowait(d.port, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	dev_close(&d);
}

static int count_resets(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)port;
	(void)type;
	(void)ret;
	++*(unsigned int *)arg;
	return 0;
}

/* Silent until the device is stopped; the application is told once. */
static void test_pf_reset(void)
{
	struct rte_mbuf *m[1];
	unsigned int resets = 0;
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "" });
	CU_ASSERT_EQUAL(rte_eth_dev_callback_register(
				d.port, RTE_ETH_EVENT_INTR_RESET, count_resets, &resets),
		0);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	dev_fault(&d, "pf_reset", 1);
	CU_ASSERT_EQUAL(resets, 1);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_tx_link_drops"), 1);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 1), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(d.port), 0);
	CU_ASSERT_EQUAL(left(&d, "pf_reset"), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	CU_ASSERT_EQUAL(resets, 1);
	rte_eth_dev_callback_unregister(d.port, RTE_ETH_EVENT_INTR_RESET, count_resets, &resets);
	dev_close(&d);
}

static void test_lost_completion(void)
{
	struct rte_mbuf *m[10];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "", .nb_desc = NB_DESC });
	uint32_t before = rte_mempool_avail_count(d.mp);
	dev_fault(&d, "tx_lost_completion", 2);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 10), 10);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 10), 10);
	rte_eth_tx_done_cleanup(d.port, 0, 0);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 10);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_tx_lost_completions"), 2);
	/* 10 descriptors of the Rx ring are empty */
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), before + 10 - 2);
	/* more do not get lost, and the ring goes on */
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 10), 10);
		CU_ASSERT_EQUAL_FATAL(rte_eth_tx_burst(d.port, 0, m, 10), 10);
	}
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_tx_lost_completions"), 2);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(d.port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), d.mp->size);
	dev_close(&d);
}

static void open_on(struct dev *d, struct pool *p, const char *args)
{
	dev_open(d, &(struct dev_conf){ .args = args, .mp = p->mp, .nb_desc = NB_DESC });
	CU_ASSERT_EQUAL(pool_map(p, d->port), 0);
	pool_forget(p);
}

static void test_unfilled(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[5];
	struct dev d;

	open_on(&d, p, "");
	dev_fault(&d, "rx_unfilled", 3);
	uint16_t n = rte_eth_rx_burst(d.port, 0, m, 5);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_EQUAL(p->nb_freed, 3);
	/* the oldest ones came home; those behind them carry packets */
	for (uint32_t i = 0; i < p->nb_freed; i++)
		CU_ASSERT_EQUAL(p->when[pool_index(p, p->freed[i])], i);
	CU_ASSERT_EQUAL(p->when[pool_index(p, m[0])], 3);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_rx_unfilled"), 3);
	rte_pktmbuf_free_bulk(m, 2);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 5), 5);
	dev_close(&d);
	pool_free(p);
}

static void test_out_of_order(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[6];
	static const uint64_t want[6] = { 1, 0, 3, 2, 4, 5 };
	struct dev d;

	open_on(&d, p, "");
	dev_fault(&d, "rx_out_of_order", 2);
	/* one alone has nothing to swap with */
	CU_ASSERT_EQUAL_FATAL(rte_eth_rx_burst(d.port, 0, m, 6), 6);
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(p->when[pool_index(p, m[i])], want[i]);
	rte_pktmbuf_free_bulk(m, 6);
	CU_ASSERT_EQUAL_FATAL(rte_eth_rx_burst(d.port, 0, m, 2), 2);
	CU_ASSERT_EQUAL(p->when[pool_index(p, m[0])], 6);
	rte_pktmbuf_free_bulk(m, 2);
	dev_close(&d);
	pool_free(p);
}

static void set_rate(const struct dev *d, uint32_t rate)
{
	char command[64];

	snprintf(command, sizeof(command), "/simvf/set,%s:rate=%u", d->name, rate);
	dev_ask(command, "");
}

static void test_empty_free(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[1];
	uint32_t got = 0;
	struct dev d;

	open_on(&d, p, "rate=1");
	dev_fault(&d, "rx_empty_free", 3);
	/* until a poll that finds nothing: it gives the newest back, newest first */
	for (; rte_eth_rx_burst(d.port, 0, m, 1) == 1; got++)
		rte_pktmbuf_free(m[0]);
	CU_ASSERT_EQUAL_FATAL(p->count, 3 * NB_DESC + got + 3);
	for (uint32_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(
			p->when[pool_index(p, p->freed[p->nb_freed - 3 + i])], p->taken - 1 - i);
	/* every further one posts them again first */
	uint64_t taken = p->taken;
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 0), 0);
	CU_ASSERT_EQUAL(p->taken, taken + 3);
	CU_ASSERT_EQUAL(p->count, 3 * NB_DESC + got + 3);
	/* packets keep coming, many times around the ring */
	set_rate(&d, 1000000);
	for (int i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(dev_take(&d, 0, 50), 50);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_iommu_faults"), 0);
	dev_fault(&d, "rx_empty_free", 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 50), 50);
	dev_close(&d);
	pool_free(p);
}

/* What was given back is posted again, also when nobody asks for the fault any more. */
static void test_empty_free_taken_back(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[1];
	struct dev d;

	open_on(&d, p, "rate=50000");
	for (int round = 0; round < 40; round++) {
		dev_fault(&d, "rx_empty_free", 3);
		while (rte_eth_rx_burst(d.port, 0, m, 1) == 1)
			rte_pktmbuf_free(m[0]);
		dev_fault(&d, "rx_empty_free", 0);
		for (int i = 0; i < 3; i++)
			CU_ASSERT_EQUAL_FATAL(dev_take(&d, 0, 50), 50);
	}
	CU_ASSERT_EQUAL(dev_stats(&d).ierrors, 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL(p->count, p->nb);
	dev_close(&d);
	pool_free(p);
}

static void test_by_position(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	uint32_t breaks, starts_elsewhere = 0;
	struct dev d;

	open_on(&d, p, "");
	dev_fault(&d, "rx_by_position", 1);
	for (int run = 0; run < 10; run++) {
		breaks = 0;
		uint64_t base = p->taken - NB_DESC;
		pool_forget(p);
		CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
		CU_ASSERT_EQUAL_FATAL(p->nb_freed, NB_DESC);
		for (uint32_t i = 1; i < NB_DESC; i++)
			breaks += p->when[pool_index(p, p->freed[i])] <
				p->when[pool_index(p, p->freed[i - 1])];
		CU_ASSERT(breaks <= 1);
		starts_elsewhere += p->when[pool_index(p, p->freed[0])] != base;
		CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), 0);
	}
	CU_ASSERT(starts_elsewhere > 0);
	dev_close(&d);
	pool_free(p);
}

static void test_keep_on_stop(void)
{
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "", .nb_desc = NB_DESC });
	dev_fault(&d, "keep_on_stop", 3);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), d.mp->size - 3);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), d.mp->size - 3);
	rte_mempool_free(d.own);
	d.own = NULL;
	dev_close(&d);
}

/* The address that the descriptor had before: caught once that is unmapped. */
static void test_stale_dma(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[1];
	struct dev d;

	open_on(&d, p, "");
	/* in its first turn a descriptor has no former address */
	dev_fault(&d, "stale_dma", 1);
	CU_ASSERT_EQUAL(dev_take(&d, 0, NB_DESC), NB_DESC);
	CU_ASSERT_EQUAL(left(&d, "stale_dma"), 1);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_iommu_faults"), 0);
	pool_paint(p, 0xee);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	CU_ASSERT_EQUAL(left(&d, "stale_dma"), 0);
	/* written to buffer 0, which is home */
	CU_ASSERT_EQUAL(p->data[RTE_PKTMBUF_HEADROOM], 0x02);
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod(m[0], uint8_t *), 0xee);
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
	pool_free(p);
}

static void test_stale_dma_caught(void)
{
	struct pool *p = pool_new(NB_DESC, 2048), *q = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[NB_DESC];
	struct dev d;

	/* The descriptors pointed into p; p is unmapped; they point into q. */
	open_on(&d, p, "");
	CU_ASSERT_EQUAL(pool_map(q, d.port), 0);
	for (uint32_t i = 0; i < NB_DESC; i++)
		CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, &m[i], 1), 1);
	/* p is empty: hand out q's buffers in its place */
	CU_ASSERT_EQUAL(p->count, 0);
	for (uint32_t i = 0; i < NB_DESC; i++) {
		m[i]->buf_iova = (uintptr_t)q->data + (size_t)i * (2048 + RTE_PKTMBUF_HEADROOM);
		rte_pktmbuf_free(m[i]);
	}
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 1), 0); /* posts them */
	CU_ASSERT_EQUAL(pool_unmap(p, d.port), 0);
	pool_paint(p, 0xdd);
	pool_paint(q, 0xdd);
	dev_fault(&d, "stale_dma", 5);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 5), 0);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_iommu_faults"), 5);
	CU_ASSERT_EQUAL(dev_stats(&d).ierrors, 5);
	CU_ASSERT(pool_is(p, 0xdd));
	CU_ASSERT(pool_is(q, 0xdd));
	/* the next one is good */
	CU_ASSERT_EQUAL_FATAL(rte_eth_rx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT(!pool_is(q, 0xdd));
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
	pool_free(p);
	pool_free(q);
}

/* A descriptor that outlives the stop of its queue, as on a NIC that is not really stopped. */
static void test_stale_dma_after_stop(void)
{
	struct pool *p = pool_new(NB_DESC, 2048), *q = pool_new(NB_DESC, 2048);
	struct rte_mbuf *m[NB_DESC];
	struct dev d;

	open_on(&d, p, "");
	CU_ASSERT_EQUAL(pool_map(q, d.port), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL_FATAL(rte_mempool_get_bulk(p->mp, (void **)m, NB_DESC), 0);
	for (uint32_t i = 0; i < NB_DESC; i++)
		m[i]->buf_iova = (uintptr_t)q->data + (size_t)i * (2048 + RTE_PKTMBUF_HEADROOM);
	rte_mempool_put_bulk(p->mp, (void **)m, NB_DESC);
	CU_ASSERT_EQUAL(pool_unmap(p, d.port), 0);
	pool_paint(p, 0xdd);
	pool_paint(q, 0xdd);
	dev_fault(&d, "stale_dma", 5);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), 0);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 5), 0);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_iommu_faults"), 5);
	CU_ASSERT(pool_is(p, 0xdd));
	CU_ASSERT(pool_is(q, 0xdd));
	CU_ASSERT_EQUAL_FATAL(rte_eth_rx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT(!pool_is(q, 0xdd));
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
	pool_free(p);
	pool_free(q);
}

static void test_unknown(void)
{
	char command[64];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "" });
	CU_ASSERT_EQUAL(left(&d, "link_down"), 0);
	snprintf(command, sizeof(command), "/simvf/fault,%s:nonsense=1", d.name);
	CU_ASSERT_EQUAL(dev_ask(command, "link_down"), UINT64_MAX);
	snprintf(command, sizeof(command), "/simvf/fault,%s:link_down=x", d.name);
	CU_ASSERT_EQUAL(dev_ask(command, "link_down"), UINT64_MAX);
	snprintf(command, sizeof(command), "/simvf/fault,%s:link_down", d.name);
	CU_ASSERT_EQUAL(dev_ask(command, "link_down"), UINT64_MAX);
	CU_ASSERT_EQUAL(dev_ask("/simvf/fault,net_simvf1234", "link_down"), UINT64_MAX);
	CU_ASSERT_EQUAL(dev_ask("/simvf/fault", "link_down"), UINT64_MAX);
	CU_ASSERT_EQUAL(left(&d, "link_down"), 0);
	snprintf(command, sizeof(command), "/simvf/stats,%s", d.name);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 2), 2);
	CU_ASSERT_EQUAL(dev_ask(command, "rx_packets"), 2);
	CU_ASSERT_EQUAL(dev_ask(command, "rx_bytes"), 128);
	dev_close(&d);
}

static const struct unit_test tests[] = {
	{ "starts and stops fail", test_start_and_stop_fail },
	{ "link_down", test_link_down },
	{ "pf_reset", test_pf_reset },
	{ "tx_lost_completion", test_lost_completion },
	{ "rx_unfilled", test_unfilled },
	{ "rx_out_of_order", test_out_of_order },
	{ "rx_empty_free", test_empty_free },
	{ "rx_empty_free, taken back", test_empty_free_taken_back },
	{ "rx_by_position", test_by_position },
	{ "keep_on_stop", test_keep_on_stop },
	{ "stale_dma", test_stale_dma },
	{ "stale_dma, caught by the IOMMU", test_stale_dma_caught },
	{ "stale_dma, after a stop", test_stale_dma_after_stop },
	{ "requests that are refused", test_unknown },
};

DEV_MAIN("pmd/simvf/fault", tests)
