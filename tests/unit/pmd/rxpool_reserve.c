/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers that are taken for a driver before it starts its queue. */
#include "pmd/rxpool.h"

#include <stdlib.h>

#include "tests/unit/pmd/rx_rig.h"

static void test_handed_out_in_order(void)
{
	struct rte_mbuf *m[NB_DESC], *more;

	start();
	post_many(NB_DESC + 4);
	CU_ASSERT_EQUAL_FATAL(pmd_rxpool_reserve(pool, NB_DESC), VH_FIT);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), NB_DESC);
	CU_ASSERT_EQUAL(alloc(m, 1), 0);
	CU_ASSERT_EQUAL(alloc(m + 1, 5), 0);
	for (uint32_t i = 6; i < NB_DESC; i++)
		CU_ASSERT_EQUAL(alloc(m + i, 1), 0);
	/* these and no others */
	CU_ASSERT_EQUAL(alloc(&more, 1), -ENOBUFS);
	pmd_rxpool_release(pool);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), NB_DESC);
	CU_ASSERT_EQUAL(alloc(&more, 1), 0);
	receive_all(m, NB_DESC);
	publish(m, NB_DESC);
	for (uint16_t i = 0; i < NB_DESC; i++) {
		expect_used(i, nth_id(i), 60u + i);
		CU_ASSERT(header_is_clean(nth_id(i), HDR));
	}
	rte_pktmbuf_free(more);
	expect_clean();
	stop();
}

/* The container changes its mind: too late. */
static void test_descriptors_change_meanwhile(void)
{
	struct rte_mbuf *m[NB_DESC];

	start();
	post_many(NB_DESC);
	CU_ASSERT_EQUAL_FATAL(pmd_rxpool_reserve(pool, NB_DESC), VH_FIT);
	for (uint32_t i = 0; i < NB_DESC; i++)
		fake_post(&ring, nth_id(i), FAKE_GPA - 1, 1, 0);
	for (uint32_t i = 0; i < NB_DESC; i++)
		CU_ASSERT_EQUAL_FATAL(alloc(m + i, 1), 0);
	pmd_rxpool_release(pool);
	receive_all(m, NB_DESC);
	publish(m, NB_DESC);
	for (uint16_t i = 0; i < NB_DESC; i++)
		CU_ASSERT(frame_is(nth_id(i), HDR, 60u + i, (uint8_t)i));
	expect_clean();
	stop();
}

static void test_not_taken_is_offered_again(void)
{
	struct rte_mbuf *m[NB_DESC];

	start();
	post_many(NB_DESC);
	CU_ASSERT_EQUAL_FATAL(pmd_rxpool_reserve(pool, NB_DESC), VH_FIT);
	pmd_rxpool_release(pool);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	pmd_rxpool_release(pool); /* again is harmless */
	CU_ASSERT_EQUAL_FATAL(alloc(m, NB_DESC), 0);
	receive_all(m, NB_DESC);
	publish(m, NB_DESC);
	expect_used(0, nth_id(0), 60);
	expect_clean();
	stop();
}

/* The driver fails for another reason, and frees what it got, oldest first or not. */
static void check_driver_fails(bool oldest_first, bool before_release)
{
	struct rte_mbuf *m[5];

	start();
	post_many(NB_DESC);
	CU_ASSERT_EQUAL_FATAL(pmd_rxpool_reserve(pool, NB_DESC), VH_FIT);
	CU_ASSERT_EQUAL_FATAL(alloc(m, 5), 0);
	if (!before_release)
		pmd_rxpool_release(pool);
	for (uint32_t i = 0; i < 5; i++)
		rte_pktmbuf_free(m[oldest_first ? i : 4 - i]);
	if (before_release)
		pmd_rxpool_release(pool);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	CU_ASSERT_EQUAL(pmd_rxpool_reserve(pool, NB_DESC), VH_FIT);
	pmd_rxpool_release(pool);
	expect_clean();
	stop();
}

static void test_driver_fails(void)
{
	check_driver_fails(true, true);
	check_driver_fails(true, false);
	check_driver_fails(false, true);
	check_driver_fails(false, false);
}

static void test_too_few(void)
{
	struct rte_mbuf *m;

	start();
	post_many(NB_DESC - 1);
	CU_ASSERT_EQUAL(pmd_rxpool_reserve(pool, NB_DESC), VH_FIT_EMPTY);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	pmd_rxpool_release(pool);
	CU_ASSERT_EQUAL(alloc(&m, 1), 0);
	rte_pktmbuf_free(m);
	stop();
}

static void test_unfit(void)
{
	start();
	post_many(3);
	post_len(nth_id(3), HDR + BUF_SIZE - 1);
	CU_ASSERT_EQUAL(pmd_rxpool_reserve(pool, 2), VH_FIT_SHORT);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	CU_ASSERT_EQUAL(nb_taken_ever(), 0);
	stop();
}

/* A driver that takes buffers as packets come. */
static void test_none(void)
{
	struct rte_mbuf *m;

	start();
	post_many(2);
	CU_ASSERT_EQUAL(pmd_rxpool_reserve(pool, 0), VH_FIT);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	pmd_rxpool_release(pool);
	CU_ASSERT_EQUAL(alloc(&m, 1), 0);
	rte_pktmbuf_free(m);
	stop();
}

static void test_release_on_host_buffers(void)
{
	start_host();
	pmd_rxpool_release(pool);
	CU_ASSERT_EQUAL(pmd_rxpool_loans(pool), 0);
	stop_host();
}

static const struct unit_test tests[] = {
	{ "handed out in order, in any portions", test_handed_out_in_order },
	{ "descriptors change meanwhile", test_descriptors_change_meanwhile },
	{ "what is not taken is offered again", test_not_taken_is_offered_again },
	{ "the driver fails and frees", test_driver_fails },
	{ "too few are offered", test_too_few },
	{ "one of them does not fit", test_unfit },
	{ "none is wanted", test_none },
	{ "release on host buffers", test_release_on_host_buffers },
};

int main(void)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret =
		unit_run("pmd/rxpool_reserve", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
	rte_eal_cleanup();
	return ret;
}
