/* SPDX-License-Identifier: BSD-3-Clause */
/* Against the kernel, on veth devices in namespaces of the test's own. */
#include "pmd/sriov/nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/pmd/sriov/netns.h"

static struct pmd_nl *nl;

static void setup(void)
{
	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(-1, &nl), 0);
	CU_ASSERT_TRUE_FATAL(
		run("ip link add v0 address 02:00:00:00:00:01 type veth peer name v1"));
}

static void teardown(void)
{
	struct pmd_link link;

	if (pmd_nl_link_get(nl, "v1", &link) == 0)
		CU_ASSERT_TRUE(run("ip link del v1"));
	pmd_nl_close(nl);
}

static struct pmd_link get(struct pmd_nl *where, const char *name)
{
	struct pmd_link link = { 0 };

	CU_ASSERT_EQUAL(pmd_nl_link_get(where, name, &link), 0);
	return link;
}

static void test_get(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct pmd_link link = get(nl, "v0");

	CU_ASSERT_STRING_EQUAL(link.name, "v0");
	CU_ASSERT_NOT_EQUAL(link.index, 0);
	CU_ASSERT_EQUAL(memcmp(link.mac, mac, 6), 0);
	CU_ASSERT_FALSE(link.up);
	CU_ASSERT_FALSE(link.carrier);
	CU_ASSERT_STRING_EQUAL(link.parent, "");
	CU_ASSERT_EQUAL(link.master, 0);
}

static void test_get_missing(void)
{
	static const char *const names[] = { "", "v7", "a-name-longer-than-fifteen",
		"exactly16bytes!!" };
	struct pmd_link link;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CU_ASSERT_EQUAL(pmd_nl_link_get(nl, names[i], &link), -ENODEV);
		CU_ASSERT_PTR_NOT_NULL(strstr(pmd_nl_why(nl), "No such device"));
	}
	CU_ASSERT_EQUAL(pmd_nl_link_find(nl, "0000:01:10.0", &link), -ENODEV);
	CU_ASSERT_EQUAL(pmd_nl_link_find(nl, "", &link), -ENODEV);
}

static void test_up(void)
{
	unsigned int index = get(nl, "v0").index;

	CU_ASSERT_EQUAL(pmd_nl_link_set_up(nl, index, true), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_set_up(nl, get(nl, "v1").index, true), 0);
	CU_ASSERT_TRUE(get(nl, "v0").up);
	CU_ASSERT_TRUE(get(nl, "v0").carrier);
	CU_ASSERT_EQUAL(pmd_nl_link_set_up(nl, index, false), 0);
	CU_ASSERT_FALSE(get(nl, "v0").up);
	CU_ASSERT_EQUAL(pmd_nl_link_set_up(nl, 99999, true), -ENODEV);
	CU_ASSERT_STRING_NOT_EQUAL(pmd_nl_why(nl), "");
}

static void test_rename(void)
{
	unsigned int index = get(nl, "v0").index;

	CU_ASSERT_EQUAL(pmd_nl_link_rename(nl, index, "v1"), -EEXIST);
	CU_ASSERT_EQUAL(pmd_nl_link_rename(nl, index, "exactly16bytes!!"), -EINVAL);
	CU_ASSERT_EQUAL(pmd_nl_link_rename(nl, index, "v2"), 0);
	CU_ASSERT_EQUAL(get(nl, "v2").index, index);
}

