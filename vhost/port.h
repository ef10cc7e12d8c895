/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container port: a vhost-user socket, the connections on it, and their rings as librte_vhost's
 * callbacks described them. Nothing here touches packets.
 *
 * Ownership: the control thread creates, starts and destroys ports. A connection's memory table and
 * eventfds belong to the connection; a ring pair that works holds its own reference to the memory.
 *
 * Threads. Three kinds call in here: the control thread (every function below), librte_vhost's
 * event thread and its reconnect thread (the callbacks, in port_cb.c). State that they share is
 * under vh_port.lock, which is never held while a vh_port_ops function or librte_vhost is called.
 * The ops are called by whichever thread runs the callback, the control thread included
 * (client-mode start, unregister): the implementation must notice that it is at home and act
 * inline.
 *
 * A second connection on a socket waits until the first is gone (a container that was killed and
 * restarted is often faster than the report of its death); a third is refused.
 */
#ifndef VHOST_PORT_H
#define VHOST_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vhost/log.h"
#include "vhost/vring.h"

#define VH_MAX_PAIRS 16

/* A callback waits at most this long for rings to be taken back. */
#define VH_TAKE_BACK_LIMIT_MS 2000

/* In librte_vhost's order: seen from the container, ring 2i receives and ring 2i + 1 transmits. */
#define VH_RX_RING(pair) (2u * (pair))
#define VH_TX_RING(pair) (2u * (pair) + 1)

struct vh_conn;
struct vh_port;

struct vh_port_ops {
	/*
	 * Take the connection's ring pairs in the mask away from workers and NIC queues, and settle
	 * them with vh_port_pair_stopped(). Waits, at most VH_TAKE_BACK_LIMIT_MS. Returns 0;
	 * -ECANCELED if the port has begun to close (the control thread takes them back anyway);
	 * other -errno: the memory stays mapped, and the library goes on all the same.
	 */
	int (*take_back)(struct vh_port *port, struct vh_conn *conn, uint32_t pairs);
	/* Rings became ready, or a connection came or went: look at the port. Must not wait. */
	void (*changed)(struct vh_port *port);
};

struct vh_port_conf {
	const char *name;
	const char *path; /* at most 107 bytes */
	bool client; /* we connect, and reconnect */
	uint16_t nb_pairs;
	uid_t owner; /* of the socket; (uid_t)-1: unchanged. Server mode. */
	gid_t group;
	mode_t perms;
};

struct vh_ring_info {
	bool ready;
	uint32_t size;
	uint64_t desc, avail, used; /* librte_vhost's addresses */
	/*
	 * One descriptor number for the life of the connection: SET_VRING_CALL replaces the file
	 * behind it (dup2), so a worker never writes to a number that means something else.
	 */
	int callfd;
	/*
	 * Where the ring stands while it is not at work (packed: with wrap counter). Ours once it
	 * has been settled; librte_vhost's, which the container sets, from when it was told ours.
	 */
	uint16_t base;
	bool base_untold;
	bool base_named; /* by the container, while we still had the ring: newer than ours */
};

/*
 * A closed connection is freed once no pair is live, by whoever makes that true: the callback that
 * closes it, or the control thread with its last pair. A parked pair stays live, for ever perhaps.
 */
struct vh_conn {
	int vid;
	uint64_t number; /* of the port's connections, from 1: tells it from its successor */
	struct vh_port *port;
	bool running; /* between new_device and destroy_device */
	bool closed;
	uint32_t held; /* pairs that must not start: a message about them is being handled */
	uint32_t live; /* pairs at work, or parked */
	uint32_t parked; /* pairs that could not be taken back */
	uint64_t features;
	struct vh_mem *mem;
	bool guarded; /* a first message has come */
	unsigned int guard_hits; /* vh_sigbus_guard_thread() at that time */
	struct vh_ring_info rings[2 * VH_MAX_PAIRS];
};

struct vh_port {
	char name[32];
	char path[108];
	bool client;
	uint16_t nb_pairs;
	uid_t owner;
	gid_t group;
	mode_t perms;
	const struct vh_port_ops *ops;
	void *arg; /* for the ops' implementation */

	pthread_mutex_t lock;
	pthread_cond_t released; /* a pair ceased to be live, or was parked */
	/* Under lock from here on. */
	bool registered;
	bool closing; /* the control thread is tearing down: callbacks must not wait for it */
	struct vh_conn *active;
	struct vh_conn *standby;
	uint64_t nb_connections; /* since the port was created */
	struct vh_rate rate;
};

/* Both rings of a pair, ready for a worker. */
struct vh_pair {
	struct vh_vring rx; /* the container receives */
	struct vh_vring tx;
	struct vh_mem *mem; /* a reference */
	struct vh_conn *conn;
};

/* What a user may see of a port. */
struct vh_port_status {
	bool connected; /* also while the port is being closed: it is not free yet */
	bool running;
	uint64_t connection; /* vh_conn.number of the one that is served; 0: none */
	uint64_t features;
	uint32_t nb_regions;
	uint64_t nb_connections;
};

/* The virtio features offered: fixed, the same for mapped and copied ports and after a restart. */
uint64_t vh_port_features(uint16_t nb_pairs);

/* Returns NULL with errno (EINVAL, ENOMEM). The conf's strings are copied. */
struct vh_port *vh_port_create(
	const struct vh_port_conf *conf, const struct vh_port_ops *ops, void *arg);

/*
 * Registers the socket and starts it. Server mode: a stale socket file is removed if nobody listens
 * on it. Returns 0, or -errno with the reason logged: -EADDRINUSE, -EEXIST (a file that is no
 * socket), -EACCES, -ENOSPC...
 */
int vh_port_start(struct vh_port *port);

/*
 * Closes the socket and every connection. The caller has taken all pairs back (or parked them).
 * After it the port can be started again: that is how a port is reset.
 */
void vh_port_stop(struct vh_port *port);

/*
 * Announces vh_port_stop(): from now on callbacks neither post nor wait. To be called before the
 * pairs are taken back and before pending posts are answered.
 */
void vh_port_closing(struct vh_port *port);

/* Any thread. */
bool vh_port_is_closing(struct vh_port *port);

/* NULL is allowed. The port must be stopped. A parked connection stays allocated. */
void vh_port_destroy(struct vh_port *port);

/*
 * Hands out a pair for work if the container has started both rings and nothing is in the way.
 * Returns 0, -EAGAIN (not now; `changed` will tell), -EINVAL (*why: the container's fault).
 */
int vh_port_pair_start(struct vh_port *port, uint16_t pair, struct vh_pair *out, const char **why);

/* The pair has been taken back, parked or not: settles both rings and drops the memory reference. */
void vh_port_pair_stopped(struct vh_pair *p, uint16_t pair);

/*
 * The pair could not be taken back, and librte_vhost goes on without: memory, eventfds and the
 * connection are kept until vh_port_pair_stopped(), which may never come. The container may use its
 * rings anew from now on: they have a fault, so a worker that still has them takes nothing more, and
 * nothing must be written to them on the way back.
 */
void vh_port_pair_parked(struct vh_pair *p, uint16_t pair);

void vh_port_status(struct vh_port *port, struct vh_port_status *status);

/* Whether the container has shrunk its shared memory under us. */
bool vh_port_poisoned(struct vh_port *port);

#endif /* VHOST_PORT_H */
