/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "pmd/sriov/nl_priv.h"
#include "pmd/sriov/sysfs.h"

/* A PF with its VFs is one message; the list of VFs alone may have 64 KiB. */
#define ANSWER_LEN (128 * 1024)

struct pmd_nl {
	struct mnl_socket *sock;
	uint32_t seq;
	char why[PMD_SRIOV_WHY_LEN];
	char answer[ANSWER_LEN] __attribute__((aligned(8)));
};

struct opening {
	int netns_fd;
	int err;
	struct mnl_socket *sock;
};

static struct mnl_socket *open_socket(void)
{
	struct timeval limit = { .tv_sec = PMD_NL_LIMIT_MS / 1000 };
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int on = 1, err;

	if (sock == NULL)
		return NULL;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ||
		setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &limit,
			sizeof(limit)) < 0 ||
		setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_SNDTIMEO, &limit,
			sizeof(limit)) < 0) {
		err = errno;
		mnl_socket_close(sock);
		errno = err;
		return NULL;
	}
	/* Kernels without it (before 4.12) tell less, that is all. */
	mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &on, sizeof(on));
	return sock;
}

/* A socket stays in the namespace in which it was made, whoever uses it. */
static void *open_elsewhere(void *arg)
{
	struct opening *o = arg;

	if (setns(o->netns_fd, CLONE_NEWNET) < 0) {
		o->err = errno;
		return NULL;
	}
	o->sock = open_socket();
	o->err = o->sock != NULL ? 0 : errno;
	return NULL;
}

int pmd_nl_open(int netns_fd, struct pmd_nl **out)
{
	struct opening o = { .netns_fd = netns_fd };
	struct pmd_nl *nl = calloc(1, sizeof(*nl));
	pthread_t thread;

	*out = NULL;
	if (nl == NULL)
		return -ENOMEM;
	if (netns_fd < 0) {
		o.sock = open_socket();
		o.err = o.sock != NULL ? 0 : errno;
	} else {
		/* A thread of its own goes there, so there is no way back that could fail. */
		o.err = pthread_create(&thread, NULL, open_elsewhere, &o);
		if (o.err == 0)
			pthread_join(thread, NULL);
	}
	if (o.sock == NULL) {
		free(nl);
		return o.err != 0 ? -o.err : -EIO;
	}
	nl->sock = o.sock;
	nl->seq = (uint32_t)pmd_sriov_now_ms();
	*out = nl;
	return 0;
}

void pmd_nl_close(struct pmd_nl *nl)
{
	if (nl == NULL)
		return;
	mnl_socket_close(nl->sock);
	free(nl);
}

const char *pmd_nl_why(const struct pmd_nl *nl)
{
	return nl->why;
}

int pmd_nl_fail(struct pmd_nl *nl, int err, const char *why)
{
	snprintf(nl->why, sizeof(nl->why), "%s", why != NULL ? why : strerror(err));
	return -err;
}

struct nlmsghdr *pmd_nl_link_msg(char *buf, uint16_t type, uint16_t flags, unsigned int index)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	return msg;
}

/* The kernel's own words for an error, if it sent any. */
static void extack(struct pmd_nl *nl, const struct nlmsghdr *msg, int err)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(msg);
	size_t skip = sizeof(*e);
	const struct nlattr *attr;

	pmd_nl_fail(nl, err, NULL);
	if (!(msg->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(msg->nlmsg_flags & NLM_F_CAPPED))
		skip += e->msg.nlmsg_len - sizeof(e->msg); /* our message is repeated before it */
	if (skip > mnl_nlmsg_get_payload_len(msg))
		return;
	mnl_attr_for_each(attr, msg, skip)
	{
		if (mnl_attr_get_type(attr) != NLMSGERR_ATTR_MSG)
			continue;
		snprintf(nl->why, sizeof(nl->why), "%s: %.*s", strerror(err),
			(int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
		pmd_sysfs_printable(nl->why);
	}
}

/* Returns 1 when the answer is complete, 0 when more is to come, -errno for an error in it. */
static int handle(
	struct pmd_nl *nl, const struct nlmsghdr *msg, pmd_nl_fn fn, void *arg, int *result)
{
	if (msg->nlmsg_type == NLMSG_DONE) {
		const int *err = mnl_nlmsg_get_payload(msg);

		if (mnl_nlmsg_get_payload_len(msg) < sizeof(*err) || *err >= 0)
			return 1;
		return pmd_nl_fail(nl, -*err, NULL);
	}
	if (msg->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(msg);

		if (mnl_nlmsg_get_payload_len(msg) < sizeof(*e))
			return pmd_nl_fail(nl, EBADMSG, NULL);
		if (e->error >= 0)
			return 1;
		extack(nl, msg, -e->error);
		return e->error;
	}
	if (msg->nlmsg_type < NLMSG_MIN_TYPE || fn == NULL)
		return 0;
	int ret = fn(msg, arg);
	if (ret < 0 && *result == 0)
		*result = ret;
	return 0;
}

/* One datagram, within the limit. */
static ssize_t receive(struct pmd_nl *nl, uint64_t end)
{
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl->sock, nl->answer, sizeof(nl->answer));

		if (n >= 0)
			return n;
		if (errno != EINTR || pmd_sriov_now_ms() > end)
			return errno == EAGAIN || errno == EINTR
				? pmd_nl_fail(nl, ETIMEDOUT, "the kernel does not answer")
				: pmd_nl_fail(nl, errno, NULL);
	}
}

int pmd_nl_transact(struct pmd_nl *nl, struct nlmsghdr *msg, pmd_nl_fn fn, void *arg)
{
	uint64_t end = pmd_sriov_now_ms() + PMD_NL_LIMIT_MS;
	int result = 0;

	nl->why[0] = '\0';
	msg->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, msg, msg->nlmsg_len) < 0)
		return pmd_nl_fail(nl, errno, NULL);
	for (;;) {
		ssize_t len = receive(nl, end);

		if (len < 0)
			return (int)len;
		int left = (int)len;
		const struct nlmsghdr *part = (const struct nlmsghdr *)(const void *)nl->answer;
		for (; mnl_nlmsg_ok(part, left); part = mnl_nlmsg_next(part, &left)) {
			/* The late answer to a call that was given up is none to this one. */
			if (part->nlmsg_seq != nl->seq)
				continue;
			int ret = handle(nl, part, fn, arg, &result);
			if (ret < 0)
				return ret;
			if (ret == 0)
				continue;
			return result < 0 ? pmd_nl_fail(nl, -result, NULL) : 0;
		}
		if (pmd_sriov_now_ms() > end)
			return pmd_nl_fail(nl, ETIMEDOUT, "the kernel does not answer");
	}
}
