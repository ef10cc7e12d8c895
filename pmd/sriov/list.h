/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PMD_SRIOV_LIST_H
#define PMD_SRIOV_LIST_H

#include <stdio.h>

/*
 * A table of the PFs and VFs of this machine, and who uses each: what `vfringd --list-vfs` prints.
 * Changes nothing; without root, less is known, and a line says so. Needs no EAL.
 * Returns the number of PFs, or -errno (reported to `f`).
 */
int pmd_sriov_list(FILE *f);

#endif /* PMD_SRIOV_LIST_H */
