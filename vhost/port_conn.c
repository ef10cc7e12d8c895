/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: their life, and librte_vhost's sockets behind them. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/port_priv.h"

/* A message comes whole or not at all; a container that reads its replies does so at once. */
#define SOCKET_LIMIT_SEC 1

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

	vh_reg_set_conn(conn->vid, NULL);
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
	for (int vid = 0; vid < VH_MAX_VIDS; vid++) {
		struct vh_conn *conn = vh_reg_conn(vid);

		if (conn != NULL && conn->port == port)
			vh_conn_detach(conn);
	}
}

/* The library tells nobody its descriptors: known by the address that they are bound or connected
 * to. */
static bool is_connection(int fd, const struct vh_port *port)
{
	struct sockaddr_un sun = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(sun), optlen = sizeof(int);
	int listening = 0;

	if ((port->client ? getpeername(fd, (struct sockaddr *)&sun, &len)
			  : getsockname(fd, (struct sockaddr *)&sun, &len)) != 0 ||
		sun.sun_family != AF_UNIX)
		return false;
	return strncmp(sun.sun_path, port->path, sizeof(sun.sun_path)) == 0 &&
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
	struct timeval limit = { .tv_sec = SOCKET_LIMIT_SEC };

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
	for_each_socket(port, shutdown_socket);
}
