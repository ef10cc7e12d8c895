/* SPDX-License-Identifier: BSD-3-Clause */
/* Which VF for whom, as far as that can be said before anything is changed. */
#include <errno.h>
#include <string.h>

#include "pmd/sriov/claim_priv.h"

unsigned int pmd_pick_pfs(struct pmd_sriov *s)
{
	char why[PMD_SRIOV_WHY_LEN];
	unsigned int errors = 0;

	for (unsigned int i = 0; i < s->nb; i++) {
		struct pmd_vf_claim *c = &s->claims[i];

		if (!c->wanted)
			continue;
		if (pmd_pf_get(c->conf.pf, &c->pf, why) < 0) {
			CLAIM_ERR(c, "device", "found %s: %s", c->found, why);
			c->wanted = false;
			errors++;
			continue;
		}
		if (c->conf.index != PMD_VF_AUTO)
			c->index = c->conf.index;
		if (c->pf.netdev[0] != '\0' && !c->pf.up)
			PMD_LOG(WARNING, "[port %s] device: the PF %s is down: so may be its VFs",
				c->conf.port, c->pf.netdev);
	}
	return errors;
}

/* Ports of this PF. */
#define FOREACH_OF(s, pf_pci, c)                                                                   \
	for (struct pmd_vf_claim *c = (s)->claims; c < (s)->claims + (s)->nb; c++)                 \
		if (c->wanted && strcmp(c->pf.pci, pf_pci) == 0)

unsigned int pmd_pick_needed(const struct pmd_sriov *s, const char *pf)
{
	unsigned int ports = 0, highest = 0;

	FOREACH_OF(s, pf, c)
	{
		ports++;
		if (c->conf.index != PMD_VF_AUTO && (unsigned int)c->conf.index + 1 > highest)
			highest = (unsigned int)c->conf.index + 1;
	}
	return ports > highest ? ports : highest;
}

struct pmd_vf_claim *pmd_pick_claim_of(struct pmd_sriov *s, const struct pmd_vf_state *st)
{
	FOREACH_OF(s, st->pf, c)
	if (c->conf.index != PMD_VF_AUTO && (unsigned int)c->conf.index == st->index)
		return c;
	FOREACH_OF(s, st->pf, c)
	if (c->conf.index == PMD_VF_AUTO && c->index < 0 &&
		strcmp(s->instance, st->instance) == 0 && strcmp(c->conf.port, st->port) == 0)
		return c;
	return NULL;
}

static bool is_taken(const struct pmd_sriov *s, const struct pmd_vf_claim *but, unsigned int index)
{
	FOREACH_OF(s, but->pf.pci, c)
	if (c != but && c->index == (int)index)
		return true;
	return false;
}

/* Ours to take over, if whoever had it is dead: whatever it looks like now, it was free before. */
static bool is_left_to(struct pmd_sriov *s, const struct pmd_vf *vf, const struct pmd_vf_claim *c)
{
	struct pmd_vf_state st;

	return vf->use != PMD_VF_OPEN && pmd_state_vf_read(vf->pci, &st) == 0 && !st.locked &&
		strcmp(st.pf, c->pf.pci) == 0 && st.index == vf->index &&
		pmd_pick_claim_of(s, &st) == c;
}

static unsigned int check_fixed(
	struct pmd_sriov *s, struct pmd_vf_claim *c, const struct pmd_openers *openers)
{
	struct pmd_vf vf;

	if (pmd_vf_get(&c->pf, (unsigned int)c->index, openers, &vf) < 0) {
		CLAIM_ERR(c, "device", "found %s: the kernel shows no such VF of %s", c->found,
			c->pf.pci);
		return 1;
	}
	if (vf.use == PMD_VF_FREE || vf.use == PMD_VF_PREPARED || is_left_to(s, &vf, c))
		return 0;
	CLAIM_ERR(c, "device", "found %s: VF %u (%s) is in use: %s; allowed is a VF that is free",
		c->found, vf.index, vf.pci, vf.user);
	return 1;
}

/* One that somebody has bound to vfio-pci, and nobody opened, comes last: he may want it. */
static int find_auto(struct pmd_sriov *s, struct pmd_vf_claim *c, const struct pmd_openers *openers,
	char *users, size_t room)
{
	int prepared = -1;
	size_t len = 0;
	struct pmd_vf vf;

	users[0] = '\0';
	for (unsigned int i = 0; i < c->pf.nb_vfs; i++) {
		if (is_taken(s, c, i) || pmd_vf_get(&c->pf, i, openers, &vf) < 0)
			continue;
		if (vf.use == PMD_VF_FREE)
			return (int)i;
		if (vf.use == PMD_VF_PREPARED && prepared < 0)
			prepared = (int)i;
		if (len < room)
			len += (size_t)snprintf(users + len, room - len, "%sVF %u: %s",
				len > 0 ? "; " : "", i, vf.user);
	}
	return prepared;
}

