/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a port's device behind our back: the kernel wants it back, its PF was reset, it
 * has gone.
 *
 * Threads: open, close, take and present: the control thread. EAL's interrupt thread only sets
 * flags.
 */
#ifndef PMD_EVENTS_H
#define PMD_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct pmd_port;

struct pmd_events {
	bool remove; /* atomic */
	bool reset; /* atomic */
};

/* Between opening and closing the ethdev. Failure means that nothing will be heard; logged. */
void pmd_events_open(struct pmd_port *port);
/* -EBUSY: a callback has not ended within a second, and still uses the port. */
int pmd_events_close(struct pmd_port *port);

/*
 * Whether it happened since the last call. remove: the kernel waits for the device to be closed
 * (sriov_numvfs written, driver unbound). reset: the VF must be stopped and started.
 */
bool pmd_events_take_remove(struct pmd_port *port);
bool pmd_events_take_reset(struct pmd_port *port);

/*
 * Is the device on its bus, and does it answer? Some drivers wait for ever on one that does not
 * (igbvf, when it is stopped), so this is asked before every such call. Devices on no bus of
 * hardware always are.
 */
bool pmd_device_present(const struct pmd_port *port);

/* Fills in is_vf and pf_...: before the device is started, for what the PF forgets before that. */
void pmd_device_pf(struct pmd_port *port);

#endif /* PMD_EVENTS_H */
