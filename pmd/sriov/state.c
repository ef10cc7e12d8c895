/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmd/sriov/state_priv.h"
#include "pmd/sriov/sysfs.h"

#define MAX_FILE   4096 /* bytes; ours have some 500 */
#define LOCK_WAITS 4 /* times wait_ms: another vfringd may have many VFs */

static void file_path(char path[PATH_MAX], const char *kind, const char *pci)
{
	snprintf(path, PATH_MAX, "%s/%s-%s", pmd_sriov_env.state, kind, pci);
}

/* The lock of the file behind fd; F_UNLCK in it if nobody has it. */
static bool is_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int take_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* The whole of a file that is small and regular, to be freed. */
static int load(const char *kind, const char *pci, char **text, bool *locked)
{
	char path[PATH_MAX];
	struct stat st;
	ssize_t n;

	*text = NULL;
	file_path(path, kind, pci);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (locked != NULL)
		*locked = is_locked(fd);
	*text = calloc(1, MAX_FILE + 1);
	n = *text == NULL ? -1 : 0;
	if (n == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, *text, MAX_FILE);
	close(fd);
	/* Unreadable or with a 0 in it: what there is of it is taken for the damaged file it is. */
	return n < 0 && *text == NULL ? -ENOMEM : 0;
}

int pmd_state_vf_read(const char *pci, struct pmd_vf_state *st)
{
	bool locked = false;
	char *text;
	int ret = load("vf", pci, &text, &locked);

	*st = (struct pmd_vf_state){ 0 };
	if (ret < 0)
		return ret;
	snprintf(st->pci, sizeof(st->pci), "%s", pci);
	pmd_state_vf_parse(text, st);
	st->locked = locked;
	free(text);
	return 0;
}

int pmd_state_pf_read(const char *pci, struct pmd_pf_state *st)
{
	char *text;
	int ret = load("pf", pci, &text, NULL);

	*st = (struct pmd_pf_state){ .autoprobe = true };
	if (ret < 0)
		return ret;
	snprintf(st->pci, sizeof(st->pci), "%s", pci);
	pmd_state_pf_parse(text, st);
	free(text);
	return 0;
}

static int make_folder(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", pmd_sriov_env.state);
	for (char *p = strchr(path + 1, '/');; p = strchr(p + 1, '/')) {
		if (p != NULL)
			*p = '\0';
		/* Whatever our umask: who may not read the files may see that they are there. */
		if (mkdir(path, 0755) == 0)
			chmod(path, 0755);
		else if (errno != EEXIST)
			return -errno;
		if (p == NULL)
			return 0;
		*p = '/';
	}
}

static int lock_folder(unsigned int limit_ms)
{
	uint64_t end = pmd_sriov_now_ms() + limit_ms;
	char path[PATH_MAX];
	int ret = make_folder(), fd;

	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/lock", pmd_sriov_env.state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while ((ret = take_lock(fd)) == -EBUSY && pmd_sriov_now_ms() < end)
		pmd_sriov_pause();
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

int pmd_state_lock(void)
{
	return lock_folder(pmd_sriov_env.wait_ms * LOCK_WAITS);
}

int pmd_state_trylock(void)
{
	return lock_folder(0);
}

void pmd_state_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* With its lock taken, if asked for, and its text on the disk; only then it gets its name. */
static int store(const char *kind, const char *pci, const char *text, bool lock, int *fd_out)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	size_t len = strlen(text);
	int fd, ret = 0;

	file_path(path, kind, pci);
	snprintf(tmp, sizeof(tmp), "%s/.%s-%s", pmd_sriov_env.state, kind, pci);
	unlink(tmp); /* of one that died here: we hold the folder's lock */
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (lock)
		ret = take_lock(fd);
	if (ret == 0 && write(fd, text, len) != (ssize_t)len)
		ret = errno != 0 ? -errno : -EIO;
	if (ret == 0 && (fsync(fd) < 0 || rename(tmp, path) < 0))
		ret = -errno;
	if (ret < 0 || !lock)
		close(fd);
	if (ret < 0)
		unlink(tmp);
	else if (lock)
		*fd_out = fd;
	return ret;
}

int pmd_state_vf_write(const struct pmd_vf_state *st, int *fd)
{
	char path[PATH_MAX], *text = NULL;
	int ret, held, new_fd = -1;
	size_t len;
	FILE *f;

	file_path(path, "vf", st->pci);
	held = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (held >= 0) {
		bool locked = *fd < 0 && is_locked(held);

		close(held);
		if (locked)
			return -EBUSY;
	}
	f = open_memstream(&text, &len);
	if (f == NULL)
		return -ENOMEM;
	pmd_state_vf_print(f, st);
	ret = fclose(f) == 0 ? store("vf", st->pci, text, true, &new_fd) : -ENOMEM;
	free(text);
	if (ret < 0)
		return ret;
	/* The old file has lost its name: nobody can come by its lock any more. */
	if (*fd >= 0)
		close(*fd);
	*fd = new_fd;
	return 0;
}

int pmd_state_pf_write(const struct pmd_pf_state *st)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int ret;

	if (f == NULL)
		return -ENOMEM;
	pmd_state_pf_print(f, st);
	ret = fclose(f) == 0 ? store("pf", st->pci, text, false, NULL) : -ENOMEM;
	free(text);
	return ret;
}

void pmd_state_vf_remove(const char *pci, int fd)
{
	char path[PATH_MAX];

	file_path(path, "vf", pci);
	unlink(path);
	if (fd >= 0)
		close(fd);
}

void pmd_state_pf_remove(const char *pci)
{
	char path[PATH_MAX];

	file_path(path, "pf", pci);
	unlink(path);
}

/* Of all names, those that begin with `kind`, without it. */
static int addresses(struct pmd_sysfs_names *names, const char *kind)
{
	size_t len = strlen(kind);
	unsigned int nb = 0;
	int ret = pmd_sysfs_names(names, "%s", pmd_sriov_env.state);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < names->nb; i++) {
		char *name = names->name[i];

		if (strncmp(name, kind, len) != 0 || strlen(name + len) >= PMD_PCI_LEN) {
			free(name);
			continue;
		}
		memmove(name, name + len, strlen(name + len) + 1);
		names->name[nb++] = name;
	}
	names->nb = nb;
	return (int)nb;
}

int pmd_state_vfs(struct pmd_sysfs_names *pcis)
{
	return addresses(pcis, "vf-");
}

int pmd_state_pfs(struct pmd_sysfs_names *pcis)
{
	return addresses(pcis, "pf-");
}
