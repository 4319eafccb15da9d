/*
 * Question: which segments does a close take, and what does each ACK in it acknowledge? The book's
 * picture has FIN+ACK(K,L), ACK(L,K+1), FIN+ACK(L,K+1), ACK(K,L+1); the article's capture has K
 * where the first ACK says K+1, and K+1 where the last ACK says K.
 *
 * Kernel path (6.18): tcp_send_fin() (net/ipv4/tcp_output.c) gives the FIN a number of its own, so
 * what its sender sends afterwards stands at snd_nxt = K+1 (tcp_acceptable_seq()). The peer's
 * tcp_fin() (net/ipv4/tcp_input.c) only schedules the ACK, and enters pingpong mode: the ACK waits
 * for the delayed-ACK timer, 40 ms (TCP_DELACK_MIN, once data have come; the next tick before
 * that), and when the application closes sooner it rides on the peer's own FIN. A pure ACK right
 * behind a FIN is therefore none of the FIN: it is that of the data before (the first data of a
 * connection are acknowledged at once, quickack), and left its sender before the FIN came there.
 *
 * Packets expected, the server closing first, relative to K and L:
 *   closes at once            FIN(K,L) · FIN+ACK(L,K+1) · ACK(K+1,L+1)
 *   closes later              FIN(K,L) · ACK(L,K+1) · FIN+ACK(L,K+1) · ACK(K+1,L+1)
 *   data still under way      FIN(K,L) · ACK(L,K) · FIN+ACK(L,K+1) · ACK(K+1,L+1): the article's
 *   the same, ACKs delayed    FIN(K,L) · FIN+ACK(L,K+1) · ACK(K+1,L+1)
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "lab/experiments/common.h"
#include "tcp/seq.h"

#define DATA 26 /* the article's: a date and a line end; so K is 27 and L is 1 */

/*
 * Whoever is to close before the delayed ACK goes out has 40 ms (TCP_DELACK_MIN), less a tick. A
 * busy machine may be slower; then it was not "at once", and another connection tries again.
 */
#define AT_ONCE_S    0.020
#define ATTEMPTS_MAX 20

#define ANSWER_SECONDS 2
#define SEGMENTS_MAX   12

struct story {
	bool data_under_way; /* has not arrived yet when the server closes */
	bool delayed_acks;   /* TCP_QUICKACK off at the client */
	bool closes_later;   /* the client, only when its ACK of the FIN is out */
};

struct holds {
	int data, fin; /* rules */
};

/* A close as it was recorded: from the server's FIN to its ACK of the client's. */
struct closing {
	struct stage_segment segments[SEGMENTS_MAX]; /* those that were not lost */
	size_t count;
	uint32_t k, l;	     /* the FIN's sequence number, and what it acknowledges */
	double closed_after; /* from what had to be acknowledged to the client's FIN, in seconds */
};

static int hold_one(struct stage *stage, const struct tcp_key *key, uint8_t flags,
		    enum wire_payload payload, const char *note)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD, .note = note};

	rule.match.from = STAGE_SERVER;
	rule.match.key = key;
	rule.match.flags_set = flags;
	rule.match.payload = payload;
	rule.match.count = 1;
	return wire_rule_add(stage->wire, &rule);
}

/* What is held is repeated by its sender, and what is repeated is lost: no segment is doubled. */
static int lose_repeated_data(struct stage *stage, const struct tcp_key *key)
{
	struct wire_rule rule = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "repeated data are lost"};

	rule.match.from = STAGE_SERVER;
	rule.match.key = key;
	rule.match.payload = WIRE_PAYLOAD_SOME;
	rule.match.skip = 1;
	return wire_rule_add(stage->wire, &rule);
}

static int set_up_wire(struct stage *stage, const struct story *story, const struct pair *pair,
		       struct holds *ret)
{
	const struct tcp_key *key = &pair->server_key;
	struct holds holds = {.data = -1};

