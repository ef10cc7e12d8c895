/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container in a few lines: memfd memory in two regions and a ring in the first one, seen through
 * a mapping of its own, as a container's would be. What a test does to the ring, it does here
 * without any check: containers can write anything.
 *
 * Tests of what does not depend on the kind of ring post and harvest with the functions of the last
 * part, and are built once for each kind (FAKE_PACKED, tests/meson.build).
 *
 * The regions adjoin each other in guest addresses but not in our mapping, so that a buffer which
 * crosses the border is legal and yet not contiguous. Above them nothing is shared.
 */
#ifndef TESTS_UNIT_VHOST_FAKE_RING_H
#define TESTS_UNIT_VHOST_FAKE_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_eal.h>

#include "tests/unit/unit.h"
#include "vhost/mem.h"
#include "vhost/ring.h"

#ifndef FAKE_PACKED
#define FAKE_PACKED 0
#endif
#define FAKE_F_KIND (FAKE_PACKED ? FAKE_F_PACKED : 0)
#define FAKE_KIND   (FAKE_PACKED ? VH_RING_PACKED : VH_RING_SPLIT)

#define FAKE_REGIONS     2
#define FAKE_REGION_SIZE (4u << 20)
#define FAKE_GPA         0x40000000ULL
#define FAKE_GPA_BORDER  (FAKE_GPA + FAKE_REGION_SIZE)
#define FAKE_GPA_END     (FAKE_GPA + FAKE_REGIONS * FAKE_REGION_SIZE)
#define FAKE_GPA_DATA    (FAKE_GPA + (1u << 20)) /* behind the ring */
/* librte_vhost's addresses: never mapped, so that using one instead of our own ends the test. */
#define FAKE_PEER       0x700000000000ULL
#define FAKE_PEER_STEP  0x10000000ULL
#define FAKE_MAP_OFFSET 0x3000u

#define FAKE_F_EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define FAKE_F_INDIRECT  (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define FAKE_F_MRG       (1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define FAKE_F_V1        (1ULL << VIRTIO_F_VERSION_1)
#define FAKE_F_PACKED    (1ULL << VIRTIO_F_RING_PACKED)

/* Where the parts of a ring lie, from the start of the first region. */
#define FAKE_DESC_OFF  0u
#define FAKE_AVAIL_OFF (FAKE_DESC_OFF + VH_RING_MAX_SIZE * (uint32_t)sizeof(struct vring_desc))
#define FAKE_USED_OFF  (FAKE_AVAIL_OFF + (128u << 10))

/* A place in a packed ring, as its driver keeps it. */
struct fake_place {
	uint16_t i;
	bool wrap;
};

struct fake_ring {
	struct vh_vring vr; /* what is under test */
	struct vh_ring_setup setup;
	struct vh_mem *mem;
	/* The container's view. */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *packed;
	struct vring_packed_desc_event *driver_event;
	struct vring_packed_desc_event *device_event;
	/* A packed ring's driver: what it does next, and what it remembers of the rest. */
	struct fake_place next, oldest;
	uint16_t posted, harvested; /* buffers, since the ring started */
	uint16_t *entries; /* of each posted buffer */
	struct vring_used_elem *harvest; /* each used one */
	uint8_t *view[FAKE_REGIONS];
	uint32_t size;
	int fd[FAKE_REGIONS];
};

