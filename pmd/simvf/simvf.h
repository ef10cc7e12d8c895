/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_simvf: a virtual function that exists in software only, for tests and benchmarks.
 *
 * It has two sides, kept apart as if a bus were between them. The driver posts buffers, polls
 * descriptors and frees what was sent, as drivers of real NICs do. The device moves frames between
 * the wire and the descriptors: it knows nothing but the addresses in them, and asks the IOMMU
 * about each. The device has no thread: it takes a step in each rx_burst and tx_burst.
 *
 * Threads. Driver side: the thread that polls the queue; the control thread while nobody polls it.
 * Device side of a queue: with wires that queues share (peer, iface, pcap), whoever holds the
 * link's lock; with the others (gen, sink) the queue's own thread, so that queues share nothing.
 * `lock` of a device guards its configuration (filters, flow rules, generator); it is taken before
 * the link's lock. Telemetry reads counters as they are. Lock order: list of devices, device, link.
 *
 * Descriptors are handed over with release and acquire: a buffer to the device by `posted`, a frame
 * to the driver by the DONE bit, a sent frame by `sent`.
 */
#ifndef PMD_SIMVF_H
#define PMD_SIMVF_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "pmd/simvf/iommu.h"

extern int simvf_logtype;
#define SIMVF_LOG(level, fmt, ...)                                                                 \
	rte_log(RTE_LOG_##level, simvf_logtype, "simvf: " fmt "\n", ##__VA_ARGS__)

#define SIMVF_MAX_QUEUES 64
#define SIMVF_MAX_FRAME  9728 /* bytes, two VLAN tags included, without checksum */
#define SIMVF_MIN_FRAME  60
#define SIMVF_OVERHEAD   (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)
#define SIMVF_MAX_SEGS   32 /* of one packet to send */
#define SIMVF_MAX_RATE   1000000000
#define SIMVF_RETA_SIZE  128
#define SIMVF_AHEAD      4 /* mbufs to prefetch: sw has as many entries more than descriptors */
#define SIMVF_STAMP      42 /* where the generator's time stamp is, behind the UDP header */

/*
 * A descriptor. `word` of a posted Rx descriptor has its low 16 bits clear, above them the address
 * that the descriptor had before (which only a planted fault uses). When done:
 * hash << 32 | SIMVF_RX_* | length. In a Tx descriptor: SIMVF_TX_EOP | length.
 */
struct simvf_desc {
	uint64_t addr;
	uint64_t word;
};
_Static_assert(sizeof(struct simvf_desc) == 16, "four descriptors make a cache line");

#define SIMVF_RX_LEN   UINT64_C(0x3fff)
#define SIMVF_RX_ERROR (UINT64_C(1) << 14)
#define SIMVF_RX_DONE  (UINT64_C(1) << 15)
#define SIMVF_RX_HASH  (UINT64_C(1) << 16) /* the upper half is the RSS hash */
#define SIMVF_TX_EOP   (UINT64_C(1) << 16)
_Static_assert(SIMVF_MAX_FRAME <= SIMVF_RX_LEN, "a length fits");

enum simvf_wire { SIMVF_GEN, SIMVF_SINK, SIMVF_PEER, SIMVF_IFACE, SIMVF_PCAP };

/* Sizes of generated frames: each of first..last in turn, or the mix. */
struct simvf_sizes {
	uint16_t first;
	uint16_t last;
	bool imix;
};

struct simvf_args {
	uint16_t queues;
	struct rte_ether_addr mac;
	struct rte_ether_addr dst;
	bool copy;
	bool latency;
	bool pause;
	bool pcap_loop;
	bool iommu;
	bool stop_queues;
	enum simvf_wire wire;
	char wire_arg[256]; /* name of the peer, interface or file */
	struct simvf_sizes sizes;
	uint32_t flows;
	uint64_t rate; /* packets per second, 0: as fast as descriptors are posted */
	uint32_t fifo;
	uint32_t tx_lag;
	uint32_t tx_lag_us;
	uint32_t buf_align;
};

/* What sends a burst function to its slow path; set by control and telemetry. */
#define SIMVF_CTL_OFF   1u /* queue stopped */
#define SIMVF_CTL_FAULT 2u /* some fault is asked for */
#define SIMVF_CTL_GEN   4u /* a new generator waits in new_gen */

struct simvf_rx_stats {
	uint64_t packets;
	uint64_t bytes;
	/* Driver side. */
	uint64_t errors; /* descriptors that are done with an error: refused by the IOMMU */
	uint64_t nombuf;
	uint64_t unfilled; /* done descriptors given back on request */
	/* Device side. */
	uint64_t too_long; /* for the buffer or the MTU */
	uint64_t missed; /* no descriptor for them */
	uint64_t iommu_faults;
	uint64_t dma_cycles;
};

struct simvf_tx_stats {
	/* Driver side. */
	uint64_t refused; /* in too many segments */
	uint64_t kept; /* completions held back on request */
	/* Device side. */
	uint64_t packets;
	uint64_t bytes;
	uint64_t errors; /* too long, or refused by the IOMMU */
	uint64_t runts; /* shorter than 60 bytes: padded and sent, but real VFs may be disabled */
	uint64_t lost; /* sent into a link that is down */
	uint64_t iommu_faults;
	uint64_t dma_cycles;
};

/* Frames from the wire that reach no queue. Under the link's lock. */
struct simvf_wire_stats {
	uint64_t filter_drops; /* MAC and VLAN filters */
	uint64_t flow_drops; /* by a rule */
	uint64_t missed; /* their queue is stopped */
	uint64_t bad; /* no Ethernet frame, or longer than the device can bear */
};

/* The order is that of the names in fault.c. */
enum simvf_fault {
	/* The next so many: */
	SIMVF_FAULT_DEV_START_FAILS,
	SIMVF_FAULT_RX_START_FAILS,
	SIMVF_FAULT_RX_STOP_FAILS,
	SIMVF_FAULT_TX_STOP_FAILS,
	SIMVF_FAULT_TX_LOST_COMPLETION,
	SIMVF_FAULT_RX_UNFILLED,
	SIMVF_FAULT_RX_OUT_OF_ORDER,
	SIMVF_FAULT_STALE_DMA,
	SIMVF_FAULT_KEEP_ON_STOP,
	/* Until they are taken back: */
	SIMVF_FAULT_PF_RESET, /* or until the device is stopped */
	SIMVF_FAULT_LINK_DOWN,
	SIMVF_FAULT_RX_EMPTY_FREE,
	SIMVF_FAULT_RX_BY_POSITION,
	SIMVF_FAULT_COUNT
};

struct simvf_totals {
	struct simvf_rx_stats rx;
	struct simvf_tx_stats tx;
	struct simvf_wire_stats wire;
};

#define SIMVF_MAX_MACS 16

struct simvf_filter {
	bool promisc;
	bool allmulti;
	bool vlan;
	struct rte_ether_addr mac[SIMVF_MAX_MACS]; /* all zeroes: none */
	uint64_t vlan_ids[4096 / 64];
};

struct simvf_gen;
struct simvf_dev;
struct simvf_held;
struct simvf_latency;
struct simvf_pcap;

/* A wire that queues share: of two devices, or of one and the world. Lives while one is on it. */
struct simvf_link {
	rte_spinlock_t lock;
	struct simvf_dev *end[2]; /* NULL: not there; twice the same: looped back */
};

struct simvf_rxq {
	/* Driver side. */
	struct simvf_desc *desc;
	struct rte_mbuf **sw; /* the mbuf behind each descriptor */
	struct rte_mempool *mp;
	uint64_t rearm; /* 8 bytes of a fresh mbuf: data_off, refcnt, nb_segs, port */
	uint32_t ctl;
	uint32_t posted; /* descriptors ever posted; read by the device */
	uint16_t nb_desc;
	uint16_t next; /* the next to be delivered */
	uint16_t post; /* the next to be posted */
	uint16_t nb_empty; /* from `post` on */
	uint16_t free_thresh;
	uint16_t max_len; /* of a frame */

	/* Device side. */
	uint32_t filled; /* descriptors ever done */
	uint16_t head; /* the next to be filled */
	uint16_t id;
	struct simvf_dev *dev;
	struct simvf_gen *gen;
	uint32_t gen_pos;
	struct simvf_iotlb tlb;

	struct simvf_rx_stats stats __rte_cache_aligned;
	struct simvf_rx_stats base; /* at the last reset */

	/* Paced generator: arrivals, and their time stamps if the device measures latency. */
	uint64_t pace_base; /* TSC */
	double pace_next; /* cycles since pace_base */
	uint32_t backlog;
	uint32_t stamp_mask;
	uint32_t stamp_head;
	uint64_t *stamps;

	/* Shared wires: frames that wait for a descriptor. */
	struct simvf_held *held, **held_tail;
	uint32_t nb_held;

	struct simvf_gen *new_gen; /* handed over atomically */
	uint16_t given; /* buffers given back on an empty poll */
	uint16_t buf_size;
	bool on; /* device side: may be filled */
	bool deferred;
} __rte_cache_aligned;

struct simvf_txq {
	/* Driver side. */
	struct simvf_desc *desc;
	struct rte_mbuf **sw; /* bit 0 is set in what belongs to a chain */
	uint32_t ctl;
	uint32_t posted;
	uint32_t freed;
	uint16_t nb_desc;
	uint16_t tail; /* the next to be posted */
	uint16_t clean; /* the next to be freed */
	uint16_t nb_free;
	uint16_t free_thresh;
	uint16_t rs_thresh; /* freed at once */
	bool fast_free;

	/* Device side. */
	uint32_t sent; /* descriptors ever sent; read by the driver */
	uint16_t head; /* the next to be sent */
	uint16_t max_len;
	uint32_t lag;
	struct simvf_dev *dev;
	struct simvf_iotlb tlb;

	struct simvf_tx_stats stats __rte_cache_aligned;
	struct simvf_tx_stats base;

	uint64_t lag_cycles;
	uint64_t *posted_at; /* TSC of each descriptor; only with a lag */
	struct rte_mbuf **lost; /* their completion never comes */
	uint32_t nb_lost;
	uint32_t lost_room;
	uint8_t *scratch; /* where the bytes go that nobody receives */
	struct simvf_latency *latency;
	uint16_t id;
	bool on;
	bool deferred;
} __rte_cache_aligned;

struct simvf_dev {
	/* Read by every burst, written by control only. */
	struct simvf_args args;
	struct rte_eth_dev_data *data;
	char name[RTE_ETH_NAME_MAX_LEN];

	struct simvf_iommu iommu __rte_cache_aligned;

	uint32_t faults[SIMVF_FAULT_COUNT] __rte_cache_aligned;

	pthread_mutex_t lock __rte_cache_aligned;
	/* What ethdev has too, but may be looked at by telemetry. NULL: not set up. */
	struct simvf_rxq *rxq[SIMVF_MAX_QUEUES];
	struct simvf_txq *txq[SIMVF_MAX_QUEUES];
	TAILQ_ENTRY(simvf_dev) next;
	struct simvf_flows *flows; /* generated flows and their classification */
	bool rss;
	uint64_t rss_types;
	uint8_t rss_key[40];
	uint8_t reta[SIMVF_RETA_SIZE];
	TAILQ_HEAD(simvf_rule_list, rte_flow) rules;
	uint32_t nb_rules;

	/* Shared wires: under the link's lock. */
	struct simvf_link *link; /* NULL: the generator, or a sink */
	struct simvf_filter filter;
	struct simvf_wire_stats stats;
	struct simvf_wire_stats base;
	bool started;
	uint32_t nb_held; /* of all queues */
	int sock; /* wire=iface, else -1 */
	int if_index;
	struct simvf_pcap *pcap;
	uint8_t *frame; /* room to make a frame contiguous */
};

/* Guards the configuration against every step of the device. Control, telemetry. */
void simvf_lock(struct simvf_dev *dev);
void simvf_unlock(struct simvf_dev *dev);

/* ---- probe.c ---- */

/* Calls fn with each device, or those called `name`, with the list locked. Returns how many. */
unsigned int simvf_foreach(
	const char *name, void (*fn)(struct simvf_dev *dev, void *arg), void *arg);

/* ---- devargs.c ---- */

/* Fills in args, defaults for what is not there. 0 or -EINVAL with the reason logged. */
int simvf_args_parse(const char *name, const char *text, struct simvf_args *args);
/* "64", "60-1514", "imix"; "1000000". 0 or -EINVAL. */
int simvf_sizes_parse(const char *text, struct simvf_sizes *sizes);
int simvf_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* ---- ethdev.c ---- */

extern const struct eth_dev_ops simvf_ops;
/* In probe.c. */
int simvf_dev_close(struct rte_eth_dev *eth);
void simvf_select_bursts(struct rte_eth_dev *eth);

/* ---- queue.c ---- */

int simvf_rx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t nb_desc,
	unsigned int socket, const struct rte_eth_rxconf *conf, struct rte_mempool *mp);
