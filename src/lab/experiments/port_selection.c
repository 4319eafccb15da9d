/*
 * Question: which local port does a connection get that names none, and which does the next get?
 *
 * Kernel path (6.18): connect() alone asks __inet_hash_connect() (net/ipv4/inet_hashtables.c, RFC
 * 6056 3.3.4). It begins at a hash of source address, destination address and port, with a secret
 * of this boot, plus an entry of table_perturb[] that remembers how far that destination got; it
 * takes the next free port of the parity of the range's lower end, and moves the entry on by
 * 2 × (1 to 8), drawn by lot (since 5.18; by 2 before, and by 1 before 4.2). A socket with
 * IP_LOCAL_PORT_RANGE (6.3) has no parity and steps of 1 to 8 (since 6.9). bind() to port 0 asks
 * inet_csk_find_open_port() (net/ipv4/inet_connection_sock.c), which begins anywhere each time and
 * takes the other parity; with IP_BIND_ADDRESS_NO_PORT it leaves the choice to connect().
 *
 * The table is the machine's, not the namespace's: another world with the same addresses goes on
 * where this one stopped, so each arm has addresses of its own, by lot.
 *
 * Packets expected: SYN, SYN+ACK, ACK from each port in turn; all stay open, none is used twice.
 */
#include "lab/stage.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

#define FIRST_PORT  32768
#define PORTS	    28232 /* to 60999: the default range, from an even port to an odd one */
#define CONNECTIONS 64
/* Of the arm that goes to several: as many connections in all. */
#define DESTINATIONS 16
#define ROUNDS	     (CONNECTIONS / DESTINATIONS)

/* The longest step that the kernel draws by lot. By chance alone 16 of 28231 steps are as short. */
#define SHORT_STEP 16
/* What "each time" and "hardly ever" mean for a share: some ports of a range may be taken. */
#define MOST 0.9
#define FEW  0.2

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h, which does not go with netinet/in.h */
#endif

enum way { CONNECT, BIND_ZERO, BIND_NO_PORT, SOCKET_RANGE };

/* ---- what is counted of a sequence of ports */

struct tally {
	int steps, by_one, by_two, shorts;
	int smallest, largest;
	double sum; /* of the short ones */
};

/* How far it is upwards, wrapping round at the end of the range. */
static int step_between(uint16_t from, uint16_t to)
{
	return (to - from + PORTS) % PORTS;
}

static void count_step(struct tally *tally, uint16_t from, uint16_t to)
{
	int step = step_between(from, to);

	if (tally->steps++ == 0 || step < tally->smallest)
		tally->smallest = step;
	if (step > tally->largest)
		tally->largest = step;
	tally->by_one += step == 1;
	tally->by_two += step == 2;
	if (step >= 1 && step <= SHORT_STEP) {
		tally->shorts++;
		tally->sum += step;
	}
}

static void measure_steps(struct stage *stage, const struct tally *tally)
{
	stage_measure(stage, "plus_1_share", (double)tally->by_one / tally->steps);
	stage_measure(stage, "plus_2_share", (double)tally->by_two / tally->steps);
	stage_measure(stage, "short_step_share", (double)tally->shorts / tally->steps);
	stage_measure(stage, "smallest_step", tally->smallest);
	stage_measure(stage, "largest_step", tally->largest);
	if (tally->shorts > 0)
		stage_measure(stage, "mean_short_step", tally->sum / tally->shorts);
}

static void measure_parity(struct stage *stage, const uint16_t *ports, size_t count)
{
	size_t low = 0;

	for (size_t i = 0; i < count; i++)
		low += (ports[i] - FIRST_PORT) % 2 == 0;
	stage_measure(stage, "low_parity_share", (double)low / (double)count);
}

/* The sequence itself, for a reader. */
static void measure_text(struct stage *stage, const char *name, const uint16_t *ports, size_t count)
{
	char text[CONNECTIONS * 6 + 1] = "";
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u", i ? " " : "",
				       ports[i]);
	stage_measure_text(stage, name, text);
}

/* ---- the story */

/* Two hosts at addresses that no other world has, or hardly ever. */
static int open_stage(struct stage *stage)
{
	static char client[24], server[24];
	struct world_spec spec = {
		.link = WORLD_LINK_WIRE,
		.host_count = 2,
		.hosts = {{.name = "client", .addresses = {client}},
			  {.name = "server", .addresses = {server}}},
	};
	uint8_t lot[2];

	TRY_SYS(stage, getrandom(lot, sizeof(lot), 0) == sizeof(lot) ? 0 : -1);
	snprintf(client, sizeof(client), "10.%u.%u.1/24", lot[0], lot[1]);
	snprintf(server, sizeof(server), "10.%u.%u.2/24", lot[0], lot[1]);
	TRY(stage, stage_open(stage, &spec));
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_port_range",
				 "32768 60999");
}

