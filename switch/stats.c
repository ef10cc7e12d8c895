/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "switch/switch.h"

/* Every counter of a lane that users see, in the order in which they see them. */
static const struct {
	const char *key;
	size_t offset;
} lane_counters[] = {
#define COUNTER(name, field)                                                                       \
	{                                                                                          \
		name, offsetof(struct sw_lane_stats, field)                                        \
	}
	COUNTER("rx_packets", rx.packets),
	COUNTER("rx_bytes", rx.bytes),
	COUNTER("rx_mapped", rx.mapped),
	COUNTER("rx_copied", rx_copied),
	COUNTER("rx_relocated", rx.relocated),
	COUNTER("rx_fillers", rx.fillers),
	COUNTER("rx_notifications", rx_calls),
	COUNTER("rx_held", rx_held),
	COUNTER("rx_drop_no_container", rx_drop_container),
	COUNTER("rx_drop_size", rx_drop_size),
	COUNTER("rx_drop_stop", rx_drop_stop),
	COUNTER("rx_drop_length", rx.drop_length),
	COUNTER("rx_drop_segments", rx.drop_segments),
	COUNTER("rx_drop_order", rx.drop_order),
	COUNTER("tx_packets", tx_packets),
	COUNTER("tx_bytes", tx_bytes),
	COUNTER("tx_mapped", tx_mapped),
	COUNTER("tx_copied", tx_copied),
	COUNTER("tx_notifications", tx_calls),
	COUNTER("tx_held", tx_held),
	COUNTER("tx_no_mbuf", tx_no_mbuf),
	COUNTER("tx_drop_size", tx_drop_size),
	COUNTER("tx_drop_stop", tx_drop_stop),
	COUNTER("tx_unsure", tx_unsure),
#undef COUNTER
};

