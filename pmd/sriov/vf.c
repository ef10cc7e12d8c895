/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/vf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmd/sriov/state.h"
#include "pmd/sriov/sysfs.h"

#define IFF_UP_BIT 1ul

void pmd_pci_driver(const char *pci, char driver[PMD_DRIVER_LEN])
{
	pmd_sysfs_link(driver, PMD_DRIVER_LEN, PMD_PCI_FILE("driver"), pci);
}

void pmd_pci_override(const char *pci, char driver[PMD_DRIVER_LEN])
{
	pmd_sysfs_read(driver, PMD_DRIVER_LEN, PMD_PCI_FILE("driver_override"), pci);
	if (strcmp(driver, "(null)") == 0) /* the kernel's way to print nothing */
		driver[0] = '\0';
}

void pmd_pci_netdev(const char *pci, char netdev[IF_NAMESIZE])
{
	struct pmd_sysfs_names names;

	netdev[0] = '\0';
	pmd_sysfs_names(&names, PMD_PCI_FILE("net"), pci);
	if (names.nb > 0 && strlen(names.name[0]) < IF_NAMESIZE)
		strcpy(netdev, names.name[0]);
	pmd_sysfs_names_free(&names);
}

/* addr_assign_type: NET_ADDR_RANDOM, NET_ADDR_SET of a header that does not go with the others */
#define ADDR_RANDOM 1
#define ADDR_SET    3

bool pmd_pci_own_mac(const char *pci, const char *netdev, uint8_t m[6])
{
	unsigned long type;
	char text[32];

	if (netdev[0] == '\0' ||
		pmd_sysfs_number(&type, PMD_PCI_FILE("net/%s/addr_assign_type"), pci, netdev) < 0 ||
		(type != ADDR_RANDOM && type != ADDR_SET))
		return false;
	pmd_sysfs_read(text, sizeof(text), PMD_PCI_FILE("net/%s/address"), pci, netdev);
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1], &m[2], &m[3], &m[4],
		       &m[5]) == 6;
}

bool pmd_vf_present(const char *pci)
{
	unsigned char regs[4] = { 0 };
	char path[512];
	ssize_t n = -1;

	/*
	 * The kernel removes this link before it asks the VF's driver to let go; the folder stays
	 * until the driver has done so.
	 */
	if (!pmd_sysfs_exists(PMD_PCI_FILE("physfn"), pci))
		return false;
	snprintf(path, sizeof(path), PMD_PCI_FILE("config"), pci);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		/* Command and status: a VF's vendor and device read as all ones even in health. */
		n = pread(fd, regs, sizeof(regs), 4);
		close(fd);
	}
	return n == sizeof(regs) &&
		(regs[0] != 0xff || regs[1] != 0xff || regs[2] != 0xff || regs[3] != 0xff);
}

/* In switchdev mode the PF's device has netdevs for its VFs, too: "pf0vf3". */
static bool is_representor(const char *pci, const char *netdev)
{
	unsigned int pf, vf;
	char name[32];

	return pmd_sysfs_read(name, sizeof(name), PMD_PCI_FILE("net/%s/phys_port_name"), pci,
		       netdev) > 0 &&
		(sscanf(name, "pf%uvf%u", &pf, &vf) == 2 ||
			sscanf(name, "c%*upf%uvf%u", &pf, &vf) == 2);
}

static void choose_netdev(struct pmd_pf *pf)
{
	struct pmd_sysfs_names names;

	pmd_sysfs_names(&names, PMD_PCI_FILE("net"), pf->pci);
	for (unsigned int i = 0; i < names.nb && pf->netdev[0] == '\0'; i++)
		if (strlen(names.name[i]) < IF_NAMESIZE && !is_representor(pf->pci, names.name[i]))
			strcpy(pf->netdev, names.name[i]);
	pmd_sysfs_names_free(&names);
}

/*
 * sriov_numvfs says it, too, but from Linux 5.7 to 6.8 who reads it waits for who writes it, and who
 * writes 0 waits until each VF's user lets go of it: that may be us, at our end.
 */
