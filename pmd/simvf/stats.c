/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics: counters since the last reset, which moves a base line. Control, or telemetry. */
#include <stdio.h>
#include <string.h>

#include "pmd/simvf/latency.h"
#include "pmd/simvf/simvf.h"

/* Structures of uint64_t only. */
static void subtract(void *result, const void *now, const void *base, size_t size)
{
	const uint64_t *n = now, *b = base;
	uint64_t *r = result;

	for (size_t i = 0; i < size / sizeof(*r); i++)
		r[i] = __atomic_load_n(&n[i], __ATOMIC_RELAXED) - b[i];
}

static void add(void *sum, const void *more, size_t size)
{
	const uint64_t *m = more;
	uint64_t *s = sum;

	for (size_t i = 0; i < size / sizeof(*s); i++)
		s[i] += m[i];
}

void simvf_rxq_stats(const struct simvf_rxq *q, struct simvf_rx_stats *stats)
{
	subtract(stats, &q->stats, &q->base, sizeof(*stats));
}

void simvf_txq_stats(const struct simvf_txq *q, struct simvf_tx_stats *stats)
{
	subtract(stats, &q->stats, &q->base, sizeof(*stats));
}

static void totals(
	const struct simvf_dev *dev, struct simvf_rx_stats *rx, struct simvf_tx_stats *tx)
{
	memset(rx, 0, sizeof(*rx));
	memset(tx, 0, sizeof(*tx));
	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_rx_stats r;
		struct simvf_tx_stats t;

		if (dev->rxq[i] != NULL) {
			simvf_rxq_stats(dev->rxq[i], &r);
			add(rx, &r, sizeof(r));
		}
		if (dev->txq[i] != NULL) {
			simvf_txq_stats(dev->txq[i], &t);
			add(tx, &t, sizeof(t));
		}
	}
}

int simvf_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats)
{
	struct simvf_dev *dev = eth->data->dev_private;
	struct simvf_rx_stats rx;
	struct simvf_tx_stats tx;

	totals(dev, &rx, &tx);
	stats->ipackets = rx.packets;
	stats->ibytes = rx.bytes;
	stats->imissed = rx.missed;
	stats->ierrors = rx.errors;
	eth->data->rx_mbuf_alloc_failed = rx.nombuf;
	stats->opackets = tx.packets;
	stats->obytes = tx.bytes;
	stats->oerrors = tx.errors;
	for (int i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++) {
		if (dev->rxq[i] != NULL) {
			simvf_rxq_stats(dev->rxq[i], &rx);
			stats->q_ipackets[i] = rx.packets;
			stats->q_ibytes[i] = rx.bytes;
			stats->q_errors[i] = rx.errors + rx.missed;
		}
		if (dev->txq[i] != NULL) {
			simvf_txq_stats(dev->txq[i], &tx);
			stats->q_opackets[i] = tx.packets;
			stats->q_obytes[i] = tx.bytes;
		}
	}
	return 0;
}

int simvf_stats_reset(struct rte_eth_dev *eth)
{
	struct simvf_dev *dev = eth->data->dev_private;
	const struct simvf_rx_stats no_rx = { 0 };
	const struct simvf_tx_stats no_tx = { 0 };

	pthread_mutex_lock(&dev->lock);
	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_rxq *r = dev->rxq[i];
		struct simvf_txq *t = dev->txq[i];

		if (r != NULL)
			subtract(&r->base, &r->stats, &no_rx, sizeof(no_rx));
		if (t != NULL)
			subtract(&t->base, &t->stats, &no_tx, sizeof(no_tx));
	}
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

/* ---- xstats ---- */

struct all {
	struct simvf_rx_stats rx;
	struct simvf_tx_stats tx;
	struct simvf_latency_result latency;
};

static const struct {
	const char *name;
	size_t offset;
	size_t other; /* added, unless 0 */
} xstats[] = {
	{ "sim_iommu_faults", offsetof(struct all, rx.iommu_faults),
		offsetof(struct all, tx.iommu_faults) },
	{ "sim_dma_cycles", offsetof(struct all, rx.dma_cycles),
		offsetof(struct all, tx.dma_cycles) },
	{ "sim_rx_dma_cycles", offsetof(struct all, rx.dma_cycles), 0 },
	{ "sim_tx_dma_cycles", offsetof(struct all, tx.dma_cycles), 0 },
	{ "sim_rx_unfilled", offsetof(struct all, rx.unfilled), 0 },
	{ "sim_tx_runts", offsetof(struct all, tx.runts), 0 },
	{ "sim_tx_link_drops", offsetof(struct all, tx.lost), 0 },
	{ "sim_tx_lost_completions", offsetof(struct all, tx.kept), 0 },
	{ "sim_latency_samples", offsetof(struct all, latency.samples), 0 },
	{ "sim_latency_p50_ns", offsetof(struct all, latency.p50_ns), 0 },
	{ "sim_latency_p99_ns", offsetof(struct all, latency.p99_ns), 0 },
	{ "sim_latency_max_ns", offsetof(struct all, latency.max_ns), 0 },
};

static uint64_t value_at(const struct all *all, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)all + offset, sizeof(value));
	return value;
}

int simvf_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *values, unsigned int n)
{
	struct simvf_dev *dev = eth->data->dev_private;
	struct all all;

	if (n < RTE_DIM(xstats))
		return (int)RTE_DIM(xstats);
	pthread_mutex_lock(&dev->lock);
	totals(dev, &all.rx, &all.tx);
	simvf_latency_get(dev, &all.latency);
	pthread_mutex_unlock(&dev->lock);
	for (size_t i = 0; i < RTE_DIM(xstats); i++) {
		values[i].id = i;
		values[i].value = value_at(&all, xstats[i].offset);
		if (xstats[i].other != 0)
			values[i].value += value_at(&all, xstats[i].other);
	}
	return (int)RTE_DIM(xstats);
}

int simvf_xstats_get_names(
	struct rte_eth_dev *eth, struct rte_eth_xstat_name *names, unsigned int n)
{
	(void)eth;
	if (names != NULL && n >= RTE_DIM(xstats))
		for (size_t i = 0; i < RTE_DIM(xstats); i++)
			snprintf(names[i].name, sizeof(names[i].name), "%s", xstats[i].name);
	return (int)RTE_DIM(xstats);
}
