/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in a state file: a table of keys for each kind. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "pmd/sriov/state_priv.h"

enum type {
	TEXT, /* char[] that becomes part of a path: no slash */
	PATH, /* char[] */
	NUMBER, /* 1, 2, 4 or 8 bytes */
	YESNO, /* bool */
	MAC,
};

struct field {
	const char *key;
	enum type type;
	size_t offset, size;
	size_t has; /* offset of the bool that says it is there; 0: none */
	int attr; /* enum pmd_vf_key: written if that is known; -1: always */
	bool decides; /* reading it makes `attr` known; it is the last of those that belong to it */
};

#define AT(kind, field) offsetof(struct kind, field), sizeof(((struct kind *)NULL)->field)
#define VF(key, type, field)                                                                       \
	{                                                                                          \
		key, type, AT(pmd_vf_state, field), 0, -1, false                                   \
	}
#define VF_HAS(key, type, field, has)                                                              \
	{                                                                                          \
		key, type, AT(pmd_vf_state, field), offsetof(struct pmd_vf_state, has), -1, false  \
	}
#define VF_ATTR(key, type, field, id, decides)                                                     \
	{                                                                                          \
		key, type, AT(pmd_vf_state, attr.field), 0, id, decides                            \
	}
#define PF(key, type, field)                                                                       \
	{                                                                                          \
		key, type, AT(pmd_pf_state, field), 0, -1, false                                   \
	}

static const struct field vf_fields[] = {
	VF("instance", TEXT, instance),
	VF("port", TEXT, port),
	VF("pf", TEXT, pf),
	VF("index", NUMBER, index),
	VF("inode", NUMBER, inode),
	VF_HAS("driver", TEXT, driver, has_driver),
	VF_HAS("driver_override", TEXT, driver_override, has_override),
	VF_HAS("netdev", TEXT, netdev, has_netdev),
	VF_HAS("own_mac", MAC, own_mac, has_own_mac),
	VF_ATTR("mac", MAC, mac, PMD_VF_MAC, true),
	VF_ATTR("vlan_qos", NUMBER, qos, PMD_VF_VLAN, false),
	VF_ATTR("vlan_proto", NUMBER, vlan_proto, PMD_VF_VLAN, false),
	VF_ATTR("vlan", NUMBER, vlan, PMD_VF_VLAN, true),
	VF_ATTR("spoof_check", YESNO, spoof_check, PMD_VF_SPOOF_CHECK, true),
	VF_ATTR("trust", YESNO, trust, PMD_VF_TRUST, true),
	VF_ATTR("link_state", NUMBER, link_state, PMD_VF_LINK_STATE, true),
	VF_ATTR("min_tx_rate", NUMBER, min_tx_rate, PMD_VF_RATE, false),
	VF_ATTR("max_tx_rate", NUMBER, max_tx_rate, PMD_VF_RATE, true),
	VF("netns", PATH, netns),
	VF("ifname", TEXT, ifname),
};

static const struct field pf_fields[] = {
	PF("enabled", NUMBER, enabled),
	PF("inode", NUMBER, inode),
	PF("autoprobe", YESNO, autoprobe),
};

#define NB(array) (sizeof(array) / sizeof((array)[0]))

static void print_value(FILE *f, const struct field *field, const void *obj)
{
	const unsigned char *p = (const unsigned char *)obj + field->offset;
	uint64_t number = 0;

	switch (field->type) {
	case TEXT:
	case PATH:
		fprintf(f, "%s", (const char *)p);
		break;
	case NUMBER:
		if (field->size == sizeof(uint16_t))
			number = *(const uint16_t *)(const void *)p;
		else if (field->size == sizeof(uint8_t))
			number = *p;
		else if (field->size == sizeof(uint32_t))
			number = *(const uint32_t *)(const void *)p;
		else
			number = *(const uint64_t *)(const void *)p;
		fprintf(f, "%" PRIu64, number);
		break;
	case YESNO:
		fputs(*(const bool *)p ? "yes" : "no", f);
		break;
	case MAC:
		fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1], p[2], p[3], p[4], p[5]);
		break;
	}
}

