/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of errors found in one file, and the way its bytes are shown in them.
 *
 * Ownership: a list owns its messages; cfg_error() copies what it is given.
 * Threads: those of config.h.
 * On failure: an error that finds no memory is remembered as such (cfg_errors.nomem), so the caller
 * cannot take the file for a good one.
 */
#ifndef CONFIG_ERROR_H
#define CONFIG_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CFG_SHOWN_LEN 64 /* bytes of a value that a message shows */
#define CFG_QUOTE_LEN (CFG_SHOWN_LEN * 4 + 64) /* each as \xNN, quotes, "... (N bytes)" */

struct cfg_errors {
	struct cfg_error *list;
	size_t nb, room;
	bool nomem;
};

/* section is the text between the brackets; key NULL: the error is about the section or line. */
void cfg_error(struct cfg_errors *e, int line, const char *section, const char *key,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One line each, in the order of the file. */
void cfg_errors_print(struct cfg_errors *e, const char *path, FILE *f);
void cfg_errors_free(struct cfg_errors *e);

/*
 * "s" in quotes, safe for a terminal: other than printable ASCII as \xNN, shortened when long.
 * Returns buf.
 */
char *cfg_quote(char buf[CFG_QUOTE_LEN], const char *s);

/* The same without quotes, for the names of sections and keys. */
char *cfg_show(char buf[CFG_QUOTE_LEN], const char *s);

/* A path for the start of a message: control bytes as \xNN, never shortened. */
void cfg_print_path(const char *path, FILE *f);

#endif /* CONFIG_ERROR_H */
