/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An array of mbuf headers whose data is somebody else's: what both mappings hand to drivers. It is
 * a mempool with one of our own drivers behind it (rte_mempool_ops), so a driver that frees a header
 * tells us, and one that allocates asks us. The headers stand at a constant stride in one piece, so
 * a header's index and its address follow from each other.
 *
 * Ownership: the pool that embeds it. Control thread; index and address: any thread.
 */
#ifndef PMD_HEADERS_H
#define PMD_HEADERS_H

#include <stdint.h>

#include <rte_mbuf.h>

struct pmd_headers {
	uint8_t *base; /* the first header; NULL while the mempool is being filled */
	uint32_t stride;
	uint32_t reciprocal; /* of stride, times 2^32 */
	uint16_t mask; /* headers - 1; their number is a power of two */
	struct rte_mempool *mp;
};

/*
 * `nb` headers (a power of two up to 32768) of mempool driver `ops`, which finds `owner` in
 * mp->pool_config, and gets each header once by enqueue while base is NULL. buf_len: of every
 * header, to begin with. Returns 0 or -errno; what was made on failure is released.
 */
int pmd_headers_create(struct pmd_headers *h, const char *name, const char *ops, void *owner,
	uint32_t nb, uint16_t buf_len, int socket_id);
void pmd_headers_destroy(struct pmd_headers *h);

static inline struct rte_mbuf *pmd_headers_at(const struct pmd_headers *h, uint16_t pos)
{
	return RTE_PTR_ADD(h->base, (size_t)(pos & h->mask) * h->stride);
}

/* m is one of them. */
static inline uint16_t pmd_headers_index(const struct pmd_headers *h, const struct rte_mbuf *m)
{
	uint64_t off = (uint64_t)((const uint8_t *)m - h->base);

	/* off is a multiple of stride and below 2^23, so rounding up the reciprocal is exact. */
	return (uint16_t)((off * h->reciprocal) >> 32);
}

#endif /* PMD_HEADERS_H */
