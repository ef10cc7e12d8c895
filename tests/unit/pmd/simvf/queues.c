/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments, and the life of queues: every buffer is accounted for. */
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/simvf/dev.h"

#define NB_DESC 64

static void test_bad_arguments(void)
{
	static const char *const bad[] = {
		"nonsense=1",
		"queues=0",
		"queues=65",
		"queues=x",
		"size=59",
		"size=9601",
		"size=100-99",
		"size=64-",
		"size=IMIX",
		"flows=0",
		"flows=65537",
		"rate=-1",
		"rate=1000000001",
		"dma=fast",
		"wire=peer",
		"wire=peer:",
		"wire=gen:x",
		"wire=copper",
		"wire=iface:no-such-netdev",
		"wire=pcap:/no/such/file",
		"mac=01:00:00:00:00:01",
		"mac=02:00",
		"latency=2",
		"buf_align=0",
	};

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		int ret = rte_eal_hotplug_add("vdev", "net_simvf99", bad[i]);

		CU_ASSERT(ret < 0);
		if (ret == 0)
			printf("# accepted: %s\n", bad[i]);
	}
	CU_ASSERT_EQUAL(rte_eth_dev_count_avail(), 0);
}

static void test_info(void)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	struct rte_eth_link link;
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "queues=3", .name = "net_simvf17" });
	CU_ASSERT_EQUAL(rte_eth_dev_info_get(d.port, &info), 0);
	CU_ASSERT_STRING_EQUAL(info.driver_name, "net_simvf");
	CU_ASSERT_EQUAL(info.max_rx_queues, 3);
	CU_ASSERT_EQUAL(info.max_tx_queues, 3);
	CU_ASSERT_EQUAL(info.rx_desc_lim.nb_min, 32);
	CU_ASSERT_EQUAL(info.rx_desc_lim.nb_max, 4096);
	CU_ASSERT_EQUAL(info.default_rxconf.rx_free_thresh, 32);
	CU_ASSERT_EQUAL(rte_eth_macaddr_get(d.port, &mac), 0);
	CU_ASSERT_EQUAL(mac.addr_bytes[4], 0x5f);
	CU_ASSERT_EQUAL(mac.addr_bytes[5], 17);
	CU_ASSERT_EQUAL(rte_eth_link_get_nowait(d.port, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP);
	dev_close(&d);
}

/* Position in the ring at which a buffer was posted, as long as every buffer was posted once. */
static uint32_t position(const struct pool *p, const struct rte_mbuf *m)
{
	return (uint32_t)(p->when[pool_index(p, m)] % NB_DESC);
}

static void open_on(struct dev *d, struct pool *p, const char *args)
{
	dev_open(d,
		&(struct dev_conf){
			.args = args, .mp = p->mp, .nb_desc = NB_DESC, .stopped = true });
	CU_ASSERT_EQUAL_FATAL(pool_map(p, d->port), 0);
	pool_forget(p);
	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_start(d->port), 0);
}

static void test_start_fills_ring(void)
{
	struct pool *p = pool_new(NB_DESC + 10, 2048);
	struct dev d;

	open_on(&d, p, "rate=1");
	CU_ASSERT_EQUAL(p->count, 10);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(d.port), 0);
	CU_ASSERT_EQUAL(p->count, NB_DESC + 10);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), 0);
	CU_ASSERT_EQUAL(p->count, 10);
	dev_close(&d);
	pool_free(p);
}

static void test_start_without_buffers(void)
{
	struct pool *p = pool_new(NB_DESC - 1, 2048);
	struct dev d;

	dev_open(&d,
		&(struct dev_conf){ .args = "", .mp = p->mp, .nb_desc = NB_DESC, .stopped = true });
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), -ENOMEM);
	CU_ASSERT_EQUAL(p->count, NB_DESC - 1);
	dev_close(&d);
	pool_free(p);
}

static void test_stop_one_queue(void)
{
	struct rte_mbuf *m[DEV_BURST];
	struct dev d;

	dev_open(
		&d, &(struct dev_conf){ .args = "", .queues = 2, .nb_desc = NB_DESC, .rss = true });
	uint32_t left = rte_mempool_avail_count(d.mp);
	CU_ASSERT_EQUAL(dev_take(&d, 0, DEV_BURST), DEV_BURST);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), left + NB_DESC);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, DEV_BURST), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), left + NB_DESC);
	/* the other one still runs */
	CU_ASSERT_EQUAL(dev_take(&d, 1, DEV_BURST), DEV_BURST);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, DEV_BURST), DEV_BURST);
	dev_close(&d);
}

