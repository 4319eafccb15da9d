#include "capture/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void add(struct packet_list *list, int64_t time, uint32_t interface, const char *text)
{
	struct packet packet = {
		.time_ns = time,
		.interface = interface,
		.captured_length = (uint32_t)strlen(text),
		.length = (uint32_t)strlen(text) + 7,
		.data = (uint8_t *)text,
		.comment = time % 2 ? "odd" : NULL,
	};

	assert_int_equal(packet_list_add(list, &packet), 0);
}

static void assert_packet(const struct packet *packet, int64_t time, uint32_t interface,
			  const char *text)
{
	assert_int_equal(packet->time_ns, time);
	assert_int_equal(packet->interface, interface);
	assert_int_equal(packet->captured_length, strlen(text));
	assert_int_equal(packet->length, strlen(text) + 7);
	assert_memory_equal(packet->data, text, strlen(text));
	if (time % 2)
		assert_string_equal(packet->comment, "odd");
	else
		assert_null(packet->comment);
}

static void fill(struct packet_list *list)
{
	packet_list_init(list);
	assert_int_equal(packet_list_add_interface(list, "left", PACKET_LINK_RAW), 0);
	assert_int_equal(packet_list_add_interface(list, "", PACKET_LINK_ETHERNET), 1);
	add(list, 3, 0, "three");
	add(list, 2, 1, "");
	add(list, -5, 1, "before the epoch");
}

static void assert_filled(const struct packet_list *list)
{
	assert_int_equal(list->interface_count, 2);
	assert_string_equal(list->interfaces[0].name, "left");
	assert_int_equal(list->interfaces[0].link, PACKET_LINK_RAW);
	assert_string_equal(list->interfaces[1].name, "");
	assert_int_equal(list->interfaces[1].link, PACKET_LINK_ETHERNET);
	assert_int_equal(list->count, 3);
	assert_packet(&list->packets[0], 3, 0, "three");
	assert_packet(&list->packets[1], 2, 1, "");
	assert_packet(&list->packets[2], -5, 1, "before the epoch");
}

static void test_add(void **state)
{
	struct packet_list list;
	struct packet nowhere = {.interface = 2};

	(void)state;
	fill(&list);
	assert_filled(&list);
	assert_int_equal(packet_list_add(&list, &nowhere), -EINVAL);
	assert_filled(&list);
	packet_list_done(&list);
	assert_null(list.packets);
	packet_list_done(&list);
}

static void test_append(void **state)
{
	struct packet_list list, from;

	(void)state;
	fill(&list);
	fill(&from);
	assert_int_equal(packet_list_append(&list, &from), 0);
	assert_filled(&from);
	packet_list_done(&from);

	assert_int_equal(list.interface_count, 4);
	assert_int_equal(list.count, 6);
	assert_packet(&list.packets[0], 3, 0, "three");
	assert_packet(&list.packets[3], 3, 2, "three");
	assert_packet(&list.packets[5], -5, 3, "before the epoch");
	packet_list_done(&list);
}

/* Each packet's length is its place in the beginning, so that stability shows. */
static void assert_sorted(int64_t (*time)(uint32_t place, uint32_t count), uint32_t count)
{
	struct packet_list list;

	packet_list_init(&list);
	packet_list_add_interface(&list, "x", PACKET_LINK_RAW);
	for (uint32_t i = 0; i < count; i++) {
		struct packet packet = {.time_ns = time(i, count), .length = i};

		assert_int_equal(packet_list_add(&list, &packet), 0);
	}
	packet_list_sort(&list);
	assert_int_equal(list.count, count);
	for (uint32_t i = 0; i + 1 < count; i++) {
		const struct packet *packet = &list.packets[i];

		assert_true(packet[0].time_ns < packet[1].time_ns ||
			    (packet[0].time_ns == packet[1].time_ns &&
			     packet[0].length < packet[1].length));
	}
	packet_list_done(&list);
}

static int64_t time_same(uint32_t place, uint32_t count)
{
	(void)place;
	(void)count;
	return 7;
}

