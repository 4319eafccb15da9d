/*
 * Question: FIN-WAIT-2 of a process that only shut down its sending side, and FIN-WAIT-2 of a
 * process that called close(): what is the difference?
 *
 * Kernel path (6.18): tcp_shutdown() (net/ipv4/tcp.c) sends the FIN, and that is all: the socket
 * has an owner, tcp_rcv_state_process() (net/ipv4/tcp_input.c) looks at tcp_fin_time() only when
 * SOCK_DEAD is set, and data go to tcp_data_queue() as before. close() makes it an orphan: with the
 * ACK of the FIN it becomes a minisock with the timer of tcp_fin_timeout, and data that come to
 * tcp_timewait_state_process() (net/ipv4/tcp_minisocks.c) are answered by RST, as they are by the
 * host once the minisock has gone.
 *
 * Packets expected: FIN, ACK; then data and their ACK (half-closed), or data and RST (closed).
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "lab/experiments/common.h"
#include "lab/experiments/orphan.h"

#define FIN_TIMEOUT 3 /* above 3.5 RTO, the least that the kernel waits */
#define DATA	    26

/* Two times the timer that there must not be, and what it may be late. */
#define WATCH_SECONDS 7

#define ANSWER_SECONDS 2

static void measure_socket(struct stage *stage, const struct pair *pair, const char *when)
{
	struct socket_status status;
	char name[40];

	if (stage_status(stage, STAGE_CLIENT, &pair->client_key, &status) < 0)
		return;
	snprintf(name, sizeof(name), "state_%s", when);
	stage_measure_text(stage, name, tcp_state_name(status.state));
	snprintf(name, sizeof(name), "timer_%s", when);
	stage_measure_text(stage, name, socket_timer_name(status.timer));
	snprintf(name, sizeof(name), "minisocks_%s_count", when);
	stage_measure(stage, name, status.minisock);
}

static int count_resets(struct stage *stage, const struct pair *pair)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = STAGE_CLIENT;
	match.key = &pair->client_key;
	match.flags_set = TCP_FLAG_RST;
	return stage_segments(stage, &match, NULL, 0);
}

/* Waits for the answer to the server's data: an ACK of them, or RST. */
static void await_answer(struct stage *stage, const struct pair *pair, size_t known)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = STAGE_CLIENT;
	match.key = &pair->client_key;
	stage_await_segments(stage, &match, known + 1, ANSWER_SECONDS, NULL);
}

static int sent_by_client(struct stage *stage, const struct pair *pair)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = STAGE_CLIENT;
	match.key = &pair->client_key;
	return stage_segments(stage, &match, NULL, 0);
}

/* How many bytes the process reads within the time; an error ends it like the end does. */
static size_t read_bytes(struct stage *stage, int fd)
{
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	char text[DATA];
	size_t total = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (total < DATA) {
		ssize_t n = recv(fd, text, sizeof(text) - total, 0);

		if (n <= 0)
			break;
		total += (size_t)n;
	}
	observer_kick(stage->observer);
	return total;
}

static int begin(struct stage *stage, struct pair *pair)
{
	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, FIN_TIMEOUT_SYSCTL, FIN_TIMEOUT));
	TRY(stage, stage_pair(stage, NULL, pair));
	return 0;
}

/* A living process has shut down its sending side: it waits, and reads what comes. */
static int play_shutdown(struct stage *stage)
{
	struct pair pair;

	TRY(stage, begin(stage, &pair));
	TRY(stage, stage_shut_write(stage, pair.client));
	stage_outcome(stage, STAGE_CLIENT, &pair.client_key, STATE_BIT(TCP_FIN_WAIT2),
		      ANSWER_SECONDS);
	TRY(stage, stage_pass_time(stage, WATCH_SECONDS, "client FIN-WAIT-2, held by a process"));
	measure_socket(stage, &pair, "after_7_s");

	TRY(stage, stage_send(stage, pair.server, DATA));
	stage_measure(stage, "received_bytes", (double)read_bytes(stage, pair.client));
	stage_measure(stage, "rst_count", count_resets(stage, &pair));
	measure_socket(stage, &pair, "after_data");

	TRY(stage, stage_shut(stage, &pair.server));
	stage_outcome(stage, STAGE_CLIENT, &pair.client_key, STATE_BIT(TCP_TIME_WAIT),
		      ANSWER_SECONDS);
	measure_socket(stage, &pair, "after_fin");
	pair_close(&pair);
	return 0;
}

