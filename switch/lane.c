/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes: putting a ring pair to work and taking it back. Control thread. */
#include "switch/lane.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "pmd/rss.h"
#include "switch/lane_swap.h"
#include "switch/plan.h"
#include "switch/switch.h"

/* A NIC that completes nothing for so long has lost something. */
#define TX_STALL_MS 1000
/* Between two looks, at most. */
#define TX_LOOK_MS (3 * SW_TICK_MS)

static const char *const state_names[SW_LANE_STATES] = {
	[SW_LANE_DRAIN] = "drain",
	[SW_LANE_PAUSED] = "paused",
	[SW_LANE_COPIED] = "copied",
	[SW_LANE_MAPPED] = "mapped",
	[SW_LANE_PARKED] = "parked",
};

const char *sw_lane_state_str(enum sw_lane_state state)
{
	return state < SW_LANE_STATES ? state_names[state] : "?";
}

void sw_lane_bind(struct sw_lane *lane, struct pmd_port *port, uint16_t queue)
{
	lane->port = port;
	lane->port_id = port->port_id;
	lane->queue = queue;
	lane->pool = port->queues[queue].pool;
	lane->txpool = port->queues[queue].txpool;
	lane->tx_pool = port->tx_pool;
	lane->tx_cleanup = port->driver != NULL && port->driver->tx_reap == PMD_TX_REAP_CLEANUP;
	lane->max_frame = port->max_frame;
}

void sw_lane_suspend_all(struct switch_ctx *sw, const struct pmd_port *port, bool suspend)
{
	/* Its device has to be stopped, and will be as soon as that can be done. */
	suspend |= port->must_remove || port->must_restart != NULL;
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == port)
			sw->lanes[i]->suspended = suspend;
}

/* The control thread's own mistakes: these functions belong to it alone. */
static void assert_control(const struct switch_ctx *sw)
{
	RTE_VERIFY(pthread_equal(sw->control, pthread_self()));
}

static void pause_lane(struct sw_lane *lane)
{
	lane->state = SW_LANE_PAUSED;
	lane->paused_since = rte_get_timer_cycles();
}

/* A pair that has been handed out, and is given up before it worked. */
static void give_up_pair(struct sw_lane *lane)
{
	sw_swap_release(lane);
	vh_port_pair_stopped(&lane->pair, lane->pair_index);
	lane->why_copied = NULL;
	lane->why_tx_copied = NULL;
}

/*
 * Gets the pairs that are ready: their lanes, and whether some lane has to leave the plans first.
 * Negative: *why some container's rings are bad; then none is kept.
 */
static int get_pairs(struct sw_lane *const *lanes, unsigned int nb, struct sw_lane **ready,
	bool *to_pause, const char **why)
{
	int nb_ready = 0;

	for (unsigned int i = 0; i < nb; i++) {
		struct sw_lane *lane = lanes[i];
		int ret;

		if (!pmd_port_usable(lane->port) ||
			(lane->state != SW_LANE_DRAIN && lane->state != SW_LANE_PAUSED))
			continue;
		ret = vh_port_pair_start(
			lane->container->vport, lane->pair_index, &lane->pair, why);
		if (ret == 0) {
			sw_swap_decide(lane);
			ready[nb_ready++] = lane;
		} else if (ret != -EAGAIN) {
			while (nb_ready > 0)
				give_up_pair(ready[--nb_ready]);
			return ret;
		}
		*to_pause |= lane->state == SW_LANE_DRAIN;
	}
	return nb_ready;
}

/*
 * A container may start fewer ring pairs than it is offered: flows then go to the queues of those.
 * Not where a port has several containers: what is one's must not go to another. Nor during a pause,
 * which is short.
 */
