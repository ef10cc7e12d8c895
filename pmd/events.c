/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of devices are experimental API in DPDK 22.11, and stable in later ones. */
#define ALLOW_EXPERIMENTAL_API
#include "pmd/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include "pmd/port.h"
#include "pmd/sriov/sysfs.h"
#include "pmd/sriov/vf.h"

/* Revision and class, not vendor and device: a VF reads all ones there (SR-IOV 1.1, 3.4.1.1). */
#define PCI_REVISION   0x08
#define CLOSE_LIMIT_MS 1000

/* EAL's interrupt thread, in a lock: the driver must not be called from here. */
static void on_device(const char *name, enum rte_dev_event_type type, void *arg)
{
	struct pmd_port *port = arg;

	(void)name;
	if (type != RTE_DEV_EVENT_REMOVE)
		return;
	__atomic_store_n(&port->events.remove, true, __ATOMIC_RELEASE);
}

static int on_reset(uint16_t port_id, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct pmd_port *port = arg;

	(void)port_id;
	(void)type;
	(void)ret;
	__atomic_store_n(&port->events.reset, true, __ATOMIC_RELEASE);
	return 0;
}

static bool is_pci(const struct pmd_port *port)
{
	return strcmp(rte_bus_name(rte_dev_bus(port->dev)), "pci") == 0;
}

void pmd_events_open(struct pmd_port *port)
{
	int ret = rte_eth_dev_callback_register(
		port->port_id, RTE_ETH_EVENT_INTR_RESET, on_reset, port);

	if (ret == 0 && is_pci(port))
		ret = rte_dev_event_callback_register(rte_dev_name(port->dev), on_device, port);
	if (ret < 0)
		PMD_LOG(WARNING, "%s: will not be told of resets or removal: %s", port->name,
			rte_strerror(-ret));
	/* What the kernel asked before is not asked again for ten seconds. */
	if (port->is_vf && !pmd_sysfs_exists(PMD_PCI_FILE("physfn"), rte_dev_name(port->dev)))
		__atomic_store_n(&port->events.remove, true, __ATOMIC_RELEASE);
}

int pmd_events_close(struct pmd_port *port)
{
	int reset, removal = 0;

	/* -EAGAIN: in the callback right now. It ends at once, if its thread gets a CPU. */
	for (int ms = 0; ms < CLOSE_LIMIT_MS; ms++) {
		reset = rte_eth_dev_callback_unregister(
			port->port_id, RTE_ETH_EVENT_INTR_RESET, on_reset, port);
		if (is_pci(port))
			removal = rte_dev_event_callback_unregister(
				rte_dev_name(port->dev), on_device, port);
		if (reset != -EAGAIN && removal != -EAGAIN)
			return 0;
		rte_delay_us_sleep(1000);
	}
	return -EBUSY;
}

bool pmd_events_take_remove(struct pmd_port *port)
{
	return __atomic_exchange_n(&port->events.remove, false, __ATOMIC_ACQUIRE);
}

bool pmd_events_take_reset(struct pmd_port *port)
{
	return __atomic_exchange_n(&port->events.reset, false, __ATOMIC_ACQUIRE);
}

bool pmd_device_present(const struct pmd_port *port)
{
	char path[128];
	uint32_t value = UINT32_MAX;
	int fd;

	if (!is_pci(port))
		return true;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", rte_dev_name(port->dev));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) /* else we have run out of something: that says nothing about the device */
		return errno != ENOENT && errno != ENODEV && errno != ENXIO;
	if (pread(fd, &value, sizeof(value), PCI_REVISION) != sizeof(value))
		value = UINT32_MAX;
	close(fd);
	return value != UINT32_MAX;
}

void pmd_device_pf(struct pmd_port *port)
{
	char name[PMD_PCI_LEN], why[PMD_SRIOV_WHY_LEN];
	struct pmd_pf pf;

	if (!is_pci(port) ||
		pmd_sysfs_link(
			name, sizeof(name), PMD_PCI_FILE("physfn"), rte_dev_name(port->dev)) <= 0)
		return;
	port->is_vf = true;
	if (pmd_pf_get(name, &pf, why) < 0 || pf.ifindex == 0)
		return;
	snprintf(port->pf_ifname, sizeof(port->pf_ifname), "%s", pf.netdev);
	port->pf_ifindex = pf.ifindex;
	port->pf_down = !pf.up;
}