static void print_fields(
	FILE *f, const struct field *fields, size_t nb, const void *obj, unsigned int known)
{
	for (size_t i = 0; i < nb; i++) {
		const struct field *field = &fields[i];

		if (field->attr >= 0 && (known & 1u << field->attr) == 0)
			continue;
		if (field->has != 0 && !*((const bool *)obj + field->has))
			continue;
		fprintf(f, "%s = ", field->key);
		print_value(f, field, obj);
		fputc('\n', f);
	}
	fputs("complete = yes\n", f);
}

static bool read_text(const struct field *field, const char *text, char *p)
{
	if (strlen(text) >= field->size)
		return false;
	if (field->type == TEXT && (text[0] == '.' || strchr(text, '/') != NULL))
		return false;
	strcpy(p, text);
	return true;
}

static bool read_number(const struct field *field, const char *text, void *p)
{
	uint64_t max = UINT64_MAX >> (64 - 8 * field->size);
	unsigned long long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end != '\0' || errno != 0 || value > max)
		return false;
	if (field->size == sizeof(uint8_t))
		*(uint8_t *)p = (uint8_t)value;
	else if (field->size == sizeof(uint16_t))
		*(uint16_t *)p = (uint16_t)value;
	else if (field->size == sizeof(uint32_t))
		*(uint32_t *)p = (uint32_t)value;
	else
		*(uint64_t *)p = value;
	return true;
}

static bool read_mac(const char *text, uint8_t *mac)
{
	unsigned int b[6];
	int end = -1;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &end) != 6 ||
		end != 17 || text[end] != '\0')
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

static bool read_value(const struct field *field, const char *text, void *obj)
{
	void *p = (char *)obj + field->offset;

	switch (field->type) {
	case TEXT:
	case PATH:
		return read_text(field, text, p);
	case NUMBER:
		return read_number(field, text, p);
	case YESNO:
		*(bool *)p = strcmp(text, "yes") == 0;
		return *(bool *)p || strcmp(text, "no") == 0;
	case MAC:
		return read_mac(text, p);
	}
	return false;
}

/* Returns false if the line is not one of ours. Sets *known or the field's has_.... */
static bool read_line(
	char *line, const struct field *fields, size_t nb, void *obj, unsigned int *known)
{
	char *equals = strstr(line, " = ");

	if (equals == NULL)
		return false;
	*equals = '\0';
	for (size_t i = 0; i < nb; i++) {
		const struct field *field = &fields[i];

		if (strcmp(field->key, line) != 0)
			continue;
		if (!read_value(field, equals + 3, obj))
			return false;
		if (field->has != 0)
			*((bool *)obj + field->has) = true;
		if (field->decides)
			*known |= 1u << field->attr;
		return true;
	}
	return false;
}

/* Returns whether all of the text was understood, and is complete. */
static bool read_fields(
	char *text, const struct field *fields, size_t nb, void *obj, unsigned int *known)
{
	bool good = true, complete = false;

	*known = 0;
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char *next = text + len + (text[len] != '\0');

		/* A line without its end has been cut, wherever that was. */
		good = good && !complete && text[len] == '\n';
		text[len] = '\0';
		if (strcmp(text, "complete = yes") == 0)
			complete = true;
		else if (next == text + len || !read_line(text, fields, nb, obj, known))
			good = false;
		text = next;
	}
	return good && complete;
}

void pmd_state_vf_print(FILE *f, const struct pmd_vf_state *st)
{
	print_fields(f, vf_fields, NB(vf_fields), st, st->attr.known);
}

void pmd_state_pf_print(FILE *f, const struct pmd_pf_state *st)
{
	print_fields(f, pf_fields, NB(pf_fields), st, 0);
}

void pmd_state_vf_parse(char *text, struct pmd_vf_state *st)
{
	st->damaged = !read_fields(text, vf_fields, NB(vf_fields), st, &st->attr.known);
}

void pmd_state_pf_parse(char *text, struct pmd_pf_state *st)
{
	unsigned int known;

	st->damaged = !read_fields(text, pf_fields, NB(pf_fields), st, &known);
}
