/*
 * Question: a process may have 64 descriptors. How many sockets can it have open, and how many in
 * TIME-WAIT?
 *
 * Kernel path (6.18): socket(2) and accept(2) take a number of the process's table before they
 * give a socket away (get_unused_fd_flags(); alloc_fd(), fs/file.c, compares with RLIMIT_NOFILE)
 * and fail with EMFILE. close() gives it back at once; tcp_time_wait() (net/ipv4/tcp_minisocks.c)
 * puts a `struct inet_timewait_sock` in the place of the socket, which has no file. Nor has a
 * connection that waits to be accepted.
 *
 * The process under the limit is a child that has nothing else open. The other end is a process
 * without that limit. No wire in between: packets decide nothing here.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "lab/experiments/common.h"
#include "lab/experiments/ports.h"

#define DESCRIPTORS 64
/* Connections that are closed, one after the other. */
#define CLOSED 2000
/* TIME-WAIT is far beyond the limit from here on; a few may be missing on a machine that is out of
 * orphans (tcp_max_orphans counts those of all namespaces). */
#define FAR (10 * DESCRIPTORS)
/* Of the clients of a server that closes first. */
#define FIRST_PORT 20000
/* Connections between two words about them. */
#define STATE_EACH 100
/* Clients beyond the server's limit: the accept queue has room for them. */
#define WAITING 20
/* What takes a round trip, or a system call, on a busy machine. */
#define ANSWER_SECONDS 5

/* Numbers that the process's descriptors have from the start: 0 to 2, and these. */
enum { FD_REPORT = 3, FD_LISTENER, FD_FREE };

struct story {
	size_t holder; /* host of the process under the limit, which closes first */
	bool keeps;    /* and does not close */
};

/* What it came to. */
struct report {
	size_t connections;
	int error; /* errno of the call that failed; 0: none */
	int call;  /* which it was */
};
enum { CALL_NONE, CALL_SOCKET, CALL_CONNECT, CALL_ACCEPT };

static const char *const call_names[] = {
	[CALL_NONE] = "none",
	[CALL_SOCKET] = "socket()",
	[CALL_CONNECT] = "connect()",
	[CALL_ACCEPT] = "accept()",
};

struct scene {
	const struct story *story;
	int listener;
	int report[2];
	pid_t pid;
	int clients[DESCRIPTORS + WAITING]; /* of a server that keeps its connections */
	size_t client_count;
};

/* ---- the process under the limit: nothing here but system calls */

/* Moves to the holder's host, and leaves open what FD_… name. */
static int settle(struct stage *stage, const struct scene *scene)
{
	const struct rlimit limit = {.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};
	const struct host *host = world_host(stage->world, scene->story->holder);
	/* Both out of the way of the numbers they are to have. */
	int report = fcntl(scene->report[1], F_DUPFD, FD_FREE);
	int listener = fcntl(scene->listener, F_DUPFD, FD_FREE);

	if (report < 0 || listener < 0 || netns_enter(host_netns(host)) < 0)
		return -errno;
	if (dup2(report, FD_REPORT) < 0 || dup2(listener, FD_LISTENER) < 0)
		return -errno;
	if (close_range(FD_FREE, ~0U, 0) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	return 0;
}

static int connect_once(const struct sockaddr *target, socklen_t length, struct report *report)
{
	int fd = socket(target->sa_family, SOCK_STREAM, 0);

	report->call = CALL_SOCKET;
	if (fd < 0)
		return -errno;
	report->call = CALL_CONNECT;
	if (connect(fd, target, length) < 0)
		return -errno;
	return fd;
}

static int accept_once(struct report *report)
{
	int fd = accept(FD_LISTENER, NULL, NULL);

	report->call = CALL_ACCEPT;
	return fd < 0 ? -errno : fd;
}

/* Child: connections until a call fails or, where they are closed, there are CLOSED. */
static int hold(struct stage *stage, void *context)
{
	const struct scene *scene = context;
	const struct tcp_endpoint at_server = {.address = *host_address(stage->server, AF_INET, 0),
					       .port = STAGE_PORT};
	struct report report = {0};
	struct sockaddr_storage target;
	socklen_t length;

	tcp_endpoint_to_sockaddr(&at_server, &target, &length);
	if (settle(stage, scene) < 0)
		return 1;
	while (report.connections < CLOSED) {
		int fd = scene->story->holder == STAGE_CLIENT
				 ? connect_once((struct sockaddr *)&target, length, &report)
				 : accept_once(&report);

		if (fd < 0) {
			report.error = -fd;
			break;
		}
		report.connections++;
		if (!scene->story->keeps)
			close(fd);
	}
	if (write(FD_REPORT, &report, sizeof(report)) != sizeof(report))
		return 1;
	/* What it holds is counted while it lives. */
	for (;;)
		pause();
}

/* ---- the other end */

/* Waits for the peer's end and closes. False when it does not come. */
static bool end_after_peer(int fd)
{
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	char byte;
	bool ended = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
		     recv(fd, &byte, 1, 0) == 0;

	close(fd);
	return ended;
}

/* The peer of one that closes first: until there are enough, or nothing more comes. */
static void follow(struct stage *stage, const struct scene *scene)
{
	struct pair_options options = PAIR_DEFAULT;

	for (size_t i = 0; i < CLOSED; i++) {
		int fd = -1, r;

		/* A port that the kernel chose again would reopen TIME-WAIT at the server. */
		options.client_port = (uint16_t)(FIRST_PORT + i);
		r = scene->story->holder == STAGE_SERVER
			    ? stage_connect(stage, &options, ANSWER_SECONDS, &fd, NULL)
			    : stage_accept(stage, scene->listener, ANSWER_SECONDS, &fd);
		if (r < 0 || !end_after_peer(fd))
			return;
		if (i % STATE_EACH == 0)
			stage_state(stage, -1, "%zu connections closed", i);
	}
}

/* Clients for a server that keeps what it accepts, more than it may. */
static int crowd(struct stage *stage, struct scene *scene)
{
	while (scene->client_count < ARRAY_SIZE(scene->clients)) {
		TRY(stage, stage_connect(stage, NULL, ANSWER_SECONDS,
					 &scene->clients[scene->client_count], NULL));
		scene->client_count++;
	}
	return 0;
}

/* ---- the arms */

static int open_scene(struct stage *stage, struct scene *scene)
{
	const struct world_spec fast = {
		.link = WORLD_LINK_VETH,
		.host_count = 2,
		.hosts = {{.name = "client"}, {.name = "server"}},
	};

	TRY(stage, stage_open(stage, &fast));
	/* A RST of a peer that repeated its FIN, on a busy machine, must not end TIME-WAIT. */
	TRY(stage, stage_sysctl(stage, scene->story->holder, "net.ipv4.tcp_rfc1337", 1));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &scene->listener));
	/* A client that only opens and closes is ahead of who accepts. */
	TRY_SYS(stage, listen(scene->listener, SOMAXCONN));
	TRY_SYS(stage, pipe2(scene->report, O_CLOEXEC));
	TRY(stage, stage_fork(stage, hold, scene, &scene->pid));
	close(TAKE_FD(scene->report[1]));
	return 0;
}

