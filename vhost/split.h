/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueue (virtio 1.1, 2.6), device side, per-packet part. Contract: vring.h.
 */
#ifndef VHOST_SPLIT_H
#define VHOST_SPLIT_H

#include <rte_prefetch.h>

#include "vhost/vring.h"

/*
 * Buffers that the container has offered and we have not taken, looking at the container's index
 * only when fewer than `want` are known. 0 after a fault.
 */
static inline uint16_t vh_split_avail(struct vh_vring *vr, uint16_t want)
{
	uint16_t known = vr->avail_seen - vr->last_avail;

	if (unlikely(vh_ring_fault(vr) != VH_FAULT_NONE))
		return 0;
	if (known >= want)
		return known;

	/* Acquire: the entries and descriptors up to idx are visible after it (2.6.13.3). */
	uint16_t idx = __atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE);
	/* Counted from last_used: what is on loan and what is offered are at most the ring. */
	if (unlikely((uint16_t)(idx - vr->last_used) > vr->mask + 1u ||
		    (uint16_t)(idx - vr->last_used) < (uint16_t)(vr->last_avail - vr->last_used))) {
		vh_ring_set_fault(vr, VH_FAULT_AVAIL_INDEX);
		return 0;
	}
	vr->avail_seen = idx;
	return idx - vr->last_avail;
}

/*
 * The descriptor number at a position of the avail ring; false (and a fault) if there is none such.
 */
static inline bool vh_split_head(struct vh_vring *vr, uint16_t pos, uint16_t *id)
{
	*id = __atomic_load_n(&vr->avail->ring[pos & vr->mask], __ATOMIC_RELAXED);
	if (likely(*id <= vr->mask))
		return true;
	vh_ring_set_fault(vr, VH_FAULT_DESC_INDEX);
	return false;
}

/*
 * Copies and checks the receive buffer `ahead` places after the next one; the caller knows from
 * vh_split_avail() that there is one. It fits if one writable descriptor has `need` bytes, header
 * included, in one region. Takes nothing.
 */
static inline enum vh_fit vh_split_peek_rx(
	struct vh_vring *vr, uint16_t ahead, uint32_t need, struct vh_rx_buf *buf)
{
	if (unlikely(!vh_split_head(vr, vr->last_avail + ahead, &buf->id)))
		return VH_FIT_FAULT;

	struct vring_desc d = vh_desc_load(&vr->desc[buf->id]);

