/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"
#include "config/table.h"
#include "config/type.h"

/* The output is a valid file: what its other values do not allow is a comment. */
static void print_key(FILE *f, const struct cfg_key *key)
{
	bool comment = key->only == CFG_ONLY_VF || key->only == CFG_ONLY_NETNS;
	char allowed[CFG_ALLOWED_LEN];

	cfg_value_allowed(key, NULL, allowed);
	fprintf(f, "; %s (%s; ", key->help, allowed);
	if (comment)
		fprintf(f, "only with %s; ", cfg_only_str(key->only));
	if (key->def == NULL) {
		fprintf(f, "required)\n%s%s = %s\n", comment ? ";" : "", key->name, key->example);
	} else {
		fprintf(f, "default: %s)\n", key->def[0] != '\0' ? key->def : "none");
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
