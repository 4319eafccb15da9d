/*
 * Captured packets one after the other, in the order of the file: pcap and pcapng, compressed ones
 * too, of any size in bounded memory. Done by libwiretap as in capture/file.h, with the same
 * errors.
 */
#ifndef CONTEST_CAPTURE_STREAM_H
#define CONTEST_CAPTURE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "capture/packet.h"

/* A packet as it passes by: nothing of it is owned. */
struct passing_packet {
	int64_t time_ns; /* since the Unix epoch; see @time_known */
	bool time_known; /* false: the file has none, or one that no clock shows (before 1970,
			  * beyond 2262): @time_ns is that of the packet before, or 0 */
	enum packet_link link;
	uint32_t captured_length; /* bytes at data */
	uint32_t length;	  /* bytes it had on the wire */
	const uint8_t *data;	  /* good until the next call for its source */
};

struct capture_stream;

/* Opens a file, or "-": standard input (a pipe is fine). 0 or -errno with @why, as capture_read().
 */
int capture_stream_open(const char *path, struct capture_stream **ret, struct why *why);
void capture_stream_close(struct capture_stream *stream);

/*
 * The next packet: 1 with *ret, 0 at the end of the file, or -errno with @why (-EBADMSG: damaged
 * from here on, cut off within a record …: @why says behind which packet). What came before is
 * good.
 */
int capture_stream_next(struct capture_stream *stream, struct passing_packet *ret, struct why *why);

#endif
