/*
 * Question: a server has stopped calling accept(). What does the client see that comes after the
 * accept queue has filled up?
 *
 * Kernel path (6.18): the queue takes one more than listen() asked for (sk_acceptq_is_full(),
 * include/net/sock.h, compares with >), which is at most somaxconn (__sys_listen_socket(),
 * net/socket.c). A SYN that finds it full is dropped without a word: tcp_conn_request()
 * (net/ipv4/tcp_input.c), whatever tcp_abort_on_overflow says. A handshake that was under way when
 * it filled up loses its last ACK: tcp_v4_syn_recv_sock() (net/ipv4/tcp_ipv4.c) makes no socket,
 * and tcp_check_req() (net/ipv4/tcp_minisocks.c) keeps the request and waits for another ACK; only
 * here tcp_abort_on_overflow=1 sends RST. Each counts ListenOverflows and ListenDrops.
 *
 * Packets expected: the handshakes that fill the queue to one below full. Two more, whose last
 * ACKs are held on the wire until both ends have sent all they had, and then let go in order: the
 * first takes the last place, the second comes too late. Then one more SYN, repeated by its client
 * without an answer until the server accepts.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/experiments/common.h"

/* The article's server listens with 128; what happens beyond does not depend on the number. */
#define BACKLOG 4
/* Places that sk_acceptq_is_full() gives. */
#define PLACES (BACKLOG + 1)

/* SYNs of the late client before the server accepts again: one and two repeats, 1 s apart with
 * tcp_syn_linear_timeouts (since 6.5), else after 1 and 3 s. */
#define SYNS_BEFORE_ACCEPT 3
#define SYNS_SECONDS	   6
/* Until its next repeat: at 3 s, or 7 s before 6.5. */
#define CONNECT_SECONDS 10
/* What takes a round trip, or a system call, on a busy machine. */
#define ANSWER_SECONDS 3

struct story {
	int backlog;	/* that listen() asks for */
	long somaxconn; /* 0: left alone */
	long abort_on_overflow;
	bool accepts;
};

/* The clients, in the order of their SYNs. */
enum { LAST_PLACE = BACKLOG, LATE_ACK, LATE_SYN, CLIENTS };

struct scene {
	const struct story *story;
	int listener;
	int clients[CLIENTS];
	struct tcp_key keys[CLIENTS];
	int accepted[CLIENTS];
	size_t accepted_count;
	int64_t late_began_ns;
};

/* For LISTEN tcp_get_info() (net/ipv4/tcp.c) puts the queue's length and bound here. */
static int look_at_queue(int listener, unsigned *ret_length, unsigned *ret_bound)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	*ret_length = info.tcpi_unacked;
	*ret_bound = info.tcpi_sacked;
	return 0;
}

/* Waits until @length connections wait to be accepted; returns how many do. */
static unsigned await_queue(const struct scene *scene, unsigned length)
{
	int64_t end = clock_now_ns() + ANSWER_SECONDS * NS_PER_S;
	struct timespec nap = clock_timespec(NS_PER_MS);
	unsigned now = 0, bound;

	while (look_at_queue(scene->listener, &now, &bound) == 0 && now < length &&
	       clock_now_ns() < end)
		nanosleep(&nap, NULL);
	return now;
}

static int accept_all(struct stage *stage, struct scene *scene, size_t count)
{
	for (size_t i = 0; i < count; i++)
		TRY(stage, stage_accept(stage, scene->listener, ANSWER_SECONDS,
					&scene->accepted[scene->accepted_count++]));
	return 0;
}

/* The connections that came, where the story has a server that accepts. */
static int serve(struct stage *stage, struct scene *scene, size_t count)
{
	if (scene->story->accepts)
		return accept_all(stage, scene, count);
	await_queue(scene, (unsigned)count);
	return 0;
}

