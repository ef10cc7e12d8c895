/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed virtqueue (virtio 1.1, 2.7), device side, per-packet part. Contract: vring.h.
 *
 * One array of descriptors serves both sides: an entry is available when the container has set its
 * AVAIL and USED flags in one way, and used when we have set them in another; both ways swap each
 * time that the array has been gone round. Nothing else says where a side stands, and nothing keeps
 * a container from flipping the flags of what we hold. So what we may take is bounded by counting:
 * at most the ring's size, less what has been taken and not been shown as used.
 */
#ifndef VHOST_PACKED_H
#define VHOST_PACKED_H

#include <rte_prefetch.h>

#include "vhost/vring.h"

_Static_assert(offsetof(struct vring_packed_desc, len) == 8 &&
		offsetof(struct vring_packed_desc, id) == 8 + offsetof(union vh_packed_used, id) &&
		offsetof(struct vring_packed_desc, flags) ==
			8 + offsetof(union vh_packed_used, flags),
	"a packed descriptor's second half");

#define VH_PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define VH_PACKED_USED  (1u << VRING_PACKED_DESC_F_USED)
#define VH_PACKED_OWNER (VH_PACKED_AVAIL | VH_PACKED_USED)
/* What a data descriptor's flags say of the buffer. */
#define VH_PACKED_KIND (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* A position below 2 * size, in the ring. */
static inline uint16_t vh_packed_place(const struct vh_vring *vr, uint32_t pos)
{
	return (uint16_t)(pos < vr->size ? pos : pos - vr->size);
}

/* The one copy of a descriptor that checks and use both work on; see vh_desc_load(). */
static inline struct vring_packed_desc vh_packed_load(const struct vring_packed_desc *p)
{
	return (struct vring_packed_desc){
		.addr = __atomic_load_n(&p->addr, __ATOMIC_RELAXED),
		.len = __atomic_load_n(&p->len, __ATOMIC_RELAXED),
		.id = __atomic_load_n(&p->id, __ATOMIC_RELAXED),
		.flags = __atomic_load_n(&p->flags, __ATOMIC_RELAXED),
	};
}

/*
 * Entries that the container has offered and we have not taken; looks on from what is known, and
 * no further than to `want`. 0 after a fault.
 */
static inline uint16_t vh_packed_avail(struct vh_vring *vr, uint16_t want)
{
	uint16_t known = vr->known, place;

	if (unlikely(vh_ring_fault(vr) != VH_FAULT_NONE))
		return 0;
	if (known >= want)
		return known;

	want = RTE_MIN(want, (uint16_t)(vr->size - vr->out));
	place = vh_packed_place(vr, (uint32_t)vr->last_avail + known);
	while (known < want) {
		/*
		 * Acquire: the descriptor is visible after its flags, and the rest of a chain after
		 * its first flags, which the driver writes last (2.7.21).
		 */
		uint16_t flags = __atomic_load_n(&vr->packed[place].flags, __ATOMIC_ACQUIRE);

		if ((flags & VH_PACKED_OWNER) != vr->avail_flags)
			break;
		known++;
		if (unlikely(++place == vr->size)) {
			place = 0;
			vr->avail_flags ^= VH_PACKED_OWNER;
		}
	}
	vr->known = known;
	return known;
}

/*
 * Copies and checks the receive buffer `ahead` entries behind the next one; the caller knows from
 * vh_packed_avail() that there is one. It fits if one writable descriptor has `need` bytes, header
 * included, in one region. Takes nothing.
 */
static inline enum vh_fit vh_packed_peek_rx(
	struct vh_vring *vr, uint16_t ahead, uint32_t need, struct vh_rx_buf *buf)
{
	uint16_t place = vh_packed_place(vr, (uint32_t)vr->last_avail + ahead);
	struct vring_packed_desc d = vh_packed_load(&vr->packed[place]);

