/*
 * Question: which segments carry timestamps when one of the two ends has them turned off?
 *
 * Kernel path (6.18): the client's SYN offers what the client's tcp_timestamps says
 * (net/ipv4/tcp_output.c, tcp_syn_options()); the SYN+ACK answers only an offer that
 * tcp_parse_options() (net/ipv4/tcp_input.c) took, and it takes none while the server's setting
 * is 0 (tcp_synack_options()). From there on rx_opt.tstamp_ok of each end decides, for the life of
 * the connection: tcp_established_options().
 *
 * Packets expected: off at the client, no segment with the option; off at the server, the SYN and
 * none else, for an offer is sent before it can be refused (RFC 7323 2.2, 3.2); on at both, or
 * turned off once the connection is there: every segment.
 */
#include "lab/stage.h"

#include <string.h>

#include "base/cleanup.h"
#include "capture/decode.h"
#include "lab/experiments/common.h"

#define TIMESTAMPS_SYSCTL "net.ipv4.tcp_timestamps"
#define GREETING	  26  /* bytes; each end says so many */
#define SEGMENTS_MAX	  256 /* of one connection with two small messages: about ten */

enum { OPTION_NOP = 1, OPTION_TIMESTAMPS = 8, TIMESTAMPS_LENGTH = 10, INSERTED = 12 };
enum { DATA_OFFSET = 12 }; /* in the TCP header, upper half of the byte, in words */

struct plan {
	int family;
	int off_at;    /* host, or OFF_NOWHERE */
	bool off_late; /* only when the connection is there */
};
#define OFF_NOWHERE (-1)

/* Segments of one direction, and how many of them carry the option. */
struct tally {
	int all, with;
};

static struct tally count(const struct stage_segment *segments, size_t length, int from,
			  uint8_t flags_clear)
{
	struct tally tally = {0};

	for (size_t i = 0; i < length; i++) {
		if (segments[i].record.from != from || segments[i].segment.flags & flags_clear)
			continue;
		tally.all++;
		tally.with += segments[i].segment.options.has_timestamps;
	}
	return tally;
}

static int measure(struct stage *stage)
{
	static struct stage_segment segments[SEGMENTS_MAX];
	struct tally client, server, client_later;
	int n = stage_segments(stage, &WIRE_MATCH_ALL, segments, SEGMENTS_MAX);
	size_t length;

	TRY(stage, n);
	length = n < SEGMENTS_MAX ? (size_t)n : SEGMENTS_MAX;
	client = count(segments, length, STAGE_CLIENT, 0);
	client_later = count(segments, length, STAGE_CLIENT, TCP_FLAG_SYN);
	server = count(segments, length, STAGE_SERVER, 0);

	stage_measure(stage, "client_segments", client.all);
	stage_measure(stage, "client_segments_with_timestamps", client.with);
	stage_measure(stage, "client_syn_with_timestamps", client.with - client_later.with);
	stage_measure(stage, "server_segments", server.all);
	stage_measure(stage, "server_segments_with_timestamps", server.with);
	stage_measure(stage, "segments_after_syn", client_later.all + server.all);
	stage_measure(stage, "with_timestamps_after_syn", client_later.with + server.with);
	return 0;
}

/* The client is answered, the server closes, then the client. */
static int talk_and_close(struct stage *stage, struct pair *pair)
{
	TRY(stage, stage_send(stage, pair->client, GREETING));
	TRY(stage, stage_receive(stage, pair->server, GREETING, 3));
	TRY(stage, stage_send(stage, pair->server, GREETING));
	TRY(stage, stage_receive(stage, pair->client, GREETING, 3));
	TRY(stage, stage_shut(stage, &pair->server));
	TRY(stage, stage_receive_end(stage, pair->client, 3));
	TRY(stage, stage_shut(stage, &pair->client));
	/* The client's end goes with the last ACK. */
	stage_outcome(stage, STAGE_CLIENT, &pair->client_key, STATE_BIT(TCP_STATE_NONE), 3);
	return 0;
}

