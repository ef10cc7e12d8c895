/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has been changed, in files that survive us: one for each claimed VF, one for each PF whose
 * VFs we enabled. A file is written before the change that it describes, and removed after the
 * undoing.
 *
 *	/run/vfring-sriov/lock			held while a vfringd claims or gives back
 *	/run/vfring-sriov/vf-0000:01:10.0	locked for the life of the vfringd that has the VF
 *	/run/vfring-sriov/pf-0000:01:00.0	not locked: who gives back the last VF undoes it
 *
 * Not below /run/vfring: containers have that folder mounted, and what stands here is done to
 * devices. It is not believed blindly, either: text that cannot be a file's name is damage.
 *
 * Locks are those of open file descriptions (F_OFD_SETLK): the kernel drops them when a process
 * ends in whatever way, and one can ask for them without taking them. Lines are "key = value"; the
 * last one is "complete = yes".
 *
 * Threads: the control thread; other processes at any time. Everything but reading is done with the
 * folder's lock held. On failure: -errno; nothing is logged.
 */
#ifndef PMD_SRIOV_STATE_H
#define PMD_SRIOV_STATE_H

#include <stdbool.h>

#include "pmd/sriov/vf.h"

#define PMD_STATE_NAME_LEN 32
#define PMD_STATE_PATH_LEN 256

struct pmd_vf_state {
	char pci[PMD_PCI_LEN]; /* its file's name */
	char instance[PMD_STATE_NAME_LEN]; /* of the vfringd */
	char port[PMD_STATE_NAME_LEN];
	char pf[PMD_PCI_LEN];
	unsigned int index;
	uint64_t inode; /* of its folder in sysfs: this VF, not one made after it; 0: not known */

	/* As found. has_...: the file says so; without it, what to restore is not known. */
	bool has_driver, has_override, has_netdev, has_own_mac;
	char driver[PMD_DRIVER_LEN];
	char driver_override[PMD_DRIVER_LEN];
	char netdev[IF_NAMESIZE];
	uint8_t own_mac[6]; /* of the netdev, if it was not the PF that set it */
	struct pmd_vf_attr attr; /* known: those that we change */

	/* Where the netdev is meant to be; "" for DPDK's. */
	char netns[PMD_STATE_PATH_LEN];
	char ifname[IF_NAMESIZE];

	bool locked; /* read: by a running vfringd */
	bool damaged; /* read: not all of it could be understood */
};

struct pmd_pf_state {
	char pci[PMD_PCI_LEN];
	unsigned int enabled; /* VFs, by us; there were none before */
	uint64_t inode; /* of the first of them, as in pmd_vf_state; 0: not known */
	bool autoprobe; /* as found */
	bool damaged;
};

/*
 * The folder's lock, made with its folder. Returns a descriptor to give to pmd_state_unlock(), or
 * -errno; -EBUSY: another vfringd has held it for pmd_sriov_env.wait_ms.
 */
int pmd_state_lock(void);
int pmd_state_trylock(void); /* the same, at once */
void pmd_state_unlock(int fd);

/*
 * Writes a VF's file. *fd is -1 at first; then it holds the file's lock, from before the file has
 * its name. -EBUSY: a running vfringd has the VF.
 */
int pmd_state_vf_write(const struct pmd_vf_state *st, int *fd);
int pmd_state_pf_write(const struct pmd_pf_state *st);

/* Removes the file and drops the lock. fd may be -1. */
void pmd_state_vf_remove(const char *pci, int fd);
void pmd_state_pf_remove(const char *pci);

/* -ENOENT: no such file (not logged). -EACCES: there is one, and we may not read it (not logged). */
int pmd_state_vf_read(const char *pci, struct pmd_vf_state *st);
int pmd_state_pf_read(const char *pci, struct pmd_pf_state *st);

/* The addresses of all files of VFs, PFs. Freed by pmd_sysfs_names_free(). */
struct pmd_sysfs_names;
int pmd_state_vfs(struct pmd_sysfs_names *pcis);
int pmd_state_pfs(struct pmd_sysfs_names *pcis);

#endif /* PMD_SRIOV_STATE_H */
