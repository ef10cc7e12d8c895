/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of the queues: set up, started, stopped, released. Control thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_random.h>

#include "pmd/simvf/fault.h"
#include "pmd/simvf/gen.h"
#include "pmd/simvf/latency.h"
#include "pmd/simvf/tx.h"
#include "pmd/simvf/wire.h"

#define DEFAULT_THRESH 32

static void *alloc(size_t size, unsigned int socket)
{
	return rte_zmalloc_socket(NULL, size, RTE_CACHE_LINE_SIZE, (int)socket);
}

/* From now on, or no more, the device looks at the queue. */
static void set_on(struct simvf_dev *dev, bool *on, bool value)
{
	simvf_lock(dev);
	*on = value;
	simvf_unlock(dev);
}

/* ---- Rx ---- */

static void free_rxq(struct simvf_rxq *q)
{
	if (q == NULL)
		return;
	free(q->gen);
	free(q->new_gen);
	rte_free(q->stamps);
	rte_free(q->sw);
	rte_free(q->desc);
	rte_free(q);
}

static uint64_t fresh_mbuf(uint16_t port)
{
	struct rte_mbuf m = { .data_off = RTE_PKTMBUF_HEADROOM, .nb_segs = 1, .port = port };
	uint64_t rearm;

	rte_mbuf_refcnt_set(&m, 1);
	memcpy(&rearm, (uint8_t *)&m + offsetof(struct rte_mbuf, data_off), sizeof(rearm));
	return rearm;
}

static struct simvf_rxq *new_rxq(struct simvf_dev *dev, uint16_t nb_desc, unsigned int socket)
{
	struct simvf_rxq *q = alloc(sizeof(*q), socket);
	uint32_t stamps = rte_align32pow2(nb_desc + dev->args.fifo);

	if (q == NULL)
		return NULL;
	q->desc = alloc(nb_desc * sizeof(*q->desc), socket);
	q->sw = alloc((nb_desc + SIMVF_AHEAD) * sizeof(*q->sw), socket);
	/* A table for the first poll. */
	q->gen = dev->flows == NULL ? NULL : calloc(1, sizeof(*q->gen));
	if (dev->flows != NULL && dev->args.latency) {
		q->stamps = alloc(stamps * sizeof(*q->stamps), socket);
		q->stamp_mask = stamps - 1;
	}
	if (q->desc == NULL || q->sw == NULL || (dev->flows != NULL && q->gen == NULL) ||
		(q->stamp_mask != 0 && q->stamps == NULL)) {
		free_rxq(q);
		return NULL;
	}
	return q;
}

int simvf_rx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t nb_desc,
	unsigned int socket, const struct rte_eth_rxconf *conf, struct rte_mempool *mp)
{
	struct simvf_dev *dev = eth->data->dev_private;
	uint16_t thresh = conf->rx_free_thresh != 0 ? conf->rx_free_thresh : DEFAULT_THRESH;
	uint32_t room = rte_pktmbuf_data_room_size(mp) - RTE_PKTMBUF_HEADROOM;
	struct simvf_rxq *q;

	room -= room % dev->args.buf_align;
	if (nb_desc % thresh != 0) {
		SIMVF_LOG(ERR, "%s: rx_free_thresh %u does not divide %u descriptors", dev->name,
			thresh, nb_desc);
		return -EINVAL;
	}
	if (room < SIMVF_MIN_FRAME) {
		SIMVF_LOG(ERR, "%s: buffers below %u bytes", dev->name, dev->args.buf_align);
		return -EINVAL;
	}
	q = new_rxq(dev, nb_desc, socket);
	if (q == NULL)
		return -ENOMEM;
	q->dev = dev;
	q->id = queue;
	q->mp = mp;
	q->nb_desc = nb_desc;
	q->nb_empty = nb_desc;
	q->free_thresh = thresh;
	q->buf_size = (uint16_t)RTE_MIN(room, SIMVF_MAX_FRAME);
	q->max_len = RTE_MIN(q->buf_size, (uint16_t)(eth->data->mtu + SIMVF_OVERHEAD));
	q->rearm = fresh_mbuf(eth->data->port_id);
	q->deferred = conf->rx_deferred_start;
	q->held_tail = &q->held;
	q->ctl = SIMVF_CTL_OFF;

	simvf_lock(dev);
	dev->rxq[queue] = q;
	eth->data->rx_queues[queue] = q;
	simvf_fault_arm(dev);
	simvf_unlock(dev);
	return 0;
}