	TRY(stage, lose_repeated_fins(stage, STAGE_SERVER, key));
	TRY(stage, lose_repeated_fins(stage, STAGE_CLIENT, key));
	TRY(stage, lose_repeated_data(stage, key));
	if (story->data_under_way) {
		holds.data = hold_one(stage, key, 0, WIRE_PAYLOAD_SOME,
				      "under way until the FIN has been sent");
		TRY(stage, holds.data);
	}
	holds.fin = hold_one(stage, key, TCP_FLAG_FIN, WIRE_PAYLOAD_ANY,
			     "under way until the data are acknowledged");
	TRY(stage, holds.fin);
	*ret = holds;
	return 0;
}

static struct wire_match pure_acks(const struct pair *pair, int from)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = from;
	match.key = &pair->server_key;
	match.flags_set = TCP_FLAG_ACK;
	match.flags_clear = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;
	match.payload = WIRE_PAYLOAD_NONE;
	return match;
}

/*
 * Waits for the client's @count-th ACK that carries nothing; the first is that of the handshake.
 * Whether it comes is what is measured.
 */
static void await_client_ack(struct stage *stage, const struct pair *pair, size_t count)
{
	struct wire_match match = pure_acks(pair, STAGE_CLIENT);

	stage_await_segments(stage, &match, count, ANSWER_SECONDS, NULL);
}

/* The server sends its data and closes. */
static int serve(struct stage *stage, const struct story *story, struct pair *pair,
		 const struct holds *holds)
{
	TRY(stage, stage_send(stage, pair->server, DATA));
	if (!story->data_under_way) {
		TRY(stage, stage_receive(stage, pair->client, DATA, ANSWER_SECONDS));
		await_client_ack(stage, pair, 2);
	}
	TRY(stage, stage_shut(stage, &pair->server));
	TRY(stage, wire_rule_wait(stage->wire, holds->fin, 1, ANSWER_SECONDS * NS_PER_S));
	return 0;
}

/* What was held arrives, and the client reads to the end and closes. */
static int take_and_close(struct stage *stage, const struct story *story, struct pair *pair,
			  const struct holds *holds)
{
	if (story->data_under_way) {
		TRY(stage, wire_rule_release(stage->wire, holds->data));
		if (!story->delayed_acks)
			await_client_ack(stage, pair, 2);
	}
	TRY(stage, wire_rule_release(stage->wire, holds->fin));
	if (story->data_under_way)
		TRY(stage, stage_receive(stage, pair->client, DATA, ANSWER_SECONDS));
	TRY(stage, stage_receive_end(stage, pair->client, ANSWER_SECONDS));
	if (story->closes_later)
		await_client_ack(stage, pair, 3);
	TRY(stage, stage_shut(stage, &pair->client));
	return 0;
}

/* The first segment from there on that fits; it is an error when there is none. */
static int first_segment(struct stage *stage, const struct wire_match *match, size_t from_index,
			 struct stage_segment *ret)
{
	struct wire_match next = *match;

	for (next.count = 1;; next.skip++) {
		TRY(stage, stage_await_segments(stage, &next, 1, ANSWER_SECONDS, ret));
		if (ret->index >= from_index)
			return 0;
	}
}

static int gather(struct stage *stage, const struct pair *pair, size_t first, size_t last,
		  struct closing *closing)
{
	struct wire_match match = WIRE_MATCH_ALL;
	struct stage_segment one;

	match.key = &pair->server_key;
	for (match.count = 1; stage_segments(stage, &match, &one, 1) == 1; match.skip++) {
		if (one.index < first || one.index > last || one.record.fate == WIRE_DROPPED)
			continue;
		if (closing->count == SEGMENTS_MAX)
			return stage_fail(stage, -E2BIG, "the close took more than %d segments",
					  SEGMENTS_MAX);
		closing->segments[closing->count++] = one;
	}
	return 0;
}

/* From when on the client had something to acknowledge and did not do so at once. */
static int64_t arrived_ns(struct stage *stage, const struct story *story, const struct pair *pair,
			  const struct stage_segment *fin)
{
	struct wire_match match = WIRE_MATCH_ALL;
	struct stage_segment data;

	match.from = STAGE_SERVER;
	match.key = &pair->server_key;
	match.payload = WIRE_PAYLOAD_SOME;
	match.count = 1;
	if (story->delayed_acks && stage_segments(stage, &match, &data, 1) > 0)
		return data.record.delivered_ns;
	return fin->record.delivered_ns;
}

