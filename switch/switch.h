/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's state. One struct, made by main(), passed to everything; no globals but this
 * (telemetry callbacks of DPDK 22.11 get no argument).
 *
 * Threads: the control thread is the only writer, except for what the parts say of themselves
 * (worker.h, lane.h, vhost/port.h, request.h).
 */
#ifndef SWITCH_SWITCH_H
#define SWITCH_SWITCH_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "switch/lane.h"
#include "switch/request.h"
#include "switch/vfs.h"
#include "switch/worker.h"

extern int sw_logtype;
#define SW_LOG(level, fmt, ...) VH_LOG_TO(sw_logtype, "switch", level, fmt, ##__VA_ARGS__)

/* A container that broke the rules may come back after this. */
#define SW_RESET_DELAY_MS 1000
/* A connected container that starts no ring for this long: what arrives for it is dropped. */
#define SW_PAUSE_LIMIT_MS 1000
#define SW_TICK_MS        100

struct sw_container {
	struct switch_ctx *sw;
	const struct cfg_container *conf;
	struct vh_port *vport;
	struct sw_lane *lanes[CFG_MAX_PAIRS];
	uint16_t nb_lanes;
	bool changed; /* atomic: librte_vhost's threads set it, the control thread clears it */
	uint64_t restart_at; /* timer cycles; 0: the socket is open */
	uint64_t nb_resets;
	const char *last_reset; /* why, NULL if never */
	const char *must_reset; /* a fault that a ring had when it was taken back; NULL: none */
	uint64_t culprit; /* vh_conn.number of the connection that had it */
	struct vh_rate rate;
};

struct switch_ctx {
	const struct cfg *cfg;
	pthread_t control;
	struct sw_requests requests;
	bool quit;

	unsigned int nb_workers;
	struct sw_worker *workers;
	struct sw_grace *late; /* sw_plans_late() */
	struct pmd_sriov *sriov; /* VFs that were prepared; may be NULL */
	unsigned int nb_ports;
	struct pmd_port *ports[CFG_MAX_PORTS]; /* as in the configuration; NULL: in a namespace */
	struct pmd_pf_watch *pf_watch;
	unsigned int nb_lanes;
	struct sw_lane **lanes;
	unsigned int nb_containers;
	struct sw_container *containers; /* behind sockets */
	unsigned int nb_namespaces;
	struct sw_netns *namespaces;
};

/* eal.c: the log, before anything is logged. */
void sw_log_init(const struct cfg *cfg);

/* eal.c: starts EAL for this configuration. Returns 0 or -errno, logged. Main thread, once. */
int sw_eal_init(const struct cfg *cfg, const char *argv0);

/*
 * setup.c: ports, lanes, containers. Both start functions try everything and report every failure;
 * they return the number of failures. Teardown undoes whatever has been done, in reverse order.
 */
int sw_setup_init(struct switch_ctx *sw, const struct cfg *cfg, struct pmd_sriov *sriov);
unsigned int sw_setup_ports(struct switch_ctx *sw);
/* One port as it is configured. As pmd_port_open(). */
int sw_setup_port(struct switch_ctx *sw, unsigned int i, struct pmd_port **out);
unsigned int sw_setup_containers(struct switch_ctx *sw);
int sw_setup_workers(struct switch_ctx *sw);
/* True if nothing is left behind: then EAL, too, may be cleaned up. */
bool sw_teardown(struct switch_ctx *sw);

/* container.c: the control thread's care for one container. */
int sw_container_open(struct switch_ctx *sw, struct sw_container *c);
void sw_container_close(struct sw_container *c);
void sw_container_changed(struct sw_container *c);
void sw_container_tick(struct sw_container *c);
/* Its rings are taken back, and put to work again. */
void sw_container_pause(struct sw_container *c);
void sw_container_resume(struct sw_container *c);

/*
 * port.c: the control thread's care for physical ports, by their place in the configuration. watch:
 * once, when all are open. care: each tick. pf_event: pf_watch has something to read. go_on: rings
 * that have been taken back because of the port are put to work again.
 */
int sw_ports_watch(struct switch_ctx *sw);
void sw_port_care(struct switch_ctx *sw, unsigned int i);
void sw_port_go_on(struct switch_ctx *sw, struct pmd_port *port);
void sw_ports_pf_event(struct switch_ctx *sw);

/* port_again.c: the device of a port that was removed may be there again. Each tick. */
void sw_port_again(struct switch_ctx *sw, unsigned int i);

/*
 * watchdog.c: looks for a worker that hangs in a container's call eventfd, and gets it out; the
 * ring has a fault then. Often enough: each tick, and while a grace period lasts.
 */
void sw_watchdog(struct switch_ctx *sw);

/* control.c: the control thread's loop, until SIGTERM or SIGINT. */
int sw_control_run(struct switch_ctx *sw);
/* The signals that the loop reads: to be blocked before the first thread is made. */
void sw_control_signals(sigset_t *set);

#endif /* SWITCH_SWITCH_H */
