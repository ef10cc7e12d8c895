/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmit mapping against a model: a container sends frames of every length and layout, the
 * worker lends or copies them as the switch does, a NIC driver transmits in order and frees in any,
 * with a lag, or not before it is stopped. A frame must be what the container wrote until it has
 * been transmitted: the container spoils each buffer as soon as it has it back.
 */
#include "pmd/txpool.h"

#include <errno.h>

#include <rte_ether.h>
#include <rte_mempool.h>

#include "pmd/rxpool.h"
#include "tests/unit/pmd/model.h"

#define NB_COPIES 1023u

/* A buffer that has been taken and not completed. */
struct loan {
	struct rte_mbuf *m; /* NULL: copied, or dropped */
	bool home; /* waits for older ones */
};

/* An mbuf between the worker and its freeing. */
struct flight {
	struct rte_mbuf *m;
	bool lent;
	uint32_t nth; /* the container's buffer */
	uint32_t packet;
	uint32_t len; /* of the frame that the container sent */
};

static struct {
	struct vh_vring *vr;
	struct pmd_txpool *pool;
	struct rte_mempool *copies; /* buffers of the switch's own */
	uint32_t nb_desc;
	uint32_t max_frame;
	bool rude;
	bool mapped;
	bool broken;
	/* By number, as the container posted them: [tail, head) is taken and not completed. */
	struct loan loans[MODEL_SEQS];
	uint32_t head;
	uint32_t tail;
	uint32_t nb_shown; /* of those before tail, what the container has been shown */
	uint32_t packets;
	/* What the NIC does not take yet; then its ring, of which the first ones are transmitted. */
	struct flight waiting[PMD_BURST];
	uint32_t nb_waiting;
	struct flight ring[MODEL_SEQS];
	uint32_t nb_ring;
	uint32_t nb_sent;
} tx;

static struct loan *loan_at(uint32_t nth)
{
	return &tx.loans[nth % MODEL_SEQS];
}

/* ---- the container ---- */

static uint32_t any_length(void)
{
	switch (rnd(16)) {
	case 0:
		return rnd(RTE_ETHER_HDR_LEN); /* none */
	case 1:
	case 2:
		return RTE_ETHER_HDR_LEN + rnd(PMD_MIN_FRAME - RTE_ETHER_HDR_LEN); /* padded */
	case 3:
		return tx.max_frame + rnd(2);
	case 4:
		return tx.max_frame + rnd(50);
	default:
		return RTE_MIN(PMD_MIN_FRAME + rnd(60), tx.max_frame);
	}
}

static void post_one(void)
{
	static uint8_t bytes[MODEL_MAX_STRIDE];
	struct model_buf *b = cont_pick();
	uint32_t hdr_len = tx.vr->hdr_len;
	bool indirect = (tx.vr->flags & VH_RING_INDIRECT) && one_in(8);

	b->frame_len = any_length();
	b->len = hdr_len + b->frame_len;
	b->packet = tx.packets++;
	memset(bytes, 0xee, hdr_len); /* whatever a container puts there */
	packet_write(bytes + hdr_len, b->packet, b->frame_len);
	cont_write(b->place, bytes, b->len);
	if (cont.id_step > 1 && one_in(4))
		b->nb_parts = (uint16_t)(2 + rnd(MODEL_MAX_PARTS - 1));
	if (b->nb_parts > 1 || indirect) {
		cont_post_parts(b, 0, indirect);
		b->nb_parts = MODEL_MAX_PARTS; /* not one descriptor, anyway */
	} else {
		cont_post(b, 0);
	}
}

static void post(void)
{
	uint32_t n = RTE_MIN(rnd(64), cont.nb_ids);

	tell("post %u", n);
	while (n-- > 0)
		post_one();
}

static void harvest(void)
{
	static uint8_t spoiled[MODEL_MAX_STRIDE];
	uint32_t n = tx.nb_shown - cont.nb_seen;

	CHECK(cont_nb_used() == (uint16_t)n);
	tell("harvest %u", n);
	memset(spoiled, 0xdd, cont.stride);
	while (n-- > 0 && !model_failed()) {
		uint32_t len;
		const struct model_buf *b = cont_harvest(&len);

		CHECK(len == 0);
		cont_write(b->place, spoiled, cont.stride);
	}
}

/* ---- the worker ---- */

static enum vh_fit expected_fit(const struct model_buf *b)
{
	if (b->nb_parts > 1)
		return VH_FIT_CHAIN;
	if (b->frame_len < PMD_MIN_FRAME)
		return VH_FIT_SHORT;
	return cont_crosses(b->place, b->len) ? VH_FIT_REGION : VH_FIT;
}

