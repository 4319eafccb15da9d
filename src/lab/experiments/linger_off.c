/*
 * Question: what does close() do without SO_LINGER while data are still queued?
 *
 * Kernel path (6.18): inet_release() (net/ipv4/af_inet.c) calls tcp_close() with a timeout of 0.
 * tcp_send_fin() (net/ipv4/tcp_output.c) puts FIN on the last segment that waits in the write
 * queue, sk_stream_wait_close() does not wait, and the socket goes on as an orphan of the kernel:
 * window updates and timers send the rest.
 *
 * Packets expected: the queued data once the server reads, FIN on the last of them, its ACK, the
 * server's FIN and its ACK; no RST. Control, l_linger = 2: the same packets, but close() returns
 * only after 2 s, because the server reads only after that.
 */
#include <errno.h>
#include <string.h>

#include "lab/experiments/common.h"
#include "lab/experiments/stream.h"

#define LINGER_S 2 /* also in the name of the control */

/* "At once" is a tenth of what the option would make it wait; "waits" is all of it, less a tick of
 * the timer. */
#define AT_ONCE_MS	   (LINGER_S * 100.0)
#define WAITED_AT_LEAST_MS (LINGER_S * 1000.0 - 20)

/* A small window needs many round trips, and a busy machine more. */
#define DRAIN_SECONDS 10
#define END_SECONDS   4

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

/* What follows close(): the server reads all, and closes when it sees the end. */
static int follow(struct stage *stage, struct pair *pair)
{
	struct stream_drained drained;

	stream_drain(stage, pair->server, DRAIN_SECONDS, &drained);
	TRY(stage, stage_shut(stage, &pair->server));
	stage_measure_text(stage, "client_left_in",
			   tcp_state_name(stage_outcome(stage, STAGE_CLIENT, &pair->client_key,
							SETTLED, END_SECONDS)));
	stage_measure(stage, "read_bytes", (double)drained.bytes);
	stage_measure_text(stage, "server_read_error", stream_error_name(drained.error));
	stage_measure(stage, "client_fin_count", stream_count(stage, STAGE_CLIENT, TCP_FLAG_FIN));
	stage_measure(stage, "server_fin_count", stream_count(stage, STAGE_SERVER, TCP_FLAG_FIN));
	stage_measure(stage, "rst_count", stream_count(stage, WIRE_ANY_HOST, TCP_FLAG_RST));
	return 0;
}

/* arm->value: l_linger of the client, or STREAM_NO_LINGER. */
static int play(struct stage *stage)
{
	struct stream_closed closed;
	struct socket_status left;
	struct pair pair;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stream_clog(stage, &pair));
	stage_state(stage, -1, "client in close()");
	TRY(stage, stream_close(stage, &pair.client, (int)stage->arm->value, &closed));
	TRY(stage, stage_status(stage, STAGE_CLIENT, &pair.client_key, &left));

	stage_measure(stage, "written_bytes", STREAM_CLOG_BYTES);
	stage_measure(stage, "close_returned_after_ms", closed.after_s * 1e3);
	stage_measure_text(stage, "close_error", stream_error_name(closed.error));
	/* The queue counts the FIN, too. */
	stage_measure(stage, "undelivered_at_return_bytes",
		      left.send_queue > 0 ? left.send_queue - 1 : 0);
	TRY(stage, follow(stage, &pair));
	pair_close(&pair);
	return 0;
}

/* The FIN never arrives: the close is not completed. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, WIRE_ANY_HOST, TCP_FLAG_FIN, "every FIN is lost");
}

static const char *const off = "linger-off";
static const char *const on = "linger-2";

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	judge_measured(ret, evidence_number(evidence, arm, "close_returned_after_ms"),
		       "close_returned_after_ms_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "close_error"), "close_error_%s",
			    suffix);
	judge_measured(ret, evidence_number(evidence, arm, "undelivered_at_return_bytes"),
		       "undelivered_at_return_bytes_%s", suffix);
	judge_measured(ret, evidence_number(evidence, arm, "read_bytes"), "read_bytes_%s", suffix);
	judge_measured_text(ret, evidence_text(evidence, arm, "client_left_in"),
			    "client_left_in_%s", suffix);
}

static bool followed(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "read_bytes") ==
		       evidence_number(evidence, arm, "written_bytes") &&
	       strcmp(evidence_text(evidence, arm, "server_read_error"), "none") == 0 &&
	       evidence_number(evidence, arm, "client_fin_count") > 0 &&
	       evidence_number(evidence, arm, "server_fin_count") > 0 &&
	       evidence_number(evidence, arm, "rst_count") == 0 &&
	       strcmp(evidence_text(evidence, arm, "client_left_in"),
		      tcp_state_name(TCP_TIME_WAIT)) == 0;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double took = evidence_number(evidence, off, "close_returned_after_ms");
	double took_on = evidence_number(evidence, on, "close_returned_after_ms");
	double written = evidence_number(evidence, off, "written_bytes");
	double read = evidence_number(evidence, off, "read_bytes");
	double left = evidence_number(evidence, off, "undelivered_at_return_bytes");

	tell(evidence, off, "without_linger", ret);
	tell(evidence, on, "with_linger_2_s", ret);
	judge_deciding(ret, "close() %.2f ms, %.0f bytes still queued", took, left);

	if (took > AT_ONCE_MS)
		judge_say(ret, VERDICT_REFUTED, "close() without SO_LINGER took %.1f ms.", took);
	else if (!followed(evidence, off))
		judge_say(
			ret, VERDICT_REFUTED,
			"close() returned at once, but the server got %.0f of %.0f bytes and then "
			"%s, and the client is left in %s.",
			read, written, evidence_text(evidence, off, "server_read_error"),
			evidence_text(evidence, off, "client_left_in"));
	else if (left <= 0 || took_on < WAITED_AT_LEAST_MS)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "close() with l_linger=%d did not wait either (%.1f ms), so nothing was "
			  "there to wait for.",
			  LINGER_S, took_on);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"close() hands the rest to the kernel: it returned after %.2f ms with %.0f "
			"bytes undelivered, and all %.0f arrived, then the FIN. It does not tell "
			"you whether they do: for that, shutdown() and read() until the end.",
			took, left, written);
}

static const struct arm arms[] = {
	{
		.name = "linger-off",
		.role = ARM_TREATMENT,
		.what = "the default; bytes wait at the client, the server reads after close()",
		.seconds = 1,
		.value = STREAM_NO_LINGER,
		.play = play,
	},
	{
		.name = "linger-2",
		.role = ARM_CONTROL,
		.what = "the same with l_linger=2: close() must wait",
		.seconds = LINGER_S + 1,
		.value = LINGER_S,
		.play = play,
	},
};

const struct experiment experiment_linger_off = {
	.id = "linger-off",
	.claim =
		"Without SO_LINGER close() returns at once, and the queued data and the segments of a "
		"normal close follow.",
	.source = "article, 링거; RFC 9293 3.10.4",
	.section = "G. Linger",
	.method =
		"The server does not read until close() has returned at the client, whose bytes its "
		"closed window holds back; then it reads to the end and closes. Beside it the same "
		"with l_linger=2.",
	.why = "What close() returns says nothing about delivery, and it need not be made to wait for "
	       "the data to arrive.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
