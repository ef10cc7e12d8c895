/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane: one Rx/Tx queue pair of a physical port and, cross-connected with it, one ring pair of a
 * container. It is what a worker polls.
 *
 * States. The control thread alone changes them; `polled` says whether plans name the lane.
 *
 *	DRAIN	polled: received packets are dropped and counted; no ring
 *	PAUSED	not polled: a container is connected but its rings are not at work (yet, or while
 *		its memory changes); the NIC's own queue keeps what arrives
 *	COPIED	polled: received packets are copied
 *	MAPPED	polled: the NIC writes into the container's buffers
 *	PARKED	not polled: taking back did not end in time; its memory is kept. For ever, unless it
 *		was for a worker, which lets go one day (park.c)
 *
 * Transmit has no state of its own: in the last two it is mapped too, or copied (`tx_mapped`).
 *
 * Ownership: the part up to `stats` belongs to the worker whose plan names the lane, and to the
 * control thread while no plan does (after a grace period). The rest is the control thread's.
 */
#ifndef SWITCH_LANE_H
#define SWITCH_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmd/port.h"
#include "vhost/port.h"

#define SW_BURST PMD_BURST

struct switch_ctx;
struct sw_container;
struct sw_lane;

/* Handles at most one burst; returns the packets it moved. Worker. */
typedef uint16_t (*sw_poll_fn)(struct sw_lane *lane);

enum sw_lane_state {
	SW_LANE_DRAIN,
	SW_LANE_PAUSED,
	SW_LANE_COPIED,
	SW_LANE_MAPPED,
	SW_LANE_PARKED,
	SW_LANE_STATES
};

/* Written by the lane's worker alone; anyone may read (each counter by itself, not as a set). */
struct sw_lane_stats {
	struct pmd_rx_stats rx;
	uint64_t rx_copied;
	uint64_t rx_calls; /* notifications of a sleeping container */
	uint64_t rx_held; /* times that a copied burst waited for container buffers */
	uint64_t rx_drop_container; /* no container to take them */
	uint64_t rx_drop_size; /* do not fit into the container's buffers */
	uint64_t rx_drop_stop; /* waited for buffers when the ring was taken back */
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_mapped; /* packets lent to the NIC */
	uint64_t tx_copied;
	uint64_t tx_calls;
	uint64_t tx_held; /* times that a burst waited for the NIC */
	uint64_t tx_no_mbuf; /* times that no transmit buffer was free */
	uint64_t tx_drop_size; /* shorter than an Ethernet header, or beyond the port's MTU */
	uint64_t tx_drop_stop; /* waited for the NIC when the ring was taken back */
	uint64_t
		tx_unsure; /* with the NIC when its queue was stopped: sent or not; control thread */
};

struct sw_lane {
	struct pmd_rxpool *pool;
	struct pmd_txpool *txpool;
	struct rte_mempool *tx_pool;
	uint32_t max_frame;
	uint16_t port_id;
	uint16_t queue;
	uint16_t nb_rx_wait; /* received, waiting for container buffers (copied) */
	uint16_t rx_wait_at;
	uint16_t nb_tx_wait; /* copied out of the ring, waiting for the NIC */
	uint16_t tx_wait_at;
	bool tx_cleanup; /* how finished transmissions are reaped: pmd_tx_reap() */
	bool owes_call; /* by the first poll after a start, see call_first() */
	struct vh_pair pair;
	struct rte_mbuf *rx_wait[SW_BURST];
	struct rte_mbuf *tx_wait[SW_BURST];
	struct sw_lane_stats stats __rte_cache_aligned;

