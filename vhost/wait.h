/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting with a limit, on the clock that nobody sets. Any control-plane thread. */
#ifndef VHOST_WAIT_H
#define VHOST_WAIT_H

#include <pthread.h>
#include <time.h>

/* A point in time `ms` from now on CLOCK_MONOTONIC. */
static inline struct timespec vh_deadline_ms(unsigned int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* A condition for pthread_cond_timedwait() with vh_deadline_ms(). */
static inline void vh_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

#endif /* VHOST_WAIT_H */
