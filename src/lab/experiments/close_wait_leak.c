/*
 * Question: the peer has closed, and the application never does. How long does CLOSE-WAIT last?
 *
 * Kernel path (6.18): tcp_fin() (net/ipv4/tcp_input.c) takes the socket to CLOSE-WAIT and arms no
 * timer; what waits for its application has none (the keepalive timer only with SO_KEEPALIVE).
 * The peer, an orphan in FIN-WAIT-2, is a minisock that ends with tcp_fin_timeout, 60 s, without a
 * packet: tw_timer_handler() (net/ipv4/inet_timewait_sock.c). So the end in CLOSE-WAIT does not
 * learn that nobody is there any more. close(), or the end of the process that holds the
 * descriptor, takes it through tcp_close_state() (net/ipv4/tcp.c) to LAST-ACK: the FIN is
 * acknowledged by a peer that is still in FIN-WAIT-2, and answered by RST by one that has gone.
 *
 * Packets expected: FIN, ACK; silence for as long as the application sleeps; then FIN and its ACK,
 * or FIN and RST.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "lab/experiments/common.h"
#include "lab/experiments/orphan.h"

#define FIN_TIMEOUT	  60 /* the default: the longest kernel timer involved */
#define SHORT_FIN_TIMEOUT 3
#define KEEPALIVE_IDLE_S  5

/* Beyond the peer's 60 s and what the timer wheel adds to them: 2.05 s with HZ=250, 4.1 s with
 * HZ=1000. */
#define WATCH_SECONDS 75

#define ANSWER_SECONDS 3

/* "At once": LAST-ACK takes a round trip, which is no time here; a busy machine adds some. */
#define AT_ONCE_S (2 * NOISE_S)

/* The client closes; the server is in CLOSE-WAIT and its client in FIN-WAIT-2. */
static int make_close_wait(struct stage *stage, long fin_timeout, struct pair *ret)
{
	struct pair pair;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, FIN_TIMEOUT_SYSCTL, fin_timeout));
	TRY(stage, stage_pair(stage, NULL, &pair));
	TRY(stage, stage_shut(stage, &pair.client));
	stage_outcome(stage, STAGE_SERVER, &pair.server_key, STATE_BIT(TCP_CLOSE_WAIT),
		      ANSWER_SECONDS);
	stage_outcome(stage, STAGE_CLIENT, &pair.client_key, STATE_BIT(TCP_FIN_WAIT2),
		      ANSWER_SECONDS);
	*ret = pair;
	return 0;
}

/* From entering a state (whenever that was) to the end of the socket; NAN without an end. */
static double life_s(struct stage *stage, size_t host, const struct tcp_key *key, int state)
{
	struct observer_change entered, gone;

	if (observer_wait(stage->observer, host, key, state, 0, 0, &entered) < 0 ||
	    observer_wait(stage->observer, host, key, TCP_STATE_NONE, 0, 0, &gone) < 0)
		return NAN;
	return change_distance(&entered, &gone);
}

static void measure_if_known(struct stage *stage, const char *name, double value)
{
	if (!isnan(value))
		stage_measure(stage, name, value);
}

/* The application sleeps. */
static int watch(struct stage *stage, const struct pair *pair)
{
	int64_t began = clock_now_ns();
	int before = segments_so_far(stage, &pair->server_key);
	struct socket_status status;

	stage_outcome(stage, STAGE_SERVER, &pair->server_key, STATE_BIT(TCP_STATE_NONE),
		      WATCH_SECONDS);
	stage_measure(stage, "watched_s", clock_seconds(clock_now_ns() - began));
	stage_measure(stage, "segments_during_watch_count",
		      segments_so_far(stage, &pair->server_key) - before);

	TRY(stage, stage_status(stage, STAGE_SERVER, &pair->server_key, &status));
	stage_measure_text(stage, "server_after_watch", tcp_state_name(status.state));
	stage_measure_text(stage, "server_timer", socket_timer_name(status.timer));
	TRY(stage, stage_status(stage, STAGE_CLIENT, &pair->client_key, &status));
	stage_measure_text(stage, "client_after_watch", tcp_state_name(status.state));
	measure_if_known(stage, "client_life_s",
			 life_s(stage, STAGE_CLIENT, &pair->client_key, TCP_FIN_WAIT2));
	return 0;
}

/* What became of the server's end since @ended_ns, when it was closed. */
static void measure_end(struct stage *stage, const struct pair *pair, int64_t ended_ns)
{
	struct wire_match resets = WIRE_MATCH_ALL;
	struct observer_change gone;
	int state = stage_outcome(stage, STAGE_SERVER, &pair->server_key, STATE_BIT(TCP_STATE_NONE),
				  ANSWER_SECONDS);

	stage_measure_text(stage, "server_left_in", tcp_state_name(state));
	if (observer_wait(stage->observer, STAGE_SERVER, &pair->server_key, TCP_STATE_NONE, 0, 0,
			  &gone) == 0)
		stage_measure(stage, "gone_after_s", clock_seconds(gone.time_ns - ended_ns));
	resets.from = STAGE_CLIENT;
	resets.key = &pair->client_key;
	resets.flags_set = TCP_FLAG_RST;
	stage_measure(stage, "rst_count", stage_segments(stage, &resets, NULL, 0));
}

