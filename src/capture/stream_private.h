/*
 * What is behind a stream, for those of this folder who want more of a record than its packet:
 * capture_read() takes interfaces and comments too. Private to this folder.
 */
#ifndef CONTEST_CAPTURE_STREAM_PRIVATE_H
#define CONTEST_CAPTURE_STREAM_PRIVATE_H

#include <stdbool.h>

#include "capture/pcap_blocks.h"
#include "capture/stream.h"
#include "capture/wiretap.h"

struct capture_stream {
	struct pcap_blocks *blocks; /* (owned) reads the file in place of the library; or NULL */
	wtap *file;		    /* NULL with blocks, as what belongs to it */
	char *name;		    /* for messages (owned) */
	wtap_rec rec;		    /* the record read last, good until the next one is */
	Buffer buffer;		    /* its data */
	uint64_t packets;	    /* read so far */
	int64_t time_ns;	    /* of the last packet that had one */
	int64_t last_end;	    /* in a classic pcap file: where the last record ends */
	bool is_over;		    /* the end of the file, or damage */
};

/* capture_stream_open() for capture_stream_record(): by the library in any case. */
int capture_stream_open_library(const char *path, struct capture_stream **ret, struct why *why);

/*
 * Reads on to the next packet, which is then in @stream->rec: 1, 0 at the end, or -errno, as
 * capture_stream_next().
 */
int capture_stream_record(struct capture_stream *stream, struct why *why);

/* 0; -ENODATA: the record has none (pcapng's simple packet block), -ERANGE: not a time of 1970 to
 * 2262. */
int capture_record_time(const wtap_rec *rec, int64_t *ret);

#endif
