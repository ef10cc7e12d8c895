/* SPDX-License-Identifier: BSD-3-Clause */
/* rte_flow on real frames: what matches, what is refused, which rule wins. */
#include <string.h>

#include <rte_ether.h>
#include <rte_flow.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/simvf/dev.h"

#define NB_QUEUES 4

static struct dev d; /* looped back to itself */
static struct rte_flow_item items[8];
static uint32_t nb_items;

static void setup(void)
{
	dev_open(&d,
		&(struct dev_conf){ .args = "wire=peer:net_simvf70",
			.name = "net_simvf70",
			.queues = NB_QUEUES });
	CU_ASSERT_EQUAL(rte_eth_promiscuous_enable(d.port), 0);
}

static void teardown(void)
{
	dev_close(&d);
}

/* ---- rules ---- */

static void item(enum rte_flow_item_type type, const void *spec, const void *mask)
{
	items[nb_items++] = (struct rte_flow_item){ .type = type, .spec = spec, .mask = mask };
}

/* A rule with the items so far, and starts anew. queue < 0: DROP. */
static struct rte_flow *rule(int queue, uint32_t priority)
{
	struct rte_flow_attr attr = { .ingress = 1, .priority = priority };
	struct rte_flow_action_queue to = { .index = (uint16_t)queue };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_VOID },
		{ .type = queue < 0 ? RTE_FLOW_ACTION_TYPE_DROP : RTE_FLOW_ACTION_TYPE_QUEUE,
			.conf = queue < 0 ? NULL : &to },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow *r;

	item(RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
	nb_items = 0;
	r = rte_flow_create(d.port, &attr, items, actions, NULL);
	CU_ASSERT_EQUAL(r != NULL, rte_flow_validate(d.port, &attr, items, actions, NULL) == 0);
	return r;
}

/* ---- frames ---- */

static uint8_t frame[256];
static uint16_t frame_len;

static void append(const void *bytes, uint16_t len)
{
	memcpy(frame + frame_len, bytes, len);
	frame_len = (uint16_t)(frame_len + len);
}

/* Ethernet with up to two tags (0: none) and then type. */
static void ether(uint16_t outer, uint16_t inner, uint16_t type)
{
	memset(frame, 0, sizeof(frame));
	frame_len = 0;
	append((uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8 }, 12);
	if (outer != 0)
		append((uint8_t[]){ 0x81, 0, (uint8_t)(outer >> 8), (uint8_t)outer }, 4);
	if (inner != 0)
		append((uint8_t[]){ 0x81, 0, (uint8_t)(inner >> 8), (uint8_t)inner }, 4);
	append((uint8_t[]){ (uint8_t)(type >> 8), (uint8_t)type }, 2);
}

static void ports(uint16_t src, uint16_t dst)
{
	append((uint8_t[]){ (uint8_t)(src >> 8), (uint8_t)src, (uint8_t)(dst >> 8), (uint8_t)dst },
		4);
	frame_len = 120;
}

/* 10.0.0.x to 10.0.0.y; fragment: its offset field. */
static void ipv4(uint8_t proto, uint8_t x, uint8_t y, uint16_t fragment)
{
	append((uint8_t[]){ 0x45, 0, 0, 60, 0, 0, (uint8_t)(fragment >> 8), (uint8_t)fragment, 64,
		       proto, 0, 0, 10, 0, 0, x, 10, 0, 0, y },
		20);
}

static void ipv6(uint8_t proto, uint8_t y)
{
	uint8_t head[40] = { 0x60, [4] = 0, 40, proto,
		64, [8] = 0xfd, [23] = 1, [24] = 0xfd, [39] = y };

	append(head, sizeof(head));
}

static void udp4(uint16_t outer, uint16_t inner, uint8_t y, uint16_t dst)
{
	ether(outer, inner, RTE_ETHER_TYPE_IPV4);
	ipv4(17, 1, y, 0);
	ports(7, dst);
}