/* How long the client's end lived after it closed; NAN when it is still there. */
static double life_s(struct stage *stage, const struct pair *pair, int64_t closed_ns)
{
	struct observer_change gone;

	if (observer_wait(stage->observer, STAGE_CLIENT, &pair->client_key, TCP_STATE_NONE, 0, 0,
			  &gone) < 0)
		return NAN;
	return change_seconds(&gone) - clock_seconds(closed_ns);
}

/* The server writes after the client's end has closed; arm->value: not before it is gone. */
static int play_close(struct stage *stage)
{
	bool wait_for_end = stage->arm->value;
	struct pair pair;
	int64_t closed_ns;
	double life;
	int known;

	TRY(stage, begin(stage, &pair));
	closed_ns = clock_now_ns();
	TRY(stage, stage_shut(stage, &pair.client));
	stage_outcome(stage, STAGE_CLIENT, &pair.client_key, STATE_BIT(TCP_FIN_WAIT2),
		      ANSWER_SECONDS);
	measure_socket(stage, &pair, "after_close");
	if (wait_for_end) {
		stage_outcome(stage, STAGE_CLIENT, &pair.client_key, STATE_BIT(TCP_STATE_NONE),
			      WATCH_SECONDS);
		measure_socket(stage, &pair, "after_7_s");
		life = life_s(stage, &pair, closed_ns);
		if (!isnan(life))
			stage_measure(stage, "life_s", life);
	}

	known = sent_by_client(stage, &pair);
	TRY(stage, stage_send(stage, pair.server, DATA));
	await_answer(stage, &pair, (size_t)known);
	stage_measure(stage, "rst_count", count_resets(stage, &pair));
	stage_measure_text(
		stage, "server_left_in",
		tcp_state_name(stage_outcome(stage, STAGE_SERVER, &pair.server_key,
					     STATE_BIT(TCP_STATE_NONE), ANSWER_SECONDS)));
	pair_close(&pair);
	return 0;
}

static int make_reset(uint8_t *packet, size_t *length, size_t room, void *context)
{
	uint8_t *tcp = packet_tcp(packet, *length);

	(void)room;
	(void)context;
	if (!tcp)
		return -EINVAL;
	tcp[TCP_AT_FLAGS] = TCP_FLAG_RST | TCP_FLAG_ACK;
	return 0;
}

/* Something on the path does not bear half-closed connections: the FIN's ACK arrives as RST. */
static int falsify(struct stage *stage)
{
	struct wire_rule reset = {.match = WIRE_MATCH_ALL,
				  .verb = WIRE_REWRITE,
				  .rewrite = make_reset,
				  .note = "the ACK of the FIN arrives as RST"};

	reset.match.from = STAGE_SERVER;
	reset.match.flags_set = TCP_FLAG_ACK;
	reset.match.flags_clear = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;
	reset.match.payload = WIRE_PAYLOAD_NONE;
	return wire_rule_add(stage->wire, &reset);
}

