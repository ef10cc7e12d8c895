/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/table.h"

#include <string.h>

#include "config/config.h"

#define FIELD(type, member)                                                                        \
	.offset = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)

static const char *const log_levels[] = {
	[CFG_LOG_ERROR] = "error",
	[CFG_LOG_WARNING] = "warning",
	[CFG_LOG_NOTICE] = "notice",
	[CFG_LOG_INFO] = "info",
	[CFG_LOG_DEBUG] = "debug",
	NULL,
};

static const char *const hugepages[] = {
	[CFG_HUGEPAGES_AUTO] = "auto",
	[CFG_HUGEPAGES_ON] = "on",
	[CFG_HUGEPAGES_OFF] = "off",
	NULL,
};

static const char *const socket_modes[] = {
	[CFG_SOCKET_SERVER] = "server",
	[CFG_SOCKET_CLIENT] = "client",
	NULL,
};

static const char *const mappings[] = {
	[CFG_MAPPING_AUTO] = "auto",
	[CFG_MAPPING_RX] = "rx",
	[CFG_MAPPING_OFF] = "off",
	NULL,
};

static const char *const link_states[] = {
	[CFG_LINK_AUTO] = "auto",
	[CFG_LINK_ENABLE] = "enable",
	[CFG_LINK_DISABLE] = "disable",
	NULL,
};

static const char *const container_kinds[] = {
	[CFG_CONTAINER_VHOST_USER] = "vhost-user",
	[CFG_CONTAINER_NETNS] = "netns",
	NULL,
};

