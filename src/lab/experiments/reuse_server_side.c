/*
 * Question: the server holds TIME-WAIT, and the client, which knows nothing of it, comes back from
 * the same port. Does its SYN open the connection?
 *
 * Kernel path: tcp_timewait_state_process() (net/ipv4/tcp_minisocks.c, 6.18) says TCP_TW_SYN, and
 * the listener takes the SYN over at once, when its sequence number lies beyond what TIME-WAIT
 * expects, or its timestamp is newer than the last one seen; unless the timestamp is older, which
 * outweighs the sequence number (PAWS). RFC 9293 3.6.1 and RFC 6191 allow both. The reopened end
 * begins its own numbers 65537 beyond the old connection's (tcp_tw_isn).
 *
 * Packets expected: newer by either: SYN, SYN+ACK, ACK. Older: SYN, the old connection's last ACK
 * once more, the client's RST to that (RFC 9293 3.10.7.3), which deletes TIME-WAIT, and the SYN
 * again, to a SYN+ACK: two ticks later, since 5.6 (TCP_TIMEOUT_MIN in
 * tcp_rcv_synsent_state_process(), net/ipv4/tcp_input.c), and a second later before.
 *
 * At the client TIME-WAIT is asked otherwise: tcp_twsk_unique() (net/ipv4/tcp_ipv4.c) refuses
 * without tcp_tw_reuse when the kernel looks for a port, and allows it with timestamps alone when
 * the program has named the port (__inet_hash_connect() then passes no twp).
 *
 * Who comes with an older SYN? Another host behind the same NAT, or the same one after more than
 * 15.6 MB/s (an initial sequence number grows by one in 64 ns, net/core/secure_seq.c). Here it
 * is the same kernel: the new socket is told its initial sequence number, or the old one is told
 * to be ahead with its timestamps (TCP_REPAIR), and no packet is made up.
 */
#include "lab/stage.h"

#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tcp/seq.h"

#define CLIENT_PORT 40000 /* the client's only one, as in the range below */
#define GREETING    26	  /* bytes that the server sends over each connection */

#define OLDER_BY_BYTES 1000000
#define OLDER_BY_MS    1000000

/* Until a SYN is repeated, and again: 1 + 2 s (RFC 6298 2), and some for a busy machine. */
#define CONNECT_SECONDS 4

/* More than the coarsest timestamp clock there was, a tick of 10 ms before 4.13. */
#define CLOCK_MOVES_S 0.05

#define OPTION_TIMESTAMPS 8

struct plan {
	int family;
	bool client_closes_first;
	bool names_port; /* bind() to CLIENT_PORT, which otherwise the kernel has to choose */
	bool timestamps;
	bool older_sequence;  /* of the second SYN */
	bool older_timestamp; /* the same */
};

static struct pair_options options_of(const struct plan *plan)
{
	struct pair_options options = PAIR_DEFAULT;

	options.family = plan->family;
	if (plan->names_port)
		options.client_port = CLIENT_PORT;
	return options;
}

/* ---- the first connection */

/* What the server's TIME-WAIT keeps of the first connection. */
struct past {
	uint32_t client_next, server_next; /* sequence numbers expected of either */
	uint32_t client_timestamp;	   /* last one seen */
	bool has_timestamp;
};

