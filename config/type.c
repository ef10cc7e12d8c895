/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/type.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/cpus.h"
#include "config/net.h"

/* CFG_TYPE_WORD stores all of them alike. */
_Static_assert(sizeof(enum cfg_log_level) == sizeof(unsigned int), "enum of another size");
_Static_assert(sizeof(enum cfg_hugepages) == sizeof(unsigned int), "enum of another size");
_Static_assert(sizeof(enum cfg_socket_mode) == sizeof(unsigned int), "enum of another size");
_Static_assert(sizeof(enum cfg_mapping) == sizeof(unsigned int), "enum of another size");

#define MAX_DEVICE_NAME 63 /* RTE_DEV_NAME_MAX_LEN less its 0 */

static int __attribute__((format(printf, 2, 3))) fail(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CFG_WHY_LEN, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* strtoul() takes white space, signs and 0x; a configuration file should not. */
static int number(const char *s, unsigned int base, unsigned long min, unsigned long max,
	unsigned long *out, char *why)
{
	const char *last = base == 8 ? "7" : "9";
	unsigned long v = 0;
	bool over = false;
	const char *p = s;

	for (; *p >= '0' && *p <= *last; p++) {
		v = v * base + (unsigned long)(*p - '0');
		if (v > max) {
			over = true;
			v = max; /* enough to know, and cannot wrap */
		}
	}
	if (*s == '-' && s[1] >= '0' && s[1] <= '9')
		return fail(why, "negative");
	if (p == s)
		return fail(why, base == 8 ? "not an octal number" : "not a number");
	if (*p != '\0')
		return fail(why, base == 8 ? "not an octal number" : "text after the number");
	if (over)
		return fail(why, "too large");
	if (v < min)
		return fail(why, "too small");
	*out = v;
	return 0;
}

static int parse_number(const struct cfg_key *key, const char *text, void *field, char *why)
{
	unsigned long v;
	int rc = number(text, 10, key->min, key->max, &v, why);

	if (rc < 0)
		return rc;
	if (key->size == sizeof(uint16_t))
		*(uint16_t *)field = (uint16_t)v;
	else
		*(unsigned int *)field = (unsigned int)v;
	return 0;
}

static int parse_word(const struct cfg_key *key, const char *text, void *field, char *why)
{
	for (unsigned int i = 0; key->words[i] != NULL; i++) {
		if (strcmp(key->words[i], text) == 0) {
			/* Our enums have no negative values, so gcc and clang make them this. */
			*(unsigned int *)field = i;
			return 0;
		}
	}
	return fail(why, "no such word");
}

static bool has(const unsigned int *cpus, unsigned int nb, unsigned int cpu)
{
	for (unsigned int i = 0; i < nb; i++)
		if (cpus[i] == cpu)
			return true;
	return false;
}

/* One more thing wrong with a list; what does not fit any more is "...". */
static void __attribute__((format(printf, 2, 3))) note(char *why, const char *fmt, ...)
{
	size_t n = strlen(why);
	char text[32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= 3 && strcmp(why + n - 3, "...") == 0)
		return;
	if (n + strlen(text) + 2 * sizeof(", ...") > CFG_WHY_LEN)
		snprintf(text, sizeof(text), "...");
	snprintf(why + n, CFG_WHY_LEN - n, "%s%s", n > 0 ? ", " : "", text);
}

static void add_cpus(struct cfg_switch *sw, unsigned int lo, unsigned int hi,
	const struct cfg_cpus *online, char *why)
{
	for (unsigned int cpu = lo; cpu <= hi; cpu++) {
		if (cpu == CFG_MAX_CPU)
			note(why, "no CPU above %u", CFG_MAX_CPU - 1);
		else if (!cfg_cpu_in(online, cpu))
			note(why, "no CPU %u online", cpu);
		else if (has(sw->workers, sw->nb_workers, cpu))
			note(why, "CPU %u twice", cpu);
		else if (sw->nb_workers < CFG_MAX_WORKERS)
			sw->workers[sw->nb_workers++] = cpu;
		else
			note(why, "CPU %u is one more than %u", cpu, CFG_MAX_WORKERS);
	}
}

static int parse_cpus(
	const char *text, const struct cfg_cpus *online, struct cfg_switch *sw, char *why)
{
	struct cfg_switch list = { 0 };
	unsigned int lo, hi;

	for (const char *p = text; p == text || *p != '\0';) {
		p = cfg_cpu_range(p, &lo, &hi);
		if (p == NULL)
			return fail(why, "not a CPU list");
		add_cpus(&list, lo, hi, online, why);
	}
	if (why[0] != '\0')
		return -EINVAL;
	memcpy(sw->workers, list.workers, sizeof(sw->workers));
	sw->nb_workers = list.nb_workers;
	return 0;
}

static int store_string(const char *text, void *field)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return -ENOMEM;
	*(char **)field = copy;
	return 0;
}

