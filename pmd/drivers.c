/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/drivers.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <rte_version.h>

/*
 * Takes a buffer only when a packet is there. Before 22.11.8 and 24.11.2, stopping the device
 * closed its sockets; 23.11 has not been looked at. Asked of the library that is loaded, not of its
 * headers.
 */
static bool af_packet_usable(void)
{
	unsigned int year, month, minor;

	/* The functions for the single numbers are experimental in 22.11. */
	if (sscanf(rte_version(), "DPDK %u.%u.%u", &year, &month, &minor) != 3)
		return false;
	return year == 22 ? minor >= 8 : year == 24 ? minor >= 2 : year > 24;
}

/*
 * What an entry promises, seen in the driver's source. Receive: packets are returned in the order in
 * which buffers were taken; only the newest buffers are given back, or all of them at stop; no DMA
 * after stop; buffers come from the queue's own pool, by bulk or one by one; one segment. Transmit:
 * each mbuf is freed into its own pool, once, when the NIC has read it, or at stop.
 */
static const struct pmd_driver drivers[] = {
	{ .name = "net_af_packet", .evidence = PMD_TESTED, .usable = af_packet_usable },
	{ .name = "net_null", .evidence = PMD_TESTED },
	{ .name = "net_simvf", .evidence = PMD_TESTED, .prefills = true, .dma = true },
	{ .name = "net_e1000_igb",
		.evidence = PMD_READ,
		.prefills = true,
		.dma = true,
		.rx_granule = 1024,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	{ .name = "net_e1000_igb_vf",
		.evidence = PMD_TESTED,
		.prefills = true,
		.dma = true,
		.rx_granule = 1024,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	/*
	 * From here on: the scalar transmit path with a completion per packet. The vector paths free
	 * nothing on an empty burst and refuse rte_eth_tx_done_cleanup(); with a threshold between 2
	 * and 31 that function can take a descriptor which was never used for one that is done.
	 */
	{ .name = "net_ixgbe",
		.evidence = PMD_READ,
		.prefills = true,
		.dma = true,
		.rx_granule = 1024,
		.tx_rs_thresh = 1,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	{ .name = "net_ixgbe_vf",
		.evidence = PMD_READ,
		.prefills = true,
		.dma = true,
		.rx_granule = 1024,
		.tx_rs_thresh = 1,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	{ .name = "net_i40e",
		.evidence = PMD_READ,
		.prefills = true,
		.dma = true,
		.rx_granule = 128,
		.tx_rs_thresh = 1,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	{ .name = "net_ice",
		.evidence = PMD_READ,
		.prefills = true,
		.dma = true,
		.rx_granule = 128,
		.tx_rs_thresh = 1,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	/*
	 * Its rte_eth_tx_done_cleanup() is wrong with any threshold. Below 32 the scalar path is
	 * taken: up to 22.11 the vector path's stop forgets mbufs.
	 */
	{ .name = "net_iavf",
		.evidence = PMD_READ,
		.prefills = true,
		.dma = true,
		.whole_device = true,
		.rx_granule = 128,
		.tx_rs_thresh = 16,
		.tx_reap = PMD_TX_REAP_NONE },
};

const struct pmd_driver *pmd_driver_nth(unsigned int n)
{
	return n < sizeof(drivers) / sizeof(drivers[0]) ? &drivers[n] : NULL;
}

const struct pmd_driver *pmd_driver_find(const char *name)
{
	const struct pmd_driver *d;

	for (unsigned int i = 0; name != NULL && (d = pmd_driver_nth(i)) != NULL; i++)
		if (strcmp(d->name, name) == 0)
			return d->usable == NULL || d->usable() ? d : NULL;
	return NULL;
}
