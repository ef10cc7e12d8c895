/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The allow-list of drivers whose Rx queues may be mapped (DESIGN, invariant 7). A driver that is
 * not here runs copied until somebody has read it.
 */
#ifndef PMD_DRIVERS_H
#define PMD_DRIVERS_H

#include <stdbool.h>
#include <stdint.h>

enum pmd_evidence {
	PMD_TESTED, /* by tests/ */
	PMD_READ, /* in its source only */
};

struct pmd_driver {
	const char *name; /* rte_eth_dev_info.driver_name */
	enum pmd_evidence evidence;
	/*
	 * Whether rx_queue_start fills a descriptor ring: then a container's ring must offer
	 * nb_rx_desc buffers before the queue can start on it.
	 */
	bool prefills;
	bool (*usable)(void); /* NULL, or whether the loaded DPDK's version of it will do */
};

/* NULL: not on the list. Any thread. */
const struct pmd_driver *pmd_driver_find(const char *name);

#endif /* PMD_DRIVERS_H */
