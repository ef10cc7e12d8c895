/* SPDX-License-Identifier: BSD-3-Clause */
/* wire=gen: frames, flows, pace, latency. */
#include <string.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_mempool.h>
#include <rte_udp.h>

#include "tests/unit/pmd/simvf/dev.h"

/* ---- frames ---- */

static uint16_t flow_of(const struct rte_mbuf *m)
{
	return (uint16_t)(rte_be_to_cpu_16(
				  rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34)->src_port) -
		1024);
}

/* Every header field that depends on the flow or the length, and the payload. */
static bool is_good(const struct rte_mbuf *m, uint32_t size, uint8_t dst)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	const struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34);
	const uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t flow = flow_of(m);
	struct rte_ipv4_hdr ip;

	memcpy(&ip, bytes + 14, sizeof(ip));
	for (uint32_t i = 42; i < size; i++)
		if (bytes[i] != (uint8_t)i)
			return false;
	return m->data_len == size && m->pkt_len == size && m->nb_segs == 1 &&
		m->data_off == RTE_PKTMBUF_HEADROOM && eth->dst_addr.addr_bytes[5] == dst &&
		eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
		rte_be_to_cpu_16(ip.total_length) == size - 14 && rte_ipv4_cksum(&ip) == 0 &&
		rte_be_to_cpu_32(ip.src_addr) == UINT32_C(0xc6120000) + flow &&
		rte_be_to_cpu_16(udp->dst_port) == 5000 + flow &&
		rte_be_to_cpu_16(udp->dgram_len) == size - 34;
}

static void test_contents(void)
{
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=60-1514,dst=02:00:00:00:00:77" });
	for (uint32_t size = 60; size <= 1514; size++) {
		CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
		bool good = is_good(m[0], size, 0x77);
		rte_pktmbuf_free(m[0]);
		CU_ASSERT_FATAL(good);
	}
	/* and again from the start */
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	CU_ASSERT_EQUAL(m[0]->pkt_len, 60);
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
}

static void test_own_address(void)
{
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "mac=02:00:00:00:12:34" });
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	CU_ASSERT(is_good(m[0], 64, 0x34));
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
}

static void test_imix(void)
{
	uint32_t nb[3] = { 0 };
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=imix,flows=7,dst=02:00:00:00:00:34" });
	for (int i = 0; i < 1200; i++) {
		CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
		nb[m[0]->pkt_len == 64 ? 0 : m[0]->pkt_len == 594 ? 1 : 2]++;
		CU_ASSERT(is_good(m[0], m[0]->pkt_len, 0x34));
		rte_pktmbuf_free(m[0]);
	}
	CU_ASSERT_EQUAL(nb[0], 700);
	CU_ASSERT_EQUAL(nb[1], 400);
	CU_ASSERT_EQUAL(nb[2], 100);
	dev_close(&d);
}

/* dma=none: descriptors only. */
static void test_no_dma(void)
{
	struct pool *p = pool_new(256, 2048);
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "dma=none,size=100", .mp = p->mp });
	CU_ASSERT_EQUAL(pool_map(p, d.port), 0);
	pool_paint(p, 0xee);
	CU_ASSERT_EQUAL(dev_take(&d, 0, DEV_BURST), DEV_BURST);
	CU_ASSERT_EQUAL(dev_stats(&d).ibytes, 100 * DEV_BURST);
	CU_ASSERT(pool_is(p, 0xee));
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_dma_cycles"), 0);
	/* but the IOMMU is asked */
	CU_ASSERT_EQUAL(pool_unmap(p, d.port), 0);
	struct rte_mbuf *m[1];
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 1), 0);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_iommu_faults"), 1);
	dev_close(&d);
	pool_free(p);
}

static void test_dma_is_timed(void)
{
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=1514" });
	CU_ASSERT_EQUAL(dev_take(&d, 0, DEV_BURST), DEV_BURST);
	CU_ASSERT(dev_xstat(&d, "sim_rx_dma_cycles") > 0);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_dma_cycles"), dev_xstat(&d, "sim_rx_dma_cycles"));
	dev_close(&d);
}

