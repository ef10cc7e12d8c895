/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs that have been destroyed, with their PF's driver perhaps, and are made anew. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pmd/sriov/claim_priv.h"

/* Percent of wait_ms between two looks: 2 s. After failures it doubles, up to a minute. */
#define LOOK_PART     40
#define MAX_DOUBLINGS 5

bool pmd_claim_lost(const struct pmd_vf_claim *c)
{
	/* The kernel removes this link first of all. */
	return !pmd_sysfs_exists(PMD_PCI_FILE("physfn"), c->pci) || !pmd_undo_same(&c->st);
}

/* There is nothing to give back. */
static void forget(struct pmd_vf_claim *c)
{
	pmd_state_vf_remove(c->pci, c->fd);
	c->fd = -1;
	c->claimed = false;
	pmd_pf_forget(c->pf.pci);
}

static int wait(struct pmd_vf_claim *c, const char *why)
{
	if (strcmp(c->told, why) != 0)
		PMD_LOG(NOTICE, "[port %s] device: waiting for VF %d of %s: %s", c->conf.port,
			c->index, c->conf.pf, why);
	snprintf(c->told, sizeof(c->told), "%s", why);
	return -EAGAIN;
}

/* With the folder's lock. The same VF as before the loss, also for vf=auto. */
static int claim(struct pmd_sriov *s, struct pmd_vf_claim *c)
{
	char why[PMD_SRIOV_WHY_LEN];
	struct pmd_pf pf;
	struct pmd_vf vf;
	int pid;

	/* By its address: a netdev's name may be another one now, or another's. */
	if (pmd_pf_get(c->pf.pci, &pf, why) < 0)
		return wait(c, why);
	if (pmd_vf_get(&pf, (unsigned int)c->index, NULL, &vf) < 0)
		return -EAGAIN;
	if (vf.use != PMD_VF_FREE && vf.use != PMD_VF_PREPARED)
		return wait(c, vf.user);
	/* We may have another VF of its IOMMU group. */
	pid = pmd_vf_opener_pid(vf.pci);
	if (pid != 0 && pid != getpid())
		return wait(c, "a process has it open");
	c->pf = pf;
	c->conf.attr = c->asked;
	if (pmd_claim_one(s, c) == 0)
		return 0;
	if (c->claimed)
		pmd_undo_vf(&c->st, c->fd);
	c->claimed = false;
	c->fd = -1;
	return -EIO;
}

/*
 * Seen before: whoever makes it, the kernel and udev have had the time between two looks for it. VFs
 * are made one by one, and names are given while they are. A link says enough: files of the PF may be
 * locked by whoever waits for us to let go of the next of its VFs.
 */
static bool is_settled(struct pmd_vf_claim *c)
{
	uint64_t inode = pmd_sysfs_inode(PMD_PCI_FILE("virtfn%d"), c->pf.pci, c->index);
	bool settled = inode != 0 && inode == c->seen;

	c->seen = inode;
	return settled;
}

static int look(struct pmd_sriov *s, struct pmd_vf_claim *c)
{
	char driver[PMD_DRIVER_LEN];
	int lock, ret = -EAGAIN;

	/* Taken from its driver, not destroyed: whoever did that has to give it back. */
	if (c->claimed && !pmd_claim_lost(c)) {
		pmd_pci_driver(c->pci, driver);
		return strcmp(driver, "vfio-pci") == 0 ? 0 : wait(c, "not on vfio-pci");
	}
	if (!c->claimed && !is_settled(c))
		return -EAGAIN;
	/* At once: whoever has it may be waiting for us to let go of the next VF. */
	lock = pmd_state_trylock();
	if (lock < 0)
		return -EAGAIN;
	if (c->claimed)
		forget(c);
	else
		ret = claim(s, c);
	pmd_state_unlock(lock);
	return ret;
}

int pmd_sriov_again(struct pmd_sriov *s, unsigned int port)
{
	struct pmd_vf_claim *c = &s->claims[port];
	uint64_t pause = (uint64_t)pmd_sriov_env.wait_ms * LOOK_PART / 100 << c->failures;
	int ret;

	if (pmd_sriov_now_ms() - c->looked_ms < pause)
		return -EAGAIN;
	ret = look(s, c);
	c->looked_ms = pmd_sriov_now_ms();
	if (ret == -EIO && c->failures < MAX_DOUBLINGS)
		c->failures++;
	if (ret == 0) {
		c->failures = 0;
		c->told[0] = '\0';
	}
	return ret;
}
