/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model of model_rx.c: its state, the container's side, and how the driver gets buffers and
 * gives them back.
 */
#ifndef TESTS_UNIT_PMD_MODEL_RX_H
#define TESTS_UNIT_PMD_MODEL_RX_H

#include <rte_mempool.h>

#include "pmd/rxpool.h"
#include "tests/unit/pmd/model.h"

#define W     VRING_DESC_F_WRITE
#define GUARD 32u /* bytes behind a buffer that nobody may write */
#define TCI   0x2123u /* of tagged packets */
#define SOIL  0xee /* what a container's buffer is full of */

/* What the container has to find in a buffer (model_buf.what). */
enum what {
	POSTED,
	FRAME, /* a packet */
	FILLER, /* zeroes for a buffer that came home unfilled */
};

/* A buffer with the driver. */
struct loan {
	struct rte_mbuf *m;
	bool home; /* unfilled, behind one that is out */
};

static struct {
	struct vh_vring *vr;
	struct pmd_rxpool *pool;
	struct pmd_rx_stats stats; /* the real ones */
	struct pmd_rx_stats want; /* what they have to be */
	uint64_t refusals;
	uint32_t nb_desc; /* that the driver fills at its start */
	uint32_t buf_size;
	uint32_t need; /* of a buffer, for it to be lent */
	bool odd_bufs; /* the container posts some that do not fit */
	bool rude; /* the driver makes mistakes at times */
	bool mapped;
	enum pmd_rx_fault fault;
	/* By number, as the container posted them: [tail, head) is on loan. */
	struct loan loans[MODEL_SEQS];
	uint32_t head;
	uint32_t tail;
	uint32_t nb_shown; /* of those before tail, what the container has been shown */
	uint32_t packets;
	/* What happened at all, so that a run which does nothing shows. */
	uint64_t stops, remaps, copies;
} rx;

static inline struct loan *loan_at(uint32_t nth)
{
	return &rx.loans[nth % MODEL_SEQS];
}

/* ---- the container ---- */

static inline void post_one(void)
{
	static uint8_t soil[MODEL_MAX_STRIDE];
	struct model_buf *b = cont_pick();

	memset(soil, SOIL, cont.stride);
	cont_write(b->place, soil, cont.stride);
	b->len = rx.need + rnd(GUARD / 2);
	if (!rx.odd_bufs || !one_in(200)) {
		cont_post(b, W);
	} else if (one_in(2)) {
		b->len = rx.need - 1;
		cont_post(b, W);
	} else {
		b->nb_parts = 2;
		cont_post_parts(b, W, one_in(2) && (rx.vr->flags & VH_RING_INDIRECT));
	}
}

static inline void post(void)
{
	uint32_t n = RTE_MIN(rnd(64), cont.nb_ids);

	tell("post %u", n);
	while (n-- > 0)
		post_one();
}

static inline bool fits(const struct model_buf *b)
{
	return b->nb_parts == 1 && b->len >= rx.need && !cont_crosses(b->place, rx.need);
}

/* Whether the next n buffers are there and fit. */
static inline bool offered(uint32_t n)
{
	if (n > cont.nb_posted - rx.head)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!fits(cont_buf(rx.head + i)))
			return false;
	return true;
}

static inline bool tagged_frame_is(const uint8_t *at, uint32_t packet, uint32_t len)
{
	static const uint8_t tag[] = { 0x81, 0x00, TCI >> 8, TCI & 0xff };

	if (!packet_is(at, packet, 12) || memcmp(at + 12, tag, sizeof(tag)) != 0)
		return false;
	for (uint32_t i = 16; i < len; i++)
		if (at[i] != packet_byte(packet, i - 4))
			return false;
	return true;
}

static inline void harvest_one(void)
{
	static uint8_t at[MODEL_MAX_STRIDE];
	struct virtio_net_hdr_mrg_rxbuf hdr = { .num_buffers = 1 };
	uint32_t len, hdr_len = rx.vr->hdr_len;
	const struct model_buf *b = cont_harvest(&len);
	const uint8_t *frame = at + hdr_len;

	cont_read(b->place, at, cont.stride);
	CHECK(len == hdr_len + b->frame_len);
	CHECK(memcmp(at, &hdr, hdr_len) == 0);
	if (b->what == FILLER)
		CHECK(bytes_are(frame, 0, PMD_MIN_FRAME));
	else if (b->tagged)
		CHECK(tagged_frame_is(frame, b->packet, b->frame_len));
	else if (CHECK(b->what == FRAME))
		CHECK(packet_is(frame, b->packet, b->frame_len));
	if (!b->soiled)
		CHECK(bytes_are(frame + b->frame_len, SOIL, b->len - len));
	CHECK(bytes_are(at + b->len, SOIL, cont.stride - b->len));
}

