/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "pmd/sriov/claim_priv.h"

/* What stands in a file is done to a device: at least it must be the VF that it claims to be. */
static bool is_vf_of(const struct pmd_vf_state *st)
{
	char pf[PMD_PCI_LEN], vf[PMD_PCI_LEN];

	return pmd_sysfs_link(pf, sizeof(pf), PMD_PCI_FILE("physfn"), st->pci) > 0 &&
		strcmp(pf, st->pf) == 0 &&
		pmd_sysfs_link(vf, sizeof(vf), PMD_PCI_FILE("virtfn%u"), st->pf, st->index) > 0 &&
		strcmp(vf, st->pci) == 0;
}

/* From a damaged file: what it says is believed as far as sysfs agrees. */
static bool find_pf(struct pmd_vf_state *st)
{
	char vf[PMD_PCI_LEN];

	if (pmd_sysfs_link(st->pf, sizeof(st->pf), PMD_PCI_FILE("physfn"), st->pci) <= 0)
		return false;
	for (unsigned int i = 0;
		pmd_sysfs_link(vf, sizeof(vf), PMD_PCI_FILE("virtfn%u"), st->pf, i) > 0; i++)
		if (strcmp(vf, st->pci) == 0) {
			st->index = i;
			return true;
		}
	return false;
}

/*
 * The driver that it had. Unknown (a damaged file): the one that the kernel has for it. If that
 * fails, it is told, and not tried again: trying has been all that can be done.
 */
static void bind_as_before(const struct pmd_vf_state *st)
{
	char why[PMD_LONG_WHY_LEN], now[PMD_DRIVER_LEN];
	unsigned long autoprobe = 1;
	int ret;

	ret = pmd_bind_override(st->pci, st->has_override ? st->driver_override : "");
	if (ret < 0)
		PMD_LOG(WARNING, "VF %s: cannot set its driver_override back: %s", st->pci,
			strerror(-ret));
	if (st->has_driver && st->driver[0] == '\0')
		return;
	pmd_sysfs_number(&autoprobe, PMD_PCI_FILE("sriov_drivers_autoprobe"), st->pf);
	if (!st->has_driver && autoprobe == 0)
		return;
	if (pmd_bind_kernel(st->pci, st->pf, st->has_driver ? st->driver : NULL, why) == 0)
		return;
	pmd_pci_driver(st->pci, now);
	PMD_LOG(WARNING, "VF %s: its driver was %s, now it has %s: %s", st->pci,
		st->has_driver ? st->driver : "not noted", now[0] != '\0' ? now : "none", why);
}

/* udev names the new netdev by itself: it gets a second for that before we do it. */
static void netdev_as_before(const struct pmd_vf_state *st)
{
	uint64_t end = pmd_sriov_now_ms() + pmd_sriov_env.wait_ms / 5;
	char netdev[IF_NAMESIZE];
	struct pmd_link link;
	struct pmd_nl *nl;

	if (!st->has_netdev || st->netdev[0] == '\0')
		return;
	if (pmd_bind_wait_netdev(st->pci, netdev) < 0) {
		PMD_LOG(WARNING, "VF %s: its netdev %s has not come back", st->pci, st->netdev);
		return;
	}
	while (strcmp(netdev, st->netdev) != 0 && pmd_sriov_now_ms() < end) {
		pmd_sriov_pause();
		pmd_pci_netdev(st->pci, netdev);
	}
	if (pmd_nl_open(-1, &nl) < 0)
		return;
	if (pmd_nl_link_get(nl, netdev, &link) < 0 ||
		(strcmp(netdev, st->netdev) != 0 &&
			pmd_nl_link_rename(nl, link.index, st->netdev) < 0))
		PMD_LOG(WARNING, "VF %s: its netdev was %s, now it is %s: %s", st->pci, st->netdev,
			netdev, pmd_nl_why(nl));
	else if (st->has_own_mac && memcmp(link.mac, st->own_mac, sizeof(link.mac)) != 0 &&
		pmd_nl_link_set_mac(nl, link.index, st->own_mac) < 0)
		PMD_LOG(WARNING, "VF %s: its netdev %s has not the MAC address of before: %s",
			st->pci, st->netdev, pmd_nl_why(nl));
	pmd_nl_close(nl);
}

