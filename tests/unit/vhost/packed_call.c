/* SPDX-License-Identifier: BSD-3-Clause */
/* A packed ring's event suppression, and where it stands when it is settled. */
#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define P    FAKE_F_PACKED
#define WRAP 0x8000u /* in a base */

/* ---- notification ---- */

/* With nothing more to show, the ring's owner asks at last, however patient it was. */
static bool flush(struct fake_ring *f)
{
	bool call = vh_packed_flush(&f->vr);

	return vh_packed_flush(&f->vr) || call;
}

static void test_call_flags(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P);
	fake_complete(&f, 1);
	CU_ASSERT_TRUE(flush(&f));
	CU_ASSERT_FALSE(vh_packed_flush(&f.vr)); /* nothing new */
	f.driver_event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	fake_complete(&f, 1);
	CU_ASSERT_FALSE(flush(&f));
	CU_ASSERT_EQUAL(fake_nb_used(&f), 2);
	/* not negotiated, and reserved: rather a call too many */
	fake_set_event(&f, 5, true);
	fake_complete(&f, 1);
	CU_ASSERT_TRUE(flush(&f));
	f.driver_event->flags = 3;
	fake_complete(&f, 1);
	CU_ASSERT_TRUE(flush(&f));
	fake_ring_free(&f);
}

static void test_call_flags_with_event_idx(void)
{
	struct fake_ring f;

	fake_ring_init(&f, 8, P | FAKE_F_EVENT_IDX);
	f.driver_event->off_wrap = 5; /* has no meaning unless flags say so */
	fake_complete(&f, 1);
	CU_ASSERT_TRUE(flush(&f));
	f.driver_event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	fake_complete(&f, 7);
	CU_ASSERT_FALSE(flush(&f));
	f.driver_event->flags = 3;
	fake_complete(&f, 1);
	CU_ASSERT_TRUE(flush(&f));
	fake_ring_free(&f);
}

/* Whether completing n buffers from `base` on calls a container that waits for an entry. */
static bool calls_for(uint32_t size, uint16_t base, uint16_t n, uint16_t place, bool wrap)
{
	struct fake_ring f;

	fake_ring_init_at(&f, size, P | FAKE_F_EVENT_IDX, base);
	fake_set_event(&f, place, wrap);
	fake_complete(&f, n);
	bool call = vh_packed_flush(&f.vr);
	fake_ring_free(&f);
	return call;
}

static void test_event_boundaries(void)
{
	CU_ASSERT_FALSE(calls_for(16, WRAP | 10, 3, 9, true));
	CU_ASSERT_TRUE(calls_for(16, WRAP | 10, 3, 10, true));
	CU_ASSERT_TRUE(calls_for(16, WRAP | 10, 3, 11, true));
	CU_ASSERT_TRUE(calls_for(16, WRAP | 10, 3, 12, true));
	CU_ASSERT_FALSE(calls_for(16, WRAP | 10, 3, 13, true));
	for (uint16_t place = 0; place < 16; place++) /* of the other round: gone, or to come */
		CU_ASSERT_FALSE(calls_for(16, WRAP | 10, 3, place, false));
	CU_ASSERT_TRUE(calls_for(16, 10, 1, 10, false));
	CU_ASSERT_FALSE(calls_for(16, 10, 1, 10, true));
	CU_ASSERT_FALSE(calls_for(16, 10, 1, 11, false));
}

static void test_event_wrap(void)
{
	/* entries 6, 0, 1 of a ring of 7 */
	CU_ASSERT_FALSE(calls_for(7, WRAP | 6, 3, 5, true));
	CU_ASSERT_TRUE(calls_for(7, WRAP | 6, 3, 6, true));
	CU_ASSERT_TRUE(calls_for(7, WRAP | 6, 3, 0, false));
	CU_ASSERT_TRUE(calls_for(7, WRAP | 6, 3, 1, false));
	CU_ASSERT_FALSE(calls_for(7, WRAP | 6, 3, 2, false));
	CU_ASSERT_FALSE(calls_for(7, WRAP | 6, 3, 0, true));
	CU_ASSERT_FALSE(calls_for(7, WRAP | 6, 3, 6, false));
	/* up to the end, which is the next round's beginning */
	CU_ASSERT_TRUE(calls_for(7, 4, 3, 6, false));
	CU_ASSERT_FALSE(calls_for(7, 4, 3, 0, true));
	/* all of it at once */
	for (uint16_t i = 0; i < 7; i++) {
		CU_ASSERT_TRUE(calls_for(7, WRAP | 3, 7, i, i >= 3));
		CU_ASSERT_FALSE(calls_for(7, WRAP | 3, 7, i, i < 3));
	}
	CU_ASSERT_TRUE(calls_for(1, WRAP, 1, 0, true));
	CU_ASSERT_FALSE(calls_for(1, WRAP, 1, 0, false));
	CU_ASSERT_TRUE(calls_for(1, 0, 1, 0, false));
	CU_ASSERT_TRUE(calls_for(32768, 32767, 32768, 32767, false));
	CU_ASSERT_TRUE(calls_for(32768, 32767, 32768, 32766, true));
	/* no such entry */
	CU_ASSERT_FALSE(calls_for(7, WRAP | 6, 3, 0x7fff, true));
	CU_ASSERT_FALSE(calls_for(7, WRAP | 6, 3, 0x7fff, false));
}

