/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU lists as the kernel and taskset write them, and the CPUs of this machine. No state. */
#ifndef CONFIG_CPUS_H
#define CONFIG_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFG_MAX_CPU 8192 /* the kernel's own limit on x86 */

struct cfg_cpus {
	uint64_t bit[CFG_MAX_CPU / 64];
	char list[256]; /* the same, in words; long ones are cut with "..." */
};

/* Where the kernel tells which CPUs are online. A variable so that tests have CPUs of their own. */
extern const char *cfg_cpu_online_path;

/* Without that file: CPUs 0 to the number of configured ones. */
void cfg_cpus_online(struct cfg_cpus *cpus);
bool cfg_cpu_in(const struct cfg_cpus *cpus, unsigned int cpu);

/*
 * Takes N or N-M and a following comma off s. Returns the rest, or NULL if this is not the start
 * of a CPU list; the end of the list is "".
 */
const char *cfg_cpu_range(const char *s, unsigned int *lo, unsigned int *hi);

#endif /* CONFIG_CPUS_H */
