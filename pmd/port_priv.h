/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by port_open.c and port.c. */
#ifndef PMD_PORT_PRIV_H
#define PMD_PORT_PRIV_H

#include "pmd/port.h"

/* Closes the ethdev and takes its device off its bus. It must be stopped. */
void pmd_port_remove_device(uint16_t port_id);

/* The struct, pools and all. No device uses them any more. */
void pmd_port_free(struct pmd_port *port);

#endif /* PMD_PORT_PRIV_H */
