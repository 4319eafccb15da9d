#include "capture/pcap_blocks.h"

#include <assert.h>
#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* pcap-savefile(5) */
#define MAGIC_MICROSECONDS 0xa1b2c3d4
#define MAGIC_NANOSECONDS  0xa1b23c4d
#define FILE_HEADER	   24
#define RECORD_HEADER	   16
#define LINK_MASK	   0x03ffffff /* the bits above tell of a frame check sequence */

/* What libwiretap takes for a packet (WTAP_MAX_PACKET_SIZE_STANDARD); more is a length that lies.
 */
#define PACKET_MAX (256 * 1024)

/* Read at once: large, and yet small enough to be in the cache still when it is looked at. */
#define BLOCK (128 * 1024)
/* What is left of one block, or a record that is larger, and the next block. */
#define ROOM (RECORD_HEADER + PACKET_MAX + BLOCK)

/* Records that are looked at before the file is taken. */
#define PROOF 3

struct pcap_blocks {
	int fd; /* (owned) */
	bool swapped;
	uint32_t fraction_ns,
		fractions; /* what the time's second number counts; of them in a second */
	enum packet_link link;
	off_t offset; /* in the file, of what is read next */
	size_t at, filled;
	bool at_end;
	uint8_t block[ROOM];
};

struct record {
	uint32_t seconds, fraction, captured, length;
};

static uint32_t number_at(const struct pcap_blocks *blocks, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return blocks->swapped ? bswap_32(value) : value;
}

static struct record record_at(const struct pcap_blocks *blocks, const uint8_t *at)
{
	return (struct record){
		.seconds = number_at(blocks, at),
		.fraction = number_at(blocks, at + 4),
		.captured = number_at(blocks, at + 8),
		.length = number_at(blocks, at + 12),
	};
}

/* Moves what is left to the front and reads on behind it, until so many bytes are there, or the
 * file ends. 0 or -errno. */
static int fill(struct pcap_blocks *blocks, size_t bytes)
{
	size_t rest = blocks->filled - blocks->at;

	memmove(blocks->block, blocks->block + blocks->at, rest);
	blocks->at = 0;
	blocks->filled = rest;
	while (blocks->filled < bytes && !blocks->at_end) {
		ssize_t n = pread(blocks->fd, blocks->block + blocks->filled, BLOCK,
				  blocks->offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			blocks->at_end = true;
		if (n > 0) {
			blocks->offset += n;
			blocks->filled += (size_t)n;
		}
	}
	return 0;
}

/* Whether so many bytes are there from @at on: 1, 0 when the file ends before, or -errno. */
static int need(struct pcap_blocks *blocks, size_t bytes)
{
	if (blocks->filled - blocks->at < bytes && !blocks->at_end) {
		int r = fill(blocks, bytes);

		if (r < 0)
			return r;
	}
	return blocks->filled - blocks->at >= bytes;
}

int pcap_blocks_next(struct pcap_blocks *blocks, struct passing_packet *ret,
		     const char **ret_damage)
{
	struct record record;
	int r = need(blocks, RECORD_HEADER);

	if (r < 0 || (r == 0 && blocks->filled == blocks->at))
		return r;
	if (r > 0) {
		record = record_at(blocks, blocks->block + blocks->at);
		if (record.captured > PACKET_MAX) {
			*ret_damage = "a record claims more bytes than a packet can have";
			return -EBADMSG;
		}
		r = need(blocks, RECORD_HEADER + record.captured);
	}
	if (r == 0)
		*ret_damage = "it ends in the middle of a record";
	if (r <= 0)
		return r < 0 ? r : -EBADMSG;

	ret->time_known = record.fraction < blocks->fractions;
	if (ret->time_known)
		ret->time_ns = (int64_t)record.seconds * NS_PER_S +
			       (int64_t)record.fraction * blocks->fraction_ns;
	ret->link = blocks->link;
	ret->captured_length = record.captured;
	ret->length = record.length;
	ret->data = blocks->block + blocks->at + RECORD_HEADER;
	blocks->at += RECORD_HEADER + record.captured;
	return 1;
}

/* ---- whether it is a file for us */

/* Those whose packets libwiretap hands on as they are. */
static bool is_plain_link(uint32_t link)
{
	switch (link) {
	case PACKET_LINK_NULL:
	case PACKET_LINK_ETHERNET:
	case PACKET_LINK_RAW:
	case PACKET_LINK_LOOP:
	case PACKET_LINK_SLL:
	case PACKET_LINK_IPV4:
	case PACKET_LINK_IPV6:
	case PACKET_LINK_SLL2:
		return true;
	default:
		return false;
	}
}

static bool take_magic(struct pcap_blocks *blocks, uint32_t magic)
{
	if (magic != MAGIC_MICROSECONDS && magic != MAGIC_NANOSECONDS)
		return false;
	blocks->fraction_ns = magic == MAGIC_MICROSECONDS ? 1000 : 1;
	blocks->fractions = (uint32_t)(NS_PER_S / blocks->fraction_ns);
	return true;
}

static bool take_header(struct pcap_blocks *blocks)
{
	const uint8_t *at = blocks->block;
	uint32_t magic, version, link;

	memcpy(&magic, at, sizeof(magic));
	blocks->swapped = !take_magic(blocks, magic);
	if (blocks->swapped && !take_magic(blocks, bswap_32(magic)))
		return false;
	/* Two numbers of 16 bits: read as one of 32, the first comes last in big-endian order. */
	version = number_at(blocks, at + 4);
	if (version != 0x00040002 && version != 0x00020004)
		return false;
	link = number_at(blocks, at + 20) & LINK_MASK;
	blocks->link = (enum packet_link)link;
	blocks->at = FILE_HEADER;
	return is_plain_link(link);
}

/* As far as they are there: a file may be cut off. */
static bool first_records_make_sense(const struct pcap_blocks *blocks)
{
	size_t at = blocks->at;

	for (int i = 0; i < PROOF && blocks->filled - at >= RECORD_HEADER; i++) {
		struct record record = record_at(blocks, blocks->block + at);

		if (record.captured > PACKET_MAX || record.captured > record.length ||
		    record.fraction >= blocks->fractions)
			return false;
		at += RECORD_HEADER;
		if (record.captured > blocks->filled - at)
			break;
		at += record.captured;
	}
	return true;
}

static bool is_for_us(struct pcap_blocks *blocks)
{
	return fill(blocks, FILE_HEADER + PROOF * RECORD_HEADER) == 0 &&
	       blocks->filled >= FILE_HEADER && take_header(blocks) &&
	       first_records_make_sense(blocks);
}

/* -1: none for us. A pipe is not opened even for a moment: its writer would be told of the end. */
static int open_regular(const char *path)
{
	struct stat info;
	int fd;

	if (stat(path, &info) < 0 || !S_ISREG(info.st_mode))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int pcap_blocks_open(const char *path, struct pcap_blocks **ret)
{
	CLEANUP_CLOSE int fd = open_regular(path);
	struct pcap_blocks *blocks;

	if (fd < 0)
		return 0;
	blocks = malloc(sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	blocks->fd = TAKE_FD(fd);
	blocks->offset = 0;
	blocks->at = blocks->filled = 0;
	blocks->at_end = false;
	if (!is_for_us(blocks)) {
		pcap_blocks_close(blocks);
		return 0;
	}
	*ret = blocks;
	return 1;
}

void pcap_blocks_close(struct pcap_blocks *blocks)
{
	if (!blocks)
		return;
	close(blocks->fd);
	free(blocks);
}
