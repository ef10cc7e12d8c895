/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from a wire: two devices back to back, one looped back, a pcap file; filters; FIFO. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ether.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/simvf/dev.h"

#define NB_DESC 64

static struct dev a, b;

/* a sends, b receives; *_more: further arguments. */
static void open_pair(const char *a_more, const char *b_more, uint16_t b_queues)
{
	char args[256];

	snprintf(args, sizeof(args), "wire=peer:net_simvf81,%s", a_more);
	dev_open(&a,
		&(struct dev_conf){ .args = args,
			.name = "net_simvf80",
			.nb_desc = NB_DESC,
			.tx_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS });
	snprintf(args, sizeof(args), "wire=peer:net_simvf80,mac=02:00:00:00:00:0b,%s", b_more);
	dev_open(&b,
		&(struct dev_conf){ .args = args,
			.name = "net_simvf81",
			.nb_desc = NB_DESC,
			.queues = b_queues });
}

static void close_pair(void)
{
	dev_close(&a);
	dev_close(&b);
}

/* A frame to b, or to another address. */
static void make(uint8_t *frame, const char *dst, uint8_t seed)
{
	struct rte_ether_addr mac;

	rte_ether_unformat_addr(dst ? dst : "02:00:00:00:00:0b", &mac);
	memcpy(frame, &mac, sizeof(mac));
	for (int i = 6; i < 2048; i++)
		frame[i] = (uint8_t)(i + seed);
	/* no protocol that anybody looks at */
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

static uint16_t send_one(const uint8_t *frame, uint16_t len)
{
	struct rte_mbuf *m = dev_frame(a.mp, frame, len);
	uint16_t n = rte_eth_tx_burst(a.port, 0, &m, 1);

	if (n == 0)
		rte_pktmbuf_free(m);
	return n;
}

/* Whether b gets exactly this at its next poll. */
static bool arrives(uint16_t queue, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m[2];
	uint16_t n = rte_eth_rx_burst(b.port, queue, m, 2);
	bool same = n == 1 && m[0]->pkt_len == len && m[0]->nb_segs == 1 &&
		memcmp(rte_pktmbuf_mtod(m[0], void *), frame, len) == 0;

	rte_pktmbuf_free_bulk(m, n);
	return same;
}

static bool nothing_arrives(void)
{
	struct rte_mbuf *m[1];
	uint16_t n = rte_eth_rx_burst(b.port, 0, m, 1);

	rte_pktmbuf_free_bulk(m, n);
	return n == 0;
}

static void test_contents(void)
{
	uint8_t frame[2048];

	open_pair("", "", 1);
	for (uint16_t len = 60; len <= 1522; len++) {
		make(frame, NULL, (uint8_t)len);
		CU_ASSERT_EQUAL_FATAL(send_one(frame, len), 1);
		CU_ASSERT_FATAL(arrives(0, frame, len));
	}
	CU_ASSERT_EQUAL(dev_stats(&a).opackets, 1522 - 60 + 1);
	CU_ASSERT_EQUAL(dev_stats(&b).ipackets, 1522 - 60 + 1);
	CU_ASSERT_EQUAL(dev_stats(&a).obytes, dev_stats(&b).ibytes);
	close_pair();
}

/* Short ones are padded with zeroes; what is no frame is dropped. */
static void test_runts(void)
{
	uint8_t frame[2048];

	open_pair("", "", 1);
	make(frame, NULL, 1);
	CU_ASSERT_EQUAL(send_one(frame, 59), 1);
	frame[59] = 0;
	CU_ASSERT(arrives(0, frame, 60));
	/* nothing is left of the one before */
	memset(frame + 20, 0, 100);
	CU_ASSERT_EQUAL(send_one(frame, 20), 1);
	CU_ASSERT(arrives(0, frame, 60));
	CU_ASSERT_EQUAL(dev_xstat(&a, "sim_tx_runts"), 2);
	make(frame, NULL, 1);
	CU_ASSERT_EQUAL(send_one(frame, 1523), 1);
	CU_ASSERT(nothing_arrives());
	CU_ASSERT_EQUAL(dev_stats(&a).oerrors, 1);
	close_pair();
}

static void test_chains(void)
{
	uint8_t frame[2048];
	struct rte_mbuf *m;

	open_pair("", "", 1);
	make(frame, NULL, 3);
	/* more than once around the ring */
	for (int i = 0; i < 100; i++) {
		m = dev_frame(a.mp, frame, 10);
		CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, dev_frame(a.mp, frame + 10, 500)), 0);
		CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, dev_frame(a.mp, frame + 510, 1)), 0);
		CU_ASSERT_EQUAL_FATAL(rte_eth_tx_burst(a.port, 0, &m, 1), 1);
		CU_ASSERT(arrives(0, frame, 511));
	}
	close_pair();
}

