/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's command line from the configuration. */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_vhost.h>

#include "switch/switch.h"

RTE_LOG_REGISTER(sw_logtype, vfring.switch, INFO);

#define MAX_ARGS 64

struct args {
	int argc;
	char *argv[MAX_ARGS + 1];
	bool failed;
};

static __rte_format_printf(2, 3) void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->argc == MAX_ARGS) {
		a->failed = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&a->argv[a->argc], fmt, ap) < 0)
		a->failed = true;
	else
		a->argc++;
	va_end(ap);
	a->argv[a->argc] = NULL;
}

/* MiB of huge pages, of any size, that nobody has taken. */
static unsigned long free_hugepages(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	unsigned long total_kib = 0, kib, nb;
	struct dirent *e;

	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL) {
		char path[512];

		if (sscanf(e->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			e->d_name);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lu", &nb) == 1)
			total_kib += nb * kib;
		fclose(f);
	}
	closedir(dir);
	return total_kib / 1024;
}

static bool is_worker_cpu(const struct cfg *cfg, unsigned int cpu)
{
	for (unsigned int i = 0; i < cfg->sw.nb_workers; i++)
		if (cfg->sw.workers[i] == cpu)
			return true;
	return false;
}

/*
 * lcore 0 is the control thread, on every CPU that no worker has (all of them, if workers have
 * all); lcores from 1 on are the workers, one CPU each.
 */
static void add_lcores(struct args *a, const struct cfg *cfg)
{
	char *list = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&list, &len);
	unsigned int nb = 0;
	cpu_set_t set;

	if (f == NULL || sched_getaffinity(0, sizeof(set), &set) != 0) {
		a->failed = true;
		if (f != NULL)
			fclose(f);
		free(list);
		return;
	}
	fprintf(f, "0@(");
	for (int pass = 0; pass < 2 && nb == 0; pass++)
		for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &set) && (pass == 1 || !is_worker_cpu(cfg, cpu)))
				fprintf(f, "%s%u", nb++ ? "," : "", cpu);
	fprintf(f, ")");
	for (unsigned int i = 0; i < cfg->sw.nb_workers; i++)
		fprintf(f, ",%u@%u", i + 1, cfg->sw.workers[i]);
	fclose(f);
	add(a, "--lcores");
	add(a, "%s", list);
	free(list);
	add(a, "--main-lcore");
	add(a, "0");
}

static void add_user_args(struct args *a, const char *user)
{
	char *copy = strdup(user), *save = NULL;

	if (copy == NULL) {
		a->failed = true;
		return;
	}
	for (char *t = strtok_r(copy, " \t", &save); t != NULL; t = strtok_r(NULL, " \t", &save))
		add(a, "%s", t);
	free(copy);
}

static void set_log_levels(enum cfg_log_level level)
{
	static const uint32_t dpdk_level[] = {
		[CFG_LOG_ERROR] = RTE_LOG_ERR,
		[CFG_LOG_WARNING] = RTE_LOG_WARNING,
		[CFG_LOG_NOTICE] = RTE_LOG_NOTICE,
		[CFG_LOG_INFO] = RTE_LOG_INFO,
		[CFG_LOG_DEBUG] = RTE_LOG_DEBUG,
	};

	rte_log_set_level_pattern("vfring.*", dpdk_level[level]);
	/* The library writes several lines per message; we say what matters of them ourselves. */
	if (level != CFG_LOG_DEBUG)
		rte_log_set_level_pattern("lib.vhost.*", RTE_LOG_ERR);
}

void sw_log_init(const struct cfg *cfg)
{
	rte_openlog_stream(stderr);
	set_log_levels(cfg->sw.log_level);
}

int sw_eal_init(const struct cfg *cfg, const char *argv0)
{
	struct args a = { .argc = 0 };
	bool huge = cfg->sw.hugepages == CFG_HUGEPAGES_ON ||
		(cfg->sw.hugepages == CFG_HUGEPAGES_AUTO && free_hugepages() >= cfg->sw.memory);
	int ret;

	add(&a, "%s", argv0);
	/* Twice is an error in DPDK 25.11. */
	if (strstr(cfg->sw.eal_args, "--iova-mode") == NULL)
		add(&a, "--iova-mode=va");
	/*
	 * No files: a killed daemon leaves none behind. Without hugepages EAL wants it said
	 * otherwise.
	 */
	add(&a, huge ? "--in-memory" : "--no-shconf");
	add(&a, "--file-prefix=%s", cfg->sw.instance);
	/* An allow-list that matches nothing: what belongs to others is not probed. */
	add(&a, "--allow=0000:00:00.0");
	add(&a, "-m");
	add(&a, "%u", cfg->sw.memory);
	if (!huge)
		add(&a, "--no-huge");
	add_lcores(&a, cfg);
	add_user_args(&a, cfg->sw.eal_args);
	if (a.failed) {
		fprintf(stderr, "vfringd: too many EAL arguments, or no memory for them\n");
		ret = -ENOMEM;
		goto free;
	}

	/*
	 * systemd's variable moves the telemetry socket; vfringctl looks where EAL has it by
	 * default.
	 */
	unsetenv("RUNTIME_DIRECTORY");
	/* EAL permutes its arguments; what it points to must outlive it, so argv is never freed. */
	ret = rte_eal_init(a.argc, a.argv);
	if (ret < 0) {
		SW_LOG(ERR,
			"EAL does not start (%s): check memory = %u (%s hugepages) and eal_args",
			rte_strerror(rte_errno), cfg->sw.memory, huge ? "with" : "without");
		return -EIO;
	}
	set_log_levels(cfg->sw.log_level); /* again: drivers and libraries registered since */
	if (rte_eal_iova_mode() != RTE_IOVA_VA)
		SW_LOG(WARNING,
			"EAL runs with IOVA as PA: what a NIC transfers is copied, never mapped");
	return 0;

free:
	for (int i = 0; i < a.argc; i++)
		free(a.argv[i]);
	return ret;
}
