/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cfg_error {
	int line;
	size_t seq; /* keeps the order of errors on one line; qsort() is not stable */
	char *text;
};

static size_t put_byte(char *buf, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		buf[0] = '\\';
		buf[1] = (char)c;
		return 2;
	}
	if (c >= 0x20 && c < 0x7f) {
		buf[0] = (char)c;
		return 1;
	}
	buf[0] = '\\';
	buf[1] = 'x';
	buf[2] = hex[c >> 4];
	buf[3] = hex[c & 15];
	return 4;
}

static char *show(char buf[CFG_QUOTE_LEN], const char *s, const char *mark)
{
	size_t len = strlen(s), n = 0;

	n += (size_t)sprintf(buf, "%s", mark);
	for (size_t i = 0; i < len && i < CFG_SHOWN_LEN; i++)
		n += put_byte(buf + n, (unsigned char)s[i]);
	if (len > CFG_SHOWN_LEN)
		snprintf(buf + n, CFG_QUOTE_LEN - n, "...%s (%zu bytes)", mark, len);
	else
		snprintf(buf + n, CFG_QUOTE_LEN - n, "%s", mark);
	return buf;
}

char *cfg_quote(char buf[CFG_QUOTE_LEN], const char *s)
{
	return show(buf, s, "\"");
}

char *cfg_show(char buf[CFG_QUOTE_LEN], const char *s)
{
	return show(buf, s, "");
}

static char *__attribute__((format(printf, 3, 0)))
message(const char *section, const char *key, const char *fmt, va_list ap)
{
	char shown[CFG_QUOTE_LEN];
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	fprintf(f, "[%s]", cfg_show(shown, section));
	if (key != NULL)
		fprintf(f, " %s", cfg_show(shown, key));
	fputs(": ", f);
	vfprintf(f, fmt, ap);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void cfg_error(
	struct cfg_errors *e, int line, const char *section, const char *key, const char *fmt, ...)
{
	va_list ap;

	if (e->nb == e->room) {
		size_t room = e->room != 0 ? e->room * 2 : 16;
		struct cfg_error *list = reallocarray(e->list, room, sizeof(*list));

		if (list == NULL) {
			e->nomem = true;
			return;
		}
		e->list = list;
		e->room = room;
	}

	va_start(ap, fmt);
	char *text = message(section, key, fmt, ap);
	va_end(ap);
	if (text == NULL) {
		e->nomem = true;
		return;
	}
	e->list[e->nb] = (struct cfg_error){ .line = line, .seq = e->nb, .text = text };
	e->nb++;
}

static int by_line(const void *pa, const void *pb)
{
	const struct cfg_error *a = pa, *b = pb;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

void cfg_errors_print(struct cfg_errors *e, const char *path, FILE *f)
{
	if (e->nb > 1)
		qsort(e->list, e->nb, sizeof(*e->list), by_line);
	for (size_t i = 0; i < e->nb; i++) {
		cfg_print_path(path, f);
		fprintf(f, ":%d: %s\n", e->list[i].line, e->list[i].text);
	}
}

void cfg_errors_free(struct cfg_errors *e)
{
	for (size_t i = 0; i < e->nb; i++)
		free(e->list[i].text);
	free(e->list);
	*e = (struct cfg_errors){ 0 };
}

void cfg_print_path(const char *path, FILE *f)
{
	for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
		/* The user's own words: UTF-8 may stay, what moves the cursor may not. */
		if (*p < 0x20 || *p == 0x7f)
			fprintf(f, "\\x%02x", *p);
		else
			fputc(*p, f);
	}
}