/* A frame for which b has no descriptor waits in the FIFO, and comes in order; the rest is lost. */
static void test_fifo(void)
{
	uint8_t frame[2048];
	uint16_t sent = 0, n = 0;

	open_pair("", "fifo=20", 1);
	for (int i = 0; i < NB_DESC + 30; i++) {
		make(frame, NULL, (uint8_t)i);
		sent = (uint16_t)(sent + send_one(frame, 100));
	}
	CU_ASSERT_EQUAL(sent, NB_DESC + 30);
	CU_ASSERT_EQUAL(dev_stats(&b).imissed, 10);
	for (; n < NB_DESC + 20; n++) {
		struct rte_mbuf *m[1];

		CU_ASSERT_EQUAL_FATAL(dev_rx(&b, 0, m, 1), 1);
		/* there are descriptors again, but others come first */
		if (n == 31) {
			make(frame, NULL, NB_DESC + 20);
			CU_ASSERT_EQUAL(send_one(frame, 100), 1);
			CU_ASSERT_EQUAL(dev_stats(&b).imissed, 11);
		}
		CU_ASSERT_EQUAL(*rte_pktmbuf_mtod_offset(m[0], uint8_t *, 99), (uint8_t)(99 + n));
		rte_pktmbuf_free(m[0]);
	}
	CU_ASSERT(nothing_arrives());
	close_pair();
}

/* The same, but the sender waits: nothing is lost. */
static void test_pause(void)
{
	uint8_t frame[2048];
	uint16_t sent = 0, n = 0;

	open_pair("pause=1", "fifo=20", 1);
	for (int i = 0; i < 2 * NB_DESC + 30; i++) {
		make(frame, NULL, (uint8_t)i);
		sent = (uint16_t)(sent + send_one(frame, 100));
	}
	/* one ring at either end */
	CU_ASSERT_EQUAL(sent, 2 * NB_DESC);
	CU_ASSERT_EQUAL(dev_stats(&b).imissed, 0);
	for (; n < sent; n++) {
		struct rte_mbuf *m[1];

		CU_ASSERT_EQUAL_FATAL(dev_rx(&b, 0, m, 1), 1);
		CU_ASSERT_EQUAL(*rte_pktmbuf_mtod_offset(m[0], uint8_t *, 99), (uint8_t)(99 + n));
		rte_pktmbuf_free(m[0]);
	}
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(a.port, 0, 0), NB_DESC);
	close_pair();
}

/* What waits for a queue is lost when it stops, and does not come later. */
static void test_stop_forgets(void)
{
	uint8_t frame[2048];

	open_pair("", "", 1);
	make(frame, NULL, 0);
	for (int i = 0; i < NB_DESC + 5; i++)
		CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_stop(b.port, 0), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(b.mp), b.mp->size);
	CU_ASSERT_EQUAL(dev_stats(&b).imissed, 5);
	/* and a stopped queue receives nothing */
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT_EQUAL(dev_stats(&b).imissed, 6);
	CU_ASSERT_EQUAL(rte_eth_dev_rx_queue_start(b.port, 0), 0);
	CU_ASSERT(nothing_arrives());
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT(arrives(0, frame, 100));
	close_pair();
}

