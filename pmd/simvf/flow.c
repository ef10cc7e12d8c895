/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rte_flow: rules that send frames to a queue or drop them. A rule is kept as bytes and masks for
 * each layer; the first that fits, by priority and then by age, decides. A pattern says how many
 * VLAN tags stand before an IP header: none means untagged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_flow.h>
#include <rte_flow_driver.h>

#include "pmd/simvf/classify.h"
#include "pmd/simvf/gen.h"

#define MAX_RULES 256

enum layer { ETH, VLAN, IPV4, IPV6, UDP, TCP };

/* Items begin with the header as it stands in the frame. */
static const struct kind {
	enum rte_flow_item_type type;
	enum layer layer;
	uint8_t rank; /* items come in this order */
	uint8_t header; /* bytes of it */
	size_t item; /* bytes of the whole item */
	const void *mask; /* if none is given */
} kinds[] = {
	{ RTE_FLOW_ITEM_TYPE_ETH, ETH, 0, 14, sizeof(struct rte_flow_item_eth),
		&rte_flow_item_eth_mask },
	{ RTE_FLOW_ITEM_TYPE_VLAN, VLAN, 1, 4, sizeof(struct rte_flow_item_vlan),
		&rte_flow_item_vlan_mask },
	{ RTE_FLOW_ITEM_TYPE_IPV4, IPV4, 3, 20, sizeof(struct rte_flow_item_ipv4),
		&rte_flow_item_ipv4_mask },
	{ RTE_FLOW_ITEM_TYPE_IPV6, IPV6, 3, 40, sizeof(struct rte_flow_item_ipv6),
		&rte_flow_item_ipv6_mask },
	{ RTE_FLOW_ITEM_TYPE_UDP, UDP, 4, 8, sizeof(struct rte_flow_item_udp),
		&rte_flow_item_udp_mask },
	{ RTE_FLOW_ITEM_TYPE_TCP, TCP, 4, 20, sizeof(struct rte_flow_item_tcp),
		&rte_flow_item_tcp_mask },
};

struct match {
	enum layer layer;
	uint8_t size;
	uint8_t tag; /* which VLAN tag */
	uint8_t value[40]; /* already masked */
	uint8_t mask[40];
};

struct rte_flow {
	TAILQ_ENTRY(rte_flow) next;
	uint32_t priority;
	int queue; /* or SIMVF_DROP */
	uint8_t nb_tags;
	uint8_t nb;
	struct match match[5];
};

/* ---- matching ---- */

static const uint8_t *header_of(const struct simvf_layers *l, const struct match *m)
{
	switch (m->layer) {
	case ETH:
		return l->data;
	case VLAN:
		return m->tag < l->nb_vlan ? l->data + 14 + 4 * m->tag : NULL;
	case IPV4:
		return l->l3 == 4 ? l->data + l->l3_off : NULL;
	case IPV6:
		return l->l3 == 6 ? l->data + l->l3_off : NULL;
	case UDP:
		return l->proto == IPPROTO_UDP ? l->data + l->l4_off : NULL;
	case TCP:
		return l->proto == IPPROTO_TCP ? l->data + l->l4_off : NULL;
	}
	return NULL;
}

static bool matches(const struct rte_flow *rule, const struct simvf_layers *l)
{
	for (uint8_t i = 0; i < rule->nb; i++) {
		const struct match *m = &rule->match[i];
		const uint8_t *header = header_of(l, m);

		if (header == NULL || (m->layer >= IPV4 && l->nb_vlan != rule->nb_tags))
			return false;
		for (uint8_t b = 0; b < m->size; b++)
			if ((header[b] & m->mask[b]) != m->value[b])
				return false;
	}
	return true;
}

bool simvf_rules_match(const struct simvf_dev *dev, const struct simvf_layers *layers, int *queue)
{
	const struct rte_flow *rule;

	TAILQ_FOREACH (rule, &dev->rules, next) {
		if (!matches(rule, layers))
			continue;
		/* The device may have fewer queues by now. */
		*queue = rule->queue < dev->data->nb_rx_queues ? rule->queue : SIMVF_DROP;
		return true;
	}
	return false;
}

/* ---- rules ---- */

static int refuse(struct rte_flow_error *error, int code, enum rte_flow_error_type type,
	const void *cause, const char *message)
{
	return rte_flow_error_set(error, code, type, cause, message);
}

static bool all_zero(const uint8_t *bytes, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static int add_item(struct rte_flow *rule, const struct kind *kind,
	const struct rte_flow_item *item, struct rte_flow_error *error)
{
	const uint8_t *mask = item->mask != NULL ? item->mask : kind->mask;
	const uint8_t *spec = item->spec;
	struct match *m = &rule->match[rule->nb];

	if (item->last != NULL)
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST, item, "no ranges");
	/* Behind the header stand flags, such as has_vlan. */
	if (spec != NULL && !all_zero(mask, kind->header, kind->item))
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK, item,
			"only the header's own fields");
	*m = (struct match){ .layer = kind->layer, .tag = rule->nb_tags };
	if (spec != NULL) {
		m->size = kind->header;
		for (uint8_t i = 0; i < m->size; i++) {
			m->mask[i] = mask[i];
			m->value[i] = spec[i] & mask[i];
		}
	}
	rule->nb++;
	rule->nb_tags = (uint8_t)(rule->nb_tags + (kind->layer == VLAN));
	return 0;
}

