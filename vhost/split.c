/* SPDX-License-Identifier: BSD-3-Clause */
/* Split virtqueue: start and settle (vh_ring_start, vh_ring_settle). Control thread only. */
#include "vhost/split.h"

#include <errno.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_vhost.h>

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
		.size = (uint16_t)s->size,
		.mask = (uint16_t)(s->size - 1),
		.hdr_len = mergeable || version_1 ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
						  : sizeof(struct virtio_net_hdr),
		.callfd = s->callfd,
		.kind = VH_RING_SPLIT,
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