static int read_report(struct stage *stage, const struct scene *scene, struct report *ret)
{
	if (read(scene->report[0], ret, sizeof(*ret)) != sizeof(*ret))
		return stage_fail(stage, -EPIPE, "the process under the limit is gone");
	return 0;
}

/* TIME-WAIT at the holder, once the last FIN has come. */
static size_t await_time_wait(struct stage *stage, const struct scene *scene, size_t expected)
{
	int64_t end = clock_now_ns() + ANSWER_SECONDS * NS_PER_S;
	struct timespec nap = clock_timespec(10 * NS_PER_MS);
	size_t count;

	while ((count = ports_in_time_wait(stage, scene->story->holder)) < expected &&
	       clock_now_ns() < end)
		nanosleep(&nap, NULL);
	return count;
}

static int play_in(struct stage *stage, struct scene *scene)
{
	struct report report;
	int open;

	TRY(stage, open_scene(stage, scene));
	if (!scene->story->keeps)
		follow(stage, scene);
	else if (scene->story->holder == STAGE_SERVER)
		TRY(stage, crowd(stage, scene));
	TRY(stage, read_report(stage, scene, &report));

	open = open_descriptors(scene->pid);
	TRY(stage, open);
	stage_measure(stage, "descriptor_limit", DESCRIPTORS);
	stage_measure(stage, "descriptors_open", open);
	stage_measure(stage, "connections", (double)report.connections);
	stage_measure(stage, "time_wait",
		      (double)await_time_wait(stage, scene,
					      scene->story->keeps ? 0 : report.connections));
	stage_measure_text(stage, "errno", report.error ? errno_name(report.error) : "none");
	stage_measure_text(stage, "failed_call",
			   call_names[report.error ? report.call : CALL_NONE]);
	stage_measure(stage, "clients_connected", (double)scene->client_count);
	return 0;
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	struct scene scene = {.story = stage->arm->extra, .listener = -1, .report = {-1, -1}};
	int r = play_in(stage, &scene);

	if (scene.pid > 0) {
		kill(scene.pid, SIGKILL);
		stage_reap(stage, scene.pid, ANSWER_SECONDS, NULL);
	}
	for (size_t i = 0; i < scene.client_count; i++)
		close(scene.clients[i]);
	cleanup_close(&scene.report[0]);
	cleanup_close(&scene.report[1]);
	cleanup_close(&scene.listener);
	return r;
}

/* As if TIME-WAIT were short of something that open sockets are not. */
static int falsify(struct stage *stage)
{
	for (size_t host = STAGE_CLIENT; host <= STAGE_SERVER; host++)
		TRY(stage, stage_sysctl(stage, host, "net.ipv4.tcp_max_tw_buckets", 10));
	return 0;
}