/* Makes the timestamps of a connected socket run ahead of the host's. */
static int run_ahead(int fd)
{
	int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP;
	unsigned now, ahead;
	socklen_t length = sizeof(now);

	if (getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &now, &length) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return -errno;
	ahead = now + OLDER_BY_MS;
	if (setsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &ahead, sizeof(ahead)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		return -errno;
	return 0;
}

static int close_both(struct stage *stage, bool client_first, struct pair *pair)
{
	size_t first = client_first ? STAGE_CLIENT : STAGE_SERVER;
	const struct tcp_key *first_key = client_first ? &pair->client_key : &pair->server_key;
	const struct tcp_key *second_key = client_first ? &pair->server_key : &pair->client_key;

	TRY(stage, stage_shut(stage, client_first ? &pair->client : &pair->server));
	TRY(stage, stage_await(stage, !first, second_key, TCP_CLOSE_WAIT, 3, NULL));
	TRY(stage, stage_shut(stage, client_first ? &pair->server : &pair->client));
	TRY(stage, stage_await(stage, first, first_key, TCP_TIME_WAIT, 3, NULL));
	return stage_await(stage, !first, second_key, TCP_STATE_NONE, 3, NULL);
}

/* The last segments of both ends, which are what TIME-WAIT remembers. */
static int remember(struct stage *stage, struct past *ret)
{
	struct wire_match fins = WIRE_MATCH_ALL;
	struct stage_segment client, server;

	fins.flags_set = TCP_FLAG_FIN;
	fins.from = STAGE_CLIENT;
	TRY(stage, stage_await_segments(stage, &fins, 1, 1, &client));
	fins.from = STAGE_SERVER;
	TRY(stage, stage_await_segments(stage, &fins, 1, 1, &server));
	*ret = (struct past){
		.client_next = segment_end(&client.segment),
		.server_next = segment_end(&server.segment),
		.client_timestamp = client.segment.options.ts_value,
		.has_timestamp = client.segment.options.has_timestamps,
	};
	return 0;
}

static int leave_time_wait(struct stage *stage, const struct plan *plan, int listener,
			   struct past *ret)
{
	struct pair_options options = options_of(plan);
	struct pair pair;

	options.listener = listener;
	TRY(stage, stage_pair(stage, &options, &pair));
	if (plan->older_timestamp)
		TRY(stage, run_ahead(pair.client));
	TRY(stage, stage_send(stage, pair.server, GREETING));
	TRY(stage, stage_receive(stage, pair.client, GREETING, 3));
	TRY(stage, close_both(stage, plan->client_closes_first, &pair));
	return remember(stage, ret);
}

/* ---- the second */

/* The socket's initial sequence number shall lie before what TIME-WAIT expects. */
static int begin_before(int fd, void *context)
{
	const struct past *past = context;
	int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP, queue = TCP_SEND_QUEUE;
	uint32_t sequence = past->client_next - OLDER_BY_BYTES;

	/* 0 would mean: choose one. */
	if (sequence == 0)
		sequence--;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence, sizeof(sequence)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		return -errno;
	return 0;
}

/* What @from sends from now on, with @flags. */
static struct wire_match from_now(struct stage *stage, int from, uint8_t flags)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = from;
	match.flags_set = flags;
	match.skip = (unsigned)stage_segments(stage, &match, NULL, 0);
	return match;
}

/* By how much the second connection's numbers lie beyond those of the first. */
static void measure_ahead(struct stage *stage, const struct past *past,
			  const struct stage_segment *syn)
{
	const struct tcp_options *options = &syn->segment.options;

	stage_measure(stage, "syn_ahead_bytes", seq_diff(syn->segment.seq, past->client_next));
	if (options->has_timestamps && past->has_timestamp)
		stage_measure(stage, "syn_ahead_ms",
			      seq_diff(options->ts_value, past->client_timestamp));
}

/* Whether the connection carries data: bytes that arrived. The server then closes, the client
 * sees that. */
static size_t try_greeting(struct stage *stage, int listener, int client)
{
	CLEANUP_CLOSE int server = -1;
	int error;

	if (stage_accept(stage, listener, 3, &server) < 0 ||
	    stage_send(stage, server, GREETING) < 0 ||
	    stage_receive(stage, client, GREETING, 3) < 0)
		return 0;
	stage_shut(stage, &server);
	stage_read_error(stage, client, 3, &error);
	return GREETING;
}

