/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/pmd/sriov/fake.h"

#include <fcntl.h>

#define VF "0000:01:10.0"

static const struct pmd_vf_state full = {
	.pci = VF,
	.instance = "vfring",
	.port = "web0",
	.pf = PF,
	.index = 3,
	.inode = UINT64_MAX,
	.has_driver = true,
	.has_override = true,
	.has_netdev = true,
	.driver = "igbvf",
	.netdev = "ens1f0v3",
	.attr = { .known = ALL,
		.mac = { 2, 0, 0, 0xaa, 0, 9 },
		.vlan = 4094,
		.vlan_proto = ETH_P_8021AD,
		.qos = 7,
		.spoof_check = true,
		.link_state = 2,
		.max_tx_rate = 4000000000,
		.min_tx_rate = 1 },
	.netns = "/run/netns/db0",
	.ifname = "eth1",
};

static int lock;

static void begin(void)
{
	lock = pmd_state_lock();
	CU_ASSERT_FATAL(lock >= 0);
}

static void test_round_trip(void)
{
	struct pmd_vf_state st;
	struct stat file;
	int fd = -1;

	begin();
	CU_ASSERT_EQUAL_FATAL(pmd_state_vf_write(&full, &fd), 0);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_TRUE(st.locked);
	CU_ASSERT_FALSE(st.damaged);
	CU_ASSERT_STRING_EQUAL(st.pci, full.pci);
	CU_ASSERT_STRING_EQUAL(st.instance, full.instance);
	CU_ASSERT_STRING_EQUAL(st.port, full.port);
	CU_ASSERT_STRING_EQUAL(st.pf, full.pf);
	CU_ASSERT_EQUAL(st.index, full.index);
	CU_ASSERT_EQUAL(st.inode, full.inode);
	CU_ASSERT_TRUE(st.has_driver && st.has_override && st.has_netdev);
	CU_ASSERT_STRING_EQUAL(st.driver, full.driver);
	CU_ASSERT_STRING_EQUAL(st.driver_override, "");
	CU_ASSERT_STRING_EQUAL(st.netdev, full.netdev);
	CU_ASSERT_STRING_EQUAL(st.netns, full.netns);
	CU_ASSERT_STRING_EQUAL(st.ifname, full.ifname);
	CU_ASSERT_EQUAL(memcmp(&st.attr, &full.attr, sizeof(st.attr)), 0);

	/* Who may not read it may see that it is there, and cannot lock it. */
	CU_ASSERT_EQUAL(stat(fake.state, &file), 0);
	CU_ASSERT_EQUAL(file.st_mode & 0777, 0755);
	CU_ASSERT_EQUAL(fstat(fd, &file), 0);
	CU_ASSERT_EQUAL(file.st_mode & 0777, 0600);
	pmd_state_vf_remove(VF, fd);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), -ENOENT);
	pmd_state_unlock(lock);
}

/* What we do not change is not in the file, and not known afterwards. */
static void test_some(void)
{
	struct pmd_vf_state st = full;
	int fd = -1;

	begin();
	st.attr.known = 1u << PMD_VF_TRUST | 1u << PMD_VF_VLAN;
	st.has_netdev = false;
	CU_ASSERT_EQUAL_FATAL(pmd_state_vf_write(&st, &fd), 0);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_FALSE(st.damaged);
	CU_ASSERT_FALSE(st.has_netdev);
	CU_ASSERT_EQUAL(st.attr.known, 1u << PMD_VF_TRUST | 1u << PMD_VF_VLAN);
	CU_ASSERT_EQUAL(st.attr.mac[5], 0);
	pmd_state_unlock(fd);
	pmd_state_unlock(lock);
}

static void test_locks(void)
{
	struct pmd_vf_state st = full;
	int fd = -1, other = -1;

	begin();
	CU_ASSERT_EQUAL(pmd_state_lock(), -EBUSY);
	CU_ASSERT_EQUAL_FATAL(pmd_state_vf_write(&st, &fd), 0);
	CU_ASSERT_EQUAL(pmd_state_vf_write(&st, &other), -EBUSY);
	CU_ASSERT_EQUAL(other, -1);
	/* the owner writes again, and keeps it */
	st.index = 4;
	CU_ASSERT_EQUAL(pmd_state_vf_write(&st, &fd), 0);
	CU_ASSERT_EQUAL(pmd_state_vf_write(&st, &other), -EBUSY);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_EQUAL(st.index, 4);
	CU_ASSERT_TRUE(st.locked);
	/* it dies */
	close(fd);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_FALSE(st.locked);
	CU_ASSERT_EQUAL(pmd_state_vf_write(&st, &other), 0);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_TRUE(st.locked);
	pmd_state_vf_remove(VF, other);
	pmd_state_unlock(lock);
	begin(); /* it has been given back */
	pmd_state_unlock(lock);
}

