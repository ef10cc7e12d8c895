/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/rss.h"

#include <errno.h>
#include <string.h>

#include <rte_errno.h>

#include "pmd/port.h"

int pmd_rss_spread(struct pmd_port *port, const uint16_t *queues, uint16_t nb)
{
	struct rte_eth_rss_reta_entry64 reta[PMD_RETA_GROUPS];
	uint16_t size = RTE_MIN(port->reta_size, RTE_ETH_RSS_RETA_SIZE_512);
	int ret;

	if (size == 0 || nb == 0)
		return -ENOTSUP;
	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = queues[i % nb];
	}
	if (memcmp(port->reta, reta, sizeof(reta)) == 0)
		return 0;
	ret = rte_eth_dev_rss_reta_update(port->port_id, reta, size);
	if (ret < 0) {
		if (ret != -ENOTSUP)
			PMD_LOG(WARNING, "%s: cannot spread flows over %u of %u queues: %s",
				port->name, nb, port->nb_queues, rte_strerror(-ret));
		return ret;
	}
	memcpy(port->reta, reta, sizeof(reta));
	return 0;
}