static void spread_flows(const struct switch_ctx *sw, const struct sw_container *c)
{
	struct pmd_port *port = c->lanes[0]->port;
	uint16_t queues[CFG_MAX_PAIRS], all[CFG_MAX_PAIRS], nb = 0;

	/* Drivers ask registers, or the PF: none of that on a device that is gone, or stopped. */
	if (!pmd_port_usable(port))
		return;
	for (unsigned int i = 0; i < sw->nb_lanes; i++)
		if (sw->lanes[i]->port == port && sw->lanes[i]->container != c)
			return;
	for (uint16_t i = 0; i < c->nb_lanes; i++) {
		all[i] = c->lanes[i]->queue;
		if (c->lanes[i]->state != SW_LANE_DRAIN)
			queues[nb++] = c->lanes[i]->queue;
	}
	if (nb > 0)
		pmd_rss_spread(port, queues, nb);
	else
		pmd_rss_spread(port, all, c->nb_lanes);
}

/* The lane is what its backings say. */
static void put_to_work(struct sw_lane *lane)
{
	bool mapped = lane->pool->vr != NULL;

	lane->state = mapped ? SW_LANE_MAPPED : SW_LANE_COPIED;
	lane->tx_mapped = lane->txpool->vr != NULL;
	lane->tx_moved_at = rte_get_timer_cycles();
	lane->owes_call = true;
	lane->nb_starts++;
	lane->nb_mapped_starts += mapped;
	SW_LOG(INFO,
		"%s: ring pair %u, %s, %u entries, on %s queue %u: receive %s%s%s, transmit %s%s%s",
		lane->container->conf->name, lane->pair_index, vh_ring_kind_str(lane->pair.rx.kind),
		vh_ring_size(&lane->pair.rx), lane->port->name, lane->queue,
		mapped ? "mapped" : "copied", mapped ? "" : ": ", mapped ? "" : lane->why_copied,
		lane->tx_mapped ? "mapped" : "copied", lane->tx_mapped ? "" : ": ",
		lane->tx_mapped ? "" : lane->why_tx_copied);
}

/* The device does not start: its queues have host buffers, and the ring waits for better times. */
static void retreat(struct sw_lane *lane)
{
	lane->want_rx = false;
	lane->want_tx = false;
	RTE_VERIFY(pmd_rxpool_detach(lane->pool) == 0 && pmd_txpool_detach(lane->txpool) == 0);
	give_up_pair(lane);
	pause_lane(lane);
}

/*
 * Lanes that drained are polled no more; nor is any other of the port, if its device has to stop. If
 * some worker does not let go of them, those that are ready are parked, and the others drain on: no
 * lane may be paused that a worker still has.
 */
static int leave_plans(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb,
	struct sw_lane *const *ready, int nb_ready, bool disturbs)
{
	bool drained[CFG_MAX_PAIRS];
	int ret;

	for (unsigned int i = 0; i < nb; i++) {
		drained[i] = lanes[i]->state == SW_LANE_DRAIN;
		if (drained[i])
			pause_lane(lanes[i]);
	}
	if (disturbs)
		sw_lane_suspend_all(sw, lanes[0]->port, true);
	ret = sw_lanes_wait(sw);
	if (ret == 0)
		return 0;
	for (int i = 0; i < nb_ready; i++)
		sw_lane_park(sw, ready[i], "a worker does not let go");
	for (unsigned int i = 0; i < nb; i++)
		if (drained[i] && lanes[i]->state == SW_LANE_PAUSED)
			lanes[i]->state = SW_LANE_DRAIN;
	sw_plans_publish(sw, false);
	return ret;
}

