/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive mapping against a model: a container posts at random, a NIC driver allocates, delivers
 * in order, drops, gives back, stops and starts as drivers may, and now and then as they must not.
 * After each step the real pool and ring are where the model is; the container finds each buffer
 * used once, in the order of posting, with the packet that came next or a filler.
 */
#include "pmd/rxpool.h"

#include <errno.h>

#include <rte_ether.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/model_rx.h"

/* ---- packets ---- */

/* What becomes of a delivered packet, if the order allows. */
enum fate {
	GOOD,
	BAD_LENGTH,
	NO_ROOM_FOR_TAG, /* found out when it is its turn */
	SEGMENTS,
	NOT_ON_LOAN,
};

struct delivery {
	struct rte_mbuf *m;
	uint32_t nth; /* the container's buffer */
	uint32_t second; /* that of the other segment */
	enum fate fate;
	uint32_t packet;
	uint32_t frame_len; /* for the container */
	bool tagged;
	bool moved;
};

static void write_frame(struct delivery *d, uint32_t len)
{
	packet_write(rte_pktmbuf_mtod(d->m, uint8_t *), d->packet, len);
	d->m->data_len = (uint16_t)len;
	d->m->pkt_len = len;
	d->frame_len = len;
}

/* The tag is in front, as af_packet puts it back, or the NIC has taken it out. */
static void write_tagged(struct delivery *d, uint32_t len, bool stripped)
{
	write_frame(d, len);
	d->m->vlan_tci = TCI;
	d->tagged = true;
	d->frame_len += RTE_VLAN_HLEN;
	if (stripped)
		d->m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	else
		CHECK(rte_vlan_insert(&d->m) == 0);
	if (d->frame_len > rx.buf_size)
		d->fate = stripped ? NO_ROOM_FOR_TAG : BAD_LENGTH;
}

/* Frames that are not where or what they should be. */
static void write_odd(struct delivery *d)
{
	uint32_t len = 14 + rnd(RTE_MIN(rx.buf_size - 13, 100u));

	cont_buf(d->nth)->soiled = true;
	d->moved = true;
	switch (rnd(5)) {
	case 0:
		write_frame(d, rnd(RTE_ETHER_HDR_LEN));
		d->fate = BAD_LENGTH;
		break;
	case 1: /* longer than the buffer, says the driver */
		write_frame(d, len);
		d->m->data_len = (uint16_t)(rx.buf_size + 1 + rnd(1000));
		d->m->pkt_len = d->m->data_len;
		d->fate = BAD_LENGTH;
		break;
	case 2:
	case 3:
		write_tagged(d, len, one_in(2));
		break;
	default:
		d->m->data_off += (uint16_t)rnd(rx.buf_size - len + 1);
		d->moved = d->m->data_off != RTE_PKTMBUF_HEADROOM;
		write_frame(d, len);
		break;
	}
}

/* A packet for the nth buffer; *next is the one behind it. */
static struct delivery make_packet(uint32_t nth, uint32_t *next)
{
	struct delivery d = { .m = loan_at(nth)->m, .nth = nth, .packet = rx.packets++ };

	if (one_in(8)) {
		write_odd(&d);
		return d;
	}
	write_frame(
		&d, one_in(8) ? 14 + rnd(rx.buf_size - 13) : RTE_MIN(60 + rnd(40), rx.buf_size));
	/* A second segment, which the driver took from the next buffer. */
	if (one_in(100) && *next < rx.head && !loan_at(*next)->home) {
		d.second = (*next)++;
		loan_at(d.second)->m->data_len = 10;
		CHECK(rte_pktmbuf_chain(d.m, loan_at(d.second)->m) == 0);
		d.fate = SEGMENTS;
	}
	return d;
}

static void dropped(const struct delivery *d, uint64_t *counter)
{
	(*counter)++;
	if (d->fate == NOT_ON_LOAN)
		return;
	came_home(d->nth);
	if (d->fate == SEGMENTS)
		came_home(d->second);
}

/* Whether all before the nth have come home; then they become fillers. */
static bool overtakes_nothing(uint32_t nth)
{
	for (uint32_t i = rx.tail; i != nth; i++)
		if (!loan_at(i)->home)
			return false;
	for (; rx.tail != nth; rx.tail++) {
		cont_buf(rx.tail)->what = FILLER;
		cont_buf(rx.tail)->frame_len = PMD_MIN_FRAME;
		rx.want.fillers++;
	}
	return true;
}

