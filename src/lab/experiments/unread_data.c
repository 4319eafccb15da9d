/*
 * Question: what does close() send when bytes are still unread in the receive queue, and what does
 * the peer get of what was written to it before?
 *
 * Kernel path (6.18): __tcp_close() (net/ipv4/tcp.c) empties the receive queue; when something was
 * in it beyond what had been read it counts TCPAbortOnClose, sends RST in place of FIN, and the
 * socket is closed without tcp_time_wait() (RFC 2525 2.17, RFC 1122 4.2.2.13). The write queue goes
 * with the socket: a lost segment of the answer is not repeated. At the peer tcp_reset() leaves
 * ECONNRESET behind what has come.
 *
 * The server answers a request that it has read or not, and closes; the answer arrives, or is lost
 * once. Packets expected: RST of the server, and nothing of the client; where the answer was lost
 * the RST lies beyond what the client has, which draws a challenge ACK (RFC 5961 3.2), and that a
 * second RST. Control, request read: FIN, and TIME-WAIT at the server.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "lab/experiments/common.h"
#include "lab/experiments/stream.h"
#include "world/wire.h"

/* One segment each: a queue is then empty, or holds all. */
#define REQUEST_BYTES 1000
#define ANSWER_BYTES  1200

/* For what comes at once, or with the first repeats of the answer. */
#define END_SECONDS 5

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

struct story {
	bool reads; /* the server reads the request */
	bool lost;  /* the answer is lost on the wire until the server has closed */
};

/* Whatever the server writes is lost from now on. The rule, or -errno. */
static int lose_answer(struct stage *stage)
{
	struct wire_rule lose = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "the answer is lost"};

	lose.match.from = STAGE_SERVER;
	lose.match.payload = WIRE_PAYLOAD_SOME;
	return wire_rule_add(stage->wire, &lose);
}

/* The client asks, the server answers; the answer is at the client, or lost. */
static int answer(struct stage *stage, const struct story *story, struct pair *pair, int *ret_rule)
{
	int rule = -1;

	TRY(stage, stage_send(stage, pair->client, REQUEST_BYTES));
	TRY(stage, stream_await_unread(stage, STAGE_SERVER, &pair->server_key));
	if (story->reads)
		TRY(stage, stage_receive(stage, pair->server, REQUEST_BYTES, END_SECONDS));
	if (story->lost) {
		rule = lose_answer(stage);
		TRY(stage, rule);
	}
	TRY(stage, stage_send(stage, pair->server, ANSWER_BYTES));
	if (story->lost)
		TRY(stage, wire_rule_wait(stage->wire, rule, 1, END_SECONDS * NS_PER_S));
	else
		TRY(stage, stream_await_unread(stage, STAGE_CLIENT, &pair->client_key));
	*ret_rule = rule;
	return 0;
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	const struct story *story = stage->arm->extra;
	struct stream_drained drained;
	struct pair pair;
	int lossy;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &pair));
	TRY(stage, answer(stage, story, &pair, &lossy));
	TRY(stage, stage_shut(stage, &pair.server));
	if (lossy >= 0)
		TRY(stage, wire_rule_remove(stage->wire, lossy));
	stream_drain(stage, pair.client, END_SECONDS, &drained);
	TRY(stage, stage_shut(stage, &pair.client));

	stage_measure_text(stage, "server_left_in",
			   tcp_state_name(stage_outcome(stage, STAGE_SERVER, &pair.server_key,
							SETTLED, END_SECONDS)));
	stage_measure_text(stage, "client_left_in",
			   tcp_state_name(stage_outcome(stage, STAGE_CLIENT, &pair.client_key,
							SETTLED, END_SECONDS)));
	stage_measure(stage, "answer_bytes", ANSWER_BYTES);
	stage_measure(stage, "read_bytes", (double)drained.bytes);
	stage_measure_text(stage, "client_read_error", stream_error_name(drained.error));
	stage_measure(stage, "rst_count", stream_count(stage, STAGE_SERVER, TCP_FLAG_RST));
	stage_measure(stage, "fin_count", stream_count(stage, STAGE_SERVER, TCP_FLAG_FIN));
	stage_measure(stage, "abort_on_close_count",
		      (double)stage_counter(stage, STAGE_SERVER, "TcpExt.TCPAbortOnClose"));
	pair_close(&pair);
	return 0;
}

