/*
 * Question: whose is a socket in TIME-WAIT, and does it die with the process that closed it?
 *
 * Kernel path: tcp_time_wait() (net/ipv4/tcp_minisocks.c, 6.18) replaces the socket by a
 * `struct inet_timewait_sock`, which no file, no inode and no process refer to, and
 * tcp_done()s the old one. exit() closes descriptors; there is none left to close.
 *
 * A child process holds the server's end. It closes it (TIME-WAIT appears), and then ends in one
 * way or another. Control: the same process killed while its connection is ESTABLISHED; that
 * socket has an owner, and the owner's end ends it.
 */
#include "lab/experiments/common.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum ending { EXITS, IS_KILLED, LIVES_ON, IS_KILLED_ESTABLISHED };

/* The process that owns the server's end, and how it is spoken to. */
struct owner {
	struct pair pair;
	int orders[2];	/* one byte: 'c' close, 'x' exit */
	int answers[2]; /* one byte when it is ready, and for each order but 'x' */
	pid_t pid;
};

static int answer(struct stage *stage, const struct owner *owner)
{
	char byte;

	return read(owner->answers[0], &byte, 1) == 1
		       ? 0
		       : stage_fail(stage, -EPIPE, "the server's process is gone");
}

static int live(struct stage *stage, void *context)
{
	struct owner *owner = context;
	char order = 'r';

	(void)stage;
	close(owner->pair.client);
	close(owner->orders[1]);
	/* Ready: from here on the only descriptor that comes or goes is the connection's. */
	if (write(owner->answers[1], &order, 1) != 1)
		return 1;
	while (read(owner->orders[0], &order, 1) == 1) {
		if (order == 'x')
			return 0;
		close(owner->pair.server);
		if (write(owner->answers[1], &order, 1) != 1)
			return 1;
	}
	return 1;
}

/* The pair, its server's end in the hands of a child only. */
static int start_owner(struct stage *stage, struct owner *owner)
{
	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &owner->pair));
	TRY_SYS(stage, pipe(owner->orders));
	TRY_SYS(stage, pipe(owner->answers));
	TRY(stage, stage_fork(stage, live, owner, &owner->pid));
	close(owner->pair.server);
	owner->pair.server = -1;
	return answer(stage, owner);
}

static int order(struct stage *stage, const struct owner *owner, char what)
{
	TRY_SYS(stage, write(owner->orders[1], &what, 1));
	return what == 'x' ? 0 : answer(stage, owner);
}

static int end_owner(struct stage *stage, const struct owner *owner, enum ending ending)
{
	if (ending == LIVES_ON)
		return 0;
	if (ending == EXITS)
		TRY(stage, order(stage, owner, 'x'));
	else
		TRY_SYS(stage, kill(owner->pid, SIGKILL));
	return stage_reap(stage, owner->pid, 5, NULL);
}

static void measure_socket(struct stage *stage, const char *when,
			   const struct socket_status *status)
{
	char name[48];

	snprintf(name, sizeof(name), "state_%s", when);
	stage_measure_text(stage, name, tcp_state_name(status->state));
	snprintf(name, sizeof(name), "inode_%s", when);
	stage_measure(stage, name, status->inode);
}

/* Both ends close, the owner's first. */
static int close_both(struct stage *stage, struct owner *owner)
{
	int before = open_descriptors(owner->pid);

	TRY(stage, before);
	TRY(stage, order(stage, owner, 'c'));
	TRY(stage,
	    stage_await(stage, STAGE_CLIENT, &owner->pair.client_key, TCP_CLOSE_WAIT, 3, NULL));
	TRY(stage, stage_shut(stage, &owner->pair.client));
	stage_outcome(stage, STAGE_SERVER, &owner->pair.server_key,
		      STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE), 3);
	stage_measure(stage, "descriptors_given_back", before - open_descriptors(owner->pid));
	return 0;
}

static int play(struct stage *stage)
{
	enum ending ending = (enum ending)stage->arm->value;
	struct socket_status before, after;
	struct owner owner;

	TRY(stage, start_owner(stage, &owner));
	if (ending != IS_KILLED_ESTABLISHED)
		TRY(stage, close_both(stage, &owner));
	TRY(stage, stage_status(stage, STAGE_SERVER, &owner.pair.server_key, &before));
	TRY(stage, end_owner(stage, &owner, ending));
	if (ending == IS_KILLED_ESTABLISHED)
		stage_outcome(stage, STAGE_SERVER, &owner.pair.server_key,
			      ~STATE_BIT(TCP_ESTABLISHED), 3);
	TRY(stage, stage_status(stage, STAGE_SERVER, &owner.pair.server_key, &after));

	measure_socket(stage, "before", &before);
	measure_socket(stage, "after", &after);
	stage_measure(stage, "timer_left_after_s", (double)after.timer_left_ms / 1000);
	pair_close(&owner.pair);
	return 0;
}

