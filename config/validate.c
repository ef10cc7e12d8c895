/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/validate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/nearest.h"
#include "config/net.h"
#include "config/type.h"

#define ETHER_HDR_LEN 14u

/* Was this key read? Then its field can be used. */
static bool good(const struct cfg_section *s, const char *key)
{
	return !s->bad[cfg_key_index(s->kind, key)];
}

static int line_of(const struct cfg_section *s, const char *key)
{
	return cfg_key_line(s, cfg_key_index(s->kind, key));
}

/*
 * Two sections with one id: the later one is wrong. Only counted sections are compared with, so a
 * file full of duplicates takes no quadratic time.
 */
static void check_unique(struct cfg_file *file, const struct cfg_section *s, const char *key,
	const char *shown, struct cfg_errors *errs)
{
	char title[CFG_QUOTE_LEN];

	for (unsigned int i = 0; i < file->nb[s->kind]; i++) {
		const struct cfg_section *other = file->first[s->kind][i];

		if (other == s || other->line > s->line)
			return;
		if (other->id != NULL && strcmp(other->id, s->id) == 0) {
			cfg_error(errs, line_of(s, key), s->title, key,
				"found %s, also the %s of [%s] at line %d; allowed one of its own",
				shown, key, cfg_show(title, other->title), line_of(other, key));
			return;
		}
	}
}

static int check_port(struct cfg_file *file, struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_port *port = s->obj;
	char pci[CFG_PCI_LEN], shown[CFG_QUOTE_LEN];

	/* Whole frames only: one packet, one buffer. */
	if (good(s, "rx_buffer") && good(s, "mtu") && port->rx_buffer != 0 &&
		port->rx_buffer < port->mtu + ETHER_HDR_LEN)
		cfg_error(errs, line_of(s, "rx_buffer"), s->title, "rx_buffer",
			"found %u; allowed 0, or %u and more (its mtu = %u, and an Ethernet "
			"header)",
			port->rx_buffer, port->mtu + ETHER_HDR_LEN, port->mtu);
	if (good(s, "min_tx_rate") && good(s, "max_tx_rate") && port->max_tx_rate != 0 &&
		port->min_tx_rate > port->max_tx_rate)
		cfg_error(errs, line_of(s, "min_tx_rate"), s->title, "min_tx_rate",
			"found %u; allowed 0 to %u (its max_tx_rate)", port->min_tx_rate,
			port->max_tx_rate);
	/* Whichever VF is free is nobody else's. */
	if (!good(s, "device") || (port->vf.pf[0] != '\0' && port->vf.index < 0))
		return 0;
	if (port->vf.pf[0] != '\0') {
		if (asprintf(&s->id, CFG_VF_PREFIX "%s,vf=%d", port->vf.pf, port->vf.index) < 0)
			s->id = NULL;
	} else if (cfg_pci_normal(port->device, pci)) {
		s->id = strdup(pci);
	} else {
		s->id = strndup(port->device, strcspn(port->device, ","));
	}
	if (s->id == NULL)
		return -ENOMEM;
	check_unique(file, s, "device", cfg_quote(shown, port->device), errs);
	return 0;
}

/* Without // and /./ only: for a directory that does not exist, there is nothing to follow. */
static void tidy_path(char *path)
{
	char *out = path;

	for (const char *p = path; *p != '\0'; p++) {
		if (p[0] == '/' && (p[1] == '/' || (p[1] == '.' && p[2] == '/'))) {
			if (p[1] == '.')
				p++;
			continue;
		}
		*out++ = *p;
	}
	*out = '\0';
}

static void check_directory(const struct cfg_section *s, const char *dir, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	bool server = c->socket_mode == CFG_SOCKET_SERVER;
	char shown[CFG_QUOTE_LEN];
	struct stat st;
	int err = 0;

	if (stat(dir, &st) < 0)
		err = errno;
	else if (!S_ISDIR(st.st_mode))
		err = ENOTDIR;
	if (err != 0) {
		cfg_error(errs, line_of(s, "socket"), s->title, "socket",
			"found the directory %s (%s); allowed one that exists",
			cfg_quote(shown, dir), strerror(err));
		return;
	}
	/* A wrong mode is already reported; which rules hold for the socket is then not known. */
	if (server && good(s, "socket_mode") && access(dir, W_OK | X_OK) < 0)
		cfg_error(errs, line_of(s, "socket"), s->title, "socket",
			"found the directory %s (%s); allowed one that this user may write to",
			cfg_quote(shown, dir), strerror(errno));
}

/* What stands where our socket goes must be a socket: we do not remove anything else. */
static void check_place(const struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	char shown[CFG_QUOTE_LEN];
	struct stat st;

	if (c->socket_mode != CFG_SOCKET_SERVER || !good(s, "socket_mode"))
		return;
	if (lstat(c->socket, &st) == 0 && !S_ISSOCK(st.st_mode))
		cfg_error(errs, line_of(s, "socket"), s->title, "socket",
			"found %s, which exists and is no socket; allowed a free path or a socket",
			cfg_quote(shown, c->socket));
}

