/*
 * Question: what happens when the wait in FIN-WAIT-2 runs out without a FIN, and what answers the
 * peer that comes later?
 *
 * Kernel path (6.18): the minisock's timer, tw_timer_handler() (net/ipv4/inet_timewait_sock.c),
 * unlinks and frees it; no packet is sent. What comes later finds no socket, and
 * tcp_v4_send_reset() answers (net/ipv4/tcp_ipv4.c, tcp_v4_rcv(), no_tcp_socket). The peer takes
 * the RST in tcp_reset() (net/ipv4/tcp_input.c): in CLOSE-WAIT its error is EPIPE.
 *
 * Packets expected: FIN, ACK; silence; then FIN, RST (or data, RST).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/why.h"
#include "lab/experiments/common.h"
#include "lab/experiments/orphan.h"
#include "world/wire.h"

#define FIN_TIMEOUT    3 /* above 3.5 RTO, the least that the kernel waits */
#define DATA	       26
#define ANSWER_SECONDS 2
#define LATE_SECONDS   4 /* beyond all that is expected: it only ends the wait when it fails */

static const char *const late_fin = "late-fin";
static const char *const late_data = "late-data";
static const char *const in_time = "fin-in-time";

static int sent_by_client(struct stage *stage, const struct orphan *orphan)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = STAGE_CLIENT;
	match.key = &orphan->pair.client_key;
	return stage_segments(stage, &match, NULL, 0);
}

/* What the client's host sends after its first @known segments. */
static void measure_answer(struct stage *stage, const struct orphan *orphan, int known)
{
	struct wire_match match = WIRE_MATCH_ALL;
	struct stage_segment answer;
	char flags[SEGMENT_FLAGS_TEXT_MAX] = "none";

	match.from = STAGE_CLIENT;
	match.key = &orphan->pair.client_key;
	if (stage_await_segments(stage, &match, (size_t)known + 1, ANSWER_SECONDS, &answer) == 0)
		segment_flags_format(answer.segment.flags, flags);
	stage_measure_text(stage, "answer", flags);
	stage_measure_text(
		stage, "server_left_in",
		tcp_state_name(stage_outcome(stage, STAGE_SERVER, &orphan->pair.server_key,
					     STATE_BIT(TCP_STATE_NONE), ANSWER_SECONDS)));
}

/* The client's end once its time has run out, and whether it said so to anybody. */
static int let_time_run_out(struct stage *stage, const struct orphan *orphan)
{
	double seconds = FIN_TIMEOUT + timer_slack_s(FIN_TIMEOUT) + LATE_SECONDS;
	int before = sent_by_client(stage, orphan), after;
	int state = stage_outcome(stage, STAGE_CLIENT, &orphan->pair.client_key,
				  STATE_BIT(TCP_STATE_NONE), seconds);
	struct orphan_life life;

	after = sent_by_client(stage, orphan);
	stage_measure_text(stage, "client_left_in", tcp_state_name(state));
	stage_measure(stage, "segments_at_the_end_count", after - before);
	if (state != TCP_STATE_NONE)
		return 0;
	TRY(stage, orphan_outlive(stage, orphan, 0, &life));
	stage_measure(stage, "fin_wait2_s", life.life_s - life.time_wait_s);
	stage_measure(stage, "time_wait_s", life.time_wait_s);
	return 0;
}

static int play_late_fin(struct stage *stage)
{
	struct orphan orphan;
	int known;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, orphan_make(stage, FIN_TIMEOUT, &orphan));
	TRY(stage, let_time_run_out(stage, &orphan));

	known = sent_by_client(stage, &orphan);
	stage_measure_text(stage, "close_gave",
			   errno_name(-stage_shut(stage, &orphan.pair.server)));
	measure_answer(stage, &orphan, known);
	pair_close(&orphan.pair);
	return 0;
}

/* "sent", or the error. */
static const char *send_once(int fd)
{
	static const char data[DATA];

	return send(fd, data, sizeof(data), MSG_NOSIGNAL) < 0 ? errno_name(errno) : "sent";
}

static int play_late_data(struct stage *stage)
{
	struct orphan orphan;
	int known, error = 0;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, orphan_make(stage, FIN_TIMEOUT, &orphan));
	TRY(stage, let_time_run_out(stage, &orphan));

	known = sent_by_client(stage, &orphan);
	stage_measure_text(stage, "first_send_gave", send_once(orphan.pair.server));
	measure_answer(stage, &orphan, known);
	TRY(stage, stage_read_error(stage, orphan.pair.server, ANSWER_SECONDS, &error));
	stage_measure_text(stage, "read_gave", error ? errno_name(error) : "end of file");
	stage_measure_text(stage, "second_send_gave", send_once(orphan.pair.server));
	pair_close(&orphan.pair);
	return 0;
}

static int play_in_time(struct stage *stage)
{
	struct orphan orphan;
	int known;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, orphan_make(stage, FIN_TIMEOUT, &orphan));

	known = sent_by_client(stage, &orphan);
	TRY(stage, stage_shut(stage, &orphan.pair.server));
	measure_answer(stage, &orphan, known);
	stage_measure_text(
		stage, "client_left_in",
		tcp_state_name(stage_outcome(stage, STAGE_CLIENT, &orphan.pair.client_key,
					     STATE_BIT(TCP_TIME_WAIT), ANSWER_SECONDS)));
	pair_close(&orphan.pair);
	return 0;
}

static int set_fin(uint8_t *packet, size_t *length, size_t room, void *context)
{
	uint8_t *tcp = packet_tcp(packet, *length);

	(void)room;
	(void)context;
	if (!tcp)
		return -EINVAL;
	tcp[TCP_AT_FLAGS] |= TCP_FLAG_FIN;
	return 0;
}

