/* SPDX-License-Identifier: BSD-3-Clause */
/* Split virtqueue, off the packets' path. */
#include "vhost/split.h"

#include <errno.h>

int vh_split_start(struct vh_vring *vr, const struct vh_ring_setup *s, const char **why)
{
	uint64_t event = vr->flags & VH_RING_EVENT_IDX ? sizeof(uint16_t) : 0;

	if ((s->size & (s->size - 1)) != 0) {
		*why = "size of a split ring is no power of two";
		return -EINVAL;
	}
	vr->desc = vh_mem_from_peer(s->mem, s->desc, s->size * sizeof(struct vring_desc));
	vr->avail = vh_mem_from_peer(
		s->mem, s->avail, sizeof(struct vring_avail) + s->size * sizeof(uint16_t) + event);
	vr->used = vh_mem_from_peer(s->mem, s->used,
		sizeof(struct vring_used) + s->size * sizeof(struct vring_used_elem) + event);
	if (vr->desc == NULL || vr->avail == NULL || vr->used == NULL) {
		*why = "ring outside of shared memory";
		return -EINVAL;
	}
	/* 2.6, Virtqueue Alignment: 16, 2 and 4 bytes */
	if ((uintptr_t)vr->desc % 16 != 0 || (uintptr_t)vr->avail % 2 != 0 ||
		(uintptr_t)vr->used % 4 != 0) {
		*why = "ring is not aligned";
		return -EINVAL;
	}

	vr->mask = (uint16_t)(s->size - 1);
	vr->last_used = __atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE);
	vr->last_avail = vr->last_used;
	vr->used_shown = vr->last_used;
	vr->used_asked = vr->last_used;
	vr->avail_seen = vr->last_used;
	if ((uint16_t)(__atomic_load_n(&vr->avail->idx, __ATOMIC_ACQUIRE) - vr->last_used) >
		s->size) {
		*why = "ring indices contradict each other";
		return -EINVAL;
	}
	/*
	 * We poll: no kicks. With EVENT_IDX the flag must stay 0 (2.6.10.1); avail_event is left
	 * just behind, so that the container kicks once in 65536 buffers at most.
	 */
	if (vr->flags & VH_RING_EVENT_IDX) {
		uint16_t *avail_event = (uint16_t *)&vr->used->ring[s->size];

		__atomic_store_n(avail_event, (uint16_t)(vr->last_used - 1), __ATOMIC_RELAXED);
		__atomic_store_n(&vr->used->flags, 0, __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(&vr->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	}
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

bool vh_split_offers(const struct vh_vring *vr, uint16_t want)
{
	uint16_t idx = __atomic_load_n(&vr->avail->idx, __ATOMIC_RELAXED);

	return (uint16_t)(idx - __atomic_load_n(&vr->last_avail, __ATOMIC_RELAXED)) >= want;
}
