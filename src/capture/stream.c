/*
 * The one reader of capture files: capture_read() stands on it as well.
 *
 * libwiretap, not libpcap, although that is the usual choice: libpcap hands out neither the
 * interface of a packet nor its name nor comments, refuses a pcapng file whose interfaces differ in
 * link type, and reads no compressed files. A capture that contest wrote must come back as it was,
 * and a capture of `-i any` with a tunnel beside an Ethernet card must be readable at all. The
 * plain pcap file, where only packets are asked for, is pcap_blocks.c's.
 */
#include "capture/stream_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Bytes, of the classic format: libpcap's struct pcap_file_header and what stands before a packet.
 */
#define PCAP_FILE_HEADER   24
#define PCAP_RECORD_HEADER 16

/*
 * The library says of a file without a byte that its format is unknown, which helps nobody. A pipe
 * without a byte comes from a program that failed: what it said should not be looked for here. It
 * is waited for; reading would do the same.
 */
static bool is_empty(const char *path)
{
	bool is_input = strcmp(path, "-") == 0;
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct stat info;

	if ((is_input ? fstat(STDIN_FILENO, &info) : stat(path, &info)) < 0)
		return false;
	if (is_input && S_ISFIFO(info.st_mode))
		return poll(&input, 1, -1) == 1 && input.revents == POLLHUP;
	return S_ISREG(info.st_mode) && info.st_size == 0;
}

/* By the library, after it was prepared. */
static int open_file(struct capture_stream *stream, const char *path, struct why *why)
{
	gchar *info = NULL;
	int error = 0;

	if (is_empty(path))
		return why_say(why, -EBADMSG, "cannot read %s: it is empty", stream->name);
	stream->file = wiretap.wtap_open_offline(path, WTAP_TYPE_AUTO, &error, &info, FALSE);
	if (!stream->file)
		return wiretap_why(why, "read", stream->name, error, info);
	wiretap.wtap_rec_init(&stream->rec);
	wiretap.ws_buffer_init(&stream->buffer, 2048);
	return 0;
}

static int open_any(const char *path, bool by_library, struct capture_stream **ret, struct why *why)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	struct capture_stream *stream = calloc(1, sizeof(*stream));
	int r = 0;

	if (stream)
		stream->name = strdup(name);
	if (!stream || !stream->name)
		r = -ENOMEM;
	else if (!by_library)
		r = pcap_blocks_open(path, &stream->blocks);
	if (r < 0) {
		why_set(why, r, "cannot read %s", name);
	} else if (r == 0) {
		r = wiretap_prepare(why);
		if (r == 0)
			r = open_file(stream, path, why);
	}
	if (r < 0) {
		capture_stream_close(stream);
		return r;
	}
	*ret = stream;
	return 0;
}

int capture_stream_open(const char *path, struct capture_stream **ret, struct why *why)
{
	return open_any(path, false, ret, why);
}

int capture_stream_open_library(const char *path, struct capture_stream **ret, struct why *why)
{
	return open_any(path, true, ret, why);
}

void capture_stream_close(struct capture_stream *stream)
{
	if (!stream)
		return;
	if (stream->file) {
		wiretap.ws_buffer_free(&stream->buffer);
		wiretap.wtap_rec_cleanup(&stream->rec);
		wiretap.wtap_close(stream->file);
	}
	pcap_blocks_close(stream->blocks);
	free(stream->name);
	free(stream);
}

/* "FILE behind packet 12": what failed, for the reason to follow. Owned by the caller; NULL when
 * memory is short. */
static char *place_of(const struct capture_stream *stream)
{
	char *place;

	if (stream->packets == 0)
		return strdup(stream->name);
	if (asprintf(&place, "%s behind packet %llu", stream->name,
		     (unsigned long long)stream->packets) < 0)
		return NULL;
	return place;
}

static int complain(const struct capture_stream *stream, int error, gchar *info, struct why *why)
{
	CLEANUP_FREE char *place = place_of(stream);

	return wiretap_why(why, "read", place ? place : stream->name, error, info);
}

