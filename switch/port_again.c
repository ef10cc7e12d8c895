/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that the kernel has taken away and that is there again: a new port takes the place of
 * the old one. Control thread.
 */
#include <rte_cycles.h>

#include "config/net.h"
#include "pmd/sriov/vf.h"
#include "switch/plan.h"
#include "switch/switch.h"

/* After a failure; the pause doubles with each, so many times. */
#define RETRY_SEC     2
#define MAX_DOUBLINGS 5

/* What is known of a lane's memory, or not known, hangs on the old port. */
static bool is_parked(const struct switch_ctx *sw, const struct pmd_port *port)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == port && sw->lanes[i]->state == SW_LANE_PARKED)
			return true;
	return false;
}

/* Whether there is a device to open. What the daemon has not prepared, somebody else does. */
static bool is_there(struct switch_ctx *sw, unsigned int i)
{
	const struct cfg_port *conf = &sw->cfg->ports[i];
	char pci[CFG_PCI_LEN];

	if (conf->vf.pf[0] != '\0')
		return pmd_sriov_again(sw->sriov, i) == 0; /* it takes its own time */
	return cfg_pci_normal(conf->device, pci) && pmd_pci_prepared(pci);
}

static void replace(struct switch_ctx *sw, struct pmd_port *old, struct pmd_port *port)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == old)
			sw_lane_bind(sw->lanes[i], port, sw->lanes[i]->queue);
	pmd_port_inherit(port, old);
	SW_LOG(NOTICE, "%s: the device is there again, %" PRIu64 " ms without packets", port->name,
		port->gap_last_us / 1000);
	pmd_events_open(port);
	sw_port_go_on(sw, port);
}

void sw_port_again(struct switch_ctx *sw, unsigned int i)
{
	struct pmd_port *old = sw->ports[i], *port;

	if (rte_get_timer_cycles() < old->retry_at || is_parked(sw, old) || !is_there(sw, i))
		return;
	if (sw_setup_port(sw, i, &port) < 0) {
		old->retry_at = rte_get_timer_cycles() +
			((uint64_t)RETRY_SEC << old->failures) * rte_get_timer_hz();
		old->failures = RTE_MIN(old->failures + 1, MAX_DOUBLINGS);
		return;
	}
	sw->ports[i] = port;
	replace(sw, old, port);
}