static void test_stop_queues_off(void)
{
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "stop_queues=0" });
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), -ENOTSUP);
	CU_ASSERT_EQUAL(rte_eth_dev_tx_queue_stop(d.port, 0), -ENOTSUP);
	dev_close(&d);
}

/* From index 0 upward, whichever is the oldest. */
static void test_stop_in_ring_order(void)
{
	struct pool *p = pool_new(4 * NB_DESC, 2048);
	struct rte_mbuf *m[40];
	struct dev d;

	open_on(&d, p, "");
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 40), 40);
	pool_forget(p);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(d.port, 0), 0);
	/* 32 of the 40 had been replaced */
	CU_ASSERT_EQUAL(p->nb_freed, NB_DESC - 8);
	CU_ASSERT_EQUAL(position(p, p->freed[0]), 0);
	for (uint32_t i = 1; i < p->nb_freed; i++)
		CU_ASSERT(position(p, p->freed[i]) > position(p, p->freed[i - 1]));
	/* so the first one freed is one of the last posted */
	CU_ASSERT_EQUAL(p->when[pool_index(p, p->freed[0])], NB_DESC);
	rte_pktmbuf_free_bulk(m, 40);
	dev_close(&d);
	pool_free(p);
}

/* Frames that have arrived but were not fetched are lost at stop, their buffers are not. */
static void test_stop_with_done_descriptors(void)
{
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "rate=1000000", .nb_desc = NB_DESC });
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	rte_delay_us(100);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	CU_ASSERT(rte_eth_rx_queue_count(d.port, 0) > 10);
	CU_ASSERT_EQUAL(rte_eth_rx_descriptor_status(d.port, 0, 0), RTE_ETH_RX_DESC_DONE);
	CU_ASSERT_EQUAL(
		rte_eth_rx_descriptor_status(d.port, 0, NB_DESC - 1), RTE_ETH_RX_DESC_UNAVAIL);
	rte_pktmbuf_free(m[0]);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(d.port), 0);
	/* one is leaked on purpose above: the first packet */
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.own), d.own->size - 1);
	rte_mempool_free(d.own);
	d.own = NULL;
	dev_close(&d);
}

static void test_refill_fails(void)
{
	struct pool *p = pool_new(NB_DESC + 16, 2048);
	struct rte_mbuf *m[2 * NB_DESC];
	struct dev d;
	uint16_t n;

	open_on(&d, p, "");
	/* no 32 buffers are left: the ring drains, nothing is lost */
	n = 0;
	for (int i = 0; i < 100; i++)
		n = (uint16_t)(n + rte_eth_rx_burst(d.port, 0, m + n, (uint16_t)(2 * NB_DESC - n)));
	CU_ASSERT_EQUAL(n, NB_DESC);
	CU_ASSERT_EQUAL(p->count, 16);
	CU_ASSERT(dev_stats(&d).rx_nombuf > 0);
	rte_pktmbuf_free_bulk(m, NB_DESC);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 2), 2);
	dev_close(&d);
	pool_free(p);
}

static void test_deferred_start(void)
{
	struct rte_eth_conf eth = { 0 };
	struct rte_eth_rxconf conf = { .rx_deferred_start = 1 };
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "", .stopped = true });
	CU_ASSERT_EQUAL(rte_eth_dev_configure(d.port, 1, 1, &eth), 0);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(d.port, 0, 32, 0, &conf, d.mp), 0);
	CU_ASSERT_EQUAL(rte_eth_tx_queue_setup(d.port, 0, 32, 0, NULL), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(d.mp), d.mp->size);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 1), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(d.port, 0), 0);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
}

/* ---- transmit ---- */

static uint16_t transmit(const struct dev *d, uint16_t n)
{
	static const uint8_t frame[64] = { 2 };
	struct rte_mbuf *m[NB_DESC];
	uint16_t sent;

	for (uint16_t i = 0; i < n; i++)
		m[i] = dev_frame(d->mp, frame, sizeof(frame));
	sent = rte_eth_tx_burst(d->port, 0, m, n);
	rte_pktmbuf_free_bulk(m + sent, n - sent);
	return sent;
}

static uint32_t in_ring(const struct dev *d, uint32_t before)
{
	return before - rte_mempool_avail_count(d->mp);
}

