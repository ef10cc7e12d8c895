/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/simvf/latency.h"

#include <stdlib.h>

#include <rte_cycles.h>

/* Values below 32 have buckets of their own; then each power of two is split in 32. */
static uint32_t bucket_of(uint64_t cycles)
{
	uint32_t shift, bucket;

	if (cycles < SIMVF_LATENCY_SUB)
		return (uint32_t)cycles;
	shift = 63 - (uint32_t)__builtin_clzll(cycles) - 5;
	bucket = (shift + 1) * SIMVF_LATENCY_SUB +
		((uint32_t)(cycles >> shift) & (SIMVF_LATENCY_SUB - 1));
	return RTE_MIN(bucket, (uint32_t)SIMVF_LATENCY_BUCKETS - 1);
}

/* The middle of the bucket. */
static uint64_t value_of(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < 2 * SIMVF_LATENCY_SUB)
		return bucket;
	shift = bucket / SIMVF_LATENCY_SUB - 1;
	return ((uint64_t)(SIMVF_LATENCY_SUB + bucket % SIMVF_LATENCY_SUB) << shift) +
		(UINT64_C(1) << shift) / 2;
}

void simvf_latency_sample(struct simvf_latency *lat, uint64_t cycles)
{
	uint32_t asked = __atomic_load_n(&lat->asked, __ATOMIC_RELAXED);

	if (unlikely(asked != lat->done)) {
		lat->samples = 0;
		lat->max = 0;
		memset(lat->bucket, 0, sizeof(lat->bucket));
		__atomic_store_n(&lat->done, asked, __ATOMIC_RELEASE);
	}
	simvf_add(&lat->bucket[bucket_of(cycles)], 1);
	simvf_add(&lat->samples, 1);
	if (cycles > lat->max)
		__atomic_store_n(&lat->max, cycles, __ATOMIC_RELAXED);
}

static uint64_t to_ns(uint64_t cycles)
{
	return (uint64_t)((double)cycles * 1e9 / (double)rte_get_tsc_hz());
}

/* The value that the given share of the samples does not exceed. */
static uint64_t quantile(const uint64_t *bucket, uint64_t samples, double share)
{
	uint64_t seen = 0;
	uint32_t i;

	for (i = 0; i < SIMVF_LATENCY_BUCKETS - 1; i++) {
		seen += bucket[i];
		if (seen > 0 && (double)seen >= share * (double)samples)
			break;
	}
	return value_of(i);
}

void simvf_latency_get(const struct simvf_dev *dev, struct simvf_latency_result *result)
{
	uint64_t bucket[SIMVF_LATENCY_BUCKETS] = { 0 }, samples = 0, max = 0;

	for (uint16_t q = 0; q < SIMVF_MAX_QUEUES; q++) {
		const struct simvf_latency *lat = dev->txq[q] ? dev->txq[q]->latency : NULL;

		/* What awaits its reset counts as empty. */
		if (lat == NULL || __atomic_load_n(&lat->done, __ATOMIC_ACQUIRE) != lat->asked)
			continue;
		for (uint32_t i = 0; i < SIMVF_LATENCY_BUCKETS; i++) {
			uint64_t n = __atomic_load_n(&lat->bucket[i], __ATOMIC_RELAXED);

			bucket[i] += n;
			samples += n;
		}
		max = RTE_MAX(max, __atomic_load_n(&lat->max, __ATOMIC_RELAXED));
	}
	*result = (struct simvf_latency_result){ .samples = samples };
	if (samples == 0)
		return;
	result->max_ns = to_ns(max);
	result->p50_ns = RTE_MIN(to_ns(quantile(bucket, samples, 0.50)), result->max_ns);
	result->p99_ns = RTE_MIN(to_ns(quantile(bucket, samples, 0.99)), result->max_ns);
}

void simvf_latency_reset(struct simvf_dev *dev)
{
	for (uint16_t i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_txq *q = dev->txq[i];

		if (q != NULL && q->latency != NULL)
			__atomic_store_n(
				&q->latency->asked, q->latency->asked + 1, __ATOMIC_RELAXED);
	}
}