/* The model's side of one delivered packet. */
static void delivered(const struct delivery *d)
{
	struct model_buf *b = cont_buf(d->nth);

	rx.want.packets++;
	if (rx.fault != PMD_RX_FAULT_NONE) {
		dropped(d, &rx.want.drop_order);
	} else if (d->fate == SEGMENTS) {
		dropped(d, &rx.want.drop_segments);
	} else if (d->fate == BAD_LENGTH) {
		dropped(d, &rx.want.drop_length);
	} else if (d->fate == NOT_ON_LOAN) {
		rx.fault = PMD_RX_FAULT_FOREIGN;
		dropped(d, &rx.want.drop_order);
	} else if (!overtakes_nothing(d->nth)) {
		rx.fault = PMD_RX_FAULT_ORDER;
		dropped(d, &rx.want.drop_order);
	} else if (d->fate == NO_ROOM_FOR_TAG) {
		dropped(d, &rx.want.drop_length);
	} else {
		b->what = FRAME;
		b->packet = d->packet;
		b->frame_len = d->frame_len;
		b->tagged = d->tagged;
		rx.want.mapped++;
		rx.want.relocated += d->moved;
		rx.want.bytes += d->frame_len;
		rx.tail++;
	}
}

static void publish(const struct delivery *d, uint16_t n)
{
	struct rte_mbuf *m[PMD_BURST];

	tell("publish %u of [%u, %u)", n, rx.tail, rx.head);
	for (uint16_t i = 0; i < n; i++) {
		m[i] = d[i].m;
		delivered(&d[i]);
	}
	pmd_rxpool_publish(rx.pool, m, n, &rx.stats);
	if (!one_in(4))
		flush();
}

/* Packets for the oldest buffers, in order; what a driver drops, it gives back. */
static void deliver(void)
{
	struct delivery d[PMD_BURST];
	uint32_t next = rx.tail, want = rnd(PMD_BURST + 1);
	uint16_t n = 0;

	/* A mistake: some newer packets first. */
	if (rx.rude && one_in(100))
		next += rnd(rx.head - rx.tail + 1);
	while (n < want && next < rx.head) {
		uint32_t nth = next++;

		if (loan_at(nth)->home)
			continue;
		if (one_in(30))
			give_back(nth);
		else
			d[n++] = make_packet(nth, &next);
	}
	/* Another: one of them twice. */
	if (rx.rude && n > 0 && n < PMD_BURST && d[0].fate == GOOD && one_in(100)) {
		d[n] = d[0];
		d[n++].fate = NOT_ON_LOAN;
	}
	publish(d, n);
}

/* ---- mistakes ---- */

/* A header that is nobody's, or waits for its turn; or NULL. */
static struct rte_mbuf *header_not_out(void)
{
	uint32_t nth = rx.tail + (one_in(2) ? 0 : rnd(rx.pool->mask + 1u));

	if (nth < rx.head)
		return loan_at(nth)->home ? loan_at(nth)->m : NULL;
	return pmd_headers_at(&rx.pool->headers, (uint16_t)(rx.pool->head + nth - rx.head));
}

static void misbehave(void)
{
	struct rte_mbuf *m = header_not_out();
	struct delivery d = { .m = m, .fate = NOT_ON_LOAN };

	if (m == NULL || rx.fault != PMD_RX_FAULT_NONE)
		return;
	if (one_in(2)) {
		tell("free what is not on loan");
		rte_mempool_put(rx.pool->headers.mp, m);
		rx.fault = PMD_RX_FAULT_FOREIGN;
		return;
	}
	m->nb_segs = 1;
	m->ol_flags = 0;
	m->data_len = 60;
	publish(&d, 1);
}

/* ---- stop and start ---- */