static int open_scene(struct stage *stage, struct scene *scene)
{
	const struct story *story = scene->story;
	unsigned length = 0, bound = 0;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_abort_on_overflow",
				story->abort_on_overflow));
	if (story->somaxconn)
		TRY(stage,
		    stage_sysctl(stage, STAGE_SERVER, "net.core.somaxconn", story->somaxconn));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &scene->listener));
	TRY_SYS(stage, listen(scene->listener, story->backlog));
	TRY(stage, look_at_queue(scene->listener, &length, &bound));
	stage_measure(stage, "backlog_asked", story->backlog);
	stage_measure(stage, "backlog_given", bound);
	return 0;
}

static int connect_client(struct stage *stage, struct scene *scene, size_t which)
{
	TRY(stage, stage_connect(stage, NULL, ANSWER_SECONDS, &scene->clients[which],
				 &scene->keys[which]));
	return 0;
}

/* All places but one. */
static int fill_but_one(struct stage *stage, struct scene *scene)
{
	for (size_t i = 0; i < LAST_PLACE; i++)
		TRY(stage, connect_client(stage, scene, i));
	return serve(stage, scene, LAST_PLACE);
}

/*
 * Two handshakes for the last place. The SYNs of both find room; their last ACKs wait on the wire,
 * so that they come one behind the other.
 */
static int race_for_last(struct stage *stage, struct scene *scene)
{
	struct wire_rule hold = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD, .note = "until both have connected"};
	unsigned waiting;
	int rule;

	hold.match.from = STAGE_CLIENT;
	hold.match.flags_set = TCP_FLAG_ACK;
	hold.match.flags_clear = TCP_FLAG_SYN;
	rule = wire_rule_add(stage->wire, &hold);
	TRY(stage, rule);
	TRY(stage, connect_client(stage, scene, LAST_PLACE));
	TRY(stage, connect_client(stage, scene, LATE_ACK));
	TRY(stage, wire_rule_wait(stage->wire, rule, 2, ANSWER_SECONDS * NS_PER_S));
	TRY(stage, wire_rule_remove(stage->wire, rule));
	if (scene->story->accepts)
		return accept_all(stage, scene, 2);
	waiting = await_queue(scene, PLACES);
	stage_measure(stage, "accept_queue_count", waiting);
	return 0;
}

/* ---- the client whose SYN comes too late */

/* Outcomes of a connect() that are not an errno's name. */
static const char *const connected = "connected";
static const char *const hanging = "hangs";

static int start_late_connect(struct stage *stage, struct scene *scene)
{
	struct tcp_endpoint target = {.address = *host_address(stage->server, AF_INET, 0),
				      .port = STAGE_PORT};
	struct tcp_key *key = &scene->keys[LATE_SYN];
	struct sockaddr_storage name;
	socklen_t length;
	int fd = host_socket(stage->client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	TRY(stage, fd);
	scene->clients[LATE_SYN] = fd;
	tcp_endpoint_to_sockaddr(&target, &name, &length);
	scene->late_began_ns = clock_now_ns();
	if (connect(fd, (struct sockaddr *)&name, length) < 0 && errno != EINPROGRESS)
		return stage_fail(stage, -errno, "connect()");
	length = sizeof(name);
	TRY_SYS(stage, getsockname(fd, (struct sockaddr *)&name, &length));
	TRY(stage, tcp_endpoint_from_sockaddr((struct sockaddr *)&name, &key->local));
	key->remote = target;
	return 0;
}

/* What connect() has come to, at the latest after @wait_ms. */
static const char *late_outcome(const struct scene *scene, int wait_ms)
{
	struct pollfd one = {.fd = scene->clients[LATE_SYN], .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&one, 1, wait_ms) == 0)
		return hanging;
	getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error ? errno_name(error) : connected;
}

static int late_syns(struct stage *stage, const struct scene *scene)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = STAGE_CLIENT;
	match.flags_set = TCP_FLAG_SYN;
	match.key = &scene->keys[LATE_SYN];
	return stage_segments(stage, &match, NULL, 0);
}