static unsigned int count_vfs(const char *pci)
{
	unsigned int nb = 0;

	while (pmd_sysfs_exists(PMD_PCI_FILE("virtfn%u"), pci, nb))
		nb++;
	return nb;
}

/* pf->pci is known, and netdev if it was named. */
static int read_pf(struct pmd_pf *pf)
{
	unsigned long value;

	if (pmd_sysfs_number(&value, PMD_PCI_FILE("sriov_totalvfs"), pf->pci) < 0)
		return -ENOTSUP;
	pf->max_vfs = (unsigned int)value;
	pf->nb_vfs = count_vfs(pf->pci);
	pf->autoprobe = true;
	if (pmd_sysfs_number(&value, PMD_PCI_FILE("sriov_drivers_autoprobe"), pf->pci) == 0)
		pf->autoprobe = value != 0;
	pmd_pci_driver(pf->pci, pf->driver);
	if (pf->netdev[0] == '\0')
		choose_netdev(pf);
	if (pf->netdev[0] == '\0')
		return 0;
	if (pmd_sysfs_number(&value, PMD_PCI_FILE("net/%s/ifindex"), pf->pci, pf->netdev) == 0)
		pf->ifindex = (unsigned int)value;
	if (pmd_sysfs_number(&value, PMD_PCI_FILE("net/%s/flags"), pf->pci, pf->netdev) == 0)
		pf->up = (value & IFF_UP_BIT) != 0;
	return 0;
}

int pmd_pf_list(struct pmd_pf **out)
{
	struct pmd_sysfs_names names;
	int ret, nb = 0;

	*out = NULL;
	ret = pmd_sysfs_names(&names, "%s/bus/pci/devices", pmd_sriov_env.sys);
	for (unsigned int i = 0; ret >= 0 && i < names.nb; i++) {
		struct pmd_pf pf = { 0 }, *list;

		if (strlen(names.name[i]) >= sizeof(pf.pci))
			continue;
		strcpy(pf.pci, names.name[i]);
		if (read_pf(&pf) < 0)
			continue;
		list = reallocarray(*out, (size_t)nb + 1, sizeof(*list));
		if (list == NULL) {
			ret = -ENOMEM;
			break;
		}
		*out = list;
		list[nb++] = pf;
	}
	pmd_sysfs_names_free(&names);
	if (ret >= 0)
		return nb;
	free(*out);
	*out = NULL;
	return ret;
}

/* "; PFs of this machine: ens1f0, 0000:01:00.1", behind what is in `why`. */
static void add_pfs(char why[PMD_SRIOV_WHY_LEN])
{
	size_t len = strlen(why);
	struct pmd_pf *pfs;
	int nb = pmd_pf_list(&pfs);

	if (nb <= 0)
		snprintf(why + len, PMD_SRIOV_WHY_LEN - len, "; this machine has no PF");
	for (int i = 0; i < nb; i++) {
		len = strlen(why);
		snprintf(why + len, PMD_SRIOV_WHY_LEN - len, "%s%s",
			i == 0 ? "; PFs of this machine: " : ", ",
			pfs[i].netdev[0] != '\0' ? pfs[i].netdev : pfs[i].pci);
	}
	free(pfs);
	pmd_sysfs_printable(why);
}

/* No part of a path but one name. */
static bool is_file_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

