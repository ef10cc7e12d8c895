/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mapping on a ring: per-packet part. `kind` is a constant in each instance at the end of the
 * file.
 */
#include <errno.h>
#include <string.h>

#include <linux/virtio_net.h>
#include <rte_ether.h>

#include "pmd/rxpool_priv.h"
#include "vhost/compat.h"
#include "vhost/ring.h"

/*
 * The virtio-net header of every mapped packet, written when the buffer is posted: the cache miss
 * is then long over when the packet arrives (measured). A legacy header is the first 10 bytes.
 */
static inline void write_header(uint8_t *addr, uint8_t hdr_len)
{
	static const struct virtio_net_hdr_mrg_rxbuf hdr = { .num_buffers = 1 };

	if (likely(hdr_len == sizeof(hdr)))
		memcpy(addr, &hdr, sizeof(hdr));
	else
		memcpy(addr, &hdr, sizeof(hdr.hdr));
}

static __rte_always_inline int fill(
	enum vh_ring_kind kind, struct pmd_rxpool *pool, void **objs, unsigned int n)
{
	struct vh_vring *vr = pool->vr;
	uint32_t need = vr->hdr_len + pool->buf_size;
	uint32_t room = pool->mask + 1u - (uint16_t)(pool->head - pool->tail);
	uint16_t i;

	if (unlikely(n > room || vh_ring_avail(kind, vr, (uint16_t)n) < n)) {
		pool->shortages++;
		return -ENOBUFS;
	}

	/* By the time that packets are published, the used entries are here. */
	vh_ring_prefetch_used(kind, vr);
	/*
	 * Check all before anything is taken. Slots from head on are free: scratch space till then.
	 */
	for (i = 0; i < n; i++) {
		struct pmd_slot *slot = &pool->slots[(uint16_t)(pool->head + i) & pool->mask];
		struct rte_mbuf *m = pmd_headers_at(&pool->headers, pool->head + i);
		struct vh_rx_buf buf;
		enum vh_fit fit = vh_ring_peek_rx(kind, vr, i, need, &buf);

		if (unlikely(fit != VH_FIT)) {
			/* relaxed: a report for the control thread */
			__atomic_store_n(&pool->unfit, fit, __ATOMIC_RELAXED);
			return -ENOBUFS;
		}
		/* The container wrote there last; the second loop finds the line here. */
		vh_prefetch_write(buf.addr);
		slot->id = buf.id;
		/* buf_addr + headroom is the byte after the virtio-net header (DESIGN). */
		vh_mbuf_set_buf(m, buf.addr + vr->hdr_len - RTE_PKTMBUF_HEADROOM,
			(uint16_t)pmd_rxpool_buf_len(pool));
	}
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pmd_headers_at(&pool->headers, pool->head + i);

		/*
		 * Not before all is well: drivers (ixgbe, i40e, iavf, ice) have us write into their
		 * rings, and free at stop what they find there.
		 */
		objs[i] = m;
		pool->slots[(uint16_t)(pool->head + i) & pool->mask].state = PMD_SLOT_OUT;
		write_header(
			(uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM - vr->hdr_len, vr->hdr_len);
	}
	pool->head += n;
	vh_ring_take(kind, vr, (uint16_t)n);
	vh_ring_prefetch_avail(kind, vr); /* of the next refill */
	return 0;
}

static __rte_always_inline void give_back(
	enum vh_ring_kind kind, struct pmd_rxpool *pool, const struct rte_mbuf *m)
{
	struct pmd_slot *slot = &pool->slots[pmd_headers_index(&pool->headers, m)];

	if (unlikely(slot->state != PMD_SLOT_OUT)) {
		pmd_rxpool_set_fault(pool, PMD_RX_FAULT_FOREIGN);
		return;
	}
	slot->state = PMD_SLOT_RETURNED;
	/*
	 * Drivers give back in ring order, not in the order of posting, so what comes home first
	 * need not be the newest: it waits, and the newest one takes it along.
	 */
	while (pool->head != pool->tail) {
		slot = &pool->slots[(uint16_t)(pool->head - 1) & pool->mask];
		if (slot->state != PMD_SLOT_RETURNED)
			break;
		slot->state = PMD_SLOT_FREE;
		pool->head--;
		vh_ring_untake(kind, pool->vr, 1);
	}
}

