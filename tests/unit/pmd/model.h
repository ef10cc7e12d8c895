/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two models (model_rx.c, model_tx.c) share: random runs that can be repeated, and a
 * container that remembers every buffer that it has posted.
 *
 * A run is a seed: all that is random in it follows from the seed. The first failed check ends a
 * run; its seed and step are printed. "PROGRAM SEED [STEPS]" repeats one seed, and tells each step.
 * Built for each kind of ring.
 */
#ifndef TESTS_UNIT_PMD_MODEL_H
#define TESTS_UNIT_PMD_MODEL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"
#include "vhost/ring.h"

#ifndef MODEL_SEEDS
#define MODEL_SEEDS 50
#endif
#define MODEL_STEPS 2000

#define MODEL_MAX_SIZE   512 /* of a ring */
#define MODEL_SEQS       1024 /* buffers that are remembered: more than a ring has */
#define MODEL_MAX_PARTS  4 /* of a chain */
#define MODEL_MAX_STRIDE 4096u

static struct {
	uint32_t only_seed; /* 0: all */
	uint32_t steps;
	uint32_t seed;
	uint32_t step;
	uint32_t rnd;
	/* The first failed check of a run; NULL: none. */
	const char *failed;
	const char *file;
	int line;
} model = { .steps = MODEL_STEPS };

/* ---- chance ---- */

/* xorshift32: the same numbers everywhere. */
static inline uint32_t rnd(uint32_t below)
{
	model.rnd ^= model.rnd << 13;
	model.rnd ^= model.rnd >> 17;
	model.rnd ^= model.rnd << 5;
	return model.rnd % below;
}

static inline bool one_in(uint32_t n)
{
	return rnd(n) == 0;
}

static inline void shuffle(uint32_t *v, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = rnd(i), t = v[i - 1];

		v[i - 1] = v[j];
		v[j] = t;
	}
}

/* ---- checks ---- */

/* Counts instead of asserting each time: millions of assertions are slow. */
#define CHECK(ok) model_check((ok), #ok, __FILE__, __LINE__)

static inline bool model_check(bool ok, const char *what, const char *file, int line)
{
	if (!ok && model.failed == NULL) {
		model.failed = what;
		model.file = file;
		model.line = line;
	}
	return ok;
}

static inline bool model_failed(void)
{
	return model.failed != NULL;
}

