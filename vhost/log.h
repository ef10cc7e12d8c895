/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log macros for every folder that links DPDK, and a rate limit for lines that a container can
 * cause.
 *
 * Each module has its own DPDK log type (vfring.vhost, vfring.pmd, vfring.switch), so `--log-level`
 * in eal_args works on each. No per-packet code logs.
 */
#ifndef VHOST_LOG_H
#define VHOST_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

extern int vh_logtype;

#define VH_LOG_TO(type, module, level, fmt, ...)                                                   \
	rte_log(RTE_LOG_##level, type, module ": " fmt "\n", ##__VA_ARGS__)

#define VH_LOG(level, fmt, ...) VH_LOG_TO(vh_logtype, "vhost", level, fmt, ##__VA_ARGS__)

/* At most VH_RATE_BURST lines per VH_RATE_SECONDS. Any control-plane thread (a lock inside). */
#define VH_RATE_BURST   5
#define VH_RATE_SECONDS 10

struct vh_rate {
	uint64_t window; /* start, seconds of the monotonic clock */
	uint32_t lines;
	uint32_t suppressed;
};

/* Whether a line may be written now; *suppressed is how many were left out since the last one. */
bool vh_rate_ok(struct vh_rate *rate, uint32_t *suppressed);

#define VH_LOG_LIMITED(rate, level, fmt, ...)                                                      \
	do {                                                                                       \
		uint32_t suppressed_;                                                              \
		if (!vh_rate_ok(rate, &suppressed_))                                               \
			break;                                                                     \
		if (suppressed_ != 0)                                                              \
			VH_LOG(level, fmt " (and %u lines like this left out)", ##__VA_ARGS__,     \
				suppressed_);                                                      \
		else                                                                               \
			VH_LOG(level, fmt, ##__VA_ARGS__);                                         \
	} while (0)

#endif /* VHOST_LOG_H */
