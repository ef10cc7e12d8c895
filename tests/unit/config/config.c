/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of each kind of error are compared with the whole output of cfg_load(), so a message too
 * many fails as well as one too few. In texts, @ stands for the test's own directory.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/cpus.h"
#include "tests/unit/unit.h"

#define SECTIONS "[switch], [port NAME] or [container NAME]"
#define PORT     "[port p]\ndevice=net_null0\n" /* two lines */
#define SOCKET   "[container c]\nsocket=@/c.sock\nport=p\n" /* three lines */

static char dir[64], ini[96], cpus_file[96];
static char *output; /* of the last load */
static unsigned int nb_output;

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(data, 1, len, f), len);
	CU_ASSERT_EQUAL(fclose(f), 0);
}

static void setup(void)
{
	char template[] = "/tmp/vfring-cfg-XXXXXX";

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(template));
	snprintf(dir, sizeof(dir), "%s", template);
	snprintf(ini, sizeof(ini), "%s/t.ini", dir);
	snprintf(cpus_file, sizeof(cpus_file), "%s/online", dir);
	write_file(cpus_file, "0-3,6\n", 6);
	cfg_cpu_online_path = cpus_file;
}

static void teardown(void)
{
	char cmd[128];

	free(output);
	output = NULL;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CU_ASSERT_EQUAL(system(cmd), 0);
}

/* text with @ replaced by the directory */
static char *expand(const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	for (; *text != '\0'; text++) {
		if (*text == '@')
			fputs(dir, f);
		else
			fputc(*text, f);
	}
	fclose(f);
	return out;
}

static int load_path(const char *path, struct cfg **cfg)
{
	size_t len;
	int rc;

	free(output);
	output = NULL;
	FILE *f = open_memstream(&output, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	nb_output = UINT_MAX;
	*cfg = NULL;
	rc = cfg_load(path, cfg, f, &nb_output);
	fclose(f);
	CU_ASSERT_EQUAL(rc == 0, *cfg != NULL);
	return rc;
}

static int load_bytes(const void *data, size_t len, struct cfg **cfg)
{
	write_file(ini, data, len);
	return load_path(ini, cfg);
}

static int load(const char *text, struct cfg **cfg)
{
	char *s = expand(text);
	int rc = load_bytes(s, strlen(s), cfg);

	free(s);
	return rc;
}

/* A valid file. To be freed. */
static struct cfg *good(const char *text)
{
	struct cfg *cfg;

	if (load(text, &cfg) != 0)
		printf("# unexpected: %s", output);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cfg);
	CU_ASSERT_STRING_EQUAL(output, "");
	CU_ASSERT_EQUAL(nb_output, 0);
	return cfg;
}

/* The output is exactly these lines (each ends with \n, starts behind "FILE:"). */
static void check_output(const char *lines)
{
	char *want = NULL, *text = expand(lines);
	unsigned int nb = 0;
	size_t len;
	FILE *f = open_memstream(&want, &len);

	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), nb++)
		fprintf(f, "%s:%s\n", ini, line);
	fclose(f);
	if (strcmp(output, want) != 0)
		printf("# found:\n%s# wanted:\n%s", output, want);
	CU_ASSERT_STRING_EQUAL(output, want);
	CU_ASSERT_EQUAL(nb_output, nb);
	free(want);
	free(text);
}

static void bad(const char *text, const char *lines)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load(text, &cfg), -EINVAL);
	check_output(lines);
	cfg_free(cfg);
}

static void bad_bytes(const void *data, size_t len, const char *lines)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load_bytes(data, len, &cfg), -EINVAL);
	check_output(lines);
	cfg_free(cfg);
}

/* value stands for key in a section that is fine otherwise */
static void bad_value(const char *section, const char *key, const char *value, const char *why,
	const char *allowed)
{
	char text[512], want[1024];

	if (strcmp(section, "switch") == 0)
		snprintf(text, sizeof(text), "[switch]\n%s = %s\n" PORT, key, value);
	else if (strcmp(section, "port p") == 0 && strcmp(key, "device") == 0)
		snprintf(text, sizeof(text), "[port p]\n%s = %s\n", key, value);
	else if (strcmp(section, "port p") == 0)
		snprintf(text, sizeof(text), "[port p]\n%s = %s\ndevice=net_null0\n", key, value);
	else if (strcmp(key, "socket") == 0)
		snprintf(text, sizeof(text), "[container c]\n%s = %s\nport=p\n" PORT, key, value);
	else if (strcmp(key, "port") == 0)
		snprintf(text, sizeof(text), "[container c]\n%s = %s\nsocket=@/c\n" PORT, key,
			value);
	else
		snprintf(text, sizeof(text), "[container c]\n%s = %s\nsocket=@/c\nport=p\n" PORT,
			key, value);
	snprintf(want, sizeof(want), "2: [%s] %s: found \"%s\" (%s); allowed %s\n", section, key,
		value, why, allowed);
	bad(text, want);
}