static int play(struct stage *stage)
{
	const struct plan *plan = stage->arm->extra;
	struct pair_options options = PAIR_DEFAULT;
	struct pair pair;

	options.family = plan->family;
	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, TIMESTAMPS_SYSCTL, 1));
	TRY(stage, stage_sysctl(stage, STAGE_SERVER, TIMESTAMPS_SYSCTL, 1));
	if (plan->off_at != OFF_NOWHERE && !plan->off_late)
		TRY(stage, stage_sysctl(stage, (size_t)plan->off_at, TIMESTAMPS_SYSCTL, 0));
	TRY(stage, stage_pair(stage, &options, &pair));
	if (plan->off_at != OFF_NOWHERE && plan->off_late)
		TRY(stage, stage_sysctl(stage, (size_t)plan->off_at, TIMESTAMPS_SYSCTL, 0));

	TRY(stage, talk_and_close(stage, &pair));
	TRY(stage, measure(stage));
	pair_close(&pair);
	return 0;
}

/* Grows the IP packet's length field by @bytes. */
static void grow(uint8_t *packet, uint8_t bytes)
{
	uint8_t *field = packet[0] >> 4 == 4 ? packet + 2 : packet + 4;
	unsigned length = ((unsigned)field[0] << 8 | field[1]) + bytes;

	field[0] = (uint8_t)(length >> 8);
	field[1] = (uint8_t)length;
}

/* Adds a timestamp to a SYN+ACK that has none; its echo of 0 is what an initiator lets pass. */
static int pretend_timestamps(uint8_t *packet, size_t *length, size_t room, void *context)
{
	static const uint8_t option[INSERTED] = {
		OPTION_NOP, OPTION_NOP, OPTION_TIMESTAMPS, TIMESTAMPS_LENGTH, 0, 0, 0, 1,
	};
	uint8_t *tcp = packet_tcp(packet, *length);
	struct segment segment;

	(void)context;
	if (decode_packet(PACKET_LINK_RAW, packet, *length, *length, &segment) != DECODE_SEGMENT ||
	    segment.options.has_timestamps || *length + INSERTED > room)
		return 0;
	/* A SYN+ACK ends with its options. */
	memcpy(packet + *length, option, INSERTED);
	*length += INSERTED;
	tcp[DATA_OFFSET] += INSERTED / 4 << 4;
	grow(packet, INSERTED);
	return 0;
}

/* Something between the ends answers the offer for a server that did not: the client goes on. */
static int falsify(struct stage *stage)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_REWRITE,
				 .rewrite = pretend_timestamps,
				 .note = "a timestamp is put into the server's SYN+ACK"};

	rule.match.from = STAGE_SERVER;
	rule.match.flags_set = TCP_FLAG_SYN | TCP_FLAG_ACK;
	return wire_rule_add(stage->wire, &rule);
}

/* Segments without the option: 0 is what a control must have. */
static double bare(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "segments_after_syn") -
	       evidence_number(evidence, arm, "with_timestamps_after_syn");
}

static const struct {
	const char *arm, *as; /* its name, and what it adds to the names of numbers */
} treatments[] =
	{
		{"off-at-server", "off_at_server"},
		{"off-at-client", "off_at_client"},
		{"off-at-server-v6", "off_at_server_v6"},
		{"off-at-client-v6", "off_at_client_v6"},
},
  controls[] = {
	  {"on-at-both", "on_at_both"},
	  {"on-at-both-v6", "on_at_both_v6"},
	  {"off-while-open", "off_while_open"},
};

