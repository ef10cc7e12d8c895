/* SPDX-License-Identifier: BSD-3-Clause */
/* Which queues of a port RSS spreads flows over. Control thread. */
#ifndef PMD_RSS_H
#define PMD_RSS_H

#include <stdint.h>

struct pmd_port;

/*
 * Over these queues, at least one, evenly, from now on; the device may run. Does nothing if that is
 * so already. 0; -ENOTSUP: the NIC has no table of that kind (all queues are used then, or its
 * driver spreads by other means); other -errno, logged.
 */
int pmd_rss_spread(struct pmd_port *port, const uint16_t *queues, uint16_t nb);

#endif /* PMD_RSS_H */
