/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's netdev and its namespace: the VF is made up, the netdev a veth of that name, in namespaces
 * of the test's own. (A veth has no PCI address, so that it is not found in a namespace by that.)
 */
#include "tests/unit/pmd/sriov/fake.h"
#include "tests/unit/pmd/sriov/netns.h"

#include <arpa/inet.h>

static struct pmd_sriov *s;
static char netns[96];

static struct pmd_vf_conf conf_of(const char *ifname)
{
	struct pmd_vf_conf conf = DPDK("p0", 0);

	conf.kind = PMD_VF_NETDEV;
	conf.container = "db0";
	conf.netns = netns;
	conf.ifname = ifname;
	conf.family = AF_INET;
	conf.prefix = 24;
	conf.address[0] = 10;
	conf.address[3] = 2;
	return conf;
}

static void begin(const char *ifname)
{
	struct pmd_vf_conf conf = conf_of(ifname);

	snprintf(netns, sizeof(netns), "%s/netns", fake.root);
	set_numvfs(1);
	CU_ASSERT_TRUE_FATAL(run("ip link add vfnet0 type veth peer name peer"));
	CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(&conf, 1, "vfring", &s), 0);
	CU_ASSERT_TRUE(is_bound(0, "igbvf"));
	logged();
}

/* As `ip netns add` does. */
static void mount_netns(int fd)
{
	put("", "netns");
	CU_ASSERT_TRUE_FATAL(run("mount --bind /proc/%d/fd/%d %s", (int)getpid(), fd, netns));
}

static void umount_netns(void)
{
	CU_ASSERT_TRUE(run("umount %s", netns));
	sh("rm netns");
}

static void end(void)
{
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
	CU_ASSERT_TRUE(run("ip link del vfnet0 2>/dev/null || ip link del peer"));
}

static void test_waits(void)
{
	begin("eth1");
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_TRUE(says(logged(), "[container db0] netns: waiting: /tmp"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_STRING_EQUAL(logged(), ""); /* once is enough */
	/* a file before it is a mount: for a moment */
	put("", "netns");
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_STRING_EQUAL(logged(), "");
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_FAILED);
	CU_ASSERT_TRUE(
		says(logged(), "/netns is no namespace; allowed is a file as /run/netns/NAME"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_FAILED);
	CU_ASSERT_STRING_EQUAL(logged(), "");
	end();
}

static void test_place(void)
{
	int fd = netns_new();
	struct pmd_link link;
	struct pmd_nl *there;

	begin("eth1");
	mount_netns(fd);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);
	CU_ASSERT_TRUE(
		says(logged(), "[container db0] VF 0 of pf0 (0000:01:10.0) is eth1 in /tmp"));
	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(fd, &there), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_get(there, "eth1", &link), 0);
	CU_ASSERT_TRUE(link.up);
	pmd_nl_close(there);
	CU_ASSERT_TRUE(
		run("nsenter --net=%s ip -4 -o addr show eth1 | grep -q 10.0.0.2/24", netns));
	sh("rm -r sys/bus/pci/devices/%s/net", vf_pci(0)); /* sysfs of this namespace */
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);

	/* the path is gone, the namespace lives on: it is left there */
	umount_netns();
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);
	CU_ASSERT_STRING_EQUAL(logged(), "");

	/* another one under the path: a new netdev */
	int other = netns_new();
	mount_netns(other);
	fake.writes[0] = '\0';
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_STRING_EQUAL(fake.writes, "unbind=0000:01:10.0 drivers_probe=0000:01:10.0 ");
	/* its driver takes a while to make it: it is not bound once more */
	unsigned int wait_ms = pmd_sriov_env.wait_ms;
	sh("mv sys/bus/pci/devices/%s/net later", vf_pci(0));
	fake.writes[0] = '\0';
	pmd_sriov_env.wait_ms = 10000;
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_STRING_EQUAL(fake.writes, "");
	pmd_sriov_env.wait_ms = 0;
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_STRING_EQUAL(fake.writes, "unbind=0000:01:10.0 drivers_probe=0000:01:10.0 ");
	pmd_sriov_env.wait_ms = wait_ms;
	CU_ASSERT_TRUE(run("ip link del peer && ip link add vfnet0 type veth peer name peer"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);
	sh("rm -r sys/bus/pci/devices/%s/net", vf_pci(0));

	/* the namespace dies, and the kernel brings the netdev home */
	umount_netns();
	close(other);
	run("ip link del peer 2>/dev/null");
	CU_ASSERT_TRUE(run("ip link add dev9 type veth peer name peer"));
	sh("mkdir -p sys/bus/pci/devices/%s/net/dev9", vf_pci(0));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_TRUE(says(logged(), "netns: waiting"));
	pmd_sriov_release(s);
	/* with its own name */
	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(-1, &there), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_get(there, "vfnet0", &link), 0);
	pmd_nl_close(there);
	CU_ASSERT_TRUE(run("ip link del peer"));
	CU_ASSERT_TRUE(is_clean());
	close(fd);
}