/*
 * Of a pcap file the library reads the first two numbers of a record one by one, and takes an end
 * behind either for the file's. The file's size tells better, where it is known.
 */
static bool is_cut(const struct capture_stream *stream)
{
	int type = wiretap.wtap_file_type_subtype(stream->file), error;
	gint64 left;

	if (type != wiretap.wtap_pcap_file_type_subtype() &&
	    type != wiretap.wtap_pcap_nsec_file_type_subtype())
		return false;
	if (wiretap.wtap_get_compression_type(stream->file) != WTAP_UNCOMPRESSED)
		return false;
	left = wiretap.wtap_file_size(stream->file, &error);
	left -= stream->packets > 0 ? stream->last_end : PCAP_FILE_HEADER;
	return left == 4 || left == 8; /* or a header that the library has taken off a packet */
}

int capture_stream_record(struct capture_stream *stream, struct why *why)
{
	gchar *info = NULL;
	gint64 offset;
	int error = 0;

	/* Behind a damaged place the library would take anything for a record. */
	if (stream->is_over)
		return 0;
	do {
		wiretap.wtap_rec_reset(&stream->rec);
		if (!wiretap.wtap_read(stream->file, &stream->rec, &stream->buffer, &error, &info,
				       &offset)) {
			stream->is_over = true;
			if (!error && is_cut(stream))
				error = WTAP_ERR_SHORT_READ;
			return error ? complain(stream, error, info, why) : 0;
		}
	} while (stream->rec.rec_type != REC_TYPE_PACKET);
	stream->packets++;
	stream->last_end = offset + PCAP_RECORD_HEADER +
			   stream->rec.rec_header.packet_header.caplen;
	return 1;
}

int capture_record_time(const wtap_rec *rec, int64_t *ret)
{
	const int64_t second = INT64_C(1000000000);
	int64_t time;

	if (!(rec->presence_flags & WTAP_HAS_TS))
		return -ENODATA;
	/* A fraction of a second or more is what a damaged file has. */
	if (rec->ts.secs < 0 || rec->ts.nsecs < 0 || rec->ts.nsecs >= second ||
	    __builtin_mul_overflow((int64_t)rec->ts.secs, second, &time) ||
	    __builtin_add_overflow(time, (int64_t)rec->ts.nsecs, &time))
		return -ERANGE;
	*ret = time;
	return 0;
}

static int next_of_blocks(struct capture_stream *stream, struct passing_packet *ret,
			  struct why *why)
{
	const char *damage = NULL;
	int r = stream->is_over ? 0 : pcap_blocks_next(stream->blocks, ret, &damage);

	if (r > 0) {
		stream->packets++;
		if (!ret->time_known)
			ret->time_ns = stream->time_ns;
		stream->time_ns = ret->time_ns;
		return 1;
	}
	stream->is_over = true;
	if (r < 0) {
		CLEANUP_FREE char *place = place_of(stream);

		why_say(why, r, "cannot read %s: %s", place ? place : stream->name,
			damage ? damage : strerror(-r));
	}
	return r;
}

int capture_stream_next(struct capture_stream *stream, struct passing_packet *ret, struct why *why)
{
	const wtap_packet_header *packet = &stream->rec.rec_header.packet_header;
	bool time_known;
	int r, link;

	if (stream->blocks)
		return next_of_blocks(stream, ret, why);
	r = capture_stream_record(stream, why);
	if (r <= 0)
		return r;
	time_known = capture_record_time(&stream->rec, &stream->time_ns) == 0;
	link = wiretap_link(packet->pkt_encap);
	*ret = (struct passing_packet){
		.time_known = time_known,
		.time_ns = stream->time_ns,
		.link = link < 0 ? PACKET_LINK_OTHER : (enum packet_link)link,
		.captured_length = packet->caplen,
		.length = packet->len,
		.data = ws_buffer_start_ptr(&stream->buffer),
	};
	return 1;
}