/* The first key of a kind says which others may stand in its section. */
/* clang-format off */
const struct cfg_kind_info cfg_kinds[CFG_NB_KINDS] = {
[CFG_KIND_SWITCH] = {
	.name = "switch", .title = "[switch]", .max = 1, .size = sizeof(struct cfg_switch),
	.help = "the daemon itself; may be left out",
	.keys = {
		{ .name = "workers", .type = CFG_TYPE_CPUS, .def = "1",
		  FIELD(cfg_switch, workers),
		  .help = "CPUs of the polling threads" },
		{ .name = "idle_sleep_max", .type = CFG_TYPE_NUMBER, .min = 0, .max = 10000, .def = "0",
		  FIELD(cfg_switch, idle_sleep_max),
		  .help = "microseconds that an idle worker sleeps at most, and a packet waits; 0: none; "
			  "below rx_desc / packet rate" },
		{ .name = "idle_after", .type = CFG_TYPE_NUMBER, .min = 0, .max = 10000000, .def = "1000",
		  FIELD(cfg_switch, idle_after),
		  .help = "microseconds without a packet before it begins to sleep" },
		{ .name = "log_level", .type = CFG_TYPE_WORD, .words = log_levels, .def = "info",
		  FIELD(cfg_switch, log_level),
		  .help = "least important message that is still logged" },
		{ .name = "hugepages", .type = CFG_TYPE_WORD, .words = hugepages, .def = "auto",
		  FIELD(cfg_switch, hugepages),
		  .help = "memory in hugepages; auto: if the host has enough free ones" },
		{ .name = "memory", .type = CFG_TYPE_NUMBER, .min = 64, .max = 1048576, .def = "256",
		  FIELD(cfg_switch, memory),
		  .help = "DPDK's memory in MiB" },
		{ .name = "instance", .type = CFG_TYPE_NAME, .def = "vfring",
		  FIELD(cfg_switch, instance),
		  .help = "name of this daemon among others on the host: /run/dpdk/<instance>" },
		{ .name = "eal_args", .type = CFG_TYPE_STRING, .def = "",
		  FIELD(cfg_switch, eal_args),
		  .help = "more arguments for DPDK's EAL, for what has no key here" },
		{ .name = NULL },
	},
},
[CFG_KIND_PORT] = {
	.name = "port", .example = "wire0", .title = "[port NAME]",
	.max = CFG_MAX_PORTS, .size = sizeof(struct cfg_port),
	.help = "one physical port; at least one is needed",
	.keys = {
		{ .name = "device", .type = CFG_TYPE_DEVICE, .example = "net_af_packet0,iface=vf-wire0",
		  FIELD(cfg_port, device),
		  .help = "one port per device; with pf: the daemon prepares the VF, PF is an interface or "
			  "a PCI address" },
		{ .name = "queues", .type = CFG_TYPE_NUMBER, .min = 1, .max = CFG_MAX_QUEUES, .def = "1",
		  FIELD(cfg_port, queues),
		  .help = "pairs of Rx and Tx queues" },
		{ .name = "mtu", .type = CFG_TYPE_NUMBER, .min = 68, .max = 9600, .def = "1500",
		  FIELD(cfg_port, mtu),
		  .help = "largest packet in bytes, Ethernet header not counted" },
		{ .name = "rx_desc", .type = CFG_TYPE_NUMBER, .min = 32, .max = 4096, .def = "128",
		  FIELD(cfg_port, rx_desc),
		  .help = "descriptors of each Rx queue; a ring is mapped if it has twice as many" },
		{ .name = "rx_buffer", .type = CFG_TYPE_NUMBER, .min = 0, .max = 16384, .def = "0",
		  FIELD(cfg_port, rx_buffer),
		  .help = "bytes that the NIC may write into a container's buffer; 0: 2048, or what the "
			  "MTU needs; longer frames are lost" },
		{ .name = "tx_desc", .type = CFG_TYPE_NUMBER, .min = 32, .max = 4096, .def = "128",
		  FIELD(cfg_port, tx_desc),
		  .help = "descriptors of each Tx queue" },
		{ .name = "mac", .type = CFG_TYPE_MAC, .only = CFG_ONLY_VF, .def = "unchanged",
		  FIELD(cfg_port, mac),
		  .help = "the VF's MAC address" },
		{ .name = "vlan", .type = CFG_TYPE_NUMBER, .only = CFG_ONLY_VF, .min = 0, .max = 4094, .def = "0",
		  FIELD(cfg_port, vlan),
		  .help = "VLAN of the VF, tagged by the NIC; 0: none" },
		{ .name = "spoof_check", .type = CFG_TYPE_SWITCH, .only = CFG_ONLY_VF, .def = "on",
		  FIELD(cfg_port, spoof_check),
		  .help = "the NIC drops what the VF sends with another MAC address" },
		{ .name = "trust", .type = CFG_TYPE_SWITCH, .only = CFG_ONLY_VF, .def = "off",
		  FIELD(cfg_port, trust),
		  .help = "the VF may change its MAC address and see what is not for it" },
		{ .name = "link_state", .type = CFG_TYPE_WORD, .only = CFG_ONLY_VF, .words = link_states, .def = "auto",
		  FIELD(cfg_port, link_state),
		  .help = "link that the VF sees; auto: that of the PF; enable, disable: whatever the PF has" },
		{ .name = "max_tx_rate", .type = CFG_TYPE_NUMBER, .only = CFG_ONLY_VF, .max = 1000000, .def = "0",
		  FIELD(cfg_port, max_tx_rate),
		  .help = "Mbit/s that the VF may send; 0: no limit" },
		{ .name = "min_tx_rate", .type = CFG_TYPE_NUMBER, .only = CFG_ONLY_VF, .max = 1000000, .def = "0",
		  FIELD(cfg_port, min_tx_rate),
		  .help = "Mbit/s that the VF can always send; 0: none" },
		{ .name = NULL },
	},
},
[CFG_KIND_CONTAINER] = {
	.name = "container", .example = "web0", .title = "[container NAME]",
	.max = CFG_MAX_CONTAINERS, .size = sizeof(struct cfg_container),
	.help = "one container (or VM) behind a vhost-user socket, or a network namespace",
	.keys = {
		{ .name = "kind", .type = CFG_TYPE_WORD, .words = container_kinds, .def = "vhost-user",
		  FIELD(cfg_container, kind),
		  .help = "vhost-user: a socket; netns: the VF itself, with the kernel's driver, goes into a "
			  "network namespace" },
		{ .name = "socket", .type = CFG_TYPE_PATH, .only = CFG_ONLY_VHOST_USER, .example = "/run/vfring/web0.sock",
		  FIELD(cfg_container, socket),
		  .help = "the vhost-user socket; one container per socket" },
		{ .name = "socket_mode", .type = CFG_TYPE_WORD, .only = CFG_ONLY_VHOST_USER, .words = socket_modes, .def = "server",
		  FIELD(cfg_container, socket_mode),
		  .help = "server: the container connects to us; client: we connect, and reconnect" },
		{ .name = "port", .type = CFG_TYPE_REF, .example = "wire0",
		  FIELD(cfg_container, port),
		  .help = "its physical port; ring pair i gets queue FIRST_QUEUE + i (default 0)" },
		{ .name = "queues", .type = CFG_TYPE_NUMBER, .only = CFG_ONLY_VHOST_USER,
		  .min = 1, .max = CFG_MAX_PAIRS, .def = "1",
		  FIELD(cfg_container, queues),
		  .help = "ring pairs offered to the container; one queue, one container" },
		{ .name = "mapping", .type = CFG_TYPE_WORD, .only = CFG_ONLY_VHOST_USER, .words = mappings, .def = "auto",
		  FIELD(cfg_container, mapping),
		  .help = "zero copy to try: all that can be, receive only, none" },
		{ .name = "socket_owner", .type = CFG_TYPE_USER, .only = CFG_ONLY_VHOST_USER, .def = "unchanged",
		  FIELD(cfg_container, socket_owner),
		  .help = "owner of the socket (server mode)" },
		{ .name = "socket_group", .type = CFG_TYPE_GROUP, .only = CFG_ONLY_VHOST_USER, .def = "unchanged",
		  FIELD(cfg_container, socket_group),
		  .help = "group of the socket (server mode)" },
		{ .name = "socket_perms", .type = CFG_TYPE_PERMS, .only = CFG_ONLY_VHOST_USER, .def = "0660",
		  FIELD(cfg_container, socket_perms),
		  .help = "permissions of the socket (server mode)" },
		{ .name = "netns", .type = CFG_TYPE_FILE, .only = CFG_ONLY_NETNS, .example = "/run/netns/db0",
		  FIELD(cfg_container, netns),
		  .help = "the network namespace; it may come and go" },
		{ .name = "ifname", .type = CFG_TYPE_IFNAME, .only = CFG_ONLY_NETNS, .example = "eth1",
		  FIELD(cfg_container, ifname),
		  .help = "the VF's name in there" },
		{ .name = "address", .type = CFG_TYPE_ADDRESS, .only = CFG_ONLY_NETNS, .def = "none",
		  FIELD(cfg_container, address),
		  .help = "the VF's IP address in there" },
		{ .name = NULL },
	},
},
};
/* clang-format on */

