/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFs for the ports that ask for one (device = pf:PF,vf=N): enabled, picked, configured through
 * their PF, bound to the driver that the port needs; and given back as they were.
 *
 * Life: pmd_sriov_claim() before EAL starts (EAL looks for vfio at its start), pmd_port_open() with
 * pmd_sriov_pci(), ..., pmd_port_close(), pmd_sriov_release(). What is to be undone is in files
 * (state.h) before it is done, so the next start can do it after a crash.
 * Ownership: struct pmd_sriov owns the claims, the files and their locks. It copies the strings of
 * the configuration.
 * Threads: the control thread (the main thread, before EAL).
 * On failure: one logged line per error, "[port NAME] key: what was found; what is allowed".
 * Waits: each of ours has a limit (pmd_sriov_env.wait_ms), what the kernel does inside a write has
 * none; starting and giving back may take seconds.
 */
#ifndef PMD_SRIOV_CLAIM_H
#define PMD_SRIOV_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "pmd/sriov/nl.h"

enum pmd_vf_kind {
	PMD_VF_DPDK, /* bound to vfio-pci, for pmd_port_open() */
	PMD_VF_NETDEV, /* bound to its kernel driver, its netdev for a container's namespace */
};

#define PMD_VF_AUTO (-1)

/* One port's wish. */
struct pmd_vf_conf {
	const char *port; /* the port's name */
	const char *pf; /* netdev name or PCI address; NULL or "": this port needs no VF */
	int index; /* of the VF, or PMD_VF_AUTO */
	enum pmd_vf_kind kind;
	/* What is not in attr.known (mac, if the configuration does not say) is not touched. */
	struct pmd_vf_attr attr;

	/* PMD_VF_NETDEV */
	const char *container; /* its name, for messages */
	const char *netns; /* path */
	const char *ifname; /* of the netdev there */
	uint8_t family, prefix, address[16]; /* family 0: none */
};

struct pmd_sriov;

/*
 * Claims for all ports at once, since how many VFs a PF needs and which one `auto` gets depends on
 * all of them; index i of `conf` is port i in the calls below. Also undoes what a vfringd that died
 * has left and this configuration does not claim, so it is to be called with nb = 0, too.
 *
 * First everything is checked that can be without a change, for all ports; then all ports are
 * claimed. In each part every error is reported. Returns 0 and *out, or -errno with everything
 * undone: -EINVAL what is asked for cannot be had; -EBUSY another vfringd is about it; others.
 */
int pmd_sriov_claim(const struct pmd_vf_conf *conf, unsigned int nb, const char *instance,
	struct pmd_sriov **out);

/* Everything back, in reverse order. All DPDK ports are closed. NULL is allowed. */
void pmd_sriov_release(struct pmd_sriov *s);

/* The VF's PCI address, for pmd_port_open() and messages; NULL: this port has none. */
const char *pmd_sriov_pci(const struct pmd_sriov *s, unsigned int port);

/* "VF 3 of ens1f0 (0000:01:10.6)", for messages; NULL: this port has none. */
const char *pmd_sriov_name(const struct pmd_sriov *s, unsigned int port);

/*
 * For a port whose VF the kernel has taken back (pmd_port_remove()), to be called at each tick (it
 * looks every 2 s, after failures less often): is it there again? If it was destroyed, the one that is made anew under its index is prepared like
 * the first; if somebody took it from vfio-pci, he has to bind it there again. 0: it can be opened.
 * -EAGAIN: not yet (why is logged once); -EIO: it cannot be prepared (logged; nothing is left
 * changed).
 */
int pmd_sriov_again(struct pmd_sriov *s, unsigned int port);

enum pmd_vf_place {
	PMD_VF_PLACED, /* in the namespace, named, addressed, up */
	PMD_VF_WAITING, /* for the namespace to appear, or for the kernel */
	PMD_VF_FAILED, /* logged, once for each different reason */
	PMD_VF_GONE, /* the VF does not exist (logged once); it may come again */
};

/*
 * For PMD_VF_NETDEV: brings the netdev towards its place. To be called at each tick (some 100 ms to
 * 1 s) for the whole life, since a namespace can appear, die (the kernel gives the netdev back
 * then) and be replaced by another one under the same path. Changes are logged. Nothing but a few
 * system calls while nothing changes; else netlink transactions, each with its limit. It takes as
 * long as the kernel's driver if that is bound anew (not more often than each wait_ms); the netdev
 * that it makes then is not awaited: WAITING.
 */
enum pmd_vf_place pmd_sriov_place(struct pmd_sriov *s, unsigned int port);

#endif /* PMD_SRIOV_CLAIM_H */
