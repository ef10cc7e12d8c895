/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mapping of an Rx queue: a mempool driver whose buffers are the switch's own (host backing) or
 * those that a container has posted in a virtqueue (ring backing). The NIC's driver allocates from
 * it as from any pool, and so its DMA lands where the backing says.
 *
 * Words: a slot is a place for one loan. The mbuf header with the same index describes it to the
 * driver. Positions count loans since the ring was attached: `tail` is the oldest, `head` the next
 * one; the slot is position & mask. An id from a container is remembered, never used as an index.
 *
 * Order (DESIGN, invariant 1): buffers are completed in the order in which they were taken. What a
 * driver gives back unfilled is offered again if nothing newer is out; else its slot waits, and if
 * a newer slot's packet comes first, is completed with a frame of zeroes. A slot that the driver
 * still holds is never completed: a packet that overtakes it stops the queue (PMD_RX_FAULT_ORDER).
 *
 * Ownership: the pool belongs to one Rx queue for the queue's whole life. Mbuf headers are ours,
 * the data is the backing's. Swapping the backing needs the queue stopped and no loan out. Threads:
 * one at a time. The worker that polls the queue, or the control thread while no worker does (also
 * for what the driver allocates at start and frees at stop). Meanwhile the latter only reads `unfit`,
 * and sets and reads `fault`.
 */
#ifndef PMD_RXPOOL_H
#define PMD_RXPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "pmd/headers.h"
#include "vhost/vring.h"

/* Packets that a worker handles at once, each way. */
#define PMD_BURST 32
/* With room for two bursts beside it, and doubled, this makes 32768 slots. */
#define PMD_RX_MAX_DESC (16384 - 2 * PMD_BURST)
/* An Ethernet frame without its checksum; shorter ones make some NICs disable the VF. */
#define PMD_MIN_FRAME 60

/* What a driver did that the mapping cannot bear. The queue falls back to copied. */
enum pmd_rx_fault {
	PMD_RX_FAULT_NONE,
	PMD_RX_FAULT_ORDER, /* a packet overtook an older buffer that the driver still holds */
	PMD_RX_FAULT_FOREIGN, /* returned an mbuf that is not on loan */
	PMD_RX_FAULT_REVOKED, /* nothing: the ring was to be taken back, but a worker still has it */
	PMD_RX_FAULT_COUNT
};

enum pmd_slot_state {
	PMD_SLOT_FREE,
	PMD_SLOT_OUT, /* with the driver, or in the worker's hands */
	PMD_SLOT_RETURNED, /* came home unfilled */
};

struct pmd_slot {
	uint16_t id; /* the container's name for the buffer */
	uint8_t state;
	uint8_t pad;
};

/* Written by the queue's worker alone; readers may see it at any time. */
struct pmd_rx_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t mapped; /* packets that the NIC wrote into the container's buffer */
	uint64_t relocated; /* of these: data moved within the buffer (VLAN tag put back) */
	uint64_t fillers; /* buffers completed with zeroes for the sake of order */
	uint64_t drop_segments; /* packets in several segments on a mapped queue */
	uint64_t drop_length; /* shorter than an Ethernet header, or longer than the buffer */
	uint64_t drop_order; /* overtook an older buffer, or was not on loan */
};

struct pmd_rxpool;

/* What depends on the kind of ring behind the pool: chosen when it is attached. */
struct pmd_rx_ops {
	/* All or nothing: 0, or -ENOBUFS with nothing taken. */
	int (*fill)(struct pmd_rxpool *pool, void **objs, unsigned int n);
	/* Loans come home unfilled: the newest ones are offered again. */
	void (*give_back)(struct pmd_rxpool *pool, void *const *objs, unsigned int n);
	void (*publish)(struct pmd_rxpool *pool, struct rte_mbuf **pkts, uint16_t nb,
		struct pmd_rx_stats *stats);
};

struct pmd_rxpool {
	/* First cache line: read per burst. */
	struct vh_vring *vr; /* ring backing; NULL: host backing */
	const struct pmd_rx_ops *ops; /* of the ring's kind; set with vr */
	struct pmd_slot *slots;
	uint32_t buf_size; /* frame bytes that the NIC queue may write into a buffer */
	uint16_t mask; /* slots - 1 */
	uint16_t head;
	uint16_t tail;
	/*
	 * The VLAN that the NIC takes every packet's tag of, and that the container does not know; 0:
	 * none. Set by the owner before the first packet.
	 */
	uint16_t port_vlan;
	uint8_t fault; /* enum pmd_rx_fault */
	uint8_t unfit; /* enum vh_fit: why a refill failed, other than for want of buffers */
	struct pmd_headers headers;
	uint64_t shortages; /* refills that found too few buffers */
	uint16_t reserved; /* newest loans that the driver has not taken yet */

