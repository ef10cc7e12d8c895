/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/values.h"

#include <errno.h>
#include <stdlib.h>

#include "config/cpus.h"
#include "config/type.h"

/* A key that stands where its section's first key does not allow it. */
static void misplaced(const struct cfg_section *s, int i, struct cfg_errors *errs)
{
	const struct cfg_key *key = &cfg_kinds[s->kind].keys[i];
	char shown[CFG_QUOTE_LEN];

	cfg_error(errs, cfg_key_line(s, i), s->title, key->name, "found %s; allowed only with %s",
		cfg_quote(shown, s->text[i]), cfg_only_str(key->only));
}

static int read_value(
	struct cfg_section *s, int i, const struct cfg_cpus *cpus, struct cfg_errors *errs)
{
	const struct cfg_key *key = &cfg_kinds[s->kind].keys[i];
	const char *text = s->text[i] != NULL ? s->text[i] : key->def;
	char why[CFG_WHY_LEN], allowed[CFG_ALLOWED_LEN], shown[CFG_QUOTE_LEN];

	if (s->bad[0] ? s->text[i] == NULL && key->only != CFG_ONLY_ALWAYS
		      : !cfg_key_applies(key, s->obj)) {
		s->bad[i] = true;
		if (s->text[i] != NULL)
			misplaced(s, i, errs);
		return 0;
	}
	cfg_value_allowed(key, cpus, allowed);
	if (text == NULL) {
		s->bad[i] = true;
		/* A second section of one name adds to the first, in its writer's mind. */
		if (s->counted)
			cfg_error(errs, s->line, s->title, key->name,
				"found nothing, but it is required; allowed %s", allowed);
		return 0;
	}

	int rc = cfg_value_parse(key, text, cpus, s->obj, why);
	if (rc == -EINVAL) {
		s->bad[i] = true;
		cfg_error(errs, cfg_key_line(s, i), s->title, key->name,
			"found %s (%s%s); allowed %s", cfg_quote(shown, text),
			s->text[i] == NULL ? "the default; " : "", why, allowed);
		return 0;
	}
	return rc;
}

int cfg_values_read(struct cfg_file *file, struct cfg_errors *errs)
{
	struct cfg_cpus cpus;

	cfg_cpus_online(&cpus);
	for (struct cfg_section *s = file->sections; s != NULL; s = s->next) {
		if (s->kind == CFG_KIND_NONE)
			continue;
		s->obj = calloc(1, cfg_kinds[s->kind].size);
		if (s->obj == NULL)
			return -ENOMEM;
		for (int i = 0; cfg_kinds[s->kind].keys[i].name != NULL; i++) {
			int rc = read_value(s, i, &cpus, errs);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
