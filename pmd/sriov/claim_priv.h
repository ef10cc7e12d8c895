/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between claim.c (all ports), claim_vf.c (one), pick.c (which VF for whom), pf.c (how many VFs),
 * attr.c (what the PF sets), bind.c (drivers), undo.c (as it was) and netdev.c (the VF's netdev in
 * its namespace).
 *
 * Everything here but netdev.c runs with the state folder's lock held.
 */
#ifndef PMD_SRIOV_CLAIM_PRIV_H
#define PMD_SRIOV_CLAIM_PRIV_H

#include <sys/types.h>

#include "pmd/port.h" /* PMD_LOG */
#include "pmd/sriov/claim.h"
#include "pmd/sriov/state.h"
#include "pmd/sriov/sysfs.h"

#define PMD_LONG_WHY_LEN 512

/*
 * A driver that does not reach its PF while it is bound (the PF is being reset, a message is late)
 * makes a MAC address up and stays with it. So often it is bound again, for that of the PF, and not at
 * once: igbvf looks at a PF in reset for a millisecond only, and a PF takes longer.
 */
#define PMD_BIND_RETRIES 5

/* Before retry i, from 0: a tenth of a second, and twice as long each time. */
static inline uint64_t pmd_bind_pause_ms(int i)
{
	return (uint64_t)pmd_sriov_env.wait_ms / 50 << i;
}

struct pmd_vf_claim {
	bool wanted; /* this port has a VF, or is to have one */
	bool claimed; /* there is a state file of ours */
	struct pmd_vf_conf conf; /* its strings are ours */
	struct pmd_vf_attr asked; /* conf.attr as configured: what others left may be added there */
	char found[PMD_PCI_LEN + 24]; /* the configuration's words: "pf:ens1f0,vf=3" */
	struct pmd_pf pf;
	int index; /* of the VF; -1: not chosen yet */
	char pci[PMD_PCI_LEN]; /* of the VF */
	char name[96];
	uint64_t seen; /* inode of the VF's folder at the last look for one that is gone */
	uint64_t looked_ms; /* when a VF that is gone was looked for */
	unsigned int failures; /* of preparing one that was made anew */
	struct pmd_vf_state st;
	int fd; /* st's file, locked; -1: none */

	char told[PMD_LONG_WHY_LEN]; /* the last trouble, so that it is logged once */

	/* netdev.c */
	enum pmd_vf_place place;
	dev_t netns_dev; /* the namespace that it was placed in */
	ino_t netns_ino;
	uint64_t rebound_ms; /* when its driver was bound anew, for a netdev; 0: not since PLACED */
	unsigned int retries; /* bound again for the PF's MAC address, since PLACED */
	bool odd_path; /* last time, the path was no namespace */
};

struct pmd_sriov {
	char instance[PMD_STATE_NAME_LEN];
	unsigned int nb;
	struct pmd_vf_claim *claims; /* one per port, in the order of the configuration */
};

/* "[port web0] KEY: ..." */
#define CLAIM_ERR(c, key, fmt, ...)                                                                \
	PMD_LOG(ERR, "[port %s] " key ": " fmt, (c)->conf.port, ##__VA_ARGS__)

/*
 * claim_vf.c: the VF that has been picked for c. `ours`: those that will be on vfio-pci, too.
 * Number of errors.
 */
unsigned int pmd_claim_vf(
	struct pmd_sriov *s, struct pmd_vf_claim *c, const char *const *ours, unsigned int nb_ours);

/* claim.c: the same for one VF beside those that are claimed; it has been seen that it is free. */
unsigned int pmd_claim_one(struct pmd_sriov *s, struct pmd_vf_claim *c);

/*
 * again.c: whether the VF has been destroyed since it was claimed, also if there is another one in
 * its place.
 */
bool pmd_claim_lost(const struct pmd_vf_claim *c);

/* pick.c: finds c->pf for every port, complains of each that cannot be had. Number of errors. */
unsigned int pmd_pick_pfs(struct pmd_sriov *s);
/*
 * Chooses the VF of each port whose PF has VFs (the others: when they have been enabled), or says
 * why there is none. Number of errors.
 */
unsigned int pmd_pick_vfs(struct pmd_sriov *s, const struct pmd_openers *openers);
/* How many VFs this configuration needs of a PF. */
unsigned int pmd_pick_needed(const struct pmd_sriov *s, const char *pf);
/* Does a port ask for this VF: by index, or as the one that `auto` had before the crash? */
struct pmd_vf_claim *pmd_pick_claim_of(struct pmd_sriov *s, const struct pmd_vf_state *st);

/*
 * pf.c: VFs enabled, of which no kernel driver takes any. On failure: -errno, with words.
 * pmd_pf_disable() is for those that we enabled: it does nothing if anybody uses one of them, and
 * says who. pmd_pf_unused(): we enabled them, and nobody does.
 */
int pmd_pf_enable(struct pmd_pf *pf, unsigned int nb, char why[PMD_LONG_WHY_LEN]);
void pmd_pf_disable(const char *pci);
/* The VFs that we enabled are gone: whoever makes some now is the one to take them away, too. */
void pmd_pf_forget(const char *pci);
void pmd_pf_adopt(struct pmd_pf *pf); /* autoprobe as noted, if we died while it was off */
bool pmd_pf_unused(const struct pmd_pf *pf, const struct pmd_openers *openers);

/*
 * attr.c: what of c->conf.attr is not so yet (keys); and makes it so, one key after the other.
 * Every error is logged. Returns their number.
 */
unsigned int pmd_attr_plan(struct pmd_vf_claim *c, struct pmd_vf_attr *now);
unsigned int pmd_attr_apply(const struct pmd_vf_claim *c, unsigned int keys, unsigned int reported);
/* Sets st->attr's known keys that are different now. Failures are logged as warnings. */
void pmd_attr_restore(const struct pmd_vf_state *st, const struct pmd_pf *pf);
unsigned int pmd_attr_diff(const struct pmd_vf_attr *a, const struct pmd_vf_attr *b);

/*
 * bind.c: the driver of a device. Nothing is done to a device that is as it should be. The caller
 * has seen that nobody has it open: the kernel would wait for him, without limit. On failure
 * -errno, and words in `why`.
 */
int pmd_bind_none(const char *pci, char why[PMD_LONG_WHY_LEN]);
int pmd_bind_vfio(const char *pci, char why[PMD_LONG_WHY_LEN]);
/* The driver that the kernel has for it; `driver`, if not NULL, is the one that it should be. */
int pmd_bind_kernel(
	const char *pci, const char *pf, const char *driver, char why[PMD_LONG_WHY_LEN]);
int pmd_bind_override(const char *pci, const char *driver);
/* Waits until the device has a netdev. */
int pmd_bind_wait_netdev(const char *pci, char netdev[IF_NAMESIZE]);
/* Waits until nobody has it open. NULL, or who has. */
const struct pmd_opener *pmd_bind_wait_closed(const char *pci, struct pmd_openers *openers);

/*
 * undo.c: a VF back as st says. Logs what cannot be done; removes the file and closes fd, unless it
 * is worth another try (-errno then: the file stays, without a lock).
 */
int pmd_undo_vf(struct pmd_vf_state *st, int fd);
/* Whether it is the VF that the file is about, and not one that was made after it. */
bool pmd_undo_same(const struct pmd_vf_state *st);

/* netdev.c: the netdev of `pci` home from wherever st says that it is. -errno, and words. */
int pmd_netdev_fetch(const struct pmd_vf_state *st, char why[PMD_LONG_WHY_LEN]);

#endif /* PMD_SRIOV_CLAIM_PRIV_H */
