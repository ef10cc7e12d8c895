/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/proto.h"

#include <string.h>

#include "tests/unit/unit.h"

/* Numbers and names as in the vhost-user protocol; the scopes as DESIGN lists them. */
static const struct {
	uint32_t number;
	struct vh_request_info info;
} expected[] = {
	{ 1, { "GET_FEATURES", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
	{ 2, { "SET_FEATURES", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
	{ 3, { "SET_OWNER", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
	{ 4, { "RESET_OWNER", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_IGNORE } },
	{ 5, { "SET_MEM_TABLE", VH_SCOPE_ALL, VH_RING_NOWHERE, VH_PASS } },
	{ 8, { "SET_VRING_NUM", VH_SCOPE_RING, VH_RING_INDEX, VH_PASS } },
	{ 9, { "SET_VRING_ADDR", VH_SCOPE_RING, VH_RING_INDEX, VH_PASS } },
	{ 10, { "SET_VRING_BASE", VH_SCOPE_RING, VH_RING_INDEX, VH_PASS } },
	{ 11, { "GET_VRING_BASE", VH_SCOPE_ALL, VH_RING_INDEX, VH_PASS } },
	{ 12, { "SET_VRING_KICK", VH_SCOPE_NONE, VH_RING_U64, VH_PASS } },
	{ 13, { "SET_VRING_CALL", VH_SCOPE_NONE, VH_RING_U64, VH_PASS } },
	{ 14, { "SET_VRING_ERR", VH_SCOPE_NONE, VH_RING_U64, VH_PASS } },
	{ 15, { "GET_PROTOCOL_FEATURES", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
	{ 16, { "SET_PROTOCOL_FEATURES", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
	{ 17, { "GET_QUEUE_NUM", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_ANSWER } },
	{ 18, { "SET_VRING_ENABLE", VH_SCOPE_DISABLE, VH_RING_INDEX, VH_PASS } },
	{ 39, { "SET_STATUS", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
	{ 40, { "GET_STATUS", VH_SCOPE_NONE, VH_RING_NOWHERE, VH_PASS } },
};

/* Those and no others: the library handles every message that it knows, offered or not. */
static void test_each_request(void)
{
	size_t e = 0;

	for (uint32_t number = 0; number < 1000; number++) {
		const struct vh_request_info *info = vh_request_info(number);

		if (e == sizeof(expected) / sizeof(expected[0]) || expected[e].number != number) {
			CU_ASSERT_PTR_NULL(info);
			continue;
		}
		CU_ASSERT_PTR_NOT_NULL_FATAL(info);
		CU_ASSERT_STRING_EQUAL(info->name, expected[e].info.name);
		CU_ASSERT_EQUAL(info->take_back, expected[e].info.take_back);
		CU_ASSERT_EQUAL(info->ring, expected[e].info.ring);
		CU_ASSERT_EQUAL(info->handling, expected[e].info.handling);
		e++;
	}
	CU_ASSERT_EQUAL(e, sizeof(expected) / sizeof(expected[0]));
}

static void test_any_number(void)
{
	CU_ASSERT_PTR_NULL(vh_request_info(0x80000000u));
	CU_ASSERT_PTR_NULL(vh_request_info(UINT32_MAX));
}

/* SET_VRING_ENABLE of ring 3, as it comes over the socket. */
static void test_message_layout(void)
{
	static const uint8_t wire[20] = { 18, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 1 };
	struct vh_msg msg;

	CU_ASSERT_EQUAL_FATAL(sizeof(msg), sizeof(wire));
	memcpy(&msg, wire, sizeof(msg));
	CU_ASSERT_EQUAL(msg.request, VH_REQ_SET_VRING_ENABLE);
	CU_ASSERT_EQUAL(msg.size, 8);
	CU_ASSERT_EQUAL(msg.payload.state.index, 3);
	CU_ASSERT_EQUAL(msg.payload.addr.index, 3);
	CU_ASSERT_EQUAL(msg.payload.state.num, 1);
}

static bool ring_ok(uint32_t request, uint64_t payload, uint32_t nb_rings)
{
	struct vh_msg msg = { .request = request, .payload.u64 = payload };

	return vh_msg_ring_ok(vh_request_info(request), &msg, nb_rings);
}

static void test_ring_by_index(void)
{
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_VRING_NUM, 0, 4));
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_VRING_ENABLE, 3, 4));
	CU_ASSERT_FALSE(ring_ok(VH_REQ_SET_VRING_ADDR, 4, 4));
	CU_ASSERT_FALSE(ring_ok(VH_REQ_GET_VRING_BASE, UINT32_MAX, 4));
	CU_ASSERT_FALSE(ring_ok(VH_REQ_SET_VRING_BASE, 256, 4)); /* all 32 bits count */
	CU_ASSERT_FALSE(ring_ok(VH_REQ_SET_VRING_BASE, 0, 0));
	/* what stands behind the index does not */
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_VRING_ENABLE, 1 | 1ULL << 32, 4));
}

static void test_ring_by_u64(void)
{
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_VRING_KICK, 3, 4));
	CU_ASSERT_FALSE(ring_ok(VH_REQ_SET_VRING_KICK, 4, 4));
	CU_ASSERT_FALSE(ring_ok(VH_REQ_SET_VRING_CALL, 255, 4));
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_VRING_CALL, 3 | 0x100, 4)); /* bit 8: no descriptor */
	CU_ASSERT_FALSE(ring_ok(VH_REQ_SET_VRING_ERR, 4 | 0x100, 4));
}

static void test_no_ring(void)
{
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_FEATURES, UINT64_MAX, 4));
	CU_ASSERT_TRUE(ring_ok(VH_REQ_SET_MEM_TABLE, 99, 0));
}

static const struct unit_test tests[] = {
	{ "each request that a container may send", test_each_request },
	{ "a request number can be anything", test_any_number },
	{ "message layout", test_message_layout },
	{ "a ring named by its index", test_ring_by_index },
	{ "a ring named in the low 8 bits", test_ring_by_u64 },
	{ "a message that names no ring", test_no_ring },
};

UNIT_MAIN("vhost/proto", NULL, NULL, tests)