/* Every start, batch and wish on a small ring, beside a count from the ring's first entry on. */
static void test_event_table(void)
{
	uint32_t bad = 0, calls = 0;
	struct fake_ring f;

	fake_ring_init(&f, 5, P | FAKE_F_EVENT_IDX);
	for (uint32_t pos = 0, turn = 0; turn < 1000; turn++) {
		uint16_t n = (uint16_t)(turn % 5 + 1);
		/* among the last round's entries and the next one's */
		uint32_t event = pos + 5 - turn / 5 % 10;

		fake_set_event(&f, (uint16_t)((event + 5) % 5), ((event + 5) / 5) % 2);
		fake_complete(&f, n);
		bool call = vh_packed_flush(&f.vr), due = event - pos < n;
		bad += call != due;
		calls += call;
		fake_nb_used(&f);
		pos += n;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(calls > 200);
	fake_ring_free(&f);
}

/* ---- settle ---- */

static void test_settle(void)
{
	struct fake_ring f;
	struct vh_rx_buf buf;

	fake_ring_init_at(&f, 8, P, WRAP | 6);
	fake_post_some(&f, 40, 6);
	fake_take(&f, 5);
	fake_put_used(&f, 40, 1, 60);
	fake_put_used(&f, 41, 1, 61);
	fake_put_used(&f, 42, 1, 62);
	CU_ASSERT_EQUAL(vh_ring_settle(&f.vr), 1); /* the other round */
	CU_ASSERT_EQUAL(fake_nb_used(&f), 3);
	/* by the control thread, which no container may block */
	CU_ASSERT_FALSE(fake_was_called(&f));
	/* the two that were taken and not completed are next */
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	CU_ASSERT_EQUAL(vh_packed_peek_rx(&f.vr, 0, 100, &buf), VH_FIT);
	CU_ASSERT_EQUAL(buf.id, 43);
	/* again, with nothing new */
	CU_ASSERT_EQUAL(vh_ring_settle(&f.vr), 1);
	CU_ASSERT_EQUAL(fake_nb_used(&f), 3);
	CU_ASSERT_EQUAL(vh_packed_avail(&f.vr, 8), 3);
	fake_ring_free(&f);
}

/* From base to base, all around and back, with entries on loan each time. */
static void test_base_round_trips(void)
{
	static const uint32_t some[] = { 1, 2, 7, 255, 256, 32768 };

	for (size_t s = 0; s < RTE_DIM(some); s++) {
		uint32_t size = some[s], bad = 0;
		uint16_t all = (uint16_t)size, step = (uint16_t)(size / 3 + 1);
		const char *why = "";
		struct fake_ring f;
		uint16_t pos = 0;

		fake_ring_init(&f, size, P);
		fake_post_some(&f, 0, all);
		for (uint32_t i = 0; i < 13; i++) {
			bad += vh_packed_avail(&f.vr, all) != all;
			vh_packed_take(&f.vr, all);
			for (uint16_t n = 0; n < step; n++)
				fake_put_used(&f, pos + n, 1, 60);
			uint16_t base = vh_ring_settle(&f.vr);
			pos += step;
			bad += base != (pos % size | (pos / size % 2 == 0 ? WRAP : 0));
			bad += fake_nb_used(&f) != pos;
			fake_post_some(&f, 0, step);
			f.setup.base = base;
			bad += vh_ring_start(&f.vr, &f.setup, &why) != 0;
		}
		CU_ASSERT_EQUAL(bad, 0);
		fake_ring_free(&f);
	}
}

static const struct unit_test tests[] = {
	{ "call: enabled, disabled", test_call_flags },
	{ "call: enabled, disabled with EVENT_IDX", test_call_flags_with_event_idx },
	{ "call: exact boundaries of an event", test_event_boundaries },
	{ "call: an event around the end", test_event_wrap },
	{ "call: every event in ten rounds", test_event_table },
	{ "settle: completes and gives back the rest", test_settle },
	{ "settle: the base is where it starts", test_base_round_trips },
};

UNIT_MAIN("vhost/packed_call", NULL, NULL, tests)
