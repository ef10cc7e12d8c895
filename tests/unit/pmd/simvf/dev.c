/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/pmd/simvf/dev.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_mempool.h>

/* ---- EAL ---- */

void dev_eal(void)
{
#ifdef SIMVF_PLUGIN
	char prefix[64];
	char arg[][32] = { "unit", "--no-huge", "-m", "128", "--no-shconf", "--no-pci",
		"--iova-mode=va", "--log-level=*:error", "--lcores=0" };
	char *argv[sizeof(arg) / sizeof(arg[0]) + 2] = { NULL };
	int argc = 0;

	for (size_t i = 0; i < sizeof(arg) / sizeof(arg[0]); i++)
		argv[argc++] = arg[i];
	snprintf(prefix, sizeof(prefix), "--file-prefix=vft-simvf-%d", getpid());
	argv[argc++] = prefix;
	/* As -d would do it, but EAL wants no plugins below a directory like /tmp. */
	if (dlopen(SIMVF_PLUGIN, RTLD_NOW) == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(EXIT_FAILURE);
	}
	if (rte_eal_init(argc, argv) < 0)
		exit(EXIT_FAILURE);
#else
	puts("1..0 # SKIP net_simvf was not built");
	exit(EXIT_SUCCESS);
#endif
}

void dev_end(void)
{
	char dir[128], path[512];
	struct dirent *entry;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	d = opendir(dir);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

/* ---- pools ---- */

static int ops_alloc(struct rte_mempool *mp)
{
	mp->pool_data = mp->pool_config;
	return 0;
}

static void ops_free(struct rte_mempool *mp)
{
	(void)mp;
}

static int ops_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct pool *p = mp->pool_data;

	for (unsigned int i = 0; i < n; i++) {
		p->fifo[(p->head + p->count++) % p->nb] = objs[i];
		if (p->nb_freed < p->nb)
			p->freed[p->nb_freed++] = objs[i];
	}
	return p->count <= p->nb ? 0 : -EINVAL;
}

static int ops_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct pool *p = mp->pool_data;

	if (n > p->count)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = p->fifo[p->head];

		p->when[pool_index(p, m)] = p->taken++;
		p->head = (p->head + 1) % p->nb;
		p->count--;
		objs[i] = m;
	}
	return 0;
}

static unsigned int ops_get_count(const struct rte_mempool *mp)
{
	return ((const struct pool *)mp->pool_data)->count;
}

static const struct rte_mempool_ops test_ops = {
	.name = "simvf_test",
	.alloc = ops_alloc,
	.free = ops_free,
	.enqueue = ops_enqueue,
	.dequeue = ops_dequeue,
	.get_count = ops_get_count,
};
RTE_MEMPOOL_REGISTER_OPS(test_ops);

static void init_mbuf(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct pool *p = arg;
	struct rte_mbuf *m = obj;

	memset(m, 0, sizeof(*m));
	m->buf_addr = p->data + (size_t)i * (p->room + RTE_PKTMBUF_HEADROOM);
	rte_mbuf_iova_set(m, (uintptr_t)m->buf_addr);
	m->buf_len = (uint16_t)(p->room + RTE_PKTMBUF_HEADROOM);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->pool = mp;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
}

struct pool *pool_new(uint32_t nb, uint32_t room)
{
	static unsigned int number;
	struct rte_pktmbuf_pool_private priv = {
		.mbuf_data_room_size = (uint16_t)(room + RTE_PKTMBUF_HEADROOM),
	};
	struct pool *p = calloc(1, sizeof(*p));
	char name[32];

	p->nb = nb;
	p->room = room;
	p->size = RTE_ALIGN_CEIL((size_t)nb * (room + RTE_PKTMBUF_HEADROOM), 4096);
	p->data = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_EQUAL_FATAL(rte_extmem_register(p->data, p->size, NULL, 0, 4096), 0);
	p->fifo = calloc(nb, sizeof(*p->fifo));
	p->freed = calloc(nb, sizeof(*p->freed));
	p->when = calloc(nb, sizeof(*p->when));
	snprintf(name, sizeof(name), "pool%u", number++);
	p->mp = rte_mempool_create_empty(
		name, nb, sizeof(struct rte_mbuf), 0, sizeof(priv), SOCKET_ID_ANY, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->mp);
	CU_ASSERT_EQUAL_FATAL(rte_mempool_set_ops_byname(p->mp, "simvf_test", p), 0);
	rte_pktmbuf_pool_init(p->mp, &priv);
	/* init_mbuf() first: ops_dequeue() looks at the buffer's address. */
	CU_ASSERT_EQUAL_FATAL(rte_mempool_populate_default(p->mp), (int)nb);
	rte_mempool_obj_iter(p->mp, init_mbuf, p);
	pool_forget(p);
	return p;
}

void pool_free(struct pool *p)
{
	CU_ASSERT_EQUAL(p->count, p->nb);
	rte_mempool_free(p->mp);
	rte_extmem_unregister(p->data, p->size);
	munmap(p->data, p->size);
	free(p->fifo);
	free(p->freed);
	free(p->when);
	free(p);
}

void pool_forget(struct pool *p)
{
	p->nb_freed = 0;
}

uint32_t pool_index(const struct pool *p, const struct rte_mbuf *m)
{
	return (uint32_t)((size_t)((uint8_t *)m->buf_addr - p->data) /
		(p->room + RTE_PKTMBUF_HEADROOM));
}

void pool_paint(struct pool *p, uint8_t value)
{
	memset(p->data, value, p->size);
}

