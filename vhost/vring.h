/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One virtqueue as the thread that works on it sees it: what every kind of ring shares. The
 * per-packet functions are in split.h and packed.h; ring.h offers them under one name with the kind
 * as an argument, a constant at every call: the choice is made once, when the ring starts, never
 * per packet.
 *
 *	avail		buffers that the container has offered
 *	peek_rx, peek_tx	copy and check a next buffer without taking it
 *	take		take peeked buffers
 *	untake		give the newest back, unused
 *	put_used	complete the oldest buffer
 *	flush		show the completions to the container, and whether it wants a call; each turn
 *	prefetch_avail, prefetch_used	the next burst's entries, to be read, to be written
 *	prefetch_bufs	its buffers
 *
 * A buffer occupies `entries` places of its ring, by which the position moves on: one on a split
 * ring, however long the chain; as many as it has descriptors on a packed ring.
 *
 * Ownership: the ring belongs to one thread at a time: the worker whose plan holds it, else the
 * control thread. While a worker owns the ring, the control thread only reads `calling` and
 * sets and reads `fault`.
 * Trust: everything in the container's memory may change at any time. A descriptor is copied to a
 * local once (vh_desc_load), checked, then used. What the container may break is its own ring:
 * `fault` is set, the ring gives nothing more, and the control thread resets the port.
 */
#ifndef VHOST_VRING_H
#define VHOST_VRING_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <linux/virtio_ring.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "vhost/mem.h"

#define VH_RING_MAX_SIZE 32768 /* virtio 1.1, 2.6 and 2.7: both kinds */

/* What a container did wrong with a ring. Any of these, but the last, costs it the connection. */
enum vh_fault {
	VH_FAULT_NONE,
	VH_FAULT_AVAIL_INDEX, /* more buffers offered than the ring has */
	VH_FAULT_DESC_INDEX, /* descriptor number beyond the ring */
	VH_FAULT_CHAIN, /* chain longer than the ring: a loop; or its end is not offered */
	VH_FAULT_INDIRECT, /* indirect table: not negotiated, nested, odd size, with NEXT */
	VH_FAULT_ADDRESS, /* buffer outside of the shared memory */
	VH_FAULT_DIRECTION, /* readable where writable is due, or the reverse */
	VH_FAULT_HEADER, /* no room for the virtio-net header */
	VH_FAULT_MEMORY, /* shared memory has been shrunk */
	VH_FAULT_CALL, /* the call eventfd blocks its writer */
	VH_FAULT_REVOKED, /* its own no more: a worker that comes late leaves the ring alone */
	VH_FAULT_COUNT
};

/*
 * Whether a buffer can be lent to a NIC as it is. Beyond VH_FIT it is legal, but has to be copied.
 */
enum vh_fit {
	VH_FIT,
	VH_FIT_EMPTY, /* no buffer there yet */
	VH_FIT_SHORT, /* receive: less than header + the NIC queue's buffer size; transmit: a runt */
	VH_FIT_CHAIN, /* more than one descriptor, or an indirect one */
	VH_FIT_REGION, /* crosses the end of a memory region */
	VH_FIT_FAULT, /* illegal: the ring's fault is set */
	VH_FIT_COUNT
};

enum vh_ring_kind { VH_RING_SPLIT, VH_RING_PACKED, VH_RING_KINDS };

#define VH_RING_BURST 32 /* buffers that the prefetch functions look ahead */

#define VH_RING_EVENT_IDX 0x1 /* VIRTIO_RING_F_EVENT_IDX */
#define VH_RING_INDIRECT  0x2 /* VIRTIO_RING_F_INDIRECT_DESC */
#define VH_RING_MERGEABLE 0x4 /* VIRTIO_NET_F_MRG_RXBUF */

/*
 * Asking whether the container wants to be called takes a full barrier, which waits until all that
 * was written has left the core: a large part of what a burst costs (measured). A container that did
 * not want any when asked last is polling, so so many flushes only show. The next one asks, and so
 * does the first one that has nothing to show: a container that goes to sleep meanwhile is woken a
 * turn late, and never not at all.
 */
#define VH_RING_PATIENCE 16

/* What completing a packed entry changes: its second half, written at once. */
union vh_packed_used {
	struct {
		uint32_t len;
		uint16_t id;
		uint16_t flags;
	};
	uint64_t word;
};

