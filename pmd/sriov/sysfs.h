/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small files, links and folders below pmd_sriov_env.sys, .proc, .dev. Paths are printf formats.
 * What is read comes from outside: it is cut to the room given, and control bytes become '?', so it
 * may go into messages.
 *
 * Threads: the control thread. On failure: -errno, nothing logged; text results are "" then.
 */
#ifndef PMD_SRIOV_SYSFS_H
#define PMD_SRIOV_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PMD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The first line without its end. Returns its length. */
int pmd_sysfs_read(char *buf, size_t room, const char *fmt, ...) PMD_PRINTF(3, 4);

/* A number, decimal or 0x...; -EINVAL: something else. */
int pmd_sysfs_number(unsigned long *value, const char *fmt, ...) PMD_PRINTF(2, 3);

/* By pmd_sriov_env.write. */
int pmd_sysfs_write(const char *text, const char *fmt, ...) PMD_PRINTF(2, 3);

/* Where a link leads to: the last part of it ("../../0000:01:10.0" gives "0000:01:10.0"). */
int pmd_sysfs_link(char *buf, size_t room, const char *fmt, ...) PMD_PRINTF(3, 4);

/* Bytes other than printable ASCII become '?': names of netdevs may hold any. */
void pmd_sysfs_printable(char *s);

/* Of the folder that a device has: another device under the same name has another one. 0: none. */
uint64_t pmd_sysfs_inode(const char *fmt, ...) PMD_PRINTF(1, 2);

bool pmd_sysfs_exists(const char *fmt, ...) PMD_PRINTF(1, 2);

/*
 * The names in a folder, sorted (numbers in them by value), without those that begin with a dot.
 * Returns how many, 0 if there is no such folder, -ENOMEM. To be freed by pmd_sysfs_names_free(),
 * in any case.
 */
struct pmd_sysfs_names {
	unsigned int nb;
	char **name;
};
int pmd_sysfs_names(struct pmd_sysfs_names *names, const char *fmt, ...) PMD_PRINTF(2, 3);
void pmd_sysfs_names_free(struct pmd_sysfs_names *names);

#endif /* PMD_SRIOV_SYSFS_H */