static int play_leak(struct stage *stage)
{
	struct pair pair;
	int r;

	TRY(stage, make_close_wait(stage, FIN_TIMEOUT, &pair));
	r = watch(stage, &pair);
	pair_close(&pair);
	return r;
}

static int play_closes_late(struct stage *stage)
{
	struct pair pair;
	int64_t ended_ns;

	TRY(stage, make_close_wait(stage, FIN_TIMEOUT, &pair));
	TRY(stage, watch(stage, &pair));
	ended_ns = clock_now_ns();
	TRY(stage, stage_shut(stage, &pair.server));
	measure_end(stage, &pair, ended_ns);
	pair_close(&pair);
	return 0;
}

/* The process that holds the connection: it does nothing until the pipe is closed, and ends. */
static int hold_until_told(struct stage *stage, void *context)
{
	const int *pipe_fds = context;
	char byte;

	(void)stage;
	close(pipe_fds[1]);
	return read(pipe_fds[0], &byte, 1) < 0;
}

static int play_process_exits(struct stage *stage)
{
	struct socket_status status;
	struct pair pair;
	int64_t ended_ns;
	int tell[2];
	pid_t pid;

	TRY(stage, make_close_wait(stage, FIN_TIMEOUT, &pair));
	TRY_SYS(stage, pipe(tell));
	TRY(stage, stage_fork(stage, hold_until_told, tell, &pid));
	close(tell[0]);
	/* Only this process's descriptor: the socket is the other's now. */
	TRY(stage, stage_shut(stage, &pair.server));
	TRY(stage, stage_status(stage, STAGE_SERVER, &pair.server_key, &status));
	stage_measure_text(stage, "server_while_held", tcp_state_name(status.state));

	ended_ns = clock_now_ns();
	close(tell[1]);
	TRY(stage, stage_reap(stage, pid, ANSWER_SECONDS, NULL));
	measure_end(stage, &pair, ended_ns);
	pair_close(&pair);
	return 0;
}

static int set_keepalive(int fd)
{
	int on = 1, idle = KEEPALIVE_IDLE_S;

	if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

/* The application sleeps, but the kernel asks for it whether the peer is still there. */
static int play_keepalive(struct stage *stage)
{
	struct pair pair;
	int64_t began;
	int error = 0;

	TRY(stage, make_close_wait(stage, SHORT_FIN_TIMEOUT, &pair));
	TRY(stage, set_keepalive(pair.server));
	began = clock_now_ns();
	stage_state(stage, -1, "server CLOSE-WAIT, until the keepalive probe");
	stage_outcome(stage, STAGE_SERVER, &pair.server_key, STATE_BIT(TCP_STATE_NONE),
		      4 * KEEPALIVE_IDLE_S);
	measure_end(stage, &pair, began);
	/* The socket is gone from the tables, the descriptor is not. */
	stage_measure(stage, "descriptors_left_count",
		      getsockopt(pair.server, SOL_SOCKET, SO_ERROR, &error,
				 &(socklen_t){sizeof(error)}) == 0);
	stage_measure_text(stage, "socket_error", error ? errno_name(error) : "none");
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
	/* Behind the FIN that was taken: RFC 5961 3.2 wants the exact number. */
	packet_set_u32(tcp + TCP_AT_SEQ, packet_u32(tcp + TCP_AT_SEQ) + 1);
	tcp[TCP_AT_FLAGS] = TCP_FLAG_RST | TCP_FLAG_ACK;
	return 0;
}

/*
 * Something on the path ends the silence: the ACKs of the client's FIN are lost, so that it is
 * repeated, and the repeated FIN arrives as RST. CLOSE-WAIT ends though the application sleeps.
 */
static int falsify(struct stage *stage)
{
	struct wire_rule lose = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "the ACK of the FIN is lost"};
	struct wire_rule reset = {.match = WIRE_MATCH_ALL,
				  .verb = WIRE_REWRITE,
				  .rewrite = make_reset,
				  .note = "a repeated FIN arrives as RST"};

	lose.match.from = STAGE_SERVER;
	lose.match.flags_set = TCP_FLAG_ACK;
	lose.match.flags_clear = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;
	TRY(stage, wire_rule_add(stage->wire, &lose));
	reset.match.from = STAGE_CLIENT;
	reset.match.flags_set = TCP_FLAG_FIN;
	reset.match.skip = 1;
	return wire_rule_add(stage->wire, &reset);
}

static const char *const leak = "never-closes";
static const char *const late = "closes-late";
static const char *const exits = "process-exits";
static const char *const probed = "keepalive";

