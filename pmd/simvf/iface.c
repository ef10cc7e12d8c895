/* SPDX-License-Identifier: BSD-3-Clause */
/* wire=iface: a raw socket on a network interface, for contents and pings rather than for speed. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "pmd/simvf/wire.h"

#define ROOM (1 << 21) /* bytes of the socket's buffers */

static int configure(struct simvf_dev *dev)
{
	struct packet_mreq promisc = { .mr_ifindex = dev->if_index, .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = dev->if_index,
	};
	int on = 1, room = ROOM;

	/* The last ones may fail: then less is buffered. */
	if (setsockopt(dev->sock, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
		setsockopt(dev->sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
		setsockopt(dev->sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc,
			sizeof(promisc)) < 0 ||
		bind(dev->sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	setsockopt(dev->sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(dev->sock, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return 0;
}

int simvf_iface_open(struct simvf_dev *dev)
{
	const char *name = dev->args.wire_arg;
	int ret;

	dev->if_index = (int)if_nametoindex(name);
	/* Protocol 0: nothing is received before bind() has said from where. */
	dev->sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dev->if_index == 0 || dev->sock < 0)
		ret = -errno;
	else
		ret = configure(dev);
	if (ret < 0) {
		SIMVF_LOG(ERR, "%s: interface %s: %s", dev->name, name, strerror(-ret));
		simvf_iface_close(dev);
	}
	return ret;
}

void simvf_iface_close(struct simvf_dev *dev)
{
	if (dev->sock >= 0)
		close(dev->sock);
	dev->sock = -1;
}

void simvf_iface_drain(struct simvf_dev *dev)
{
	uint8_t byte;

	if (dev->sock >= 0)
		while (recv(dev->sock, &byte, 1, MSG_TRUNC) >= 0)
			;
}

/* The tag that the kernel has taken out; 0: none. In network byte order. */
static uint32_t stripped_tag(struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;
		uint16_t tpid = RTE_ETHER_TYPE_VLAN;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0)
			continue;
		if (aux.tp_status & TP_STATUS_VLAN_TPID_VALID)
			tpid = aux.tp_vlan_tpid;
		return htonl((uint32_t)tpid << 16 | aux.tp_vlan_tci);
	}
	return 0;
}

/* One frame from dev->frame + 4 on, or, with a tag put back, from dev->frame. 0: none left. */
static uint32_t receive_one(struct simvf_dev *dev, const uint8_t **data)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec iov = { dev->frame + RTE_VLAN_HLEN, SIMVF_MAX_FRAME };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t len = recvmsg(dev->sock, &msg, MSG_TRUNC);
	uint32_t tag;

	if (len <= 0)
		return 0;
	*data = iov.iov_base;
	tag = stripped_tag(&msg);
	if (tag != 0 && len >= RTE_ETHER_HDR_LEN) {
		memmove(dev->frame, dev->frame + RTE_VLAN_HLEN, 2 * RTE_ETHER_ADDR_LEN);
		memcpy(dev->frame + 2 * RTE_ETHER_ADDR_LEN, &tag, sizeof(tag));
		*data = dev->frame;
		len += RTE_VLAN_HLEN;
	}
	return (uint32_t)len;
}

void simvf_iface_receive(struct simvf_dev *dev)
{
	const uint8_t *data;

	for (int i = 0; i < SIMVF_WIRE_BURST; i++) {
		uint32_t len = receive_one(dev, &data);

		if (len == 0)
			break;
		/* Longer than the room: refused there by its length. */
		simvf_wire_deliver(dev, data, len, false);
	}
}

int simvf_iface_send(struct simvf_dev *dev, const uint8_t *data, uint32_t len)
{
	if (send(dev->sock, data, len, MSG_DONTWAIT) >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -errno;
}