/* What neither the MTU nor the buffer can take is dropped, without a descriptor. */
static void test_too_long(void)
{
	struct rte_mbuf *m[DEV_BURST];
	struct pool *p = pool_new(256, 2047);
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=1521-1524" });
	uint16_t n = dev_rx(&d, 0, m, 2);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(m[0]->pkt_len, 1521);
	CU_ASSERT_EQUAL(m[1]->pkt_len, 1522);
	rte_pktmbuf_free_bulk(m, n);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 2), 2);
	CU_ASSERT(dev_stats(&d).ierrors >= 2);
	dev_close(&d);

	/* buffers count in steps of 1024 bytes, unless it can do better */
	dev_open(&d, &(struct dev_conf){ .args = "size=1200,iommu=0", .mp = p->mp });
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, DEV_BURST), 0);
	CU_ASSERT_EQUAL(dev_stats(&d).ierrors, DEV_BURST);
	dev_close(&d);
	dev_open(&d, &(struct dev_conf){ .args = "size=1200,iommu=0,buf_align=1", .mp = p->mp });
	CU_ASSERT_EQUAL(dev_take(&d, 0, DEV_BURST), DEV_BURST);
	dev_close(&d);
	pool_free(p);
}

static void test_mtu(void)
{
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=1000" });
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	CU_ASSERT_EQUAL(rte_eth_dev_set_mtu(d.port, 900), 0);
	struct rte_mbuf *m[1];
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, 1), 0);
	CU_ASSERT_EQUAL(dev_stats(&d).ierrors, 1);
	CU_ASSERT_EQUAL(rte_eth_dev_set_mtu(d.port, 1500), 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	dev_close(&d);
}

/* ---- flows ---- */

#define NB_FLOWS 256

/* Polls all queues; marks on which queue each flow came (0: not seen). False if on several. */
static bool watch(const struct dev *d, uint8_t *queue_of, uint32_t polls)
{
	bool one = true;

	memset(queue_of, 0, NB_FLOWS);
	for (uint32_t i = 0; i < polls; i++) {
		for (uint16_t q = 0; q < d->queues; q++) {
			struct rte_mbuf *m[DEV_BURST];
			uint16_t n = rte_eth_rx_burst(d->port, q, m, DEV_BURST);

			for (uint16_t k = 0; k < n; k++) {
				uint16_t flow = flow_of(m[k]);

				one = one && flow < NB_FLOWS &&
					(queue_of[flow] == 0 || queue_of[flow] == q + 1);
				queue_of[flow % NB_FLOWS] = (uint8_t)(q + 1);
			}
			rte_pktmbuf_free_bulk(m, n);
		}
	}
	return one;
}

static uint32_t count(const uint8_t *queue_of, uint8_t queue)
{
	uint32_t n = 0;

	for (int i = 0; i < NB_FLOWS; i++)
		n += queue_of[i] == queue;
	return n;
}

static void test_rss(void)
{
	uint8_t queue_of[NB_FLOWS], again[NB_FLOWS];
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d,
		&(struct dev_conf){ .args = "flows=256",
			.queues = 4,
			.rss = true,
			.rx_offloads = RTE_ETH_RX_OFFLOAD_RSS_HASH });
	CU_ASSERT(watch(&d, queue_of, 100));
	CU_ASSERT_EQUAL(count(queue_of, 0), 0);
	for (uint8_t q = 1; q <= 4; q++)
		CU_ASSERT(count(queue_of, q) > NB_FLOWS / 8);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 2, m, 1), 1);
	CU_ASSERT(m[0]->ol_flags & RTE_MBUF_F_RX_RSS_HASH);
	CU_ASSERT_EQUAL(m[0]->hash.rss % 4, 2);
	rte_pktmbuf_free(m[0]);

	/* all of the table to queue 3, while running */
	struct rte_eth_rss_reta_entry64 reta[2];
	for (int i = 0; i < 128; i++)
		reta[i / 64].reta[i % 64] = 3;
	reta[0].mask = reta[1].mask = UINT64_MAX;
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_update(d.port, reta, 128), 0);
	CU_ASSERT(watch(&d, again, 100));
	CU_ASSERT_EQUAL(count(again, 4), NB_FLOWS);
	dev_close(&d);
}

static void test_no_rss(void)
{
	uint8_t queue_of[NB_FLOWS];
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "flows=256", .queues = 4 });
	CU_ASSERT(watch(&d, queue_of, 100));
	CU_ASSERT_EQUAL(count(queue_of, 1), NB_FLOWS);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	CU_ASSERT_EQUAL(m[0]->ol_flags, 0);
	rte_pktmbuf_free(m[0]);
	dev_close(&d);
}