	buf->id = d.id;
	if (unlikely((d.flags & VH_PACKED_KIND) != VRING_DESC_F_WRITE)) {
		if (d.flags & (VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT))
			return VH_FIT_CHAIN; /* checked in full by the path that copies */
		vh_ring_set_fault(vr, VH_FAULT_DIRECTION);
		return VH_FIT_FAULT;
	}
	if (unlikely(d.len < need))
		return VH_FIT_SHORT;

	uint64_t part = need;
	buf->addr = vh_mem_translate_part(vr->mem, &vr->hint, d.addr, &part);
	if (unlikely(buf->addr == NULL)) {
		vh_ring_set_fault(vr, VH_FAULT_ADDRESS);
		return VH_FIT_FAULT;
	}
	return likely(part == need) ? VH_FIT : VH_FIT_REGION;
}

/*
 * Copies and checks the next transmit buffer; the caller knows from vh_packed_avail() that there is
 * one. It fits if the header and a frame of at least min_len bytes are in one readable descriptor
 * and one region; too long a frame is the caller's to refuse. Takes nothing.
 */
static inline enum vh_fit vh_packed_peek_tx(
	struct vh_vring *vr, uint32_t min_len, struct vh_tx_buf *buf)
{
	struct vring_packed_desc d = vh_packed_load(&vr->packed[vr->last_avail]);

	if (unlikely(d.flags & VH_PACKED_KIND)) {
		if (d.flags & (VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT))
			return VH_FIT_CHAIN; /* checked in full by the path that copies */
		vh_ring_set_fault(vr, VH_FAULT_DIRECTION);
		return VH_FIT_FAULT;
	}
	if (unlikely(d.len < vr->hdr_len + min_len))
		return VH_FIT_SHORT;

	uint64_t part = d.len;
	uint8_t *addr = vh_mem_translate_part(vr->mem, &vr->hint, d.addr, &part);
	if (unlikely(addr == NULL)) {
		vh_ring_set_fault(vr, VH_FAULT_ADDRESS);
		return VH_FIT_FAULT;
	}
	buf->addr = addr + vr->hdr_len;
	buf->len = d.len - vr->hdr_len;
	buf->taken = (struct vh_taken){ .id = d.id, .entries = 1 };
	return likely(part == d.len) ? VH_FIT : VH_FIT_REGION;
}

static inline void vh_packed_take(struct vh_vring *vr, uint16_t entries)
{
	vr->last_avail = vh_packed_place(vr, (uint32_t)vr->last_avail + entries);
	vr->known -= entries;
	vr->out += entries;
}

/* What is known stays known: the container has not seen anything of this. */
static inline void vh_packed_untake(struct vh_vring *vr, uint16_t entries)
{
	vr->last_avail = vh_packed_place(vr, (uint32_t)vr->last_avail + vr->size - entries);
	vr->known += entries;
	vr->out -= entries;
}

/* In one store: whoever kills us leaves an entry as the driver wrote it, or used. */
static inline void vh_packed_store_used(
	struct vring_packed_desc *d, union vh_packed_used used, int order)
{
	typedef uint64_t __attribute__((may_alias)) word;

	__atomic_store_n((word *)(void *)&d->len, used.word, order);
}

/*
 * Completes the oldest taken buffer with `len` bytes written, header included. The container sees
 * it, and all behind it, once the flush has written the first one.
 */
static inline void vh_packed_put_used(struct vh_vring *vr, struct vh_taken taken, uint32_t len)
{
	union vh_packed_used used = {
		.len = len,
		.id = taken.id,
		/* 2.7.3: in a used descriptor, WRITE says that `len` means something */
		.flags = vr->used_flags | (len != 0 ? VRING_DESC_F_WRITE : 0),
	};
	uint32_t next = (uint32_t)vr->last_used + taken.entries;

	if (likely(vr->unshown != 0))
		vh_packed_store_used(&vr->packed[vr->last_used], used, __ATOMIC_RELAXED);
	else
		vr->first = used;
	vr->unshown += taken.entries;
	if (unlikely(next >= vr->size)) {
		next -= vr->size;
		vr->used_flags ^= VH_PACKED_OWNER;
	}
	vr->last_used = (uint16_t)next;
}

