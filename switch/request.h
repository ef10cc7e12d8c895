/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to the control thread from threads that may not touch switch state: librte_vhost's and
 * telemetry's. Post, wait with a limit.
 *
 * Ownership: a request's argument is copied into it, its result out of it: a poster that gave up
 * leaves nothing behind that a late answer could hit.
 */
#ifndef SWITCH_REQUEST_H
#define SWITCH_REQUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct sw_request;
TAILQ_HEAD(sw_request_list, sw_request);

struct sw_requests {
	pthread_mutex_t lock;
	struct sw_request_list list;
	int wake_fd; /* eventfd: something is posted */
	bool closed; /* the control loop has ended: answer -ESHUTDOWN */
	bool late; /* control thread: who posted what runs now had given it up before */
};

/* Runs in the control thread. */
typedef int (*sw_request_fn)(void *ctx, void *arg);
/* Frees what the result of an abandoned request holds. */
typedef void (*sw_request_drop_fn)(void *arg);

int sw_requests_init(struct sw_requests *rq);

/*
 * Posts fn(ctx, copy of arg) and waits until it has run, at most limit_ms. `refuse`, if not NULL,
 * is asked under the queue's lock whether to give up right away (-ECANCELED): what it looks at
 * is changed before the control thread empties the queue for the last time, so nothing is left
 * waiting. Returns fn's result with *arg updated, or -ETIMEDOUT (fn may still run; `drop` then gets
 * the argument), -ESHUTDOWN, -ENOMEM. Never called by the control thread.
 */
int sw_request_wait(struct sw_requests *rq, sw_request_fn fn, void *ctx, void *arg, size_t arg_len,
	sw_request_drop_fn drop, bool (*refuse)(void *), void *refuse_arg, unsigned int limit_ms);

/* Wakes the control loop. Any thread. */
void sw_requests_wake(struct sw_requests *rq);

/* Control thread: runs what is posted. */
void sw_requests_run(struct sw_requests *rq);

/* Control thread: runs what is posted and refuses everything later. */
void sw_requests_close(struct sw_requests *rq);

#endif /* SWITCH_REQUEST_H */
