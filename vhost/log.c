/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/log.h"

#include <pthread.h>
#include <time.h>

RTE_LOG_REGISTER(vh_logtype, vfring.vhost, INFO);

bool vh_rate_ok(struct vh_rate *rate, uint32_t *suppressed)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct timespec now;
	bool ok = true;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	/* + 1: a boot-time clock of 0 must not look like an open window of an unused limiter */
	uint64_t second = (uint64_t)now.tv_sec + 1;

	*suppressed = 0;
	pthread_mutex_lock(&lock);
	if (rate->window == 0 || second - rate->window >= VH_RATE_SECONDS) {
		*suppressed = rate->suppressed;
		*rate = (struct vh_rate){ .window = second };
	}
	if (rate->lines == VH_RATE_BURST) {
		rate->suppressed++;
		ok = false;
	} else {
		rate->lines++;
	}
	pthread_mutex_unlock(&lock);
	return ok;
}
