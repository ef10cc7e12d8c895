/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user messages that a container may send, and what has to happen before librte_vhost
 * acts on them. Wire layout: vhost-user protocol, "Message Specification".
 *
 * librte_vhost handles every message that it knows, offered or not, and some of its handlers trust
 * the container (SET_INFLIGHT_FD writes beyond its mapping, RESET_OWNER leaks rings). So this is an
 * allow-list: what is not on it ends the connection before the library sees it.
 */
#ifndef VHOST_PROTO_H
#define VHOST_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vh_request {
	VH_REQ_GET_FEATURES = 1,
	VH_REQ_SET_FEATURES = 2,
	VH_REQ_SET_OWNER = 3,
	VH_REQ_RESET_OWNER = 4,
	VH_REQ_SET_MEM_TABLE = 5,
	VH_REQ_SET_VRING_NUM = 8,
	VH_REQ_SET_VRING_ADDR = 9,
	VH_REQ_SET_VRING_BASE = 10,
	VH_REQ_GET_VRING_BASE = 11,
	VH_REQ_SET_VRING_KICK = 12,
	VH_REQ_SET_VRING_CALL = 13,
	VH_REQ_SET_VRING_ERR = 14,
	VH_REQ_GET_PROTOCOL_FEATURES = 15,
	VH_REQ_SET_PROTOCOL_FEATURES = 16,
	VH_REQ_GET_QUEUE_NUM = 17,
	VH_REQ_SET_VRING_ENABLE = 18,
	VH_REQ_SET_STATUS = 39,
	VH_REQ_GET_STATUS = 40,
	VH_REQ_COUNT
};

#define VH_MSG_NEED_REPLY 0x8 /* in flags */

/* librte_vhost hands hooks its own message struct, which starts with the message as on the wire. */
struct vh_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
	union {
		uint64_t u64; /* KICK, CALL, ERR: ring in the low 8 bits */
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
	VH_SCOPE_RING, /* the ring that it names */
	VH_SCOPE_DISABLE, /* the same, if the message disables it */
	VH_SCOPE_ALL, /* every ring of the connection */
};

/* Where a message names a ring, if it does. */
enum vh_ring_place {
	VH_RING_NOWHERE,
	VH_RING_INDEX, /* payload.state.index, payload.addr.index */
	VH_RING_U64, /* the low 8 bits of payload.u64 */
};

enum vh_handling {
	VH_PASS, /* to the library */
	VH_IGNORE, /* accepted, without effect */
	VH_ANSWER, /* by ourselves */
};

struct vh_request_info {
	const char *name;
	enum vh_scope take_back; /* before the library handles it */
	enum vh_ring_place ring;
	enum vh_handling handling;
};

/* NULL: a container has no business with it. Any thread. */
const struct vh_request_info *vh_request_info(uint32_t request);

/* Whether a message names no ring, or one of the first nb_rings. */
bool vh_msg_ring_ok(
	const struct vh_request_info *info, const struct vh_msg *msg, uint32_t nb_rings);

#endif /* VHOST_PROTO_H */
