#include "lab/stage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/netns.h"
#include "capture/decode.h"
#include "lab/stage_private.h"

void stage_init(struct stage *stage, struct stage_private *private,
		const struct experiment *experiment, const struct arm *arm,
		const struct play_options *options, int report_fd)
{
	*private = (struct stage_private){
		.options = options,
		.report_fd = report_fd,
		.started_ns = clock_now_ns(),
		.measured = json_object(),
	};
	*stage = (struct stage){.experiment = experiment, .arm = arm, .private = private};
}

void stage_done(struct stage *stage)
{
	/* The wire first: its listener kicks the observer. */
	if (stage->wire)
		wire_set_listener(stage->wire, NULL, NULL);
	observer_free(stage->observer);
	for (size_t i = 0; i < stage->private->host_count; i++)
		counters_done(&stage->private->before[i]);
	world_free(stage->world);
	json_decref(stage->private->measured);
}

/* Ends that answer each other without end (each ACK drawing one) are never quiet. */
#define SETTLE_TRIES 50

void stage_settle(struct stage *stage)
{
	struct wire_rule curtain = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "the story has ended"};
	struct timespec nap = clock_timespec(NS_PER_MS);

	if (!stage->observer)
		return;
	for (int i = 0; i < SETTLE_TRIES; i++) {
		size_t before = stage->wire ? wire_record_count(stage->wire) : 0;

		observer_look(stage->observer);
		stage->private->record_count = before;
		if (!stage->wire || wire_record_count(stage->wire) == before)
			break;
		nanosleep(&nap, NULL);
	}
	if (stage->wire) {
		curtain.match.any_protocol = true;
		wire_rule_add(stage->wire, &curtain);
	}
	observer_stop(stage->observer);
}

/* ---- failing */

void stage_fail_call(struct stage *stage, int error, const char *call, const char *file, int line)
{
	if (!stage->why.text[0])
		why_set(&stage->why, error, "%s:%d: %s", file, line, call);
}

int stage_fail(struct stage *stage, int error, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return why_set(&stage->why, error, "%s", text);
}

int stage_not_testable(struct stage *stage, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return why_say(&stage->why, -ENOTSUP, "%s", text);
}

/* ---- opening */

static const struct world_spec two_hosts = {
	.link = WORLD_LINK_WIRE,
	.host_count = 2,
	.hosts = {{.name = "client"}, {.name = "server"}},
};

static void kick(void *observer)
{
	observer_kick(observer);
}

size_t stage_host_count(const struct stage *stage)
{
	return stage->private->host_count;
}

static int open_observer(struct stage *stage)
{
	struct observer_host hosts[WORLD_HOSTS_MAX];
	size_t count = world_host_count(stage->world);

	/* On loopback the hosts are one namespace: its sockets must not be seen twice. */
	if (world_link(stage->world) == WORLD_LINK_LOOPBACK)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		struct host *host = world_host(stage->world, i);

		hosts[i] = (struct observer_host){.name = host_name(host),
						  .netns_fd = host_netns(host)};
	}
	stage->private->host_count = count;
	return observer_new(hosts, count, 0, &stage->observer, &stage->why);
}

static int read_counters_before(struct stage *stage)
{
	for (size_t i = 0; i < stage->private->host_count; i++) {
		int r = counters_read(host_netns(world_host(stage->world, i)),
				      &stage->private->before[i]);

		if (r < 0)
			return stage_fail(stage, r, "cannot read the counters of /proc/net");
	}
	return 0;
}

/*
 * Each arm has a network of its own: kernels choose the same ports in worlds with the same
 * addresses at the same time, and in a capture of all arms two connections of one name would be
 * one.
 */
static uint8_t network_of(const struct stage *stage)
{
	for (size_t i = 0; i < stage->experiment->arm_count; i++)
		if (&stage->experiment->arms[i] == stage->arm)
			return (uint8_t)i;
	return 0;
}

