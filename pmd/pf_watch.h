/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links of PFs, as the kernel tells them: up means administratively up and with a carrier. A PF that
 * goes down, or is reset, forgets its VFs' queues without a word to them.
 *
 * Threads: the control thread. On failure: -errno, nothing logged.
 */
#ifndef PMD_PF_WATCH_H
#define PMD_PF_WATCH_H

#include <stdbool.h>

struct pmd_pf_watch;

int pmd_pf_watch_open(struct pmd_pf_watch **out);
void pmd_pf_watch_close(struct pmd_pf_watch *watch); /* NULL is allowed */

/* Becomes readable when there is something to read. */
int pmd_pf_watch_fd(const struct pmd_pf_watch *watch);

/*
 * Reads what has come, without waiting; calls fn for each link that was named, ours or not. If
 * messages were lost, every link there is is named once (more than once is harmless).
 */
typedef void (*pmd_pf_fn)(void *arg, unsigned int ifindex, bool up);
int pmd_pf_watch_read(struct pmd_pf_watch *watch, pmd_pf_fn fn, void *arg);

/* Asks for every link; the answers come to pmd_pf_watch_read(). */
int pmd_pf_watch_ask(struct pmd_pf_watch *watch);

#endif /* PMD_PF_WATCH_H */