/* Until connect() has come to something, or has repeated its SYN twice in vain. */
static int connect_too_late(struct stage *stage, struct scene *scene, bool *ret_hangs)
{
	int64_t end = clock_now_ns() + SYNS_SECONDS * NS_PER_S;
	const char *outcome;

	TRY(stage, start_late_connect(stage, scene));
	stage_state(stage, -1, "a client's SYN has no answer");
	do
		outcome = late_outcome(scene, 20);
	while (strcmp(outcome, hanging) == 0 && clock_now_ns() < end &&
	       late_syns(stage, scene) < SYNS_BEFORE_ACCEPT);
	stage_measure_text(stage, "late_syn_outcome", outcome);
	stage_measure(stage, "late_syn_waited_s",
		      clock_seconds(clock_now_ns() - scene->late_began_ns));
	stage_measure(stage, "late_syn_count", late_syns(stage, scene));
	*ret_hangs = strcmp(outcome, hanging) == 0;
	return 0;
}

/* ---- the client whose last ACK came too late, and the counters */

static const char *state_name(struct stage *stage, size_t host, const struct tcp_key *key)
{
	struct socket_status status;

	if (stage_status(stage, host, key, &status) < 0)
		return "unknown";
	return tcp_state_name(status.state);
}

static int measure_full(struct stage *stage, struct scene *scene)
{
	struct tcp_key at_server = tcp_key_reverse(&scene->keys[LATE_ACK]);
	struct wire_match resets = WIRE_MATCH_ALL;
	char byte;
	ssize_t n = recv(scene->clients[LATE_ACK], &byte, 1, MSG_DONTWAIT);

	stage_measure_text(stage, "late_ack_client",
			   state_name(stage, STAGE_CLIENT, &scene->keys[LATE_ACK]));
	stage_measure_text(stage, "late_ack_server", state_name(stage, STAGE_SERVER, &at_server));
	stage_measure_text(stage, "late_ack_read", n < 0 ? errno_name(errno) : "end of file");
	stage_measure(stage, "listen_overflows_count",
		      (double)stage_counter(stage, STAGE_SERVER, "TcpExt.ListenOverflows"));
	stage_measure(stage, "listen_drops_count",
		      (double)stage_counter(stage, STAGE_SERVER, "TcpExt.ListenDrops"));
	resets.from = STAGE_SERVER;
	resets.flags_set = TCP_FLAG_RST;
	stage_measure(stage, "rst_count", stage_segments(stage, &resets, NULL, 0));
	return 0;
}

/* The server accepts again: who hung gets in with the next repeat. */
static int accept_again(struct stage *stage, struct scene *scene, bool hangs)
{
	struct tcp_key at_server = tcp_key_reverse(&scene->keys[LATE_ACK]);
	unsigned length = 0, bound;
	int state;

	TRY(stage, look_at_queue(scene->listener, &length, &bound));
	TRY(stage, accept_all(stage, scene, length));
	if (hangs) {
		stage_state(stage, -1, "the server accepts again, until the SYN is repeated");
		stage_measure_text(stage, "late_syn_in_the_end",
				   late_outcome(scene, CONNECT_SECONDS * 1000));
		stage_measure(stage, "late_syn_took_s",
			      clock_seconds(clock_now_ns() - scene->late_began_ns));
	}
	state = stage_outcome(stage, STAGE_SERVER, &at_server,
			      STATE_BIT(TCP_ESTABLISHED) | STATE_BIT(TCP_STATE_NONE),
			      CONNECT_SECONDS);
	stage_measure_text(stage, "late_ack_server_in_the_end", tcp_state_name(state));
	return 0;
}

static void close_scene(struct scene *scene)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (scene->clients[i] >= 0)
			close(scene->clients[i]);
	for (size_t i = 0; i < scene->accepted_count; i++)
		close(scene->accepted[i]);
	if (scene->listener >= 0)
		close(scene->listener);
}