int stage_open(struct stage *stage, const struct world_spec *spec)
{
	struct world_spec chosen = spec ? *spec : two_hosts;
	int r;

	stage_state(stage, -1, "building the world");
	chosen.network = network_of(stage);
	if (chosen.link == WORLD_LINK_WIRE)
		chosen.link = stage->private->options->link;
	r = world_new(&chosen, &stage->world, &stage->why);
	if (r < 0)
		return r;
	stage->client = world_host(stage->world, STAGE_CLIENT);
	stage->server = world_host(stage->world, STAGE_SERVER);
	stage->wire = world_wire(stage->world);

	r = open_observer(stage);
	if (r < 0)
		return r;
	r = read_counters_before(stage);
	if (r < 0)
		return r;
	if (stage->wire)
		wire_set_listener(stage->wire, kick, stage->observer);
	if (stage->private->options->falsify && stage->experiment->falsify)
		TRY(stage, stage->experiment->falsify(stage));
	return 0;
}

bool stage_is_falsified(const struct stage *stage)
{
	return stage->private->options->falsify;
}

int stage_sysctl_text(struct stage *stage, size_t host, const char *name, const char *value)
{
	int r = host_sysctl(world_host(stage->world, host), name, value);

	if (r == -ENOENT)
		return stage_not_testable(stage, "this kernel has no %s per network namespace",
					  name);
	if (r == -EACCES || r == -EPERM)
		return stage_not_testable(stage, "%s may not be set here", name);
	if (r < 0)
		return stage_fail(stage, r, "cannot set %s to %s", name, value);
	return 0;
}

int stage_sysctl(struct stage *stage, size_t host, const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return stage_sysctl_text(stage, host, name, text);
}

/* ---- processes */

int stage_fork(struct stage *stage, int (*fn)(struct stage *stage, void *context), void *context,
	       pid_t *ret)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return stage_fail(stage, -errno, "cannot fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit(fn(stage, context));
	}
	*ret = pid;
	return 0;
}

int stage_reap(struct stage *stage, pid_t pid, double seconds, int *ret_status)
{
	int64_t end = clock_now_ns() + (int64_t)(seconds * NS_PER_S);
	struct timespec pause = clock_timespec(NS_PER_MS);
	int status;

	/* The process's end may close sockets: whoever asks next shall see it. */
	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			break;
		if (got < 0)
			return stage_fail(stage, -errno, "cannot wait for process %d", pid);
		if (clock_now_ns() > end)
			return stage_fail(stage, -ETIMEDOUT, "process %d has not ended", pid);
		nanosleep(&pause, NULL);
	}
	if (ret_status)
		*ret_status = status;
	observer_look(stage->observer);
	return 0;
}

/* ---- seeing */

/* Where the observer has a host's sockets: on loopback all hosts are one namespace. */
static size_t seen_as(const struct stage *stage, size_t host)
{
	return host < stage->private->host_count ? host : 0;
}

