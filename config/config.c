/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/parse.h"
#include "config/type.h"
#include "config/validate.h"
#include "config/values.h"

/* Moves what a section's struct owns into dst: the section is left without a struct. */
static void take_obj(struct cfg_section *s, void *dst)
{
	memcpy(dst, s->obj, cfg_kinds[s->kind].size);
	free(s->obj);
	s->obj = NULL;
}

static void build_port(struct cfg_section *s, struct cfg_port *port)
{
	take_obj(s, port);
	snprintf(port->name, sizeof(port->name), "%s", s->name);
	port->line = s->line;
}

static void build_container(struct cfg_section *s, struct cfg_container *c)
{
	take_obj(s, c);
	snprintf(c->name, sizeof(c->name), "%s", s->name);
	c->port = s->port->index;
	c->line = s->line;
}

/* From a file without errors: every section in it is counted and has its struct. */
static struct cfg *build(const char *path, struct cfg_file *file)
{
	struct cfg *cfg = calloc(1, sizeof(*cfg));

	if (cfg == NULL)
		return NULL;
	cfg->path = strdup(path);
	cfg->ports = calloc(file->nb[CFG_KIND_PORT], sizeof(*cfg->ports));
	/* One more: calloc(0) may be NULL. */
	cfg->containers = calloc(file->nb[CFG_KIND_CONTAINER] + 1, sizeof(*cfg->containers));
	if (cfg->path == NULL || cfg->ports == NULL || cfg->containers == NULL) {
		cfg_free(cfg);
		return NULL;
	}

	take_obj(file->first[CFG_KIND_SWITCH][0], &cfg->sw);
	for (; cfg->nb_ports < file->nb[CFG_KIND_PORT]; cfg->nb_ports++)
		build_port(file->first[CFG_KIND_PORT][cfg->nb_ports], &cfg->ports[cfg->nb_ports]);
	for (; cfg->nb_containers < file->nb[CFG_KIND_CONTAINER]; cfg->nb_containers++)
		build_container(file->first[CFG_KIND_CONTAINER][cfg->nb_containers],
			&cfg->containers[cfg->nb_containers]);
	return cfg;
}

/* Not a line of the file is known: FILE: what happened. */
static unsigned int unreadable(const char *path, int rc, FILE *errs)
{
	cfg_print_path(path, errs);
	if (rc == -EFBIG)
		fprintf(errs, ": found more than %zu bytes; allowed at most that\n", CFG_MAX_FILE);
	else
		fprintf(errs, ": cannot be read: %s\n", strerror(-rc));
	return 1;
}

int cfg_load(const char *path, struct cfg **out, FILE *errs, unsigned int *nb_errors)
{
	struct cfg_errors list = { 0 };
	struct cfg_file file;
	unsigned int nb = 0;
	int rc;

	rc = cfg_file_read(path, &file, &list);
	if (rc == 0)
		rc = cfg_values_read(&file, &list);
	if (rc == 0)
		rc = cfg_validate(&file, &list);
	if (rc == 0 && list.nomem)
		rc = -ENOMEM;

	if (rc < 0) {
		nb = unreadable(path, rc, errs);
	} else if (list.nb > 0) {
		cfg_errors_print(&list, path, errs);
		nb = (unsigned int)list.nb;
		rc = -EINVAL;
	} else {
		struct cfg *cfg = build(path, &file);

		if (cfg != NULL)
			*out = cfg;
		else
			nb = unreadable(path, rc = -ENOMEM, errs);
	}
	if (nb_errors != NULL)
		*nb_errors = nb;
	cfg_errors_free(&list);
	cfg_file_free(&file);
	return rc;
}

void cfg_free(struct cfg *cfg)
{
	if (cfg == NULL)
		return;
	cfg_values_free(CFG_KIND_SWITCH, &cfg->sw);
	for (unsigned int i = 0; i < cfg->nb_ports; i++)
		cfg_values_free(CFG_KIND_PORT, &cfg->ports[i]);
	for (unsigned int i = 0; i < cfg->nb_containers; i++)
		cfg_values_free(CFG_KIND_CONTAINER, &cfg->containers[i]);
	free(cfg->ports);
	free(cfg->containers);
	free(cfg->path);
	free(cfg);
}

static void each_key(const struct cfg *cfg, enum cfg_kind kind, const char *name, const void *obj,
	cfg_value_fn fn, void *arg)
{
	char section[CFG_NAME_LEN + sizeof("container ")], value[CFG_VALUE_LEN];

	snprintf(section, sizeof(section), "%s%s%s", cfg_kinds[kind].name, name != NULL ? " " : "",
		name != NULL ? name : "");
	for (const struct cfg_key *key = cfg_kinds[kind].keys; key->name != NULL; key++)
		if (cfg_key_applies(key, obj))
			fn(arg, section, key->name, cfg_value_format(key, cfg, obj, value));
}

void cfg_for_each_value(const struct cfg *cfg, cfg_value_fn fn, void *arg)
{
	each_key(cfg, CFG_KIND_SWITCH, NULL, &cfg->sw, fn, arg);
	for (unsigned int i = 0; i < cfg->nb_ports; i++)
		each_key(cfg, CFG_KIND_PORT, cfg->ports[i].name, &cfg->ports[i], fn, arg);
	for (unsigned int i = 0; i < cfg->nb_containers; i++)
		each_key(cfg, CFG_KIND_CONTAINER, cfg->containers[i].name, &cfg->containers[i], fn,
			arg);
}
