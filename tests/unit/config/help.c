/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"

#include "tests/unit/config/load.h"

static void count_value(void *arg, const char *section, const char *key, const char *value)
{
	(void)section;
	(void)key;
	(void)value;
	++*(unsigned int *)arg;
}

static void test_help(void)
{
	char *help = NULL;
	size_t len;
	FILE *f = open_memstream(&help, &len);
	unsigned int nb_values = 0, nb_keys = 0;

	cfg_print_help(f);
	fclose(f);
	CU_ASSERT_PTR_NOT_NULL(strstr(help, "(68 to 9600; default: 1500)\n;mtu = 1500\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(help, "; required)\nport = wire0\n"));

	/*
	 * As it is, and with every default taken for a value (but for keys that other values do not
	 * allow): the same.
	 */
	char *text = localize(help);
	struct cfg *cfg = good(text);
	cfg_for_each_value(cfg, count_value, &nb_values);
	cfg_free(cfg);
	bool skip = false;
	for (char *p = text; (p = strchr(p, '\n')) != NULL;) {
		p++;
		if (*p == ';' && p[1] == ' ')
			skip = memmem(p, strcspn(p, "\n"), "; only with ", 12) != NULL;
		if (skip)
			continue;
		if (*p == ';' && p[1] >= 'a' && p[1] <= 'z')
			*p = ' ';
		nb_keys += *p == ' ' || (*p >= 'a' && *p <= 'z');
	}
	CU_ASSERT_EQUAL(nb_keys, nb_values); /* complete */
	cfg = good(text);
	CU_ASSERT_EQUAL(cfg->sw.memory, 256);
	CU_ASSERT_EQUAL(cfg->containers[0].socket_perms, 0660);
	cfg_free(cfg);
	free(text);
	free(help);
}

static const struct unit_test tests[] = {
	{ "help is a valid file", test_help },
};

UNIT_MAIN("config/help", setup, teardown, tests)