	if (unlikely(d.flags != VRING_DESC_F_WRITE)) {
		if (d.flags & (VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT))
			return VH_FIT_CHAIN; /* checked in full by the path that copies */
		if (!(d.flags & VRING_DESC_F_WRITE)) {
			vh_ring_set_fault(vr, VH_FAULT_DIRECTION);
			return VH_FIT_FAULT;
		}
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
 * Copies and checks the next transmit buffer; the caller knows from vh_split_avail() that there is
 * one. It fits if the header and a frame of at least min_len bytes are in one readable descriptor
 * and one region; too long a frame is the caller's to refuse. Takes nothing.
 */
static inline enum vh_fit vh_split_peek_tx(
	struct vh_vring *vr, uint32_t min_len, struct vh_tx_buf *buf)
{
	if (unlikely(!vh_split_head(vr, vr->last_avail, &buf->taken.id)))
		return VH_FIT_FAULT;

	struct vring_desc d = vh_desc_load(&vr->desc[buf->taken.id]);

	if (unlikely(d.flags != 0)) {
		if (d.flags & (VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT))
			return VH_FIT_CHAIN; /* checked in full by the path that copies */
		if (d.flags & VRING_DESC_F_WRITE) {
			vh_ring_set_fault(vr, VH_FAULT_DIRECTION);
			return VH_FIT_FAULT;
		}
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
	buf->taken.entries = 1;
	return likely(part == d.len) ? VH_FIT : VH_FIT_REGION;
}

static inline void vh_split_take(struct vh_vring *vr, uint16_t entries)
{
	vr->last_avail += entries;
}

/* The container does not see this: it only ever learns what has been used. */
static inline void vh_split_untake(struct vh_vring *vr, uint16_t entries)
{
	vr->last_avail -= entries;
}

/*
 * Completes the oldest taken buffer with `len` bytes written, header included. Seen after the
 * flush.
 */
static inline void vh_split_put_used(struct vh_vring *vr, struct vh_taken taken, uint32_t len)
{
	struct vring_used_elem *e = &vr->used->ring[vr->last_used & vr->mask];

	e->id = taken.id;
	e->len = len;
	vr->last_used++;
}

/*
 * Shows all completions since the last flush. Returns whether the container asked to be called for
 * them, or for earlier ones (2.6.7.2: used_event, or the avail ring's flag). To be called each turn:
 * VH_RING_PATIENCE.
 */
static inline bool vh_split_flush(struct vh_vring *vr)
{
	uint16_t old = vr->used_asked, new = vr->last_used;

	if (vr->used_shown != new) {
		/* Release: entries and packet data are visible before the index. */
		__atomic_store_n(&vr->used->idx, new, __ATOMIC_RELEASE);
		vr->used_shown = new;
		if (vr->patience > 0) {
			vr->patience--;
			return false;
		}
	} else if (likely(old == new)) {
		return false;
	}
	/*
	 * Full barrier: the index must be visible before the container's wish is read, or both
	 * sides miss each other: we read "no call", it reads "nothing new" and sleeps (2.6.7.2).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vr->used_asked = new;
	if (vr->flags & VH_RING_EVENT_IDX) {
		/* used_event stands behind the avail ring (2.6.6) */
		uint16_t event = __atomic_load_n(&vr->avail->ring[vr->mask + 1u], __ATOMIC_RELAXED);

		return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	}
	bool call = !(
		__atomic_load_n(&vr->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);

	vr->patience = call ? 0 : VH_RING_PATIENCE;
	return call;
}

/* Descriptors of a burst from the next buffer on: four in a line, mostly in a row. */
static inline void vh_split_prefetch_avail(const struct vh_vring *vr)
{
	for (uint16_t i = 0; i < VH_RING_BURST; i += 4) {
		uint16_t pos = (vr->last_avail + i) & vr->mask;

		/* Perhaps not offered yet: then it is any number, masked. */
		rte_prefetch0(&vr->desc[__atomic_load_n(&vr->avail->ring[pos], __ATOMIC_RELAXED) &
			vr->mask]);
	}
}

/* The n next buffers themselves. */
static inline void vh_split_prefetch_bufs(struct vh_vring *vr, uint16_t n, bool write)
{
	for (uint16_t i = 0; i < n; i++) {
		uint16_t id = __atomic_load_n(
			&vr->avail->ring[(vr->last_avail + i) & vr->mask], __ATOMIC_RELAXED);

		vh_prefetch_buf(vr,
			__atomic_load_n(&vr->desc[id & vr->mask].addr, __ATOMIC_RELAXED), write);
	}
}

/* All of the buffer `ahead` places behind the next one: to be read. */
static inline void vh_split_prefetch_whole(struct vh_vring *vr, uint16_t ahead)
{
	uint16_t id = __atomic_load_n(
		&vr->avail->ring[(vr->last_avail + ahead) & vr->mask], __ATOMIC_RELAXED);
	const struct vring_desc *d = &vr->desc[id & vr->mask];

	vh_prefetch_whole(vr, __atomic_load_n(&d->addr, __ATOMIC_RELAXED),
		__atomic_load_n(&d->len, __ATOMIC_RELAXED));
}

/* Used entries of a burst: eight in a line. */
static inline void vh_split_prefetch_used(const struct vh_vring *vr)
{
	for (uint16_t i = 0; i <= VH_RING_BURST; i += 8)
		vh_prefetch_write(&vr->used->ring[(vr->last_used + i) & vr->mask]);
}

/*
 * Walks the descriptors of one chain, direct or indirect. Bounded: a chain has at most as many
 * descriptors as the ring has entries (2.6.5.3.1), so a longer one is a loop.
 */
struct vh_split_walk {
	const struct vring_desc *table;
	uint32_t table_size;
	uint32_t left;
	uint16_t next;
	bool indirect;
	bool done;
	struct vh_taken taken; /* what the buffer occupies */
};

static inline void vh_split_walk_init(
	struct vh_split_walk *w, const struct vh_vring *vr, uint16_t id)
{
	*w = (struct vh_split_walk){
		.table = vr->desc,
		.table_size = vr->mask + 1u,
		.left = vr->mask + 1u,
		.next = id,
		.taken = { .id = id, .entries = 1 },
	};
}

/* Enters the indirect table that d describes. False on a fault. */
static inline bool vh_split_enter_indirect(
	struct vh_vring *vr, struct vh_split_walk *w, const struct vring_desc *d)
{
	uint32_t entries = d->len / sizeof(struct vring_desc);

	/* 2.6.5.3.1: only if negotiated, not nested, no NEXT beside it, not longer than the ring */
	if (unlikely(!(vr->flags & VH_RING_INDIRECT) || w->indirect ||
		    (d->flags & VRING_DESC_F_NEXT) || entries == 0 || entries > vr->mask + 1u ||
		    d->len % sizeof(struct vring_desc) != 0 || d->addr % 16 != 0)) {
		vh_ring_set_fault(vr, VH_FAULT_INDIRECT);
		return false;
	}
	w->table = vh_mem_translate(vr->mem, &vr->hint, d->addr, d->len);
	if (unlikely(w->table == NULL)) {
		vh_ring_set_fault(vr, VH_FAULT_ADDRESS);
		return false;
	}
	w->table_size = entries;
	w->left = entries;
	w->next = 0;
	w->indirect = true;
	return true;
}

/* The next data descriptor of the chain. 1: in *d; 0: the chain has ended; -1: fault. */
static inline int vh_split_walk_next(
	struct vh_vring *vr, struct vh_split_walk *w, struct vring_desc *d)
{
	if (w->done)
		return 0;
	for (;;) {
		if (unlikely(w->next >= w->table_size)) {
			vh_ring_set_fault(vr, VH_FAULT_DESC_INDEX);
			return -1;
		}
		if (unlikely(w->left-- == 0)) {
			vh_ring_set_fault(vr, VH_FAULT_CHAIN);
			return -1;
		}
		*d = vh_desc_load(&w->table[w->next]);
		if (likely(!(d->flags & VRING_DESC_F_INDIRECT)))
			break;
		if (!vh_split_enter_indirect(vr, w, d))
			return -1;
	}
	w->done = !(d->flags & VRING_DESC_F_NEXT);
	w->next = d->next;
	return 1;
}

#endif /* VHOST_SPLIT_H */
