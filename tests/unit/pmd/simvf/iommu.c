/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated IOMMU: what is not mapped is neither written nor read, and that is counted. */
#include <sys/mman.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include "tests/unit/pmd/simvf/dev.h"

#define NB_DESC 64
#define PAGE    4096

static void open_on(struct dev *d, struct pool *p, const char *args)
{
	dev_open(d, &(struct dev_conf){ .args = args, .mp = p->mp, .nb_desc = NB_DESC });
	pool_paint(p, 0xee);
}

static uint64_t faults(const struct dev *d)
{
	return dev_xstat(d, "sim_iommu_faults");
}

static void test_rx_unmapped(void)
{
	struct pool *p = pool_new(2 * NB_DESC, 2048);
	struct rte_mbuf *m[DEV_BURST];
	struct dev d;

	open_on(&d, p, "");
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, DEV_BURST), 0);
	CU_ASSERT_EQUAL(faults(&d), 10 * DEV_BURST);
	CU_ASSERT_EQUAL(dev_stats(&d).ierrors, 10 * DEV_BURST);
	CU_ASSERT_EQUAL(dev_stats(&d).ipackets, 0);
	CU_ASSERT(pool_is(p, 0xee));
	/* refused buffers went home, and new ones were posted */
	CU_ASSERT_EQUAL(p->count, NB_DESC);

	CU_ASSERT_EQUAL(pool_map(p, d.port), 0);
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, DEV_BURST), DEV_BURST);
	CU_ASSERT_EQUAL(faults(&d), 10 * DEV_BURST);
	CU_ASSERT(!pool_is(p, 0xee));
	rte_pktmbuf_free_bulk(m, DEV_BURST);
	dev_close(&d);
	pool_free(p);
}

static void test_rx_unmapped_again(void)
{
	struct pool *p = pool_new(2 * NB_DESC, 2048);
	struct rte_mbuf *m[DEV_BURST];
	struct dev d;

	open_on(&d, p, "");
	CU_ASSERT_EQUAL(pool_map(p, d.port), 0);
	CU_ASSERT_EQUAL(dev_take(&d, 0, DEV_BURST), DEV_BURST);
	/* a queue that goes on after the unmapping: what the switch must never do */
	uint64_t before = faults(&d);
	CU_ASSERT_EQUAL(pool_unmap(p, d.port), 0);
	pool_paint(p, 0xdd);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(d.port, 0, m, DEV_BURST), 0);
	CU_ASSERT_EQUAL(faults(&d), before + DEV_BURST);
	CU_ASSERT(pool_is(p, 0xdd));
	dev_close(&d);
	pool_free(p);
}

/* The descriptor holds the address at posting time, whatever becomes of the mbuf. */
static void test_address_taken_when_posted(void)
{
	struct pool *p = pool_new(NB_DESC, 2048);
	struct rte_mbuf *m[DEV_BURST];
	struct dev d;

	open_on(&d, p, "");
	CU_ASSERT_EQUAL(pool_map(p, d.port), 0);
	for (uint32_t i = 0; i < NB_DESC; i++)
		p->fifo[i]->buf_iova = 0x1000;
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, DEV_BURST), DEV_BURST);
	CU_ASSERT_EQUAL(faults(&d), 0);
	rte_pktmbuf_free_bulk(m, DEV_BURST);
	dev_close(&d);
	pool_free(p);
}

static void test_tx_unmapped(void)
{
	struct pool *p = pool_new(2 * NB_DESC, 2048);
	uint8_t bytes[64] = { 2 };
	struct rte_mbuf *m[2];
	struct dev d;

	dev_open(&d, &(struct dev_conf){ .args = "wire=sink" });
	m[0] = dev_frame(p->mp, bytes, 64);
	m[1] = dev_frame(d.mp, bytes, 64);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 2), 2);
	CU_ASSERT_EQUAL(faults(&d), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).oerrors, 1);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 1);
	/* it completes all the same */
	CU_ASSERT_EQUAL(rte_eth_tx_done_cleanup(d.port, 0, 0), 2);
	/* one segment is enough */
	m[0] = dev_frame(d.mp, bytes, 64);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m[0], dev_frame(p->mp, bytes, 64)), 0);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d.port, 0, m, 1), 1);
	CU_ASSERT_EQUAL(dev_stats(&d).oerrors, 2);
	CU_ASSERT_EQUAL(dev_stats(&d).opackets, 1);
	rte_eth_tx_done_cleanup(d.port, 0, 0);
	dev_close(&d);
	pool_free(p);
}

static void test_off(void)
{
	struct pool *p = pool_new(2 * NB_DESC, 2048);
	struct rte_mbuf *m[DEV_BURST];
	struct dev d;

	open_on(&d, p, "iommu=0");
	CU_ASSERT_EQUAL_FATAL(dev_rx(&d, 0, m, DEV_BURST), DEV_BURST);
	CU_ASSERT_EQUAL(faults(&d), 0);
	CU_ASSERT(!pool_is(p, 0xee));
	rte_pktmbuf_free_bulk(m, DEV_BURST);
	dev_close(&d);
	pool_free(p);
}

/* ---- the table ---- */

static struct rte_device *device;

static int map(uint8_t *at, size_t len)
{
	return rte_dev_dma_map(device, at, (uintptr_t)at, len) == 0 ? 0 : -rte_errno;
}

static int unmap(uint8_t *at, size_t len)
{
	return rte_dev_dma_unmap(device, at, (uintptr_t)at, len) == 0 ? 0 : -rte_errno;
}

static uint8_t *area(size_t len)
{
	uint8_t *a = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* Else rte_dev_dma_map() refuses it before it asks the driver. */
	CU_ASSERT_EQUAL_FATAL(rte_extmem_register(a, len, NULL, 0, PAGE), 0);
	return a;
}

