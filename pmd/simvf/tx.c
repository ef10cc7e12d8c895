/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver side of a Tx queue, and the device where nobody receives. */
#include "pmd/simvf/tx.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include "pmd/simvf/fault.h"
#include "pmd/simvf/latency.h"
#include "pmd/simvf/wire.h"

/* ---- freeing ---- */

/* One segment of a packet of one: what stands behind the reference count is in its pool's state. */
static __rte_always_inline bool is_plain(const struct rte_mbuf *m)
{
	return ((uintptr_t)m & SIMVF_SW_CHAIN) == 0 && rte_mbuf_refcnt_read(m) == 1 &&
		(m->ol_flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) == 0;
}

static __rte_always_inline void put(struct rte_mempool *mp, struct rte_mbuf **sw, uint32_t n)
{
	if (n > 0)
		rte_mempool_put_bulk(mp, (void *const *)sw, n);
}

void simvf_tx_free(struct rte_mbuf **sw, uint32_t n, bool fast_free)
{
	struct rte_mempool *mp = NULL;
	uint32_t start = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = sw[i];

		if (fast_free && likely(((uintptr_t)m & SIMVF_SW_CHAIN) == 0)) {
			/* The application has promised that all are alike. */
			mp = mp != NULL ? mp : m->pool;
			continue;
		}
		if (likely(is_plain(m))) {
			if (likely(m->pool == mp))
				continue;
			put(mp, &sw[start], i - start);
			mp = m->pool;
			start = i;
			continue;
		}
		if (mp != NULL)
			put(mp, &sw[start], i - start);
		rte_pktmbuf_free_seg((struct rte_mbuf *)((uintptr_t)m & ~SIMVF_SW_CHAIN));
		mp = NULL;
		start = i + 1;
	}
	if (mp != NULL)
		put(mp, &sw[start], n - start);
}

/* Descriptors that the driver may free. */
static uint32_t completed(const struct simvf_txq *q, uint64_t now)
{
	uint32_t sent = __atomic_load_n(&q->sent, __ATOMIC_ACQUIRE) - q->freed;
	uint32_t posted = q->posted - q->freed;
	uint32_t n = posted > q->lag ? RTE_MIN(sent, posted - q->lag) : 0;

	if (q->lag == 0)
		return sent;
	while (n < sent) {
		uint32_t i = q->clean + n;

		i -= i >= q->nb_desc ? q->nb_desc : 0;
		if (now - q->posted_at[i] < q->lag_cycles)
			break;
		n++;
	}
	return n;
}

/* A completion that never comes. The mbuf is kept until the queue is stopped. */
static bool lose(struct simvf_txq *q, struct rte_mbuf *m)
{
	if (q->nb_lost == q->nb_desc || !simvf_fault_next(q->dev, SIMVF_FAULT_TX_LOST_COMPLETION))
		return false;
	q->lost[q->nb_lost++] = m;
	simvf_add(&q->stats.kept, 1);
	return true;
}

/* Frees n completed descriptors, oldest first. */
static __rte_always_inline void clean(struct simvf_txq *q, uint32_t n)
{
	q->freed += n;
	q->nb_free = (uint16_t)(q->nb_free + n);
	while (n > 0) {
		struct rte_mbuf **sw = &q->sw[q->clean];
		uint32_t part = RTE_MIN(n, (uint32_t)q->nb_desc - q->clean);

		if (unlikely(q->ctl & SIMVF_CTL_FAULT) && lose(q, sw[0]))
			part = 1;
		else if (unlikely(q->ctl & SIMVF_CTL_FAULT))
			simvf_tx_free(sw, part = 1, false);
		else
			simvf_tx_free(sw, part, q->fast_free);
		q->clean = (uint16_t)(q->clean + part == q->nb_desc ? 0 : q->clean + part);
		n -= part;
	}
}

void simvf_tx_reap(struct simvf_txq *q, uint32_t max)
{
	uint32_t n = completed(q, q->lag > 0 ? rte_rdtsc() : 0);

	clean(q, RTE_MIN(n, max));
}

