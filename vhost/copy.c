/* SPDX-License-Identifier: BSD-3-Clause */
/* `kind` is a constant in each instance at the end of the file. */
#include "vhost/copy.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_net.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "vhost/ring.h"

/*
 * Pieces of one packet's buffers. A 9600-byte packet over the smallest buffers that a sane driver
 * posts (256 bytes) needs 38; beyond the limit a packet is dropped, not the container.
 */
#define MAX_CHUNKS 64
/*
 * Descriptors looked at for one packet. More than that, and most of them must be empty: nothing
 * that a driver does, but enough to keep a worker from its other rings (32768 of them take
 * milliseconds).
 */
#define MAX_DESCS 256

struct vh_chunk {
	uint8_t *addr;
	uint32_t len;
};

struct chunks {
	uint32_t nb;
	uint32_t descs;
	uint64_t bytes; /* sum of len; 64 bits: 64 chunks of 4 GiB do not wrap it */
	struct vh_chunk chunk[MAX_CHUNKS];
};

/* Adds the memory that d describes, in pieces where it crosses regions. */
static int add_chunks(struct vh_vring *vr, const struct vring_desc *d, struct chunks *c)
{
	uint64_t gpa = d->addr, left = d->len;

	while (left > 0) {
		uint64_t part = left;
		uint8_t *addr = vh_mem_translate_part(vr->mem, &vr->hint, gpa, &part);

		if (unlikely(addr == NULL)) {
			vh_ring_set_fault(vr, VH_FAULT_ADDRESS);
			return -EPROTO;
		}
		if (unlikely(c->nb == MAX_CHUNKS))
			return -EMSGSIZE;
		c->chunk[c->nb++] = (struct vh_chunk){ .addr = addr, .len = (uint32_t)part };
		c->bytes += part;
		gpa += part;
		left -= part;
	}
	return 0;
}

static bool too_many_descs(struct vh_vring *vr, struct chunks *c)
{
	if (likely(++c->descs <= MAX_DESCS))
		return false;
	vh_ring_set_fault(vr, VH_FAULT_CHAIN);
	return true;
}

/* To the end of a chain, of which no packet needs any more. False on a fault. */
static bool finish_chain(
	enum vh_ring_kind kind, struct vh_vring *vr, struct vh_ring_walk *walk, struct chunks *c)
{
	struct vring_desc d;
	int more;

	while ((more = vh_ring_walk_next(kind, vr, walk, &d)) > 0)
		if (unlikely(too_many_descs(vr, c)))
			return false;
	return more == 0;
}

/*
 * Collects one chain, all of whose descriptors must have the same direction. Stops early once
 * `enough` bytes are collected: what a packet does not need is not looked at. *taken is set unless
 * this returns -EPROTO.
 */
static __rte_always_inline int collect_chain(enum vh_ring_kind kind, struct vh_vring *vr,
	uint16_t ahead, uint16_t direction, uint64_t enough, struct chunks *c,
	struct vh_taken *taken)
{
	struct vh_ring_walk walk;
	struct vring_desc d;
	int more, ret = 0;

	if (unlikely(!vh_ring_walk_start(kind, vr, &walk, ahead)))
		return -EPROTO;
	while (c->bytes < enough && ret == 0 &&
		(more = vh_ring_walk_next(kind, vr, &walk, &d)) != 0) {
		if (unlikely(more < 0 || too_many_descs(vr, c)))
			return -EPROTO;
		if (unlikely((d.flags & VRING_DESC_F_WRITE) != direction)) {
			vh_ring_set_fault(vr, VH_FAULT_DIRECTION);
			return -EPROTO;
		}
		ret = add_chunks(vr, &d, c);
		if (unlikely(ret == -EPROTO))
			return ret;
	}
	if (unlikely(vh_ring_walk_open(kind, &walk)) && !finish_chain(kind, vr, &walk, c))
		return -EPROTO;
	*taken = vh_ring_walk_taken(kind, &walk);
	return ret;
}

/* A place in a list of chunks. */
struct cursor {
	const struct chunks *c;
	uint32_t i;
	uint32_t off;
};

/* The next piece of at most `len` bytes, and past it. */
static uint8_t *advance(struct cursor *cur, uint32_t len, uint32_t *n)
{
	const struct vh_chunk *chunk = &cur->c->chunk[cur->i];
	uint8_t *addr = chunk->addr + cur->off;

	*n = RTE_MIN(len, chunk->len - cur->off);
	cur->off += *n;
	if (cur->off == chunk->len) {
		cur->i++;
		cur->off = 0;
	}
	return addr;
}

static void copy_in(struct cursor *cur, const uint8_t *src, uint32_t len)
{
	uint32_t n;

	for (; len > 0; src += n, len -= n) {
		uint8_t *dst = advance(cur, len, &n);

		rte_memcpy(dst, src, n);
	}
}

static void copy_out(struct cursor *cur, uint8_t *dst, uint32_t len)
{
	uint32_t n;

	for (; len > 0; dst += n, len -= n) {
		const uint8_t *src = advance(cur, len, &n);

		rte_memcpy(dst, src, n);
	}
}

static void skip(struct cursor *cur, uint32_t len)
{
	uint32_t n;

	for (; len > 0; len -= n)
		advance(cur, len, &n);
}

