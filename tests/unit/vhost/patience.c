/* SPDX-License-Identifier: BSD-3-Clause */
/* How often a container that polls is asked whether it wants to be called: VH_RING_PATIENCE. */
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

static struct fake_ring ring;

static bool flush(void)
{
	return vh_ring_flush(FAKE_KIND, &ring.vr);
}

/* A ring whose container has just been found to want no call. */
static void start_patient(void)
{
	fake_ring_init(&ring, 8, FAKE_F_KIND);
	fake_want_calls(&ring, false);
	fake_complete(&ring, 1);
	CU_ASSERT_FALSE(flush());
}

static void test_asked_after_a_while(void)
{
	start_patient();
	fake_want_calls(&ring, true);
	for (uint16_t i = 0; i < VH_RING_PATIENCE; i++) {
		fake_complete(&ring, 1);
		CU_ASSERT_FALSE(flush());
		CU_ASSERT_EQUAL(fake_nb_used(&ring), i + 2); /* shown at once all the same */
	}
	fake_complete(&ring, 1);
	CU_ASSERT_TRUE(flush());
	CU_ASSERT_FALSE(flush());
	fake_ring_free(&ring);
}

/* The first turn with nothing to show: a sleeper waits no longer than that. */
static void test_asked_when_idle(void)
{
	start_patient();
	CU_ASSERT_FALSE(flush());
	fake_want_calls(&ring, true);
	fake_complete(&ring, 1);
	CU_ASSERT_FALSE(flush());
	CU_ASSERT_TRUE(flush());
	CU_ASSERT_FALSE(flush());
	fake_ring_free(&ring);
}

/* One that wants calls gets each at once. */
static void test_not_with_sleepers(void)
{
	start_patient();
	fake_want_calls(&ring, true);
	fake_complete(&ring, 1);
	flush();
	CU_ASSERT_TRUE(flush());
	for (int i = 0; i < 100; i++) {
		fake_complete(&ring, 1);
		CU_ASSERT_TRUE(flush());
	}
	fake_ring_free(&ring);
}

static const struct unit_test tests[] = {
	{ "patience: a busy ring's container is asked after a while", test_asked_after_a_while },
	{ "patience: an idle ring's at once", test_asked_when_idle },
	{ "patience: none with a container that sleeps", test_not_with_sleepers },
};

UNIT_MAIN("vhost/patience", NULL, NULL, tests)
