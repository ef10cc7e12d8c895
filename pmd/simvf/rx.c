/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver side of an Rx queue, and the fast step of the device with a generator. */
#include "pmd/simvf/rx.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include "pmd/simvf/gen.h"
#include "pmd/simvf/wire.h"

/* Hash, VLAN (none) and length as they stand in an mbuf, from a descriptor. */
#define FIELDS (UINT64_C(0xffffffff00000000) | SIMVF_RX_LEN)

static uint16_t ring_room(const struct simvf_rxq *q)
{
	return (uint16_t)(q->nb_desc - q->nb_empty);
}

/* n descriptors from q->post on, in a row; their mbufs are in sw. */
static __rte_always_inline void post(struct simvf_rxq *q, uint16_t n)
{
	struct rte_mbuf **sw = &q->sw[q->post];
	struct simvf_desc *d = &q->desc[q->post];

	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(sw[i + SIMVF_AHEAD]);
		d[i].word = d[i].addr << 16;
		d[i].addr = sw[i]->buf_iova + RTE_PKTMBUF_HEADROOM;
	}
	q->post = (uint16_t)(q->post + n == q->nb_desc ? 0 : q->post + n);
	q->nb_empty = (uint16_t)(q->nb_empty - n);
	__atomic_store_n(&q->posted, q->posted + n, __ATOMIC_RELEASE);
}

static __rte_always_inline bool refill(struct simvf_rxq *q, uint16_t n)
{
	if (unlikely(rte_mempool_get_bulk(q->mp, (void **)&q->sw[q->post], n) != 0)) {
		simvf_add(&q->stats.nombuf, n);
		return false;
	}
	post(q, n);
	return true;
}

void simvf_rx_refill(struct simvf_rxq *q)
{
	while (q->nb_empty >= q->free_thresh) {
		/* free_thresh divides nb_desc, but buffers may have been given back. */
		uint16_t row = (uint16_t)(q->nb_desc - q->post);

		if (!refill(q, RTE_MIN(q->free_thresh, row)))
			break;
	}
}

/* Four words of the mbuf's first cache line. */
static __rte_always_inline void write_header(struct rte_mbuf *m, uint64_t rearm, uint64_t word)
{
	typedef uint64_t __rte_may_alias word_t;
	word_t *to = (word_t *)RTE_PTR_ADD(m, offsetof(struct rte_mbuf, data_off));

	to[0] = rearm;
	to[1] = word & SIMVF_RX_HASH ? RTE_MBUF_F_RX_RSS_HASH : 0; /* ol_flags */
	to[2] = (word & SIMVF_RX_LEN) << 32; /* packet_type (unknown), pkt_len */
	to[3] = word & FIELDS; /* data_len, vlan_tci (none), hash */
}

#define AT(field, where)                                                                           \
	(offsetof(struct rte_mbuf, field) == offsetof(struct rte_mbuf, data_off) + where)
_Static_assert(AT(ol_flags, 8) && AT(packet_type, 16) && AT(pkt_len, 20) && AT(data_len, 24) &&
		AT(vlan_tci, 26) && AT(hash.rss, 28),
	"write_header() knows where the fields are");

static void take_error(struct simvf_rxq *q, struct rte_mbuf *m)
{
	/* Nothing was written. The buffer goes home as it came. */
	rte_mempool_put(q->mp, m);
	simvf_add(&q->stats.errors, 1);
}

/* Takes done descriptors, oldest first; returns how many packets they make. */
static __rte_always_inline uint16_t take(struct simvf_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t next = q->next, nb = 0, seen = 0;
	uint64_t bytes = 0;

	n = RTE_MIN(n, ring_room(q));
	for (; seen < n; seen++) {
		uint64_t word = __atomic_load_n(&q->desc[next].word, __ATOMIC_ACQUIRE);
		struct rte_mbuf *m = q->sw[next];

		if ((word & SIMVF_RX_DONE) == 0)
			break;
		rte_prefetch0(q->sw[next + SIMVF_AHEAD]);
		if (unlikely(++next == q->nb_desc))
			next = 0;
		if (unlikely(word & SIMVF_RX_ERROR)) {
			take_error(q, m);
			continue;
		}
		write_header(m, q->rearm, word);
		bytes += word & SIMVF_RX_LEN;
		pkts[nb++] = m;
	}
	q->next = next;
	q->nb_empty = (uint16_t)(q->nb_empty + seen);
	simvf_add(&q->stats.packets, nb);
	simvf_add(&q->stats.bytes, bytes);
	return nb;
}

/* ---- the generator's fast step ---- */

static __rte_always_inline void fill(struct simvf_rxq *q, uint16_t n, const bool copy)
{
	const struct simvf_gen *gen = q->gen;
	uint16_t head = q->head;
	uint32_t pos = q->gen_pos;

	n = (uint16_t)RTE_MIN(n, simvf_rx_room(q));
	for (uint16_t i = 0; i < n; i++) {
		struct simvf_desc *d = &q->desc[head];
		uint64_t word = gen->word[pos];
		uint32_t len = (uint32_t)(word & SIMVF_RX_LEN);

		if (unlikely(!simvf_iommu_allows(&q->dev->iommu, &q->tlb, d->addr, len))) {
			word = SIMVF_RX_DONE | SIMVF_RX_ERROR;
			simvf_add(&q->stats.iommu_faults, 1);
		} else if (copy) {
			simvf_gen_write(gen, pos, (uint8_t *)(uintptr_t)d->addr, len);
		}
		__atomic_store_n(&d->word, word, __ATOMIC_RELEASE);
		if (unlikely(++head == q->nb_desc))
			head = 0;
		if (++pos == gen->nb)
			pos = 0;
	}
	q->head = head;
	q->gen_pos = pos;
	q->filled += n;
}

