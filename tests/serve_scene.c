#include "serve_scene.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/decode.h"
#include "serve/protocol.h"

#define PATIENCE_NS (PLAY_PATIENCE_S * NS_PER_S)
/* Between two looks at what changes without telling. */
#define LOOK_NS (200 * NS_PER_US)

/* ---- the scene */

void serve_scene_open(struct serve_scene *on, struct scene *scene)
{
	const struct host *hosts[2] = {scene->client, scene->server};
	struct why why = {0};

	*on = (struct serve_scene){.scene = scene, .next_port = 10000};
	for (int i = 0; i < 2; i++)
		if (sockdiag_open(host_netns(hosts[i]), &on->diag[i], &why) < 0)
			scene_skip("%s", why.text);
}

void serve_scene_close(struct serve_scene *on)
{
	for (int i = 0; i < 2; i++)
		sockdiag_close(on->diag[i]);
	if (on->failures)
		fprintf(stderr, "%u of %u plays failed\n", on->failures, on->plays);
	CHECK_EQUAL(on->failures, 0);
	scene_audit(on->scene->wire);
}

bool play_failed(struct serve_scene *on, const char *file, int line, const char *what, long long is)
{
	fprintf(stderr, "%s: %s:%d: not so: %s (it is %lld)\n", on->name, file, line, what, is);
	return false;
}

/* ---- beginning and end */

struct serve_plan play_plan(const char *engine, const char *protocol, enum serve_closing closing)
{
	return (struct serve_plan){
		.engine = engine_find(engine),
		.protocol = protocol_find(protocol),
		.closing = closing,
		.linger_s = PLAY_PATIENCE_S,
		.http_body = 100,
		.threads = 2,
	};
}

