#include "capture_write.h"

#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <string.h>

#define LINKTYPE_ETHERNET 1
#define FRAME_MIN	  60 /* without its checksum: shorter ones come padded */

/* 2026-11-22 00:00 UTC */
#define BEGAN_US (1795305600 * INT64_C(1000000))

static void put(const struct writer *writer, const void *bytes, size_t length)
{
	if (fwrite_unlocked(bytes, 1, length, writer->file) != length)
		err(1, "cannot write the capture");
}

void write_head(const struct writer *writer)
{
	const uint32_t pcap[] = {0xa1b2c3d4, 2 | 4 << 16,	  0,
				 0,	     writer->snap_length, LINKTYPE_ETHERNET};
	/* A section, and one interface; its times are in microseconds when it does not say. */
	const uint32_t section[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28};
	const uint32_t interface[] = {1, 20, LINKTYPE_ETHERNET, writer->snap_length, 20};

	if (writer->pcapng) {
		put(writer, section, sizeof(section));
		put(writer, interface, sizeof(interface));
	} else {
		put(writer, pcap, sizeof(pcap));
	}
}

/* ---- headers */

struct frame {
	uint8_t bytes[14 + 40 + 60 + 65536];
	size_t length;
};

static void add8(struct frame *frame, unsigned value)
{
	frame->bytes[frame->length++] = (uint8_t)value;
}

static void add16(struct frame *frame, unsigned value)
{
	add8(frame, value >> 8);
	add8(frame, value & 0xff);
}

static void add32(struct frame *frame, uint32_t value)
{
	add16(frame, value >> 16);
	add16(frame, value & 0xffff);
}

static void add_bytes(struct frame *frame, const void *bytes, size_t length)
{
	memcpy(frame->bytes + frame->length, bytes, length);
	frame->length += length;
}

static uint32_t sum16(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | (i + 1 < length ? bytes[i + 1] : 0));
	return sum;
}

static void set_checksum(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

/* Padded with NOPs as Linux does (tcp_options_write(), 6.18). */
static void add_options(struct frame *frame, const struct talk *talk, const struct step *step)
{
	bool timestamps = talk->timestamps && !step->bare;

	if (step->flags & SYN) {
		add16(frame, 0x0204);
		add16(frame, 1460);
		add16(frame, timestamps ? 0x0402 : 0x0101);
		if (!timestamps)
			add16(frame, 0x0402);
	}
	if (timestamps) {
		if (!(step->flags & SYN))
			add16(frame, 0x0101);
		add16(frame, 0x080a);
		add32(frame, step->ts_value);
		add32(frame, step->ts_echo);
	}
	if (step->flags & SYN) {
		add16(frame, 0x0103);
		add16(frame, 0x0307);
	}
}

static void add_tcp(struct frame *frame, const struct talk *talk, const struct step *step)
{
	const struct side *from = &talk->side[step->from], *to = &talk->side[!step->from];
	size_t start = frame->length, length, size = from->address.v6 ? 16 : 4;
	uint32_t sum;

	add16(frame, from->port);
	add16(frame, to->port);
	add32(frame, step->seq);
	add32(frame, step->ack);
	add16(frame, step->flags);
	add16(frame, step->window);
	add32(frame, 0);
	add_options(frame, talk, step);
	frame->bytes[start + 12] = (uint8_t)((frame->length - start) / 4 << 4);
	/* The payload is zeros, which add nothing to the sum. */
	length = frame->length - start + step->length;
	sum = sum16(from->address.bytes, size) + sum16(to->address.bytes, size) + 6 +
	      (uint32_t)length + sum16(frame->bytes + start, frame->length - start);
	set_checksum(frame->bytes + start + 16, sum);
}

static void add_ip(struct frame *frame, const struct talk *talk, const struct step *step,
		   size_t tcp_length)
{
	const struct side *from = &talk->side[step->from], *to = &talk->side[!step->from];
	size_t start = frame->length;

	if (from->address.v6) {
		add32(frame, 6u << 28);
		add16(frame, (unsigned)tcp_length);
		add8(frame, 6);
		add8(frame, step->ttl);
		add_bytes(frame, from->address.bytes, 16);
		add_bytes(frame, to->address.bytes, 16);
		return;
	}
	add16(frame, 0x4500);
	add16(frame, (unsigned)tcp_length + 20);
	add16(frame, step->ip_id);
	add16(frame, 0x4000); /* don't fragment */
	add8(frame, step->ttl);
	add8(frame, 6);
	add16(frame, 0);
	add_bytes(frame, from->address.bytes, 4);
	add_bytes(frame, to->address.bytes, 4);
	set_checksum(frame->bytes + start + 10, sum16(frame->bytes + start, 20));
}

static size_t options_length(const struct talk *talk, const struct step *step)
{
	bool timestamps = talk->timestamps && !step->bare;

	if (step->flags & SYN)
		return timestamps ? 20 : 12;
	return timestamps ? 12 : 0;
}

/* What is captured of the frame; returns its length on the wire. */
static size_t build(struct frame *frame, const struct talk *talk, const struct step *step,
		    size_t snap_length)
{
	static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
	size_t length, captured;

	frame->length = 0;
	add_bytes(frame, macs[!step->from], 6);
	add_bytes(frame, macs[step->from], 6);
	add16(frame, talk->side[0].address.v6 ? 0x86dd : 0x0800);
	add_ip(frame, talk, step, 20 + options_length(talk, step) + step->length);
	add_tcp(frame, talk, step);
	length = frame->length + step->length;
	if (length < FRAME_MIN && step->from == CLIENT) /* the server's own are captured before */
		length = FRAME_MIN;
	captured = length < snap_length ? length : snap_length;
	if (captured > frame->length)
		memset(frame->bytes + frame->length, 0, captured - frame->length);
	frame->length = captured;
	return length;
}

/* ---- records */

void write_step(const struct writer *writer, const struct talk *talk, const struct step *step)
{
	static const uint8_t padding[4];
	static struct frame frame;
	uint32_t length = (uint32_t)build(&frame, talk, step, writer->snap_length);
	uint32_t captured = (uint32_t)frame.length, filled = (captured + 3) & ~3u;
	uint64_t time_us = (uint64_t)(BEGAN_US + step->at_ns / MICROSECOND);

	if (writer->pcapng) {
		const uint32_t head[] = {
			6,	  32 + filled, 0, (uint32_t)(time_us >> 32), (uint32_t)time_us,
			captured, length};

		put(writer, head, sizeof(head));
		put(writer, frame.bytes, captured);
		put(writer, padding, filled - captured);
		put(writer, &head[1], sizeof(head[1]));
	} else {
		const uint32_t head[] = {(uint32_t)(time_us / 1000000),
					 (uint32_t)(time_us % 1000000), captured, length};

		put(writer, head, sizeof(head));
		put(writer, frame.bytes, captured);
	}
}