/* The queue on which the frame comes back; -1: none. */
static int queue_of(void)
{
	struct rte_mbuf *m = dev_frame(d.mp, frame, frame_len);
	int found = -1;

	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, &m, 1), 1);
	for (uint16_t q = 0; q < NB_QUEUES; q++) {
		if (rte_eth_rx_burst(d.port, q, &m, 1) == 1) {
			rte_pktmbuf_free(m);
			found = q;
		}
	}
	return found;
}

/* ---- tests ---- */

static void test_eth(void)
{
	struct rte_flow_item_eth spec = { .hdr.dst_addr.addr_bytes = { 2, 0, 0, 0, 0, 9 } };
	struct rte_flow_item_eth type = { .hdr.ether_type = RTE_BE16(0x88b5) };
	struct rte_flow_item_eth mask = { .hdr.ether_type = 0xffff };
	struct rte_flow *r;

	item(RTE_FLOW_ITEM_TYPE_ETH, &type, &mask);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rule(2, 0));
	ether(0, 0, 0x88b5);
	frame_len = 60;
	CU_ASSERT_EQUAL(queue_of(), 2);
	ether(5, 0, 0x88b5);
	frame_len = 60;
	CU_ASSERT_EQUAL(queue_of(), 0);
	/* the default mask has both addresses */
	item(RTE_FLOW_ITEM_TYPE_ETH, &spec, NULL);
	r = rule(3, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL(queue_of(), 0);
	CU_ASSERT_EQUAL(rte_flow_destroy(d.port, r, NULL), 0);
	spec.hdr.src_addr.addr_bytes[0] = 2;
	spec.hdr.src_addr.addr_bytes[5] = 8;
	item(RTE_FLOW_ITEM_TYPE_ETH, &spec, NULL);
	CU_ASSERT_PTR_NOT_NULL(rule(3, 0));
	CU_ASSERT_EQUAL(queue_of(), 3);
}

static void test_vlan(void)
{
	struct rte_flow_item_vlan five = { .hdr.vlan_tci = RTE_BE16(5) };
	struct rte_flow_item_vlan six = { .hdr.vlan_tci = RTE_BE16(6) };

	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_VLAN, &five, NULL);
	item(RTE_FLOW_ITEM_TYPE_VLAN, &six, NULL);
	CU_ASSERT_PTR_NOT_NULL(rule(3, 0));
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_VLAN, &five, NULL);
	CU_ASSERT_PTR_NOT_NULL(rule(1, 0));
	udp4(0, 0, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 0);
	udp4(5, 0, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 1);
	udp4(0xe005, 0, 1, 1); /* the default mask leaves the priority alone */
	CU_ASSERT_EQUAL(queue_of(), 1);
	udp4(6, 0, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 0);
	udp4(5, 6, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 3);
	udp4(6, 5, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 0);
}

static void test_ip(void)
{
	struct rte_flow_item_ipv4 net = { .hdr.dst_addr = RTE_BE32(0x0a000080) };
	struct rte_flow_item_ipv4 mask = { .hdr.dst_addr = RTE_BE32(0xffffff80) };
	struct rte_flow_item_ipv6 v6 = { .hdr.dst_addr = { 0xfd, [15] = 7 } };
	struct rte_flow_item_ipv6 v6_mask = { .hdr.dst_addr = { 0xff, [15] = 0xff } };

	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_IPV4, &net, &mask);
	CU_ASSERT_PTR_NOT_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_IPV6, &v6, &v6_mask);
	CU_ASSERT_PTR_NOT_NULL(rule(2, 0));
	udp4(0, 0, 0x7f, 1);
	CU_ASSERT_EQUAL(queue_of(), 0);
	udp4(0, 0, 0x80, 1);
	CU_ASSERT_EQUAL(queue_of(), 1);
	udp4(5, 0, 0x80, 1); /* tagged is another pattern */
	CU_ASSERT_EQUAL(queue_of(), 0);
	ether(0, 0, RTE_ETHER_TYPE_IPV6);
	ipv6(17, 7);
	ports(1, 2);
	CU_ASSERT_EQUAL(queue_of(), 2);
	ether(0, 0, RTE_ETHER_TYPE_IPV6);
	ipv6(17, 8);
	ports(1, 2);
	CU_ASSERT_EQUAL(queue_of(), 0);
}

