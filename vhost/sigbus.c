/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct range {
	/*
	 * 0 while the slot is free. Written last on watch (release) and first on unwatch, so that
	 * the handler (acquire) never pairs an address with another range's length.
	 */
	_Atomic uintptr_t addr;
	_Atomic size_t len;
	atomic_bool poisoned;
};

static struct range ranges[VH_SIGBUS_MAX_RANGES];
static atomic_int nb_ranges; /* slots in use are below this */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local bool guarded;
static _Thread_local unsigned int nb_guarded_hits;

/* NORESERVE: a container may have promised a terabyte that neither side ever touches. */
static bool replace(uintptr_t addr, size_t len)
{
	return mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		       0) != MAP_FAILED;
}

/*
 * Just what is needed to go on. Within huge pages a piece must be a huge page, too: EINVAL says so.
 * Any other failure is final, and larger pieces would only hit what lies beside.
 */
static bool replace_page(uintptr_t fault)
{
	static const size_t sizes[] = { 1 << 12, 1 << 16, 1 << 21, 1 << 30 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (replace(fault & ~(sizes[i] - 1), sizes[i]))
			return true;
		if (errno != EINVAL)
			return false;
	}
	return false;
}

static bool handle_fault(uintptr_t fault)
{
	int n = atomic_load_explicit(&nb_ranges, memory_order_acquire);

	for (int i = 0; i < n; i++) {
		uintptr_t addr = atomic_load_explicit(&ranges[i].addr, memory_order_acquire);
		size_t len = atomic_load_explicit(&ranges[i].len, memory_order_acquire);

		/* Still the same range: the slot may have been given to another in between. */
		if (addr == 0 || fault - addr >= len ||
			atomic_load_explicit(&ranges[i].addr, memory_order_relaxed) != addr)
			continue;
		/* Mark first: whoever reads zeroes from the new pages can find out why. */
		atomic_store_explicit(&ranges[i].poisoned, true, memory_order_release);
		return replace(addr, len) || replace_page(fault);
	}
	if (guarded) {
		nb_guarded_hits++;
		return replace_page(fault);
	}
	return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *ctx)
{
	static const char msg[] = "vfring: SIGBUS outside container memory\n";
	int saved_errno = errno;

	(void)ctx;
	/*
	 * BUS_ADRERR: beyond the end of the object. Other codes (hardware) are not a container's
	 * doing.
	 */
	if (info->si_code == BUS_ADRERR && handle_fault((uintptr_t)info->si_addr)) {
		errno = saved_errno;
		return;
	}
	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
		errno = saved_errno; /* nothing left to tell it to */
	/*
	 * Back to the default action, which ends the process with a core; also if it was only sent.
	 */
	signal(sig, SIG_DFL);
	raise(sig);
}

int vh_sigbus_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) == 0 ? 0 : -errno;
}

int vh_sigbus_watch(void *addr, size_t len)
{
	int slot;

	pthread_mutex_lock(&lock);
	for (slot = 0; slot < VH_SIGBUS_MAX_RANGES; slot++)
		if (atomic_load_explicit(&ranges[slot].addr, memory_order_relaxed) == 0)
			break;
	if (slot < VH_SIGBUS_MAX_RANGES) {
		atomic_store_explicit(&ranges[slot].poisoned, false, memory_order_relaxed);
		atomic_store_explicit(&ranges[slot].len, len, memory_order_relaxed);
		atomic_store_explicit(&ranges[slot].addr, (uintptr_t)addr, memory_order_release);
		if (slot >= atomic_load_explicit(&nb_ranges, memory_order_relaxed))
			atomic_store_explicit(&nb_ranges, slot + 1, memory_order_release);
	}
	pthread_mutex_unlock(&lock);

	return slot < VH_SIGBUS_MAX_RANGES ? slot : -ENOSPC;
}

void vh_sigbus_unwatch(int handle)
{
	if (handle < 0)
		return;
	pthread_mutex_lock(&lock);
	atomic_store_explicit(&ranges[handle].addr, 0, memory_order_release);
	pthread_mutex_unlock(&lock);
}

bool vh_sigbus_poisoned(int handle)
{
	return handle >= 0 && atomic_load_explicit(&ranges[handle].poisoned, memory_order_acquire);
}

unsigned int vh_sigbus_guard_thread(void)
{
	guarded = true;
	return nb_guarded_hits;
}
