/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapping memory for a device is experimental API in DPDK 22.11, and stable in later ones. */
#define ALLOW_EXPERIMENTAL_API
#include "pmd/dma.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <linux/capability.h>
#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "pmd/port.h"

/* The IOMMU's own unit, whatever the pages of the memory are. */
#define IOMMU_PAGE 4096ul

/* EAL keeps one VFIO container, so there is one domain. Control thread. */
static struct pmd_dma_domain vfio_domain;

void pmd_dma_open(struct pmd_port *port)
{
	const char *bus = rte_bus_name(rte_dev_bus(port->dev));

	if (port->driver == NULL || !port->driver->dma)
		port->dma = NULL;
	else
		port->dma = strcmp(bus, "pci") == 0 ? &vfio_domain : &port->own_dma;
}

void pmd_dma_close(struct pmd_port *port)
{
	free(port->own_dma.entries);
}

static struct pmd_dma_entry *find(struct pmd_dma_domain *domain, const struct vh_mem *mem)
{
	for (unsigned int i = 0; i < domain->nb; i++)
		if (domain->entries[i].mem == mem)
			return &domain->entries[i];
	return NULL;
}

struct pmd_dma_range pmd_dma_range(const struct vh_region *region)
{
	uint8_t *begin = RTE_PTR_ALIGN_FLOOR(region->host, IOMMU_PAGE);
	uint8_t *end = RTE_PTR_ALIGN_CEIL(region->host + region->size, IOMMU_PAGE);

	return (struct pmd_dma_range){ .addr = begin, .size = (size_t)(end - begin) };
}

int pmd_memlock_read(const char *status_path, struct pmd_memlock *out)
{
	FILE *f = fopen(status_path, "re");
	struct rlimit limit;
	uint64_t v, caps = 0;
	char line[128];

	if (f == NULL || getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
		int err = errno;

		if (f != NULL)
			fclose(f);
		return -err;
	}
	out->locked = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmLck: %" SCNu64 " kB", &v) == 1)
			out->locked = v << 10;
		else if (sscanf(line, "CapEff: %" SCNx64, &v) == 1)
			caps = v;
	}
	fclose(f);
	out->unlimited = limit.rlim_cur == RLIM_INFINITY || (caps & (1ull << CAP_IPC_LOCK));
	out->limit = limit.rlim_cur;
	return 0;
}

/* Why the IOMMU has refused a range: VFIO says ENOMEM for most, and EAL does not pass it on. */
static const char *refused(const struct pmd_port *port, size_t size)
{
	struct pmd_memlock lock;

	if (pmd_memlock_read("/proc/self/status", &lock) == 0 && !lock.unlimited &&
		lock.locked + size > lock.limit) {
		PMD_LOG(ERR,
			"%s: cannot map %zu KiB of container memory for DMA: found a limit of "
			"%" PRIu64 " KiB of locked memory, %" PRIu64 " KiB in use; allowed at "
			"least %" PRIu64 " KiB (ulimit -l, LimitMEMLOCK=) or CAP_IPC_LOCK",
			port->name, size >> 10, lock.limit >> 10, lock.locked >> 10,
			(lock.locked + size) >> 10);
		return "limit of locked memory too small for DMA";
	}
	if (rte_errno == ENOMEM) {
		PMD_LOG(ERR,
			"%s: cannot map %zu KiB of container memory for DMA: EAL's list of "
			"DMA mappings is full (256)",
			port->name, size >> 10);
		return "too many memory regions for DMA";
	}
	PMD_LOG(ERR, "%s: cannot map %zu KiB of container memory for DMA: the IOMMU refuses it",
		port->name, size >> 10);
	return "memory cannot be mapped for DMA";
}

static void unmap(struct pmd_port *port, const struct vh_mem *mem, uint32_t nb)
{
	while (nb-- > 0) {
		struct pmd_dma_range r = pmd_dma_range(&mem->regions[nb]);

		port->dma->mapped -= r.size;
		if (rte_dev_dma_unmap(port->dev, r.addr, (uintptr_t)r.addr, r.size) < 0)
			PMD_LOG(ERR, "%s: cannot unmap %zu KiB of container memory: %s", port->name,
				r.size >> 10, rte_strerror(rte_errno));
	}
	if (rte_extmem_unregister(mem->area, mem->area_size) < 0)
		PMD_LOG(ERR, "%s: EAL does not forget container memory: %s", port->name,
			rte_strerror(rte_errno));
}

/*
 * EAL wants to know of memory before a device may be told of it: a memory segment list each, of
 * which there are 128, and an entry for each page that it is told of.
 */
static int map(struct pmd_port *port, const struct vh_mem *mem, const char **why)
{
	if (rte_extmem_register(mem->area, mem->area_size, NULL, 0, mem->area_align) < 0) {
		int err = rte_errno;

		PMD_LOG(ERR, "%s: EAL takes no more memory of containers (it has 128 lists): %s",
			port->name, rte_strerror(err));
		*why = "too many containers with DMA for EAL";
		return -err;
	}
	for (uint32_t i = 0; i < mem->nb_regions; i++) {
		struct pmd_dma_range r = pmd_dma_range(&mem->regions[i]);

		rte_errno = 0;
		if (rte_dev_dma_map(port->dev, r.addr, (uintptr_t)r.addr, r.size) == 0) {
			port->dma->mapped += r.size;
			continue;
		}
		*why = refused(port, r.size);
		unmap(port, mem, i);
		return -ENOMEM;
	}
	return 0;
}

int pmd_dma_get(struct pmd_port *port, const struct vh_mem *mem, const char **why)
{
	struct pmd_dma_domain *domain = port->dma;
	struct pmd_dma_entry *entry;
	int ret;

	if (domain == NULL)
		return 0;
	if (rte_eal_iova_mode() != RTE_IOVA_VA) {
		/* Pages that are neighbours here need not be neighbours there. */
		*why = "no IOMMU (IOVA as PA): pages need not be contiguous";
		return -ENOTSUP;
	}
	entry = find(domain, mem);
	if (entry != NULL) {
		entry->refs++;
		return 0;
	}
	entry = realloc(domain->entries, (domain->nb + 1) * sizeof(*entry));
	if (entry == NULL) {
		*why = "out of memory";
		return -ENOMEM;
	}
	domain->entries = entry;
	ret = map(port, mem, why);
	if (ret == 0)
		domain->entries[domain->nb++] = (struct pmd_dma_entry){ .mem = mem, .refs = 1 };
	return ret;
}

void pmd_dma_put(struct pmd_port *port, const struct vh_mem *mem)
{
	struct pmd_dma_domain *domain = port->dma;
	struct pmd_dma_entry *entry;

	if (domain == NULL)
		return;
	entry = find(domain, mem);
	RTE_VERIFY(entry != NULL);
	if (--entry->refs > 0)
		return;
	unmap(port, mem, mem->nb_regions);
	*entry = domain->entries[--domain->nb];
}
