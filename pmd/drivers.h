/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The allow-list of drivers whose queues may be mapped (DESIGN, invariant 7), and what one has to
 * know of them. A driver that is not here runs copied until somebody has read it. README.md has the
 * same list, with reasons; tests/unit/pmd/drivers.c compares the two.
 */
#ifndef PMD_DRIVERS_H
#define PMD_DRIVERS_H

#include <stdbool.h>
#include <stdint.h>

enum pmd_evidence {
	PMD_TESTED, /* by tests/ */
	PMD_READ, /* in its source only */
};

/* How a driver is made to free what it has transmitted when nothing more is to be sent. */
enum pmd_tx_reap {
	PMD_TX_REAP_BURST, /* rte_eth_tx_burst() with no packets frees, or nothing is ever kept */
	PMD_TX_REAP_CLEANUP, /* rte_eth_tx_done_cleanup(), known good in its source */
	PMD_TX_REAP_NONE, /* nothing does: transmit runs copied */
};

struct pmd_driver {
	const char *name; /* rte_eth_dev_info.driver_name */
	enum pmd_evidence evidence;
	/*
	 * Whether rx_queue_start fills a descriptor ring: then a container's ring must offer
	 * nb_rx_desc buffers before the queue can start on it.
	 */
	bool prefills;
	/* Whether the device sees memory through an IOMMU: container memory has to be mapped there. */
	bool dma;
	/* The device is stopped even where the driver offers to stop a queue alone. */
	bool whole_device;
	/*
	 * The NIC makes a buffer's size a multiple of this, downwards and without a word; a size
	 * below it may be worse. 0: it can do any.
	 */
	uint16_t rx_granule;
	/*
	 * Packets for which the NIC reports one completion, 0: the driver's default. 1, where
	 * tx_reap depends on it.
	 */
	uint16_t tx_rs_thresh;
	enum pmd_tx_reap tx_reap;
	bool (*usable)(void); /* NULL, or whether the loaded DPDK's version of it will do */
};

/* NULL: not on the list. Any thread. */
const struct pmd_driver *pmd_driver_find(const char *name);

/* The list, whether usable or not. NULL: past its end. Any thread. */
const struct pmd_driver *pmd_driver_nth(unsigned int n);

#endif /* PMD_DRIVERS_H */
