/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/parse.h"

#include "tests/unit/config/load.h"

static void test_unknown_section(void)
{
	bad("[swich]\nworkers = x\n[prot p]\ndevice=net_null0\n[nic q]\nmtu = 1\nfoo = 2\n[port "
	    "q]\n",
		"1: [swich]: found an unknown section \"swich\" (did you mean switch?); "
		"allowed " SECTIONS "\n"
		"2: [swich] workers: found \"x\" (not a CPU list); "
		"allowed 1 to 64 distinct CPUs of 0-3,6, such as 1,3,5-7\n"
		"3: [prot p]: found an unknown section \"prot\" (did you mean port?); "
		"allowed " SECTIONS "\n"
		"5: [nic q]: found an unknown section \"nic\"; allowed " SECTIONS "\n"
		"8: [port q] device: found nothing, but it is required; allowed " DEVICES "\n");
}

/* A reference to a section with a mistyped kind does not dangle. */
static void test_unknown_section_is_read(void)
{
	bad("[Port p]\ndevice=net_null0\n" SOCKET,
		"1: [Port p]: found an unknown section \"Port\" (did you mean port?); "
		"allowed " SECTIONS "\n");
}

static void test_section_syntax(void)
{
	bad(PORT "[container c\nsocket=@/c\nport=p\n",
		"3: [container c]: found no ] at the end; allowed " SECTIONS "\n");
	bad(PORT "[\n",
		"3: []: found a section without a name; allowed " SECTIONS "\n"
		"3: []: found no ] at the end; allowed " SECTIONS "\n");
	bad("[port p] x\ndevice=net_null0\n",
		"1: [port p]: found text after ], \"x\"; allowed a comment (;)\n");
	bad(PORT "[switch main]\n", "3: [switch main]: found a name, \"main\"; allowed [switch]\n");
}

static void test_section_names(void)
{
	char text[256], want[256];
	const char *n31 = "aaaaaaaaaabbbbbbbbbbccccccccccd";

	snprintf(text, sizeof(text), "[port %s]\ndevice=net_null0\n", n31);
	struct cfg *cfg = good(text);
	CU_ASSERT_STRING_EQUAL(cfg->ports[0].name, n31);
	cfg_free(cfg);

	snprintf(text, sizeof(text), "[port %sE]\ndevice=net_null0\n", n31);
	snprintf(want, sizeof(want),
		"1: [port %sE]: found the name \"%sE\"; allowed 1 to 31 of A-Z a-z 0-9 _ . -\n",
		n31, n31);
	bad(text, want);

	/* Longer than what inih keeps of a section's name, and equal up to there. */
	snprintf(text, sizeof(text),
		"[port %s%sx]\ndevice=net_null0\n[port %s%sy]\ndevice=net_null1\n", n31, n31, n31,
		n31);
	struct cfg *none;
	CU_ASSERT_EQUAL(load(text, &none), -EINVAL);
	CU_ASSERT_EQUAL(nb_output, 2);
	CU_ASSERT_PTR_NULL(strstr(output, "second time"));

	bad("[port a b]\ndevice=net_null0\n",
		"1: [port a b]: found the name \"a b\"; allowed 1 to 31 of A-Z a-z 0-9 _ . -\n");
	bad("[port]\ndevice=net_null0\n",
		"1: [port]: found no name; allowed [port NAME], NAME being "
		"1 to 31 of A-Z a-z 0-9 _ . -\n");
}

static void test_duplicate_section(void)
{
	bad("[switch]\n" PORT "[port p]\nmtu=1\n[switch]\nmemory=512\n",
		"4: [port p]: found a second time, first at line 2; allowed once\n"
		"5: [port p] mtu: found \"1\" (too small); allowed 68 to 9600\n"
		"6: [switch]: found a second time, first at line 1; allowed once\n");
	bad(PORT SOCKET "[container c]\nsocket=@/d\n",
		"6: [container c]: found a second time, first at line 3; allowed once\n");
}

static void test_unknown_key(void)
{
	bad("[port p]\nqueus = 4\nMTU = 3\nzzz = 1\nsocket_mode = "
	    "server\nqeueus=1\nmut=1\ndevice=net_null0\n",
		"2: [port p] queus: found an unknown key (did you mean queues?); "
		"allowed " PORT_KEYS "\n"
		"3: [port p] MTU: found an unknown key (did you mean mtu?); "
		"allowed " PORT_KEYS "\n"
		"4: [port p] zzz: found an unknown key; "
		"allowed " PORT_KEYS "\n"
		"5: [port p] socket_mode: found an unknown key (a key of [container NAME]); "
		"allowed " PORT_KEYS "\n"
		"6: [port p] qeueus: found an unknown key (did you mean queues?); "
		"allowed " PORT_KEYS "\n"
		"7: [port p] mut: found an unknown key (did you mean mtu?); "
		"allowed " PORT_KEYS "\n");
	bad("[switch]\nqueues = 1\n" PORT,
		"2: [switch] queues: found an unknown key "
		"(a key of [port NAME] and [container NAME]); "
		"allowed workers, idle_sleep_max, idle_after, log_level, hugepages, memory, "
		"instance, eal_args\n");
}

