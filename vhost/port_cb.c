/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librte_vhost's callbacks. They describe what happened and hand it on; see port.h for the threads.
 *
 * The order of things for one message (read in DPDK 22.11, 24.11 and 25.11,
 * vhost_user_msg_handler): virtqueue locks are taken for most messages, the pre hook runs, the
 * library acts and replies, the post hook runs (not if the library failed), vring_state_changed
 * tells about rings that changed, locks are dropped, new_device runs once the first pair is ready.
 * Hence:
 *
 *  - rings are taken back in the pre hook, and in destroy_device/destroy_connection;
 *  - a pair that a message is about is `held` until the post hook;
 *  - nothing that takes a virtqueue lock is called from here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "vhost/compat.h"
#include "vhost/port_priv.h"
#include "vhost/proto.h"
#include "vhost/sigbus.h"
#include "vhost/wait.h"

static uint32_t all_pairs(const struct vh_conn *conn)
{
	return (1u << conn->port->nb_pairs) - 1;
}

/* The control thread is closing the port and takes everything back on its own account. */
static int wait_released(struct vh_conn *conn, uint32_t pairs)
{
	struct vh_port *port = conn->port;
	struct timespec end = vh_deadline_ms(VH_TAKE_BACK_LIMIT_MS);
	int ret = 0;

	pthread_mutex_lock(&port->lock);
	while ((conn->live & ~conn->parked & pairs) != 0 && ret == 0)
		ret = pthread_cond_timedwait(&port->released, &port->lock, &end);
	pthread_mutex_unlock(&port->lock);
	return -ret;
}

/*
 * Asks for pairs to be taken back, and waits. After it, no worker and no NIC touches them, or the
 * connection stays until they do not. Idempotent.
 */
static void conn_take_back(struct vh_conn *conn, uint32_t pairs)
{
	struct vh_port *port = conn->port;
	uint32_t live;
	int ret;

	pthread_mutex_lock(&port->lock);
	conn->held |= pairs; /* nothing starts from here on */
	live = conn->live & ~conn->parked & pairs;
	pthread_mutex_unlock(&port->lock);
	if (live == 0)
		return;
	ret = port->ops->take_back(port, conn, live);
	if (ret == -ECANCELED)
		ret = wait_released(conn, live);
	if (ret < 0)
		VH_LOG(ERR, "%s: ring pairs 0x%x are still in use: %s; their memory stays mapped",
			port->name, live, strerror(-ret));
}

static void conn_release(struct vh_conn *conn, uint32_t pairs)
{
	pthread_mutex_lock(&conn->port->lock);
	conn->held &= ~pairs;
	pthread_mutex_unlock(&conn->port->lock);
}

/* The library answers GET_VRING_BASE and survives SET_MEM_TABLE with its own indices: set them. */
static void write_bases(struct vh_conn *conn)
{
	for (unsigned int i = 0; i < 2u * conn->port->nb_pairs; i++) {
		struct vh_ring_info *info = &conn->rings[i];
		uint16_t base;
		bool untold;

		pthread_mutex_lock(&conn->port->lock);
		untold = info->base_untold;
		base = info->base;
		info->base_untold = false;
		pthread_mutex_unlock(&conn->port->lock);
		if (untold)
			rte_vhost_set_vring_base(conn->vid, (uint16_t)i, base, base);
	}
}

/* Replaces our view of the memory. The old one lives on for as long as a pair uses it. */
static void take_memory(struct vh_conn *conn)
{
	struct vh_mem_desc descs[VH_MEM_MAX_REGIONS];
	struct rte_vhost_memory *table = NULL;
	struct vh_mem *mem = NULL, *old;
	const char *why = "librte_vhost has no memory table";
	uint32_t i;

	if (rte_vhost_get_mem_table(conn->vid, &table) == 0) {
		for (i = 0; i < table->nregions && i < VH_MEM_MAX_REGIONS; i++) {
			const struct rte_vhost_mem_region *r = &table->regions[i];

			descs[i] = (struct vh_mem_desc){
				.gpa = r->guest_phys_addr,
				.size = r->size,
				.peer_addr = r->host_user_addr,
				.map_offset = r->host_user_addr - (uint64_t)(uintptr_t)r->mmap_addr,
				.map_size = r->mmap_size,
				.fd = r->fd,
			};
		}
		mem = vh_mem_create(descs, table->nregions, &why);
		free(table);
	}
	if (mem == NULL)
		VH_LOG_LIMITED(&conn->port->rate, ERR, "%s: memory table refused: %s",
			conn->port->name, why);

	pthread_mutex_lock(&conn->port->lock);
	old = conn->mem;
	conn->mem = mem;
	pthread_mutex_unlock(&conn->port->lock);
	vh_mem_unref(old);
}

