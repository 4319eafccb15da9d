#include "lab/experiments/orphan.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"

/* Longer than the slowest link of any experiment needs to bring a FIN and its ACK. */
#define ACK_SECONDS 15

#define BEYOND_FIN_WAIT1                                                                           \
	(STATE_BIT(TCP_FIN_WAIT2) | STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

double timer_slack_s(double seconds)
{
	return clock_seconds(clock_wheel_slack_ns((int64_t)(seconds * NS_PER_S)));
}

double socket_rto_s(int fd)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return NAN;
	return info.tcpi_rto / 1e6;
}

/* Any ACK may acknowledge the FIN; which one did is said by its number. */
static int find_ack_of_fin(struct stage *stage, const struct tcp_key *key, int64_t *ret_ns)
{
	struct wire_match fins = WIRE_MATCH_ALL, acks = WIRE_MATCH_ALL;
	struct stage_segment fin, ack;

	fins.from = STAGE_CLIENT;
	fins.flags_set = TCP_FLAG_FIN;
	fins.key = key;
	TRY(stage, stage_await_segments(stage, &fins, 1, ACK_SECONDS, &fin));

	acks.from = STAGE_SERVER;
	acks.flags_set = TCP_FLAG_ACK;
	acks.key = key;
	for (acks.count = 1; stage_segments(stage, &acks, &ack, 1) == 1; acks.skip++) {
		if (ack.segment.ack != segment_end(&fin.segment) || !ack.record.delivered_ns)
			continue;
		*ret_ns = ack.record.delivered_ns;
		return 0;
	}
	return stage_fail(stage, -ETIMEDOUT, "the client's FIN was not acknowledged");
}

int orphan_make(struct stage *stage, long fin_timeout, struct orphan *ret)
{
	struct orphan orphan;

	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, FIN_TIMEOUT_SYSCTL, fin_timeout));
	TRY(stage, stage_pair(stage, NULL, &orphan.pair));
	orphan.rto_s = socket_rto_s(orphan.pair.client);
	TRY(stage, stage_shut(stage, &orphan.pair.client));
	stage_outcome(stage, STAGE_CLIENT, &orphan.pair.client_key, BEYOND_FIN_WAIT1, ACK_SECONDS);
	TRY(stage, find_ack_of_fin(stage, &orphan.pair.client_key, &orphan.acked_ns));
	*ret = orphan;
	return 0;
}

static bool is_full_fin_wait2(const struct observer_change *change, void *context)
{
	(void)context;
	return change->status.state == TCP_FIN_WAIT2 && !change->status.minisock;
}

static bool is_mini_fin_wait2(const struct observer_change *change, void *context)
{
	(void)context;
	return change->status.state == TCP_FIN_WAIT2 && change->status.minisock;
}

static bool is_time_wait(const struct observer_change *change, void *context)
{
	(void)context;
	return change->status.state == TCP_TIME_WAIT;
}

/* When the socket, gone by now, first was as @predicate says; @otherwise when it never was. */
static double first_time(struct stage *stage, const struct orphan *orphan,
			 observer_predicate predicate, double otherwise)
{
	struct observer_change change;

	if (observer_wait_for(stage->observer, STAGE_CLIENT, &orphan->pair.client_key, predicate,
			      NULL, 0, 0, &change) < 0)
		return otherwise;
	return clock_seconds(change.time_ns);
}

int orphan_outlive(struct stage *stage, const struct orphan *orphan, double seconds,
		   struct orphan_life *ret)
{
	double began = clock_seconds(orphan->acked_ns), end, time_wait, minisock;
	struct observer_change gone;

	TRY(stage, stage_await(stage, STAGE_CLIENT, &orphan->pair.client_key, TCP_STATE_NONE,
			       seconds, &gone));
	/* Backwards: each phase ends where the next begins, or where the one after it does. */
	end = clock_seconds(gone.time_ns);
	time_wait = first_time(stage, orphan, is_time_wait, end);
	minisock = first_time(stage, orphan, is_mini_fin_wait2, time_wait);
	/* Without a keepalive phase the minisock is there from the beginning. */
	if (first_time(stage, orphan, is_full_fin_wait2, -1) < 0 && minisock < time_wait)
		minisock = began;

	*ret = (struct orphan_life){
		.keepalive_s = minisock - began,
		.timewait_s = time_wait - minisock,
		.time_wait_s = end - time_wait,
		.life_s = end - began,
		.error_s = clock_seconds(gone.time_ns - gone.since_ns),
	};
	return 0;
}