struct vh_vring {
	/* Read on every turn. The container's memory, by kind. */
	union {
		const struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	union {
		const struct vring_avail *avail;
		const uint32_t *driver_event; /* off_wrap, flags << 16: read as one */
	};
	union {
		struct vring_used *used;
		union vh_packed_used first; /* packed: the first unshown one, for the flush */
	};
	const struct vh_mem *mem;
	uint16_t size; /* entries */
	/* Split: positions count on through 16 bits. Packed: they are places, below size. */
	uint16_t last_avail; /* position of the next buffer to take */
	uint16_t last_used; /* position of the next buffer to complete */
	union {
		struct { /* split */
			uint16_t mask; /* size - 1 */
			uint16_t avail_seen; /* avail->idx as last read and checked */
			uint16_t used_shown; /* used->idx as last written */
			uint16_t
				used_asked; /* of these, up to here the container's wish was obeyed */
		};
		struct { /* packed: entries, with out + known <= size and unshown <= out */
			uint16_t known; /* from last_avail on, seen to be available */
			uint16_t out; /* taken, and their completion not shown */
			uint16_t unshown; /* of these, completed */
			/* AVAIL and USED flags as they are in: */
			uint16_t avail_flags; /* an available entry behind `known` */
			uint16_t used_flags; /* a used entry at last_used */
			uint16_t
				unasked; /* shown, and the container's wish not yet obeyed; <= size */
		};
	};
	uint8_t hdr_len; /* virtio-net header: 12, or 10 on a legacy ring without MRG_RXBUF */
	uint8_t flags; /* VH_RING_* */
	uint16_t hint; /* last region hit */
	int callfd; /* never -1: a dummy eventfd stands in for none */
	uint8_t patience; /* flushes that may go by without asking the container's wish */
	/* Bytes that the control thread polls. */
	uint8_t fault; /* enum vh_fault, the first one wins */
	uint8_t calling; /* in vh_ring_call() */
	uint8_t kind; /* enum vh_ring_kind */
} __rte_cache_aligned;

_Static_assert(sizeof(struct vh_vring) == 64, "a ring's hot state is one cache line");

/* Entries of a ring. */
static inline uint16_t vh_ring_size(const struct vh_vring *vr)
{
	return vr->size;
}

/* A receive buffer, checked. */
struct vh_rx_buf {
	uint8_t *addr; /* of the virtio-net header */
	uint16_t id;
};

/* A buffer that has been taken: what completing it needs to know. */
struct vh_taken {
	uint16_t id;
	uint16_t entries;
};

/* A transmit buffer, checked. */
struct vh_tx_buf {
	uint8_t *addr; /* of the frame, behind the virtio-net header */
	uint32_t len; /* of the frame */
	struct vh_taken taken; /* to be, by take() */
};

/* Brings a line into this core's cache to be written. Any address. */
static inline void vh_prefetch_write(const void *p)
{
#if defined(__x86_64__)
	/* The compiler takes a plain prefetch for the builtin unless told of this one's existence. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/*
 * The first two lines of a buffer whose descriptor may be anything yet: for speed alone, so what
 * cannot be is left to the one who takes it.
 */
static inline void vh_prefetch_buf(struct vh_vring *vr, uint64_t gpa, bool write)
{
	uint64_t part = 1;
	const uint8_t *addr = vh_mem_translate_part(vr->mem, &vr->hint, gpa, &part);

	if (unlikely(addr == NULL))
		return;
	if (write) {
		vh_prefetch_write(addr);
		vh_prefetch_write(addr + RTE_CACHE_LINE_SIZE);
	} else {
		__builtin_prefetch(addr);
		__builtin_prefetch(addr + RTE_CACHE_LINE_SIZE);
	}
}

/* As much as a usual packet takes of it. */
static inline void vh_prefetch_whole(struct vh_vring *vr, uint64_t gpa, uint64_t len)
{
	uint64_t part = RTE_MIN(len, 1536u);
	const uint8_t *addr = vh_mem_translate_part(vr->mem, &vr->hint, gpa, &part);

	if (unlikely(addr == NULL))
		return;
	for (uint64_t off = 0; off < part; off += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch(addr + off);
}

static inline void vh_ring_set_fault(struct vh_vring *vr, enum vh_fault fault)
{
	if (vr->fault == VH_FAULT_NONE) /* relaxed: a report, nothing is ordered by it */
		__atomic_store_n(&vr->fault, fault, __ATOMIC_RELAXED);
}

static inline enum vh_fault vh_ring_fault(const struct vh_vring *vr)
{
	return __atomic_load_n(&vr->fault, __ATOMIC_RELAXED);
}

/*
 * The one copy of a descriptor that checks and use both work on. Relaxed atomic loads: the compiler
 * must not read the container's memory a second time after a check.
 */
static inline struct vring_desc vh_desc_load(const struct vring_desc *p)
{
	return (struct vring_desc){
		.addr = __atomic_load_n(&p->addr, __ATOMIC_RELAXED),
		.len = __atomic_load_n(&p->len, __ATOMIC_RELAXED),
		.flags = __atomic_load_n(&p->flags, __ATOMIC_RELAXED),
		.next = __atomic_load_n(&p->next, __ATOMIC_RELAXED),
	};
}

/*
 * Wakes a sleeping container: the one system call that a worker makes. The eventfd was made
 * non-blocking when the ring started, and a full counter means that a wake-up is due anyway. But
 * the flag is shared with the container, which can clear it and fill the counter: `calling` lets
 * the control thread find out who is stuck here, and get it out (vh_ring_silence, then a signal).
 */
static inline void vh_ring_call(struct vh_vring *vr)
{
	uint64_t one = 1;
	ssize_t ret;

	__atomic_store_n(&vr->calling, true, __ATOMIC_RELAXED);
	ret = write(vr->callfd, &one, sizeof(one));
	__atomic_store_n(&vr->calling, false, __ATOMIC_RELAXED);
	(void)ret;
}

/* Whether the ring's owner is in vh_ring_call(). Any thread. */
static inline bool vh_ring_calling(const struct vh_vring *vr)
{
	return __atomic_load_n(&vr->calling, __ATOMIC_RELAXED);
}

/*
 * Whether the container seems to offer `want` buffers, for a thread that does not own the ring:
 * nothing is checked, so nothing but a decision to look closer may follow from it.
 */
bool vh_ring_offers(const struct vh_vring *vr, uint16_t want);

/*
 * Whether a call would block now. Not whether one that has begun does: the container may have put
 * another eventfd in its place since. Control thread.
 */
bool vh_ring_call_blocks(const struct vh_vring *vr);

/* Puts a dummy behind the ring's call descriptor, and sets VH_FAULT_CALL. Control thread. */
void vh_ring_silence(struct vh_vring *vr);

const char *vh_fault_str(enum vh_fault fault);
const char *vh_fit_str(enum vh_fit fit);
const char *vh_ring_kind_str(enum vh_ring_kind kind);

/* Where a ring lies, in librte_vhost's addresses, and what was negotiated for it. */
struct vh_ring_setup {
	uint64_t desc;
	uint64_t avail; /* packed: driver event suppression */
	uint64_t used; /* packed: device event suppression */
	uint32_t size;
	uint16_t base; /* packed: place | wrap counter << 15, as librte_vhost has it */
	uint64_t features; /* negotiated virtio features */
	int callfd; /* not owned */
	const struct vh_mem *mem;
};

/*
 * Takes a ring over for work: checks size, alignment, that each part lies wholly inside one region,
 * and the indices, all again, whatever librte_vhost checked. The kind follows from the features.
 * A split ring starts at used->idx: entries are published in avail order, so it is the one index
 * that survives a crash of either side. A packed ring has no index in shared memory; it starts at
 * the base.
 * Control thread. Returns 0, or -EINVAL with *why set to a static text; vr is then unchanged.
 */
int vh_ring_start(struct vh_vring *vr, const struct vh_ring_setup *setup, const char **why);

/*
 * Puts a ring in the state in which the next owner finds it: everything taken has been completed or
 * given back, so the next buffer is the one after the last used. Control thread, after the worker
 * has let go. Shows what is still unshown, but calls nobody: that could block the control thread.
 * Returns the base for both directions (rte_vhost_set_vring_base).
 */
uint16_t vh_ring_settle(struct vh_vring *vr);

/*
 * By kind, what vh_ring_start() leaves to it: *vr has all that both kinds share, and is scratch
 * space if this fails.
 */
int vh_split_start(struct vh_vring *vr, const struct vh_ring_setup *setup, const char **why);
int vh_packed_start(struct vh_vring *vr, const struct vh_ring_setup *setup, const char **why);
uint16_t vh_split_settle(struct vh_vring *vr);
uint16_t vh_packed_settle(struct vh_vring *vr);
bool vh_split_offers(const struct vh_vring *vr, uint16_t want);
bool vh_packed_offers(const struct vh_vring *vr, uint16_t want);

#endif /* VHOST_VRING_H */
