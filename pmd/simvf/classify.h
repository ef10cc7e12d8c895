/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a frame goes: header parsing, flow rules, RSS. */
#ifndef PMD_SIMVF_CLASSIFY_H
#define PMD_SIMVF_CLASSIFY_H

#include "pmd/simvf/simvf.h"

#define SIMVF_RSS_TYPES                                                                            \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |                 \
		RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_IPV6 | \
		RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP |                             \
		RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_NONFRAG_IPV6_OTHER)

/* Offsets into a frame; only what is there in full. */
struct simvf_layers {
	const uint8_t *data;
	uint32_t len;
	uint8_t nb_vlan; /* 0 to 2 tags, at 12 and 16 */
	uint8_t l3; /* 4, 6, or 0 for anything else */
	uint8_t proto; /* of what stands at l4; 0: nothing known (a fragment, too short) */
	bool fragment;
	uint16_t l3_off;
	uint16_t l4_off;
};

#define SIMVF_DROP (-1)

/* len is at least that of an Ethernet header. */
void simvf_parse(const uint8_t *data, uint32_t len, struct simvf_layers *layers);

/*
 * The queue of a frame, or SIMVF_DROP. *hash and *hashed: its RSS hash, if it has one. Under the
 * device's lock, or the link's.
 */
int simvf_classify(const struct simvf_dev *dev, const struct simvf_layers *layers, uint32_t *hash,
	bool *hashed);

/* flow.c: whether a rule decides. */
bool simvf_rules_match(const struct simvf_dev *dev, const struct simvf_layers *layers, int *queue);

/* The key of a device that was given none. */
extern const uint8_t simvf_default_key[40];

#endif /* PMD_SIMVF_CLASSIFY_H */
