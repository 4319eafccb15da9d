#include "capture/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"

/* A file in memory, with a path that capture_read() can open. */
struct scratch {
	int fd;
	char path[32];
};

static struct scratch scratch_open(void)
{
	struct scratch scratch = {.fd = memfd_create("capture", MFD_CLOEXEC)};

	assert_true(scratch.fd >= 0);
	snprintf(scratch.path, sizeof(scratch.path), "/proc/self/fd/%d", scratch.fd);
	return scratch;
}

static void scratch_write(const struct scratch *scratch, const void *data, size_t length)
{
	assert_int_equal(write(scratch->fd, data, length), length);
}

/* Copies @length bytes at @from of one behind the other. */
static void scratch_copy(const struct scratch *to, const struct scratch *from)
{
	char byte;

	for (off_t at = 0; pread(from->fd, &byte, 1, at) == 1; at++)
		scratch_write(to, &byte, 1);
}

static void read_ok(const char *path, size_t limit, struct packet_list *ret)
{
	struct why why = {{0}};
	int r = capture_read(path, limit, ret, &why);

	if (r != 0)
		fail_msg("%d: %s", r, why.text);
}

static void assert_refused(const char *path, int error, const char *said)
{
	struct packet_list untouched = {.count = 42}, list = untouched;
	struct why why = {{0}};

	assert_int_equal(capture_read(path, 0, &list, &why), error);
	assert_memory_equal(&list, &untouched, sizeof(list));
	if (!strstr(why.text, said))
		fail_msg("\"%s\" does not say \"%s\"", why.text, said);
	assert_int_equal(capture_read(path, 0, &list, NULL), error);
}

static void add(struct packet_list *list, int64_t time, uint32_t interface, const char *text,
		const char *comment)
{
	struct packet packet = {
		.time_ns = time,
		.interface = interface,
		.captured_length = (uint32_t)strlen(text),
		.length = (uint32_t)strlen(text) + 100,
		.data = (uint8_t *)text,
		.comment = (char *)comment,
	};

	assert_int_equal(packet_list_add(list, &packet), 0);
}

#define A_TIME INT64_C(1700000000123456789)

/* Every link type, a name missing, times to the nanosecond and out of order. */
static void fill(struct packet_list *list)
{
	static const enum packet_link links[] = {
		PACKET_LINK_RAW, PACKET_LINK_ETHERNET, PACKET_LINK_NULL, PACKET_LINK_LOOP,
		PACKET_LINK_SLL, PACKET_LINK_IPV4,     PACKET_LINK_IPV6, PACKET_LINK_SLL2,
	};

	packet_list_init(list);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		char name[16] = "";

		if (i != 1)
			snprintf(name, sizeof(name), "host%zu ⇄", i);
		assert_int_equal(packet_list_add_interface(list, name, links[i]), i);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(links); i++)
		add(list, A_TIME - i, i, &"0123456789abcdef"[i],
		    i % 2 ? NULL : "dropped by “rule” 1");
	add(list, 0, 0, "", NULL);
	add(list, 1, 3, "again", "two\nlines");
}

static void assert_same(const struct packet_list *list, const struct packet_list *other)
{
	assert_int_equal(list->interface_count, other->interface_count);
	assert_int_equal(list->count, other->count);
	for (size_t i = 0; i < list->interface_count; i++) {
		assert_string_equal(list->interfaces[i].name, other->interfaces[i].name);
		assert_int_equal(list->interfaces[i].link, other->interfaces[i].link);
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct packet *a = &list->packets[i], *b = &other->packets[i];

		assert_int_equal(a->time_ns, b->time_ns);
		assert_int_equal(a->interface, b->interface);
		assert_int_equal(a->captured_length, b->captured_length);
		assert_int_equal(a->length, b->length);
		assert_memory_equal(a->data, b->data, a->captured_length);
		assert_int_equal(!a->comment, !b->comment);
		if (a->comment)
			assert_string_equal(a->comment, b->comment);
	}
}

static struct scratch written(const struct packet_list *list)
{
	struct scratch scratch = scratch_open();
	struct why why = {{0}};
	int r = capture_write(scratch.fd, list, &why);

	if (r != 0)
		fail_msg("%d: %s", r, why.text);
	return scratch;
}

