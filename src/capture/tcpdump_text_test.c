#include "capture/tcpdump_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/tcpdump_text_services.h"

enum { SEGMENTS_MAX = 32 };

/* What comes of a text. */
struct read {
	struct tcpdump_text *text;
	size_t count;
	struct segment segments[SEGMENTS_MAX];
};

/* Each line is exactly as long as it is, so that a sanitizer sees what reads beyond. */
static void feed(struct read *read, const char *line, size_t length)
{
	char *exact = malloc(length ? length : 1);
	int r;

	assert_non_null(exact);
	memcpy(exact, line, length);
	assert_true(read->count < SEGMENTS_MAX);
	r = tcpdump_text_line(read->text, exact, length, &read->segments[read->count]);
	assert_in_range(r, 0, 1);
	read->count += (size_t)r;
	free(exact);
}

static void feed_all(struct read *read, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		feed(read, text, length);
		text += length + (text[length] == '\n');
	}
}

static struct read read_text(const char *text)
{
	struct read read = {.text = tcpdump_text_new()};

	assert_non_null(read.text);
	feed_all(&read, text);
	return read;
}

static void assert_unclear(const struct read *read, unsigned int wanted)
{
	assert_int_equal(tcpdump_text_unclear(read->text), wanted);
}

static void done(struct read *read)
{
	tcpdump_text_free(read->text);
}

static void assert_numbers(const struct read *read, size_t i, uint32_t seq, uint32_t ack)
{
	assert_true(i < read->count);
	if (read->segments[i].seq != seq || read->segments[i].ack != ack)
		fail_msg("segment %zu: seq %u ack %u", i, read->segments[i].seq,
			 read->segments[i].ack);
}

static void assert_end(const struct tcp_endpoint *end, const char *wanted)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	assert_string_equal(tcp_endpoint_format(end, text), wanted);
}

/* --- What is in a line --- */

static void test_all_of_a_segment(void **state)
{
	struct read read = read_text(
		"13:32:31.626549 IP (tos 0x0, ttl 63, id 4711, offset 0, flags [DF], proto TCP "
		"(6), length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [SEW], cksum 0x1 (incorrect -> 0x2), seq "
		"50755794:50755798, win 14600, options [mss 1460,sackOK,TS val 7 ecr 9,nop,wscale "
		"10,tfo  cookiereq], length 4: HTTP\n");
	const struct segment *segment = &read.segments[0];

	(void)state;
	assert_int_equal(read.count, 1);
	assert_unclear(&read, 0);
	assert_end(&segment->source, "10.0.0.1:1234");
	assert_end(&segment->target, "10.0.0.2:80");
	assert_int_equal(segment->time_ns, 48751626549 * NS_PER_US);
	assert_int_equal(segment->flags, TCP_FLAG_SYN | TCP_FLAG_ECE | TCP_FLAG_CWR);
	assert_int_equal(segment->ttl, 63);
	assert_int_equal(segment->ip_id, 4711);
	assert_int_equal(segment->seq, 50755794);
	assert_int_equal(segment->window, 14600);
	assert_int_equal(segment->payload_length, 4);
	assert_null(segment->payload);
	assert_true(segment->checksum_known && segment->checksum_bad);
	assert_true(segment->options.has_mss && segment->options.mss == 1460);
	assert_true(segment->options.sack_permitted && segment->options.has_fastopen);
	assert_true(segment->options.has_window_scale && segment->options.window_scale == 10);
	assert_true(segment->options.has_timestamps && segment->options.ts_value == 7);
	assert_int_equal(segment->options.ts_echo, 9);
	done(&read);
}

static void test_flags(void **state)
{
	static const struct {
		const char *printed;
		uint8_t flags;
	} cases[] = {
		{"none", 0},	 {"S.", 0x12},	     {"S.E", 0x52}, {"F.", 0x11},  {"R", 0x04},
		{"R.", 0x14},	 {"FP.", 0x19},	     {".U", 0x30},  {"P.U", 0x38}, {"SEW", 0xc2},
		{"FSRPU", 0x2f}, {"FSRP.UEW", 0xff}, {".e", 0x10},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *line = NULL;
		struct read read;

		assert_true(asprintf(&line,
				     "IP 10.0.0.1.1 > 10.0.0.2.2: Flags [%s], seq 5, ack 6, win "
				     "7, length 0",
				     cases[i].printed) > 0);
		read = read_text(line);
		assert_int_equal(read.count, 1);
		assert_int_equal(read.segments[0].flags, cases[i].flags);
		assert_unclear(&read, 0);
		done(&read);
	}
}

