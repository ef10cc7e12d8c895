/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmd/sriov/env.h"

#define MAX_PATH 512

/* fmt with its arguments, into `path`. Whether it fits: half a path names something else. */
#define PATH(path, fmt)                                                                            \
	({                                                                                         \
		va_list ap_;                                                                       \
		va_start(ap_, fmt);                                                                \
		int n_ = vsnprintf(path, sizeof(path), fmt, ap_);                                  \
		va_end(ap_);                                                                       \
		n_ >= 0 && (size_t)n_ < sizeof(path);                                              \
	})

void pmd_sysfs_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			*s = '?';
}

int pmd_sysfs_read(char *buf, size_t room, const char *fmt, ...)
{
	char path[MAX_PATH];

	buf[0] = '\0';
	if (!PATH(path, fmt))
		return -ENAMETOOLONG;
	/* O_NONBLOCK: should it be a FIFO, nothing is waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, room - 1);
	int err = errno;
	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	if (n < 0)
		return -err;
	buf[strcspn(buf, "\n")] = '\0';
	pmd_sysfs_printable(buf);
	return (int)strlen(buf);
}

int pmd_sysfs_number(unsigned long *value, const char *fmt, ...)
{
	char path[MAX_PATH], text[32], *end;
	int ret;

	if (!PATH(path, fmt))
		return -ENAMETOOLONG;
	ret = pmd_sysfs_read(text, sizeof(text), "%s", path);
	if (ret < 0)
		return ret;
	/* strtoul() would take white space and a sign. */
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoul(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	return errno != 0 || *end != '\0' ? -EINVAL : 0;
}

int pmd_sysfs_write(const char *text, const char *fmt, ...)
{
	char path[MAX_PATH];

	if (!PATH(path, fmt))
		return -ENAMETOOLONG;
	return pmd_sriov_env.write(path, text);
}

int pmd_sysfs_link(char *buf, size_t room, const char *fmt, ...)
{
	char path[MAX_PATH], target[MAX_PATH];
	const char *base;

	buf[0] = '\0';
	if (!PATH(path, fmt))
		return -ENAMETOOLONG;
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base != NULL ? base + 1 : target;
	if (strlen(base) >= room)
		return -ENAMETOOLONG;
	snprintf(buf, room, "%s", base);
	pmd_sysfs_printable(buf);
	return (int)strlen(buf);
}

uint64_t pmd_sysfs_inode(const char *fmt, ...)
{
	char path[MAX_PATH];
	struct stat st;

	return PATH(path, fmt) && stat(path, &st) == 0 ? st.st_ino : 0;
}

bool pmd_sysfs_exists(const char *fmt, ...)
{
	char path[MAX_PATH];

	return PATH(path, fmt) && access(path, F_OK) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static int add(struct pmd_sysfs_names *names, const char *name)
{
	char **list = reallocarray(names->name, names->nb + 1, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	names->name = list;
	list[names->nb] = strdup(name);
	if (list[names->nb] == NULL)
		return -ENOMEM;
	names->nb++;
	return 0;
}

int pmd_sysfs_names(struct pmd_sysfs_names *names, const char *fmt, ...)
{
	char path[MAX_PATH];
	struct dirent *e;
	int ret = 0;
	DIR *dir;

	*names = (struct pmd_sysfs_names){ 0 };
	dir = PATH(path, fmt) ? opendir(path) : NULL;
	if (dir == NULL)
		return 0;
	while (ret == 0 && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			ret = add(names, e->d_name);
	closedir(dir);
	if (ret < 0)
		return ret;
	if (names->nb > 1)
		qsort(names->name, names->nb, sizeof(*names->name), by_name);
	return (int)names->nb;
}

void pmd_sysfs_names_free(struct pmd_sysfs_names *names)
{
	for (unsigned int i = 0; i < names->nb; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct pmd_sysfs_names){ 0 };
}