static void test_round_trip(void **state)
{
	struct packet_list list, back;
	struct scratch scratch;

	(void)state;
	fill(&list);
	scratch = written(&list);
	read_ok(scratch.path, 0, &back);
	assert_same(&back, &list);
	packet_list_done(&back);

	read_ok(scratch.path, 3, &back);
	assert_int_equal(back.count, 3);
	assert_int_equal(back.packets[2].time_ns, A_TIME - 2);
	packet_list_done(&back);
	packet_list_done(&list);
	close(scratch.fd);
}

static void test_empty(void **state)
{
	struct packet_list list, back;
	struct scratch scratch;

	(void)state;
	packet_list_init(&list);
	scratch = written(&list);
	read_ok(scratch.path, 0, &back);
	assert_int_equal(back.count, 0);
	packet_list_done(&back);
	close(scratch.fd);

	packet_list_add_interface(&list, "quiet", PACKET_LINK_RAW);
	scratch = written(&list);
	read_ok(scratch.path, 0, &back);
	assert_same(&back, &list);
	packet_list_done(&back);
	packet_list_done(&list);
	close(scratch.fd);
}

/* The file says who wrote it and in which resolution (pcapng 4.1, 4.2). */
static void test_blocks(void **state)
{
	static const uint8_t section[] = {0x0a, 0x0d, 0x0d, 0x0a};
	static const uint8_t application[] = {4, 0, 7, 0, 'c', 'o', 'n', 't', 'e', 's', 't', 0};
	static const uint8_t name[] = {2, 0, 4, 0, 't', 'u', 'n', '0'};
	static const uint8_t resolution[] = {9, 0, 1, 0, 9, 0, 0, 0};
	struct packet_list list;
	struct scratch scratch;
	CLEANUP_FREE char *bytes = NULL;
	size_t length;

	(void)state;
	packet_list_init(&list);
	packet_list_add_interface(&list, "tun0", PACKET_LINK_RAW);
	scratch = written(&list);
	/* Ours, not the library's of the same name: see meson.build. */
	assert_int_equal(file_read(scratch.path, 4096, &bytes, &length), 0);
	assert_memory_equal(bytes, section, sizeof(section));
	assert_non_null(memmem(bytes, length, application, sizeof(application)));
	assert_non_null(memmem(bytes, length, name, sizeof(name)));
	assert_non_null(memmem(bytes, length, resolution, sizeof(resolution)));
	packet_list_done(&list);
	close(scratch.fd);
}

/* Concatenated files are one pcapng file of two sections, each counts its interfaces from 0. */
static void test_sections(void **state)
{
	struct packet_list first, second, both, back;
	struct scratch one, two, joined = scratch_open();

	(void)state;
	fill(&first);
	packet_list_init(&second);
	packet_list_add_interface(&second, "other", PACKET_LINK_RAW);
	packet_list_add_interface(&second, "another", PACKET_LINK_RAW);
	add(&second, 5, 1, "x", NULL);
	add(&second, 6, 0, "y", NULL);
	one = written(&first);
	two = written(&second);
	scratch_copy(&joined, &one);
	scratch_copy(&joined, &two);
	packet_list_init(&both);
	assert_int_equal(packet_list_append(&both, &first), 0);
	assert_int_equal(packet_list_append(&both, &second), 0);
	read_ok(joined.path, 0, &back);
	assert_same(&back, &both);

	packet_list_done(&first);
	packet_list_done(&second);
	packet_list_done(&both);
	packet_list_done(&back);
	close(one.fd);
	close(two.fd);
	close(joined.fd);
}

/* --- pcap files, made by hand --- */

static void put(const struct scratch *scratch, uint32_t value, size_t bytes, bool big)
{
	uint8_t out[4];

	for (size_t i = 0; i < bytes; i++)
		out[big ? bytes - 1 - i : i] = (uint8_t)(value >> (8 * i));
	scratch_write(scratch, out, bytes);
}

static void put_pcap_header(const struct scratch *scratch, uint32_t magic, uint32_t link, bool big)
{
	put(scratch, magic, 4, big);
	put(scratch, 2, 2, big);
	put(scratch, 4, 2, big);
	put(scratch, 0, 4, big);
	put(scratch, 0, 4, big);
	put(scratch, 65535, 4, big);
	put(scratch, link, 4, big);
}

static void put_pcap_packet(const struct scratch *scratch, const char *data, uint32_t fraction,
			    bool big)
{
	put(scratch, 1700000000, 4, big);
	put(scratch, fraction, 4, big);
	put(scratch, (uint32_t)strlen(data), 4, big);
	put(scratch, (uint32_t)strlen(data) + 9, 4, big);
	scratch_write(scratch, data, strlen(data));
}

