/* SPDX-License-Identifier: BSD-3-Clause */
/* From the configuration to ports, lanes, containers and workers; and back. Control thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <numa.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "config/net.h"
#include "pmd/pf_watch.h"
#include "pmd/sriov/ask.h"
#include "switch/plan.h"
#include "switch/switch.h"

/* As long as a grace period: on a busy host a worker may wait for its CPU. */
#define STOP_LIMIT_MS SW_GRACE_LIMIT_MS

int sw_setup_init(struct switch_ctx *sw, const struct cfg *cfg, struct pmd_sriov *sriov)
{
	int ret;

	memset(sw, 0, sizeof(*sw));
	sw->cfg = cfg;
	sw->sriov = sriov;
	sw->control = pthread_self();
	ret = sw_requests_init(&sw->requests);
	if (ret < 0)
		return ret;
	sw->containers = calloc(cfg->nb_containers + 1, sizeof(*sw->containers));
	sw->namespaces = calloc(cfg->nb_containers + 1, sizeof(*sw->namespaces));
	sw->workers =
		rte_calloc(NULL, cfg->sw.nb_workers, sizeof(*sw->workers), RTE_CACHE_LINE_SIZE);
	if (sw->containers == NULL || sw->namespaces == NULL || sw->workers == NULL)
		return -ENOMEM;
	return 0;
}

/* The worker with the fewest lanes; one on the NIC's own NUMA node, if there is any. */
static unsigned int choose_worker(const struct switch_ctx *sw, const struct pmd_port *port)
{
	const unsigned int *cpus = sw->cfg->sw.workers;
	unsigned int best = 0, best_load = UINT32_MAX;

	for (unsigned int w = 0; w < sw->cfg->sw.nb_workers; w++) {
		int node = numa_available() < 0 ? 0 : numa_node_of_cpu((int)cpus[w]);
		unsigned int load = 0;

		for (unsigned int i = 0; i < sw->nb_lanes; i++)
			load += sw->lanes[i]->worker == w;
		/* Crossing nodes costs more than sharing a worker with a few more queues. */
		if (node != port->socket_id)
			load += CFG_MAX_QUEUES;
		if (load < best_load) {
			best = w;
			best_load = load;
		}
	}
	return best;
}

static int add_lanes(struct switch_ctx *sw, struct pmd_port *port)
{
	struct sw_lane **lanes =
		realloc(sw->lanes, (sw->nb_lanes + port->nb_queues) * sizeof(*lanes));

	if (lanes == NULL)
		return -ENOMEM;
	sw->lanes = lanes;
	for (uint16_t q = 0; q < port->nb_queues; q++) {
		struct sw_lane *lane = rte_zmalloc_socket(
			NULL, sizeof(*lane), RTE_CACHE_LINE_SIZE, port->socket_id);

		if (lane == NULL)
			return -ENOMEM;
		sw_lane_bind(lane, port, q);
		lane->state = SW_LANE_DRAIN;
		lane->worker = choose_worker(sw, port);
		sw->lanes[sw->nb_lanes++] = lane;
	}
	return 0;
}

/* The VLAN that a VF's PF gives it, also if somebody else has prepared the VF. */
static uint16_t vlan_of(const struct cfg_port *port)
{
	struct pmd_vf_attr attr;
	char pci[CFG_PCI_LEN];

	if (port->vf.pf[0] != '\0')
		return port->vlan;
	if (!cfg_pci_normal(port->device, pci) || pmd_vf_ask(pci, &attr) < 0)
		return 0;
	return attr.known & (1u << PMD_VF_VLAN) ? attr.vlan : 0;
}

int sw_setup_port(struct switch_ctx *sw, unsigned int i, struct pmd_port **out)
{
	const struct cfg_port *p = &sw->cfg->ports[i];
	struct pmd_port_conf conf = {
		.name = p->name,
		.device = p->device,
		.vf = pmd_sriov_pci(sw->sriov, i),
		.nb_queues = p->queues,
		.mtu = p->mtu,
		.rx_desc = p->rx_desc,
		.rx_buffer = p->rx_buffer,
		.tx_desc = p->tx_desc,
		.vlan = vlan_of(p),
		.mac = p->mac.given ? p->mac.bytes : NULL,
	};

	return pmd_port_open(&conf, out);
}

unsigned int sw_setup_ports(struct switch_ctx *sw)
{
	unsigned int failures = 0;

	for (unsigned int i = 0; i < sw->cfg->nb_ports; i++) {
		struct pmd_port *port;

		/* Kept at its place in the configuration: containers refer to it by that. */
		sw->nb_ports = i + 1;
		if (sw_port_is_netdev(sw->cfg, i))
			continue;
		if (sw_setup_port(sw, i, &port) < 0) {
			failures++;
			continue;
		}
		sw->ports[i] = port;
		if (add_lanes(sw, port) < 0) {
			SW_LOG(ERR, "%s: no memory for its queues", port->name);
			failures++;
		}
	}
	return failures;
}