static int see_close(struct stage *stage, const struct story *story, const struct pair *pair,
		     struct closing *ret)
{
	struct wire_match fins = WIRE_MATCH_ALL, acks = pure_acks(pair, STAGE_SERVER);
	struct stage_segment fin, answer, last;
	struct closing closing = {0};

	fins.flags_set = TCP_FLAG_FIN;
	fins.key = &pair->server_key;
	fins.from = STAGE_SERVER;
	TRY(stage, first_segment(stage, &fins, 0, &fin));
	fins.from = STAGE_CLIENT;
	TRY(stage, first_segment(stage, &fins, fin.index, &answer));
	TRY(stage, first_segment(stage, &acks, answer.index, &last));
	TRY(stage, gather(stage, pair, fin.index, last.index, &closing));

	closing.k = fin.segment.seq + fin.segment.payload_length;
	closing.l = fin.segment.ack;
	closing.closed_after =
		clock_seconds(answer.record.time_ns - arrived_ns(stage, story, pair, &fin));
	*ret = closing;
	return 0;
}

static int play_once(struct stage *stage, const struct story *story, struct closing *ret)
{
	struct holds holds = {0};
	struct pair pair;
	int off = 0, r;

	TRY(stage, stage_pair(stage, NULL, &pair));
	if (story->delayed_acks)
		TRY_SYS(stage,
			setsockopt(pair.client, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)));
	TRY(stage, set_up_wire(stage, story, &pair, &holds));
	TRY(stage, serve(stage, story, &pair, &holds));
	TRY(stage, take_and_close(stage, story, &pair, &holds));
	r = see_close(stage, story, &pair, ret);
	pair_close(&pair);
	return r;
}

/* "+1" behind a letter, nothing for 0. */
static const char *offset_text(int32_t offset, char text[12])
{
	text[0] = '\0';
	if (offset)
		snprintf(text, 12, "%+d", offset);
	return text;
}

/* "FIN+ACK(K,L) ACK(L,K) …": seq and ack of each segment as the article writes them. */
static void measure_text(struct stage *stage, const struct closing *closing)
{
	char text[SEGMENTS_MAX * 48] = "";
	size_t used = 0;

	for (size_t i = 0; i < closing->count; i++) {
		const struct stage_segment *one = &closing->segments[i];
		char flags[SEGMENT_FLAGS_TEXT_MAX], seq[12], ack[12];
		bool closer = one->record.from == STAGE_SERVER;

		offset_text(seq_diff(one->segment.seq, closer ? closing->k : closing->l), seq);
		offset_text(seq_diff(one->segment.ack, closer ? closing->l : closing->k), ack);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s(%s%s,%s%s)",
					 used ? " " : "",
					 segment_flags_format(one->segment.flags, flags),
					 closer ? "K" : "L", seq, closer ? "L" : "K", ack);
		if (used >= sizeof(text))
			break;
	}
	stage_measure_text(stage, "segments", text);
}

static void measure(struct stage *stage, const struct closing *closing)
{
	const struct stage_segment *fin = &closing->segments[0],
				   *last = &closing->segments[closing->count - 1];
	int of_data = 0, of_fin = 0;
	double ack_delay = NAN;

	measure_text(stage, closing);
	stage_measure(stage, "segments_count", (double)closing->count);
	stage_measure(stage, "last_ack_seq_minus_k", seq_diff(last->segment.seq, closing->k));
	stage_measure(stage, "last_ack_ack_minus_l", seq_diff(last->segment.ack, closing->l));
	for (size_t i = 1; i < closing->count; i++) {
		const struct stage_segment *one = &closing->segments[i];
		int beyond = seq_diff(one->segment.ack, closing->k);

		if (one->record.from != STAGE_CLIENT)
			continue;
		if (one->segment.flags & TCP_FLAG_FIN) {
			stage_measure(stage, "fin2_ack_minus_k", beyond);
			continue;
		}
		if (of_data + of_fin == 0)
			stage_measure(stage, "first_ack_minus_k", beyond);
		of_data += beyond <= 0;
		of_fin += beyond > 0;
		if (beyond > 0 && isnan(ack_delay))
			ack_delay = clock_seconds(one->record.time_ns - fin->record.delivered_ns);
	}
	stage_measure(stage, "acks_of_data_only_count", of_data);
	stage_measure(stage, "separate_acks_of_fin_count", of_fin);
	if (!isnan(ack_delay))
		stage_measure(stage, "ack_of_fin_after_s", ack_delay);
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	const struct story *story = stage->arm->extra;
	struct closing closing = {0};
	int attempts = 0;

	TRY(stage, stage_open(stage, NULL));
	do {
		TRY(stage, play_once(stage, story, &closing));
		attempts++;
	} while (!story->closes_later && closing.closed_after > AT_ONCE_S &&
		 attempts < ATTEMPTS_MAX);

	measure(stage, &closing);
	stage_measure(stage, "client_closed_after_s", closing.closed_after);
	stage_measure(stage, "attempts_count", attempts);
	return 0;
}

