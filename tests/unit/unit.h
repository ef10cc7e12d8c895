/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One program per tested source file: an array of CUnit tests, run in order, reported as TAP so
 * that meson and tests/run.sh count single tests. A failed assertion is printed with its line.
 *
 *	static const struct unit_test tests[] = {
 *		{ "empty ring gives nothing", test_empty },
 *	};
 *	UNIT_MAIN("vhost/split", NULL, NULL, tests)
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <stddef.h>

#include <CUnit/CUnit.h>

struct unit_test {
	const char *name;
	void (*fn)(void);
};

/* Returns the process' exit status. setup and teardown (run around each test) may be NULL. */
int unit_run(const char *suite, void (*setup)(void), void (*teardown)(void),
	const struct unit_test *tests, size_t nb_tests);

#define UNIT_MAIN(suite, setup, teardown, tests)                                                   \
	int main(void)                                                                             \
	{                                                                                          \
		return unit_run(                                                                   \
			suite, setup, teardown, tests, sizeof(tests) / sizeof((tests)[0]));        \
	}

#endif /* TESTS_UNIT_UNIT_H */
