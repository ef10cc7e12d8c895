/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs that have been destroyed, and that somebody makes anew. */
#include "pmd/sriov/claim.h"
#include "pmd/sriov/vf.h"

#include "tests/unit/pmd/sriov/fake.h"

static struct pmd_sriov *s;

static struct pmd_vf_conf conf_of(int index)
{
	struct pmd_vf_conf conf = DPDK("p0", index);

	conf.attr.known = ALL;
	conf.attr.mac[5] = 9;
	conf.attr.vlan = 100;
	return conf;
}

static void begin(int index)
{
	struct pmd_vf_conf conf = conf_of(index);

	CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(&conf, 1, "vfring", &s), 0);
	pmd_sriov_env.wait_ms = 0; /* each look is one */
	logged();
}

/* Twice seen, it is taken. */
static int again(void)
{
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	return pmd_sriov_again(s, 0);
}

static bool is_prepared(unsigned int vf)
{
	return is_bound(vf, "vfio-pci") && fake.attr[vf].mac[5] == 9 && fake.attr[vf].vlan == 100 &&
		pmd_sysfs_exists("%s/vf-%s", fake.state, vf_pci(vf));
}

/* As its maker has it. */
static bool is_untouched(unsigned int vf)
{
	return is_bound(vf, "igbvf") && has_override(vf, "") && fake.attr[vf].mac[5] == 0 &&
		fake.attr[vf].vlan == 0;
}

static void test_anew(void)
{
	set_numvfs(2);
	begin(1);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), 0); /* it is there */
	set_numvfs(0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_TRUE(is_clean());
	set_numvfs(1); /* another one */
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_TRUE(is_untouched(0));
	set_numvfs(0);
	set_numvfs(3);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_TRUE(is_untouched(1));
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), 0);
	CU_ASSERT_TRUE(is_prepared(1));
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 0), vf_pci(1));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_untouched(1));
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 3);
	CU_ASSERT_TRUE(is_clean());
}

/* Between two looks: it is another one all the same. `auto` stays with its index. */
static void test_unseen(void)
{
	set_numvfs(2);
	begin(PMD_VF_AUTO);
	set_numvfs(0);
	set_numvfs(2);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_EQUAL(again(), 0);
	CU_ASSERT_TRUE(is_prepared(0));
	CU_ASSERT_TRUE(is_untouched(1));
	/* once more, and the end comes before the next look */
	set_numvfs(0);
	set_numvfs(2);
	fake.writes[0] = '\0';
	pmd_sriov_release(s);
	CU_ASSERT_STRING_EQUAL(fake.writes, "");
	CU_ASSERT_TRUE(is_clean());
}

/* VFs that we made, and others destroyed: those that come again are not ours to take away. */
static void test_not_ours(void)
{
	begin(0);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 1);
	set_numvfs(0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	set_numvfs(1);
	CU_ASSERT_EQUAL(again(), 0);
	CU_ASSERT_TRUE(is_prepared(0));
	pmd_sriov_release(s);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 1);
	CU_ASSERT_TRUE(is_untouched(0));
	CU_ASSERT_TRUE(is_clean());
}

/* Another vfringd was faster. */
static void test_not_ours_either(void)
{
	struct pmd_pf_state st;

	begin(0);
	set_numvfs(0);
	set_numvfs(1);
	CU_ASSERT_EQUAL_FATAL(pmd_state_pf_read(PF, &st), 0);
	CU_ASSERT_NOT_EQUAL(st.inode, 0);
	st.inode = pmd_sysfs_inode(PMD_PCI_FILE("virtfn0"), PF);
	CU_ASSERT_EQUAL_FATAL(pmd_state_pf_write(&st), 0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN); /* ours is forgotten */
	CU_ASSERT_EQUAL(pmd_state_pf_read(PF, &st), 0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), 0);
	pmd_sriov_release(s);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 0);
	CU_ASSERT_TRUE(is_clean());
}

