/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of the simulated VF are built of: EAL with the plugin, devices, pools that can be
 * looked into, telemetry. The tests use DPDK's public API only, as any application.
 */
#ifndef TESTS_UNIT_PMD_SIMVF_DEV_H
#define TESTS_UNIT_PMD_SIMVF_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "tests/unit/unit.h"

#define DEV_BURST 32

/*
 * A pool whose data is in memory that EAL knows nothing of, so that the device may not touch it
 * before it is mapped. (It is registered, as rte_dev_dma_map() wants it.) Buffers are handed out in the order in which they came home.
 */
struct pool {
	struct rte_mempool *mp;
	uint32_t nb;
	uint32_t room; /* frame bytes of a buffer */
	uint8_t *data;
	size_t size; /* of data */
	struct rte_mbuf **fifo;
	uint32_t head, count;
	uint64_t taken; /* buffers handed out so far */
	uint64_t *when; /* by index of the data buffer: which in the order it was */
	struct rte_mbuf **freed; /* since the last pool_forget(), at most nb */
	uint32_t nb_freed;
};

struct pool *pool_new(uint32_t nb, uint32_t room);
/* All buffers must be home. */
void pool_free(struct pool *p);
void pool_forget(struct pool *p);
uint32_t pool_index(const struct pool *p, const struct rte_mbuf *m);
/* Every byte of all buffers. */
void pool_paint(struct pool *p, uint8_t value);
bool pool_is(const struct pool *p, uint8_t value);
int pool_map(const struct pool *p, uint16_t port);
int pool_unmap(const struct pool *p, uint16_t port);

struct dev {
	uint16_t port;
	char name[32];
	uint16_t queues;
	struct rte_mempool *mp; /* of all queues */
	struct rte_mempool *own; /* the same, if dev_open() made it */
};

struct dev_conf {
	const char *args; /* device arguments */
	const char *name; /* NULL: one that is free */
	uint16_t queues; /* 0: one */
	uint16_t nb_desc; /* 0: 64 */
	struct rte_mempool *mp; /* NULL: one of its own */
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	bool rss;
	bool stopped; /* do not start it */
};

/* Ends the program if the plugin was not built (SKIP), or EAL does not start. */
void dev_eal(void);
void dev_end(void);

/* Fatal for the test if it fails. */
void dev_open(struct dev *d, const struct dev_conf *conf);
/* Stops and removes it. Fatal if a buffer of its own pool is missing. */
void dev_close(struct dev *d);

/* Polls until n packets are there or 2 s have passed. Returns how many. */
uint16_t dev_rx(const struct dev *d, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
/* The same, and frees them. */
uint16_t dev_take(const struct dev *d, uint16_t queue, uint16_t n);
uint64_t dev_xstat(const struct dev *d, const char *name);
struct rte_eth_stats dev_stats(const struct dev *d);

/* The number behind "field" in the answer to a telemetry command; UINT64_MAX: none. */
uint64_t dev_ask(const char *command, const char *field);
/* "/simvf/fault,<name>:<fault>=<value>", and that it was taken. */
void dev_fault(const struct dev *d, const char *fault, uint32_t value);

/* A frame of len bytes with these contents in an mbuf of mp (or NULL). */
struct rte_mbuf *dev_frame(struct rte_mempool *mp, const void *data, uint16_t len);

#define DEV_MAIN(suite, tests)                                                                     \
	int main(void)                                                                             \
	{                                                                                          \
		int ret;                                                                           \
                                                                                                   \
		dev_eal();                                                                         \
		ret = unit_run(suite, NULL, NULL, tests, sizeof(tests) / sizeof((tests)[0]));      \
		dev_end();                                                                         \
		return ret;                                                                        \
	}

#endif /* TESTS_UNIT_PMD_SIMVF_DEV_H */