static bool is_eventfd(int fd)
{
	char link[32], target[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

/*
 * Puts the container's call eventfd behind our number. Anything but an eventfd could block the
 * worker that writes to it, so it gets a dummy instead.
 */
static void take_callfd(struct vh_conn *conn, struct vh_ring_info *info, int fd)
{
	int dummy = -1;

	if (fd >= 0 && !is_eventfd(fd)) {
		VH_LOG_LIMITED(&conn->port->rate, WARNING,
			"%s: SET_VRING_CALL with something that is no eventfd; no calls",
			conn->port->name);
		fd = -1;
	}
	if (fd < 0) {
		dummy = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (dummy < 0)
			return; /* out of descriptors: calls go on to where they went */
		fd = dummy;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	dup3(fd, info->callfd, O_CLOEXEC);
	if (dummy >= 0)
		close(dummy);
}

/* Reads one ring as the library has it now. Only to be called from a callback. */
static void take_ring(struct vh_conn *conn, uint16_t ring, bool ready)
{
	struct vh_ring_info *info = &conn->rings[ring];
	struct rte_vhost_vring vring;
	uint16_t base, used_base;
	uint64_t features;

	if (rte_vhost_get_vhost_vring(conn->vid, ring, &vring) != 0 ||
		rte_vhost_get_vring_base(conn->vid, ring, &base, &used_base) != 0 ||
		rte_vhost_get_negotiated_features(conn->vid, &features) != 0)
		ready = false;
	if (ready)
		take_callfd(conn, info, vring.callfd);

	pthread_mutex_lock(&conn->port->lock);
	info->ready = ready && vring.desc != NULL && vring.avail != NULL && vring.used != NULL;
	if (info->ready) {
		info->size = vring.size;
		info->desc = (uint64_t)(uintptr_t)vring.desc;
		info->avail = (uint64_t)(uintptr_t)vring.avail;
		info->used = (uint64_t)(uintptr_t)vring.used;
		conn->features = features;
		/* At work, or settled and not told: ours is newer. */
		if (!(conn->live & (1u << ring / 2)) && !info->base_untold)
			info->base = base;
	}
	pthread_mutex_unlock(&conn->port->lock);
}

/* The pairs that a message is about; 0 if it needs nothing of us. */
static uint32_t message_scope(const struct vh_conn *conn, const struct vh_msg *msg)
{
	const struct vh_request_info *info = vh_request_info(msg->request);
	/* state and addr have the index in the same place */
	uint32_t pair = msg->payload.state.index / 2;

	if (info == NULL || info->take_back == VH_SCOPE_NONE)
		return 0;
	if (info->take_back == VH_SCOPE_ALL)
		return all_pairs(conn);
	if (info->take_back == VH_SCOPE_DISABLE && msg->payload.state.num != 0)
		return 0;
	/* The library takes indices up to 255; rings that we did not offer do not exist. */
	return pair < conn->port->nb_pairs ? 1u << pair : 0;
}

/* Whoever answers a message in the hook has to do this; the library does not any more. */
static void close_message_fds(void *msg)
{
	int *fds = vh_msg_fds(msg), *nb = vh_msg_fd_num(msg);

	for (int i = 0; i < *nb && i < VH_MSG_MAX_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
	*nb = 0;
}

/*
 * Memory that is a file elsewhere (FUSE, NFS, a disk) could keep a worker in a page fault for as
 * long as somebody likes. Asked before the library maps it, which reads rings there at once.
 */
static bool memory_is_memory(void *msg)
{
	const int *fds = vh_msg_fds(msg);
	int nb = *vh_msg_fd_num(msg);

	for (int i = 0; i < nb && i < VH_MSG_MAX_FDS; i++) {
		struct statfs fs;

		if (fstatfs(fds[i], &fs) != 0 ||
			(fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC))
			return false;
	}
	return true;
}

/* Ends the connection before the library has seen the message. */
static enum rte_vhost_msg_result reject(struct vh_conn *conn, struct vh_msg *msg, const char *why)
{
	const struct vh_request_info *info = vh_request_info(msg->request);

	if (conn != NULL)
		VH_LOG_LIMITED(&conn->port->rate, WARNING, "%s: message %u (%s) refused: %s",
			conn->port->name, msg->request, info ? info->name : "unknown", why);
	close_message_fds(msg);
	/* A negative acknowledgement would leave the connection open. */
	msg->flags &= ~VH_MSG_NEED_REPLY;
	return RTE_VHOST_MSG_RESULT_ERR;
}

/* What the pre hook does when the message may pass: the rings that it is about are taken back. */
static void before_message(struct vh_conn *conn, const struct vh_msg *msg)
{
	uint32_t scope = message_scope(conn, msg);

	if (scope == 0)
		return;
	conn_take_back(conn, scope);
	write_bases(conn);
	/* Not ready until vring_state_changed says so; that comes after the post hook. */
	if (msg->request == VH_REQ_SET_VRING_ENABLE || msg->request == VH_REQ_GET_VRING_BASE) {
		pthread_mutex_lock(&conn->port->lock);
		conn->rings[msg->payload.state.index].ready = false;
		pthread_mutex_unlock(&conn->port->lock);
	}
}

static enum rte_vhost_msg_result pre_msg(int vid, void *arg)
{
	struct vh_conn *conn = vh_reg_conn(vid);
	unsigned int hits = vh_sigbus_guard_thread();
	const struct vh_request_info *info;
	struct vh_msg *msg = arg;

	if (conn == NULL)
		return reject(NULL, msg, NULL); /* never past the list */
	if (!conn->guarded) {
		conn->guarded = true;
		conn->guard_hits = hits;
	}
	info = vh_request_info(msg->request);
	if (info == NULL)
		return reject(conn, msg, "not offered");
	if (!vh_msg_ring_ok(info, msg, 2u * conn->port->nb_pairs))
		return reject(conn, msg, "no such ring");
	if (msg->request == VH_REQ_SET_MEM_TABLE && !memory_is_memory(msg))
		return reject(conn, msg, "memory is neither shared memory nor huge pages");

	if (info->handling != VH_PASS)
		close_message_fds(msg);
	if (info->handling == VH_IGNORE)
		return RTE_VHOST_MSG_RESULT_OK;
	if (info->handling == VH_ANSWER) {
		/* rte_vhost_driver_set_max_queue_num() came in 23.07, and is not for vhost-user */
		msg->payload.u64 = conn->port->nb_pairs;
		msg->size = sizeof(msg->payload.u64);
		return RTE_VHOST_MSG_RESULT_REPLY;
	}
	before_message(conn, msg);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/*
 * The container says where the ring stands from now on. If it was not taken back in time, where we left
 * it is of no use any more, also when it comes back in this very moment.
 */
static void note_base(struct vh_conn *conn, const struct vh_msg *msg)
{
	uint32_t ring = msg->payload.state.index;
	struct vh_ring_info *info = &conn->rings[ring];

	pthread_mutex_lock(&conn->port->lock);
	info->base = (uint16_t)msg->payload.state.num;
	info->base_untold = false;
	info->base_named = conn->live & (1u << ring / 2);
	pthread_mutex_unlock(&conn->port->lock);
}

static enum rte_vhost_msg_result post_msg(int vid, void *arg)
{
	struct vh_conn *conn = vh_reg_conn(vid);
	const struct vh_msg *msg = arg;
	uint32_t scope;

	if (conn == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (msg->request == VH_REQ_SET_MEM_TABLE)
		take_memory(conn);
	if (msg->request == VH_REQ_SET_VRING_BASE)
		note_base(conn, msg);
	/*
	 * GET_VRING_BASE has by now put its reply into the payload. It stops the device, so nothing
	 * starts again before vring_state_changed and new_device.
	 */
	scope = msg->request == VH_REQ_GET_VRING_BASE ? all_pairs(conn) : message_scope(conn, msg);
	if (scope == 0)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;

	/* Rings that stay ready moved with the memory or their address: look again. */
	for (uint16_t ring = 0; ring < 2u * conn->port->nb_pairs; ring++)
		if (conn->rings[ring].ready)
			take_ring(conn, ring, true);
	conn_release(conn, scope);
	conn->port->ops->changed(conn->port);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops extern_ops = {
	.pre_msg_handle = pre_msg,
	.post_msg_handle = post_msg,
};

static int new_connection(int vid)
{
	char path[108];
	struct vh_port *port;
	struct vh_conn *conn;
	int ret = -1;

	if (vid >= VH_MAX_VIDS || rte_vhost_get_ifname(vid, path, sizeof(path)) != 0)
		return -1;
	port = vh_reg_port(path);
	if (port == NULL)
		return -1;
	conn = vh_conn_create(port, vid);
	if (conn == NULL)
		return -1;

	pthread_mutex_lock(&port->lock);
	if (port->closing) {
		/* nothing to say: the port is going away */
	} else if (port->active == NULL) {
		port->active = conn;
		ret = 0;
	} else if (port->standby == NULL) {
		port->standby = conn;
		ret = 0;
	}
	if (ret == 0)
		conn->number = ++port->nb_connections;
	else
		VH_LOG_LIMITED(&port->rate, WARNING, "%s: connection refused: %s", port->name,
			port->closing ? "the port is closing" : "two containers are connected");
	pthread_mutex_unlock(&port->lock);
	if (ret != 0) {
		vh_conn_free(conn);
		return ret;
	}
	vh_port_limit_sockets(port);

	vh_reg_set_conn(vid, conn);
	rte_vhost_extern_callback_register(vid, &extern_ops, NULL);
	if (port->standby == conn)
		VH_LOG_LIMITED(&port->rate, WARNING,
			"%s: second connection; it waits until the first is gone", port->name);
	else
		VH_LOG_LIMITED(&port->rate, INFO, "%s: container connected", port->name);
	return 0;
}

/* A ring became ready (librte_vhost: addresses, kick and call eventfd, enabled) or ceased to be. */
static int vring_state_changed(int vid, uint16_t ring, int enable)
{
	struct vh_conn *conn = vh_reg_conn(vid);

	if (conn == NULL || ring >= 2u * conn->port->nb_pairs)
		return 0;
	/*
	 * 0 is no reason to take a ring back: that has happened in the pre hook, or SET_VRING_CALL
	 * on a ring at work is at it, and 1 follows at once.
	 */
	take_ring(conn, ring, enable != 0);
	if (enable)
		conn->port->ops->changed(conn->port);
	return 0;
}

static int new_device(int vid)
{
	struct vh_conn *conn = vh_reg_conn(vid);

	if (conn == NULL)
		return -1;
	pthread_mutex_lock(&conn->port->lock);
	conn->running = true;
	pthread_mutex_unlock(&conn->port->lock);
	conn->port->ops->changed(conn->port);
	return 0;
}

static void destroy_device(int vid)
{
	struct vh_conn *conn = vh_reg_conn(vid);

	if (conn == NULL)
		return;
	conn_take_back(conn, all_pairs(conn));
	write_bases(conn);
	pthread_mutex_lock(&conn->port->lock);
	conn->running = false;
	conn->held = 0;
	pthread_mutex_unlock(&conn->port->lock);
}

static void destroy_connection(int vid)
{
	struct vh_conn *conn = vh_reg_conn(vid);
	struct vh_port *port;

	if (conn == NULL)
		return;
	port = conn->port;
	/* destroy_device came only if the device was running. */
	conn_take_back(conn, all_pairs(conn));
	if (conn->guarded && vh_sigbus_guard_thread() != conn->guard_hits)
		VH_LOG_LIMITED(&port->rate, WARNING,
			"%s: shared memory was shorter than the container said", port->name);
	vh_conn_detach(conn);
	VH_LOG_LIMITED(&port->rate, INFO, "%s: container disconnected", port->name);
	port->ops->changed(port);
}

const struct rte_vhost_device_ops vh_device_ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
	.vring_state_changed = vring_state_changed,
	.new_connection = new_connection,
	.destroy_connection = destroy_connection,
};
