/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices come and go. Control thread, or whoever hotplugs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "pmd/simvf/classify.h"
#include "pmd/simvf/gen.h"
#include "pmd/simvf/wire.h"

RTE_LOG_REGISTER(simvf_logtype, pmd.net.simvf, NOTICE);

TAILQ_HEAD(simvf_list, simvf_dev);
static struct simvf_list devices = TAILQ_HEAD_INITIALIZER(devices);
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;

unsigned int simvf_foreach(
	const char *name, void (*fn)(struct simvf_dev *dev, void *arg), void *arg)
{
	unsigned int n = 0;
	struct simvf_dev *dev;

	pthread_mutex_lock(&devices_lock);
	TAILQ_FOREACH (dev, &devices, next) {
		if (name != NULL && strcmp(name, dev->name) != 0)
			continue;
		n++;
		fn(dev, arg);
	}
	pthread_mutex_unlock(&devices_lock);
	return n;
}

/* ---- the IOMMU's control ---- */

static struct simvf_dev *of_vdev(const struct rte_vdev_device *vdev)
{
	const struct rte_eth_dev *eth = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	return eth == NULL ? NULL : eth->data->dev_private;
}

static int dma_result(int ret)
{
	if (ret == 0)
		return 0;
	rte_errno = -ret;
	return -1;
}

static int dma_map(struct rte_vdev_device *vdev, void *addr, uint64_t iova, size_t len)
{
	struct simvf_dev *dev = of_vdev(vdev);

	if (dev == NULL)
		return dma_result(-ENODEV);
	return dma_result(simvf_iommu_map(&dev->iommu, (uintptr_t)addr, iova, len));
}

static int dma_unmap(struct rte_vdev_device *vdev, void *addr, uint64_t iova, size_t len)
{
	struct simvf_dev *dev = of_vdev(vdev);

	if (dev == NULL)
		return dma_result(-ENODEV);
	return dma_result(simvf_iommu_unmap(&dev->iommu, (uintptr_t)addr, iova, len));
}

/* ---- life ---- */

static void fini(struct simvf_dev *dev)
{
	simvf_rules_flush(dev);
	simvf_wire_fini(dev);
	simvf_gen_fini(dev);
	simvf_iommu_fini(&dev->iommu);
	pthread_mutex_destroy(&dev->lock);
}

static int init(struct simvf_dev *dev, struct rte_eth_dev *eth, const struct simvf_args *args)
{
	int ret;

	dev->args = *args;
	dev->data = eth->data;
	dev->filter.mac[0] = args->mac;
	dev->sock = -1;
	TAILQ_INIT(&dev->rules);
	snprintf(dev->name, sizeof(dev->name), "%s", eth->data->name);
	pthread_mutex_init(&dev->lock, NULL);
	ret = simvf_iommu_init(&dev->iommu, dev->name, args->iommu);
	if (ret == 0)
		ret = simvf_gen_init(dev);
	if (ret == 0)
		ret = simvf_wire_init(dev);
	if (ret < 0)
		fini(dev);
	return ret;
}

static int probe(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	struct simvf_args args;
	struct rte_eth_dev *eth;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		SIMVF_LOG(ERR, "%s: not in a secondary process", name);
		return -ENOTSUP;
	}
	ret = simvf_args_parse(name, rte_vdev_device_args(vdev), &args);
	if (ret < 0)
		return ret;
	eth = rte_eth_vdev_allocate(vdev, sizeof(struct simvf_dev));
	if (eth == NULL)
		return -ENOMEM;
	eth->data->mac_addrs = rte_zmalloc(NULL, SIMVF_MAX_MACS * sizeof(*eth->data->mac_addrs), 0);
	ret = eth->data->mac_addrs == NULL ? -ENOMEM : init(eth->data->dev_private, eth, &args);
	if (ret < 0) {
		rte_eth_dev_release_port(eth);
		return ret;
	}
	eth->data->mac_addrs[0] = args.mac;
	eth->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	eth->dev_ops = &simvf_ops;
	simvf_select_bursts(eth);

	pthread_mutex_lock(&devices_lock);
	TAILQ_INSERT_TAIL(&devices, (struct simvf_dev *)eth->data->dev_private, next);
	pthread_mutex_unlock(&devices_lock);
	rte_eth_dev_probing_finish(eth);
	return 0;
}

int simvf_dev_close(struct rte_eth_dev *eth)
{
	struct simvf_dev *dev = eth->data->dev_private;

	/* Telemetry holds this lock while it looks at a device. */
	pthread_mutex_lock(&devices_lock);
	TAILQ_REMOVE(&devices, dev, next);
	pthread_mutex_unlock(&devices_lock);
	for (uint16_t i = 0; i < SIMVF_MAX_QUEUES; i++) {
		simvf_rx_queue_release(eth, i);
		simvf_tx_queue_release(eth, i);
	}
	fini(dev);
	return 0;
}

static int remove_device(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	/* Closed already? */
	if (eth == NULL)
		return 0;
	return rte_eth_dev_close(eth->data->port_id);
}

static struct rte_vdev_driver simvf_driver = {
	.probe = probe,
	.remove = remove_device,
	.dma_map = dma_map,
	.dma_unmap = dma_unmap,
	/* The device's DMA is a memcpy: addresses must be virtual. */
	.drv_flags = RTE_VDEV_DRV_NEED_IOVA_AS_VA,
};
RTE_PMD_REGISTER_VDEV(net_simvf, simvf_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_simvf, "see pmd/simvf/README.md");