int pmd_pf_get(const char *name, struct pmd_pf *pf, char why[PMD_SRIOV_WHY_LEN])
{
	*pf = (struct pmd_pf){ 0 };
	why[0] = '\0';
	if (!is_file_name(name) || strlen(name) >= sizeof(pf->pci)) {
		snprintf(why, PMD_SRIOV_WHY_LEN, "neither a netdev's name nor a PCI address");
		return -ENODEV;
	}
	if (strchr(name, ':') != NULL) {
		strcpy(pf->pci, name);
	} else if (!pmd_sysfs_exists("%s/class/net/%s", pmd_sriov_env.sys, name)) {
		snprintf(why, PMD_SRIOV_WHY_LEN, "no such netdev");
		add_pfs(why);
		return -ENODEV;
	} else {
		pmd_sysfs_link(pf->pci, sizeof(pf->pci), "%s/class/net/%s/device",
			pmd_sriov_env.sys, name);
		if (strlen(name) < sizeof(pf->netdev))
			strcpy(pf->netdev, name);
	}
	if (pf->pci[0] == '\0' || !pmd_sysfs_exists(PMD_PCI_FILE(""), pf->pci)) {
		snprintf(why, PMD_SRIOV_WHY_LEN, "no%s PCI device",
			strchr(name, ':') != NULL ? " such" : "");
		add_pfs(why);
		return -ENODEV;
	}
	if (read_pf(pf) == 0)
		return 0;
	snprintf(why, PMD_SRIOV_WHY_LEN, "%s",
		pmd_sysfs_exists(PMD_PCI_FILE("physfn"), pf->pci)
			? "this is a VF itself"
			: "no SR-IOV (or it is off in the firmware)");
	add_pfs(why);
	return -ENOTSUP;
}

static bool is_vfio(const char *pci, const char *driver)
{
	/* Vendors have variants of it: mlx5_vfio_pci, ... */
	return strcmp(driver, "vfio-pci") == 0 || pmd_sysfs_exists(PMD_PCI_FILE("vfio-dev"), pci);
}

static bool is_foreign(const char *pci, const char *driver)
{
	static const char *const names[] = { "igb_uio", "uio_pci_generic", "pci-stub", "pciback",
		"xen-pciback" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(driver, names[i]) == 0)
			return true;
	return pmd_sysfs_exists(PMD_PCI_FILE("uio"), pci);
}

bool pmd_pci_prepared(const char *pci)
{
	char driver[PMD_DRIVER_LEN];

	pmd_pci_driver(pci, driver);
	return is_vfio(pci, driver) || pmd_sysfs_exists(PMD_PCI_FILE("uio"), pci);
}

static enum pmd_vf_use netdev_use(struct pmd_vf *vf)
{
	unsigned long flags = 0;
	char master[64];

	pmd_sysfs_number(&flags, PMD_PCI_FILE("net/%s/flags"), vf->pci, vf->netdev);
	if (pmd_sysfs_link(master, sizeof(master), PMD_PCI_FILE("net/%s/master"), vf->pci,
		    vf->netdev) > 0) {
		snprintf(vf->user, sizeof(vf->user), "netdev %s, part of %s", vf->netdev, master);
		return PMD_VF_UP;
	}
	if ((flags & IFF_UP_BIT) != 0) {
		snprintf(vf->user, sizeof(vf->user), "netdev %s, up", vf->netdev);
		return PMD_VF_UP;
	}
	snprintf(vf->user, sizeof(vf->user), "free (netdev %s, down)", vf->netdev);
	return PMD_VF_FREE;
}

static enum pmd_vf_use find_use(struct pmd_vf *vf, const struct pmd_openers *openers)
{
	const struct pmd_opener *opener = pmd_vf_opener(vf->pci, openers);
	struct pmd_vf_state st;
	int ret = pmd_state_vf_read(vf->pci, &st);

