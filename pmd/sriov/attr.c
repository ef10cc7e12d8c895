/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>

#include "pmd/sriov/claim_priv.h"

#define BIT(key) (1u << (key))

/* Of each key: its name in the configuration, and what a driver that cannot set it allows. */
static const struct {
	const char *name, *unsupported, *refused;
} words[PMD_VF_NB_KEYS] = {
	[PMD_VF_MAC] = { "mac", "no mac", "a unicast address that the NIC does not have already" },
	[PMD_VF_VLAN] = { "vlan", "0", "0 to 4094" },
	[PMD_VF_SPOOF_CHECK] = { "spoof_check", "on", "on, off" },
	[PMD_VF_TRUST] = { "trust", "off", "on, off" },
	[PMD_VF_LINK_STATE] = { "link_state", "auto", "auto, enable, disable" },
	[PMD_VF_RATE] = { "max_tx_rate", "0 (and min_tx_rate 0)",
		"0 to what the PF's link does, while it has a link" },
};

static bool same(enum pmd_vf_key key, const struct pmd_vf_attr *a, const struct pmd_vf_attr *b)
{
	switch (key) {
	case PMD_VF_MAC:
		return memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
	case PMD_VF_VLAN:
		/* Without a tag, what would stand in it does not matter. */
		return a->vlan == b->vlan &&
			(a->vlan == 0 || (a->qos == b->qos && a->vlan_proto == b->vlan_proto));
	case PMD_VF_SPOOF_CHECK:
		return a->spoof_check == b->spoof_check;
	case PMD_VF_TRUST:
		return a->trust == b->trust;
	case PMD_VF_LINK_STATE:
		return a->link_state == b->link_state;
	case PMD_VF_RATE:
		return a->max_tx_rate == b->max_tx_rate && a->min_tx_rate == b->min_tx_rate;
	case PMD_VF_NB_KEYS:
		break;
	}
	return true;
}

/* A driver that cannot set what nobody asked for is no error. */
static bool is_default(enum pmd_vf_key key, const struct pmd_vf_attr *attr)
{
	static const struct pmd_vf_attr none = { .spoof_check = true,
		.link_state = IFLA_VF_LINK_STATE_AUTO };

	return key != PMD_VF_MAC && same(key, attr, &none);
}

unsigned int pmd_attr_diff(const struct pmd_vf_attr *want, const struct pmd_vf_attr *now)
{
	unsigned int keys = 0;

	for (int key = 0; key < PMD_VF_NB_KEYS; key++)
		if ((want->known & BIT(key)) != 0 &&
			((now->known & BIT(key)) == 0 || !same((enum pmd_vf_key)key, want, now)))
			keys |= BIT(key);
	return keys;
}

static void copy(enum pmd_vf_key key, struct pmd_vf_attr *to, const struct pmd_vf_attr *from)
{
	switch (key) {
	case PMD_VF_MAC:
		memcpy(to->mac, from->mac, sizeof(to->mac));
		break;
	case PMD_VF_VLAN:
		to->vlan = from->vlan;
		to->qos = from->qos;
		to->vlan_proto = from->vlan_proto;
		break;
	case PMD_VF_SPOOF_CHECK:
		to->spoof_check = from->spoof_check;
		break;
	case PMD_VF_TRUST:
		to->trust = from->trust;
		break;
	case PMD_VF_LINK_STATE:
		to->link_state = from->link_state;
		break;
	case PMD_VF_RATE:
		to->max_tx_rate = from->max_tx_rate;
		to->min_tx_rate = from->min_tx_rate;
		break;
	case PMD_VF_NB_KEYS:
		return;
	}
	to->known |= BIT(key);
}

static void format(char buf[64], enum pmd_vf_key key, const struct pmd_vf_attr *attr)
{
	static const char *const link_states[] = { "auto", "enable", "disable" };
	const uint8_t *m = attr->mac;

	switch (key) {
	case PMD_VF_MAC:
		snprintf(buf, 64, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
			m[5]);
		break;
	case PMD_VF_VLAN:
		snprintf(buf, 64, "%u", attr->vlan);
		break;
	case PMD_VF_SPOOF_CHECK:
		snprintf(buf, 64, "%s", attr->spoof_check ? "on" : "off");
		break;
	case PMD_VF_TRUST:
		snprintf(buf, 64, "%s", attr->trust ? "on" : "off");
		break;
	case PMD_VF_LINK_STATE:
		snprintf(buf, 64, "%s", attr->link_state < 3 ? link_states[attr->link_state] : "?");
		break;
	case PMD_VF_RATE:
		snprintf(buf, 64, "%u (min_tx_rate %u)", attr->max_tx_rate, attr->min_tx_rate);
		break;
	case PMD_VF_NB_KEYS:
		buf[0] = '\0';
		break;
	}
}

unsigned int pmd_attr_plan(struct pmd_vf_claim *c, struct pmd_vf_attr *now)
{
	char why[PMD_SRIOV_WHY_LEN] = "";
	unsigned int keys;

	*now = (struct pmd_vf_attr){ 0 };
	/* What cannot be read is set all the same; an error is found then, and has a key. */
	if (c->pf.ifindex != 0)
		pmd_sriov_env.vf_get(c->pf.ifindex, (unsigned int)c->index, now, why);
	/* Set by a vfringd that died, and not asked for any more: as it was. */
	for (int key = 0; key < PMD_VF_NB_KEYS; key++)
		if ((c->st.attr.known & BIT(key)) != 0 && (c->conf.attr.known & BIT(key)) == 0)
			copy((enum pmd_vf_key)key, &c->conf.attr, &c->st.attr);
	keys = pmd_attr_diff(&c->conf.attr, now);
	for (int key = 0; key < PMD_VF_NB_KEYS; key++)
		if ((keys & now->known & ~c->st.attr.known & BIT(key)) != 0) {
			copy((enum pmd_vf_key)key, &c->st.attr, now);
			if (key == PMD_VF_MAC && c->st.has_own_mac)
				memset(c->st.attr.mac, 0, sizeof(c->st.attr.mac));
		}
	return keys;
}

