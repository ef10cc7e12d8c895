/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/cpus.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *cfg_cpu_online_path = "/sys/devices/system/cpu/online";

static const char *cpu_number(const char *s, unsigned int *cpu)
{
	if (*s < '0' || *s > '9')
		return NULL;
	*cpu = 0;
	for (; *s >= '0' && *s <= '9'; s++) {
		*cpu = *cpu * 10 + (unsigned int)(*s - '0');
		if (*cpu > CFG_MAX_CPU) /* no such CPU anywhere: stay there */
			*cpu = CFG_MAX_CPU;
	}
	return s;
}

const char *cfg_cpu_range(const char *s, unsigned int *lo, unsigned int *hi)
{
	s = cpu_number(s, lo);
	if (s == NULL)
		return NULL;
	*hi = *lo;
	if (*s == '-') {
		s = cpu_number(s + 1, hi);
		if (s == NULL || *hi < *lo)
			return NULL;
	}
	if (*s == ',')
		return s[1] != '\0' ? s + 1 : NULL;
	return *s == '\0' ? s : NULL;
}

bool cfg_cpu_in(const struct cfg_cpus *cpus, unsigned int cpu)
{
	return cpu < CFG_MAX_CPU && (cpus->bit[cpu / 64] >> (cpu % 64) & 1) != 0;
}

static void add_range(struct cfg_cpus *cpus, unsigned int lo, unsigned int hi)
{
	for (unsigned int i = lo; i <= hi && i < CFG_MAX_CPU; i++)
		cpus->bit[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool read_list(struct cfg_cpus *cpus, char *text, size_t size)
{
	FILE *f = fopen(cfg_cpu_online_path, "re");

	if (f == NULL)
		return false;
	bool got = fgets(text, (int)size, f) != NULL;
	fclose(f);
	if (!got)
		return false;
	text[strcspn(text, "\n")] = '\0';

	const char *p = text;
	while (*p != '\0') {
		unsigned int lo, hi;

		p = cfg_cpu_range(p, &lo, &hi);
		if (p == NULL)
			return false;
		add_range(cpus, lo, hi);
	}
	return text[0] != '\0';
}

void cfg_cpus_online(struct cfg_cpus *cpus)
{
	char text[4096]; /* what a sysfs file can hold */

	memset(cpus, 0, sizeof(*cpus));
	if (!read_list(cpus, text, sizeof(text))) {
		long nb = sysconf(_SC_NPROCESSORS_CONF);
		unsigned int last = nb > 1 ? (unsigned int)nb - 1 : 0;

		memset(cpus, 0, sizeof(*cpus));
		add_range(cpus, 0, last);
		snprintf(text, sizeof(text), "0-%u", last);
	}
	snprintf(cpus->list, sizeof(cpus->list), "%.240s%s", text, strlen(text) > 240 ? "..." : "");
}
