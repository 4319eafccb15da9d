/*
 * Question: what does close() do with SO_LINGER on and l_linger = 0?
 *
 * Kernel path (6.18): __tcp_close() (net/ipv4/tcp.c) calls tcp_disconnect() in place of sending a
 * FIN; that sends RST in every state in which the peer still has a connection (tcp_need_reset()),
 * purges the write queue, and the socket is closed without tcp_time_wait(). At the peer
 * tcp_reset() (net/ipv4/tcp_input.c) leaves ECONNRESET, and the receive queue as it is: what had
 * come is read first, then the error.
 *
 * Packets expected: one RST+ACK, no FIN of the client. Control, a plain close(): what is queued,
 * FIN, the FIN of the server, and TIME-WAIT at the client.
 */
#include <errno.h>
#include <string.h>

#include "lab/experiments/common.h"
#include "lab/experiments/stream.h"

#define FEW_BYTES 26

/* All of these come at once or not at all; the bound is for a busy machine. */
#define END_SECONDS 4

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

struct story {
	bool pending; /* bytes wait unsent at the client */
	int linger;   /* l_linger of the client, or STREAM_NO_LINGER */
};

/* Nothing is left to send, and the server has read all that came. */
static int send_few(struct stage *stage, struct pair *ret)
{
	TRY(stage, stage_pair(stage, NULL, ret));
	TRY(stage, stage_send(stage, ret->client, FEW_BYTES));
	return stage_receive(stage, ret->server, FEW_BYTES, END_SECONDS);
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	const struct story *story = stage->arm->extra;
	struct stream_drained drained;
	struct stream_closed closed;
	struct pair pair;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, story->pending ? stream_clog(stage, &pair) : send_few(stage, &pair));
	TRY(stage, stream_close(stage, &pair.client, story->linger, &closed));
	/* A window update would draw a second RST: read only after the first has worked. */
	if (story->linger == 0)
		stage_outcome(stage, STAGE_SERVER, &pair.server_key, STATE_BIT(TCP_STATE_NONE),
			      END_SECONDS);
	stream_drain(stage, pair.server, END_SECONDS, &drained);
	TRY(stage, stage_shut(stage, &pair.server));

	stage_measure_text(stage, "client_left_in",
			   tcp_state_name(stage_outcome(stage, STAGE_CLIENT, &pair.client_key,
							SETTLED, END_SECONDS)));
	stage_measure_text(stage, "server_left_in",
			   tcp_state_name(stage_outcome(stage, STAGE_SERVER, &pair.server_key,
							SETTLED, END_SECONDS)));
	stage_measure(stage, "written_bytes", story->pending ? STREAM_CLOG_BYTES : FEW_BYTES);
	stage_measure(stage, "read_bytes",
		      (double)drained.bytes + (story->pending ? 0 : FEW_BYTES));
	stage_measure_text(stage, "server_read_error", stream_error_name(drained.error));
	stage_measure(stage, "rst_count", stream_count(stage, STAGE_CLIENT, TCP_FLAG_RST));
	stage_measure(stage, "fin_count", stream_count(stage, STAGE_CLIENT, TCP_FLAG_FIN));
	stage_measure(stage, "abort_on_data_count",
		      (double)stage_counter(stage, STAGE_CLIENT, "TcpExt.TCPAbortOnData"));
	pair_close(&pair);
	return 0;
}