int sw_lanes_start(
	struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb, const char **why)
{
	struct sw_lane *ready[CFG_MAX_PAIRS];
	bool to_pause = false, disturbs = false, map = false;
	int ret, nb_ready;

	assert_control(sw);
	RTE_VERIFY(nb <= CFG_MAX_PAIRS);
	nb_ready = get_pairs(lanes, nb, ready, &to_pause, why);
	if (nb_ready < 0)
		return nb_ready;
	for (int i = 0; i < nb_ready; i++) {
		map |= ready[i]->want_rx || ready[i]->want_tx;
		disturbs |= sw_swap_disturbs(ready[i]);
	}
	if ((to_pause || disturbs) && leave_plans(sw, lanes, nb, ready, nb_ready, disturbs) < 0)
		return -EIO;
	if (nb_ready == 0)
		return 0;
	ret = map ? sw_swap(sw, ready, (unsigned int)nb_ready) : 0;
	for (int i = 0; i < nb_ready; i++) {
		if (ret == -EAGAIN)
			retreat(ready[i]);
		else if (ret < 0)
			sw_lane_park(sw, ready[i], "its queue can be neither mapped nor restored");
		else
			put_to_work(ready[i]);
	}
	if (ret < 0 && ret != -EAGAIN)
		return -EIO;
	if (disturbs)
		sw_lane_suspend_all(sw, lanes[0]->port, false);
	spread_flows(sw, lanes[0]->container);
	/* Nobody waits for what the old plans named: this only adds. */
	return sw_plans_publish(sw, false) == 0 ? 0 : -EIO;
}

/* Packets between the NIC and the ring when it was taken away: counted, not forgotten. */
static void drop_waiting(struct sw_lane *lane)
{
	lane->stats.rx_drop_stop += lane->nb_rx_wait;
	while (lane->nb_rx_wait > 0) {
		rte_pktmbuf_free(lane->rx_wait[lane->rx_wait_at++]);
		lane->nb_rx_wait--;
	}
	lane->stats.tx_drop_stop += lane->nb_tx_wait;
	while (lane->nb_tx_wait > 0) {
		rte_pktmbuf_free(lane->tx_wait[lane->tx_wait_at++]);
		lane->nb_tx_wait--;
	}
}

/* A ring taken back before anybody looked at its fault: the container is not let off. */
static void remember_fault(struct sw_lane *lane)
{
	enum vh_fault fault = vh_ring_fault(&lane->pair.rx);

	if (fault == VH_FAULT_NONE || fault == VH_FAULT_REVOKED)
		fault = vh_ring_fault(&lane->pair.tx);
	if (fault == VH_FAULT_NONE || fault == VH_FAULT_REVOKED)
		return;
	lane->container->must_reset = vh_fault_str(fault);
	lane->container->culprit = lane->pair.conn->number;
}

/* Last step of taking back: nothing of the ring is out any more. */
static void finish_stop(struct sw_lane *lane)
{
	remember_fault(lane);
	give_up_pair(lane);
	lane->tx_mapped = false;
	lane->revoked = lane->abandoned = false;
	SW_LOG(DEBUG, "%s: ring pair %u taken back", lane->container->conf->name, lane->pair_index);
}

/* Lanes that stop, out of those given; whether their device has to stop for it. */
static unsigned int choose_stopping(struct sw_lane *const *lanes, unsigned int nb,
	struct sw_lane **stopping, bool *disturbs, bool *parked)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nb; i++) {
		struct sw_lane *lane = lanes[i];

		*parked |= lane->state == SW_LANE_PARKED;
		if (lane->state != SW_LANE_MAPPED && lane->state != SW_LANE_COPIED)
			continue;
		lane->want_rx = false;
		lane->want_tx = false;
		*disturbs |= sw_swap_disturbs(lane);
		stopping[n++] = lane;
	}
	return n;
}

int sw_lanes_stop(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	struct sw_lane *stopping[CFG_MAX_PAIRS];
	const char *stage = "a worker does not let go of the ring";
	bool disturbs = false, parked = false;
	unsigned int n;
	int ret;

	assert_control(sw);
	RTE_VERIFY(nb <= CFG_MAX_PAIRS);
	n = choose_stopping(lanes, nb, stopping, &disturbs, &parked);
	if (n == 0)
		return parked ? -EIO : 0;
	for (unsigned int i = 0; i < n; i++)
		pause_lane(stopping[i]);
	if (disturbs)
		sw_lane_suspend_all(sw, lanes[0]->port, true);
	ret = sw_lanes_wait(sw);
	if (ret == 0) {
		for (unsigned int i = 0; i < n; i++)
			drop_waiting(stopping[i]);
		stage = "the NIC does not let go of the ring";
		ret = sw_swap(sw, stopping, n);
		if (ret == -EAGAIN) /* the device does not start, but nothing of the ring is out */
			ret = 0;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (ret < 0)
			sw_lane_park(sw, stopping[i], stage);
		else
			finish_stop(stopping[i]);
	}
	if (ret < 0)
		return ret;
	if (disturbs) {
		sw_lane_suspend_all(sw, lanes[0]->port, false);
		sw_plans_publish(sw, false);
	}
	return parked ? -EIO : 0;
}