/*
 * Drivers compare a rate with the speed of the PF's link (igb), and the link is down for seconds
 * after VFs have been enabled. Returns whether it is up, or has come up in time.
 */
static bool wait_for_link(const struct pmd_pf *pf)
{
	uint64_t end = pmd_sriov_now_ms() + pmd_sriov_env.wait_ms;
	unsigned long carrier;

	while (pf->up && pmd_sriov_now_ms() < end) {
		carrier = 0;
		pmd_sysfs_number(&carrier, PMD_PCI_FILE("net/%s/carrier"), pf->pci, pf->netdev);
		if (carrier != 0)
			return true;
		pmd_sriov_pause();
	}
	return false;
}

/* Which of the two it is, and what is allowed then. */
static const char *rate_trouble(
	const struct pmd_vf_claim *c, char value[64], char allowed[64], const char **name)
{
	struct pmd_vf_attr attr = c->conf.attr;
	char why[PMD_SRIOV_WHY_LEN];
	unsigned long speed = 0;

	*name = "max_tx_rate";
	snprintf(value, 64, "%u", attr.max_tx_rate);
	attr.min_tx_rate = 0;
	if (c->conf.attr.min_tx_rate != 0 &&
		pmd_sriov_env.vf_set(
			c->pf.ifindex, (unsigned int)c->index, PMD_VF_RATE, &attr, why) == 0) {
		*name = "min_tx_rate";
		snprintf(value, 64, "%u", c->conf.attr.min_tx_rate);
		return "0, or what this NIC can guarantee";
	}
	pmd_sysfs_number(&speed, PMD_PCI_FILE("net/%s/speed"), c->pf.pci, c->pf.netdev);
	if (speed == 0 || attr.max_tx_rate <= speed)
		return words[PMD_VF_RATE].refused;
	snprintf(allowed, 64, "0 to %lu, the speed of the PF's link", speed);
	return allowed;
}

static bool set(const struct pmd_vf_claim *c, enum pmd_vf_key key, bool reported)
{
	const char *name = words[key].name, *allowed = words[key].refused;
	char why[PMD_SRIOV_WHY_LEN] = "", value[64], buf[64];
	int ret;

	format(value, key, &c->conf.attr);
	if (c->pf.ifindex == 0) {
		if (is_default(key, &c->conf.attr))
			return true;
		PMD_LOG(ERR,
			"[port %s] %s: found %s; the PF %s has no netdev to set it by (driver %s); "
			"allowed then: %s",
			c->conf.port, words[key].name, value, c->conf.pf,
			c->pf.driver[0] != '\0' ? c->pf.driver : "none", words[key].unsupported);
		return false;
	}
	ret = pmd_sriov_env.vf_set(c->pf.ifindex, (unsigned int)c->index, key, &c->conf.attr, why);
	if (ret == -EINVAL && key == PMD_VF_RATE && wait_for_link(&c->pf))
		ret = pmd_sriov_env.vf_set(
			c->pf.ifindex, (unsigned int)c->index, key, &c->conf.attr, why);
	if (ret == 0)
		return true;
	if (ret == -EOPNOTSUPP && !reported && is_default(key, &c->conf.attr))
		return true;
	if (ret == -EOPNOTSUPP)
		allowed = words[key].unsupported;
	else if (key == PMD_VF_RATE)
		allowed = rate_trouble(c, value, buf, &name);
	PMD_LOG(ERR,
		"[port %s] %s: found %s; the PF's driver %s refuses it for %s (%s); allowed: %s",
		c->conf.port, name, value, c->pf.driver, c->name, why, allowed);
	return false;
}

unsigned int pmd_attr_apply(const struct pmd_vf_claim *c, unsigned int keys, unsigned int reported)
{
	unsigned int errors = 0;

	for (int key = 0; key < PMD_VF_NB_KEYS; key++)
		if ((keys & BIT(key)) != 0 &&
			!set(c, (enum pmd_vf_key)key, (reported & BIT(key)) != 0))
			errors++;
	return errors;
}

void pmd_attr_restore(const struct pmd_vf_state *st, const struct pmd_pf *pf)
{
	char why[PMD_SRIOV_WHY_LEN] = "", value[64];
	struct pmd_vf_attr now = { 0 };
	unsigned int keys;

	if (st->attr.known == 0)
		return;
	if (pf->ifindex == 0) {
		PMD_LOG(WARNING, "VF %s: its PF %s has no netdev now: its attributes stay", st->pci,
			st->pf);
		return;
	}
	pmd_sriov_env.vf_get(pf->ifindex, st->index, &now, why);
	keys = pmd_attr_diff(&st->attr, &now);
	for (int key = 0; key < PMD_VF_NB_KEYS; key++) {
		if ((keys & BIT(key)) == 0 ||
			pmd_sriov_env.vf_set(
				pf->ifindex, st->index, (enum pmd_vf_key)key, &st->attr, why) == 0)
			continue;
		format(value, (enum pmd_vf_key)key, &st->attr);
		PMD_LOG(WARNING, "VF %u of %s: %s cannot be set back to %s: %s", st->index,
			pf->netdev, words[key].name, value, why);
	}
}