void stage_state(struct stage *stage, double seconds_left, const char *format, ...)
{
	char text[120];
	json_t *event;
	char *line;
	va_list args;

	if (stage->private->report_fd < 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	if (seconds_left < 0)
		seconds_left = stage->arm->seconds -
			       clock_seconds(clock_now_ns() - stage->private->started_ns);
	if (seconds_left < 0)
		seconds_left = 0;
	event = json_pack("{s:s, s:s, s:f}", "event", "state", "text", text, "left_s",
			  seconds_left);
	line = event ? json_dumps(event, JSON_COMPACT) : NULL;
	json_decref(event);
	if (!line)
		return;
	/* One write, below PIPE_BUF: lines do not mix. A reader that is gone is no concern of ours.
	 */
	dprintf(stage->private->report_fd, "%s\n", line);
	free(line);
}

static void describe_missed(struct stage *stage, size_t host, const struct tcp_key *key, int state,
			    double seconds)
{
	struct observer_change now;
	char local[TCP_ENDPOINT_TEXT_MAX];
	const char *is = "never seen";

	if (observer_status(stage->observer, seen_as(stage, host), key, &now) == 0)
		is = tcp_state_name(now.status.state);
	why_say(&stage->why, 0, "%s %s did not become %s within %.1f s; it is %s",
		host_name(world_host(stage->world, host)), tcp_endpoint_format(&key->local, local),
		tcp_state_name(state), seconds, is);
}

int stage_await_after(struct stage *stage, size_t host, const struct tcp_key *key, int state,
		      int64_t after_ns, double seconds, struct observer_change *ret)
{
	struct observer_change now = {.status.state = TCP_STATE_NONE};
	int r;

	observer_look(stage->observer);
	observer_status(stage->observer, seen_as(stage, host), key, &now);
	if (now.status.state != state)
		stage_state(stage, -1, "%s %s%s%s%s, until %s",
			    host_name(world_host(stage->world, host)),
			    tcp_state_name(now.status.state), now.status.timer ? " (" : "",
			    now.status.timer ? socket_timer_name(now.status.timer) : "",
			    now.status.timer ? ")" : "", tcp_state_name(state));
	r = observer_wait(stage->observer, seen_as(stage, host), key, state, after_ns,
			  (int64_t)(seconds * NS_PER_S), ret);
	if (r == -ETIMEDOUT)
		describe_missed(stage, host, key, state, seconds);
	return r;
}

int stage_await(struct stage *stage, size_t host, const struct tcp_key *key, int state,
		double seconds, struct observer_change *ret)
{
	return stage_await_after(stage, host, key, state, 0, seconds, ret);
}

static bool in_states(const struct observer_change *change, void *context)
{
	return STATE_BIT(change->status.state) & *(const uint32_t *)context;
}

int stage_outcome(struct stage *stage, size_t host, const struct tcp_key *key, uint32_t states,
		  double seconds)
{
	struct observer_change now = {.status.state = TCP_STATE_NONE};

	observer_look(stage->observer);
	observer_status(stage->observer, seen_as(stage, host), key, &now);
	if (!in_states(&now, &states)) {
		stage_state(stage, -1, "%s %s", host_name(world_host(stage->world, host)),
			    tcp_state_name(now.status.state));
		/* Only what comes from now on counts: it must be in the state, not have passed it.
		 */
		observer_wait_for(stage->observer, seen_as(stage, host), key, in_states, &states,
				  now.time_ns, (int64_t)(seconds * NS_PER_S), NULL);
		observer_status(stage->observer, seen_as(stage, host), key, &now);
	}
	return now.status.state;
}

int stage_status(struct stage *stage, size_t host, const struct tcp_key *key,
		 struct socket_status *ret)
{
	struct observer_change now;
	int r;

	TRY(stage, observer_look(stage->observer));
	r = observer_status(stage->observer, seen_as(stage, host), key, &now);
	if (r == -ENOENT) {
		*ret = (struct socket_status){.key = *key, .state = TCP_STATE_NONE};
		return 0;
	}
	if (r < 0)
		return stage_fail(stage, r, "cannot look at the sockets");
	*ret = now.status;
	return 0;
}

int stage_pass_until(struct stage *stage, int64_t time_ns, const char *text)
{
	struct timespec until = clock_timespec(time_ns);

	stage_state(stage, -1, "%s", text);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	return 0;
}

int stage_pass_time(struct stage *stage, double seconds, const char *text)
{
	return stage_pass_until(stage, clock_now_ns() + (int64_t)(seconds * NS_PER_S), text);
}

int64_t stage_counter(struct stage *stage, size_t host, const char *name)
{
	struct counters now = {0};
	int64_t moved = 0;

	if (counters_read(host_netns(world_host(stage->world, host)), &now) == 0)
		moved = counters_value(&now, name, 0) -
			counters_value(&stage->private->before[seen_as(stage, host)], name, 0);
	counters_done(&now);
	return moved;
}

/* ---- segments */

static bool fits(const struct wire_match *match, const struct wire_record *record,
		 const struct segment *segment)
{
	if (match->from != WIRE_ANY_HOST && match->from != record->from)
		return false;
	if (match->to != WIRE_ANY_HOST && match->to != record->to)
		return false;
	if ((segment->flags & match->flags_set) != match->flags_set ||
	    (segment->flags & match->flags_clear) != 0)
		return false;
	if (match->payload == WIRE_PAYLOAD_NONE && segment->payload_length > 0)
		return false;
	if (match->payload == WIRE_PAYLOAD_SOME && segment->payload_length == 0)
		return false;
	if (match->payload_bytes &&
	    (segment->payload_captured < match->payload_length ||
	     memcmp(segment->payload, match->payload_bytes, match->payload_length) != 0))
		return false;
	if (match->key) {
		struct tcp_key key = {.local = segment->source, .remote = segment->target};
		struct tcp_key back = tcp_key_reverse(&key);

		if (!tcp_key_equal(match->key, &key) && !tcp_key_equal(match->key, &back))
			return false;
	}
	return true;
}

int stage_segments(struct stage *stage, const struct wire_match *match, struct stage_segment *ret,
		   size_t room)
{
	struct stage_segment one;
	size_t found = 0, seen = 0;

	if (!stage->wire)
		return stage_fail(stage, -EINVAL, "a fast link records no packets");
	for (size_t i = 0; wire_record(stage->wire, i, &one.record) == 0; i++) {
		if (decode_packet(PACKET_LINK_RAW, one.record.data, one.record.length,
				  one.record.length, &one.segment) != DECODE_SEGMENT)
			continue;
		if (!fits(match, &one.record, &one.segment) || seen++ < match->skip)
			continue;
		if (match->count != WIRE_FOREVER && found >= match->count)
			break;
		one.segment.time_ns = one.record.time_ns;
		one.index = i;
		if (found < room)
			ret[found] = one;
		found++;
	}
	return (int)found;
}

int stage_await_segments(struct stage *stage, const struct wire_match *match, size_t count,
			 double seconds, struct stage_segment *ret)
{
	int64_t end = clock_now_ns() + (int64_t)(seconds * NS_PER_S);
	struct timespec pause = clock_timespec(2 * NS_PER_MS);
	struct wire_match last = *match;
	struct stage_segment found;

	last.skip += (unsigned)count - 1;
	last.count = 1;
	for (size_t known = (size_t)-1;;) {
		size_t recorded = wire_record_count(stage->wire);

		/* Only a new packet can change the answer. */
		if (recorded != known) {
			int r = stage_segments(stage, &last, &found, 1);

			if (r < 0)
				return r;
			if (r > 0)
				break;
			known = recorded;
		}
		if (clock_now_ns() > end)
			return why_say(&stage->why, -ETIMEDOUT,
				       "segment %zu that was waited for has not come within %.1f s",
				       count, seconds);
		nanosleep(&pause, NULL);
		/* A long wait (for a retransmission, say) needs no millisecond steps. */
		if (pause.tv_nsec < 20 * NS_PER_MS)
			pause.tv_nsec += NS_PER_MS / 4;
	}
	if (ret)
		*ret = found;
	return 0;
}

/* ---- measuring */

void stage_measure(struct stage *stage, const char *name, double value)
{
	json_object_set_new(stage->private->measured, name, json_real(value));
}

void stage_measure_text(struct stage *stage, const char *name, const char *value)
{
	json_object_set_new(stage->private->measured, name, json_string(value));
}

double change_seconds(const struct observer_change *change)
{
	if (change->since_ns == 0)
		return clock_seconds(change->time_ns);
	return clock_seconds(change->since_ns + (change->time_ns - change->since_ns) / 2);
}

double change_uncertainty(const struct observer_change *change)
{
	if (change->since_ns == 0)
		return 0;
	return clock_seconds(change->time_ns - change->since_ns) / 2;
}

double change_distance(const struct observer_change *from, const struct observer_change *to)
{
	return change_seconds(to) - change_seconds(from);
}