/* Before connect(): bind() to port 0, or the option that the arm is about. */
static int prepare(int fd, void *context)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	uint32_t range = (uint32_t)(FIRST_PORT + PORTS - 1) << 16 | FIRST_PORT;
	int yes = 1;

	switch (*(const enum way *)context) {
	case CONNECT:
		return 0;
	case SOCKET_RANGE:
		return setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) < 0
			       ? -errno
			       : 0;
	case BIND_NO_PORT:
		if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)) < 0)
			return -errno;
		break;
	case BIND_ZERO:
		break;
	}
	return bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ? -errno : 0;
}

/* Connects @count times to the ports from STAGE_PORT on, each in turn, and keeps all open. */
static int take_ports(struct stage *stage, enum way way, size_t destinations, uint16_t *ret_ports)
{
	struct pair_options options = PAIR_DEFAULT;
	int fds[CONNECTIONS];
	size_t count = 0;
	int r = 0;

	options.prepare = prepare;
	options.context = &way;
	for (; count < CONNECTIONS; count++) {
		struct tcp_key key;

		options.port = (uint16_t)(STAGE_PORT + count % destinations);
		r = stage_connect(stage, &options, 5, &fds[count], &key);
		if (r < 0)
			break;
		ret_ports[count] = key.local.port;
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	if (r == -ENOPROTOOPT)
		return stage_not_testable(stage, "this kernel has no such socket option");
	return r < 0 ? stage_fail(stage, r, "connect() number %zu", count + 1) : 0;
}

/* arm->value: enum way. */
static int play_one_destination(struct stage *stage)
{
	CLEANUP_CLOSE int listener = -1;
	uint16_t ports[CONNECTIONS] = {0};
	struct tally tally = {0};

	TRY(stage, open_stage(stage));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &listener));
	TRY(stage, take_ports(stage, (enum way)stage->arm->value, 1, ports));
	for (size_t i = 1; i < CONNECTIONS; i++)
		count_step(&tally, ports[i - 1], ports[i]);
	measure_steps(stage, &tally);
	measure_parity(stage, ports, CONNECTIONS);
	measure_text(stage, "ports", ports, CONNECTIONS);
	return 0;
}

/* Several destinations in turn: the steps of each, and how far apart their first ports are. */
static int play_destinations(struct stage *stage)
{
	int listeners[DESTINATIONS];
	uint16_t ports[CONNECTIONS] = {0};
	struct tally within = {0}, firsts = {0};

	TRY(stage, open_stage(stage));
	for (size_t i = 0; i < DESTINATIONS; i++)
		TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, (uint16_t)(STAGE_PORT + i),
					&listeners[i]));
	TRY(stage, take_ports(stage, CONNECT, DESTINATIONS, ports));
	for (size_t i = DESTINATIONS; i < CONNECTIONS; i++)
		count_step(&within, ports[i - DESTINATIONS], ports[i]);
	for (size_t i = 1; i < DESTINATIONS; i++)
		count_step(&firsts, ports[i - 1], ports[i]);
	measure_steps(stage, &within);
	measure_parity(stage, ports, CONNECTIONS);
	stage_measure(stage, "first_ports_close_share", (double)firsts.shorts / firsts.steps);
	measure_text(stage, "ports", ports, CONNECTIONS);
	measure_text(stage, "first_ports", ports, DESTINATIONS);
	for (size_t i = 0; i < DESTINATIONS; i++)
		close(listeners[i]);
	return 0;
}

/* Only each 128th port may be chosen: there is no next one nearby. */
static int falsify(struct stage *stage)
{
	char text[4096];
	size_t at = 0;

	for (unsigned from = FIRST_PORT; from + 127 < FIRST_PORT + PORTS; from += 128)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u-%u", at ? "," : "",
				       from + 1, from + 127);
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_reserved_ports", text);
}

/* ---- the verdict */

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	static const struct {
		const char *arm, *as;
	} arms[] = {
		{"connect", "connect"},
		{"destinations", "per_destination"},
		{"bind-zero", "bind_0"},
		{"bind-no-port", "bind_address_no_port"},
		{"socket-range", "ip_local_port_range_option"},
	};
	static const char *const names[] = {"plus_1_share",  "plus_2_share", "short_step_share",
					    "smallest_step", "largest_step", "low_parity_share"};

	for (size_t i = 0; i < ARRAY_SIZE(arms); i++)
		for (size_t j = 0; evidence_has(evidence, arms[i].arm) && j < ARRAY_SIZE(names);
		     j++)
			judge_measured(ret, evidence_number(evidence, arms[i].arm, names[j]),
				       "%s_%s", names[j], arms[i].as);
	judge_measured(ret, evidence_number(evidence, "destinations", "first_ports_close_share"),
		       "first_ports_close_share");
}

