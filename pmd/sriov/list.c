/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmd/sriov/sysfs.h"
#include "pmd/sriov/vf.h"

static const char *or_dash(const char *s)
{
	return s[0] != '\0' ? s : "-";
}

static void print_vf(FILE *f, const struct pmd_pf *pf, const struct pmd_vf *vf)
{
	char mac[18] = "-", vlan[8] = "-", group[16] = "-", why[PMD_SRIOV_WHY_LEN];
	struct pmd_vf_attr a = { 0 };

	if (pf->ifindex != 0)
		pmd_sriov_env.vf_get(pf->ifindex, vf->index, &a, why);
	if ((a.known & 1u << PMD_VF_MAC) != 0)
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", a.mac[0], a.mac[1],
			a.mac[2], a.mac[3], a.mac[4], a.mac[5]);
	if ((a.known & 1u << PMD_VF_VLAN) != 0 && a.vlan != 0)
		snprintf(vlan, sizeof(vlan), "%u", a.vlan);
	if (vf->group >= 0)
		snprintf(group, sizeof(group), "%d", vf->group);
	fprintf(f, "  %4u  %-13s %-12s %5s  %-17s %5s  %s\n", vf->index, vf->pci,
		or_dash(vf->driver), group, mac, vlan, vf->user);
}

static void print_pf(FILE *f, struct pmd_pf *pf, const struct pmd_openers *openers)
{
	struct pmd_vf vf;

	pmd_sysfs_printable(pf->netdev);
	fprintf(f, "PF %s %s, driver %s, %u of %u VFs%s\n", or_dash(pf->netdev), pf->pci,
		or_dash(pf->driver), pf->nb_vfs, pf->max_vfs,
		pf->netdev[0] == '\0' ? ""
			: pf->up      ? ", up"
				      : ", down");
	if (pf->nb_vfs == 0)
		return;
	fprintf(f, "  %4s  %-13s %-12s %5s  %-17s %5s  %s\n", "VF", "address", "driver", "group",
		"mac", "vlan", "used by");
	for (unsigned int i = 0; i < pf->nb_vfs; i++) {
		if (pmd_vf_get(pf, i, openers, &vf) == 0)
			print_vf(f, pf, &vf);
	}
}

int pmd_sriov_list(FILE *f)
{
	struct pmd_openers openers;
	struct pmd_pf *pfs;
	int nb = pmd_pf_list(&pfs);

	if (nb < 0 || pmd_openers_get(&openers) < 0) {
		fprintf(f, "cannot list VFs: %s\n", strerror(ENOMEM));
		free(pfs);
		return -ENOMEM;
	}
	for (int i = 0; i < nb; i++)
		print_pf(f, &pfs[i], &openers);
	if (nb == 0)
		fprintf(f, "no SR-IOV device\n");
	else if (geteuid() != 0)
		fprintf(f, "(without root: not all processes that use VFs can be seen)\n");
	pmd_openers_free(&openers);
	free(pfs);
	return nb;
}
