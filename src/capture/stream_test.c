/* Captures of every make, whole and damaged, one packet after the other. */
#include "capture/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"

/* --- Files, made by hand in memory --- */

struct made {
	uint8_t bytes[4096];
	size_t length;
	bool big_endian;
};

static void put(struct made *made, uint64_t value, size_t bytes)
{
	assert_true(made->length + bytes <= sizeof(made->bytes));
	for (size_t i = 0; i < bytes; i++)
		made->bytes[made->length + (made->big_endian ? bytes - 1 - i : i)] =
			(uint8_t)(value >> (8 * i));
	made->length += bytes;
}

static void put_text(struct made *made, const char *text)
{
	for (; *text; text++)
		put(made, (uint8_t)*text, 1);
}

#define MICROSECONDS 0xa1b2c3d4
#define NANOSECONDS  0xa1b23c4d
#define A_SECOND     1700000000

static struct made pcap(uint32_t magic, uint32_t link, bool big_endian)
{
	struct made made = {.big_endian = big_endian};

	put(&made, magic, 4);
	put(&made, 2, 2); /* version 2.4 */
	put(&made, 4, 2);
	put(&made, 0, 8);
	put(&made, 65535, 4);
	put(&made, link, 4);
	return made;
}

/* A packet of 10 bytes that says of itself that it has @captured. */
static void put_record(struct made *made, uint32_t seconds, uint32_t fraction, uint32_t captured)
{
	put(made, seconds, 4);
	put(made, fraction, 4);
	put(made, captured, 4);
	put(made, 60, 4);
	put_text(made, "0123456789");
}

/* pcapng: section, interface, enhanced packet of 4 bytes (4.1, 4.2, 4.3 of the draft). */
static void put_section(struct made *made)
{
	put(made, 0x0a0d0d0a, 4);
	put(made, 28, 4);
	put(made, 0x1a2b3c4d, 4);
	put(made, 1, 2);
	put(made, 0, 2);
	put(made, UINT64_MAX, 8);
	put(made, 28, 4);
}

static void put_interface(struct made *made, uint16_t link)
{
	put(made, 1, 4);
	put(made, 20, 4);
	put(made, link, 2);
	put(made, 0, 6);
	put(made, 20, 4);
}

static void put_packet(struct made *made, uint32_t interface, uint64_t time)
{
	put(made, 6, 4);
	put(made, 36, 4);
	put(made, interface, 4);
	put(made, time >> 32, 4);
	put(made, time & UINT32_MAX, 4);
	put(made, 4, 4);
	put(made, 1500, 4);
	put_text(made, "abcd");
	put(made, 36, 4);
}

struct scratch {
	int fd;
	char path[32];
};

static struct scratch saved(const struct made *made)
{
	struct scratch scratch = {.fd = memfd_create("capture", MFD_CLOEXEC)};

	assert_true(scratch.fd >= 0);
	snprintf(scratch.path, sizeof(scratch.path), "/proc/self/fd/%d", scratch.fd);
	assert_int_equal(fd_write_all(scratch.fd, made->bytes, made->length), 0);
	return scratch;
}

/* --- Reading them --- */

static struct capture_stream *opened(const char *path)
{
	struct capture_stream *stream = NULL;
	struct why why = {{0}};
	int r = capture_stream_open(path, &stream, &why);

	if (r != 0)
		fail_msg("%d: %s", r, why.text);
	return stream;
}

static struct capture_stream *opened_made(const struct made *made)
{
	struct scratch scratch = saved(made);
	struct capture_stream *stream = opened(scratch.path);

	close(scratch.fd);
	return stream;
}

static void assert_refused(const char *path, int error, const char *said)
{
	struct capture_stream *untouched = (struct capture_stream *)0x42, *stream = untouched;
	struct why why = {{0}};

	assert_int_equal(capture_stream_open(path, &stream, &why), error);
	assert_ptr_equal(stream, untouched);
	if (!strstr(why.text, said) || !strstr(why.text, "cannot read "))
		fail_msg("\"%s\" does not say \"%s\"", why.text, said);
	assert_int_equal(capture_stream_open(path, &stream, NULL), error);
}