static int check_socket(struct cfg_file *file, struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	char dir[CFG_SOCKET_LEN], real[PATH_MAX], shown[CFG_QUOTE_LEN];

	if (!good(s, "socket"))
		return 0;
	const char *base = strrchr(c->socket, '/') + 1;
	snprintf(dir, sizeof(dir), "%.*s", (int)(base - c->socket), c->socket);
	size_t len = strlen(dir);
	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	check_directory(s, dir, errs);
	check_place(s, errs);

	if (realpath(dir, real) == NULL)
		strcpy(real, dir); /* real is the longer one */
	if (asprintf(&s->id, "%s/%s", real, base) < 0) {
		s->id = NULL;
		return -ENOMEM;
	}
	tidy_path(s->id);
	check_unique(file, s, "socket", cfg_quote(shown, c->socket), errs);
	return 0;
}

static struct cfg_section *find_port(struct cfg_file *file, const char *name, size_t len)
{
	for (unsigned int i = 0; i < file->nb[CFG_KIND_PORT]; i++) {
		struct cfg_section *port = file->first[CFG_KIND_PORT][i];

		if (strlen(port->name) == len && strncmp(port->name, name, len) == 0)
			return port;
	}
	return NULL;
}

static void dangling(struct cfg_file *file, const struct cfg_section *s, const char *name,
	struct cfg_errors *errs)
{
	struct cfg_nearest near = { .word = name };
	char hint[CFG_NEAREST_LEN], shown[CFG_QUOTE_LEN], names[256] = "";
	size_t n = 0;

	for (unsigned int i = 0; i < file->nb[CFG_KIND_PORT]; i++) {
		const char *port = file->first[CFG_KIND_PORT][i]->name;

		if (!cfg_name_ok(port)) /* already reported, and not fit for a terminal */
			continue;
		cfg_nearest_try(&near, port);
		if (n + strlen(port) + sizeof(", ...") < sizeof(names))
			n += (size_t)sprintf(names + n, "%s%s", n > 0 ? ", " : "", port);
		else if (n + sizeof(", ...") < sizeof(names) && names[n - 1] != '.')
			n += (size_t)sprintf(names + n, ", ...");
	}
	cfg_error(errs, line_of(s, "port"), s->title, "port",
		"found %s, which is no port of this file%s; allowed %s", cfg_quote(shown, name),
		cfg_nearest_text(hint, &near), n > 0 ? names : "the NAME of a [port NAME]");
}

/* A port beyond the limit is reported as such: do not say that there is none. */
static bool port_left_out(const struct cfg_file *file, const char *name)
{
	if (file->nb[CFG_KIND_PORT] < cfg_kinds[CFG_KIND_PORT].max)
		return false;
	for (const struct cfg_section *s = file->sections; s != NULL; s = s->next)
		if (s->kind == CFG_KIND_PORT && !s->counted && strcmp(s->name, name) == 0)
			return true;
	return false;
}

static void resolve_port(struct cfg_file *file, struct cfg_section *s, struct cfg_errors *errs)
{
	const char *text = s->text[cfg_key_index(s->kind, "port")];
	char name[CFG_NAME_LEN];

	if (!good(s, "port"))
		return;
	size_t len = strcspn(text, ":");
	s->port = find_port(file, text, len);
	if (s->port != NULL)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	/* Of a container beyond the limit, nobody asks (and it would take quadratic time). */
	if (!s->counted || !port_left_out(file, name))
		dangling(file, s, name, errs);
}

/* "queue 3" or "queues 3-5" */
static char *queue_text(char buf[32], unsigned int lo, unsigned int hi)
{
	if (lo == hi)
		snprintf(buf, 32, "queue %u", lo);
	else
		snprintf(buf, 32, "queues %u-%u", lo, hi);
	return buf;
}

/* Is it known which queues of its port a container takes? */
static bool has_span(const struct cfg_section *s)
{
	const struct cfg_container *c = s->obj;

	return good(s, "kind") && (c->kind == CFG_CONTAINER_NETNS || good(s, "queues"));
}

/* The queues of its port that a container takes: a namespace has the whole VF. */
static void span(const struct cfg_container *c, unsigned int *first, unsigned int *last)
{
	bool all = c->kind == CFG_CONTAINER_NETNS;

	*first = all ? 0 : c->first_queue;
	*last = all ? CFG_MAX_QUEUES - 1 : c->first_queue + c->queues - 1u;
}