/* ---- posting ---- */

static __rte_always_inline uint16_t post_one(
	struct simvf_txq *q, uint16_t tail, const struct rte_mbuf *m, uint64_t tag, uint64_t flags)
{
	q->desc[tail].addr = m->buf_iova + m->data_off;
	q->desc[tail].word = m->data_len | flags;
	q->sw[tail] = (struct rte_mbuf *)((uintptr_t)m | tag);
	return unlikely(tail + 1 == q->nb_desc) ? 0 : (uint16_t)(tail + 1);
}

static uint16_t post_chain(struct simvf_txq *q, uint16_t tail, const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		tail = post_one(q, tail, m, SIMVF_SW_CHAIN, m->next == NULL ? SIMVF_TX_EOP : 0);
	return tail;
}

/* As many of the packets as there is room for; the device sees them at once. */
static __rte_always_inline uint16_t post(struct simvf_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t room = q->nb_free;
	uint16_t tail = q->tail, i;

	for (i = 0; i < n && room > 0; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(m->nb_segs == 1)) {
			tail = post_one(q, tail, m, 0, SIMVF_TX_EOP);
			room--;
		} else if (m->nb_segs > SIMVF_MAX_SEGS) {
			rte_pktmbuf_free(m);
			simvf_add(&q->stats.refused, 1);
		} else if (m->nb_segs <= room) {
			tail = post_chain(q, tail, m);
			room -= m->nb_segs;
		} else {
			break;
		}
	}
	q->tail = tail;
	__atomic_store_n(&q->posted, q->posted + (q->nb_free - room), __ATOMIC_RELEASE);
	q->nb_free = (uint16_t)room;
	return i;
}

static void note_times(struct simvf_txq *q, uint32_t from)
{
	uint64_t now = rte_rdtsc();
	uint32_t n = q->posted - from;

	for (uint32_t i = (uint32_t)q->tail + q->nb_desc - n; n > 0; n--, i++)
		q->posted_at[i >= q->nb_desc ? i - q->nb_desc : i] = now;
}

uint16_t simvf_tx_post(struct simvf_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t before = q->posted;
	uint16_t nb;

	if (unlikely(q->ctl & SIMVF_CTL_OFF))
		return 0;
	if (q->nb_free < q->free_thresh || n == 0)
		simvf_tx_reap(q, n == 0 ? UINT32_MAX : RTE_MAX(q->rs_thresh, n));
	nb = post(q, pkts, n);
	if (q->lag > 0)
		note_times(q, before);
	return nb;
}

/* ---- the device, if nobody receives ---- */

static void read_bytes(
	struct simvf_txq *q, const struct simvf_desc *d, uint32_t offset, uint64_t now)
{
	const uint8_t *data = (const uint8_t *)(uintptr_t)d->addr;
	uint32_t len = (uint16_t)d->word;

	if (q->scratch != NULL && offset + len <= SIMVF_MAX_FRAME)
		memcpy(q->scratch + offset, data, len);
	if (q->latency != NULL && offset == 0)
		simvf_latency_frame(q->latency, data, len, now);
}

void simvf_tx_count(struct simvf_txq *q, uint32_t len, bool good)
{
	if (!good || len > q->max_len) {
		simvf_add(&q->stats.errors, 1);
		return;
	}
	if (len < SIMVF_MIN_FRAME)
		simvf_add(&q->stats.runts, 1);
	simvf_add(&q->stats.packets, 1);
	simvf_add(&q->stats.bytes, len);
}