void simvf_rx_queue_release(struct rte_eth_dev *eth, uint16_t queue)
{
	struct simvf_dev *dev = eth->data->dev_private;
	struct simvf_rxq *q = dev->rxq[queue];

	if (q == NULL)
		return;
	simvf_rxq_stop(dev, queue);
	simvf_lock(dev);
	dev->rxq[queue] = NULL;
	eth->data->rx_queues[queue] = NULL;
	simvf_unlock(dev);
	free_rxq(q);
}

/* Gives the mbufs back, by position as drivers do, not by age. */
static void empty_ring(struct simvf_rxq *q)
{
	struct simvf_dev *dev = q->dev;
	uint32_t first = 0;

	if (simvf_fault_get(dev, SIMVF_FAULT_RX_BY_POSITION) != 0)
		first = (uint32_t)rte_rand_max(q->nb_desc);
	for (uint32_t i = 0; i < q->nb_desc; i++) {
		uint32_t pos = (first + i) % q->nb_desc;

		if ((pos + q->nb_desc - q->post) % q->nb_desc < q->nb_empty)
			continue;
		if (!simvf_fault_next(dev, SIMVF_FAULT_KEEP_ON_STOP))
			rte_mempool_put(q->mp, q->sw[pos]);
	}
	q->nb_empty = q->nb_desc;
	q->next = 0;
	q->post = 0;
	q->head = 0;
	q->posted = 0;
	q->filled = 0;
	q->given = 0;
	/* Addresses stay, as hardware may remember them (SIMVF_FAULT_STALE_DMA). */
	for (uint32_t i = 0; i < q->nb_desc; i++)
		q->desc[i].word = 0;
}

int simvf_rxq_start(struct simvf_dev *dev, uint16_t queue)
{
	struct simvf_rxq *q = dev->rxq[queue];

	if (q == NULL || q->on)
		return 0;
	if (simvf_fault_next(dev, SIMVF_FAULT_RX_START_FAILS))
		return -EIO;
	simvf_rx_refill(q);
	if (q->nb_empty != 0) {
		SIMVF_LOG(ERR, "%s: Rx queue %u: no buffers for %u descriptors", dev->name, queue,
			q->nb_desc);
		empty_ring(q);
		return -ENOMEM;
	}
	simvf_iotlb_flush(&dev->iommu, &q->tlb);
	if (q->gen != NULL) {
		simvf_gen_take(q);
		simvf_gen_restart(q);
	}
	set_on(dev, &q->on, true);
	simvf_ctl_clear(&q->ctl, SIMVF_CTL_OFF);
	dev->data->rx_queue_state[queue] = RTE_ETH_QUEUE_STATE_STARTED;
	return 0;
}

void simvf_rxq_stop(struct simvf_dev *dev, uint16_t queue)
{
	struct simvf_rxq *q = dev->rxq[queue];

	if (q == NULL || !q->on)
		return;
	simvf_ctl_set(&q->ctl, SIMVF_CTL_OFF);
	set_on(dev, &q->on, false);
	simvf_wire_forget(q);
	empty_ring(q);
	dev->data->rx_queue_state[queue] = RTE_ETH_QUEUE_STATE_STOPPED;
}

int simvf_rx_queue_start(struct rte_eth_dev *eth, uint16_t queue)
{
	return simvf_rxq_start(eth->data->dev_private, queue);
}

int simvf_rx_queue_stop(struct rte_eth_dev *eth, uint16_t queue)
{
	struct simvf_dev *dev = eth->data->dev_private;

	if (!dev->args.stop_queues)
		return -ENOTSUP;
	if (simvf_fault_next(dev, SIMVF_FAULT_RX_STOP_FAILS))
		return -EIO;
	simvf_rxq_stop(dev, queue);
	return 0;
}

/* ---- Tx ---- */

static void free_txq(struct simvf_txq *q)
{
	if (q == NULL)
		return;
	rte_free(q->posted_at);
	rte_free(q->lost);
	rte_free(q->scratch);
	rte_free(q->latency);
	rte_free(q->sw);
	rte_free(q->desc);
	rte_free(q);
}

static struct simvf_txq *new_txq(
	const struct simvf_args *args, uint16_t nb_desc, unsigned int socket)
{
	struct simvf_txq *q = alloc(sizeof(*q), socket);

	if (q == NULL)
		return NULL;
	q->desc = alloc(nb_desc * sizeof(*q->desc), socket);
	q->sw = alloc((nb_desc + SIMVF_AHEAD) * sizeof(*q->sw), socket);
	q->lost = alloc(nb_desc * sizeof(*q->lost), socket);
	q->posted_at = alloc(nb_desc * sizeof(*q->posted_at), socket);
	if (args->copy)
		q->scratch = alloc(SIMVF_MAX_FRAME, socket);
	if (args->latency)
		q->latency = alloc(sizeof(*q->latency), socket);
	if (q->desc == NULL || q->sw == NULL || q->lost == NULL || q->posted_at == NULL ||
		(args->copy && q->scratch == NULL) || (args->latency && q->latency == NULL)) {
		free_txq(q);
		return NULL;
	}
	return q;
}