/* `reason` of config/net.h's functions. */
static int net(const char *reason, char *why)
{
	return reason == NULL ? 0 : fail(why, "%s", reason);
}

static int parse_device(const char *text, struct cfg_port *port, char *why)
{
	size_t name = strcspn(text, ",");
	char pci[CFG_PCI_LEN];

	if (text[strcspn(text, " \t")] != '\0')
		return fail(why, "white space");
	if (cfg_is_vf(text)) {
		int rc = net(cfg_vf_parse(text, &port->vf), why);

		return rc < 0 ? rc : store_string(text, &port->device);
	}
	if (name == 0)
		return fail(why, "no name before the comma");
	if (name > MAX_DEVICE_NAME)
		return fail(why, "a name of %zu bytes", name);
	/* A vdev's name has no colon: do not let a mistyped address look like one. */
	if (memchr(text, ':', name) != NULL && !cfg_pci_normal(text, pci))
		return fail(why, "not a PCI address");
	return store_string(text, &port->device);
}

static int parse_name(const char *text, void *field, char *why)
{
	if (!cfg_name_ok(text))
		return fail(why, "not a name");
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return fail(why, "not a file name"); /* it becomes one below /run/dpdk */
	return store_string(text, field);
}

static int parse_path(const struct cfg_key *key, const char *text, void *field, char *why)
{
	size_t len = strlen(text);
	const char *base = strrchr(text, '/');

	if (text[0] != '/')
		return fail(why, "not an absolute path");
	if (len >= key->size)
		return fail(why, "%zu bytes", len);
	if (base[1] == '\0' || strcmp(base, "/.") == 0 || strcmp(base, "/..") == 0)
		return fail(why, "names a directory");
	memcpy(field, text, len + 1);
	return 0;
}

static int parse_file(const char *text, void *field, char *why)
{
	return text[0] == '/' ? store_string(text, field) : fail(why, "not an absolute path");
}

static int parse_switch(const char *text, void *field, char *why)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return fail(why, "no such word");
	*(bool *)field = on;
	return 0;
}

/* The port is looked up when all sections are known: see validate.c. */
static int parse_ref(const char *text, struct cfg_container *c, char *why)
{
	const char *colon = strchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	char name[CFG_NAME_LEN], reason[CFG_WHY_LEN];
	unsigned long first = 0;

	/* A name that no port can have is found to be dangling later, if it is short enough. */
	if (len == 0 || len >= sizeof(name))
		return fail(why, "not a name");
	if (colon != NULL && number(colon + 1, 10, 0, CFG_MAX_QUEUES - 1, &first, reason) < 0)
		return fail(why, "FIRST_QUEUE is %s", colon[1] != '\0' ? reason : "missing");
	c->first_queue = (uint16_t)first;
	return 0;
}

/* (uid_t)-1 means unchanged, to chown() as to us, so the largest number is one less. */
#define MAX_ID (UINT32_MAX - 1UL)

static int parse_user(const char *text, void *field, char *why)
{
	unsigned long id;

	if (strcmp(text, "unchanged") == 0) {
		*(uid_t *)field = (uid_t)-1;
		return 0;
	}
	if (text[strspn(text, "-0123456789")] == '\0') {
		int rc = number(text, 10, 0, MAX_ID, &id, why);

		if (rc < 0)
			return rc;
	} else {
		struct passwd *pw = getpwnam(text);

		if (pw == NULL)
			return fail(why, "no such user");
		id = pw->pw_uid;
	}
	*(uid_t *)field = (uid_t)id;
	return 0;
}

static int parse_group(const char *text, void *field, char *why)
{
	unsigned long id;

	if (strcmp(text, "unchanged") == 0) {
		*(gid_t *)field = (gid_t)-1;
		return 0;
	}
	if (text[strspn(text, "-0123456789")] == '\0') {
		int rc = number(text, 10, 0, MAX_ID, &id, why);

		if (rc < 0)
			return rc;
	} else {
		struct group *gr = getgrnam(text);

		if (gr == NULL)
			return fail(why, "no such group");
		id = gr->gr_gid;
	}
	*(gid_t *)field = (gid_t)id;
	return 0;
}

