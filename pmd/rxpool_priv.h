/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the pool (rxpool.c) and its ring backing (rxpool_ring.c). */
#ifndef PMD_RXPOOL_PRIV_H
#define PMD_RXPOOL_PRIV_H

#include "pmd/rxpool.h"

/* By the kind of ring. */
extern const struct pmd_rx_ops pmd_rx_ring_ops[VH_RING_KINDS];
/* The same, between reserve and release. */
extern const struct pmd_rx_ops pmd_rx_reserved_ops[VH_RING_KINDS];

#endif /* PMD_RXPOOL_PRIV_H */
