/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the Tx side that every wire uses. */
#ifndef PMD_SIMVF_TX_H
#define PMD_SIMVF_TX_H

#include "pmd/simvf/simvf.h"

/* In sw: the mbuf belongs to a packet of several. */
#define SIMVF_SW_CHAIN ((uintptr_t)1)

/* Driver side: frees what is due, then posts what there is room for. Returns how many packets. */
uint16_t simvf_tx_post(struct simvf_txq *q, struct rte_mbuf **pkts, uint16_t n);
/* Frees at most max completed descriptors. */
void simvf_tx_reap(struct simvf_txq *q, uint32_t max);
/* Device side: a packet of len bytes was sent; good: the IOMMU let it pass. */
void simvf_tx_count(struct simvf_txq *q, uint32_t len, bool good);

#endif /* PMD_SIMVF_TX_H */