static bool link_is_up(const struct dev *d)
{
	struct rte_eth_link link;

	CU_ASSERT_EQUAL(rte_eth_link_get_nowait(d->port, &link), 0);
	return link.link_status == RTE_ETH_LINK_UP;
}

static void test_link(void)
{
	uint8_t frame[2048];

	open_pair("", "", 1);
	make(frame, NULL, 0);
	CU_ASSERT(link_is_up(&a) && link_is_up(&b));
	CU_ASSERT_EQUAL(rte_eth_dev_stop(b.port), 0);
	CU_ASSERT(!link_is_up(&a));
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT_EQUAL(dev_xstat(&a, "sim_tx_link_drops"), 1);
	CU_ASSERT_EQUAL(rte_eth_dev_start(b.port), 0);
	CU_ASSERT(link_is_up(&a));
	dev_close(&b);
	CU_ASSERT(!link_is_up(&a));
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	/* it comes back */
	dev_open(&b,
		&(struct dev_conf){ .args = "wire=peer:net_simvf80,mac=02:00:00:00:00:0b",
			.name = "net_simvf81" });
	CU_ASSERT(link_is_up(&a) && link_is_up(&b));
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT(arrives(0, frame, 100));
	close_pair();
}

static void test_not_wired_back(void)
{
	dev_open(&b, &(struct dev_conf){ .args = "", .name = "net_simvf81" });
	dev_open(&a, &(struct dev_conf){ .args = "wire=peer:net_simvf81" });
	CU_ASSERT(!link_is_up(&a));
	close_pair();
}

static void test_loop(void)
{
	uint8_t frame[2048];
	struct rte_mbuf *m[2];

	dev_open(&a,
		&(struct dev_conf){ .args = "wire=peer:net_simvf90,mac=02:00:00:00:00:0b",
			.name = "net_simvf90" });
	CU_ASSERT(link_is_up(&a));
	make(frame, NULL, 0);
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&a, 0, m, 1), 1);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m[0], void *), frame, 100), 0);
	rte_pktmbuf_free(m[0]);
	dev_close(&a);
}

/* The bytes go where the descriptor says, and only if b's IOMMU allows. */
static void test_iommu(void)
{
	struct pool *p = pool_new(256, 2048);
	uint8_t frame[2048];

	dev_open(&a, &(struct dev_conf){ .args = "wire=peer:net_simvf81", .name = "net_simvf80" });
	dev_open(&b,
		&(struct dev_conf){ .args = "wire=peer:net_simvf80,mac=02:00:00:00:00:0b",
			.name = "net_simvf81",
			.mp = p->mp });
	make(frame, NULL, 0);
	pool_paint(p, 0xee);
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT(nothing_arrives());
	CU_ASSERT(pool_is(p, 0xee));
	CU_ASSERT_EQUAL(dev_xstat(&b, "sim_iommu_faults"), 1);
	CU_ASSERT_EQUAL(pool_map(p, b.port), 0);
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	CU_ASSERT(arrives(0, frame, 100));
	close_pair();
	pool_free(p);
}

/* ---- filters ---- */

static bool passes(const char *dst, int vlan)
{
	uint64_t before = dev_xstat(&b, "sim_filter_drops");
	uint8_t frame[2048];

	make(frame, dst, 0);
	if (vlan >= 0)
		memcpy(frame + 12, (uint8_t[]){ 0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan }, 4);
	CU_ASSERT_EQUAL(send_one(frame, 100), 1);
	if (dev_xstat(&b, "sim_filter_drops") != before) {
		CU_ASSERT(nothing_arrives());
		return false;
	}
	CU_ASSERT(arrives(0, frame, 100));
	return true;
}