/* Relaxed: each counter is right by itself; its writer is another thread. */
static uint64_t read_counter(const struct sw_lane *lane, size_t offset)
{
	const uint64_t *counter = RTE_PTR_ADD(&lane->stats, offset);

	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static struct sw_doc_entry *add(struct sw_doc *doc, const char *key)
{
	struct sw_doc_entry *e;

	RTE_VERIFY(doc->nb < SW_DOC_MAX_ENTRIES);
	e = &doc->entries[doc->nb++];
	e->key = key;
	return e;
}

static void add_number(struct sw_doc *doc, const char *key, uint64_t value)
{
	struct sw_doc_entry *e = add(doc, key);

	e->is_string = false;
	e->number = value;
}

static void add_string(struct sw_doc *doc, const char *key, const char *value)
{
	struct sw_doc_entry *e = add(doc, key);
	size_t len = value != NULL ? RTE_MIN(strlen(value), sizeof(e->string) - 1) : 0;

	e->is_string = true;
	if (len > 0)
		memcpy(e->string, value, len);
	e->string[len] = '\0';
}

static void add_lane_counters(struct sw_doc *doc, struct sw_lane *const *lanes, unsigned int nb)
{
	uint64_t shortages = 0;

	for (size_t i = 0; i < RTE_DIM(lane_counters); i++) {
		uint64_t sum = 0;

		for (unsigned int l = 0; l < nb; l++)
			sum += read_counter(lanes[l], lane_counters[i].offset);
		add_number(doc, lane_counters[i].key, sum);
	}
	for (unsigned int l = 0; l < nb; l++)
		shortages += __atomic_load_n(&lanes[l]->pool->shortages, __ATOMIC_RELAXED);
	add_number(doc, "rx_refill_shortages", shortages);
}

static const char *rx_mode(const struct sw_lane *lane)
{
	switch (lane->state) {
	case SW_LANE_MAPPED:
	case SW_LANE_COPIED:
	case SW_LANE_PARKED:
		return sw_lane_state_str(lane->state);
	default:
		return "none";
	}
}

static const char *tx_mode(const struct sw_lane *lane)
{
	if (lane->state != SW_LANE_MAPPED && lane->state != SW_LANE_COPIED)
		return rx_mode(lane);
	return lane->tx_mapped ? "mapped" : "copied";
}

static void queue_name(const struct sw_lane *lane, char name[SW_DOC_STRING])
{
	snprintf(name, SW_DOC_STRING, "%s:%u", lane->port->name, lane->queue);
}

static void make_queue(struct switch_ctx *sw, struct sw_lane *lane, struct sw_doc *doc)
{
	char name[SW_DOC_STRING];

	queue_name(lane, name);
	add_string(doc, "name", name);
	add_string(doc, "container", lane->container ? lane->container->conf->name : "");
	add_number(doc, "ring_pair", lane->pair_index);
	add_string(doc, "state", sw_lane_state_str(lane->state));
	add_string(doc, "why_copied", lane->why_copied);
	add_string(doc, "tx_mode", tx_mode(lane));
	add_string(doc, "why_tx_copied", lane->why_tx_copied);
	add_number(doc, "worker_cpu", sw->workers[lane->worker].cpu);
	add_number(doc, "starts", lane->nb_starts);
	add_number(doc, "mapped_starts", lane->nb_mapped_starts);
	/* Only the owner of the ring knows the exact number; for a reader it is a moment's view. */
	add_number(doc, "loans", lane->pool->vr != NULL ? pmd_rxpool_loans(lane->pool) : 0);
	add_number(doc, "tx_loans", lane->txpool->vr != NULL ? pmd_txpool_loans(lane->txpool) : 0);
	add_lane_counters(doc, &lane, 1);
}

static void make_container(struct sw_container *c, struct sw_doc *doc)
{
	struct vh_port_status st = { .connected = false };
	unsigned int working = 0;
	const char *mode = rx_mode(c->lanes[0]), *why = c->lanes[0]->why_copied;
	const char *tx = tx_mode(c->lanes[0]), *why_tx = c->lanes[0]->why_tx_copied;
	char features[32];

	if (c->vport != NULL && c->restart_at == 0)
		vh_port_status(c->vport, &st);
	for (uint16_t i = 0; i < c->nb_lanes; i++) {
		working += c->lanes[i]->state == SW_LANE_MAPPED ||
			c->lanes[i]->state == SW_LANE_COPIED;
		if (strcmp(rx_mode(c->lanes[i]), mode) != 0) {
			mode = "mixed";
			why = "see its queues";
		}
		if (strcmp(tx_mode(c->lanes[i]), tx) != 0) {
			tx = "mixed";
			why_tx = "see its queues";
		}
	}
	snprintf(features, sizeof(features), "0x%" PRIx64, st.features);
	add_string(doc, "name", c->conf->name);
	add_string(doc, "kind", "vhost-user");
	add_string(doc, "socket", c->conf->socket);
	add_string(doc, "socket_mode",
		c->conf->socket_mode == CFG_SOCKET_CLIENT ? "client" : "server");
	add_string(doc, "port", c->lanes[0]->port->name);
	add_number(doc, "first_queue", c->conf->first_queue);
	add_number(doc, "ring_pairs", c->nb_lanes);
	add_number(doc, "ring_pairs_working", working);
	add_number(doc, "connected", st.connected);
	add_number(doc, "running", st.running);
	add_string(doc, "features", features);
	add_number(doc, "memory_regions", st.nb_regions);
	add_number(doc, "connections", st.nb_connections);
	add_number(doc, "resets", c->nb_resets);
	add_string(doc, "last_reset", c->last_reset);
	add_string(doc, "rx_mode", mode);
	add_string(doc, "why_copied", why);
	add_string(doc, "tx_mode", tx);
	add_string(doc, "why_tx_copied", why_tx);
	add_lane_counters(doc, c->lanes, c->nb_lanes);
}

static void make_netns(
	const struct switch_ctx *sw, const struct sw_netns *netns, struct sw_doc *doc)
{
	add_string(doc, "name", netns->conf->name);
	add_string(doc, "kind", "netns");
	add_string(doc, "netns", netns->conf->netns);
	add_string(doc, "ifname", netns->conf->ifname);
	add_string(doc, "port", sw->cfg->ports[netns->conf->port].name);
	add_string(doc, "vf", pmd_sriov_name(sw->sriov, netns->conf->port));
	add_string(doc, "state", sw_netns_state_str(netns->place));
}

static void make_netdev_port(const struct switch_ctx *sw, unsigned int n, struct sw_doc *doc)
{
	add_string(doc, "name", sw->cfg->ports[n].name);
	add_string(doc, "device", sw->cfg->ports[n].device);
	add_string(doc, "vf", pmd_sriov_name(sw->sriov, n));
	add_string(doc, "driver", "kernel");
}

static void make_port(const struct switch_ctx *sw, unsigned int n, struct sw_doc *doc)
{
	struct pmd_port *port = sw->ports[n];
	struct rte_eth_stats st;

	memset(&st, 0, sizeof(st));
	if (pmd_port_usable(port))
		rte_eth_stats_get(port->port_id, &st);
	add_string(doc, "name", port->name);
	add_string(doc, "device", port->device);
	add_string(doc, "vf", pmd_sriov_name(sw->sriov, n));
	add_string(doc, "driver", port->driver_name);
	add_string(doc, "mapping",
		port->driver == NULL                           ? "driver not on the list"
			: port->driver->evidence == PMD_TESTED ? "tested"
							       : "read in its source");
	add_number(doc, "queues", port->nb_queues);
	add_number(doc, "stops_single_queues", port->stops_queues);
	add_number(doc, "stuck", port->stuck);
	add_number(doc, "removed", port->removed);
	add_number(doc, "halted", port->halted);
	add_number(
		doc, "put_off", port->must_rest || port->must_remove || port->must_restart != NULL);
	add_string(doc, "pf", port->pf_ifname);
	add_number(doc, "pf_up", port->pf_ifindex != 0 && !port->pf_down);
	add_number(doc, "device_restarts", port->nb_gaps);
	add_number(doc, "device_gap_us", port->gap_last_us);
	add_number(doc, "device_gap_max_us", port->gap_max_us);
	/* Of its IOMMU domain, which all VFIO devices share. */
	add_number(doc, "dma_mapped_kib", port->dma != NULL ? port->dma->mapped >> 10 : 0);
	add_number(doc, "rx_desc", port->rx_desc);
	add_number(doc, "rx_buffer", port->rx_buffer);
	add_number(doc, "tx_desc", port->tx_desc);
	add_number(doc, "mtu", port->mtu);
	add_number(doc, "link_up", port->link_up);
	add_number(doc, "nic_rx_packets", st.ipackets);
	add_number(doc, "nic_rx_bytes", st.ibytes);
	add_number(doc, "nic_rx_missed", st.imissed);
	add_number(doc, "nic_rx_errors", st.ierrors);
	add_number(doc, "nic_rx_nombuf", st.rx_nombuf);
	add_number(doc, "nic_tx_packets", st.opackets);
	add_number(doc, "nic_tx_bytes", st.obytes);
	add_number(doc, "nic_tx_errors", st.oerrors);
}

static void make_worker(struct sw_worker *w, struct sw_doc *doc)
{
	add_number(doc, "cpu", w->cpu);
	add_number(doc, "lcore", w->lcore);
	add_number(doc, "numa_node", (uint64_t)w->numa_node);
	add_number(doc, "turns", __atomic_load_n(&w->stats.turns, __ATOMIC_RELAXED));
	add_number(doc, "packets", __atomic_load_n(&w->stats.packets, __ATOMIC_RELAXED));
	add_number(doc, "busy_cycles", __atomic_load_n(&w->stats.busy_cycles, __ATOMIC_RELAXED));
	add_number(doc, "idle_cycles", __atomic_load_n(&w->stats.idle_cycles, __ATOMIC_RELAXED));
	add_number(doc, "slept_cycles", __atomic_load_n(&w->stats.slept_cycles, __ATOMIC_RELAXED));
	add_number(doc, "sleeps", __atomic_load_n(&w->stats.sleeps, __ATOMIC_RELAXED));
}

bool sw_doc_name(
	struct switch_ctx *sw, enum sw_doc_kind kind, unsigned int n, char name[SW_DOC_STRING])
{
	switch (kind) {
	case SW_DOC_PORT:
		if (n >= sw->nb_ports)
			return false;
		snprintf(name, SW_DOC_STRING, "%s", sw->cfg->ports[n].name);
		return true;
	case SW_DOC_CONTAINER:
		if (n >= sw->nb_containers + sw->nb_namespaces)
			return false;
		snprintf(name, SW_DOC_STRING, "%s",
			n < sw->nb_containers ? sw->containers[n].conf->name
					      : sw->namespaces[n - sw->nb_containers].conf->name);
		return true;
	case SW_DOC_QUEUE:
		if (n >= sw->nb_lanes)
			return false;
		queue_name(sw->lanes[n], name);
		return true;
	case SW_DOC_WORKER:
		if (n >= sw->nb_workers)
			return false;
		snprintf(name, SW_DOC_STRING, "%u", sw->workers[n].cpu);
		return true;
	default:
		return false;
	}
}

int sw_doc_make(struct switch_ctx *sw, enum sw_doc_kind kind, const char *name, struct sw_doc *doc)
{
	char candidate[SW_DOC_STRING];
	unsigned int n;

	doc->nb = 0;
	for (n = 0; sw_doc_name(sw, kind, n, candidate); n++) {
		if (strcmp(candidate, name) != 0)
			continue;
		if (kind == SW_DOC_PORT && sw->ports[n] == NULL)
			make_netdev_port(sw, n, doc);
		else if (kind == SW_DOC_PORT)
			make_port(sw, n, doc);
		else if (kind == SW_DOC_CONTAINER && n >= sw->nb_containers)
			make_netns(sw, &sw->namespaces[n - sw->nb_containers], doc);
		else if (kind == SW_DOC_CONTAINER)
			make_container(&sw->containers[n], doc);
		else if (kind == SW_DOC_QUEUE)
			make_queue(sw, sw->lanes[n], doc);
		else
			make_worker(&sw->workers[n], doc);
		return 0;
	}
	return -ENOENT;
}

static uint64_t drops(const struct sw_lane *lane)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < RTE_DIM(lane_counters); i++)
		if (strstr(lane_counters[i].key, "_drop_") != NULL)
			sum += read_counter(lane, lane_counters[i].offset);
	return sum;
}

void sw_stats_log(struct switch_ctx *sw)
{
	SW_LOG(NOTICE, "%-20s %-16s %-7s %-7s %12s %12s %12s %12s %10s  %s", "queue", "container",
		"rx", "tx", "rx mapped", "rx copied", "tx mapped", "tx copied", "drops",
		"why rx is copied");
	for (unsigned int i = 0; i < sw->nb_lanes; i++) {
		const struct sw_lane *lane = sw->lanes[i];
		const struct sw_lane_stats *s = &lane->stats;
		char name[SW_DOC_STRING];

		queue_name(lane, name);
		SW_LOG(NOTICE,
			"%-20s %-16s %-7s %-7s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64
			" %10" PRIu64 "  %s",
			name, lane->container ? lane->container->conf->name : "-",
			sw_lane_state_str(lane->state), tx_mode(lane), s->rx.mapped, s->rx_copied,
			s->tx_mapped, s->tx_copied, drops(lane),
			lane->why_copied ? lane->why_copied : "");
	}
}
