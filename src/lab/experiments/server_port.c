/*
 * Question: does a server take a local port for each connection that it accepts?
 *
 * Kernel path (6.18): the socket of an accepted connection is made from the SYN's request, whose
 * port is the one that the SYN went to: inet_csk_clone_lock() (net/ipv4/inet_connection_sock.c)
 * copies ir_num, and __inet_inherit_port() (net/ipv4/inet_hashtables.c) adds the socket to the
 * listener's own bind bucket. No port is looked for. ip_local_port_range is read where one is:
 * connect() without bind() (__inet_hash_connect()) and bind() to port 0.
 *
 * Packets expected: SYNs from 200 ports of the client to one port of the server, whose every
 * segment comes from that port. Controls: whoever connects with a range of two ports gets two
 * connections to one destination and then EADDRNOTAVAIL without a packet; the client, and the
 * same server once it connects to something itself.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "lab/experiments/common.h"
#include "observe/sockdiag.h"

/* Far more than the range has ports, and open at once. */
#define CONNECTIONS 200
/* "40000 40001" */
#define RANGE	    "40000 40001"
#define RANGE_PORTS 2
/* What is served to each: the article's server sends as much. */
#define ANSWER_BYTES 26
/* A connect() that no port hinders, on a busy machine. */
#define CONNECT_SECONDS 5

#define NO_HOST (-1)

struct story {
	int cut;	   /* host whose ip_local_port_range has two ports, or NO_HOST */
	size_t connecting; /* host that connects; the other listens */
};

struct scene {
	const struct story *story;
	size_t accepting; /* the other host */
	int listener;
	int clients[CONNECTIONS], accepted[CONNECTIONS];
	size_t count; /* of connections that came about */
	int error;    /* errno of the connect() that did not, or 0 */
};

static int open_scene(struct stage *stage, struct scene *scene)
{
	TRY(stage, stage_open(stage, NULL));
	if (scene->story->cut != NO_HOST)
		TRY(stage, stage_sysctl_text(stage, (size_t)scene->story->cut,
					     "net.ipv4.ip_local_port_range", RANGE));
	return stage_listen(stage, scene->accepting, AF_INET, STAGE_PORT, &scene->listener);
}

/* Opens connections and keeps them, until a connect() fails or there are enough. */
static int open_connections(struct stage *stage, struct scene *scene)
{
	struct pair_options options = PAIR_DEFAULT;

	options.client_host = scene->story->connecting;
	options.server_host = scene->accepting;
	while (scene->count < CONNECTIONS) {
		size_t i = scene->count;
		int r = stage_connect(stage, &options, CONNECT_SECONDS, &scene->clients[i], NULL);

		if (r < 0) {
			scene->error = -r;
			return 0;
		}
		TRY(stage,
		    stage_accept(stage, scene->listener, CONNECT_SECONDS, &scene->accepted[i]));
		scene->count++;
	}
	return 0;
}

/* All are open; each gets an answer. */
static int serve(struct stage *stage, struct scene *scene)
{
	for (size_t i = 0; i < scene->count; i++)
		TRY(stage, stage_send(stage, scene->accepted[i], ANSWER_BYTES));
	for (size_t i = 0; i < scene->count; i++)
		TRY(stage, stage_receive(stage, scene->clients[i], ANSWER_BYTES, CONNECT_SECONDS));
	stage_measure(stage, "served", (double)scene->count);
	return 0;
}

/* The sockets of the accepting host but the listener, by their local port. */
struct ports_seen {
	size_t listening, other;
};

static int see_port(const struct socket_status *status, void *context)
{
	struct ports_seen *seen = context;

	if (status->state == TCP_LISTEN)
		return 0;
	if (status->key.local.port == STAGE_PORT)
		seen->listening++;
	else
		seen->other++;
	return 0;
}

static int measure_ports(struct stage *stage, const struct scene *scene)
{
	const struct host *host = world_host(stage->world, scene->accepting);
	struct ports_seen seen = {0};
	struct sockdiag *diag;
	int r;

	TRY(stage, sockdiag_open(host_netns(host), &diag, &stage->why));
	r = sockdiag_dump(diag, AF_UNSPEC, 0, see_port, &seen);
	sockdiag_close(diag);
	TRY(stage, r);
	stage_measure(stage, "on_listening_port", (double)seen.listening);
	stage_measure(stage, "on_other_ports", (double)seen.other);
	return 0;
}

static int play_in(struct stage *stage, struct scene *scene)
{
	TRY(stage, open_scene(stage, scene));
	TRY(stage, open_connections(stage, scene));
	stage_measure(stage, "connections", (double)scene->count);
	stage_measure_text(stage, "errno", scene->error ? errno_name(scene->error) : "none");
	TRY(stage, serve(stage, scene));
	return measure_ports(stage, scene);
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	struct scene scene = {.story = stage->arm->extra, .listener = -1};
	int r;

	scene.accepting = scene.story->connecting == STAGE_CLIENT ? STAGE_SERVER : STAGE_CLIENT;
	r = play_in(stage, &scene);
	for (size_t i = 0; i < scene.count; i++) {
		close(scene.clients[i]);
		close(scene.accepted[i]);
	}
	if (scene.listener >= 0)
		close(scene.listener);
	return r;
}

