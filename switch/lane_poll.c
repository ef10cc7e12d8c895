/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lanes, per-packet part. Workers only: no system call but the call eventfd, no lock, no log.
 * `kind` is a constant in each instance at the end of the file.
 */
#include <errno.h>

#include "switch/lane.h"
#include "vhost/ring.h"

static __rte_always_inline void call_container(
	enum vh_ring_kind kind, struct vh_vring *vr, uint64_t *calls)
{
	if (vh_ring_flush(kind, vr)) {
		vh_ring_call(vr);
		(*calls)++;
	}
}

/*
 * What was completed while the ring was taken back, or just before a crash, was shown without a call:
 * whoever sleeps for it would sleep for ever. So each start begins with a call, wanted or not. A
 * worker makes it, for the watchdog looks after workers.
 */
static __rte_noinline void call_first(struct sw_lane *lane)
{
	lane->owes_call = false;
	vh_ring_call(&lane->pair.rx);
	vh_ring_call(&lane->pair.tx);
}

uint16_t sw_poll_drain(struct sw_lane *lane)
{
	struct rte_mbuf *pkts[SW_BURST];
	uint16_t nb = rte_eth_rx_burst(lane->port_id, lane->queue, pkts, SW_BURST);

	if (nb == 0)
		return 0;
	for (uint16_t i = 0; i < nb; i++)
		lane->stats.rx.bytes += pkts[i]->pkt_len;
	lane->stats.rx.packets += nb;
	lane->stats.rx_drop_container += nb;
	rte_pktmbuf_free_bulk(pkts, nb);
	return nb;
}

static __rte_always_inline uint16_t rx_mapped(enum vh_ring_kind kind, struct sw_lane *lane)
{
	struct rte_mbuf *pkts[SW_BURST];
	uint16_t nb;

	/* The control thread will see to it. */
	if (unlikely(pmd_rxpool_fault(lane->pool) != PMD_RX_FAULT_NONE))
		return 0;
	nb = rte_eth_rx_burst(lane->port_id, lane->queue, pkts, SW_BURST);
	if (nb > 0)
		pmd_rxpool_publish(lane->pool, pkts, nb, &lane->stats.rx);
	call_container(kind, &lane->pair.rx, &lane->stats.rx_calls);
	return nb;
}

/* Copies what waits, in order, as far as there are buffers. Returns the packets dealt with. */
static __rte_always_inline uint16_t copy_waiting(enum vh_ring_kind kind, struct sw_lane *lane)
{
	struct vh_vring *vr = &lane->pair.rx;
	uint16_t done = 0;

	vh_ring_prefetch_used(kind, vr);
	vh_ring_prefetch_bufs(kind, vr, lane->nb_rx_wait, true);
	while (lane->nb_rx_wait > 0) {
		struct rte_mbuf *m = lane->rx_wait[lane->rx_wait_at];
		int ret = vh_ring_copy_rx(kind, vr, m);

		if (ret == 0) {
			lane->stats.rx_copied++;
		} else if (ret == -EMSGSIZE) {
			lane->stats.rx_drop_size++;
		} else {
			/*
			 * No buffer yet: the packets wait here, and behind them the NIC's queue
			 * fills.
			 */
			lane->stats.rx_held++;
			break;
		}
		rte_pktmbuf_free(m);
		lane->rx_wait_at++;
		lane->nb_rx_wait--;
		done++;
	}
	call_container(kind, vr, &lane->stats.rx_calls);
	return done;
}

static __rte_always_inline uint16_t rx_copied(enum vh_ring_kind kind, struct sw_lane *lane)
{
	uint16_t nb;

	if (unlikely(lane->nb_rx_wait > 0)) {
		nb = copy_waiting(kind, lane);
		if (lane->nb_rx_wait > 0)
			return nb;
	}
	nb = rte_eth_rx_burst(lane->port_id, lane->queue, lane->rx_wait, SW_BURST);
	if (nb == 0) {
		call_container(kind, &lane->pair.rx, &lane->stats.rx_calls);
		return 0;
	}
	lane->rx_wait_at = 0;
	lane->nb_rx_wait = nb;
	for (uint16_t i = 0; i < nb; i++)
		lane->stats.rx.bytes += lane->rx_wait[i]->pkt_len;
	lane->stats.rx.packets += nb;
	copy_waiting(kind, lane);
	return nb;
}

