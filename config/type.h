/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How each type of value is read, written and described.
 *
 * Ownership: a value that needs memory (char *) belongs to the struct it was stored in.
 * Threads: those of config.h.
 * On failure: the field is left as it was, and `why` says what is wrong, in a few words.
 */
#ifndef CONFIG_TYPE_H
#define CONFIG_TYPE_H

#include "config/table.h"

struct cfg;
struct cfg_cpus;

#define CFG_WHY_LEN     160
#define CFG_ALLOWED_LEN 512
#define CFG_VALUE_LEN   512 /* any value as text, also 64 workers of four digits */

/* Stores text into key's field of obj. Returns 0, -EINVAL with why, or -ENOMEM. */
int cfg_value_parse(const struct cfg_key *key, const char *text, const struct cfg_cpus *cpus,
	void *obj, char why[CFG_WHY_LEN]);

/* Key's field of obj as text that cfg_value_parse() reads back. Returns buf. */
char *cfg_value_format(
	const struct cfg_key *key, const struct cfg *cfg, const void *obj, char buf[CFG_VALUE_LEN]);

/* What a key may hold; with cpus, the CPUs of this machine. Returns buf. */
char *cfg_value_allowed(
	const struct cfg_key *key, const struct cfg_cpus *cpus, char buf[CFG_ALLOWED_LEN]);

/* Frees what obj's fields own, not obj. */
void cfg_values_free(enum cfg_kind kind, void *obj);

#endif /* CONFIG_TYPE_H */