/* The ACK of the client's FIN carries the peer's FIN: FIN-WAIT-2 is left for TIME-WAIT at once,
 * and that does not end with the time set. */
static int falsify(struct stage *stage)
{
	struct wire_rule early_fin = {.match = WIRE_MATCH_ALL,
				      .verb = WIRE_REWRITE,
				      .rewrite = set_fin,
				      .note = "the peer's FIN comes with the ACK"};

	early_fin.match.from = STAGE_SERVER;
	early_fin.match.flags_set = TCP_FLAG_ACK;
	early_fin.match.flags_clear = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;
	early_fin.match.payload = WIRE_PAYLOAD_NONE;
	early_fin.match.count = 1;
	return wire_rule_add(stage->wire, &early_fin);
}

static bool is(const char *text, const char *wanted)
{
	return strcmp(text, wanted) == 0;
}

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured_text(ret, evidence_text(evidence, late_fin, "answer"), "answer_to_late_fin");
	judge_measured_text(ret, evidence_text(evidence, late_data, "answer"),
			    "answer_to_late_data");
	judge_measured_text(ret, evidence_text(evidence, in_time, "answer"),
			    "answer_to_fin_in_time");
	judge_measured_text(ret, evidence_text(evidence, late_fin, "close_gave"),
			    "late_close_gave");
	judge_measured_text(ret, evidence_text(evidence, late_data, "first_send_gave"),
			    "late_send_gave");
	judge_measured_text(ret, evidence_text(evidence, late_data, "read_gave"),
			    "read_after_late_send_gave");
	judge_measured_text(ret, evidence_text(evidence, late_data, "second_send_gave"),
			    "second_late_send_gave");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const char *left_in = evidence_text(evidence, late_fin, "client_left_in");
	const char *control_left_in = evidence_text(evidence, in_time, "client_left_in");
	const char *to_fin = evidence_text(evidence, late_fin, "answer");
	const char *to_data = evidence_text(evidence, late_data, "answer");
	const char *to_control = evidence_text(evidence, in_time, "answer");
	const char *second = evidence_text(evidence, late_data, "second_send_gave");
	double segments = evidence_number(evidence, late_fin, "segments_at_the_end_count");
	double fin_wait2, time_wait;

	tell(evidence, ret);
	judge_measured_text(ret, left_in, "client_left_in");
	judge_measured(ret, segments, "segments_at_the_end_count");
	judge_deciding(ret, "left in %s; a late FIN gets %s", left_in, to_fin);
	if (!is(left_in, tcp_state_name(TCP_STATE_NONE))) {
		judge_say(ret, VERDICT_REFUTED,
			  "The time had run out, and the socket is not gone but in %s.", left_in);
		return;
	}

	fin_wait2 = evidence_number(evidence, late_fin, "fin_wait2_s");
	time_wait = evidence_number(evidence, late_fin, "time_wait_s");
	judge_measured(ret, fin_wait2, "fin_wait2_s");
	judge_measured(ret, time_wait, "time_wait_s");
	if (!is(control_left_in, tcp_state_name(TCP_TIME_WAIT)) || is(to_control, to_fin))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "A FIN in time got %s as well, and left the socket in %s: it is not the "
			  "time that decides here.",
			  to_control, control_left_in);
	else if (time_wait > 0 || segments > 0)
		judge_say(
			ret, VERDICT_REFUTED,
			"When the time had run out, %.1f s of TIME-WAIT and %.0f segments followed.",
			time_wait, segments);
	else if (!strstr(to_fin, "RST") || !strstr(to_data, "RST"))
		judge_say(
			ret, VERDICT_REFUTED,
			"The socket is gone, but what came later was answered by: %s to a FIN, %s "
			"to data.",
			to_fin, to_data);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"After %.1f s the socket is gone without a packet or TIME-WAIT. A later FIN "
			"gets RST, and a peer that writes so late loses its data: its first send() "
			"succeeds, only the next gives %s. Give slow peers more time than they need "
			"to answer.",
			fin_wait2, second);
}

static const struct arm arms[] = {
	{
		.name = "late-fin",
		.role = ARM_TREATMENT,
		.what = "tcp_fin_timeout=3, the peer closes when the client's end is gone",
		.seconds = FIN_TIMEOUT + 0.5,
		.play = play_late_fin,
	},
	{
		.name = "late-data",
		.role = ARM_TREATMENT,
		.what = "the same, but the peer writes, reads and writes again",
		.seconds = FIN_TIMEOUT + 0.5,
		.play = play_late_data,
	},
	{
		.name = "fin-in-time",
		.role = ARM_CONTROL,
		.what = "the peer closes at once: ACK and TIME-WAIT",
		.seconds = 0.5,
		.play = play_in_time,
	},
};

const struct experiment experiment_fin_wait2_late_fin = {
	.id = "fin-wait2-late-fin",
	.claim =
		"When no FIN comes in time, FIN-WAIT-2 ends at once: without TIME-WAIT, and a later "
		"FIN is answered by RST.",
	.source = "article, 타임아웃; RFC 9293 3.10.7.1",
	.section = "F. FIN_WAIT",
	.method =
		"The client closes with tcp_fin_timeout=3, and the server's application waits until "
		"the client's end is gone: what was sent then, what answers the server's close() "
		"or data, and what its application sees; beside a FIN in time.",
	.why = "A peer that answers after the wait is over gets RST for its answer. That is where "
	       "resets come from when nobody called close() with linger 0.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
