/*
 * The capture file reader, with all that follows from what it read: every packet is decoded, the
 * list is sorted, sent to another process and written, and comes back as it was.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "capture/decode.h"
#include "capture/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static int memory_file(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int read_fd(int fd, struct packet_list *ret)
{
	char path[32];
	struct why why = {{0}};
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = capture_read(path, 1000, ret, &why);
	CHECK(r <= 0 && (r == 0 || why.text[0]));
	return r;
}

static void check_same(const struct packet_list *list, const struct packet_list *other)
{
	CHECK(list->count == other->count);
	CHECK(list->interface_count == other->interface_count);
	for (size_t i = 0; i < list->interface_count; i++) {
		CHECK(strcmp(list->interfaces[i].name, other->interfaces[i].name) == 0);
		CHECK(list->interfaces[i].link == other->interfaces[i].link);
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct packet *a = &list->packets[i], *b = &other->packets[i];

		CHECK(a->time_ns == b->time_ns && a->interface == b->interface);
		CHECK(a->captured_length == b->captured_length && a->length == b->length);
		CHECK(memcmp(a->data, b->data, a->captured_length) == 0);
		CHECK(!a->comment == !b->comment);
		CHECK(!a->comment || strcmp(a->comment, b->comment) == 0);
	}
}

static void check_passing(const struct packet_list *list)
{
	CLEANUP_CLOSE int fd = memory_file();
	struct packet_list back;

	CHECK(packet_list_send(list, fd) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK(packet_list_receive(fd, &back) == 0);
	check_same(&back, list);
	packet_list_done(&back);
}

/* Not everything that can be read can be written: unknown link types, times before 1970. */
static void check_writing(const struct packet_list *list)
{
	CLEANUP_CLOSE int fd = memory_file();
	struct packet_list back;

	if (list->interface_count == 0 || capture_write(fd, list, NULL) < 0)
		return;
	CHECK(read_fd(fd, &back) == 0);
	check_same(&back, list);
	packet_list_done(&back);
}

static void check_decoding(struct packet_list *list)
{
	struct segment segment;

	packet_list_sort(list);
	for (size_t i = 0; i < list->count; i++) {
		const struct packet *packet = &list->packets[i];

		CHECK(packet->interface < list->interface_count);
		CHECK(i == 0 || packet[-1].time_ns <= packet->time_ns);
		decode_packet(list->interfaces[packet->interface].link, packet->data,
			      packet->captured_length, packet->length, &segment);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_CLOSE int fd = memory_file();
	struct packet_list list;

	CHECK(fd_write_all(fd, data, size) == 0);
	if (read_fd(fd, &list) < 0)
		return 0;
	check_passing(&list);
	check_writing(&list);
	check_decoding(&list);
	packet_list_done(&list);
	return 0;
}
