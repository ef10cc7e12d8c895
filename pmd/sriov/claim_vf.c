/* SPDX-License-Identifier: BSD-3-Clause */
/* One VF for one port. */
#include <errno.h>
#include <string.h>

#include "pmd/sriov/claim_priv.h"

/*
 * What to go back to. For a VF that is taken over, that is what its file says: what it looks like
 * now is the dead vfringd's work.
 */
static void note_original(struct pmd_sriov *s, struct pmd_vf_claim *c, const struct pmd_vf *vf)
{
	struct pmd_vf_state *st = &c->st;

	if (pmd_state_vf_read(vf->pci, st) == 0 && !st->damaged) {
		PMD_LOG(NOTICE, "[port %s] device: %s taken over from a vfringd that died",
			c->conf.port, c->name);
	} else {
		*st = (struct pmd_vf_state){
			.has_driver = true, .has_override = true, .has_netdev = true
		};
		memcpy(st->driver, vf->driver, sizeof(st->driver));
		pmd_pci_override(vf->pci, st->driver_override);
		memcpy(st->netdev, vf->netdev, sizeof(st->netdev));
		/*
		 * A PF reports a VF's MAC address alike whether it was set there or chosen on the
		 * VF's side. To go back to the latter, the PF sets none (else the VF could never
		 * choose again), and the netdev does.
		 */
		st->has_own_mac = pmd_pci_own_mac(vf->pci, vf->netdev, st->own_mac);
	}
	snprintf(st->pci, sizeof(st->pci), "%s", vf->pci);
	snprintf(st->instance, sizeof(st->instance), "%s", s->instance);
	snprintf(st->port, sizeof(st->port), "%s", c->conf.port);
	snprintf(st->pf, sizeof(st->pf), "%s", c->pf.pci);
	st->index = vf->index;
	st->inode = pmd_sysfs_inode(PMD_PCI_FILE(""), vf->pci);
}

/*
 * Whether the netdev may stay where the dead vfringd has put it. From elsewhere it is fetched,
 * while the file still says where it is.
 */
static bool is_in_place(struct pmd_vf_claim *c)
{
	char why[PMD_LONG_WHY_LEN];

	if (c->st.netns[0] == '\0')
		return false;
	if (c->conf.kind == PMD_VF_NETDEV && strcmp(c->st.netns, c->conf.netns) == 0 &&
		strcmp(c->st.ifname, c->conf.ifname) == 0)
		return true;
	if (pmd_netdev_fetch(&c->st, why) < 0)
		pmd_bind_none(c->pci, why); /* it gets a new one when it is bound again */
	return false;
}

static int bind_netdev(struct pmd_vf_claim *c, bool in_place, char why[PMD_LONG_WHY_LEN])
{
	char netdev[IF_NAMESIZE], driver[PMD_DRIVER_LEN];
	int ret;

	pmd_pci_driver(c->pci, driver);
	if (driver[0] != '\0' && strcmp(driver, "vfio-pci") != 0 && in_place)
		return 0;
	if (driver[0] == '\0' || strcmp(driver, "vfio-pci") == 0) {
		ret = pmd_bind_none(c->pci, why);
		if (ret < 0)
			return ret;
		pmd_bind_override(c->pci, ""); /* what keeps the kernel's own driver away */
		ret = pmd_bind_kernel(c->pci, c->pf.pci, NULL, why);
		if (ret < 0)
			return ret;
	}
	ret = pmd_bind_wait_netdev(c->pci, netdev);
	if (ret < 0)
		snprintf(why, PMD_LONG_WHY_LEN, "its driver has made no netdev");
	return ret;
}

/* The file is written. Returns the number of errors. */
static unsigned int change(
	struct pmd_vf_claim *c, unsigned int keys, unsigned int reported, bool in_place)
{
	char why[PMD_LONG_WHY_LEN] = "", driver[PMD_DRIVER_LEN];
	unsigned int errors;
	int ret = 0;

	pmd_pci_driver(c->pci, driver);
	/* A driver learns its MAC address and others when it is bound: none while they change. */
	if (keys != 0 && strcmp(driver, "vfio-pci") != 0)
		ret = pmd_bind_none(c->pci, why);
	if (ret == 0) {
		errors = pmd_attr_apply(c, keys, reported);
		if (errors != 0)
			return errors;
		ret = c->conf.kind == PMD_VF_DPDK ? pmd_bind_vfio(c->pci, why)
						  : bind_netdev(c, in_place, why);
	}
	if (ret == 0)
		return 0;
	CLAIM_ERR(c, "device", "found %s: %s: %s", c->found, c->name, why);
	return 1;
}

unsigned int pmd_claim_vf(
	struct pmd_sriov *s, struct pmd_vf_claim *c, const char *const *ours, unsigned int nb_ours)
{
	char why[PMD_LONG_WHY_LEN] = "";
	struct pmd_vf_attr now;
	unsigned int keys;
	struct pmd_vf vf;
	bool in_place;
	int ret;

	if (pmd_vf_get(&c->pf, (unsigned int)c->index, NULL, &vf) < 0) {
		CLAIM_ERR(c, "device", "found %s: %s has vanished", c->found, c->name);
		return 1;
	}
	if (c->conf.kind == PMD_VF_DPDK &&
		pmd_vf_iommu_check(c->pci, ours, nb_ours, why, sizeof(why)) < 0) {
		CLAIM_ERR(c, "device", "found %s: %s %s", c->found, c->name, why);
		return 1;
	}
	if (strlen(c->conf.netns) >= sizeof(c->st.netns)) {
		CLAIM_ERR(c, "netns", "a path of %zu bytes; allowed are %zu", strlen(c->conf.netns),
			sizeof(c->st.netns) - 1);
		return 1;
	}
	note_original(s, c, &vf);
	in_place = is_in_place(c);
	keys = pmd_attr_plan(c, &now);
	snprintf(c->st.netns, sizeof(c->st.netns), "%s", c->conf.netns);
	snprintf(c->st.ifname, sizeof(c->st.ifname), "%s", c->conf.ifname);
	ret = pmd_state_vf_write(&c->st, &c->fd);
	if (ret < 0) {
		CLAIM_ERR(c, "device", "found %s: cannot write %s/vf-%s: %s", c->found,
			pmd_sriov_env.state, c->pci, strerror(-ret));
		return 1;
	}
	c->claimed = true;
	return change(c, keys, now.known, in_place);
}