/* Whether the last `n` entries before last_used include the one that the container waits for. */
static inline bool vh_packed_event_due(struct vh_vring *vr, uint16_t n)
{
	/* One load: offset and flags belong together (2.7.14). */
	uint32_t event = __atomic_load_n(vr->driver_event, __ATOMIC_RELAXED);
	uint32_t wish = (event >> 16) & 3;

	vr->patience = wish == VRING_PACKED_EVENT_FLAG_DISABLE ? VH_RING_PATIENCE : 0;
	if (wish != VRING_PACKED_EVENT_FLAG_DESC || !(vr->flags & VH_RING_EVENT_IDX))
		return wish != VRING_PACKED_EVENT_FLAG_DISABLE;

	bool event_wrap = event & (1u << VRING_PACKED_EVENT_F_WRAP_CTR);
	uint32_t place = event & ((1u << VRING_PACKED_EVENT_F_WRAP_CTR) - 1);
	/* How far behind last_used it lies: 1 is the newest; 0 and "below" are yet to come. */
	uint32_t behind = vr->last_used - place;

	if (event_wrap != (vr->used_flags != 0))
		behind += vr->size;
	return behind - 1 < n;
}

/*
 * Shows all completions since the last flush. Returns whether the container asked to be called for
 * them, or for earlier ones (2.7.10). To be called each turn: VH_RING_PATIENCE.
 */
