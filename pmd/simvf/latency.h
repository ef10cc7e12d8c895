/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Latency through the application: the generator stamps each frame with the TSC of its arrival, the
 * Tx side finds the stamp and counts the difference. Each Tx queue has its own histogram, with 32
 * buckets for each power of two of cycles.
 */
#ifndef PMD_SIMVF_LATENCY_H
#define PMD_SIMVF_LATENCY_H

#include <string.h>

#include "pmd/simvf/simvf.h"

#define SIMVF_LATENCY_SUB     32
#define SIMVF_LATENCY_BUCKETS (40 * SIMVF_LATENCY_SUB)
#define SIMVF_STAMP_LEN       16
#define SIMVF_STAMP_MAGIC     UINT64_C(0x535f6e69676e6972)

/* Written by the queue's thread. A reset is asked for by `asked` and done by that thread. */
struct simvf_latency {
	uint32_t asked;
	uint32_t done;
	uint64_t samples;
	uint64_t max;
	uint64_t bucket[SIMVF_LATENCY_BUCKETS];
};

struct simvf_latency_result {
	uint64_t samples;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
};

static inline void simvf_stamp_write(uint8_t *frame, uint64_t tsc)
{
	uint64_t stamp[2] = { SIMVF_STAMP_MAGIC, tsc };

	memcpy(frame + SIMVF_STAMP, stamp, sizeof(stamp));
}

void simvf_latency_sample(struct simvf_latency *lat, uint64_t cycles);

/* A frame that is being sent; len bytes of it stand in a row. */
static inline void simvf_latency_frame(
	struct simvf_latency *lat, const uint8_t *frame, uint32_t len, uint64_t now)
{
	uint64_t stamp[2];

	if (len < SIMVF_STAMP + sizeof(stamp))
		return;
	memcpy(stamp, frame + SIMVF_STAMP, sizeof(stamp));
	if (stamp[0] == SIMVF_STAMP_MAGIC && now >= stamp[1])
		simvf_latency_sample(lat, now - stamp[1]);
}

/* Over all Tx queues. With the device's lock. */
void simvf_latency_get(const struct simvf_dev *dev, struct simvf_latency_result *result);
void simvf_latency_reset(struct simvf_dev *dev);

#endif /* PMD_SIMVF_LATENCY_H */