static int parse_perms(const char *text, void *field, char *why)
{
	unsigned long v;
	int rc = number(text, 8, 0, 0777, &v, why);

	if (rc < 0)
		return rc;
	*(mode_t *)field = (mode_t)v;
	return 0;
}

int cfg_value_parse(const struct cfg_key *key, const char *text, const struct cfg_cpus *cpus,
	void *obj, char why[CFG_WHY_LEN])
{
	void *field = (char *)obj + key->offset;

	why[0] = '\0';
	if (text[0] == '\0' && key->type != CFG_TYPE_STRING)
		return fail(why, "empty");
	switch (key->type) {
	case CFG_TYPE_CPUS:
		return parse_cpus(text, cpus, obj, why);
	case CFG_TYPE_WORD:
		return parse_word(key, text, field, why);
	case CFG_TYPE_NUMBER:
		return parse_number(key, text, field, why);
	case CFG_TYPE_NAME:
		return parse_name(text, field, why);
	case CFG_TYPE_STRING:
		return store_string(text, field);
	case CFG_TYPE_DEVICE:
		return parse_device(text, obj, why);
	case CFG_TYPE_PATH:
		return parse_path(key, text, field, why);
	case CFG_TYPE_REF:
		return parse_ref(text, obj, why);
	case CFG_TYPE_USER:
		return parse_user(text, field, why);
	case CFG_TYPE_GROUP:
		return parse_group(text, field, why);
	case CFG_TYPE_PERMS:
		return parse_perms(text, field, why);
	case CFG_TYPE_SWITCH:
		return parse_switch(text, field, why);
	case CFG_TYPE_MAC:
		return net(cfg_mac_parse(text, field), why);
	case CFG_TYPE_FILE:
		return parse_file(text, field, why);
	case CFG_TYPE_IFNAME:
		return net(cfg_ifname_parse(text, field), why);
	case CFG_TYPE_ADDRESS:
		return net(cfg_address_parse(text, field), why);
	}
	return fail(why, "of no known type");
}

static void format_cpus(const struct cfg_switch *sw, char *buf)
{
	size_t n = 0;

	for (unsigned int i = 0; i < sw->nb_workers && n < CFG_VALUE_LEN; i++)
		n += (size_t)snprintf(
			buf + n, CFG_VALUE_LEN - n, "%s%u", i > 0 ? "," : "", sw->workers[i]);
}

static void format_ref(const struct cfg *cfg, const struct cfg_container *c, char *buf)
{
	const char *name = cfg->ports[c->port].name;

	if (c->first_queue != 0)
		snprintf(buf, CFG_VALUE_LEN, "%s:%u", name, c->first_queue);
	else
		snprintf(buf, CFG_VALUE_LEN, "%s", name);
}

static void format_id(unsigned int id, char *buf)
{
	if (id == UINT32_MAX)
		snprintf(buf, CFG_VALUE_LEN, "unchanged");
	else
		snprintf(buf, CFG_VALUE_LEN, "%u", id);
}

char *cfg_value_format(
	const struct cfg_key *key, const struct cfg *cfg, const void *obj, char buf[CFG_VALUE_LEN])
{
	const void *field = (const char *)obj + key->offset;

	buf[0] = '\0';
	switch (key->type) {
	case CFG_TYPE_CPUS:
		format_cpus(obj, buf);
		break;
	case CFG_TYPE_WORD:
		snprintf(buf, CFG_VALUE_LEN, "%s", key->words[*(const unsigned int *)field]);
		break;
	case CFG_TYPE_NUMBER:
		snprintf(buf, CFG_VALUE_LEN, "%u",
			key->size == sizeof(uint16_t) ? *(const uint16_t *)field
						      : *(const unsigned int *)field);
		break;
	case CFG_TYPE_NAME:
	case CFG_TYPE_STRING:
	case CFG_TYPE_DEVICE:
	case CFG_TYPE_FILE:
		snprintf(buf, CFG_VALUE_LEN, "%s", *(char *const *)field);
		break;
	case CFG_TYPE_PATH:
	case CFG_TYPE_IFNAME:
		snprintf(buf, CFG_VALUE_LEN, "%s", (const char *)field);
		break;
	case CFG_TYPE_REF:
		format_ref(cfg, obj, buf);
		break;
	case CFG_TYPE_USER:
		format_id(*(const uid_t *)field, buf);
		break;
	case CFG_TYPE_GROUP:
		format_id(*(const gid_t *)field, buf);
		break;
	case CFG_TYPE_PERMS:
		snprintf(buf, CFG_VALUE_LEN, "%04o", *(const mode_t *)field);
		break;
	case CFG_TYPE_SWITCH:
		snprintf(buf, CFG_VALUE_LEN, "%s", *(const bool *)field ? "on" : "off");
		break;
	case CFG_TYPE_MAC:
		cfg_mac_format(field, buf, CFG_VALUE_LEN);
		break;
	case CFG_TYPE_ADDRESS:
		cfg_address_format(field, buf, CFG_VALUE_LEN);
		break;
	}
	return buf;
}

