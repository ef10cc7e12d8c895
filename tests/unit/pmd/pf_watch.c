/* SPDX-License-Identifier: BSD-3-Clause */
/* On the loopback interface of a network namespace of our own. */
#include "pmd/pf_watch.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static unsigned int lo;
static unsigned int nb_calls;
static bool last_up;

static bool own_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void change(unsigned long request, struct ifreq *req)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ioctl(fd, request, req), 0);
	close(fd);
}

static void set_up(bool up)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = (short)(up ? IFF_UP : 0) };

	change(SIOCSIFFLAGS, &req);
}

static void set_mtu(int mtu)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_mtu = mtu };

	change(SIOCSIFMTU, &req);
}

static void on_link(void *arg, unsigned int ifindex, bool up)
{
	CU_ASSERT_PTR_EQUAL(arg, &lo);
	if (ifindex != lo)
		return;
	nb_calls++;
	last_up = up;
}

/* Reads until lo has been named; the kernel answers at once. */
static void expect(struct pmd_pf_watch *watch, bool up)
{
	struct pollfd pfd = { .fd = pmd_pf_watch_fd(watch), .events = POLLIN };

	for (nb_calls = 0; nb_calls == 0;) {
		if (poll(&pfd, 1, 1000) != 1)
			break;
		CU_ASSERT_EQUAL(pmd_pf_watch_read(watch, on_link, &lo), 0);
	}
	CU_ASSERT_NOT_EQUAL(nb_calls, 0);
	CU_ASSERT_EQUAL(last_up, up);
}

static void test_links(void)
{
	struct pmd_pf_watch *watch = NULL;

	CU_ASSERT_EQUAL_FATAL(pmd_pf_watch_open(&watch), 0);
	expect(watch, false); /* how it is at the start */
	set_up(true);
	expect(watch, true);
	/* Both are seen, however fast. */
	set_up(false);
	set_up(true);
	expect(watch, true);
	CU_ASSERT(nb_calls >= 2);
	set_up(false);
	expect(watch, false);

	/* Nothing to read: it does not wait. */
	nb_calls = 0;
	CU_ASSERT_EQUAL(pmd_pf_watch_read(watch, on_link, &lo), 0);
	CU_ASSERT_EQUAL(nb_calls, 0);
	CU_ASSERT_EQUAL(pmd_pf_watch_ask(watch), 0);
	expect(watch, false);
	pmd_pf_watch_close(watch);
	pmd_pf_watch_close(NULL);
}

static void test_lost(void)
{
	struct pmd_pf_watch *watch = NULL;
	int small = 1;

	CU_ASSERT_EQUAL_FATAL(pmd_pf_watch_open(&watch), 0);
	expect(watch, false);
	CU_ASSERT_EQUAL(
		setsockopt(pmd_pf_watch_fd(watch), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)),
		0);
	/* So many messages that say "up" that there is no room for the last one. */
	set_up(true);
	for (int i = 0; i < 50; i++)
		set_mtu(2000 + i);
	set_up(false);
	struct pollfd pfd = { .fd = pmd_pf_watch_fd(watch), .events = POLLIN };
	last_up = true;
	while (last_up && poll(&pfd, 1, 1000) == 1)
		CU_ASSERT_EQUAL(pmd_pf_watch_read(watch, on_link, &lo), 0);
	CU_ASSERT_FALSE(last_up);
	pmd_pf_watch_close(watch);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "links come and go", test_links },
		{ "messages are lost", test_lost },
	};

	if (!own_namespace()) {
		printf("1..0 # SKIP no network namespace of its own\n");
		return 0;
	}
	lo = if_nametoindex("lo");
	return unit_run("pmd/pf_watch", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
