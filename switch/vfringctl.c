/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfringctl: shows what a running vfringd does. It asks DPDK telemetry (a SOCK_SEQPACKET socket:
 * one command per packet, one JSON object back) and needs nothing else of DPDK.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define REPLY_MAX   (32 * 1024) /* the library's own limit is 16 KiB */
#define MAX_QUEUES  512
#define TIMEOUT_SEC 3

static volatile sig_atomic_t stopped; /* set by a signal handler: the one use volatile is for */

static void usage(FILE *f)
{
	fprintf(f,
		"usage: vfringctl [-i INSTANCE] COMMAND\n"
		"\n"
		"  show [--watch SECONDS]  table of queues, with rates when watching\n"
		"  list KIND               names of ports, containers, queues or workers\n"
		"  stats NAME              everything about one container, a line each\n"
		"  stats KIND NAME         the same for ports, queues or workers\n"
		"\n"
		"  -i, --instance INSTANCE the daemon's `instance` (default vfring)\n"
		"  -h, --help              print this\n");
}

static int connect_to(const char *instance)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = TIMEOUT_SEC };
	/* As DPDK chooses it: root's runtime directory, else the user's own. */
	const char *dir = getuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	int fd, n;

	n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dpdk/%s/dpdk_telemetry.v2",
		dir ? dir : "/tmp", instance);
	if (n < 0 || (size_t)n >= sizeof(sun.sun_path)) {
		fprintf(stderr, "vfringctl: instance name too long\n");
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		fprintf(stderr, "vfringctl: no daemon of instance '%s' answers on %s: %s\n",
			instance, sun.sun_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* The value under the command's own name, a new reference; NULL with a message. */
static json_t *ask(int fd, const char *command, const char *param)
{
	static char reply[REPLY_MAX];
	char request[256];
	json_error_t err;
	json_t *root, *value;
	ssize_t n;

	snprintf(request, sizeof(request), "%s%s%s", command, param ? "," : "", param ? param : "");
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0 ||
		(n = recv(fd, reply, sizeof(reply), 0)) <= 0) {
		fprintf(stderr, "vfringctl: %s: %s\n", request,
			errno == EAGAIN ? "no answer" : "the daemon has gone");
		return NULL;
	}
	root = json_loadb(reply, (size_t)n, 0, &err);
	if (root == NULL) {
		fprintf(stderr, "vfringctl: %s: bad answer: %s\n", request, err.text);
		return NULL;
	}
	value = json_incref(json_object_get(root, command));
	json_decref(root);
	return value;
}

/* The greeting: version, pid and the longest answer. */
static int hello(int fd)
{
	char buf[1024];

	if (recv(fd, buf, sizeof(buf), 0) > 0)
		return 0;
	fprintf(stderr, "vfringctl: the daemon accepts, but does not answer\n");
	return -1;
}

static const char *kind_command(const char *kind)
{
	static const char *const kinds[][2] = {
		{ "ports", "/vfring/ports" },
		{ "containers", "/vfring/containers" },
		{ "queues", "/vfring/queues" },
		{ "workers", "/vfring/workers" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i][0]) == 0)
			return kinds[i][1];
	fprintf(stderr, "vfringctl: unknown kind '%s'; ports, containers, queues or workers\n",
		kind);
	return NULL;
}

/* The command line, checked. */
struct command {
	int (*run)(int fd, const struct command *c);
	const char *kind; /* as the user says it */
	const char *path; /* as telemetry does */
	const char *name;
	double watch; /* seconds; 0: once */
};

static int cmd_list(int fd, const struct command *c)
{
	json_t *names = ask(fd, c->path, NULL), *name;
	size_t i;

	if (names == NULL)
		return 1;
	json_array_foreach (names, i, name)
		printf("%s\n", json_string_value(name));
	json_decref(names);
	return 0;
}

static int cmd_stats(int fd, const struct command *c)
{
	json_t *doc = ask(fd, c->path, c->name), *value;
	const char *key;

	if (!json_is_object(doc)) {
		fprintf(stderr, "vfringctl: no '%s' among the %s\n", c->name, c->kind);
		json_decref(doc);
		return 1;
	}
	json_object_foreach (doc, key, value) {
		if (json_is_string(value))
			printf("%s %s\n", key, json_string_value(value));
		else
			printf("%s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
	}
	json_decref(doc);
	return 0;
}

static uint64_t number(const json_t *doc, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(doc, key));
}

static const char *text(const json_t *doc, const char *key)
{
	const char *s = json_string_value(json_object_get(doc, key));

	return s != NULL ? s : "";
}

static uint64_t drops(const json_t *doc)
{
	const char *key;
	json_t *value;
	uint64_t sum = 0;

	/* An object's iteration does not change it; the macro has no const form. */
	json_object_foreach ((json_t *)(uintptr_t)doc, key, value)
		if (strstr(key, "_drop_") != NULL)
			sum += (uint64_t)json_integer_value(value);
	return sum;
}

struct seen {
	uint64_t rx, tx;
};

static void print_why(const char *rx, const char *tx)
{
	if (strcmp(rx, tx) == 0)
		printf("%s\n", rx);
	else
		printf("%s%s%s%s%s\n", *rx ? "rx: " : "", rx, *rx && *tx ? "; " : "",
			*tx ? "tx: " : "", tx);
}

