/* SPDX-License-Identifier: BSD-3-Clause */
/* A vfringd that is killed, at any moment, and what the next start makes of it. */
#include "tests/unit/pmd/sriov/fake.h"

static struct pmd_sriov *s;

static int claim(const struct pmd_vf_conf *conf, unsigned int nb)
{
	return pmd_sriov_claim(conf, nb, "vfring", &s);
}

/*
 * Another process that claims, and gives back if `release`; killed at step die_at (0: in between).
 * Returns how many steps it made, at most 255.
 */
static unsigned int killed(const struct pmd_vf_conf *conf, unsigned int nb, unsigned int die_at,
	bool after, bool release)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		fake.die_at = die_at;
		fake.die_after = after;
		fake.nb_steps = 0;
		if (claim(conf, nb) != 0)
			_exit(255);
		if (release)
			pmd_sriov_release(s);
		_exit((int)fake.nb_steps);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_NOT_EQUAL(WEXITSTATUS(status), 255);
	return (unsigned int)WEXITSTATUS(status);
}

/* As before the first claim: VFs of others, on their driver; or none. */
static bool as_found(bool existing)
{
	bool good = is_clean() && pf_number("sriov_numvfs") == (existing ? 2 : 0);

	for (unsigned int i = 0; existing && i < 2; i++)
		good = good && is_bound(i, "igbvf") && has_override(i, "") &&
			fake.attr[i].vlan == 0 && fake.attr[i].mac[5] == 0;
	return good;
}

static void next_start_cleans(void)
{
	CU_ASSERT_EQUAL_FATAL(claim(NULL, 0), 0);
	pmd_sriov_release(s);
}

static void test_each_step(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0), DPDK("p1", 1) };

	conf[0].attr.vlan = 9;
	conf[1].attr.known = ALL;
	conf[1].attr.mac[5] = 1;
	for (int existing = 0; existing < 2; existing++) {
		unsigned int nb;

		if (existing)
			set_numvfs(2);
		nb = killed(conf, 2, 0, false, true);
		CU_ASSERT_TRUE(nb > 10);
		CU_ASSERT_TRUE(as_found(existing));
		for (unsigned int i = 1; i <= nb * 2; i++) {
			killed(conf, 2, (i + 1) / 2, i % 2 == 0, true);
			next_start_cleans();
			CU_ASSERT_TRUE(as_found(existing));
			/* and by the same configuration once more */
			killed(conf, 2, (i + 1) / 2, i % 2 == 0, true);
			CU_ASSERT_EQUAL_FATAL(claim(conf, 2), 0);
			CU_ASSERT_TRUE(is_bound(0, "vfio-pci") && is_bound(1, "vfio-pci"));
			CU_ASSERT_EQUAL(fake.attr[0].vlan, 9);
			CU_ASSERT_EQUAL(fake.attr[1].mac[5], 1);
			pmd_sriov_release(s);
			CU_ASSERT_TRUE(as_found(existing));
			if (CU_get_number_of_failures() != 0) {
				printf("# existing %d, step %u\n", existing, i);
				return;
			}
		}
	}
}

static void test_take_over(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 1) };

	set_numvfs(2);
	conf[0].attr.vlan = 9;
	killed(conf, 1, 0, false, false);
	CU_ASSERT_TRUE(is_bound(1, "vfio-pci"));
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	CU_ASSERT_TRUE(says(logged(),
		"[port p0] device: VF 1 of pf0 (0000:01:10.1) taken over from a "
		"vfringd that died"));
	CU_ASSERT_EQUAL(fake.nb_writes, 0); /* all is as it should be */
	CU_ASSERT_EQUAL(fake.nb_sets, 0);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(as_found(true));
}

/* Another configuration: other values, a key that is not there any more, another VF. */
static void test_changed(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 1) }, other[] = { DPDK("p0", 0) };

	set_numvfs(2);
	conf[0].attr.known = ALL;
	conf[0].attr.mac[5] = 5;
	conf[0].attr.vlan = 9;
	killed(conf, 1, 0, false, false);
	conf[0].attr.known = ALL & ~(1u << PMD_VF_MAC);
	conf[0].attr.vlan = 0;
	conf[0].attr.trust = true;
	CU_ASSERT_EQUAL_FATAL(claim(conf, 1), 0);
	CU_ASSERT_EQUAL(fake.attr[1].mac[5], 0);
	CU_ASSERT_EQUAL(fake.attr[1].vlan, 0);
	CU_ASSERT_TRUE(fake.attr[1].trust);
	pmd_sriov_release(s);
	CU_ASSERT_FALSE(fake.attr[1].trust);
	CU_ASSERT_TRUE(as_found(true));

	killed(conf, 1, 0, false, false);
	CU_ASSERT_EQUAL_FATAL(claim(other, 1), 0);
	CU_ASSERT_TRUE(is_bound(0, "vfio-pci"));
	CU_ASSERT_TRUE(is_bound(1, "igbvf"));
	CU_ASSERT_FALSE(fake.attr[1].trust);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(as_found(true));
}

