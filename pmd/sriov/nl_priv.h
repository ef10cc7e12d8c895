/* SPDX-License-Identifier: BSD-3-Clause */
/* Between nl.c (sockets and transactions), nl_link.c and nl_vf.c (messages). */
#ifndef PMD_SRIOV_NL_PRIV_H
#define PMD_SRIOV_NL_PRIV_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "pmd/sriov/env.h"

#define PMD_NL_REQUEST_LEN 1024 /* of our longest message, with much to spare */

/* A message to be filled in `buf`, zeroed: the header, and behind it a struct ifinfomsg. */
struct nlmsghdr *pmd_nl_link_msg(char *buf, uint16_t type, uint16_t flags, unsigned int index);

/*
 * Sends msg and handles the answer: fn is called for each message of it but the closing one; what
 * it returns, if negative, is the result (the answer is read to its end all the same). fn may be
 * NULL.
 */
typedef int (*pmd_nl_fn)(const struct nlmsghdr *msg, void *arg);
int pmd_nl_transact(struct pmd_nl *nl, struct nlmsghdr *msg, pmd_nl_fn fn, void *arg);

/* Sets pmd_nl_why(). Returns -err. */
int pmd_nl_fail(struct pmd_nl *nl, int err, const char *why);

#endif /* PMD_SRIOV_NL_PRIV_H */
