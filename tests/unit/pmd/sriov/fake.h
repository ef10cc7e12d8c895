/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine with one PF (0000:01:00.0, netdev pf0, driver igb, seven VFs at most) as a tree in a
 * temporary folder, and as much of the kernel behind it as provisioning meets: writing to sysfs
 * makes VFs, binds and unbinds drivers, makes netdevs. Any write and any attribute can be made to
 * fail.
 */
#ifndef TESTS_UNIT_PMD_SRIOV_FAKE_H
#define TESTS_UNIT_PMD_SRIOV_FAKE_H

#include <errno.h>
#include <ftw.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_log.h>

#include "pmd/sriov/claim.h"
#include "pmd/sriov/env.h"
#include "pmd/sriov/state.h"
#include "pmd/sriov/sysfs.h"
#include "tests/unit/unit.h"

#define PF      "0000:01:00.0"
#define MAX_VFS 7
#define ALL     ((1u << PMD_VF_NB_KEYS) - 1)

static struct {
	char root[64], sys[80], proc[80], dev[80], state[80];
	char *log; /* of the daemon, since the last expect */
	size_t log_len;
	FILE *log_file;
	char writes[8192]; /* "sriov_numvfs=2 unbind=0000:01:10.0 ..." */
	unsigned int nb_writes;
	unsigned int fail_at; /* the write that fails, 1: the first; 0: none */
	const char *fail_on; /* writes to this file fail; NULL: none */
	int fail_with;
	bool vfio; /* vfio-pci is there, or can be loaded */
	bool igbvf;
	unsigned int not_supported; /* attributes */
	unsigned int no_mac; /* so many times the VF's driver makes a MAC address up */
	unsigned int no_link; /* so many times the PF's link is down when a rate is set */
	struct pmd_vf_attr *attr; /* shared with children, as the tree is */
	unsigned int die_at; /* the step at which this process ends; 0: none */
	bool die_after; /* the step is done */
	unsigned int nb_steps;
	unsigned int nb_sets;
	unsigned int nb_removed;
} fake;

