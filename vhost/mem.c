/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vhost/sigbus.h"

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

static void unmap_regions(struct vh_mem *mem)
{
	while (mem->nb_regions > 0) {
		uint32_t i = --mem->nb_regions;

		vh_sigbus_unwatch(mem->watch[i]);
		munmap(mem->map[i], mem->map_size[i]);
	}
}

static int map_region(struct vh_mem *mem, const struct vh_mem_desc *d, const char **why)
{
	uint32_t i = mem->nb_regions;
	/* Not MAP_POPULATE: a container's memory is often sparse, and stays its own to account. */
	void *map = mmap(NULL, d->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);

	if (map == MAP_FAILED) {
		*why = "cannot map the region";
		return -errno;
	}
	/* A core dump of ours is no place for the container's memory. */
	madvise(map, d->map_size, MADV_DONTDUMP);
	mem->watch[i] = vh_sigbus_watch(map, d->map_size);
	if (mem->watch[i] < 0) {
		munmap(map, d->map_size);
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
	for (uint32_t i = 0; i < nb; i++) {
		ret = map_region(mem, &sorted[i], why);
		if (ret < 0)
			goto unmap;
	}
	return mem;

unmap:
	unmap_regions(mem);
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
