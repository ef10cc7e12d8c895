/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS          5
#define MODPROBE_LIMIT_MS 20000 /* it loads firmware, and what the module depends on */

uint64_t pmd_sriov_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void pmd_sriov_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
}

static int write_file(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	/* In one call: the kernel takes each for a value of its own. */
	ssize_t n = write(fd, text, len);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n != len)
		ret = -EIO;
	close(fd);
	return ret;
}

static int wait_for(pid_t pid)
{
	uint64_t end = pmd_sriov_now_ms() + MODPROBE_LIMIT_MS;
	int status;

	for (;;) {
		pid_t done = waitpid(pid, &status, WNOHANG);

		if (done == pid)
			break;
		if (done < 0)
			return -errno;
		if (pmd_sriov_now_ms() > end) {
			kill(pid, SIGKILL);
			/* Not waited for: inside init_module() it may ignore even that. */
			waitpid(pid, &status, WNOHANG);
			return -ETIMEDOUT;
		}
		pmd_sriov_pause();
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

static int modprobe(const char *module)
{
	char *argv[] = { (char[]){ "modprobe" }, (char[]){ "-q" }, (char[]){ "--" }, NULL, NULL };
	char path[128] = "", name[256];
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	FILE *f = fopen("/proc/sys/kernel/modprobe", "re");

	/* The kernel's own idea of where it is: our PATH may be anything. */
	if (f == NULL || fscanf(f, "%127s", path) != 1 || path[0] != '/')
		snprintf(path, sizeof(path), "/sbin/modprobe");
	if (f != NULL)
		fclose(f);
	snprintf(name, sizeof(name), "%s", module);
	argv[3] = name;

	sigemptyset(&none); /* ours are blocked: control.c reads them off a descriptor */
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	int err = posix_spawn(&pid, path, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return err != 0 ? -err : wait_for(pid);
}

static int vf_get(unsigned int pf_index, unsigned int vf, struct pmd_vf_attr *out, char *why)
{
	struct pmd_nl *nl;
	int ret = pmd_nl_open(-1, &nl);

	if (ret < 0) {
		snprintf(why, PMD_SRIOV_WHY_LEN, "no rtnetlink socket: %s", strerror(-ret));
		return ret;
	}
	ret = pmd_nl_vf_get(nl, pf_index, vf, out);
	if (ret < 0)
		snprintf(why, PMD_SRIOV_WHY_LEN, "%s", pmd_nl_why(nl));
	pmd_nl_close(nl);
	return ret;
}

static int vf_set(unsigned int pf_index, unsigned int vf, enum pmd_vf_key key,
	const struct pmd_vf_attr *attr, char *why)
{
	struct pmd_nl *nl;
	int ret = pmd_nl_open(-1, &nl);

	if (ret < 0) {
		snprintf(why, PMD_SRIOV_WHY_LEN, "no rtnetlink socket: %s", strerror(-ret));
		return ret;
	}
	ret = pmd_nl_vf_set(nl, pf_index, vf, key, attr);
	if (ret < 0)
		snprintf(why, PMD_SRIOV_WHY_LEN, "%s", pmd_nl_why(nl));
	pmd_nl_close(nl);
	return ret;
}

struct pmd_sriov_env pmd_sriov_env = {
	.sys = "/sys",
	.proc = "/proc",
	.dev = "/dev",
	.state = "/run/vfring-sriov",
	.wait_ms = 5000,
	.write = write_file,
	.modprobe = modprobe,
	.vf_get = vf_get,
	.vf_set = vf_set,
};
