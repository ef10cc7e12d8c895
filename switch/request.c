/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost/wait.h"

struct sw_request {
	TAILQ_ENTRY(sw_request) next;
	sw_request_fn fn;
	sw_request_drop_fn drop;
	void *ctx;
	pthread_cond_t cond;
	bool done;
	bool abandoned; /* the poster has gone: whoever runs it frees it */
	int result;
	_Alignas(16) unsigned char arg[];
};

int sw_requests_init(struct sw_requests *rq)
{
	pthread_mutex_init(&rq->lock, NULL);
	TAILQ_INIT(&rq->list);
	rq->closed = false;
	rq->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return rq->wake_fd >= 0 ? 0 : -errno;
}

void sw_requests_wake(struct sw_requests *rq)
{
	uint64_t one = 1;
	/* Full means that a wake-up is due anyway. */
	ssize_t ret = write(rq->wake_fd, &one, sizeof(one));

	(void)ret;
}

static struct sw_request *request_create(
	sw_request_fn fn, void *ctx, const void *arg, size_t arg_len, sw_request_drop_fn drop)
{
	struct sw_request *r = calloc(1, sizeof(*r) + arg_len);

	if (r == NULL)
		return NULL;
	r->fn = fn;
	r->ctx = ctx;
	r->drop = drop;
	memcpy(r->arg, arg, arg_len);
	vh_cond_init(&r->cond);
	return r;
}

static void request_free(struct sw_request *r)
{
	pthread_cond_destroy(&r->cond);
	free(r);
}

int sw_request_wait(struct sw_requests *rq, sw_request_fn fn, void *ctx, void *arg, size_t arg_len,
	sw_request_drop_fn drop, bool (*refuse)(void *), void *refuse_arg, unsigned int limit_ms)
{
	struct timespec end = vh_deadline_ms(limit_ms);
	struct sw_request *r = request_create(fn, ctx, arg, arg_len, drop);
	int ret = 0;

	if (r == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&rq->lock);
	if (rq->closed || (refuse != NULL && refuse(refuse_arg))) {
		ret = rq->closed ? -ESHUTDOWN : -ECANCELED;
		pthread_mutex_unlock(&rq->lock);
		request_free(r);
		return ret;
	}
	TAILQ_INSERT_TAIL(&rq->list, r, next);
	sw_requests_wake(rq);
	while (!r->done && ret == 0)
		ret = pthread_cond_timedwait(&r->cond, &rq->lock, &end);
	if (!r->done) {
		r->abandoned = true;
		pthread_mutex_unlock(&rq->lock);
		return -ETIMEDOUT;
	}
	pthread_mutex_unlock(&rq->lock);

	memcpy(arg, r->arg, arg_len);
	ret = r->result;
	request_free(r);
	return ret;
}

/* With rq->lock held; dropped while the request runs. */
static void run_one(struct sw_requests *rq, struct sw_request *r)
{
	TAILQ_REMOVE(&rq->list, r, next);
	rq->late = r->abandoned;
	pthread_mutex_unlock(&rq->lock);
	/* Also if abandoned: a ring that was to be taken back still has to be. */
	r->result = r->fn(r->ctx, r->arg);
	rq->late = false;
	pthread_mutex_lock(&rq->lock);
	if (r->abandoned) {
		if (r->drop != NULL)
			r->drop(r->arg);
		request_free(r);
		return;
	}
	r->done = true;
	pthread_cond_signal(&r->cond);
}

void sw_requests_run(struct sw_requests *rq)
{
	struct sw_request *r;

	pthread_mutex_lock(&rq->lock);
	while ((r = TAILQ_FIRST(&rq->list)) != NULL)
		run_one(rq, r);
	pthread_mutex_unlock(&rq->lock);
}

void sw_requests_close(struct sw_requests *rq)
{
	struct sw_request *r;

	pthread_mutex_lock(&rq->lock);
	rq->closed = true;
	while ((r = TAILQ_FIRST(&rq->list)) != NULL)
		run_one(rq, r);
	pthread_mutex_unlock(&rq->lock);
}
