/*
 * A whole file, on top of the stream that reads its packets.
 *
 * Interfaces of a pcapng file are numbered within a section (concatenated files have several), the
 * library lists them through the whole file in the order in which it meets them: the first
 * interface of a section is the first one met after the last packet of the section before.
 */
#include "capture/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "capture/stream_private.h"

struct reader {
	struct capture_stream *stream; /* (borrowed) */
	struct packet_list *list;
	struct why *why;
	guint section;		  /* of the last packet */
	size_t section_interface; /* the first interface of that section, as the file counts */
	uint32_t *interfaces;	  /* the list's index of each interface met (owned) */
	size_t interface_count, interface_capacity;
};

/* An interface of the list, or -errno. */
static int add_interface(struct reader *reader, const char *name, int encap)
{
	int r, link = wiretap_link(encap);

	if (link < 0)
		return why_say(reader->why, -EBADMSG,
			       "cannot read %s: link type without number: %s", reader->stream->name,
			       wiretap.wtap_encap_description(encap));
	r = packet_list_add_interface(reader->list, name, (enum packet_link)link);
	return r < 0 ? why_set(reader->why, r, "cannot read %s", reader->stream->name) : r;
}

static int take_interface(struct reader *reader, wtap_block_t block)
{
	const wtapng_if_descr_mandatory_t *description =
		wiretap.wtap_block_get_mandatory_data(block);
	char *name;
	int r;

	if (wiretap.wtap_block_get_string_option_value(block, OPT_IDB_NAME, &name) !=
	    WTAP_OPTTYPE_SUCCESS)
		name = "";
	r = ARRAY_ROOM(reader->interfaces, reader->interface_capacity, reader->interface_count);
	if (r < 0)
		return why_set(reader->why, r, "cannot read %s", reader->stream->name);
	r = add_interface(reader, name, description->wtap_encap);
	if (r < 0)
		return r;
	reader->interfaces[reader->interface_count++] = (uint32_t)r;
	return 0;
}

/* The interfaces met since the last call. */
static int take_interfaces(struct reader *reader)
{
	wtap_block_t block;
	int r = 0;

	while (r == 0 &&
	       (block = wiretap.wtap_get_next_interface_description(reader->stream->file)))
		r = take_interface(reader, block);
	return r;
}

/* For a format without interfaces: one without name for each link type. */
static int nameless_interface(struct reader *reader, int encap)
{
	const struct packet_list *list = reader->list;
	int link = wiretap_link(encap);

	for (size_t i = 0; i < list->interface_count; i++)
		if ((int)list->interfaces[i].link == link && !*list->interfaces[i].name)
			return (int)i;
	return add_interface(reader, "", encap);
}

/* The list's index of the interface that a packet came from, or -errno. */
static int interface_of(struct reader *reader, const wtap_rec *rec)
{
	const wtap_packet_header *packet = &rec->rec_header.packet_header;
	size_t met = reader->interface_count, number;
	int r = take_interfaces(reader);

	if (r < 0)
		return r;
	if ((rec->presence_flags & WTAP_HAS_SECTION_NUMBER) &&
	    rec->section_number != reader->section) {
		reader->section = rec->section_number;
		reader->section_interface = met;
	}
	/* Without interface blocks the library makes one up for the whole file. */
	number = reader->section_interface;
	if (rec->presence_flags & WTAP_HAS_INTERFACE_ID)
		number += packet->interface_id;
	if (number < reader->interface_count) {
		uint32_t index = reader->interfaces[number];

		if ((int)reader->list->interfaces[index].link == wiretap_link(packet->pkt_encap))
			return (int)index;
	}
	return nameless_interface(reader, packet->pkt_encap);
}

/* All comments of a packet, one per line, in *ret (owned by the caller); NULL without any text. */
static int join_comments(wtap_block_t block, char **ret)
{
	CLEANUP_FREE char *all = NULL;
	char *comment;

	for (guint i = 0; block && wiretap.wtap_block_get_nth_string_option_value(
					   block, OPT_COMMENT, i, &comment) == WTAP_OPTTYPE_SUCCESS;
	     i++) {
		char *joined;

		if (asprintf(&joined, "%s%s%s", all ? all : "", all ? "\n" : "", comment) < 0)
			return -ENOMEM;
		free(all);
		all = joined;
	}
	*ret = all && *all ? TAKE_PTR(all) : NULL;
	return 0;
}

static int take_packet(struct reader *reader)
{
	const wtap_rec *rec = &reader->stream->rec;
	CLEANUP_FREE char *comment = NULL;
	struct packet packet = {
		.captured_length = rec->rec_header.packet_header.caplen,
		.length = rec->rec_header.packet_header.len,
		.data = ws_buffer_start_ptr(&reader->stream->buffer),
	};
	int r = interface_of(reader, rec);

	if (r < 0)
		return r;
	packet.interface = (uint32_t)r;
	r = capture_record_time(rec, &packet.time_ns);
	if (r == 0 || r == -ENODATA)
		r = join_comments(rec->block, &comment);
	packet.comment = comment;
	if (r == 0)
		r = packet_list_add(reader->list, &packet);
	if (r < 0)
		return why_set(reader->why, r, "cannot read packet %zu of %s",
			       reader->list->count + 1, reader->stream->name);
	return 0;
}

static int read_list(struct reader *reader, size_t limit)
{
	int r = take_interfaces(reader);

	while (r == 0 && (!limit || reader->list->count < limit)) {
		r = capture_stream_record(reader->stream, reader->why);
		/* An interface may stand behind the last packet. */
		if (r == 0)
			return take_interfaces(reader);
		if (r > 0)
			r = take_packet(reader);
	}
	return r;
}

int capture_read(const char *path, size_t limit_packets, struct packet_list *ret, struct why *why)
{
	struct packet_list list;
	struct reader reader = {.list = &list, .why = why};
	int r = capture_stream_open_library(path, &reader.stream, why);

	if (r < 0)
		return r;
	packet_list_init(&list);
	r = read_list(&reader, limit_packets);
	capture_stream_close(reader.stream);
	free(reader.interfaces);
	if (r < 0) {
		packet_list_done(&list);
		return r;
	}
	*ret = list;
	return 0;
}
