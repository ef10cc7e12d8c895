/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/request.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "vhost/wait.h"

#define LONG_MS 5000

static struct sw_requests rq;
static int nb_dropped, nb_run;

static void setup(void)
{
	CU_ASSERT_EQUAL_FATAL(sw_requests_init(&rq), 0);
	nb_dropped = 0;
	nb_run = 0;
}

struct arg {
	int in;
	int out;
};

static int add_one(void *ctx, void *arg)
{
	struct arg *a = arg;

	(*(int *)ctx)++;
	a->out = a->in + 1;
	return 7;
}

static void drop(void *arg)
{
	(void)arg;
	nb_dropped++;
}

static bool yes(void *arg)
{
	(void)arg;
	return true;
}

/* Plays the control thread: waits to be woken, then runs what is posted. */
static void *serve(void *arg)
{
	struct pollfd pfd = { .fd = rq.wake_fd, .events = POLLIN };

	if (poll(&pfd, 1, LONG_MS) == 1)
		((void (*)(struct sw_requests *))arg)(&rq);
	return NULL;
}

static void test_answer(void)
{
	struct arg a = { .in = 41 };
	pthread_t t;

	pthread_create(&t, NULL, serve, sw_requests_run);
	int ret = sw_request_wait(&rq, add_one, &nb_run, &a, sizeof(a), drop, NULL, NULL, LONG_MS);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(ret, 7);
	CU_ASSERT_EQUAL(a.out, 42);
	CU_ASSERT_EQUAL(nb_run, 1);
	CU_ASSERT_EQUAL(nb_dropped, 0);
}

static void test_timeout(void)
{
	struct arg a = { .in = 41, .out = -1 };
	int ret = sw_request_wait(&rq, add_one, &nb_run, &a, sizeof(a), drop, NULL, NULL, 20);

	CU_ASSERT_EQUAL(ret, -ETIMEDOUT);
	CU_ASSERT_EQUAL(nb_run, 0);

	/*
	 * It runs all the same, late: a ring that was to be taken back must be. The poster is gone.
	 */
	sw_requests_run(&rq);
	CU_ASSERT_EQUAL(nb_run, 1);
	CU_ASSERT_EQUAL(nb_dropped, 1);
	CU_ASSERT_EQUAL(a.out, -1);
}

static void test_refused(void)
{
	struct arg a = { .in = 41 };
	int ret = sw_request_wait(&rq, add_one, &nb_run, &a, sizeof(a), drop, yes, NULL, LONG_MS);

	CU_ASSERT_EQUAL(ret, -ECANCELED);
	sw_requests_run(&rq);
	CU_ASSERT_EQUAL(nb_run, 0);
}

static void test_close_answers(void)
{
	struct arg a = { .in = 1 };
	pthread_t t;

	pthread_create(&t, NULL, serve, sw_requests_close);
	CU_ASSERT_EQUAL(
		sw_request_wait(&rq, add_one, &nb_run, &a, sizeof(a), drop, NULL, NULL, LONG_MS),
		7);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(
		sw_request_wait(&rq, add_one, &nb_run, &a, sizeof(a), drop, NULL, NULL, LONG_MS),
		-ESHUTDOWN);
	CU_ASSERT_EQUAL(nb_run, 1);
}

#define NB_POSTERS 8

static void *post(void *arg)
{
	struct arg a = { .in = *(int *)arg };
	int ret = sw_request_wait(&rq, add_one, &nb_run, &a, sizeof(a), drop, NULL, NULL, LONG_MS);

	return (void *)(intptr_t)(ret == 7 && a.out == a.in + 1);
}

static void test_many(void)
{
	pthread_t posters[NB_POSTERS];
	int in[NB_POSTERS];
	struct timespec end = vh_deadline_ms(LONG_MS), now;

	for (int i = 0; i < NB_POSTERS; i++) {
		in[i] = i * 100;
		pthread_create(&posters[i], NULL, post, &in[i]);
	}
	do {
		sw_requests_run(&rq);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (nb_run < NB_POSTERS && now.tv_sec < end.tv_sec);
	for (int i = 0; i < NB_POSTERS; i++) {
		void *good;

		pthread_join(posters[i], &good);
		CU_ASSERT_PTR_NOT_NULL(good);
	}
}

static const struct unit_test tests[] = {
	{ "the poster gets result and argument back", test_answer },
	{ "a poster that gave up is not written to, its request still runs", test_timeout },
	{ "a refused request is not posted", test_refused },
	{ "closing answers what is posted and refuses what comes", test_close_answers },
	{ "many posters get their own answers", test_many },
};
UNIT_MAIN("switch/request", setup, NULL, tests)
