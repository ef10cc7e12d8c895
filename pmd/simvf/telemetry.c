/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of DPDK's telemetry, in whatever program the plugin is loaded: counters, latency, faults
 * and the generator's settings. They run in threads of their own, with the list of devices locked,
 * so that no device goes away meanwhile.
 */
#include <errno.h>
#include <string.h>

#include <rte_telemetry.h>

#include "pmd/simvf/fault.h"
#include "pmd/simvf/gen.h"
#include "pmd/simvf/latency.h"

/* "<device>[:<key>=<value>]" */
struct request {
	char device[RTE_ETH_NAME_MAX_LEN];
	char key[32];
	char value[32];
	struct rte_tel_data *answer;
	int ret;
};

static int parse(const char *params, struct request *r)
{
	size_t name, key;

	if (params == NULL)
		return -EINVAL;
	name = strcspn(params, ":");
	if (name == 0 || name >= sizeof(r->device))
		return -EINVAL;
	memcpy(r->device, params, name);
	if (params[name] == '\0')
		return 0;
	params += name + 1;
	key = strcspn(params, "=");
	if (key == 0 || key >= sizeof(r->key) || params[key] != '=' ||
		strlen(&params[key + 1]) >= sizeof(r->value))
		return -EINVAL;
	memcpy(r->key, params, key);
	strcpy(r->value, &params[key + 1]);
	return 0;
}

static int handle(const char *params, struct rte_tel_data *answer, bool has_value,
	void (*fn)(struct simvf_dev *dev, void *request))
{
	struct request r = { .answer = answer };
	int ret = parse(params, &r);

	if (ret < 0)
		return ret;
	if (r.key[0] != '\0' && !has_value)
		return -EINVAL;
	rte_tel_data_start_dict(answer);
	if (simvf_foreach(r.device, fn, &r) == 0)
		return -ENODEV;
	return r.ret;
}

/* ---- /simvf/list ---- */

static void list_device(struct simvf_dev *dev, void *arg)
{
	rte_tel_data_add_array_string(arg, dev->name);
}

static int list(const char *cmd, const char *params, struct rte_tel_data *answer)
{
	(void)cmd;
	(void)params;
	rte_tel_data_start_array(answer, RTE_TEL_STRING_VAL);
	simvf_foreach(NULL, list_device, answer);
	return 0;
}

/* ---- /simvf/stats ---- */

#define FIELD(side, name)                                                                          \
	{                                                                                          \
#side "_" #name, offsetof(struct simvf_totals, side.name)                          \
	}

static const struct {
	const char *name;
	size_t offset; /* in simvf_totals */
} fields[] = {
	FIELD(rx, packets),
	FIELD(rx, bytes),
	FIELD(rx, errors),
	FIELD(rx, too_long),
	FIELD(rx, missed),
	FIELD(rx, nombuf),
	FIELD(rx, unfilled),
	FIELD(rx, iommu_faults),
	FIELD(rx, dma_cycles),
	FIELD(tx, packets),
	FIELD(tx, bytes),
	FIELD(tx, errors),
	FIELD(tx, refused),
	FIELD(tx, runts),
	FIELD(tx, lost),
	FIELD(tx, kept),
	FIELD(tx, iommu_faults),
	FIELD(tx, dma_cycles),
	FIELD(wire, filter_drops),
	FIELD(wire, flow_drops),
	FIELD(wire, missed),
	FIELD(wire, bad),
};

static uint64_t value_at(const void *base, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)base + offset, sizeof(value));
	return value;
}

/* One counter of all queues that are set up, in order, as an array. */
static void add_queues(const struct simvf_dev *dev, struct rte_tel_data *answer, const char *name,
	bool rx, size_t offset)
{
	struct rte_tel_data *array = rte_tel_data_alloc();

	if (array == NULL)
		return;
	rte_tel_data_start_array(array, RTE_TEL_U64_VAL);
	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		struct simvf_totals t;

		if (rx && dev->rxq[i] != NULL) {
			simvf_rxq_stats(dev->rxq[i], &t.rx);
			rte_tel_data_add_array_u64(array, value_at(&t.rx, offset));
		} else if (!rx && dev->txq[i] != NULL) {
			simvf_txq_stats(dev->txq[i], &t.tx);
			rte_tel_data_add_array_u64(array, value_at(&t.tx, offset));
		}
	}
	if (rte_tel_data_add_dict_container(answer, name, array, 0) < 0)
		rte_tel_data_free(array);
}

static void add_stats(struct simvf_dev *dev, void *request)
{
	struct request *r = request;
	struct simvf_totals totals;

	simvf_lock(dev);
	simvf_totals(dev, &totals);
	for (size_t i = 0; i < RTE_DIM(fields); i++)
		rte_tel_data_add_dict_u64(
			r->answer, fields[i].name, value_at(&totals, fields[i].offset));
	add_queues(dev, r->answer, "q_rx_packets", true, offsetof(struct simvf_rx_stats, packets));
	add_queues(dev, r->answer, "q_rx_bytes", true, offsetof(struct simvf_rx_stats, bytes));
	add_queues(dev, r->answer, "q_rx_missed", true, offsetof(struct simvf_rx_stats, missed));
	add_queues(dev, r->answer, "q_tx_packets", false, offsetof(struct simvf_tx_stats, packets));
	add_queues(dev, r->answer, "q_tx_bytes", false, offsetof(struct simvf_tx_stats, bytes));
	simvf_unlock(dev);
}

