/* SPDX-License-Identifier: BSD-3-Clause */
/* Split virtqueue: start and settle. Control thread only. */
#include "vhost/split.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_vhost.h>

static const char *const fault_names[VH_FAULT_COUNT] = {
	[VH_FAULT_NONE] = "none",
	[VH_FAULT_AVAIL_INDEX] = "avail index jumped",
	[VH_FAULT_DESC_INDEX] = "descriptor number beyond the ring",
	[VH_FAULT_CHAIN] = "descriptor chain too long or a loop",
	[VH_FAULT_INDIRECT] = "bad indirect descriptor",
	[VH_FAULT_ADDRESS] = "buffer outside of shared memory",
	[VH_FAULT_DIRECTION] = "buffer has the wrong direction",
	[VH_FAULT_HEADER] = "no room for the virtio-net header",
	[VH_FAULT_MEMORY] = "shared memory was shrunk",
	[VH_FAULT_CALL] = "call eventfd blocks",
};

static const char *const fit_names[VH_FIT_COUNT] = {
	[VH_FIT] = "fits",
	[VH_FIT_EMPTY] = "no buffers offered yet",
	[VH_FIT_SHORT] = "buffers shorter than the NIC queue needs",
	[VH_FIT_CHAIN] = "buffers are descriptor chains",
	[VH_FIT_REGION] = "buffer crosses a memory region",
	[VH_FIT_FAULT] = "bad descriptor",
};

const char *vh_fault_str(enum vh_fault fault)
{
	return fault < VH_FAULT_COUNT ? fault_names[fault] : "?";
}

const char *vh_fit_str(enum vh_fit fit)
{
	return fit < VH_FIT_COUNT ? fit_names[fit] : "?";
}

int vh_split_start(struct vh_vring *vr, const struct vh_ring_setup *s, const char **why)
{
	bool event_idx = s->features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
	bool mergeable = s->features & (1ULL << VIRTIO_NET_F_MRG_RXBUF);
	bool version_1 = s->features & (1ULL << VIRTIO_F_VERSION_1);
	uint64_t event = event_idx ? sizeof(uint16_t) : 0;
	struct vh_vring new;

	if (s->size == 0 || s->size > VH_RING_MAX_SIZE || (s->size & (s->size - 1)) != 0) {
		*why = "ring size is no power of two up to 32768";
		return -EINVAL;
	}
	new = (struct vh_vring){
		.desc = vh_mem_from_peer(s->mem, s->desc, s->size * sizeof(struct vring_desc)),
		.avail = vh_mem_from_peer(s->mem, s->avail,
			sizeof(struct vring_avail) + s->size * sizeof(uint16_t) + event),
		.used = vh_mem_from_peer(s->mem, s->used,
			sizeof(struct vring_used) + s->size * sizeof(struct vring_used_elem) +
				event),
		.mem = s->mem,
		.mask = s->size - 1,
		.hdr_len = mergeable || version_1 ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
						  : sizeof(struct virtio_net_hdr),
		.callfd = s->callfd,
	};
	if (new.desc == NULL || new.avail == NULL || new.used == NULL) {
		*why = "ring outside of shared memory";
		return -EINVAL;
	}
	/* 2.6, Virtqueue Alignment: 16, 2 and 4 bytes */
	if ((uintptr_t) new.desc % 16 != 0 || (uintptr_t) new.avail % 2 != 0 ||
		(uintptr_t) new.used % 4 != 0) {
		*why = "ring is not aligned";
		return -EINVAL;
	}
	if (event_idx)
		new.flags |= VH_RING_EVENT_IDX;
	if (mergeable)
		new.flags |= VH_RING_MERGEABLE;
	if (s->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC))
		new.flags |= VH_RING_INDIRECT;

	new.last_used = __atomic_load_n(&new.used->idx, __ATOMIC_ACQUIRE);
	new.last_avail = new.last_used;
	new.used_shown = new.last_used;
	new.avail_seen = new.last_used;
	if ((uint16_t)(__atomic_load_n(&new.avail->idx, __ATOMIC_ACQUIRE) - new.last_used) >
		s->size) {
		*why = "ring indices contradict each other";
		return -EINVAL;
	}
	/*
	 * We poll: no kicks. With EVENT_IDX the flag must stay 0 (2.6.10.1); avail_event is left
	 * just behind, so that the container kicks once in 65536 buffers at most.
	 */
	if (event_idx) {
		uint16_t *avail_event = (uint16_t *)&new.used->ring[s->size];

		__atomic_store_n(avail_event, (uint16_t)(new.last_used - 1), __ATOMIC_RELAXED);
		__atomic_store_n(&new.used->flags, 0, __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(&new.used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	}
	*vr = new;
	return 0;
}

bool vh_ring_call_blocks(const struct vh_vring *vr)
{
	struct pollfd pfd = { .fd = vr->callfd, .events = POLLOUT };

	return poll(&pfd, 1, 0) == 0;
}

void vh_ring_silence(struct vh_vring *vr)
{
	int dummy = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	vh_ring_set_fault(vr, VH_FAULT_CALL);
	if (dummy < 0)
		return;
	dup3(dummy, vr->callfd, O_CLOEXEC);
	close(dummy);
}

uint16_t vh_split_settle(struct vh_vring *vr)
{
	/*
	 * Workers flush, and call, on every turn: nothing is left to show. No call from here: it
	 * could block the control thread, and nobody watches that.
	 */
	vh_split_flush(vr);
	vr->last_avail = vr->last_used;
	vr->avail_seen = vr->last_used;
	return vr->last_used;
}
