/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PFs and VFs as sysfs shows them, and who uses a VF. Reading only.
 *
 * Threads: the control thread. On failure: -errno and words in `why`; nothing is logged.
 */
#ifndef PMD_SRIOV_VF_H
#define PMD_SRIOV_VF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>

#include "pmd/sriov/env.h"

#define PMD_PCI_LEN    32 /* as CFG_PCI_LEN */
#define PMD_DRIVER_LEN 64

struct pmd_pf {
	char pci[PMD_PCI_LEN];
	char driver[PMD_DRIVER_LEN]; /* "": none */
	char netdev[IF_NAMESIZE]; /* "": none that we can see */
	unsigned int ifindex; /* of it; 0: none */
	bool up;
	unsigned int nb_vfs; /* as many have a link, from 0 on */
	unsigned int max_vfs; /* sriov_totalvfs */
	bool autoprobe; /* sriov_drivers_autoprobe; true on kernels without it */
};

/* By netdev name or PCI address. -ENODEV: no such device; -ENOTSUP: one without SR-IOV. */
int pmd_pf_get(const char *name, struct pmd_pf *out, char why[PMD_SRIOV_WHY_LEN]);

/* All of them, by address. Returns how many, *out to be freed; or -ENOMEM. */
int pmd_pf_list(struct pmd_pf **out);

/* Processes that have device files of vfio or uio open. */
struct pmd_opener {
	char device[64]; /* "vfio/25", "vfio/devices/vfio3", "uio0" */
	int pid;
	char comm[32];
};

struct pmd_openers {
	unsigned int nb;
	struct pmd_opener *list;
};

/* Looks at every process that we may look at. -ENOMEM. To be freed in any case. */
int pmd_openers_get(struct pmd_openers *openers);
void pmd_openers_free(struct pmd_openers *openers);

enum pmd_vf_use {
	PMD_VF_FREE, /* no driver, or a netdev that is down */
	PMD_VF_PREPARED, /* on vfio-pci, and nobody has it open */
	PMD_VF_CLAIMED, /* a running vfringd has it */
	PMD_VF_OPEN, /* on vfio-pci or uio, and a process has it open */
	PMD_VF_FOREIGN, /* bound to a driver of which we know nothing */
	PMD_VF_UP, /* a netdev that is up, or part of a bridge or bond */
	PMD_VF_AWAY, /* on a kernel driver, its netdev not in our namespace */
};

struct pmd_vf {
	unsigned int index;
	char pci[PMD_PCI_LEN];
	char driver[PMD_DRIVER_LEN];
	char netdev[IF_NAMESIZE];
	int group; /* of the IOMMU; -1: none */
	enum pmd_vf_use use;
	char user[PMD_SRIOV_WHY_LEN]; /* the same in words */
};

/* -ENODEV: the PF has no such VF. openers may be NULL: then nobody has it open. */
int pmd_vf_get(const struct pmd_pf *pf, unsigned int index, const struct pmd_openers *openers,
	struct pmd_vf *out);

/* Whether a process has the VF's vfio or uio device open, ourselves included. */
const struct pmd_opener *pmd_vf_opener(const char *pci, const struct pmd_openers *openers);
int pmd_vf_opener_pid(const char *pci); /* 0: nobody; negative: it cannot be known */

/* The driver of a PCI device, "" if none; its netdev; is it there and not about to be removed? */
void pmd_pci_driver(const char *pci, char driver[PMD_DRIVER_LEN]);
void pmd_pci_netdev(const char *pci, char netdev[IF_NAMESIZE]);
bool pmd_vf_present(const char *pci);

/* Whether it is on a driver that leaves it to processes (vfio-pci, uio). */
bool pmd_pci_prepared(const char *pci);

/*
 * Whether the netdev's MAC address is one that was made up by its driver or set on it, not the one
 * that the VF has from its PF.
 */
bool pmd_pci_own_mac(const char *pci, const char *netdev, uint8_t mac[6]);

/*
 * Its driver_override, "" if none. Only of a device that nobody has open: the kernel's lock is held
 * by whoever unbinds its driver, and waits for its user.
 */
void pmd_pci_override(const char *pci, char driver[PMD_DRIVER_LEN]);

/*
 * Can vfio-pci have this VF to itself? -ENOTSUP: it has no IOMMU group; -EBUSY: others in its group
 * are on drivers of the kernel. `ours`: VFs that will be on vfio-pci, too. `why` names them, and
 * says what to do.
 */
int pmd_vf_iommu_check(
	const char *pci, const char *const *ours, unsigned int nb_ours, char *why, size_t room);

#endif /* PMD_SRIOV_VF_H */
