/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the copying paths share: packets, on either side, and a ring near its end. */
#ifndef TESTS_UNIT_VHOST_PACKETS_H
#define TESTS_UNIT_VHOST_PACKETS_H

#include <stdlib.h>

#include <rte_mbuf.h>

#include "tests/unit/unit.h"
#include "tests/unit/vhost/fake_ring.h"

#define W      VRING_DESC_F_WRITE
#define HDR    12
#define BUF(i) (FAKE_GPA_DATA + (i)*4096u)

static struct rte_mempool *mp;

/* Byte i of every packet. */
static inline uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 256 + 1);
}

/* Guest memory that no test writes by accident. */
static inline void soil(struct fake_ring *f)
{
	for (uint32_t i = 0; i < 64; i++)
		memset(fake_ptr(f, BUF(i)), 0xee, 4096);
	memset(fake_ptr(f, FAKE_GPA_BORDER - 4096), 0xee, 4096);
	memset(fake_ptr(f, FAKE_GPA_BORDER), 0xee, 4096);
}

/* A ring of this build's kind that soon comes to its end. */
static inline void start(struct fake_ring *f, uint32_t size, uint64_t features)
{
	fake_ring_init_at(f, size, features | FAKE_F_KIND,
		FAKE_PACKED ? (uint16_t)(0x8000 | (size - 1)) : 65533);
	soil(f);
}

static inline void expect_used(struct fake_ring *f, uint16_t n, uint32_t id, uint32_t len)
{
	CU_ASSERT_EQUAL(fake_used(f, n).id, id);
	CU_ASSERT_EQUAL(fake_used(f, n).len, len);
}

static inline void expect_nothing_taken(struct fake_ring *f)
{
	CU_ASSERT_EQUAL(fake_nb_used(f), 0);
	CU_ASSERT_EQUAL(fake_nb_taken(f), 0);
}

static void test_no_mbuf_lost(void)
{
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 0);
}

static inline int packets_main(const char *suite, const struct unit_test *tests, size_t nb_tests)
{
	if (!fake_eal())
		return EXIT_FAILURE;
	mp = rte_pktmbuf_pool_create("test", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (mp == NULL)
		return EXIT_FAILURE;
	int ret = unit_run(suite, NULL, NULL, tests, nb_tests);
	rte_mempool_free(mp);
	rte_eal_cleanup();
	return ret;
}

#define PACKETS_MAIN(suite, tests)                                                                 \
	int main(void)                                                                             \
	{                                                                                          \
		return packets_main(suite, tests, sizeof(tests) / sizeof((tests)[0]));             \
	}

#endif /* TESTS_UNIT_VHOST_PACKETS_H */