static void test_tx_frees_late(void)
{
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "wire=sink", .nb_desc = NB_DESC });
	uint32_t before = rte_mempool_avail_count(d.mp);
	/* below the threshold nothing is freed, as with real drivers */
	CU_ASSERT_EQUAL(transmit(&d, 40), 40);
	CU_ASSERT_EQUAL(in_ring(&d, before), 40);
	CU_ASSERT_EQUAL(
		rte_eth_tx_descriptor_status(d.port, 0, NB_DESC - 40), RTE_ETH_TX_DESC_DONE);
	CU_ASSERT_EQUAL(transmit(&d, 10), 10);
	CU_ASSERT_EQUAL(in_ring(&d, before), 40 + 10 - 32);
	/* an empty burst frees all */
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(in_ring(&d, before), 0);
	CU_ASSERT_EQUAL(transmit(&d, 20), 20);
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(d.port, 0, 5), 5);
	CU_ASSERT_EQUAL(in_ring(&d, before), 15);
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(d.port, 0, 0), 15);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 70);
	CU_ASSERT_EQUAL(dev_stats(&d).obytes, 70 * 64);
	dev_close(&d);
}

static void test_tx_lag_by_count(void)
{
	struct dev d;

	dev_open(&d,
		&(struct dev_conf){
			.args = "wire=sink,tx_lag=48,tx_lag_us=10000000", .nb_desc = NB_DESC });
	uint32_t before = rte_mempool_avail_count(d.mp);
	CU_ASSERT_EQUAL(transmit(&d, 40), 40);
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(d.port, 0, 0), 0);
	CU_ASSERT_EQUAL(
		rte_eth_tx_descriptor_status(d.port, 0, NB_DESC - 40), RTE_ETH_TX_DESC_FULL);
	CU_ASSERT_EQUAL(transmit(&d, 10), 10);
	/* 48 newer ones for the first two */
	CU_ASSERT_EQUAL(in_ring(&d, before), 50);
	CU_ASSERT_EQUAL(
		rte_eth_tx_descriptor_status(d.port, 0, NB_DESC - 50), RTE_ETH_TX_DESC_DONE);
	CU_ASSERT_EQUAL(
		rte_eth_tx_descriptor_status(d.port, 0, NB_DESC - 48), RTE_ETH_TX_DESC_FULL);
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(d.port, 0, 0), 2);
	/* a ring can hold more than completes */
	CU_ASSERT_EQUAL(transmit(&d, 40), NB_DESC - 48);
	CU_ASSERT_EQUAL(transmit(&d, 40), NB_DESC - 48);
	CU_ASSERT_EQUAL(in_ring(&d, before), NB_DESC);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 50 + 2 * (NB_DESC - 48));
	/* and the rest comes home at stop */
	CU_ASSERT_EQUAL(rte_eth_dev_tx_queue_stop(d.port, 0), 0);
	CU_ASSERT_EQUAL(in_ring(&d, before), 0);
	CU_ASSERT_EQUAL(transmit(&d, 1), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_tx_queue_start(d.port, 0), 0);
	CU_ASSERT_EQUAL(transmit(&d, 1), 1);
	dev_close(&d);
}

static void test_tx_lag_by_time(void)
{
	struct dev d;
	uint64_t start;

	dev_open(&d,
		&(struct dev_conf){
			.args = "wire=sink,tx_lag=4096,tx_lag_us=5000", .nb_desc = NB_DESC });
	uint32_t before = rte_mempool_avail_count(d.mp);
	start = rte_get_tsc_cycles();
	CU_ASSERT_EQUAL(transmit(&d, 10), 10);
	while (in_ring(&d, before) > 0 && rte_get_tsc_cycles() - start < 10 * rte_get_tsc_hz())
		rte_eth_tx_burst(d.port, 0, NULL, 0);
	CU_ASSERT_EQUAL(in_ring(&d, before), 0);
	CU_ASSERT(rte_get_tsc_cycles() - start >= rte_get_tsc_hz() / 200);
	dev_close(&d);
}