static void test_pf(void)
{
	struct pmd_pf_state st = { .pci = PF, .enabled = 5 }, in;

	begin();
	CU_ASSERT_EQUAL(pmd_state_pf_read(PF, &in), -ENOENT);
	CU_ASSERT_EQUAL(pmd_state_pf_write(&st), 0);
	CU_ASSERT_EQUAL(pmd_state_pf_read(PF, &in), 0);
	CU_ASSERT_FALSE(in.damaged);
	CU_ASSERT_EQUAL(in.enabled, 5);
	CU_ASSERT_FALSE(in.autoprobe);
	CU_ASSERT_STRING_EQUAL(in.pci, PF);
	pmd_state_pf_remove(PF);
	CU_ASSERT_EQUAL(pmd_state_pf_read(PF, &in), -ENOENT);
	pmd_state_unlock(lock);
}

static void test_names(void)
{
	struct pmd_sysfs_names vfs, pfs;
	struct pmd_pf_state pf = { .pci = PF };

	CU_ASSERT_EQUAL(pmd_state_vfs(&vfs), 0); /* no folder at all */
	pmd_sysfs_names_free(&vfs);
	begin();
	put("", "run/state/vf-0000:01:10.10");
	put("", "run/state/vf-0000:01:10.2");
	put("", "run/state/.vf-0000:01:10.3"); /* of one that died while it wrote */
	put("", "run/state/vf-an address that is much too long to be one");
	CU_ASSERT_EQUAL(pmd_state_pf_write(&pf), 0);
	CU_ASSERT_EQUAL_FATAL(pmd_state_vfs(&vfs), 2);
	CU_ASSERT_STRING_EQUAL(vfs.name[0], "0000:01:10.2");
	CU_ASSERT_STRING_EQUAL(vfs.name[1], "0000:01:10.10");
	CU_ASSERT_EQUAL_FATAL(pmd_state_pfs(&pfs), 1);
	CU_ASSERT_STRING_EQUAL(pfs.name[0], PF);
	pmd_sysfs_names_free(&vfs);
	pmd_sysfs_names_free(&pfs);
	pmd_state_unlock(lock);
}

static struct pmd_vf_state damaged(const char *text)
{
	struct pmd_vf_state st;

	put(text, "run/state/vf-" VF);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	if (!st.damaged)
		printf("# not damaged: %s\n", text);
	CU_ASSERT_TRUE(st.damaged);
	return st;
}

static void test_damaged(void)
{
	static const char *const bad[] = { "", "\n", "complete = yes", "complete = yes\nport = a\n",
		"nonsense\ncomplete = yes\n", "colour = red\ncomplete = yes\n", "index = -1\n",
		"index = 4294967296\ncomplete = yes\n", "index = 1x\ncomplete = yes\n",
		"driver = a/b\ncomplete = yes\n", "driver = ..\ncomplete = yes\n",
		"mac = 02:00:00:00:00\ncomplete = yes\n",
		"mac = 02:00:00:00:00:0\ncomplete = yes\n",
		"mac = 02:00:00:00:00:00:00\ncomplete = yes\n", "trust = maybe\ncomplete = yes\n",
		"vlan = 65536\ncomplete = yes\n", "vlan_qos = 256\ncomplete = yes\n",
		"ifname = a-name-longer-than-fifteen\ncomplete = yes\n", "port=a\ncomplete = yes\n",
		" = \ncomplete = yes\n" };
	struct pmd_vf_state st;

	begin();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		st = damaged(bad[i]);
		CU_ASSERT_FALSE(st.has_driver);
		CU_ASSERT_EQUAL(st.attr.known, 0);
	}
	/* What is there is known. */
	st = damaged("driver = igbvf\nvlan_qos = 3\nvlan = 5\nmac = 02:00");
	CU_ASSERT_TRUE(st.has_driver);
	CU_ASSERT_STRING_EQUAL(st.driver, "igbvf");
	CU_ASSERT_EQUAL(st.attr.known, 1u << PMD_VF_VLAN);
	/* no file, but something of that name */
	sh("rm run/state/vf-" VF " && mkdir run/state/vf-" VF);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_TRUE(st.damaged);
	sh("rmdir run/state/vf-" VF " && mkfifo run/state/vf-" VF);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_TRUE(st.damaged);
	sh("rm run/state/vf-" VF " && ln -s /etc/passwd run/state/vf-" VF);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), -ELOOP);
	/* long, and with bytes of every kind */
	sh("rm run/state/vf-" VF " && head -c 100000 /dev/urandom >run/state/vf-" VF);
	CU_ASSERT_EQUAL(pmd_state_vf_read(VF, &st), 0);
	CU_ASSERT_TRUE(st.damaged);
	pmd_state_unlock(lock);
}

static void test_no_folder(void)
{
	put("", "run");
	CU_ASSERT_EQUAL(pmd_state_lock(), -ENOTDIR);
}

static const struct unit_test tests[] = {
	{ "written and read", test_round_trip },
	{ "only what is known", test_some },
	{ "locks", test_locks },
	{ "a PF's file", test_pf },
	{ "the files there are", test_names },
	{ "damaged files", test_damaged },
	{ "no folder can be made", test_no_folder },
};

UNIT_MAIN("pmd/sriov/state", setup, teardown, tests)
