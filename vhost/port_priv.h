/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by port.c (control thread), port_cb.c (librte_vhost's callbacks) and port_reg.c. */
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
struct vh_conn *vh_reg_conn(int vid);

/* Detaches every connection: librte_vhost forgets them without a callback on unregister. */
void vh_port_drop_connections(struct vh_port *port);

#endif /* VHOST_PORT_PRIV_H */