static void words_allowed(const struct cfg_key *key, char *buf)
{
	size_t n = 0;

	for (unsigned int i = 0; key->words[i] != NULL && n < CFG_ALLOWED_LEN; i++)
		n += (size_t)snprintf(
			buf + n, CFG_ALLOWED_LEN - n, "%s%s", i > 0 ? " | " : "", key->words[i]);
}

char *cfg_value_allowed(
	const struct cfg_key *key, const struct cfg_cpus *cpus, char buf[CFG_ALLOWED_LEN])
{
	const char *text = "";

	switch (key->type) {
	case CFG_TYPE_CPUS:
		snprintf(buf, CFG_ALLOWED_LEN, "1 to %u distinct CPUs%s%s, such as 1,3,5-7",
			CFG_MAX_WORKERS, cpus != NULL ? " of " : " that are online",
			cpus != NULL ? cpus->list : "");
		return buf;
	case CFG_TYPE_WORD:
		words_allowed(key, buf);
		return buf;
	case CFG_TYPE_NUMBER:
		snprintf(buf, CFG_ALLOWED_LEN, "%lu to %lu", key->min, key->max);
		return buf;
	case CFG_TYPE_NAME:
		text = CFG_NAME_ALLOWED;
		break;
	case CFG_TYPE_STRING:
		text = "any text";
		break;
	case CFG_TYPE_DEVICE:
		text = "a PCI address [dddd:]bb:dd.f, pf:PF,vf=N, pf:PF,vf=auto or a DPDK vdev "
		       "string, without white space";
		break;
	case CFG_TYPE_PATH:
		snprintf(buf, CFG_ALLOWED_LEN, "an absolute path of at most %zu bytes",
			key->size - 1);
		return buf;
	case CFG_TYPE_REF:
		snprintf(buf, CFG_ALLOWED_LEN, "NAME or NAME:FIRST_QUEUE, 0 to %u",
			CFG_MAX_QUEUES - 1);
		return buf;
	case CFG_TYPE_USER:
		text = "unchanged, a user's name or number";
		break;
	case CFG_TYPE_GROUP:
		text = "unchanged, a group's name or number";
		break;
	case CFG_TYPE_PERMS:
		text = "octal 0 to 0777";
		break;
	case CFG_TYPE_SWITCH:
		text = "on | off";
		break;
	case CFG_TYPE_MAC:
		text = "unchanged, or the MAC address xx:xx:xx:xx:xx:xx of one station";
		break;
	case CFG_TYPE_FILE:
		text = "an absolute path";
		break;
	case CFG_TYPE_IFNAME:
		text = "1 to 15 printable characters without / : , %";
		break;
	case CFG_TYPE_ADDRESS:
		text = "none, or ADDRESS/PREFIX of IPv4 or IPv6";
		break;
	}
	snprintf(buf, CFG_ALLOWED_LEN, "%s", text);
	return buf;
}

void cfg_values_free(enum cfg_kind kind, void *obj)
{
	for (const struct cfg_key *key = cfg_kinds[kind].keys; key->name != NULL; key++) {
		char **field = (char **)(void *)((char *)obj + key->offset);

		if (key->type == CFG_TYPE_NAME || key->type == CFG_TYPE_STRING ||
			key->type == CFG_TYPE_DEVICE || key->type == CFG_TYPE_FILE) {
			free(*field);
			*field = NULL;
		}
	}
}