/* The RST never arrives: the client knows of nothing. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, WIRE_ANY_HOST, TCP_FLAG_RST, "every RST is lost");
}

static const char *const unread = "unread";
static const char *const unread_lost = "unread-answer-lost";
static const char *const drained = "drained";
static const char *const drained_lost = "drained-answer-lost";

static bool text_is(const struct evidence *evidence, const char *arm, const char *name,
		    const char *wanted)
{
	return strcmp(evidence_text(evidence, arm, name), wanted) == 0;
}

static bool reset(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "rst_count") > 0 &&
	       evidence_number(evidence, arm, "fin_count") == 0 &&
	       text_is(evidence, arm, "client_read_error", "ECONNRESET");
}

static bool no_time_wait(const struct evidence *evidence, const char *arm)
{
	const char *none = tcp_state_name(TCP_STATE_NONE);

	return text_is(evidence, arm, "server_left_in", none) &&
	       text_is(evidence, arm, "client_left_in", none);
}

/* The server ended with FIN, and holds TIME-WAIT; the client read all of the answer. */
static bool ended_well(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "rst_count") == 0 &&
	       evidence_number(evidence, arm, "fin_count") > 0 &&
	       evidence_number(evidence, arm, "read_bytes") ==
		       evidence_number(evidence, arm, "answer_bytes") &&
	       text_is(evidence, arm, "client_read_error", "none") &&
	       text_is(evidence, arm, "server_left_in", tcp_state_name(TCP_TIME_WAIT));
}

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	judge_measured(ret, evidence_number(evidence, arm, "rst_count"), "rst_count_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "fin_count"), "fin_count_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "abort_on_close_count"),
		       "abort_on_close_count_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "read_bytes"), "read_bytes_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "client_read_error"),
			    "client_read_error_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "server_left_in"),
			    "server_left_in_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "client_left_in"),
			    "client_left_in_%s", suffix);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double read = evidence_number(evidence, unread, "read_bytes");
	double read_lost = evidence_number(evidence, unread_lost, "read_bytes");
	double answer_bytes = evidence_number(evidence, unread, "answer_bytes");
	const char *odd = reset(evidence, unread) ? unread_lost : unread;

	tell(evidence, unread, "unread", ret);
	tell(evidence, unread_lost, "unread_answer_lost", ret);
	tell(evidence, drained, "drained", ret);
	tell(evidence, drained_lost, "drained_answer_lost", ret);
	judge_deciding(ret, "%.0f RST, %.0f FIN; %s",
		       evidence_number(evidence, unread, "rst_count"),
		       evidence_number(evidence, unread, "fin_count"),
		       evidence_text(evidence, unread, "client_read_error"));

	if (!ended_well(evidence, drained) || !ended_well(evidence, drained_lost))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "A server that had read everything did not end with FIN and TIME-WAIT "
			  "either (it is left in %s): the unread bytes do not decide here.",
			  evidence_text(evidence, drained, "server_left_in"));
	else if (!reset(evidence, odd))
		judge_say(
			ret, VERDICT_REFUTED,
			"With bytes unread the server sent %.0f RST and %.0f FIN, and the client's "
			"read() gave %s.",
			evidence_number(evidence, odd, "rst_count"),
			evidence_number(evidence, odd, "fin_count"),
			evidence_text(evidence, odd, "client_read_error"));
	else if (!no_time_wait(evidence, unread) || !no_time_wait(evidence, unread_lost))
		judge_say(ret, VERDICT_REFUTED,
			  "RST was sent, and yet the server is left in %s, the client in %s.",
			  evidence_text(evidence, unread, "server_left_in"),
			  evidence_text(evidence, unread, "client_left_in"));
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"Read a request to its end before you close: else the peer gets RST, and "
			"of an answer of %.0f bytes it read %.0f when all had arrived and %.0f when "
			"one segment was lost, because nothing is repeated after it.",
			answer_bytes, read, read_lost);
}

static const struct arm arms[] = {
	{
		.name = "unread",
		.role = ARM_TREATMENT,
		.what = "the server answers and closes without having read the request",
		.seconds = 1,
		.extra = &(const struct story){.reads = false},
		.play = play,
	},
	{
		.name = "unread-answer-lost",
		.role = ARM_TREATMENT,
		.what = "the same, and the answer is lost on the wire",
		.seconds = 1,
		.extra = &(const struct story){.reads = false, .lost = true},
		.play = play,
	},
	{
		.name = "drained",
		.role = ARM_CONTROL,
		.what = "the server reads the request, answers and closes: it must send FIN",
		.seconds = 1,
		.extra = &(const struct story){.reads = true},
		.play = play,
	},
	{
		.name = "drained-answer-lost",
		.role = ARM_CONTROL,
		.what = "the same, and the answer is lost: it must be repeated",
		.seconds = 1.5,
		.extra = &(const struct story){.reads = true, .lost = true},
		.play = play,
	},
};

const struct experiment experiment_unread_data = {
	.id = "unread-data",
	.claim =
		"close() with unread bytes in the receive queue sends RST in place of FIN, gives the "
		"peer ECONNRESET, and leaves TIME-WAIT at neither end.",
	.source = "RFC 2525 2.17; RFC 1122 4.2.2.13",
	.section = "A. The closing handshake",
	.method =
		"The server answers a request that it has read, or not, and closes; the answer "
		"arrives, or is lost once. What the client reads, and what both ends are left in.",
	.why = "\"Connection reset by peer\" in place of the error page: a server that refuses a "
	       "request early (413, 401) and closes with the body unread takes its own answer back.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