static void test_defaults(void)
{
	struct cfg *cfg = good("[port wire0]\ndevice = net_null0\n"
			       "[container web0]\nsocket = @/web0.sock\nport = wire0\n");

	CU_ASSERT_STRING_EQUAL(cfg->path, ini);
	CU_ASSERT_EQUAL(cfg->sw.nb_workers, 1);
	CU_ASSERT_EQUAL(cfg->sw.workers[0], 1);
	CU_ASSERT_EQUAL(cfg->sw.log_level, CFG_LOG_INFO);
	CU_ASSERT_EQUAL(cfg->sw.hugepages, CFG_HUGEPAGES_AUTO);
	CU_ASSERT_EQUAL(cfg->sw.memory, 256);
	CU_ASSERT_STRING_EQUAL(cfg->sw.instance, "vfring");
	CU_ASSERT_STRING_EQUAL(cfg->sw.eal_args, "");

	CU_ASSERT_EQUAL_FATAL(cfg->nb_ports, 1);
	const struct cfg_port *p = &cfg->ports[0];
	CU_ASSERT_STRING_EQUAL(p->name, "wire0");
	CU_ASSERT_STRING_EQUAL(p->device, "net_null0");
	CU_ASSERT_EQUAL(p->queues, 1);
	CU_ASSERT_EQUAL(p->mtu, 1500);
	CU_ASSERT_EQUAL(p->rx_desc, 128);
	CU_ASSERT_EQUAL(p->tx_desc, 128);
	CU_ASSERT_EQUAL(p->line, 1);

	CU_ASSERT_EQUAL_FATAL(cfg->nb_containers, 1);
	const struct cfg_container *c = &cfg->containers[0];
	CU_ASSERT_STRING_EQUAL(c->name, "web0");
	CU_ASSERT_EQUAL(c->socket_mode, CFG_SOCKET_SERVER);
	CU_ASSERT_EQUAL(c->port, 0);
	CU_ASSERT_EQUAL(c->first_queue, 0);
	CU_ASSERT_EQUAL(c->queues, 1);
	CU_ASSERT_EQUAL(c->mapping, CFG_MAPPING_AUTO);
	CU_ASSERT_EQUAL(c->socket_owner, (uid_t)-1);
	CU_ASSERT_EQUAL(c->socket_group, (gid_t)-1);
	CU_ASSERT_EQUAL(c->socket_perms, 0660);
	CU_ASSERT_EQUAL(c->line, 3);
	cfg_free(cfg);
}

/* Every key away from its default, the container in front of its port. */
static const char full[] = "\xef\xbb\xbf; comment\r\n"
			   "[ container   web-0.x_Y ] ; comment\r\n"
			   "  socket = @/web0.sock ; comment\r\n"
			   "\tsocket_mode: client\n"
			   "port = wire1:4\n"
			   "queues = 16\n"
			   "mapping = rx\n"
			   "socket_owner = root\n"
			   "socket_group = 4294967294\n"
			   "socket_perms = 7\n"
			   "\n"
			   "[switch]\n"
			   "# a comment\n"
			   "workers = 6,0-2\n"
			   "log_level = debug\n"
			   "hugepages = on\n"
			   "memory = 1048576\n"
			   "instance = two\n"
			   "eal_args = --log-level=lib.eal:8 -d x;y ; comment\n"
			   "[port wire0]\n"
			   "device = 0000:01:00.0,safe=1\n"
			   "[port wire1]\n"
			   "device = 10000:01:00.0\n"
			   "queues = 256\n"
			   "mtu = 9600\n"
			   "rx_desc = 32\n"
			   "tx_desc = 4096\n"
			   "[container c2]\n"
			   "port=wire1\n"
			   "queues=4\n"
			   "mapping=off\n"
			   "socket=@/c2.sock";

static void test_full(void)
{
	struct cfg *cfg = good(full);

	CU_ASSERT_EQUAL_FATAL(cfg->sw.nb_workers, 4);
	CU_ASSERT_EQUAL(cfg->sw.workers[0], 6);
	CU_ASSERT_EQUAL(cfg->sw.workers[1], 0);
	CU_ASSERT_EQUAL(cfg->sw.workers[3], 2);
	CU_ASSERT_EQUAL(cfg->sw.log_level, CFG_LOG_DEBUG);
	CU_ASSERT_EQUAL(cfg->sw.hugepages, CFG_HUGEPAGES_ON);
	CU_ASSERT_EQUAL(cfg->sw.memory, 1048576);
	CU_ASSERT_STRING_EQUAL(cfg->sw.instance, "two");
	CU_ASSERT_STRING_EQUAL(cfg->sw.eal_args, "--log-level=lib.eal:8 -d x;y");

	CU_ASSERT_EQUAL_FATAL(cfg->nb_ports, 2);
	CU_ASSERT_STRING_EQUAL(cfg->ports[0].device, "0000:01:00.0,safe=1");
	CU_ASSERT_EQUAL(cfg->ports[0].line, 20);
	CU_ASSERT_STRING_EQUAL(cfg->ports[1].device, "10000:01:00.0");
	CU_ASSERT_EQUAL(cfg->ports[1].queues, 256);
	CU_ASSERT_EQUAL(cfg->ports[1].mtu, 9600);
	CU_ASSERT_EQUAL(cfg->ports[1].rx_desc, 32);
	CU_ASSERT_EQUAL(cfg->ports[1].tx_desc, 4096);

	CU_ASSERT_EQUAL_FATAL(cfg->nb_containers, 2);
	const struct cfg_container *c = &cfg->containers[0];
	char *socket = expand("@/web0.sock");
	CU_ASSERT_STRING_EQUAL(c->name, "web-0.x_Y");
	CU_ASSERT_STRING_EQUAL(c->socket, socket);
	CU_ASSERT_EQUAL(c->socket_mode, CFG_SOCKET_CLIENT);
	CU_ASSERT_EQUAL(c->port, 1);
	CU_ASSERT_EQUAL(c->first_queue, 4);
	CU_ASSERT_EQUAL(c->queues, 16);
	CU_ASSERT_EQUAL(c->mapping, CFG_MAPPING_RX);
	CU_ASSERT_EQUAL(c->socket_owner, 0);
	CU_ASSERT_EQUAL(c->socket_group, 4294967294u);
	CU_ASSERT_EQUAL(c->socket_perms, 7);
	CU_ASSERT_EQUAL(c->line, 2);
	CU_ASSERT_EQUAL(cfg->containers[1].mapping, CFG_MAPPING_OFF);
	free(socket);
	cfg_free(cfg);
}

