/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as plain structs.
 *
 * Ownership: cfg_load() allocates one struct cfg with everything in it; cfg_free() releases it.
 * Nothing in it changes after cfg_load(), so any thread may read it until then.
 * Threads: cfg_load() and the printing functions run in the main thread, before or after EAL; they
 * use neither DPDK nor any thread of ours.
 * On failure: cfg_load() reports every error it found, one line each, and allocates nothing.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CFG_NAME_LEN       32 /* port and container names, with the terminating 0 */
#define CFG_SOCKET_LEN     108 /* sizeof(sun_path): 107 bytes and a 0 */
#define CFG_MAX_WORKERS    64
#define CFG_MAX_PORTS      32 /* RTE_MAX_ETHPORTS of Debian's build */
#define CFG_MAX_CONTAINERS 256
#define CFG_MAX_QUEUES     256 /* Rx queues of one port */
#define CFG_MAX_PAIRS      16 /* queue pairs of one container */

enum cfg_log_level {
	CFG_LOG_ERROR,
	CFG_LOG_WARNING,
	CFG_LOG_NOTICE,
	CFG_LOG_INFO,
	CFG_LOG_DEBUG,
};

enum cfg_hugepages {
	CFG_HUGEPAGES_AUTO, /* use them if the host has enough free ones, else do without */
	CFG_HUGEPAGES_ON,
	CFG_HUGEPAGES_OFF,
};

enum cfg_socket_mode {
	CFG_SOCKET_SERVER, /* we listen; the container connects */
	CFG_SOCKET_CLIENT, /* the container listens; we connect, and reconnect */
};

enum cfg_mapping {
	CFG_MAPPING_AUTO, /* every direction that this version can map */
	CFG_MAPPING_RX, /* receive only */
	CFG_MAPPING_OFF, /* always copy */
};

struct cfg_switch {
	unsigned int nb_workers;
	unsigned int workers[CFG_MAX_WORKERS]; /* CPU numbers, in the order given */
	unsigned int idle_sleep_max; /* of an idle worker, microseconds; 0: never sleeps */
	unsigned int idle_after; /* microseconds without a packet before it begins to */
	enum cfg_log_level log_level;
	enum cfg_hugepages hugepages;
	unsigned int memory; /* MiB of DPDK memory */
	char *instance; /* DPDK's file prefix: names /run/dpdk/<instance> */
	char *eal_args; /* "" if none */
};

struct cfg_port {
	char name[CFG_NAME_LEN];
	char *device; /* PCI address or vdev string, as given */
	uint16_t queues; /* Rx/Tx queue pairs */
	uint16_t mtu;
	uint16_t rx_desc; /* descriptors of each Rx queue */
	uint16_t rx_buffer; /* bytes of each receive buffer; 0: chosen by the port */
	uint16_t tx_desc;
	int line; /* of the section header */
};

struct cfg_container {
	char name[CFG_NAME_LEN];
	char socket[CFG_SOCKET_LEN];
	enum cfg_socket_mode socket_mode;
	unsigned int port; /* index into cfg.ports */
	uint16_t first_queue; /* ring pair i <-> queue first_queue + i of the port */
	uint16_t queues; /* ring pairs offered */
	enum cfg_mapping mapping;
	uid_t socket_owner; /* (uid_t)-1: unchanged */
	gid_t socket_group; /* (gid_t)-1: unchanged */
	mode_t socket_perms;
	int line;
};

struct cfg {
	char *path; /* the file it came from */
	struct cfg_switch sw;
	unsigned int nb_ports;
	struct cfg_port *ports;
	unsigned int nb_containers;
	struct cfg_container *containers;
};

/*
 * Read and check `path`. Static: opens no device, needs no privilege, starts no EAL.
 *
 * Every error in the file is written to `errs`, one line each:
 *   FILE:LINE: [SECTION] KEY: what was found; what is allowed
 * Returns 0 and sets *out, or -EINVAL (errors in the file; their number in *nb_errors), -ENOENT and
 * other -errno (the file cannot be read, also written to errs), -ENOMEM. nb_errors may be NULL.
 */
int cfg_load(const char *path, struct cfg **out, FILE *errs, unsigned int *nb_errors);

/* NULL is allowed. */
void cfg_free(struct cfg *cfg);

/* The table of keys as a commented INI file: type, range, default and a line of help for each. */
void cfg_print_help(FILE *f);

/* Calls fn once per effective value, defaults included, e.g. ("port wire0", "mtu", "1500"). */
typedef void (*cfg_value_fn)(void *arg, const char *section, const char *key, const char *value);
void cfg_for_each_value(const struct cfg *cfg, cfg_value_fn fn, void *arg);

#endif /* CONFIG_CONFIG_H */