static struct rte_flow *rule(const struct dev *d, uint16_t port, int queue)
{
	struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_item_udp spec = { .hdr.dst_port = rte_cpu_to_be_16(port) };
	struct rte_flow_item_udp mask = { .hdr.dst_port = 0xffff };
	struct rte_flow_item items[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &spec, .mask = &mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_action_queue to = { .index = (uint16_t)queue };
	struct rte_flow_action actions[] = {
		{ .type = queue < 0 ? RTE_FLOW_ACTION_TYPE_DROP : RTE_FLOW_ACTION_TYPE_QUEUE,
			.conf = queue < 0 ? NULL : &to },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	return rte_flow_create(d->port, &attr, items, actions, NULL);
}

/* Rules decide while frames arrive. */
static void test_rules(void)
{
	uint8_t queue_of[NB_FLOWS];
	struct rte_flow *to_3, *drop;
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "flows=256", .queues = 4 });
	to_3 = rule(&d, 5007, 3);
	drop = rule(&d, 5009, -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(to_3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(drop);
	CU_ASSERT(watch(&d, queue_of, 100));
	CU_ASSERT_EQUAL(queue_of[7], 4);
	CU_ASSERT_EQUAL(count(queue_of, 4), 1);
	CU_ASSERT_EQUAL(queue_of[9], 0);
	CU_ASSERT_EQUAL(count(queue_of, 1), NB_FLOWS - 2);
	CU_ASSERT_EQUAL(rte_flow_destroy(d.port, to_3, NULL), 0);
	CU_ASSERT(watch(&d, queue_of, 100));
	CU_ASSERT_EQUAL(queue_of[7], 1);
	CU_ASSERT_EQUAL(queue_of[9], 0);
	CU_ASSERT_EQUAL(rte_flow_flush(d.port, NULL), 0);
	CU_ASSERT(watch(&d, queue_of, 100));
	CU_ASSERT_EQUAL(count(queue_of, 1), NB_FLOWS);
	dev_close(&d);
}

/* ---- pace ---- */

/* Of all queues; returns how many. */
static uint64_t poll_all(const struct dev *d)
{
	uint64_t got = 0;

	for (uint16_t q = 0; q < d->queues; q++) {
		struct rte_mbuf *m[DEV_BURST];
		uint16_t n = rte_eth_rx_burst(d->port, q, m, DEV_BURST);

		rte_pktmbuf_free_bulk(m, n);
		got += n;
	}
	return got;
}

/* Everything that should have arrived was received or missed: no slow machine spoils this. */
static void test_rate(void)
{
	uint64_t before = rte_get_tsc_cycles(), started, looked, got = 0, n;
	struct dev d;

	dev_open(&d,
		&(struct dev_conf){ .args = "rate=100000,flows=256", .queues = 4, .rss = true });
	started = rte_get_tsc_cycles();
	/* until all that waited has been fetched: no queue had a whole burst */
	do {
		looked = rte_get_tsc_cycles();
		n = poll_all(&d);
		got += n;
	} while (n >= DEV_BURST || looked - started < rte_get_tsc_hz() / 10);
	got += dev_stats(&d).imissed;
	CU_ASSERT(got >= 100000 * (looked - started) / rte_get_tsc_hz());
	CU_ASSERT(got <= 100000 * (rte_get_tsc_cycles() - before) / rte_get_tsc_hz() + 4);
	dev_close(&d);
}

/* Nobody polls: what descriptors and FIFO cannot hold is missed. */
static void test_missed(void)
{
	struct rte_mbuf *m[256];
	struct dev d;
	uint16_t n = 0;

	dev_open(&d, &(struct dev_conf){ .args = "rate=1000000,fifo=20", .nb_desc = 64 });
	rte_delay_us(1000);
	/* one poll looks at the time; the rest empties ring and FIFO, and gets some that came since */
	n = rte_eth_rx_burst(d.port, 0, m, 1);
	CU_ASSERT_EQUAL(n, 1);
	uint64_t missed = dev_stats(&d).imissed;
	CU_ASSERT(missed >= 1000 - 64 - 20);
	rte_pktmbuf_free_bulk(m, n);
	dev_close(&d);

	dev_open(&d, &(struct dev_conf){ .args = "rate=1000,fifo=5000", .nb_desc = 32 });
	rte_delay_us(40000);
	CU_ASSERT_EQUAL(dev_take(&d, 0, 40), 40);
	CU_ASSERT_EQUAL(dev_stats(&d).imissed, 0);
	dev_close(&d);
}

static void test_set_at_run_time(void)
{
	char command[64];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "size=100" });
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).ibytes, 100);
	snprintf(command, sizeof(command), "/simvf/set,%s:size=200", d.name);
	dev_ask(command, "");
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).ibytes, 300);
	snprintf(command, sizeof(command), "/simvf/set,%s:rate=1", d.name);
	dev_ask(command, "");
	struct rte_mbuf *m[DEV_BURST];
	uint16_t n = 0;
	uint64_t before = rte_get_tsc_cycles();
	for (int i = 0; i < 100; i++)
		n = (uint16_t)(n + rte_eth_rx_burst(d.port, 0, m + n, (uint16_t)(DEV_BURST - n)));
	CU_ASSERT(n <= 1 + (rte_get_tsc_cycles() - before) / rte_get_tsc_hz());
	rte_pktmbuf_free_bulk(m, n);
	/* refused, and nothing changes */
	snprintf(command, sizeof(command), "/simvf/set,%s:size=10", d.name);
	dev_ask(command, "");
	snprintf(command, sizeof(command), "/simvf/set,%s:rate=0", d.name);
	dev_ask(command, "");
	uint64_t bytes = dev_stats(&d).ibytes;
	CU_ASSERT_EQUAL(dev_take(&d, 0, 1), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).ibytes, bytes + 200);
	dev_close(&d);
}

