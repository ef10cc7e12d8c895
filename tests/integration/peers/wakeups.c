/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The container's side of one ring pair, as fast as C can be: single packets, each sent after the one
 * before has come, to a receiver that sleeps on its call eventfd. Started by wakeups.py, which does
 * the vhost-user talk; the memory and the descriptors are inherited from it.
 *
 * What a driver does, this does: poll; if there is nothing, arm; look again; if there still is
 * nothing, sleep. A wake-up is lost if the sleep reaches its limit and a used buffer is there.
 *
 * Two orders of arming and sending:
 *
 *	armed	arm, then send: every packet must come with a call
 *	race	send, then arm: the switch completes the buffer at that very moment. The time between
 *		the two follows what happens, so that it stays at the point where it goes either way
 *
 * Says "ready", waits for a byte, prints one line of JSON. Exit status: 0 if nothing was lost, 1 if something was, 2 bad usage.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#define LIMIT_MS  3000 /* a sleep longer than this was not meant to end */
#define BUF_SIZE  2304u
#define HDR_LEN   12u
#define FRAME_LEN 60u
#define SEQ_AT    14u /* behind the addresses and the type */

struct ring;

/* One kind of ring. A kind is added here, in kinds[] and in wakeups.py. */
struct ring_ops {
	const char *name;
	/* All parts are zeroes, as a driver that starts leaves them. */
	void (*init)(struct ring *r);
	/* Offers buffer `id` to the device. */
	void (*offer)(struct ring *r, uint16_t id, uint32_t len, bool write);
	/* The next used buffer, or -1; does not take it. */
	int (*used)(const struct ring *r);
	void (*take)(struct ring *r);
	/* Asks for a call at the next used buffer. Followed by a full barrier. */
	void (*arm)(struct ring *r);
	/* Asks for none (with EVENT_IDX: for one, far away). */
	void (*disarm)(struct ring *r);
};

struct ring {
	const struct ring_ops *ops;
	bool event_idx;
	uint16_t num;
	/* Split: positions count on through 16 bits. Packed: they are places, below num. */
	uint16_t next_avail, last_used;
	bool avail_wrap, used_wrap; /* packed */
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	union {
		struct vring_avail *avail;
		uint32_t *driver_event; /* off_wrap, flags << 16 */
	};
	struct vring_used *used; /* split */
	int callfd;
	uint64_t bufs_gpa;
	uint8_t *bufs; /* num of BUF_SIZE each */
};

static void split_init(struct ring *r)
{
	r->next_avail = r->last_used = 0;
}

static void split_offer(struct ring *r, uint16_t id, uint32_t len, bool write)
{
	r->desc[id] = (struct vring_desc){
		.addr = r->bufs_gpa + (uint64_t)id * BUF_SIZE,
		.len = len,
		.flags = write ? VRING_DESC_F_WRITE : 0,
	};
	r->avail->ring[r->next_avail % r->num] = id;
	r->next_avail++;
	__atomic_store_n(&r->avail->idx, r->next_avail, __ATOMIC_RELEASE);
}

static int split_used(const struct ring *r)
{
	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->last_used)
		return -1;
	return (int)r->used->ring[r->last_used % r->num].id;
}

static void split_take(struct ring *r)
{
	r->last_used++;
}

static void split_arm(struct ring *r)
{
	if (r->event_idx)
		__atomic_store_n(&r->avail->ring[r->num], r->last_used, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&r->avail->flags, 0, __ATOMIC_RELAXED);
}