int simvf_tx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t nb_desc,
	unsigned int socket, const struct rte_eth_txconf *conf)
{
	struct simvf_dev *dev = eth->data->dev_private;
	uint16_t free_thresh = conf->tx_free_thresh != 0 ? conf->tx_free_thresh : DEFAULT_THRESH;
	uint16_t rs_thresh = conf->tx_rs_thresh != 0 ? conf->tx_rs_thresh : DEFAULT_THRESH;
	uint64_t offloads = conf->offloads | eth->data->dev_conf.txmode.offloads;
	struct simvf_txq *q;

	if (free_thresh > nb_desc || rs_thresh > nb_desc) {
		SIMVF_LOG(ERR, "%s: %u Tx descriptors, tx_free_thresh %u, tx_rs_thresh %u",
			dev->name, nb_desc, free_thresh, rs_thresh);
		return -EINVAL;
	}
	q = new_txq(&dev->args, nb_desc, socket);
	if (q == NULL)
		return -ENOMEM;
	q->dev = dev;
	q->id = queue;
	q->nb_desc = nb_desc;
	q->nb_free = nb_desc;
	q->free_thresh = free_thresh;
	q->rs_thresh = rs_thresh;
	q->fast_free = (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	q->max_len = (uint16_t)RTE_MIN(eth->data->mtu + SIMVF_OVERHEAD, SIMVF_MAX_FRAME);
	q->lag = dev->args.tx_lag;
	q->lag_cycles = rte_get_tsc_hz() / 1000000 * dev->args.tx_lag_us;
	q->deferred = conf->tx_deferred_start;
	q->ctl = SIMVF_CTL_OFF;

	simvf_lock(dev);
	dev->txq[queue] = q;
	eth->data->tx_queues[queue] = q;
	simvf_fault_arm(dev);
	simvf_unlock(dev);
	return 0;
}

void simvf_tx_queue_release(struct rte_eth_dev *eth, uint16_t queue)
{
	struct simvf_dev *dev = eth->data->dev_private;
	struct simvf_txq *q = dev->txq[queue];

	if (q == NULL)
		return;
	simvf_txq_stop(dev, queue);
	simvf_lock(dev);
	dev->txq[queue] = NULL;
	eth->data->tx_queues[queue] = NULL;
	simvf_unlock(dev);
	free_txq(q);
}

void simvf_txq_start(struct simvf_dev *dev, uint16_t queue)
{
	struct simvf_txq *q = dev->txq[queue];

	if (q == NULL || q->on)
		return;
	simvf_iotlb_flush(&dev->iommu, &q->tlb);
	set_on(dev, &q->on, true);
	simvf_ctl_clear(&q->ctl, SIMVF_CTL_OFF);
	dev->data->tx_queue_state[queue] = RTE_ETH_QUEUE_STATE_STARTED;
}

void simvf_txq_stop(struct simvf_dev *dev, uint16_t queue)
{
	struct simvf_txq *q = dev->txq[queue];
	uint32_t used;

	if (q == NULL || !q->on)
		return;
	simvf_ctl_set(&q->ctl, SIMVF_CTL_OFF);
	set_on(dev, &q->on, false);
	used = q->posted - q->freed;
	for (uint32_t pos = 0; pos < q->nb_desc; pos++)
		if ((pos + q->nb_desc - q->clean) % q->nb_desc < used)
			simvf_tx_free(&q->sw[pos], 1, false);
	simvf_tx_free(q->lost, q->nb_lost, false);
	q->nb_lost = 0;
	q->posted = 0;
	q->freed = 0;
	q->sent = 0;
	q->tail = 0;
	q->clean = 0;
	q->head = 0;
	q->nb_free = q->nb_desc;
	dev->data->tx_queue_state[queue] = RTE_ETH_QUEUE_STATE_STOPPED;
}

int simvf_tx_queue_start(struct rte_eth_dev *eth, uint16_t queue)
{
	simvf_txq_start(eth->data->dev_private, queue);
	return 0;
}

int simvf_tx_queue_stop(struct rte_eth_dev *eth, uint16_t queue)
{
	struct simvf_dev *dev = eth->data->dev_private;

	if (!dev->args.stop_queues)
		return -ENOTSUP;
	if (simvf_fault_next(dev, SIMVF_FAULT_TX_STOP_FAILS))
		return -EIO;
	simvf_txq_stop(dev, queue);
	return 0;
}
