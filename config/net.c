/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_VFS 256 /* TotalVFs has 16 bits, but no NIC so many */

static const char *hex_field(const char *s, unsigned int digits, unsigned int max, unsigned int *v)
{
	unsigned int n = 0;

	*v = 0;
	for (; n < digits && isxdigit((unsigned char)*s); n++, s++)
		*v = *v * 16 +
			(unsigned int)(isdigit((unsigned char)*s) ? *s - '0'
								  : (*s | 0x20) - 'a' + 10);
	return n > 0 && *v <= max ? s : NULL;
}

/* bb:dd.f at the end of s */
static bool pci_bdf(const char *s, unsigned int *bus, unsigned int *dev, unsigned int *fn)
{
	s = hex_field(s, 2, 0xff, bus);
	if (s == NULL || *s++ != ':')
		return false;
	s = hex_field(s, 2, 0x1f, dev);
	if (s == NULL || *s++ != '.')
		return false;
	s = hex_field(s, 1, 7, fn);
	return s != NULL && (*s == '\0' || *s == ',');
}

bool cfg_pci_normal(const char *text, char out[CFG_PCI_LEN])
{
	unsigned int domain = 0, bus, dev, fn;

	if (!pci_bdf(text, &bus, &dev, &fn)) {
		/* 8: the domains behind Intel's VMD have more than four digits */
		const char *s = hex_field(text, 8, UINT32_MAX, &domain);

		if (s == NULL || *s != ':' || !pci_bdf(s + 1, &bus, &dev, &fn))
			return false;
	}
	snprintf(out, CFG_PCI_LEN, "%04x:%02x:%02x.%x", domain, bus, dev, fn);
	return true;
}

bool cfg_is_vf(const char *text)
{
	return strncmp(text, CFG_VF_PREFIX, strlen(CFG_VF_PREFIX)) == 0;
}

/* A decimal number below `end` that takes the whole text, or -1. */
static int small_number(const char *text, unsigned int end)
{
	size_t len = strspn(text, "0123456789");
	unsigned int v = 0;

	if (len == 0 || len > 4 || text[len] != '\0')
		return -1;
	for (; *text != '\0'; text++)
		v = v * 10 + (unsigned int)(*text - '0');
	return v < end ? (int)v : -1;
}

const char *cfg_vf_parse(const char *text, struct cfg_vf *vf)
{
	const char *comma, *pf = text + strlen(CFG_VF_PREFIX);
	char ifname[CFG_IFNAME_LEN];
	struct cfg_vf v;

	if (!cfg_is_vf(text))
		return "no pf: in front";
	comma = strchr(pf, ',');
	if (comma == NULL || strncmp(comma, ",vf=", 4) != 0)
		return "no ,vf= behind the PF";
	if (!cfg_pci_normal(pf, v.pf)) {
		if (comma == pf || (size_t)(comma - pf) >= sizeof(ifname))
			return "PF is no interface and no PCI address";
		snprintf(ifname, sizeof(ifname), "%.*s", (int)(comma - pf), pf);
		if (cfg_ifname_parse(ifname, v.pf) != NULL)
			return "PF is no interface and no PCI address";
	}
	if (strcmp(comma + 4, "auto") == 0) {
		v.index = -1;
	} else {
		v.index = small_number(comma + 4, MAX_VFS);
		if (v.index < 0)
			return "VF is no number below 256";
	}
	*vf = v;
	return NULL;
}

const char *cfg_mac_parse(const char *text, struct cfg_mac *mac)
{
	struct cfg_mac m = { .given = true };
	unsigned int any = 0;

	if (strcmp(text, "unchanged") == 0) {
		*mac = (struct cfg_mac){ .given = false };
		return NULL;
	}
	for (unsigned int i = 0; i < sizeof(m.bytes); i++) {
		unsigned int v;
		const char *next = hex_field(text, 2, 0xff, &v);

		if (next != text + 2 || *next != (i < 5 ? ':' : '\0'))
			return "not a MAC address";
		text = next + 1;
		m.bytes[i] = (uint8_t)v;
		any |= v;
	}
	if (m.bytes[0] & 1)
		return "an address of a group";
	if (any == 0)
		return "all zero";
	*mac = m;
	return NULL;
}

void cfg_mac_format(const struct cfg_mac *mac, char *buf, size_t size)
{
	const uint8_t *b = mac->bytes;

	if (mac->given)
		snprintf(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
			b[5]);
	else
		snprintf(buf, size, "unchanged");
}

/* dev_valid_name() of the kernel; printable, and no comma, so that it can stand in a device. */
const char *cfg_ifname_parse(const char *text, char ifname[CFG_IFNAME_LEN])
{
	size_t len = strlen(text);

	if (len == 0 || len >= CFG_IFNAME_LEN)
		return "not 1 to 15 characters";
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return "not the name of an interface";
	for (const char *p = text; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p) || strchr("/:,%", *p) != NULL)
			return "not the name of an interface";
	memcpy(ifname, text, len + 1);
	return NULL;
}

const char *cfg_address_parse(const char *text, struct cfg_address *address)
{
	struct cfg_address a = { .family = AF_INET };
	const char *slash = strchr(text, '/');
	char ip[INET6_ADDRSTRLEN];
	int prefix;

	if (strcmp(text, "none") == 0) {
		*address = (struct cfg_address){ .family = 0 };
		return NULL;
	}
	if (slash == NULL)
		return "no /PREFIX";
	if ((size_t)(slash - text) >= sizeof(ip))
		return "not an IP address";
	snprintf(ip, sizeof(ip), "%.*s", (int)(slash - text), text);
	if (inet_pton(AF_INET, ip, a.bytes) != 1) {
		a.family = AF_INET6;
		if (inet_pton(AF_INET6, ip, a.bytes) != 1)
			return "not an IP address";
	}
	prefix = small_number(slash + 1, a.family == AF_INET ? 33 : 129);
	if (prefix < 0)
		return "no such PREFIX";
	a.prefix = (uint8_t)prefix;
	*address = a;
	return NULL;
}

void cfg_address_format(const struct cfg_address *address, char *buf, size_t size)
{
	char ip[INET6_ADDRSTRLEN];

	if (address->family != 0 && inet_ntop(address->family, address->bytes, ip, sizeof(ip)))
		snprintf(buf, size, "%s/%u", ip, address->prefix);
	else
		snprintf(buf, size, "none");
}