static void test_move(void)
{
	static const uint8_t v4[4] = { 10, 0, 0, 2 };
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
	int fd = netns_new();
	struct pmd_nl *there;
	struct pmd_link link;

	CU_ASSERT_EQUAL(pmd_nl_link_set_up(nl, get(nl, "v0").index, true), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_move(nl, get(nl, "v0").index, fd, "eth1"), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_get(nl, "v0", &link), -ENODEV);
	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(fd, &there), 0);
	link = get(there, "eth1");
	CU_ASSERT_FALSE(link.up);

	CU_ASSERT_EQUAL(pmd_nl_addr_add(there, link.index, AF_INET, 24, v4), 0);
	CU_ASSERT_EQUAL(pmd_nl_addr_add(there, link.index, AF_INET, 24, v4), 0); /* again */
	CU_ASSERT_EQUAL(pmd_nl_addr_add(there, link.index, AF_INET6, 64, v6), 0);
	CU_ASSERT_EQUAL(pmd_nl_addr_add(there, link.index, AF_INET, 33, v4), -EINVAL);
	CU_ASSERT_EQUAL(pmd_nl_addr_add(there, link.index, AF_UNIX, 8, v4), -EINVAL);
	CU_ASSERT_EQUAL(pmd_nl_link_set_up(there, link.index, true), 0);
	CU_ASSERT_TRUE(get(there, "eth1").up);

	/* and back, by a socket there and a descriptor of ours */
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(pmd_nl_link_move(there, link.index, own, "v1"), -EEXIST);
	CU_ASSERT_TRUE(get(there, "eth1").up);
	CU_ASSERT_EQUAL(pmd_nl_link_move(there, link.index, own, "v0"), 0);
	CU_ASSERT_FALSE(get(nl, "v0").up);
	pmd_nl_close(there);
	close(own);
	close(fd);
}

/* The name is taken there: nothing is moved. */
static void test_move_taken(void)
{
	int fd = netns_new();

	CU_ASSERT_EQUAL(pmd_nl_link_move(nl, get(nl, "v0").index, fd, "lo"), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(pmd_nl_why(nl), "is there already"));
	get(nl, "v0");
	close(fd);
}

static void test_open_elsewhere(void)
{
	ino_t before = netns_inode("/proc/thread-self/ns/net");
	int fd = netns_new(), file = open("/dev/null", O_RDONLY);
	struct pmd_nl *there;
	struct pmd_link link;

	CU_ASSERT_EQUAL_FATAL(pmd_nl_open(fd, &there), 0);
	CU_ASSERT_EQUAL(pmd_nl_link_get(there, "v0", &link), -ENODEV);
	pmd_nl_close(there);
	CU_ASSERT_EQUAL(netns_inode("/proc/thread-self/ns/net"), before);

	CU_ASSERT_EQUAL(pmd_nl_open(file, &there), -EINVAL);
	CU_ASSERT_PTR_NULL(there);
	CU_ASSERT_EQUAL(netns_inode("/proc/thread-self/ns/net"), before);
	close(fd);
	CU_ASSERT_EQUAL(pmd_nl_open(9999, &there), -EBADF);
	close(file);
	pmd_nl_close(NULL);
}

/* A veth is no PF. */
static void test_no_vf(void)
{
	unsigned int index = get(nl, "v0").index;
	struct pmd_vf_attr attr;

	CU_ASSERT_EQUAL(pmd_nl_vf_get(nl, index, 0, &attr), -ENOENT);
	CU_ASSERT_EQUAL(attr.known, 0);
	CU_ASSERT_STRING_EQUAL(pmd_nl_why(nl), "the PF's driver reports no such VF");
	CU_ASSERT_EQUAL(pmd_nl_vf_get(nl, 99999, 0, &attr), -ENODEV);
	for (int key = 0; key < PMD_VF_NB_KEYS; key++) {
		CU_ASSERT_EQUAL(
			pmd_nl_vf_set(nl, index, 0, (enum pmd_vf_key)key, &attr), -EOPNOTSUPP);
		CU_ASSERT_STRING_EQUAL(pmd_nl_why(nl), "Operation not supported");
	}
}

/* An error with the kernel's words: what they are is the kernel's business. */
static void test_words(void)
{
	CU_ASSERT_TRUE(pmd_nl_link_rename(nl, get(nl, "v0").index, "a/b") < 0);
	CU_ASSERT_STRING_NOT_EQUAL(pmd_nl_why(nl), "");
	printf("# %s\n", pmd_nl_why(nl));
}

static const struct unit_test tests[] = {
	{ "a link is read", test_get },
	{ "a link that is not there", test_get_missing },
	{ "up and down", test_up },
	{ "renamed", test_rename },
	{ "moved to a namespace, addressed, and back", test_move },
	{ "not moved where the name is taken", test_move_taken },
	{ "a socket in another namespace leaves us in ours", test_open_elsewhere },
	{ "a netdev without VFs", test_no_vf },
	{ "an error says why", test_words },
};

int main(void)
{
	if (!netns_enter()) {
		printf("1..0 # SKIP no network namespace can be made here\n");
		return 0;
	}
	return unit_run("pmd/sriov/nl", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
