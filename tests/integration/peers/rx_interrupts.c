/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DPDK application that sleeps: it returns what it receives on port 0 and, when there is nothing,
 * waits for the queue's Rx interrupt, for ever. What testpmd is for a container that polls, this is
 * for one that does not. The arguments are EAL's. It says "ready", ends when its standard input does,
 * and prints one line of JSON then.
 */
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

#define BURST   32
#define NB_DESC 256

static uint64_t packets;
static uint64_t sleeps;

static int open_port(void)
{
	static const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"packets", 2 * NB_DESC + 4 * BURST, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	int ret;

	if (pool == NULL)
		return -rte_errno;
	ret = rte_eth_dev_configure(0, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(0, 0, NB_DESC, 0, NULL, pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(0, 0, NB_DESC, 0, NULL);
	if (ret == 0)
		ret = rte_eth_dev_start(0);
	if (ret == 0)
		ret = rte_eth_dev_rx_intr_ctl_q(
			0, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL);
	return ret;
}

/* The end of the input wakes us, too. */
static int watch_input(void)
{
	static struct rte_epoll_event ev = { .epdata = { .event = EPOLLIN, .data = &ev } };

	return rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, STDIN_FILENO, &ev);
}

/* With the addresses exchanged, as testpmd's macswap. */
static bool echo(void)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t nb = rte_eth_rx_burst(0, 0, pkts, BURST), sent;

	for (uint16_t i = 0; i < nb; i++) {
		struct rte_ether_hdr *h = rte_pktmbuf_mtod(pkts[i], struct rte_ether_hdr *);
		struct rte_ether_addr src = h->src_addr;

		h->src_addr = h->dst_addr;
		h->dst_addr = src;
	}
	sent = rte_eth_tx_burst(0, 0, pkts, nb);
	rte_pktmbuf_free_bulk(&pkts[sent], nb - sent);
	packets += nb;
	return nb > 0;
}

/* False once the input has ended. */
static bool wait_packet(void)
{
	struct rte_epoll_event ev;
	bool go_on = true;

	rte_eth_dev_rx_intr_enable(0, 0);
	/* What came before the queue was armed interrupts nobody. */
	if (!echo()) {
		int nb = rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, -1);

		sleeps++;
		go_on = nb == 1 && ev.fd != STDIN_FILENO;
	}
	rte_eth_dev_rx_intr_disable(0, 0);
	return go_on;
}

int main(int argc, char **argv)
{
	int ret = rte_eal_init(argc, argv);

	if (ret < 0) {
		fprintf(stderr, "EAL does not start: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	ret = open_port();
	if (ret == 0)
		ret = watch_input();
	if (ret < 0) {
		fprintf(stderr, "port 0 cannot be used with interrupts: %s\n", rte_strerror(-ret));
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	do {
		while (echo())
			;
	} while (wait_packet());
	printf("{\"packets\": %lu, \"sleeps\": %lu}\n", (unsigned long)packets,
		(unsigned long)sleeps);
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	rte_eal_cleanup();
	return 0;
}