static void test_port_without_container(void)
{
	struct cfg *cfg = good(PORT);

	CU_ASSERT_EQUAL(cfg->nb_ports, 1);
	CU_ASSERT_EQUAL(cfg->nb_containers, 0);
	cfg_free(cfg);
	cfg_free(NULL);
}

static void collect(void *arg, const char *section, const char *key, const char *value)
{
	fprintf(arg, "%s|%s|%s\n", section, key, value);
}

static void test_values(void)
{
	struct cfg *cfg = good("[switch]\nworkers=0-1,6\nhugepages=off\n" PORT
			       "queues=2\n[container c]\nsocket=@/c\nport=p:1\nsocket_owner=0\n"
			       "socket_perms=777\n");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cfg_for_each_value(cfg, collect, f);
	fclose(f);
	char *want = expand("switch|workers|0,1,6\n"
			    "switch|log_level|info\n"
			    "switch|hugepages|off\n"
			    "switch|memory|256\n"
			    "switch|instance|vfring\n"
			    "switch|eal_args|\n"
			    "port p|device|net_null0\n"
			    "port p|queues|2\n"
			    "port p|mtu|1500\n"
			    "port p|rx_desc|128\n"
			    "port p|tx_desc|128\n"
			    "container c|socket|@/c\n"
			    "container c|socket_mode|server\n"
			    "container c|port|p:1\n"
			    "container c|queues|1\n"
			    "container c|mapping|auto\n"
			    "container c|socket_owner|0\n"
			    "container c|socket_group|unchanged\n"
			    "container c|socket_perms|0777\n");
	CU_ASSERT_STRING_EQUAL(text, want);
	free(want);
	free(text);
	cfg_free(cfg);
}

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
		"8: [port q] device: found nothing, but it is required; allowed a PCI address "
		"[dddd:]bb:dd.f or a DPDK vdev string, without white space\n");
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
		"allowed device, queues, mtu, rx_desc, tx_desc\n"
		"3: [port p] MTU: found an unknown key (did you mean mtu?); "
		"allowed device, queues, mtu, rx_desc, tx_desc\n"
		"4: [port p] zzz: found an unknown key; "
		"allowed device, queues, mtu, rx_desc, tx_desc\n"
		"5: [port p] socket_mode: found an unknown key (a key of [container NAME]); "
		"allowed device, queues, mtu, rx_desc, tx_desc\n"
		"6: [port p] qeueus: found an unknown key (did you mean queues?); "
		"allowed device, queues, mtu, rx_desc, tx_desc\n"
		"7: [port p] mut: found an unknown key (did you mean mtu?); "
		"allowed device, queues, mtu, rx_desc, tx_desc\n");
	bad("[switch]\nqueues = 1\n" PORT,
		"2: [switch] queues: found an unknown key "
		"(a key of [port NAME] and [container NAME]); "
		"allowed workers, log_level, hugepages, memory, instance, eal_args\n");
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
	size_t len = 1000000;
	char *big = malloc(len + 64);

	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	size_t n = strlen(PORT);
	memcpy(big, PORT, n);
	memset(big + n, 'k', len);
	memcpy(big + n + len, "\nfoo=1\n", 7);
	bad_bytes(big, n + len + 7,
		"3: [port p]: found a line of 1000000 bytes; allowed at most 199\n"
		"4: [port p] foo: found an unknown key; allowed device, queues, mtu, rx_desc, "
		"tx_desc\n");

	/* As a header: what follows belongs to no known section. */
	big[n] = '[';
	bad_bytes(big, n + len + 7,
		"3: [port p]: found a line of 1000000 bytes; allowed at most 199\n");

	/* As a comment it is fine. */
	struct cfg *cfg;
	big[n] = '#';
	CU_ASSERT_EQUAL(load_bytes(big, n + len, &cfg), 0);
	cfg_free(cfg);
	free(big);
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
		"allowed device, queues, mtu, rx_desc, tx_desc\n"
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

