/* SPDX-License-Identifier: BSD-3-Clause */
/* Device side of an Rx queue: one frame at a time. (The generator's fast loop has its own.) */
#ifndef PMD_SIMVF_RX_H
#define PMD_SIMVF_RX_H

#include "pmd/simvf/fault.h"
#include "pmd/simvf/simvf.h"

/*
 * Where the next frame goes: NULL if the IOMMU refuses. There is a posted descriptor, and the
 * caller has synchronized the queue's tlb.
 */
static inline uint8_t *simvf_rx_target(struct simvf_rxq *q, uint32_t len)
{
	const struct simvf_desc *d = &q->desc[q->head];
	uint64_t addr = d->addr, before = d->word >> 16;

	if (unlikely(before != 0 && simvf_fault_take(q->dev, q->ctl, SIMVF_FAULT_STALE_DMA)))
		addr = before;
	if (likely(simvf_iommu_allows(&q->dev->iommu, &q->tlb, addr, len)))
		return (uint8_t *)(uintptr_t)addr;
	simvf_add(&q->stats.iommu_faults, 1);
	return NULL;
}

/* Hands the descriptor back to the driver. */
static inline void simvf_rx_done(struct simvf_rxq *q, uint64_t word)
{
	__atomic_store_n(&q->desc[q->head].word, word, __ATOMIC_RELEASE);
	if (++q->head == q->nb_desc)
		q->head = 0;
	q->filled++;
}

#endif /* PMD_SIMVF_RX_H */