/* Every buffer of the queue is freed: in ring order, as drivers do, or another. */
static void stop_queue(void)
{
	static uint32_t order[MODEL_SEQS];
	static struct rte_mbuf *m[MODEL_SEQS];
	uint32_t n = 0, how = rnd(4), turn = rnd(rx.nb_desc);

	for (uint32_t i = 0; i < rx.nb_desc; i++)
		for (uint32_t nth = rx.tail; nth < rx.head; nth++)
			if (nth % rx.nb_desc == (i + turn) % rx.nb_desc && !loan_at(nth)->home)
				order[n++] = nth;
	if (how == 0)
		shuffle(order, n);
	tell("stop with [%u, %u) out", rx.tail, rx.head);
	for (uint32_t i = 0; i < n; i++)
		m[i] = loan_at(order[i])->m;
	if (how == 1)
		rte_pktmbuf_free_bulk(m, n);
	else if (how == 2 && n > 0)
		rte_mempool_put_bulk(rx.pool->headers.mp, (void **)m, n);
	else
		for (uint32_t i = 0; i < n; i++)
			rte_pktmbuf_free(m[i]);
	while (n-- > 0)
		came_home(order[n]);
	CHECK(rx.head == rx.tail);
	CHECK(pmd_rxpool_loans(rx.pool) == 0);
	rx.stops++;
}

/* Fills the ring, at once or in steps; or fails, and gives back what it has. */
static void start_queue(void)
{
	uint32_t burst = one_in(2) ? rx.nb_desc : 1 + rnd(32);
	bool ok = true;

	for (uint32_t left = rx.nb_desc, n; ok && left > 0; left -= n) {
		n = RTE_MIN(burst, left);
		ok = alloc(n);
	}
	if (!ok)
		stop_queue();
}

static void new_pool(void)
{
	static unsigned int nb;
	char name[32];

	CHECK(pmd_rxpool_destroy(rx.pool) == 0);
	snprintf(name, sizeof(name), "pool%u", nb++);
	rx.pool = pmd_rxpool_create(name, rx.nb_desc, rx.buf_size, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rx.pool);
	rx.fault = PMD_RX_FAULT_NONE;
}

/* Off the ring; and perhaps the ring is taken up anew, with the base that was left. */
static void detach(void)
{
	tell("detach");
	CHECK(pmd_rxpool_detach(rx.pool) == 0);
	rx.mapped = false;
	if (one_in(2)) {
		uint16_t base = vh_ring_settle(rx.vr);

		rx.nb_shown = rx.tail;
		CHECK(one_in(3) || cont_restart(base));
		tell("restart");
	}
	if (one_in(8))
		new_pool();
}

static void attach(void)
{
	uint32_t offers = cont.nb_posted - rx.head, want = one_in(3) ? 0 : rx.nb_desc;
	bool good = offers >= want && offered(offers);
	enum vh_fit fit = pmd_rxpool_try(rx.pool, rx.vr, (uint16_t)want);

	tell("try %u of %u: %s", want, offers, vh_fit_str(fit));
	CHECK((fit == VH_FIT) == good);
	if (fit != VH_FIT)
		return;
	CHECK(pmd_rxpool_attach(rx.pool, rx.vr) == 0);
	/* As after so many loans. */
	rx.pool->head = (uint16_t)rnd(65536);
	rx.pool->tail = rx.pool->head;
	rx.mapped = true;
	rx.fault = PMD_RX_FAULT_NONE;
	rx.refusals = 0;
	rx.pool->shortages = 0;
	rx.remaps++;
	if (want != 0)
		start_queue();
}

/* ---- copied: the pool's own buffers ---- */

static void copy_one(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx.pool->headers.mp);
	struct model_buf *b = cont_buf(rx.head);
	uint32_t most = rx.buf_size;
	int ret;

	if (!CHECK(m != NULL))
		return;
	/* As much as there may be, then the packet: neither may show in the container. */
	memset(rte_pktmbuf_mtod(m, void *), 0x33, rx.buf_size);
	if (rx.head != cont.nb_posted)
		most = RTE_MIN(most, b->len - rx.vr->hdr_len);
	m->data_len = (uint16_t)(14 + rnd(most - 13));
	m->pkt_len = m->data_len;
	packet_write(rte_pktmbuf_mtod(m, uint8_t *), rx.packets, m->data_len);
	ret = vh_ring_copy_rx(FAKE_KIND, rx.vr, m);
	CHECK(ret == (rx.head == cont.nb_posted ? -EAGAIN : 0));
	if (ret == 0) {
		b->what = FRAME;
		b->packet = rx.packets++;
		b->frame_len = m->data_len;
		rx.head++;
		rx.tail++;
		rx.copies++;
	}
	rte_pktmbuf_free(m);
}

