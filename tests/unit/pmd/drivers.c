/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/drivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static void test_listed(void)
{
	static const char *const names[] = { "net_af_packet", "net_null" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct pmd_driver *d = pmd_driver_find(names[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(d);
		CU_ASSERT_STRING_EQUAL(d->name, names[i]);
		CU_ASSERT_EQUAL(d->evidence, PMD_TESTED);
		CU_ASSERT_FALSE(d->prefills);
	}
}

/* Those that DESIGN names as unfit (invariant 7) must not slip in. */
static void test_not_listed(void)
{
	static const char *const names[] = { "mlx5_pci", "mlx5_eth", "net_virtio",
		"net_virtio_user", "net_tap", "net_ring" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CU_ASSERT_PTR_NULL(pmd_driver_find(names[i]));
}

static void test_whole_name(void)
{
	CU_ASSERT_PTR_NULL(pmd_driver_find("net_af_packet0"));
	CU_ASSERT_PTR_NULL(pmd_driver_find("net_nul"));
	CU_ASSERT_PTR_NULL(pmd_driver_find("net_e1000_igb_v"));
	CU_ASSERT_PTR_NULL(pmd_driver_find(""));
	CU_ASSERT_PTR_NULL(pmd_driver_find(NULL));
}

/* What an entry promises must go together with what the rest of it says. */
static void test_consistent(void)
{
	const struct pmd_driver *d;

	for (unsigned int i = 0; (d = pmd_driver_nth(i)) != NULL; i++) {
		CU_ASSERT(d->dma || d->evidence == PMD_TESTED);
		CU_ASSERT(d->prefills || (!d->dma && d->rx_granule == 0));
		/* The clean-up is right with 1, or looks at no threshold. */
		CU_ASSERT(d->tx_reap != PMD_TX_REAP_CLEANUP || d->tx_rs_thresh <= 1);
		for (unsigned int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(d->name, pmd_driver_nth(j)->name);
	}
}

/* ---- the same table in pmd/README.md ---- */

enum { NAME, MAPPING, STOPS, TAKES, SIZE, ORDER, FREES, NB_CELLS };

static char *trim(char *cell)
{
	char *end = cell + strlen(cell);

	while (end > cell && end[-1] == ' ')
		*--end = 0;
	return cell + strspn(cell, " ");
}

/* Cuts a row at its bars. Returns the number of cells found. */
static unsigned int split_row(char *line, char *cells[NB_CELLS])
{
	char *rest = line + 1, *cell;
	unsigned int n = 0;

	while (n < NB_CELLS && (cell = strsep(&rest, "|")) != NULL && rest != NULL)
		cells[n++] = trim(cell);
	return n;
}

static const struct pmd_driver *find_raw(const char *name)
{
	const struct pmd_driver *d;

	for (unsigned int i = 0; (d = pmd_driver_nth(i)) != NULL; i++)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

static void check_row(char *const cells[NB_CELLS])
{
	const struct pmd_driver *d = find_raw(cells[NAME]);
	const char *threshold = strstr(cells[FREES], "threshold ");
	bool same;

	if (strcmp(cells[MAPPING], "copied") == 0) {
		CU_ASSERT_PTR_NULL(d);
		return;
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	same = strcmp(cells[MAPPING], d->evidence == PMD_TESTED ? "tested" : "read") == 0 &&
		d->whole_device == (strcmp(cells[STOPS], "not used") == 0) &&
		d->prefills == (strstr(cells[TAKES], "at its start") != NULL) &&
		d->rx_granule == atoi(cells[SIZE]) &&
		(d->rx_granule == 0) == (strcmp(cells[SIZE], "any") == 0) &&
		(d->tx_reap == PMD_TX_REAP_BURST) ==
			(strncmp(cells[FREES], "an empty burst", 14) == 0) &&
		(d->tx_reap == PMD_TX_REAP_CLEANUP) ==
			(strncmp(cells[FREES], "a clean-up", 10) == 0) &&
		(d->tx_reap == PMD_TX_REAP_NONE) == (strncmp(cells[FREES], "nothing", 7) == 0) &&
		d->tx_rs_thresh == (threshold != NULL ? atoi(threshold + 10) : 0);
	if (!same)
		printf("# %s: its row in %s says something else\n", d->name, PMD_README);
	CU_ASSERT(same);
}

static void test_readme(void)
{
	FILE *f = fopen(PMD_README, "r");
	unsigned int mapped = 0, all = 0;
	char line[1024], *cells[NB_CELLS];
	bool in_table = false;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "| driver | mapping |", 20) == 0)
			in_table = true;
		else if (line[0] != '|')
			in_table = false;
		else if (in_table && strncmp(line, "| --- |", 7) != 0) {
			CU_ASSERT_EQUAL_FATAL(split_row(line, cells), NB_CELLS);
			check_row(cells);
			mapped += strcmp(cells[MAPPING], "copied") != 0;
		}
	}
	fclose(f);
	while (pmd_driver_nth(all) != NULL)
		all++;
	CU_ASSERT_EQUAL(mapped, all);
}

static const struct unit_test tests[] = {
	{ "drivers on the list", test_listed },
	{ "drivers known not to bear mapping are not", test_not_listed },
	{ "only a whole name matches", test_whole_name },
	{ "entries do not contradict themselves", test_consistent },
	{ "the table in the README says the same", test_readme },
};

UNIT_MAIN("pmd/drivers", NULL, NULL, tests)