void sw_lanes_drain(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb)
{
	bool changed = false;

	assert_control(sw);
	for (unsigned int i = 0; i < nb; i++) {
		if (lanes[i]->state != SW_LANE_PAUSED)
			continue;
		lanes[i]->state = SW_LANE_DRAIN;
		changed = true;
	}
	if (!changed)
		return;
	spread_flows(sw, lanes[0]->container);
	sw_plans_publish(sw, false);
}

/* Why a mapped queue cannot go on, or NULL. */
static const char *rx_trouble(const struct sw_lane *lane)
{
	if (lane->state != SW_LANE_MAPPED)
		return NULL;
	if (pmd_rxpool_fault(lane->pool) != PMD_RX_FAULT_NONE)
		return pmd_rx_fault_str(pmd_rxpool_fault(lane->pool));
	if (pmd_rxpool_unfit(lane->pool) != VH_FIT)
		return vh_fit_str(pmd_rxpool_unfit(lane->pool));
	return NULL;
}

static const char *tx_trouble(struct sw_lane *lane)
{
	const struct sw_worker *w = &lane->container->sw->workers[lane->worker];
	uint64_t now = rte_get_timer_cycles();
	uint64_t turns = __atomic_load_n(&w->stats.turns, __ATOMIC_RELAXED);
	uint16_t tail;
	bool asked;

	if (!lane->tx_mapped)
		return NULL;
	if (pmd_txpool_broken(lane->txpool))
		return "driver freed a buffer that it did not have";
	/*
	 * Without a link nothing is sent, and a NIC may keep what it has. A worker that does not run
	 * does not ask, and we do not know if it did where we have not looked for a while.
	 */
	tail = __atomic_load_n(&lane->txpool->tail, __ATOMIC_RELAXED);
	asked = sw_lane_polled(lane) && turns != lane->tx_turns_seen &&
		now - lane->tx_looked_at < rte_get_timer_hz() / 1000 * TX_LOOK_MS;
	lane->tx_turns_seen = turns;
	lane->tx_looked_at = now;
	if (tail != lane->tx_tail_seen || pmd_txpool_loans(lane->txpool) == 0 ||
		!lane->port->link_up || !asked) {
		lane->tx_tail_seen = tail;
		lane->tx_moved_at = now;
		return NULL;
	}
	if (now - lane->tx_moved_at < rte_get_timer_hz() / 1000 * TX_STALL_MS)
		return NULL;
	return "NIC does not complete what it was given";
}

enum sw_care sw_lane_care(struct sw_lane *lane, const char **why)
{
	enum vh_fault fault;

	if (lane->state != SW_LANE_MAPPED && lane->state != SW_LANE_COPIED)
		return SW_CARE_NONE;

	fault = vh_ring_fault(&lane->pair.rx);
	if (fault == VH_FAULT_NONE)
		fault = vh_ring_fault(&lane->pair.tx);
	if (fault != VH_FAULT_NONE) {
		*why = vh_fault_str(fault);
		return SW_CARE_RESET;
	}
	*why = rx_trouble(lane);
	if (*why != NULL) {
		lane->never_map = *why;
		return SW_CARE_COPY;
	}
	*why = tx_trouble(lane);
	if (*why != NULL) {
		lane->never_map_tx = *why;
		return SW_CARE_COPY;
	}
	if (lane->lacks_buffers && vh_ring_offers(&lane->pair.rx, sw_swap_wanted(lane)))
		return SW_CARE_REMAP;
	return SW_CARE_NONE;
}
