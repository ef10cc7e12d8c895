/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires that all queues of a device share. Frames are moved one at a time, by whoever polls any
 * queue at either end and gets the link's lock; who does not get it leaves that to the one who has.
 */
#ifndef PMD_SIMVF_WIRE_H
#define PMD_SIMVF_WIRE_H

#include "pmd/simvf/simvf.h"

#define SIMVF_WIRE_BURST 32 /* frames from outside in one step */

/* Control. The device is on its wire from init to fini. */
int simvf_wire_init(struct simvf_dev *dev);
void simvf_wire_fini(struct simvf_dev *dev);
/* Frames that wait for a queue that is stopped. */
void simvf_wire_forget(struct simvf_rxq *q);
bool simvf_wire_link_up(struct simvf_dev *dev);

/* A step of the device: frames to its Rx queues, frames from one of its Tx queues. */
void simvf_wire_receive(struct simvf_dev *dev);
void simvf_wire_send(struct simvf_txq *q);

/*
 * A frame arrives at the device. Returns false if it has to wait for a descriptor, which happens
 * only if the sender can wait; else it is dealt with. Under the link's lock.
 */
bool simvf_wire_deliver(struct simvf_dev *dev, const uint8_t *data, uint32_t len, bool can_wait);

/* ---- iface.c ---- */

int simvf_iface_open(struct simvf_dev *dev);
void simvf_iface_close(struct simvf_dev *dev);
/* Throws away what came while the device was stopped. */
void simvf_iface_drain(struct simvf_dev *dev);
void simvf_iface_receive(struct simvf_dev *dev);
/* 0, -EAGAIN (later), or another -errno: it is gone. */
int simvf_iface_send(struct simvf_dev *dev, const uint8_t *data, uint32_t len);

/* ---- pcap.c ---- */

int simvf_pcap_open(struct simvf_dev *dev);
void simvf_pcap_close(struct simvf_dev *dev);
void simvf_pcap_receive(struct simvf_dev *dev);

#endif /* PMD_SIMVF_WIRE_H */
