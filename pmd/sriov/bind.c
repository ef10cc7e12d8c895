/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pmd/sriov/claim_priv.h"

#define VFIO "vfio-pci"

static int fail(char why[PMD_LONG_WHY_LEN], int ret, const char *what, const char *pci)
{
	snprintf(why, PMD_LONG_WHY_LEN, "%s %s: %s", what, pci, strerror(-ret));
	return ret;
}

int pmd_bind_none(const char *pci, char why[PMD_LONG_WHY_LEN])
{
	char driver[PMD_DRIVER_LEN];
	int ret;

	pmd_pci_driver(pci, driver);
	if (driver[0] == '\0')
		return 0;
	ret = pmd_sysfs_write(pci, PMD_PCI_FILE("driver/unbind"), pci);
	pmd_pci_driver(pci, driver);
	if (driver[0] == '\0') /* whoever did it */
		return 0;
	return fail(why, ret < 0 ? ret : -EBUSY, "cannot unbind its driver from", pci);
}

int pmd_bind_override(const char *pci, const char *driver)
{
	char text[PMD_DRIVER_LEN + 1];

	/* An empty line takes an override away; an empty write would not reach the kernel. */
	snprintf(text, sizeof(text), "%s\n", driver);
	return pmd_sysfs_write(text, PMD_PCI_FILE("driver_override"), pci);
}

static int probe(const char *pci)
{
	return pmd_sysfs_write(pci, "%s/bus/pci/drivers_probe", pmd_sriov_env.sys);
}

/*
 * Whoever opens a group first has it alone. A process that has just been killed may still be about
 * to close it.
 */
static int wait_group(const char *pci, char why[PMD_LONG_WHY_LEN])
{
	uint64_t end = pmd_sriov_now_ms() + pmd_sriov_env.wait_ms;
	char group[16], path[256];
	int fd, err;

	if (pmd_sysfs_link(group, sizeof(group), PMD_PCI_FILE("iommu_group"), pci) <= 0)
		return fail(why, -ENODEV, "no IOMMU group of", pci);
	snprintf(path, sizeof(path), "%s/vfio/%s", pmd_sriov_env.dev, group);
	while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0) {
		err = errno;
		if (err == EBUSY && pmd_vf_opener_pid(pci) == getpid()) /* for another VF of it */
			return 0;
		if ((err != ENOENT && err != EBUSY) || pmd_sriov_now_ms() > end) {
			snprintf(why, PMD_LONG_WHY_LEN, "%s: %s", path, strerror(err));
			return -err;
		}
		pmd_sriov_pause();
	}
	close(fd);
	return 0;
}

int pmd_bind_vfio(const char *pci, char why[PMD_LONG_WHY_LEN])
{
	char driver[PMD_DRIVER_LEN];
	int ret;

	pmd_pci_driver(pci, driver);
	if (strcmp(driver, VFIO) == 0)
		return wait_group(pci, why);
	if (!pmd_sysfs_exists("%s/bus/pci/drivers/" VFIO, pmd_sriov_env.sys)) {
		ret = pmd_sriov_env.modprobe(VFIO);
		if (ret < 0) {
			snprintf(why, PMD_LONG_WHY_LEN,
				"the kernel has no driver " VFIO ", and modprobe " VFIO
				" does not load it (%s)",
				strerror(-ret));
			return ret;
		}
	}
	ret = pmd_bind_none(pci, why);
	if (ret < 0)
		return ret;
	ret = pmd_bind_override(pci, VFIO);
	if (ret < 0)
		return fail(why, ret, "cannot set driver_override of", pci);
	ret = probe(pci);
	pmd_pci_driver(pci, driver);
	if (strcmp(driver, VFIO) != 0)
		return fail(why, ret < 0 ? ret : -ENODEV, VFIO " does not take", pci);
	return wait_group(pci, why);
}

/*
 * The kernel leaves a VF alone if its PF says so (sriov_drivers_autoprobe) and it has no override:
 * for a moment it may not say so.
 */
