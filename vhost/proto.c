/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/proto.h"

/* SET_VRING_KICK and SET_VRING_CALL only replace eventfds; see port_cb.c:vring_state_changed. */
static const struct vh_request_info requests[VH_REQ_COUNT] = {
	[VH_REQ_GET_FEATURES] = { .name = "GET_FEATURES" },
	[VH_REQ_SET_FEATURES] = { .name = "SET_FEATURES" },
	[VH_REQ_SET_OWNER] = { .name = "SET_OWNER" },
	/* Deprecated for being ambiguous; the protocol wants it ignored where it is not needed. */
	[VH_REQ_RESET_OWNER] = { .name = "RESET_OWNER", .handling = VH_IGNORE },
	[VH_REQ_SET_MEM_TABLE] = { .name = "SET_MEM_TABLE", .take_back = VH_SCOPE_ALL },
	[VH_REQ_SET_VRING_NUM] = { .name = "SET_VRING_NUM",
		.take_back = VH_SCOPE_RING,
		.ring = VH_RING_INDEX },
	[VH_REQ_SET_VRING_ADDR] = { .name = "SET_VRING_ADDR",
		.take_back = VH_SCOPE_RING,
		.ring = VH_RING_INDEX },
	[VH_REQ_SET_VRING_BASE] = { .name = "SET_VRING_BASE",
		.take_back = VH_SCOPE_RING,
		.ring = VH_RING_INDEX },
	[VH_REQ_GET_VRING_BASE] = { .name = "GET_VRING_BASE",
		.take_back = VH_SCOPE_ALL,
		.ring = VH_RING_INDEX },
	[VH_REQ_SET_VRING_KICK] = { .name = "SET_VRING_KICK", .ring = VH_RING_U64 },
	[VH_REQ_SET_VRING_CALL] = { .name = "SET_VRING_CALL", .ring = VH_RING_U64 },
	[VH_REQ_SET_VRING_ERR] = { .name = "SET_VRING_ERR", .ring = VH_RING_U64 },
	[VH_REQ_GET_PROTOCOL_FEATURES] = { .name = "GET_PROTOCOL_FEATURES" },
	[VH_REQ_SET_PROTOCOL_FEATURES] = { .name = "SET_PROTOCOL_FEATURES" },
	[VH_REQ_GET_QUEUE_NUM] = { .name = "GET_QUEUE_NUM", .handling = VH_ANSWER },
	[VH_REQ_SET_VRING_ENABLE] = { .name = "SET_VRING_ENABLE",
		.take_back = VH_SCOPE_DISABLE,
		.ring = VH_RING_INDEX },
	[VH_REQ_SET_STATUS] = { .name = "SET_STATUS" },
	[VH_REQ_GET_STATUS] = { .name = "GET_STATUS" },
};

const struct vh_request_info *vh_request_info(uint32_t request)
{
	if (request >= VH_REQ_COUNT || requests[request].name == NULL)
		return NULL;
	return &requests[request];
}

bool vh_msg_ring_ok(const struct vh_request_info *info, const struct vh_msg *msg, uint32_t nb_rings)
{
	switch (info->ring) {
	case VH_RING_INDEX:
		return msg->payload.state.index < nb_rings;
	case VH_RING_U64:
		return (msg->payload.u64 & 0xff) < nb_rings;
	case VH_RING_NOWHERE:
		break;
	}
	return true;
}
