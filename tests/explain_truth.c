#include "explain_truth.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/decode.h"
#include "explain/track.h"

#define PATIENCE_S  20
#define PATIENCE_NS (PATIENCE_S * NS_PER_S)
/* Between two looks at what changes without telling. */
#define LOOK_NS	  (200 * NS_PER_US)
#define PIECE_MAX 4096

/* ---- beginning and end */

static const struct host *host_of(const struct truth *truth, int host)
{
	return host == CLIENT_HOST ? truth->scene->client : truth->scene->server;
}

void truth_begin(struct truth *truth, struct scene *scene, int family)
{
	static uint16_t next_port = 10000;
	struct why why = {0};

	*truth = (struct truth){.scene = scene, .family = family, .fd = {-1, -1}, .listener = -1};
	truth->key.local = scene_endpoint(scene->client, family, next_port++);
	truth->key.remote = scene_endpoint(scene->server, family, next_port++);
	truth->first_record = wire_record_count(scene->wire);
	for (int i = 0; i < 2; i++)
		if (sockdiag_open(host_netns(host_of(truth, i)), &truth->diag[i], &why) < 0)
			scene_skip("%s", why.text);
}

void truth_end(struct truth *truth)
{
	for (int i = 0; i < 2; i++) {
		truth_reset(truth, i);
		sockdiag_close(truth->diag[i]);
	}
	if (truth->listener >= 0)
		close(truth->listener);
}

/* ---- sockets */

static void bind_to(struct truth *truth, int fd, int host)
{
	const struct tcp_endpoint *here = host == CLIENT_HOST ? &truth->key.local
							      : &truth->key.remote;
	struct sockaddr_storage address;
	socklen_t length;

	tcp_endpoint_to_sockaddr(here, &address, &length);
	SAME(truth, bind(fd, (struct sockaddr *)&address, length), 0);
}

int truth_socket(struct truth *truth, int host)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = host_socket(host_of(truth, host), truth->family, SOCK_STREAM, 0), on = 1;

	TRUE(truth, fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	bind_to(truth, fd, host);
	return fd;
}

void truth_listen(struct truth *truth)
{
	truth->listener = truth_socket(truth, SERVER_HOST);
	SAME(truth, listen(truth->listener, 16), 0);
}

void truth_start(struct truth *truth)
{
	struct sockaddr_storage to;
	socklen_t length;
	int on = 1, r;

	truth->fd[CLIENT_HOST] = truth_socket(truth, CLIENT_HOST);
	tcp_endpoint_to_sockaddr(&truth->key.remote, &to, &length);
	SAME(truth, ioctl(truth->fd[CLIENT_HOST], FIONBIO, &on), 0);
	r = connect(truth->fd[CLIENT_HOST], (struct sockaddr *)&to, length);
	TRUE(truth, r == 0 || errno == EINPROGRESS);
}

void truth_connected(struct truth *truth, int error)
{
	struct pollfd poll_fd = {.fd = truth->fd[CLIENT_HOST], .events = POLLOUT};
	int is = -1, off = 0;
	socklen_t length = sizeof(is);

	SAME(truth, poll(&poll_fd, 1, PATIENCE_S * 1000), 1);
	SAME(truth, getsockopt(poll_fd.fd, SOL_SOCKET, SO_ERROR, &is, &length), 0);
	SAME(truth, is, error);
	SAME(truth, ioctl(poll_fd.fd, FIONBIO, &off), 0);
}

void truth_connect(struct truth *truth)
{
	if (truth->listener < 0)
		truth_listen(truth);
	truth_start(truth);
	truth_connected(truth, 0);
	truth->fd[SERVER_HOST] = scene_accept(truth->listener);
}

void truth_say(struct truth *truth, int host, size_t length)
{
	char bytes[PIECE_MAX];

	memset(bytes, 'x', sizeof(bytes));
	TRUE(truth, length <= sizeof(bytes));
	SAME(truth, send(truth->fd[host], bytes, length, MSG_NOSIGNAL), length);
}