static inline bool vh_packed_flush(struct vh_vring *vr)
{
	uint16_t n = vr->unshown;

	if (n != 0) {
		uint16_t first = vh_packed_place(vr, (uint32_t)vr->last_used + vr->size - n);

		/* Release: packet data and the entries behind are visible before the first one. */
		vh_packed_store_used(&vr->packed[first], vr->first, __ATOMIC_RELEASE);
		vr->unshown = 0;
		vr->out -= n;
		vr->unasked = RTE_MIN((uint32_t)vr->unasked + n, vr->size);
		if (vr->patience > 0) {
			vr->patience--;
			return false;
		}
	} else if (likely(vr->unasked == 0)) {
		return false;
	}
	/*
	 * Full barrier: the flags must be visible before the container's wish is read, or both
	 * sides miss each other: we read "no call", it reads "nothing new" and sleeps.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	n = vr->unasked;
	vr->unasked = 0;
	return vh_packed_event_due(vr, n);
}

/* Entries of a burst from the next buffer on: four in a line. */
static inline void vh_packed_prefetch_avail(const struct vh_vring *vr)
{
	uint16_t place = vh_packed_place(vr, (uint32_t)vr->last_avail + vr->known);

	for (uint16_t i = 0; i < RTE_MIN(VH_RING_BURST, vr->size); i += 4)
		rte_prefetch0(&vr->packed[vh_packed_place(vr, (uint32_t)place + i)]);
}

/* The n next buffers themselves. */
static inline void vh_packed_prefetch_bufs(struct vh_vring *vr, uint16_t n, bool write)
{
	for (uint16_t i = 0; i < RTE_MIN(n, vr->size); i++) {
		uint16_t place = vh_packed_place(vr, (uint32_t)vr->last_avail + i);

		vh_prefetch_buf(
			vr, __atomic_load_n(&vr->packed[place].addr, __ATOMIC_RELAXED), write);
	}
}

/* All of the buffer `ahead` entries behind the next one: to be read. */
static inline void vh_packed_prefetch_whole(struct vh_vring *vr, uint16_t ahead)
{
	uint16_t place = vh_packed_place(vr, (uint32_t)vr->last_avail + RTE_MIN(ahead, vr->size));
	const struct vring_packed_desc *d = &vr->packed[place];

	vh_prefetch_whole(vr, __atomic_load_n(&d->addr, __ATOMIC_RELAXED),
		__atomic_load_n(&d->len, __ATOMIC_RELAXED));
}

/* Ours already: written where they were read. */
static inline void vh_packed_prefetch_used(const struct vh_vring *vr)
{
	for (uint16_t i = 0; i < RTE_MIN(VH_RING_BURST, vr->size); i += 4)
		vh_prefetch_write(&vr->packed[vh_packed_place(vr, (uint32_t)vr->last_used + i)]);
}

/*
 * Walks the descriptors of one chain, direct or indirect. Bounded: what is known to be available is
 * never more than the ring, nor is a table.
 */
struct vh_packed_walk {
	const struct vring_packed_desc *table; /* the next one in an indirect table, or NULL */
	uint32_t left; /* in the table */
	uint16_t ahead; /* entries from last_avail to the chain */
	struct vh_taken taken; /* what it occupies so far, and the last id seen: the buffer's own */
	bool done;
};

static inline void vh_packed_walk_init(struct vh_packed_walk *w, uint16_t ahead)
{
	*w = (struct vh_packed_walk){ .ahead = ahead };
}

/* Enters the indirect table that d describes. False on a fault. */
static inline bool vh_packed_enter_indirect(
	struct vh_vring *vr, struct vh_packed_walk *w, const struct vring_packed_desc *d)
{
	uint32_t entries = d->len / sizeof(*d);

	/* 2.7.7, 2.7.19: only if negotiated, not in a chain, not longer than the ring */
	if (unlikely(!(vr->flags & VH_RING_INDIRECT) || w->taken.entries != 1 ||
		    (d->flags & VRING_DESC_F_NEXT) || entries == 0 || entries > vr->size ||
		    d->len % sizeof(*d) != 0 || d->addr % 16 != 0)) {
		vh_ring_set_fault(vr, VH_FAULT_INDIRECT);
		return false;
	}
	w->table = vh_mem_translate(vr->mem, &vr->hint, d->addr, d->len);
	w->left = entries;
	if (unlikely(w->table == NULL)) {
		vh_ring_set_fault(vr, VH_FAULT_ADDRESS);
		return false;
	}
	return true;
}

/* The next descriptor of the ring, and past it. False on a fault: it is not available. */
static inline bool vh_packed_walk_ring(
	struct vh_vring *vr, struct vh_packed_walk *w, struct vring_packed_desc *d)
{
	uint32_t nth = (uint32_t)w->ahead + w->taken.entries;

	/* The driver makes the first one available last, so all of a chain is there, or none. */
	if (unlikely(nth >= vr->size || vh_packed_avail(vr, (uint16_t)(nth + 1)) <= nth)) {
		vh_ring_set_fault(vr, VH_FAULT_CHAIN);
		return false;
	}
	*d = vh_packed_load(&vr->packed[vh_packed_place(vr, vr->last_avail + nth)]);
	w->taken.entries++;
	w->taken.id = d->id; /* 2.7.5: the last one of a chain has the id */
	w->done = !(d->flags & VRING_DESC_F_NEXT);
	return true;
}

/*
 * The next data descriptor of the chain, of whose flags only WRITE is left. 1: in *out; 0: the
 * chain has ended; -1: fault.
 */
static inline int vh_packed_walk_next(
	struct vh_vring *vr, struct vh_packed_walk *w, struct vring_desc *out)
{
	struct vring_packed_desc d;

	if (w->done)
		return 0;
	if (w->table == NULL) {
		if (!vh_packed_walk_ring(vr, w, &d))
			return -1;
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT) &&
			!vh_packed_enter_indirect(vr, w, &d))
			return -1;
	}
	if (w->table != NULL) {
		/* 2.7.7: entry after entry; NEXT, id, AVAIL and USED mean nothing */
		d = vh_packed_load(w->table++);
		w->done = --w->left == 0;
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT)) {
			vh_ring_set_fault(vr, VH_FAULT_INDIRECT);
			return -1;
		}
	}
	*out = (struct vring_desc){
		.addr = d.addr,
		.len = d.len,
		.flags = d.flags & VRING_DESC_F_WRITE,
	};
	return 1;
}

/* Whether `taken` is not final yet: there is more of the chain in the ring. */
static inline bool vh_packed_walk_open(const struct vh_packed_walk *w)
{
	return !w->done && w->table == NULL;
}

#endif /* VHOST_PACKED_H */