/* The model's side of a completion: the container gets back what is not behind others. */
static void came_home(uint32_t nth)
{
	loan_at(nth)->home = true;
	while (tx.tail != tx.head && loan_at(tx.tail)->home)
		tx.tail++;
}

static void flush(void)
{
	vh_ring_flush(FAKE_KIND, tx.vr);
	tx.nb_shown = tx.tail;
}

static void expect_lent(const struct rte_mbuf *m, const struct model_buf *b)
{
	CHECK(m->buf_iova == (rte_iova_t)(uintptr_t)m->buf_addr);
	CHECK(m->data_off == 0);
	CHECK(m->data_len == b->frame_len && m->pkt_len == b->frame_len);
	CHECK(m->nb_segs == 1 && m->next == NULL && m->ol_flags == 0);
	CHECK(rte_mbuf_refcnt_read(m) == 1);
}

/* Copies the next packet; whether it is one to be sent. */
static bool copy_packet(struct flight *f, struct vh_taken *taken)
{
	const struct model_buf *b = cont_buf(tx.head);
	bool good = b->frame_len >= RTE_ETHER_HDR_LEN && b->frame_len <= tx.max_frame;
	int ret;

	*f = (struct flight){
		.m = rte_pktmbuf_alloc(tx.copies), .packet = b->packet, .len = b->frame_len
	};
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->m);
	ret = vh_ring_copy_tx(FAKE_KIND, tx.vr, f->m, PMD_MIN_FRAME, tx.max_frame, taken);
	CHECK(ret == (good ? 0 : -EMSGSIZE));
	if (!good)
		rte_pktmbuf_free(f->m);
	return good;
}

/* The next buffer, lent or copied as the switch does it; whether there is an mbuf to be sent. */
static bool take_one(struct flight *f)
{
	const struct model_buf *b = cont_buf(tx.head);
	struct vh_tx_buf buf = { .len = 0 };
	enum vh_fit fit = vh_ring_peek_tx(FAKE_KIND, tx.vr, PMD_MIN_FRAME, &buf);

	CHECK(fit == expected_fit(b));
	if (fit == VH_FIT && buf.len <= tx.max_frame) {
		vh_ring_take(FAKE_KIND, tx.vr, buf.taken.entries);
		*f = (struct flight){ .m = pmd_txpool_lend(tx.pool, &buf),
			.lent = true,
			.nth = tx.head,
			.packet = b->packet,
			.len = b->frame_len };
		*loan_at(tx.head++) = (struct loan){ .m = f->m };
		expect_lent(f->m, b);
		return true;
	}

	struct vh_taken taken;
	bool good = copy_packet(f, &taken);

	pmd_txpool_done(tx.pool, taken);
	*loan_at(tx.head) = (struct loan){ .m = NULL };
	came_home(tx.head++);
	return good;
}

static void take(void)
{
	uint16_t room = pmd_txpool_room(tx.pool);
	uint32_t offered = cont.nb_posted - tx.head;
	uint32_t n = RTE_MIN(RTE_MIN(offered, room), 1 + rnd(PMD_BURST));

	/* The worker looks at nothing new while the last burst waits. */
	if (tx.nb_waiting > 0 || tx.broken)
		return;
	tell("take %u of %u", n, offered);
	for (; n > 0; n--) {
		CHECK(vh_ring_avail(FAKE_KIND, tx.vr, 1) > 0);
		if (take_one(&tx.waiting[tx.nb_waiting]))
			tx.nb_waiting++;
	}
	if (tx.head == cont.nb_posted)
		CHECK(vh_ring_avail(FAKE_KIND, tx.vr, 1) == 0);
}

/* ---- the driver ---- */

/* As much of the burst as it has descriptors for, or less. */
static void offer(void)
{
	uint32_t room = tx.nb_desc - tx.nb_ring, n = RTE_MIN(tx.nb_waiting, room);

	if (one_in(4))
		n = rnd(n + 1);
	tell("offer %u of %u, %u are there", n, tx.nb_waiting, tx.nb_ring);
	memcpy(&tx.ring[tx.nb_ring], tx.waiting, n * sizeof(tx.waiting[0]));
	tx.nb_ring += n;
	tx.nb_waiting -= n;
	memmove(tx.waiting, &tx.waiting[n], tx.nb_waiting * sizeof(tx.waiting[0]));
}