static int play_in(struct stage *stage, struct scene *scene)
{
	bool hangs = false;

	TRY(stage, open_scene(stage, scene));
	TRY(stage, fill_but_one(stage, scene));
	TRY(stage, race_for_last(stage, scene));
	TRY(stage, connect_too_late(stage, scene, &hangs));
	TRY(stage, measure_full(stage, scene));
	return accept_again(stage, scene, hangs);
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	struct scene scene = {.story = stage->arm->extra, .listener = -1};
	int r;

	for (size_t i = 0; i < CLIENTS; i++)
		scene.clients[i] = -1;
	r = play_in(stage, &scene);
	close_scene(&scene);
	return r;
}

/*
 * Something in front of the server refuses for it once it is full: the late SYN goes to a port
 * where nobody listens, and its RST comes back as if from the server's port.
 */
static int falsify(struct stage *stage)
{
	static struct wire_translation there, back;
	struct wire_rule rule = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_REWRITE,
				 .rewrite = wire_rewrite_address,
				 .note = "refused by a box on the path"};

	if (stage->arm->role == ARM_CONTROL)
		return 0;
	there.from = (struct tcp_endpoint){.address = *host_address(stage->server, AF_INET, 0),
					   .port = STAGE_PORT};
	there.to = there.from;
	there.to.port = STAGE_PORT + 1;
	back = (struct wire_translation){.from = there.to, .to = there.from};

	rule.match.from = STAGE_CLIENT;
	rule.match.flags_set = TCP_FLAG_SYN;
	rule.match.skip = LATE_SYN;
	rule.context = &there;
	TRY(stage, wire_rule_add(stage->wire, &rule));
	rule.match = WIRE_MATCH_ALL;
	rule.match.from = STAGE_SERVER;
	rule.match.flags_set = TCP_FLAG_RST;
	rule.context = &back;
	return wire_rule_add(stage->wire, &rule);
}

static const char *const full = "full";
static const char *const aborts = "abort-on-overflow";
static const char *const bounded = "somaxconn";
static const char *const accepting = "accepting";

static bool is(const struct evidence *evidence, const char *arm, const char *name, const char *text)
{
	return strcmp(evidence_text(evidence, arm, name), text) == 0;
}

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	static const char *const numbers[] = {
		"backlog_asked",	  "backlog_given",	"late_syn_count",
		"listen_overflows_count", "listen_drops_count", "rst_count",
	};
	static const char *const texts[] = {
		"late_syn_outcome",	      "late_ack_client", "late_ack_server", "late_ack_read",
		"late_ack_server_in_the_end",
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		judge_measured(ret, evidence_number(evidence, arm, numbers[i]), "%s_%s", numbers[i],
			       suffix);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		judge_measured_text(ret, evidence_text(evidence, arm, texts[i]), "%s_%s", texts[i],
				    suffix);
	if (strcmp(arm, accepting) != 0)
		judge_measured(ret, evidence_number(evidence, arm, "accept_queue_count"),
			       "accept_queue_count_%s", suffix);
	if (is(evidence, arm, "late_syn_outcome", hanging))
		judge_measured(ret, evidence_number(evidence, arm, "late_syn_took_s"),
			       "late_syn_took_s_%s", suffix);
}

/* What tcp_abort_on_overflow=1 did beyond the default. */
static const char *abort_effect(const struct evidence *evidence)
{
	bool late_syn_hangs = is(evidence, aborts, "late_syn_outcome", hanging);
	bool late_ack_reset = is(evidence, aborts, "late_ack_read", "ECONNRESET");

	if (late_syn_hangs && late_ack_reset)
		return "resets only a handshake that was under way";
	if (late_syn_hangs)
		return "changes nothing";
	return "refuses it";
}

