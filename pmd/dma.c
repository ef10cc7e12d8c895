/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapping memory for a device is experimental API in DPDK 22.11, and stable in later ones. */
#define ALLOW_EXPERIMENTAL_API
#include "pmd/dma.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "pmd/port.h"

static struct pmd_dma *find(struct pmd_port *port, const struct vh_mem *mem)
{
	for (unsigned int i = 0; i < port->nb_dma; i++)
		if (port->dma[i].mem == mem)
			return &port->dma[i];
	return NULL;
}

/*
 * EAL wants to know of memory before a device may be told of it (a memory segment list each, of
 * which there are 128). Only what it takes for a page must divide the region: 4 KiB always does.
 */
static int map_region(struct pmd_port *port, void *addr, size_t size)
{
	int err;

	if (rte_extmem_register(addr, size, NULL, 0, RTE_PGSIZE_4K) < 0)
		return -rte_errno;
	if (rte_dev_dma_map(port->dev, addr, (uintptr_t)addr, size) == 0)
		return 0;
	err = rte_errno > 0 ? rte_errno : EIO;
	rte_extmem_unregister(addr, size);
	return -err;
}

static void unmap(struct pmd_port *port, const struct vh_mem *mem, uint32_t nb)
{
	while (nb-- > 0) {
		void *addr = mem->map[nb];
		size_t size = mem->map_size[nb];

		if (rte_dev_dma_unmap(port->dev, addr, (uintptr_t)addr, size) < 0 ||
			rte_extmem_unregister(addr, size) < 0)
			PMD_LOG(ERR, "%s: cannot unmap %zu KiB of container memory: %s", port->name,
				size >> 10, rte_strerror(rte_errno));
	}
}

static int map(struct pmd_port *port, const struct vh_mem *mem)
{
	for (uint32_t i = 0; i < mem->nb_regions; i++) {
		int ret = map_region(port, mem->map[i], mem->map_size[i]);

		if (ret == 0)
			continue;
		PMD_LOG(ERR, "%s: cannot map %zu KiB of container memory for DMA: %s", port->name,
			mem->map_size[i] >> 10, rte_strerror(-ret));
		unmap(port, mem, i);
		return ret;
	}
	return 0;
}

int pmd_dma_get(struct pmd_port *port, const struct vh_mem *mem)
{
	struct pmd_dma *entry = find(port, mem);
	int ret;

	if (!port->driver->dma)
		return 0;
	if (entry != NULL) {
		entry->refs++;
		return 0;
	}
	entry = realloc(port->dma, (port->nb_dma + 1) * sizeof(*entry));
	if (entry == NULL)
		return -ENOMEM;
	port->dma = entry;
	ret = map(port, mem);
	if (ret < 0)
		return ret;
	port->dma[port->nb_dma++] = (struct pmd_dma){ .mem = mem, .refs = 1 };
	return 0;
}

void pmd_dma_put(struct pmd_port *port, const struct vh_mem *mem)
{
	struct pmd_dma *entry = find(port, mem);

	if (!port->driver->dma)
		return;
	RTE_VERIFY(entry != NULL);
	if (--entry->refs > 0)
		return;
	unmap(port, mem, mem->nb_regions);
	*entry = port->dma[--port->nb_dma];
}