static inline int fake_memfd(uint64_t size)
{
	int fd = memfd_create("fake", MFD_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

/*
 * Container memory with a ring, not taken over yet. start: of a split ring both indices, of a
 * packed one the base (place | wrap << 15).
 */
static inline void fake_ring_prepare(
	struct fake_ring *f, uint32_t size, uint64_t features, uint16_t start)
{
	struct vh_mem_desc descs[FAKE_REGIONS];
	const char *why = "";

	memset(f, 0, sizeof(*f));
	for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
		uint32_t offset = i * FAKE_MAP_OFFSET;

		f->fd[i] = fake_memfd(offset + FAKE_REGION_SIZE);
		f->view[i] = mmap(NULL, FAKE_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			f->fd[i], (off_t)offset);
		CU_ASSERT_FATAL(f->view[i] != MAP_FAILED);
		descs[i] = (struct vh_mem_desc){
			.gpa = FAKE_GPA + i * FAKE_REGION_SIZE,
			.size = FAKE_REGION_SIZE,
			.peer_addr = FAKE_PEER + i * FAKE_PEER_STEP,
			.map_offset = offset,
			.map_size = offset + FAKE_REGION_SIZE,
			.fd = f->fd[i],
		};
	}
	f->mem = vh_mem_create(descs, FAKE_REGIONS, &why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->mem);

	f->size = size;
	f->desc = (struct vring_desc *)(void *)(f->view[0] + FAKE_DESC_OFF);
	f->avail = (struct vring_avail *)(void *)(f->view[0] + FAKE_AVAIL_OFF);
	f->used = (struct vring_used *)(void *)(f->view[0] + FAKE_USED_OFF);
	f->packed = (struct vring_packed_desc *)(void *)f->desc;
	f->driver_event = (struct vring_packed_desc_event *)(void *)f->avail;
	f->device_event = (struct vring_packed_desc_event *)(void *)f->used;
	if (features & FAKE_F_PACKED) {
		f->next = (struct fake_place){ .i = start & 0x7fff, .wrap = start >> 15 };
		f->oldest = f->next;
		f->entries = calloc(65536, sizeof(*f->entries));
		f->harvest = calloc(65536, sizeof(*f->harvest));
		CU_ASSERT_FATAL(f->entries != NULL && f->harvest != NULL);
	} else {
		f->avail->idx = start;
		f->used->idx = start;
	}
	f->setup = (struct vh_ring_setup){
		.desc = FAKE_PEER + FAKE_DESC_OFF,
		.avail = FAKE_PEER + FAKE_AVAIL_OFF,
		.used = FAKE_PEER + FAKE_USED_OFF,
		.size = size,
		.base = start,
		.features = features,
		.callfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.mem = f->mem,
	};
}

static inline void fake_ring_init_at(
	struct fake_ring *f, uint32_t size, uint64_t features, uint16_t start)
{
	const char *why = "";

	fake_ring_prepare(f, size, features, start);
	CU_ASSERT_FATAL(vh_ring_start(&f->vr, &f->setup, &why) == 0);
}

/* A ring at its beginning. */
static inline void fake_ring_init(struct fake_ring *f, uint32_t size, uint64_t features)
{
	fake_ring_init_at(f, size, features, features & FAKE_F_PACKED ? 0x8000 : 0);
}

static inline void fake_ring_free(struct fake_ring *f)
{
	vh_mem_unref(f->mem);
	for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
		munmap(f->view[i], FAKE_REGION_SIZE);
		close(f->fd[i]);
	}
	close(f->setup.callfd);
	free(f->entries);
	free(f->harvest);
}

/* The container's own address of a guest address. */
static inline uint8_t *fake_ptr(const struct fake_ring *f, uint64_t gpa)
{
	uint64_t off = gpa - FAKE_GPA;

	CU_ASSERT_FATAL(off < (uint64_t)FAKE_REGIONS * FAKE_REGION_SIZE);
	return f->view[off / FAKE_REGION_SIZE] + off % FAKE_REGION_SIZE;
}

/* Byte by byte: both may cross the border. */
static inline void fake_write(const struct fake_ring *f, uint64_t gpa, const void *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*fake_ptr(f, gpa + i) = ((const uint8_t *)src)[i];
}

static inline void fake_read(const struct fake_ring *f, uint64_t gpa, void *dst, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)dst)[i] = *fake_ptr(f, gpa + i);
}

/* ---- split ---- */

static inline void fake_desc(
	struct fake_ring *f, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	f->desc[i] = (struct vring_desc){ .addr = gpa, .len = len, .flags = flags, .next = next };
}

static inline void fake_set_avail(struct fake_ring *f, uint16_t idx)
{
	__atomic_store_n(&f->avail->idx, idx, __ATOMIC_RELEASE);
}

/* Offers the chain that starts at `head`. */
static inline void fake_offer(struct fake_ring *f, uint16_t head)
{
	uint16_t idx = f->avail->idx;

	f->avail->ring[idx & (f->size - 1)] = head;
	fake_set_avail(f, idx + 1);
}

/* One descriptor, one buffer. */
static inline void fake_split_post(
	struct fake_ring *f, uint16_t id, uint64_t gpa, uint32_t len, uint16_t flags)
{
	fake_desc(f, id, gpa, len, flags, 0);
	fake_offer(f, id);
}

/* Links `nb` descriptors in a table, which is the ring's own or an indirect one. */
static inline void fake_link(
	struct vring_desc *table, uint16_t first, const struct vring_desc *parts, uint16_t nb)
{
	for (uint16_t i = 0; i < nb; i++) {
		table[first + i] = parts[i];
		if (i + 1 < nb) {
			table[first + i].flags |= VRING_DESC_F_NEXT;
			table[first + i].next = first + i + 1;
		}
	}
}