	/* Control thread. */
	enum sw_lane_state state __rte_cache_aligned;
	bool suspended; /* out of the plans: its port's device is stopped, or is to be */
	struct pmd_port *port;
	struct sw_container *container; /* NULL: nothing is configured on this queue */
	uint16_t pair_index;
	unsigned int worker;
	bool want_rx; /* to be mapped: sw_lanes_swap() makes it so */
	bool want_tx;
	bool tx_mapped;
	bool dma; /* holds its memory in the device's IOMMU */
	const char *why_copied; /* NULL while mapped, or while no ring is at work */
	const char *why_tx_copied;
	bool lacks_buffers; /* copied only for want of buffers: to be looked at again */
	const char *never_map; /* set by a failure, until the container starts the ring anew */
	const char *never_map_tx;
	uint16_t tx_tail_seen; /* the oldest loan at the last look */
	uint64_t tx_turns_seen; /* its worker's turns, then */
	uint64_t tx_looked_at; /* timer cycles */
	uint64_t tx_moved_at; /* timer cycles: when it was seen to move, or nothing was out */
	uint64_t paused_since; /* rte_get_timer_cycles() */
	bool revoked; /* has been parked, and is not back yet */
	bool abandoned; /* likewise, and no worker has it any more */
	/* Mapped starts lately, where each of them disturbs other containers. */
	uint64_t window_start;
	unsigned int window_starts;
	uint64_t nb_starts;
	uint64_t nb_mapped_starts;
};

/* The port's queue behind the lane: at its making, and when another port takes the place of one. */
void sw_lane_bind(struct sw_lane *lane, struct pmd_port *port, uint16_t queue);

/* What a worker does, by the kind of the lane's rings. lane_poll.c */
struct sw_lane_polls {
	sw_poll_fn rx_copied;
	sw_poll_fn rx_mapped;
	sw_poll_fn tx_copied;
	sw_poll_fn tx_mapped;
};
extern const struct sw_lane_polls sw_lane_polls[VH_RING_KINDS];
uint16_t sw_poll_drain(struct sw_lane *lane);

const char *sw_lane_state_str(enum sw_lane_state state);

/* Whether plans name the lane. */
static inline bool sw_lane_polled(const struct sw_lane *lane)
{
	return pmd_port_usable(lane->port) && !lane->suspended && lane->state != SW_LANE_PAUSED &&
		lane->state != SW_LANE_PARKED;
}

/* Lanes of a port have to keep still while its device is stopped. The plans are the caller's. */
void sw_lane_suspend_all(struct switch_ctx *sw, const struct pmd_port *port, bool suspend);

/*
 * The control thread's verbs, for any number of lanes of one container (so of one port), with one
 * grace period and, where the device has to stop, one stop. Each ends with plans that say what the
 * states say.
 *
 * start: puts the ring pairs that are ready to work; lanes whose pair is not are paused. Does
 *	nothing about lanes at work. -EINVAL: some pair's rings are bad (*why), and none was
 *	started; -EIO: a worker or the NIC did not let go, and lanes that were ready are parked.
 * stop: the "taking back" primitive. Afterwards a lane is paused, its ring settled, its memory
 *	released, the queue on host buffers. -errno: at least one lane is parked.
 * drain: paused lanes drop what arrives. Does nothing in another state.
 */
int sw_lanes_start(
	struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb, const char **why);
int sw_lanes_stop(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb);
void sw_lanes_drain(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb);

/*
 * park.c. park: the last resort of start and stop: nothing of the lane is freed, and whoever comes late
 * leaves its ring alone. tick: takes the lane back when every worker has let go, unless its port is
 * stuck: then it is the NIC that has not.
 * wait: publishes plans and waits, as sw_plans_publish(). With success, nothing is written to rings of
 * parked lanes any more, whatever their NIC gives back: to be called before a device is stopped.
 * abandon: that part alone, when no worker runs.
 */
void sw_lane_park(struct switch_ctx *sw, struct sw_lane *lane, const char *why);
bool sw_lane_may_return(const struct sw_lane *lane);
void sw_park_tick(struct switch_ctx *sw);
int sw_lanes_wait(struct switch_ctx *sw);
void sw_park_abandon(struct switch_ctx *sw);

/*
 * What to do about a lane at work, called some ten times a second.
 * SW_CARE_REMAP: it runs copied for want of buffers, which are there now. SW_CARE_COPY: it runs
 * mapped, but cannot go on so; never_map says why. SW_CARE_RESET: the container broke its ring.
 */
enum sw_care {
	SW_CARE_NONE,
	SW_CARE_REMAP,
	SW_CARE_COPY,
	SW_CARE_RESET,
};
enum sw_care sw_lane_care(struct sw_lane *lane, const char **why);

#endif /* SWITCH_LANE_H */
