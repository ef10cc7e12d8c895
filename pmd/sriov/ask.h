/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PMD_SRIOV_ASK_H
#define PMD_SRIOV_ASK_H

#include "pmd/sriov/nl.h"

/*
 * What the PF has set for a VF that somebody else has prepared, given by its PCI address. Control
 * thread. -ENODEV: no VF, or its PF has no netdev that we see; other -errno; nothing is logged.
 */
int pmd_vf_ask(const char *pci, struct pmd_vf_attr *out);

#endif /* PMD_SRIOV_ASK_H */
