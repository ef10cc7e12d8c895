/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/headers.h"

#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mempool.h>

/* Where the headers have come to stand, before base is set. */
struct layout {
	uint8_t *base;
	uint32_t stride;
	uint16_t buf_len;
};

static void init_header(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct layout *l = arg;
	struct rte_mbuf *m = obj;

	if (i == 0)
		l->base = obj;
	else if (i == 1)
		l->stride = (uint32_t)((uint8_t *)obj - l->base);
	else if ((uint8_t *)obj != l->base + (size_t)i * l->stride)
		l->stride = 0; /* a gap; makes every later one wrong as well */

	memset(m, 0, sizeof(*m));
	m->buf_len = l->buf_len;
	m->pool = mp;
	m->port = RTE_MBUF_PORT_INVALID;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
}

int pmd_headers_create(struct pmd_headers *h, const char *name, const char *ops, void *owner,
	uint32_t nb, uint16_t buf_len, int socket_id)
{
	struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = buf_len };
	struct layout l = { .buf_len = buf_len };
	int ret;

	memset(h, 0, sizeof(*h));
	/*
	 * NO_IOVA_CONTIG: without it the library leaves gaps at page ends and the headers are no
	 * array. The headers themselves are never a DMA target.
	 */
	h->mp = rte_mempool_create_empty(name, nb, sizeof(struct rte_mbuf), 0, sizeof(priv),
		socket_id, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (h->mp == NULL)
		return -rte_errno;
	ret = rte_mempool_set_ops_byname(h->mp, ops, owner);
	if (ret < 0)
		goto free;
	rte_pktmbuf_pool_init(h->mp, &priv);
	ret = rte_mempool_populate_default(h->mp);
	if (ret < 0)
		goto free;
	rte_mempool_obj_iter(h->mp, init_header, &l);
	if (ret != (int)nb || h->mp->nb_mem_chunks != 1 || l.stride == 0) {
		ret = -ENOMEM; /* memory too fragmented for one array */
		goto free;
	}
	h->stride = l.stride;
	h->reciprocal = UINT32_MAX / l.stride + 1;
	h->mask = (uint16_t)(nb - 1);
	h->base = l.base;
	return 0;

free:
	pmd_headers_destroy(h);
	return ret;
}

void pmd_headers_destroy(struct pmd_headers *h)
{
	rte_mempool_free(h->mp);
	h->mp = NULL;
}