/* connect(2) from the same port again: what it gives, and what is sent for it. */
static int come_back(struct stage *stage, const struct plan *plan, int listener, struct past *past)
{
	struct wire_match syns = from_now(stage, STAGE_CLIENT, TCP_FLAG_SYN);
	struct wire_match rsts = from_now(stage, STAGE_CLIENT, TCP_FLAG_RST);
	struct wire_match answers = from_now(stage, STAGE_SERVER, 0);
	struct wire_match openings = from_now(stage, STAGE_SERVER, TCP_FLAG_SYN);
	struct pair_options options = options_of(plan);
	char answer_text[SEGMENT_FLAGS_TEXT_MAX] = "none";
	struct stage_segment syn, answer, opening;
	CLEANUP_CLOSE int client = -1;
	int64_t began;
	int r;

	if (plan->older_sequence) {
		options.prepare = begin_before;
		options.context = past;
	}
	stage_state(stage, -1, "the client connects again from port %d", CLIENT_PORT);
	began = clock_now_ns();
	r = stage_connect(stage, &options, CONNECT_SECONDS, &client, NULL);
	stage_measure(stage, "connect_ms", clock_seconds(clock_now_ns() - began) * 1000);
	stage_measure(stage, "connected", r == 0);
	stage_measure_text(stage, "errno", r < 0 ? strerrorname_np(-r) : "none");
	stage_measure(stage, "received_bytes",
		      r == 0 ? (double)try_greeting(stage, listener, client) : 0);

	stage_measure(stage, "syn_count", stage_segments(stage, &syns, NULL, 0));
	stage_measure(stage, "rst_count", stage_segments(stage, &rsts, NULL, 0));
	if (stage_segments(stage, &syns, &syn, 1) > 0)
		measure_ahead(stage, past, &syn);
	if (stage_segments(stage, &answers, &answer, 1) > 0)
		segment_flags_format(answer.segment.flags, answer_text);
	stage_measure_text(stage, "first_answer", answer_text);
	if (stage_segments(stage, &openings, &opening, 1) > 0)
		stage_measure(stage, "server_ahead_bytes",
			      seq_diff(opening.segment.seq, past->server_next));
	return 0;
}

static int play(struct stage *stage)
{
	const struct plan *plan = stage->arm->extra;
	CLEANUP_CLOSE int listener = -1;
	struct past past;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_tw_reuse", 0));
	TRY(stage, stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_tw_reuse", 0));
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_timestamps", plan->timestamps));
	TRY(stage,
	    stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_port_range", "40000 40000"));
	TRY(stage, stage_listen(stage, STAGE_SERVER, plan->family, STAGE_PORT, &listener));
	TRY(stage, leave_time_wait(stage, plan, listener, &past));
	TRY(stage, stage_pass_time(stage, CLOCK_MOVES_S, "the timestamp clock moves on"));
	return come_back(stage, plan, listener, &past);
}

/*
 * Takes the timestamps out of the SYN that comes back: what is older by its sequence number has
 * nothing left that is newer.
 */
static int falsify(struct stage *stage)
{
	static uint8_t kind = OPTION_TIMESTAMPS;
	struct wire_rule rule = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_REWRITE,
				 .rewrite = wire_rewrite_strip_option,
				 .context = &kind,
				 .note = "the SYN loses its timestamp"};

	rule.match.from = STAGE_CLIENT;
	rule.match.flags_set = TCP_FLAG_SYN;
	rule.match.skip = 1;
	rule.match.count = 1;
	return wire_rule_add(stage->wire, &rule);
}

/* ---- the verdict */

struct row {
	const char *arm, *as; /* its name, and what it adds to the names of numbers */
};

static const struct row treatments[] = {
	{"newer", "newer"},
	{"newer-v6", "newer_v6"},
	{"newer-timestamp-only", "newer_timestamp_only"},
	{"newer-sequence-only", "newer_sequence_only"},
};
static const struct row older[] = {
	{"older-timestamp", "older_timestamp"},
	{"older-sequence", "older_sequence"},
};
static const struct row client_side = {"client-closes-first", "client_closes_first"};
static const struct row named = {"client-closes-first-bind", "client_closes_first_bind"};

/* One SYN was enough, and the SYN+ACK is the answer to it. */
static bool reopened_at_once(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "connected") > 0 &&
	       evidence_number(evidence, arm, "syn_count") == 1 &&
	       evidence_number(evidence, arm, "received_bytes") == GREETING &&
	       strcmp(evidence_text(evidence, arm, "first_answer"), "SYN+ACK") == 0;
}

