/* SPDX-License-Identifier: BSD-3-Clause */
/* Container ports: the control thread's side. */
#include "vhost/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "vhost/port_priv.h"
#include "vhost/wait.h"

/* vhost-user protocol features; librte_vhost has no public names for them. */
#define PROTOCOL_F_MQ        0
#define PROTOCOL_F_REPLY_ACK 3
#define PROTOCOL_F_STATUS    16

/*
 * VERSION_1: no legacy quirks where the container can do without. MRG_RXBUF: a container may post
 * short buffers. IN_ORDER: what we do anyway (DESIGN, invariant 1). EVENT_IDX, INDIRECT_DESC: every
 * driver knows them. RING_PACKED: the container's choice. No checksum or segmentation offload: the
 * NIC queue could not keep the promise. No LOG_ALL: dirty pages that a NIC writes would go unmarked,
 * so migration is refused by the front end.
 */
uint64_t vh_port_features(uint16_t nb_pairs)
{
	uint64_t features = (1ULL << VIRTIO_F_VERSION_1) | (1ULL << VIRTIO_F_ANY_LAYOUT) |
		(1ULL << VIRTIO_F_RING_PACKED) | (1ULL << VIRTIO_F_IN_ORDER) |
		(1ULL << VIRTIO_NET_F_MRG_RXBUF) | (1ULL << VIRTIO_RING_F_EVENT_IDX) |
		(1ULL << VIRTIO_RING_F_INDIRECT_DESC) | (1ULL << VHOST_USER_F_PROTOCOL_FEATURES);

	/* MQ needs the control queue, which the front end keeps to itself (virtio 1.1, 5.1.3). */
	if (nb_pairs > 1)
		features |= (1ULL << VIRTIO_NET_F_MQ) | (1ULL << VIRTIO_NET_F_CTRL_VQ);
	return features;
}

struct vh_port *vh_port_create(
	const struct vh_port_conf *conf, const struct vh_port_ops *ops, void *arg)
{
	struct vh_port *port;

	if (strlen(conf->path) >= sizeof(port->path) || strlen(conf->name) >= sizeof(port->name) ||
		conf->nb_pairs == 0 || conf->nb_pairs > VH_MAX_PAIRS) {
		errno = EINVAL;
		return NULL;
	}
	port = calloc(1, sizeof(*port));
	if (port == NULL)
		return NULL;
	strcpy(port->name, conf->name);
	strcpy(port->path, conf->path);
	port->client = conf->client;
	port->nb_pairs = conf->nb_pairs;
	port->owner = conf->owner;
	port->group = conf->group;
	port->perms = conf->perms;
	port->ops = ops;
	port->arg = arg;
	pthread_mutex_init(&port->lock, NULL);
	vh_cond_init(&port->released);
	return port;
}

