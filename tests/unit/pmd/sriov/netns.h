/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network namespace of the test's own, and more of them, so that real netlink can be tried
 * without a trace on the machine. As an ordinary user, a user namespace is made around it.
 */
#ifndef TESTS_UNIT_PMD_SRIOV_NETNS_H
#define TESTS_UNIT_PMD_SRIOV_NETNS_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* To be called before the first thread. */
static inline bool netns_enter(void)
{
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static inline void *netns_thread(void *fd)
{
	if (unshare(CLONE_NEWNET) == 0)
		*(int *)fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return NULL;
}

/* Another namespace. It lives as long as the descriptor, and what is in it. */
static inline int netns_new(void)
{
	pthread_t thread;
	int fd = -1;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, netns_thread, &fd), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static inline ino_t netns_inode(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static inline bool run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline bool run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd) == 0;
}

#endif /* TESTS_UNIT_PMD_SRIOV_NETNS_H */
