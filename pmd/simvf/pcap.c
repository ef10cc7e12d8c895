/* SPDX-License-Identifier: BSD-3-Clause */
/* wire=pcap: frames from a file, as fast as there are descriptors for them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "pmd/simvf/wire.h"

#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du
#define HEADER        24
#define RECORD        16
#define LINK_ETHERNET 1u

struct simvf_pcap {
	size_t size;
	size_t next; /* record */
	bool swapped; /* written on a machine of the other byte order */
	uint8_t bytes[];
};

static uint32_t get32(const struct simvf_pcap *p, size_t offset)
{
	uint32_t value;

	memcpy(&value, &p->bytes[offset], sizeof(value));
	return p->swapped ? rte_bswap32(value) : value;
}

static bool is_magic(uint32_t value)
{
	return value == MAGIC_US || value == MAGIC_NS;
}

static const char *check(struct simvf_pcap *p)
{
	if (p->size < HEADER)
		return "too short";
	p->swapped = !is_magic(get32(p, 0));
	if (!is_magic(get32(p, 0)))
		return "not in pcap format (pcapng is another)";
	if ((get32(p, 20) & 0xfffffff) != LINK_ETHERNET)
		return "not of Ethernet";
	p->next = HEADER;
	return NULL;
}

static struct simvf_pcap *read_file(const char *name)
{
	FILE *file = fopen(name, "rb");
	struct simvf_pcap *p = NULL;
	long size;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
		rewind(file);
		p = malloc(sizeof(*p) + (size_t)size);
		if (p != NULL)
			*p = (struct simvf_pcap){ .size = (size_t)size };
		if (p != NULL && fread(p->bytes, 1, p->size, file) != p->size) {
			free(p);
			p = NULL;
			errno = EIO;
		}
	}
	fclose(file);
	return p;
}

int simvf_pcap_open(struct simvf_dev *dev)
{
	const char *name = dev->args.wire_arg, *wrong;

	errno = 0;
	dev->pcap = read_file(name);
	if (dev->pcap == NULL) {
		int ret = errno != 0 ? -errno : -EIO;

		SIMVF_LOG(ERR, "%s: %s: %s", dev->name, name, strerror(-ret));
		return ret;
	}
	wrong = check(dev->pcap);
	if (wrong != NULL) {
		SIMVF_LOG(ERR, "%s: %s: %s", dev->name, name, wrong);
		simvf_pcap_close(dev);
		return -EINVAL;
	}
	return 0;
}

void simvf_pcap_close(struct simvf_dev *dev)
{
	free(dev->pcap);
	dev->pcap = NULL;
}

void simvf_pcap_receive(struct simvf_dev *dev)
{
	struct simvf_pcap *p = dev->pcap;

	for (int i = 0; i < SIMVF_WIRE_BURST; i++) {
		uint32_t len;

		if (p->size - p->next < RECORD) {
			if (!dev->args.pcap_loop)
				break;
			p->next = HEADER;
			if (p->size - p->next < RECORD)
				break;
		}
		len = get32(p, p->next + 8);
		if (len > p->size - p->next - RECORD) {
			p->next = p->size; /* cut off in the middle */
			continue;
		}
		if (!simvf_wire_deliver(dev, &p->bytes[p->next + RECORD], len, true))
			break;
		p->next += RECORD + len;
	}
}
