/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has a device file of vfio or uio open: found among all processes' descriptors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmd/sriov/sysfs.h"
#include "pmd/sriov/vf.h"

static int add(struct pmd_openers *openers, const char *device, int pid)
{
	struct pmd_opener *o = reallocarray(openers->list, openers->nb + 1, sizeof(*openers->list));

	if (o == NULL)
		return -ENOMEM;
	openers->list = o;
	o += openers->nb++;
	*o = (struct pmd_opener){ .pid = pid };
	snprintf(o->device, sizeof(o->device), "%s", device);
	if (pmd_sysfs_read(o->comm, sizeof(o->comm), "%s/%d/comm", pmd_sriov_env.proc, pid) <= 0)
		snprintf(o->comm, sizeof(o->comm), "?");
	return 0;
}

/* The text of a link is compared, so another mount namespace's /dev is seen as well. */
static const char *device_of(const char *target)
{
	static const char dev[] = "/dev/";

	if (strncmp(target, dev, strlen(dev)) != 0)
		return NULL;
	target += strlen(dev);
	if (strcmp(target, "vfio/vfio") == 0) /* the container: says nothing about a device */
		return NULL;
	return strncmp(target, "vfio/", 5) == 0 || strncmp(target, "uio", 3) == 0 ? target : NULL;
}

static int look_at(struct pmd_openers *openers, const char *pid_name)
{
	struct pmd_sysfs_names fds;
	char path[512], target[64];
	int ret = pmd_sysfs_names(&fds, "%s/%s/fd", pmd_sriov_env.proc, pid_name);

	for (unsigned int i = 0; ret >= 0 && i < fds.nb; i++) {
		const char *device;
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s/fd/%s", pmd_sriov_env.proc, pid_name,
			fds.name[i]);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		device = device_of(target);
		if (device != NULL)
			ret = add(openers, device, atoi(pid_name));
	}
	pmd_sysfs_names_free(&fds);
	return ret < 0 ? ret : 0;
}

int pmd_openers_get(struct pmd_openers *openers)
{
	struct pmd_sysfs_names pids;
	int ret;

	*openers = (struct pmd_openers){ 0 };
	ret = pmd_sysfs_names(&pids, "%s", pmd_sriov_env.proc);
	for (unsigned int i = 0; ret >= 0 && i < pids.nb; i++)
		if (pids.name[i][strspn(pids.name[i], "0123456789")] == '\0')
			ret = look_at(openers, pids.name[i]);
	pmd_sysfs_names_free(&pids);
	return ret < 0 ? ret : 0;
}

void pmd_openers_free(struct pmd_openers *openers)
{
	free(openers->list);
	*openers = (struct pmd_openers){ 0 };
}

static const struct pmd_opener *find(const struct pmd_openers *openers, const char *device)
{
	for (unsigned int i = 0; i < openers->nb; i++)
		if (strcmp(openers->list[i].device, device) == 0)
			return &openers->list[i];
	return NULL;
}

/* The device files below a folder of the device: vfio-dev/vfio3, uio/uio0. */
static const struct pmd_opener *find_below(
	const struct pmd_openers *openers, const char *pci, const char *folder, const char *prefix)
{
	const struct pmd_opener *found = NULL;
	struct pmd_sysfs_names names;
	char device[64];

	pmd_sysfs_names(&names, "%s/bus/pci/devices/%s/%s", pmd_sriov_env.sys, pci, folder);
	for (unsigned int i = 0; found == NULL && i < names.nb; i++) {
		snprintf(device, sizeof(device), "%s%s", prefix, names.name[i]);
		found = find(openers, device);
	}
	pmd_sysfs_names_free(&names);
	return found;
}

const struct pmd_opener *pmd_vf_opener(const char *pci, const struct pmd_openers *openers)
{
	const struct pmd_opener *found = NULL;
	char group[16], device[32];

	if (openers == NULL || openers->nb == 0)
		return NULL;
	if (pmd_sysfs_link(group, sizeof(group), "%s/bus/pci/devices/%s/iommu_group",
		    pmd_sriov_env.sys, pci) > 0) {
		snprintf(device, sizeof(device), "vfio/%s", group);
		found = find(openers, device);
	}
	if (found == NULL)
		found = find_below(openers, pci, "vfio-dev", "vfio/devices/");
	if (found == NULL)
		found = find_below(openers, pci, "uio", "");
	return found;
}

int pmd_vf_opener_pid(const char *pci)
{
	const struct pmd_opener *opener;
	struct pmd_openers openers;
	int pid = pmd_openers_get(&openers);

	opener = pmd_vf_opener(pci, &openers);
	if (pid == 0 && opener != NULL)
		pid = opener->pid;
	pmd_openers_free(&openers);
	return pid;
}
