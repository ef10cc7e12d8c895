/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands behind a lane's queues, and the change of it: which direction may be mapped, and why
 * not; stopping queues or the device, bringing loans home, swapping, starting. Between lane.c, which
 * knows about states and plans, and pmd/. Control thread; no worker polls the lanes, nor their
 * siblings where the device has to stop (sw_swap_disturbs()).
 */
#ifndef SWITCH_LANE_SWAP_H
#define SWITCH_LANE_SWAP_H

#include "switch/lane.h"

/*
 * Decides for a pair that has just been handed out, at rest: want_rx, want_tx and the reasons
 * against. Holds the container's memory in the IOMMU if anything is to be mapped.
 */
void sw_swap_decide(struct sw_lane *lane);

/* The pair is given up: its memory leaves the IOMMU. Nothing of it is lent any more. */
void sw_swap_release(struct sw_lane *lane);

/* Buffers that a ring must offer before its queue can start on it. */
uint16_t sw_swap_wanted(const struct sw_lane *lane);

/* Whether making the lane what it wants to be may stop the whole device. */
bool sw_swap_disturbs(const struct sw_lane *lane);

/*
 * Makes lanes of one port what they want to be. Afterwards pool->vr and txpool->vr say what they
 * are: a ring that could not fill its queue after all is off it again, a sibling's as well if the
 * device was stopped (and its lane's state is COPIED). Returns 0; -EAGAIN: the device is halted, by
 * this or before, and nothing of any ring is out; -EIO: the port is stuck.
 */
int sw_swap(struct switch_ctx *sw, struct sw_lane *const *lanes, unsigned int nb);

#endif /* SWITCH_LANE_SWAP_H */