/* Offers what waits to the NIC. */
static void send_waiting(struct sw_lane *lane)
{
	uint32_t bytes = 0;
	uint16_t sent, at = lane->tx_wait_at, nb = lane->nb_tx_wait;

	for (uint16_t i = 0; i < nb; i++)
		bytes += lane->tx_wait[at + i]->pkt_len;
	sent = rte_eth_tx_burst(lane->port_id, lane->queue, &lane->tx_wait[at], nb);
	lane->tx_wait_at += sent;
	lane->nb_tx_wait -= sent;
	lane->stats.tx_packets += sent;
	lane->stats.tx_bytes += bytes;
	if (unlikely(sent < nb)) {
		lane->stats.tx_held++;
		/* Sent mbufs are no longer ours to look at: subtract those that still are. */
		for (uint16_t i = 0; i < lane->nb_tx_wait; i++)
			lane->stats.tx_bytes -= lane->tx_wait[lane->tx_wait_at + i]->pkt_len;
	}
}

/* Takes and copies at most nb packets into tx_wait. Returns how many were taken. */
static __rte_always_inline uint16_t copy_out(
	enum vh_ring_kind kind, struct sw_lane *lane, uint16_t nb)
{
	struct vh_vring *vr = &lane->pair.tx;
	struct rte_mbuf *pkts[SW_BURST];
	uint16_t used = 0, taken;

	vh_ring_prefetch_used(kind, vr);
	vh_ring_prefetch_bufs(kind, vr, nb, false);
	if (unlikely(rte_pktmbuf_alloc_bulk(lane->tx_pool, pkts, nb) != 0)) {
		lane->stats.tx_no_mbuf++;
		return 0;
	}
	for (taken = 0; taken < nb; taken++) {
		struct vh_taken buf;

		vh_ring_prefetch_whole(kind, vr, 1);
		int ret =
			vh_ring_copy_tx(kind, vr, pkts[used], PMD_MIN_FRAME, lane->max_frame, &buf);

		if (likely(ret == 0)) {
			lane->tx_wait[used] = pkts[used];
			used++;
		} else if (ret == -EMSGSIZE) {
			lane->stats.tx_drop_size++;
		} else {
			break;
		}
		vh_ring_put_used(kind, vr, buf, 0);
	}
	if (used < nb)
		rte_pktmbuf_free_bulk(&pkts[used], nb - used);
	lane->stats.tx_copied += used;
	lane->tx_wait_at = 0;
	lane->nb_tx_wait = used;
	return taken;
}

static __rte_always_inline uint16_t tx_copied(enum vh_ring_kind kind, struct sw_lane *lane)
{
	struct vh_vring *vr = &lane->pair.tx;
	uint16_t nb, taken = 0;

	if (unlikely(lane->owes_call))
		call_first(lane);
	if (unlikely(lane->nb_tx_wait > 0))
		send_waiting(lane);
	if (likely(lane->nb_tx_wait == 0)) {
		nb = RTE_MIN(vh_ring_avail(kind, vr, SW_BURST), SW_BURST);
		if (nb > 0)
			taken = copy_out(kind, lane, nb);
	}
	/* Copied, so the buffers are the container's again, whenever the packets are sent. */
	call_container(kind, vr, &lane->stats.tx_calls);
	if (taken > 0 && lane->nb_tx_wait > 0)
		send_waiting(lane);
	return taken;
}

/*
 * A packet that cannot be lent: chained, short, long, across regions. Copied into a buffer of ours,
 * which goes out in its turn. NULL with *taken false: not now, or a broken ring.
 */
static __rte_noinline struct rte_mbuf *copy_odd(
	enum vh_ring_kind kind, struct sw_lane *lane, bool *taken)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(lane->tx_pool);
	struct vh_taken buf;
	int ret;

	*taken = false;
	if (m == NULL) {
		lane->stats.tx_no_mbuf++;
		return NULL;
	}
	ret = vh_ring_copy_tx(kind, &lane->pair.tx, m, PMD_MIN_FRAME, lane->max_frame, &buf);
	*taken = ret == 0 || ret == -EMSGSIZE;
	if (*taken)
		pmd_txpool_done(lane->txpool, buf);
	if (ret == 0) {
		lane->stats.tx_copied++;
		return m;
	}
	lane->stats.tx_drop_size += ret == -EMSGSIZE;
	rte_pktmbuf_free(m);
	return NULL;
}