static bool listen_on(struct play *play, int family, bool defer, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t length;
	int fd, on = 1, patience_s = PLAY_PATIENCE_S;

	play->key.remote = scene_endpoint(play->on->scene->server, family, play->on->next_port++);
	play->key.local = scene_endpoint(play->on->scene->client, family, play->on->next_port++);
	/* Not listen_open(): it would listen in the namespace of this process. */
	fd = host_socket(play->on->scene->server, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	EXPECT(play->on, fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (defer)
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &patience_s, sizeof(int));
	tcp_endpoint_to_sockaddr(&play->key.remote, &address, &length);
	EXPECT_EQUAL(play->on, bind(fd, (struct sockaddr *)&address, length), 0);
	EXPECT_EQUAL(play->on, listen(fd, 128), 0);
	*ret_fd = fd;
	return true;
}

bool play_begin(struct play *play, struct serve_scene *on, const struct serve_plan *plan,
		int family, bool defer)
{
	struct why why = {0};
	int listener;

	*play = (struct play){.on = on, .plan = *plan, .client = -1};
	on->plays++;
	play->first_record = wire_record_count(on->scene->wire);
	if (!listen_on(play, family, defer, &listener))
		return false;
	if (server_new(plan, &listener, 1, 1, NULL, &play->server, &why) < 0 ||
	    server_start(play->server, &why) < 0)
		return play_failed(on, __FILE__, __LINE__, why.text, 0);
	play->asked_ns = clock_now_ns();
	return true;
}

static bool adds_up(const struct play *play, uint64_t open)
{
	struct tally_sum sum = play_sum(play);

	EXPECT_EQUAL(play->on, sum.open, open);
	EXPECT_EQUAL(play->on, sum.accepted,
		     sum.closed_by_us + sum.closed_by_peer + sum.reset + sum.open);
	return true;
}

static bool ends_well(struct play *play)
{
	struct why why = {0};

	server_drain(play->server);
	if (server_wait(play->server, PATIENCE_NS, &why) < 0)
		return play_failed(play->on, __FILE__, __LINE__,
				   why.text[0] ? why.text : "the server ends when it drains", 0);
	return adds_up(play, 0);
}

/* For who has to find out why. */
static void print_course(struct play *play)
{
	const struct connection *connection = play_connection(play);
	struct tally_sum sum = {0};
	char flags[SEGMENT_FLAGS_TEXT_MAX];

	if (play->server)
		sum = play_sum(play);
	fprintf(stderr, "\taccepted %d, closed by us %d, by peer %d, reset %d\n", (int)sum.accepted,
		(int)sum.closed_by_us, (int)sum.closed_by_peer, (int)sum.reset);
	for (size_t i = 0; connection && i < connection->count; i++) {
		const struct tracked_segment *one = &connection->segments[i];

		fprintf(stderr, "\t%12.6f %s %s, %u bytes: %s%s\n",
			clock_seconds(one->segment.time_ns - play->asked_ns),
			one->from == TRACK_SERVER ? "server" : "client",
			segment_flags_format(one->segment.flags, flags),
			one->segment.payload_length, segment_role_name(one->role),
			one->lost ? " (lost)" : "");
	}
}

bool play_end(struct play *play, bool well)
{
	well = well && ends_well(play);
	if (!well)
		print_course(play);
	play_reset(play);
	server_free(play->server);
	tracker_free(play->tracker);
	if (!well)
		play->on->failures++;
	return well;
}

/* ---- the client */

int play_connect(struct play *play)
{
	struct timeval patience = {.tv_sec = PLAY_PATIENCE_S};
	struct sockaddr_storage from, to;
	socklen_t from_length, to_length;
	int on = 1;

	play->client = host_socket(play->on->scene->client, play->key.local.address.family,
				   SOCK_STREAM, 0);
	if (play->client < 0)
		return -play->client;
	setsockopt(play->client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(play->client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(play->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	tcp_endpoint_to_sockaddr(&play->key.local, &from, &from_length);
	tcp_endpoint_to_sockaddr(&play->key.remote, &to, &to_length);
	if (bind(play->client, (struct sockaddr *)&from, from_length) < 0 ||
	    connect(play->client, (struct sockaddr *)&to, to_length) < 0)
		return errno;
	return 0;
}

bool play_send(struct play *play, const char *text)
{
	size_t length = strlen(text);

	if (length == 0) /* a server that speaks first may have reset it already */
		return true;
	EXPECT_EQUAL(play->on, send(play->client, text, length, MSG_NOSIGNAL), length);
	play->sent += length;
	return true;
}

bool play_receive(struct play *play, size_t length, char *ret, size_t room)
{
	char buffer[4096];

	while (play->received < length) {
		size_t left = length - play->received;
		ssize_t n = recv(play->client, buffer,
				 left < sizeof(buffer) ? left : sizeof(buffer), 0);

		EXPECT(play->on, n > 0);
		if (ret && play->received < room)
			memcpy(ret + play->received, buffer,
			       (size_t)n < room - play->received ? (size_t)n
								 : room - play->received);
		play->received += (size_t)n;
	}
	return true;
}

int play_receive_all(struct play *play)
{
	char buffer[4096];
	ssize_t n;

	while ((n = recv(play->client, buffer, sizeof(buffer), 0)) > 0)
		play->received += (size_t)n;
	return n < 0 ? errno : 0;
}

void play_shut(struct play *play)
{
	shutdown(play->client, SHUT_WR);
}

void play_close(struct play *play)
{
	if (play->client >= 0)
		close(play->client);
	play->client = -1;
}

void play_reset(struct play *play)
{
	const struct linger none = {.l_onoff = 1};

	if (play->client >= 0)
		setsockopt(play->client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	play_close(play);
}

/* ---- what is to be seen */

/* The socket now; false when the kernel would not tell. */
static bool look_at(struct play *play, int host, struct socket_status *ret)
{
	struct tcp_key key = host == CLIENT_HOST ? play->key : tcp_key_reverse(&play->key);
	int r = sockdiag_find(play->on->diag[host], &key, ret);

	if (r == -ENOENT)
		*ret = (struct socket_status){.state = TCP_STATE_NONE};
	return r == 0 || r == -ENOENT;
}

/* Until the next look; false once patience has ended. */
static bool pause_until(int64_t end_ns)
{
	struct timespec nap = clock_timespec(LOOK_NS);

	nanosleep(&nap, NULL);
	return clock_now_ns() < end_ns;
}

bool play_await_state(struct play *play, int host, int state, struct socket_status *ret)
{
	int64_t end_ns = clock_now_ns() + PATIENCE_NS;
	struct socket_status status;
	char what[96];

	do {
		EXPECT(play->on, look_at(play, host, &status));
		if (status.state == state) {
			if (ret)
				*ret = status;
			return true;
		}
	} while (pause_until(end_ns));
	snprintf(what, sizeof(what), "the %s's socket comes to %s, and is not left in %s",
		 host == CLIENT_HOST ? "client" : "server", tcp_state_name(state),
		 tcp_state_name(status.state));
	return play_failed(play->on, __FILE__, __LINE__, what, status.state);
}

bool play_await_quiet(struct play *play)
{
	int64_t end_ns = clock_now_ns() + PATIENCE_NS;
	size_t records = 0, before;
	char buffer[4096];

	do {
		struct socket_status server;
		ssize_t n;

		while ((n = recv(play->client, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
			play->received += (size_t)n;
		EXPECT(play->on, look_at(play, SERVER_HOST, &server));
		before = records;
		records = wire_record_count(play->on->scene->wire);
		if (server.send_queue == 0 && records == before &&
		    play_sum(play).bytes_out == play->received)
			return true;
	} while (pause_until(end_ns));
	return play_failed(play->on, __FILE__, __LINE__, "the server falls silent", 0);
}

struct tally_sum play_sum(const struct play *play)
{
	struct tally_sum sum;

	server_sum(play->server, &sum);
	return sum;
}

bool play_await_counter(struct play *play, size_t offset, uint64_t value, const char *name)
{
	int64_t end_ns = clock_now_ns() + PATIENCE_NS;
	char what[64];
	uint64_t is;

	do {
		struct tally_sum sum = play_sum(play);

		memcpy(&is, (char *)&sum + offset, sizeof(is));
		if (is == value)
			return true;
	} while (pause_until(end_ns));
	snprintf(what, sizeof(what), "%s comes to %llu", name, (unsigned long long)value);
	return play_failed(play->on, __FILE__, __LINE__, what, (long long)is);
}

static bool is_of(const struct play *play, const struct segment *segment)
{
	struct tcp_key key = {.local = segment->source, .remote = segment->target};
	struct tcp_key reverse = tcp_key_reverse(&key);

	return tcp_key_equal(&key, &play->key) || tcp_key_equal(&reverse, &play->key);
}

static int feed(struct play *play, const struct wire_record *record)
{
	struct segment_passage passage = {.lost = record->fate != WIRE_DELIVERED,
					  .delivered_ns = record->delivered_ns};
	struct segment segment;

	if (decode_packet(PACKET_LINK_RAW, record->data, record->length, record->length,
			  &segment) != DECODE_SEGMENT ||
	    !is_of(play, &segment))
		return 0;
	segment.time_ns = record->time_ns;
	return tracker_feed(play->tracker, &segment, &passage);
}

const struct connection *play_connection(struct play *play)
{
	struct wire *wire = play->on->scene->wire;
	struct wire_record record;

	tracker_free(play->tracker);
	play->tracker = tracker_new();
	for (size_t i = play->first_record; wire_record(wire, i, &record) == 0; i++)
		if (!play->tracker || feed(play, &record) < 0)
			return NULL;
	if (tracker_count(play->tracker) != 1)
		return NULL;
	return tracker_connection(play->tracker, 0);
}

unsigned play_count(const struct connection *connection, int from, uint8_t flags)
{
	unsigned count = 0;

	for (size_t i = 0; i < connection->count; i++)
		if (connection->segments[i].from == from &&
		    (connection->segments[i].segment.flags & flags) == flags)
			count++;
	return count;
}