bool cfg_key_applies(const struct cfg_key *key, const void *obj)
{
	switch (key->only) {
	case CFG_ONLY_ALWAYS:
		break;
	case CFG_ONLY_VF:
		return ((const struct cfg_port *)obj)->vf.pf[0] != '\0';
	case CFG_ONLY_VHOST_USER:
		return ((const struct cfg_container *)obj)->kind == CFG_CONTAINER_VHOST_USER;
	case CFG_ONLY_NETNS:
		return ((const struct cfg_container *)obj)->kind == CFG_CONTAINER_NETNS;
	}
	return true;
}

const char *cfg_only_str(enum cfg_only only)
{
	static const char *const text[] = {
		[CFG_ONLY_ALWAYS] = "",
		[CFG_ONLY_VF] = "device = pf:PF,vf=N",
		[CFG_ONLY_VHOST_USER] = "kind = vhost-user",
		[CFG_ONLY_NETNS] = "kind = netns",
	};

	return text[only];
}

int cfg_key_index(enum cfg_kind kind, const char *name)
{
	const struct cfg_key *keys = cfg_kinds[kind].keys;

	for (int i = 0; keys[i].name != NULL; i++)
		if (strcmp(keys[i].name, name) == 0)
			return i;
	return -1;
}

bool cfg_name_ok(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len = strspn(s, allowed);

	return len > 0 && len < CFG_NAME_LEN && s[len] == '\0';
}