static inline void fake_split_chain(
	struct fake_ring *f, uint16_t head, const struct vring_desc *parts, uint16_t nb)
{
	fake_link(f->desc, head, parts, nb);
	fake_offer(f, head);
}

static inline void fake_split_indirect(struct fake_ring *f, uint16_t id, uint64_t table_gpa,
	const struct vring_desc *parts, uint16_t nb)
{
	fake_link((struct vring_desc *)(void *)fake_ptr(f, table_gpa), 0, parts, nb);
	fake_split_post(f, id, table_gpa, nb * (uint32_t)sizeof(*parts), VRING_DESC_F_INDIRECT);
}

/* What the container finds at a position of the used ring. */
static inline struct vring_used_elem fake_split_used(const struct fake_ring *f, uint16_t pos)
{
	return f->used->ring[pos & (f->size - 1)];
}

/* used_event: "call me when you complete this position". */
static inline void fake_set_used_event(struct fake_ring *f, uint16_t event)
{
	f->avail->ring[f->size] = event;
}

/* ---- packed ---- */

static inline void fake_advance(const struct fake_ring *f, struct fake_place *at, uint32_t entries)
{
	uint32_t i = at->i + entries;

	at->wrap ^= i >= f->size;
	at->i = (uint16_t)(i >= f->size ? i - f->size : i);
}

/* Flags that make an entry available in the driver's present round. */
static inline uint16_t fake_avail_flags(const struct fake_place *at)
{
	return at->wrap ? VH_PACKED_AVAIL : VH_PACKED_USED;
}

/*
 * Offers a chain: the first flags last. Only the last entry gets the id, the others some that is
 * none of the device's business.
 */
static inline void fake_packed_chain(
	struct fake_ring *f, uint16_t id, const struct vring_desc *parts, uint16_t nb)
{
	struct fake_place at = f->next;
	uint16_t flags;

	for (uint16_t i = 0; i < nb; i++, fake_advance(f, &at, 1)) {
		struct vring_packed_desc *d = &f->packed[at.i];

		flags = parts[i].flags | fake_avail_flags(&at) |
			(i + 1 < nb ? VRING_DESC_F_NEXT : 0);
		d->addr = parts[i].addr;
		d->len = parts[i].len;
		d->id = i + 1 < nb ? (uint16_t)~id : id;
		if (i > 0)
			d->flags = flags;
	}
	flags = parts[0].flags | fake_avail_flags(&f->next) | (nb > 1 ? VRING_DESC_F_NEXT : 0);
	__atomic_store_n(&f->packed[f->next.i].flags, flags, __ATOMIC_RELEASE);
	f->next = at;
	f->entries[f->posted++] = nb;
}

static inline void fake_packed_post(
	struct fake_ring *f, uint16_t id, uint64_t gpa, uint32_t len, uint16_t flags)
{
	struct vring_desc part = { .addr = gpa, .len = len, .flags = flags };

	fake_packed_chain(f, id, &part, 1);
}

/* The parts' flags as they are: what is not valid in a table is a test's business. */
static inline void fake_packed_indirect(struct fake_ring *f, uint16_t id, uint64_t table_gpa,
	const struct vring_desc *parts, uint16_t nb)
{
	struct vring_packed_desc *table = (void *)fake_ptr(f, table_gpa);

	for (uint16_t i = 0; i < nb; i++)
		table[i] = (struct vring_packed_desc){ .addr = parts[i].addr,
			.len = parts[i].len,
			.id = (uint16_t)~id,
			.flags = parts[i].flags };
	fake_packed_post(f, id, table_gpa, nb * (uint32_t)sizeof(*table), VRING_DESC_F_INDIRECT);
}

/* Takes what is used, as a driver does: entry after entry, until one is not. */
static inline void fake_packed_harvest(struct fake_ring *f)
{
	for (;;) {
		const struct vring_packed_desc *d = &f->packed[f->oldest.i];
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

		if (!(flags & VH_PACKED_AVAIL) == f->oldest.wrap ||
			!(flags & VH_PACKED_USED) == f->oldest.wrap || f->harvested == f->posted)
			return;
		f->harvest[f->harvested] = (struct vring_used_elem){ .id = d->id, .len = d->len };
		fake_advance(f, &f->oldest, f->entries[f->harvested++]);
	}
}

