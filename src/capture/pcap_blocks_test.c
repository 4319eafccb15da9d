/* The plain reader against libwiretap, over files made at random: the same packets, the same end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "capture/stream_private.h"

#define FILES 300

struct made {
	size_t length;
	uint8_t bytes[3 * 1024 * 1024];
};

static unsigned seed = 1;

static uint32_t any(uint32_t below)
{
	return (uint32_t)rand_r(&seed) % below;
}

static void put(struct made *made, uint32_t value, size_t bytes, bool swapped)
{
	for (size_t i = 0; i < bytes; i++)
		made->bytes[made->length++] = (uint8_t)(value >> 8 * (swapped ? bytes - 1 - i : i));
}

/* @longest: of a packet. */
static void make(struct made *made, uint32_t packets, uint32_t longest)
{
	static const uint32_t links[] = {0, 1, 101, 108, 113, 228, 229, 276};
	bool swapped = any(2), nanoseconds = any(2);

	made->length = 0;
	put(made, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 4, swapped);
	put(made, 2, 2, swapped);
	put(made, 4, 2, swapped);
	put(made, 0, 4, swapped);
	put(made, 0, 4, swapped);
	put(made, 262144, 4, swapped);
	put(made, links[any(8)], 4, swapped);
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t captured = any(longest + 1);

		if (made->length + 16 + captured > sizeof(made->bytes))
			break;
		put(made, 1700000000 + any(100), 4, swapped);
		put(made, any(nanoseconds ? 1000000000 : 1000000), 4, swapped);
		put(made, captured, 4, swapped);
		put(made, captured + any(100), 4, swapped);
		for (uint32_t byte = 0; byte < captured; byte++)
			made->bytes[made->length++] = (uint8_t)any(256);
	}
}

static int saved(const struct made *made, char path[static 32])
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, made->bytes, made->length), 0);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

/* Returns how many packets there were. */
static size_t assert_same(const struct made *made)
{
	struct capture_stream *plain = NULL, *library = NULL;
	struct why said = {""}, other = {""};
	char path[32];
	int fd = saved(made, path), r;
	size_t packets = 0;

	assert_int_equal(capture_stream_open(path, &plain, &said), 0);
	assert_non_null(plain->blocks);
	assert_int_equal(capture_stream_open_library(path, &library, &other), 0);
	assert_null(library->blocks);
	do {
		struct passing_packet one = {0}, two = {0};

		r = capture_stream_next(plain, &one, &said);
		assert_int_equal(r, capture_stream_next(library, &two, &other));
		if (r <= 0)
			break;
		packets++;
		assert_int_equal(one.time_ns, two.time_ns);
		assert_int_equal(one.time_known, two.time_known);
		assert_int_equal(one.link, two.link);
		assert_int_equal(one.length, two.length);
		assert_int_equal(one.captured_length, two.captured_length);
		assert_memory_equal(one.data, two.data, one.captured_length);
	} while (true);
	if (r < 0)
		assert_string_equal(said.text, other.text);
	assert_int_equal(capture_stream_next(plain, &(struct passing_packet){0}, &said), 0);
	capture_stream_close(plain);
	capture_stream_close(library);
	close(fd);
	return packets;
}

static struct made made;

static void whole_files(void **state)
{
	(void)state;
	for (int i = 0; i < FILES; i++) {
		make(&made, 3 + any(40), 200);
		assert_true(assert_same(&made) >= 3);
	}
}

/* With several packets before the cut: the library may take a shorter file for a dialect. */
static void cut_files(void **state)
{
	(void)state;
	for (int i = 0; i < FILES; i++) {
		make(&made, 20, 100);
		made.length -= any((uint32_t)(made.length - 24) / 3);
		assert_same(&made);
	}
}

/* Packets that do not end with a block, and such as are a good part of one. */
static void more_than_a_block(void **state)
{
	(void)state;
	make(&made, UINT32_MAX, 3000);
	assert_true(assert_same(&made) > 1000);
	make(&made, UINT32_MAX, 262144);
	assert_true(assert_same(&made) > 10);
}

static void refuses(const struct made *file)
{
	struct pcap_blocks *blocks = NULL;
	char path[32];
	int fd = saved(file, path);

	assert_int_equal(pcap_blocks_open(path, &blocks), 0);
	assert_null(blocks);
	close(fd);
}

static void what_is_for_the_library(void **state)
{
	struct pcap_blocks *blocks = NULL;
	int ends[2];
	char path[32];

	(void)state;
	make(&made, 10, 50);
	made.bytes[0] ^= 1; /* the magic, in either order */
	refuses(&made);
	make(&made, 10, 50);
	made.bytes[4] ^= 1; /* its version */
	refuses(&made);
	make(&made, 10, 50);
	made.bytes[20] ^= 0x7f; /* its link type, whose number is in the first or the last byte */
	made.bytes[23] ^= 0x7f;
	refuses(&made);
	make(&made, 10, 50);
	memset(made.bytes + 24 + 8, 0x7f, 4); /* a first length that lies */
	refuses(&made);
	made.length = 23;
	refuses(&made);

	assert_int_equal(pcap_blocks_open("/", &blocks), 0);
	assert_int_equal(pcap_blocks_open("/no/such/file", &blocks), 0);
	assert_int_equal(pipe(ends), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	assert_int_equal(pcap_blocks_open(path, &blocks), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_files),
		cmocka_unit_test(cut_files),
		cmocka_unit_test(more_than_a_block),
		cmocka_unit_test(what_is_for_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