static void test_duplicate_key(void)
{
	bad(PORT "mtu = 1500\n\nmtu = 1500\n",
		"5: [port p] mtu: found a second time, first at line 3; allowed once\n");
}

static void test_key_before_section(void)
{
	bad("mtu = 1500\n" PORT,
		"1: [] mtu: found a key before any section; allowed after " SECTIONS "\n");
}

static void test_lines(void)
{
	bad(PORT "mtu\n= 5\n",
		"3: [port p]: found a line without =, \"mtu\"; "
		"allowed KEY = VALUE on one line\n"
		"4: [port p]: found no key before =; "
		"allowed KEY = VALUE on one line\n");
	/* The last line, without an end. */
	bad(PORT "mtu ; = 5",
		"3: [port p]: found a line without =, \"mtu ; = 5\"; "
		"allowed KEY = VALUE on one line\n");
}

/* For inih, line 4 continues line 3: "queues" would be 2 and then "mtu=9000", or silently lost. */
static void test_indented(void)
{
	struct cfg *cfg = good(PORT "queues = 2\n  mtu = 9000\n");

	CU_ASSERT_EQUAL(cfg->ports[0].queues, 2);
	CU_ASSERT_EQUAL(cfg->ports[0].mtu, 9000);
	cfg_free(cfg);
	bad("[switch]\neal_args = -d a\n  -d b\n" PORT,
		"3: [switch]: found a line without =, \"-d b\"; allowed KEY = VALUE on one line\n");
}

/* Lines around the 199 bytes of Debian's inih: read whole, or not at all. */
static void test_long_lines(void)
{
	for (unsigned int len = 190; len < 210; len++) {
		char text[512], value[256], want[256];
		struct cfg *cfg;

		memset(value, 'x', sizeof(value));
		value[len - strlen("eal_args=")] = '\0';
		snprintf(text, sizeof(text), "[switch]\neal_args=%s\n" PORT, value);
		if (load(text, &cfg) == 0) {
			CU_ASSERT(len <= 199);
			CU_ASSERT_STRING_EQUAL(cfg->sw.eal_args, value);
		} else {
			CU_ASSERT(len > 199);
			snprintf(want, sizeof(want),
				"2: [switch]: found a line of %u bytes; allowed at most 199\n",
				len);
			check_output(want);
		}
		cfg_free(cfg);
	}
}

static void test_megabyte_line(void)
{
	static char big[1000064];
	size_t len = 1000000, n = strlen(PORT);

	memcpy(big, PORT, n);
	memset(big + n, 'k', len);
	memcpy(big + n + len, "\nfoo=1\n", 7);
	bad_bytes(big, n + len + 7,
		"3: [port p]: found a line of 1000000 bytes; allowed at most 199\n"
		"4: [port p] foo: found an unknown key; allowed " PORT_KEYS "\n");

	/* As a header: what follows belongs to no known section. */
	big[n] = '[';
	bad_bytes(big, n + len + 7,
		"3: [port p]: found a line of 1000000 bytes; allowed at most 199\n");

	/* As a comment it is fine. */
	struct cfg *cfg;
	big[n] = '#';
	CU_ASSERT_EQUAL(load_bytes(big, n + len, &cfg), 0);
	cfg_free(cfg);
}

static void test_control_bytes(void)
{
	static const char nul[] = PORT "mtu = 15\0"
				       "00\n";
	static const char esc[] = PORT "queues = \x1b[2J1\n";

	bad_bytes(
		nul, sizeof(nul) - 1, "3: [port p]: found the control byte \\x00; allowed text\n");
	bad_bytes(
		esc, sizeof(esc) - 1, "3: [port p]: found the control byte \\x1b; allowed text\n");
	bad("[port p\x7f]\ndevice=net_null0\n[port q]\ndevice=net_null0\n",
		"1: []: found the control byte \\x7f; allowed text\n");
}