/* The receive buffers of one packet: MRG_RXBUF may need several. */
struct rx_bufs {
	uint16_t nb;
	uint16_t entries; /* that they occupy */
	struct vh_taken taken[MAX_CHUNKS];
	uint32_t len[MAX_CHUNKS];
	struct chunks chunks;
};

static __rte_always_inline int collect_rx(
	enum vh_ring_kind kind, struct vh_vring *vr, uint64_t need, struct rx_bufs *b)
{
	do {
		uint64_t before = b->chunks.bytes;

		if (unlikely(b->nb == MAX_CHUNKS))
			return -EMSGSIZE;
		if (vh_ring_avail(kind, vr, b->entries + 1) <= b->entries) {
			if (unlikely(vh_ring_fault(vr) != VH_FAULT_NONE))
				return -EPROTO;
			/* More than the whole ring holds will never come. */
			return b->entries >= vh_ring_size(vr) ? -EMSGSIZE : -EAGAIN;
		}
		int ret = collect_chain(kind, vr, b->entries, VRING_DESC_F_WRITE, need, &b->chunks,
			&b->taken[b->nb]);
		if (unlikely(ret < 0))
			return ret;
		/* 5.1.6.3.1: at least the header fits into the first buffer */
		if (unlikely(b->nb == 0 && b->chunks.bytes < vr->hdr_len)) {
			vh_ring_set_fault(vr, VH_FAULT_HEADER);
			return -EPROTO;
		}
		b->len[b->nb] = (uint32_t)(RTE_MIN(b->chunks.bytes, need) - before);
		b->entries += b->taken[b->nb].entries;
		b->nb++;
	} while (b->chunks.bytes < need && (vr->flags & VH_RING_MERGEABLE));

	return b->chunks.bytes < need ? -EMSGSIZE : 0;
}

static __rte_always_inline int copy_rx(
	enum vh_ring_kind kind, struct vh_vring *vr, const struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { .hdr.flags = 0 };
	struct rx_bufs b;
	int ret;

	b.nb = 0;
	b.entries = 0;
	b.chunks.nb = 0;
	b.chunks.descs = 0;
	b.chunks.bytes = 0;
	ret = collect_rx(kind, vr, (uint64_t)vr->hdr_len + m->pkt_len, &b);
	if (unlikely(ret < 0))
		return ret;

	hdr.num_buffers = b.nb;
	struct cursor cur = { .c = &b.chunks };
	copy_in(&cur, (const uint8_t *)&hdr, vr->hdr_len);
	for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next)
		copy_in(&cur, rte_pktmbuf_mtod(seg, const uint8_t *), seg->data_len);

	vh_ring_take(kind, vr, b.entries);
	for (uint16_t i = 0; i < b.nb; i++)
		vh_ring_put_used(kind, vr, b.taken[i], b.len[i]);
	return 0;
}

static __rte_always_inline int copy_tx(enum vh_ring_kind kind, struct vh_vring *vr,
	struct rte_mbuf *m, uint32_t min_len, uint32_t max_len, struct vh_taken *taken)
{
	struct chunks c;
	int ret;

	if (vh_ring_avail(kind, vr, 1) == 0)
		return vh_ring_fault(vr) == VH_FAULT_NONE ? -EAGAIN : -EPROTO;

	c.nb = 0;
	c.descs = 0;
	c.bytes = 0;
	ret = collect_chain(kind, vr, 0, 0, (uint64_t)vr->hdr_len + max_len + 1, &c, taken);
	if (unlikely(ret == -EPROTO))
		return ret;
	if (unlikely(ret == 0 && c.bytes < vr->hdr_len)) {
		vh_ring_set_fault(vr, VH_FAULT_HEADER);
		return -EPROTO;
	}

	/* From here on the chain is taken, whatever becomes of the packet. */
	vh_ring_take(kind, vr, taken->entries);

	uint64_t len = c.bytes - vr->hdr_len;
	if (unlikely(ret < 0 || len < RTE_ETHER_HDR_LEN || len > max_len))
		return -EMSGSIZE;

	/* No offload was offered, so there is nothing to learn from the header. */
	struct cursor cur = { .c = &c };
	skip(&cur, vr->hdr_len);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	copy_out(&cur, data, (uint32_t)len);
	if (unlikely(len < min_len)) {
		memset(data + len, 0, min_len - len);
		len = min_len;
	}
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	return 0;
}

int vh_split_copy_rx(struct vh_vring *vr, const struct rte_mbuf *m)
{
	return copy_rx(VH_RING_SPLIT, vr, m);
}

int vh_packed_copy_rx(struct vh_vring *vr, const struct rte_mbuf *m)
{
	return copy_rx(VH_RING_PACKED, vr, m);
}

int vh_split_copy_tx(struct vh_vring *vr, struct rte_mbuf *m, uint32_t min_len, uint32_t max_len,
	struct vh_taken *taken)
{
	return copy_tx(VH_RING_SPLIT, vr, m, min_len, max_len, taken);
}

int vh_packed_copy_tx(struct vh_vring *vr, struct rte_mbuf *m, uint32_t min_len, uint32_t max_len,
	struct vh_taken *taken)
{
	return copy_tx(VH_RING_PACKED, vr, m, min_len, max_len, taken);
}