static void area_free(uint8_t *a, size_t len)
{
	rte_extmem_unregister(a, len);
	munmap(a, len);
}

static void open_sink(struct dev *d)
{
	struct rte_eth_dev_info info;

	dev_open(d, &(struct dev_conf){ .args = "wire=sink" });
	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_info_get(d->port, &info), 0);
	device = info.device;
}

/* Whether the device may read len bytes at `at`. */
static bool reads(struct dev *d, uint8_t *at, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(d->mp);
	void *addr = m->buf_addr;
	uint64_t iova = m->buf_iova, before = faults(d);

	rte_mbuf_iova_set(m, (uintptr_t)at - m->data_off);
	m->data_len = len;
	m->pkt_len = len;
	CU_ASSERT_EQUAL(rte_eth_tx_burst(d->port, 0, &m, 1), 1);
	m->buf_addr = addr;
	m->buf_iova = iova;
	rte_eth_tx_burst(d->port, 0, NULL, 0);
	return faults(d) == before;
}

static void test_edges(void)
{
	uint8_t *a = area(4 * PAGE);
	struct dev d;

	open_sink(&d);
	CU_ASSERT(!reads(&d, a + PAGE, 64));
	CU_ASSERT_EQUAL(map(a + PAGE, PAGE), 0);
	CU_ASSERT(reads(&d, a + PAGE, 64));
	CU_ASSERT(!reads(&d, a + PAGE - 1, 64));
	CU_ASSERT(reads(&d, a + 2 * PAGE - 64, 64));
	CU_ASSERT(!reads(&d, a + 2 * PAGE - 63, 64));
	CU_ASSERT(!reads(&d, NULL, 64));
	CU_ASSERT(!reads(&d, (uint8_t *)UINTPTR_MAX - 31, 64)); /* wraps */
	/* two maps side by side are one range */
	CU_ASSERT_EQUAL(map(a + 2 * PAGE, PAGE), 0);
	CU_ASSERT(reads(&d, a + 2 * PAGE - 32, 64));
	/* a hole in the middle */
	CU_ASSERT_EQUAL(map(a, PAGE), 0);
	CU_ASSERT_EQUAL(unmap(a + PAGE, PAGE), 0);
	CU_ASSERT(reads(&d, a, 64));
	CU_ASSERT(!reads(&d, a + PAGE, 64));
	CU_ASSERT(!reads(&d, a + 2 * PAGE - 32, 64));
	CU_ASSERT(reads(&d, a + 2 * PAGE, 64));
	dev_close(&d);
	area_free(a, 4 * PAGE);
}

static void test_bad_maps(void)
{
	uint8_t *a = area(4 * PAGE);
	struct dev d;

	open_sink(&d);
	CU_ASSERT(map(a, 0) < 0);
	CU_ASSERT_EQUAL(map(a, SIZE_MAX), -EINVAL);
	CU_ASSERT_EQUAL(rte_dev_dma_map(device, a, (uintptr_t)a + PAGE, PAGE), -1);
	CU_ASSERT_EQUAL(unmap(a, PAGE), -ENOENT);
	CU_ASSERT_EQUAL(map(a + PAGE, PAGE), 0);
	CU_ASSERT_EQUAL(map(a + PAGE, PAGE), -EEXIST);
	CU_ASSERT_EQUAL(map(a, PAGE + 1), -EEXIST);
	CU_ASSERT_EQUAL(map(a + 2 * PAGE - 1, PAGE), -EEXIST);
	/* nothing happens unless all of it is mapped */
	CU_ASSERT_EQUAL(unmap(a, 2 * PAGE), -ENOENT);
	CU_ASSERT_EQUAL(unmap(a + PAGE, PAGE + 1), -ENOENT);
	CU_ASSERT(reads(&d, a + PAGE, 64));
	CU_ASSERT_EQUAL(unmap(a + PAGE, PAGE), 0);
	CU_ASSERT(!reads(&d, a + PAGE, 64));
	dev_close(&d);
	area_free(a, 4 * PAGE);
}

/* More ranges than a queue's cache remembers; and no more maps than VFIO grants. */
static void test_many_maps(void)
{
	uint8_t *a = area(600 * PAGE);
	struct dev d;

	open_sink(&d);
	for (int i = 0; i < 256; i++)
		CU_ASSERT_EQUAL(map(a + 2 * i * PAGE, PAGE), 0);
	CU_ASSERT_EQUAL(map(a + 2 * 256 * PAGE, PAGE), -ENOSPC);
	for (int i = 0; i < 600; i++)
		CU_ASSERT_EQUAL(reads(&d, a + i * PAGE, 64), i < 512 && i % 2 == 0);
	for (int i = 0; i < 256; i += 2)
		CU_ASSERT_EQUAL(unmap(a + 2 * i * PAGE, PAGE), 0);
	for (int i = 0; i < 600; i++)
		CU_ASSERT_EQUAL(reads(&d, a + i * PAGE, 64), i < 512 && i % 4 == 2);
	CU_ASSERT_EQUAL(map(a, PAGE), 0);
	dev_close(&d);
	area_free(a, 600 * PAGE);
}

static const struct unit_test tests[] = {
	{ "Rx: unmapped buffers are not written", test_rx_unmapped },
	{ "Rx: unmapped while in use", test_rx_unmapped_again },
	{ "Rx: the address is that of posting time", test_address_taken_when_posted },
	{ "Tx: unmapped buffers are not read", test_tx_unmapped },
	{ "iommu=0", test_off },
	{ "edges of ranges", test_edges },
	{ "maps that are refused", test_bad_maps },
	{ "many maps", test_many_maps },
};

DEV_MAIN("pmd/simvf/iommu", tests)