static void test_output_is_safe(void)
{
	bad("[port p\xc3\xa9]\ndevice=net_null0\n\"\\\xff = 1\nmtu = "
	    "123456789012345678901234567890123456789012345678901234567890xxxxyyyyy\n",
		"1: [port p\\xc3\\xa9]: found the name \"p\\xc3\\xa9\"; "
		"allowed 1 to 31 of A-Z a-z 0-9 _ . -\n"
		"3: [port p\\xc3\\xa9] \\\"\\\\\\xff: found an unknown key; "
		"allowed " PORT_KEYS "\n"
		"4: [port p\\xc3\\xa9] mtu: found "
		"\"123456789012345678901234567890123456789012345678901234567890xxxx...\" "
		"(69 bytes) (text after the number); allowed 68 to 9600\n");
	/* The name of another section is shown, too. */
	bad("[port p\xc3]\ndevice=net_null0\n[port q]\ndevice=net_null0\n"
	    "[container a]\nsocket=@/a\nport=p\xc3:1\n",
		"1: [port p\\xc3]: found the name \"p\\xc3\"; "
		"allowed 1 to 31 of A-Z a-z 0-9 _ . -\n"
		"4: [port q] device: found \"net_null0\", also the device of [port p\\xc3] at line "
		"2; "
		"allowed one of its own\n"
		"7: [container a] port: found queue 1 of [port p\\xc3]; "
		"allowed 0 to 0 (its queues = 1)\n");
}

static void unreadable(void)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load_path(ini, &cfg), -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, ": cannot be read: Permission denied\n"));
}

static void test_unreadable(void)
{
	struct cfg *cfg;
	char path[96];

	CU_ASSERT_EQUAL(load_path(dir, &cfg), -EISDIR);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, ": cannot be read: Is a directory\n"));
	CU_ASSERT_EQUAL(nb_output, 1);
	snprintf(path, sizeof(path), "%s/none\n", dir);
	CU_ASSERT_EQUAL(load_path(path, &cfg), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "/none\\x0a: cannot be read: No such file or directory\n"));
	CU_ASSERT_EQUAL(load_path("/dev/full", &cfg), -EFBIG);
	CU_ASSERT_STRING_EQUAL(output,
		"/dev/full: found more than 1048576 bytes; "
		"allowed at most that\n");

	write_file(ini, PORT, strlen(PORT));
	CU_ASSERT_EQUAL(chmod(ini, 0), 0);
	as_nobody(unreadable);
}

static char *many(unsigned int ports, unsigned int containers)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (unsigned int i = 0; i < ports; i++)
		fprintf(f, "[port p%u]\ndevice=net_null%u\nqueues=256\n", i, i);
	for (unsigned int i = 0; i < containers; i++)
		fprintf(f, "[container c%u]\nsocket=@/%u\nport=p%u:%u\n", i, i, ports - 1, i % 256);
	fclose(f);
	return text;
}

static void test_limits(void)
{
	char *text = many(CFG_MAX_PORTS, CFG_MAX_CONTAINERS);
	struct cfg *cfg = good(text);

	CU_ASSERT_EQUAL(cfg->nb_ports, CFG_MAX_PORTS);
	CU_ASSERT_EQUAL_FATAL(cfg->nb_containers, CFG_MAX_CONTAINERS);
	CU_ASSERT_STRING_EQUAL(cfg->ports[CFG_MAX_PORTS - 1].name, "p31");
	CU_ASSERT_EQUAL(cfg->containers[CFG_MAX_CONTAINERS - 1].first_queue, 255);
	cfg_free(cfg);
	free(text);

	text = many(CFG_MAX_PORTS + 1, 1);
	bad(text,
		"97: [port p32]: found one section more than the limit; "
		"allowed 32 of [port NAME]\n");
	free(text);
	text = many(1, CFG_MAX_CONTAINERS + 1);
	bad(text,
		"772: [container c256]: found one section more than the limit; "
		"allowed 256 of [container NAME]\n"
		"774: [container c256] port: found queue 0 of [port p0], also of [container c0] "
		"at line 6; allowed one container per queue\n");
	free(text);
}

static const struct unit_test tests[] = {
	{ "unknown section", test_unknown_section },
	{ "a mistyped section is still read", test_unknown_section_is_read },
	{ "section syntax", test_section_syntax },
	{ "section names", test_section_names },
	{ "duplicate section", test_duplicate_section },
	{ "unknown key", test_unknown_key },
	{ "duplicate key", test_duplicate_key },
	{ "key before any section", test_key_before_section },
	{ "lines that are nothing", test_lines },
	{ "indented lines", test_indented },
	{ "long lines", test_long_lines },
	{ "a line of a megabyte", test_megabyte_line },
	{ "control bytes", test_control_bytes },
	{ "output is safe", test_output_is_safe },
	{ "unreadable file", test_unreadable },
	{ "limits", test_limits },
};

UNIT_MAIN("config/parse", setup, teardown, tests)