/* Open sockets went up to the limit and no further, and @call said so. */
static bool limited(const struct evidence *evidence, const char *arm, const char *call)
{
	return evidence_number(evidence, arm, "descriptors_open") == DESCRIPTORS &&
	       evidence_number(evidence, arm, "connections") < DESCRIPTORS &&
	       strcmp(evidence_text(evidence, arm, "errno"), "EMFILE") == 0 &&
	       strcmp(evidence_text(evidence, arm, "failed_call"), call) == 0;
}

/* TIME-WAIT far beyond the limit, by a process that did not come near it. */
static bool beyond(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "time_wait") >= FAR &&
	       evidence_number(evidence, arm, "descriptors_open") < DESCRIPTORS &&
	       strcmp(evidence_text(evidence, arm, "errno"), "none") == 0;
}

static void judge_arm(const struct evidence *evidence, struct judgement *ret, const char *arm,
		      const char *as)
{
	judge_measured(ret, evidence_number(evidence, arm, "time_wait"), "time_wait_%s", as);
	judge_measured(ret, evidence_number(evidence, arm, "descriptors_open"),
		       "descriptors_open_%s", as);
	judge_measured(ret, evidence_number(evidence, arm, "connections"), "connections_%s", as);
	judge_measured_text(ret, evidence_text(evidence, arm, "errno"), "errno_%s", as);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double at_client = evidence_number(evidence, "client-closes", "time_wait");
	double at_server = evidence_number(evidence, "server-closes", "time_wait");
	double accepted = evidence_number(evidence, "server-keeps", "connections");
	double connected = evidence_number(evidence, "server-keeps", "clients_connected");

	judge_arm(evidence, ret, "client-closes", "client_closes");
	judge_arm(evidence, ret, "server-closes", "server_closes");
	judge_arm(evidence, ret, "client-keeps", "client_keeps");
	judge_arm(evidence, ret, "server-keeps", "server_keeps");
	judge_measured(ret, connected - accepted, "connected_but_never_accepted");
	judge_deciding(ret, "%.0f TIME-WAIT, %.0f of %d descriptors", at_client,
		       evidence_number(evidence, "client-closes", "descriptors_open"), DESCRIPTORS);

	if (!beyond(evidence, "client-closes") || !beyond(evidence, "server-closes"))
		judge_say(ret, VERDICT_REFUTED,
			  "A process with %d descriptors left %.0f TIME-WAIT as client and %.0f as "
			  "server: something that open sockets do not take limits it.",
			  DESCRIPTORS, at_client, at_server);
	else if (!limited(evidence, "client-keeps", call_names[CALL_SOCKET]) ||
		 !limited(evidence, "server-keeps", call_names[CALL_ACCEPT]))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Open sockets did not end at the limit of %d descriptors with EMFILE, "
			  "either: it shows nothing about TIME-WAIT.",
			  DESCRIPTORS);
	else
		judge_say(ret, VERDICT_HOLDS,
			  "%.0f TIME-WAIT took none of %d descriptors, so raising ulimit -n does "
			  "nothing for TIME-WAIT; open sockets end there with EMFILE from socket() "
			  "or accept(), while further clients still connect and wait unanswered in "
			  "the accept queue.",
			  at_client, DESCRIPTORS);
}

static const struct arm arms[] = {
	{
		.name = "client-closes",
		.role = ARM_TREATMENT,
		.what = "a client with 64 descriptors opens 2000 connections and closes each first",
		.seconds = 2,
		.extra = &(const struct story){.holder = STAGE_CLIENT},
		.play = play,
	},
	{
		.name = "server-closes",
		.role = ARM_TREATMENT,
		.what = "a server with 64 descriptors accepts 2000 connections and closes each "
			"first",
		.seconds = 2,
		.extra = &(const struct story){.holder = STAGE_SERVER},
		.play = play,
	},
	{
		.name = "client-keeps",
		.role = ARM_CONTROL,
		.what = "a client with 64 descriptors keeps its connections: it must reach the "
			"limit",
		.seconds = 1,
		.extra = &(const struct story){.holder = STAGE_CLIENT, .keeps = true},
		.play = play,
	},
	{
		.name = "server-keeps",
		.role = ARM_CONTROL,
		.what = "a server with 64 descriptors keeps what it accepts: it must reach the "
			"limit",
		.seconds = 1,
		.extra = &(const struct story){.holder = STAGE_SERVER, .keeps = true},
		.play = play,
	},
};

const struct experiment experiment_no_descriptor = {
	.id = "no-descriptor",
	.claim = "Sockets are limited by descriptors, and TIME-WAIT uses none.",
	.source = "article, 자원 할당",
	.section = "C. What it costs",
	.method = "A process that may have 64 descriptors opens and closes 2000 connections, as "
		  "client and as server; TIME-WAIT and its descriptors are counted while it lives. "
		  "Controls: the same process keeps its connections.",
	.why = "\"Too many open files\" and many TIME-WAIT come together on busy hosts, and one is "
	       "taken for the other's cause. The limit that ends open sockets is the process's "
	       "RLIMIT_NOFILE, long before fs.file-max.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