/* Completes the oldest slot: `len` bytes of frame. */
static __rte_always_inline void complete(
	enum vh_ring_kind kind, struct pmd_rxpool *pool, uint32_t len)
{
	struct pmd_slot *slot = &pool->slots[pool->tail & pool->mask];
	struct vh_taken taken = { .id = slot->id, .entries = 1 };

	slot->state = PMD_SLOT_FREE;
	vh_ring_put_used(kind, pool->vr, taken, pool->vr->hdr_len + len);
	pool->tail++;
}

/*
 * Makes the slot at `pos` the oldest: the ones before it came home unfilled and get a frame of
 * zeroes (an unknown source and type: every stack drops it). False if the driver still holds one of
 * them.
 */
static bool fill_gap(
	enum vh_ring_kind kind, struct pmd_rxpool *pool, uint16_t pos, struct pmd_rx_stats *stats)
{
	for (uint16_t p = pool->tail; p != pos; p++)
		if (pool->slots[p & pool->mask].state != PMD_SLOT_RETURNED)
			return false;
	while (pool->tail != pos) {
		struct rte_mbuf *m = pmd_headers_at(&pool->headers, pool->tail);

		uint8_t *data = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;

		/* A driver may have used the room in front before it gave the buffer back. */
		write_header(data - pool->vr->hdr_len, pool->vr->hdr_len);
		memset(data, 0, PMD_MIN_FRAME);
		complete(kind, pool, PMD_MIN_FRAME);
		stats->fillers++;
	}
	return true;
}

/*
 * Whether the NIC took out a tag that the container has to see. Nobody asked for that, but a 82576
 * does it to tagged broadcasts. A port VLAN's tag stays out: it is the NIC's affair.
 */
static inline bool misses_tag(const struct pmd_rxpool *pool, const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) &&
		(pool->port_vlan == 0 || (m->vlan_tci & 0xfff) != pool->port_vlan);
}

/*
 * Moves a frame to where the container expects it, with a tag that the NIC took out put back, and
 * writes the header again: af_packet puts tags in front of the data, over the header.
 */
static bool relocate(struct pmd_rxpool *pool, struct rte_mbuf *m)
{
	uint8_t *want = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	bool stripped = misses_tag(pool, m);
	uint32_t len = m->data_len + (stripped ? RTE_VLAN_HLEN : 0);

	if (len > pool->buf_size || (uint32_t)m->data_off + m->data_len > m->buf_len)
		return false;
	if (stripped) {
		uint8_t macs[2 * RTE_ETHER_ADDR_LEN];
		rte_be16_t tag[2] = { RTE_BE16(RTE_ETHER_TYPE_VLAN),
			rte_cpu_to_be_16(m->vlan_tci) };

		memcpy(macs, data, sizeof(macs));
		memmove(want + sizeof(macs) + RTE_VLAN_HLEN, data + sizeof(macs),
			m->data_len - sizeof(macs));
		memcpy(want, macs, sizeof(macs));
		memcpy(want + sizeof(macs), tag, sizeof(tag));
	} else {
		memmove(want, data, m->data_len);
	}
	write_header(want - pool->vr->hdr_len, pool->vr->hdr_len);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)len;
	return true;
}

/* Everything that is not the plain case. Takes the mbuf. */
static void publish_odd(enum vh_ring_kind kind, struct pmd_rxpool *pool, struct rte_mbuf *m,
	struct pmd_rx_stats *stats)
{
	if (m->pool != pool->headers.mp || !RTE_MBUF_DIRECT(m)) {
		pmd_rxpool_set_fault(pool, PMD_RX_FAULT_FOREIGN);
		stats->drop_order++;
		rte_pktmbuf_free(m);
		return;
	}
	if (m->nb_segs != 1) {
		stats->drop_segments++;
		rte_pktmbuf_free(m);
		return;
	}
	if (m->data_len < RTE_ETHER_HDR_LEN || m->data_len > pool->buf_size) {
		stats->drop_length++;
		rte_pktmbuf_free(m);
		return;
	}

	uint16_t index = pmd_headers_index(&pool->headers, m);
	uint16_t pos = pool->tail + ((index - pool->tail) & pool->mask);