static void test_numbers(void)
{
	static const char range[] = "68 to 9600";

	bad_value("port p", "mtu", "67", "too small", range);
	bad_value("port p", "mtu", "9601", "too large", range);
	bad_value("port p", "mtu", "67036", "too large", range); /* 1500 in 16 bits */
	bad_value("port p", "mtu", "18446744073709553116", "too large", range); /* in 64 bits */
	bad_value("port p", "mtu", "-1500", "negative", range);
	bad_value("port p", "mtu", "+1500", "not a number", range);
	bad_value("port p", "mtu", "0x5dc", "text after the number", range);
	bad_value("port p", "mtu", "1500 b", "text after the number", range);
	bad_value("port p", "mtu", "1500 # b", "text after the number", range);
	bad_value("port p", "mtu", "big", "not a number", range);
	bad_value("port p", "mtu", "", "empty", range);
	bad_value("port p", "queues", "0", "too small", "1 to 256");
	bad_value("port p", "queues", "257", "too large", "1 to 256");
	bad_value("port p", "rx_desc", "31", "too small", "32 to 4096");
	bad_value("port p", "tx_desc", "4097", "too large", "32 to 4096");
	bad_value("switch", "memory", "63", "too small", "64 to 1048576");
	bad_value("switch", "memory", "1048577", "too large", "64 to 1048576");
	bad_value("container c", "queues", "0", "too small", "1 to 16");
	bad_value("container c", "queues", "17", "too large", "1 to 16");
}

static void test_words(void)
{
	bad_value("switch", "log_level", "loud", "no such word",
		"error | warning | notice | info | debug");
	bad_value("switch", "hugepages", "yes", "no such word", "auto | on | off");
	bad_value("container c", "socket_mode", "Server", "no such word", "server | client");
	bad_value("container c", "mapping", "tx", "no such word", "auto | rx | off");
}

static void test_workers(void)
{
	static const char allowed[] = "1 to 64 distinct CPUs of 0-3,6, such as 1,3,5-7";

	bad_value("switch", "workers", "9", "no CPU 9 online", allowed);
	bad_value("switch", "workers", "3-5", "no CPU 4 online, no CPU 5 online", allowed);
	bad_value("switch", "workers", "1,1,9", "CPU 1 twice, no CPU 9 online", allowed);
	bad_value("switch", "workers", "0-2,2", "CPU 2 twice", allowed);
	bad_value("switch", "workers", "99999999999999999999", "no CPU above 8191", allowed);
	bad_value("switch", "workers", "2-1", "not a CPU list", allowed);
	bad_value("switch", "workers", "1,", "not a CPU list", allowed);
	bad_value("switch", "workers", ",1", "not a CPU list", allowed);
	bad_value("switch", "workers", "1-", "not a CPU list", allowed);
	bad_value("switch", "workers", "1, 2", "not a CPU list", allowed);
	bad_value("switch", "workers", "-1", "not a CPU list", allowed);
	bad_value("switch", "workers", "", "empty", allowed);
}

static void test_worker_limit(void)
{
	write_file(cpus_file, "0-127", 5);
	struct cfg *cfg = good("[switch]\nworkers=64-127\n" PORT);
	CU_ASSERT_EQUAL(cfg->sw.nb_workers, 64);
	CU_ASSERT_EQUAL(cfg->sw.workers[63], 127);
	cfg_free(cfg);
	bad("[switch]\nworkers=0-64\n" PORT,
		"2: [switch] workers: found \"0-64\" (CPU 64 is one more than 64); "
		"allowed 1 to 64 distinct CPUs of 0-127, such as 1,3,5-7\n");
}

/* One CPU only: the default is wrong on this machine. */
static void test_default_worker(void)
{
	write_file(cpus_file, "0\n", 2);
	bad(PORT "mtu=1500\n",
		"3: [switch] workers: found \"1\" (the default; no CPU 1 online); "
		"allowed 1 to 64 distinct CPUs of 0, such as 1,3,5-7\n");
	bad("[switch]\n" PORT,
		"1: [switch] workers: found \"1\" (the default; no CPU 1 online); "
		"allowed 1 to 64 distinct CPUs of 0, such as 1,3,5-7\n");
}

static void test_this_machine(void)
{
	struct cfg_cpus cpus;

	cfg_cpu_online_path = "/sys/devices/system/cpu/online";
	cfg_cpus_online(&cpus);
	CU_ASSERT(cpus.list[0] != '\0');
	unsigned int nb = 0;
	for (unsigned int i = 0; i < CFG_MAX_CPU + 10; i++)
		nb += cfg_cpu_in(&cpus, i);
	CU_ASSERT_EQUAL(nb, (unsigned int)sysconf(_SC_NPROCESSORS_ONLN));

	/* Without that file, and with rubbish in it: still some CPU. */
	cfg_cpu_online_path = "/nonexistent";
	cfg_cpus_online(&cpus);
	CU_ASSERT(cfg_cpu_in(&cpus, 0));
	write_file(cpus_file, "x\n", 2);
	cfg_cpu_online_path = cpus_file;
	cfg_cpus_online(&cpus);
	CU_ASSERT(cfg_cpu_in(&cpus, 0));
	CU_ASSERT_STRING_NOT_EQUAL(cpus.list, "x");
}

static void test_instance(void)
{
	bad_value("switch", "instance", "a/b", "not a name", "1 to 31 of A-Z a-z 0-9 _ . -");
	bad_value("switch", "instance", "..", "not a file name", "1 to 31 of A-Z a-z 0-9 _ . -");
}

