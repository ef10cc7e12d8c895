/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/simvf/gen.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "pmd/simvf/classify.h"
#include "pmd/simvf/latency.h"
#include "pmd/simvf/rx.h"

static const uint16_t imix[] = { 64, 594, 64, 594, 64, 64, 1514, 64, 594, 64, 594, 64 };

/* ---- frames ---- */

static void make_head(const struct simvf_args *args, uint32_t flow, uint8_t *head)
{
	struct rte_ether_hdr eth = { .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4) };
	struct rte_ipv4_hdr ip = { .version_ihl = RTE_IPV4_VHL_DEF, .time_to_live = 64 };
	struct rte_udp_hdr udp;

	eth.dst_addr = args->dst;
	eth.src_addr = (struct rte_ether_addr){ { 0x02, 0, 0, 0, 0x5e, 1 } };
	ip.next_proto_id = IPPROTO_UDP;
	/* 198.18.0.0 and up to 198.19.0.1: the networks that are set apart for benchmarks. */
	ip.src_addr = rte_cpu_to_be_32(UINT32_C(0xc6120000) + flow);
	ip.dst_addr = RTE_BE32(0xc6130001);
	udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16((uint16_t)(1024 + flow)),
		.dst_port = rte_cpu_to_be_16((uint16_t)(5000 + flow)),
	};
	memcpy(head, &eth, sizeof(eth));
	memcpy(head + 14, &ip, sizeof(ip));
	memcpy(head + 34, &udp, sizeof(udp));
}

static void make_frame(
	const struct simvf_flows *flows, uint32_t flow, uint16_t len, struct simvf_gen_frame *frame)
{
	struct rte_ipv4_hdr ip;

	memcpy(&ip, &flows->head[flow][14], sizeof(ip));
	ip.total_length = rte_cpu_to_be_16((uint16_t)(len - 14));
	*frame = (struct simvf_gen_frame){
		.flow = flow,
		.ip_len = ip.total_length,
		.ip_sum = rte_ipv4_cksum(&ip),
		.udp_len = rte_cpu_to_be_16((uint16_t)(len - 34)),
	};
}

int simvf_gen_init(struct simvf_dev *dev)
{
	const struct simvf_args *args = &dev->args;
	struct simvf_flows *flows;

	if (args->wire != SIMVF_GEN)
		return 0;
	flows = calloc(1, sizeof(*flows));
	if (flows == NULL)
		return -ENOMEM;
	dev->flows = flows;
	flows->nb = args->flows;
	flows->queue = calloc(flows->nb, sizeof(*flows->queue));
	flows->hash = calloc(flows->nb, sizeof(*flows->hash));
	flows->head = aligned_alloc(SIMVF_GEN_HEAD, flows->nb * sizeof(*flows->head));
	if (flows->queue == NULL || flows->hash == NULL || flows->head == NULL) {
		simvf_gen_fini(dev);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < SIMVF_MAX_FRAME; i++)
		flows->payload[i] = (uint8_t)i;
	for (uint32_t i = 0; i < flows->nb; i++) {
		memcpy(flows->head[i], flows->payload, SIMVF_GEN_HEAD);
		make_head(args, i, flows->head[i]);
	}
	return 0;
}

void simvf_gen_fini(struct simvf_dev *dev)
{
	struct simvf_flows *flows = dev->flows;

	if (flows == NULL)
		return;
	dev->flows = NULL;
	free(flows->queue);
	free(flows->hash);
	free(flows->head);
	free(flows);
}

/* ---- tables ---- */

static uint32_t nb_sizes(const struct simvf_sizes *s)
{
	return s->imix ? (uint32_t)RTE_DIM(imix) : s->last - s->first + 1u;
}

static uint16_t nth_size(const struct simvf_sizes *s, uint32_t n)
{
	return s->imix ? imix[n % RTE_DIM(imix)] : (uint16_t)(s->first + n % nb_sizes(s));
}

static void set_pace(const struct simvf_dev *dev, struct simvf_gen *gen, uint32_t nb_flows)
{
	if (dev->args.rate == 0)
		return;
	gen->special = true;
	gen->interval =
		(double)rte_get_tsc_hz() * dev->flows->nb / ((double)dev->args.rate * nb_flows);
	gen->per_cycle = 1 / gen->interval;
}

static struct simvf_gen *build(const struct simvf_dev *dev, const struct simvf_rxq *q)
{
	const struct simvf_flows *flows = dev->flows;
	const struct simvf_sizes *sizes = &dev->args.sizes;
	uint32_t nb_flows = 0, nb = 0, flow = 0;
	struct simvf_gen *gen;

	for (uint32_t f = 0; f < flows->nb; f++)
		nb_flows += flows->queue[f] == q->id;
	/* Every flow at least once, all sizes equally often. */
	if (nb_flows > 0)
		nb = nb_sizes(sizes) * ((nb_flows + nb_sizes(sizes) - 1) / nb_sizes(sizes));
	gen = calloc(1, sizeof(*gen) + nb * (sizeof(gen->word[0]) + sizeof(*gen->frame)));
	if (gen == NULL)
		return NULL;
	gen->nb = nb;
	gen->flows = flows;
	gen->special = dev->args.latency;
	if (dev->args.copy)
		gen->frame = (void *)&gen->word[nb];
	if (nb > 0)
		set_pace(dev, gen, nb_flows);

