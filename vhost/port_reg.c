/* SPDX-License-Identifier: BSD-3-Clause */
/* What librte_vhost's callbacks start from: a path or a vid. */
#include <string.h>

#include "vhost/port_priv.h"

/* Which port a path belongs to, and which connection a vid is. */
static struct {
	pthread_mutex_t lock; /* taken before no other lock */
	struct vh_port *ports[VH_MAX_VIDS];
	unsigned int nb_ports;
	struct vh_conn *conns[VH_MAX_VIDS];
} reg = { .lock = PTHREAD_MUTEX_INITIALIZER };

void vh_reg_add(struct vh_port *port)
{
	pthread_mutex_lock(&reg.lock);
	/* librte_vhost takes at most 1024 sockets (MAX_VHOST_SOCKET), so there is room. */
	if (reg.nb_ports < VH_MAX_VIDS)
		reg.ports[reg.nb_ports++] = port;
	pthread_mutex_unlock(&reg.lock);
}

void vh_reg_remove(struct vh_port *port)
{
	pthread_mutex_lock(&reg.lock);
	for (unsigned int i = 0; i < reg.nb_ports; i++) {
		if (reg.ports[i] == port) {
			reg.ports[i] = reg.ports[--reg.nb_ports];
			break;
		}
	}
	pthread_mutex_unlock(&reg.lock);
}

struct vh_port *vh_reg_port(const char *path)
{
	struct vh_port *port = NULL;

	pthread_mutex_lock(&reg.lock);
	for (unsigned int i = 0; i < reg.nb_ports && port == NULL; i++)
		if (strcmp(reg.ports[i]->path, path) == 0)
			port = reg.ports[i];
	pthread_mutex_unlock(&reg.lock);
	return port;
}

void vh_reg_clear_conn(const struct vh_conn *conn)
{
	pthread_mutex_lock(&reg.lock);
	/* Unless the vid is another's already. */
	if (reg.conns[conn->vid] == conn)
		reg.conns[conn->vid] = NULL;
	pthread_mutex_unlock(&reg.lock);
}

struct vh_conn *vh_reg_conn(int vid)
{
	struct vh_conn *conn;

	if (vid < 0 || vid >= VH_MAX_VIDS)
		return NULL;
	pthread_mutex_lock(&reg.lock);
	conn = reg.conns[vid];
	pthread_mutex_unlock(&reg.lock);
	return conn;
}

void vh_reg_set_conn(int vid, struct vh_conn *conn)
{
	pthread_mutex_lock(&reg.lock);
	reg.conns[vid] = conn;
	pthread_mutex_unlock(&reg.lock);
}