bool pool_is(const struct pool *p, uint8_t value)
{
	return p->data[0] == value && memcmp(p->data, p->data + 1, p->size - 1) == 0;
}

static struct rte_device *device_of(uint16_t port)
{
	struct rte_eth_dev_info info;

	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_info_get(port, &info), 0);
	return info.device;
}

int pool_map(const struct pool *p, uint16_t port)
{
	return rte_dev_dma_map(device_of(port), p->data, (uintptr_t)p->data, p->size);
}

int pool_unmap(const struct pool *p, uint16_t port)
{
	return rte_dev_dma_unmap(device_of(port), p->data, (uintptr_t)p->data, p->size);
}

/* ---- devices ---- */

static void make_pool(struct dev *d, uint32_t nb)
{
	static unsigned int number;
	char name[32];

	snprintf(name, sizeof(name), "own%u", number++);
	/* Without cache: what is home can be counted. */
	d->own = rte_pktmbuf_pool_create(name, nb, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d->own);
	d->mp = d->own;
}

void dev_open(struct dev *d, const struct dev_conf *conf)
{
	static unsigned int number;
	struct rte_eth_conf eth = { .rxmode.offloads = conf->rx_offloads,
		.txmode.offloads = conf->tx_offloads };
	uint16_t nb_desc = conf->nb_desc ? conf->nb_desc : 64;

	memset(d, 0, sizeof(*d));
	d->queues = conf->queues ? conf->queues : 1;
	if (conf->name != NULL)
		snprintf(d->name, sizeof(d->name), "%s", conf->name);
	else
		snprintf(d->name, sizeof(d->name), "net_simvf%u", number++);
	d->mp = conf->mp;
	if (d->mp == NULL)
		make_pool(d, d->queues * nb_desc + 1024);
	CU_ASSERT_EQUAL_FATAL(rte_eal_hotplug_add("vdev", d->name, conf->args), 0);
	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_get_port_by_name(d->name, &d->port), 0);
	if (conf->rss) {
		eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		eth.rx_adv_conf.rss_conf.rss_hf =
			RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6;
	}
	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_configure(d->port, d->queues, d->queues, &eth), 0);
	for (uint16_t q = 0; q < d->queues; q++) {
		CU_ASSERT_EQUAL_FATAL(
			rte_eth_rx_queue_setup(d->port, q, nb_desc, 0, NULL, d->mp), 0);
		CU_ASSERT_EQUAL_FATAL(rte_eth_tx_queue_setup(d->port, q, nb_desc, 0, NULL), 0);
	}
	if (!conf->stopped)
		CU_ASSERT_EQUAL_FATAL(rte_eth_dev_start(d->port), 0);
}

void dev_close(struct dev *d)
{
	rte_eth_dev_stop(d->port);
	CU_ASSERT_EQUAL(rte_eal_hotplug_remove("vdev", d->name), 0);
	if (d->own != NULL) {
		CU_ASSERT_EQUAL(rte_mempool_avail_count(d->own), d->own->size);
		rte_mempool_free(d->own);
	}
}

uint16_t dev_rx(const struct dev *d, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t end = rte_get_tsc_cycles() + 10 * rte_get_tsc_hz();
	uint16_t nb = 0;

	while (nb < n && rte_get_tsc_cycles() < end)
		nb = (uint16_t)(nb +
			rte_eth_rx_burst(d->port, queue, pkts + nb, (uint16_t)(n - nb)));
	return nb;
}

uint16_t dev_take(const struct dev *d, uint16_t queue, uint16_t n)
{
	struct rte_mbuf *m[256];
	uint16_t nb = dev_rx(d, queue, m, RTE_MIN(n, (uint16_t)RTE_DIM(m)));

	rte_pktmbuf_free_bulk(m, nb);
	return nb;
}

uint64_t dev_xstat(const struct dev *d, const char *name)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(d->port, name, &id) != 0 ||
		rte_eth_xstats_get_by_id(d->port, &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
}

struct rte_eth_stats dev_stats(const struct dev *d)
{
	struct rte_eth_stats stats;

	CU_ASSERT_EQUAL_FATAL(rte_eth_stats_get(d->port, &stats), 0);
	return stats;
}

struct rte_mbuf *dev_frame(struct rte_mempool *mp, const void *data, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memcpy(rte_pktmbuf_append(m, len), data, len);
	return m;
}

/* ---- telemetry ---- */

/* The answer, or "". */
static void ask(const char *command, char *answer, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct timeval limit = { .tv_sec = 5 };
	ssize_t n = -1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/dpdk_telemetry.v2",
		rte_eal_get_runtime_dir());
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* The first message is the server's greeting. */
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		recv(fd, answer, size - 1, 0) > 0 && send(fd, command, strlen(command), 0) > 0)
		n = recv(fd, answer, size - 1, 0);
	answer[n > 0 ? n : 0] = '\0';
	close(fd);
}

uint64_t dev_ask(const char *command, const char *field)
{
	char answer[16384], key[64];
	const char *found;

	ask(command, answer, sizeof(answer));
	snprintf(key, sizeof(key), "\"%s\":", field);
	found = strstr(answer, key);
	return found == NULL ? UINT64_MAX : strtoull(found + strlen(key), NULL, 10);
}

void dev_fault(const struct dev *d, const char *fault, uint32_t value)
{
	char command[128];

	snprintf(command, sizeof(command), "/simvf/fault,%s:%s=%u", d->name, fault, value);
	CU_ASSERT_EQUAL(dev_ask(command, fault), value);
}
