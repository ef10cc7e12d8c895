/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container can shrink the memfd that it shares with us; the next access beyond the new end
 * raises SIGBUS in whichever thread of ours touches it. That must cost the container, not the
 * daemon: inside a watched range the handler maps anonymous memory over the whole range, marks it
 * as poisoned and lets the access go on; elsewhere SIGBUS is as fatal as ever.
 *
 * Ownership: a range belongs to whoever watches it; it must be unwatched before it is unmapped.
 * Threads: watch/unwatch from any thread (a lock inside, never taken by the handler). The handler
 * may run in any thread, workers included.
 */
#ifndef VHOST_SIGBUS_H
#define VHOST_SIGBUS_H

#include <stdbool.h>
#include <stddef.h>

#define VH_SIGBUS_MAX_RANGES 4096

/* Installs the handler. Once, before any range is watched. Returns 0 or -errno. */
int vh_sigbus_init(void);

/* Returns a handle >= 0, or -ENOSPC. [addr, addr + len) must be whole pages of one mapping. */
int vh_sigbus_watch(void *addr, size_t len);

/* Negative handles are ignored. */
void vh_sigbus_unwatch(int handle);

/* Whether the range was hit. Any thread. */
bool vh_sigbus_poisoned(int handle);

/*
 * Marks the calling thread as one that runs librte_vhost, which reads rings in mappings of its own
 * while we cannot know them yet (inside SET_MEM_TABLE). A SIGBUS in this thread outside the watched
 * ranges replaces the single page. Returns how often that has happened in this thread so far.
 */
unsigned int vh_sigbus_guard_thread(void);

#endif /* VHOST_SIGBUS_H */
