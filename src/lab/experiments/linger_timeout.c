/*
 * Question: what does close() do with l_linger > 0 when the peer is silent: how long does it
 * take, does O_NONBLOCK spare the wait, and what becomes of the connection when the time is up?
 *
 * Kernel path (6.18): inet_release() (net/ipv4/af_inet.c) hands l_linger as timeout to tcp_close(),
 * whatever O_NONBLOCK says; only a process that is exiting (PF_EXITING) does not wait. After
 * tcp_send_fin() sk_stream_wait_close() (net/core/stream.c) sleeps while the socket is in
 * FIN-WAIT-1, CLOSING or LAST-ACK. Nobody looks at what ended the sleep: inet_release() returns 0,
 * no RST is sent, and the socket becomes an orphan that goes on with its retransmissions.
 *
 * Packets expected: the data and FIN, lost; repeats, lost as long as the silence lasts, and then
 * delivered; the server's FIN; no RST. Control, a peer that answers: close() returns with the ACK
 * of the FIN. Control, a silent peer and no option: close() returns at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "lab/experiments/stream.h"

#define LINGER_S   2
#define DATA_BYTES 5000

/* The timer fires up to one tick early, and late by the wheel's slack (80 ms at HZ=100, 64 ms at
 * HZ=1000) and what a busy machine adds. */
#define WAITED_AT_LEAST_S (LINGER_S - 0.02)
#define WAITED_AT_MOST_S  (LINGER_S + 0.6)
/* "At once": a tenth of what there was to wait for. The control may take longer, but not all. */
#define AT_ONCE_S      (LINGER_S / 10.0)
#define MUCH_EARLIER_S (LINGER_S / 2.0)

/* The next repeat comes as late after the silence as the silence was long, at most. */
#define DRAIN_SECONDS 10
#define END_SECONDS   6

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

struct story {
	int linger;    /* l_linger of the client, or STREAM_NO_LINGER */
	bool nonblock; /* O_NONBLOCK at the client */
	bool silent;   /* nothing of the client arrives until close() has returned */
};

/* From now on nothing of the client arrives. The rule, or -errno. */
static int fall_silent(struct stage *stage)
{
	struct wire_rule lose = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_DROP,
				 .note = "the peer is silent: nothing reaches it"};

	lose.match.from = STAGE_CLIENT;
	return wire_rule_add(stage->wire, &lose);
}

/* The peer is back, and reads to the end, and closes. */
static int follow(struct stage *stage, struct pair *pair)
{
	struct stream_drained drained;

	stage_state(stage, -1, "the peer is back; waiting for the next repeat");
	stream_drain(stage, pair->server, DRAIN_SECONDS, &drained);
	TRY(stage, stage_shut(stage, &pair->server));
	stage_measure_text(stage, "client_left_in",
			   tcp_state_name(stage_outcome(stage, STAGE_CLIENT, &pair->client_key,
							SETTLED, END_SECONDS)));
	stage_measure(stage, "received_after_return_bytes", (double)drained.bytes);
	stage_measure_text(stage, "server_read_error", stream_error_name(drained.error));
	stage_measure(stage, "rst_count", stream_count(stage, WIRE_ANY_HOST, TCP_FLAG_RST));
	return 0;
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	const struct story *story = stage->arm->extra;
	struct stream_closed closed;
	struct socket_status left;
	struct pair pair;
	int silence = -1;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &pair));
	if (story->silent) {
		silence = fall_silent(stage);
		TRY(stage, silence);
	}
	TRY(stage, stage_send(stage, pair.client, DATA_BYTES));
	if (story->nonblock)
		TRY_SYS(stage, fcntl(pair.client, F_SETFL, O_NONBLOCK));
	stage_state(stage, -1, "client in close()");
	TRY(stage, stream_close(stage, &pair.client, story->linger, &closed));
	TRY(stage, stage_status(stage, STAGE_CLIENT, &pair.client_key, &left));

	stage_measure(stage, "written_bytes", DATA_BYTES);
	stage_measure(stage, "close_returned_after_s", closed.after_s);
	stage_measure_text(stage, "close_errno", stream_error_name(closed.error));
	stage_measure_text(stage, "client_in_at_return", tcp_state_name(left.state));
	if (silence >= 0)
		TRY(stage, wire_rule_remove(stage->wire, silence));
	TRY(stage, follow(stage, &pair));
	pair_close(&pair);
	return 0;
}

/* No answer comes within the linger time in any arm: the wire is slower than that. */
static int falsify(struct stage *stage)
{
	struct wire_rule slow = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_DELAY,
				 .delay_ns = LINGER_S * NS_PER_S + 600 * NS_PER_MS,
				 .note = "takes longer than l_linger"};

	slow.match.from = STAGE_CLIENT;
	slow.match.payload = WIRE_PAYLOAD_SOME;
	TRY(stage, wire_rule_add(stage->wire, &slow));
	slow.match.payload = WIRE_PAYLOAD_ANY;
	slow.match.flags_set = TCP_FLAG_FIN;
	return wire_rule_add(stage->wire, &slow);
}

