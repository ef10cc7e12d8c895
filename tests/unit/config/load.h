/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads a text as a configuration file, in a directory of the test's own and on a machine with CPUs
 * 0-3 and 6. Files of each kind of error are compared with the whole output of cfg_load(), so a
 * message too many fails as well as one too few. In texts, @ stands for the directory.
 */
#ifndef TESTS_UNIT_CONFIG_LOAD_H
#define TESTS_UNIT_CONFIG_LOAD_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "config/cpus.h"
#include "tests/unit/unit.h"

#define SECTIONS "[switch], [port NAME] or [container NAME]"
#define PORT_KEYS                                                                                  \
	"device, queues, mtu, rx_desc, rx_buffer, tx_desc, mac, vlan, spoof_check, trust, "        \
	"link_state, max_tx_rate, min_tx_rate"
#define DEVICES                                                                                    \
	"a PCI address [dddd:]bb:dd.f, pf:PF,vf=N, pf:PF,vf=auto or a DPDK vdev string, without "  \
	"white space"
#define PORT   "[port p]\ndevice=net_null0\n" /* two lines */
#define SOCKET "[container c]\nsocket=@/c.sock\nport=p\n" /* three lines */

static char dir[64], ini[96], cpus_file[96];
static char *output; /* of the last load */
static unsigned int nb_output;

static inline void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(data, 1, len, f), len);
	CU_ASSERT_EQUAL(fclose(f), 0);
}

static inline void setup(void)
{
	char template[] = "/tmp/vfring-cfg-XXXXXX";

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(template));
	snprintf(dir, sizeof(dir), "%s", template);
	snprintf(ini, sizeof(ini), "%s/t.ini", dir);
	snprintf(cpus_file, sizeof(cpus_file), "%s/online", dir);
	write_file(cpus_file, "0-3,6\n", 6);
	cfg_cpu_online_path = cpus_file;
}

static inline void teardown(void)
{
	char cmd[128];

	free(output);
	output = NULL;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CU_ASSERT_EQUAL(system(cmd), 0);
}

/* text with @ replaced by the directory */
static inline char *expand(const char *text)
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

static inline int load_path(const char *path, struct cfg **cfg)
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

static inline int load_bytes(const void *data, size_t len, struct cfg **cfg)
{
	write_file(ini, data, len);
	return load_path(ini, cfg);
}

static inline int load(const char *text, struct cfg **cfg)
{
	char *s = expand(text);
	int rc = load_bytes(s, strlen(s), cfg);

	free(s);
	return rc;
}

/* A valid file. To be freed. */
static inline struct cfg *good(const char *text)
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
static inline void check_output(const char *lines)
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

static inline void bad(const char *text, const char *lines)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load(text, &cfg), -EINVAL);
	check_output(lines);
	cfg_free(cfg);
}

static inline void bad_bytes(const void *data, size_t len, const char *lines)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load_bytes(data, len, &cfg), -EINVAL);
	check_output(lines);
	cfg_free(cfg);
}

/* value stands for key in a section that is fine otherwise */
static inline void bad_value(const char *section, const char *key, const char *value,
	const char *why, const char *allowed)
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

/* Root may write anywhere: be somebody else for this. */
static inline void as_nobody(void (*fn)(void))
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

/* Puts the test's directory where a sample has /run/vfring. */
static inline char *localize(const char *text)
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

#endif /* TESTS_UNIT_CONFIG_LOAD_H */
