/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/claim.h"
#include "pmd/sriov/vf.h"

#include "tests/unit/pmd/sriov/fake.h"

static struct pmd_sriov *s;

static int claim(const struct pmd_vf_conf *conf, unsigned int nb)
{
	return pmd_sriov_claim(conf, nb, "vfring", &s);
}

/* A claim that fails leaves nothing, and says `nb` things. */
static void refused(
	const struct pmd_vf_conf *conf, unsigned int nb, unsigned int nb_lines, const char *line)
{
	const char *log;

	CU_ASSERT_EQUAL(claim(conf, nb), -EINVAL);
	CU_ASSERT_PTR_NULL(s);
	log = logged();
	CU_ASSERT_TRUE(says(log, line));
	CU_ASSERT_EQUAL(lines(log, "pmd: [port "), nb_lines);
	CU_ASSERT_TRUE(is_clean());
}

/* Others have enabled the VFs, with their kernel driver. */
static void enabled(unsigned int nb)
{
	CU_ASSERT_EQUAL_FATAL(set_numvfs(nb), 0);
}

static void opened(unsigned int vf)
{
	sh("ln -sf /dev/vfio/4%u proc/77/fd/9", vf);
}

static void test_none(void)
{
	struct pmd_vf_conf conf = { .port = "p0" };

	CU_ASSERT_EQUAL(claim(NULL, 0), 0);
	pmd_sriov_release(s);
	CU_ASSERT_EQUAL(claim(&conf, 1), 0);
	CU_ASSERT_PTR_NULL(pmd_sriov_pci(s, 0));
	CU_ASSERT_PTR_NULL(pmd_sriov_name(s, 0));
	CU_ASSERT_PTR_NULL(pmd_sriov_pci(s, 1));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_FAILED);
	pmd_sriov_release(s);
	pmd_sriov_release(NULL);
	CU_ASSERT_PTR_NULL(pmd_sriov_pci(NULL, 0));
	CU_ASSERT_FALSE(pmd_sysfs_exists("%s", fake.state));
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
}

static void test_enable(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 2), DPDK("p1", PMD_VF_AUTO), { .port = "p2" } };

	CU_ASSERT_EQUAL_FATAL(claim(conf, 3), 0);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 3);
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 0), vf_pci(2));
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 1), vf_pci(0));
	CU_ASSERT_PTR_NULL(pmd_sriov_pci(s, 2));
	CU_ASSERT_STRING_EQUAL(pmd_sriov_name(s, 0), "VF 2 of pf0 (0000:01:10.2)");
	CU_ASSERT_TRUE(is_bound(0, "vfio-pci"));
	CU_ASSERT_TRUE(is_bound(1, "")); /* autoprobe was off meanwhile */
	CU_ASSERT_TRUE(is_bound(2, "vfio-pci"));
	CU_ASSERT_EQUAL(pf_number("sriov_drivers_autoprobe"), 1);
	pmd_sriov_release(s);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 0);
	CU_ASSERT_TRUE(is_clean());
}

/* Numbers are enough for as many ports as there are, wherever their indices are. */
static void test_needed(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", PMD_VF_AUTO), DPDK("p1", 0),
		DPDK("p2", PMD_VF_AUTO), DPDK("p3", 1) };

	conf[1].pf = PF; /* the same by address */
	CU_ASSERT_EQUAL_FATAL(claim(conf, 4), 0);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 4);
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 0), vf_pci(2));
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 2), vf_pci(3));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
}

static void test_existing(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 1) };

	enabled(3);
	conf[0].attr.known = ALL;
	memcpy(conf[0].attr.mac, "\x02\x00\x00\x00\x00\x09", 6);
	conf[0].attr.vlan = 100;
	conf[0].attr.max_tx_rate = 500;
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 3);
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
	CU_ASSERT_TRUE(is_bound(1, "vfio-pci"));
	CU_ASSERT_TRUE(has_override(1, "vfio-pci"));
	CU_ASSERT_EQUAL(fake.attr[1].mac[5], 9);
	CU_ASSERT_EQUAL(fake.attr[1].vlan, 100);
	CU_ASSERT_EQUAL(fake.attr[1].max_tx_rate, 500);
	CU_ASSERT_EQUAL(fake.nb_sets, 3); /* only what differs */
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_bound(1, "igbvf"));
	CU_ASSERT_TRUE(has_override(1, ""));
	CU_ASSERT_EQUAL(fake.attr[1].mac[5], 0);
	CU_ASSERT_EQUAL(fake.attr[1].vlan, 0);
	CU_ASSERT_EQUAL(fake.attr[1].max_tx_rate, 0);
	CU_ASSERT_EQUAL(fake.nb_sets, 6);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 3);
	CU_ASSERT_TRUE(is_clean());
}

