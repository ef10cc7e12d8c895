/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/simvf/fault.h"

static const char *const names[SIMVF_FAULT_COUNT] = {
	[SIMVF_FAULT_DEV_START_FAILS] = "dev_start_fails",
	[SIMVF_FAULT_RX_START_FAILS] = "rx_start_fails",
	[SIMVF_FAULT_RX_STOP_FAILS] = "rx_stop_fails",
	[SIMVF_FAULT_TX_STOP_FAILS] = "tx_stop_fails",
	[SIMVF_FAULT_TX_LOST_COMPLETION] = "tx_lost_completion",
	[SIMVF_FAULT_RX_UNFILLED] = "rx_unfilled",
	[SIMVF_FAULT_RX_OUT_OF_ORDER] = "rx_out_of_order",
	[SIMVF_FAULT_STALE_DMA] = "stale_dma",
	[SIMVF_FAULT_KEEP_ON_STOP] = "keep_on_stop",
	[SIMVF_FAULT_PF_RESET] = "pf_reset",
	[SIMVF_FAULT_LINK_DOWN] = "link_down",
	[SIMVF_FAULT_RX_EMPTY_FREE] = "rx_empty_free",
	[SIMVF_FAULT_RX_BY_POSITION] = "rx_by_position",
};

const char *simvf_fault_name(enum simvf_fault fault)
{
	return names[fault];
}

static void set_ctl(uint32_t *ctl, bool armed)
{
	if (armed)
		simvf_ctl_set(ctl, SIMVF_CTL_FAULT);
	else
		simvf_ctl_clear(ctl, SIMVF_CTL_FAULT);
}

void simvf_fault_set(struct simvf_dev *dev, enum simvf_fault fault, uint32_t value)
{
	__atomic_store_n(&dev->faults[fault], value, __ATOMIC_RELAXED);
	simvf_fault_arm(dev);
}

void simvf_fault_arm(struct simvf_dev *dev)
{
	bool armed = false;

	for (int i = 0; i < SIMVF_FAULT_COUNT; i++)
		armed |= simvf_fault_get(dev, (enum simvf_fault)i) != 0;
	for (int i = 0; i < SIMVF_MAX_QUEUES; i++) {
		if (dev->rxq[i] != NULL)
			set_ctl(&dev->rxq[i]->ctl, armed);
		if (dev->txq[i] != NULL)
			set_ctl(&dev->txq[i]->ctl, armed);
	}
}
