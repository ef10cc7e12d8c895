/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/sigbus.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "vhost/mem.h"

#define PAGE 4096u
#define SIZE (4 * PAGE)

/* What a container's memory is for us: a file that someone else may shrink. */
struct shared {
	int fd;
	uint8_t *map;
};

static struct shared share(void)
{
	struct shared s = { .fd = memfd_create("sigbus", MFD_CLOEXEC) };

	CU_ASSERT_FATAL(s.fd >= 0 && ftruncate(s.fd, SIZE) == 0);
	s.map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0);
	CU_ASSERT_FATAL(s.map != MAP_FAILED);
	s.map[0] = 0xaa;
	return s;
}

static void unshare_mem(struct shared *s)
{
	munmap(s->map, SIZE);
	close(s->fd);
}

static void shrink(const struct shared *s, off_t size)
{
	CU_ASSERT_FATAL(ftruncate(s->fd, size) == 0);
}

/*
 * Accesses that the compiler keeps, and where they are: it knows nothing of what a signal changes.
 */
static void touch(uint8_t *p)
{
	*(volatile uint8_t *)p = 1;
}

static uint8_t look(const uint8_t *p)
{
	return *(const volatile uint8_t *)p;
}

static void test_access_survives(void)
{
	struct shared s = share();
	int handle = vh_sigbus_watch(s.map, SIZE);

	CU_ASSERT_FATAL(handle >= 0);
	CU_ASSERT_FALSE(vh_sigbus_poisoned(handle));
	shrink(&s, 0);
	CU_ASSERT_FALSE(vh_sigbus_poisoned(handle)); /* nobody has noticed yet */
	touch(s.map + 2 * PAGE);
	CU_ASSERT_TRUE(vh_sigbus_poisoned(handle));
	CU_ASSERT_EQUAL(look(s.map), 0);
	touch(s.map + SIZE - 1);
	vh_sigbus_unwatch(handle);
	unshare_mem(&s);
}

/* No mixture of the container's memory and ours: the port is lost, and one signal says so. */
static void test_whole_range_replaced(void)
{
	struct shared s = share();
	int handle = vh_sigbus_watch(s.map, SIZE);

	shrink(&s, PAGE);
	touch(s.map + 2 * PAGE);
	CU_ASSERT_EQUAL(look(s.map), 0); /* although the file still has this page */
	vh_sigbus_unwatch(handle);
	unshare_mem(&s);
}

static void test_first_and_last_byte(void)
{
	for (int last = 0; last < 2; last++) {
		struct shared s = share();
		int handle = vh_sigbus_watch(s.map, SIZE);

		shrink(&s, 0);
		touch(last ? s.map + SIZE - 1 : s.map);
		CU_ASSERT_TRUE(vh_sigbus_poisoned(handle));
		vh_sigbus_unwatch(handle);
		unshare_mem(&s);
	}
}

static void test_other_range_untouched(void)
{
	struct shared a = share(), b = share(), c = share();
	int ha = vh_sigbus_watch(a.map, SIZE);
	int hb = vh_sigbus_watch(b.map, SIZE);
	int hc = vh_sigbus_watch(c.map, SIZE);

	shrink(&b, 0);
	touch(b.map);
	CU_ASSERT_TRUE(vh_sigbus_poisoned(hb));
	CU_ASSERT_FALSE(vh_sigbus_poisoned(ha));
	CU_ASSERT_FALSE(vh_sigbus_poisoned(hc));
	CU_ASSERT_EQUAL(look(a.map), 0xaa);
	CU_ASSERT_EQUAL(look(c.map), 0xaa);
	vh_sigbus_unwatch(ha);
	vh_sigbus_unwatch(hb);
	vh_sigbus_unwatch(hc);
	unshare_mem(&a);
	unshare_mem(&b);
	unshare_mem(&c);
}

static void test_handle_is_clean_when_used_again(void)
{
	struct shared a = share(), b = share();
	int handle = vh_sigbus_watch(a.map, SIZE);

	shrink(&a, 0);
	touch(a.map);
	vh_sigbus_unwatch(handle);
	CU_ASSERT_EQUAL(vh_sigbus_watch(b.map, SIZE), handle);
	CU_ASSERT_FALSE(vh_sigbus_poisoned(handle));
	vh_sigbus_unwatch(handle);
	unshare_mem(&a);
	unshare_mem(&b);
}

static void test_mem_poisoned(void)
{
	struct shared s[2] = { share(), share() };
	struct vh_mem_desc d[2];
	const char *why = "";
	uint16_t hint = 0;

	for (uint32_t i = 0; i < 2; i++)
		d[i] = (struct vh_mem_desc){
			.gpa = i * SIZE, .size = SIZE, .map_size = SIZE, .fd = s[i].fd
		};
	struct vh_mem *mem = vh_mem_create(d, 2, &why);
	struct vh_mem *other = vh_mem_create(d, 1, &why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other);

	CU_ASSERT_FALSE(vh_mem_poisoned(mem));
	shrink(&s[1], PAGE);
	touch(vh_mem_translate(mem, &hint, SIZE, 1)); /* this page is still there */
	CU_ASSERT_FALSE(vh_mem_poisoned(mem));
	touch(vh_mem_translate(mem, &hint, SIZE + PAGE, 1));
	CU_ASSERT_TRUE(vh_mem_poisoned(mem));
	CU_ASSERT_EQUAL(look(mem->regions[0].host), 0xaa);
	CU_ASSERT_FALSE(vh_mem_poisoned(other));
	vh_mem_unref(mem);
	vh_mem_unref(other);
	unshare_mem(&s[0]);
	unshare_mem(&s[1]);
}

