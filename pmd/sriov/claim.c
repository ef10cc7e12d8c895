/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd/sriov/claim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pmd/sriov/claim_priv.h"

static const char *pf_name(const struct pmd_pf *pf)
{
	return pf->netdev[0] != '\0' ? pf->netdev : pf->pci;
}

static void free_all(struct pmd_sriov *s)
{
	for (unsigned int i = 0; i < s->nb; i++) {
		struct pmd_vf_conf *conf = &s->claims[i].conf;

		free((char *)(uintptr_t)conf->port);
		free((char *)(uintptr_t)conf->pf);
		free((char *)(uintptr_t)conf->container);
		free((char *)(uintptr_t)conf->netns);
		free((char *)(uintptr_t)conf->ifname);
	}
	free(s->claims);
	free(s);
}

static bool copy_conf(struct pmd_vf_claim *c, const struct pmd_vf_conf *conf)
{
	c->fd = -1;
	c->index = -1;
	c->place = PMD_VF_WAITING;
	c->conf = *conf;
	c->asked = conf->attr;
	c->conf.port = strdup(conf->port);
	c->conf.pf = strdup(conf->pf != NULL ? conf->pf : "");
	c->conf.container = strdup(conf->container != NULL ? conf->container : "");
	c->conf.netns = strdup(conf->netns != NULL ? conf->netns : "");
	c->conf.ifname = strdup(conf->ifname != NULL ? conf->ifname : "");
	if (c->conf.port == NULL || c->conf.pf == NULL || c->conf.container == NULL ||
		c->conf.netns == NULL || c->conf.ifname == NULL)
		return false;
	c->wanted = c->conf.pf[0] != '\0';
	if (conf->index == PMD_VF_AUTO)
		snprintf(c->found, sizeof(c->found), "pf:%.31s,vf=auto", c->conf.pf);
	else
		snprintf(c->found, sizeof(c->found), "pf:%.31s,vf=%d", c->conf.pf, conf->index);
	return true;
}

static struct pmd_sriov *make(const struct pmd_vf_conf *conf, unsigned int nb, const char *instance)
{
	struct pmd_sriov *s = calloc(1, sizeof(*s));
	bool good = true;

	if (s == NULL)
		return NULL;
	snprintf(s->instance, sizeof(s->instance), "%s", instance);
	s->claims = calloc(nb + 1, sizeof(*s->claims));
	if (s->claims == NULL) {
		free(s);
		return NULL;
	}
	s->nb = nb;
	for (unsigned int i = 0; i < nb; i++)
		good = copy_conf(&s->claims[i], &conf[i]) && good;
	if (good)
		return s;
	free_all(s);
	return NULL;
}

/*
 * What a vfringd that died has left: what this configuration claims is taken over, with the values
 * that its file has; the rest is undone, also so that its VFs are free for `auto`.
 */
static int clean_up(struct pmd_sriov *s)
{
	struct pmd_sysfs_names pcis;
	int ret = pmd_state_vfs(&pcis);

	for (unsigned int i = 0; ret >= 0 && i < pcis.nb; i++) {
		struct pmd_vf_claim *c;
		struct pmd_vf_state st;
		int fd = -1;

		if (pmd_state_vf_read(pcis.name[i], &st) < 0 || st.locked)
			continue;
		c = st.damaged ? NULL : pmd_pick_claim_of(s, &st);
		if (c != NULL && pmd_vf_present(st.pci) && pmd_undo_same(&st)) {
			c->index = (int)st.index;
			continue;
		}
		PMD_LOG(NOTICE, "VF %s: left by a vfringd that died (instance %s, port %s)", st.pci,
			st.instance[0] != '\0' ? st.instance : "?",
			st.port[0] != '\0' ? st.port : "?");
		pmd_undo_vf(&st, fd);
	}
	pmd_sysfs_names_free(&pcis);
	return ret < 0 ? ret : 0;
}

static bool uses_pf(const struct pmd_sriov *s, const char *pci)
{
	for (unsigned int i = 0; i < s->nb; i++)
		if (s->claims[i].wanted && strcmp(s->claims[i].pf.pci, pci) == 0)
			return true;
	return false;
}

