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

void simvf_totals(const struct simvf_dev *dev, struct simvf_totals *totals)
{
	memset(totals, 0, sizeof(*totals));
	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_rx_stats rx;
		struct simvf_tx_stats tx;

		if (dev->rxq[i] != NULL) {
			simvf_rxq_stats(dev->rxq[i], &rx);
			add(&totals->rx, &rx, sizeof(rx));
		}
		if (dev->txq[i] != NULL) {
			simvf_txq_stats(dev->txq[i], &tx);
			add(&totals->tx, &tx, sizeof(tx));
		}
	}
	subtract(&totals->wire, &dev->stats, &dev->base, sizeof(totals->wire));
}

static void queue_stats(const struct simvf_dev *dev, int i, struct rte_eth_stats *stats)
{
	struct simvf_rx_stats rx;
	struct simvf_tx_stats tx;

	if (dev->rxq[i] != NULL) {
		simvf_rxq_stats(dev->rxq[i], &rx);
		stats->q_ipackets[i] = rx.packets;
		stats->q_ibytes[i] = rx.bytes;
		stats->q_errors[i] = rx.errors + rx.too_long;
	}
	if (dev->txq[i] != NULL) {
		simvf_txq_stats(dev->txq[i], &tx);
		stats->q_opackets[i] = tx.packets;
		stats->q_obytes[i] = tx.bytes;
	}
}

int simvf_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats)
{
	struct simvf_dev *dev = eth->data->dev_private;
	struct simvf_totals t;

	simvf_lock(dev);
	simvf_totals(dev, &t);
	for (int i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
		queue_stats(dev, i, stats);
	simvf_unlock(dev);
	stats->ipackets = t.rx.packets;
	stats->ibytes = t.rx.bytes;
	stats->imissed = t.rx.missed + t.wire.missed;
	stats->ierrors = t.rx.errors + t.rx.too_long + t.wire.bad;
	stats->rx_nombuf = t.rx.nombuf;
	eth->data->rx_mbuf_alloc_failed = t.rx.nombuf;
	stats->opackets = t.tx.packets;
	stats->obytes = t.tx.bytes;
	stats->oerrors = t.tx.errors + t.tx.refused;
	return 0;
}

int simvf_stats_reset(struct rte_eth_dev *eth)
{
	struct simvf_dev *dev = eth->data->dev_private;
	const struct simvf_totals zero = { 0 };

	simvf_lock(dev);
	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_rxq *r = dev->rxq[i];
		struct simvf_txq *t = dev->txq[i];

		if (r != NULL)
			subtract(&r->base, &r->stats, &zero.rx, sizeof(zero.rx));
		if (t != NULL)
			subtract(&t->base, &t->stats, &zero.tx, sizeof(zero.tx));
	}
	subtract(&dev->base, &dev->stats, &zero.wire, sizeof(zero.wire));
	simvf_unlock(dev);
	return 0;
}

/* ---- xstats ---- */

struct all {
	struct simvf_totals t;
	struct simvf_latency_result latency;
};

static const struct {
	const char *name;
	size_t offset;
	size_t other; /* added, unless 0 */
} xstats[] = {
	{ "sim_iommu_faults", offsetof(struct all, t.rx.iommu_faults),
		offsetof(struct all, t.tx.iommu_faults) },
	{ "sim_dma_cycles", offsetof(struct all, t.rx.dma_cycles),
		offsetof(struct all, t.tx.dma_cycles) },
	{ "sim_rx_dma_cycles", offsetof(struct all, t.rx.dma_cycles), 0 },
	{ "sim_tx_dma_cycles", offsetof(struct all, t.tx.dma_cycles), 0 },
	{ "sim_filter_drops", offsetof(struct all, t.wire.filter_drops), 0 },
	{ "sim_flow_drops", offsetof(struct all, t.wire.flow_drops), 0 },
	{ "sim_rx_unfilled", offsetof(struct all, t.rx.unfilled), 0 },
	{ "sim_tx_runts", offsetof(struct all, t.tx.runts), 0 },
	{ "sim_tx_link_drops", offsetof(struct all, t.tx.lost), 0 },
	{ "sim_tx_lost_completions", offsetof(struct all, t.tx.kept), 0 },
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
	simvf_lock(dev);
	simvf_totals(dev, &all.t);
	simvf_latency_get(dev, &all.latency);
	simvf_unlock(dev);
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