static unsigned int choose_auto(
	struct pmd_sriov *s, struct pmd_vf_claim *c, const struct pmd_openers *openers)
{
	char users[PMD_LONG_WHY_LEN];
	const char *pf = c->pf.netdev[0] != '\0' ? c->pf.netdev : c->pf.pci;

	c->index = find_auto(s, c, openers, users, sizeof(users));
	if (c->index >= 0)
		return 0;
	CLAIM_ERR(c, "device",
		"found %s: none of the %u VF(s) of %s is free (%s); %u are needed. More would "
		"reset "
		"those in use: stop who uses them, then echo 0 > "
		"/sys/bus/pci/devices/%s/sriov_numvfs",
		c->found, c->pf.nb_vfs, pf,
		users[0] != '\0' ? users : "other ports of this configuration have them",
		pmd_pick_needed(s, c->pf.pci), c->pf.pci);
	return 1;
}

/* The index itself, before anything else. */
static unsigned int check_number(const struct pmd_sriov *s, struct pmd_vf_claim *c)
{
	unsigned int needed = pmd_pick_needed(s, c->pf.pci);
	const char *pf = c->pf.netdev[0] != '\0' ? c->pf.netdev : c->pf.pci;

	for (const struct pmd_vf_claim *o = s->claims; o < c; o++)
		if (o->wanted && o->conf.index != PMD_VF_AUTO && o->conf.index == c->conf.index &&
			strcmp(o->pf.pci, c->pf.pci) == 0) {
			CLAIM_ERR(c, "device",
				"found %s: that is [port %s]'s already; allowed is "
				"another VF",
				c->found, o->conf.port);
			return 1;
		}
	if (c->conf.index != PMD_VF_AUTO && (unsigned int)c->conf.index >= c->pf.max_vfs) {
		CLAIM_ERR(c, "device", "found %s: %s can have %u VF(s), allowed are 0 to %d",
			c->found, pf, c->pf.max_vfs, (int)c->pf.max_vfs - 1);
		return 1;
	}
	if (c->conf.index == PMD_VF_AUTO && needed > c->pf.max_vfs) {
		CLAIM_ERR(c, "device", "found %s: %u VF(s) of %s are needed, allowed are %u",
			c->found, needed, pf, c->pf.max_vfs);
		return 1;
	}
	if (c->pf.nb_vfs > 0 && c->conf.index != PMD_VF_AUTO &&
		(unsigned int)c->conf.index >= c->pf.nb_vfs) {
		CLAIM_ERR(c, "device",
			"found %s: %s has %u VF(s), allowed are 0 to %u; %u are needed, and "
			"raising "
			"the number would reset those that exist. If nobody uses them: echo 0 > "
			"/sys/bus/pci/devices/%s/sriov_numvfs",
			c->found, pf, c->pf.nb_vfs, c->pf.nb_vfs - 1, needed, c->pf.pci);
		return 1;
	}
	return 0;
}

/* Where the PF has no IOMMU group, its VFs will have none: enabling them would be for nothing. */
static unsigned int check_iommu(struct pmd_vf_claim *c)
{
	char why[PMD_LONG_WHY_LEN];

	if (c->conf.kind != PMD_VF_DPDK || c->pf.nb_vfs > 0 ||
		pmd_vf_iommu_check(c->pf.pci, NULL, 0, why, sizeof(why)) != -ENOTSUP)
		return 0;
	CLAIM_ERR(c, "device", "found %s: the PF %s %s", c->found, c->pf.pci, why);
	return 1;
}

unsigned int pmd_pick_vfs(struct pmd_sriov *s, const struct pmd_openers *openers)
{
	unsigned int errors = 0;

	/* Those with a number first: auto is to leave them theirs. */
	for (unsigned int i = 0; i < s->nb; i++) {
		struct pmd_vf_claim *c = &s->claims[i];
		unsigned int bad;

		if (!c->wanted)
			continue;
		bad = check_number(s, c);
		if (bad == 0)
			bad = check_iommu(c);
		if (bad == 0 && c->conf.index != PMD_VF_AUTO && c->pf.nb_vfs > 0)
			bad = check_fixed(s, c, openers);
		if (bad != 0)
			c->wanted = false;
		errors += bad;
	}
	for (unsigned int i = 0; i < s->nb; i++) {
		struct pmd_vf_claim *c = &s->claims[i];

		if (c->wanted && c->index < 0 && c->pf.nb_vfs > 0)
			errors += choose_auto(s, c, openers);
	}
	return errors;
}