static void split_disarm(struct ring *r)
{
	if (r->event_idx)
		__atomic_store_n(
			&r->avail->ring[r->num], (uint16_t)(r->last_used - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&r->avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
}

static void packed_init(struct ring *r)
{
	r->next_avail = r->last_used = 0;
	r->avail_wrap = r->used_wrap = true;
}

static void advance(const struct ring *r, uint16_t *place, bool *wrap)
{
	if (++*place < r->num)
		return;
	*place = 0;
	*wrap = !*wrap;
}

static void packed_offer(struct ring *r, uint16_t id, uint32_t len, bool write)
{
	struct vring_packed_desc *d = &r->packed[r->next_avail];
	uint16_t owner =
		r->avail_wrap ? 1u << VRING_PACKED_DESC_F_AVAIL : 1u << VRING_PACKED_DESC_F_USED;

	d->addr = r->bufs_gpa + (uint64_t)id * BUF_SIZE;
	d->len = len;
	d->id = id;
	__atomic_store_n(
		&d->flags, (uint16_t)(owner | (write ? VRING_DESC_F_WRITE : 0)), __ATOMIC_RELEASE);
	advance(r, &r->next_avail, &r->avail_wrap);
}

static int packed_used(const struct ring *r)
{
	const struct vring_packed_desc *d = &r->packed[r->last_used];
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
	bool avail = flags & (1u << VRING_PACKED_DESC_F_AVAIL);
	bool used = flags & (1u << VRING_PACKED_DESC_F_USED);

	return avail == r->used_wrap && used == r->used_wrap ? (int)d->id : -1;
}

static void packed_take(struct ring *r)
{
	advance(r, &r->last_used, &r->used_wrap);
}

static void packed_arm(struct ring *r)
{
	uint32_t place = r->last_used | (uint32_t)r->used_wrap << VRING_PACKED_EVENT_F_WRAP_CTR;

	/* Both halves at once: they belong together. */
	__atomic_store_n(r->driver_event,
		r->event_idx ? place | VRING_PACKED_EVENT_FLAG_DESC << 16
			     : VRING_PACKED_EVENT_FLAG_ENABLE << 16,
		__ATOMIC_RELAXED);
}

static void packed_disarm(struct ring *r)
{
	__atomic_store_n(r->driver_event, VRING_PACKED_EVENT_FLAG_DISABLE << 16, __ATOMIC_RELAXED);
}

static const struct ring_ops kinds[] = {
	{ "split", split_init, split_offer, split_used, split_take, split_arm, split_disarm },
	{ "packed", packed_init, packed_offer, packed_used, packed_take, packed_arm,
		packed_disarm },
};

struct peer {
	struct ring rx, tx;
	struct ring *sleeper; /* the ring whose used buffers are waited for */
	int wire; /* packet socket that sends what arrives on rx, or -1: tx does */
	bool armed_first;
	uint32_t count;
	uint8_t frame[FRAME_LEN];
	/* Results. */
	uint32_t received;
	uint32_t slept, seen_at_once, seen_armed;
	uint32_t spurious; /* calls without a used buffer: legal, should be few */
};

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void spin(uint32_t turns)
{
	for (uint32_t i = 0; i < turns; i++)
		atomic_signal_fence(memory_order_seq_cst); /* keeps the loop */
}

static bool send_one(struct peer *p, uint32_t seq)
{
	memcpy(p->frame + SEQ_AT, &seq, sizeof(seq));
	if (p->wire >= 0)
		return write(p->wire, p->frame, FRAME_LEN) == FRAME_LEN;

	uint16_t id = (uint16_t)(seq % p->tx.num);
	uint8_t *buf = p->tx.bufs + (size_t)id * BUF_SIZE;

	memset(buf, 0, HDR_LEN);
	memcpy(buf + HDR_LEN, p->frame, FRAME_LEN);
	p->tx.ops->offer(&p->tx, id, HDR_LEN + FRAME_LEN, false);
	return true;
}

static bool fail(const struct peer *p, const char *what)
{
	fprintf(stderr, "packet %u: %s\n", p->received, what);
	return false;
}

static void arm(struct ring *r)
{
	r->ops->arm(r);
	/* Pairs with the device's: it must see the wish, or we its buffer. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Sleeps on an armed ring until a used buffer is there. */
static bool sleep_until_used(struct peer *p, struct ring *r)
{
	struct pollfd pfd = { .fd = r->callfd, .events = POLLIN };
	uint64_t calls;

	for (;;) {
		int ret = poll(&pfd, 1, LIMIT_MS);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return fail(p,
				r->ops->used(r) >= 0
					? "wake-up lost: the buffer is used, no call came"
					: "packet lost: no buffer was used");
		if (read(r->callfd, &calls, sizeof(calls)) != sizeof(calls))
			return fail(p, "cannot read the call eventfd");
		p->slept++;
		if (r->ops->used(r) >= 0)
			return true;
		/* The call for one that was seen without it. */
		p->spurious++;
		arm(r);
		/* Where it has been armed all the time, there must be a call. */
		if (!p->armed_first && r->ops->used(r) >= 0)
			return true;
	}
}

/* Sends before it arms. The delay is steered to where the buffer comes while the ring is armed. */
static bool race_one(struct peer *p, struct ring *r, uint32_t seq)
{
	static uint32_t delay = 500, noise = 1;

	if (!send_one(p, seq))
		return fail(p, "cannot be sent");
	noise = noise * 1664525u + 1013904223u;
	spin(delay + (noise >> 26));
	if (r->ops->used(r) >= 0) {
		p->seen_at_once++;
		delay -= delay > 16 ? 16 : 0;
		return true;
	}
	arm(r);
	if (r->ops->used(r) >= 0) {
		p->seen_armed++;
		return true;
	}
	delay += 16;
	return sleep_until_used(p, r);
}

static bool armed_one(struct peer *p, struct ring *r, uint32_t seq)
{
	arm(r);
	if (r->ops->used(r) >= 0)
		return fail(p, "a used buffer before the packet was sent");
	if (!send_one(p, seq))
		return fail(p, "cannot be sent");
	return sleep_until_used(p, r);
}

/* Takes the packet, which must be the one sent, and offers its buffer again. */
static bool take_packet(struct peer *p)
{
	struct ring *r = &p->rx;
	int id = r->ops->used(r);

	if (id < 0 || id >= r->num)
		return fail(p, "no such buffer");
	if (memcmp(r->bufs + (size_t)id * BUF_SIZE + HDR_LEN, p->frame, FRAME_LEN) != 0)
		return fail(p, "another packet than the one sent");
	r->ops->take(r);
	r->ops->offer(r, (uint16_t)id, BUF_SIZE, true);
	return true;
}

static bool one(struct peer *p, uint32_t seq)
{
	struct ring *r = p->sleeper;

	if (!(p->armed_first ? armed_one : race_one)(p, r, seq))
		return false;
	r->ops->disarm(r);
	if (r == &p->rx && !take_packet(p))
		return false;
	/* Sent ones: the one waited for, or what there is of a ring that is not waited for. */
	while (p->wire < 0 && p->tx.ops->used(&p->tx) >= 0)
		p->tx.ops->take(&p->tx);
	return true;
}

static bool run(struct peer *p)
{
	static const uint8_t head[SEQ_AT] = { 0x02, 0x76, 0x66, 0, 0, 0x0b, 0x02, 0x76, 0x66, 0, 0,
		0x0c, 0x88, 0xb5 };

	memcpy(p->frame, head, sizeof(head));
	for (; p->received < p->count; p->received++)
		if (!one(p, p->received))
			return false;
	return true;
}

/* The command line: KEY=NUMBER, all of them. Offsets are from the start of the memory. */
enum key {
	MEM_FD, /* one region */
	MEM_SIZE,
	MEM_GPA,
	EVENT_IDX,
	RING_NUM,
	RX_DESC,
	RX_AVAIL,
	RX_USED,
	RX_BUFS,
	RX_CALL_FD,
	TX_DESC,
	TX_AVAIL,
	TX_USED,
	TX_BUFS,
	TX_CALL_FD,
	WIRE_FD, /* 0: packets are sent on the tx ring */
	COUNT,
	KEYS
};

static const char *const key_names[KEYS] = { "mem_fd", "mem_size", "mem_gpa", "event_idx", "num",
	"rx_desc", "rx_avail", "rx_used", "rx_bufs", "rx_call_fd", "tx_desc", "tx_avail", "tx_used",
	"tx_bufs", "tx_call_fd", "wire_fd", "count" };

static bool parse(char *const *argv, uint64_t value[KEYS])
{
	for (unsigned int k = 0; k < KEYS; k++, argv++) {
		size_t len = strlen(key_names[k]);
		char *end;

		if (*argv == NULL || strncmp(*argv, key_names[k], len) != 0 || (*argv)[len] != '=')
			return false;
		value[k] = strtoull(*argv + len + 1, &end, 0);
		if (*end != '\0')
			return false;
	}
	return *argv == NULL;
}

static void start_ring(struct ring *r, const struct ring_ops *ops, uint8_t *mem,
	const uint64_t value[KEYS], enum key first)
{
	*r = (struct ring){
		.ops = ops,
		.event_idx = value[EVENT_IDX] != 0,
		.num = (uint16_t)value[RING_NUM],
		.desc = (struct vring_desc *)(void *)(mem + value[first]),
		.avail = (struct vring_avail *)(void *)(mem + value[first + 1]),
		.used = (struct vring_used *)(void *)(mem + value[first + 2]),
		.bufs = mem + value[first + 3],
		.bufs_gpa = value[MEM_GPA] + value[first + 3],
		.callfd = (int)value[first + 4],
	};
	ops->init(r);
	ops->disarm(r);
}

static const struct ring_ops *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static struct peer p;
	uint64_t value[KEYS];
	const struct ring_ops *ops = argc > 3 ? find_kind(argv[1]) : NULL;

	if (ops == NULL || !parse(argv + 4, value)) {
		fprintf(stderr, "usage: wakeups KIND armed|race rx|tx KEY=NUMBER...\n");
		return 2;
	}
	uint8_t *mem = mmap(
		NULL, value[MEM_SIZE], PROT_READ | PROT_WRITE, MAP_SHARED, (int)value[MEM_FD], 0);
	if (mem == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	start_ring(&p.rx, ops, mem, value, RX_DESC);
	start_ring(&p.tx, ops, mem, value, TX_DESC);
	for (uint16_t id = 0; id < p.rx.num; id++)
		ops->offer(&p.rx, id, BUF_SIZE, true);
	p.armed_first = strcmp(argv[2], "armed") == 0;
	p.sleeper = strcmp(argv[3], "tx") == 0 ? &p.tx : &p.rx;
	p.wire = value[WIRE_FD] != 0 ? (int)value[WIRE_FD] : -1;
	p.count = (uint32_t)value[COUNT];

	/* The ring may have to be full for the switch to map it. */
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF)
		return 2;

	double begin = now_seconds();
	bool good = run(&p);
	printf("{\"received\": %u, \"slept\": %u, \"spurious\": %u, \"seen_at_once\": %u, "
	       "\"seen_armed\": %u, \"seconds\": %.3f}\n",
		p.received, p.slept, p.spurious, p.seen_at_once, p.seen_armed,
		now_seconds() - begin);
	return good ? 0 : 1;
}