/* A crash leaves the socket file behind; a live server must not lose its own. */
static int remove_stale_socket(struct vh_port *port)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, err;

	if (lstat(port->path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		VH_LOG(ERR, "%s: %s exists and is no socket; remove it or choose another path",
			port->name, port->path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	strcpy(sun.sun_path, port->path);
	err = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 ? EADDRINUSE : errno;
	close(fd);
	if (err != ECONNREFUSED) {
		VH_LOG(ERR, "%s: another process is listening on %s", port->name, port->path);
		return -EADDRINUSE;
	}
	VH_LOG(INFO, "%s: removing the stale socket %s", port->name, port->path);
	return unlink(port->path) == 0 || errno == ENOENT ? 0 : -errno;
}

/*
 * By descriptor, not by name: where a container can write to the directory, it could put a link in
 * the place of the socket and have us give away another file.
 */
static int set_socket_access(struct vh_port *port)
{
	char self[32];
	struct stat st;
	int err = 0, fd = open(port->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		err = errno;
	else if (!S_ISSOCK(st.st_mode))
		err = EEXIST;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (err == 0 &&
		(fchownat(fd, "", port->owner, port->group, AT_EMPTY_PATH) != 0 ||
			chmod(self, port->perms) != 0))
		err = errno;
	if (fd >= 0)
		close(fd);
	if (err != 0)
		VH_LOG(ERR, "%s: cannot set owner, group or mode of %s: %s", port->name, port->path,
			strerror(err));
	return -err;
}

static int register_driver(struct vh_port *port)
{
	uint64_t protocol = (1ULL << PROTOCOL_F_MQ) | (1ULL << PROTOCOL_F_REPLY_ACK) |
		(1ULL << PROTOCOL_F_STATUS);
	uint64_t features = vh_port_features(port->nb_pairs), left = 0;

	/*
	 * Not RTE_VHOST_USER_ASYNC_COPY: it looks made for DMA, but drops features and maps for DMA
	 * with errors ignored.
	 */
	if (rte_vhost_driver_register(port->path, port->client ? RTE_VHOST_USER_CLIENT : 0) != 0)
		return -ENOSPC;
	/*
	 * Not rte_vhost_driver_set_features(): whoever calls that is no network device, and starts
	 * only once every ring that exists is enabled; a container may use fewer than it has.
	 */
	if (rte_vhost_driver_disable_features(port->path, ~features) != 0 ||
		rte_vhost_driver_get_features(port->path, &left) != 0 || left != features ||
		rte_vhost_driver_set_protocol_features(port->path, protocol) != 0 ||
		rte_vhost_driver_callback_register(port->path, &vh_device_ops) != 0) {
		rte_vhost_driver_unregister(port->path);
		return -EIO;
	}
	return 0;
}

int vh_port_start(struct vh_port *port)
{
	int ret;

	if (!port->client) {
		ret = remove_stale_socket(port);
		if (ret < 0)
			return ret;
	}
	ret = register_driver(port);
	if (ret < 0) {
		VH_LOG(ERR, "%s: cannot register %s with librte_vhost", port->name, port->path);
		return ret;
	}
	vh_reg_add(port);
	pthread_mutex_lock(&port->lock);
	port->registered = true;
	port->closing = false;
	pthread_mutex_unlock(&port->lock);

	if (rte_vhost_driver_start(port->path) != 0) {
		VH_LOG(ERR, "%s: cannot %s %s", port->name,
			port->client ? "connect to" : "listen on", port->path);
		ret = -EIO;
		goto stop;
	}
	if (!port->client) {
		ret = set_socket_access(port);
		if (ret < 0)
			goto stop;
	}
	return 0;

stop:
	vh_port_closing(port);
	vh_port_stop(port);
	return ret;
}

void vh_port_closing(struct vh_port *port)
{
	pthread_mutex_lock(&port->lock);
	port->closing = true;
	pthread_mutex_unlock(&port->lock);
}

bool vh_port_is_closing(struct vh_port *port)
{
	bool closing;

	pthread_mutex_lock(&port->lock);
	closing = port->closing;
	pthread_mutex_unlock(&port->lock);
	return closing;
}

void vh_port_stop(struct vh_port *port)
{
	if (!port->registered)
		return;
	/* Unregister spins while a callback is busy. None waits for us, and none in a socket. */
	vh_port_shutdown_sockets(port);
	rte_vhost_driver_unregister(port->path);
	vh_reg_remove(port);
	vh_port_drop_connections(port);
	port->registered = false;
}

void vh_port_destroy(struct vh_port *port)
{
	if (port == NULL)
		return;
	pthread_cond_destroy(&port->released);
	pthread_mutex_destroy(&port->lock);
	free(port);
}

static int start_ring(
	const struct vh_conn *conn, unsigned int ring, struct vh_vring *vr, const char **why)
{
	const struct vh_ring_info *info = &conn->rings[ring];
	struct vh_ring_setup setup = {
		.desc = info->desc,
		.avail = info->avail,
		.used = info->used,
		.size = info->size,
		.base = info->base,
		.features = conn->features,
		.callfd = info->callfd,
		.mem = conn->mem,
	};

	return vh_ring_start(vr, &setup, why);
}

int vh_port_pair_start(struct vh_port *port, uint16_t pair, struct vh_pair *out, const char **why)
{
	uint32_t bit = 1u << pair;
	struct vh_conn *conn;
	int ret = -EAGAIN;

	pthread_mutex_lock(&port->lock);
	conn = port->active;
	if (port->closing || conn == NULL || conn->closed || !conn->running || conn->mem == NULL ||
		(pair > 0 && !(conn->features & (1ULL << VIRTIO_NET_F_MQ))) ||
		((conn->held | conn->live) & bit) || !conn->rings[VH_RX_RING(pair)].ready ||
		!conn->rings[VH_TX_RING(pair)].ready)
		goto unlock;

	/*
	 * Under the lock: a callback that wants the pair back waits here, and then finds it live.
	 */
	ret = start_ring(conn, VH_RX_RING(pair), &out->rx, why);
	if (ret == 0)
		ret = start_ring(conn, VH_TX_RING(pair), &out->tx, why);
	if (ret == 0) {
		out->mem = vh_mem_ref(conn->mem);
		out->conn = conn;
		conn->live |= bit;
	}
unlock:
	pthread_mutex_unlock(&port->lock);
	return ret;
}

/* Under the lock. */
static void settle_base(struct vh_ring_info *info, uint16_t base)
{
	if (!info->base_named) {
		info->base = base;
		info->base_untold = true;
	}
	info->base_named = false;
}

void vh_port_pair_stopped(struct vh_pair *p, uint16_t pair)
{
	struct vh_conn *conn = p->conn;
	struct vh_port *port = conn->port;
	struct vh_ring_info *rx = &conn->rings[VH_RX_RING(pair)];
	struct vh_ring_info *tx = &conn->rings[VH_TX_RING(pair)];
	uint16_t rx_base = vh_ring_settle(&p->rx);
	uint16_t tx_base = vh_ring_settle(&p->tx);
	bool dead;

	vh_mem_unref(p->mem);
	p->mem = NULL;
	p->conn = NULL;

	pthread_mutex_lock(&port->lock);
	settle_base(rx, rx_base);
	settle_base(tx, tx_base);
	conn->live &= ~(1u << pair);
	conn->parked &= ~(1u << pair);
	dead = vh_conn_dead(conn);
	pthread_cond_broadcast(&port->released);
	pthread_mutex_unlock(&port->lock);
	if (dead)
		vh_conn_free(conn);
}

void vh_port_pair_parked(struct vh_pair *p, uint16_t pair)
{
	struct vh_port *port = p->conn->port;

	vh_ring_set_fault(&p->rx, VH_FAULT_REVOKED);
	vh_ring_set_fault(&p->tx, VH_FAULT_REVOKED);
	pthread_mutex_lock(&port->lock);
	p->conn->parked |= 1u << pair;
	pthread_cond_broadcast(&port->released);
	pthread_mutex_unlock(&port->lock);
}

void vh_port_status(struct vh_port *port, struct vh_port_status *status)
{
	pthread_mutex_lock(&port->lock);
	*status = (struct vh_port_status){
		.connected = port->active != NULL || (port->registered && port->closing),
		.nb_connections = port->nb_connections,
	};
	if (port->active != NULL) {
		status->connection = port->active->number;
		status->running = port->active->running;
		status->features = port->active->features;
		status->nb_regions = port->active->mem ? port->active->mem->nb_regions : 0;
	}
	pthread_mutex_unlock(&port->lock);
}

bool vh_port_poisoned(struct vh_port *port)
{
	bool poisoned;

	pthread_mutex_lock(&port->lock);
	poisoned = port->active != NULL && port->active->mem != NULL &&
		vh_mem_poisoned(port->active->mem);
	pthread_mutex_unlock(&port->lock);
	return poisoned;
}