static const char *const blocking = "silent-peer";
static const char *const nonblocking = "silent-peer-nonblocking";
static const char *const answered = "peer-answers";
static const char *const without = "no-linger";

static double close_took(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "close_returned_after_s");
}

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	judge_measured(ret, close_took(evidence, arm), "close_returned_after_s_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "close_errno"), "close_errno_%s",
			    suffix);
	judge_measured(ret, evidence_number(evidence, arm, "rst_count"), "rst_count_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "received_after_return_bytes"),
		       "received_after_return_bytes_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "server_read_error"),
			    "server_read_error_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "client_in_at_return"),
			    "client_in_at_return_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "client_left_in"),
			    "client_left_in_%s", suffix);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double took = close_took(evidence, blocking);
	double took_nonblocking = close_took(evidence, nonblocking);
	double written = evidence_number(evidence, blocking, "written_bytes");
	double received = evidence_number(evidence, blocking, "received_after_return_bytes");
	double resets = evidence_number(evidence, blocking, "rst_count");
	const char *error = evidence_text(evidence, blocking, "close_errno");
	bool waited = took >= WAITED_AT_LEAST_S && took <= WAITED_AT_MOST_S;
	bool aborted = resets > 0 && received < written;
	bool spared = took_nonblocking < AT_ONCE_S;

	tell(evidence, blocking, "peer_silent", ret);
	tell(evidence, nonblocking, "nonblocking", ret);
	tell(evidence, answered, "peer_answers", ret);
	tell(evidence, without, "without_linger", ret);
	judge_deciding(ret, "close() %.2f s, %.0f RST", took, resets);

	if (close_took(evidence, answered) > MUCH_EARLIER_S)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "close() took %.2f s although the peer answered: it is not its silence "
			  "that is waited out here.",
			  close_took(evidence, answered));
	else if (close_took(evidence, without) > AT_ONCE_S)
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"close() took %.2f s without the option: it is not SO_LINGER that makes it "
			"wait here.",
			close_took(evidence, without));
	else if (!waited)
		judge_say(ret, VERDICT_REFUTED, "close() with l_linger=%d took %.2f s.", LINGER_S,
			  took);
	else if (aborted && spared)
		judge_say(ret, VERDICT_HOLDS,
			  "close() blocks for %.2f s when the peer is silent, then RST is sent and "
			  "the data are lost; O_NONBLOCK spares the wait.",
			  took);
	else if (aborted)
		judge_say(ret, VERDICT_REFUTED,
			  "The connection is aborted with RST after l_linger, but O_NONBLOCK does "
			  "not spare the wait: close() took %.2f s.",
			  took_nonblocking);
	else
		judge_say(
			ret, VERDICT_REFUTED,
			"l_linger=%d bounds only the wait: close() returned after %.2f s (%s, "
			"error: %s), %.0f RST were sent, and all that was left was sent on: %.0f "
			"of %.0f bytes arrived when the peer was back. On a non-blocking socket it "
			"took %.2f s: keep it out of event loops.",
			LINGER_S, took, evidence_text(evidence, blocking, "client_in_at_return"),
			error, resets, received, written, took_nonblocking);
}

static const struct arm arms[] = {
	{
		.name = "silent-peer",
		.role = ARM_TREATMENT,
		.what = "l_linger=2; the peer is silent until close() has returned, then back",
		.seconds = LINGER_S + 2,
		.extra = &(const struct story){.linger = LINGER_S, .silent = true},
		.play = play,
	},
	{
		.name = "silent-peer-nonblocking",
		.role = ARM_TREATMENT,
		.what = "the same with O_NONBLOCK",
		.seconds = LINGER_S + 2,
		.extra =
			&(const struct story){.linger = LINGER_S, .nonblock = true, .silent = true},
		.play = play,
	},
	{
		.name = "peer-answers",
		.role = ARM_CONTROL,
		.what = "l_linger=2, and the peer answers: close() must not wait for the time",
		.seconds = 1,
		.extra = &(const struct story){.linger = LINGER_S},
		.play = play,
	},
	{
		.name = "no-linger",
		.role = ARM_CONTROL,
		.what = "no SO_LINGER, and the peer is silent: close() must not wait at all",
		.seconds = 2,
		.extra = &(const struct story){.linger = STREAM_NO_LINGER, .silent = true},
		.play = play,
	},
};

const struct experiment experiment_linger_timeout = {
	.id = "linger-timeout",
	.claim =
		"With l_linger>0 a blocking close() waits up to that time, a non-blocking one does "
		"not, and then the connection is aborted with RST.",
	.source = "article, 링거; RFC 1122 4.2.2.13",
	.section = "G. Linger",
	.method =
		"The client writes, and closes with l_linger=2 while nothing that it sends arrives; "
		"once close() has returned the peer is back, and reads to the end. The same with "
		"O_NONBLOCK; beside it a peer that answers, and no option.",
	.why = "SO_LINGER is set to bound how long a dead peer can hold a socket, or to be told when "
	       "data were lost. On Linux it does neither, and stops the thread that closes.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