static void tell(const struct evidence *evidence, const struct row *row, struct judgement *ret)
{
	static const char *const names[] = {"syn_count", "rst_count", "connect_ms"};
	static const char *const maybe[] = {"syn_ahead_bytes", "syn_ahead_ms",
					    "server_ahead_bytes"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		judge_measured(ret, evidence_number(evidence, row->arm, names[i]), "%s_%s",
			       names[i], row->as);
	for (size_t i = 0; i < ARRAY_SIZE(maybe); i++)
		if (evidence_knows(evidence, row->arm, maybe[i]))
			judge_measured(ret, evidence_number(evidence, row->arm, maybe[i]), "%s_%s",
				       maybe[i], row->as);
	judge_measured_text(ret, evidence_text(evidence, row->arm, "first_answer"),
			    "first_answer_%s", row->as);
	judge_measured_text(ret, evidence_text(evidence, row->arm, "errno"), "errno_%s", row->as);
}

/* What an older SYN comes to, and what TIME-WAIT at the client does, in words. */
static void say_holds(const struct evidence *evidence, double slowest, struct judgement *ret)
{
	const size_t olders = ARRAY_SIZE(older);
	double connected = evidence_number(evidence, "older-sequence", "connected") +
			   evidence_number(evidence, "older-timestamp", "connected");
	double delay = fmax(evidence_number(evidence, "older-sequence", "connect_ms"),
			    evidence_number(evidence, "older-timestamp", "connect_ms"));
	const char *error = evidence_text(evidence, client_side.arm, "errno");
	const char *unless = evidence_number(evidence, named.arm, "connected") > 0
				     ? ", unless it bind()s its port itself"
				     : "";

	if (connected == (double)olders)
		judge_say(
			ret, VERDICT_HOLDS,
			"TIME-WAIT at a server blocks no client and needs no setting: a newer SYN "
			"connects in %.1f ms, an older one (NAT, or over 15.6 MB/s) after an ACK, a "
			"RST and a second SYN, in %.0f ms. TIME-WAIT at the client is what blocks: "
			"connect() fails with %s%s.",
			slowest, delay, error, unless);
	else
		judge_say(ret, VERDICT_HOLDS,
			  "TIME-WAIT at a server needs no setting as long as the client's SYN is "
			  "newer (%.1f ms to connect); an older one (NAT, or over 15.6 MB/s) does "
			  "not get through within %d s. With TIME-WAIT at the client connect() "
			  "fails with %s%s.",
			  slowest, CONNECT_SECONDS, error, unless);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const char *refused = NULL;
	double slowest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(treatments); i++) {
		const char *arm = treatments[i].arm;

		tell(evidence, &treatments[i], ret);
		slowest = fmax(slowest, evidence_number(evidence, arm, "connect_ms"));
		if (!refused && !reopened_at_once(evidence, arm))
			refused = arm;
	}
	for (size_t i = 0; i < ARRAY_SIZE(older); i++)
		tell(evidence, &older[i], ret);
	tell(evidence, &client_side, ret);
	tell(evidence, &named, ret);
	judge_deciding(ret, "newer SYN: %.0f SYN; older: %.0f SYN, %.0f RST",
		       evidence_number(evidence, "newer", "syn_count"),
		       evidence_number(evidence, "older-sequence", "syn_count"),
		       evidence_number(evidence, "older-sequence", "rst_count"));

	if (refused) {
		judge_say(ret, VERDICT_REFUTED,
			  "The SYN of the arm %s was answered by %s, and %.0f were sent: TIME-WAIT "
			  "at the server was in its way.",
			  refused, evidence_text(evidence, refused, "first_answer"),
			  evidence_number(evidence, refused, "syn_count"));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(older); i++) {
		if (!reopened_at_once(evidence, older[i].arm))
			continue;
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The SYN of the arm %s got its SYN+ACK at once, too: TIME-WAIT does not "
			  "tell newer from older here.",
			  older[i].arm);
		return;
	}
	if (evidence_number(evidence, client_side.arm, "connected") > 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "With TIME-WAIT at the client the same 4-tuple connected as well: the "
			  "side does not matter here.");
	else
		say_holds(evidence, slowest, ret);
}

