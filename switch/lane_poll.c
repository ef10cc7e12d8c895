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
	if (nb == 0)
		return 0;
	pmd_rxpool_publish(lane->pool, pkts, nb, &lane->stats.rx);
	call_container(kind, &lane->pair.rx, &lane->stats.rx_calls);
	return nb;
}

/* Copies what waits, in order, as far as there are buffers. Returns the packets dealt with. */
static __rte_always_inline uint16_t copy_waiting(enum vh_ring_kind kind, struct sw_lane *lane)
{
	struct vh_vring *vr = &lane->pair.rx;
	uint16_t done = 0;

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
	if (done > 0)
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
	if (nb == 0)
		return 0;
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

static __rte_always_inline uint16_t tx_copied(enum vh_ring_kind kind, struct sw_lane *lane)
{
	struct vh_vring *vr = &lane->pair.tx;
	struct rte_mbuf *pkts[SW_BURST];
	uint16_t nb, used = 0, taken = 0;

	if (unlikely(lane->nb_tx_wait > 0)) {
		send_waiting(lane);
		if (lane->nb_tx_wait > 0)
			return 0;
	}
	nb = RTE_MIN(vh_ring_avail(kind, vr, SW_BURST), SW_BURST);
	if (nb == 0)
		return 0;
	if (unlikely(rte_pktmbuf_alloc_bulk(lane->tx_pool, pkts, nb) != 0)) {
		lane->stats.tx_no_mbuf++;
		return 0;
	}
	while (taken < nb) {
		struct vh_taken buf;
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
		taken++;
	}
	if (used < nb)
		rte_pktmbuf_free_bulk(&pkts[used], nb - used);
	call_container(kind, vr, &lane->stats.tx_calls);
	if (used > 0) {
		lane->tx_wait_at = 0;
		lane->nb_tx_wait = used;
		send_waiting(lane);
	}
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

const struct sw_lane_polls sw_lane_polls[VH_RING_KINDS] = {
	[VH_RING_SPLIT] = { rx_copied_split, rx_mapped_split, tx_copied_split },
};