static void tell(const struct evidence *evidence, const char *arm, const char *as,
		 struct judgement *ret)
{
	static const char *const names[] = {
		"client_segments", "client_segments_with_timestamps", "client_syn_with_timestamps",
		"server_segments", "server_segments_with_timestamps",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		judge_measured(ret, evidence_number(evidence, arm, names[i]), "%s_%s", names[i],
			       as);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double syn = evidence_number(evidence, "off-at-server", "client_syn_with_timestamps");
	double after = 0, all = 0;
	const char *odd = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(treatments); i++) {
		double with = evidence_number(evidence, treatments[i].arm,
					      "with_timestamps_after_syn");

		tell(evidence, treatments[i].arm, treatments[i].as, ret);
		all += evidence_number(evidence, treatments[i].arm, "segments_after_syn");
		after += with;
		if (!odd && with != 0)
			odd = treatments[i].arm;
	}
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		tell(evidence, controls[i].arm, controls[i].as, ret);
	judge_deciding(ret, "%.0f of %.0f segments after the SYN", after, all);

	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		if (bare(evidence, controls[i].arm) == 0)
			continue;
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "In the control %s %.0f segments have no timestamp either: something "
			  "else than the setting takes them away here.",
			  controls[i].arm, bare(evidence, controls[i].arm));
		return;
	}
	if (odd)
		judge_say(ret, VERDICT_REFUTED,
			  "Timestamps are sent although one end has them off (%s): %.0f of %.0f "
			  "segments after the SYN carry one.",
			  odd, after, all);
	else if (syn > 0)
		judge_say(ret, VERDICT_HOLDS,
			  "One end without timestamps takes them from both, and with them PAWS and "
			  "the reuse of TIME-WAIT: only the client's SYN still offers them when "
			  "the server has them off. Leave tcp_timestamps on at both ends; turning "
			  "it off touches new connections only.");
	else
		judge_say(ret, VERDICT_HOLDS,
			  "One end without timestamps takes them from both, and with them PAWS and "
			  "the reuse of TIME-WAIT: leave tcp_timestamps on at both ends.");
}

static const struct plan off_server = {AF_INET, STAGE_SERVER, false},
			 off_client = {AF_INET, STAGE_CLIENT, false},
			 off_server_v6 = {AF_INET6, STAGE_SERVER, false},
			 off_client_v6 = {AF_INET6, STAGE_CLIENT, false},
			 on_both = {AF_INET, OFF_NOWHERE, false},
			 on_both_v6 = {AF_INET6, OFF_NOWHERE, false},
			 off_open = {AF_INET, STAGE_SERVER, true};

static const struct arm arms[] = {
	{
		.name = "off-at-server",
		.role = ARM_TREATMENT,
		.what = "tcp_timestamps=0 at the server, 1 at the client (the article's trace)",
		.seconds = 1,
		.extra = &off_server,
		.play = play,
	},
	{
		.name = "off-at-client",
		.role = ARM_TREATMENT,
		.what = "tcp_timestamps=0 at the client, 1 at the server",
		.seconds = 1,
		.extra = &off_client,
		.play = play,
	},
	{
		.name = "off-at-server-v6",
		.role = ARM_TREATMENT,
		.what = "off at the server, over IPv6: the setting is one for both",
		.seconds = 1,
		.extra = &off_server_v6,
		.play = play,
	},
	{
		.name = "off-at-client-v6",
		.role = ARM_TREATMENT,
		.what = "off at the client, over IPv6",
		.seconds = 1,
		.extra = &off_client_v6,
		.play = play,
	},
	{
		.name = "on-at-both",
		.role = ARM_CONTROL,
		.what = "on at both: every segment must carry timestamps",
		.seconds = 1,
		.extra = &on_both,
		.play = play,
	},
	{
		.name = "on-at-both-v6",
		.role = ARM_CONTROL,
		.what = "on at both, over IPv6",
		.seconds = 1,
		.extra = &on_both_v6,
		.play = play,
	},
	{
		.name = "off-while-open",
		.role = ARM_CONTROL,
		.what = "turned off at the server once the connection is there: it must keep them",
		.seconds = 1,
		.extra = &off_open,
		.play = play,
	},
};

const struct experiment experiment_timestamps_both_ends = {
	.id = "timestamps-both-ends",
	.claim =
		"With timestamps off at one end no segment after the client's SYN carries them, in "
		"either direction.",
	.source = "article, 타임스탬프; RFC 7323 3.2",
	.section = "E. Timestamps and recycling",
	.method =
		"One connection with data both ways, timestamps off at the server, at the client, "
		"at neither, and turned off once it is open; the options of every segment on the "
		"wire.",
	.why = "PAWS and tcp_tw_reuse need timestamps. One host in a pair that had them turned off "
	       "by an old tuning guide is enough to lose both.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