static void test_ports(void)
{
	struct rte_flow_item_udp udp = { .hdr.dst_port = RTE_BE16(53) };
	struct rte_flow_item_udp udp_mask = { .hdr.dst_port = 0xffff };
	struct rte_flow_item_tcp tcp = { .hdr.dst_port = RTE_BE16(80) };
	struct rte_flow_item_tcp tcp_mask = { .hdr.dst_port = 0xffff };
	struct rte_flow_item_vlan five = { .hdr.vlan_tci = RTE_BE16(5) };

	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_UDP, &udp, &udp_mask);
	CU_ASSERT_PTR_NOT_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_IPV6, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_TCP, &tcp, &tcp_mask);
	CU_ASSERT_PTR_NOT_NULL(rule(2, 0));
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_VLAN, &five, NULL);
	item(RTE_FLOW_ITEM_TYPE_VOID, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_UDP, &udp, &udp_mask);
	CU_ASSERT_PTR_NOT_NULL(rule(3, 0));

	udp4(0, 0, 1, 53);
	CU_ASSERT_EQUAL(queue_of(), 1);
	udp4(0, 0, 1, 54);
	CU_ASSERT_EQUAL(queue_of(), 0);
	udp4(5, 0, 1, 53);
	CU_ASSERT_EQUAL(queue_of(), 3);
	ether(0, 0, RTE_ETHER_TYPE_IPV4);
	ipv4(6, 1, 1, 0);
	ports(7, 53);
	CU_ASSERT_EQUAL(queue_of(), 0);
	ether(0, 0, RTE_ETHER_TYPE_IPV4); /* a later fragment has no ports */
	ipv4(17, 1, 1, 100);
	ports(7, 53);
	CU_ASSERT_EQUAL(queue_of(), 0);
	ether(0, 0, RTE_ETHER_TYPE_IPV6);
	ipv6(6, 1);
	ports(7, 80);
	CU_ASSERT_EQUAL(queue_of(), 2);
}

static void test_drop_and_priority(void)
{
	struct rte_flow_item_udp udp = { .hdr.dst_port = RTE_BE16(53) };
	struct rte_flow_item_udp mask = { .hdr.dst_port = 0xffff };
	struct rte_flow *first, *urgent;

	item(RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_UDP, &udp, &mask);
	first = rule(1, 1);
	item(RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL(rule(-1, 1));
	udp4(0, 0, 1, 53);
	CU_ASSERT_EQUAL(queue_of(), 1); /* the older one */
	udp4(0, 0, 1, 54);
	CU_ASSERT_EQUAL(queue_of(), -1);
	CU_ASSERT_EQUAL(dev_xstat(&d, "sim_flow_drops"), 1);
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	urgent = rule(2, 0);
	CU_ASSERT_EQUAL(queue_of(), 2);
	CU_ASSERT_EQUAL(rte_flow_destroy(d.port, urgent, NULL), 0);
	CU_ASSERT_EQUAL(rte_flow_destroy(d.port, first, NULL), 0);
	udp4(0, 0, 1, 53);
	CU_ASSERT_EQUAL(queue_of(), -1);
	CU_ASSERT_EQUAL(rte_flow_flush(d.port, NULL), 0);
	CU_ASSERT_EQUAL(queue_of(), 0);
}

/* Rules stay while the device is stopped. */
static void test_kept(void)
{
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL(rule(2, 0));
	CU_ASSERT_EQUAL(rte_eth_dev_stop(d.port), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_start(d.port), 0);
	udp4(0, 0, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 2);
}

static void test_refused_patterns(void)
{
	struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = 1 };
	struct rte_flow_item_eth has_vlan = { .has_vlan = 1 };

	item(RTE_FLOW_ITEM_TYPE_VXLAN, NULL, NULL);
	CU_ASSERT_PTR_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_UDP, NULL, NULL);
	CU_ASSERT_PTR_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	CU_ASSERT_PTR_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL);
	item(RTE_FLOW_ITEM_TYPE_IPV6, NULL, NULL);
	CU_ASSERT_PTR_NULL(rule(1, 0));
	for (int i = 0; i < 3; i++)
		item(RTE_FLOW_ITEM_TYPE_VLAN, NULL, NULL);
	CU_ASSERT_PTR_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_IPV4, &ip, NULL);
	items[0].last = &ip;
	CU_ASSERT_PTR_NULL(rule(1, 0));
	item(RTE_FLOW_ITEM_TYPE_ETH, &has_vlan, &has_vlan);
	CU_ASSERT_PTR_NULL(rule(1, 0));
	udp4(0, 0, 1, 1);
	CU_ASSERT_EQUAL(queue_of(), 0);
}