	if (pool->slots[index].state != PMD_SLOT_OUT) {
		pmd_rxpool_set_fault(pool, PMD_RX_FAULT_FOREIGN);
		stats->drop_order++;
		return; /* not ours to free: it is not on loan */
	}
	if (pos != pool->tail && !fill_gap(kind, pool, pos, stats)) {
		stats->drop_order++;
		pmd_rxpool_set_fault(pool, PMD_RX_FAULT_ORDER);
		rte_pktmbuf_free(m);
		return;
	}
	if (m->data_off != RTE_PKTMBUF_HEADROOM || misses_tag(pool, m)) {
		if (!relocate(pool, m)) {
			stats->drop_length++;
			rte_pktmbuf_free(m);
			return;
		}
		stats->relocated++;
	}
	stats->bytes += m->data_len;
	stats->mapped++;
	complete(kind, pool, m->data_len);
}

/* One segment, our own buffer, data in its place: nothing but the used entry is left to write. */
static inline bool is_plain(const struct pmd_rxpool *pool, const struct rte_mbuf *m)
{
	return m == pmd_headers_at(&pool->headers, pool->tail) &&
		m->data_off == RTE_PKTMBUF_HEADROOM && m->nb_segs == 1 && RTE_MBUF_DIRECT(m) &&
		!misses_tag(pool, m) && m->data_len >= RTE_ETHER_HDR_LEN &&
		m->data_len <= pool->buf_size &&
		pool->slots[pool->tail & pool->mask].state == PMD_SLOT_OUT;
}

static __rte_always_inline void publish(enum vh_ring_kind kind, struct pmd_rxpool *pool,
	struct rte_mbuf **pkts, uint16_t nb, struct pmd_rx_stats *stats)
{
	uint64_t bytes = 0;
	uint16_t plain = 0, i;
	bool broken = pmd_rxpool_fault(pool) != PMD_RX_FAULT_NONE;

	for (i = 0; i < nb && !broken; i++) {
		struct rte_mbuf *m = pkts[i];

		if (i + 4 < nb)
			rte_prefetch0(pkts[i + 4]);
		if (unlikely(!is_plain(pool, m))) {
			publish_odd(kind, pool, m, stats);
			broken = pmd_rxpool_fault(pool) != PMD_RX_FAULT_NONE;
			continue;
		}
		bytes += m->data_len;
		plain++;
		complete(kind, pool, m->data_len);
	}
	stats->packets += nb;
	stats->bytes += bytes;
	stats->mapped += plain;
	/*
	 * Behind a fault: back to the pool, and from there to the ring, once the queue is stopped.
	 */
	stats->drop_order += nb - i;
	for (; i < nb; i++)
		rte_pktmbuf_free(pkts[i]);
}

static int fill_split(struct pmd_rxpool *pool, void **objs, unsigned int n)
{
	return fill(VH_RING_SPLIT, pool, objs, n);
}

static void give_back_split(struct pmd_rxpool *pool, void *const *objs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		give_back(VH_RING_SPLIT, pool, objs[i]);
}

static void publish_split(
	struct pmd_rxpool *pool, struct rte_mbuf **pkts, uint16_t nb, struct pmd_rx_stats *stats)
{
	publish(VH_RING_SPLIT, pool, pkts, nb, stats);
}

static int fill_packed(struct pmd_rxpool *pool, void **objs, unsigned int n)
{
	return fill(VH_RING_PACKED, pool, objs, n);
}

static void give_back_packed(struct pmd_rxpool *pool, void *const *objs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		give_back(VH_RING_PACKED, pool, objs[i]);
}

static void publish_packed(
	struct pmd_rxpool *pool, struct rte_mbuf **pkts, uint16_t nb, struct pmd_rx_stats *stats)
{
	publish(VH_RING_PACKED, pool, pkts, nb, stats);
}

const struct pmd_rx_ops pmd_rx_ring_ops[VH_RING_KINDS] = {
	[VH_RING_SPLIT] = { fill_split, give_back_split, publish_split },
	[VH_RING_PACKED] = { fill_packed, give_back_packed, publish_packed },
};

/* Reserved buffers are the newest loans, the oldest of them first. */
static int hand_out(struct pmd_rxpool *pool, void **objs, unsigned int n)
{
	if (n > pool->reserved)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++)
		objs[i] =
			pmd_headers_at(&pool->headers, (uint16_t)(pool->head - pool->reserved + i));
	pool->reserved -= n;
	return 0;
}

const struct pmd_rx_ops pmd_rx_reserved_ops[VH_RING_KINDS] = {
	[VH_RING_SPLIT] = { hand_out, give_back_split, publish_split },
	[VH_RING_PACKED] = { hand_out, give_back_packed, publish_packed },
};