static void assert_made_refused(const struct made *made, const char *said)
{
	struct scratch scratch = saved(made);

	assert_refused(scratch.path, -EBADMSG, said);
	close(scratch.fd);
}

static struct passing_packet next(struct capture_stream *stream)
{
	struct passing_packet packet = {.data = NULL};
	struct why why = {{0}};
	int r = capture_stream_next(stream, &packet, &why);

	if (r != 1)
		fail_msg("%d: %s", r, why.text);
	return packet;
}

/* Nothing more, and the same when asked again. Closes it. */
static void assert_end(struct capture_stream *stream)
{
	struct passing_packet packet = {.length = 42};

	assert_int_equal(capture_stream_next(stream, &packet, NULL), 0);
	assert_int_equal(capture_stream_next(stream, &packet, NULL), 0);
	assert_int_equal(packet.length, 42);
	capture_stream_close(stream);
}

/* Damage is said once, with its place; nothing is read behind it. Closes it. */
static void assert_damaged(struct capture_stream *stream, const char *said)
{
	struct passing_packet packet = {.length = 42};
	struct why why = {{0}};

	assert_int_equal(capture_stream_next(stream, &packet, &why), -EBADMSG);
	if (!strstr(why.text, said))
		fail_msg("\"%s\" does not say \"%s\"", why.text, said);
	assert_int_equal(packet.length, 42);
	assert_end(stream);
}

static int64_t at(int64_t seconds, int64_t nanoseconds)
{
	return seconds * 1000000000 + nanoseconds;
}

static void assert_pcap(uint32_t magic, bool big_endian, int64_t unit_ns)
{
	struct made made = pcap(magic, PACKET_LINK_ETHERNET, big_endian);
	struct capture_stream *stream;
	struct passing_packet packet;

	put_record(&made, A_SECOND, 123456, 10);
	put_record(&made, A_SECOND + 1, 7, 10);
	stream = opened_made(&made);
	packet = next(stream);
	assert_true(packet.time_known);
	assert_int_equal(packet.time_ns, at(A_SECOND, 123456 * unit_ns));
	assert_int_equal(packet.link, PACKET_LINK_ETHERNET);
	assert_int_equal(packet.captured_length, 10);
	assert_int_equal(packet.length, 60);
	assert_memory_equal(packet.data, "0123456789", 10);
	packet = next(stream);
	assert_int_equal(packet.time_ns, at(A_SECOND + 1, 7 * unit_ns));
	assert_end(stream);
}

static void either_byte_order_micro_and_nanoseconds(void **state)
{
	(void)state;
	assert_pcap(MICROSECONDS, false, 1000);
	assert_pcap(MICROSECONDS, true, 1000);
	assert_pcap(NANOSECONDS, false, 1);
	assert_pcap(NANOSECONDS, true, 1);
}

static void link_types_have_the_numbers_of_pcap(void **state)
{
	/* as the file has it, as it comes out */
	static const uint32_t links[][2] = {
		{PACKET_LINK_NULL, PACKET_LINK_NULL},
		{PACKET_LINK_ETHERNET, PACKET_LINK_ETHERNET},
		{PACKET_LINK_PPP, PACKET_LINK_PPP},
		{PACKET_LINK_PPP_HDLC, PACKET_LINK_PPP},
		{204 /* with direction */, PACKET_LINK_PPP},
		{PACKET_LINK_PPPOE, PACKET_LINK_PPPOE},
		{PACKET_LINK_RAW, PACKET_LINK_RAW},
		{12, PACKET_LINK_RAW},
		{14, PACKET_LINK_RAW},
		{PACKET_LINK_LOOP, PACKET_LINK_LOOP},
		{PACKET_LINK_SLL, PACKET_LINK_SLL},
		{PACKET_LINK_IPV4, PACKET_LINK_IPV4},
		{PACKET_LINK_IPV6, PACKET_LINK_IPV6},
		{PACKET_LINK_SLL2, PACKET_LINK_SLL2},
		{0x24000000 | PACKET_LINK_ETHERNET, PACKET_LINK_ETHERNET}, /* with its checksum */
		{127 /* 802.11 */, 127},
	};
	struct capture_stream *stream;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		struct made made = pcap(MICROSECONDS, links[i][0], false);

		put_record(&made, A_SECOND, 0, 10);
		stream = opened_made(&made);
		assert_int_equal(next(stream).link, links[i][1]);
		assert_end(stream);
	}
}