/* Not placed at all rather than half. */
static void test_refused(void)
{
	int fd = netns_new();
	struct pmd_link link;
	struct pmd_nl *nl;

	begin("lo");
	mount_netns(fd);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_FAILED);
	CU_ASSERT_TRUE(says(logged(), "[container db0] netns: vfnet0 cannot be moved to"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_FAILED);
	CU_ASSERT_STRING_EQUAL(logged(), "");
	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(-1, &nl), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_get(nl, "vfnet0", &link), 0);
	umount_netns();
	end();

	struct pmd_vf_conf conf = conf_of("eth1");
	conf.family = AF_UNIX; /* set up fails when it has been moved */
	CU_ASSERT_TRUE_FATAL(run("ip link add vfnet0 type veth peer name peer"));
	CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(&conf, 1, "vfring", &s), 0);
	mount_netns(fd);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_FAILED);
	CU_ASSERT_TRUE(says(logged(), "eth1 cannot be set up in"));
	CU_ASSERT_EQUAL(pmd_nl_link_get(nl, "vfnet0", &link), 0);
	CU_ASSERT_FALSE(link.up);
	pmd_nl_close(nl);
	umount_netns();
	end();
	close(fd);
}

/* Made up or set on the VF's side: the new netdev has it again. */
static void test_own_mac(void)
{
	struct pmd_vf_conf conf = DPDK("p0", 0);
	struct pmd_link link;
	struct pmd_nl *nl;

	set_numvfs(1);
	put("3\n", "sys/bus/pci/devices/%s/net/vfnet0/addr_assign_type", vf_pci(0));
	CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(&conf, 1, "vfring", &s), 0);
	CU_ASSERT_TRUE_FATAL(run("ip link add vfnet0 type veth peer name peer"));
	pmd_sriov_release(s);
	CU_ASSERT_TRUE(is_clean());
	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(-1, &nl), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_get(nl, "vfnet0", &link), 0);
	CU_ASSERT_EQUAL(memcmp(link.mac, "\x02\x00\x00\x00\xaa\xbb", 6), 0);
	pmd_nl_close(nl);
	CU_ASSERT_TRUE(run("ip link del peer"));
}

/* The container gets the address that the PF has for it, if its driver can. */
static void test_mac_made_up(void)
{
	struct pmd_vf_conf conf = conf_of("eth1");
	int fd = netns_new();

	snprintf(netns, sizeof(netns), "%s/netns", fake.root);
	conf.attr.known = ALL;
	conf.attr.mac[5] = 9;
	set_numvfs(1);
	CU_ASSERT_TRUE_FATAL(run("ip link add vfnet0 type veth peer name peer"));
	fake.no_mac = 2;
	CU_ASSERT_EQUAL_FATAL(pmd_sriov_claim(&conf, 1, "vfring", &s), 0);
	mount_netns(fd);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_EQUAL(
		lines(logged(), "the driver of VF 0 of pf0 (0000:01:10.0) has made a MAC"), 2);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);
	umount_netns();
	end();
	close(fd);
}

static void test_gone(void)
{
	begin("eth1");
	remove_vf(0);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_GONE);
	CU_ASSERT_TRUE(says(logged(), "the VF has been taken away"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_GONE);
	CU_ASSERT_STRING_EQUAL(logged(), "");
	end();
}

static void test_again(void)
{
	int fd = netns_new();

	begin("eth1");
	mount_netns(fd);
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);
	remove_vf(0);
	CU_ASSERT_TRUE(run("ip link del peer"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_GONE);
	pmd_sriov_env.wait_ms = 0; /* looks each time */
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_GONE);
	add_vf(0);
	CU_ASSERT_TRUE_FATAL(run("ip link add vfnet0 type veth peer name peer"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_GONE); /* a moment for its maker */
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_WAITING);
	CU_ASSERT_TRUE(says(logged(), "[container db0] VF 0 of pf0 (0000:01:10.0) is there again"));
	CU_ASSERT_EQUAL(pmd_sriov_place(s, 0), PMD_VF_PLACED);
	umount_netns();
	end();
	close(fd);
}

static const struct unit_test tests[] = {
	{ "waits for the namespace", test_waits },
	{ "placed, replaced, and home again", test_place },
	{ "what cannot be placed stays at home", test_refused },
	{ "an address of its own", test_own_mac },
	{ "an address made up", test_mac_made_up },
	{ "the VF is gone", test_gone },
	{ "the VF comes again", test_again },
};

int main(void)
{
	/* A mount namespace, too: what is mounted here is nobody's business. */
	if (!netns_enter() || unshare(CLONE_NEWNS) != 0 || !run("mount --make-rprivate /")) {
		printf("1..0 # SKIP no namespaces can be made here\n");
		return 0;
	}
	return unit_run(
		"pmd/sriov/netdev", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