static void say_refuted(const struct evidence *evidence, struct judgement *ret)
{
	double asked = evidence_number(evidence, full, "backlog_asked");
	double places = evidence_number(evidence, full, "accept_queue_count");
	double took = evidence_number(evidence, full, "late_syn_took_s");

	if (!is(evidence, full, "late_syn_in_the_end", "connected"))
		judge_say(ret, VERDICT_REFUTED,
			  "A full accept queue drops SYNs in silence: the next client hung, and "
			  "%.0f s later, with room in the queue again, connect() gave %s.",
			  took, evidence_text(evidence, full, "late_syn_in_the_end"));
	else
		judge_say(ret, VERDICT_REFUTED,
			  "A full queue drops SYNs in silence: listen(%.0f) took %.0f, the next "
			  "client hung and got in after %.1f s, by a repeat; "
			  "tcp_abort_on_overflow=1 %s. Connects that take 1 or 3 s: look at "
			  "ListenOverflows, raise listen()'s backlog and somaxconn, accept faster.",
			  asked, places, took, abort_effect(evidence));
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const char *outcome = evidence_text(evidence, full, "late_syn_outcome");
	double places = evidence_number(evidence, full, "accept_queue_count");
	double asked = evidence_number(evidence, full, "backlog_asked");
	bool hangs = is(evidence, full, "late_syn_outcome", hanging);

	tell(evidence, full, "full", ret);
	tell(evidence, aborts, "abort_on_overflow", ret);
	tell(evidence, bounded, "somaxconn", ret);
	tell(evidence, accepting, "accepting", ret);
	judge_deciding(ret, "connect(): %s, %.0f SYNs in %.1f s", outcome,
		       evidence_number(evidence, full, "late_syn_count"),
		       evidence_number(evidence, full, "late_syn_waited_s"));

	if (!is(evidence, accepting, "late_syn_outcome", connected))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "A server that accepts did not get the last client either (%s): it is "
			  "not the queue that decides here.",
			  evidence_text(evidence, accepting, "late_syn_outcome"));
	else if (is(evidence, full, "late_syn_outcome", connected))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "With listen(%.0f) %.0f connections waited, and the next came in all the "
			  "same: the queue was not full.",
			  asked, places);
	else if (hangs && evidence_number(evidence, full, "listen_overflows_count") == 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "connect() hung, but the kernel counted no overflow of the queue: "
			  "something else keeps the SYN from being answered.");
	else if (hangs)
		say_refuted(evidence, ret);
	else
		judge_say(ret, VERDICT_HOLDS,
			  "With %.0f connections waiting after listen(%.0f) the next connect() "
			  "failed with %s.",
			  places, asked, outcome);
}

static const struct arm arms[] = {
	{
		.name = "full",
		.role = ARM_TREATMENT,
		.what = "listen(4), nobody accepts; two handshakes for the last place, then a SYN",
		.seconds = 4,
		.extra = &(const struct story){.backlog = BACKLOG},
		.play = play,
	},
	{
		.name = "abort-on-overflow",
		.role = ARM_TREATMENT,
		.what = "the same with tcp_abort_on_overflow=1",
		.seconds = 4,
		.extra = &(const struct story){.backlog = BACKLOG, .abort_on_overflow = 1},
		.play = play,
	},
	{
		.name = "somaxconn",
		.role = ARM_TREATMENT,
		.what = "listen(128) under net.core.somaxconn=4: the queue is as short",
		.seconds = 4,
		.extra = &(const struct story){.backlog = 128, .somaxconn = BACKLOG},
		.play = play,
	},
	{
		.name = "accepting",
		.role = ARM_CONTROL,
		.what = "listen(4), and the server accepts: the same clients must all get in",
		.seconds = 1,
		.extra = &(const struct story){.backlog = BACKLOG, .accepts = true},
		.play = play,
	},
};

const struct experiment experiment_backlog = {
	.id = "backlog",
	.claim = "When the accept queue is full the next client's connect() is refused.",
	.source = "article, 샘플 서버 (it listens with 128); listen(2)",
	.section = "H. Servers",
	.method = "A server that does not accept, its queue filled up to the last place; two "
		  "handshakes that come for this place together, then one more SYN; what each "
		  "client gets, then and once the server accepts again. Control: a server that "
		  "accepts.",
	.why = "A server too slow to accept shows as connects that take 1, 3 or 7 seconds, or as "
	       "clients whose connection the server has never heard of; hardly ever as an error.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