static void test_prepared(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	enabled(1);
	unbind(vf_pci(0));
	sh("mkdir -p sys/bus/pci/drivers/vfio-pci");
	put("vfio-pci\n", "sys/bus/pci/devices/%s/driver_override", vf_pci(0));
	bind_to(vf_pci(0), "vfio-pci");
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_bound(0, "vfio-pci"));
	CU_ASSERT_TRUE(has_override(0, "vfio-pci"));
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
	CU_ASSERT_TRUE(is_clean());
}

static void test_wrong_pf(void)
{
	static const struct {
		const char *pf, *why;
	} cases[] = {
		{ "nope", "found pf:nope,vf=0: no such netdev; PFs of this machine: pf0" },
		{ "0000:09:00.0", "found pf:0000:09:00.0,vf=0: no such PCI device; PFs" },
		{ "../pf0", "neither a netdev's name nor a PCI address" },
		{ "..", "neither a netdev's name nor a PCI address" },
		{ "0000:01:10.0", "this is a VF itself; PFs" },
		{ "lo0", "no PCI device; PFs" },
		{ "plain", "no SR-IOV (or it is off in the firmware); PFs" },
	};

	enabled(1);
	sh("mkdir -p sys/class/net/lo0 sys/bus/pci/devices/0000:02:00.0 sys/class/net/plain");
	sh("ln -s ../../../bus/pci/devices/0000:02:00.0 sys/class/net/plain/device");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

		conf[0].pf = cases[i].pf;
		refused(conf, 1, 1, cases[i].why);
	}
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
}

static void test_wrong_index(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 7), DPDK("p1", 1), DPDK("p2", 1) };
	struct pmd_vf_conf many[8];

	refused(conf, 1, 1,
		"[port p0] device: found pf:pf0,vf=7: pf0 can have 7 VF(s), allowed are 0 to 6");
	refused(conf + 1, 2, 1, "[port p2] device: found pf:pf0,vf=1: that is [port p1]'s already");
	for (int i = 0; i < 8; i++)
		many[i] = (struct pmd_vf_conf)DPDK("p", PMD_VF_AUTO);
	refused(many, 8, 1, "8 VF(s) of pf0 are needed, allowed are 7");
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
}

static void test_too_few(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 2) };
	struct pmd_vf_conf autos[] = { DPDK("p0", PMD_VF_AUTO), DPDK("p1", PMD_VF_AUTO),
		DPDK("p2", PMD_VF_AUTO) };

	enabled(2);
	refused(conf, 1, 1,
		"[port p0] device: found pf:pf0,vf=2: pf0 has 2 VF(s), allowed are 0 to 1; 3 are "
		"needed, and raising the number would reset those that exist. If nobody uses them: "
		"echo 0 > /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs");
	put("0x1003\n", "sys/bus/pci/devices/%s/net/vfnet0/flags", vf_pci(0));
	refused(autos, 2, 1,
		"[port p1] device: found pf:pf0,vf=auto: none of the 2 VF(s) of pf0 is free "
		"(VF 0: netdev vfnet0, up); 2 are needed");
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
}

static void test_in_use(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0), DPDK("p1", 1), DPDK("p2", 2), DPDK("p3", 3),
		DPDK("p4", 4), DPDK("p5", 5) };
	const char *log;

	enabled(6);
	sh("mkdir -p sys/bus/pci/drivers/vfio-pci sys/bus/pci/drivers/uio_pci_generic");
	put("0x1003\n", "sys/bus/pci/devices/%s/net/vfnet0/flags", vf_pci(0));
	sh("ln -s ../../br0 sys/bus/pci/devices/%s/net/vfnet1/master", vf_pci(1));
	sh("rm -r sys/bus/pci/devices/%s/net", vf_pci(2)); /* it is elsewhere */
	unbind(vf_pci(3));
	bind_to(vf_pci(3), "vfio-pci");
	opened(3);
	unbind(vf_pci(4));
	sh("ln -s ../../drivers/uio_pci_generic sys/bus/pci/devices/%s/driver", vf_pci(4));
	CU_ASSERT_EQUAL(claim(conf, 6), -EINVAL);
	log = logged();
	CU_ASSERT_EQUAL(lines(log, "pmd: [port "), 5);
	CU_ASSERT_TRUE(says(log,
		"[port p0] device: found pf:pf0,vf=0: VF 0 (0000:01:10.0) is in use: "
		"netdev vfnet0, up; allowed is a VF that is free"));
	CU_ASSERT_TRUE(says(log, "is in use: netdev vfnet1, part of br0;"));
	CU_ASSERT_TRUE(says(
		log, "is in use: driver igbvf, no netdev here: in another network namespace?"));
	CU_ASSERT_TRUE(says(log, "is in use: vfio-pci, opened by pid 77 (other);"));
	CU_ASSERT_TRUE(says(log, "is in use: driver uio_pci_generic;"));
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
	CU_ASSERT_TRUE(is_clean());

	/* auto passes them all by */
	struct pmd_vf_conf any[] = { DPDK("p0", PMD_VF_AUTO) };
	CU_ASSERT_EQUAL_FATAL(claim(any, 1), 0);
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 0), vf_pci(5));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_bound(5, "igbvf"));
}

