/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The per-packet functions of every kind of ring under one name. Contract: vring.h. `kind` is a
 * constant wherever these are called, so nothing is decided per packet: the caller is instantiated
 * once for each kind, and the control thread picks the instance when the ring starts.
 */
#ifndef VHOST_RING_H
#define VHOST_RING_H

#include "vhost/copy.h"
#include "vhost/packed.h"
#include "vhost/split.h"

static __rte_always_inline uint16_t vh_ring_avail(
	enum vh_ring_kind kind, struct vh_vring *vr, uint16_t want)
{
	return kind == VH_RING_PACKED ? vh_packed_avail(vr, want) : vh_split_avail(vr, want);
}

static __rte_always_inline enum vh_fit vh_ring_peek_rx(enum vh_ring_kind kind, struct vh_vring *vr,
	uint16_t ahead, uint32_t need, struct vh_rx_buf *buf)
{
	return kind == VH_RING_PACKED ? vh_packed_peek_rx(vr, ahead, need, buf)
				      : vh_split_peek_rx(vr, ahead, need, buf);
}

static __rte_always_inline enum vh_fit vh_ring_peek_tx(
	enum vh_ring_kind kind, struct vh_vring *vr, uint32_t min_len, struct vh_tx_buf *buf)
{
	return kind == VH_RING_PACKED ? vh_packed_peek_tx(vr, min_len, buf)
				      : vh_split_peek_tx(vr, min_len, buf);
}

static __rte_always_inline void vh_ring_take(
	enum vh_ring_kind kind, struct vh_vring *vr, uint16_t entries)
{
	if (kind == VH_RING_PACKED)
		vh_packed_take(vr, entries);
	else
		vh_split_take(vr, entries);
}

static __rte_always_inline void vh_ring_untake(
	enum vh_ring_kind kind, struct vh_vring *vr, uint16_t entries)
{
	if (kind == VH_RING_PACKED)
		vh_packed_untake(vr, entries);
	else
		vh_split_untake(vr, entries);
}

static __rte_always_inline void vh_ring_put_used(
	enum vh_ring_kind kind, struct vh_vring *vr, struct vh_taken taken, uint32_t len)
{
	if (kind == VH_RING_PACKED)
		vh_packed_put_used(vr, taken, len);
	else
		vh_split_put_used(vr, taken, len);
}

static __rte_always_inline bool vh_ring_flush(enum vh_ring_kind kind, struct vh_vring *vr)
{
	return kind == VH_RING_PACKED ? vh_packed_flush(vr) : vh_split_flush(vr);
}

static __rte_always_inline void vh_ring_prefetch_avail(
	enum vh_ring_kind kind, const struct vh_vring *vr)
{
	if (kind == VH_RING_PACKED)
		vh_packed_prefetch_avail(vr);
	else
		vh_split_prefetch_avail(vr);
}

static __rte_always_inline void vh_ring_prefetch_bufs(
	enum vh_ring_kind kind, struct vh_vring *vr, uint16_t n, bool write)
{
	if (kind == VH_RING_PACKED)
		vh_packed_prefetch_bufs(vr, n, write);
	else
		vh_split_prefetch_bufs(vr, n, write);
}

static __rte_always_inline void vh_ring_prefetch_whole(
	enum vh_ring_kind kind, struct vh_vring *vr, uint16_t ahead)
{
	if (kind == VH_RING_PACKED)
		vh_packed_prefetch_whole(vr, ahead);
	else
		vh_split_prefetch_whole(vr, ahead);
}

static __rte_always_inline void vh_ring_prefetch_used(
	enum vh_ring_kind kind, const struct vh_vring *vr)
{
	if (kind == VH_RING_PACKED)
		vh_packed_prefetch_used(vr);
	else
		vh_split_prefetch_used(vr);
}

static __rte_always_inline int vh_ring_copy_rx(
	enum vh_ring_kind kind, struct vh_vring *vr, const struct rte_mbuf *m)
{
	return kind == VH_RING_PACKED ? vh_packed_copy_rx(vr, m) : vh_split_copy_rx(vr, m);
}

static __rte_always_inline int vh_ring_copy_tx(enum vh_ring_kind kind, struct vh_vring *vr,
	struct rte_mbuf *m, uint32_t min_len, uint32_t max_len, struct vh_taken *taken)
{
	return kind == VH_RING_PACKED ? vh_packed_copy_tx(vr, m, min_len, max_len, taken)
				      : vh_split_copy_tx(vr, m, min_len, max_len, taken);
}

/*
 * The walk along the descriptors of one buffer, for the paths that copy.
 *
 *	start	at the buffer `ahead` entries behind the next one, which is there; false: fault
 *	next	1: *d is a data descriptor, of whose flags only WRITE is to be read; 0: there was
 *		none left; -1: fault
 *	open	whether `taken` is not known yet: to be, it has to be walked on
 */
struct vh_ring_walk {
	union {
		struct vh_split_walk split;
		struct vh_packed_walk packed;
	};
};

static __rte_always_inline bool vh_ring_walk_start(
	enum vh_ring_kind kind, struct vh_vring *vr, struct vh_ring_walk *w, uint16_t ahead)
{
	uint16_t id;

	if (kind == VH_RING_PACKED) {
		vh_packed_walk_init(&w->packed, ahead);
		return true;
	}
	if (unlikely(!vh_split_head(vr, vr->last_avail + ahead, &id)))
		return false;
	vh_split_walk_init(&w->split, vr, id);
	return true;
}

static __rte_always_inline int vh_ring_walk_next(
	enum vh_ring_kind kind, struct vh_vring *vr, struct vh_ring_walk *w, struct vring_desc *d)
{
	return kind == VH_RING_PACKED ? vh_packed_walk_next(vr, &w->packed, d)
				      : vh_split_walk_next(vr, &w->split, d);
}

static __rte_always_inline bool vh_ring_walk_open(
	enum vh_ring_kind kind, const struct vh_ring_walk *w)
{
	return kind == VH_RING_PACKED && vh_packed_walk_open(&w->packed);
}

static __rte_always_inline struct vh_taken vh_ring_walk_taken(
	enum vh_ring_kind kind, const struct vh_ring_walk *w)
{
	return kind == VH_RING_PACKED ? w->packed.taken : w->split.taken;
}

#endif /* VHOST_RING_H */