static void tell_rest(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured_text(ret, evidence_text(evidence, leak, "server_timer"), "close_wait_timer");
	judge_measured_text(ret, evidence_text(evidence, exits, "server_while_held"),
			    "server_while_held_by_the_other_process");
	judge_measured(ret, evidence_number(evidence, late, "rst_count"), "rst_count_closes_late");
	judge_measured(ret, evidence_number(evidence, exits, "rst_count"),
		       "rst_count_process_exits");
	judge_measured_text(ret, evidence_text(evidence, probed, "socket_error"),
			    "socket_error_with_keepalive");
	judge_measured(ret, evidence_number(evidence, probed, "descriptors_left_count"),
		       "descriptors_left_with_keepalive_count");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const char *state = evidence_text(evidence, leak, "server_after_watch");
	const char *client = evidence_text(evidence, leak, "client_after_watch");
	const char *after_close = evidence_text(evidence, late, "server_left_in");
	const char *after_exit = evidence_text(evidence, exits, "server_left_in");
	const char *after_probe = evidence_text(evidence, probed, "server_left_in");
	double watched = evidence_number(evidence, leak, "watched_s");
	double segments = evidence_number(evidence, leak, "segments_during_watch_count");
	double client_life, late_gone, exit_gone;

	tell_rest(evidence, ret);
	judge_measured_text(ret, state, "server_after_watch");
	judge_measured_text(ret, client, "client_after_watch");
	judge_measured_text(ret, after_close, "server_left_in_after_late_close");
	judge_measured_text(ret, after_exit, "server_left_in_after_process_exit");
	judge_measured_text(ret, after_probe, "server_left_in_with_keepalive");
	judge_measured(ret, watched, "watched_s");
	judge_measured(ret, segments, "segments_during_watch_count");
	judge_deciding(ret, "%s after %.0f s, peer %s", state, watched, client);

	if (!state_is(state, TCP_CLOSE_WAIT)) {
		judge_deciding(ret, "%s without a close()", state);
		judge_say(ret, VERDICT_REFUTED,
			  "The application never closed, and all the same its socket was %s within "
			  "%d s.",
			  state, WATCH_SECONDS);
		return;
	}
	if (!state_is(after_close, TCP_STATE_NONE) || !state_is(after_exit, TCP_STATE_NONE) ||
	    !state_is(after_probe, TCP_STATE_NONE)) {
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"The socket is %s also after close(), %s after the process's end, and %s "
			"after a keepalive probe: it is not the missing close() that decides here.",
			after_close, after_exit, after_probe);
		return;
	}
	if (!state_is(client, TCP_STATE_NONE)) {
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "CLOSE-WAIT lasted %.0f s, but the peer is still in %s: the timers "
			  "involved have not all passed.",
			  watched, client);
		return;
	}
	client_life = evidence_number(evidence, leak, "client_life_s");
	late_gone = evidence_number(evidence, late, "gone_after_s");
	exit_gone = evidence_number(evidence, exits, "gone_after_s");
	judge_measured(ret, client_life, "client_fin_wait2_s");
	judge_measured(ret, late_gone, "gone_s_after_late_close");
	judge_measured(ret, exit_gone, "gone_s_after_process_exit");
	judge_measured(ret, evidence_number(evidence, probed, "gone_after_s"),
		       "gone_s_by_keepalive");
	if (late_gone > AT_ONCE_S || exit_gone > AT_ONCE_S)
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"CLOSE-WAIT ended only %.1f s after close() and %.1f s after the process's "
			"end: something else ends it.",
			late_gone, exit_gone);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"CLOSE-WAIT has no timer: it outlived the peer, gone after %.1f s without "
			"%s. close() or the end of the process ends it at once, so find the code "
			"path that does not close. No sysctl helps; SO_KEEPALIVE frees the socket "
			"once the peer has gone, but not the descriptor.",
			client_life, segments > 0 ? "an end" : "a packet");
}

static const struct arm arms[] = {
	{
		.name = "never-closes",
		.role = ARM_TREATMENT,
		.what = "the client closes, the server's application does nothing for 75 s",
		.seconds = WATCH_SECONDS + 0.5,
		.play = play_leak,
	},
	{
		.name = "closes-late",
		.role = ARM_CONTROL,
		.what = "the same, but it closes after 75 s: the peer has gone, RST must end it",
		.seconds = WATCH_SECONDS + 0.5,
		.play = play_closes_late,
	},
	{
		.name = "process-exits",
		.role = ARM_CONTROL,
		.what = "the process that holds the socket ends: LAST-ACK and gone",
		.seconds = 1,
		.play = play_process_exits,
	},
	{
		.name = "keepalive",
		.role = ARM_CONTROL,
		.what = "SO_KEEPALIVE after 5 s, the peer gone after 3: the probe's RST must end it",
		.seconds = KEEPALIVE_IDLE_S + 0.7,
		.play = play_keepalive,
	},
};

const struct experiment experiment_close_wait_leak = {
	.id = "close-wait-leak",
	.claim = "A passive end whose application never closes stays in CLOSE-WAIT, also when its "
		 "peer has long gone.",
	.source = "article, 서론 (its predecessor) and 타임아웃; RFC 9293 3.6",
	.section = "A. The closing handshake",
	.method =
		"The client closes and the server's application does not, for longer than the 60 s "
		"that the client's kernel waits; beside it a late close(), a process that ends, "
		"and keepalive.",
	.why = "CLOSE-WAIT that grows is a bug in the program that owns it, and no setting of the "
	       "kernel cleans up after it.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