static void test_two_daemons(void)
{
	struct pmd_vf_conf one[] = { DPDK("p0", 0) }, two[] = { DPDK("q0", 1) };
	struct pmd_vf_conf any[] = { DPDK("q1", PMD_VF_AUTO) };
	struct pmd_sriov *other;

	CU_ASSERT_EQUAL_FATAL(claim(two, 1), 0); /* two VFs */
	other = s;
	CU_ASSERT_EQUAL(claim(two, 1), -EINVAL);
	CU_ASSERT_TRUE(says(logged(), "is in use: vfringd instance vfring, port q0;"));
	CU_ASSERT_EQUAL_FATAL(claim(one, 1), 0);
	struct pmd_sriov *first = s;
	CU_ASSERT_EQUAL(claim(any, 1), -EINVAL);
	CU_ASSERT_TRUE(says(logged(),
		"(VF 0: vfringd instance vfring, port p0; VF 1: vfringd "
		"instance vfring, port q0)"));
	/* who enabled them goes first: they stay for the other, who takes them down at last */
	pmd_sriov_release(other);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 2);
	CU_ASSERT_TRUE(
		says(logged(), "PF pf0 keeps its 2 VF(s), since VF 0 is used: vfringd instance"));
	pmd_sriov_release(first);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 0);
	CU_ASSERT_TRUE(is_clean());
}

static void test_attributes(void)
{
	static const struct {
		const char *line;
		unsigned int key;
	} cases[] = {
		{ "[port p0] mac: found 02:00:00:00:00:01; the PF's driver igb refuses it for VF 0 "
		  "of pf0 (0000:01:10.0) (Operation not supported); allowed: no mac",
			PMD_VF_MAC },
		{ "[port p0] vlan: found 5;", PMD_VF_VLAN },
		{ "[port p0] spoof_check: found off;", PMD_VF_SPOOF_CHECK },
		{ "[port p0] trust: found on;", PMD_VF_TRUST },
		{ "[port p0] link_state: found disable;", PMD_VF_LINK_STATE },
		{ "[port p0] max_tx_rate: found 100 (min_tx_rate 50);", PMD_VF_RATE },
	};
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	/* defaults, and a driver that can do nothing */
	fake.not_supported = ALL;
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());

	conf[0].attr = (struct pmd_vf_attr){ .known = ALL,
		.mac = { 2, 0, 0, 0, 0, 1 },
		.vlan = 5,
		.vlan_proto = ETH_P_8021Q,
		.trust = true,
		.link_state = 2,
		.max_tx_rate = 100,
		.min_tx_rate = 50 };
	logged();
	refused(conf, 1, 6, cases[0].line);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.not_supported = 1u << cases[i].key;
		refused(conf, 1, 1, cases[i].line);
	}
	fake.not_supported = 0;
	conf[0].attr.max_tx_rate = 5000;
	refused(conf, 1, 1,
		"found 5000; the PF's driver igb refuses it for VF 0 of pf0 "
		"(0000:01:10.0) (Invalid argument); allowed: 0 to 1000, the speed of the PF's "
		"link");
	/* what had been set by then is as before */
	enabled(1);
	refused(conf, 1, 1, "found 5000;");
	CU_ASSERT_EQUAL(fake.attr[0].vlan, 0);
	CU_ASSERT_TRUE(fake.attr[0].spoof_check);
	CU_ASSERT_FALSE(fake.attr[0].trust);
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
}