static void transmit_one(const struct flight *f)
{
	const uint8_t *data = rte_pktmbuf_mtod(f->m, const uint8_t *);

	CHECK(f->m->data_len == RTE_MAX(f->len, (uint32_t)PMD_MIN_FRAME));
	CHECK(packet_is(data, f->packet, f->len));
	CHECK(bytes_are(data + f->len, 0, f->m->data_len - f->len));
}

static void transmit(void)
{
	uint32_t n = rnd(tx.nb_ring - tx.nb_sent + 1);

	tell("transmit %u", n);
	while (n-- > 0)
		transmit_one(&tx.ring[tx.nb_sent++]);
}

/* One by one, in bulk, or pool by pool as drivers have it. */
static void free_mbufs(const struct flight *f, uint32_t n)
{
	static struct rte_mbuf *m[MODEL_SEQS];
	uint32_t how = rnd(3);

	for (uint32_t i = 0; i < n; i++)
		m[i] = f[i].m;
	if (how == 0)
		rte_pktmbuf_free_bulk(m, n);
	for (uint32_t i = 0, run; how == 1 && i < n; i += run) {
		for (run = 1; i + run < n && m[i + run]->pool == m[i]->pool;)
			run++;
		rte_mempool_put_bulk(m[i]->pool, (void **)&m[i], run);
	}
	for (uint32_t i = 0; how == 2 && i < n; i++)
		rte_pktmbuf_free(m[i]);
	for (uint32_t i = 0; i < n; i++)
		if (f[i].lent)
			came_home(f[i].nth);
}

/* Frees n out of the first `from` in its ring. */
static void free_some(uint32_t from, uint32_t n)
{
	static struct flight freed[MODEL_SEQS];
	bool oldest = !one_in(4), newest = one_in(2);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = oldest ? 0 : newest ? from - i - 1 : rnd(from - i);

		freed[i] = tx.ring[at];
		tx.nb_ring--;
		memmove(&tx.ring[at], &tx.ring[at + 1], (tx.nb_ring - at) * sizeof(freed[0]));
	}
	free_mbufs(freed, n);
}

static void complete(void)
{
	uint32_t n = rnd(tx.nb_sent + 1);

	tell("free %u of %u sent, [%u, %u) out", n, tx.nb_sent, tx.tail, tx.head);
	free_some(tx.nb_sent, n);
	tx.nb_sent -= n;
}

/* Frees what it has not got, in one bulk with its oldest: never lent, completed, or waiting. */
static void misbehave(void)
{
	uint32_t nth = tx.tail + rnd(one_in(2) ? tx.pool->mask + 1u : tx.head - tx.tail + 1);
	uint16_t pos = (uint16_t)(tx.pool->tail + (nth - tx.tail));
	struct rte_mbuf *m[2] = { pmd_headers_at(&tx.pool->headers, pos) };

	if (nth < tx.head && !loan_at(nth)->home)
		return;
	tell("free what is not on loan");
	tx.broken = true;
	if (tx.nb_sent == 0 || !tx.ring[0].lent) {
		rte_mempool_put(tx.pool->headers.mp, m[0]);
		return;
	}
	m[1] = tx.ring[0].m;
	rte_mempool_put_bulk(tx.pool->headers.mp, (void **)m, 2);
	came_home(tx.ring[0].nth);
	tx.nb_sent--;
	tx.nb_ring--;
	memmove(&tx.ring[0], &tx.ring[1], tx.nb_ring * sizeof(tx.ring[0]));
}

/* ---- stop and start ---- */

static void attach(void)
{
	tell("attach");
	CHECK(pmd_txpool_attach(tx.pool, tx.vr) == 0);
	/* As after so many loans. */
	tx.pool->head = (uint16_t)rnd(65536);
	tx.pool->tail = tx.pool->head;
	tx.mapped = true;
	tx.broken = false;
}

/* The worker's tail goes first, then the queue: sent or not, all comes home. */
static void stop_queue(void)
{
	tell("stop with [%u, %u) out", tx.tail, tx.head);
	free_mbufs(tx.waiting, tx.nb_waiting);
	tx.nb_waiting = 0;
	free_some(tx.nb_ring, tx.nb_ring);
	tx.nb_sent = 0;
	CHECK(tx.head == tx.tail);
	CHECK(pmd_txpool_loans(tx.pool) == 0);
}