static void sections_and_interfaces_of_several_link_types(void **state)
{
	struct made made = {.length = 0};
	struct capture_stream *stream;

	(void)state;
	put_section(&made);
	put_interface(&made, PACKET_LINK_ETHERNET);
	put_interface(&made, PACKET_LINK_RAW);
	put_packet(&made, 1, 1);
	put_packet(&made, 0, 2);
	made.big_endian = true;
	put_section(&made);
	put_interface(&made, PACKET_LINK_SLL);
	put_packet(&made, 0, 3);

	stream = opened_made(&made);
	assert_int_equal(next(stream).link, PACKET_LINK_RAW);
	assert_int_equal(next(stream).link, PACKET_LINK_ETHERNET);
	assert_int_equal(next(stream).link, PACKET_LINK_SLL);
	assert_end(stream);
}

static void without_packets(void **state)
{
	struct made made = pcap(MICROSECONDS, PACKET_LINK_ETHERNET, false);

	(void)state;
	assert_end(opened_made(&made));
}

/* The packets around one without a believable time keep theirs. */
static void absurd_times(void **state)
{
	struct made made = pcap(NANOSECONDS, PACKET_LINK_ETHERNET, false);
	struct capture_stream *stream;
	struct passing_packet packet;

	(void)state;
	put_record(&made, A_SECOND, 5, 10);
	put_record(&made, A_SECOND + 1, 1000000000, 10); /* a second, no fraction of one */
	put_record(&made, A_SECOND + 1, 0xffffffff, 10);
	put_record(&made, A_SECOND + 2, 6, 10);
	stream = opened_made(&made);
	assert_int_equal(next(stream).time_ns, at(A_SECOND, 5));
	for (int i = 0; i < 2; i++) {
		packet = next(stream);
		assert_false(packet.time_known);
		assert_int_equal(packet.time_ns, at(A_SECOND, 5));
	}
	packet = next(stream);
	assert_true(packet.time_known);
	assert_int_equal(packet.time_ns, at(A_SECOND + 2, 6));
	assert_end(stream);
}

static void times_beyond_any_clock(void **state)
{
	struct made made = {.length = 0};
	struct capture_stream *stream;
	struct passing_packet packet;

	(void)state;
	put_section(&made);
	put_interface(&made, PACKET_LINK_RAW);
	put_packet(&made, 0, UINT64_C(1) << 62); /* microseconds: in 146,000 years */
	put_packet(&made, 0, 9);
	put(&made, 3, 4); /* a simple packet block has no time */
	put(&made, 20, 4);
	put(&made, 4, 4);
	put_text(&made, "abcd");
	put(&made, 20, 4);

	stream = opened_made(&made);
	packet = next(stream);
	assert_false(packet.time_known);
	assert_int_equal(packet.time_ns, 0);
	packet = next(stream);
	assert_true(packet.time_known);
	assert_int_equal(packet.time_ns, 9000);
	packet = next(stream);
	assert_false(packet.time_known);
	assert_int_equal(packet.time_ns, 9000);
	assert_int_equal(packet.captured_length, 4);
	assert_end(stream);
}

/*
 * Wherever the file is cut: the whole packets, then either the end or the damage. One packet and
 * half a header looks to the library like one of the older variants of the format, whose headers
 * are longer.
 */
