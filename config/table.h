/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one table of keys. Parser, defaults, error texts, --help-config and the log of effective
 * values are all read off it: a new key is a new line there, and a field in config.h.
 *
 * Constant data; any thread may read it.
 */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum cfg_kind {
	CFG_KIND_SWITCH,
	CFG_KIND_PORT,
	CFG_KIND_CONTAINER,
	CFG_NB_KINDS,
	CFG_KIND_NONE = CFG_NB_KINDS, /* a section that the table does not know */
};

enum cfg_type {
	CFG_TYPE_CPUS, /* unsigned int[], its count in the field before it */
	CFG_TYPE_WORD, /* an enum; words[] in its order */
	CFG_TYPE_NUMBER, /* uint16_t or unsigned int, min..max */
	CFG_TYPE_NAME, /* char *, as the NAME of a section */
	CFG_TYPE_STRING, /* char *, anything */
	CFG_TYPE_DEVICE, /* struct cfg_port: device, and vf if it is one */
	CFG_TYPE_PATH, /* char[], absolute path of a socket */
	CFG_TYPE_REF, /* struct cfg_container: port and first_queue */
	CFG_TYPE_USER, /* uid_t */
	CFG_TYPE_GROUP, /* gid_t */
	CFG_TYPE_PERMS, /* mode_t */
	CFG_TYPE_SWITCH, /* bool: on or off */
	CFG_TYPE_MAC, /* struct cfg_mac */
	CFG_TYPE_FILE, /* char *, absolute path */
	CFG_TYPE_IFNAME, /* char[CFG_IFNAME_LEN] */
	CFG_TYPE_ADDRESS, /* struct cfg_address */
};

/* Where a key may stand, by the value of its section's first key. */
enum cfg_only {
	CFG_ONLY_ALWAYS,
	CFG_ONLY_VF, /* device = pf:PF,vf=N */
	CFG_ONLY_VHOST_USER, /* kind = vhost-user */
	CFG_ONLY_NETNS, /* kind = netns */
};

#define CFG_MAX_KEYS 14 /* keys of one kind */

struct cfg_key {
	const char *name; /* NULL ends a kind's keys */
	enum cfg_type type;
	enum cfg_only only;
	unsigned long min, max; /* CFG_TYPE_NUMBER */
	const char *const *words; /* CFG_TYPE_WORD, ends with NULL */
	const char *def; /* text, read like one from the file; NULL: required */
	const char *example; /* for a required key */
	size_t offset, size; /* the field in the kind's struct */
	const char *help; /* one line */
};

struct cfg_kind_info {
	const char *name; /* of the section */
	const char *example; /* a NAME; NULL: the section has none */
	const char *title; /* how to write the section */
	unsigned int max; /* sections of this kind */
	size_t size; /* of its struct in config.h */
	const char *help;
	struct cfg_key keys[CFG_MAX_KEYS + 1];
};

extern const struct cfg_kind_info cfg_kinds[CFG_NB_KINDS];

/* Whether the key may stand in a section with this struct, whose first key has been read. */
bool cfg_key_applies(const struct cfg_key *key, const void *obj);
/* "kind = netns", and so on; "": always. */
const char *cfg_only_str(enum cfg_only only);

/* Index of a key in its kind, or -1. */
int cfg_key_index(enum cfg_kind kind, const char *name);

/* May s be a port's, container's or instance's name? */
bool cfg_name_ok(const char *s);
#define CFG_NAME_ALLOWED "1 to 31 of A-Z a-z 0-9 _ . -"

#endif /* CONFIG_TABLE_H */