static void test_mac_filter(void)
{
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 0x0c } };

	open_pair("", "", 1);
	CU_ASSERT(passes("02:00:00:00:00:0b", -1));
	CU_ASSERT(passes("ff:ff:ff:ff:ff:ff", -1));
	CU_ASSERT(!passes("02:00:00:00:00:0c", -1));
	CU_ASSERT(!passes("01:00:5e:00:00:01", -1));
	CU_ASSERT(!passes("00:00:00:00:00:00", -1));
	CU_ASSERT_EQUAL(rte_eth_dev_mac_addr_add(b.port, &mac, 0), 0);
	CU_ASSERT(passes("02:00:00:00:00:0c", -1));
	CU_ASSERT(passes("02:00:00:00:00:0b", -1));
	CU_ASSERT_EQUAL(rte_eth_dev_mac_addr_remove(b.port, &mac), 0);
	CU_ASSERT(!passes("02:00:00:00:00:0c", -1));
	CU_ASSERT_EQUAL(rte_eth_dev_default_mac_addr_set(b.port, &mac), 0);
	CU_ASSERT(passes("02:00:00:00:00:0c", -1));
	CU_ASSERT(!passes("02:00:00:00:00:0b", -1));
	CU_ASSERT_EQUAL(rte_eth_allmulticast_enable(b.port), 0);
	CU_ASSERT(passes("01:00:5e:00:00:01", -1));
	CU_ASSERT(!passes("02:00:00:00:00:0b", -1));
	CU_ASSERT_EQUAL(rte_eth_allmulticast_disable(b.port), 0);
	CU_ASSERT(!passes("01:00:5e:00:00:01", -1));
	CU_ASSERT_EQUAL(rte_eth_promiscuous_enable(b.port), 0);
	CU_ASSERT(passes("02:00:00:00:00:0d", -1));
	CU_ASSERT(passes("01:00:5e:00:00:01", -1));
	CU_ASSERT_EQUAL(rte_eth_promiscuous_disable(b.port), 0);
	CU_ASSERT(!passes("02:00:00:00:00:0d", -1));
	close_pair();
}

static void test_vlan_filter(void)
{
	dev_open(&a, &(struct dev_conf){ .args = "wire=peer:net_simvf81", .name = "net_simvf80" });
	dev_open(&b,
		&(struct dev_conf){ .args = "wire=peer:net_simvf80,mac=02:00:00:00:00:0b",
			.name = "net_simvf81",
			.rx_offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER });
	CU_ASSERT(passes(NULL, -1));
	CU_ASSERT(!passes(NULL, 5));
	CU_ASSERT_EQUAL(rte_eth_dev_vlan_filter(b.port, 5, 1), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_vlan_filter(b.port, 4095, 1), 0);
	CU_ASSERT(passes(NULL, 5));
	CU_ASSERT(passes(NULL, 4095));
	CU_ASSERT(!passes(NULL, 6));
	CU_ASSERT_EQUAL(rte_eth_dev_vlan_filter(b.port, 5, 0), 0);
	CU_ASSERT(!passes(NULL, 5));
	CU_ASSERT_EQUAL(rte_eth_dev_set_vlan_offload(b.port, 0), 0);
	CU_ASSERT(passes(NULL, 6));
	close_pair();
}

/* ---- pcap ---- */