static void cut_anywhere(void **state)
{
	struct made whole = pcap(MICROSECONDS, PACKET_LINK_ETHERNET, false);
	enum { HEAD = 24, RECORD = 26 };
	static const char *const behind[] = {
		": it ends in the middle of a record", " behind packet 1: it ends in",
		" behind packet 2: it ends in", " behind packet 3: it ends in"};

	(void)state;
	for (uint32_t i = 1; i <= 4; i++)
		put_record(&whole, A_SECOND, i, 10);
	for (size_t length = 1; length <= whole.length; length++) {
		size_t packets = length < HEAD ? 0 : (length - HEAD) / RECORD;
		size_t rest = length < HEAD ? 0 : (length - HEAD) % RECORD;
		struct made made = whole;
		struct capture_stream *stream;

		made.length = length;
		if (length < HEAD) {
			assert_made_refused(&made, length < 4 ? "neither pcap nor pcapng"
							      : "ends in the middle");
			continue;
		}
		stream = opened_made(&made);
		for (size_t i = 0; i < packets; i++)
			next(stream);
		if (rest == 0)
			assert_end(stream);
		else if (packets == 1 && (rest == 4 || rest == 8))
			capture_stream_close(stream);
		else
			assert_damaged(stream, behind[packets]);
	}
}

static void lengths_that_lie(void **state)
{
	struct made made = pcap(MICROSECONDS, PACKET_LINK_ETHERNET, false), more = made;
	struct capture_stream *stream;

	(void)state;
	put_record(&made, A_SECOND, 1, 10);
	put_record(&made, A_SECOND, 2, 0x7fffffff);
	put_record(&made, A_SECOND, 3, 10);
	stream = opened_made(&made);
	next(stream);
	assert_damaged(stream, "behind packet 1");

	put_record(&more, A_SECOND, 1, 4000); /* within bounds, beyond the file */
	assert_damaged(opened_made(&more), "ends in the middle");

	made = (struct made){.length = 0};
	put_section(&made);
	put_interface(&made, PACKET_LINK_RAW);
	put_packet(&made, 0, 1);
	put_packet(&made, 5, 2); /* there is no such interface */
	stream = opened_made(&made);
	next(stream);
	assert_damaged(stream, "interface index 5");
}

/* --- What is no capture --- */

static void what_is_no_capture(void **state)
{
	static const char *const contents[] = {
		"12:00:00.000001 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, length 0\n",
		"{\"schema\": \"contest.explain/1\"}\n",
		"\xff\xd8\xff\xe0 JFIF",
		"\x89PNG\r\n\x1a\n",
		"%PDF-1.4\n",
		"\177ELF",
		"BZh9 packed by bzip2",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		struct made made = {.length = 0};

		put_text(&made, contents[i]);
		made.length = sizeof(made.bytes) / (i % 2 + 1); /* filled up with zeros */
		assert_made_refused(&made, "neither pcap nor pcapng");
	}
}

static void what_cannot_be_opened(void **state)
{
	struct made nothing = {.length = 0};
	struct made unknown = pcap(MICROSECONDS, 999, false);
	struct scratch scratch = saved(&unknown);

	(void)state;
	assert_refused("/nonexistent/file", -ENOENT, "/nonexistent/file: No such file");
	assert_refused("/", -EISDIR, "/: Is a directory");
	assert_refused("/dev/null", -EINVAL, "/dev/null");
	assert_made_refused(&nothing, "it is empty");
	assert_made_refused(&unknown, "network type 999");
	if (geteuid() != 0) {
		assert_int_equal(fchmod(scratch.fd, 0), 0);
		assert_refused(scratch.path, -EACCES, "Permission denied");
	}
	close(scratch.fd);
}

/* --- Packed ones, by the programs that people use --- */

#define MANY 4000

/* So much that packers make several blocks of it. */
static struct scratch many_packets(void)
{
	struct made head = pcap(MICROSECONDS, PACKET_LINK_ETHERNET, false);
	struct scratch scratch = saved(&head);
	uint32_t random = 1;

	for (uint32_t i = 0; i < MANY; i++) {
		struct made record = {.length = 0};

		put(&record, A_SECOND + i, 4);
		put(&record, 0, 4);
		put(&record, 1000, 4);
		put(&record, 1000, 4);
		for (size_t word = 0; word < 250; word++)
			put(&record, random = random * 1664525 + 1013904223, 4);
		assert_int_equal(fd_write_all(scratch.fd, record.bytes, record.length), 0);
	}
	return scratch;
}

/* What @command makes of standard input; false when it cannot. */
static bool run(const char *command, const struct scratch *from, const struct scratch *to)
{
	char line[160];

	snprintf(line, sizeof(line), "{ %s; } </proc/%d/fd/%d >/proc/%d/fd/%d 2>/dev/null", command,
		 getpid(), from->fd, getpid(), to->fd);
	return system(line) == 0;
}