/* ---- a world in which the last ACK carries K */

static struct {
	bool known;
	uint32_t after_fin; /* K+1 */
} falsified;		    /* read and written in the wire's thread alone */

static int note_fin(uint8_t *packet, size_t *length, size_t room, void *context)
{
	uint8_t *tcp = packet_tcp(packet, *length);

	(void)room;
	(void)context;
	if (!tcp)
		return -EINVAL;
	falsified.after_fin = packet_u32(tcp + TCP_AT_SEQ) + 1;
	falsified.known = true;
	return 0;
}

static int shut_window(uint8_t *packet, size_t *length, size_t room, void *context)
{
	uint8_t *tcp = packet_tcp(packet, *length);

	(void)room;
	(void)context;
	if (!tcp)
		return -EINVAL;
	if (falsified.known && packet_u32(tcp + TCP_AT_ACK) == falsified.after_fin) {
		packet_set_u32(tcp + TCP_AT_ACK, falsified.after_fin - 1);
		memset(tcp + TCP_AT_WINDOW, 0, 2);
	}
	return 0;
}

/*
 * The FIN's ACK becomes one of the data alone, with a window that has closed before the FIN. A
 * sender whose FIN lies beyond the window may not stand behind it: tcp_acceptable_seq() takes the
 * window's end, which is K (exact only without window scaling).
 */
static int falsify(struct stage *stage)
{
	struct wire_rule note = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_REWRITE, .rewrite = note_fin};
	struct wire_rule shut = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_REWRITE,
				 .rewrite = shut_window,
				 .note = "an ACK of the FIN is delivered as ACK=K, window 0"};

	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_window_scaling", 0));
	note.match.from = STAGE_SERVER;
	note.match.flags_set = TCP_FLAG_FIN;
	TRY(stage, wire_rule_add(stage->wire, &note));
	shut.match.from = STAGE_CLIENT;
	shut.match.flags_set = TCP_FLAG_ACK;
	return wire_rule_add(stage->wire, &shut);
}

/* ---- the verdict */

static const char *const at_once = "closes-at-once";
static const char *const later = "closes-later";
static const char *const under_way = "data-under-way";
static const char *const delayed = "acks-delayed";

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	judge_measured_text(ret, evidence_text(evidence, arm, "segments"), "segments_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "segments_count"), "segments_count_%s",
		       suffix);
	judge_measured(ret, evidence_number(evidence, arm, "last_ack_seq_minus_k"),
		       "last_ack_seq_minus_k_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "fin2_ack_minus_k"),
		       "fin2_ack_minus_k_%s", suffix);
}

