/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mapping of a Tx queue: a container's transmit buffers go to the NIC as they are. Each is lent
 * as an mbuf header of ours that points at the frame, and the header's mempool is a driver of our
 * own whose enqueue is the completion: when the NIC's driver frees the mbuf, the buffer is published
 * in the used ring.
 *
 * Order (DESIGN, invariant 1): buffers are completed in the order in which they were taken. A slot
 * is a place for one buffer between its taking and its completion, by position (`tail` is the
 * oldest, `head` the next one). A packet that has to be copied takes a slot as well: it is done as
 * soon as it has been copied, and waits for its turn.
 *
 * Ownership and threads: as rxpool.h has it. The pool belongs to one Tx queue for the queue's whole
 * life; it lends from one ring at a time, or from none. The worker that polls the queue, or the
 * control thread while no worker does. Meanwhile the latter only sets and reads `fault`.
 */
#ifndef PMD_TXPOOL_H
#define PMD_TXPOOL_H

#include <stdint.h>

#include "pmd/headers.h"
#include "vhost/compat.h"
#include "vhost/vring.h"

enum pmd_tx_state {
	PMD_TX_FREE,
	PMD_TX_OUT, /* with the driver, or in the worker's hands */
	PMD_TX_DONE, /* waits for older ones */
};

struct pmd_tx_slot {
	struct vh_taken buf;
	uint8_t state;
	uint8_t pad;
};

struct pmd_txpool;

/* What depends on the kind of ring: chosen when it is attached. */
struct pmd_tx_ops {
	void (*complete)(struct pmd_txpool *pool, void *const *objs, unsigned int n);
};

struct pmd_txpool {
	/* First cache line: read per burst. */
	struct vh_vring *vr; /* the ring whose buffers are lent; NULL: none */
	const struct pmd_tx_ops *ops; /* of the ring's kind; set with vr */
	struct pmd_tx_slot *slots;
	uint16_t mask; /* slots - 1 */
	uint16_t head;
	uint16_t tail;
	uint16_t most; /* loans at a time */
	uint8_t fault; /* a driver freed what it did not have */
	struct pmd_headers headers;
} __rte_cache_aligned;

/*
 * A pool for a Tx queue of nb_desc descriptors. Returns NULL with errno (ENOMEM; EINVAL: nb_desc
 * beyond PMD_RX_MAX_DESC). Control thread.
 */
struct pmd_txpool *pmd_txpool_create(const char *name, uint32_t nb_desc, int socket_id);

/* Fewer loans at a time than there are slots. Control thread, before the pool is attached. */
void pmd_txpool_limit(struct pmd_txpool *pool, uint16_t most);

/* NULL is allowed. Every loan must be home: else the pool is left alone and -EBUSY returned. */
int pmd_txpool_destroy(struct pmd_txpool *pool);

/* Buffers taken and not completed: with the driver, or waiting behind such. */
static inline uint16_t pmd_txpool_loans(const struct pmd_txpool *pool)
{
	return pool->head - pool->tail;
}

/*
 * attach: lends from this ring from now on; it must stay where it is until the pool is detached.
 * The NIC queue may run meanwhile. -EBUSY (loans are out) changes nothing. Control thread.
 */
int pmd_txpool_attach(struct pmd_txpool *pool, struct vh_vring *vr);
int pmd_txpool_detach(struct pmd_txpool *pool);

/* As pmd_rxpool_revoke() and pmd_rxpool_abandon(). */
static inline void pmd_txpool_revoke(struct pmd_txpool *pool)
{
	__atomic_store_n(&pool->fault, true, __ATOMIC_RELAXED);
}

void pmd_txpool_abandon(struct pmd_txpool *pool);

static inline bool pmd_txpool_broken(const struct pmd_txpool *pool)
{
	return __atomic_load_n(&pool->fault, __ATOMIC_RELAXED);
}

/* As many buffers may be taken. */
static inline uint16_t pmd_txpool_room(const struct pmd_txpool *pool)
{
	return pool->most - pmd_txpool_loans(pool);
}

/*
 * Lends a buffer that has just been taken from the ring: the mbuf for the driver, one segment, no
 * offload. There is room.
 */
static inline struct rte_mbuf *pmd_txpool_lend(struct pmd_txpool *pool, const struct vh_tx_buf *buf)
{
	struct pmd_tx_slot *slot = &pool->slots[pool->head & pool->mask];
	struct rte_mbuf *m = pmd_headers_at(&pool->headers, pool->head);

	slot->buf = buf->taken;
	slot->state = PMD_TX_OUT;
	/* data_off is 0 for ever: there is nothing of ours in front of the frame. */
	vh_mbuf_set_buf(m, buf->addr, (uint16_t)buf->len);
	m->data_len = (uint16_t)buf->len;
	m->pkt_len = buf->len;
	pool->head++;
	return m;
}

/*
 * Gives a buffer that has been taken its place in the order, done already: its packet was copied, or
 * dropped. There is room.
 */
void pmd_txpool_done(struct pmd_txpool *pool, struct vh_taken buf);

#endif /* PMD_TXPOOL_H */