static void test_device(void)
{
	static const char allowed[] = "a PCI address [dddd:]bb:dd.f or a DPDK vdev string, "
				      "without white space";

	bad_value("port p", "device", "", "empty", allowed);
	bad_value("port p", "device", "net_null0 x", "white space", allowed);
	bad_value("port p", "device", ",iface=x", "no name before the comma", allowed);
	bad_value("port p", "device", "0000:01:00", "not a PCI address", allowed);
	bad_value("port p", "device", "01:20.0", "not a PCI address", allowed);
	bad_value("port p", "device", "01:00.8", "not a PCI address", allowed);
	bad_value("port p", "device", "0000:01:00.0x", "not a PCI address", allowed);
	bad_value("port p", "device", "g:01:00.0", "not a PCI address", allowed);
	bad_value("port p", "device",
		"net_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"a name of 64 bytes", allowed);
	cfg_free(good("[port p]\ndevice=net_tap0,mac=00:01:02:03:04:05\n"));
}

static void test_duplicate_device(void)
{
	bad("[port a]\ndevice=net_af_packet0,iface=x\n[port b]\ndevice=net_af_packet0,iface=y\n"
	    "[port c]\ndevice=net_af_packet01\n",
		"4: [port b] device: found \"net_af_packet0,iface=y\", also the device of [port a] "
		"at line 2; allowed one of its own\n");
	bad("[port a]\ndevice=0000:0a:00.1,x=1\n[port b]\ndevice=A:0.1\n"
	    "[port c]\ndevice=0000:0a:00.2\n",
		"4: [port b] device: found \"A:0.1\", also the device of [port a] at line 2; "
		"allowed one of its own\n");
}

static void test_socket(void)
{
	static const char allowed[] = "an absolute path of at most 107 bytes";

	bad_value("container c", "socket", "web0.sock", "not an absolute path", allowed);
	bad_value("container c", "socket", "/tmp/", "names a directory", allowed);
	bad_value("container c", "socket", "/tmp/..", "names a directory", allowed);
	bad_value("container c", "socket", "", "empty", allowed);
}

static void test_socket_length(void)
{
	char text[512], path[128];

	/* 107 bytes are fine, 108 are not. */
	int n = snprintf(path, sizeof(path), "%s/", dir);
	memset(path + n, 's', (size_t)(108 - n));
	path[107] = '\0';
	snprintf(text, sizeof(text), PORT "[container c]\nport=p\nsocket=%s\n", path);
	struct cfg *cfg = good(text);
	CU_ASSERT_STRING_EQUAL(cfg->containers[0].socket, path);
	cfg_free(cfg);

	path[107] = 's';
	path[108] = '\0';
	snprintf(text, sizeof(text), PORT "[container c]\nport=p\nsocket=%s\n", path);
	char want[256];
	snprintf(want, sizeof(want),
		"5: [container c] socket: found \"%.64s...\" (108 bytes) (108 bytes); "
		"allowed an absolute path of at most 107 bytes\n",
		path);
	bad(text, want);
}

static void test_duplicate_socket(void)
{
	char link[96];

	snprintf(link, sizeof(link), "%s/link", dir);
	CU_ASSERT_EQUAL_FATAL(symlink(".", link), 0);
	bad("[port p]\ndevice=net_null0\nqueues=9\n"
	    "[container a]\nport=p\nsocket=@/x\n"
	    "[container b]\nport=p:1\nsocket=@//./x\n"
	    "[container c]\nport=p:2\nsocket=@/link/x\nsocket_mode=client\n"
	    "[container d]\nport=p:3\nsocket=@/y\n",
		"9: [container b] socket: found \"@//./x\", also the socket of [container a] "
		"at line 6; allowed one of its own\n"
		"12: [container c] socket: found \"@/link/x\", also the socket of [container a] "
		"at line 6; allowed one of its own\n");
}

static void test_directory(void)
{
	bad(PORT "[container c]\nport=p\nsocket=@/none/x\n",
		"5: [container c] socket: found the directory \"@/none\" "
		"(No such file or directory); allowed one that exists\n");
	bad(PORT "[container c]\nport=p\nsocket_mode=client\nsocket=@/none/x\n",
		"6: [container c] socket: found the directory \"@/none\" "
		"(No such file or directory); allowed one that exists\n");
	bad(PORT "[container c]\nport=p\nsocket=@/online/x\n",
		"5: [container c] socket: found the directory \"@/online\" "
		"(Not a directory); allowed one that exists\n");
	/* Two sockets in one missing directory are still the same socket. */
	bad(PORT "queues=2\n[container a]\nport=p\nsocket=/none/x\n"
		 "[container b]\nport=p:1\nsocket=/none/.//x\n",
		"6: [container a] socket: found the directory \"/none\" "
		"(No such file or directory); allowed one that exists\n"
		"9: [container b] socket: found the directory \"/none/.\" "
		"(No such file or directory); allowed one that exists\n"
		"9: [container b] socket: found \"/none/.//x\", also the socket of [container a] "
		"at line 6; allowed one of its own\n");
}

static void test_socket_place(void)
{
	bad(PORT "[container c]\nport=p\nsocket=@/online\n",
		"5: [container c] socket: found \"@/online\", which exists and is no socket; "
		"allowed a free path or a socket\n");

	/* A socket may be left there by the last run. */
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/left", dir);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cfg_free(good(PORT "[container c]\nport=p\nsocket=@/left\n"));
	close(fd);
}

/* Root may write anywhere: be somebody else for this. */
static void as_nobody(void (*fn)(void))
{
	unsigned int before = CU_get_number_of_failures();
	int status;

	CU_ASSERT_EQUAL(chmod(dir, 0755), 0);
	fflush(stdout);
	pid_t pid = fork();
	CU_ASSERT_NOT_EQUAL_FATAL(pid, -1);
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(2);
		fn();
		fflush(stdout);
		_exit(CU_get_number_of_failures() != before);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void not_writable(void)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load_path(ini, &cfg), -EINVAL);
	check_output("6: [container c] socket: found the directory \"@/ro\" (Permission denied); "
		     "allowed one that this user may write to\n"
		     "12: [container e] socket_mode: found \"x\" (no such word); "
		     "allowed server | client\n");
}