/* VFs that we enabled and of which nobody uses one. but: PFs that this configuration wants. */
static void disable_pfs(const struct pmd_sriov *but)
{
	struct pmd_sysfs_names pcis;

	if (pmd_state_pfs(&pcis) > 0)
		for (unsigned int i = pcis.nb; i-- > 0;)
			if (but == NULL || !uses_pf(but, pcis.name[i]))
				pmd_pf_disable(pcis.name[i]);
	pmd_sysfs_names_free(&pcis);
}

static void set_pf(struct pmd_sriov *s, const struct pmd_pf *pf)
{
	for (unsigned int i = 0; i < s->nb; i++)
		if (strcmp(s->claims[i].pf.pci, pf->pci) == 0) {
			s->claims[i].pf.nb_vfs = pf->nb_vfs;
			s->claims[i].pf.autoprobe = pf->autoprobe;
		}
}

/*
 * Enabled by a vfringd, too few now, and used by nobody: then they may go, and come back as more.
 * What is left of claims on them is undone first.
 */
static void drop_few(struct pmd_sriov *s, const struct pmd_openers *openers)
{
	for (unsigned int i = 0; i < s->nb; i++) {
		struct pmd_pf pf = s->claims[i].pf;
		struct pmd_vf_state st;
		struct pmd_vf vf;
		char why[PMD_SRIOV_WHY_LEN];

		if (!s->claims[i].wanted || pf.nb_vfs == 0 ||
			pmd_pick_needed(s, pf.pci) <= pf.nb_vfs || !pmd_pf_unused(&pf, openers))
			continue;
		for (unsigned int v = 0; v < pf.nb_vfs; v++)
			if (pmd_vf_get(&pf, v, NULL, &vf) == 0 &&
				pmd_state_vf_read(vf.pci, &st) == 0 && !st.locked)
				pmd_undo_vf(&st, -1);
		pmd_pf_disable(pf.pci);
		if (pmd_pf_get(s->claims[i].pf.pci, &pf, why) == 0)
			set_pf(s, &pf);
		for (unsigned int p = 0; p < s->nb; p++) /* chosen for being left there */
			if (s->claims[p].conf.index == PMD_VF_AUTO &&
				strcmp(s->claims[p].pf.pci, pf.pci) == 0)
				s->claims[p].index = -1;
	}
}

static unsigned int enable_pfs(struct pmd_sriov *s)
{
	char why[PMD_LONG_WHY_LEN];
	unsigned int errors = 0;

	for (unsigned int i = 0; i < s->nb; i++) {
		struct pmd_vf_claim *c = &s->claims[i];
		struct pmd_pf pf = c->pf;

		if (!c->wanted)
			continue;
		if (pf.nb_vfs > 0) {
			pmd_pf_adopt(&pf);
			set_pf(s, &pf);
			continue;
		}
		if (pmd_pf_enable(&pf, pmd_pick_needed(s, pf.pci), why) < 0) {
			CLAIM_ERR(c, "device", "found %s: %s: %s", c->found, pf_name(&pf), why);
			errors++;
		}
		set_pf(s, &pf);
	}
	return errors;
}

static void name_vf(struct pmd_vf_claim *c)
{
	struct pmd_vf vf;

	if (pmd_vf_get(&c->pf, (unsigned int)c->index, NULL, &vf) == 0)
		memcpy(c->pci, vf.pci, sizeof(c->pci));
	snprintf(c->name, sizeof(c->name), "VF %d of %s (%s)", c->index, pf_name(&c->pf), c->pci);
}

/* Claims one, or with NULL all. The VFs that are to be on vfio-pci may share IOMMU groups. */
static unsigned int claim_named(struct pmd_sriov *s, struct pmd_vf_claim *one)
{
	const char **ours = calloc(s->nb + 1, sizeof(*ours));
	unsigned int errors = 0, nb = 0;

	if (ours == NULL)
		return 1;
	for (unsigned int i = 0; i < s->nb; i++)
		if (s->claims[i].wanted && s->claims[i].conf.kind == PMD_VF_DPDK)
			ours[nb++] = s->claims[i].pci;
	for (unsigned int i = 0; i < s->nb; i++)
		if (s->claims[i].wanted && (one == NULL || one == &s->claims[i]))
			errors += pmd_claim_vf(s, &s->claims[i], ours, nb);
	free(ours);
	return errors;
}

