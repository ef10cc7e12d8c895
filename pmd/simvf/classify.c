/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/simvf/classify.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_thash.h>

/* Random, but the same in every run. */
const uint8_t simvf_default_key[40] = {
	0x41, 0xfc, 0x0e, 0x47, 0x06, 0x2b, 0x8d, 0x63, 0x16, 0x63, /* */
	0x37, 0xb8, 0x8f, 0xc6, 0xbf, 0x4e, 0x5b, 0x5e, 0xc8, 0xad, /* */
	0x5b, 0xcb, 0x81, 0x51, 0x38, 0x32, 0xb8, 0xf0, 0x9c, 0x07, /* */
	0x0c, 0xbd, 0xb3, 0x99, 0xbe, 0x65, 0xdc, 0xc2, 0x3e, 0x43, /* */
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void parse_ipv4(struct simvf_layers *l, uint32_t off)
{
	const uint8_t *ip = l->data + off;
	uint32_t header;

	if (l->len < off + sizeof(struct rte_ipv4_hdr) || ip[0] >> 4 != 4)
		return;
	l->l3 = 4;
	header = (ip[0] & 15u) * 4;
	l->fragment = (get16(ip + 6) & 0x3fff) != 0;
	if (l->fragment || header < sizeof(struct rte_ipv4_hdr) || l->len < off + header)
		return;
	l->proto = ip[9];
	l->l4_off = (uint16_t)(off + header);
}

/* Without looking behind extension headers, as simple NICs do. */
static void parse_ipv6(struct simvf_layers *l, uint32_t off)
{
	const uint8_t *ip = l->data + off;

	if (l->len < off + sizeof(struct rte_ipv6_hdr) || ip[0] >> 4 != 6)
		return;
	l->l3 = 6;
	l->fragment = ip[6] == IPPROTO_FRAGMENT;
	if (l->fragment)
		return;
	l->proto = ip[6];
	l->l4_off = (uint16_t)(off + sizeof(struct rte_ipv6_hdr));
}

void simvf_parse(const uint8_t *data, uint32_t len, struct simvf_layers *l)
{
	uint32_t off = 12;

	*l = (struct simvf_layers){ .data = data, .len = len };
	while (l->nb_vlan < 2 && len >= off + 6 &&
		(get16(data + off) == RTE_ETHER_TYPE_VLAN ||
			get16(data + off) == RTE_ETHER_TYPE_QINQ)) {
		l->nb_vlan++;
		off += RTE_VLAN_HLEN;
	}
	l->l3_off = (uint16_t)(off + 2);
	if (get16(data + off) == RTE_ETHER_TYPE_IPV4)
		parse_ipv4(l, l->l3_off);
	else if (get16(data + off) == RTE_ETHER_TYPE_IPV6)
		parse_ipv6(l, l->l3_off);
	/* Only what has a whole header counts. */
	if ((l->proto == IPPROTO_UDP && len < l->l4_off + 8u) ||
		(l->proto == IPPROTO_TCP && len < l->l4_off + 20u))
		l->proto = 0;
}

static uint64_t rss_type(const struct simvf_layers *l)
{
	switch (l->proto) {
	case IPPROTO_UDP:
		return l->l3 == 4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP : RTE_ETH_RSS_NONFRAG_IPV6_UDP;
	case IPPROTO_TCP:
		return l->l3 == 4 ? RTE_ETH_RSS_NONFRAG_IPV4_TCP : RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	default:
		return 0;
	}
}

static bool rss_hash(const struct simvf_dev *dev, const struct simvf_layers *l, uint32_t *hash)
{
	uint64_t any = l->l3 == 4
		? RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER
		: RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
	bool ports = (dev->rss_types & rss_type(l)) != 0;
	uint32_t addresses = l->l3 == 4 ? 8 : 32;
	uint32_t tuple[9], n = 0;

	if (!dev->rss || l->l3 == 0 || (!ports && !(dev->rss_types & any)))
		return false;
	for (uint32_t i = 0; i < addresses; i += 4)
		tuple[n++] = get32(l->data + l->l3_off + (l->l3 == 4 ? 12 : 8) + i);
	if (ports)
		tuple[n++] = get32(l->data + l->l4_off);
	*hash = rte_softrss(tuple, n, dev->rss_key);
	return true;
}

int simvf_classify(const struct simvf_dev *dev, const struct simvf_layers *layers, uint32_t *hash,
	bool *hashed)
{
	int queue;

	*hashed = rss_hash(dev, layers, hash);
	if (simvf_rules_match(dev, layers, &queue))
		return queue;
	return *hashed ? dev->reta[*hash % SIMVF_RETA_SIZE] : 0;
}
