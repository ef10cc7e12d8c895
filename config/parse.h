/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the bytes of a file to sections with the texts of their keys. What the texts mean is not
 * looked at here: see values.c and validate.c.
 *
 * Ownership: struct cfg_file owns all of it; cfg_file_free() releases it.
 * Threads: those of config.h.
 * On failure: everything wrong with the file is added to the list of errors and the rest is read
 * as well as possible, so that the next stages find their errors in the same run.
 */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/error.h"
#include "config/table.h"

/* bytes; far above any true file, far below any trouble */
#define CFG_MAX_FILE ((size_t)1024 * 1024)

struct cfg_section {
	struct cfg_section *next; /* in the order of the file */
	enum cfg_kind kind;
	char *title; /* between the brackets, for messages */
	char *name; /* "" if it has none */
	int line;
	bool counted; /* is in cfg_file.first: no duplicate, not one too many */
	unsigned int index; /* its place there */

	char *text[CFG_MAX_KEYS]; /* as in the table; NULL: not given */
	int key_line[CFG_MAX_KEYS];

	/* The next stages: */
	bool bad[CFG_MAX_KEYS]; /* value not usable, and already reported */
	void *obj; /* its struct of config.h, see values.c */
	char *id; /* what must be unique: device or socket, in normal form */
	struct cfg_section *port; /* a container's */
};

struct cfg_file {
	struct cfg_section *sections;
	struct cfg_section **tail;
	struct cfg_section *first[CFG_NB_KINDS][CFG_MAX_CONTAINERS]; /* the largest of the kinds */
	unsigned int nb[CFG_NB_KINDS];
	int last_line; /* at least 1 */
};

/*
 * Returns 0, also for a file full of errors; -errno if it cannot be read (*errs is left alone), or
 * -ENOMEM. To be freed in any case. There always is a [switch] afterwards.
 */
int cfg_file_read(const char *path, struct cfg_file *file, struct cfg_errors *errs);
void cfg_file_free(struct cfg_file *file);

/* The line to blame for a key: its own, or that of its section if it was not given. */
int cfg_key_line(const struct cfg_section *s, int key);

#endif /* CONFIG_PARSE_H */