void truth_hear(struct truth *truth, int host, size_t length)
{
	char bytes[PIECE_MAX];

	TRUE(truth, length <= sizeof(bytes));
	SAME(truth, recv(truth->fd[host], bytes, length ? length : 1, MSG_WAITALL), length);
}

/* Until the next look; false once patience has ended. */
static bool pause_until(int64_t end_ns)
{
	struct timespec nap = clock_timespec(LOOK_NS);

	nanosleep(&nap, NULL);
	return clock_now_ns() < end_ns;
}

void truth_arrived(struct truth *truth, int host, size_t length)
{
	int64_t end_ns = clock_now_ns() + PATIENCE_NS;
	int waits = 0;

	do {
		SAME(truth, ioctl(truth->fd[host], FIONREAD, &waits), 0);
		if ((size_t)waits == length)
			return;
	} while (pause_until(end_ns));
	truth_failed(truth, __FILE__, __LINE__, "it arrives", waits);
}

void truth_shut(struct truth *truth, int host)
{
	SAME(truth, shutdown(truth->fd[host], SHUT_WR), 0);
}

void truth_close(struct truth *truth, int host)
{
	if (truth->fd[host] >= 0)
		SAME(truth, close(truth->fd[host]), 0);
	truth->fd[host] = -1;
}

void truth_reset(struct truth *truth, int host)
{
	const struct linger none = {.l_onoff = 1};

	if (truth->fd[host] >= 0)
		setsockopt(truth->fd[host], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	truth_close(truth, host);
}

void truth_sysctl(struct truth *truth, int host, const char *name, const char *value)
{
	SAME(truth, host_sysctl(host_of(truth, host), name, value), 0);
}

/* ---- the wire */

struct wire_match truth_match(const struct truth *truth, int from, uint8_t set, uint8_t clear)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = from;
	match.flags_set = set;
	match.flags_clear = clear;
	match.key = &truth->key;
	return match;
}

int truth_rule(struct truth *truth, enum wire_verb verb, const struct wire_match *match)
{
	struct wire_rule rule = {.match = *match, .verb = verb};
	int r = wire_rule_add(truth->scene->wire, &rule);

	TRUE(truth, r >= 0);
	return r;
}

void truth_rule_hit(struct truth *truth, int rule, unsigned hits)
{
	SAME(truth, wire_rule_wait(truth->scene->wire, rule, hits, PATIENCE_NS), 0);
}

static bool is_of(const struct truth *truth, const struct segment *segment)
{
	struct tcp_key key = {.local = segment->source, .remote = segment->target};
	struct tcp_key reverse = tcp_key_reverse(&key);

	return tcp_key_equal(&key, &truth->key) || tcp_key_equal(&reverse, &truth->key);
}

static bool decode(const struct truth *truth, const struct wire_record *record, struct segment *ret)
{
	if (decode_packet(PACKET_LINK_RAW, record->data, record->length, record->length, ret) !=
		    DECODE_SEGMENT ||
	    !is_of(truth, ret))
		return false;
	ret->time_ns = record->time_ns;
	return true;
}

struct wire_record truth_record(struct truth *truth, const struct wire_match *match, int nth)
{
	struct wire_record record, found = {0};
	struct segment segment;

	for (size_t i = truth->first_record; wire_record(truth->scene->wire, i, &record) == 0;
	     i++) {
		if (!decode(truth, &record, &segment) || record.from != match->from ||
		    (segment.flags & match->flags_set) != match->flags_set ||
		    segment.flags & match->flags_clear)
			continue;
		found = record;
		if (nth-- == 0)
			break;
	}
	TRUE(truth, found.data);
	return found;
}

/* ---- what the kernels say */

static int state_now(struct truth *truth, int host)
{
	struct tcp_key key = host == CLIENT_HOST ? truth->key : tcp_key_reverse(&truth->key);
	struct socket_status status;
	int r = sockdiag_find(truth->diag[host], &key, &status);

	/* With no connection there, it finds the listener. */
	if (r == -ENOENT || (r == 0 && status.state == TCP_LISTEN))
		return TCP_STATE_NONE;
	SAME(truth, r, 0);
	return status.state;
}