static void assert_pcap(uint32_t magic, uint32_t link, bool big, int64_t unit)
{
	struct scratch scratch = scratch_open();
	struct packet_list list;

	put_pcap_header(&scratch, magic, link, big);
	put_pcap_packet(&scratch, "E-packet", 123456, big);
	put_pcap_packet(&scratch, "another one", 7, big);
	read_ok(scratch.path, 0, &list);
	assert_int_equal(list.interface_count, 1);
	assert_int_equal(list.interfaces[0].link, link);
	assert_string_equal(list.interfaces[0].name, "");
	assert_int_equal(list.count, 2);
	assert_int_equal(list.packets[0].time_ns, INT64_C(1700000000000000000) + 123456 * unit);
	assert_int_equal(list.packets[0].captured_length, 8);
	assert_int_equal(list.packets[0].length, 17);
	assert_memory_equal(list.packets[0].data, "E-packet", 8);
	assert_null(list.packets[0].comment);
	assert_int_equal(list.packets[1].time_ns, INT64_C(1700000000000000000) + 7 * unit);
	packet_list_done(&list);
	close(scratch.fd);
}

static void test_pcap(void **state)
{
	static const uint32_t links[] = {PACKET_LINK_RAW,  PACKET_LINK_ETHERNET, PACKET_LINK_NULL,
					 PACKET_LINK_LOOP, PACKET_LINK_SLL,	 PACKET_LINK_IPV4,
					 PACKET_LINK_IPV6, PACKET_LINK_SLL2,	 127 /* 802.11 */};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		assert_pcap(0xa1b2c3d4, links[i], false, 1000);
	assert_pcap(0xa1b2c3d4, PACKET_LINK_RAW, true, 1000);
	assert_pcap(0xa1b23c4d, PACKET_LINK_RAW, false, 1);
	assert_pcap(0xa1b23c4d, PACKET_LINK_RAW, true, 1);
}

static void test_simple_packet(void **state)
{
	static const uint32_t blocks[] = {
		0x0a0d0d0a, 28, 0x1a2b3c4d, 1,		0xffffffff, 0xffffffff, 28, /* section */
		1,	    20, 101,	    0,		20,			    /* interface */
		3,	    20, 4,	    0x12345678, 20, /* simple packet */
	};
	struct scratch scratch = scratch_open();
	struct packet_list list;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		put(&scratch, blocks[i], 4, false);
	read_ok(scratch.path, 0, &list);
	assert_int_equal(list.interface_count, 1);
	assert_int_equal(list.interfaces[0].link, PACKET_LINK_RAW);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.packets[0].time_ns, 0);
	assert_int_equal(list.packets[0].captured_length, 4);
	packet_list_done(&list);
	close(scratch.fd);
}

/* A time that 64 bits of nanoseconds do not hold. */
static void test_far_future(void **state)
{
	static const uint32_t blocks[] = {
		0x0a0d0d0a, 28, 0x1a2b3c4d, 1,		0xffffffff, 0xffffffff, 28, 1,		32,
		101,	    0,	0x00010009, 0,		0,	    32, /* time in seconds */
		6,	    36, 0,	    0x7fffffff, 0,	    4,		4,  0x12345678, 36,
	};
	struct scratch scratch = scratch_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		put(&scratch, blocks[i], 4, false);
	assert_refused(scratch.path, -ERANGE, "packet 1 of");
	close(scratch.fd);
}

