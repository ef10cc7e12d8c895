/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by port.c (control thread) and port_cb.c (librte_vhost's callbacks). */
#ifndef VHOST_PORT_PRIV_H
#define VHOST_PORT_PRIV_H

#include <rte_vhost.h>

#include "vhost/port.h"

extern const struct rte_vhost_device_ops vh_device_ops;

/* The list of ports, by socket path: librte_vhost's callbacks know nothing else. */
void vh_ports_add(struct vh_port *port);
void vh_ports_remove(struct vh_port *port);

/* Detaches every connection: librte_vhost forgets them without a callback on unregister. */
void vh_port_drop_connections(struct vh_port *port);

#endif /* VHOST_PORT_PRIV_H */