int simvf_tx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t nb_desc,
	unsigned int socket, const struct rte_eth_txconf *conf);
void simvf_rx_queue_release(struct rte_eth_dev *eth, uint16_t queue);
void simvf_tx_queue_release(struct rte_eth_dev *eth, uint16_t queue);
int simvf_rx_queue_start(struct rte_eth_dev *eth, uint16_t queue);
int simvf_rx_queue_stop(struct rte_eth_dev *eth, uint16_t queue);
int simvf_tx_queue_start(struct rte_eth_dev *eth, uint16_t queue);
int simvf_tx_queue_stop(struct rte_eth_dev *eth, uint16_t queue);
/* The same without asking whether single queues can be stopped. */
int simvf_rxq_start(struct simvf_dev *dev, uint16_t queue);
void simvf_rxq_stop(struct simvf_dev *dev, uint16_t queue);
void simvf_txq_start(struct simvf_dev *dev, uint16_t queue);
void simvf_txq_stop(struct simvf_dev *dev, uint16_t queue);

/* ---- rx.c, tx.c ---- */

uint16_t simvf_rx_gen(void *rxq, struct rte_mbuf **pkts, uint16_t n);
uint16_t simvf_rx_gen_copy(void *rxq, struct rte_mbuf **pkts, uint16_t n);
uint16_t simvf_rx_none(void *rxq, struct rte_mbuf **pkts, uint16_t n);
/* Posts as many whole bursts of buffers as descriptors are empty. */
void simvf_rx_refill(struct simvf_rxq *q);
uint32_t simvf_rx_queue_count(void *rxq);
int simvf_rx_descriptor_status(void *rxq, uint16_t offset);