/* In a child of its own, through a pipe that becomes its standard input. */
static void test_standard_input(void **state)
{
	struct packet_list list, back;
	int ends[2], status;
	pid_t child;

	(void)state;
	fill(&list);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		_exit(capture_write(ends[1], &list, NULL) != 0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
	close(ends[0]);
	read_ok("-", 0, &back);
	assert_same(&back, &list);
	packet_list_done(&back);
	packet_list_done(&list);
	assert_refused("-", -EBADMSG, "standard input");
}

static void test_gzip(void **state)
{
	struct packet_list list, back;
	struct scratch plain, packed = scratch_open();
	char command[128];

	(void)state;
	fill(&list);
	plain = written(&list);
	snprintf(command, sizeof(command), "gzip -c </proc/%d/fd/%d >/proc/%d/fd/%d", getpid(),
		 plain.fd, getpid(), packed.fd);
	lseek(plain.fd, 0, SEEK_SET);
	if (system(command) != 0) {
		print_message("no gzip\n");
		skip();
	}
	read_ok(packed.path, 0, &back);
	assert_same(&back, &list);
	packet_list_done(&back);
	packet_list_done(&list);
	close(plain.fd);
	close(packed.fd);
}

static void test_refused(void **state)
{
	static const char text[] = "#!/bin/sh\necho this is not a capture, and long enough to be\n";
	static const uint8_t image[] = {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0};
	struct scratch scratch = scratch_open(), picture = scratch_open();

	(void)state;
	assert_refused("/nonexistent/file", -ENOENT, "/nonexistent/file");
	assert_refused("/", -EISDIR, "cannot read /");
	assert_refused("/dev/null", -EINVAL, "/dev/null");
	assert_refused(scratch.path, -EBADMSG, scratch.path);
	scratch_write(&scratch, text, strlen(text));
	assert_refused(scratch.path, -EBADMSG, scratch.path);
	scratch_write(&picture, image, sizeof(image));
	assert_refused(picture.path, -EBADMSG, picture.path);
	close(scratch.fd);
	close(picture.fd);
}

static void test_damaged(void **state)
{
	struct packet_list list;
	struct scratch scratch;
	off_t length;

	(void)state;
	fill(&list);
	scratch = written(&list);
	packet_list_done(&list);
	length = lseek(scratch.fd, 0, SEEK_END);
	assert_int_equal(ftruncate(scratch.fd, length - 5), 0);
	assert_refused(scratch.path, -EBADMSG, "cannot read /proc/self/fd/");
	assert_int_equal(ftruncate(scratch.fd, 10), 0);
	assert_refused(scratch.path, -EBADMSG, "cannot read /proc/self/fd/");
	close(scratch.fd);
}

static int write_one(int fd, const struct packet *packet, enum packet_link link, struct why *why)
{
	struct packet_list list;
	int r;

	packet_list_init(&list);
	packet_list_add_interface(&list, "x", link);
	assert_int_equal(packet_list_add(&list, packet), 0);
	r = capture_write(fd, &list, why);
	packet_list_done(&list);
	return r;
}

static void test_write_refused(void **state)
{
	static uint8_t large[300000];
	struct packet packet = {.data = large, .captured_length = 1, .length = 1};
	struct scratch scratch = scratch_open();
	struct why why = {{0}};
	CLEANUP_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CLEANUP_CLOSE int readable = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(write_one(-1, &packet, PACKET_LINK_RAW, &why), -EBADF);
	assert_int_equal(write_one(readable, &packet, PACKET_LINK_RAW, &why), -EBADF);
	assert_int_equal(write_one(full, &packet, PACKET_LINK_RAW, &why), -ENOSPC);
	assert_non_null(strstr(why.text, "No space left"));
	assert_int_equal(write_one(scratch.fd, &packet, PACKET_LINK_OTHER, &why), -EINVAL);
	assert_non_null(strstr(why.text, "link type"));
	packet.time_ns = -1;
	assert_int_equal(write_one(scratch.fd, &packet, PACKET_LINK_RAW, &why), -ERANGE);
	packet.time_ns = 0;
	packet.captured_length = sizeof(large);
	assert_int_equal(write_one(scratch.fd, &packet, PACKET_LINK_RAW, &why), -EMSGSIZE);
	assert_non_null(strstr(why.text, "cannot write"));
	close(scratch.fd);
}

/* The descriptor is borrowed, whether writing succeeds or not. */
static void test_descriptors(void **state)
{
	struct packet packet = {.data = (uint8_t *)"x", .captured_length = 1, .length = 1};
	struct scratch scratch = scratch_open();
	int before, after;

	(void)state;
	before = dup(0);
	close(before);
	assert_int_equal(write_one(scratch.fd, &packet, PACKET_LINK_RAW, NULL), 0);
	assert_int_equal(write_one(scratch.fd, &packet, PACKET_LINK_OTHER, NULL), -EINVAL);
	assert_refused("/dev/null", -EINVAL, "");
	assert_true(fcntl(scratch.fd, F_GETFD) >= 0);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
	close(scratch.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_empty),
		cmocka_unit_test(test_blocks),	    cmocka_unit_test(test_sections),
		cmocka_unit_test(test_pcap),	    cmocka_unit_test(test_simple_packet),
		cmocka_unit_test(test_far_future),  cmocka_unit_test(test_standard_input),
		cmocka_unit_test(test_gzip),	    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),	    cmocka_unit_test(test_write_refused),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
