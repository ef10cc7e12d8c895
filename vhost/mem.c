/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <rte_common.h>

#include "vhost/sigbus.h"

#define MIN_ALIGN (2ul << 20)
#define MAX_ALIGN (1ul << 30) /* the largest page of x86 and arm64 that anybody uses */

/* 2^47 is all there is for a process; so that sums cannot wrap. */
#define MAX_MAP (1ull << 47)

static int by_gpa(const void *a, const void *b)
{
	const struct vh_mem_desc *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

static const char *check_table(const struct vh_mem_desc *descs, uint32_t nb)
{
	for (uint32_t i = 0; i < nb; i++) {
		const struct vh_mem_desc *d = &descs[i];
		struct stat st;

		if (d->size == 0)
			return "region of size 0";
		if (d->gpa + d->size < d->gpa || d->peer_addr + d->size < d->peer_addr)
			return "region wraps around the address space";
		if (d->map_offset + d->size < d->size || d->map_offset + d->size > d->map_size)
			return "region outside of its mapping";
		if (d->map_size > MAX_MAP)
			return "region larger than the address space";
		if (i > 0 && descs[i - 1].gpa + descs[i - 1].size > d->gpa)
			return "regions overlap";
		/*
		 * A file that is too short now would only fault later. Block devices etc. have no
		 * size.
		 */
		if (fstat(d->fd, &st) != 0)
			return "cannot stat the region's file";
		if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < d->map_offset + d->size)
			return "region beyond the end of its file";
	}
	return NULL;
}

/* A file of huge pages can only be mapped at a multiple of their size. */
static size_t page_size(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0 || fs.f_bsize <= 0 || (fs.f_bsize & (fs.f_bsize - 1)) != 0)
		return 0;
	return (size_t)fs.f_bsize;
}

/* Address space for every region, none of it usable yet. */
static int reserve(
	struct vh_mem *mem, const struct vh_mem_desc *descs, uint32_t nb, const char **why)
{
	size_t size = 0, head;
	uint8_t *area;

	mem->area_align = MIN_ALIGN;
	for (uint32_t i = 0; i < nb; i++)
		mem->area_align = RTE_MAX(mem->area_align, page_size(descs[i].fd));
	mem->area_align = RTE_MIN(mem->area_align, MAX_ALIGN);
	for (uint32_t i = 0; i < nb; i++)
		size += RTE_ALIGN_CEIL(descs[i].map_size, mem->area_align);
	/* One unit more, since mmap() knows pages only; what stands over goes back. */
	area = mmap(NULL, size + mem->area_align, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED) {
		*why = "no address space for the regions";
		return -errno;
	}
	mem->area = RTE_PTR_ALIGN_CEIL(area, mem->area_align);
	mem->area_size = size;
	head = RTE_PTR_DIFF(mem->area, area);
	if (head > 0)
		munmap(area, head);
	munmap(RTE_PTR_ADD(mem->area, size), mem->area_align - head);
	return 0;
}

static void unmap_regions(struct vh_mem *mem)
{
	while (mem->nb_regions > 0)
		vh_sigbus_unwatch(mem->watch[--mem->nb_regions]);
	munmap(mem->area, mem->area_size);
}

static int map_region(
	struct vh_mem *mem, const struct vh_mem_desc *d, void *where, const char **why)
{
	uint32_t i = mem->nb_regions;
	/* Not MAP_POPULATE: a container's memory is often sparse, and stays its own to account. */
	void *map =
		mmap(where, d->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, d->fd, 0);

	if (map == MAP_FAILED) {
		*why = "cannot map the region";
		return -errno;
	}
	/* A core dump of ours is no place for the container's memory. */
	madvise(map, d->map_size, MADV_DONTDUMP);
	mem->watch[i] = vh_sigbus_watch(map, d->map_size);
	if (mem->watch[i] < 0) {
		*why = "too many regions in all";
		return -ENOSPC;
	}
	mem->map[i] = map;
	mem->map_size[i] = d->map_size;
	mem->peer_addr[i] = d->peer_addr;
	mem->regions[i] = (struct vh_region){
		.gpa = d->gpa,
		.size = d->size,
		.host = (uint8_t *)map + d->map_offset,
	};
	mem->nb_regions++;
	return 0;
}

struct vh_mem *vh_mem_create(const struct vh_mem_desc *descs, uint32_t nb, const char **why)
{
	struct vh_mem_desc sorted[VH_MEM_MAX_REGIONS];
	struct vh_mem *mem;
	uint8_t *where;
	int ret;

	if (nb == 0 || nb > VH_MEM_MAX_REGIONS) {
		*why = nb == 0 ? "no region" : "more than 8 regions";
		errno = EINVAL;
		return NULL;
	}
	memcpy(sorted, descs, nb * sizeof(*descs));
	qsort(sorted, nb, sizeof(*sorted), by_gpa);
	*why = check_table(sorted, nb);
	if (*why != NULL) {
		errno = EINVAL;
		return NULL;
	}

	mem = calloc(1, sizeof(*mem));
	if (mem == NULL) {
		*why = "out of memory";
		return NULL;
	}
	mem->refs = 1;
	ret = reserve(mem, sorted, nb, why);
	if (ret < 0)
		goto free;
	where = mem->area;
	for (uint32_t i = 0; i < nb; i++) {
		ret = map_region(mem, &sorted[i], where, why);
		if (ret < 0)
			goto unmap;
		where += RTE_ALIGN_CEIL(sorted[i].map_size, mem->area_align);
	}
	return mem;

unmap:
	unmap_regions(mem);
free:
	free(mem);
	errno = -ret;
	return NULL;
}

struct vh_mem *vh_mem_ref(struct vh_mem *mem)
{
	__atomic_add_fetch(&mem->refs, 1, __ATOMIC_RELAXED);
	return mem;
}

void vh_mem_unref(struct vh_mem *mem)
{
	/* acq_rel: whatever the other holders did with the memory happened before the unmap. */
	if (mem == NULL || __atomic_sub_fetch(&mem->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	unmap_regions(mem);
	free(mem);
}

bool vh_mem_poisoned(const struct vh_mem *mem)
{
	for (uint32_t i = 0; i < mem->nb_regions; i++)
		if (vh_sigbus_poisoned(mem->watch[i]))
			return true;
	return false;
}

void *vh_mem_from_peer(const struct vh_mem *mem, uint64_t peer_addr, uint64_t len)
{
	for (uint32_t i = 0; i < mem->nb_regions; i++) {
		uint64_t off = peer_addr - mem->peer_addr[i];

		if (off < mem->regions[i].size)
			return len <= mem->regions[i].size - off ? mem->regions[i].host + off
								 : NULL;
	}
	return NULL;
}