static void test_auto_again(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", PMD_VF_AUTO), DPDK("p1", PMD_VF_AUTO) };

	set_numvfs(2);
	killed(conf, 2, 0, false, false);
	/* p1 alone still has VF 1, though 0 is free by then */
	CU_ASSERT_EQUAL_FATAL(claim(conf + 1, 1), 0);
	CU_ASSERT_STRING_EQUAL(pmd_sriov_pci(s, 0), vf_pci(1));
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(as_found(true));
}

/* Enabled by us, used by nobody, and too few now: they come back as more. */
static void test_more(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 0), DPDK("p1", 3) };

	killed(conf, 1, 0, false, false);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 1);
	CU_ASSERT_EQUAL_FATAL(claim(conf, 2), 0);
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 4);
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(as_found(false));

	/* not if another has one of them */
	killed(conf, 1, 0, false, false);
	sh("ln -s /dev/vfio/40 proc/77/fd/9");
	CU_ASSERT_EQUAL(claim(conf + 1, 1), -EINVAL);
	CU_ASSERT_TRUE(says(logged(),
		"[port p1] device: found pf:pf0,vf=3: pf0 has 1 VF(s), allowed are 0 "
		"to 0; 4 are needed"));
	CU_ASSERT_EQUAL(pf_number("sriov_numvfs"), 1);
	sh("rm proc/77/fd/9");
	next_start_cleans();
	CU_ASSERT_TRUE(as_found(false));
}

static void test_vf_gone(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 1) };

	killed(conf, 1, 0, false, false);
	set_numvfs(0);
	next_start_cleans();
	CU_ASSERT_TRUE(as_found(false));
}

/* A file that names a device which is none of its: nothing is done to that. */
static void test_forged(void)
{
	sh("mkdir -p run/state sys/bus/pci/devices/0000:00:1f.0");
	sh("ln -s ../../drivers/nvme sys/bus/pci/devices/0000:00:1f.0/driver");
	put("instance = x\nport = y\npf = " PF "\nindex = 0\ndriver = \ncomplete = yes\n",
		"run/state/vf-0000:00:1f.0");
	put("driver = ..\n", "run/state/vf-..");
	next_start_cleans();
	CU_ASSERT_EQUAL(fake.nb_writes, 0);
	CU_ASSERT_TRUE(pmd_sysfs_link((char[64]){ 0 }, 64, "%s/bus/pci/devices/0000:00:1f.0/driver",
			       fake.sys) > 0);
	CU_ASSERT_TRUE(is_clean());
}

static void test_truncated(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 1) };

	set_numvfs(2);
	conf[0].attr.vlan = 9;
	for (unsigned int lines = 0; lines < 9; lines++) {
		const char *log;

		killed(conf, 1, 0, false, false);
		sh("head -n %u run/state/vf-%s >t && cp t run/state/vf-%s", lines, vf_pci(1),
			vf_pci(1));
		next_start_cleans();
		log = logged();
		CU_ASSERT_TRUE(says(log, "/vf-0000:01:10.1 is damaged: what it tells is undone"));
		CU_ASSERT_TRUE(is_bound(1, "igbvf"));
		CU_ASSERT_TRUE(has_override(1, ""));
		CU_ASSERT_TRUE(is_clean());
		fake.attr[1].vlan = 0; /* is lost with its line */
	}
}

static void test_fuzzed(void)
{
	struct pmd_vf_conf conf[] = { DPDK("p0", 1) };

	set_numvfs(2);
	srand(1);
	for (int i = 0; i < 60; i++) {
		char path[512];

		killed(conf, 1, 0, false, false);
		snprintf(path, sizeof(path), "%s/vf-%s", fake.state, vf_pci(1));
		FILE *f = fopen(path, "r+");
		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		for (int n = rand() % 8; n >= 0; n--) {
			fseek(f, rand() % 200, SEEK_SET);
			fputc(rand() % 256, f);
		}
		fclose(f);
		next_start_cleans();
		logged();
		CU_ASSERT_TRUE(is_clean());
		CU_ASSERT_TRUE(is_bound(0, "igbvf"));
		unbind(vf_pci(1)); /* the file may have told that it had another driver, or none */
		put("(null)\n", "sys/bus/pci/devices/%s/driver_override", vf_pci(1));
		bind_to(vf_pci(1), "igbvf");
	}
}

static const struct unit_test tests[] = {
	{ "killed at each step", test_each_step },
	{ "taken over", test_take_over },
	{ "taken over by another configuration", test_changed },
	{ "auto gets the same VF again", test_auto_again },
	{ "too few VFs of our own", test_more },
	{ "the VF is gone", test_vf_gone },
	{ "a forged file", test_forged },
	{ "a truncated file", test_truncated },
	{ "a fuzzed file", test_fuzzed },
};

UNIT_MAIN("pmd/sriov/crash", setup, teardown, tests)
