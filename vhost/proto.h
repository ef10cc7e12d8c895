/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user messages that we look at before librte_vhost acts on them, and what has to happen
 * first. Wire layout: vhost-user protocol, "Message Specification".
 */
#ifndef VHOST_PROTO_H
#define VHOST_PROTO_H

#include <stddef.h>
#include <stdint.h>

enum vh_request {
	VH_REQ_SET_FEATURES = 2,
	VH_REQ_RESET_OWNER = 4,
	VH_REQ_SET_MEM_TABLE = 5,
	VH_REQ_SET_VRING_NUM = 8,
	VH_REQ_SET_VRING_ADDR = 9,
	VH_REQ_SET_VRING_BASE = 10,
	VH_REQ_GET_VRING_BASE = 11,
	VH_REQ_GET_QUEUE_NUM = 17,
	VH_REQ_SET_VRING_ENABLE = 18,
	VH_REQ_COUNT
};

/* librte_vhost hands hooks its own message struct, which starts with the message as on the wire. */
struct vh_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
	union {
		uint64_t u64;
		struct {
			uint32_t index;
			uint32_t num;
		} state; /* VRING_NUM, BASE, ENABLE */
		struct {
			uint32_t index;
			uint32_t flags;
		} addr; /* VRING_ADDR: its first fields */
	} payload;
} __attribute__((packed)); /* __rte_packed changed its place in 25.03 */

_Static_assert(offsetof(struct vh_msg, payload) == 12, "vhost-user header is 12 bytes");

/* What a message invalidates while a ring is at work. */
enum vh_scope {
	VH_SCOPE_NONE,
	VH_SCOPE_RING, /* the ring in payload.state.index (or payload.addr.index) */
	VH_SCOPE_DISABLE, /* the same, if the message disables it */
	VH_SCOPE_ALL, /* every ring of the connection */
};

struct vh_request_info {
	const char *name;
	enum vh_scope take_back; /* before the library handles it */
};

/* NULL for requests that need nothing. */
const struct vh_request_info *vh_request_info(uint32_t request);

#endif /* VHOST_PROTO_H */
