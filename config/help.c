/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"
#include "config/table.h"
#include "config/type.h"

static void print_key(FILE *f, const struct cfg_key *key)
{
	char allowed[CFG_ALLOWED_LEN];

	cfg_value_allowed(key, NULL, allowed);
	if (key->def == NULL) {
		fprintf(f, "; %s (%s; required)\n", key->help, allowed);
		fprintf(f, "%s = %s\n", key->name, key->example);
	} else {
		fprintf(f, "; %s (%s; default: %s)\n", key->help, allowed,
			key->def[0] != '\0' ? key->def : "none");
		fprintf(f, ";%s =%s%s\n", key->name, key->def[0] != '\0' ? " " : "", key->def);
	}
}

void cfg_print_help(FILE *f)
{
	fputs("; Every key of vfringd's configuration. Keys with ; in front show their default.\n"
	      "; A comment starts with ; or #, behind a value with a blank and ; only.\n",
		f);
	for (enum cfg_kind kind = 0; kind < CFG_NB_KINDS; kind++) {
		const struct cfg_kind_info *info = &cfg_kinds[kind];

		fprintf(f, "\n; %s: %s", info->title, info->help);
		if (info->example != NULL)
			fprintf(f, "; at most %u; NAME: " CFG_NAME_ALLOWED, info->max);
		fputc('\n', f);
		fprintf(f, "[%s%s%s]\n", info->name, info->example != NULL ? " " : "",
			info->example != NULL ? info->example : "");
		for (const struct cfg_key *key = info->keys; key->name != NULL; key++)
			print_key(f, key);
	}
}
