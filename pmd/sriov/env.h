/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What provisioning touches outside of this program, in one place: unit tests put a tree in a
 * temporary folder and functions that mimic the kernel here. Nobody else writes it.
 */
#ifndef PMD_SRIOV_ENV_H
#define PMD_SRIOV_ENV_H

#include "pmd/sriov/nl.h"

struct pmd_sriov_env {
	const char *sys; /* "/sys" */
	const char *proc; /* "/proc" */
	const char *dev; /* "/dev" */
	const char *state; /* "/run/vfring-sriov" */
	unsigned int wait_ms; /* for what the kernel and udev do asynchronously */

	/* Writes text to a file of sysfs, in one write(). Returns 0 or -errno. */
	int (*write)(const char *path, const char *text);
	/* Loads a module, by name or alias. Returns 0, or -errno if it is not there. */
	int (*modprobe)(const char *module);
	/* pmd_nl_vf_get() and pmd_nl_vf_set() on a socket of their own. `why` as pmd_nl_why(). */
	int (*vf_get)(unsigned int pf_index, unsigned int vf, struct pmd_vf_attr *out, char *why);
	int (*vf_set)(unsigned int pf_index, unsigned int vf, enum pmd_vf_key key,
		const struct pmd_vf_attr *attr, char *why);
};

#define PMD_SRIOV_WHY_LEN 160

extern struct pmd_sriov_env pmd_sriov_env;

/* Format and first argument of a PCI device's file; its address is the second. */
#define PMD_PCI_FILE(file) "%s/bus/pci/devices/%s/" file, pmd_sriov_env.sys

/* Milliseconds of the monotonic clock, and a pause before looking again at what is to change. */
uint64_t pmd_sriov_now_ms(void);
void pmd_sriov_pause(void);

#endif /* PMD_SRIOV_ENV_H */
