/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/simvf/iommu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal_memconfig.h>
#include <rte_memory.h>

/* The first range that ends behind addr. */
static uint32_t find(const struct simvf_ranges *set, uint64_t addr)
{
	uint32_t low = 0, high = set->nb;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (set->range[mid].hi > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static bool covers(const struct simvf_ranges *set, uint64_t lo, uint64_t hi)
{
	uint32_t i = find(set, lo);

	return i < set->nb && set->range[i].lo <= lo && hi <= set->range[i].hi;
}

static bool touches(const struct simvf_ranges *set, uint64_t lo, uint64_t hi)
{
	uint32_t i = find(set, lo);

	return i < set->nb && set->range[i].lo < hi;
}

static int grow(struct simvf_ranges *set)
{
	uint32_t room = set->room == 0 ? 16 : 2 * set->room;
	struct simvf_range *range;

	if (set->nb < set->room)
		return 0;
	range = realloc(set->range, room * sizeof(*range));
	if (range == NULL)
		return -ENOMEM;
	set->range = range;
	set->room = room;
	return 0;
}

/* Puts n ranges (0 to 2) in the place of those from first to before last. There is room. */
static void splice(struct simvf_ranges *set, uint32_t first, uint32_t last,
	const struct simvf_range *range, uint32_t n)
{
	memmove(&set->range[first + n], &set->range[last], (set->nb - last) * sizeof(*set->range));
	for (uint32_t i = 0; i < n; i++)
		set->range[first + i] = range[i];
	set->nb = set->nb - (last - first) + n;
}

/* Joined with what it overlaps or adjoins. */
static int add(struct simvf_ranges *set, uint64_t lo, uint64_t hi)
{
	struct simvf_range joined = { lo, hi };
	uint32_t first, last;
	int ret = grow(set);

	if (ret < 0)
		return ret;
	first = find(set, lo == 0 ? 0 : lo - 1);
	for (last = first; last < set->nb && set->range[last].lo <= hi; last++) {
		joined.lo = RTE_MIN(joined.lo, set->range[last].lo);
		joined.hi = RTE_MAX(joined.hi, set->range[last].hi);
	}
	splice(set, first, last, &joined, 1);
	return 0;
}

static int subtract(struct simvf_ranges *set, uint64_t lo, uint64_t hi)
{
	int ret = grow(set); /* one range may become two */

	if (ret < 0)
		return ret;
	for (uint32_t i = find(set, lo); i < set->nb && set->range[i].lo < hi;) {
		struct simvf_range old = set->range[i], left[2];
		uint32_t n = 0;

		if (old.lo < lo)
			left[n++] = (struct simvf_range){ old.lo, lo };
		if (hi < old.hi)
			left[n++] = (struct simvf_range){ hi, old.hi };
		splice(set, i, i + 1, left, n);
		i += n;
	}
	return 0;
}

static void forget(struct simvf_iommu *mmu)
{
	__atomic_fetch_add(&mmu->generation, 1, __ATOMIC_RELEASE);
}

static void memory_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	struct simvf_iommu *mmu = arg;
	uint64_t lo = (uintptr_t)addr;

	rte_spinlock_lock(&mmu->lock);
	if (type == RTE_MEM_EVENT_ALLOC) {
		/* Without memory for the note, DMA there is refused, and counted. */
		add(&mmu->eal, lo, lo + len);
	} else {
		subtract(&mmu->eal, lo, lo + len);
		forget(mmu);
	}
	rte_spinlock_unlock(&mmu->lock);
}

static int add_memseg(const struct rte_memseg_list *list, const struct rte_memseg *ms, void *arg)
{
	struct simvf_iommu *mmu = arg;
	int ret;

	/* Registered by the application: it has to map it as well. */
	if (list->external && !list->heap)
		return 0;
	rte_spinlock_lock(&mmu->lock);
	ret = add(&mmu->eal, ms->addr_64, ms->addr_64 + ms->len);
	rte_spinlock_unlock(&mmu->lock);
	return ret;
}

int simvf_iommu_init(struct simvf_iommu *mmu, const char *name, bool on)
{
	int ret;

	memset(mmu, 0, sizeof(*mmu));
	rte_spinlock_init(&mmu->lock);
	mmu->on = on;
	if (!on)
		return 0;
	/* First the events, then what is there: adding twice is harmless, missing some is not. */
	snprintf(mmu->name, sizeof(mmu->name), "simvf:%s", name);
	mmu->events = rte_mem_event_callback_register(mmu->name, memory_event, mmu) == 0;
	ret = rte_memseg_walk(add_memseg, mmu);
	if (ret != 0) {
		simvf_iommu_fini(mmu);
		return -ENOMEM;
	}
	return 0;
}

void simvf_iommu_fini(struct simvf_iommu *mmu)
{
	if (mmu->events)
		rte_mem_event_callback_unregister(mmu->name, mmu);
	mmu->events = false;
	free(mmu->eal.range);
	free(mmu->maps.range);
	memset(&mmu->eal, 0, sizeof(mmu->eal));
	memset(&mmu->maps, 0, sizeof(mmu->maps));
}

int simvf_iommu_map(struct simvf_iommu *mmu, uint64_t addr, uint64_t iova, size_t len)
{
	int ret;

	if (len == 0 || addr + len < addr || iova != addr)
		return -EINVAL;
	rte_spinlock_lock(&mmu->lock);
	if (touches(&mmu->maps, addr, addr + len)) {
		ret = -EEXIST;
	} else if (mmu->nb_maps == SIMVF_IOMMU_MAX_MAPS) {
		ret = -ENOSPC;
	} else {
		ret = add(&mmu->maps, addr, addr + len);
		mmu->nb_maps += ret == 0;
	}
	rte_spinlock_unlock(&mmu->lock);
	return ret;
}

int simvf_iommu_unmap(struct simvf_iommu *mmu, uint64_t addr, uint64_t iova, size_t len)
{
	int ret = -ENOENT;

	if (len == 0 || addr + len < addr || iova != addr)
		return -EINVAL;
	rte_spinlock_lock(&mmu->lock);
	if (covers(&mmu->maps, addr, addr + len))
		ret = subtract(&mmu->maps, addr, addr + len);
	if (ret == 0) {
		mmu->nb_maps -= mmu->nb_maps > 0;
		forget(mmu);
	}
	rte_spinlock_unlock(&mmu->lock);
	return ret;
}

void simvf_iotlb_flush(struct simvf_iommu *mmu, struct simvf_iotlb *tlb)
{
	uint32_t generation = __atomic_load_n(&mmu->generation, __ATOMIC_ACQUIRE);

	memset(tlb, 0, sizeof(*tlb));
	tlb->generation = generation;
	tlb->lo = mmu->on ? UINT64_MAX : 0;
	tlb->hi = UINT64_MAX;
}

static bool look_up(struct simvf_iommu *mmu, uint64_t addr, uint64_t end, struct simvf_range *found)
{
	const struct simvf_ranges *set = &mmu->maps;
	bool allowed;

	rte_spinlock_lock(&mmu->lock);
	if (!covers(set, addr, end))
		set = &mmu->eal;
	allowed = covers(set, addr, end);
	if (allowed)
		*found = set->range[find(set, addr)];
	rte_spinlock_unlock(&mmu->lock);
	return allowed;
}

bool simvf_iommu_walk(struct simvf_iommu *mmu, struct simvf_iotlb *tlb, uint64_t addr, uint32_t len)
{
	uint64_t end = addr + len;
	struct simvf_range *r = tlb->range;
	uint32_t i;

	if (!mmu->on || end < addr)
		return !mmu->on;
	for (i = 0; i < SIMVF_IOTLB_SIZE; i++)
		if (r[i].lo <= addr && end <= r[i].hi)
			break;
	if (i == SIMVF_IOTLB_SIZE) {
		i = tlb->victim;
		if (!look_up(mmu, addr, end, &r[i]))
			return false;
		tlb->victim = (i + 1) % SIMVF_IOTLB_SIZE;
	}
	tlb->lo = r[i].lo;
	tlb->hi = r[i].hi;
	return true;
}
