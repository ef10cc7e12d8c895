/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/simvf/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "pmd/simvf/classify.h"
#include "pmd/simvf/filter.h"
#include "pmd/simvf/rx.h"
#include "pmd/simvf/tx.h"

/* A frame in the device's FIFO. */
struct simvf_held {
	struct simvf_held *next;
	uint64_t word; /* of its descriptor */
	uint8_t data[];
};

void simvf_lock(struct simvf_dev *dev)
{
	pthread_mutex_lock(&dev->lock);
	if (dev->link != NULL)
		rte_spinlock_lock(&dev->link->lock);
}

void simvf_unlock(struct simvf_dev *dev)
{
	if (dev->link != NULL)
		rte_spinlock_unlock(&dev->link->lock);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- life ---- */

/* With the list of devices locked, so that both ends find each other. */
static void find_peer(struct simvf_dev *other, void *arg)
{
	struct simvf_dev *dev = arg;

	if (other->link == NULL || other->args.wire != SIMVF_PEER ||
		strcmp(other->args.wire_arg, dev->name) != 0) {
		SIMVF_LOG(WARNING, "%s: its peer %s is not wired to it", dev->name, other->name);
		return;
	}
	rte_spinlock_lock(&other->link->lock);
	other->link->end[other->link->end[0] != NULL] = dev;
	dev->link = other->link;
	rte_spinlock_unlock(&other->link->lock);
}

static int join_link(struct simvf_dev *dev)
{
	bool loop = strcmp(dev->args.wire_arg, dev->name) == 0;

	if (dev->args.wire == SIMVF_PEER && !loop)
		simvf_foreach(dev->args.wire_arg, find_peer, dev);
	if (dev->link != NULL)
		return 0;
	dev->link = calloc(1, sizeof(*dev->link));
	if (dev->link == NULL)
		return -ENOMEM;
	rte_spinlock_init(&dev->link->lock);
	dev->link->end[0] = dev;
	if (loop)
		dev->link->end[1] = dev;
	return 0;
}

static void leave_link(struct simvf_dev *dev)
{
	struct simvf_link *link = dev->link;
	bool last;

	if (link == NULL)
		return;
	rte_spinlock_lock(&link->lock);
	for (int i = 0; i < 2; i++)
		if (link->end[i] == dev)
			link->end[i] = NULL;
	last = link->end[0] == NULL && link->end[1] == NULL;
	rte_spinlock_unlock(&link->lock);
	dev->link = NULL;
	if (last)
		free(link);
}

int simvf_wire_init(struct simvf_dev *dev)
{
	int ret;

	dev->sock = -1;
	if (dev->args.wire == SIMVF_GEN || dev->args.wire == SIMVF_SINK)
		return 0;
	/* A tag may have to be put back in front of what was read. */
	dev->frame = calloc(1, SIMVF_MAX_FRAME + RTE_VLAN_HLEN);
	ret = dev->frame == NULL ? -ENOMEM : 0;
	if (ret == 0 && dev->args.wire == SIMVF_IFACE)
		ret = simvf_iface_open(dev);
	if (ret == 0 && dev->args.wire == SIMVF_PCAP)
		ret = simvf_pcap_open(dev);
	if (ret == 0)
		ret = join_link(dev);
	if (ret < 0)
		simvf_wire_fini(dev);
	return ret;
}

void simvf_wire_fini(struct simvf_dev *dev)
{
	leave_link(dev);
	simvf_iface_close(dev);
	simvf_pcap_close(dev);
	free(dev->frame);
	dev->frame = NULL;
}

static struct simvf_dev *peer_of(const struct simvf_dev *dev)
{
	const struct simvf_link *link = dev->link;

	return link->end[0] == dev ? link->end[1] : link->end[0];
}

static bool is_down(struct simvf_dev *dev)
{
	return dev == NULL || !dev->started || simvf_fault_silent(dev);
}

bool simvf_wire_link_up(struct simvf_dev *dev)
{
	bool up = !simvf_fault_silent(dev);

	if (dev->args.wire != SIMVF_PEER)
		return up;
	rte_spinlock_lock(&dev->link->lock);
	up = up && !is_down(peer_of(dev));
	rte_spinlock_unlock(&dev->link->lock);
	return up;
}

/* ---- receiving ---- */

static void dma(struct simvf_rxq *q, const uint8_t *data, uint64_t word)
{
	uint32_t len = (uint32_t)(word & SIMVF_RX_LEN);
	uint64_t start = rte_rdtsc();
	uint8_t *to;

	simvf_iotlb_sync(&q->dev->iommu, &q->tlb);
	to = simvf_rx_target(q, len);
	if (to == NULL) {
		simvf_rx_done(q, SIMVF_RX_DONE | SIMVF_RX_ERROR);
		return;
	}
	if (q->dev->args.copy)
		memcpy(to, data, len);
	simvf_rx_done(q, word);
	if (q->dev->args.copy)
		simvf_add(&q->stats.dma_cycles, rte_rdtsc() - start);
}

static struct simvf_held *take_held(struct simvf_rxq *q)
{
	struct simvf_held *held = q->held;

	q->held = held->next;
	if (q->held == NULL)
		q->held_tail = &q->held;
	q->nb_held--;
	q->dev->nb_held--;
	return held;
}

static void hold(struct simvf_rxq *q, const uint8_t *data, uint64_t word)
{
	size_t len = word & SIMVF_RX_LEN;
	struct simvf_held *held = NULL;

	if (q->nb_held < q->dev->args.fifo)
		held = malloc(sizeof(*held) + len);
	if (held == NULL) {
		simvf_add(&q->stats.missed, 1);
		return;
	}
	held->next = NULL;
	held->word = word;
	memcpy(held->data, data, len);
	*q->held_tail = held;
	q->held_tail = &held->next;
	q->nb_held++;
	q->dev->nb_held++;
}

static void deliver_held(struct simvf_dev *dev)
{
	for (int i = 0; i < SIMVF_MAX_QUEUES && dev->nb_held > 0; i++) {
		struct simvf_rxq *q = dev->rxq[i];

		while (q != NULL && q->held != NULL && simvf_rx_room(q) > 0) {
			struct simvf_held *held = take_held(q);

			dma(q, held->data, held->word);
			free(held);
		}
	}
}

void simvf_wire_forget(struct simvf_rxq *q)
{
	simvf_lock(q->dev);
	while (q->held != NULL) {
		free(take_held(q));
		simvf_add(&q->stats.missed, 1);
	}
	simvf_unlock(q->dev);
}

bool simvf_wire_deliver(struct simvf_dev *dev, const uint8_t *data, uint32_t len, bool can_wait)
{
	struct simvf_layers layers;
	struct simvf_rxq *q;
	uint32_t hash = 0;
	bool hashed, hash_wanted;
	uint64_t word;
	int queue;

	if (len < RTE_ETHER_HDR_LEN || len > SIMVF_MAX_FRAME) {
		simvf_add(&dev->stats.bad, 1);
		return true;
	}
	if (!simvf_filter_allows(&dev->filter, data)) {
		simvf_add(&dev->stats.filter_drops, 1);
		return true;
	}
	simvf_parse(data, len, &layers);
	queue = simvf_classify(dev, &layers, &hash, &hashed);
	if (queue == SIMVF_DROP) {
		simvf_add(&dev->stats.flow_drops, 1);
		return true;
	}
	q = dev->rxq[queue];
	if (q == NULL || !q->on) {
		simvf_add(&dev->stats.missed, 1);
		return true;
	}
	if (len > q->max_len) {
		simvf_add(&q->stats.too_long, 1);
		return true;
	}
	hash_wanted = dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	word = SIMVF_RX_DONE | len;
	if (hashed && hash_wanted)
		word |= (uint64_t)hash << 32 | SIMVF_RX_HASH;
	if (q->held == NULL && simvf_rx_room(q) > 0)
		dma(q, data, word);
	else if (can_wait)
		return false;
	else
		hold(q, data, word);
	return true;
}

/* ---- sending ---- */

/* The packet at the queue's head, as descriptors. */
struct packet {
	uint32_t nb;
	uint32_t len;
	bool good; /* the IOMMU lets it be read */
};

static const struct simvf_desc *nth(const struct simvf_txq *q, uint32_t n)
{
	uint32_t i = q->head + n;

	return &q->desc[i >= q->nb_desc ? i - q->nb_desc : i];
}

static void look_at(struct simvf_txq *q, struct packet *p)
{
	const struct simvf_desc *d;

	*p = (struct packet){ .good = true };
	simvf_iotlb_sync(&q->dev->iommu, &q->tlb);
	do {
		d = nth(q, p->nb++);
		p->len += (uint16_t)d->word;
		if (!simvf_iommu_allows(&q->dev->iommu, &q->tlb, d->addr, (uint16_t)d->word)) {
			simvf_add(&q->stats.iommu_faults, 1);
			p->good = false;
		}
	} while ((d->word & SIMVF_TX_EOP) == 0);
}

/* Its bytes in a row, padded to the length of a frame. */
static const uint8_t *gather(struct simvf_txq *q, struct packet *p)
{
	uint8_t *to = q->dev->frame;

	if (p->nb == 1 && p->len >= SIMVF_MIN_FRAME)
		return (const uint8_t *)(uintptr_t)nth(q, 0)->addr;
	for (uint32_t i = 0; i < p->nb; i++) {
		memcpy(to, (const uint8_t *)(uintptr_t)nth(q, i)->addr, (uint16_t)nth(q, i)->word);
		to += (uint16_t)nth(q, i)->word;
	}
	while (to < q->dev->frame + SIMVF_MIN_FRAME)
		*to++ = 0;
	return q->dev->frame;
}

/* Returns false if the packet has to wait. */
static bool transmit(struct simvf_txq *q, struct packet *p)
{
	struct simvf_dev *dev = q->dev;
	struct simvf_dev *peer = dev->args.wire == SIMVF_PEER ? peer_of(dev) : dev;
	const uint8_t *data;
	uint32_t len;
	int ret;

	if (!p->good || p->len > q->max_len) {
		simvf_tx_count(q, p->len, p->good);
		return true;
	}
	if (is_down(dev) || is_down(peer)) {
		simvf_add(&q->stats.lost, 1);
		return true;
	}
	data = gather(q, p);
	len = RTE_MAX(p->len, (uint32_t)SIMVF_MIN_FRAME);
	if (dev->args.wire == SIMVF_PEER) {
		if (!simvf_wire_deliver(peer, data, len, dev->args.pause))
			return false;
	} else if (dev->args.wire == SIMVF_IFACE) {
		ret = simvf_iface_send(dev, data, len);
		if (ret == -EAGAIN)
			return false;
		if (ret < 0) {
			simvf_add(&q->stats.lost, 1);
			return true;
		}
	}
	simvf_tx_count(q, p->len, true);
	return true;
}

/* All that is posted in a Tx queue, up to what has to wait. */
static void transmit_queue(struct simvf_txq *q)
{
	uint32_t end = __atomic_load_n(&q->posted, __ATOMIC_ACQUIRE);
	struct packet p;

	while (q->sent != end) {
		look_at(q, &p);
		if (!transmit(q, &p))
			break;
		q->head = (uint16_t)((q->head + p.nb) % q->nb_desc);
		__atomic_store_n(&q->sent, q->sent + p.nb, __ATOMIC_RELEASE);
	}
}

void simvf_wire_send(struct simvf_txq *q)
{
	struct simvf_link *link = q->dev->link;

	if (!rte_spinlock_trylock(&link->lock))
		return;
	if (q->on)
		transmit_queue(q);
	rte_spinlock_unlock(&link->lock);
}

static void receive_from(struct simvf_dev *peer)
{
	for (int i = 0; peer != NULL && i < SIMVF_MAX_QUEUES; i++)
		if (peer->txq[i] != NULL && peer->txq[i]->on)
			transmit_queue(peer->txq[i]);
}

void simvf_wire_receive(struct simvf_dev *dev)
{
	struct simvf_link *link = dev->link;

	if (!rte_spinlock_trylock(&link->lock))
		return;
	if (dev->nb_held > 0)
		deliver_held(dev);
	if (is_down(dev))
		;
	else if (dev->args.wire == SIMVF_PEER)
		receive_from(peer_of(dev));
	else if (dev->args.wire == SIMVF_IFACE)
		simvf_iface_receive(dev);
	else
		simvf_pcap_receive(dev);
	rte_spinlock_unlock(&link->lock);
}