static void new_pool(void)
{
	static unsigned int nb;
	char name[32];

	CHECK(pmd_txpool_destroy(tx.pool) == 0);
	snprintf(name, sizeof(name), "txpool%u", nb++);
	tx.pool = pmd_txpool_create(name, tx.nb_desc, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(tx.pool);
	tx.broken = false;
}

static void detach(void)
{
	tell("detach");
	CHECK(pmd_txpool_detach(tx.pool) == 0);
	tx.mapped = false;
	if (one_in(2)) {
		uint16_t base = vh_ring_settle(tx.vr);

		tx.nb_shown = tx.tail;
		CHECK(one_in(3) || cont_restart(base));
		tell("restart");
	}
	if (one_in(8))
		new_pool();
}

/* ---- copied: all of it ---- */

static void copy(void)
{
	uint32_t n = RTE_MIN(cont.nb_posted - tx.head, rnd(PMD_BURST));

	tell("copy %u", n);
	for (; n > 0; n--) {
		struct flight f;
		struct vh_taken taken;

		if (copy_packet(&f, &taken)) {
			transmit_one(&f);
			rte_pktmbuf_free(f.m);
		}
		vh_ring_put_used(FAKE_KIND, tx.vr, taken, 0);
		tx.head++;
		tx.tail++;
	}
	flush();
}

/* ---- a run ---- */

static void agree(void)
{
	uint32_t out = tx.head - tx.tail;

	CHECK(pmd_txpool_loans(tx.pool) == out);
	CHECK(pmd_txpool_room(tx.pool) == tx.pool->mask + 1 - out);
	if (out > 0) {
		CHECK(pmd_txpool_detach(tx.pool) == -EBUSY);
		CHECK(pmd_txpool_destroy(tx.pool) == -EBUSY);
	}
	CHECK(pmd_txpool_broken(tx.pool) == tx.broken);
	CHECK(cont_nb_used() == (uint16_t)(tx.nb_shown - cont.nb_seen));
	CHECK(vh_ring_fault(tx.vr) == VH_FAULT_NONE);
}

/* Both sides at rest: nothing is lost, nothing there twice. */
static void check_all(void)
{
	flush();
	harvest();
	CHECK(cont.nb_seen == tx.tail);
	CHECK(fake_nb_taken(&cont.ring) == 0);
	CHECK(rte_mempool_in_use_count(tx.copies) == 0);
	cont_check_all_there();
}

static void new_ring(void)
{
	cont_start();
	tx.nb_desc = 1 + rnd(cont.nb_places);
	tx.head = 0;
	tx.tail = 0;
	tx.nb_shown = 0;
}

static void step_mapped(void)
{
	uint32_t dice = rnd(100);

	if (dice < 2 || (tx.broken && dice < 50)) {
		stop_queue();
		if (tx.broken || one_in(2))
			detach();
	} else if (tx.rude && one_in(200)) {
		misbehave();
	} else if (dice < 30) {
		take();
	} else if (dice < 55) {
		offer();
	} else if (dice < 75) {
		transmit();
	} else if (dice < 95) {
		complete();
	} else {
		flush();
	}
}

static void step_copied(void)
{
	uint32_t dice = rnd(100);

	if (dice < 60) {
		copy();
	} else if (dice < 95) {
		attach();
	} else {
		check_all();
		cont_stop();
		new_ring();
		new_pool();
	}
}

static void step(void)
{
	uint32_t dice = rnd(100);

	if (dice < 25)
		post();
	else if (dice < 40)
		harvest();
	else if (tx.mapped)
		step_mapped();
	else
		step_copied();
	agree();
}

static void begin(void)
{
	static const uint32_t max_frames[] = { 60, 100, 300, 1522 };
	struct rte_mempool *copies = tx.copies;

	memset(&tx, 0, sizeof(tx));
	if (copies == NULL)
		copies = rte_pktmbuf_pool_create(
			"copies", NB_COPIES, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copies);
	tx.copies = copies;
	tx.max_frame = max_frames[rnd(4)];
	tx.rude = one_in(4);
	tx.vr = &cont.ring.vr;
	cont.id_step = one_in(2) ? MODEL_MAX_PARTS : 1;
	cont.stride = sizeof(struct virtio_net_hdr_mrg_rxbuf) + tx.max_frame + 64;
	cont.shift = rnd(cont.stride);
	new_ring();
	new_pool();
}

static void end(void)
{
	if (tx.mapped) {
		stop_queue();
		CHECK(pmd_txpool_detach(tx.pool) == 0);
	}
	check_all();
	agree();
	CHECK(pmd_txpool_destroy(tx.pool) == 0);
	cont_stop();
}

static const struct model_ops ops = { begin, step, end };

static void test_seeds(void)
{
	model_run_seeds(&ops);
}

static const struct unit_test tests[] = {
	{ "random runs", test_seeds },
};

int main(int argc, char **argv)
{
	return model_main(argc, argv, "pmd/model_tx", tests, sizeof(tests) / sizeof(tests[0]));
}
