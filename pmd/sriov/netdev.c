/* SPDX-License-Identifier: BSD-3-Clause */
/* The netdev of a VF in a container's namespace. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pmd/sriov/claim_priv.h"

/* The path is a container's or its runtime's: what is not a network namespace is not touched. */
static int open_netns(const char *path, struct stat *st, char why[PMD_LONG_WHY_LEN])
{
	struct statfs fs;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		snprintf(why, PMD_LONG_WHY_LEN, "%s: %s", path, strerror(errno));
		return -errno;
	}
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC || fstat(fd, st) < 0) {
		snprintf(why, PMD_LONG_WHY_LEN,
			"%s is no namespace; allowed is a file as /run/netns/NAME or "
			"/proc/PID/ns/net",
			path);
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static int own_netns(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A name for it at home that nobody has there: its own, or one that is sure to be free. */
static void home_name(const struct pmd_vf_state *st, unsigned int index, char name[IF_NAMESIZE])
{
	struct pmd_link link;
	struct pmd_nl *nl;
	bool taken;

	snprintf(name, IF_NAMESIZE, "%s", st->netdev);
	if (pmd_nl_open(-1, &nl) < 0)
		return;
	taken = name[0] == '\0' || pmd_nl_link_get(nl, name, &link) == 0;
	for (unsigned int i = index; taken; i++) {
		snprintf(name, IF_NAMESIZE, "vf%u", i);
		taken = pmd_nl_link_get(nl, name, &link) == 0;
	}
	pmd_nl_close(nl);
}

int pmd_netdev_fetch(const struct pmd_vf_state *st, char why[PMD_LONG_WHY_LEN])
{
	char netdev[IF_NAMESIZE];
	struct pmd_nl *there = NULL;
	struct pmd_link link;
	struct stat file;
	int fd, own, ret;

	pmd_pci_netdev(st->pci, netdev);
	if (netdev[0] != '\0')
		return 0;
	fd = open_netns(st->netns, &file, why);
	if (fd < 0)
		return fd;
	own = own_netns();
	ret = own < 0 ? -errno : pmd_nl_open(fd, &there);
	if (ret == 0)
		ret = pmd_nl_link_find(there, st->pci, &link);
	if (ret == 0) {
		home_name(st, link.index, netdev);
		ret = pmd_nl_link_move(there, link.index, own, netdev);
	}
	if (ret < 0)
		snprintf(why, PMD_LONG_WHY_LEN, "%s: %s", st->netns,
			there != NULL && pmd_nl_why(there)[0] != '\0' ? pmd_nl_why(there)
								      : strerror(-ret));
	pmd_nl_close(there);
	if (own >= 0)
		close(own);
	close(fd);
	return ret;
}

static enum pmd_vf_place tell(struct pmd_vf_claim *c, enum pmd_vf_place place, const char *why)
{
	if (strcmp(c->told, why) != 0) {
		snprintf(c->told, sizeof(c->told), "%s", why);
		if (place == PMD_VF_WAITING)
			PMD_LOG(NOTICE, "[container %s] netns: waiting: %s", c->conf.container,
				why);
		else
			PMD_LOG(ERR, "[container %s] netns: %s", c->conf.container, why);
	}
	c->place = place;
	return place;
}

/* Named, addressed and up, or the reason why not. */
static int set_up(struct pmd_vf_claim *c, struct pmd_nl *there, struct pmd_link *link)
{
	int ret = 0;

	if (c->conf.family != 0)
		ret = pmd_nl_addr_add(
			there, link->index, c->conf.family, c->conf.prefix, c->conf.address);
	if (ret == 0)
		ret = pmd_nl_link_set_up(there, link->index, true);
	return ret;
}

/* From our namespace into the one behind fd. */
static int move_in(struct pmd_vf_claim *c, int fd, const char *netdev, char why[PMD_LONG_WHY_LEN])
{
	struct pmd_nl *here = NULL, *there = NULL;
	struct pmd_link link;
	int ret = pmd_nl_open(-1, &here), own;

	if (ret == 0)
		ret = pmd_nl_open(fd, &there);
	if (ret < 0) {
		snprintf(why, PMD_LONG_WHY_LEN, "%s: %s", c->conf.netns, strerror(-ret));
		goto out;
	}
	ret = pmd_nl_link_get(here, netdev, &link);
	if (ret == 0)
		ret = pmd_nl_link_move(here, link.index, fd, c->conf.ifname);
	if (ret < 0) {
		snprintf(why, PMD_LONG_WHY_LEN, "%s cannot be moved to %s as %s: %s", netdev,
			c->conf.netns, c->conf.ifname, pmd_nl_why(here));
		goto out;
	}
	ret = pmd_nl_link_get(there, c->conf.ifname, &link);
	if (ret == 0)
		ret = set_up(c, there, &link);
	if (ret < 0) {
		snprintf(why, PMD_LONG_WHY_LEN, "%s cannot be set up in %s: %s", c->conf.ifname,
			c->conf.netns, pmd_nl_why(there));
		/* Half of it is of no use to anybody. */
		own = own_netns();
		if (own >= 0) {
			pmd_nl_link_move(there, link.index, own, netdev);
			close(own);
		}
	}
out:
	pmd_nl_close(there);
	pmd_nl_close(here);
	return ret;
}

/*
 * Its driver bound anew, it has a new netdev here; what asks next finds that, with some drivers a
 * while later (iavf). Not at each tick, either, if no driver takes it.
 */
static enum pmd_vf_place rebind(struct pmd_vf_claim *c)
{
	char why[PMD_LONG_WHY_LEN];

	if (c->rebound_ms != 0 && pmd_sriov_now_ms() - c->rebound_ms < pmd_sriov_env.wait_ms)
		return c->place == PMD_VF_FAILED ? PMD_VF_FAILED : PMD_VF_WAITING;
	c->rebound_ms = pmd_sriov_now_ms();
	if (pmd_bind_none(c->pci, why) < 0 || pmd_bind_kernel(c->pci, c->pf.pci, NULL, why) < 0)
		return tell(c, PMD_VF_FAILED, why);
	return PMD_VF_WAITING;
}

/* The PF has one for it, and its driver has not got it. */
static bool lacks_mac(const struct pmd_vf_claim *c, const char *netdev)
{
	static const uint8_t none[6];
	uint8_t mac[6];

	return (c->conf.attr.known & 1u << PMD_VF_MAC) != 0 &&
		memcmp(c->conf.attr.mac, none, sizeof(none)) != 0 &&
		pmd_pci_own_mac(c->pci, netdev, mac);
}

/* And it is worth another try. */
static bool is_without_mac(struct pmd_vf_claim *c, const char *netdev)
{
	if (c->retries > PMD_BIND_RETRIES || !lacks_mac(c, netdev))
		return false;
	if (c->retries < PMD_BIND_RETRIES)
		return true;
	c->retries++; /* said once */
	PMD_LOG(WARNING, "[container %s] %s has not got its MAC address from the PF",
		c->conf.container, c->name);
	return false;
}

static enum pmd_vf_place rebind_for_mac(struct pmd_vf_claim *c)
{
	if (c->rebound_ms != 0 &&
		pmd_sriov_now_ms() - c->rebound_ms < pmd_bind_pause_ms(c->retries))
		return PMD_VF_WAITING;
	c->retries++;
	PMD_LOG(NOTICE, "[container %s] the driver of %s has made a MAC address up: bound again",
		c->conf.container, c->name);
	c->rebound_ms = 0;
	return rebind(c);
}

/*
 * Not here. There already, since a vfringd before us has put it there? Else in a namespace to which
 * no path leads any more.
 */
static enum pmd_vf_place search(struct pmd_vf_claim *c, int fd)
{
	struct pmd_link link;
	struct pmd_nl *there;
	int ret;

	if (fd >= 0 && pmd_nl_open(fd, &there) == 0) {
		ret = pmd_nl_link_find(there, c->pci, &link);
		if (ret == 0)
			ret = set_up(c, there, &link);
		pmd_nl_close(there);
		if (ret == 0)
			return PMD_VF_PLACED;
	}
	return rebind(c);
}

static enum pmd_vf_place place(struct pmd_vf_claim *c)
{
	char netdev[IF_NAMESIZE], why[PMD_LONG_WHY_LEN];
	enum pmd_vf_place ret;
	struct stat file;
	int fd;

	pmd_pci_netdev(c->pci, netdev);
	fd = open_netns(c->conf.netns, &file, why);
	/*
	 * The path is gone, but not the netdev with it: processes live on in the namespace. It is
	 * theirs until they end; then it comes home by itself.
	 */
	if (fd < 0 && netdev[0] == '\0' && c->place == PMD_VF_PLACED)
		return PMD_VF_PLACED;
	if (fd < 0) {
		/* `ip netns add` makes an empty file, and then mounts the namespace on it. */
		bool twice = c->place == PMD_VF_FAILED || c->odd_path;

		c->odd_path = fd != -ENOENT;
		return tell(c, c->odd_path && twice ? PMD_VF_FAILED : PMD_VF_WAITING,
			c->odd_path && !twice ? c->told : why);
	}
	c->odd_path = false;
	if (netdev[0] == '\0' && c->netns_ino == file.st_ino && c->netns_dev == file.st_dev) {
		close(fd);
		return PMD_VF_PLACED;
	}
	if (netdev[0] == '\0')
		ret = search(c, fd);
	else if (is_without_mac(c, netdev))
		ret = rebind_for_mac(c);
	else if (move_in(c, fd, netdev, why) < 0)
		ret = tell(c, PMD_VF_FAILED, why);
	else
		ret = PMD_VF_PLACED;
	if (ret == PMD_VF_PLACED) {
		c->rebound_ms = 0;
		c->retries = 0;
		c->netns_dev = file.st_dev;
		c->netns_ino = file.st_ino;
		c->told[0] = '\0';
		PMD_LOG(NOTICE, "[container %s] %s is %s in %s", c->conf.container, c->name,
			c->conf.ifname, c->conf.netns);
	}
	close(fd);
	return ret;
}

static bool come_again(struct pmd_sriov *s, struct pmd_vf_claim *c, unsigned int port)
{
	if (c->claimed && !pmd_claim_lost(c)) /* it did not answer for a while */
		return pmd_vf_present(c->pci);
	if (pmd_sriov_again(s, port) < 0)
		return false;
	PMD_LOG(NOTICE, "[container %s] %s is there again", c->conf.container, c->name);
	c->netns_ino = 0;
	c->rebound_ms = 0;
	c->retries = 0;
	return true;
}

enum pmd_vf_place pmd_sriov_place(struct pmd_sriov *s, unsigned int port)
{
	struct pmd_vf_claim *c = &s->claims[port];

	if (!c->wanted || c->conf.kind != PMD_VF_NETDEV)
		return PMD_VF_FAILED;
	if (c->claimed && !pmd_claim_lost(c) && pmd_vf_present(c->pci))
		c->place = place(c);
	else if (c->place != PMD_VF_GONE)
		tell(c, PMD_VF_GONE, "the VF has been taken away");
	else if (come_again(s, c, port))
		c->place = PMD_VF_WAITING;
	return c->place;
}
