/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator of wire=gen: UDP flows, spread on the queues by the same classification as real
 * frames, but once and not per packet. Flow i is 198.18.0.0+i port 1024+i to 198.19.0.1 port 5000+i.
 *
 * Each queue has a table of its own, one entry per frame in turn, that is replaced whole: control
 * hands a new one over and the queue's thread takes it at its next poll, freeing the old one. So
 * queues share only what never changes.
 */
#ifndef PMD_SIMVF_GEN_H
#define PMD_SIMVF_GEN_H

#include <string.h>

#include "pmd/simvf/simvf.h"

#define SIMVF_GEN_HEAD 64

/* Flows, fixed for the device's life but for `queue` and `hash`, which control alone uses. */
struct simvf_flows {
	uint32_t nb;
	uint8_t (*head)[SIMVF_GEN_HEAD]; /* the first bytes of a frame of each flow */
	int16_t *queue; /* -1: dropped */
	uint32_t *hash;
	bool hashed;
	uint8_t payload[SIMVF_MAX_FRAME]; /* of every frame, by its offset */
};

/* What differs between the frames of a flow. */
struct simvf_gen_frame {
	uint32_t flow;
	uint16_t ip_len;
	uint16_t ip_sum;
	uint16_t udp_len;
};

struct simvf_gen {
	uint32_t nb; /* entries; 0: nothing arrives here */
	bool special; /* paced, stamped, or with frames that are too long: not the fast loop */
	double interval; /* TSC cycles between frames; 0: not paced */
	double per_cycle; /* its inverse */
	const struct simvf_flows *flows;
	struct simvf_gen_frame *frame; /* for dma=copy, else NULL */
	uint64_t word[]; /* as it is written into the descriptor */
};

/* Control. */
int simvf_gen_init(struct simvf_dev *dev);
void simvf_gen_fini(struct simvf_dev *dev);
/* Classifies all flows and gives every queue a new table. With the device's lock. 0 or -ENOMEM. */
int simvf_gen_rebuild(struct simvf_dev *dev);

/* The queue's thread, or control while nobody polls. */
void simvf_gen_take(struct simvf_rxq *q);
void simvf_gen_restart(struct simvf_rxq *q);

/*
 * A step of the device with all that the fast one leaves out: pace, stamps, long frames, planted
 * faults. At most n frames, if the generator is not paced.
 */
void simvf_gen_step(struct simvf_rxq *q, uint16_t n);

/* The DMA of a frame; len is at least 60. */
static __rte_always_inline void simvf_gen_write(
	const struct simvf_gen *gen, uint32_t pos, uint8_t *to, uint32_t len)
{
	const struct simvf_gen_frame *f = &gen->frame[pos];
	const uint8_t *head = gen->flows->head[f->flow];

	if (likely(len >= SIMVF_GEN_HEAD)) {
		memcpy(to, head, SIMVF_GEN_HEAD);
		if (len > SIMVF_GEN_HEAD)
			memcpy(to + SIMVF_GEN_HEAD, gen->flows->payload + SIMVF_GEN_HEAD,
				len - SIMVF_GEN_HEAD);
	} else {
		memcpy(to, head, len);
	}
	memcpy(to + 16, &f->ip_len, 2);
	memcpy(to + 24, &f->ip_sum, 2);
	memcpy(to + 38, &f->udp_len, 2);
}

#endif /* PMD_SIMVF_GEN_H */
