/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/ask.h"

#include <errno.h>
#include <string.h>

#include "pmd/sriov/sysfs.h"
#include "pmd/sriov/vf.h"

int pmd_vf_ask(const char *pci, struct pmd_vf_attr *out)
{
	char name[PMD_PCI_LEN], why[PMD_SRIOV_WHY_LEN];
	struct pmd_vf vf;
	struct pmd_pf pf;

	if (pmd_sysfs_link(name, sizeof(name), PMD_PCI_FILE("physfn"), pci) <= 0 ||
		pmd_pf_get(name, &pf, why) < 0 || pf.ifindex == 0)
		return -ENODEV;
	for (unsigned int i = 0; i < pf.nb_vfs; i++)
		if (pmd_vf_get(&pf, i, NULL, &vf) == 0 && strcmp(vf.pci, pci) == 0)
			return pmd_sriov_env.vf_get(pf.ifindex, i, out, why);
	return -ENODEV;
}