/* Killed, then all destroyed and made anew: what its files say is about other VFs. */
static void test_killed(void)
{
	struct pmd_vf_conf conf = conf_of(0);

	for (unsigned int existing = 0; existing < 2; existing++) {
		for (unsigned int wanted = 0; wanted < 2; wanted++) {
			set_numvfs(existing);
			pid_t pid = fork();

			if (pid == 0)
				_exit(pmd_sriov_claim(&conf, 1, "vfring", &s) != 0);
			CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
			CU_ASSERT_TRUE(is_prepared(0));
			set_numvfs(0);
			set_numvfs(1);
			fake.writes[0] = '\0';
			logged();
			CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(&conf, wanted, "vfring", &s), 0);
			CU_ASSERT_TRUE(says(
				logged(), "VF 0000:01:10.0: another one by now, left as it is"));
			CU_ASSERT_EQUAL(is_prepared(0), wanted == 1);
			CU_ASSERT_EQUAL(fake.writes[0] == '\0', wanted == 0);
			pmd_sriov_release(s);
			CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 1);
			CU_ASSERT_TRUE(is_untouched(0));
			CU_ASSERT_TRUE(is_clean());
			set_numvfs(0);
		}
	}
}

static void test_in_use(void)
{
	set_numvfs(1);
	begin(0);
	set_numvfs(0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	set_numvfs(1);
	put("0x1003\n", "sys/bus/pci/devices/%s/net/vfnet0/flags", vf_pci(0));
	CU_ASSERT_EQUAL(again(), -EAGAIN);
	CU_ASSERT_TRUE(
		says(logged(), "[port p0] device: waiting for VF 0 of pf0: netdev vfnet0, up"));
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_STRING_EQUAL(logged(), "");
	CU_ASSERT_TRUE(is_untouched(0));
	put("0x1002\n", "sys/bus/pci/devices/%s/net/vfnet0/flags", vf_pci(0));
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), 0);
	CU_ASSERT_TRUE(is_prepared(0));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
}

/* Not destroyed: what it was at first is still known, and whoever took it has it. */
static void test_taken(void)
{
	set_numvfs(1);
	begin(0);
	unbind(vf_pci(0));
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_TRUE(says(logged(), "waiting for VF 0 of pf0: not on vfio-pci"));
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_STRING_EQUAL(logged(), "");
	CU_ASSERT_TRUE(is_bound(0, ""));
	bind_to(vf_pci(0), "vfio-pci");
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), 0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_untouched(0));
	CU_ASSERT_TRUE(is_clean());
}

static void test_fails(void)
{
	set_numvfs(1);
	begin(0);
	set_numvfs(0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	set_numvfs(1);
	fake.not_supported = 1u << PMD_VF_VLAN;
	CU_ASSERT_EQUAL(again(), -EIO);
	CU_ASSERT_TRUE(says(logged(), "[port p0] vlan: found 100; the PF's driver igb refuses it"));
	CU_ASSERT_TRUE(is_untouched(0));
	CU_ASSERT_TRUE(is_clean());
	fake.not_supported = 0;
	/* the next look is later */
	pmd_sriov_env.wait_ms = 100000;
	fake.writes[0] = '\0';
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	CU_ASSERT_STRING_EQUAL(fake.writes, "");
	pmd_sriov_env.wait_ms = 0;
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), 0);
	CU_ASSERT_TRUE(is_prepared(0));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
}

/* The PF is known by its address: its name may be another one now, or another's. */
static void test_pf_name(void)
{
	set_numvfs(1);
	begin(0);
	set_numvfs(0);
	CU_ASSERT_EQUAL(pmd_sriov_again(s, 0), -EAGAIN);
	sh("mv sys/bus/pci/devices/" PF "/net/pf0 sys/bus/pci/devices/" PF "/net/eth7");
	sh("mv sys/class/net/pf0 sys/class/net/eth7");
	set_numvfs(1);
	CU_ASSERT_EQUAL(again(), 0);
	CU_ASSERT_TRUE(is_prepared(0));
	CU_ASSERT_STRING_EQUAL(pmd_sriov_name(s, 0), "VF 0 of eth7 (0000:01:10.0)");
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
}

static const struct unit_test tests[] = {
	{ "made anew", test_anew },
	{ "made anew between two looks", test_unseen },
	{ "made anew by others, and left to them", test_not_ours },
	{ "made anew by another vfringd", test_not_ours_either },
	{ "killed, then made anew", test_killed },
	{ "made anew, and in use", test_in_use },
	{ "taken, but not destroyed", test_taken },
	{ "cannot be prepared: a pause, and again", test_fails },
	{ "the PF has another name", test_pf_name },
};

UNIT_MAIN("pmd/sriov/again", setup, teardown, tests)
