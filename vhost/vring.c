/* SPDX-License-Identifier: BSD-3-Clause */
/* What every kind of ring shares, off the packets' path. */
#include "vhost/vring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

static const char *const fault_names[VH_FAULT_COUNT] = {
	[VH_FAULT_NONE] = "none",
	[VH_FAULT_AVAIL_INDEX] = "avail index jumped",
	[VH_FAULT_DESC_INDEX] = "descriptor number beyond the ring",
	[VH_FAULT_CHAIN] = "descriptor chain too long, a loop, or without an end",
	[VH_FAULT_INDIRECT] = "bad indirect descriptor",
	[VH_FAULT_ADDRESS] = "buffer outside of shared memory",
	[VH_FAULT_DIRECTION] = "buffer has the wrong direction",
	[VH_FAULT_HEADER] = "no room for the virtio-net header",
	[VH_FAULT_MEMORY] = "shared memory was shrunk",
	[VH_FAULT_CALL] = "call eventfd blocks",
	[VH_FAULT_REVOKED] = "taken back",
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

const char *vh_ring_kind_str(enum vh_ring_kind kind)
{
	return kind == VH_RING_PACKED ? "packed" : "split";
}

int vh_ring_start(struct vh_vring *vr, const struct vh_ring_setup *s, const char **why)
{
	bool mergeable = s->features & (1ULL << VIRTIO_NET_F_MRG_RXBUF);
	bool version_1 = s->features & (1ULL << VIRTIO_F_VERSION_1);
	bool packed = s->features & (1ULL << VIRTIO_F_RING_PACKED);
	struct vh_vring new = {
		.mem = s->mem,
		.size = (uint16_t)s->size,
		.hdr_len = mergeable || version_1 ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
						  : sizeof(struct virtio_net_hdr),
		.callfd = s->callfd,
		.kind = packed ? VH_RING_PACKED : VH_RING_SPLIT,
	};
	int ret;

	if (s->size == 0 || s->size > VH_RING_MAX_SIZE) {
		*why = "ring size is not between 1 and 32768";
		return -EINVAL;
	}
	if (s->features & (1ULL << VIRTIO_RING_F_EVENT_IDX))
		new.flags |= VH_RING_EVENT_IDX;
	if (mergeable)
		new.flags |= VH_RING_MERGEABLE;
	if (s->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC))
		new.flags |= VH_RING_INDIRECT;
	ret = packed ? vh_packed_start(&new, s, why) : vh_split_start(&new, s, why);
	if (ret == 0)
		*vr = new;
	return ret;
}

uint16_t vh_ring_settle(struct vh_vring *vr)
{
	return vr->kind == VH_RING_PACKED ? vh_packed_settle(vr) : vh_split_settle(vr);
}

bool vh_ring_offers(const struct vh_vring *vr, uint16_t want)
{
	return vr->kind == VH_RING_PACKED ? vh_packed_offers(vr, want) : vh_split_offers(vr, want);
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