static void write_file(const char *name, const void *bytes, size_t len)
{
	FILE *f = fopen(name, "wb");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static uint32_t order(uint32_t value, bool swapped)
{
	return swapped ? rte_bswap32(value) : value;
}

static size_t make_pcap(uint8_t *to, uint32_t magic, uint32_t link, bool swapped, int frames)
{
	uint32_t head[6] = { order(magic, swapped), order(0x00020004, swapped), 0, 0,
		order(65535, swapped), order(link, swapped) };
	uint8_t frame[2048];
	size_t len = sizeof(head);

	memcpy(to, head, sizeof(head));
	for (int i = 0; i < frames; i++) {
		uint32_t record[4] = { 0, 0, order(100, swapped), order(100, swapped) };

		make(frame, "ff:ff:ff:ff:ff:ff", (uint8_t)i);
		memcpy(to + len, record, sizeof(record));
		memcpy(to + len + 16, frame, 100);
		len += 116;
	}
	return len;
}

static char file[64];

static void open_pcap(const char *more, uint16_t nb_desc)
{
	char args[128];

	snprintf(args, sizeof(args), "wire=pcap:%s%s", file, more);
	dev_open(&b, &(struct dev_conf){ .args = args, .nb_desc = nb_desc });
}

static void test_pcap(void)
{
	uint8_t bytes[100 * 116 + 24], frame[2048];
	const uint32_t magics[] = { 0xa1b2c3d4, 0xa1b23c4d };

	for (int kind = 0; kind < 4; kind++) {
		size_t len = make_pcap(bytes, magics[kind / 2], 1, kind % 2, 100);

		/* the last one is cut off */
		write_file(file, bytes, len - 1);
		open_pcap("", 32);
		for (int i = 0; i < 99; i++) {
			struct rte_mbuf *m[1];

			CU_ASSERT_EQUAL_FATAL(dev_rx(&b, 0, m, 1), 1);
			make(frame, "ff:ff:ff:ff:ff:ff", (uint8_t)i);
			CU_ASSERT_EQUAL(m[0]->pkt_len, 100);
			CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m[0], void *), frame, 100), 0);
			rte_pktmbuf_free(m[0]);
		}
		CU_ASSERT(nothing_arrives());
		CU_ASSERT_EQUAL(dev_stats(&b).imissed, 0);
		dev_close(&b);
	}
	write_file(file, bytes, make_pcap(bytes, magics[0], 1, false, 3));
	open_pcap(",pcap_loop=1", 32);
	for (int i = 0; i < 100; i++) {
		struct rte_mbuf *m[1];

		CU_ASSERT_EQUAL_FATAL(dev_rx(&b, 0, m, 1), 1);
		CU_ASSERT_EQUAL(
			*rte_pktmbuf_mtod_offset(m[0], uint8_t *, 99), (uint8_t)(99 + i % 3));
		rte_pktmbuf_free(m[0]);
	}
	dev_close(&b);
}

static bool pcap_is_taken(void)
{
	char args[128];

	snprintf(args, sizeof(args), "wire=pcap:%s", file);
	if (rte_eal_hotplug_add("vdev", "net_simvf91", args) != 0)
		return false;
	rte_eal_hotplug_remove("vdev", "net_simvf91");
	return true;
}

static void test_bad_pcap(void)
{
	uint8_t bytes[256];

	write_file(file, bytes, make_pcap(bytes, 0xa1b2c3d4, 1, false, 0));
	CU_ASSERT(pcap_is_taken());
	write_file(file, bytes, 23);
	CU_ASSERT(!pcap_is_taken());
	write_file(file, bytes, make_pcap(bytes, 0x0a0d0d0a, 1, false, 1)); /* pcapng */
	CU_ASSERT(!pcap_is_taken());
	write_file(file, bytes, make_pcap(bytes, 0xa1b2c3d4, 113, false, 1)); /* Linux cooked */
	CU_ASSERT(!pcap_is_taken());
}

static const struct unit_test tests[] = {
	{ "peer: frames of 60 to 1522 bytes", test_contents },
	{ "peer: too short, too long", test_runts },
	{ "peer: chains", test_chains },
	{ "peer: FIFO", test_fifo },
	{ "peer: pause", test_pause },
	{ "peer: a stopped queue", test_stop_forgets },
	{ "peer: link", test_link },
	{ "peer: one that is not wired back", test_not_wired_back },
	{ "peer: looped back", test_loop },
	{ "peer: the receiver's IOMMU", test_iommu },
	{ "MAC filter", test_mac_filter },
	{ "VLAN filter", test_vlan_filter },
	{ "pcap: both byte orders, cut off, looped", test_pcap },
	{ "pcap: files that are refused", test_bad_pcap },
};

int main(void)
{
	int ret;

	dev_eal();
	snprintf(file, sizeof(file), "/tmp/vft-simvf-%d.pcap", getpid());
	ret = unit_run("pmd/simvf/wire", NULL, NULL, tests, RTE_DIM(tests));
	unlink(file);
	dev_end();
	return ret;
}
