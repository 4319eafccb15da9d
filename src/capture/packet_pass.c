/*
 * Lists from process to process. One record after the other in the machine's byte order, behind a
 * head that says how long they are together, so that the receiver takes no byte that follows.
 */
#include "capture/packet.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static const char magic[8] = "cnt-pkt";

struct head {
	char magic[sizeof(magic)];
	uint64_t body_length;
	uint64_t interface_count, packet_count;
};

struct interface_record {
	uint32_t link, name_length; /* then the name */
};

struct packet_record {
	int64_t time_ns;
	uint32_t interface, captured_length, length;
	uint32_t comment_length; /* then data and comment */
};

#define NO_COMMENT UINT32_MAX

/* --- Sending --- */

static void write_interface(FILE *f, const struct packet_interface *interface)
{
	struct interface_record record = {
		.link = interface->link,
		.name_length = (uint32_t)strlen(interface->name),
	};

	fwrite(&record, sizeof(record), 1, f);
	fwrite(interface->name, 1, record.name_length, f);
}

static void write_packet(FILE *f, const struct packet *packet)
{
	struct packet_record record = {
		.time_ns = packet->time_ns,
		.interface = packet->interface,
		.captured_length = packet->captured_length,
		.length = packet->length,
		.comment_length = packet->comment ? (uint32_t)strlen(packet->comment) : NO_COMMENT,
	};

	fwrite(&record, sizeof(record), 1, f);
	fwrite(packet->data, 1, packet->captured_length, f);
	if (packet->comment)
		fwrite(packet->comment, 1, record.comment_length, f);
}

/* 0 or -ENOMEM. */
static int write_body(const struct packet_list *list, char **ret_body, size_t *ret_length)
{
	FILE *f = open_memstream(ret_body, ret_length);
	bool failed;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < list->interface_count; i++)
		write_interface(f, &list->interfaces[i]);
	for (size_t i = 0; i < list->count; i++)
		write_packet(f, &list->packets[i]);
	failed = ferror(f);
	return fclose(f) != 0 || failed ? -ENOMEM : 0;
}

int packet_list_send(const struct packet_list *list, int fd)
{
	struct head head = {
		.interface_count = list->interface_count,
		.packet_count = list->count,
	};
	CLEANUP_FREE char *body = NULL;
	size_t length;
	int r = write_body(list, &body, &length);

	if (r < 0)
		return r;
	memcpy(head.magic, magic, sizeof(magic));
	head.body_length = length;
	r = fd_write_all(fd, &head, sizeof(head));
	return r < 0 ? r : fd_write_all(fd, body, length);
}

/* --- Receiving --- */

/* 0, -errno, or -EBADMSG when the sender ends before. */
static int read_all(int fd, void *data, size_t length)
{
	char *at = data;

	while (length > 0) {
		ssize_t n = read(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Memory grows with what arrives, not with what the head promises. */
static int read_body(int fd, uint64_t length, char **ret)
{
	CLEANUP_FREE char *body = NULL;
	size_t used = 0, step = 64 * 1024;

	do {
		size_t more = length - used < step ? (size_t)(length - used) : step;
		char *bigger = realloc(body, used + more + 1);
		int r;

		if (!bigger)
			return -ENOMEM;
		body = bigger;
		r = read_all(fd, body + used, more);
		if (r < 0)
			return r;
		used += more;
		step = used;
	} while (used < length);
	*ret = TAKE_PTR(body);
	return 0;
}

struct reader {
	const char *at;
	size_t left;
};

/* The next @length bytes, or NULL when there are fewer. */
static const char *reader_take(struct reader *reader, size_t length)
{
	const char *taken = reader->at;

	if (length > reader->left)
		return NULL;
	reader->at += length;
	reader->left -= length;
	return taken;
}

static int read_interface(struct reader *reader, struct packet_list *list)
{
	struct interface_record record;
	CLEANUP_FREE char *name = NULL;
	const char *from = reader_take(reader, sizeof(record));
	int r;

	if (!from)
		return -EBADMSG;
	memcpy(&record, from, sizeof(record));
	from = reader_take(reader, record.name_length);
	if (!from)
		return -EBADMSG;
	name = strndup(from, record.name_length);
	if (!name)
		return -ENOMEM;
	r = packet_list_add_interface(list, name, (enum packet_link)record.link);
	return r < 0 ? r : 0;
}

static int read_packet(struct reader *reader, struct packet_list *list)
{
	struct packet_record record;
	struct packet packet;
	CLEANUP_FREE char *comment = NULL;
	const char *from = reader_take(reader, sizeof(record)), *data;
	int r;

	if (!from)
		return -EBADMSG;
	memcpy(&record, from, sizeof(record));
	data = reader_take(reader, record.captured_length);
	if (!data)
		return -EBADMSG;
	if (record.comment_length != NO_COMMENT) {
		from = reader_take(reader, record.comment_length);
		if (!from)
			return -EBADMSG;
		comment = strndup(from, record.comment_length);
		if (!comment)
			return -ENOMEM;
	}
	packet = (struct packet){
		.time_ns = record.time_ns,
		.interface = record.interface,
		.captured_length = record.captured_length,
		.length = record.length,
		.data = (uint8_t *)data,
		.comment = comment,
	};
	r = packet_list_add(list, &packet);
	return r == -EINVAL ? -EBADMSG : r;
}

static int read_list(struct reader *reader, const struct head *head, struct packet_list *list)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < head->interface_count; i++)
		r = read_interface(reader, list);
	for (uint64_t i = 0; r == 0 && i < head->packet_count; i++)
		r = read_packet(reader, list);
	return r == 0 && reader->left > 0 ? -EBADMSG : r;
}

int packet_list_receive(int fd, struct packet_list *ret)
{
	struct head head;
	struct packet_list list;
	struct reader reader;
	CLEANUP_FREE char *body = NULL;
	int r = read_all(fd, &head, sizeof(head));

	if (r < 0)
		return r;
	if (memcmp(head.magic, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	r = read_body(fd, head.body_length, &body);
	if (r < 0)
		return r;

	packet_list_init(&list);
	reader = (struct reader){.at = body, .left = head.body_length};
	r = read_list(&reader, &head, &list);
	if (r < 0) {
		packet_list_done(&list);
		return r;
	}
	*ret = list;
	return 0;
}
