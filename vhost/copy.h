/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copying paths, for either kind of ring: one packet into receive buffers, one packet out of a
 * transmit chain. They take what mapping cannot: chains, indirect tables, mergeable buffers, short
 * buffers.
 *
 * Both return 0, or
 *	-EAGAIN		no buffer (yet); nothing was taken
 *	-EMSGSIZE	the packet and the buffers do not fit each other: see below
 *	-EPROTO		the container broke the ring; its fault is set, nothing was taken
 * Completions become visible with the flush. Calling thread: the ring's owner.
 */
#ifndef VHOST_COPY_H
#define VHOST_COPY_H

#include <stdint.h>

#include "vhost/vring.h"

struct rte_mbuf;

/*
 * Copies a packet (any number of segments) into the next buffer, or with MRG_RXBUF the next
 * buffers. The mbuf stays the caller's. -EMSGSIZE: it cannot fit; nothing was taken, drop the
 * packet.
 */
int vh_split_copy_rx(struct vh_vring *vr, const struct rte_mbuf *m);
int vh_packed_copy_rx(struct vh_vring *vr, const struct rte_mbuf *m);

/*
 * Copies the next transmitted packet, without its virtio-net header, into an empty single-segment
 * mbuf, at most max_len bytes, zero-padded to min_len. The buffer is then taken, and the caller
 * completes it, behind what was taken before. -EMSGSIZE: the packet is shorter than an Ethernet
 * header or longer than max_len; its buffer has been taken all the same, the mbuf is untouched.
 */
int vh_split_copy_tx(struct vh_vring *vr, struct rte_mbuf *m, uint32_t min_len, uint32_t max_len,
	struct vh_taken *taken);
int vh_packed_copy_tx(struct vh_vring *vr, struct rte_mbuf *m, uint32_t min_len, uint32_t max_len,
	struct vh_taken *taken);

#endif /* VHOST_COPY_H */