/* What is true where the next port is near, but not the next number. */
static void say_changed(const struct evidence *evidence, struct judgement *ret)
{
	double parity = evidence_number(evidence, "connect", "low_parity_share");
	double bound = evidence_number(evidence, "bind-zero", "low_parity_share");

	judge_say(ret, VERDICT_CHANGED,
		  "Towards each destination connect() begins somewhere else and goes on by %.0f to "
		  "%.0f ports (%.1f on average); %.0f %% have the parity of the range's lower end: "
		  "half of the range is used first. bind() to port 0 jumps anywhere each time, "
		  "%.0f %% to the other parity. Rely on no order.",
		  evidence_number(evidence, "connect", "smallest_step"),
		  evidence_number(evidence, "connect", "largest_step"),
		  evidence_number(evidence, "connect", "mean_short_step"), 100 * parity,
		  100 * (1 - bound));
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double by_one = evidence_number(evidence, "connect", "plus_1_share");
	double near = evidence_number(evidence, "connect", "short_step_share");
	double per_destination = evidence_number(evidence, "destinations", "short_step_share");
	double firsts = evidence_number(evidence, "destinations", "first_ports_close_share");
	double control = evidence_number(evidence, "bind-zero", "short_step_share");

	tell(evidence, ret);
	judge_deciding(ret, "+1 in %.0f %%, steps %.0f to %.0f", 100 * by_one,
		       evidence_number(evidence, "connect", "smallest_step"),
		       evidence_number(evidence, "connect", "largest_step"));
	if (near < MOST || per_destination < MOST)
		judge_say(ret, VERDICT_REFUTED,
			  "The next port is within %d of the last one in only %.0f %% of the "
			  "connections: there is no sequence.",
			  SHORT_STEP, 100 * fmin(near, per_destination));
	else if (control > FEW)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "bind() to port 0 takes a port near the last one, too (%.0f %%): what "
			  "looks like a sequence may come from few free ports.",
			  100 * control);
	else if (firsts > FEW)
		judge_say(ret, VERDICT_REFUTED,
			  "The first ports towards %d destinations are next to each other (%.0f "
			  "%%): the beginning is not random.",
			  DESTINATIONS, 100 * firsts);
	else if (by_one >= MOST)
		judge_say(ret, VERDICT_HOLDS,
			  "connect() takes the next port each time (%.0f %%), from a random "
			  "beginning; a port comes back only when all others were used.",
			  100 * by_one);
	else
		say_changed(evidence, ret);
}

static const struct arm arms[] = {
	{
		.name = "connect",
		.role = ARM_TREATMENT,
		.what = "64 times connect() without bind() to one destination",
		.seconds = 1,
		.value = CONNECT,
		.play = play_one_destination,
	},
	{
		.name = "destinations",
		.role = ARM_TREATMENT,
		.what = "the same to 16 destinations in turn",
		.seconds = 1,
		.play = play_destinations,
	},
	{
		.name = "bind-zero",
		.role = ARM_CONTROL,
		.what = "bind() to port 0, then connect(): must show no sequence",
		.seconds = 1,
		.value = BIND_ZERO,
		.play = play_one_destination,
	},
	{
		.name = "bind-no-port",
		.role = ARM_TREATMENT,
		.what = "bind() to port 0 with IP_BIND_ADDRESS_NO_PORT, then connect()",
		.seconds = 1,
		.optional = true,
		.value = BIND_NO_PORT,
		.play = play_one_destination,
	},
	{
		.name = "socket-range",
		.role = ARM_TREATMENT,
		.what = "connect() with the same range set by IP_LOCAL_PORT_RANGE",
		.seconds = 1,
		.optional = true,
		.value = SOCKET_RANGE,
		.play = play_one_destination,
	},
};

const struct experiment experiment_port_selection = {
	.id = "port-selection",
	.claim = "The first local port of a client is random, and each next one is one higher.",
	.source = "article, 재사용 and 바인드; RFC 6056",
	.section = "D. Local ports and reuse",
	.method = "64 connections are opened and kept, with connect() alone, to 16 destinations in "
		  "turn, and with the socket options that bear on it; the steps from port to port "
		  "and their parity. Control: bind() to port 0 before connect().",
	.why = "Whether a port comes back soon, and a TIME-WAIT at the server is met, depends on the "
	       "order; and half of the range costs a search (connect-cost-parity).",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
