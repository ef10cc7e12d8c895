/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Uses up a window and says how many lines it let through. */
static uint32_t lines_of(struct vh_rate *rate, uint32_t calls)
{
	uint32_t lines = 0, suppressed;

	for (uint32_t i = 0; i < calls; i++)
		lines += vh_rate_ok(rate, &suppressed);
	return lines;
}

/* Instead of waiting. */
static void let_time_pass(struct vh_rate *rate, uint64_t seconds)
{
	CU_ASSERT_FATAL(rate->window > seconds);
	rate->window -= seconds;
}

static void test_burst(void)
{
	struct vh_rate rate = { 0 };

	CU_ASSERT_EQUAL(lines_of(&rate, VH_RATE_BURST), VH_RATE_BURST);
	CU_ASSERT_EQUAL(lines_of(&rate, 1000), 0);
}

static void test_window(void)
{
	struct vh_rate rate = { 0 };

	lines_of(&rate, VH_RATE_BURST);
	let_time_pass(&rate, VH_RATE_SECONDS - 2); /* a second may pass by itself */
	CU_ASSERT_EQUAL(lines_of(&rate, 100), 0);
	let_time_pass(&rate, 2);
	CU_ASSERT_EQUAL(lines_of(&rate, 100), VH_RATE_BURST);
}

static void test_suppressed(void)
{
	struct vh_rate rate = { 0 };
	uint32_t suppressed = 99;

	CU_ASSERT_TRUE(vh_rate_ok(&rate, &suppressed));
	CU_ASSERT_EQUAL(suppressed, 0);
	lines_of(&rate, VH_RATE_BURST - 1 + 7);
	let_time_pass(&rate, VH_RATE_SECONDS);
	CU_ASSERT_TRUE(vh_rate_ok(&rate, &suppressed));
	CU_ASSERT_EQUAL(suppressed, 7);
	/* told once */
	CU_ASSERT_TRUE(vh_rate_ok(&rate, &suppressed));
	CU_ASSERT_EQUAL(suppressed, 0);
	let_time_pass(&rate, VH_RATE_SECONDS);
	CU_ASSERT_TRUE(vh_rate_ok(&rate, &suppressed));
	CU_ASSERT_EQUAL(suppressed, 0);
}

static void test_separate(void)
{
	struct vh_rate a = { 0 }, b = { 0 };

	lines_of(&a, 1000);
	CU_ASSERT_EQUAL(lines_of(&b, 1000), VH_RATE_BURST);
}

static void test_macro(void)
{
	struct vh_rate rate = { 0 };
	char *text = NULL;
	size_t len = 0;
	uint32_t lines = 0;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	rte_openlog_stream(f);
	for (int i = 0; i < 20; i++)
		VH_LOG_LIMITED(&rate, ERR, "line %d", i);
	let_time_pass(&rate, VH_RATE_SECONDS);
	VH_LOG_LIMITED(&rate, ERR, "last");
	rte_openlog_stream(NULL);
	fclose(f);

	for (const char *p = text; *p != '\0'; p++)
		lines += *p == '\n';
	CU_ASSERT_EQUAL(lines, VH_RATE_BURST + 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "vhost: line 4\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "vhost: last (and 15 lines like this left out)\n"));
	free(text);
}

static const struct unit_test tests[] = {
	{ "a burst, then nothing", test_burst },
	{ "a new window lets lines through again", test_window },
	{ "says once how many were left out", test_suppressed },
	{ "each limiter counts for itself", test_separate },
	{ "the macro writes what the limiter allows", test_macro },
};

UNIT_MAIN("vhost/log", NULL, NULL, tests)