uint16_t simvf_tx_sink(void *txq, struct rte_mbuf **pkts, uint16_t n);
uint16_t simvf_tx_sink_full(void *txq, struct rte_mbuf **pkts, uint16_t n);
int simvf_tx_done_cleanup(void *txq, uint32_t count);
int simvf_tx_descriptor_status(void *txq, uint16_t offset);
/* Frees the mbufs in sw[0..n), grouped by pool. */
void simvf_tx_free(struct rte_mbuf **sw, uint32_t n, bool fast_free);

uint16_t simvf_rx_wire(void *rxq, struct rte_mbuf **pkts, uint16_t n);
uint16_t simvf_tx_wire(void *txq, struct rte_mbuf **pkts, uint16_t n);

/* ---- flow.c ---- */

int simvf_flow_ops_get(struct rte_eth_dev *eth, const struct rte_flow_ops **ops);
void simvf_rules_flush(struct simvf_dev *dev);

/* ---- stats.c ---- */

int simvf_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats);
int simvf_stats_reset(struct rte_eth_dev *eth);
int simvf_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *xstats, unsigned int n);
int simvf_xstats_get_names(
	struct rte_eth_dev *eth, struct rte_eth_xstat_name *names, unsigned int n);
/* Since the last reset. With the device's lock. */
void simvf_totals(const struct simvf_dev *dev, struct simvf_totals *totals);
void simvf_rxq_stats(const struct simvf_rxq *q, struct simvf_rx_stats *stats);
void simvf_txq_stats(const struct simvf_txq *q, struct simvf_tx_stats *stats);

/* Counters have one writer and readers at any time. */
static __rte_always_inline void simvf_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline void simvf_ctl_set(uint32_t *ctl, uint32_t bits)
{
	__atomic_or_fetch(ctl, bits, __ATOMIC_RELEASE);
}

static inline void simvf_ctl_clear(uint32_t *ctl, uint32_t bits)
{
	__atomic_and_fetch(ctl, ~bits, __ATOMIC_RELEASE);
}

/* Posted descriptors that the device has not filled. Device side. */
static __rte_always_inline uint32_t simvf_rx_room(const struct simvf_rxq *q)
{
	return __atomic_load_n(&q->posted, __ATOMIC_ACQUIRE) - q->filled;
}

#endif /* PMD_SIMVF_H */