static void test_not_writable(void)
{
	char ro[96];
	char *text = expand(PORT "queues=3\n[container c]\nport=p\nsocket=@/ro/x\n"
				 "[container d]\nsocket_mode=client\nport=p:1\nsocket=@/ro/y\n"
				 "[container e]\nsocket_mode=x\nport=p:2\nsocket=@/ro/z\n");

	snprintf(ro, sizeof(ro), "%s/ro", dir);
	CU_ASSERT_EQUAL_FATAL(mkdir(ro, 0555), 0);
	write_file(ini, text, strlen(text));
	CU_ASSERT_EQUAL(chmod(ini, 0644), 0);
	CU_ASSERT_EQUAL(chmod(cpus_file, 0644), 0);
	free(text);
	as_nobody(not_writable);
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

static void test_ids(void)
{
	static const char user[] = "unchanged, a user's name or number";
	static const char group[] = "unchanged, a group's name or number";

	bad_value("container c", "socket_owner", "no-such-user", "no such user", user);
	bad_value("container c", "socket_owner", "4294967295", "too large", user);
	bad_value("container c", "socket_owner", "-1", "negative", user);
	bad_value("container c", "socket_group", "no-such-group", "no such group", group);
	bad_value("container c", "socket_group", "4294967295", "too large", group);
	bad_value("container c", "socket_group", "", "empty", group);
}

static void test_perms(void)
{
	bad_value("container c", "socket_perms", "0888", "not an octal number", "octal 0 to 0777");
	bad_value("container c", "socket_perms", "1777", "too large", "octal 0 to 0777");
	bad_value("container c", "socket_perms", "rw", "not an octal number", "octal 0 to 0777");
	bad_value("container c", "socket_perms", "-660", "negative", "octal 0 to 0777");
}

static void test_reference(void)
{
	static const char allowed[] = "NAME or NAME:FIRST_QUEUE, 0 to 255";

	bad_value("container c", "port", "p:", "FIRST_QUEUE is missing", allowed);
	bad_value("container c", "port", "p:x", "FIRST_QUEUE is not a number", allowed);
	bad_value("container c", "port", "p:256", "FIRST_QUEUE is too large", allowed);
	bad_value("container c", "port", "p:-1", "FIRST_QUEUE is negative", allowed);
	bad_value("container c", "port", ":1", "not a name", allowed);
}

static void test_dangling(void)
{
	bad("[port wire0]\ndevice=net_null0\n[port east]\ndevice=net_null1\n"
	    "[container a]\nsocket=@/a\nport=wrie0\n[container b]\nsocket=@/b\nport=x:1\n",
		"7: [container a] port: found \"wrie0\", which is no port of this file "
		"(did you mean wire0?); allowed wire0, east\n"
		"10: [container b] port: found \"x\", which is no port of this file; "
		"allowed wire0, east\n");
}

static void test_no_port(void)
{
	bad("", "1: [port]: found no such section; allowed 1 to 32 of [port NAME]\n");
	bad("[switch]\n\n; end\n",
		"3: [port]: found no such section; allowed 1 to 32 of [port NAME]\n");
	bad(SOCKET,
		"3: [port]: found no such section; allowed 1 to 32 of [port NAME]\n"
		"3: [container c] port: found \"p\", which is no port of this file; "
		"allowed the NAME of a [port NAME]\n");
}

static void test_queue_range(void)
{
	cfg_free(good("[container c]\nsocket=@/c\nport=p:3\nqueues=5\n" PORT "queues=8\n"));
	bad("[container c]\nsocket=@/c\nport=p:4\nqueues=5\n" PORT "queues=8\n",
		"4: [container c] queues: found queues 4-8 of [port p]; "
		"allowed 0 to 7 (its queues = 8)\n");
	bad("[container c]\nsocket=@/c\nport=p:255\n" PORT "queues=255\n",
		"3: [container c] port: found queue 255 of [port p]; "
		"allowed 0 to 254 (its queues = 255)\n");
}

static void test_shared_queue(void)
{
	bad("[port p]\ndevice=net_null0\nqueues=16\n[port q]\ndevice=net_null1\nqueues=16\n"
	    "[container a]\nsocket=@/a\nport=p:2\nqueues=4\n"
	    "[container b]\nsocket=@/b\nport=p:4\nqueues=4\n"
	    "[container c]\nsocket=@/c\nport=p:5\n"
	    "[container d]\nsocket=@/d\nport=q:2\nqueues=4\n"
	    "[container e]\nsocket=@/e\nport=p\nqueues=2\n",
		"13: [container b] port: found queues 4-5 of [port p], also of [container a] "
		"at line 9; allowed one container per queue\n"
		"17: [container c] port: found queue 5 of [port p], also of [container a] "
		"at line 9; allowed one container per queue\n"
		"17: [container c] port: found queue 5 of [port p], also of [container b] "
		"at line 13; allowed one container per queue\n");
}

/* A count that is not known is not compared with: one error, not two. */
static void test_unknown_counts(void)
{
	bad(PORT "queues = x\n" SOCKET,
		"3: [port p] queues: found \"x\" (not a number); allowed 1 to 256\n");
	bad(PORT SOCKET "queues = x\n[container d]\nsocket=@/d\nport=p\n",
		"6: [container c] queues: found \"x\" (not a number); allowed 1 to 16\n");
}

static void test_missing(void)
{
	bad("[port p]\nmtu=1500\n[container c]\n",
		"1: [port p] device: found nothing, but it is required; allowed a PCI address "
		"[dddd:]bb:dd.f or a DPDK vdev string, without white space\n"
		"3: [container c] socket: found nothing, but it is required; "
		"allowed an absolute path of at most 107 bytes\n"
		"3: [container c] port: found nothing, but it is required; "
		"allowed NAME or NAME:FIRST_QUEUE, 0 to 255\n");
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

/* Errors of every stage in one file, in the order of the lines. */
static void test_all_at_once(void)
{
	bad("x = 1\n"
	    "[container a]\n"
	    "socket = @/none/a\n"
	    "port = p:1\n"
	    "mapping = maybe\n"
	    "[switch]\n"
	    "memory = 1\n"
	    "memori = 1\n"
	    "junk\n" PORT "mtu = 1\n"
	    "mtu = 2\n"
	    "[container b]\n"
	    "socket = rel\n"
	    "port = q\n",
		"1: [] x: found a key before any section; allowed after " SECTIONS "\n"
		"3: [container a] socket: found the directory \"@/none\" "
		"(No such file or directory); allowed one that exists\n"
		"4: [container a] port: found queue 1 of [port p]; "
		"allowed 0 to 0 (its queues = 1)\n"
		"5: [container a] mapping: found \"maybe\" (no such word); "
		"allowed auto | rx | off\n"
		"7: [switch] memory: found \"1\" (too small); allowed 64 to 1048576\n"
		"8: [switch] memori: found an unknown key (did you mean memory?); "
		"allowed workers, log_level, hugepages, memory, instance, eal_args\n"
		"9: [switch]: found a line without =, \"junk\"; "
		"allowed KEY = VALUE on one line\n"
		"12: [port p] mtu: found \"1\" (too small); allowed 68 to 9600\n"
		"13: [port p] mtu: found a second time, first at line 12; allowed once\n"
		"15: [container b] socket: found \"rel\" (not an absolute path); "
		"allowed an absolute path of at most 107 bytes\n"
		"16: [container b] port: found \"q\", which is no port of this file "
		"(did you mean p?); allowed p\n");
}

/* Puts the test's directory where a sample has /run/vfring. */
static char *localize(const char *text)
{
	static const char run[] = "/run/vfring";
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	for (const char *next; (next = strstr(text, run)) != NULL; text = next + strlen(run))
		fprintf(f, "%.*s%s", (int)(next - text), text, dir);
	fputs(text, f);
	fclose(f);
	return out;
}

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

	/* As it is, and with every default taken for a value: the same. */
	char *text = localize(help);
	struct cfg *cfg = good(text);
	cfg_for_each_value(cfg, count_value, &nb_values);
	cfg_free(cfg);
	for (char *p = text; (p = strchr(p, '\n')) != NULL;) {
		p++;
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

/*
 * The checkout: __FILE__ is absolute, or relative to the build folder, tests/ of which we are in.
 */
static void source_path(char path[PATH_MAX], const char *file)
{
	char exe[PATH_MAX / 4], source[] = __FILE__;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	CU_ASSERT_FATAL(n > 0);
	exe[n] = '\0';
	/* from root/tests/unit/config/config.c to root */
	char *up = dirname(dirname(dirname(dirname(source))));
	if (up[0] == '/')
		snprintf(path, PATH_MAX, "%s/%s", up, file);
	else
		snprintf(path, PATH_MAX, "%s/%s/%s", dirname(dirname(exe)), up, file);
}

static struct cfg *sample(const char *file)
{
	char path[PATH_MAX], text[16384];

	source_path(path, file);
	FILE *f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	CU_ASSERT_FATAL(n > 0 && n < sizeof(text) - 1);
	text[n] = '\0';
	write_file(cpus_file, "0-1\n", 4); /* the smallest machine they are for */
	char *local = localize(text);
	struct cfg *cfg = good(local);
	free(local);
	return cfg;
}

static void test_samples(void)
{
	struct cfg *cfg = sample("config/vfringd.ini");
	CU_ASSERT_EQUAL(cfg->nb_containers, 2);
	cfg_free(cfg);

	cfg = sample("config/quickstart.ini");
	CU_ASSERT_EQUAL(cfg->sw.hugepages, CFG_HUGEPAGES_OFF);
	CU_ASSERT_EQUAL(cfg->sw.memory, 128);
	CU_ASSERT_STRING_EQUAL(cfg->ports[0].name, "wire0");
	CU_ASSERT_STRING_EQUAL(cfg->ports[0].device, "net_af_packet0,iface=vf-wire0");
	CU_ASSERT_STRING_EQUAL(cfg->containers[0].name, "web0");
	cfg_free(cfg);
}

/* Whatever the bytes: an answer, and one line per error, printable. */
static void check_sane(const char *data, size_t len)
{
	struct cfg *cfg;
	int rc = load_bytes(data, len, &cfg);
	unsigned int lines = 0;

	CU_ASSERT(rc == 0 || rc == -EINVAL);
	CU_ASSERT_EQUAL(rc == 0, nb_output == 0);
	for (const char *p = output; *p != '\0'; p++) {
		lines += *p == '\n';
		CU_ASSERT(*p == '\n' || (*p >= ' ' && *p <= '~'));
	}
	CU_ASSERT_EQUAL(lines, nb_output);
	cfg_free(cfg);
}

static void test_prefixes(void)
{
	char *text = expand(full);
	size_t len = strlen(text);

	for (size_t i = 0; i <= len; i++)
		check_sane(text, i);
	free(text);
}

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

/* A valid file with some bytes changed, lines doubled or moved: gets further than noise. */
static void test_mutations(void)
{
	static const char bytes[] = "[]=:;# \t\r\n\0\x1b\xff-0919,.";
	char *text = expand(full);
	size_t len = strlen(text);
	char *copy = malloc(len);
	unsigned int seed = 1;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	for (unsigned int round = 0; round < 3000; round++) {
		memcpy(copy, text, len);
		for (unsigned int i = next_random(&seed) % 8 + 1; i > 0; i--)
			copy[next_random(&seed) % len] =
				bytes[next_random(&seed) % (sizeof(bytes) - 1)];
		size_t from = next_random(&seed) % len, to = next_random(&seed) % len;
		size_t n = next_random(&seed) % 64;
		if (from + n <= len && to + n <= len)
			memmove(copy + to, copy + from, n);
		check_sane(copy, len);
	}
	free(copy);
	free(text);
}

static void test_noise(void)
{
	unsigned int seed = 2;
	char noise[4096];

	for (unsigned int round = 0; round < 300; round++) {
		size_t len = next_random(&seed) % sizeof(noise);

		for (size_t i = 0; i < len; i++)
			noise[i] = (char)next_random(&seed);
		check_sane(noise, len);
	}
}

/* As many sections and errors as nobody writes: quadratic time would meet the limit of the test. */
static void test_full_of_errors(void)
{
	static const char *const lines[] = { "[port p]\n", "[container c]\nport=x\nsocket=/x/y\n",
		"[port p]\ndevice=a\n[container c]\nport=p\nsocket=/y/x\n", "a\n", "[\n" };
	size_t size = 256 * 1024;
	char *text = malloc(size + 128);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t len = 0, n = strlen(lines[i]);
		struct cfg *cfg;

		for (; len + n <= size; len += n)
			memcpy(text + len, lines[i], n);
		CU_ASSERT_EQUAL(load_bytes(text, len, &cfg), -EINVAL);
		CU_ASSERT(nb_output >= size / n - 1);
	}
	free(text);
}

static const struct unit_test tests[] = {
	{ "defaults", test_defaults },
	{ "every key", test_full },
	{ "a port without container", test_port_without_container },
	{ "effective values", test_values },
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
	{ "numbers", test_numbers },
	{ "words", test_words },
	{ "workers", test_workers },
	{ "worker limit", test_worker_limit },
	{ "default worker", test_default_worker },
	{ "CPUs of this machine", test_this_machine },
	{ "instance", test_instance },
	{ "device", test_device },
	{ "duplicate device", test_duplicate_device },
	{ "socket", test_socket },
	{ "socket length", test_socket_length },
	{ "duplicate socket", test_duplicate_socket },
	{ "socket directory", test_directory },
	{ "what stands at the socket's path", test_socket_place },
	{ "directory not writable", test_not_writable },
	{ "unreadable file", test_unreadable },
	{ "socket owner and group", test_ids },
	{ "socket permissions", test_perms },
	{ "port reference", test_reference },
	{ "dangling port reference", test_dangling },
	{ "no port", test_no_port },
	{ "queue range", test_queue_range },
	{ "two containers on one queue", test_shared_queue },
	{ "queue counts that cannot be read", test_unknown_counts },
	{ "missing keys", test_missing },
	{ "limits", test_limits },
	{ "all errors in one go", test_all_at_once },
	{ "help is a valid file", test_help },
	{ "samples", test_samples },
	{ "every prefix", test_prefixes },
	{ "mutations", test_mutations },
	{ "noise", test_noise },
	{ "full of errors", test_full_of_errors },
};

UNIT_MAIN("config/config", setup, teardown, tests)