/* ---- burst functions ---- */

/* Newest posted buffers go home on an empty poll, as with some drivers. */
static void give_back(struct simvf_rxq *q)
{
	uint32_t n = simvf_fault_get(q->dev, SIMVF_FAULT_RX_EMPTY_FREE);

	if (n == 0)
		return;
	/* Somebody else may be filling descriptors. */
	simvf_lock(q->dev);
	for (; n > 0 && simvf_rx_room(q) > 0; n--) {
		q->post = (uint16_t)(q->post == 0 ? q->nb_desc - 1 : q->post - 1);
		q->posted--;
		q->nb_empty++;
		q->given++;
		rte_mempool_put(q->mp, q->sw[q->post]);
	}
	simvf_unlock(q->dev);
}

static void post_given(struct simvf_rxq *q)
{
	q->given = RTE_MIN(q->given, q->nb_empty);
	while (q->given > 0 && refill(q, 1))
		q->given--;
}

/* What the faults do with done descriptors. */
static uint16_t spoil(struct simvf_rxq *q, struct rte_mbuf **pkts, uint16_t nb)
{
	struct simvf_dev *dev = q->dev;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < nb; i++) {
		if (simvf_fault_next(dev, SIMVF_FAULT_RX_UNFILLED)) {
			simvf_add(&q->stats.unfilled, 1);
			rte_mempool_put(q->mp, pkts[i]);
		} else {
			pkts[kept++] = pkts[i];
		}
	}
	for (uint16_t i = 0; i + 1 < kept; i += 2) {
		if (simvf_fault_next(dev, SIMVF_FAULT_RX_OUT_OF_ORDER)) {
			struct rte_mbuf *m = pkts[i];

			pkts[i] = pkts[i + 1];
			pkts[i + 1] = m;
		}
	}
	return kept;
}

static void step(struct simvf_rxq *q, uint16_t n)
{
	struct simvf_dev *dev = q->dev;

	if (dev->link != NULL) {
		simvf_wire_receive(dev);
	} else if (q->gen != NULL && !simvf_fault_silent(dev)) {
		simvf_iotlb_sync(&dev->iommu, &q->tlb);
		simvf_gen_step(q, n);
	}
}

static __rte_noinline uint16_t rx_slow(struct simvf_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t nb;

	if (q->ctl & SIMVF_CTL_OFF)
		return 0;
	if (q->ctl & SIMVF_CTL_GEN)
		simvf_gen_take(q);
	post_given(q);
	step(q, n);
	nb = take(q, pkts, n);
	nb = spoil(q, pkts, nb);
	simvf_rx_refill(q);
	if (nb == 0)
		give_back(q);
	return nb;
}

static __rte_always_inline uint16_t rx_gen(
	struct simvf_rxq *q, struct rte_mbuf **pkts, uint16_t n, const bool copy)
{
	const struct simvf_gen *gen = q->gen;
	uint64_t start;
	uint16_t nb;

	if (unlikely(__atomic_load_n(&q->ctl, __ATOMIC_RELAXED) != 0))
		return rx_slow(q, pkts, n);
	simvf_iotlb_sync(&q->dev->iommu, &q->tlb);
	if (unlikely(gen->special)) {
		simvf_gen_step(q, n);
	} else if (likely(gen->nb > 0)) {
		start = copy ? rte_rdtsc() : 0;
		fill(q, n, copy);
		if (copy)
			simvf_add(&q->stats.dma_cycles, rte_rdtsc() - start);
	}
	nb = take(q, pkts, n);
	simvf_rx_refill(q);
	return nb;
}

uint16_t simvf_rx_gen(void *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	return rx_gen(rxq, pkts, n, false);
}

uint16_t simvf_rx_gen_copy(void *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	return rx_gen(rxq, pkts, n, true);
}

uint16_t simvf_rx_wire(void *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct simvf_rxq *q = rxq;
	uint16_t nb;

	if (unlikely(__atomic_load_n(&q->ctl, __ATOMIC_RELAXED) != 0))
		return rx_slow(q, pkts, n);
	simvf_wire_receive(q->dev);
	nb = take(q, pkts, n);
	simvf_rx_refill(q);
	return nb;
}

/* Nothing arrives. */
uint16_t simvf_rx_none(void *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct simvf_rxq *q = rxq;

	return likely(__atomic_load_n(&q->ctl, __ATOMIC_RELAXED) == 0) ? 0 : rx_slow(q, pkts, n);
}

uint32_t simvf_rx_queue_count(void *rxq)
{
	const struct simvf_rxq *q = rxq;
	uint16_t i = q->next, nb = 0, room = ring_room(q);

	while (nb < room && (__atomic_load_n(&q->desc[i].word, __ATOMIC_ACQUIRE) & SIMVF_RX_DONE)) {
		nb++;
		if (++i == q->nb_desc)
			i = 0;
	}
	return nb;
}

int simvf_rx_descriptor_status(void *rxq, uint16_t offset)
{
	const struct simvf_rxq *q = rxq;
	uint32_t i = (uint32_t)q->next + offset;

	if (offset >= q->nb_desc)
		return -EINVAL;
	if (offset >= ring_room(q))
		return RTE_ETH_RX_DESC_UNAVAIL;
	i -= i >= q->nb_desc ? q->nb_desc : 0;
	return __atomic_load_n(&q->desc[i].word, __ATOMIC_ACQUIRE) & SIMVF_RX_DONE
		? RTE_ETH_RX_DESC_DONE
		: RTE_ETH_RX_DESC_AVAIL;
}
