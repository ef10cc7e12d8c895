/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments: one table of keys, each with a function that takes its text. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_kvargs.h>

#include "pmd/simvf/simvf.h"

#define MAX_FLOWS 65536

int simvf_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || *value < min ||
		*value > max)
		return -EINVAL;
	return 0;
}

int simvf_sizes_parse(const char *text, struct simvf_sizes *sizes)
{
	const char *dash = strchr(text, '-');
	uint64_t first, last;
	char low[8];

	if (strcmp(text, "imix") == 0) {
		*sizes = (struct simvf_sizes){ .imix = true };
		return 0;
	}
	if (dash == NULL)
		dash = text + strlen(text);
	if ((size_t)(dash - text) >= sizeof(low))
		return -EINVAL;
	memcpy(low, text, (size_t)(dash - text));
	low[dash - text] = '\0';
	if (simvf_number_parse(low, SIMVF_MIN_FRAME, 9600, &first) < 0)
		return -EINVAL;
	last = first;
	if (*dash != '\0' && simvf_number_parse(dash + 1, first, 9600, &last) < 0)
		return -EINVAL;
	*sizes = (struct simvf_sizes){ .first = (uint16_t)first, .last = (uint16_t)last };
	return 0;
}

static int parse_wire(const char *text, struct simvf_args *args)
{
	static const struct {
		const char *name;
		enum simvf_wire wire;
		bool has_arg;
	} wires[] = {
		{ "gen", SIMVF_GEN, false },
		{ "sink", SIMVF_SINK, false },
		{ "peer", SIMVF_PEER, true },
		{ "iface", SIMVF_IFACE, true },
		{ "pcap", SIMVF_PCAP, true },
	};
	size_t len = strcspn(text, ":");

	for (size_t i = 0; i < RTE_DIM(wires); i++) {
		if (strlen(wires[i].name) != len || strncmp(text, wires[i].name, len) != 0)
			continue;
		if (wires[i].has_arg != (text[len] == ':' && text[len + 1] != '\0'))
			return -EINVAL;
		args->wire = wires[i].wire;
		if (wires[i].has_arg && strlen(&text[len + 1]) >= sizeof(args->wire_arg))
			return -EINVAL;
		strcpy(args->wire_arg, wires[i].has_arg ? &text[len + 1] : "");
		return 0;
	}
	return -EINVAL;
}

static int parse_dma(const char *text, struct simvf_args *args)
{
	args->copy = strcmp(text, "copy") == 0;
	return args->copy || strcmp(text, "none") == 0 ? 0 : -EINVAL;
}

static int parse_size(const char *text, struct simvf_args *args)
{
	return simvf_sizes_parse(text, &args->sizes);
}

static int parse_mac(const char *text, struct simvf_args *args)
{
	if (rte_ether_unformat_addr(text, &args->mac) < 0)
		return -EINVAL;
	return rte_is_valid_assigned_ether_addr(&args->mac) ? 0 : -EINVAL;
}

static int parse_dst(const char *text, struct simvf_args *args)
{
	return rte_ether_unformat_addr(text, &args->dst) < 0 ? -EINVAL : 0;
}

static int parse_rate(const char *text, struct simvf_args *args)
{
	return simvf_number_parse(text, 0, SIMVF_MAX_RATE, &args->rate);
}

#define NUMBER(key, field, min, max)                                                               \
	{                                                                                          \
		key, NULL, offsetof(struct simvf_args, field),                                     \
			sizeof(((struct simvf_args *)0)->field), min, max                          \
	}
#define PARSED(key, fn)                                                                            \
	{                                                                                          \
		key, fn, 0, 0, 0, 0                                                                \
	}

static const struct key {
	const char *name;
	int (*parse)(const char *text, struct simvf_args *args);
	/* Or a number: */
	size_t offset;
	size_t size;
	uint64_t min;
	uint64_t max;
} keys[] = {
	NUMBER("queues", queues, 1, SIMVF_MAX_QUEUES),
	PARSED("mac", parse_mac),
	PARSED("dma", parse_dma),
	PARSED("wire", parse_wire),
	PARSED("size", parse_size),
	NUMBER("flows", flows, 1, MAX_FLOWS),
	PARSED("rate", parse_rate),
	NUMBER("fifo", fifo, 0, 65536),
	PARSED("dst", parse_dst),
	NUMBER("latency", latency, 0, 1),
	NUMBER("tx_lag", tx_lag, 0, 4096),
	NUMBER("tx_lag_us", tx_lag_us, 0, 10000000),
	NUMBER("pause", pause, 0, 1),
	NUMBER("pcap_loop", pcap_loop, 0, 1),
	NUMBER("buf_align", buf_align, 1, 16384),
	NUMBER("iommu", iommu, 0, 1),
	NUMBER("stop_queues", stop_queues, 0, 1),
};

static int parse_key(const char *name, const char *text, void *opaque)
{
	struct simvf_args *args = opaque;
	const struct key *key = keys;
	uint64_t value;
	int ret;

	if (text == NULL)
		text = "";
	/* rte_kvargs_parse() has refused unknown names. */
	while (strcmp(key->name, name) != 0)
		key++;
	if (key->parse != NULL) {
		ret = key->parse(text, args);
	} else {
		ret = simvf_number_parse(text, key->min, key->max, &value);
		/* Little-endian: its low bytes come first. */
		if (ret == 0)
			memcpy((uint8_t *)args + key->offset, &value, key->size);
	}
	if (ret < 0)
		SIMVF_LOG(ERR, "%s=%s: bad value", name, text);
	return ret;
}

static void set_defaults(const char *name, struct simvf_args *args)
{
	size_t digits = strlen(name);

	while (digits > 0 && isdigit((unsigned char)name[digits - 1]))
		digits--;
	*args = (struct simvf_args){
		.queues = 16,
		.copy = true,
		.iommu = true,
		.stop_queues = true,
		.sizes = { 64, 64, false },
		.flows = 64,
		.fifo = 512,
		.tx_lag_us = 20,
		.buf_align = 1024,
		.mac.addr_bytes = { 0x02, 0, 0, 0, 0x5f, (uint8_t)atoi(&name[digits]) },
	};
}

int simvf_args_parse(const char *name, const char *text, struct simvf_args *args)
{
	const char *names[RTE_DIM(keys) + 1] = { NULL };
	struct rte_kvargs *list;
	int ret = 0;

	for (size_t i = 0; i < RTE_DIM(keys); i++)
		names[i] = keys[i].name;
	set_defaults(name, args);
	list = rte_kvargs_parse(text, names);
	if (list == NULL) {
		SIMVF_LOG(ERR, "%s: \"%s\" has an unknown key, or is no list of them", name, text);
		return -EINVAL;
	}
	for (size_t i = 0; i < RTE_DIM(keys) && ret == 0; i++)
		if (rte_kvargs_process(list, keys[i].name, parse_key, args) < 0)
			ret = -EINVAL;
	rte_kvargs_free(list);
	if (rte_is_zero_ether_addr(&args->dst))
		args->dst = args->mac;
	return ret;
}