static int stats(const char *cmd, const char *params, struct rte_tel_data *answer)
{
	(void)cmd;
	return handle(params, answer, false, add_stats);
}

/* ---- /simvf/latency, /simvf/reset ---- */

static void add_latency(struct simvf_dev *dev, void *request)
{
	struct rte_tel_data *answer = ((struct request *)request)->answer;
	struct simvf_latency_result latency;

	pthread_mutex_lock(&dev->lock);
	simvf_latency_get(dev, &latency);
	pthread_mutex_unlock(&dev->lock);
	rte_tel_data_add_dict_u64(answer, "samples", latency.samples);
	rte_tel_data_add_dict_u64(answer, "p50_ns", latency.p50_ns);
	rte_tel_data_add_dict_u64(answer, "p99_ns", latency.p99_ns);
	rte_tel_data_add_dict_u64(answer, "max_ns", latency.max_ns);
}

static int latency(const char *cmd, const char *params, struct rte_tel_data *answer)
{
	(void)cmd;
	return handle(params, answer, false, add_latency);
}

static void reset_latency(struct simvf_dev *dev, void *request)
{
	(void)request;
	pthread_mutex_lock(&dev->lock);
	simvf_latency_reset(dev);
	pthread_mutex_unlock(&dev->lock);
}

static int reset(const char *cmd, const char *params, struct rte_tel_data *answer)
{
	(void)cmd;
	return handle(params, answer, false, reset_latency);
}

/* ---- /simvf/fault ---- */

/* As a driver does when its VF's mailbox says so: the application has to stop and start it. */
static void tell_of_reset(struct simvf_dev *dev)
{
	rte_eth_dev_callback_process(
		&rte_eth_devices[dev->data->port_id], RTE_ETH_EVENT_INTR_RESET, NULL);
}

static void set_fault(struct simvf_dev *dev, void *request)
{
	struct request *r = request;
	uint64_t value;
	int i = 0;

	while (r->key[0] != '\0' && i < SIMVF_FAULT_COUNT &&
		strcmp(r->key, simvf_fault_name((enum simvf_fault)i)) != 0)
		i++;
	if (i == SIMVF_FAULT_COUNT ||
		(r->key[0] != '\0' && simvf_number_parse(r->value, 0, UINT32_MAX, &value) < 0)) {
		r->ret = -EINVAL;
		return;
	}
	if (r->key[0] != '\0') {
		simvf_lock(dev);
		simvf_fault_set(dev, (enum simvf_fault)i, (uint32_t)value);
		simvf_unlock(dev);
		if (i == SIMVF_FAULT_PF_RESET && value != 0)
			tell_of_reset(dev);
	}
	for (i = 0; i < SIMVF_FAULT_COUNT; i++)
		rte_tel_data_add_dict_u64(r->answer, simvf_fault_name((enum simvf_fault)i),
			simvf_fault_get(dev, (enum simvf_fault)i));
}

static int fault(const char *cmd, const char *params, struct rte_tel_data *answer)
{
	(void)cmd;
	return handle(params, answer, true, set_fault);
}

/* ---- /simvf/set ---- */

static void set_generator(struct simvf_dev *dev, void *request)
{
	struct request *r = request;
	struct simvf_sizes sizes;
	uint64_t rate;

	pthread_mutex_lock(&dev->lock);
	if (dev->flows == NULL)
		r->ret = -ENOTSUP;
	else if (strcmp(r->key, "rate") == 0)
		r->ret = simvf_number_parse(r->value, 0, SIMVF_MAX_RATE, &rate);
	else if (strcmp(r->key, "size") == 0)
		r->ret = simvf_sizes_parse(r->value, &sizes);
	else
		r->ret = -EINVAL;
	if (r->ret == 0) {
		if (r->key[0] == 'r')
			dev->args.rate = rate;
		else
			dev->args.sizes = sizes;
		r->ret = simvf_gen_rebuild(dev);
	}
	pthread_mutex_unlock(&dev->lock);
}

static int set(const char *cmd, const char *params, struct rte_tel_data *answer)
{
	(void)cmd;
	return handle(params, answer, true, set_generator);
}

RTE_INIT(simvf_telemetry)
{
	rte_telemetry_register_cmd("/simvf/list", list, "Names of the simulated VFs");
	rte_telemetry_register_cmd("/simvf/stats", stats, "Counters. Parameter: device");
	rte_telemetry_register_cmd("/simvf/latency", latency, "Latency. Parameter: device");
	rte_telemetry_register_cmd("/simvf/reset", reset, "Latency from zero. Parameter: device");
	rte_telemetry_register_cmd("/simvf/fault", fault,
		"Faults, after setting one. Parameter: device[:fault=value]");
	rte_telemetry_register_cmd("/simvf/set", set,
		"Generator. Parameters: device:rate=packets per second, device:size=sizes");
}