static void test_old_spelling(void **state)
{
	struct read read = read_text(
		"10:00:00.000001 IP 10.0.0.1.1023 > 10.0.0.2.513: S 768512:768512(0) win 5840 <mss "
		"1460,sackOK,timestamp 17 0,nop,wscale 7>\n"
		"10:00:00.000002 10.0.0.2.513 > 10.0.0.1.1023: S [tcp sum ok] 947648:947648(0) ack "
		"768513 win 4096 <mss 1024> (DF) (ttl 64, id 5, len 44)\n"
		"10:00:00.000003 10.0.0.1.1023 > 10.0.0.2.513: . ack 1 win 4096\n"
		"10:00:00.000004 10.0.0.1.1023 > 10.0.0.2.513: P 1:20(19) ack 1 win 4096 (DF)\n"
		"10:00:00.000005 10.0.0.2.513 > 10.0.0.1.1023: . ack 20 win 4077 <nop,nop,sack "
		"sack 1 {30:40} >\n"
		"10:00:00.000006 IP (tos 0x0, ttl  64, id 9, offset 0, flags [DF], proto: TCP (6), "
		"length: 60) 10.0.0.1.1023 > 10.0.0.2.513: FP, cksum 0xb (correct), 20:21(1) ack 1 "
		"win 1\n"
		"10:00:00.000007 10.0.0.2.513 > 10.0.0.1.1023: R 947649:947649(0) win 0\n"
		"10:00:00.000008 10.0.0.2.513 > 10.0.0.1.1023: tcp 0 (DF)\n");

	(void)state;
	assert_int_equal(read.count, 7);
	assert_unclear(&read, 1); /* -q */
	assert_numbers(&read, 0, 768512, 0);
	assert_int_equal(read.segments[0].options.ts_value, 17);
	assert_int_equal(read.segments[0].options.window_scale, 7);
	assert_numbers(&read, 1, 947648, 768513);
	assert_int_equal(read.segments[1].flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
	assert_int_equal(read.segments[1].options.mss, 1024);
	assert_numbers(&read, 2, 768513, 947649);
	assert_numbers(&read, 3, 768513, 947649);
	assert_int_equal(read.segments[3].payload_length, 19);
	assert_numbers(&read, 4, 947649, 768532);
	assert_int_equal(read.segments[4].options.sack_count, 1);
	assert_int_equal(read.segments[4].options.sack[0].left, 768542);
	assert_numbers(&read, 5, 768532, 947649);
	assert_int_equal(read.segments[5].flags, TCP_FLAG_FIN | TCP_FLAG_PSH | TCP_FLAG_ACK);
	assert_int_equal(read.segments[5].ttl, 64);
	assert_numbers(&read, 6, 947649, 0);
	assert_int_equal(read.segments[6].flags, TCP_FLAG_RST);
	done(&read);
}

static void test_no_tcp(void **state)
{
	struct read read = read_text(
		"tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n"
		"listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n"
		"13:32:31.626549 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n"
		"13:32:31.626549 IP 10.0.0.1.53 > 10.0.0.2.4711: 53 1/0/0 A 10.1.1.1 (44)\n"
		"13:32:31.626549 IP 10.0.0.1.53 > 10.0.0.2.4711: UDP, length 12\n"
		"13:32:31.626549 IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64\n"
		"13:32:31.626549 IP6 fe80::1 > ff02::2: ICMP6, router solicitation, length 16\n"
		"\t0x0000:  4500 003c ca4a 4000 4006 5c6f 0a00 0001  E..<.J@.@.\\o....\n"
		"E..<.J@.@.\\o.... > 10.0.0.1: GET /\n"
		"12 packets captured\n"
		"12 packets received by filter\n"
		"0 packets dropped by kernel\n"
		"cat a.txt > b.txt:\n"
		"Flags [S], he said.\n");

	(void)state;
	assert_int_equal(read.count, 0);
	assert_unclear(&read, 0);
	assert_false(tcpdump_text_has_times(read.text));
	done(&read);
}

/* The segment that ICMP is about is not sent again. */
static void test_quoted_by_icmp(void **state)
{
	static const char *const texts[] = {
		"10:00:00.000000 IP (tos 0xc0, ttl 64, id 1, offset 0, flags [none], proto ICMP "
		"(1), length 88)\n"
		"    10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 tcp port 80 unreachable, length 68\n"
		"\tIP (tos 0x0, ttl 64, id 2, offset 0, flags [DF], proto TCP (6), length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], cksum 0x1 (correct), seq 1, win 2, "
		"length 0\n"
		"10:00:00.000001 IP (tos 0x0, ttl 64, id 3, offset 0, flags [DF], proto TCP (6), "
		"length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 7, win 2, length 0\n",
		" 00:00:00.000000 IP (tos 0xc0, ttl 64, id 1, proto ICMP (1), length 88)\n"
		"    10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 tcp port 80 unreachable, length 68\n"
		"\tIP (tos 0x0, ttl 64, id 2, offset 0, flags [DF], proto TCP (6), length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 1, win 2, length 0\n"
		" 00:00:00.000001 IP (tos 0x0, ttl 64, id 3, proto TCP (6), length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 7, win 2, length 0\n",
		"IP (tos 0xc0, ttl 64, id 1, offset 0, flags [none], proto ICMP (1), length 88)\n"
		"    10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 tcp port 80 unreachable, length 68\n"
		"\tIP (tos 0x0, ttl 64, id 2, offset 0, flags [DF], proto TCP (6), length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 1, win 2, length 0\n"
		"IP (tos 0x0, ttl 64, id 3, offset 0, flags [DF], proto TCP (6), length 60)\n"
		"    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 7, win 2, length 0\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct read read = read_text(texts[i]);

		assert_int_equal(read.count, 1);
		assert_numbers(&read, 0, 7, 0);
		assert_unclear(&read, 0);
		done(&read);
	}
}

static void test_unclear(void **state)
{
	static const char *const lines[] = {
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: tcp 26",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2:  [|tcp]",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 4294967296, win 1, length 0",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5:4, win 1, length 0",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 65536, length 0",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [X], seq 5, win 5, length 0",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 5, length "
		"99999999999999999999999999",
		"10:00:00.1 IP 10.0.0.1.65536 > 10.0.0.2.2: Flags [S], seq 5, win 5, length 0",
		"10:00:00.1 IP 10.0.0.256.1 > 10.0.0.2.2: Flags [S], seq 5, win 5, length 0",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [.] [bad hdr length 8 - too short, < "
		"20]",
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: S 5:6(2) win 1",
		/* Nothing tells its seq. */
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [.], ack 5, win 1, length 0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct read read = read_text(lines[i]);

		if (read.count != 0 || tcpdump_text_unclear(read.text) != 1)
			fail_msg("understood: %s", lines[i]);
		done(&read);
	}
}

static void test_partly(void **state)
{
	struct read read = read_text(
		"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 1, options [mss 9, [|tcp]\n"
		"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 1, options [mss 9,wscale 4[|tcp]], "
		"length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 1, options [mss 9,[bad opt]], "
		"length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, whatever, options [...], length 0\n");

	(void)state;
	assert_int_equal(read.count, 4);
	assert_unclear(&read, 3);
	assert_int_equal(read.segments[0].options.mss, 9);
	assert_int_equal(read.segments[1].options.window_scale, 4);
	assert_true(read.segments[2].options.malformed);
	assert_false(read.segments[3].options.malformed);
	done(&read);
}

/* --- What pasting does to lines --- */

static void test_pasted(void **state)
{
	static const char *const lines[] = {
		"> > 10:00:00.5 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 6, length 0\r",
		"  * 10:00:00.5 IP 10.0.0.1.1 &gt; 10.0.0.2.2: Flags [S], seq 5, win 6, length 0",
		"10:00:00.5 IP 10.0.0.1.1 &amp;gt; 10.0.0.2.2: Flags [S], seq 5, win 6, length 0",
		"\t10:00:00.5\tIP 10.0.0.1.1\t>\t10.0.0.2.2:\tFlags [S],\tseq 5, win 6, length 0",
		"10:00:00.5\xc2\xa0IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 6, length 0",
		"Nov 22 23:59:59 gw tcpdump[77]: 10:00:00.5 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], "
		"seq 5, win 6, length 0",
		"10:00:00.5 IP \x1b[1;31m10.0.0.1\x1b[m.1 > 10.0.0.2.2: Flags [S], seq 5, win 6, "
		"length 0",
		"`10:00:00.5 eth0  Out IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 6, length "
		"0`",
		"> 10:00:00.5 IP 10.0.0.1.1 >\n> 10.0.0.2.2: Flags [S], seq 5,\n> win 6,\n> length 0",
		"10:00:00.5 IP 10.0.0.1.1\n > 10.0.0.2.2: Flags [S],\nseq 5, win\n 6, length\n0",
		"| 10:00:00.5 IP (tos 0x0, ttl 64, id 1,\n| offset 0, flags [DF], proto TCP (6), "
		"length 60)\n|     10.0.0.1.1 > 10.0.0.2.2: Flags\n| [S], cksum 0x1\n| (correct), seq "
		"5, win 6, length 0",
		"10:00:00.5 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, win 6",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct read read = read_text(lines[i]);

		if (read.count != 1 || tcpdump_text_unclear(read.text) != 0)
			fail_msg("not understood: %s", lines[i]);
		assert_numbers(&read, 0, 5, 0);
		assert_int_equal(read.segments[0].window, 6);
		assert_int_equal(read.segments[0].time_ns, 36000500 * NS_PER_MS);
		assert_end(&read.segments[0].source, "10.0.0.1:1");
		assert_end(&read.segments[0].target, "10.0.0.2:2");
		done(&read);
	}
}

/* What is cut short does not take the next packet with it. */
static void test_cut(void **state)
{
	struct read read = read_text(
		"10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 5, options [mss 14\n"
		"10:00:00.2 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 6, win 1, length 0\n"
		"10:00:00.3 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length "
		"60)\n"
		"\n"
		"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 7, win 1, length 0\n");

	(void)state;
	assert_int_equal(read.count, 2);
	assert_numbers(&read, 0, 6, 0);
	assert_numbers(&read, 1, 7, 0);
	assert_unclear(&read, 2);
	done(&read);
}

/* --- Numbers --- */

/* The article's second trace: the server's SYN-ACK is left out of it. */
static void test_middle_left_out(void **state)
{
	struct read read = read_text(
		"14:37:45.682624 IP 10.51.31.141.1063 > 10.51.31.140.5000: Flags [S], seq 50755794, "
		"win 14600, length 0\n"
		"...\n"
		"14:37:45.683122 IP 10.51.31.141.1063 > 10.51.31.140.5000: Flags [F.], seq 1, ack "
		"27, win 15, length 0\n"
		"14:37:45.683125 IP 10.51.31.140.5000 > 10.51.31.141.1063: Flags [F.], seq 27, ack "
		"1, win 15, length 0\n"
		"14:37:45.683133 IP 10.51.31.140.5000 > 10.51.31.141.1063: Flags [.], ack 2, win "
		"15, length 0\n"
		"14:37:45.683160 IP 10.51.31.141.1063 > 10.51.31.140.5000: Flags [.], ack 28, win "
		"15, length 0\n");

	(void)state;
	assert_int_equal(read.count, 5);
	assert_numbers(&read, 0, 50755794, 0);
	assert_numbers(&read, 1, 50755795, 27);
	assert_numbers(&read, 2, 27, 50755795);
	assert_numbers(&read, 3, 28, 50755796);
	assert_numbers(&read, 4, 50755796, 28);
	assert_unclear(&read, 0);
	done(&read);
}

/* Only the end of a connection: nothing says what the numbers are relative to, but for the RST. */
static void test_end_only(void **state)
{
	struct read read = read_text(
		"IP 10.0.0.1.5000 > 10.0.0.2.30202: Flags [F.], seq 27, ack 1, win 16, length 0\n"
		"IP 10.0.0.2.30202 > 10.0.0.1.5000: Flags [.], ack 28, win 6, length 0\n"
		"IP 10.0.0.2.30202 > 10.0.0.1.5000: Flags [P.], seq 1:4, ack 28, win 6, length 3\n"
		"IP 10.0.0.1.5000 > 10.0.0.2.30202: Flags [R], seq 3421341234, win 0, length 0\n");

	(void)state;
	assert_int_equal(read.count, 4);
	assert_numbers(&read, 0, 27, 1);
	assert_numbers(&read, 1, 1, 28);
	assert_numbers(&read, 2, 1, 28);
	assert_numbers(&read, 3, 28, 0);
	done(&read);
}

/* Far from what came before, so that it may be relative or not: as that of other pairs is. */
static void test_left_out_by_far(void **state)
{
	static const char whole[] =
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [P.], seq 1000000000:1000000005, ack "
		"2000000000, win 1, length 5\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [.], ack 1000000005, win 1, length 0\n";
	static const char relative[] =
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [P.], seq 1000000000:1000000005, ack "
		"2000000000, win 1, length 5\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [.], ack 5, win 1, length 0\n";
	static const char far[] =
		"IP 10.0.0.3.80 > 10.0.0.1.1: Flags [S.], seq 100000000, ack 200000001, win 1, "
		"length 0\n"
		"IP 10.0.0.3.80 > 10.0.0.1.1: Flags [P.], seq 3000000000:3000000001, ack "
		"3000000000, win 1, length 1\n";
	struct read read = read_text(whole);

	(void)state;
	feed_all(&read, far);
	assert_int_equal(read.count, 4);
	assert_numbers(&read, 3, 3000000000, 3000000000);
	done(&read);
	read = read_text(relative);
	feed_all(&read, far);
	assert_int_equal(read.count, 4);
	assert_numbers(&read, 3, 3100000000, 3200000000);
	done(&read);
}

/* tcpdump sees one direction only: its first ACK is whole, what follows is relative to it. */
static void test_one_direction(void **state)
{
	struct read read = read_text(
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [S], seq 1000000000, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [.], ack 3000000000, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [P.], seq 0:5, ack 1, win 1, length 5\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [F.], seq 5, ack 11, win 1, length 0\n");

	(void)state;
	assert_int_equal(read.count, 4);
	assert_numbers(&read, 1, 1000000001, 3000000000);
	assert_numbers(&read, 2, 1000000001, 3000000000);
	assert_numbers(&read, 3, 1000000006, 3000000010);
	done(&read);
}

/* The ACK of TIME_WAIT is relative to the old connection, what follows the SYN-ACK to the new. */
static void test_new_syn(void **state)
{
	struct read read = read_text(
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [S], seq 1000000000, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [S.], seq 2000000000, ack 1000000001, win 1, "
		"length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [.], ack 1, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [F.], seq 1, ack 1, win 1, length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [F.], seq 1, ack 2, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [.], ack 2, win 1, length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [S], seq 3500000000, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [.], ack 2, win 1, length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [R], seq 1000000002, win 0, length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [S], seq 3500000000, win 1, length 0\n"
		"IP 10.0.0.2.80 > 10.0.0.1.1: Flags [S.], seq 4000000000, ack 3500000001, win 1, "
		"length 0\n"
		"IP 10.0.0.1.1 > 10.0.0.2.80: Flags [.], ack 1, win 1, length 0\n");

	(void)state;
	assert_int_equal(read.count, 12);
	assert_numbers(&read, 5, 2000000002, 1000000002);
	assert_numbers(&read, 7, 2000000002, 1000000002);
	assert_numbers(&read, 8, 1000000002, 0);
	assert_numbers(&read, 11, 3500000001, 4000000001);
	assert_unclear(&read, 0);
	done(&read);
}

/* --- Times --- */

static struct read read_times(const char *const *times, size_t count)
{
	struct read read = {.text = tcpdump_text_new()};

	assert_non_null(read.text);
	for (size_t i = 0; i < count; i++) {
		CLEANUP_FREE char *line = NULL;
		int length = asprintf(&line,
				      "%s IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, "
				      "length 0",
				      times[i]);

		assert_true(length > 0);
		feed(&read, line, (size_t)length);
	}
	assert_int_equal(read.count, count);
	return read;
}

static void assert_times(const struct read *read, const int64_t *wanted_us)
{
	for (size_t i = 0; i < read->count; i++)
		if (read->segments[i].time_ns != wanted_us[i] * NS_PER_US)
			fail_msg("time %zu: %lld ns", i, (long long)read->segments[i].time_ns);
}

static void test_midnight(void **state)
{
	static const char *const times[] = {"23:59:59.900000", "00:00:00.100000", "23:59:59.950000",
					    "00:00:01.000000"};
	static const int64_t wanted[] = {86399900000, 86400100000, 86399950000, 86401000000};
	struct read read = read_times(times, ARRAY_SIZE(times));

	(void)state;
	assert_times(&read, wanted);
	done(&read);
}

static void test_differences(void **state)
{
	static const char *const times[] = {" 00:00:00.000000", " 00:00:00.000100",
					    " 00:00:01.000000", " 00:00:00.000200",
					    " 00:00:00.000000", " 00:01:00.000000"};
	/* The second and the third may be either. */
	static const int64_t wanted[] = {0, 100, 1000000, 1000300, 1000300, 61000300};
	struct read read = read_times(times, ARRAY_SIZE(times));

	(void)state;
	assert_times(&read, wanted);
	done(&read);
}

static void test_differences_of_old(void **state)
{
	static const char *const times[] = {"000000", "000100", "000300"};
	static const int64_t wanted[] = {0, 100, 400};
	struct read read = read_times(times, ARRAY_SIZE(times));

	(void)state;
	assert_times(&read, wanted);
	done(&read);
}

static void test_dates(void **state)
{
	static const char *const times[] = {"1970-01-02 00:00:01.000001", "86402.000000",
					    "2038-01-19 03:14:08.000000", "99999999999.000000"};
	static const int64_t wanted[] = {86401000001, 86402000000, 2147483648000000,
					 2147483648000000};
	struct read read = read_times(times, ARRAY_SIZE(times));

	(void)state;
	assert_times(&read, wanted);
	assert_unclear(&read, 1);
	done(&read);
}

static void test_peek(void **state)
{
	static const char text[] =
		" 00:00:00.000000 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
		" 00:00:00.000100 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
		" 00:00:01.000000 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
		" 00:00:00.000200 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n";
	static const int64_t wanted[] = {0, 100, 1000100, 1000300};
	struct read read = {.text = tcpdump_text_new()};

	(void)state;
	assert_non_null(read.text);
	tcpdump_text_peek(read.text, text, sizeof(text) - 1);
	feed_all(&read, text);
	assert_times(&read, wanted);
	done(&read);
}

/* --- Names --- */

static void test_names(void **state)
{
	struct read read = read_text(
		"IP client.example.54321 > www.http: Flags [S], seq 1, win 1, length 0\n"
		"IP www.http > client.example.54321: Flags [R.], seq 0, ack 2, win 0, length 0\n"
		"IP 10.0.0.1.ssh > fd00::7.strange: Flags [S], seq 1, win 1, length 0\n"
		"IP 10.0.0.1.other > fe80::7%en0.80: Flags [S], seq 1, win 1, length 0\n");
	const struct segment *segments = read.segments;

	(void)state;
	assert_int_equal(read.count, 4);
	assert_unclear(&read, 0);
	assert_end(&segments[0].source, "[100::1]:54321");
	assert_end(&segments[0].target, "[100::2]:80");
	assert_true(tcp_endpoint_equal(&segments[0].source, &segments[1].target));
	assert_true(tcp_endpoint_equal(&segments[0].target, &segments[1].source));
	assert_string_equal(tcpdump_text_name(read.text, &segments[0].source),
			    "client.example:54321");
	assert_string_equal(tcpdump_text_name(read.text, &segments[0].target), "www:http");
	assert_end(&segments[2].source, "10.0.0.1:22");
	assert_null(tcpdump_text_name(read.text, &segments[2].source));
	assert_string_equal(tcpdump_text_name(read.text, &segments[2].target), "[fd00::7]:strange");
	assert_string_equal(tcpdump_text_name(read.text, &segments[3].source), "10.0.0.1:other");
	assert_true(segments[2].target.port != segments[3].source.port);
	assert_end(&segments[3].target, "[fe80::7]:80");
	done(&read);
}

static void test_services(void **state)
{
	(void)state;
	/* The first and the last of the table, and others: they are found if it is in order. */
	assert_int_equal(text_service_port("http"), 80);
	assert_int_equal(text_service_port("https"), 443);
	assert_int_equal(text_service_port("acr-nema"), 104);
	assert_int_equal(text_service_port("zserv"), 346);
	assert_int_equal(text_service_port("postgresql"), 5432);
	assert_int_equal(text_service_port("x11-7"), 6007);
	assert_int_equal(text_service_port("nosuch"), -1);
}

/* --- Too much of it --- */

static void test_many(void **state)
{
	enum { MANY = 300000 };
	struct read read = {.text = tcpdump_text_new()};
	char line[128];

	(void)state;
	assert_non_null(read.text);
	for (unsigned int i = 0; i < MANY; i++) {
		int length = snprintf(line, sizeof(line),
				      "IP 10.%u.%u.%u.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, "
				      "length 0",
				      i >> 16, i >> 8 & 255, i & 255);

		feed(&read, line, (size_t)length);
		assert_int_equal(read.count, 1);
		read.count = 0;
	}
	assert_unclear(&read, MANY - (1 << 18));
	done(&read);
}

static void test_many_names(void **state)
{
	enum { MANY = 70000, KEPT = 65535 };
	struct read read = {.text = tcpdump_text_new()};
	char line[128];
	unsigned int segments = 0;

	(void)state;
	assert_non_null(read.text);
	for (unsigned int i = 0; i < MANY; i++) {
		int length = snprintf(line, sizeof(line),
				      "IP host%u.1 > server.s%u: Flags [S], seq 1, win 1, length 0",
				      i, i % 5);

		feed(&read, line, (size_t)length);
		segments += (unsigned int)read.count;
		read.count = 0;
	}
	assert_int_equal(segments, KEPT);
	assert_unclear(&read, MANY - KEPT);
	done(&read);
}

static void test_long_line(void **state)
{
	static const char packet[] =
		"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0: ";
	struct read read = {.text = tcpdump_text_new()};
	char *line = malloc(1 << 20);

	(void)state;
	assert_non_null(read.text);
	assert_non_null(line);
	memset(line, '>', 1 << 20);
	memcpy(line, packet, sizeof(packet) - 1);
	feed(&read, line, 1 << 20);
	assert_int_equal(read.count, 1);
	memset(line, ' ', sizeof(packet));
	memcpy(line + (1 << 19), packet, sizeof(packet) - 1);
	feed(&read, line, 1 << 20);
	assert_int_equal(read.count, 1);
	free(line);
	done(&read);
}

/* --- Is it one? --- */

static bool recognized(const char *text)
{
	return tcpdump_text_recognize(text, strlen(text));
}

static void test_recognize(void **state)
{
	(void)state;
	assert_true(recognized("hello,\nwe see this:\n> 10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: "
			       "Flags [S], seq 1, win 1, length 0\n"));
	assert_true(recognized("10.0.0.1.1 > 10.0.0.2.2: S 1:1(0) win 1"));
	assert_true(recognized("tcpdump: listening on eth0, link-type EN10MB\n"));
	assert_true(recognized("IP 10.0.0.1.1 > 10.0.0.2.2: tcp 26"));
	assert_false(recognized(""));
	assert_false(recognized("cat a.txt > b.txt:\n"));
	assert_false(recognized("hello > you: Flags\n"));
	assert_false(tcpdump_text_recognize("IP 1.1.1.1.1 > 1.1.1.1.2: tcp 2\n\0", 33));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_a_segment),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_old_spelling),
		cmocka_unit_test(test_no_tcp),
		cmocka_unit_test(test_quoted_by_icmp),
		cmocka_unit_test(test_unclear),
		cmocka_unit_test(test_partly),
		cmocka_unit_test(test_pasted),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_middle_left_out),
		cmocka_unit_test(test_end_only),
		cmocka_unit_test(test_left_out_by_far),
		cmocka_unit_test(test_one_direction),
		cmocka_unit_test(test_new_syn),
		cmocka_unit_test(test_midnight),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_differences_of_old),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_recognize),
	};

	return cmocka_run_group_tests_name("capture tcpdump_text", tests, NULL, NULL);
}
