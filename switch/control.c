/* SPDX-License-Identifier: BSD-3-Clause */
/* The control thread's loop: signals, posted requests, a timer. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "pmd/pf_watch.h"
#include "switch/stats.h"
#include "switch/switch.h"

void sw_control_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
}

/* Blocked in main() before the first thread was made: they arrive here only. */
static int open_signalfd(void)
{
	sigset_t set;

	sw_control_signals(&set);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int open_timerfd(void)
{
	struct itimerspec tick = {
		.it_interval.tv_nsec = SW_TICK_MS * 1000000L,
		.it_value.tv_nsec = SW_TICK_MS * 1000000L,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd >= 0 && timerfd_settime(fd, 0, &tick, NULL) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int add_fd(int epoll_fd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

static void on_signal(struct switch_ctx *sw, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			sw_stats_log(sw);
			continue;
		}
		SW_LOG(NOTICE, "%s: stopping", strsignal((int)info.ssi_signo));
		sw->quit = true;
	}
}

static void on_request(struct switch_ctx *sw, int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
	sw_requests_run(&sw->requests);
	for (unsigned int i = 0; i < sw->nb_containers; i++)
		sw_container_changed(&sw->containers[i]);
}

static void on_tick(struct switch_ctx *sw, int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
	sw_watchdog(sw);
	sw_park_tick(sw);
	for (unsigned int i = 0; i < sw->nb_containers; i++)
		sw_container_tick(&sw->containers[i]);
	for (unsigned int i = 0; i < sw->nb_ports; i++)
		sw_port_care(sw, i);
	sw_netns_tick(sw);
}

static void loop(struct switch_ctx *sw, int epoll_fd, int signal_fd, int timer_fd)
{
	while (!sw->quit) {
		struct epoll_event events[4];
		int n = epoll_wait(epoll_fd, events, RTE_DIM(events), -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == signal_fd)
				on_signal(sw, fd);
			else if (fd == timer_fd)
				on_tick(sw, fd);
			else if (fd == pmd_pf_watch_fd(sw->pf_watch))
				sw_ports_pf_event(sw);
			else
				on_request(sw, fd);
		}
	}
}

int sw_control_run(struct switch_ctx *sw)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int signal_fd = open_signalfd();
	int timer_fd = open_timerfd();
	int ret = epoll_fd >= 0 ? 0 : -errno;

	if (ret == 0)
		ret = add_fd(epoll_fd, signal_fd);
	if (ret == 0)
		ret = add_fd(epoll_fd, timer_fd);
	if (ret == 0)
		ret = add_fd(epoll_fd, sw->requests.wake_fd);
	if (ret == 0)
		ret = add_fd(epoll_fd, pmd_pf_watch_fd(sw->pf_watch));
	if (ret == 0)
		loop(sw, epoll_fd, signal_fd, timer_fd);
	else
		SW_LOG(ERR, "cannot set up the control loop: %s", strerror(-ret));

	if (timer_fd >= 0)
		close(timer_fd);
	if (signal_fd >= 0)
		close(signal_fd);
	if (epoll_fd >= 0)
		close(epoll_fd);
	return ret;
}