static void copy(void)
{
	tell("copy");
	for (uint32_t n = rnd(20); n > 0; n--)
		copy_one();
	flush();
}

/* ---- a run ---- */

/* Both sides at rest: nothing is lost, nothing there twice. */
static void check_all(void)
{
	flush();
	harvest();
	CHECK(cont.nb_seen == rx.tail);
	cont_check_all_there();
}

static void agree(void)
{
	uint32_t out = rx.head - rx.tail;

	CHECK(pmd_rxpool_loans(rx.pool) == out);
	CHECK(rte_mempool_avail_count(rx.pool->headers.mp) == rx.pool->mask + 1 - out);
	if (out > 0) {
		CHECK(pmd_rxpool_detach(rx.pool) == -EBUSY);
		CHECK(pmd_rxpool_destroy(rx.pool) == -EBUSY);
	}
	CHECK(fake_nb_taken(&cont.ring) == out);
	CHECK(cont_nb_used() == (uint16_t)(rx.nb_shown - cont.nb_seen));
	CHECK(vh_ring_fault(rx.vr) == VH_FAULT_NONE);
	CHECK(pmd_rxpool_fault(rx.pool) == rx.fault);
	CHECK(rx.pool->shortages <= rx.refusals);
	CHECK(memcmp(&rx.stats, &rx.want, sizeof(rx.want)) == 0);
}

static void new_ring(void)
{
	cont_start();
	rx.need = cont.ring.vr.hdr_len + rx.buf_size;
	rx.nb_desc = 1 + rnd(cont.nb_places);
	rx.head = 0;
	rx.tail = 0;
	rx.nb_shown = 0;
}

/* What the control thread has to stop for. It may take its time. */
static bool in_trouble(void)
{
	if (pmd_rxpool_unfit(rx.pool) != VH_FIT)
		CHECK(!offered(cont.nb_posted - rx.head));
	return rx.fault != PMD_RX_FAULT_NONE || pmd_rxpool_unfit(rx.pool) != VH_FIT;
}

static void step_mapped(void)
{
	uint32_t dice = rnd(100);

	if (dice < 3 || (in_trouble() && dice < 50)) {
		stop_queue();
		if (in_trouble() || one_in(2))
			detach();
		else
			start_queue();
	} else if (dice < 5) {
		alloc(rx.pool->mask + 1 - (rx.head - rx.tail) + rnd(2));
	} else if (dice < 35) {
		alloc(1 + rnd(PMD_BURST));
	} else if (dice < 45) {
		give_back_some();
	} else if (rx.rude && one_in(200)) {
		misbehave();
	} else {
		deliver();
	}
}

static void step_copied(void)
{
	uint32_t dice = rnd(100);

	if (dice < 40)
		copy();
	else if (dice < 95)
		attach();
	else {
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
	else if (rx.mapped)
		step_mapped();
	else
		step_copied();
	agree();
}

static void begin(void)
{
	static const uint32_t buf_sizes[] = { 60, 64, 128, 500, 2048 };

	memset(&rx, 0, sizeof(rx));
	rx.buf_size = buf_sizes[rnd(5)];
	rx.odd_bufs = one_in(2);
	rx.rude = one_in(4);
	rx.vr = &cont.ring.vr;
	cont.id_step = rx.odd_bufs ? MODEL_MAX_PARTS : 1;
	cont.stride = sizeof(struct virtio_net_hdr_mrg_rxbuf) + rx.buf_size + GUARD;
	/* even: rte_vlan_insert() asks for it */
	cont.shift = rx.odd_bufs ? rnd(cont.stride) & ~1u : 0;
	new_ring();
	new_pool();
}

static void end(void)
{
	if (rx.mapped) {
		stop_queue();
		CHECK(pmd_rxpool_detach(rx.pool) == 0);
	}
	check_all();
	agree();
	CHECK(pmd_rxpool_destroy(rx.pool) == 0);
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
	return model_main(argc, argv, "pmd/model_rx", tests, sizeof(tests) / sizeof(tests[0]));
}