/* The kernel's driver has the VF: what is said of DPDK's queues would be ignored. */
static void check_netns_port(const struct cfg_section *s, struct cfg_errors *errs)
{
	static const char *const keys[] = { "queues", "mtu", "rx_desc", "rx_buffer", "tx_desc" };
	const struct cfg_section *port = s->port;
	char shown[CFG_QUOTE_LEN], title[CFG_QUOTE_LEN];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text = port->text[cfg_key_index(CFG_KIND_PORT, keys[i])];

		if (text != NULL)
			cfg_error(errs, line_of(port, keys[i]), port->title, keys[i],
				"found %s; allowed only without [%s], whose kind is netns",
				cfg_quote(shown, text), cfg_show(title, s->title));
	}
}

static void check_range(const struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	const struct cfg_port *port = s->port->obj;
	char text[32], title[CFG_QUOTE_LEN];
	unsigned int first, last;

	span(c, &first, &last);
	if (c->kind == CFG_CONTAINER_NETNS) {
		if (good(s->port, "device") && port->vf.pf[0] == '\0')
			cfg_error(errs, line_of(s, "port"), s->title, "port",
				"found [%s], whose device is no VF of the daemon's; "
				"allowed one with device = pf:PF,vf=N",
				cfg_show(title, s->port->title));
		else if (c->first_queue != 0)
			cfg_error(errs, line_of(s, "port"), s->title, "port",
				"found a queue of [%s]; allowed the whole VF, without :FIRST_QUEUE",
				cfg_show(title, s->port->title));
		check_netns_port(s, errs);
		return;
	}
	if (!good(s->port, "queues") || last < port->queues)
		return;
	/* Blame the key that makes it too many. */
	const char *key = first >= port->queues ? "port" : "queues";
	cfg_error(errs, line_of(s, key), s->title, key,
		"found %s of [%s]; allowed 0 to %u (its queues = %u)",
		queue_text(text, first, last), cfg_show(title, s->port->title), port->queues - 1u,
		port->queues);
}

static void check_shared(
	struct cfg_file *file, const struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	char text[32], title[CFG_QUOTE_LEN], title2[CFG_QUOTE_LEN];
	unsigned int first, last;

	span(c, &first, &last);
	for (unsigned int i = 0; i < file->nb[CFG_KIND_CONTAINER]; i++) {
		const struct cfg_section *other = file->first[CFG_KIND_CONTAINER][i];
		const struct cfg_container *o = other->obj;
		unsigned int lo, hi;

		if (other == s || other->line > s->line)
			return;
		if (other->port != s->port || !has_span(other))
			continue;

		span(o, &lo, &hi);
		if (lo < first)
			lo = first;
		if (hi > last)
			hi = last;
		if (lo > hi)
			continue;
		if (hi == CFG_MAX_QUEUES - 1) /* both are namespaces */
			snprintf(text, sizeof(text), "the VF");
		else
			queue_text(text, lo, hi);
		cfg_error(errs, line_of(s, "port"), s->title, "port",
			"found %s of [%s], also of [%s] at line %d; "
			"allowed one container per queue",
			text, cfg_show(title, s->port->title), cfg_show(title2, other->title),
			line_of(other, "port"));
	}
}

/* Two VFs of one name in one namespace. */
static int check_netns(struct cfg_file *file, struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	char shown[CFG_QUOTE_LEN];

	if (!good(s, "netns") || !good(s, "ifname"))
		return 0;
	if (asprintf(&s->id, "netns %s %s", c->netns, c->ifname) < 0) {
		s->id = NULL;
		return -ENOMEM;
	}
	check_unique(file, s, "ifname", cfg_quote(shown, c->ifname), errs);
	return 0;
}

static int check_container(struct cfg_file *file, struct cfg_section *s, struct cfg_errors *errs)
{
	const struct cfg_container *c = s->obj;
	int rc = c->kind == CFG_CONTAINER_NETNS ? check_netns(file, s, errs)
						: check_socket(file, s, errs);

	if (rc < 0)
		return rc;
	resolve_port(file, s, errs);
	if (s->port != NULL && has_span(s)) {
		check_range(s, errs);
		check_shared(file, s, errs);
	}
	return 0;
}

int cfg_validate(struct cfg_file *file, struct cfg_errors *errs)
{
	int rc = 0;

	if (file->nb[CFG_KIND_PORT] == 0)
		cfg_error(errs, file->last_line, "port", NULL,
			"found no such section; allowed 1 to %u of %s",
			cfg_kinds[CFG_KIND_PORT].max, cfg_kinds[CFG_KIND_PORT].title);

	/* A port may stand behind the containers that use it, but only its queues are used then. */
	for (struct cfg_section *s = file->sections; s != NULL && rc == 0; s = s->next) {
		if (s->kind == CFG_KIND_PORT)
			rc = check_port(file, s, errs);
		else if (s->kind == CFG_KIND_CONTAINER)
			rc = check_container(file, s, errs);
	}
	return rc;
}
