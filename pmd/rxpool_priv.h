/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the pool (rxpool.c) and its ring backing (rxpool_ring.c). */
#ifndef PMD_RXPOOL_PRIV_H
#define PMD_RXPOOL_PRIV_H

#include "pmd/rxpool.h"

/* By the kind of ring. */
extern const struct pmd_rx_ops pmd_rx_ring_ops[VH_RING_KINDS];

/* The slot that a header of this pool stands for. */
static inline uint16_t pmd_rxpool_index(const struct pmd_rxpool *pool, const struct rte_mbuf *m)
{
	uint64_t off = (uint64_t)((const uint8_t *)m - pool->headers);

	/* off is a multiple of stride and below 2^23, so rounding up the reciprocal is exact. */
	return (uint16_t)((off * pool->reciprocal) >> 32);
}

#endif /* PMD_RXPOOL_PRIV_H */
