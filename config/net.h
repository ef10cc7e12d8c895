/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values that the network has names for: VFs, MAC addresses, interfaces, IP addresses.
 *
 * Threads: any. Each parse function stores into its field and returns NULL, or leaves the field as
 * it was and returns what is wrong with the text, in a few words. Each format function writes what
 * its parse function reads back.
 */
#ifndef CONFIG_NET_H
#define CONFIG_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* pf:PF,vf=N or pf:PF,vf=auto; whether a device is meant so at all. */
#define CFG_VF_PREFIX "pf:"
bool cfg_is_vf(const char *text);
const char *cfg_vf_parse(const char *text, struct cfg_vf *vf);

/* unchanged, or the address of one station. */
const char *cfg_mac_parse(const char *text, struct cfg_mac *mac);
void cfg_mac_format(const struct cfg_mac *mac, char *buf, size_t size);

/* A network interface's name, as the kernel takes it. */
const char *cfg_ifname_parse(const char *text, char ifname[CFG_IFNAME_LEN]);

/* none, ADDRESS/PREFIX of IPv4 or IPv6. */
const char *cfg_address_parse(const char *text, struct cfg_address *address);
void cfg_address_format(const struct cfg_address *address, char *buf, size_t size);

/* Does the part of a device string before the comma name a PCI device? Then in normal form. */
#define CFG_PCI_LEN 32
bool cfg_pci_normal(const char *text, char out[CFG_PCI_LEN]);

#endif /* CONFIG_NET_H */
