/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated IOMMU of a device: which addresses its DMA may touch. Allowed are EAL's memory, kept
 * up to date by memory events, and what the application maps with rte_dev_dma_map(). Addresses are
 * virtual ones (IOVA as VA); there is no translation.
 *
 * Threads: maps change under `lock`, by control or a memory event. Queues ask through a cache of
 * their own, which an unmapping makes stale: it is looked at again before the next step of the
 * device. So a DMA that runs at that very moment in another thread may still pass, as it may with
 * real hardware until the unmapping has returned.
 */
#ifndef PMD_SIMVF_IOMMU_H
#define PMD_SIMVF_IOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_spinlock.h>

#define SIMVF_IOMMU_MAX_MAPS 256 /* by the application, as VFIO has it */
#define SIMVF_IOTLB_SIZE     8

struct simvf_range {
	uint64_t lo;
	uint64_t hi; /* behind the last byte */
};

/* Sorted, apart from each other. */
struct simvf_ranges {
	struct simvf_range *range;
	uint32_t nb;
	uint32_t room;
};

struct simvf_iommu {
	uint32_t generation; /* of unmappings; read by every burst */
	bool on;
	bool events; /* a memory event callback is registered */
	char name[64]; /* of that callback */
	rte_spinlock_t lock;
	struct simvf_ranges eal;
	struct simvf_ranges maps;
	uint32_t nb_maps;
};

/*
 * A queue's cache. The range that was hit last stands in front; `hi` is not less than the length of
 * a frame, also where nothing fits.
 */
struct simvf_iotlb {
	uint64_t lo;
	uint64_t hi;
	uint32_t generation;
	uint32_t victim;
	struct simvf_range range[SIMVF_IOTLB_SIZE];
};

/* `name` of the device. 0 or -errno. */
int simvf_iommu_init(struct simvf_iommu *mmu, const char *name, bool on);
void simvf_iommu_fini(struct simvf_iommu *mmu);

/*
 * 0 or -errno: -EEXIST (a part is mapped already), -EINVAL (nothing, a wrap, or an IOVA that is not
 * the address), -ENOSPC (256 maps), -ENOMEM.
 */
int simvf_iommu_map(struct simvf_iommu *mmu, uint64_t addr, uint64_t iova, size_t len);
/* All of it must be mapped: else -ENOENT, and nothing happens. */
int simvf_iommu_unmap(struct simvf_iommu *mmu, uint64_t addr, uint64_t iova, size_t len);

/* The way if the cached range does not fit. Whether addr..addr+len is allowed. */
bool simvf_iommu_walk(
	struct simvf_iommu *mmu, struct simvf_iotlb *tlb, uint64_t addr, uint32_t len);
void simvf_iotlb_flush(struct simvf_iommu *mmu, struct simvf_iotlb *tlb);

/* Before each step of the device. */
static __rte_always_inline void simvf_iotlb_sync(struct simvf_iommu *mmu, struct simvf_iotlb *tlb)
{
	if (unlikely(__atomic_load_n(&mmu->generation, __ATOMIC_ACQUIRE) != tlb->generation))
		simvf_iotlb_flush(mmu, tlb);
}

static __rte_always_inline bool simvf_iommu_allows(
	struct simvf_iommu *mmu, struct simvf_iotlb *tlb, uint64_t addr, uint32_t len)
{
	/* Not addr + len: that may wrap. */
	if (likely(addr >= tlb->lo && addr <= tlb->hi - len))
		return true;
	return simvf_iommu_walk(mmu, tlb, addr, len);
}

#endif /* PMD_SIMVF_IOMMU_H */
