/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control thread does about one container: start its rings when it is ready, take them
 * back when librte_vhost asks, fall back to copying, reset it when it breaks the rules.
 */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "switch/plan.h"
#include "switch/switch.h"

_Static_assert(CFG_MAX_PAIRS == VH_MAX_PAIRS, "what may be configured can be offered");

static uint64_t ms_to_cycles(uint64_t ms)
{
	return rte_get_timer_hz() * ms / 1000;
}

struct take_back_arg {
	struct sw_container *container;
	struct vh_conn *conn;
	uint32_t pairs;
};

/* Whatever was wrong with the buffers: the next start is a new chance. */
static void forgive(struct sw_container *c)
{
	for (uint16_t i = 0; i < c->nb_lanes; i++)
		c->lanes[i]->never_map = c->lanes[i]->never_map_tx = NULL;
}

/* Nobody waits for it any more: librte_vhost has gone on, and the container may have as well. */
static int take_back_late(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	for (unsigned int i = 0; i < nb; i++)
		if (lanes[i]->state == SW_LANE_MAPPED || lanes[i]->state == SW_LANE_COPIED)
			sw_lane_park(sw, lanes[i], "the control thread was busy for too long");
	return -ETIMEDOUT;
}

static int take_back_pairs(void *ctx, void *arg)
{
	struct take_back_arg *a = arg;
	struct switch_ctx *sw = ctx;
	struct sw_lane *lanes[CFG_MAX_PAIRS];
	unsigned int nb = 0;

	/* Those of that connection: a late request must not hit the one that has moved up since. */
	for (uint16_t i = 0; i < a->container->nb_lanes; i++)
		if ((a->pairs & (1u << i)) && a->container->lanes[i]->pair.conn == a->conn)
			lanes[nb++] = a->container->lanes[i];
	int ret;

	if (sw->requests.late) {
		ret = take_back_late(sw, lanes, nb);
	} else {
		/* What an earlier request came too late for may be home in time for this one. */
		sw_park_tick(sw);
		ret = sw_lanes_stop(sw, lanes, nb);
	}
	forgive(a->container);
	return ret;
}

static bool port_closing(void *arg)
{
	return vh_port_is_closing(arg);
}

static int op_take_back(struct vh_port *port, struct vh_conn *conn, uint32_t pairs)
{
	struct sw_container *c = port->arg;
	struct take_back_arg arg = { .container = c, .conn = conn, .pairs = pairs };

	/* Client-mode start and unregister run callbacks in the control thread itself. */
	if (pthread_equal(c->sw->control, pthread_self()))
		return take_back_pairs(c->sw, &arg);
	return sw_request_wait(&c->sw->requests, take_back_pairs, c->sw, &arg, sizeof(arg), NULL,
		port_closing, port, VH_TAKE_BACK_LIMIT_MS);
}

static void op_changed(struct vh_port *port)
{
	struct sw_container *c = port->arg;

	__atomic_store_n(&c->changed, true, __ATOMIC_RELEASE);
	sw_requests_wake(&c->sw->requests);
}

static const struct vh_port_ops port_ops = {
	.take_back = op_take_back,
	.changed = op_changed,
};

int sw_container_open(struct switch_ctx *sw, struct sw_container *c)
{
	struct vh_port_conf conf = {
		.name = c->conf->name,
		.path = c->conf->socket,
		.client = c->conf->socket_mode == CFG_SOCKET_CLIENT,
		.nb_pairs = c->conf->queues,
		.owner = c->conf->socket_owner,
		.group = c->conf->socket_group,
		.perms = c->conf->socket_perms,
	};
	int ret;

	c->sw = sw;
	c->vport = vh_port_create(&conf, &port_ops, c);
	if (c->vport == NULL)
		return -errno;
	ret = vh_port_start(c->vport);
	if (ret < 0) {
		vh_port_destroy(c->vport);
		c->vport = NULL;
		return ret;
	}
	SW_LOG(NOTICE, "%s: %s %s", c->conf->name, conf.client ? "connecting to" : "listening on",
		conf.path);
	return 0;
}

/* Takes every ring back and closes the socket with its connections. */
static void stop_port(struct sw_container *c)
{
	vh_port_closing(c->vport);
	sw_lanes_stop(c->sw, c->lanes, c->nb_lanes);
	forgive(c);
	/*
	 * A callback may be waiting for us, and unregister waits for it. What was posted before the
	 * port was closing is answered here; nothing is posted after that (port_closing).
	 */
	sw_requests_run(&c->sw->requests);
	vh_port_stop(c->vport);
}