static void print_queue(const json_t *doc, struct seen *seen, double seconds)
{
	struct seen now = { number(doc, "rx_packets"), number(doc, "tx_packets") };
	const char *container = text(doc, "container");

	printf("%-16s %-12s %-7s %-7s ", text(doc, "name"), *container ? container : "-",
		text(doc, "state"), text(doc, "tx_mode"));
	if (seconds > 0)
		printf("%10.0f %10.0f ", (double)(now.rx - seen->rx) / seconds,
			(double)(now.tx - seen->tx) / seconds);
	printf("%12llu %12llu %12llu %12llu %9llu  ", (unsigned long long)number(doc, "rx_mapped"),
		(unsigned long long)number(doc, "rx_copied"),
		(unsigned long long)number(doc, "tx_mapped"),
		(unsigned long long)number(doc, "tx_copied"), (unsigned long long)drops(doc));
	print_why(text(doc, "why_copied"), text(doc, "why_tx_copied"));
	*seen = now;
}

static int print_table(int fd, struct seen *seen, double seconds)
{
	json_t *names = ask(fd, "/vfring/queues", NULL), *name;
	size_t i;

	if (names == NULL)
		return 1;
	printf("%-16s %-12s %-7s %-7s ", "queue", "container", "rx", "tx");
	if (seconds > 0)
		printf("%10s %10s ", "rx/s", "tx/s");
	printf("%12s %12s %12s %12s %9s  %s\n", "rx mapped", "rx copied", "tx mapped", "tx copied",
		"drops", "why copied");
	json_array_foreach (names, i, name) {
		json_t *doc = ask(fd, "/vfring/queues", json_string_value(name));

		if (doc == NULL || i >= MAX_QUEUES) {
			json_decref(doc);
			json_decref(names);
			return 1;
		}
		print_queue(doc, &seen[i], seconds);
		json_decref(doc);
	}
	json_decref(names);
	return 0;
}

/* VFs in namespaces have no queue of ours. */
static int print_namespaces(int fd)
{
	json_t *names = ask(fd, "/vfring/containers", NULL), *name;
	bool first = true;
	size_t i;

	if (names == NULL)
		return 1;
	json_array_foreach (names, i, name) {
		json_t *doc = ask(fd, "/vfring/containers", json_string_value(name));

		if (strcmp(text(doc, "kind"), "netns") == 0) {
			if (first)
				printf("%-16s %-12s %-7s %-15s %s\n", "port", "container", "state",
					"interface", "namespace");
			first = false;
			printf("%-16s %-12s %-7s %-15s %s\n", text(doc, "port"), text(doc, "name"),
				text(doc, "state"), text(doc, "ifname"), text(doc, "netns"));
		}
		json_decref(doc);
	}
	json_decref(names);
	return 0;
}

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static int cmd_show(int fd, const struct command *c)
{
	double watch = c->watch;
	static struct seen seen[MAX_QUEUES];
	struct sigaction sa = { .sa_handler = on_stop };
	double then;

	if (watch <= 0)
		return print_table(fd, seen, 0) != 0 || print_namespaces(fd) != 0;

	/* No SA_RESTART: the sleep ends at once. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	for (then = 0; !stopped;) {
		struct timespec pause = { .tv_sec = (time_t)watch,
			.tv_nsec = (long)((watch - (double)(time_t)watch) * 1e9) };
		double now = now_seconds();

		if (isatty(STDOUT_FILENO))
			printf("\033[H\033[2J"); /* home, clear */
		if (print_table(fd, seen, then > 0 ? now - then : 0) != 0 ||
			print_namespaces(fd) != 0)
			return 1;
		fflush(stdout);
		then = now;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static bool parse_watch(const char *text, double *seconds)
{
	char *end = NULL;

	*seconds = text != NULL ? strtod(text, &end) : 1;
	if ((end == NULL || *end == '\0') && *seconds >= 0.1 && *seconds <= 3600)
		return true;
	fprintf(stderr, "vfringctl: --watch takes 0.1 to 3600 seconds\n");
	return false;
}

/* Needs no daemon. False with a message. argv ends with NULL. */
static bool parse(int argc, char **argv, struct command *c)
{
	int nb = 1; /* arguments that have a meaning */

	*c = (struct command){ .kind = "containers" };
	if (strcmp(argv[0], "show") == 0) {
		c->run = cmd_show;
		if (argc > 1 && strcmp(argv[1], "--watch") == 0) {
			nb = argc > 2 ? 3 : 2;
			if (!parse_watch(argv[2], &c->watch))
				return false;
		}
	} else if (strcmp(argv[0], "list") == 0 || strcmp(argv[0], "stats") == 0) {
		c->run = argv[0][0] == 'l' ? cmd_list : cmd_stats;
		if (c->run == cmd_list || argc > 2)
			c->kind = argv[nb++];
		if (c->run == cmd_stats)
			c->name = argv[nb++];
		if (nb > argc) {
			fprintf(stderr, "vfringctl: %s what?\n", argv[0]);
			usage(stderr);
			return false;
		}
		c->path = kind_command(c->kind);
		if (c->path == NULL)
			return false;
	} else {
		nb = 0;
	}
	if (argc > nb) {
		fprintf(stderr, "vfringctl: %s '%s'\n",
			nb > 0 ? "unexpected argument" : "unknown command", argv[nb]);
		usage(stderr);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "instance", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *instance = "vfring";
	struct command command;
	int opt, fd, ret;

	/* "+": options end at the command, whose own follow it */
	while ((opt = getopt_long(argc, argv, "+i:h", options, NULL)) != -1) {
		switch (opt) {
		case 'i':
			instance = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return 2;
	}
	if (!parse(argc - optind, argv + optind, &command))
		return 2;
	fd = connect_to(instance);
	if (fd < 0)
		return 1;
	ret = hello(fd) == 0 ? command.run(fd, &command) : 1;
	close(fd);
	return ret;
}
