/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread's care for physical ports: links, PFs that come and go, devices that the
 * kernel wants back or that have vanished.
 */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "pmd/pf_watch.h"
#include "switch/plan.h"
#include "switch/switch.h"

#define RETRY_SEC 2
#define GONE_SEC  1

int sw_ports_watch(struct switch_ctx *sw)
{
	int ret = pmd_pf_watch_open(&sw->pf_watch);

	for (unsigned int i = 0; i < sw->nb_ports; i++)
		if (sw->ports[i] != NULL)
			pmd_events_open(sw->ports[i]);
	if (ret < 0)
		SW_LOG(ERR, "cannot watch the kernel's network links: %s", strerror(-ret));
	return ret;
}

static bool is_on(const struct sw_container *c, const struct pmd_port *port)
{
	return c->vport != NULL && c->nb_lanes > 0 && c->lanes[0]->port == port;
}

/*
 * Every ring of the port taken back; no plan names one of its queues. If some worker does not let go,
 * the port rests until it is tried again, and its rings are where they are.
 */
static int quiesce(struct switch_ctx *sw, struct pmd_port *port)
{
	int ret;

	sw_lane_suspend_all(sw, port, true);
	ret = sw_lanes_wait(sw);
	if (ret < 0)
		return ret;
	sw_park_tick(sw);
	for (unsigned int i = 0; i < sw->nb_containers; i++)
		if (is_on(&sw->containers[i], port))
			sw_container_pause(&sw->containers[i]);
	/* Taking back may have let them go on. */
	sw_lane_suspend_all(sw, port, true);
	ret = sw_lanes_wait(sw);
	/* Or a worker came to a halt in between, and the ring will be back. */
	for (unsigned int i = 0; i < sw->nb_lanes && ret == 0; i++)
		if (sw->lanes[i]->port == port && sw_lane_may_return(sw->lanes[i]))
			ret = -EBUSY;
	return ret;
}

void sw_port_go_on(struct switch_ctx *sw, struct pmd_port *port)
{
	sw_lane_suspend_all(sw, port, false);
	sw_plans_publish(sw, false);
	for (unsigned int i = 0; i < sw->nb_containers; i++)
		if (is_on(&sw->containers[i], port))
			sw_container_resume(&sw->containers[i]);
}

/* The control thread waits long enough for a worker that does not run. */
static void put_off(struct pmd_port *port, const char *what)
{
	SW_LOG(ERR, "%s: %s, but a worker does not let go of its queues: tried again in %u s",
		port->name, what, RETRY_SEC);
	port->retry_at = rte_get_timer_cycles() + RETRY_SEC * rte_get_timer_hz();
}

static bool is_due(const struct pmd_port *port)
{
	return rte_get_timer_cycles() >= port->retry_at;
}

/* What has been put off is worth another attempt. */
static bool may_go_on(struct switch_ctx *sw, const struct pmd_port *port)
{
	return is_due(port) && !sw_plans_late(sw);
}

static void restart(struct switch_ctx *sw, struct pmd_port *port, const char *why)
{
	int ret = quiesce(sw, port);

	port->must_restart = ret < 0 ? why : NULL;
	if (ret < 0) {
		put_off(port, why);
		return;
	}
	if (pmd_port_restart(port) < 0)
		pmd_port_halt(port);
	if (pmd_port_usable(port))
		SW_LOG(NOTICE, "%s: %s: started anew, %" PRIu64 " us without packets", port->name,
			why, port->gap_last_us);
	if (!port->stuck)
		sw_port_go_on(sw, port);
}

static void try_again(struct switch_ctx *sw, struct pmd_port *port)
{
	if (!is_due(port))
		return;
	/* A start may take a second, and nobody else is served meanwhile. */
	port->retry_at = rte_get_timer_cycles() + RETRY_SEC * rte_get_timer_hz();
	if (pmd_port_resume(port) < 0)
		return;
	SW_LOG(NOTICE, "%s: the device starts again", port->name);
	sw_port_go_on(sw, port);
}

/* The kernel waits for us to let go: whoever wrote sriov_numvfs hangs in that write. */
static void remove_device(struct switch_ctx *sw, struct pmd_port *port)
{
	int ret;

	if (!port->must_remove)
		SW_LOG(WARNING, "%s: the kernel takes the device %s away", port->name,
			port->device);
	ret = quiesce(sw, port);
	port->must_remove = ret < 0;
	if (ret < 0) {
		put_off(port, "the kernel takes the device away");
		return;
	}
	pmd_port_remove(port);
	if (port->removed)
		SW_LOG(WARNING,
			"%s: the device is given back; its containers have no wire until it is "
			"there again",
			port->name);
}

/* A device that is being reset is silent for a while. */
static bool is_gone(struct pmd_port *port)
{
	uint64_t now = rte_get_timer_cycles();

	if (pmd_device_present(port)) {
		port->absent_since = 0;
		return false;
	}
	if (port->absent_since == 0)
		port->absent_since = now;
	return now - port->absent_since > GONE_SEC * rte_get_timer_hz();
}

static void vanished(struct switch_ctx *sw, struct pmd_port *port)
{
	pmd_port_give_up(port, "the device has vanished");
	port->must_remove = false;
	port->must_restart = NULL;
	port->must_rest = quiesce(sw, port) < 0;
}

void sw_port_care(struct switch_ctx *sw, unsigned int i)
{
	struct pmd_port *port = sw->ports[i];

	if (port == NULL)
		return;
	if (port->stuck) {
		if (port->must_rest && may_go_on(sw, port))
			port->must_rest = quiesce(sw, port) < 0;
		return;
	}
	if (port->removed)
		sw_port_again(sw, i);
	else if (pmd_events_take_remove(port) || (port->must_remove && may_go_on(sw, port)))
		remove_device(sw, port);
	else if (is_gone(port))
		vanished(sw, port);
	else if (port->absent_since != 0)
		return; /* not touched before that is decided */
	else if (port->must_restart != NULL && may_go_on(sw, port))
		restart(sw, port, port->must_restart);
	else if (port->halted)
		try_again(sw, port);
	else if (pmd_events_take_reset(port))
		restart(sw, port, "reset by its PF");
	else
		pmd_port_poll_link(port);
}

static void on_pf(void *arg, unsigned int ifindex, bool up)
{
	struct switch_ctx *sw = arg;

	for (unsigned int i = 0; i < sw->nb_ports; i++) {
		struct pmd_port *port = sw->ports[i];

		if (port == NULL || port->pf_ifindex != ifindex || port->pf_down == !up)
			continue;
		port->pf_down = !up;
		SW_LOG(NOTICE, "%s: its PF %s is %s", port->name, port->pf_ifname,
			up ? "up" : "down");
		/*
		 * A PF that was down has forgotten the VF's queues, and tells it by an interrupt at
		 * best.
		 */
		if (up && !port->stuck && !port->removed && pmd_device_present(port))
			restart(sw, port, "its PF came up");
	}
}

void sw_ports_pf_event(struct switch_ctx *sw)
{
	int ret = pmd_pf_watch_read(sw->pf_watch, on_pf, sw);

	if (ret < 0)
		SW_LOG(ERR, "cannot read the kernel's network links: %s", strerror(-ret));
}