/* The RST never arrives: the server knows of nothing, and keeps its end. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, WIRE_ANY_HOST, TCP_FLAG_RST, "every RST is lost");
}

static bool gone(const struct evidence *evidence, const char *arm)
{
	return strcmp(evidence_text(evidence, arm, "client_left_in"),
		      tcp_state_name(TCP_STATE_NONE)) == 0 &&
	       strcmp(evidence_text(evidence, arm, "server_left_in"),
		      tcp_state_name(TCP_STATE_NONE)) == 0;
}

static bool aborted(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "rst_count") > 0 &&
	       evidence_number(evidence, arm, "fin_count") == 0 &&
	       strcmp(evidence_text(evidence, arm, "server_read_error"), "ECONNRESET") == 0;
}

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	judge_measured(ret, evidence_number(evidence, arm, "written_bytes"), "written_bytes_%s",
		       suffix);
	judge_measured(ret, evidence_number(evidence, arm, "read_bytes"), "read_bytes_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "rst_count"), "rst_count_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "fin_count"), "fin_count_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "server_read_error"),
			    "server_read_error_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "client_left_in"),
			    "client_left_in_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "server_left_in"),
			    "server_left_in_%s", suffix);
}

static const char *const pending = "data-pending";
static const char *const none = "none-pending";
static const char *const plain = "no-linger";

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double written = evidence_number(evidence, pending, "written_bytes");
	double read = evidence_number(evidence, pending, "read_bytes");
	const char *plain_left = evidence_text(evidence, plain, "client_left_in");
	bool plain_whole = evidence_number(evidence, plain, "read_bytes") ==
			   evidence_number(evidence, plain, "written_bytes");

	tell(evidence, pending, "data_pending", ret);
	tell(evidence, none, "none_pending", ret);
	tell(evidence, plain, "without_linger", ret);
	judge_deciding(ret, "RST; %.0f of %.0f bytes lost", written - read, written);

	if (!plain_whole || aborted(evidence, plain) ||
	    strcmp(plain_left, tcp_state_name(TCP_TIME_WAIT)) != 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "A plain close() did not deliver its data and leave TIME-WAIT either (it "
			  "left %s): it is not the option that does it here.",
			  plain_left);
	else if (!aborted(evidence, pending) || !aborted(evidence, none))
		judge_say(ret, VERDICT_REFUTED,
			  "With l_linger=0 the client sent %.0f RST and %.0f FIN, and the server's "
			  "read() gave %s.",
			  evidence_number(evidence, pending, "rst_count"),
			  evidence_number(evidence, pending, "fin_count"),
			  evidence_text(evidence, pending, "server_read_error"));
	else if (!gone(evidence, pending) || !gone(evidence, none))
		judge_say(ret, VERDICT_REFUTED,
			  "After close() with l_linger=0 the client is left in %s, the server in "
			  "%s.",
			  evidence_text(evidence, pending, "client_left_in"),
			  evidence_text(evidence, pending, "server_left_in"));
	else if (read >= written)
		judge_say(ret, VERDICT_REFUTED,
			  "All %.0f bytes arrived although close() with l_linger=0 had been "
			  "called before they were sent.",
			  written);
	else
		judge_say(ret, VERDICT_HOLDS,
			  "It avoids TIME-WAIT by throwing data away: %.0f of %.0f bytes that "
			  "write() had accepted never arrived, and the peer got ECONNRESET, which "
			  "it also gets when all its data had come. Do not use it to end "
			  "connections that matter.",
			  written - read, written);
}

static const struct arm arms[] = {
	{
		.name = "data-pending",
		.role = ARM_TREATMENT,
		.what = "l_linger=0, and bytes wait at the client because the server does not read",
		.seconds = 1,
		.extra = &(const struct story){.pending = true, .linger = 0},
		.play = play,
	},
	{
		.name = "none-pending",
		.role = ARM_TREATMENT,
		.what = "l_linger=0, and all bytes have been read",
		.seconds = 1,
		.extra = &(const struct story){.pending = false, .linger = 0},
		.play = play,
	},
	{
		.name = "no-linger",
		.role = ARM_CONTROL,
		.what = "a plain close() while bytes wait: they and a FIN must arrive",
		.seconds = 1,
		.extra = &(const struct story){.pending = true, .linger = STREAM_NO_LINGER},
		.play = play,
	},
};

const struct experiment experiment_linger_zero = {
	.id = "linger-zero",
	.claim =
		"close() with l_linger=0 sends RST, drops what was not sent, and leaves TIME-WAIT at "
		"neither end.",
	.source = "article, 링거; RFC 9293 3.10.5 (ABORT)",
	.section = "G. Linger",
	.method =
		"The client closes with l_linger=0, once with bytes that the server's closed window "
		"holds back and once with none, and beside it without the option; what the server "
		"reads, and what both ends are left in.",
	.why = "Tuning guides give SO_LINGER 0 as a cure for TIME-WAIT. What it costs is seen at the "
	       "other end: lost data, and errors for requests that had succeeded.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
