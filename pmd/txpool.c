/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/txpool.h"

#include <errno.h>

#include <rte_malloc.h>
#include <rte_mempool.h>

#include "pmd/rxpool.h"
#include "vhost/ring.h"

#define OPS_NAME "vfring_tx"

static int ops_alloc(struct rte_mempool *mp)
{
	/* pool_config is the pmd_txpool, given to rte_mempool_set_ops_byname() */
	mp->pool_data = mp->pool_config;
	return 0;
}

static void ops_free(struct rte_mempool *mp)
{
	mp->pool_data = NULL;
}

static int ops_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct pmd_txpool *pool = mp->pool_data;

	if (likely(pool->vr != NULL))
		pool->ops->complete(pool, objs, n);
	else if (pool->headers.base != NULL) /* not while the mempool is being filled */
		__atomic_store_n(&pool->fault, true, __ATOMIC_RELAXED);
	return 0;
}

/* Nobody allocates from this pool: pmd_txpool_lend() does, and knows for what. */
static int ops_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	(void)mp;
	(void)objs;
	(void)n;
	return -ENOBUFS;
}

static unsigned int ops_get_count(const struct rte_mempool *mp)
{
	return pmd_txpool_room(mp->pool_data);
}

static const struct rte_mempool_ops tx_ops = {
	.name = OPS_NAME,
	.alloc = ops_alloc,
	.free = ops_free,
	.enqueue = ops_enqueue,
	.dequeue = ops_dequeue,
	.get_count = ops_get_count,
};
RTE_MEMPOOL_REGISTER_OPS(tx_ops);

/* Publishes the oldest slots, as far as they are done. */
static __rte_always_inline void advance(enum vh_ring_kind kind, struct pmd_txpool *pool)
{
	while (pool->tail != pool->head) {
		struct pmd_tx_slot *slot = &pool->slots[pool->tail & pool->mask];

		if (slot->state != PMD_TX_DONE)
			return;
		slot->state = PMD_TX_FREE;
		/* Nothing was written into the buffer (virtio 1.1, 2.6.8.2: len is 0). */
		vh_ring_put_used(kind, pool->vr, slot->buf, 0);
		pool->tail++;
	}
}

static __rte_always_inline void complete(
	enum vh_ring_kind kind, struct pmd_txpool *pool, void *const *objs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint16_t index = pmd_headers_index(&pool->headers, objs[i]);
		struct pmd_tx_slot *slot = &pool->slots[index];

		if (unlikely(slot->state != PMD_TX_OUT)) {
			__atomic_store_n(&pool->fault, true, __ATOMIC_RELAXED);
			continue;
		}
		if (likely(index == (pool->tail & pool->mask))) {
			slot->state = PMD_TX_FREE;
			vh_ring_put_used(kind, pool->vr, slot->buf, 0);
			pool->tail++;
		} else {
			slot->state = PMD_TX_DONE;
		}
	}
	advance(kind, pool);
}

static void complete_split(struct pmd_txpool *pool, void *const *objs, unsigned int n)
{
	complete(VH_RING_SPLIT, pool, objs, n);
}

static void complete_packed(struct pmd_txpool *pool, void *const *objs, unsigned int n)
{
	complete(VH_RING_PACKED, pool, objs, n);
}

static const struct pmd_tx_ops tx_ring_ops[VH_RING_KINDS] = {
	[VH_RING_SPLIT] = { complete_split },
	[VH_RING_PACKED] = { complete_packed },
};

void pmd_txpool_done(struct pmd_txpool *pool, struct vh_taken buf)
{
	void *m = pmd_headers_at(&pool->headers, pool->head);
	struct pmd_tx_slot *slot = &pool->slots[pool->head & pool->mask];

	slot->buf = buf;
	slot->state = PMD_TX_OUT;
	pool->head++;
	pool->ops->complete(pool, &m, 1);
}

struct pmd_txpool *pmd_txpool_create(const char *name, uint32_t nb_desc, int socket_id)
{
	struct pmd_txpool *pool;
	uint32_t nb_slots;
	int ret;

	if (nb_desc > PMD_RX_MAX_DESC) {
		errno = EINVAL;
		return NULL;
	}
	/* The ring of the NIC, what waits for it, and as much again that waits for its turn. */
	nb_slots = rte_align32pow2(2 * (nb_desc + 2 * PMD_BURST));
	pool = rte_zmalloc_socket(NULL, sizeof(*pool), RTE_CACHE_LINE_SIZE, socket_id);
	if (pool == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	pool->mask = (uint16_t)(nb_slots - 1);
	pool->most = (uint16_t)nb_slots;
	pool->slots = rte_zmalloc_socket(
		NULL, nb_slots * sizeof(*pool->slots), RTE_CACHE_LINE_SIZE, socket_id);
	ret = pool->slots == NULL ? -ENOMEM
				  : pmd_headers_create(&pool->headers, name, OPS_NAME, pool,
					    nb_slots, RTE_MBUF_DEFAULT_BUF_SIZE, socket_id);
	if (ret < 0) {
		rte_free(pool->slots);
		rte_free(pool);
		errno = -ret;
		return NULL;
	}
	for (uint32_t i = 0; i < nb_slots; i++)
		pmd_headers_at(&pool->headers, (uint16_t)i)->data_off = 0;
	return pool;
}

void pmd_txpool_limit(struct pmd_txpool *pool, uint16_t most)
{
	RTE_ASSERT(pmd_txpool_loans(pool) == 0 && most > 0 && most <= pool->mask + 1);
	pool->most = most;
}

int pmd_txpool_destroy(struct pmd_txpool *pool)
{
	if (pool == NULL)
		return 0;
	if (pmd_txpool_loans(pool) != 0)
		return -EBUSY;
	pmd_headers_destroy(&pool->headers);
	rte_free(pool->slots);
	rte_free(pool);
	return 0;
}

int pmd_txpool_attach(struct pmd_txpool *pool, struct vh_vring *vr)
{
	if (pmd_txpool_loans(pool) != 0)
		return -EBUSY;
	pool->vr = vr;
	pool->ops = &tx_ring_ops[vr->kind];
	pool->head = 0;
	pool->tail = 0;
	pool->fault = false;
	return 0;
}

int pmd_txpool_detach(struct pmd_txpool *pool)
{
	if (pmd_txpool_loans(pool) != 0)
		return -EBUSY;
	pool->vr = NULL;
	return 0;
}

/* head and tail are a mere count by now. */
static void come_home(struct pmd_txpool *pool, void *const *objs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct pmd_tx_slot *slot = &pool->slots[pmd_headers_index(&pool->headers, objs[i])];

		if (slot->state != PMD_TX_OUT) {
			__atomic_store_n(&pool->fault, true, __ATOMIC_RELAXED);
			continue;
		}
		slot->state = PMD_TX_FREE;
		pool->head--;
	}
}

static const struct pmd_tx_ops abandoned_ops = { come_home };

void pmd_txpool_abandon(struct pmd_txpool *pool)
{
	uint16_t out = 0;

	if (pool->vr == NULL)
		return;
	for (uint32_t i = 0; i <= pool->mask; i++) {
		if (pool->slots[i].state == PMD_TX_OUT)
			out++;
		else
			pool->slots[i].state = PMD_TX_FREE;
	}
	pool->head = pool->tail + out;
	pool->ops = &abandoned_ops;
}