/* What all arms agree on, or NAN. */
static double common(const struct evidence *evidence, const char *name)
{
	const char *const arms[] = {at_once, later, under_way, delayed};
	double value = evidence_number(evidence, arms[0], name);

	for (size_t i = 1; i < sizeof(arms) / sizeof(arms[0]); i++)
		if (evidence_number(evidence, arms[i], name) != value)
			return NAN;
	return value;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double last = common(evidence, "last_ack_seq_minus_k");
	double fin2 = common(evidence, "fin2_ack_minus_k");
	double of_data = evidence_number(evidence, under_way, "acks_of_data_only_count");
	double control = evidence_number(evidence, at_once, "acks_of_data_only_count");
	double never = evidence_number(evidence, delayed, "acks_of_data_only_count");
	double first_ack = evidence_number(evidence, later, "first_ack_minus_k");
	double ack_after_s = evidence_number(evidence, later, "ack_of_fin_after_s");
	double segments_later = evidence_number(evidence, later, "segments_count");
	double segments_at_once = evidence_number(evidence, at_once, "segments_count");

	tell(evidence, at_once, "closes_at_once", ret);
	tell(evidence, later, "closes_later", ret);
	tell(evidence, under_way, "data_under_way", ret);
	tell(evidence, delayed, "acks_delayed", ret);
	judge_measured(ret, ack_after_s, "ack_of_fin_after_s");
	judge_deciding(ret, "last ACK's seq %s; %.0f or %.0f segments", last == 0 ? "K" : "K+1",
		       segments_at_once, segments_later);

	if (isnan(last) || isnan(fin2))
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"The closes do not agree: the last ACK's seq is K%+.0f in one and K%+.0f in "
			"another.",
			evidence_number(evidence, later, "last_ack_seq_minus_k"),
			evidence_number(evidence, at_once, "last_ack_seq_minus_k"));
	else if (last == 0)
		judge_say(
			ret, VERDICT_HOLDS,
			"The last ACK carries K, the FIN's own number: it lies outside the peer's "
			"window here.");
	else if (of_data == control)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "%.0f ACKs of K came with the data under way, and %.0f with the data "
			  "acknowledged before: it is not the data that decide here.",
			  of_data, control);
	else if (of_data < 1 || control > 0 || fin2 != 1 || first_ack != 1)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The last ACK's seq is K%+.0f, but what the others acknowledge is not "
			  "clear: K%+.0f alone, K%+.0f with the FIN.",
			  last, first_ack, fin2);
	else
		judge_say(
			ret, VERDICT_REFUTED,
			"A FIN takes a number: the last ACK has seq K%+.0f, as in the capture. ACK=K "
			"behind a FIN acknowledges earlier data and left before the FIN came (%.0f "
			"then, %.0f with ACKs delayed); FIN+ACK acknowledges the FIN, or after %.0f "
			"ms an ACK alone. Expect %.0f segments if the peer closes at once, %.0f if "
			"later.",
			last, of_data, never, ack_after_s * 1000, segments_at_once, segments_later);
}

static const struct arm arms[] = {
	{
		.name = "closes-later",
		.role = ARM_TREATMENT,
		.what = "the client closes once its ACK of the FIN is out: four segments",
		.seconds = 1,
		.extra = &(const struct story){.closes_later = true},
		.play = play,
	},
	{
		.name = "data-under-way",
		.role = ARM_TREATMENT,
		.what = "the article's capture: the FIN is sent before the data have arrived",
		.seconds = 1,
		.extra = &(const struct story){.data_under_way = true},
		.play = play,
	},
	{
		.name = "acks-delayed",
		.role = ARM_TREATMENT,
		.what = "the same with TCP_QUICKACK off: nothing is acknowledged separately",
		.seconds = 1,
		.extra = &(const struct story){.data_under_way = true, .delayed_acks = true},
		.play = play,
	},
	{
		.name = "closes-at-once",
		.role = ARM_CONTROL,
		.what = "the data acknowledged before, the client closes as soon as the FIN comes",
		.seconds = 1,
		.extra = &(const struct story){0},
		.play = play,
	},
};

const struct experiment experiment_close_segments = {
	.id = "close-segments",
	.claim = "A close takes four segments, FIN+ACK(K,L), ACK(L,K+1), FIN+ACK(L,K+1) and "
		 "ACK(K,L+1): the last ACK's sequence number is that of the FIN, K.",
	.source = "article, 종료 과정 (after TCP/IP Illustrated); RFC 9293 3.6",
	.section = "A. The closing handshake",
	.method =
		"The server sends 26 bytes and closes first. The wire decides what has arrived by "
		"then: data and FIN are held, and released in a chosen order, while the client "
		"closes at once or later; seq and ack of every segment relative to K and L.",
	.why = "Who reads captures of closes must know which ACK acknowledges what: an ACK behind a "
	       "FIN need not be the FIN's, and three segments are as complete as four.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
