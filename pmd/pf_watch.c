/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/pf_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

struct pmd_pf_watch {
	struct mnl_socket *socket;
	pmd_pf_fn fn;
	void *arg;
	bool again; /* something was missed: ask once more when the answer at hand has ended */
};

int pmd_pf_watch_open(struct pmd_pf_watch **out)
{
	struct pmd_pf_watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (watch == NULL)
		return -ENOMEM;
	watch->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (watch->socket == NULL ||
		mnl_socket_bind(watch->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID)) {
		ret = -errno;
		goto close;
	}
	ret = pmd_pf_watch_ask(watch);
	if (ret < 0)
		goto close;
	*out = watch;
	return 0;

close:
	pmd_pf_watch_close(watch);
	return ret;
}

void pmd_pf_watch_close(struct pmd_pf_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->socket != NULL)
		mnl_socket_close(watch->socket);
	free(watch);
}

int pmd_pf_watch_fd(const struct pmd_pf_watch *watch)
{
	return mnl_socket_get_fd(watch->socket);
}

int pmd_pf_watch_ask(struct pmd_pf_watch *watch)
{
	char buf[NLMSG_SPACE(sizeof(struct ifinfomsg))];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);

	msg->nlmsg_type = RTM_GETLINK;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
	return mnl_socket_sendto(watch->socket, msg, msg->nlmsg_len) < 0 ? -errno : 0;
}

static int on_message(const struct nlmsghdr *msg, void *arg)
{
	const unsigned int up = IFF_UP | IFF_LOWER_UP;
	const struct pmd_pf_watch *watch = arg;
	const struct ifinfomsg *link;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*link))
		return MNL_CB_OK;
	link = mnl_nlmsg_get_payload(msg);
	/* A bridge sends them as well: RTM_DELLINK, when a link leaves it. */
	if (link->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	if (msg->nlmsg_type == RTM_NEWLINK)
		watch->fn(watch->arg, (unsigned int)link->ifi_index, (link->ifi_flags & up) == up);
	else if (msg->nlmsg_type == RTM_DELLINK)
		watch->fn(watch->arg, (unsigned int)link->ifi_index, false);
	return MNL_CB_OK;
}

int pmd_pf_watch_read(struct pmd_pf_watch *watch, pmd_pf_fn fn, void *arg)
{
	/* A dump comes in pieces of up to 32 KiB: what a libmnl buffer holds may be less. */
	static char buf[32768];
	int ret;

	watch->fn = fn;
	watch->arg = arg;
	for (;;) {
		ssize_t len = mnl_socket_recvfrom(watch->socket, buf, sizeof(buf));

		if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS) {
			/* Lost some: ask for the state of all. Refused while an answer is under way. */
			watch->again = pmd_pf_watch_ask(watch) < 0;
			continue;
		}
		if (len < 0)
			return -errno;
		ret = mnl_cb_run(buf, (size_t)len, 0, 0, on_message, watch);
		if (ret < 0 && errno == EINTR) /* links changed under the answer */
			watch->again = true;
		if (ret == MNL_CB_STOP && watch->again) /* its end */
			watch->again = pmd_pf_watch_ask(watch) < 0;
	}
}
