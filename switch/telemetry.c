/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK telemetry: /vfring/ports, /vfring/containers, /vfring/queues, /vfring/workers. Without a
 * parameter the list of names, with one the document of that name. Callbacks run in threads of the
 * telemetry library: they post a request and wait with a limit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "switch/stats.h"
#include "switch/switch.h"
#include "vhost/compat.h"

#define WAIT_MS 1000

/* Callbacks of DPDK 22.11 get no argument. Set once, before they are registered. */
static struct switch_ctx *the_switch;

static const struct {
	const char *command;
	const char *help;
} commands[SW_DOC_KINDS] = {
	[SW_DOC_PORT] = { "/vfring/ports", "Physical ports. Parameter: a port's name" },
	[SW_DOC_CONTAINER] = { "/vfring/containers", "Containers. Parameter: a container's name" },
	[SW_DOC_QUEUE] = { "/vfring/queues", "Rx/Tx queues. Parameter: PORT:QUEUE" },
	[SW_DOC_WORKER] = { "/vfring/workers", "Polling threads. Parameter: a worker's CPU" },
};

struct list {
	unsigned int nb;
	char names[RTE_TEL_MAX_ARRAY_ENTRIES][SW_DOC_STRING];
};

struct ask {
	enum sw_doc_kind kind;
	char name[SW_DOC_STRING]; /* "": the list */
	/* One of them, made by the control thread, freed by the asker. */
	struct sw_doc *doc;
	struct list *list;
};

static int make_list(struct switch_ctx *sw, struct ask *a)
{
	a->list = calloc(1, sizeof(*a->list));
	if (a->list == NULL)
		return -ENOMEM;
	while (a->list->nb < RTE_DIM(a->list->names) &&
		sw_doc_name(sw, a->kind, a->list->nb, a->list->names[a->list->nb]))
		a->list->nb++;
	return 0;
}

static int answer(void *ctx, void *arg)
{
	struct ask *a = arg;

	if (a->name[0] == '\0')
		return make_list(ctx, a);
	a->doc = calloc(1, sizeof(*a->doc));
	if (a->doc == NULL)
		return -ENOMEM;
	return sw_doc_make(ctx, a->kind, a->name, a->doc);
}

static void drop(void *arg)
{
	struct ask *a = arg;

	free(a->doc);
	free(a->list);
}

static void render(const struct ask *a, struct rte_tel_data *d)
{
	if (a->list != NULL) {
		rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
		for (unsigned int i = 0; i < a->list->nb; i++)
			rte_tel_data_add_array_string(d, a->list->names[i]);
		return;
	}
	rte_tel_data_start_dict(d);
	for (uint32_t i = 0; i < a->doc->nb; i++) {
		const struct sw_doc_entry *e = &a->doc->entries[i];

		if (e->is_string)
			rte_tel_data_add_dict_string(d, e->key, e->string);
		else
			vh_tel_add_dict_uint(d, e->key, e->number);
	}
}

static int on_command(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct ask a = { .kind = SW_DOC_KINDS };
	int ret;

	for (unsigned int i = 0; i < SW_DOC_KINDS; i++)
		if (strcmp(cmd, commands[i].command) == 0)
			a.kind = i;
	if (a.kind == SW_DOC_KINDS)
		return -EINVAL;
	if (params != NULL &&
		(size_t)snprintf(a.name, sizeof(a.name), "%s", params) >= sizeof(a.name))
		return -EINVAL;

	ret = sw_request_wait(&the_switch->requests, answer, the_switch, &a, sizeof(a), drop, NULL,
		NULL, WAIT_MS);
	if (ret == 0)
		render(&a, d);
	drop(&a);
	return ret;
}

int sw_telemetry_init(struct switch_ctx *sw)
{
	the_switch = sw;
	for (unsigned int i = 0; i < SW_DOC_KINDS; i++) {
		int ret = rte_telemetry_register_cmd(
			commands[i].command, on_command, commands[i].help);

		if (ret < 0) {
			SW_LOG(ERR, "cannot register the telemetry command %s: %s",
				commands[i].command, strerror(-ret));
			return ret;
		}
	}
	return 0;
}
