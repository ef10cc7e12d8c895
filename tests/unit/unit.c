/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <CUnit/TestRun.h>

static unsigned int nb_done, nb_failed;

static void test_done(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures)
{
	(void)suite;
	nb_done++;
	if (failures != NULL)
		nb_failed++;
	printf("%sok %u - %s\n", failures ? "not " : "", nb_done, test->pName);
	for (CU_pFailureRecord f = failures; f != NULL; f = f->pNext)
		printf("# %s:%u: %s\n", f->strFileName ? f->strFileName : "?", f->uiLineNumber,
			f->strCondition ? f->strCondition : "?");
	fflush(stdout);
}

int unit_run(const char *suite, void (*setup)(void), void (*teardown)(void),
	const struct unit_test *tests, size_t nb_tests)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;

	CU_pSuite s = CU_add_suite_with_setup_and_teardown(suite, NULL, NULL, setup, teardown);
	if (s == NULL)
		return EXIT_FAILURE;
	for (size_t i = 0; i < nb_tests; i++)
		if (CU_add_test(s, tests[i].name, tests[i].fn) == NULL)
			return EXIT_FAILURE;

	printf("1..%zu\n", nb_tests);
	fflush(stdout);
	CU_set_test_complete_handler(test_done);
	CU_run_all_tests();
	CU_cleanup_registry();

	/* A test that crashed the run before its end must not look like success. */
	return nb_failed == 0 && nb_done == nb_tests ? EXIT_SUCCESS : EXIT_FAILURE;
}
