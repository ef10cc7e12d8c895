/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user may know: documents of named values about ports, containers, queues and workers, made
 * by the control thread from the counters that others write.
 *
 * A document is flat and copied whole, so that a telemetry thread can render one without looking at
 * anything that the control thread owns.
 */
#ifndef SWITCH_STATS_H
#define SWITCH_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct switch_ctx;

#define SW_DOC_MAX_ENTRIES 64
#define SW_DOC_STRING      128 /* RTE_TEL_MAX_STRING_LEN */

struct sw_doc_entry {
	const char *key; /* static; [a-z0-9_], all that telemetry allows */
	bool is_string;
	uint64_t number;
	char string[SW_DOC_STRING];
};

struct sw_doc {
	uint32_t nb;
	struct sw_doc_entry entries[SW_DOC_MAX_ENTRIES];
};

enum sw_doc_kind {
	SW_DOC_PORT,
	SW_DOC_CONTAINER,
	SW_DOC_QUEUE, /* named PORT:QUEUE */
	SW_DOC_WORKER, /* named by its CPU */
	SW_DOC_KINDS
};

/* 0, or -ENOENT if nothing of that kind has this name. Control thread. */
int sw_doc_make(struct switch_ctx *sw, enum sw_doc_kind kind, const char *name, struct sw_doc *doc);

/* The n-th name of a kind, or false beyond the last. Control thread. */
bool sw_doc_name(
	struct switch_ctx *sw, enum sw_doc_kind kind, unsigned int n, char name[SW_DOC_STRING]);

/* The table of queues in the log. Control thread. */
void sw_stats_log(struct switch_ctx *sw);

/* telemetry.c: registers /vfring/ports etc. with DPDK telemetry. Once, before the loop runs. */
int sw_telemetry_init(struct switch_ctx *sw);

#endif /* SWITCH_STATS_H */
