/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "pmd/sriov/claim_priv.h"

static int set_number(const char *pci, unsigned int nb)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nb);
	return pmd_sysfs_write(text, PMD_PCI_FILE("sriov_numvfs"), pci);
}

static bool wait_vfs(const char *pci, unsigned int nb)
{
	uint64_t end = pmd_sriov_now_ms() + pmd_sriov_env.wait_ms;

	for (;;) {
		unsigned int seen = 0;

		while (seen < nb && pmd_sysfs_exists(PMD_PCI_FILE("virtfn%u"), pci, seen))
			seen++;
		if (seen == nb)
			return true;
		if (pmd_sriov_now_ms() > end)
			return false;
		pmd_sriov_pause();
	}
}

static const char *hint(int ret)
{
	switch (ret) {
	case -ENOMEM:
	case -ENOSPC:
		return " (does the firmware leave room for the VFs' registers? It has a switch for "
		       "SR-IOV; else boot with pci=realloc)";
	case -ENOENT:
	case -ENOTTY:
	case -ENOSYS:
		return " (the PF's driver has to be loaded, and has to know SR-IOV)";
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return " (only root may, and /sys must be writable)";
	default:
		return "";
	}
}

static uint64_t first_inode(const char *pci)
{
	return pmd_sysfs_inode(PMD_PCI_FILE("virtfn0"), pci);
}

static bool is_others(const struct pmd_pf_state *st)
{
	return !st->damaged && st->inode != 0 && st->inode != first_inode(st->pci);
}

void pmd_pf_forget(const char *pci)
{
	struct pmd_pf_state st;

	if (pmd_state_pf_read(pci, &st) == 0 && is_others(&st))
		pmd_state_pf_remove(pci);
}

int pmd_pf_enable(struct pmd_pf *pf, unsigned int nb, char why[PMD_LONG_WHY_LEN])
{
	struct pmd_pf_state st = { .enabled = nb, .autoprobe = pf->autoprobe };
	struct pmd_pf_state old;
	int ret;

	snprintf(st.pci, sizeof(st.pci), "%s", pf->pci);
	/* Died between switching it off and on again: off is not how it was found. */
	if (pmd_state_pf_read(pf->pci, &old) == 0 && !old.damaged)
		st.autoprobe = old.autoprobe;
	ret = pmd_state_pf_write(&st);
	if (ret < 0) {
		snprintf(why, PMD_LONG_WHY_LEN, "cannot write to %s: %s", pmd_sriov_env.state,
			strerror(-ret));
		return ret;
	}
	/* No kernel driver is to take VFs that are not for it. */
	pmd_sysfs_write("0", PMD_PCI_FILE("sriov_drivers_autoprobe"), pf->pci);
	ret = set_number(pf->pci, nb);
	if (ret == 0 && !wait_vfs(pf->pci, nb))
		ret = -ETIMEDOUT;
	pmd_sysfs_write(st.autoprobe ? "1" : "0", PMD_PCI_FILE("sriov_drivers_autoprobe"), pf->pci);
	if (ret == 0) {
		/* Known from now on: those that somebody makes after them are not ours. */
		st.inode = first_inode(pf->pci);
		pmd_state_pf_write(&st);
		pf->nb_vfs = nb;
		PMD_LOG(NOTICE, "%s: %u VF(s) enabled",
			pf->netdev[0] != '\0' ? pf->netdev : pf->pci, nb);
		return 0;
	}
	snprintf(
		why, PMD_LONG_WHY_LEN, "cannot enable %u VFs: %s%s", nb, strerror(-ret), hint(ret));
	set_number(pf->pci, 0);
	pmd_state_pf_remove(pf->pci);
	return ret;
}

void pmd_pf_adopt(struct pmd_pf *pf)
{
	struct pmd_pf_state st;

	if (pmd_state_pf_read(pf->pci, &st) < 0 || st.damaged || st.autoprobe == pf->autoprobe)
		return;
	if (pmd_sysfs_write(st.autoprobe ? "1" : "0", PMD_PCI_FILE("sriov_drivers_autoprobe"),
		    pf->pci) == 0)
		pf->autoprobe = st.autoprobe;
}

/*
 * The first VF that is in use. left_counts: also one that a dead vfringd has left, and that may not
 * have been undone.
 */
static bool find_user(const struct pmd_pf *pf, const struct pmd_openers *openers, bool left_counts,
	struct pmd_vf *user)
{
	struct pmd_vf_state st;

	for (unsigned int i = 0; i < pf->nb_vfs; i++) {
		int ret;

		if (pmd_vf_get(pf, i, openers, user) < 0)
			continue;
		ret = pmd_state_vf_read(user->pci, &st);
		if (ret == 0 && !st.locked) {
			/* Opened by another: not by the vfringd that is dead. */
			if (!left_counts && user->use != PMD_VF_OPEN)
				continue;
			return true;
		}
		if (user->use != PMD_VF_FREE)
			return true;
	}
	return false;
}

bool pmd_pf_unused(const struct pmd_pf *pf, const struct pmd_openers *openers)
{
	struct pmd_pf_state st;
	struct pmd_vf user;

	return pmd_state_pf_read(pf->pci, &st) == 0 && !st.damaged && !is_others(&st) &&
		st.enabled == pf->nb_vfs && !find_user(pf, openers, false, &user);
}

void pmd_pf_disable(const char *pci)
{
	char why[PMD_SRIOV_WHY_LEN];
	struct pmd_openers openers;
	struct pmd_pf_state st;
	struct pmd_vf user;
	struct pmd_pf pf;
	int ret;

	if (pmd_state_pf_read(pci, &st) < 0)
		return;
	if (pmd_pf_get(pci, &pf, why) == 0)
		pmd_pf_adopt(&pf);
	if (pf.nb_vfs == 0) { /* somebody has done it for us */
		pmd_state_pf_remove(pci);
		return;
	}
	if (st.damaged || is_others(&st) || st.enabled != pf.nb_vfs) {
		PMD_LOG(WARNING,
			"PF %s has %u VF(s): %s; they stay (off with: echo 0 > %s/bus/pci/devices/"
			"%s/sriov_numvfs)",
			pf.netdev[0] != '\0' ? pf.netdev : pci, pf.nb_vfs,
			st.damaged ? "what was before cannot be read" : "not those that we enabled",
			pmd_sriov_env.sys, pci);
		pmd_state_pf_remove(pci);
		return;
	}
	if (pmd_openers_get(&openers) < 0) {
		pmd_openers_free(&openers);
		return;
	}
	if (find_user(&pf, &openers, true, &user)) {
		PMD_LOG(NOTICE, "PF %s keeps its %u VF(s), since VF %u is used: %s",
			pf.netdev[0] != '\0' ? pf.netdev : pci, pf.nb_vfs, user.index, user.user);
	} else {
		ret = set_number(pci, 0);
		if (pf.autoprobe != st.autoprobe)
			pmd_sysfs_write(st.autoprobe ? "1" : "0",
				PMD_PCI_FILE("sriov_drivers_autoprobe"), pci);
		if (ret < 0)
			PMD_LOG(WARNING, "PF %s keeps its %u VF(s): %s",
				pf.netdev[0] != '\0' ? pf.netdev : pci, pf.nb_vfs, strerror(-ret));
		else
			pmd_state_pf_remove(pci);
	}
	pmd_openers_free(&openers);
}