static const struct plan
	newer = {.family = AF_INET, .timestamps = true},
	newer_v6 = {.family = AF_INET6, .timestamps = true},
	newer_timestamp = {.family = AF_INET, .timestamps = true, .older_sequence = true},
	newer_sequence = {.family = AF_INET},
	older_timestamp = {.family = AF_INET, .timestamps = true, .older_timestamp = true},
	older_sequence = {.family = AF_INET, .older_sequence = true},
	at_client = {.family = AF_INET, .client_closes_first = true, .timestamps = true},
	at_client_named = {.family = AF_INET,
			   .client_closes_first = true,
			   .names_port = true,
			   .timestamps = true};

static const struct arm arms[] = {
	{
		.name = "newer",
		.role = ARM_TREATMENT,
		.what = "the client comes back as it is: newer sequence number, newer timestamp",
		.seconds = 1,
		.extra = &newer,
		.play = play,
	},
	{
		.name = "newer-v6",
		.role = ARM_TREATMENT,
		.what = "the same over IPv6",
		.seconds = 1,
		.extra = &newer_v6,
		.play = play,
	},
	{
		.name = "newer-timestamp-only",
		.role = ARM_TREATMENT,
		.what = "older sequence number, newer timestamp",
		.seconds = 1,
		.extra = &newer_timestamp,
		.play = play,
	},
	{
		.name = "newer-sequence-only",
		.role = ARM_TREATMENT,
		.what = "newer sequence number, timestamps off",
		.seconds = 1,
		.extra = &newer_sequence,
		.play = play,
	},
	{
		.name = "older-timestamp",
		.role = ARM_CONTROL,
		.what = "newer sequence number, older timestamp: must not open it at once",
		.seconds = 2,
		.extra = &older_timestamp,
		.play = play,
	},
	{
		.name = "older-sequence",
		.role = ARM_CONTROL,
		.what = "older sequence number, timestamps off: must not open it at once",
		.seconds = 2,
		.extra = &older_sequence,
		.play = play,
	},
	{
		.name = "client-closes-first",
		.role = ARM_CONTROL,
		.what = "TIME-WAIT at the client instead: its own connect() must be refused",
		.seconds = 1,
		.extra = &at_client,
		.play = play,
	},
	{
		.name = "client-closes-first-bind",
		.role = ARM_TREATMENT,
		.what = "the same, its port named by bind(): not the claim, but good to know",
		.seconds = 1,
		.extra = &at_client_named,
		.play = play,
	},
};

const struct experiment experiment_reuse_server_side = {
	.id = "reuse-server-side",
	.claim =
		"A client's newer SYN reopens a connection whose TIME-WAIT is at the server at once "
		"and without any setting.",
	.source = "article, 재사용 (first case); RFC 9293 3.6.1, RFC 6191",
	.section = "D. Local ports and reuse",
	.method =
		"The server closes first; then the client connects from the same port again, with "
		"a sequence number and a timestamp that are newer or older than those that "
		"TIME-WAIT remembers. Control: TIME-WAIT at the client.",
	.why = "Thousands of TIME-WAIT at a server look like a block for clients that wrap round "
	       "their ports. They are none, and nothing has to be tuned at the server.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
