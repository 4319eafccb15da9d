/*
 * Question: how many sockets can a server have on one port?
 *
 * Kernel path (6.18): a connection is found by all of its 4-tuple (net/ipv4/inet_hashtables.c,
 * __inet_lookup_established(): INET_MATCH() of both addresses and both ports), in TIME-WAIT as
 * before; accept() gives a socket and takes no port, for the child shares the listener's bind
 * bucket (__inet_inherit_port()). What is finite are the 4-tuples: a client address has 65,535
 * ports towards one server port. A SYN for a tuple that is in TIME-WAIT reopens that one
 * (net/ipv4/tcp_minisocks.c, tcp_timewait_state_process(): TCP_TW_SYN), so that one address
 * never makes more of them than it has ports. tcp_max_tw_buckets bounds TIME-WAIT of a namespace.
 *
 * Packets expected, some 100,000 times: SYN, SYN+ACK, ACK, the server's FIN, its ACK, the client's
 * FIN, its ACK. None are kept: the link is fast.
 */
#include "lab/experiments/loading.h"

/* The default range: that of a client that nobody has tuned. */
#define FIRST_PORT 32768
#define LAST_PORT  60999
#define PORTS	   (LAST_PORT - FIRST_PORT + 1)

#define MANY	  100000 /* from four addresses: 25,000 ports each */
#define ONE_ROUND 40000	 /* from one address: its ports come round again */
#define MOST	  65535

/* TIME-WAIT lasts 60 s: what takes longer to make is gone before it is counted. */
#define LIMIT_S 50

/* arm->value: connections; arm->extra: the client's addresses. */
static int play(struct stage *stage)
{
	struct filling filling = {
		.client_host = STAGE_CLIENT,
		.server_host = STAGE_SERVER,
		.port = STAGE_PORT,
		.sources = stage->arm->extra,
		.first_port = FIRST_PORT,
		.last_port = LAST_PORT,
		.connections = (uint64_t)stage->arm->value,
		.seconds = LIMIT_S,
	};
	struct loading made;

	TRY(stage, loading_open(stage, FIRST_PORT, LAST_PORT));
	stage_state(stage, -1, "%ld connections, each closed by the server", stage->arm->value);
	TRY(stage, loading_fill(stage, &filling, &made));
	stage_measure(stage, "time_wait_count", (double)loading_time_waits(stage, STAGE_SERVER));
	stage_measure(stage, "connections", (double)made.sum.completed);
	stage_measure(stage, "failed_count", (double)made.sum.failed_all);
	stage_measure(stage, "seconds", made.seconds);
	return 0;
}

/* A bound on TIME-WAIT that is lower than what is asked. */
static int falsify(struct stage *stage)
{
	return stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_max_tw_buckets", 20000);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double held = evidence_number(evidence, "four-addresses", "time_wait_count");
	double made = evidence_number(evidence, "four-addresses", "connections");
	double seconds = evidence_number(evidence, "four-addresses", "seconds");
	double one = evidence_number(evidence, "one-address", "time_wait_count");
	double one_made = evidence_number(evidence, "one-address", "connections");

	judge_measured(ret, held, "time_wait_from_four_addresses");
	judge_measured(ret, made, "connections_from_four_addresses");
	judge_measured(ret, seconds, "seconds_for_them");
	judge_measured(ret, one, "time_wait_from_one_address");
	judge_measured(ret, one_made, "connections_from_one_address");
	judge_deciding(ret, "%.0f sockets on one port", held);

	if (made <= MOST || one_made <= PORTS)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Only %.0f and %.0f connections came about: too few to meet a limit.",
			  made, one_made);
	else if (one > PORTS)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "One client address left %.0f TIME-WAIT, more than its %d ports: "
			  "something else than 4-tuples is counted here.",
			  one, PORTS);
	else if (held <= MOST)
		judge_say(ret, VERDICT_REFUTED,
			  "Of %.0f connections the server's port held %.0f in TIME-WAIT, and no "
			  "more: look at tcp_max_tw_buckets.",
			  made, held);
	else
		judge_say(ret, VERDICT_HOLDS,
			  "One server port held %.0f sockets, made in %.1f s: ports do not limit a "
			  "server, memory and descriptors do. One client address alone cannot have "
			  "more than its ports (here %d, %.0f were held): that limit is the "
			  "client's.",
			  held, seconds, PORTS, one);
}

static const struct arm arms[] = {
	{
		.name = "four-addresses",
		.role = ARM_TREATMENT,
		.what = "100,000 connections from four client addresses, closed by the server",
		.seconds = 8,
		.value = MANY,
		.extra = LOADING_SOURCES,
		.play = play,
	},
	{
		.name = "one-address",
		.role = ARM_CONTROL,
		.what = "40,000 from one address: never more TIME-WAIT than it has ports",
		.seconds = 4,
		.value = ONE_ROUND,
		.extra = LOADING_ONE_SOURCE,
		.play = play,
	},
};

const struct experiment experiment_beyond_65535 = {
	.id = "beyond-65535",
	.claim = "A server can hold more than 65,535 sockets on one port.",
	.source = "article, 자원 할당; RFC 9293 3.3.1",
	.section = "C. What it costs",
	.method = "contest load opens 100,000 connections from four client addresses to one port, "
		  "and the server closes each first; the kernel's count of TIME-WAIT there. Then "
		  "40,000 from one address, whose ports come round again.",
	.why = "Who believes that a server runs out of ports looks for the limit at the wrong end, "
	       "and tunes ip_local_port_range where it does nothing.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.alone = true,
	.falsify = falsify,
	.judge = judge,
};
