/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container memory in the IOMMU: mapped (at our own addresses: IOVA as VA) while at least one ring
 * pair of that memory works on a device of the domain.
 *
 * A domain is what shares one set of mappings. All VFIO devices of a DPDK process share one, so a
 * VF's driver could be made to write into any mapped container: pmd/README.md says what keeps it
 * from that. A device that is not behind VFIO has a domain of its own.
 *
 * Control thread. The caller holds a reference to the memory from get to put, and puts only when
 * the devices have let go of every buffer.
 */
#ifndef PMD_DMA_H
#define PMD_DMA_H

#include <stdint.h>

#include <rte_dev.h>

#include "vhost/mem.h"

struct pmd_port;

/* Memory in a domain. */
struct pmd_dma_entry {
	const struct vh_mem *mem;
	unsigned int refs; /* ring pairs */
};

struct pmd_dma_domain {
	uint64_t mapped; /* bytes of container memory; the kernel has pinned them */
	unsigned int nb;
	struct pmd_dma_entry *entries;
};

/* The domain of a port's device, NULL if its driver does no DMA. For pmd_port_open() and close. */
void pmd_dma_open(struct pmd_port *port);
void pmd_dma_close(struct pmd_port *port);

/*
 * Nothing to do for a driver without DMA. Returns 0, or -errno with *why set (static), logged with
 * the numbers; then nothing is mapped.
 */
int pmd_dma_get(struct pmd_port *port, const struct vh_mem *mem, const char **why);
void pmd_dma_put(struct pmd_port *port, const struct vh_mem *mem);

/* Bytes of the part of a region that a device may reach: whole pages. */
struct pmd_dma_range {
	void *addr;
	size_t size;
};
struct pmd_dma_range pmd_dma_range(const struct vh_region *region);

/*
 * What the process may lock, read from a file like /proc/self/status and RLIMIT_MEMLOCK. 0, or
 * -errno.
 */
struct pmd_memlock {
	bool unlimited; /* no limit, or the capability to go beyond it */
	uint64_t limit; /* bytes */
	uint64_t locked;
};
int pmd_memlock_read(const char *status_path, struct pmd_memlock *out);

#endif /* PMD_DMA_H */