/* "Call me when this entry is used." */
static inline void fake_set_event(struct fake_ring *f, uint16_t place, bool wrap)
{
	f->driver_event->off_wrap = (uint16_t)(place | wrap << 15);
	f->driver_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
}

/* ---- either kind ---- */

static inline bool fake_is_packed(const struct fake_ring *f)
{
	return f->setup.features & FAKE_F_PACKED;
}

/* One descriptor, one buffer. */
static inline void fake_post(
	struct fake_ring *f, uint16_t id, uint64_t gpa, uint32_t len, uint16_t flags)
{
	if (fake_is_packed(f))
		fake_packed_post(f, id, gpa, len, flags);
	else
		fake_split_post(f, id, gpa, len, flags);
}

/* On a split ring it takes the descriptors from `id` on. */
static inline void fake_chain(
	struct fake_ring *f, uint16_t id, const struct vring_desc *parts, uint16_t nb)
{
	if (fake_is_packed(f))
		fake_packed_chain(f, id, parts, nb);
	else
		fake_split_chain(f, id, parts, nb);
}

static inline void fake_indirect(struct fake_ring *f, uint16_t id, uint64_t table_gpa,
	const struct vring_desc *parts, uint16_t nb)
{
	if (fake_is_packed(f))
		fake_packed_indirect(f, id, table_gpa, parts, nb);
	else
		fake_split_indirect(f, id, table_gpa, parts, nb);
}

/* Buffers that the container has found used since the ring started (modulo 65536). */
static inline uint16_t fake_nb_used(struct fake_ring *f)
{
	if (!fake_is_packed(f))
		return f->used->idx - f->setup.base;
	fake_packed_harvest(f);
	return f->harvested;
}

/* The n-th of them, from 0; not yet overwritten by later ones (split). */
static inline struct vring_used_elem fake_used(struct fake_ring *f, uint16_t n)
{
	if (!fake_is_packed(f))
		return fake_split_used(f, f->setup.base + n);
	fake_packed_harvest(f);
	return f->harvest[n];
}

/* Buffers taken and not completed; of one entry each, where the ring is packed. */
static inline uint16_t fake_nb_taken(const struct fake_ring *f)
{
	if (!fake_is_packed(f))
		return f->vr.last_avail - f->vr.last_used;
	return f->vr.out - f->vr.unshown;
}

/* n receive buffers, with ids from `id` on. */
static inline void fake_post_some(struct fake_ring *f, uint16_t id, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		fake_post(f, id + i, FAKE_GPA_DATA, 2048, VRING_DESC_F_WRITE);
}

/* ---- the device's side, where a test is about something else ---- */

static inline void fake_take(struct fake_ring *f, uint16_t entries)
{
	CU_ASSERT(vh_ring_avail(f->vr.kind, &f->vr, entries) >= entries);
	vh_ring_take(f->vr.kind, &f->vr, entries);
}

static inline void fake_put_used(struct fake_ring *f, uint16_t id, uint16_t entries, uint32_t len)
{
	vh_ring_put_used(
		f->vr.kind, &f->vr, (struct vh_taken){ .id = id, .entries = entries }, len);
}

/* n buffers through the ring, not flushed. */
static inline void fake_complete(struct fake_ring *f, uint16_t n)
{
	fake_post_some(f, 0, n);
	fake_take(f, n);
	for (uint16_t i = 0; i < n; i++)
		fake_put_used(f, i, 1, 1);
}

/* Without EVENT_IDX: whether the container wants to be called. */
static inline void fake_want_calls(struct fake_ring *f, bool want)
{
	if (fake_is_packed(f))
		f->driver_event->flags =
			want ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE;
	else
		f->avail->flags = want ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
}

static inline bool fake_was_called(const struct fake_ring *f)
{
	uint64_t count;

	return read(f->setup.callfd, &count, sizeof(count)) == sizeof(count);
}

/* For what needs mbufs: an EAL that takes no hugepage, no device and no privilege. */
static inline bool fake_eal(void)
{
	static char args[][32] = { "unit", "--no-huge", "-m", "64", "--no-shconf", "--no-telemetry",
		"--no-pci", "--iova-mode=va", "--log-level=*:error" };
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = { NULL };
	int argc = sizeof(args) / sizeof(args[0]);

	for (int i = 0; i < argc; i++)
		argv[i] = args[i];
	return rte_eal_init(argc, argv) >= 0;
}

#endif /* TESTS_UNIT_VHOST_FAKE_RING_H */
