/* SPDX-License-Identifier: BSD-3-Clause */
/* A split ring's notification, and where it stands when it is settled. */
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W VRING_DESC_F_WRITE

static void put_used(struct fake_ring *f, uint16_t id, uint32_t len)
{
	vh_split_put_used(&f->vr, (struct vh_taken){ .id = id, .entries = 1 }, len);
}

/* ---- notification ---- */

static void complete_some(struct fake_ring *f, uint16_t n)
{
	fake_set_avail(f, f->vr.last_avail + n);
	CU_ASSERT_EQUAL(vh_split_avail(&f->vr, n), n);
	vh_split_take(&f->vr, n);
	for (uint16_t i = 0; i < n; i++)
		put_used(f, 0, 1);
}

static void test_call_flag(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	complete_some(&f, 1);
	CU_ASSERT_TRUE(vh_split_flush(&f.vr));
	CU_ASSERT_FALSE(vh_split_flush(&f.vr)); /* nothing new */
	f.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	complete_some(&f, 1);
	CU_ASSERT_FALSE(vh_split_flush(&f.vr));
	CU_ASSERT_EQUAL(f.used->idx, 2);
	fake_ring_free(&f);
}

/* Completes n buffers from `start` on, with used_event at `event`. */
static bool calls_for(uint16_t start, uint16_t n, uint16_t event)
{
	struct fake_ring f;

	fake_ring_init_at(&f, 8, FAKE_F_EVENT_IDX, start);
	f.avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* has no meaning then */
	fake_set_used_event(&f, event);
	complete_some(&f, n);
	bool call = vh_split_flush(&f.vr);
	fake_ring_free(&f);
	return call;
}

static void test_event_boundaries(void)
{
	CU_ASSERT_FALSE(calls_for(10, 3, 9));
	CU_ASSERT_TRUE(calls_for(10, 3, 10));
	CU_ASSERT_TRUE(calls_for(10, 3, 11));
	CU_ASSERT_TRUE(calls_for(10, 3, 12));
	CU_ASSERT_FALSE(calls_for(10, 3, 13));
	CU_ASSERT_FALSE(calls_for(10, 3, 10 + 32768));
	CU_ASSERT_TRUE(calls_for(10, 1, 10));
	CU_ASSERT_FALSE(calls_for(10, 1, 11));
}

static void test_event_wrap(void)
{
	CU_ASSERT_FALSE(calls_for(65534, 3, 65533));
	CU_ASSERT_TRUE(calls_for(65534, 3, 65534));
	CU_ASSERT_TRUE(calls_for(65534, 3, 65535));
	CU_ASSERT_TRUE(calls_for(65534, 3, 0));
	CU_ASSERT_FALSE(calls_for(65534, 3, 1));
	CU_ASSERT_TRUE(calls_for(65535, 1, 65535)); /* new index is 0 */
	CU_ASSERT_FALSE(calls_for(65535, 1, 0));
	CU_ASSERT_TRUE(calls_for(0, 1, 0));
	CU_ASSERT_FALSE(calls_for(0, 1, 65535));
}

/* Against the kernel's own function, near the wrap and elsewhere. */
static void test_event_like_the_kernel(void)
{
	struct fake_ring f;
	uint32_t bad = 0;

	fake_ring_init_at(&f, 8, FAKE_F_EVENT_IDX, 65500);
	for (uint32_t turn = 0; turn < 400; turn++) {
		uint16_t old = f.vr.last_used, n = turn % 8 + 1;
		uint16_t event = (uint16_t)(old + turn % 13 - 2);

		fake_set_used_event(&f, event);
		complete_some(&f, n);
		bad += vh_split_flush(&f.vr) != !!vring_need_event(event, old + n, old);
	}
	CU_ASSERT_EQUAL(bad, 0);
	fake_ring_free(&f);
}

static void test_call_writes_the_eventfd(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	CU_ASSERT_FALSE(fake_was_called(&f));
	vh_ring_call(&f.vr);
	CU_ASSERT_TRUE(fake_was_called(&f));
	fake_ring_free(&f);
}

/* ---- settle ---- */

static void test_settle(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 8, 0, 65534);
	for (uint16_t i = 0; i < 6; i++)
		fake_post(&f, i, FAKE_GPA_DATA, 2048, W);
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 6), 6);
	vh_split_take(&f.vr, 5);
	put_used(&f, 0, 60);
	put_used(&f, 1, 61);
	put_used(&f, 2, 62);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 1);
	CU_ASSERT_EQUAL(f.used->idx, 1);
	/* by the control thread, which no container may block */
	CU_ASSERT_FALSE(fake_was_called(&f));
	/* the two that were taken and not completed are next */
	CU_ASSERT_EQUAL(vh_split_avail(&f.vr, 3), 3);
	CU_ASSERT_EQUAL(vh_split_peek_rx(&f.vr, 0, 100, &buf), VH_FIT);
	CU_ASSERT_EQUAL(buf.id, 3);
	fake_ring_free(&f);
}

static void test_settle_again(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	complete_some(&f, 2);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 2);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 2);
	CU_ASSERT_EQUAL(f.used->idx, 2);
	fake_ring_free(&f);
}

static void test_settle_without_a_call(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, 0);
	f.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	complete_some(&f, 2);
	CU_ASSERT_EQUAL(vh_split_settle(&f.vr), 2);
	CU_ASSERT_EQUAL(f.used->idx, 2);
	CU_ASSERT_FALSE(fake_was_called(&f));
	fake_ring_free(&f);
}

static const struct unit_test tests[] = {
	{ "call: the avail ring's flag", test_call_flag },
	{ "call: exact boundaries of used_event", test_event_boundaries },
	{ "call: used_event around 65535", test_event_wrap },
	{ "call: used_event as the kernel decides", test_event_like_the_kernel },
	{ "call: writes the eventfd", test_call_writes_the_eventfd },
	{ "settle: completes and gives back the rest", test_settle },
	{ "settle: twice is harmless", test_settle_again },
	{ "settle: respects the container's wish", test_settle_without_a_call },
};

UNIT_MAIN("vhost/split_call", NULL, NULL, tests)
