/*
 * IP fragments of TCP segments in any order: each 4 bytes are one, of one of eight datagrams of
 * IPv4 or IPv6, with its place, length and time. What comes out has the length that the last piece
 * tells; what does not is counted.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/fragments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define BYTES_EACH 4
#define TCP_HEADER 20
#define PIECE_MAX  512

/* One fragment, as its 4 bytes say: [IPv6, datagram, -], place / 8, [more, length], time. */
struct piece {
	bool v6, more;
	unsigned id, offset, length;
};

static struct piece read_piece(const uint8_t *data)
{
	/* Places lie close together mostly, so that pieces meet. */
	static const unsigned far[] = {0, 1, 2, 3, 6, 60, 8000, 8191};

	return (struct piece){
		.v6 = data[0] & 0x80,
		.id = data[0] & 7,
		.offset = 8 * (data[1] < 0xf0 ? data[1] & 0x1f : far[data[1] & 7]),
		.more = data[2] & 0x80,
		.length = (data[2] & 0x7f) < 0x70 ? 8u * (data[2] & 0x1f) : data[2] & 0x7fu,
	};
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Raw IP; returns its length. */
static size_t build(const struct piece *piece, uint8_t *packet)
{
	static const uint8_t tcp[TCP_HEADER] = {0x9c, 0x40, 0, 80, [12] = 0x50, [13] = 0x18};
	size_t head = piece->v6 ? 48 : 20;

	memset(packet, 0, PIECE_MAX);
	if (piece->v6) {
		packet[0] = 0x60;
		put16(packet + 4, piece->length + 8);
		packet[6] = 44; /* a fragment header follows (RFC 8200 4.5) */
		packet[23] = 1;
		packet[39] = 2;
		packet[40] = 6;
		put16(packet + 42, piece->offset | (piece->more ? 1 : 0));
		packet[47] = (uint8_t)piece->id;
	} else {
		packet[0] = 0x45;
		put16(packet + 2, piece->length + 20);
		packet[5] = (uint8_t)piece->id;
		put16(packet + 6, piece->offset / 8 | (piece->more ? 0x2000 : 0));
		packet[8] = 64;
		packet[9] = 6;
		packet[12] = packet[16] = 10;
		packet[15] = 1;
		packet[19] = 2;
	}
	if (piece->offset == 0)
		memcpy(packet + head, tcp, piece->length < TCP_HEADER ? piece->length : TCP_HEADER);
	return head + piece->length;
}

static void check_result(enum decode_result result, const struct piece *piece,
			 const struct segment *segment, int64_t now_ns)
{
	bool whole = piece->offset == 0 && !piece->more;

	CHECK(result == DECODE_SEGMENT || result == DECODE_FRAGMENT || result == DECODE_NOT_TCP ||
	      result == DECODE_TRUNCATED || result == DECODE_MALFORMED);
	if (whole && piece->length >= TCP_HEADER)
		CHECK(result == DECODE_SEGMENT);
	if (result != DECODE_SEGMENT)
		return;
	CHECK(segment->time_ns == now_ns);
	CHECK(segment->target.port == 80 && segment->source.port == 40000);
	CHECK(segment->payload_length <= 65535 - TCP_HEADER);
	if (whole)
		CHECK(segment->payload_length == piece->length - TCP_HEADER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fragments *fragments = fragments_new();
	uint64_t pieces = 0;
	int64_t now_ns = 0;

	CHECK(fragments);
	for (; size >= BYTES_EACH; data += BYTES_EACH, size -= BYTES_EACH) {
		struct piece piece = read_piece(data);
		uint8_t *packet = malloc(PIECE_MAX), *exact;
		struct passing_packet passing = {.link = PACKET_LINK_RAW, .time_known = true};
		struct segment segment;

		CHECK(packet);
		now_ns += (int64_t)(data[3] & 0x7f) * (data[3] & 0x80 ? 1000000000 : 1000);
		passing.time_ns = now_ns;
		passing.length = passing.captured_length = (uint32_t)build(&piece, packet);
		exact = realloc(packet, passing.length); /* for the sanitizer */
		CHECK(exact);
		passing.data = exact;
		check_result(fragments_decode(fragments, &passing, &segment), &piece, &segment,
			     now_ns);
		pieces++;
		CHECK(fragments_given_up(fragments) <= pieces);
		free(exact);
	}
	fragments_free(fragments);
	return 0;
}
