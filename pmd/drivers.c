/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/drivers.h"

#include <stddef.h>
#include <string.h>

/*
 * What an entry promises, seen in the driver's source: packets are returned in the order in which
 * buffers were taken; only the newest buffers are given back, or all of them at stop; no DMA after
 * stop; buffers come from rte_mbuf_raw_alloc/rte_pktmbuf_alloc on the queue's own pool; one
 * segment.
 *
 * net_af_packet: needs 22.11.8 or 24.11.2 (before, stopping the device closed its sockets); takes a
 * buffer only when a packet is there.
 */
static const struct pmd_driver drivers[] = {
	{ "net_af_packet", PMD_TESTED, false },
	{ "net_null", PMD_TESTED, false },
};

const struct pmd_driver *pmd_driver_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i].name, name) == 0)
			return &drivers[i];
	return NULL;
}