/* Buffers of several pools, shared ones, chains and clones: each goes where it belongs. */
static void test_tx_all_kinds(void)
{
	struct rte_mempool *other = rte_pktmbuf_pool_create("other", 63, 0, 0, 2176, SOCKET_ID_ANY);
	uint8_t bytes[64] = { 2 };
	struct rte_mbuf *m[8];
	struct dev d;

	dev_open(&d,
		&(struct dev_conf){ .args = "wire=sink",
			.nb_desc = NB_DESC,
			.tx_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS });
	uint32_t before = rte_mempool_avail_count(d.mp);

	m[0] = dev_frame(d.mp, bytes, 64);
	m[1] = dev_frame(other, bytes, 64);
	m[2] = dev_frame(other, bytes, 64);
	m[3] = dev_frame(d.mp, bytes, 64); /* in use elsewhere */
	rte_mbuf_refcnt_update(m[3], 1);
	m[4] = dev_frame(d.mp, bytes, 40); /* a chain over both pools */
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m[4], dev_frame(other, bytes, 40)), 0);
	m[5] = rte_pktmbuf_clone(m[3], other);
	m[6] = dev_frame(d.mp, bytes, 64);
	m[7] = dev_frame(other, bytes, 64);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 8), 8);
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(d.port, 0, 0), 9);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(other), 63);
	CU_ASSERT_EQUAL(in_ring(&d, before), 1);
	CU_ASSERT_EQUAL(rte_mbuf_refcnt_read(m[3]), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 8);
	CU_ASSERT_EQUAL(dev_stats(&d).obytes, 7 * 64 + 80);
	rte_pktmbuf_free(m[3]);
	/* what comes home of a chain is fit for use */
	m[0] = rte_pktmbuf_alloc(other);
	CU_ASSERT(m[0]->next == NULL && m[0]->nb_segs == 1);
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
	rte_mempool_free(other);
}

static void test_tx_refused(void)
{
	uint8_t bytes[2000] = { 2 };
	struct rte_mbuf *m[3];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "wire=sink" });
	m[0] = dev_frame(d.mp, bytes, 1500 + 14 + 8);
	m[1] = dev_frame(d.mp, bytes, 1500 + 14 + 9);
	m[2] = dev_frame(d.mp, bytes, 59);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 3), 3);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 2);
	CU_ASSERT_EQUAL(dev_stats(&d).oerrors, 1);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_tx_runts"), 1);
	m[0] = dev_frame(d.mp, bytes, 60);
	for (int i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(rte_pktmbuf_chain(m[0], dev_frame(d.mp, bytes, 2)), 0);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 2);
	CU_ASSERT_EQUAL(dev_stats(&d).oerrors, 2);
	dev_close(&d);
}

static void test_stats_reset(void)
{
	struct rte_mbuf *m[DEV_BURST];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=100" });
	uint16_t n = dev_rx(&d, 0, m, DEV_BURST);
	CU_ASSERT_EQUAL(dev_stats(&d).ipackets, n);
	CU_ASSERT_EQUAL(dev_stats(&d).q_ipackets[0], n);
	CU_ASSERT_EQUAL(dev_stats(&d).ibytes, 100u * n);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, n), n);
	CU_ASSERT_EQUAL(rte_eth_stats_reset(d.port), 0);
	CU_ASSERT_EQUAL(dev_stats(&d).ipackets, 0);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 0);
	n = dev_rx(&d, 0, m, 3);
	CU_ASSERT_EQUAL(dev_stats(&d).ipackets, n);
	rte_pktmbuf_free_bulk(m, n);
	dev_close(&d);
}

static const struct unit_test tests[] = {
	{ "bad device arguments are refused", test_bad_arguments },
	{ "what the device says of itself", test_info },
	{ "a start fills the ring, a stop empties it", test_start_fills_ring },
	{ "a start without enough buffers takes none", test_start_without_buffers },
	{ "one queue stops, the other runs", test_stop_one_queue },
	{ "stop_queues=0", test_stop_queues_off },
	{ "a stop frees in ring order", test_stop_in_ring_order },
	{ "a stop with frames that nobody fetched", test_stop_with_done_descriptors },
	{ "a refill that fails", test_refill_fails },
	{ "deferred start", test_deferred_start },
	{ "Tx: buffers are freed late", test_tx_frees_late },
	{ "Tx: lag, by count", test_tx_lag_by_count },
	{ "Tx: lag, by time", test_tx_lag_by_time },
	{ "Tx: pools, shared buffers, chains, clones", test_tx_all_kinds },
	{ "Tx: too long, too short, too many segments", test_tx_refused },
	{ "statistics and their reset", test_stats_reset },
};

DEV_MAIN("pmd/simvf/queues", tests)
