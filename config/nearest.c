/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD 40 /* longer than any name we know */

static unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Insertions, deletions, replacements and swaps of neighbours; upper case costs nothing. */
static unsigned int edit_distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned int d[MAX_WORD + 1][MAX_WORD + 1];

	for (size_t i = 0; i <= na; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			unsigned int cost = same(a[i - 1], b[j - 1]) ? 0 : 1;

			d[i][j] = min(min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[na][nb];
}

void cfg_nearest_try(struct cfg_nearest *n, const char *candidate)
{
	size_t na = strlen(n->word), nb = strlen(candidate);

	if (na == 0 || na > MAX_WORD || nb > MAX_WORD)
		return;

	/* More than a third wrong is another word. */
	unsigned int limit = (unsigned int)((na > nb ? na : nb) + 2) / 3;
	unsigned int distance = edit_distance(n->word, candidate);

	if (distance <= limit && (n->best == NULL || distance < n->distance)) {
		n->best = candidate;
		n->distance = distance;
	}
}

char *cfg_nearest_text(char buf[CFG_NEAREST_LEN], const struct cfg_nearest *n)
{
	buf[0] = '\0';
	if (n->best != NULL)
		snprintf(buf, CFG_NEAREST_LEN, " (did you mean %s?)", n->best);
	return buf;
}