	for (uint32_t i = 0; i < nb; i++) {
		uint16_t len = nth_size(sizes, i);

		while (flows->queue[flow] != q->id)
			flow = (flow + 1) % flows->nb;
		gen->word[i] = SIMVF_RX_DONE | len;
		if (flows->hashed)
			gen->word[i] |= (uint64_t)flows->hash[flow] << 32 | SIMVF_RX_HASH;
		if (gen->frame != NULL)
			make_frame(flows, flow, len, &gen->frame[i]);
		gen->special |= len > q->max_len;
		flow = (flow + 1) % flows->nb;
	}
	return gen;
}

static void classify_flows(struct simvf_dev *dev)
{
	struct simvf_flows *flows = dev->flows;
	struct simvf_layers layers;
	bool hashed;

	flows->hashed = dev->rss &&
		(dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0;
	for (uint32_t f = 0; f < flows->nb; f++) {
		simvf_parse(flows->head[f], SIMVF_GEN_HEAD, &layers);
		flows->queue[f] = (int16_t)simvf_classify(dev, &layers, &flows->hash[f], &hashed);
		flows->hashed = flows->hashed && hashed;
	}
}

int simvf_gen_rebuild(struct simvf_dev *dev)
{
	if (dev->flows == NULL)
		return 0;
	classify_flows(dev);
	for (uint16_t i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_rxq *q = dev->rxq[i];
		struct simvf_gen *gen;

		if (q == NULL)
			continue;
		gen = build(dev, q);
		if (gen == NULL)
			return -ENOMEM;
		free(__atomic_exchange_n(&q->new_gen, gen, __ATOMIC_ACQ_REL));
		simvf_ctl_set(&q->ctl, SIMVF_CTL_GEN);
	}
	return 0;
}

void simvf_gen_restart(struct simvf_rxq *q)
{
	q->gen_pos = 0;
	q->backlog = 0;
	q->pace_base = rte_rdtsc();
	q->pace_next = 0;
}

void simvf_gen_take(struct simvf_rxq *q)
{
	struct simvf_gen *gen;

	/* In this order: a table that comes in between sets the bit again. */
	simvf_ctl_clear(&q->ctl, SIMVF_CTL_GEN);
	gen = __atomic_exchange_n(&q->new_gen, NULL, __ATOMIC_ACQ_REL);
	if (gen == NULL)
		return;
	free(q->gen);
	q->gen = gen;
	simvf_gen_restart(q);
}

/* ---- the step ---- */

/*
 * What has arrived up to now goes to the posted descriptors and then to the FIFO; the rest is
 * missed.
 */
static void arrive(struct simvf_rxq *q, uint64_t now)
{
	const struct simvf_gen *gen = q->gen;
	uint32_t limit = simvf_rx_room(q) + q->dev->args.fifo;
	double late = (double)(now - q->pace_base) - q->pace_next;
	uint64_t n, taken;

	if (late < 0)
		return;
	n = (uint64_t)(late * gen->per_cycle) + 1;
	taken = q->backlog < limit ? RTE_MIN(n, (uint64_t)(limit - q->backlog)) : 0;
	if (q->stamps != NULL)
		for (uint64_t i = 0; i < taken; i++)
			q->stamps[(q->stamp_head + q->backlog + i) & q->stamp_mask] =
				q->pace_base + (uint64_t)(q->pace_next + (double)i * gen->interval);
	q->backlog += (uint32_t)taken;
	q->pace_next += (double)n * gen->interval;
	simvf_add(&q->stats.missed, n - taken);
}

static uint64_t next_stamp(struct simvf_rxq *q, uint64_t now)
{
	if (q->gen->interval == 0)
		return now;
	return q->stamps[q->stamp_head++ & q->stamp_mask];
}

void simvf_gen_step(struct simvf_rxq *q, uint16_t n)
{
	struct simvf_gen *gen = q->gen;
	uint64_t now = rte_rdtsc();
	uint32_t nb = n;

	if (gen->nb == 0)
		return;
	if (gen->interval > 0) {
		arrive(q, now);
		nb = q->backlog;
	}
	for (; nb > 0 && simvf_rx_room(q) > 0; nb--) {
		uint64_t word = gen->word[q->gen_pos];
		uint32_t len = (uint32_t)(word & SIMVF_RX_LEN);
		uint64_t stamp = q->stamps != NULL ? next_stamp(q, now) : 0;
		uint8_t *to = len <= q->max_len ? simvf_rx_target(q, len) : NULL;

		q->backlog -= gen->interval > 0;
		if (len > q->max_len) {
			simvf_add(&q->stats.too_long, 1);
		} else {
			if (to != NULL && gen->frame != NULL)
				simvf_gen_write(gen, q->gen_pos, to, len);
			if (to != NULL && q->stamps != NULL)
				simvf_stamp_write(to, stamp);
			simvf_rx_done(q, to != NULL ? word : SIMVF_RX_DONE | SIMVF_RX_ERROR);
		}
		if (++q->gen_pos == gen->nb)
			q->gen_pos = 0;
	}
	if (q->dev->args.copy)
		simvf_add(&q->stats.dma_cycles, rte_rdtsc() - now);
}
