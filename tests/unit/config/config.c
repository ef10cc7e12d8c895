/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"

#include <libgen.h>

#include "tests/unit/config/load.h"

static void test_defaults(void)
{
	struct cfg *cfg = good("[port wire0]\ndevice = net_null0\n"
			       "[container web0]\nsocket = @/web0.sock\nport = wire0\n");

	CU_ASSERT_STRING_EQUAL(cfg->path, ini);
	CU_ASSERT_EQUAL(cfg->sw.nb_workers, 1);
	CU_ASSERT_EQUAL(cfg->sw.workers[0], 1);
	CU_ASSERT_EQUAL(cfg->sw.idle_sleep_max, 0);
	CU_ASSERT_EQUAL(cfg->sw.idle_after, 1000);
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
			   "idle_after = 0\n"
			   "idle_sleep_max = 10000\n"
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
	CU_ASSERT_EQUAL(cfg->sw.idle_after, 0);
	CU_ASSERT_EQUAL(cfg->sw.idle_sleep_max, 10000);
	CU_ASSERT_EQUAL(cfg->sw.log_level, CFG_LOG_DEBUG);
	CU_ASSERT_EQUAL(cfg->sw.hugepages, CFG_HUGEPAGES_ON);
	CU_ASSERT_EQUAL(cfg->sw.memory, 1048576);
	CU_ASSERT_STRING_EQUAL(cfg->sw.instance, "two");
	CU_ASSERT_STRING_EQUAL(cfg->sw.eal_args, "--log-level=lib.eal:8 -d x;y");

	CU_ASSERT_EQUAL_FATAL(cfg->nb_ports, 2);
	CU_ASSERT_STRING_EQUAL(cfg->ports[0].device, "0000:01:00.0,safe=1");
	CU_ASSERT_EQUAL(cfg->ports[0].line, 22);
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
			    "switch|idle_sleep_max|0\n"
			    "switch|idle_after|1000\n"
			    "switch|log_level|info\n"
			    "switch|hugepages|off\n"
			    "switch|memory|256\n"
			    "switch|instance|vfring\n"
			    "switch|eal_args|\n"
			    "port p|device|net_null0\n"
			    "port p|queues|2\n"
			    "port p|mtu|1500\n"
			    "port p|rx_desc|128\n"
			    "port p|rx_buffer|0\n"
			    "port p|tx_desc|128\n"
			    "container c|kind|vhost-user\n"
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
		"allowed workers, idle_sleep_max, idle_after, log_level, hugepages, memory, "
		"instance, eal_args\n"
		"9: [switch]: found a line without =, \"junk\"; "
		"allowed KEY = VALUE on one line\n"
		"12: [port p] mtu: found \"1\" (too small); allowed 68 to 9600\n"
		"13: [port p] mtu: found a second time, first at line 12; allowed once\n"
		"15: [container b] socket: found \"rel\" (not an absolute path); "
		"allowed an absolute path of at most 107 bytes\n"
		"16: [container b] port: found \"q\", which is no port of this file "
		"(did you mean p?); allowed p\n");
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

	cfg = sample("config/sriov.ini");
	CU_ASSERT_EQUAL(cfg->ports[2].vf.index, -1);
	CU_ASSERT_EQUAL(cfg->containers[2].kind, CFG_CONTAINER_NETNS);
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
	{ "all errors in one go", test_all_at_once },
	{ "samples", test_samples },
	{ "every prefix", test_prefixes },
	{ "mutations", test_mutations },
	{ "noise", test_noise },
	{ "full of errors", test_full_of_errors },
};

UNIT_MAIN("config/config", setup, teardown, tests)
