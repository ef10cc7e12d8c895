/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/proto.h"

#include <stddef.h>

/* SET_VRING_KICK and SET_VRING_CALL only replace eventfds; see port.c:ring_ready. */
static const struct vh_request_info requests[VH_REQ_COUNT] = {
	[VH_REQ_SET_FEATURES] = { "SET_FEATURES", VH_SCOPE_NONE },
	[VH_REQ_RESET_OWNER] = { "RESET_OWNER", VH_SCOPE_ALL },
	[VH_REQ_SET_MEM_TABLE] = { "SET_MEM_TABLE", VH_SCOPE_ALL },
	[VH_REQ_SET_VRING_NUM] = { "SET_VRING_NUM", VH_SCOPE_RING },
	[VH_REQ_SET_VRING_ADDR] = { "SET_VRING_ADDR", VH_SCOPE_RING },
	[VH_REQ_SET_VRING_BASE] = { "SET_VRING_BASE", VH_SCOPE_RING },
	[VH_REQ_GET_VRING_BASE] = { "GET_VRING_BASE", VH_SCOPE_ALL },
	[VH_REQ_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", VH_SCOPE_NONE },
	[VH_REQ_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", VH_SCOPE_DISABLE },
};

const struct vh_request_info *vh_request_info(uint32_t request)
{
	if (request >= VH_REQ_COUNT || requests[request].name == NULL)
		return NULL;
	return &requests[request];
}
