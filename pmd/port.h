/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A physical port: a DPDK ethdev, its queues, and the pool behind each Rx queue.
 *
 * Ownership: a port owns its ethdev (probed on open, removed on close), its Rx pools and its Tx
 * pool. Threads: the control thread. Workers call rte_eth_rx_burst/tx_burst on queues that their
 * plan names; the caller of stop functions here has made sure that no plan names the queue (all
 * queues of the port, if the driver cannot stop one alone: pmd_port_stops_queues()).
 */
#ifndef PMD_PORT_H
#define PMD_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "pmd/dma.h"
#include "pmd/drivers.h"
#include "pmd/events.h"
#include "pmd/rxpool.h"
#include "pmd/txpool.h"
#include "vhost/log.h"

extern int pmd_logtype;
#define PMD_LOG(level, fmt, ...) VH_LOG_TO(pmd_logtype, "pmd", level, fmt, ##__VA_ARGS__)

struct pmd_port_conf {
	const char *name;
	const char *device; /* PCI address or vdev string, as the user named it */
	const char *vf; /* PCI address of what it names, if that is a prepared VF; else NULL */
	uint16_t nb_queues;
	uint16_t mtu;
	uint16_t rx_desc;
	uint16_t tx_desc;
	uint16_t rx_buffer; /* 0: 2048, or what the MTU needs */
	uint16_t vlan; /* a VF's port VLAN: the NIC puts its tag in and takes it out; 0: none */
	const uint8_t *mac; /* what its PF gave it; NULL: not known */
};

struct pmd_queue {
	struct pmd_rxpool *pool;
	struct pmd_txpool *txpool;
	bool rx_stopped; /* by pmd_rx_stop() */
	bool tx_stopped; /* by pmd_tx_stop() */
};

#define PMD_RETA_GROUPS (RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE)

struct pmd_port {
	char name[32];
	char device[256];
	struct rte_device *dev;
	uint16_t port_id;
	unsigned int number; /* no other port ever has it: for the names of its pools */
	uint16_t nb_queues;
	uint16_t rx_desc; /* as the driver rounded them */
	uint16_t tx_desc;
	uint16_t mtu;
	uint32_t max_frame; /* bytes, two VLAN tags included, without checksum */
	uint16_t vlan; /* a VF's port VLAN; 0: none */
	uint32_t rx_buffer; /* frame bytes that fit into a receive buffer */
	int socket_id;
	char driver_name[64];
	const struct pmd_driver *driver; /* NULL: not on the allow-list */
	bool stops_queues; /* Rx queues, singly */
	bool stops_tx_queues;
	bool started;
	bool stuck; /* a stop failed: the port is left as it is */
	bool removed; /* the device was given back; what is here can only be freed */
	bool halted; /* stopped, on host buffers, and does not start now */
	uint64_t retry_at; /* timer cycles: when to try again */
	/* Put off, since a worker did not let go of the queues. */
	bool must_rest; /* it is gone, and its rings are still out */
	bool must_remove;
	const char *must_restart; /* why; NULL: no need */
	int failures; /* to open a device that is there again */
	uint64_t absent_since; /* timer cycles: since when it does not answer; 0: it does */
	struct pmd_events events;
	bool is_vf;
	unsigned int pf_ifindex; /* of the PF's netdev; 0: none that is known */
	char pf_ifname[16];
	bool pf_down; /* or without a carrier */
	/* Times that the whole device was stopped and started again, and how long it took. */
	uint64_t nb_gaps;
	uint64_t gap_last_us;
	uint64_t gap_max_us;
	uint64_t stopped_at; /* timer cycles */
	bool link_up;
	struct rte_mempool *tx_pool;
	struct pmd_queue *queues;
	uint16_t reta_size; /* entries of the NIC's RSS table; 0: none, or one queue */
	struct rte_eth_rss_reta_entry64 reta[PMD_RETA_GROUPS]; /* as last set: rss.h */
	struct pmd_dma_domain *dma; /* container memory that the device may reach; NULL: no DMA */
	struct pmd_dma_domain own_dma; /* unless it shares one */
};

/*
 * Probes the device, configures and starts it, every Rx queue on host buffers. Returns 0 and *out,
 * or -errno with the reason logged (-ENODEV: no such device; -EINVAL: it cannot do what the
 * configuration asks; -ENOMEM).
 */
int pmd_port_open(const struct pmd_port_conf *conf, struct pmd_port **out);

/*
 * Stops and removes the device. NULL is allowed. A port that is stuck, or gets stuck now, is
 * abandoned as it is: false then.
 */
bool pmd_port_close(struct pmd_port *port);

/* Whether one Rx queue can be stopped while the others run; else the whole port has to. */
static inline bool pmd_port_stops_queues(const struct pmd_port *port)
{
	return port->stops_queues;
}

/*
 * Stop an Rx queue, a Tx queue: every mbuf of it is freed, so loans come home. Where the driver
 * cannot stop it alone, the device is stopped, once for any number of queues. On failure (also
 * -EBUSY: the driver keeps buffers) the port is `stuck`.
 */
int pmd_rx_stop(struct pmd_port *port, uint16_t queue);
int pmd_tx_stop(struct pmd_port *port, uint16_t queue);

/*
 * Starts what has been stopped. On failure, what could not be started stays as it is (rx_stopped,
 * or the port not `started`): the caller puts it on host buffers and tries again.
 */
int pmd_port_resume(struct pmd_port *port);

/*
 * Stops the device and starts it again: a VF has to, after its PF was reset. As with any stop of the
 * device, no queue is in use, and rings behind its queues can fill them. As resume on failure.
 */
int pmd_port_restart(struct pmd_port *port);

/*
 * Gives the device back to the kernel: every ring has been taken back, or never will be, and no queue
 * is in use. The port is `removed` then, or stuck.
 */
void pmd_port_remove(struct pmd_port *port);

/*
 * `port`, just opened, takes the place of `old`, which is removed: it gets its history, and `old` is
 * freed.
 */
void pmd_port_inherit(struct pmd_port *port, struct pmd_port *old);

/*
 * The device is stopped, no ring is behind its queues, and it does not start (the PF may be down):
 * nothing is lost, and pmd_port_resume() can be tried again.
 */
void pmd_port_halt(struct pmd_port *port);

/* Whether there is a device that can be used now. */
static inline bool pmd_port_usable(const struct pmd_port *port)
{
	return !port->stuck && !port->removed && !port->halted;
}

/* Nothing more can be done about it: logged, and never touched again. */
void pmd_port_give_up(struct pmd_port *port, const char *why);

/* Frees what the NIC has transmitted. The Tx queue's owner. */
static inline void pmd_tx_reap(uint16_t port_id, uint16_t queue, bool cleanup)
{
	if (cleanup)
		rte_eth_tx_done_cleanup(port_id, queue, 0);
	else
		rte_eth_tx_burst(port_id, queue, NULL, 0);
}

/* Reads the link; logs a change. Returns whether it changed. */
bool pmd_port_poll_link(struct pmd_port *port);

#endif /* PMD_PORT_H */