static bool accepts(struct rte_flow_attr attr, enum rte_flow_action_type a,
	enum rte_flow_action_type b, uint16_t queue)
{
	struct rte_flow_item pattern[] = { { .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_END } };
	struct rte_flow_action_queue conf = { .index = queue };
	struct rte_flow_action actions[] = { { .type = a, .conf = &conf }, { .type = b },
		{ .type = RTE_FLOW_ACTION_TYPE_END } };

	return rte_flow_validate(d.port, &attr, pattern, actions, NULL) == 0;
}

static void test_refused_actions(void)
{
	const struct rte_flow_attr in = { .ingress = 1 };
	const enum rte_flow_action_type end = RTE_FLOW_ACTION_TYPE_END;
	const enum rte_flow_action_type queue = RTE_FLOW_ACTION_TYPE_QUEUE;
	const enum rte_flow_action_type drop = RTE_FLOW_ACTION_TYPE_DROP;

	CU_ASSERT(accepts(in, queue, end, NB_QUEUES - 1));
	CU_ASSERT(!accepts(in, queue, end, NB_QUEUES));
	CU_ASSERT(accepts(in, drop, end, 0));
	CU_ASSERT(!accepts(in, end, end, 0));
	CU_ASSERT(!accepts(in, queue, drop, 0));
	CU_ASSERT(!accepts(in, RTE_FLOW_ACTION_TYPE_MARK, queue, 0));
	CU_ASSERT(!accepts((struct rte_flow_attr){ .egress = 1 }, drop, end, 0));
	CU_ASSERT(!accepts((struct rte_flow_attr){ .ingress = 1, .group = 1 }, drop, end, 0));
	CU_ASSERT(!accepts((struct rte_flow_attr){ .ingress = 1, .transfer = 1 }, drop, end, 0));
}

static void test_too_many(void)
{
	for (int i = 0; i < 256; i++) {
		item(RTE_FLOW_ITEM_TYPE_IPV6, NULL, NULL);
		CU_ASSERT_PTR_NOT_NULL(rule(1, 0));
	}
	struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_item end = { .type = RTE_FLOW_ITEM_TYPE_END };
	struct rte_flow_action drop[] = { { .type = RTE_FLOW_ACTION_TYPE_DROP },
		{ .type = RTE_FLOW_ACTION_TYPE_END } };
	CU_ASSERT_PTR_NULL(rte_flow_create(d.port, &attr, &end, drop, NULL));
}

static const struct unit_test tests[] = {
	{ "ETH", test_eth },
	{ "VLAN, and two of them", test_vlan },
	{ "IPV4 and IPV6", test_ip },
	{ "UDP and TCP", test_ports },
	{ "DROP, age and priority", test_drop_and_priority },
	{ "rules outlive a stop", test_kept },
	{ "patterns that are refused", test_refused_patterns },
	{ "actions and attributes that are refused", test_refused_actions },
	{ "too many rules", test_too_many },
};

int main(void)
{
	int ret;

	dev_eal();
	ret = unit_run("pmd/simvf/flow", setup, teardown, tests, RTE_DIM(tests));
	dev_end();
	return ret;
}