/* Without the last FIN the closer is left in FIN-WAIT-2, not in TIME-WAIT. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, STAGE_CLIENT, TCP_FLAG_FIN,
			     "the client's FIN is lost: the server's end never gets to TIME-WAIT");
}

/* TIME-WAIT without inode before and after the process's end. */
static bool ownerless(const struct evidence *evidence, const char *arm)
{
	return state_is(evidence_text(evidence, arm, "state_before"), TCP_TIME_WAIT) &&
	       state_is(evidence_text(evidence, arm, "state_after"), TCP_TIME_WAIT) &&
	       evidence_number(evidence, arm, "inode_before") == 0 &&
	       evidence_number(evidence, arm, "inode_after") == 0;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	static const char *const treatments[] = {"exits", "killed", "lives-on"};
	double left = evidence_number(evidence, "killed", "timer_left_after_s");
	double inode = evidence_number(evidence, "killed-established", "inode_before");
	const char *control = evidence_text(evidence, "killed-established", "state_after");

	for (size_t i = 0; i < sizeof(treatments) / sizeof(treatments[0]); i++) {
		const char *arm = treatments[i];

		judge_measured(ret, evidence_number(evidence, arm, "inode_before"),
			       "inode_in_time_wait_%s", arm);
		judge_measured(ret, evidence_number(evidence, arm, "descriptors_given_back"),
			       "descriptors_given_back_%s", arm);
		judge_measured_text(ret, evidence_text(evidence, arm, "state_after"),
				    "state_after_%s", arm);
	}
	judge_measured(ret, left, "timer_left_after_kill_s");
	judge_measured_text(ret, control, "state_of_established_after_kill");
	judge_deciding(ret, "inode 0, %.1f s left after kill -9", left);

	for (size_t i = 0; i < sizeof(treatments) / sizeof(treatments[0]); i++) {
		if (ownerless(evidence, treatments[i]))
			continue;
		judge_say(ret, VERDICT_REFUTED,
			  "With a process that %s the socket was in %s, then in %s: it is not the "
			  "kernel's alone.",
			  treatments[i], evidence_text(evidence, treatments[i], "state_before"),
			  evidence_text(evidence, treatments[i], "state_after"));
		return;
	}
	if (inode == 0 || state_is(control, TCP_ESTABLISHED))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "An ESTABLISHED socket outlived its process, too: owning cannot be told "
			  "apart here.");
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"No process holds a TIME-WAIT socket, and none can be killed to get rid of "
			"it: it costs no descriptor and goes by its timer alone.");
}

static const struct arm arms[] = {
	{
		.name = "exits",
		.role = ARM_TREATMENT,
		.what = "the process that closed first exits",
		.seconds = 1,
		.value = EXITS,
		.play = play,
	},
	{
		.name = "killed",
		.role = ARM_TREATMENT,
		.what = "the process that closed first is killed with SIGKILL",
		.seconds = 1,
		.value = IS_KILLED,
		.play = play,
	},
	{
		.name = "lives-on",
		.role = ARM_TREATMENT,
		.what = "the process that closed first goes on living",
		.seconds = 1,
		.value = LIVES_ON,
		.play = play,
	},
	{
		.name = "killed-established",
		.role = ARM_CONTROL,
		.what = "the process is killed while its connection is ESTABLISHED",
		.seconds = 1,
		.value = IS_KILLED_ESTABLISHED,
		.play = play,
	},
};

const struct experiment experiment_time_wait_ownerless = {
	.id = "time-wait-ownerless",
	.claim = "A TIME-WAIT socket belongs to no process and no descriptor, and outlives the "
		 "process that closed it.",
	.source = "article, 종료 과정",
	.section = "A. The closing handshake",
	.method = "A process of its own closes first; inode and descriptors are read in TIME-WAIT, "
		  "then the process exits, is killed, or lives on. Control: it is killed while "
		  "ESTABLISHED.",
	.why = "Restarting or killing a server does not clear its TIME-WAIT sockets, and they do not "
	       "count against its descriptor limit.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