static inline __attribute__((format(printf, 1, 2))) void tell(const char *fmt, ...)
{
	va_list ap;

	if (model.only_seed == 0)
		return;
	printf("# %u: ", model.step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* ---- the container ---- */

/* A buffer from its posting on, by its number in the order of posting. */
struct model_buf {
	uint16_t id;
	uint16_t place; /* in the container's memory */
	uint16_t nb_parts; /* descriptors */
	uint32_t len; /* bytes, the virtio-net header included */
	uint8_t what; /* the model's */
	uint32_t packet; /* the model's */
	uint32_t frame_len; /* the model's */
	bool tagged; /* the model's */
	bool soiled; /* the model's */
};

static struct {
	struct fake_ring ring;
	uint32_t stride; /* of places */
	uint32_t nb_places;
	uint32_t shift; /* of all places */
	uint32_t id_step; /* ids are multiples: a split ring's chain takes those between */
	uint16_t ids[MODEL_MAX_SIZE]; /* not in use */
	uint32_t nb_ids;
	uint16_t places[MODEL_MAX_SIZE];
	struct model_buf bufs[MODEL_SEQS];
	uint32_t nb_posted;
	uint32_t nb_seen; /* found used */
} cont;

static inline struct model_buf *cont_buf(uint32_t nth)
{
	return &cont.bufs[nth % MODEL_SEQS];
}

/*
 * One half of the places lies before the regions' border, the other behind it; with a shift, the
 * last place of the first half crosses it.
 */
static inline uint64_t cont_gpa(uint32_t place)
{
	return FAKE_GPA_BORDER + cont.shift + place * (uint64_t)cont.stride -
		(cont.nb_places + 1) / 2 * (uint64_t)cont.stride;
}

/* Whether the first len bytes of a place are in two regions. */
static inline bool cont_crosses(uint32_t place, uint32_t len)
{
	uint64_t gpa = cont_gpa(place);

	return gpa < FAKE_GPA_BORDER && gpa + len > FAKE_GPA_BORDER;
}

static inline void cont_write(uint32_t place, const void *from, uint32_t len)
{
	if (cont_crosses(place, len))
		fake_write(&cont.ring, cont_gpa(place), from, len);
	else
		memcpy(fake_ptr(&cont.ring, cont_gpa(place)), from, len);
}

static inline void cont_read(uint32_t place, void *to, uint32_t len)
{
	if (cont_crosses(place, len))
		fake_read(&cont.ring, cont_gpa(place), to, len);
	else
		memcpy(to, fake_ptr(&cont.ring, cont_gpa(place)), len);
}

/* A ring that nothing has happened on, the container's side of it included. */
static inline void cont_start(void)
{
	static const uint32_t sizes[] = { 16, 64, 128, 256, 512 };
	static const uint32_t odd_sizes[] = { 9, 50, 100, 333, 511 };
	uint64_t features = FAKE_F_KIND | (one_in(2) ? FAKE_F_V1 : 0) |
		(one_in(2) ? FAKE_F_MRG : 0) | (one_in(2) ? FAKE_F_EVENT_IDX : 0) |
		(one_in(2) ? FAKE_F_INDIRECT : 0);
	uint32_t size = FAKE_PACKED && one_in(2) ? odd_sizes[rnd(5)] : sizes[rnd(5)];
	uint32_t start = FAKE_PACKED ? rnd(size) | rnd(2) << 15 : rnd(65536);

	fake_ring_init_at(&cont.ring, size, features, (uint16_t)start);
	cont.nb_places = size / cont.id_step;
	cont.nb_ids = cont.nb_places;
	for (uint32_t i = 0; i < cont.nb_ids; i++) {
		cont.ids[i] = (uint16_t)(i * cont.id_step);
		cont.places[i] = (uint16_t)i;
	}
	CU_ASSERT_FATAL(cont.stride <= MODEL_MAX_STRIDE && cont.shift < cont.stride);
	CU_ASSERT_FATAL((cont.nb_places + 1) / 2 * (uint64_t)cont.stride < 2u << 20);
	cont.nb_posted = 0;
	cont.nb_seen = 0;
}

static inline void cont_stop(void)
{
	fake_ring_free(&cont.ring);
}

/* The same container takes its ring up again, where both sides left it. */
static inline bool cont_restart(uint16_t base)
{
	const char *why = "";

	if (FAKE_PACKED)
		cont.ring.setup.base = base;
	return vh_ring_start(&cont.ring.vr, &cont.ring.setup, &why) == 0;
}

/* Picks an id and a place: the caller writes the buffer and posts it. */
static inline struct model_buf *cont_pick(void)
{
	uint32_t i = rnd(cont.nb_ids), j = rnd(cont.nb_ids);
	struct model_buf *b = cont_buf(cont.nb_posted);

	*b = (struct model_buf){ .id = cont.ids[i], .place = cont.places[j], .nb_parts = 1 };
	cont.nb_ids--;
	cont.ids[i] = cont.ids[cont.nb_ids];
	cont.places[j] = cont.places[cont.nb_ids];
	return b;
}

static inline void cont_post(const struct model_buf *b, uint16_t flags)
{
	fake_post(&cont.ring, b->id, cont_gpa(b->place), b->len, flags);
	cont.nb_posted++;
}

/* In b->nb_parts pieces of at least one byte, through an indirect table or not. */
static inline void cont_post_parts(const struct model_buf *b, uint16_t flags, bool indirect)
{
	/* Each place has a table of its own, away from the places. */
	uint64_t table = FAKE_GPA_DATA + b->place * sizeof(struct vring_desc) * MODEL_MAX_PARTS;
	struct vring_desc parts[MODEL_MAX_PARTS];
	uint32_t at = 0;

	for (uint16_t i = 0; i < b->nb_parts; i++) {
		uint32_t left = b->len - at, later = b->nb_parts - 1u - i;
		uint32_t len = later == 0 ? left : 1 + rnd(left - later);

		parts[i] = (struct vring_desc){
			.addr = cont_gpa(b->place) + at, .len = len, .flags = flags
		};
		at += len;
	}
	if (indirect)
		fake_indirect(&cont.ring, b->id, table, parts, b->nb_parts);
	else
		fake_chain(&cont.ring, b->id, parts, b->nb_parts);
	cont.nb_posted++;
}

/* Used buffers that have not been looked at. */
static inline uint16_t cont_nb_used(void)
{
	return fake_nb_used(&cont.ring) - (uint16_t)cont.nb_seen;
}

/* The oldest used buffer that has not been looked at; its bytes written in *len. */
static inline struct model_buf *cont_harvest(uint32_t *len)
{
	struct vring_used_elem e = fake_used(&cont.ring, (uint16_t)cont.nb_seen);
	struct model_buf *b = cont_buf(cont.nb_seen);

	/* DESIGN, invariant 1: in the order in which they were posted. */
	CHECK(e.id == b->id);
	*len = e.len;
	cont.ids[cont.nb_ids] = b->id;
	cont.places[cont.nb_ids] = b->place;
	cont.nb_ids++;
	cont.nb_seen++;
	return b;
}

/* Nothing lost, nothing there twice: what is not posted is the container's. */
static inline void cont_check_all_there(void)
{
	bool there[MODEL_MAX_SIZE] = { false };

	CHECK(cont.nb_ids + cont.nb_posted - cont.nb_seen == cont.nb_places);
	for (uint32_t i = 0; i < cont.nb_ids; i++)
		CHECK(!there[cont.ids[i]] && (there[cont.ids[i]] = true));
	for (uint32_t i = cont.nb_seen; i != cont.nb_posted; i++)
		CHECK(!there[cont_buf(i)->id] && (there[cont_buf(i)->id] = true));
}

/* ---- packets: each says in its bytes which one it is ---- */

static inline uint8_t packet_byte(uint32_t packet, uint32_t i)
{
	return i < 4 ? (uint8_t)(packet >> (8 * i)) : (uint8_t)(packet * 7 + i * 13);
}

static inline void packet_write(uint8_t *to, uint32_t packet, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = packet_byte(packet, i);
}

static inline bool packet_is(const uint8_t *at, uint32_t packet, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (at[i] != packet_byte(packet, i))
			return false;
	return true;
}

static inline bool bytes_are(const uint8_t *at, uint8_t byte, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (at[i] != byte)
			return false;
	return true;
}

/* ---- runs ---- */

/* One seed: begin, steps, end. A model leaves its loans behind where it has failed. */
struct model_ops {
	void (*begin)(void);
	void (*step)(void);
	void (*end)(void);
};

static inline bool model_run(const struct model_ops *ops, uint32_t seed)
{
	model.seed = seed;
	model.step = 0;
	model.failed = NULL;
	model.rnd = seed * 2654435761u;
	for (uint32_t i = 0; i < 8; i++)
		rnd(2);
	ops->begin();
	while (!model_failed() && model.step < model.steps) {
		ops->step();
		model.step++;
	}
	if (!model_failed())
		ops->end();
	if (!model_failed())
		return true;
	printf("# seed %u, step %u of %u: %s:%d: %s\n", seed, model.step, model.steps, model.file,
		model.line, model.failed);
	return false;
}

static inline void model_run_seeds(const struct model_ops *ops)
{
	uint32_t first = model.only_seed != 0 ? model.only_seed : 1;
	uint32_t last = model.only_seed != 0 ? model.only_seed : MODEL_SEEDS;
	bool ok = true;

	for (uint32_t seed = first; seed <= last && ok; seed++)
		ok = model_run(ops, seed);
	CU_ASSERT(ok);
}

static inline int model_main(
	int argc, char **argv, const char *suite, const struct unit_test *tests, size_t nb_tests)
{
	if (argc > 1)
		model.only_seed = (uint32_t)strtoul(argv[1], NULL, 0);
	if (argc > 2)
		model.steps = (uint32_t)strtoul(argv[2], NULL, 0);
	if (!fake_eal())
		return EXIT_FAILURE;
	int ret = unit_run(suite, NULL, NULL, tests, nb_tests);
	rte_eal_cleanup();
	return ret;
}

#endif /* TESTS_UNIT_PMD_MODEL_H */