/* Nothing is on its way; what a rule holds is not. */
static bool wire_rests(const struct truth *truth)
{
	struct wire_record record;

	for (size_t i = truth->first_record; wire_record(truth->scene->wire, i, &record) == 0; i++)
		if (record.fate == WIRE_WAITING)
			return false;
	return true;
}

void truth_await(struct truth *truth, int client, int server)
{
	int64_t end_ns = clock_now_ns() + PATIENCE_NS;
	char what[128];
	int is[2];

	do {
		is[0] = state_now(truth, CLIENT_HOST);
		is[1] = state_now(truth, SERVER_HOST);
		if (wire_rests(truth) && is[0] == client && is[1] == server)
			return;
	} while (pause_until(end_ns));
	snprintf(what, sizeof(what), "the kernels come to %s, %s, and are not left in %s, %s",
		 tcp_state_name(client), tcp_state_name(server), tcp_state_name(is[0]),
		 tcp_state_name(is[1]));
	truth_failed(truth, __FILE__, __LINE__, what, 0);
}

static bool send_queue_empty(struct truth *truth, int host)
{
	struct tcp_key key = host == CLIENT_HOST ? truth->key : tcp_key_reverse(&truth->key);
	struct socket_status status;

	SAME(truth, sockdiag_find(truth->diag[host], &key, &status), 0);
	return status.send_queue == 0;
}

void truth_exchange(struct truth *truth)
{
	int64_t end_ns = clock_now_ns() + PATIENCE_NS;

	truth_say(truth, CLIENT_HOST, 20);
	truth_hear(truth, SERVER_HOST, 20);
	truth_say(truth, SERVER_HOST, 30);
	truth_hear(truth, CLIENT_HOST, 30);
	while (!send_queue_empty(truth, SERVER_HOST))
		TRUE(truth, pause_until(end_ns));
}

/* ---- what explain says */

static int keep(void *context, const struct finding *finding)
{
	struct truth *truth = context;

	TRUE(truth, truth->told_count < TOLD_MAX);
	truth->told[truth->told_count++] = *finding;
	return 0;
}

/* Stable: what a rule let go at once has the same time. */
static void sort_by_time(struct segment *segments, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct segment one = segments[i];
		size_t at = i;

		for (; at > 0 && segments[at - 1].time_ns > one.time_ns; at--)
			segments[at] = segments[at - 1];
		segments[at] = one;
	}
}

/* What a capture at @view has of this play, in its order: malloc()ed. */
static struct segment *capture(struct truth *truth, enum truth_view view, size_t *ret_count)
{
	size_t room = wire_record_count(truth->scene->wire) - truth->first_record, count = 0;
	struct segment *segments = calloc(room + 1, sizeof(*segments));
	struct wire_record record;

	TRUE(truth, segments);
	for (size_t i = 0; i < room; i++) {
		SAME(truth, wire_record(truth->scene->wire, truth->first_record + i, &record), 0);
		if ((view == AT_RECEIVERS && record.fate != WIRE_DELIVERED) ||
		    !decode(truth, &record, &segments[count]))
			continue;
		if (view == AT_RECEIVERS)
			segments[count].time_ns = record.delivered_ns;
		count++;
	}
	sort_by_time(segments, count);
	*ret_count = count;
	return segments;
}

const struct finding *truth_explain(struct truth *truth, enum truth_view view)
{
	const struct flows_plan plan = {0};
	struct flows *flows = flows_new(&plan, keep, truth);
	CLEANUP_FREE struct segment *segments = NULL;
	size_t count;

	segments = capture(truth, view, &count);
	truth->told_count = 0;
	TRUE(truth, flows);
	SAME(truth, flows_feed(flows, segments, count), 0);
	SAME(truth, flows_finish(flows), 0);
	flows_free(flows);
	TRUE(truth, truth->told_count > 0);
	return &truth->told[truth->told_count - 1];
}