/* Sends all that is posted. */
static __rte_always_inline void send_all(struct simvf_txq *q, const bool full)
{
	uint32_t n = q->posted - q->sent, len = 0, nb = 0;
	uint64_t now = full ? rte_rdtsc() : 0, bytes = 0;
	uint16_t head = q->head;
	bool good = true;

	simvf_iotlb_sync(&q->dev->iommu, &q->tlb);
	for (uint32_t i = 0; i < n; i++) {
		const struct simvf_desc *d = &q->desc[head];

		if (unlikely(!simvf_iommu_allows(
			    &q->dev->iommu, &q->tlb, d->addr, (uint16_t)d->word))) {
			simvf_add(&q->stats.iommu_faults, 1);
			good = false;
		} else if (full) {
			read_bytes(q, d, len, now);
		}
		len += (uint16_t)d->word;
		if (unlikely(++head == q->nb_desc))
			head = 0;
		if (unlikely((d->word & SIMVF_TX_EOP) == 0))
			continue;
		if (likely(good && len >= SIMVF_MIN_FRAME && len <= q->max_len)) {
			nb++;
			bytes += len;
		} else {
			simvf_tx_count(q, len, good);
		}
		len = 0;
		good = true;
	}
	q->head = head;
	simvf_add(&q->stats.packets, nb);
	simvf_add(&q->stats.bytes, bytes);
	__atomic_store_n(&q->sent, q->sent + n, __ATOMIC_RELEASE);
	if (full && q->scratch != NULL)
		simvf_add(&q->stats.dma_cycles, rte_rdtsc() - now);
}

static void send_into_nothing(struct simvf_txq *q)
{
	for (uint32_t n = q->posted - q->sent; n > 0; n--) {
		simvf_add(&q->stats.lost, (q->desc[q->head].word & SIMVF_TX_EOP) != 0);
		if (++q->head == q->nb_desc)
			q->head = 0;
	}
	__atomic_store_n(&q->sent, q->posted, __ATOMIC_RELEASE);
}

uint16_t simvf_tx_sink(void *txq, struct rte_mbuf **pkts, uint16_t n)
{
	struct simvf_txq *q = txq;
	uint16_t nb;

	if (unlikely(__atomic_load_n(&q->ctl, __ATOMIC_RELAXED) != 0))
		return simvf_tx_sink_full(txq, pkts, n);
	if (q->nb_free < q->free_thresh || n == 0)
		clean(q,
			RTE_MIN(q->sent - q->freed,
				n == 0 ? UINT32_MAX : (uint32_t)RTE_MAX(q->rs_thresh, n)));
	nb = post(q, pkts, n);
	send_all(q, false);
	return nb;
}

uint16_t simvf_tx_sink_full(void *txq, struct rte_mbuf **pkts, uint16_t n)
{
	struct simvf_txq *q = txq;
	uint16_t nb = simvf_tx_post(q, pkts, n);

	if (unlikely(q->ctl & SIMVF_CTL_FAULT) && simvf_fault_silent(q->dev))
		send_into_nothing(q);
	else
		send_all(q, true);
	return nb;
}

uint16_t simvf_tx_wire(void *txq, struct rte_mbuf **pkts, uint16_t n)
{
	struct simvf_txq *q = txq;
	uint16_t nb = simvf_tx_post(q, pkts, n);

	simvf_wire_send(q);
	return nb;
}

int simvf_tx_done_cleanup(void *txq, uint32_t count)
{
	struct simvf_txq *q = txq;
	uint32_t before = q->freed;

	simvf_tx_reap(q, count == 0 ? UINT32_MAX : count);
	return (int)(q->freed - before);
}

int simvf_tx_descriptor_status(void *txq, uint16_t offset)
{
	const struct simvf_txq *q = txq;
	uint32_t used = q->posted - q->freed;
	uint32_t back; /* how many have been posted since */

	if (offset >= q->nb_desc)
		return -EINVAL;
	/* Descriptor `offset` behind the tail is the oldest if all are in use. */
	back = q->nb_desc - offset;
	if (back > used)
		return RTE_ETH_TX_DESC_DONE;
	return used - back < completed(q, q->lag > 0 ? rte_rdtsc() : 0) ? RTE_ETH_TX_DESC_DONE
									: RTE_ETH_TX_DESC_FULL;
}
