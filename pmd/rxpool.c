/* SPDX-License-Identifier: BSD-3-Clause */
/* The mempool driver: life cycle, host backing, and the switch between backings. */
#include "pmd/rxpool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include "pmd/rxpool_priv.h"
#include "vhost/compat.h"
#include "vhost/ring.h"

#define OPS_NAME "vfring_rx"

static const char *const fault_names[PMD_RX_FAULT_COUNT] = {
	[PMD_RX_FAULT_NONE] = "none",
	[PMD_RX_FAULT_ORDER] = "driver returned packets out of order",
	[PMD_RX_FAULT_FOREIGN] = "driver returned a buffer that it did not have",
	[PMD_RX_FAULT_REVOKED] = "ring was to be taken back",
};

const char *pmd_rx_fault_str(enum pmd_rx_fault fault)
{
	return fault < PMD_RX_FAULT_COUNT ? fault_names[fault] : "?";
}

static int ops_alloc(struct rte_mempool *mp)
{
	/* pool_config is the pmd_rxpool, given to rte_mempool_set_ops_byname() */
	mp->pool_data = mp->pool_config;
	return 0;
}

static void ops_free(struct rte_mempool *mp)
{
	mp->pool_data = NULL;
}

static int ops_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct pmd_rxpool *pool = mp->pool_data;

	if (unlikely(pool->headers.base == NULL))
		return 0; /* being made */
	if (pool->vr == NULL) {
		for (unsigned int i = 0; i < n; i++)
			pool->free[pool->nb_free++] = pmd_headers_index(&pool->headers, objs[i]);
	} else {
		pool->ops->give_back(pool, objs, n);
	}
	return 0;
}

static int ops_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct pmd_rxpool *pool = mp->pool_data;

	if (pool->vr != NULL)
		return pool->ops->fill(pool, objs, n);
	if (n > pool->nb_free)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++)
		objs[i] = pmd_headers_at(&pool->headers, pool->free[--pool->nb_free]);
	return 0;
}

static unsigned int ops_get_count(const struct rte_mempool *mp)
{
	const struct pmd_rxpool *pool = mp->pool_data;

	if (pool->vr == NULL)
		return pool->nb_free;
	return pool->mask + 1u - (uint16_t)(pool->head - pool->tail);
}

static const struct rte_mempool_ops rx_ops = {
	.name = OPS_NAME,
	.alloc = ops_alloc,
	.free = ops_free,
	.enqueue = ops_enqueue,
	.dequeue = ops_dequeue,
	.get_count = ops_get_count,
};
RTE_MEMPOOL_REGISTER_OPS(rx_ops);

static void host_backing(struct pmd_rxpool *pool)
{
	pool->nb_free = 0;
	/* Downwards, so that the stack hands out header 0 first. */
	for (uint32_t i = pool->mask + 1u; i-- > 0;) {
		struct rte_mbuf *m = pmd_headers_at(&pool->headers, (uint16_t)i);

		uint8_t *buf = pool->host + (size_t)i * pool->host_stride;

		vh_mbuf_set_buf(m, buf, (uint16_t)pmd_rxpool_buf_len(pool));
		rte_mbuf_iova_set(m, rte_mem_virt2iova(buf));
		pool->free[pool->nb_free++] = (uint16_t)i;
	}
}