void sw_container_close(struct sw_container *c)
{
	if (c->vport == NULL)
		return;
	stop_port(c);
	sw_lanes_drain(c->sw, c->lanes, c->nb_lanes);
	vh_port_destroy(c->vport);
	c->vport = NULL;
}

/* vh_conn.number of the connection that is served, 0: none. */
static uint64_t served(const struct sw_container *c)
{
	struct vh_port_status status;

	vh_port_status(c->vport, &status);
	return status.connection;
}

/*
 * The one sanction that librte_vhost leaves us: close the socket, and open it again a while later.
 * That costs whoever is connected, so not if it is another one by now: a container that was killed
 * must not pull its successor down.
 */
static void reset(struct sw_container *c, uint64_t culprit, const char *why)
{
	uint32_t suppressed;

	c->nb_resets++;
	c->last_reset = why;
	if (vh_rate_ok(&c->rate, &suppressed))
		SW_LOG(WARNING, "%s: connection reset: %s (%" PRIu64 " resets so far)",
			c->conf->name, why, c->nb_resets);
	if (culprit == served(c)) {
		stop_port(c);
		sw_lanes_drain(c->sw, c->lanes, c->nb_lanes);
		c->restart_at = rte_get_timer_cycles() + ms_to_cycles(SW_RESET_DELAY_MS);
	}
	/* After stop_port(), which finds the fault once more. */
	c->must_reset = NULL;
}

void sw_container_changed(struct sw_container *c)
{
	struct vh_port_status status;
	const char *why = "?";

	if (c->vport == NULL || !__atomic_exchange_n(&c->changed, false, __ATOMIC_ACQUIRE))
		return;
	if (c->must_reset != NULL) {
		reset(c, c->culprit, c->must_reset);
		if (c->restart_at != 0)
			return;
	}
	vh_port_status(c->vport, &status);
	if (!status.connected) {
		sw_lanes_drain(c->sw, c->lanes, c->nb_lanes);
		return;
	}
	if (sw_lanes_start(c->sw, c->lanes, c->nb_lanes, &why) == -EINVAL)
		reset(c, served(c), why);
}

void sw_container_pause(struct sw_container *c)
{
	sw_lanes_stop(c->sw, c->lanes, c->nb_lanes);
	forgive(c);
}

void sw_container_resume(struct sw_container *c)
{
	__atomic_store_n(&c->changed, true, __ATOMIC_RELEASE);
	sw_container_changed(c);
}

/* Back from a reset. */
static void restart(struct sw_container *c)
{
	uint64_t now = rte_get_timer_cycles();
	int ret;

	if (now < c->restart_at)
		return;
	ret = vh_port_start(c->vport);
	if (ret == 0)
		c->restart_at = 0;
	else
		c->restart_at = now + ms_to_cycles(10 * SW_RESET_DELAY_MS);
}

static void tick_lane(struct sw_container *c, struct sw_lane *lane)
{
	const char *why = NULL;
	enum sw_care care = sw_lane_care(lane, &why);

	/* Not what can wait, while it could only fail. */
	if (care == SW_CARE_REMAP && sw_plans_late(c->sw))
		return;
	if (care == SW_CARE_RESET) {
		reset(c, served(c), why);
		return;
	}
	if (care == SW_CARE_COPY)
		SW_LOG(NOTICE, "%s: ring pair %u can no longer be mapped: %s", c->conf->name,
			lane->pair_index, why);
	if (care != SW_CARE_NONE) {
		sw_lanes_stop(c->sw, &lane, 1);
		if (sw_lanes_start(c->sw, &lane, 1, &why) == -EINVAL)
			reset(c, served(c), why);
		return;
	}
	if (lane->state == SW_LANE_PAUSED &&
		rte_get_timer_cycles() - lane->paused_since > ms_to_cycles(SW_PAUSE_LIMIT_MS))
		sw_lanes_drain(c->sw, &lane, 1);
}

void sw_container_tick(struct sw_container *c)
{
	if (c->vport == NULL)
		return;
	if (c->restart_at != 0) {
		restart(c);
		return;
	}
	if (c->must_reset != NULL) {
		reset(c, c->culprit, c->must_reset);
		if (c->restart_at != 0)
			return;
	}
	if (vh_port_poisoned(c->vport)) {
		reset(c, served(c), vh_fault_str(VH_FAULT_MEMORY));
		return;
	}
	for (uint16_t i = 0; i < c->nb_lanes && c->restart_at == 0; i++)
		tick_lane(c, c->lanes[i]);
}