	if (ret == 0 && st.locked) {
		snprintf(vf->user, sizeof(vf->user), "vfringd instance %s, port %s",
			st.instance[0] != '\0' ? st.instance : "?",
			st.port[0] != '\0' ? st.port : "?");
		return PMD_VF_CLAIMED;
	}
	if (ret == -EACCES) {
		snprintf(vf->user, sizeof(vf->user), "a vfringd");
		return PMD_VF_CLAIMED;
	}
	if (opener != NULL) {
		snprintf(vf->user, sizeof(vf->user), "%s, opened by pid %d (%s)",
			vf->driver[0] != '\0' ? vf->driver : "no driver", opener->pid,
			opener->comm);
		return PMD_VF_OPEN;
	}
	if (vf->driver[0] == '\0') {
		snprintf(vf->user, sizeof(vf->user), "free");
		return PMD_VF_FREE;
	}
	if (is_vfio(vf->pci, vf->driver)) {
		snprintf(vf->user, sizeof(vf->user), "%s, not open", vf->driver);
		return PMD_VF_PREPARED;
	}
	if (is_foreign(vf->pci, vf->driver)) {
		snprintf(vf->user, sizeof(vf->user), "driver %s", vf->driver);
		return PMD_VF_FOREIGN;
	}
	if (vf->netdev[0] != '\0')
		return netdev_use(vf);
	snprintf(vf->user, sizeof(vf->user),
		"driver %s, no netdev here: in another network namespace?", vf->driver);
	return PMD_VF_AWAY;
}

int pmd_vf_get(const struct pmd_pf *pf, unsigned int index, const struct pmd_openers *openers,
	struct pmd_vf *vf)
{
	char text[32];

	*vf = (struct pmd_vf){ .index = index, .group = -1 };
	if (pmd_sysfs_link(vf->pci, sizeof(vf->pci), PMD_PCI_FILE("virtfn%u"), pf->pci, index) <= 0)
		return -ENODEV;
	pmd_pci_driver(vf->pci, vf->driver);
	pmd_pci_netdev(vf->pci, vf->netdev);
	if (pmd_sysfs_link(text, sizeof(text), PMD_PCI_FILE("iommu_group"), vf->pci) > 0)
		vf->group = atoi(text);
	vf->use = find_use(vf, openers);
	pmd_sysfs_printable(vf->user);
	return 0;
}

static bool is_ours(const char *pci, const char *const *ours, unsigned int nb)
{
	for (unsigned int i = 0; i < nb; i++)
		if (strcmp(pci, ours[i]) == 0)
			return true;
	return false;
}

/* Those that vfio bears in the group of a device that it gives away. */
static bool is_harmless(const char *pci, const char *driver)
{
	unsigned long class = 0;

	pmd_sysfs_number(&class, PMD_PCI_FILE("class"), pci);
	return driver[0] == '\0' || is_vfio(pci, driver) || strcmp(driver, "pci-stub") == 0 ||
		strcmp(driver, "pcieport") == 0 || class >> 8 == 0x0604;
}

int pmd_vf_iommu_check(
	const char *pci, const char *const *ours, unsigned int nb_ours, char *why, size_t room)
{
	struct pmd_sysfs_names names;
	char driver[PMD_DRIVER_LEN];
	size_t len = 0;

	why[0] = '\0';
	if (!pmd_sysfs_exists(PMD_PCI_FILE("iommu_group"), pci)) {
		snprintf(why, room,
			"has no IOMMU group: the machine has no IOMMU, or it is off; allowed are "
			"VFs "
			"behind one (VT-d or AMD-Vi in the firmware's setup, and on Intel "
			"intel_iommu=on on the kernel's command line)");
		return -ENOTSUP;
	}
	pmd_sysfs_names(&names, PMD_PCI_FILE("iommu_group/devices"), pci);
	for (unsigned int i = 0; i < names.nb; i++) {
		const char *other = names.name[i];

		pmd_pci_driver(other, driver);
		if (strcmp(other, pci) == 0 || is_ours(other, ours, nb_ours) ||
			is_harmless(other, driver))
			continue;
		if (len < room)
			len += (size_t)snprintf(why + len, room - len, "%s%s (%s)",
				len == 0 ? "shares its IOMMU group with " : ", ", other, driver);
	}
	pmd_sysfs_names_free(&names);
	if (len == 0)
		return 0;
	if (len < room)
		snprintf(why + len, room - len,
			"; allowed are groups of which nothing else is in use: a slot behind a "
			"bridge with ACS, or these unbound");
	pmd_sysfs_printable(why);
	return -EBUSY;
}
