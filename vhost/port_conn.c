/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: their life, and librte_vhost's sockets behind them. */
#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/port_priv.h"

/* A message comes whole or not at all; a container that reads its replies has room for them. */
#define SOCKET_LIMIT_US 200000

struct vh_conn *vh_conn_create(struct vh_port *port, int vid)
{
	struct vh_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->vid = vid;
	conn->port = port;
	for (unsigned int i = 0; i < RTE_DIM(conn->rings); i++)
		conn->rings[i].callfd = -1;
	for (unsigned int i = 0; i < 2u * port->nb_pairs; i++) {
		/* Stands in for a container that wants no calls, so that workers need no check. */
		conn->rings[i].callfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (conn->rings[i].callfd < 0)
			goto free;
	}
	return conn;

free:
	vh_conn_free(conn);
	return NULL;
}

void vh_conn_free(struct vh_conn *conn)
{
	for (unsigned int i = 0; i < RTE_DIM(conn->rings); i++)
		if (conn->rings[i].callfd >= 0)
			close(conn->rings[i].callfd);
	vh_mem_unref(conn->mem);
	free(conn);
}

void vh_conn_detach(struct vh_conn *conn)
{
	struct vh_port *port = conn->port;
	bool dead;

	vh_reg_clear_conn(conn);
	pthread_mutex_lock(&port->lock);
	conn->closed = true;
	dead = vh_conn_dead(conn);
	if (port->active == conn) {
		port->active = port->standby;
		port->standby = NULL;
	} else if (port->standby == conn) {
		port->standby = NULL;
	}
	pthread_mutex_unlock(&port->lock);
	if (dead)
		vh_conn_free(conn);
}

void vh_port_drop_connections(struct vh_port *port)
{
	struct vh_conn *conn;

	/* Not by vid: the library may have given a freed one to another port by now. */
	do {
		pthread_mutex_lock(&port->lock);
		conn = port->active;
		pthread_mutex_unlock(&port->lock);
		if (conn != NULL)
			vh_conn_detach(conn); /* the one that waited moves up */
	} while (conn != NULL);
}

/*
 * The library tells nobody its descriptors. In server mode a connection has the name that we bound;
 * in client mode the peer's name is whatever the peer calls it, but only our own connections are
 * stream sockets that are connected and have no name.
 */
static bool is_connection(int fd, const struct vh_port *port)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC }, peer;
	socklen_t name_len = sizeof(name), peer_len = sizeof(peer), optlen = sizeof(int);
	int listening = 0, type = 0;

	if (getsockname(fd, (struct sockaddr *)&name, &name_len) != 0 ||
		name.sun_family != AF_UNIX ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &optlen) != 0 || type != SOCK_STREAM)
		return false;
	if (port->client)
		return name_len <= offsetof(struct sockaddr_un, sun_path) &&
			getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0;
	return strncmp(name.sun_path, port->path, sizeof(name.sun_path)) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &optlen) == 0 && !listening;
}

static void for_each_socket(const struct vh_port *port, void (*fn)(int fd))
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && is_connection(fd, port))
			fn(fd);
	}
	closedir(dir);
}

static void limit_socket(int fd)
{
	struct timeval limit = { .tv_usec = SOCKET_LIMIT_US };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void shutdown_socket(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

void vh_port_limit_sockets(const struct vh_port *port)
{
	for_each_socket(port, limit_socket);
}

void vh_port_shutdown_sockets(const struct vh_port *port)
{
	/* In client mode the sockets of all ports look alike; there the time limit has to do. */
	if (!port->client)
		for_each_socket(port, shutdown_socket);
}