/* Takes at most nb buffers, in order, into tx_wait. Returns how many were taken. */
static __rte_always_inline uint16_t lend(enum vh_ring_kind kind, struct sw_lane *lane, uint16_t nb)
{
	struct vh_vring *vr = &lane->pair.tx;
	uint16_t used = 0, lent = 0, taken;

	vh_ring_prefetch_avail(kind, vr);
	vh_ring_prefetch_used(kind, vr);
	for (taken = 0; taken < nb && vh_ring_avail(kind, vr, 1) > 0; taken++) {
		struct vh_tx_buf buf;
		enum vh_fit fit = vh_ring_peek_tx(kind, vr, PMD_MIN_FRAME, &buf);

		if (likely(fit == VH_FIT && buf.len <= lane->max_frame)) {
			vh_ring_take(kind, vr, buf.taken.entries);
			lane->tx_wait[used++] = pmd_txpool_lend(lane->txpool, &buf);
			lent++;
			continue;
		}
		if (fit == VH_FIT_FAULT)
			break;

		bool was_taken;
		struct rte_mbuf *m = copy_odd(kind, lane, &was_taken);
		if (!was_taken)
			break;
		if (m != NULL)
			lane->tx_wait[used++] = m;
	}
	lane->stats.tx_mapped += lent;
	lane->tx_wait_at = 0;
	lane->nb_tx_wait = used;
	return taken;
}

static __rte_always_inline uint16_t tx_mapped(enum vh_ring_kind kind, struct sw_lane *lane)
{
	struct vh_vring *vr = &lane->pair.tx;
	struct pmd_txpool *pool = lane->txpool;
	uint16_t nb = 0, taken = 0;

	if (unlikely(lane->owes_call))
		call_first(lane);
	/* The control thread will see to it. */
	if (unlikely(pmd_txpool_broken(pool)))
		return 0;
	if (likely(lane->nb_tx_wait == 0)) {
		nb = RTE_MIN(vh_ring_avail(kind, vr, SW_BURST), SW_BURST);
		nb = RTE_MIN(nb, pmd_txpool_room(pool));
	}
	if (nb > 0)
		taken = lend(kind, lane, nb);
	if (lane->nb_tx_wait > 0)
		send_waiting(lane);
	else if (pmd_txpool_loans(pool) > 0)
		pmd_tx_reap(lane->port_id, lane->queue, lane->tx_cleanup);
	/* What the driver freed meanwhile. */
	call_container(kind, vr, &lane->stats.tx_calls);
	return taken;
}

static uint16_t rx_copied_split(struct sw_lane *lane)
{
	return rx_copied(VH_RING_SPLIT, lane);
}

static uint16_t rx_mapped_split(struct sw_lane *lane)
{
	return rx_mapped(VH_RING_SPLIT, lane);
}

static uint16_t tx_copied_split(struct sw_lane *lane)
{
	return tx_copied(VH_RING_SPLIT, lane);
}

static uint16_t tx_mapped_split(struct sw_lane *lane)
{
	return tx_mapped(VH_RING_SPLIT, lane);
}

static uint16_t rx_copied_packed(struct sw_lane *lane)
{
	return rx_copied(VH_RING_PACKED, lane);
}

static uint16_t rx_mapped_packed(struct sw_lane *lane)
{
	return rx_mapped(VH_RING_PACKED, lane);
}

static uint16_t tx_copied_packed(struct sw_lane *lane)
{
	return tx_copied(VH_RING_PACKED, lane);
}

static uint16_t tx_mapped_packed(struct sw_lane *lane)
{
	return tx_mapped(VH_RING_PACKED, lane);
}

const struct sw_lane_polls sw_lane_polls[VH_RING_KINDS] = {
	[VH_RING_SPLIT] = { rx_copied_split, rx_mapped_split, tx_copied_split, tx_mapped_split },
	[VH_RING_PACKED] = { rx_copied_packed, rx_mapped_packed, tx_copied_packed,
		tx_mapped_packed },
};