static int probe_any(const char *pci, const char *pf)
{
	unsigned long autoprobe = 1;
	int ret;

	pmd_sysfs_number(&autoprobe, PMD_PCI_FILE("sriov_drivers_autoprobe"), pf);
	if (autoprobe == 0)
		pmd_sysfs_write("1", PMD_PCI_FILE("sriov_drivers_autoprobe"), pf);
	ret = probe(pci);
	if (autoprobe == 0)
		pmd_sysfs_write("0", PMD_PCI_FILE("sriov_drivers_autoprobe"), pf);
	return ret;
}

/* By name: more than one driver may know the device. */
static void bind_by_name(const char *pci, const char *pf, const char *driver)
{
	unsigned long autoprobe = 1;

	if (!pmd_sysfs_exists("%s/bus/pci/drivers/%s", pmd_sriov_env.sys, driver))
		pmd_sriov_env.modprobe(driver);
	pmd_sysfs_number(&autoprobe, PMD_PCI_FILE("sriov_drivers_autoprobe"), pf);
	if (autoprobe == 0)
		pmd_sysfs_write("1", PMD_PCI_FILE("sriov_drivers_autoprobe"), pf);
	pmd_sysfs_write(pci, "%s/bus/pci/drivers/%s/bind", pmd_sriov_env.sys, driver);
	if (autoprobe == 0)
		pmd_sysfs_write("0", PMD_PCI_FILE("sriov_drivers_autoprobe"), pf);
}

int pmd_bind_kernel(const char *pci, const char *pf, const char *driver, char why[PMD_LONG_WHY_LEN])
{
	char now[PMD_DRIVER_LEN], alias[128];
	int ret = 0;

	pmd_pci_driver(pci, now);
	if (now[0] == '\0' && driver != NULL) {
		bind_by_name(pci, pf, driver);
		pmd_pci_driver(pci, now);
	}
	if (now[0] == '\0') {
		ret = probe_any(pci, pf);
		pmd_pci_driver(pci, now);
	}
	if (now[0] == '\0' &&
		pmd_sysfs_read(alias, sizeof(alias), PMD_PCI_FILE("modalias"), pci) > 0 &&
		pmd_sriov_env.modprobe(alias) == 0) {
		ret = probe_any(pci, pf); /* a loaded module takes only what it may */
		pmd_pci_driver(pci, now);
	}
	if (now[0] == '\0') {
		snprintf(why, PMD_LONG_WHY_LEN, "no driver of the kernel takes %s%s%s", pci,
			ret < 0 ? ": " : "", ret < 0 ? strerror(-ret) : "");
		return ret < 0 ? ret : -ENODEV;
	}
	if (driver != NULL && strcmp(now, driver) != 0) {
		snprintf(why, PMD_LONG_WHY_LEN, "%s is bound to %s, not to %s", pci, now, driver);
		return -EBUSY;
	}
	return 0;
}

int pmd_bind_wait_netdev(const char *pci, char netdev[IF_NAMESIZE])
{
	uint64_t end = pmd_sriov_now_ms() + pmd_sriov_env.wait_ms;

	for (;;) {
		pmd_pci_netdev(pci, netdev);
		if (netdev[0] != '\0')
			return 0;
		if (pmd_sriov_now_ms() > end)
			return -ETIMEDOUT;
		pmd_sriov_pause();
	}
}

const struct pmd_opener *pmd_bind_wait_closed(const char *pci, struct pmd_openers *openers)
{
	uint64_t end = pmd_sriov_now_ms() + pmd_sriov_env.wait_ms;
	const struct pmd_opener *opener;

	for (;;) {
		if (pmd_openers_get(openers) < 0)
			return NULL;
		opener = pmd_vf_opener(pci, openers);
		if (opener == NULL || pmd_sriov_now_ms() > end)
			return opener;
		pmd_openers_free(openers);
		pmd_sriov_pause();
	}
}