static struct tracker *track(struct truth *truth)
{
	struct tracker *tracker = tracker_new();
	struct wire_record record;
	struct segment segment;

	TRUE(truth, tracker);
	for (size_t i = truth->first_record; wire_record(truth->scene->wire, i, &record) == 0;
	     i++) {
		struct segment_passage passage = {.lost = record.fate != WIRE_DELIVERED,
						  .stuck = record.fate == WIRE_HELD ||
							   record.fate == WIRE_WAITING,
						  .delivered_ns = record.delivered_ns};

		if (decode(truth, &record, &segment))
			SAME(truth, tracker_feed(tracker, &segment, &passage), 0);
	}
	return tracker;
}

void truth_failed(struct truth *truth, const char *file, int line, const char *what, long long is)
{
	struct wire_record record;
	struct segment segment;
	char flags[SEGMENT_FLAGS_TEXT_MAX];

	for (size_t i = truth->first_record; wire_record(truth->scene->wire, i, &record) == 0; i++)
		if (decode(truth, &record, &segment))
			fprintf(stderr, "\t%12.6f %s %-8s seq %u ack %u win %u, %u bytes%s%s\n",
				clock_seconds(record.time_ns),
				record.from == SERVER_HOST ? "server" : "client",
				segment_flags_format(segment.flags, flags), segment.seq,
				segment.ack, segment.window, segment.payload_length,
				record.fate == WIRE_DELIVERED ? "" : " (not delivered)",
				record.injected ? " (injected)" : "");
	fprintf(stderr, "IPv%d: ", truth->family == AF_INET ? 4 : 6);
	check_failed(file, line, what, is);
}

static void hold_state(struct truth *truth, const char *who, int end, int says, int kernel)
{
	char what[160];
	int wanted = kernel & EXPLAIN_UNKNOWN ? -1 : kernel;

	if (says == wanted)
		return;
	snprintf(what, sizeof(what), "%s says of the %s %s, the kernel %s%s", who,
		 end == CLIENT_HOST ? "client" : "server", tcp_state_name(says),
		 tcp_state_name(kernel & ~EXPLAIN_UNKNOWN),
		 wanted == -1 ? ", which it cannot know" : "");
	truth_failed(truth, __FILE__, __LINE__, what, says);
}

/* Which end of a connection is the client's; with two SYNs it is who was seen first. */
static int client_of(const struct truth *truth, const struct tcp_endpoint *first)
{
	return tcp_endpoint_equal(first, &truth->key.local) ? 0 : 1;
}

static void hold_tracker(struct truth *truth, int client, int server)
{
	struct tracker *tracker = track(truth);
	const struct connection *connection;
	int end;

	TRUE(truth, tracker_count(tracker) > 0);
	connection = tracker_connection(tracker, tracker_count(tracker) - 1);
	end = client_of(truth, &connection->end[0].endpoint);
	hold_state(truth, "the tracker", CLIENT_HOST, connection->end[end].state, client);
	hold_state(truth, "the tracker", SERVER_HOST, connection->end[!end].state, server);
	tracker_free(tracker);
}

void truth_tracker_agrees(struct truth *truth, int client, int server)
{
	truth_await(truth, client & ~EXPLAIN_UNKNOWN, server & ~EXPLAIN_UNKNOWN);
	hold_tracker(truth, client, server);
}

const struct finding *truth_agree(struct truth *truth, enum truth_view view, int client, int server)
{
	const struct finding *finding;
	int end;

	truth_await(truth, client & ~EXPLAIN_UNKNOWN, server & ~EXPLAIN_UNKNOWN);
	finding = truth_explain(truth, view);
	end = client_of(truth, &finding->end[0].endpoint);
	hold_state(truth, "flows", CLIENT_HOST, finding->end[end].state, client);
	hold_state(truth, "flows", SERVER_HOST, finding->end[!end].state, server);
	hold_tracker(truth, client, server);
	return finding;
}
