/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place for what differs between DPDK 22.11 and 25.11. Checked by compiling the tree
 * against the headers of 22.11 (Debian 12), 24.11 and 25.11.
 */
#ifndef VHOST_COMPAT_H
#define VHOST_COMPAT_H

#include <rte_mbuf.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "vfring needs DPDK 22.11 or later"
#endif

/* Rings and NIC descriptors are read as they lie in memory: both are little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

/*
 * Container memory: its IOVA is our address, or no device ever sees it (pmd/dma.h). Builds without
 * IOVA in the mbuf (RTE_IOVA_IN_MBUF=0) use buf_addr alone; the helper knows.
 */
static inline void vh_mbuf_set_buf(struct rte_mbuf *m, void *buf, uint16_t len)
{
	m->buf_addr = buf;
	rte_mbuf_iova_set(m, (rte_iova_t)(uintptr_t)buf);
	m->buf_len = len;
}

/*
 * What stands behind the message that librte_vhost hands to hooks: its file descriptors and their
 * number (struct vhu_msg_context, private). Whoever answers a message in a hook has to close them:
 * the library then does not. Read in 22.11.11, 24.11 and 25.11.
 */
#if RTE_VERSION < RTE_VERSION_NUM(25, 3, 0, 0)
#define VH_MSG_FDS    644
#define VH_MSG_FD_NUM 676
#elif RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0) && RTE_VERSION < RTE_VERSION_NUM(26, 3, 0, 0)
#define VH_MSG_FDS    1084
#define VH_MSG_FD_NUM 1116
#else
#error "read struct vhu_msg_context in this version of lib/vhost/vhost_user.h"
#endif
#define VH_MSG_MAX_FDS 8

static inline int *vh_msg_fds(void *msg)
{
	return RTE_PTR_ADD(msg, VH_MSG_FDS);
}

static inline int *vh_msg_fd_num(void *msg)
{
	return RTE_PTR_ADD(msg, VH_MSG_FD_NUM);
}

/* 23.03 renamed the unsigned telemetry value and deprecated the old name. */
static inline int vh_tel_add_dict_uint(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_uint(d, name, value);
#else
	return rte_tel_data_add_dict_u64(d, name, value);
#endif
}

#endif /* VHOST_COMPAT_H */