struct pmd_rxpool *pmd_rxpool_create(
	const char *name, uint32_t nb_desc, uint32_t buf_size, int socket_id)
{
	uint32_t nb_slots, host_align = RTE_CACHE_LINE_SIZE;
	struct pmd_rxpool *pool;
	int ret;

	if (nb_desc > PMD_RX_MAX_DESC || buf_size < PMD_MIN_FRAME ||
		buf_size > UINT16_MAX - RTE_PKTMBUF_HEADROOM) {
		errno = EINVAL;
		return NULL;
	}
	/*
	 * The ring of the NIC, what the worker has in its hands, and as much again to wait in
	 * order.
	 */
	nb_slots = rte_align32pow2(2 * (nb_desc + 2 * PMD_BURST));
	pool = rte_zmalloc_socket(NULL, sizeof(*pool), RTE_CACHE_LINE_SIZE, socket_id);
	if (pool == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	pool->mask = (uint16_t)(nb_slots - 1);
	pool->buf_size = buf_size;
	pool->host_stride = RTE_CACHE_LINE_ROUNDUP(pmd_rxpool_buf_len(pool));
	/* Without an IOMMU, neighbouring pages are none for the NIC: no buffer may lie in two. */
	if (rte_eal_iova_mode() == RTE_IOVA_PA)
		host_align = pool->host_stride = rte_align32pow2(pool->host_stride);
	pool->slots = rte_zmalloc_socket(
		NULL, nb_slots * sizeof(*pool->slots), RTE_CACHE_LINE_SIZE, socket_id);
	pool->free = rte_zmalloc_socket(
		NULL, nb_slots * sizeof(*pool->free), RTE_CACHE_LINE_SIZE, socket_id);
	pool->host = rte_malloc_socket(
		NULL, (size_t)nb_slots * pool->host_stride, host_align, socket_id);
	ret = pool->slots == NULL || pool->free == NULL || pool->host == NULL
		? -ENOMEM
		: pmd_headers_create(&pool->headers, name, OPS_NAME, pool, nb_slots,
			  (uint16_t)pmd_rxpool_buf_len(pool), socket_id);
	if (ret < 0)
		goto free;
	host_backing(pool);
	return pool;

free:
	rte_free(pool->host);
	rte_free(pool->free);
	rte_free(pool->slots);
	rte_free(pool);
	errno = -ret;
	return NULL;
}

int pmd_rxpool_destroy(struct pmd_rxpool *pool)
{
	if (pool == NULL)
		return 0;
	if (pmd_rxpool_loans(pool) != 0)
		return -EBUSY;
	pmd_headers_destroy(&pool->headers);
	rte_free(pool->host);
	rte_free(pool->free);
	rte_free(pool->slots);
	rte_free(pool);
	return 0;
}

void pmd_rxpool_drop_host(struct pmd_rxpool *pool)
{
	if (pool->vr != NULL || pmd_rxpool_loans(pool) != 0)
		return;
	rte_free(pool->host);
	pool->host = NULL;
}

uint32_t pmd_rxpool_loans(const struct pmd_rxpool *pool)
{
	if (pool->vr != NULL)
		return (uint16_t)(pool->head - pool->tail);
	return pool->mask + 1u - pool->nb_free;
}

int pmd_rxpool_attach(struct pmd_rxpool *pool, struct vh_vring *vr)
{
	if (pmd_rxpool_loans(pool) != 0)
		return -EBUSY;
	pool->vr = vr;
	pool->ops = &pmd_rx_ring_ops[vr->kind];
	pool->head = 0;
	pool->tail = 0;
	pool->fault = PMD_RX_FAULT_NONE;
	pool->unfit = VH_FIT;
	return 0;
}

int pmd_rxpool_detach(struct pmd_rxpool *pool)
{
	if (pool->vr == NULL)
		return 0;
	if (pmd_rxpool_loans(pool) != 0)
		return -EBUSY;
	pool->vr = NULL;
	host_backing(pool);
	return 0;
}

static int fill_nothing(struct pmd_rxpool *pool, void **objs, unsigned int n)
{
	(void)pool;
	(void)objs;
	(void)n;
	return -ENOBUFS;
}

/* head and tail are a mere count by now. */
static void come_home(struct pmd_rxpool *pool, void *const *objs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct pmd_slot *slot = &pool->slots[pmd_headers_index(&pool->headers, objs[i])];

		if (slot->state != PMD_SLOT_OUT) {
			pmd_rxpool_set_fault(pool, PMD_RX_FAULT_FOREIGN);
			continue;
		}
		slot->state = PMD_SLOT_FREE;
		pool->head--;
	}
}

static void publish_nothing(
	struct pmd_rxpool *pool, struct rte_mbuf **pkts, uint16_t nb, struct pmd_rx_stats *stats)
{
	(void)pool;
	stats->drop_order += nb;
	rte_pktmbuf_free_bulk(pkts, nb);
}

static const struct pmd_rx_ops abandoned_ops = { fill_nothing, come_home, publish_nothing };

void pmd_rxpool_abandon(struct pmd_rxpool *pool)
{
	uint16_t out = 0;

	if (pool->vr == NULL)
		return;
	for (uint32_t i = 0; i <= pool->mask; i++) {
		if (pool->slots[i].state == PMD_SLOT_OUT)
			out++;
		else
			pool->slots[i].state = PMD_SLOT_FREE;
	}
	pool->head = pool->tail + out;
	pool->ops = &abandoned_ops;
}

enum vh_fit pmd_rxpool_try(const struct pmd_rxpool *pool, struct vh_vring *vr, uint16_t want)
{
	enum vh_ring_kind kind = vr->kind;
	/* Look at all that is there even if less is wanted: it may be of the wrong kind. */
	uint16_t avail = vh_ring_avail(kind, vr, vh_ring_size(vr));
	struct vh_rx_buf buf;

	if (vh_ring_fault(vr) != VH_FAULT_NONE)
		return VH_FIT_FAULT;
	if (avail < want)
		return VH_FIT_EMPTY;
	for (uint16_t i = 0; i < avail; i++) {
		enum vh_fit fit = vh_ring_peek_rx(kind, vr, i, vr->hdr_len + pool->buf_size, &buf);

		if (fit != VH_FIT)
			return fit;
	}
	return VH_FIT;
}

enum vh_fit pmd_rxpool_reserve(struct pmd_rxpool *pool, uint16_t n)
{
	enum vh_fit fit = pmd_rxpool_try(pool, pool->vr, n);
	void **objs;
	int ret;

	if (fit != VH_FIT || n == 0)
		return fit;
	objs = calloc(n, sizeof(*objs));
	if (objs == NULL)
		return VH_FIT_EMPTY;
	ret = pool->ops->fill(pool, objs, n);
	free(objs);
	if (ret < 0) /* changed in between */
		return pmd_rxpool_unfit(pool) != VH_FIT ? pmd_rxpool_unfit(pool) : VH_FIT_EMPTY;
	pool->reserved = n;
	pool->ops = &pmd_rx_reserved_ops[pool->vr->kind];
	return VH_FIT;
}

void pmd_rxpool_release(struct pmd_rxpool *pool)
{
	if (pool->vr == NULL || pool->ops != &pmd_rx_reserved_ops[pool->vr->kind])
		return;
	for (uint16_t pos = pool->head; pool->reserved > 0; pool->reserved--) {
		void *m = pmd_headers_at(&pool->headers, --pos);

		pool->ops->give_back(pool, &m, 1);
	}
	pool->ops = &pmd_rx_ring_ops[pool->vr->kind];
}
