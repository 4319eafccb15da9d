/*
 * An experiment's process. It stays single-threaded and outside any world: each arm is a child
 * that makes its own, so arms cannot disturb each other, and one that crashes leaves this process
 * to say so. An arm reports over a pipe and leaves its packets in a memfd; both vanish with the
 * processes, however these end.
 */
#include "lab/play.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/file.h"
#include "lab/arm.h"
#include "lab/line_reader.h"

struct player {
	const struct arm *arm;
	pid_t pid;
	int report_fd;	/* -1 once the arm has ended (owned) */
	int packets_fd; /* (owned) */
	struct line_reader reader;
	json_t *result; /* entry of arms[] (owned) */
	char state[120];
	double left_s;
	int64_t state_ns;
	int64_t give_up_ns;
	bool hung;
};

struct play {
	const struct experiment *experiment;
	const struct play_options *options;
	int report_fd; /* (borrowed) */
	int64_t started_ns;
	struct player players[EXPERIMENT_ARMS_MAX];
	size_t count; /* of those that were started */
};

/* ---- arms as processes */

static void run_arm(const struct play *play, const struct arm *arm, int report_fd, int packets_fd,
		    pid_t parent)
{
	/* Asked for again after world_new(): unshare() may clear it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	_exit(arm_play(play->experiment, arm, play->options, report_fd, packets_fd) < 0);
}

/* Generous: a hung arm must not be waited for, but on a busy machine any arm is late, and one whose
 * claim was made false waits for timers that it does not count on. */
static double patience_s(const struct arm *arm)
{
	return arm->seconds * 1.5 + 60;
}

static int start_arm(struct play *play, struct player *player, const struct arm *arm)
{
	pid_t parent = getpid();
	int ends[2];

	*player = (struct player){.arm = arm, .report_fd = -1, .packets_fd = -1};
	player->packets_fd = memfd_create("contest packets", MFD_CLOEXEC);
	if (player->packets_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	player->give_up_ns = clock_now_ns() + (int64_t)(patience_s(arm) * NS_PER_S);
	player->left_s = arm->seconds;
	player->state_ns = clock_now_ns();
	player->pid = fork();
	if (player->pid == 0) {
		close(ends[0]);
		run_arm(play, arm, ends[1], player->packets_fd, parent);
	}
	close(ends[1]);
	if (player->pid < 0) {
		close(ends[0]);
		return -errno;
	}
	player->report_fd = ends[0];
	return 0;
}

static void reap(struct player *player)
{
	char reason[200];
	int status = 0;

	close(TAKE_FD(player->report_fd));
	while (waitpid(player->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (player->result)
		return;
	if (player->hung)
		snprintf(reason, sizeof(reason), "it was still running after %.0f s, and was ended",
			 patience_s(player->arm));
	else if (WIFSIGNALED(status))
		snprintf(reason, sizeof(reason), "its process was ended by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(reason, sizeof(reason), "its process ended with status %d and no result",
			 WEXITSTATUS(status));
	player->result = arm_failed_json(player->arm, reason);
}

/* ---- reports */

static void send_event(const struct play *play, json_t *event)
{
	char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;

	if (text && fd_write_all(play->report_fd, text, strlen(text)) == 0)
		fd_write_all(play->report_fd, "\n", 1);
	free(text);
	json_decref(event);
}

static double left_now(const struct player *player)
{
	double left = player->left_s - clock_seconds(clock_now_ns() - player->state_ns);

	return left > 0 ? left : 0;
}

/* Speaks for the experiment: the arm that will take longest. */
static void send_state(const struct play *play)
{
	const struct player *last = NULL;
	size_t running = 0;

	for (size_t i = 0; i < play->count; i++) {
		const struct player *player = &play->players[i];

		if (player->report_fd < 0)
			continue;
		running++;
		if (!last || left_now(player) > left_now(last))
			last = player;
	}
	if (!last || !last->state[0])
		return;
	send_event(play, json_pack("{s:s, s:o, s:f}", "event", "state", "text",
				   json_sprintf("%s: %s%s", last->arm->name, last->state,
						running > 1 ? " …" : ""),
				   "left_s", left_now(last)));
}

static void take_line(const char *text, size_t length, void *context)
{
	struct player *player = context;
	json_t *event = json_loadb(text, length, 0, NULL);
	const char *kind = json_string_value(json_object_get(event, "event"));

	if (kind && strcmp(kind, "state") == 0) {
		const char *state = json_string_value(json_object_get(event, "text"));

		snprintf(player->state, sizeof(player->state), "%s", state ? state : "");
		player->left_s = json_number_value(json_object_get(event, "left_s"));
		player->state_ns = clock_now_ns();
	} else if (kind && strcmp(kind, "arm") == 0) {
		json_decref(player->result);
		player->result = json_incref(json_object_get(event, "arm"));
	}
	json_decref(event);
}

static void watch_for_hung(struct play *play)
{
	for (size_t i = 0; i < play->count; i++) {
		struct player *player = &play->players[i];

		if (player->report_fd >= 0 && clock_now_ns() > player->give_up_ns) {
			player->hung = true;
			kill(player->pid, SIGKILL);
		}
	}
}

/*
 * Starts the arms that are left: all at once, or where speed is measured the next one, for they
 * would take the processor from each other. False when none is left.
 */
static bool start_arms(struct play *play)
{
	const struct experiment *experiment = play->experiment;
	size_t before = play->count;

	while (play->count < experiment->arm_count) {
		struct player *player = &play->players[play->count];
		int r = start_arm(play, player, &experiment->arms[play->count++]);

		if (r < 0) {
			struct why why = {0};

			why_set(&why, r, "cannot start its process");
			player->result = arm_failed_json(player->arm, why.text);
		}
		if (experiment->alone)
			break;
	}
	return play->count > before;
}

static void gather(struct play *play)
{
	for (;;) {
		struct pollfd waiting[EXPERIMENT_ARMS_MAX];
		size_t open = 0;

		for (size_t i = 0; i < play->count; i++) {
			waiting[i] = (struct pollfd){.fd = play->players[i].report_fd,
						     .events = POLLIN};
			open += play->players[i].report_fd >= 0;
		}
		if (open == 0 && !start_arms(play))
			return;
		if (open == 0)
			continue;
		if (poll(waiting, play->count, 1000) > 0) {
			for (size_t i = 0; i < play->count; i++) {
				struct player *player = &play->players[i];

				if (waiting[i].revents &&
				    line_reader_feed(&player->reader, player->report_fd, take_line,
						     player) <= 0)
					reap(player);
			}
			send_state(play);
		}
		watch_for_hung(play);
	}
}

/* ---- verdict */

/* The first arm whose outcome is @outcome; a missing feature in an optional arm is none. */
static const json_t *find_outcome(const struct play *play, const char *outcome, bool but_optional)
{
	for (size_t i = 0; i < play->count; i++) {
		const struct player *player = &play->players[i];
		const char *its = json_string_value(json_object_get(player->result, "outcome"));

		if (its && strcmp(its, outcome) == 0 && !(but_optional && player->arm->optional))
			return player->result;
	}
	return NULL;
}

static void say_reason(struct judgement *judgement, enum verdict verdict, const json_t *arm)
{
	judge_say(judgement, verdict, "%s: %s", json_string_value(json_object_get(arm, "name")),
		  json_string_value(json_object_get(arm, "reason")));
}

static void decide(const struct play *play, struct judgement *ret)
{
	const json_t *failed = find_outcome(play, "error", false);
	const json_t *missing = find_outcome(play, "not testable here", true);
	struct evidence *evidence;

	if (failed || missing) {
		say_reason(ret, failed ? VERDICT_ERROR : VERDICT_NOT_TESTABLE,
			   failed ? failed : missing);
		return;
	}
	evidence = evidence_new();
	for (size_t i = 0; evidence && i < play->count; i++)
		evidence_add_arm(evidence, json_incref(play->players[i].result));
	if (!evidence) {
		judge_say(ret, VERDICT_ERROR, "memory is short");
		return;
	}
	experiment_judge(play->experiment, evidence, ret);
	evidence_free(evidence);
}

/* ---- the capture */

static int gather_packets(const struct play *play, struct packet_list *ret)
{
	for (size_t i = 0; i < play->count; i++) {
		struct packet_list list;
		int r;

		packet_list_init(&list);
		if (lseek(play->players[i].packets_fd, 0, SEEK_END) <= 0)
			continue; /* it crashed before it could leave any */
		lseek(play->players[i].packets_fd, 0, SEEK_SET);
		r = packet_list_receive(play->players[i].packets_fd, &list);
		if (r == 0)
			r = packet_list_append(ret, &list);
		packet_list_done(&list);
		if (r < 0)
			return r;
	}
	packet_list_sort(ret);
	return 0;
}

static int write_capture(const struct play *play, const char *path, struct why *why)
{
	struct packet_list list;
	struct new_file *file;
	int r;

	packet_list_init(&list);
	r = gather_packets(play, &list);
	if (r < 0)
		why_set(why, r, "cannot gather the packets");
	if (r == 0) {
		r = new_file_open(path, &file);
		if (r < 0)
			why_set(why, r, "cannot create %s", path);
	}
	if (r == 0) {
		r = capture_write(new_file_fd(file), &list, why);
		if (r < 0) {
			new_file_discard(file);
		} else {
			r = new_file_commit(file);
			if (r < 0)
				why_set(why, r, "cannot write %s", path);
		}
	}
	packet_list_done(&list);
	return r;
}

/* The name of the capture as results[].pcapng tells it; NULL: none was asked for. */
static json_t *leave_capture(const struct play *play, struct judgement *judgement)
{
	CLEANUP_FREE char *path = NULL;
	struct why why = {0};

	if (!play->options->directory)
		return json_null();
	if (asprintf(&path, "%s/%s.pcapng", play->options->directory, play->experiment->id) < 0)
		return json_null();
	if (write_capture(play, path, &why) < 0) {
		/* Evidence that cannot be kept is no evidence. */
		judge_say(judgement, VERDICT_ERROR, "%s", why.text);
		return json_null();
	}
	return json_sprintf("%s.pcapng", play->experiment->id);
}

/* ---- the result */

static json_t *result_json(const struct play *play)
{
	const struct experiment *experiment = play->experiment;
	double seconds = clock_seconds(clock_now_ns() - play->started_ns);
	struct judgement judgement;
	json_t *arms = json_array(), *capture, *result;

	judgement_init(&judgement);
	decide(play, &judgement);
	capture = leave_capture(play, &judgement);
	for (size_t i = 0; i < play->count; i++)
		json_array_append(arms, play->players[i].result);
	result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:O, s:o, s:o, s:b}", "id",
			   experiment->id, "claim", experiment->claim, "section",
			   experiment->section, "source", experiment->source, "verdict",
			   verdict_name(judgement.verdict), "deciding", judgement.deciding,
			   "summary", judgement.summary, "seconds", round(seconds * 1000) / 1000,
			   "measured", judgement.measured, "arms", arms, "pcapng", capture,
			   "falsified", play->options->falsify);
	judgement_done(&judgement);
	return result;
}

static void done(struct play *play)
{
	for (size_t i = 0; i < play->count; i++) {
		struct player *player = &play->players[i];

		line_reader_done(&player->reader);
		json_decref(player->result);
		cleanup_close(&player->packets_fd);
	}
}

int play_experiment(const struct experiment *experiment, const struct play_options *options,
		    int report_fd)
{
	struct play play = {
		.experiment = experiment,
		.options = options,
		.report_fd = report_fd,
		.started_ns = clock_now_ns(),
	};
	json_t *result;

	gather(&play);
	result = result_json(&play);
	send_event(&play, json_pack("{s:s, s:o}", "event", "result", "result", result));
	done(&play);
	return result ? 0 : -ENOMEM;
}
