/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/type.h"

#include "tests/unit/config/load.h"

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
	bad_value("switch", "idle_sleep_max", "10001", "too large", "0 to 10000");
	bad_value("switch", "idle_sleep_max", "off", "not a number", "0 to 10000");
	bad_value("switch", "idle_after", "10000001", "too large", "0 to 10000000");
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

static void test_instance(void)
{
	bad_value("switch", "instance", "a/b", "not a name", "1 to 31 of A-Z a-z 0-9 _ . -");
	bad_value("switch", "instance", "..", "not a file name", "1 to 31 of A-Z a-z 0-9 _ . -");
}

static void test_device(void)
{
	static const char allowed[] = DEVICES;

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

static const struct unit_test tests[] = {
	{ "numbers", test_numbers },
	{ "words", test_words },
	{ "workers", test_workers },
	{ "worker limit", test_worker_limit },
	{ "instance", test_instance },
	{ "device", test_device },
	{ "socket", test_socket },
	{ "socket length", test_socket_length },
	{ "socket owner and group", test_ids },
	{ "socket permissions", test_perms },
	{ "port reference", test_reference },
};

UNIT_MAIN("config/type", setup, teardown, tests)
