/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container memory in a device's IOMMU: mapped (address as seen by us) while at least one ring pair
 * of that memory works on the port. Control thread. The caller holds a reference to the memory from
 * get to put, and puts only when the device has let go of every buffer.
 */
#ifndef PMD_DMA_H
#define PMD_DMA_H

#include "vhost/mem.h"

struct pmd_port;

/* Nothing to do for a driver without DMA. Returns 0, or -errno, logged; then nothing is mapped. */
int pmd_dma_get(struct pmd_port *port, const struct vh_mem *mem);
void pmd_dma_put(struct pmd_port *port, const struct vh_mem *mem);

#endif /* PMD_DMA_H */
