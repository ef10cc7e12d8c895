/* SPDX-License-Identifier: BSD-3-Clause */
/* "Did you mean ...?" No state. */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

struct cfg_nearest {
	const char *word; /* what was found */
	const char *best; /* the nearest so far, NULL if none is near enough */
	unsigned int distance;
};

/* Looks at one candidate. best keeps pointing to it. */
void cfg_nearest_try(struct cfg_nearest *n, const char *candidate);

/* " (did you mean BEST?)" or "" */
#define CFG_NEAREST_LEN 64
char *cfg_nearest_text(char buf[CFG_NEAREST_LEN], const struct cfg_nearest *n);

#endif /* CONFIG_NEAREST_H */