static void *watched_in_thread(void *arg)
{
	touch(arg);
	return NULL;
}

static void test_any_thread(void)
{
	struct shared s = share();
	int handle = vh_sigbus_watch(s.map, SIZE);
	pthread_t thread;

	shrink(&s, 0);
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, watched_in_thread, s.map) == 0);
	pthread_join(thread, NULL);
	CU_ASSERT_TRUE(vh_sigbus_poisoned(handle));
	vh_sigbus_unwatch(handle);
	unshare_mem(&s);
}

struct guarded {
	struct shared s;
	unsigned int before, after;
};

static void *guarded_thread(void *arg)
{
	struct guarded *g = arg;

	g->before = vh_sigbus_guard_thread();
	touch(g->s.map + PAGE + 7);
	touch(g->s.map + PAGE + 8); /* the page is there now */
	g->after = vh_sigbus_guard_thread();
	return NULL;
}

static void test_guarded_thread(void)
{
	struct guarded g = { .s = share(), .before = 99, .after = 99 };
	pthread_t thread;

	shrink(&g.s, PAGE);
	CU_ASSERT_FATAL(pthread_create(&thread, NULL, guarded_thread, &g) == 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(g.before, 0);
	CU_ASSERT_EQUAL(g.after, 1);
	CU_ASSERT_EQUAL(look(g.s.map), 0xaa); /* only the one page was replaced */
	unshare_mem(&g.s);
}

/* How a child ends that calls fn: its signal, or 0. */
static int killed_by(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		int null = open("/dev/null", O_WRONLY);

		setrlimit(RLIMIT_CORE, &none);
		dup2(null, STDERR_FILENO); /* the message is right, but not in a test's output */
		fn();
		_exit(0);
	}
	CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void fault_unwatched(void)
{
	struct shared s = share();

	shrink(&s, 0);
	touch(s.map);
}

static void fault_beside_watched(void)
{
	struct shared s = share();

	vh_sigbus_watch(s.map, PAGE);
	shrink(&s, 0);
	touch(s.map + PAGE);
}

static void fault_after_unwatch(void)
{
	struct shared s = share();

	vh_sigbus_unwatch(vh_sigbus_watch(s.map, SIZE));
	shrink(&s, 0);
	touch(s.map);
}

static void send_sigbus(void)
{
	kill(getpid(), SIGBUS);
}

/* The guard belongs to one thread: this one has none, although another one had. */
static void test_elsewhere_is_fatal(void)
{
	CU_ASSERT_EQUAL(killed_by(fault_unwatched), SIGBUS);
	CU_ASSERT_EQUAL(killed_by(fault_beside_watched), SIGBUS);
	CU_ASSERT_EQUAL(killed_by(fault_after_unwatch), SIGBUS);
}

/* As hardware errors that only report (BUS_MCEERR_AO): no access is repeated that would end it. */
static void test_sent_signal_is_fatal(void)
{
	CU_ASSERT_EQUAL(killed_by(send_sigbus), SIGBUS);
}

static void test_running_out_of_handles(void)
{
	static int handles[VH_SIGBUS_MAX_RANGES];
	struct shared s = share();
	struct vh_mem_desc d = { .size = SIZE, .map_size = SIZE, .fd = s.fd };
	const char *why = NULL;

	for (int i = 0; i < VH_SIGBUS_MAX_RANGES; i++) {
		handles[i] = vh_sigbus_watch(s.map, SIZE);
		CU_ASSERT_FATAL(handles[i] >= 0);
	}
	CU_ASSERT_EQUAL(vh_sigbus_watch(s.map, SIZE), -ENOSPC);
	errno = 0;
	CU_ASSERT_PTR_NULL(vh_mem_create(&d, 1, &why));
	CU_ASSERT_EQUAL(errno, ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(why);

	vh_sigbus_unwatch(handles[1234]);
	CU_ASSERT_EQUAL(vh_sigbus_watch(s.map, SIZE), handles[1234]);
	for (int i = 0; i < VH_SIGBUS_MAX_RANGES; i++)
		vh_sigbus_unwatch(handles[i]);
	unshare_mem(&s);
}

static void test_negative_handle(void)
{
	vh_sigbus_unwatch(-1);
	CU_ASSERT_FALSE(vh_sigbus_poisoned(-1));
}

static const struct unit_test tests[] = {
	{ "access to shrunk memory survives", test_access_survives },
	{ "the whole range is replaced", test_whole_range_replaced },
	{ "first and last byte of a range", test_first_and_last_byte },
	{ "other ranges stay untouched", test_other_range_untouched },
	{ "a handle is clean when it is used again", test_handle_is_clean_when_used_again },
	{ "vh_mem_poisoned tells", test_mem_poisoned },
	{ "in a thread other than the one that watches", test_any_thread },
	{ "a guarded thread loses one page", test_guarded_thread },
	{ "elsewhere it is fatal", test_elsewhere_is_fatal },
	{ "a SIGBUS that was sent is fatal", test_sent_signal_is_fatal },
	{ "running out of handles", test_running_out_of_handles },
	{ "a negative handle is ignored", test_negative_handle },
};

int main(void)
{
	if (vh_sigbus_init() != 0)
		return EXIT_FAILURE;
	return unit_run("vhost/sigbus", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
