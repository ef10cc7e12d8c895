/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container memory, mapped by ourselves. librte_vhost unmaps its own view whenever the container
 * sends SET_MEM_TABLE or hangs up, whatever our workers and NIC queues still do with it; ours dies
 * only when the last user lets go.
 *
 * Ownership: a struct vh_mem is immutable and reference-counted; vh_mem_create() returns the first
 * reference. Every virtqueue in use holds one.
 * Threads: create in a librte_vhost callback; ref/unref in any control-plane thread; translation in
 * any thread that holds a reference.
 * On failure: vh_mem_create() unmaps and closes what it opened and leaves the arguments alone.
 */
#ifndef VHOST_MEM_H
#define VHOST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

/* VHOST_MEMORY_MAX_NREGIONS of librte_vhost, and the vhost-user protocol's own limit. */
#define VH_MEM_MAX_REGIONS 8

/* What describes one region of a new table; the fields of rte_vhost_mem_region that we use. */
struct vh_mem_desc {
	uint64_t gpa; /* what descriptors say */
	uint64_t size; /* bytes */
	uint64_t peer_addr; /* librte_vhost's own address of the first byte: compared, never read */
	uint64_t
		map_offset; /* where the region starts in the file, from the start of the mapping */
	uint64_t map_size; /* bytes to map, from offset 0 of the file */
	int fd;
};

struct vh_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *host; /* our address of gpa */
};

struct vh_mem {
	/* Hot: read per packet by workers. Sorted by gpa, not overlapping. */
	uint32_t nb_regions;
	struct vh_region regions[VH_MEM_MAX_REGIONS];
	/* Control plane only. */
	uint64_t peer_addr[VH_MEM_MAX_REGIONS];
	void *map[VH_MEM_MAX_REGIONS];
	size_t map_size[VH_MEM_MAX_REGIONS];
	/*
	 * Where all of them stand: one piece of address space, start and length multiples of
	 * area_align, so that whoever keeps lists of memory needs one entry for a container.
	 */
	void *area;
	size_t area_size;
	size_t area_align; /* the largest page of a region's file, 2 MiB at least */
	int watch[VH_MEM_MAX_REGIONS]; /* SIGBUS handles */
	uint32_t refs; /* changed with __atomic_* */
};

/*
 * Maps each region of the table. `why` gets a static text on failure.
 * Returns NULL with errno: EINVAL (no region, too many, size 0, overflow, overlap, file too small),
 * ENOMEM, ENOSPC, or what mmap said.
 */
struct vh_mem *vh_mem_create(const struct vh_mem_desc *descs, uint32_t nb, const char **why);

struct vh_mem *vh_mem_ref(struct vh_mem *mem);

/* NULL is allowed. The last reference unmaps. */
void vh_mem_unref(struct vh_mem *mem);

/* Whether the container has shrunk any region under us. */
bool vh_mem_poisoned(const struct vh_mem *mem);

/* Our address of [peer_addr, + len) given in librte_vhost's addresses, or NULL. Control plane. */
void *vh_mem_from_peer(const struct vh_mem *mem, uint64_t peer_addr, uint64_t len);

/*
 * Our address of guest address gpa; *len is cut to what lies in the same region. NULL if gpa is in
 * none. *hint is the caller's last hit, always a valid region index.
 */
static inline void *vh_mem_translate_part(
	const struct vh_mem *mem, uint16_t *hint, uint64_t gpa, uint64_t *len)
{
	const struct vh_region *r = &mem->regions[*hint];
	/*
	 * One unsigned compare covers "below" and "beyond"; gpa + len is never formed: it may wrap.
	 */
	uint64_t off = gpa - r->gpa;

	if (unlikely(off >= r->size)) {
		uint16_t i;

		for (i = 0; i < mem->nb_regions; i++) {
			r = &mem->regions[i];
			off = gpa - r->gpa;
			if (off < r->size)
				break;
		}
		if (i == mem->nb_regions)
			return NULL;
		*hint = i;
	}
	if (unlikely(*len > r->size - off))
		*len = r->size - off;
	return r->host + off;
}

/* Our address of [gpa, gpa + len) if all of it lies in one region, else NULL. */
static inline void *vh_mem_translate(
	const struct vh_mem *mem, uint16_t *hint, uint64_t gpa, uint64_t len)
{
	uint64_t part = len;
	void *addr = vh_mem_translate_part(mem, hint, gpa, &part);

	return likely(part == len) ? addr : NULL;
}

#endif /* VHOST_MEM_H */