static int64_t time_backwards(uint32_t place, uint32_t count)
{
	return (int64_t)count - place;
}

static int64_t time_two_runs(uint32_t place, uint32_t count)
{
	return place < count / 2 ? 2 * (int64_t)place : 2 * ((int64_t)place - count / 2) - 1;
}

static int64_t time_scattered(uint32_t place, uint32_t count)
{
	(void)count;
	return (int64_t)((place * 2654435761u) >> 26) - 32;
}

static void test_sort(void **state)
{
	static int64_t (*const orders[])(uint32_t, uint32_t) = {time_same, time_backwards,
								time_two_runs, time_scattered};
	static const uint32_t counts[] = {0, 1, 2, 3, 5, 8, 100, 5000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		for (size_t k = 0; k < ARRAY_SIZE(counts); k++)
			assert_sorted(orders[i], counts[k]);
}

/* More than a pipe holds, with another list and a byte behind it. */
static void test_pipe(void **state)
{
	static char large[200000];
	struct packet_list list;
	int ends[2], status;
	pid_t child;
	char byte;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int r;

		fill(&list);
		r = packet_list_send(&list, ends[1]);
		add(&list, 9, 0, large);
		if (r == 0)
			r = packet_list_send(&list, ends[1]);
		packet_list_done(&list);
		_exit(r != 0 || write(ends[1], "!", 1) != 1);
	}
	close(ends[1]);
	assert_int_equal(packet_list_receive(ends[0], &list), 0);
	assert_filled(&list);
	packet_list_done(&list);
	assert_int_equal(packet_list_receive(ends[0], &list), 0);
	assert_int_equal(list.count, 4);
	assert_packet(&list.packets[3], 9, 0, large);
	packet_list_done(&list);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, '!');
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int sent(void)
{
	struct packet_list list;
	int fd = memfd_create("packets", MFD_CLOEXEC);

	assert_true(fd >= 0);
	fill(&list);
	assert_int_equal(packet_list_send(&list, fd), 0);
	packet_list_done(&list);
	return fd;
}

static void test_memfd(void **state)
{
	struct packet_list list, empty;
	int fd = sent();

	(void)state;
	packet_list_init(&empty);
	assert_int_equal(packet_list_send(&empty, fd), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(packet_list_receive(fd, &list), 0);
	assert_filled(&list);
	packet_list_done(&list);
	assert_int_equal(packet_list_receive(fd, &list), 0);
	assert_int_equal(list.count, 0);
	assert_int_equal(list.interface_count, 0);
	packet_list_done(&list);
	close(fd);
}

/* Whatever is missing or changed: never a crash, never half a list. */
static void test_damage(void **state)
{
	struct packet_list untouched = {.count = 42};
	int fd = sent();
	off_t length = lseek(fd, 0, SEEK_END);

	(void)state;
	for (off_t at = 0; at < length; at++) {
		struct packet_list list = untouched;
		unsigned char byte, wrong = 0xff;
		int r;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
		lseek(fd, 0, SEEK_SET);
		r = packet_list_receive(fd, &list);
		assert_true(r == 0 || r == -EBADMSG);
		if (r == 0)
			packet_list_done(&list);
		else
			assert_memory_equal(&list, &untouched, sizeof(list));
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	while (length-- > 0) {
		struct packet_list list = untouched;

		assert_int_equal(ftruncate(fd, length), 0);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(packet_list_receive(fd, &list), -EBADMSG);
		assert_memory_equal(&list, &untouched, sizeof(list));
	}
	assert_int_equal(packet_list_receive(-1, &untouched), -EBADF);
	close(fd);
}

/* A head that promises fewer packets than follow. */
static void test_more_than_promised(void **state)
{
	struct packet_list list;
	struct {
		char magic[8];
		uint64_t body_length, interface_count, packet_count;
	} head;
	int fd = sent();

	(void)state;
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(head.packet_count, 3);
	head.packet_count = 2;
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(packet_list_receive(fd, &list), -EBADMSG);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_more_than_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
