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
#define CFG_IFNAME_LEN     16 /* IFNAMSIZ */
#define CFG_PF_LEN         32
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

enum cfg_link_state {
	CFG_LINK_AUTO, /* that of the PF */
	CFG_LINK_ENABLE, /* also while the PF has none: VFs reach each other */
	CFG_LINK_DISABLE,
};

enum cfg_container_kind {
	CFG_CONTAINER_VHOST_USER,
	CFG_CONTAINER_NETNS, /* the VF itself, with its kernel driver, in a network namespace */
};

/* A VF that the daemon prepares: device = pf:PF,vf=N */
struct cfg_vf {
	char pf[CFG_PF_LEN]; /* interface, or PCI address in normal form; "": another device */
	int index; /* -1: any that is free */
};

struct cfg_mac {
	bool given;
	uint8_t bytes[6];
};

struct cfg_address {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t prefix;
	uint8_t bytes[16]; /* in network order */
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
	char *device; /* PCI address, vdev string, or pf:PF,vf=N, as given */
	struct cfg_vf vf; /* the last of these */
	uint16_t queues; /* Rx/Tx queue pairs */
	uint16_t mtu;
	uint16_t rx_desc; /* descriptors of each Rx queue */
	uint16_t rx_buffer; /* bytes of each receive buffer; 0: chosen by the port */
	uint16_t tx_desc;
	/* Of a VF that the daemon prepares. */
	struct cfg_mac mac;
	uint16_t vlan; /* 0: none */
	bool spoof_check;
	bool trust;
	enum cfg_link_state link_state;
	unsigned int max_tx_rate; /* Mbit/s; 0: no limit */
	unsigned int min_tx_rate;
	int line; /* of the section header */
};

struct cfg_container {
	char name[CFG_NAME_LEN];
	enum cfg_container_kind kind;
	/* vhost-user */
	char socket[CFG_SOCKET_LEN];
	enum cfg_socket_mode socket_mode;
	uint16_t first_queue; /* ring pair i <-> queue first_queue + i of the port */
	uint16_t queues; /* ring pairs offered */
	enum cfg_mapping mapping;
	uid_t socket_owner; /* (uid_t)-1: unchanged */
	gid_t socket_group; /* (gid_t)-1: unchanged */
	mode_t socket_perms;
	/* netns */
	char *netns; /* path of the namespace */
	char ifname[CFG_IFNAME_LEN]; /* the VF's name in there */
	struct cfg_address address;
	/* both */
	unsigned int port; /* index into cfg.ports */
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
