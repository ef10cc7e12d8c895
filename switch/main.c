/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_eal.h>
#include <rte_version.h>

#include "config/config.h"
#include "pmd/sriov/list.h"
#include "switch/stats.h"
#include "switch/switch.h"
#include "vhost/sigbus.h"

#define EXIT_STARTUP 1 /* a device, memory, a socket */
#define EXIT_CONFIG  2 /* the command line or the configuration file */

#define DEFAULT_CONFIG VFRING_SYSCONFDIR "/vfring/vfringd.ini"

static void usage(FILE *f)
{
	fprintf(f,
		"usage: vfringd [-c FILE]\n"
		"       vfringd --check FILE\n"
		"       vfringd --list-vfs\n"
		"\n"
		"  -c, --config FILE  the configuration (default " DEFAULT_CONFIG ")\n"
		"      --check FILE   check a configuration and exit: needs no root, opens no "
		"device\n"
		"      --list-vfs     show PFs, their VFs, and who uses each\n"
		"      --help-config  print every key, its range and its default\n"
		"  -V, --version      print the version\n"
		"  -h, --help         print this\n"
		"\n"
		"Signals: SIGTERM, SIGINT stop; SIGUSR1 logs a table of queues.\n"
		"Exit status: 0 stopped by a signal, 1 start-up failed, 2 bad usage or "
		"configuration.\n");
}

static void log_value(void *arg, const char *section, const char *key, const char *value)
{
	(void)arg;
	SW_LOG(INFO, "[%s] %s = %s", section, key, value);
}

static void on_wake(int sig)
{
	(void)sig; /* that a system call was interrupted is all that is wanted */
}

/* Before any thread exists: they all inherit this. */
static int block_signals(void)
{
	struct sigaction wake = { .sa_handler = on_wake }; /* no SA_RESTART */
	sigset_t set;

	sw_control_signals(&set);
	signal(SIGPIPE, SIG_IGN); /* a telemetry client that hangs up */
	if (sigaction(SW_WAKE_SIGNAL, &wake, NULL) != 0)
		return -1;
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

static int start(struct switch_ctx *sw, const struct cfg *cfg, struct pmd_sriov *sriov)
{
	unsigned int failures;

	if (sw_setup_init(sw, cfg, sriov) < 0) {
		SW_LOG(ERR, "out of memory");
		return EXIT_STARTUP;
	}
	failures = sw_setup_ports(sw);
	if (failures == 0 && sw_ports_watch(sw) < 0)
		failures++;
	if (failures == 0 && sw_setup_workers(sw) < 0)
		failures++;
	if (failures == 0)
		failures = sw_setup_containers(sw);
	if (failures == 0 && sw_telemetry_init(sw) < 0)
		failures++;
	if (failures != 0) {
		SW_LOG(ERR, "start-up failed: %u error(s), see above", failures);
		return EXIT_STARTUP;
	}
	return EXIT_SUCCESS;
}

/* With EAL, as long as it runs. */
static int serve(const struct cfg *cfg, struct pmd_sriov *sriov, const char *argv0)
{
	static struct switch_ctx sw;
	int ret;

	if (sw_eal_init(cfg, argv0) < 0)
		return EXIT_STARTUP;
	SW_LOG(NOTICE, "vfring " VFRING_VERSION ", %s, configuration %s", rte_version(), cfg->path);
	cfg_for_each_value(cfg, log_value, NULL);

	ret = start(&sw, cfg, sriov);
	if (ret == EXIT_SUCCESS) {
		SW_LOG(NOTICE, "ready: %u port(s), %u container(s), %u worker(s)", sw.nb_ports,
			sw.nb_containers, sw.nb_workers);
		ret = sw_control_run(&sw) == 0 ? EXIT_SUCCESS : EXIT_STARTUP;
		sw_stats_log(&sw);
	}
	if (sw_teardown(&sw))
		rte_eal_cleanup();
	return ret;
}

static int run(const struct cfg *cfg, const char *argv0)
{
	struct pmd_sriov *sriov = NULL;
	int ret;

	if (block_signals() != 0 || vh_sigbus_init() < 0) {
		fprintf(stderr, "vfringd: cannot set up signals: %s\n", strerror(errno));
		return EXIT_STARTUP;
	}
	/* Sockets get their mode after they exist: nobody else may connect in between. */
	umask(0077);
	sw_log_init(cfg);
	/* Before EAL, which looks for vfio when it starts. */
	if (sw_vfs_claim(cfg, &sriov) < 0) {
		SW_LOG(ERR, "start-up failed: not all VFs can be had, see above");
		return EXIT_STARTUP;
	}
	ret = serve(cfg, sriov, argv0);
	pmd_sriov_release(sriov);
	return ret;
}

int main(int argc, char **argv)
{
	enum { OPT_CHECK = 256, OPT_HELP_CONFIG, OPT_LIST_VFS };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", required_argument, NULL, OPT_CHECK },
		{ "help-config", no_argument, NULL, OPT_HELP_CONFIG },
		{ "list-vfs", no_argument, NULL, OPT_LIST_VFS },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = DEFAULT_CONFIG;
	bool check = false;
	struct cfg *cfg;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case OPT_CHECK:
			path = optarg;
			check = true;
			break;
		case OPT_HELP_CONFIG:
			cfg_print_help(stdout);
			return EXIT_SUCCESS;
		case OPT_LIST_VFS:
			return pmd_sriov_list(stdout) < 0 ? EXIT_STARTUP : EXIT_SUCCESS;
		case 'V':
			printf("vfringd " VFRING_VERSION ", built on %s\n", rte_version());
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "vfringd: unexpected argument '%s'\n", argv[optind]);
		usage(stderr);
		return EXIT_CONFIG;
	}
	if (cfg_load(path, &cfg, stderr, NULL) < 0)
		return EXIT_CONFIG;
	if (check) {
		printf("%s: ok\n", path);
		ret = EXIT_SUCCESS;
	} else {
		ret = run(cfg, argv[0]);
	}
	cfg_free(cfg);
	return ret;
}
