/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by port.c (control thread), port_cb.c (librte_vhost's callbacks), port_conn.c, port_reg.c.
 */
#ifndef VHOST_PORT_PRIV_H
#define VHOST_PORT_PRIV_H

#include <rte_vhost.h>

#include "vhost/port.h"

extern const struct rte_vhost_device_ops vh_device_ops;

/* RTE_MAX_VHOST_DEVICE of every release so far; a larger vid is refused. */
#define VH_MAX_VIDS 1024

/*
 * Which port a path belongs to, and which connection a vid is: all that librte_vhost's callbacks
 * know. Any thread; a lock inside, under which no other is taken. NULL: none.
 */
void vh_reg_add(struct vh_port *port);
void vh_reg_remove(struct vh_port *port);
struct vh_port *vh_reg_port(const char *path);
void vh_reg_set_conn(int vid, struct vh_conn *conn);
void vh_reg_clear_conn(const struct vh_conn *conn);
struct vh_conn *vh_reg_conn(int vid);

/*
 * port_conn.c. create: NULL if out of memory or descriptors. detach: off its port, the one that
 * waited moves up; frees it, or leaves that to the control thread's last pair. free: only when
 * dead.
 */
struct vh_conn *vh_conn_create(struct vh_port *port, int vid);
void vh_conn_detach(struct vh_conn *conn);
void vh_conn_free(struct vh_conn *conn);

/* Closed and nothing at work. Under the port's lock. */
static inline bool vh_conn_dead(const struct vh_conn *conn)
{
	return conn->closed && conn->live == 0;
}

/* Detaches every connection: librte_vhost forgets them without a callback on unregister. */
void vh_port_drop_connections(struct vh_port *port);

/*
 * librte_vhost's own sockets of a port's connections. They block: with a limit, half a message
 * costs the container its connection instead of costing everybody the event thread; shut down, a
 * callback that waits in one comes back at once.
 */
void vh_port_limit_sockets(const struct vh_port *port);
void vh_port_shutdown_sockets(const struct vh_port *port);

#endif /* VHOST_PORT_PRIV_H */