/* Its MAC address was the PF's, and is again if its driver gets it in one of some tries. */
static void mac_as_before(const struct pmd_vf_state *st)
{
	char netdev[IF_NAMESIZE], why[PMD_LONG_WHY_LEN];
	uint8_t mac[6];
	uint64_t end;

	if (!st->has_netdev || st->netdev[0] == '\0' || st->has_own_mac)
		return;
	for (int i = 0;
		pmd_bind_wait_netdev(st->pci, netdev) == 0 && pmd_pci_own_mac(st->pci, netdev, mac);
		i++) {
		if (i == PMD_BIND_RETRIES || pmd_bind_none(st->pci, why) < 0) {
			PMD_LOG(WARNING,
				"VF %s: its netdev %s has not got its MAC address from the PF %s",
				st->pci, netdev, st->pf);
			return;
		}
		PMD_LOG(NOTICE, "VF %s: its driver has made a MAC address up: bound again",
			st->pci);
		end = pmd_sriov_now_ms() + pmd_bind_pause_ms(i);
		while (pmd_sriov_now_ms() < end)
			pmd_sriov_pause();
		bind_as_before(st);
	}
}

static int restore(struct pmd_vf_state *st)
{
	char why[PMD_LONG_WHY_LEN], pf_why[PMD_SRIOV_WHY_LEN], driver[PMD_DRIVER_LEN];
	struct pmd_vf_attr now = { 0 };
	bool rebind;
	struct pmd_pf pf;
	int ret;

	if (pmd_pf_get(st->pf, &pf, pf_why) < 0)
		pf = (struct pmd_pf){ 0 };
	if (pf.ifindex != 0)
		pmd_sriov_env.vf_get(pf.ifindex, st->index, &now, pf_why);
	pmd_pci_driver(st->pci, driver);
	rebind = !st->has_driver || strcmp(driver, st->driver) != 0 ||
		pmd_attr_diff(&st->attr, &now) != 0;
	if (st->netns[0] != '\0' && driver[0] != '\0' && strcmp(driver, "vfio-pci") != 0 &&
		pmd_netdev_fetch(st, why) < 0) {
		/* A new netdev appears where we are; the one that is lost goes with its driver. */
		PMD_LOG(NOTICE, "VF %s: its netdev cannot be fetched (%s): made anew", st->pci,
			why);
		rebind = true;
	}
	if (!rebind)
		return 0;
	/* The driver first: it learns its MAC address and others when it is bound. */
	ret = pmd_bind_none(st->pci, why);
	if (ret < 0) {
		PMD_LOG(WARNING, "VF %s: %s", st->pci, why);
		return ret;
	}
	pmd_attr_restore(st, &pf);
	bind_as_before(st);
	mac_as_before(st);
	return 0;
}

bool pmd_undo_same(const struct pmd_vf_state *st)
{
	return st->inode == 0 || st->inode == pmd_sysfs_inode(PMD_PCI_FILE(""), st->pci);
}

int pmd_undo_vf(struct pmd_vf_state *st, int fd)
{
	struct pmd_openers openers;
	const struct pmd_opener *opener;
	int ret;

	if (st->damaged)
		PMD_LOG(WARNING,
			"VF %s: the file %s/vf-%s is damaged: what it tells is undone, the rest is "
			"as the kernel has it",
			st->pci, pmd_sriov_env.state, st->pci);
	if (!pmd_sysfs_exists(PMD_PCI_FILE(""), st->pci)) {
		pmd_state_vf_remove(st->pci, fd);
		return 0;
	}
	if (!st->damaged && !pmd_undo_same(st)) {
		PMD_LOG(NOTICE, "VF %s: another one by now, left as it is", st->pci);
		pmd_state_vf_remove(st->pci, fd);
		return 0;
	}
	if (!is_vf_of(st) && !find_pf(st)) {
		PMD_LOG(WARNING, "VF %s: no VF any more, left as it is", st->pci);
		pmd_state_vf_remove(st->pci, fd);
		return 0;
	}
	opener = pmd_bind_wait_closed(st->pci, &openers);
	if (opener != NULL) {
		PMD_LOG(WARNING,
			"VF %s: left as it is, since pid %d (%s) has it open; the next start of a "
			"vfringd gives it back",
			st->pci, opener->pid, opener->comm);
		pmd_openers_free(&openers);
		pmd_state_unlock(fd);
		return -EBUSY;
	}
	pmd_openers_free(&openers);
	ret = restore(st);
	if (ret == 0)
		netdev_as_before(st);
	if (ret < 0)
		pmd_state_unlock(fd);
	else
		pmd_state_vf_remove(st->pci, fd);
	return ret;
}