static struct sw_lane *find_lane(
	const struct switch_ctx *sw, const struct pmd_port *port, uint16_t queue)
{
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == port && sw->lanes[i]->queue == queue)
			return sw->lanes[i];
	return NULL;
}

static int open_container(struct switch_ctx *sw, const struct cfg_container *conf)
{
	struct sw_container *c = &sw->containers[sw->nb_containers++];
	int ret;

	c->conf = conf;
	for (uint16_t q = 0; q < c->conf->queues; q++) {
		struct sw_lane *lane =
			find_lane(sw, sw->ports[c->conf->port], c->conf->first_queue + q);

		/* The configuration's check has made sure that there is one. */
		RTE_VERIFY(lane != NULL && lane->container == NULL);
		lane->container = c;
		lane->pair_index = q;
		c->lanes[c->nb_lanes++] = lane;
	}
	ret = sw_container_open(sw, c);
	if (ret < 0)
		SW_LOG(ERR, "%s: cannot open the container port on %s: %s", c->conf->name,
			c->conf->socket, strerror(-ret));
	return ret;
}

unsigned int sw_setup_containers(struct switch_ctx *sw)
{
	unsigned int failures = 0;

	for (unsigned int i = 0; i < sw->cfg->nb_containers; i++) {
		const struct cfg_container *conf = &sw->cfg->containers[i];

		if (conf->kind == CFG_CONTAINER_NETNS)
			sw->namespaces[sw->nb_namespaces++] =
				(struct sw_netns){ .conf = conf, .place = PMD_VF_WAITING };
		else if (open_container(sw, conf) < 0)
			failures++;
	}
	sw_netns_tick(sw);
	return failures;
}

int sw_setup_workers(struct switch_ctx *sw)
{
	unsigned int lcore;
	int ret;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		struct sw_worker *w;

		if (sw->nb_workers == sw->cfg->sw.nb_workers)
			break;
		w = &sw->workers[sw->nb_workers];
		w->lcore = lcore;
		w->cpu = sw->cfg->sw.workers[sw->nb_workers];
		w->numa_node = (int)rte_lcore_to_socket_id(lcore);
		w->idle_after_us = sw->cfg->sw.idle_after;
		w->idle_sleep_max_us = sw->cfg->sw.idle_sleep_max;
		sw->nb_workers++;
	}
	if (sw->nb_workers != sw->cfg->sw.nb_workers) {
		SW_LOG(ERR, "EAL gave %u worker lcores for %u workers; check eal_args",
			sw->nb_workers, sw->cfg->sw.nb_workers);
		return -EINVAL;
	}
	ret = sw_plans_publish(sw, false);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < sw->nb_workers; i++) {
		ret = rte_eal_remote_launch(sw_worker_main, &sw->workers[i], sw->workers[i].lcore);
		if (ret < 0) {
			SW_LOG(ERR, "cannot launch the worker on CPU %u: %s", sw->workers[i].cpu,
				strerror(-ret));
			return ret;
		}
	}
	return 0;
}

/* A worker's turn takes microseconds; one that hangs in a driver must not hang the exit. */
static bool worker_ended(const struct sw_worker *w)
{
	for (unsigned int ms = 0; ms < STOP_LIMIT_MS; ms++) {
		if (rte_eal_get_lcore_state(w->lcore) == WAIT)
			return true;
		rte_delay_us_sleep(1000);
	}
	return false;
}

static void stop_workers(struct switch_ctx *sw)
{
	for (unsigned int i = 0; i < sw->nb_workers; i++)
		__atomic_store_n(&sw->workers[i].stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < sw->nb_workers; i++) {
		if (worker_ended(&sw->workers[i]))
			continue;
		SW_LOG(CRIT, "the worker on CPU %u does not end; leaving without it",
			sw->workers[i].cpu);
		_exit(EXIT_FAILURE);
	}
	rcu_barrier(); /* plans that wait for their grace period */
	for (unsigned int i = 0; i < sw->nb_workers; i++) {
		free(sw->workers[i].plan);
		sw->workers[i].plan = NULL;
	}
}

bool sw_teardown(struct switch_ctx *sw)
{
	bool clean = true;

	for (unsigned int i = 0; i < sw->nb_containers; i++)
		sw_container_close(&sw->containers[i]);
	sw_requests_close(&sw->requests);
	stop_workers(sw);
	sw_plans_forget(sw);
	sw_park_abandon(sw);
	/*
	 * A driver frees into the pools, and a pool that could not be detached reads its lane's
	 * ring.
	 */
	for (unsigned int i = 0; i < sw->nb_ports; i++)
		/* Else EAL's end would close the device, and may wait for ever. */
		clean &= pmd_port_close(sw->ports[i]);
	pmd_pf_watch_close(sw->pf_watch);
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->state != SW_LANE_PARKED)
			rte_free(sw->lanes[i]);
	free(sw->lanes);
	free(sw->containers);
	free(sw->namespaces);
	rte_free(sw->workers);
	return clean;
}