static inline void harvest(void)
{
	uint32_t n = rx.nb_shown - cont.nb_seen;

	CHECK(cont_nb_used() == (uint16_t)n);
	tell("harvest %u", n);
	while (n-- > 0 && !model_failed())
		harvest_one();
}

/* ---- the worker ---- */

static inline void flush(void)
{
	vh_ring_flush(FAKE_KIND, rx.vr);
	rx.nb_shown = rx.tail;
}

/* ---- the driver ---- */

/* As drivers do: one by one, in bulk, or raw, where all but our own fields is theirs to set. */
static inline bool get_mbufs(struct rte_mbuf **m, uint32_t n)
{
	if (n == 1 && one_in(2)) {
		m[0] = rte_pktmbuf_alloc(rx.pool->headers.mp);
		return m[0] != NULL;
	}
	if (one_in(2))
		return rte_pktmbuf_alloc_bulk(rx.pool->headers.mp, m, n) == 0;
	if (rte_mempool_get_bulk(rx.pool->headers.mp, (void **)m, n) != 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->port = 0;
		m[i]->ol_flags = 0;
	}
	return true;
}

static inline bool alloc(uint32_t n)
{
	static struct rte_mbuf *m[MODEL_SEQS];
	uint32_t room = rx.pool->mask + 1 - (rx.head - rx.tail);
	bool ok = get_mbufs(m, n);

	tell("alloc %u: %s", n, ok ? "yes" : "no");
	CHECK(ok == (n <= room && offered(n)));
	if (!ok && n <= room && n <= cont.nb_posted - rx.head)
		CHECK(pmd_rxpool_unfit(rx.pool) != VH_FIT);
	rx.refusals += !ok;
	for (uint32_t i = 0; ok && i < n; i++, rx.head++) {
		uint64_t gpa = cont_gpa(cont_buf(rx.head)->place) + rx.vr->hdr_len;

		*loan_at(rx.head) = (struct loan){ .m = m[i] };
		*rte_pktmbuf_mtod(m[i], uint8_t *) = 0x5a;
		CHECK(*fake_ptr(&cont.ring, gpa) == 0x5a);
		CHECK(m[i]->buf_len == RTE_PKTMBUF_HEADROOM + rx.buf_size);
		CHECK(m[i]->data_off == RTE_PKTMBUF_HEADROOM);
		CHECK(rte_mbuf_iova_get(m[i]) == (rte_iova_t)(uintptr_t)m[i]->buf_addr);
	}
	return ok;
}

/* Half of a frame that was not to be, or a tag where the header stands. */
static inline void soil(uint32_t nth)
{
	struct rte_mbuf *m = loan_at(nth)->m;

	memset(rte_pktmbuf_mtod(m, void *), 0x77, rnd(rx.buf_size + 1));
	if (one_in(2))
		memset(rte_pktmbuf_mtod(m, uint8_t *) - 4, 0x77, 4);
}

/* The model's side of a buffer that comes home unfilled: the newest are on offer again. */
static inline void came_home(uint32_t nth)
{
	loan_at(nth)->home = true;
	cont_buf(nth)->soiled = true;
	while (rx.head != rx.tail && loan_at(rx.head - 1)->home)
		rx.head--;
}

static inline void give_back(uint32_t nth)
{
	struct rte_mbuf *m = loan_at(nth)->m;

	if (one_in(4))
		soil(nth);
	came_home(nth);
	if (one_in(2))
		rte_pktmbuf_free(m);
	else
		rte_mempool_put(rx.pool->headers.mp, m);
}

static inline void give_back_some(void)
{
	uint32_t order = rnd(3);

	for (uint32_t n = 1 + rnd(4); n > 0 && rx.head != rx.tail; n--) {
		uint32_t at = rnd(rx.head - rx.tail);
		uint32_t nth = order == 0 ? rx.head - 1 : order == 1 ? rx.tail : rx.tail + at;

		if (loan_at(nth)->home)
			continue;
		tell("give back %u of [%u, %u)", nth, rx.tail, rx.head);
		give_back(nth);
	}
}

#endif /* TESTS_UNIT_PMD_MODEL_RX_H */
