/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults on request. Each has a value, set by telemetry: how many times it still happens, or, for
 * those that stay, how much of it. While any is set, the queues' SIMVF_CTL_FAULT sends them to their
 * slow paths.
 */
#ifndef PMD_SIMVF_FAULT_H
#define PMD_SIMVF_FAULT_H

#include "pmd/simvf/simvf.h"

/* Any thread. */
static inline uint32_t simvf_fault_get(struct simvf_dev *dev, enum simvf_fault fault)
{
	return __atomic_load_n(&dev->faults[fault], __ATOMIC_RELAXED);
}

/* One time less. Returns whether it is to happen now. Any thread. */
static inline bool simvf_fault_next(struct simvf_dev *dev, enum simvf_fault fault)
{
	uint32_t left = simvf_fault_get(dev, fault);

	while (left > 0 &&
		!__atomic_compare_exchange_n(&dev->faults[fault], &left, left - 1, true,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return left > 0;
}

/* The same for queues, which pass their ctl. */
static inline bool simvf_fault_take(struct simvf_dev *dev, uint32_t ctl, enum simvf_fault fault)
{
	return unlikely(ctl & SIMVF_CTL_FAULT) && simvf_fault_next(dev, fault);
}

/* No link, or the PF was reset: nothing arrives, and what is sent is lost. Any thread. */
static inline bool simvf_fault_silent(struct simvf_dev *dev)
{
	return simvf_fault_get(dev, SIMVF_FAULT_LINK_DOWN) != 0 ||
		simvf_fault_get(dev, SIMVF_FAULT_PF_RESET) != 0;
}

/* Sets a fault's value. With the device's lock. */
void simvf_fault_set(struct simvf_dev *dev, enum simvf_fault fault, uint32_t value);

/* Sets or clears the queues' SIMVF_CTL_FAULT. With the device's lock. */
void simvf_fault_arm(struct simvf_dev *dev);

const char *simvf_fault_name(enum simvf_fault fault);

#endif /* PMD_SIMVF_FAULT_H */