static void assert_unpacks(const char *command)
{
	struct made nothing = {.length = 0};
	struct scratch plain = many_packets(), packed = saved(&nothing);
	struct capture_stream *stream;
	struct passing_packet packet;
	struct stat info;
	size_t whole = 0;
	int r;

	if (!run(command, &plain, &packed)) {
		print_message("no %s\n", command);
		close(plain.fd);
		close(packed.fd);
		return;
	}
	stream = opened(packed.path);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(next(stream).time_ns, at(A_SECOND + (int64_t)i, 0));
	assert_end(stream);

	/* As of a recorder that still runs, or a disk that was full. */
	assert_int_equal(fstat(packed.fd, &info), 0);
	assert_int_equal(ftruncate(packed.fd, info.st_size / 2), 0);
	stream = opened(packed.path);
	while ((r = capture_stream_next(stream, &packet, NULL)) == 1)
		assert_int_equal(packet.time_ns, at(A_SECOND + (int64_t)whole++, 0));
	assert_int_equal(r, -EBADMSG);
	assert_in_range(whole, MANY / 8, MANY / 2);
	capture_stream_close(stream);
	close(plain.fd);
	close(packed.fd);
}

static void packed_whole_and_cut(void **state)
{
	(void)state;
	assert_unpacks("gzip -c");
	assert_unpacks("zstd -qc");
	assert_unpacks("lz4 -q -B4 -c");
}

/* --- Standard input --- */

/* What @command writes becomes standard input. */
static void pipe_from(const char *command, const struct scratch *from)
{
	int ends[2];
	pid_t child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		lseek(from->fd, 0, SEEK_SET);
		dup2(from->fd, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
	close(ends[0]);
	close(ends[1]);
}

static void assert_many_from_input(void)
{
	struct capture_stream *stream = opened("-");

	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(next(stream).time_ns, at(A_SECOND + (int64_t)i, 0));
	assert_end(stream);
}

static void from_a_pipe(void **state)
{
	struct scratch plain = many_packets();

	(void)state;
	pipe_from("cat", &plain);
	assert_many_from_input();
	pipe_from("gzip -c", &plain);
	assert_many_from_input();
	/* a writer that stammers */
	pipe_from("dd bs=1 count=5 2>/dev/null; dd bs=20 count=2 2>/dev/null; cat", &plain);
	assert_many_from_input();
	close(plain.fd);
}

static void from_a_pipe_without_a_capture(void **state)
{
	struct scratch plain = many_packets();

	(void)state;
	pipe_from(":", &plain);
	assert_refused("-", -EBADMSG, "cannot read standard input: it is empty");
	pipe_from("echo tcpdump: eth0: You do not have permission", &plain);
	assert_refused("-", -EBADMSG, "standard input: ");
	close(plain.fd);
}

/* The descriptor of a file that was read or refused is closed. */
static void no_descriptor_is_left(void **state)
{
	struct made made = pcap(MICROSECONDS, PACKET_LINK_ETHERNET, false);
	struct scratch scratch = saved(&made);
	int before = dup(0), after;

	(void)state;
	close(before);
	assert_end(opened(scratch.path));
	assert_refused("/dev/null", -EINVAL, "");
	capture_stream_close(NULL);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
	close(scratch.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_byte_order_micro_and_nanoseconds),
		cmocka_unit_test(link_types_have_the_numbers_of_pcap),
		cmocka_unit_test(sections_and_interfaces_of_several_link_types),
		cmocka_unit_test(without_packets),
		cmocka_unit_test(absurd_times),
		cmocka_unit_test(times_beyond_any_clock),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(what_is_no_capture),
		cmocka_unit_test(what_cannot_be_opened),
		cmocka_unit_test(packed_whole_and_cut),
		cmocka_unit_test(no_descriptor_is_left),
		cmocka_unit_test(from_a_pipe),
		cmocka_unit_test(from_a_pipe_without_a_capture),
	};

	return cmocka_run_group_tests_name("capture stream", tests, NULL, NULL);
}