/* Enabling VFs takes the PF's link down for a while, and igb takes no rate then. */
static void test_link(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	conf[0].attr.max_tx_rate = 300;
	fake.no_link = 1;
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	CU_ASSERT_EQUAL(fake.attr[0].max_tx_rate, 300);
	pmd_sriov_release(s);
	fake.no_link = 1000000;
	refused(conf, 1, 1,
		"[port p0] max_tx_rate: found 300; the PF's driver igb refuses it for VF 0 of pf0 "
		"(0000:01:10.0) (Invalid argument); allowed: 0 to what the PF's link does");
}

/* An address that the VF's driver has made up is not one that the PF has set. */
static void test_own_mac(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	enabled(1);
	conf[0].attr.known = ALL;
	conf[0].attr.mac[5] = 9;
	fake.attr[0].mac[5] = 1;
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	pmd_sriov_release(s);
	CU_ASSERT_EQUAL(fake.attr[0].mac[5], 1);
	put("1\n", "sys/bus/pci/devices/%s/net/vfnet0/addr_assign_type", vf_pci(0));
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	CU_ASSERT_EQUAL(fake.attr[0].mac[5], 9);
	pmd_sriov_release(s);
	CU_ASSERT_EQUAL(fake.attr[0].mac[5], 0);
}

/* The PF's address did not reach the VF's driver. */
static void test_mac_made_up(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };
	unsigned long type = 9;

	enabled(1);
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	fake.no_mac = 2;
	pmd_sriov_release(s);
	pmd_sysfs_number(&type, PMD_PCI_FILE("net/vfnet0/addr_assign_type"), vf_pci(0));
	CU_ASSERT_EQUAL(type, 0);
	CU_ASSERT_EQUAL(lines(logged(), "its driver has made a MAC address up: bound again"), 2);
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	fake.no_mac = 1000;
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(says(logged(),
		"VF 0000:01:10.0: its netdev vfnet0 has not got its MAC address from the PF "
		"0000:01:00.0"));
	CU_ASSERT_EQUAL(fake.no_mac, 1000 - 6);
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
	CU_ASSERT_TRUE(is_clean());
}

static void test_no_netdev(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	sh("rm -r sys/bus/pci/devices/" PF "/net");
	conf[0].pf = PF;
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	pmd_sriov_release(s);
	conf[0].attr.vlan = 7;
	refused(conf, 1, 1,
		"[port p0] vlan: found 7; the PF 0000:01:00.0 has no netdev to set it by "
		"(driver igb); allowed then: 0");
}

static void test_iommu(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0), DPDK("p1", 1) };

	enabled(2);
	sh("rm sys/bus/pci/devices/%s/iommu_group", vf_pci(0));
	refused(conf, 1, 1,
		"[port p0] device: found pf:pf0,vf=0: VF 0 of pf0 (0000:01:10.0) has no "
		"IOMMU group: the machine has no IOMMU, or it is off; allowed are VFs behind one");
	/* known before VFs are enabled */
	set_numvfs(0);
	sh("mv sys/bus/pci/devices/" PF "/iommu_group .");
	refused(conf, 1, 1,
		"found pf:pf0,vf=0: the PF 0000:01:00.0 has no IOMMU group: the machine");
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
	sh("mv iommu_group sys/bus/pci/devices/" PF "/");
	enabled(2);
	sh("rm sys/bus/pci/devices/%s/iommu_group", vf_pci(0));
	/* VF 1 shares its group with a bridge, VF 0, and a disk */
	sh("ln -s x sys/kernel/iommu_groups/41/devices/%s", vf_pci(0));
	sh("ln -s x sys/kernel/iommu_groups/41/devices/0000:00:01.0");
	sh("mkdir sys/bus/pci/devices/0000:00:01.0");
	put("0x060400\n", "sys/bus/pci/devices/0000:00:01.0/class");
	sh("ln -s x/shpchp sys/bus/pci/devices/0000:00:01.0/driver");
	sh("ln -s x sys/kernel/iommu_groups/41/devices/0000:01:00.5");
	sh("mkdir sys/bus/pci/devices/0000:01:00.5");
	sh("ln -s x/nvme sys/bus/pci/devices/0000:01:00.5/driver");
	refused(conf + 1, 1, 1,
		"shares its IOMMU group with 0000:01:00.5 (nvme), 0000:01:10.0 (igbvf); "
		"allowed are groups of which nothing else is in use");
	/* together, when the disk is gone */
	sh("rm sys/bus/pci/devices/0000:01:00.5/driver");
	sh("ln -s ../../../../kernel/iommu_groups/41 sys/bus/pci/devices/%s/iommu_group",
		vf_pci(0));
	CU_ASSERT_EQUAL_FATAL(claim(conf, 2), 0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
}