static int parse_pattern(
	const struct rte_flow_item *item, struct rte_flow *rule, struct rte_flow_error *error)
{
	uint8_t rank = 0;

	for (; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
		const struct kind *kind = NULL;
		int ret;

		if (item->type == RTE_FLOW_ITEM_TYPE_VOID)
			continue;
		for (size_t i = 0; i < RTE_DIM(kinds); i++)
			if (kinds[i].type == item->type)
				kind = &kinds[i];
		if (kind == NULL)
			return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, item,
				"not ETH, VLAN, IPV4, IPV6, UDP or TCP");
		/* Two tags at most; UDP and TCP only behind IP. */
		if (kind->rank < rank || (kind->rank == 4 && rank != 4))
			return refuse(
				error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, item, "out of order");
		rank = kind->layer == VLAN && rule->nb_tags == 0 ? 1 : (uint8_t)(kind->rank + 1);
		ret = add_item(rule, kind, item, error);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int parse_actions(const struct simvf_dev *dev, const struct rte_flow_action *action,
	struct rte_flow *rule, struct rte_flow_error *error)
{
	unsigned int fates = 0;

	for (; action->type != RTE_FLOW_ACTION_TYPE_END; action++) {
		const struct rte_flow_action_queue *queue = action->conf;

		switch (action->type) {
		case RTE_FLOW_ACTION_TYPE_VOID:
			continue;
		case RTE_FLOW_ACTION_TYPE_DROP:
			rule->queue = SIMVF_DROP;
			break;
		case RTE_FLOW_ACTION_TYPE_QUEUE:
			if (queue == NULL || queue->index >= dev->data->nb_rx_queues)
				return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
					action, "no such queue");
			rule->queue = queue->index;
			break;
		default:
			return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action,
				"not QUEUE or DROP");
		}
		fates++;
	}
	if (fates != 1)
		return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, NULL,
			"one QUEUE or DROP is needed");
	return 0;
}

static int parse(struct simvf_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item *pattern, const struct rte_flow_action *actions,
	struct rte_flow *rule, struct rte_flow_error *error)
{
	int ret;

	memset(rule, 0, sizeof(*rule));
	if (!attr->ingress || attr->egress || attr->transfer || attr->group != 0)
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR, attr,
			"only ingress rules of group 0");
	rule->priority = attr->priority;
	ret = parse_pattern(pattern, rule, error);
	return ret < 0 ? ret : parse_actions(dev, actions, rule, error);
}

/* With the device's lock. */
static int reclassify(struct simvf_dev *dev, struct rte_flow_error *error)
{
	if (simvf_gen_rebuild(dev) == 0)
		return 0;
	return refuse(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "out of memory");
}

static int flow_validate(struct rte_eth_dev *eth, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
	struct rte_flow_error *error)
{
	struct rte_flow rule;

	return parse(eth->data->dev_private, attr, pattern, actions, &rule, error);
}

/* Behind all of the same priority. */
static void insert(struct simvf_dev *dev, struct rte_flow *rule)
{
	struct rte_flow *other;

	TAILQ_FOREACH (other, &dev->rules, next) {
		if (other->priority > rule->priority) {
			TAILQ_INSERT_BEFORE(other, rule, next);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&dev->rules, rule, next);
}

static struct rte_flow *flow_create(struct rte_eth_dev *eth, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
	struct rte_flow_error *error)
{
	struct simvf_dev *dev = eth->data->dev_private;
	struct rte_flow *rule = malloc(sizeof(*rule));

	if (rule == NULL) {
		refuse(error, ENOMEM, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, "out of memory");
		return NULL;
	}
	if (parse(dev, attr, pattern, actions, rule, error) < 0)
		goto free;
	if (dev->nb_rules == MAX_RULES) {
		refuse(error, ENOSPC, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, "too many rules");
		goto free;
	}
	simvf_lock(dev);
	insert(dev, rule);
	dev->nb_rules++;
	reclassify(dev, error);
	simvf_unlock(dev);
	return rule;

free:
	free(rule);
	return NULL;
}

static void remove_rule(struct simvf_dev *dev, struct rte_flow *rule)
{
	TAILQ_REMOVE(&dev->rules, rule, next);
	dev->nb_rules--;
	free(rule);
}

static int flow_destroy(
	struct rte_eth_dev *eth, struct rte_flow *rule, struct rte_flow_error *error)
{
	struct simvf_dev *dev = eth->data->dev_private;
	int ret;

	simvf_lock(dev);
	remove_rule(dev, rule);
	ret = reclassify(dev, error);
	simvf_unlock(dev);
	return ret;
}

void simvf_rules_flush(struct simvf_dev *dev)
{
	struct rte_flow *rule;

	while ((rule = TAILQ_FIRST(&dev->rules)) != NULL)
		remove_rule(dev, rule);
}

static int flow_flush(struct rte_eth_dev *eth, struct rte_flow_error *error)
{
	struct simvf_dev *dev = eth->data->dev_private;
	int ret;

	simvf_lock(dev);
	simvf_rules_flush(dev);
	ret = reclassify(dev, error);
	simvf_unlock(dev);
	return ret;
}

static const struct rte_flow_ops flow_ops = {
	.validate = flow_validate,
	.create = flow_create,
	.destroy = flow_destroy,
	.flush = flow_flush,
};

int simvf_flow_ops_get(struct rte_eth_dev *eth, const struct rte_flow_ops **ops)
{
	(void)eth;
	*ops = &flow_ops;
	return 0;
}
