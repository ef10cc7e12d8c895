/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the pool (rxpool.c) and its ring backings (rxpool_split.c; packed comes beside it). */
#ifndef PMD_RXPOOL_PRIV_H
#define PMD_RXPOOL_PRIV_H

#include "pmd/rxpool.h"

/* All or nothing: 0, or -ENOBUFS with nothing taken. */
int pmd_rxpool_fill_split(struct pmd_rxpool *pool, void **objs, unsigned int n);

/* A loan comes home unfilled: the newest ones are offered again. */
void pmd_rxpool_return_split(struct pmd_rxpool *pool, struct rte_mbuf *m);

/* The slot that a header of this pool stands for. */
static inline uint16_t pmd_rxpool_index(const struct pmd_rxpool *pool, const struct rte_mbuf *m)
{
	uint64_t off = (uint64_t)((const uint8_t *)m - pool->headers);

	/* off is a multiple of stride and below 2^23, so rounding up the reciprocal is exact. */
	return (uint16_t)((off * pool->reciprocal) >> 32);
}

#endif /* PMD_RXPOOL_PRIV_H */
