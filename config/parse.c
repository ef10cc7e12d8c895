/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inih splits key and value; all that it does silently is kept away from it. Its reader function is
 * called once per line, so ours knows the number of the line that the handler is called for. The
 * reader itself deals with
 * - section headers: inih cuts names at 49 bytes, ignores text after the bracket, and tells of a
 *   section only when it has a key;
 * - long lines: inih reads them in pieces of ini_max_line, each taken for a line;
 * - NUL bytes: inih ends the line there;
 * - indentation: for inih, an indented line continues the value before it, even if it reads
 *   "key = value". Here white space at the start of a line means nothing.
 * inih gets an empty line for what it should not see.
 */
#include "config/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ini.h>

#include "config/nearest.h"
#include "config/type.h"

#define SECTIONS_ALLOWED "[switch], [port NAME] or [container NAME]"

struct reader {
	struct cfg_file *file;
	struct cfg_errors *errs;
	const char *pos, *end;
	int line;
	struct cfg_section *cur; /* NULL before the first */
	bool pending; /* inih was given a line and has not called the handler yet */
	char text[CFG_QUOTE_LEN]; /* that line, to be shown */
	int rc;
};

static const char *title(const struct reader *r)
{
	return r->cur != NULL ? r->cur->title : "";
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *trim(char *s)
{
	while (blank(*s))
		s++;
	size_t len = strlen(s);
	while (len > 0 && blank(s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

static struct cfg_section *add_section(
	struct cfg_file *file, enum cfg_kind kind, const char *text, const char *name, int line)
{
	struct cfg_section *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->kind = kind;
	s->line = line;
	s->title = strdup(text);
	s->name = strdup(name);
	*file->tail = s;
	file->tail = &s->next;
	return s->title != NULL && s->name != NULL ? s : NULL;
}

static void count_section(struct cfg_file *file, struct cfg_section *s)
{
	s->index = file->nb[s->kind]++;
	file->first[s->kind][s->index] = s;
	s->counted = true;
}

static enum cfg_kind find_kind(struct reader *r, const char *word)
{
	struct cfg_nearest near = { .word = word };
	char hint[CFG_NEAREST_LEN], shown[CFG_QUOTE_LEN];
	enum cfg_kind kind;

	for (kind = 0; kind < CFG_NB_KINDS; kind++) {
		if (strcmp(cfg_kinds[kind].name, word) == 0)
			return kind;
		cfg_nearest_try(&near, cfg_kinds[kind].name);
	}

	if (word[0] == '\0')
		cfg_error(r->errs, r->line, title(r), NULL,
			"found a section without a name; allowed " SECTIONS_ALLOWED);
	else
		cfg_error(r->errs, r->line, title(r), NULL,
			"found an unknown section %s%s; allowed " SECTIONS_ALLOWED,
			cfg_quote(shown, word), cfg_nearest_text(hint, &near));

	/* Go on as if the nearest had been meant: its keys are checked, references to it hold. */
	for (kind = 0; kind < CFG_NB_KINDS; kind++)
		if (near.best == cfg_kinds[kind].name)
			break;
	return kind;
}

static void check_name(struct reader *r, struct cfg_section *s)
{
	const struct cfg_kind_info *kind = &cfg_kinds[s->kind];
	char shown[CFG_QUOTE_LEN];

	if (kind->example == NULL) {
		if (s->name[0] != '\0')
			cfg_error(r->errs, s->line, s->title, NULL, "found a name, %s; allowed %s",
				cfg_quote(shown, s->name), kind->title);
	} else if (s->name[0] == '\0') {
		cfg_error(r->errs, s->line, s->title, NULL,
			"found no name; allowed %s, NAME being " CFG_NAME_ALLOWED, kind->title);
	} else if (!cfg_name_ok(s->name)) {
		cfg_error(r->errs, s->line, s->title, NULL,
			"found the name %s; allowed " CFG_NAME_ALLOWED, cfg_quote(shown, s->name));
	}
}

static void check_duplicate(struct reader *r, struct cfg_section *s)
{
	const struct cfg_kind_info *kind = &cfg_kinds[s->kind];
	unsigned int nb = r->file->nb[s->kind];
	bool one = kind->example == NULL;

	for (unsigned int i = 0; i < nb; i++) {
		const struct cfg_section *other = r->file->first[s->kind][i];

		if (one || (s->name[0] != '\0' && strcmp(other->name, s->name) == 0)) {
			cfg_error(r->errs, s->line, s->title, NULL,
				"found a second time, first at line %d; allowed once", other->line);
			return;
		}
	}
	if (nb == kind->max)
		cfg_error(r->errs, s->line, s->title, NULL,
			"found one section more than the limit; allowed %u of %s", kind->max,
			kind->title);
	else
		count_section(r->file, s);
}

/* inner: the text between the brackets, trimmed */
static void enter_section(struct reader *r, char *inner)
{
	char *word_end = inner + strcspn(inner, " \t");
	char saved = *word_end;
	struct cfg_section *s;

	/* The title first: messages about the kind need it. */
	s = add_section(
		r->file, CFG_KIND_NONE, inner, saved != '\0' ? trim(word_end + 1) : "", r->line);
	if (s == NULL) {
		r->rc = -ENOMEM;
		return;
	}
	r->cur = s;
	*word_end = '\0';
	s->kind = find_kind(r, inner);
	if (s->kind == CFG_KIND_NONE)
		return;
	check_name(r, s);
	check_duplicate(r, s);
}

/* Keys after a header that cannot be read belong to a section that nothing is known about. */
static void enter_nowhere(struct reader *r)
{
	r->cur = add_section(r->file, CFG_KIND_NONE, "?", "", r->line);
	if (r->cur == NULL)
		r->rc = -ENOMEM;
}

static void read_header(struct reader *r, const char *s, size_t len)
{
	char *copy = strndup(s + 1, len - 1);
	char shown[CFG_QUOTE_LEN];

	if (copy == NULL) {
		r->rc = -ENOMEM;
		return;
	}
	char *close = strchr(copy, ']');
	if (close != NULL) {
		*close = '\0';
		char *rest = trim(close + 1);

		enter_section(r, trim(copy));
		if (r->rc == 0 && *rest != '\0' && *rest != ';')
			cfg_error(r->errs, r->line, title(r), NULL,
				"found text after ], %s; allowed a comment (;)",
				cfg_quote(shown, rest));
	} else {
		char *comment = strchr(copy, ';');

		if (comment != NULL)
			*comment = '\0';
		enter_section(r, trim(copy));
		if (r->rc == 0)
			cfg_error(r->errs, r->line, title(r), NULL,
				"found no ] at the end; allowed " SECTIONS_ALLOWED);
	}
	free(copy);
}

/* May inih, or our reading of a header, have this line? */
static bool line_ok(struct reader *r, const char *s, size_t len, size_t max)
{
	if (len > max) {
		cfg_error(r->errs, r->line, title(r), NULL,
			"found a line of %zu bytes; allowed at most %zu", len, max);
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			cfg_error(r->errs, r->line, title(r), NULL,
				"found the control byte \\x%02x; allowed text", c);
			return false;
		}
	}
	return true;
}

/* inih took the last line for neither section nor key: it does not say so before the end. */
static void check_pending(struct reader *r)
{
	if (r->pending)
		cfg_error(r->errs, r->line, title(r), NULL,
			"found a line without =, %s; allowed KEY = VALUE on one line", r->text);
	r->pending = false;
}

/* The next line without its end and surrounding white space; its length, or 0 for a comment. */
static size_t take_line(struct reader *r, const char **line)
{
	static const char bom[] = { '\xef', '\xbb', '\xbf' };
	const char *s = r->pos;
	const char *eol = memchr(s, '\n', (size_t)(r->end - s));
	size_t len = (size_t)((eol != NULL ? eol : r->end) - s);

	r->pos = eol != NULL ? eol + 1 : r->end;
	r->line++;
	if (r->line == 1 && len >= sizeof(bom) && memcmp(s, bom, sizeof(bom)) == 0) {
		s += sizeof(bom);
		len -= sizeof(bom);
	}
	if (len > 0 && s[len - 1] == '\r')
		len--;
	while (len > 0 && blank(*s)) {
		s++;
		len--;
	}
	while (len > 0 && blank(s[len - 1]))
		len--;
	*line = s;
	return len > 0 && (*s == ';' || *s == '#') ? 0 : len;
}

/* inih's reader: num bytes at str, a 0 included. */
static char *read_line(char *str, int num, void *stream)
{
	struct reader *r = stream;
	const char *s;

	check_pending(r);
	if (r->rc != 0 || r->pos == r->end)
		return NULL;

	size_t len = take_line(r, &s);
	str[0] = '\0';
	if (len == 0)
		return str;
	if (!line_ok(r, s, len, (size_t)num - 1)) {
		if (*s == '[')
			enter_nowhere(r);
	} else if (*s == '[') {
		read_header(r, s, len);
	} else {
		memcpy(str, s, len);
		str[len] = '\0';
		cfg_quote(r->text, str);
		r->pending = true;
	}
	return str;
}

/* Not a typing error, but the wrong section? */
static bool other_place(char *buf, size_t size, const char *key)
{
	size_t n = 0;

	for (enum cfg_kind kind = 0; kind < CFG_NB_KINDS; kind++)
		if (cfg_key_index(kind, key) >= 0 && n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s",
				n == 0 ? " (a key of " : " and ", cfg_kinds[kind].title);
	if (n > 0 && n < size)
		snprintf(buf + n, size - n, ")");
	return n > 0;
}

static void unknown_key(struct reader *r, const char *name)
{
	struct cfg_nearest near = { .word = name };
	char hint[CFG_NEAREST_LEN], names[256];
	const struct cfg_key *key = cfg_kinds[r->cur->kind].keys;
	size_t n = 0;

	for (; key->name != NULL && n < sizeof(names); key++) {
		cfg_nearest_try(&near, key->name);
		n += (size_t)snprintf(
			names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "", key->name);
	}
	if (!other_place(hint, sizeof(hint), name))
		cfg_nearest_text(hint, &near);
	cfg_error(r->errs, r->line, title(r), name, "found an unknown key%s; allowed %s", hint,
		names);
}

/* inih's handler. It is never told to stop: it would report an error of its own, without a word. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;

	(void)section; /* cut at 49 bytes */
	if (name == NULL || value == NULL) /* some builds call it for a section, too */
		return 1;
	r->pending = false;
	if (name[0] == '\0') {
		cfg_error(r->errs, r->line, title(r), NULL,
			"found no key before =; allowed KEY = VALUE on one line");
		return 1;
	}
	if (r->cur == NULL) {
		cfg_error(r->errs, r->line, "", name,
			"found a key before any section; allowed after " SECTIONS_ALLOWED);
		return 1;
	}
	if (r->cur->kind == CFG_KIND_NONE)
		return 1;

	int i = cfg_key_index(r->cur->kind, name);
	if (i < 0) {
		unknown_key(r, name);
	} else if (r->cur->text[i] != NULL) {
		cfg_error(r->errs, r->line, title(r), name,
			"found a second time, first at line %d; allowed once", r->cur->key_line[i]);
	} else {
		r->cur->key_line[i] = r->line;
		r->cur->text[i] = strdup(value);
		if (r->cur->text[i] == NULL)
			r->rc = -ENOMEM;
	}
	return 1;
}

/* The whole file, so that its lines can be of any length. Also from a pipe: no size is asked. */
static int slurp(const char *path, char **buf, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc = 0;

	if (fd < 0)
		return -errno;
	*len = 0;
	*buf = malloc(CFG_MAX_FILE + 1);
	if (*buf == NULL)
		rc = -ENOMEM;
	while (rc == 0) {
		ssize_t n = read(fd, *buf + *len, CFG_MAX_FILE + 1 - *len);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		else
			*len += (size_t)n;
		if (*len > CFG_MAX_FILE)
			rc = -EFBIG;
	}
	close(fd);
	return rc;
}

int cfg_file_read(const char *path, struct cfg_file *file, struct cfg_errors *errs)
{
	struct reader r = { .file = file, .errs = errs };
	char *buf = NULL;
	size_t len = 0;
	int rc;

	memset(file, 0, sizeof(*file));
	file->tail = &file->sections;
	rc = slurp(path, &buf, &len);
	if (rc < 0)
		goto out;

	r.pos = buf;
	r.end = buf + len;
	/* A line that inih refuses is already reported, see check_pending(); -2 is its ENOMEM. */
	if (ini_parse_stream(read_line, &r, take_key, &r) == -2)
		r.rc = -ENOMEM;
	rc = r.rc;
	file->last_line = r.line > 0 ? r.line : 1;

	if (rc == 0 && file->nb[CFG_KIND_SWITCH] == 0) {
		struct cfg_section *s =
			add_section(file, CFG_KIND_SWITCH, "switch", "", file->last_line);

		if (s != NULL)
			count_section(file, s);
		else
			rc = -ENOMEM;
	}
out:
	free(buf);
	return rc;
}

void cfg_file_free(struct cfg_file *file)
{
	struct cfg_section *next;

	for (struct cfg_section *s = file->sections; s != NULL; s = next) {
		next = s->next;
		for (unsigned int i = 0; i < CFG_MAX_KEYS; i++)
			free(s->text[i]);
		if (s->obj != NULL)
			cfg_values_free(s->kind, s->obj);
		free(s->obj);
		free(s->id);
		free(s->title);
		free(s->name);
		free(s);
	}
}

int cfg_key_line(const struct cfg_section *s, int key)
{
	return s->text[key] != NULL ? s->key_line[key] : s->line;
}