	/* Host backing. */
	uint16_t nb_free;
	uint16_t *free; /* stack of header indices */
	uint8_t *host; /* one data buffer per header */
	uint32_t host_stride;
} __rte_cache_aligned;

/*
 * A pool for a queue that holds at most nb_desc buffers, with buf_size frame bytes each, on host
 * backing. Returns NULL with errno (ENOMEM; EINVAL: nb_desc beyond 16384 or buf_size beyond 16
 * bits). Control thread.
 */
struct pmd_rxpool *pmd_rxpool_create(
	const char *name, uint32_t nb_desc, uint32_t buf_size, int socket_id);

/* NULL is allowed. Every loan must be home: else the pool is left alone and -EBUSY returned. */
int pmd_rxpool_destroy(struct pmd_rxpool *pool);

/* On host backing, and for no device any more: frees the buffers, nothing but the pool's end follows. */
void pmd_rxpool_drop_host(struct pmd_rxpool *pool);

/* Buffers out: with the driver, or waiting for their turn. Control thread, queue stopped. */
uint32_t pmd_rxpool_loans(const struct pmd_rxpool *pool);

/*
 * Swaps the backing. The queue must be stopped. -EBUSY (loans are out) changes nothing. `vr` must
 * stay where it is until the pool is back on host buffers.
 */
int pmd_rxpool_attach(struct pmd_rxpool *pool, struct vh_vring *vr);
int pmd_rxpool_detach(struct pmd_rxpool *pool);

/*
 * For a ring that its container may use anew, though it could not be taken back in time.
 * revoke: a worker that comes to the pool late polls its queue no more. At any time.
 * abandon: the ring is not touched any more: what is still out only comes home, and nothing can be
 * allocated until the pool is detached. No worker has the pool.
 * Both are harmless on host backing. Control thread.
 */
static inline void pmd_rxpool_revoke(struct pmd_rxpool *pool);
void pmd_rxpool_abandon(struct pmd_rxpool *pool);

/*
 * Whether the ring can supply `want` buffers for this queue right now, and all that it offers fit.
 * VH_FIT, or the first reason against. Takes nothing. Control thread, ring at rest.
 */
enum vh_fit pmd_rxpool_try(const struct pmd_rxpool *pool, struct vh_vring *vr, uint16_t want);

/*
 * Takes `n` buffers from the ring for a driver that is about to allocate them, in any portions: from
 * now on the container cannot make that fail, whatever it does to its ring. VH_FIT, or the first
 * reason against, with nothing taken. Until pmd_rxpool_release() the pool hands out these and no
 * others. Control thread, queue stopped, ring backing, no loan out.
 */
enum vh_fit pmd_rxpool_reserve(struct pmd_rxpool *pool, uint16_t n);

/* Offers again what the driver did not take. Harmless if nothing was reserved. */
void pmd_rxpool_release(struct pmd_rxpool *pool);

static inline uint32_t pmd_rxpool_buf_len(const struct pmd_rxpool *pool)
{
	return RTE_PKTMBUF_HEADROOM + pool->buf_size;
}

static inline void pmd_rxpool_set_fault(struct pmd_rxpool *pool, enum pmd_rx_fault fault)
{
	if (pool->fault == PMD_RX_FAULT_NONE)
		__atomic_store_n(&pool->fault, fault, __ATOMIC_RELAXED);
}

static inline void pmd_rxpool_revoke(struct pmd_rxpool *pool)
{
	pmd_rxpool_set_fault(pool, PMD_RX_FAULT_REVOKED);
}

static inline enum pmd_rx_fault pmd_rxpool_fault(const struct pmd_rxpool *pool)
{
	return __atomic_load_n(&pool->fault, __ATOMIC_RELAXED);
}

static inline enum vh_fit pmd_rxpool_unfit(const struct pmd_rxpool *pool)
{
	return __atomic_load_n(&pool->unfit, __ATOMIC_RELAXED);
}

const char *pmd_rx_fault_str(enum pmd_rx_fault fault);

/*
 * Publishes received packets, in order, in the ring behind the pool. Takes every mbuf. The caller
 * flushes the ring afterwards. After a fault all that is left is given back.
 */
static inline void pmd_rxpool_publish(
	struct pmd_rxpool *pool, struct rte_mbuf **pkts, uint16_t nb, struct pmd_rx_stats *stats)
{
	pool->ops->publish(pool, pkts, nb, stats);
}

#endif /* PMD_RXPOOL_H */