static const char *const half = "shutdown";
static const char *const closed = "close";
static const char *const early_data = "close-data-in-time";

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured_text(ret, evidence_text(evidence, half, "timer_after_7_s"),
			    "timer_of_half_closed");
	judge_measured_text(ret, evidence_text(evidence, half, "state_after_fin"),
			    "half_closed_left_in");
	judge_measured_text(ret, evidence_text(evidence, closed, "timer_after_close"),
			    "timer_of_closed");
	judge_measured_text(ret, evidence_text(evidence, closed, "server_left_in"),
			    "server_left_in_after_rst");
	judge_measured(ret, evidence_number(evidence, closed, "minisocks_after_close_count"),
		       "minisocks_of_closed_count");
	judge_measured(ret, evidence_number(evidence, half, "rst_count"), "rst_count_half_closed");
	judge_measured(ret, evidence_number(evidence, closed, "rst_count"), "rst_count_closed");
	judge_measured(ret, evidence_number(evidence, early_data, "rst_count"),
		       "rst_count_closed_data_in_time");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const char *state = evidence_text(evidence, half, "state_after_7_s");
	const char *timer = evidence_text(evidence, half, "timer_after_7_s");
	const char *control_state = evidence_text(evidence, closed, "state_after_7_s");
	double bytes = evidence_number(evidence, half, "received_bytes");
	double resets = evidence_number(evidence, closed, "rst_count");
	double resets_in_time = evidence_number(evidence, early_data, "rst_count");
	double life;

	tell(evidence, ret);
	judge_measured_text(ret, state, "state_of_half_closed_after_7_s");
	judge_measured_text(ret, control_state, "state_of_closed_after_7_s");
	judge_measured(ret, bytes, "received_bytes_half_closed");
	judge_deciding(ret, "%s after %d s, %.0f bytes read", state, WATCH_SECONDS, bytes);

	if (!state_is(state, TCP_FIN_WAIT2)) {
		judge_say(ret, VERDICT_REFUTED,
			  "After shutdown(SHUT_WR) the socket is %s after %d s, not FIN-WAIT-2.",
			  state, WATCH_SECONDS);
		return;
	}
	if (state_is(control_state, TCP_FIN_WAIT2)) {
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "After close() the socket is FIN-WAIT-2 after %d s as well: no timer of "
			  "tcp_fin_timeout=%d can be told from none here.",
			  WATCH_SECONDS, FIN_TIMEOUT);
		return;
	}
	life = evidence_number(evidence, closed, "life_s");
	judge_measured(ret, life, "life_s_closed");
	if (strcmp(timer, socket_timer_name(SOCKET_TIMER_OFF)) != 0)
		judge_say(ret, VERDICT_REFUTED,
			  "A half-closed socket in FIN-WAIT-2 has a timer: %s.", timer);
	else if (bytes != DATA)
		judge_say(ret, VERDICT_REFUTED,
			  "%.0f of %d bytes came to the end that had shut down its sending side.",
			  bytes, DATA);
	else if (resets < 1 || resets_in_time < 1)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Data for a closed socket were not answered by RST (%.0f late, %.0f in "
			  "time): close() cannot be told from shutdown() by them here.",
			  resets, resets_in_time);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"shutdown(SHUT_WR) waits for the answer without limit, with no timer of the "
			"kernel: set one of your own. close() does not wait for it: whatever comes "
			"gets RST, also in the %.1f s (tcp_fin_timeout=%d) that FIN-WAIT-2 still "
			"lasts.",
			life, FIN_TIMEOUT);
}

static const struct arm arms[] = {
	{
		.name = "shutdown",
		.role = ARM_TREATMENT,
		.what = "shutdown(SHUT_WR), tcp_fin_timeout=3; after 7 s the peer sends data, closes",
		.seconds = WATCH_SECONDS + 0.3,
		.play = play_shutdown,
	},
	{
		.name = "close",
		.role = ARM_CONTROL,
		.what = "close() instead: the orphan must be gone after 3 s; the peer writes then",
		.seconds = FIN_TIMEOUT + 0.3,
		.value = true,
		.play = play_close,
	},
	{
		.name = "close-data-in-time",
		.role = ARM_CONTROL,
		.what = "close(), and the peer writes at once, to the orphan in FIN-WAIT-2",
		.seconds = 0.5,
		.play = play_close,
	},
};

const struct experiment experiment_half_close = {
	.id = "half-close",
	.claim =
		"After shutdown(SHUT_WR) a living process stays in FIN-WAIT-2 without a timer, and "
		"goes on receiving data.",
	.source = "RFC 9293 3.6; article, 타임아웃",
	.section = "A. The closing handshake",
	.method = "One end ends its sending side, by shutdown(SHUT_WR) or by close(), with "
		  "tcp_fin_timeout=3: state and timer of its socket after 7 s, and what becomes of "
		  "data that the peer sends then, or at once.",
	.why = "FIN-WAIT-2 that never goes away is a process that shut down and waits; "
	       "tcp_fin_timeout does not touch it. And close() where shutdown() was meant throws "
	       "the peer's answer away.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
