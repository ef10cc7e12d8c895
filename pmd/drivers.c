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
	{ .name = "net_e1000_igb_vf",
		.evidence = PMD_TESTED,
		.prefills = true,
		.dma = true,
		.tx_reap = PMD_TX_REAP_CLEANUP },
	{ .name = "net_af_packet", .evidence = PMD_TESTED, .usable = af_packet_usable },
	{ .name = "net_null", .evidence = PMD_TESTED },
	{ .name = "net_simvf", .evidence = PMD_TESTED, .prefills = true, .dma = true },
};

const struct pmd_driver *pmd_driver_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i].name, name) == 0 &&
			(drivers[i].usable == NULL || drivers[i].usable()))
			return &drivers[i];
	return NULL;
}