static inline void put(const char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void put(const char *text, const char *fmt, ...)
{
	char path[256];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", fake.root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	FILE *f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

static inline int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline int sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	int n = snprintf(cmd, sizeof(cmd), "cd %s && ", fake.root);

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* Without a shell, where it is done a thousand times. */
static inline void folder(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void folder(const char *fmt, ...)
{
	char path[256];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", fake.root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *p = path + n; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		mkdir(path, 0777);
	}
	mkdir(path, 0777);
}

static inline void link_to(const char *target, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void link_to(const char *target, const char *fmt, ...)
{
	char path[256];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", fake.root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	if (symlink(target, path) != 0)
		printf("# no link %s: %s\n", path, strerror(errno));
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void remove_all(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void remove_all(const char *fmt, ...)
{
	char path[256];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", fake.root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *vf_pci(unsigned int i)
{
	static char text[8][PMD_PCI_LEN];

	snprintf(text[i & 7], PMD_PCI_LEN, "0000:01:10.%u", i);
	return text[i & 7];
}

static inline void driver_of(const char *pci, char driver[PMD_DRIVER_LEN])
{
	pmd_sysfs_link(driver, PMD_DRIVER_LEN, "%s/bus/pci/devices/%s/driver", fake.sys, pci);
}

static inline bool is_bound(unsigned int vf, const char *driver)
{
	char now[PMD_DRIVER_LEN];

	driver_of(vf_pci(vf), now);
	if (strcmp(now, driver) != 0)
		printf("# VF %u is bound to \"%s\", not to \"%s\"\n", vf, now, driver);
	return strcmp(now, driver) == 0;
}

static inline bool has_override(unsigned int vf, const char *driver)
{
	char now[64];

	pmd_sysfs_read(
		now, sizeof(now), "%s/bus/pci/devices/%s/driver_override", fake.sys, vf_pci(vf));
	return strcmp(now, driver[0] != '\0' ? driver : "(null)") == 0;
}

static inline unsigned long pf_number(const char *file)
{
	unsigned long value = 999;

	pmd_sysfs_number(&value, "%s/bus/pci/devices/" PF "/%s", fake.sys, file);
	return value;
}

static inline int bind_to(const char *pci, const char *driver)
{
	char now[PMD_DRIVER_LEN];

	driver_of(pci, now);
	if (now[0] != '\0')
		return -EBUSY;
	if (strcmp(driver, "vfio-pci") == 0 ? !fake.vfio : !fake.igbvf)
		return 0;
	if (!pmd_sysfs_exists("%s/bus/pci/drivers/%s", fake.sys, driver))
		return 0;
	char target[320];

	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	link_to(target, "sys/bus/pci/devices/%s/driver", pci);
	if (strcmp(driver, "igbvf") == 0) {
		folder("sys/bus/pci/devices/%s/net/vfnet%s", pci, pci + 11);
		put("0x1002\n", "sys/bus/pci/devices/%s/net/vfnet%s/flags", pci, pci + 11);
		put(fake.no_mac > 0 ? "1\n" : "0\n",
			"sys/bus/pci/devices/%s/net/vfnet%s/addr_assign_type", pci, pci + 11);
		fake.no_mac -= fake.no_mac > 0;
		put("02:00:00:00:aa:bb\n", "sys/bus/pci/devices/%s/net/vfnet%s/address", pci,
			pci + 11);
	} else {
		char group[16];

		pmd_sysfs_link(
			group, sizeof(group), "%s/bus/pci/devices/%s/iommu_group", fake.sys, pci);
		put("", "dev/vfio/%s", group);
	}
	return 0;
}

static inline void unbind(const char *pci)
{
	remove_all("sys/bus/pci/devices/%s/driver", pci);
	remove_all("sys/bus/pci/devices/%s/net", pci);
}

static inline int fake_probe(const char *pci)
{
	char override[64];

	pmd_sysfs_read(
		override, sizeof(override), "%s/bus/pci/devices/%s/driver_override", fake.sys, pci);
	if (strcmp(override, "(null)") != 0)
		return bind_to(pci, override);
	return pf_number("sriov_drivers_autoprobe") == 1 ? bind_to(pci, "igbvf") : 0;
}

static inline void add_vf(unsigned int i)
{
	const char *pci = vf_pci(i);

	char target[320];

	folder("sys/bus/pci/devices/%s", pci);
	folder("sys/kernel/iommu_groups/4%u/devices", i);
	snprintf(target, sizeof(target), "../%s", pci);
	link_to(target, "sys/bus/pci/devices/" PF "/virtfn%u", i);
	link_to("../" PF, "sys/bus/pci/devices/%s/physfn", pci);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/4%u", i);
	link_to(target, "sys/bus/pci/devices/%s/iommu_group", pci);
	snprintf(target, sizeof(target), "../../../../bus/pci/devices/%s", pci);
	link_to(target, "sys/kernel/iommu_groups/4%u/devices/%s", i, pci);
	put("(null)\n", "sys/bus/pci/devices/%s/driver_override", pci);
	put("pci:v8086d10CA\n", "sys/bus/pci/devices/%s/modalias", pci);
	put("0x020000\n", "sys/bus/pci/devices/%s/class", pci);
	put("\xff\xff\xff\xff\x01\x01\x10\x01", "sys/bus/pci/devices/%s/config", pci);
	fake.attr[i] = (struct pmd_vf_attr){
		.known = ALL & ~fake.not_supported, .vlan_proto = ETH_P_8021Q, .spoof_check = true
	};
	if (pf_number("sriov_drivers_autoprobe") == 1)
		bind_to(pci, "igbvf");
}

/* Its folder is kept elsewhere: one that is made anew has another inode, as in sysfs. */
static inline void remove_vf(unsigned int i)
{
	char from[400], to[400];

	snprintf(from, sizeof(from), "%s/sys/bus/pci/devices/%s", fake.root, vf_pci(i));
	snprintf(to, sizeof(to), "%s/kept/%d-%u", fake.root, (int)getpid(), fake.nb_removed++);
	folder("kept");
	CU_ASSERT_EQUAL(rename(from, to), 0);
	remove_all("sys/bus/pci/devices/" PF "/virtfn%u", i);
	remove_all("sys/kernel/iommu_groups/4%u", i);
	remove_all("dev/vfio/4%u", i);
}

static inline int set_numvfs(unsigned int nb)
{
	unsigned long now = pf_number("sriov_numvfs");
	char text[16];

	if (nb > MAX_VFS)
		return -ERANGE;
	if (now != 0 && nb != 0)
		return -EBUSY;
	for (unsigned int i = 0; i < now; i++)
		remove_vf(i);
	for (unsigned int i = 0; i < nb; i++)
		add_vf(i);
	snprintf(text, sizeof(text), "%u\n", nb);
	put(text, "sys/bus/pci/devices/" PF "/sriov_numvfs");
	return 0;
}

static inline int do_write(const char *path, const char *text)
{
	const char *file = strrchr(path, '/') + 1, *value = text[0] == '\n' ? "none" : text;
	size_t len = strlen(fake.writes);
	char parent[256], pci[PMD_PCI_LEN];

	snprintf(fake.writes + len, sizeof(fake.writes) - len, "%s=%.*s ", file,
		(int)strcspn(value, "\n"), value);
	fake.nb_writes++;
	if (fake.nb_writes == fake.fail_at || (fake.fail_on != NULL && !strcmp(fake.fail_on, file)))
		return fake.fail_with;
	if (strcmp(file, "drivers_probe") == 0)
		return fake_probe(text);
	if (access(path, F_OK) != 0 && strcmp(file, "unbind") != 0 && strcmp(file, "bind") != 0)
		return -ENOENT;
	if (strcmp(file, "sriov_numvfs") == 0)
		return set_numvfs((unsigned int)atoi(text));
	snprintf(parent, sizeof(parent), "%.*s", (int)(file - 1 - path), path);
	if (strcmp(file, "unbind") == 0) {
		unbind(text);
		return 0;
	}
	if (strcmp(file, "bind") == 0)
		return pmd_sysfs_exists("%s", parent) ? bind_to(text, strrchr(parent, '/') + 1)
						      : -ENOENT;
	if (strcmp(file, "driver_override") == 0) {
		snprintf(pci, sizeof(pci), "%s", strrchr(parent, '/') + 1);
		put(text[0] == '\n' ? "(null)\n" : text, "sys/bus/pci/devices/%s/driver_override",
			pci);
		return 0;
	}
	FILE *f = fopen(path, "w");
	fprintf(f, "%s\n", text);
	fclose(f);
	return 0;
}

/* Killed, before or after the step. */
static inline void may_die(bool after)
{
	if (!after)
		fake.nb_steps++;
	if (fake.die_at != 0 && fake.nb_steps == fake.die_at && fake.die_after == after)
		_exit(0);
}

/* A write to sysfs. */
static inline int fake_write(const char *path, const char *text)
{
	int ret;

	may_die(false);
	ret = do_write(path, text);
	may_die(true);
	return ret;
}

static inline int fake_modprobe(const char *module)
{
	if (strcmp(module, "vfio-pci") == 0 && fake.vfio)
		return folder("sys/bus/pci/drivers/vfio-pci"), 0;
	if (strcmp(module, "vfio-pci") != 0 && fake.igbvf)
		return folder("sys/bus/pci/drivers/igbvf"), 0;
	return -ENOENT;
}

static inline int fake_vf_get(unsigned int pf, unsigned int vf, struct pmd_vf_attr *out, char *why)
{
	CU_ASSERT_EQUAL(pf, 7);
	if (vf >= pf_number("sriov_numvfs")) {
		strcpy(why, "the PF's driver reports no such VF");
		*out = (struct pmd_vf_attr){ 0 };
		return -ENOENT;
	}
	*out = fake.attr[vf];
	return 0;
}

static inline int fake_vf_set(unsigned int pf, unsigned int vf, enum pmd_vf_key key,
	const struct pmd_vf_attr *attr, char *why)
{
	struct pmd_vf_attr *to = &fake.attr[vf];
	char driver[PMD_DRIVER_LEN];

	CU_ASSERT_EQUAL(pf, 7);
	CU_ASSERT_TRUE(vf < pf_number("sriov_numvfs"));
	fake.nb_sets++;
	driver_of(vf_pci(vf), driver);
	CU_ASSERT_STRING_NOT_EQUAL(driver, "igbvf"); /* it would not learn of the change */
	may_die(false);
	if ((fake.not_supported & 1u << key) != 0) {
		strcpy(why, "Operation not supported");
		return -EOPNOTSUPP;
	}
	if (key == PMD_VF_RATE && (attr->max_tx_rate > 1000 || fake.no_link > 0)) {
		if (fake.no_link > 0)
			put(--fake.no_link == 0 ? "1\n" : "0\n",
				"sys/bus/pci/devices/" PF "/net/pf0/carrier");
		strcpy(why, "Invalid argument");
		return -EINVAL;
	}
	switch (key) {
	case PMD_VF_MAC:
		memcpy(to->mac, attr->mac, 6);
		break;
	case PMD_VF_VLAN:
		to->vlan = attr->vlan;
		to->qos = attr->qos;
		break;
	case PMD_VF_SPOOF_CHECK:
		to->spoof_check = attr->spoof_check;
		break;
	case PMD_VF_TRUST:
		to->trust = attr->trust;
		break;
	case PMD_VF_LINK_STATE:
		to->link_state = attr->link_state;
		break;
	default:
		to->max_tx_rate = attr->max_tx_rate;
		to->min_tx_rate = attr->min_tx_rate;
		break;
	}
	may_die(true);
	return 0;
}

static inline void setup(void)
{
	memset(&fake, 0, sizeof(fake));
	strcpy(fake.root, "/tmp/vfring-sriov-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(fake.root));
	snprintf(fake.sys, sizeof(fake.sys), "%s/sys", fake.root);
	snprintf(fake.proc, sizeof(fake.proc), "%s/proc", fake.root);
	snprintf(fake.dev, sizeof(fake.dev), "%s/dev", fake.root);
	snprintf(fake.state, sizeof(fake.state), "%s/run/state", fake.root);
	fake.vfio = fake.igbvf = true;
	fake.attr = mmap(NULL, MAX_VFS * sizeof(*fake.attr), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(fake.attr, MAP_FAILED);
	pmd_sriov_env = (struct pmd_sriov_env){ .sys = fake.sys,
		.proc = fake.proc,
		.dev = fake.dev,
		.state = fake.state,
		.wait_ms = 20,
		.write = fake_write,
		.modprobe = fake_modprobe,
		.vf_get = fake_vf_get,
		.vf_set = fake_vf_set };
	sh("mkdir -p sys/class/net sys/bus/pci/devices/" PF
	   "/net/pf0 sys/bus/pci/drivers/igb sys/bus/pci/drivers/igbvf proc/77/fd dev/vfio");
	sh("ln -s ../../../drivers/igb sys/bus/pci/devices/" PF "/driver");
	sh("ln -s ../../bus/pci/devices/" PF "/net/pf0 sys/class/net/pf0");
	sh("ln -s ../../../" PF " sys/bus/pci/devices/" PF "/net/pf0/device");
	sh("mkdir -p sys/kernel/iommu_groups/3/devices");
	sh("ln -s ../../../../kernel/iommu_groups/3 sys/bus/pci/devices/" PF "/iommu_group");
	put("7\n", "sys/bus/pci/devices/" PF "/net/pf0/ifindex");
	put("0x1003\n", "sys/bus/pci/devices/" PF "/net/pf0/flags");
	put("1\n", "sys/bus/pci/devices/" PF "/net/pf0/carrier");
	put("1000\n", "sys/bus/pci/devices/" PF "/net/pf0/speed");
	put("7\n", "sys/bus/pci/devices/" PF "/sriov_totalvfs");
	put("0\n", "sys/bus/pci/devices/" PF "/sriov_numvfs");
	put("1\n", "sys/bus/pci/devices/" PF "/sriov_drivers_autoprobe");
	put("", "sys/bus/pci/drivers_probe");
	put("other\n", "proc/77/comm");
	fake.log_file = open_memstream(&fake.log, &fake.log_len);
	rte_openlog_stream(fake.log_file);
}

static inline void teardown(void)
{
	char cmd[128];

	rte_openlog_stream(NULL);
	fclose(fake.log_file);
	free(fake.log);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", fake.root);
	CU_ASSERT_EQUAL(system(cmd), 0);
	munmap(fake.attr, MAX_VFS * sizeof(*fake.attr));
}

/* What has been logged since the last call. */
static inline const char *logged(void)
{
	static char text[16384];

	fclose(fake.log_file);
	snprintf(text, sizeof(text), "%s", fake.log);
	free(fake.log);
	fake.log_file = open_memstream(&fake.log, &fake.log_len);
	rte_openlog_stream(fake.log_file);
	return text;
}

static inline bool says(const char *log, const char *line)
{
	if (strstr(log, line) == NULL) {
		fputs("# not found: ", stdout);
		fputs(line, stdout);
		fputs("\n# in:\n", stdout);
		fputs(log, stdout);
	}
	return strstr(log, line) != NULL;
}

static inline unsigned int lines(const char *log, const char *prefix)
{
	unsigned int nb = 0;

	for (; (log = strstr(log, prefix)) != NULL; log += strlen(prefix))
		nb++;
	return nb;
}

/* Nothing is left of a claim: no state, no VFs, autoprobe on. */
static inline bool is_clean(void)
{
	struct pmd_sysfs_names names;
	int nb = pmd_sysfs_names(&names, "%s", fake.state);

	/* the lock stays */
	for (unsigned int i = 0; i < names.nb; i++)
		if (strcmp(names.name[i], "lock") != 0)
			printf("# left: %s\n", names.name[i]);
	pmd_sysfs_names_free(&names);
	return nb <= 1 && pf_number("sriov_drivers_autoprobe") == 1;
}

#define DPDK(name, vf)                                                                             \
	{                                                                                          \
		.port = name, .pf = "pf0", .index = vf, .attr = {                                  \
			.known = ALL & ~1u,                                                        \
			.vlan_proto = ETH_P_8021Q,                                                 \
			.spoof_check = true                                                        \
		}                                                                                  \
	}

#endif /* TESTS_UNIT_PMD_SRIOV_FAKE_H */
