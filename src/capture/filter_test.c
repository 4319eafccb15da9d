/* Expressions over packets of every link type, and over segments without packet. */
#include "capture/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/testnet.h"

static struct capture_filter *filter_of(const char *expression)
{
	struct capture_filter *filter = NULL;
	struct why why = {{0}};
	int r = capture_filter_new(expression, &filter, &why);

	if (r != 0)
		fail_msg("%d: %s", r, why.text);
	return filter;
}

static void assert_refused(const char *expression, const char *said)
{
	struct capture_filter *untouched = (struct capture_filter *)0x42, *filter = untouched;
	struct why why = {{0}};

	assert_int_equal(capture_filter_new(expression, &filter, &why), -EINVAL);
	assert_ptr_equal(filter, untouched);
	if (!strstr(why.text, said) || !strstr(why.text, expression))
		fail_msg("\"%s\" does not say \"%s\"", why.text, said);
	assert_int_equal(capture_filter_new(expression, &filter, NULL), -EINVAL);
}

/* --- Packets --- */

struct frame {
	enum packet_link link;
	size_t head_length;
	const char *head;
};

/* What each link type has before the IPv4 header. */
static const struct frame frames[] = {
	{PACKET_LINK_NULL, 4, "\x02\0\0\0"},
	{PACKET_LINK_ETHERNET, 14, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0"},
	{PACKET_LINK_PPP, 4, "\xff\x03\0\x21"},
	{PACKET_LINK_RAW, 0, ""},
	{PACKET_LINK_LOOP, 4, "\0\0\0\x02"},
	{PACKET_LINK_SLL, 16, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\0"},
	{PACKET_LINK_IPV4, 0, ""},
	{PACKET_LINK_SLL2, 20, "\x08\0\0\0\0\0\0\x01\0\x01\0\x06\x02\0\0\0\0\x01\0\0"},
};

/* 10.0.0.1:40000 > 10.0.0.2:80, SYN */
static const uint8_t syn[40] = {
	0x45, 0,    0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10,	  0, 0,	   1,	 10, 0, 0, 2,
	0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0,  0, 0, 0, 0x50, 2, 0xff, 0xff, 0,  0, 0, 0,
};

static int passes_frame(struct capture_filter *filter, const struct frame *frame, struct why *why)
{
	uint8_t bytes[64];
	struct passing_packet packet = {
		.link = frame->link,
		.captured_length = (uint32_t)(frame->head_length + sizeof(syn)),
		.length = (uint32_t)(frame->head_length + sizeof(syn)),
		.data = bytes,
	};

	memcpy(bytes, frame->head, frame->head_length);
	memcpy(bytes + frame->head_length, syn, sizeof(syn));
	return capture_filter_packet(filter, &packet, why);
}

static void packets_of_every_link_type(void **state)
{
	struct capture_filter *passes = filter_of("tcp dst port 80 and src host 10.0.0.1");
	struct capture_filter *fails = filter_of("tcp src port 80");

	(void)state;
	/* each twice: compiled, and found again */
	for (size_t i = 0; i < 2 * ARRAY_SIZE(frames); i++) {
		const struct frame *frame = &frames[i % ARRAY_SIZE(frames)];

		if (passes_frame(passes, frame, NULL) != 1 || passes_frame(fails, frame, NULL) != 0)
			fail_msg("link type %d", frame->link);
	}
	capture_filter_free(passes);
	capture_filter_free(fails);
}

/* What is not there does not match, and is not read. */
static void packets_cut_short(void **state)
{
	struct capture_filter *filter = filter_of("tcp dst port 80");
	struct capture_filter *all = filter_of("");

	(void)state;
	for (uint32_t captured = 1; captured < sizeof(syn); captured++) {
		CLEANUP_FREE uint8_t *bytes = malloc(captured);
		struct passing_packet packet = {
			.link = PACKET_LINK_RAW,
			.captured_length = captured,
			.length = sizeof(syn),
			.data = bytes,
		};

		memcpy(bytes, syn, captured);
		/* the target's port ends at byte 24 */
		assert_int_equal(capture_filter_packet(filter, &packet, NULL), captured >= 24);
		assert_int_equal(capture_filter_packet(all, &packet, NULL), 1);
	}
	capture_filter_free(filter);
	capture_filter_free(all);
}

static void senseless_for_a_link_type(void **state)
{
	struct capture_filter *filter = filter_of("ether host 02:00:00:00:00:01");
	struct why why = {{0}};

	(void)state;
	assert_int_equal(passes_frame(filter, &frames[1], NULL), 1);
	/* said for each packet, compiled or not */
	for (int i = 0; i < 2; i++) {
		why.text[0] = '\0';
		assert_int_equal(passes_frame(filter, &frames[3], &why), -EINVAL);
		assert_non_null(strstr(why.text, "ether host 02:00:00:00:00:01"));
	}
	assert_int_equal(passes_frame(filter, &frames[1], NULL), 1);
	capture_filter_free(filter);

	/* which way a packet went is in cooked ones only */
	filter = filter_of("inbound");
	assert_int_equal(passes_frame(filter, &frames[5], NULL), 1);
	assert_int_equal(passes_frame(filter, &frames[1], NULL), -EINVAL);
	capture_filter_free(filter);
}

static void a_link_type_that_is_not_known(void **state)
{
	struct capture_filter *filter = filter_of("tcp");
	struct frame frame = {.link = PACKET_LINK_OTHER, .head = ""};
	struct why why = {{0}};

	(void)state;
	assert_int_equal(passes_frame(filter, &frame, &why), -EINVAL);
	assert_int_not_equal(strlen(why.text), 0);
	capture_filter_free(filter);
}

/* --- Segments --- */

static struct segment segment_of(const char *source, const char *target)
{
	struct segment segment = {
		.source.port = 40000,
		.target.port = 443,
		.seq = 0x01020304,
		.ack = 0x05060708,
		.window = 512,
		.flags = TCP_FLAG_FIN | TCP_FLAG_ACK,
		.ttl = 63,
		.ip_id = 0x4711,
		.payload_length = 70000, /* more than a header can say */
	};

	assert_int_equal(tcp_address_parse(source, &segment.source.address), 0);
	assert_int_equal(tcp_address_parse(target, &segment.target.address), 0);
	return segment;
}

static void assert_segment(const struct segment *segment, const char *expression, int passes)
{
	struct capture_filter *filter = filter_of(expression);

	if (capture_filter_segment(filter, segment, NULL) != passes)
		fail_msg("%s: not %d", expression, passes);
	capture_filter_free(filter);
}

static void assert_segments_ports_and_flags(const struct segment *segment)
{
	assert_segment(segment, "tcp", 1);
	assert_segment(segment, "udp", 0);
	assert_segment(segment, "src port 40000 and dst port 443", 1);
	assert_segment(segment, "src port 443", 0);
	assert_segment(segment, "port https", 1);
	assert_segment(segment, "greater 70000", 1);
	assert_segment(segment, "greater 80000", 0);
}

static void segments_of_ipv4(void **state)
{
	struct segment segment = segment_of("10.1.2.3", "192.0.2.9");

	(void)state;
	assert_segments_ports_and_flags(&segment);
	assert_segment(&segment, "ip", 1);
	assert_segment(&segment, "src host 10.1.2.3 and dst net 192.0.2.0/24", 1);
	assert_segment(&segment, "dst host 10.1.2.3", 0);
	assert_segment(&segment, "tcp[tcpflags] == tcp-fin|tcp-ack", 1);
	assert_segment(&segment, "tcp[4:4] == 0x01020304 and tcp[8:4] == 0x05060708", 1);
	assert_segment(&segment, "tcp[14:2] == 512 and tcp[12] == 0x50", 1);
	assert_segment(&segment, "ip[8] == 63 and ip[4:2] == 0x4711 and ip[2:2] == 0xffff", 1);
}

static void segments_of_ipv6(void **state)
{
	struct segment segment = segment_of("2001:db8::1", "2001:db8::2");

	(void)state;
	assert_segments_ports_and_flags(&segment);
	assert_segment(&segment, "ip", 0);
	assert_segment(&segment, "ip6 src host 2001:db8::1 and dst host 2001:db8::2", 1);
	assert_segment(&segment, "src host 2001:db8::2", 0);
	assert_segment(&segment, "ip6[7] == 63 and ip6[53] == 0x11", 1);
}

static void segments_have_no_link_layer(void **state)
{
	struct segment segment = segment_of("10.1.2.3", "192.0.2.9");
	struct capture_filter *filter = filter_of("ether host 02:00:00:00:00:01");
	struct why why = {{0}};

	(void)state;
	assert_int_equal(capture_filter_segment(filter, &segment, &why), -EINVAL);
	assert_int_not_equal(strlen(why.text), 0);
	capture_filter_free(filter);
}

/* --- What is refused --- */

static void wrong_expressions(void **state)
{
	(void)state;
	assert_refused("tcp port", "syntax error");
	assert_refused("tcp port 99999999", "port");
	assert_refused("no such thing", "syntax error");
	assert_refused("port 80 and (", "syntax error");
	assert_refused("tcp[", "syntax error");
	capture_filter_free(NULL);
}

/* In a child: it is not yet told to look into files only. Without DNS, a name that the files do not
 * have is EAI_AGAIN. */
static int lookup(void)
{
	struct addrinfo *found;
	int r = getaddrinfo("no-such-host.example", NULL, NULL, &found);

	if (r == 0)
		freeaddrinfo(found);
	return r;
}

static void names_are_not_asked_for(void **state)
{
	pid_t child;
	int status;

	(void)state;
	NEEDS_NAMESPACE();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(lookup() == EAI_AGAIN);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));

	assert_refused("host no-such-host.example", "give the address");
	assert_refused("tcp and src net no-such-net", "give the address");
	assert_int_equal(lookup(), EAI_NONAME);
	if (WEXITSTATUS(status) != 1) {
		print_message("this system asks no DNS for names\n");
		skip();
	}
}

static void names_in_files_are_known(void **state)
{
	struct segment segment = segment_of("127.0.0.1", "127.0.0.1");

	(void)state;
	assert_segment(&segment, "host localhost", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_not_asked_for), /* first: see lookup() */
		cmocka_unit_test(names_in_files_are_known),
		cmocka_unit_test(packets_of_every_link_type),
		cmocka_unit_test(packets_cut_short),
		cmocka_unit_test(senseless_for_a_link_type),
		cmocka_unit_test(a_link_type_that_is_not_known),
		cmocka_unit_test(segments_of_ipv4),
		cmocka_unit_test(segments_of_ipv6),
		cmocka_unit_test(segments_have_no_link_layer),
		cmocka_unit_test(wrong_expressions),
	};

	be_alone();
	return cmocka_run_group_tests_name("capture filter", tests, NULL, NULL);
}