static void test_no_vfio(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	fake.vfio = false;
	refused(conf, 1, 1,
		"the kernel has no driver vfio-pci, and modprobe vfio-pci does not load it");
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 0);
	enabled(1);
	refused(conf, 1, 1, "the kernel has no driver vfio-pci");
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
}

/* Whichever write to sysfs fails: an error, and everything as before. */
static void test_each_step(void)
{
	for (int existing = 0; existing < 2; existing++) {
		struct pmd_vf_conf conf[] = { DPDK("p0", 0), DPDK("p1", 1) };
		unsigned int nb = 0;

		if (existing)
			enabled(2);
		fake.nb_writes = 0;
		conf[0].attr.vlan = 9;
		CU_ASSERT_EQUAL_FATAL(claim(conf, 2), 0);
		nb = fake.nb_writes;
		pmd_sriov_release(s);
		for (unsigned int i = 1; i <= nb; i++) {
			fake.nb_writes = 0;
			fake.fail_at = i;
			fake.fail_with = -EIO;
			if (claim(conf, 2) == 0) /* the switch for autoprobe is no must */
				pmd_sriov_release(s);
			fake.fail_at = 0;
			CU_ASSERT_TRUE(is_clean());
			CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), existing ? 2 : 0);
			if (existing) {
				CU_ASSERT_TRUE(is_bound(0, "igbvf"));
				CU_ASSERT_TRUE(is_bound(1, "igbvf"));
				CU_ASSERT_TRUE(has_override(0, ""));
				CU_ASSERT_EQUAL(fake.attr[0].vlan, 0);
			}
			logged();
		}
	}
}

static void test_cannot_enable(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	fake.fail_on = "sriov_numvfs";
	fake.fail_with = -ENOMEM;
	refused(conf, 1, 1,
		"found pf:pf0,vf=0: pf0: cannot enable 1 VFs: Cannot allocate memory (does "
		"the firmware leave room");
	fake.fail_with = -EACCES;
	refused(conf, 1, 1, "Permission denied (only root may");
}

static void test_vanished(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0), DPDK("p1", 1) };

	CU_ASSERT_EQUAL_FATAL(claim(conf, 2), 0);
	CU_ASSERT_TRUE(pmd_vf_present(vf_pci(1)));
	sh("rm sys/bus/pci/devices/%s/physfn", vf_pci(1)); /* the kernel's first step */
	CU_ASSERT_FALSE(pmd_vf_present(vf_pci(1)));
	put("\xff\xff\xff\xff\xff\xff\xff\xff", "sys/bus/pci/devices/%s/config", vf_pci(0));
	CU_ASSERT_FALSE(pmd_vf_present(vf_pci(0)));
	remove_vf(1);
	CU_ASSERT_FALSE(pmd_vf_present(vf_pci(1)));
	remove_vf(0);
	put("0\n", "sys/bus/pci/devices/" PF "/sriov_numvfs");
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
}

/* A device that a process (ourselves: a port that could not be closed) has open is not unbound. */
static void test_still_open(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0) };

	enabled(1);
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	opened(0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_bound(0, "vfio-pci"));
	CU_ASSERT_TRUE(
		says(logged(), "VF 0000:01:10.0: left as it is, since pid 77 (other) has it open"));
	/* the next start */
	sh("rm proc/77/fd/9");
	CU_ASSERT_EQUAL_FATAL(claim(NULL, 0), 0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
	CU_ASSERT_TRUE(is_clean());
}

static const struct unit_test tests[] = {
	{ "no port wants a VF", test_none },
	{ "VFs are enabled, and disabled again", test_enable },
	{ "as many as are needed", test_needed },
	{ "VFs that exist", test_existing },
	{ "a VF that is on vfio-pci already", test_prepared },
	{ "wrong PFs", test_wrong_pf },
	{ "wrong indices", test_wrong_index },
	{ "too few VFs", test_too_few },
	{ "VFs in use: each user is named", test_in_use },
	{ "two daemons on one PF", test_two_daemons },
	{ "attributes that a driver refuses", test_attributes },
	{ "a rate waits for the PF's link", test_link },
	{ "a MAC address of the VF's own", test_own_mac },
	{ "an address made up", test_mac_made_up },
	{ "a PF without a netdev", test_no_netdev },
	{ "IOMMU groups", test_iommu },
	{ "no vfio-pci", test_no_vfio },
	{ "each step may fail", test_each_step },
	{ "VFs that cannot be enabled", test_cannot_enable },
	{ "a VF that vanishes", test_vanished },
	{ "a VF that is still open", test_still_open },
};

UNIT_MAIN("pmd/sriov/claim", setup, teardown, tests)
