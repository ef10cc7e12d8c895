/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed virtqueue, off the packets' path. */
#include "vhost/packed.h"

#include <errno.h>

#define BASE_WRAP (1u << 15)

static void stand_at(struct vh_vring *vr, uint16_t place, bool wrap)
{
	vr->last_avail = place;
	vr->last_used = place;
	vr->known = 0;
	vr->out = 0;
	vr->unshown = 0;
	vr->unasked = 0;
	/* 2.7.1: AVAIL is the wrap counter; USED the same if used, the opposite if available */
	vr->avail_flags = wrap ? VH_PACKED_AVAIL : VH_PACKED_USED;
	vr->used_flags = wrap ? VH_PACKED_OWNER : 0;
}

int vh_packed_start(struct vh_vring *vr, const struct vh_ring_setup *s, const char **why)
{
	struct vring_packed_desc_event *device_event =
		vh_mem_from_peer(s->mem, s->used, sizeof(*device_event));
	uint16_t place = s->base & (BASE_WRAP - 1);

	vr->packed = vh_mem_from_peer(s->mem, s->desc, s->size * sizeof(struct vring_packed_desc));
	vr->driver_event =
		vh_mem_from_peer(s->mem, s->avail, sizeof(struct vring_packed_desc_event));
	if (vr->packed == NULL || vr->driver_event == NULL || device_event == NULL) {
		*why = "ring outside of shared memory";
		return -EINVAL;
	}
	/* 2.7.10.1: 16, 4 and 4 bytes */
	if ((uintptr_t)vr->packed % 16 != 0 || (uintptr_t)vr->driver_event % 4 != 0 ||
		(uintptr_t)device_event % 4 != 0) {
		*why = "ring is not aligned";
		return -EINVAL;
	}
	if (place >= s->size) {
		*why = "ring base beyond the ring";
		return -EINVAL;
	}
	stand_at(vr, place, s->base & BASE_WRAP);

	/* We poll: no kicks. */
	__atomic_store_n(&device_event->flags, VRING_PACKED_EVENT_FLAG_DISABLE, __ATOMIC_RELAXED);
	return 0;
}

uint16_t vh_packed_settle(struct vh_vring *vr)
{
	bool wrap = vr->used_flags != 0;

	/* As in vh_split_settle(): nothing is left to show, and nobody is called from here. */
	vh_packed_flush(vr);
	stand_at(vr, vr->last_used, wrap);
	return vr->last_used | (wrap ? BASE_WRAP : 0);
}

bool vh_packed_offers(const struct vh_vring *vr, uint16_t want)
{
	uint32_t place = __atomic_load_n(&vr->last_avail, __ATOMIC_RELAXED);

	for (uint16_t i = 0; i < want; i++) {
		uint16_t flags = __atomic_load_n(&vr->packed[place].flags, __ATOMIC_RELAXED);

		/* Of either round: which one it is, only the owner knows. */
		if (!(flags & VH_PACKED_AVAIL) == !(flags & VH_PACKED_USED))
			return false;
		place = vh_packed_place(vr, place + 1);
	}
	return true;
}