/* ---- latency ---- */

static uint64_t latency(const struct dev *d, const char *field)
{
	char command[64];

	snprintf(command, sizeof(command), "/simvf/latency,%s", d->name);
	return dev_ask(command, field);
}

static void check_latency(const char *args)
{
	struct rte_mbuf *m[10];
	char command[64];
	struct dev d;

	uint64_t start = rte_get_tsc_cycles();
	dev_open(&d, &(struct dev_conf){ .args = args });
	CU_ASSERT_EQUAL(latency(&d, "samples"), 0);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 10), 10);
	rte_delay_us(2000);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 10), 10);
	uint64_t limit = (rte_get_tsc_cycles() - start) * 1000 / (rte_get_tsc_hz() / 1000000);
	CU_ASSERT_EQUAL(latency(&d, "samples"), 10);
	CU_ASSERT(latency(&d, "p50_ns") >= 1900000);
	CU_ASSERT(latency(&d, "p50_ns") <= latency(&d, "p99_ns"));
	CU_ASSERT(latency(&d, "p99_ns") <= latency(&d, "max_ns"));
	CU_ASSERT(latency(&d, "max_ns") <= limit);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_latency_samples"), 10);
	snprintf(command, sizeof(command), "/simvf/reset,%s", d.name);
	dev_ask(command, "");
	CU_ASSERT_EQUAL(latency(&d, "samples"), 0);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 3), 3);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 3), 3);
	CU_ASSERT_EQUAL(latency(&d, "samples"), 3);
	dev_close(&d);
}

static void test_latency(void)
{
	check_latency("latency=1");
	check_latency("latency=1,dma=none,rate=100000");
}

/* It counts from a frame's arrival, not from when somebody looked. */
static void test_latency_of_waiting(void)
{
	struct rte_mbuf *m[1];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "latency=1,rate=1000" });
	rte_delay_us(5000);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, 1), 1);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT(latency(&d, "max_ns") >= 4900000);
	dev_close(&d);
}

static const struct unit_test tests[] = {
	{ "frames of 60 to 1514 bytes", test_contents },
	{ "frames go to the device's own address", test_own_address },
	{ "imix is 7:4:1", test_imix },
	{ "dma=none writes nothing", test_no_dma },
	{ "dma=copy is timed", test_dma_is_timed },
	{ "frames that are too long", test_too_long },
	{ "MTU changes", test_mtu },
	{ "RSS spreads flows, and the table moves them", test_rss },
	{ "without RSS all is on queue 0", test_no_rss },
	{ "flow rules move and drop flows", test_rules },
	{ "rate", test_rate },
	{ "what does not fit is missed", test_missed },
	{ "size and rate at run time", test_set_at_run_time },
	{ "latency and its reset", test_latency },
	{ "latency of what waited", test_latency_of_waiting },
};

DEV_MAIN("pmd/simvf/generator", tests)