static unsigned int claim_each(struct pmd_sriov *s)
{
	for (unsigned int i = 0; i < s->nb; i++)
		if (s->claims[i].wanted)
			name_vf(&s->claims[i]);
	return claim_named(s, NULL);
}

unsigned int pmd_claim_one(struct pmd_sriov *s, struct pmd_vf_claim *c)
{
	name_vf(c);
	return claim_named(s, c);
}

static void give_back(struct pmd_sriov *s)
{
	for (unsigned int i = s->nb; i-- > 0;) {
		struct pmd_vf_claim *c = &s->claims[i];

		if (c->claimed)
			pmd_undo_vf(&c->st, c->fd);
		c->claimed = false;
		c->fd = -1;
	}
	disable_pfs(NULL);
}

/* Number of errors. What has been done until then is given back by the caller. */
static unsigned int claim_all(struct pmd_sriov *s)
{
	unsigned int errors = pmd_pick_pfs(s);
	struct pmd_openers openers;

	if (clean_up(s) < 0)
		return errors + 1;
	if (pmd_openers_get(&openers) < 0) {
		pmd_openers_free(&openers);
		return errors + 1;
	}
	if (errors == 0)
		drop_few(s, &openers);
	errors += pmd_pick_vfs(s, &openers);
	if (errors == 0)
		errors = enable_pfs(s);
	/* Those that have been enabled just now. */
	if (errors == 0)
		errors = pmd_pick_vfs(s, &openers);
	if (errors == 0)
		errors = claim_each(s);
	pmd_openers_free(&openers);
	return errors;
}

int pmd_sriov_claim(const struct pmd_vf_conf *conf, unsigned int nb, const char *instance,
	struct pmd_sriov **out)
{
	struct pmd_sriov *s = make(conf, nb, instance);
	unsigned int errors, wanted = 0;
	int lock;

	*out = NULL;
	if (s == NULL) {
		PMD_LOG(ERR, "no memory for VFs");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < nb; i++)
		wanted += s->claims[i].wanted;
	/* Not even a folder, for those who have no VFs. */
	if (wanted == 0 && !pmd_sysfs_exists("%s", pmd_sriov_env.state)) {
		*out = s;
		return 0;
	}
	lock = pmd_state_lock();
	if (lock < 0) {
		PMD_LOG(ERR, "cannot lock %s/lock: %s%s", pmd_sriov_env.state, strerror(-lock),
			lock == -EBUSY ? " (another vfringd claims or gives back VFs)" : "");
		/* Without a wish, what others have left is not worth a failed start. */
		*out = wanted == 0 ? s : NULL;
		if (wanted != 0)
			free_all(s);
		return wanted == 0 ? 0 : lock;
	}
	errors = claim_all(s);
	if (errors != 0)
		give_back(s);
	else
		disable_pfs(s);
	pmd_state_unlock(lock);
	if (errors == 0) {
		*out = s;
		return 0;
	}
	free_all(s);
	return -EINVAL;
}

void pmd_sriov_release(struct pmd_sriov *s)
{
	bool any = false;
	int lock;

	if (s == NULL)
		return;
	for (unsigned int i = 0; i < s->nb; i++)
		any = any || s->claims[i].claimed;
	if (any) {
		lock = pmd_state_lock();
		if (lock < 0)
			PMD_LOG(WARNING, "cannot lock %s/lock: %s; VFs are given back without",
				pmd_sriov_env.state, strerror(-lock));
		give_back(s);
		pmd_state_unlock(lock);
	}
	free_all(s);
}

static const struct pmd_vf_claim *claim_of(const struct pmd_sriov *s, unsigned int port)
{
	return s != NULL && port < s->nb && s->claims[port].claimed ? &s->claims[port] : NULL;
}

const char *pmd_sriov_pci(const struct pmd_sriov *s, unsigned int port)
{
	const struct pmd_vf_claim *c = claim_of(s, port);

	return c != NULL ? c->pci : NULL;
}

const char *pmd_sriov_name(const struct pmd_sriov *s, unsigned int port)
{
	const struct pmd_vf_claim *c = claim_of(s, port);

	return c != NULL ? c->name : NULL;
}