/* As if each connection took a port of a range of two: the third SYN is not answered. */
static int falsify(struct stage *stage)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_DROP,
				 .note = "as if the server had no port left"};

	rule.match.flags_set = TCP_FLAG_SYN;
	rule.match.flags_clear = TCP_FLAG_ACK;
	rule.match.skip = RANGE_PORTS;
	return wire_rule_add(stage->wire, &rule);
}

/* Whether the range of two ports limited the host that connects. */
static bool limited(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "connections") == RANGE_PORTS &&
	       strcmp(evidence_text(evidence, arm, "errno"), "EADDRNOTAVAIL") == 0;
}

/* Whether as many connections as were asked for were accepted and served on the one port. */
static bool unlimited(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "served") == CONNECTIONS &&
	       evidence_number(evidence, arm, "on_listening_port") == CONNECTIONS;
}

static void judge_numbers(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured(ret, evidence_number(evidence, "server-two-ports", "connections"),
		       "accepted_with_two_ports_at_the_server");
	judge_measured(ret, evidence_number(evidence, "server-two-ports", "on_listening_port"),
		       "sockets_on_the_listening_port");
	judge_measured(ret, evidence_number(evidence, "server-two-ports", "on_other_ports"),
		       "sockets_on_other_ports");
	judge_measured(ret, evidence_number(evidence, "server-default", "connections"),
		       "accepted_with_the_default_range");
	judge_measured(ret, evidence_number(evidence, "client-two-ports", "connections"),
		       "connections_with_two_ports_at_the_client");
	judge_measured(ret, evidence_number(evidence, "server-connects", "connections"),
		       "connections_of_a_server_that_connects_with_two_ports");
	judge_measured_text(ret, evidence_text(evidence, "client-two-ports", "errno"),
			    "errno_at_the_client");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double served = evidence_number(evidence, "server-two-ports", "served");
	double other = evidence_number(evidence, "server-two-ports", "on_other_ports");

	judge_numbers(evidence, ret);
	judge_deciding(ret, "%.0f accepted with a range of %d ports", served, RANGE_PORTS);
	if (!unlimited(evidence, "server-two-ports") || other > 0)
		judge_say(ret, VERDICT_REFUTED,
			  "With two local ports the server served %.0f of %d connections, %.0f of "
			  "them on another port than it listens on.",
			  served, CONNECTIONS, other);
	else if (!unlimited(evidence, "server-default"))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "With the default range fewer were served than with two ports: something "
			  "else limits here.");
	else if (!limited(evidence, "client-two-ports") || !limited(evidence, "server-connects"))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "A range of two ports did not limit who connects, either: it shows "
			  "nothing about who accepts.");
	else
		judge_say(ret, VERDICT_HOLDS,
			  "Accepting takes no local port, so ip_local_port_range is no limit for a "
			  "server (%.0f connections on its one port); it counts for whoever "
			  "connects, and so for a proxy's connections to its backends (%d, then "
			  "EADDRNOTAVAIL).",
			  served, RANGE_PORTS);
}

static const struct arm arms[] = {
	{
		.name = "server-two-ports",
		.role = ARM_TREATMENT,
		.what = "the server's range has two ports; 200 connections to it at once",
		.seconds = 1,
		.extra = &(const struct story){.cut = STAGE_SERVER, .connecting = STAGE_CLIENT},
		.play = play,
	},
	{
		.name = "server-default",
		.role = ARM_TREATMENT,
		.what = "the default range at both; 200 connections to the server at once",
		.seconds = 1,
		.extra = &(const struct story){.cut = NO_HOST, .connecting = STAGE_CLIENT},
		.play = play,
	},
	{
		.name = "client-two-ports",
		.role = ARM_CONTROL,
		.what = "the client's range has two ports: it must get no third connection",
		.seconds = 1,
		.extra = &(const struct story){.cut = STAGE_CLIENT, .connecting = STAGE_CLIENT},
		.play = play,
	},
	{
		.name = "server-connects",
		.role = ARM_CONTROL,
		.what = "the server's range has two ports, and it connects to the client's host",
		.seconds = 1,
		.extra = &(const struct story){.cut = STAGE_SERVER, .connecting = STAGE_SERVER},
		.play = play,
	},
};

const struct experiment experiment_server_port = {
	.id = "server-port",
	.claim = "A server uses no local ports beyond the one it listens on.",
	.source = "article, 자원 할당",
	.section = "C. What it costs",
	.method = "ip_local_port_range of the server is cut to two ports, and 200 connections are "
		  "accepted, kept and served; the kernel's list of sockets says on which port. "
		  "Controls: the same range at the end that connects.",
	.why = "\"A server has at most 65,535 connections\" and \"raise ip_local_port_range on the "
	       "server\" are still advised. Whoever connects needs the ports: clients, and proxies "
	       "towards their backends.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
