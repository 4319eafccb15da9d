/*
 * Theory of operation.
 *
 * The runner is one thread that waits in poll() for three kinds of things: lines from the
 * experiments' pipes, signals (taken from a signalfd, so that nothing ever happens in a signal
 * handler), and time: watchdogs, and the listener's tick four times a second.
 *
 * A job goes JOB_WAITING → JOB_RUNNING → JOB_DONE. It is done when its process has been reaped,
 * not when its result is there: --jobs bounds processes. Whatever way the process ends, the
 * job has a result then: the one it reported, or an "error" that says how it died. Only a job that
 * an interruption ended has none.
 *
 * First SIGINT, SIGTERM or SIGHUP: nothing new is started, and each experiment gets SIGTERM; after
 * GRACE_NS, or with a second signal at once, SIGKILL. A signal that the caller ignores (nohup,
 * a shell's background job) stays ignored.
 */
#include "lab/runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/results.h"
#include "lab/runner_child.h"
#include "lab/runner_result.h"

#define TICK_NS	 (200 * NS_PER_MS)
#define GRACE_NS (2 * NS_PER_S)
/* After its result an experiment has nothing to do but to end. */
#define EXIT_NS (10 * NS_PER_S)

enum job_phase { JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct job {
	enum job_phase phase;
	struct runner_child child;
	int64_t started_ns, deadline_ns;
	int64_t left_until_ns;	  /* when it will be done, as it last said; 0: unknown */
	json_t *result;		  /* (owned) */
	char killed_because[160]; /* why the runner killed it, or "" */
	unsigned bad_lines;
	bool news; /* since the listener was last told */
};

struct run {
	const struct runner_options *options;
	struct runner_progress *progress; /* (owned) as many as options->count, like jobs */
	struct job *jobs;		  /* (owned) */
	struct pollfd *polls;		  /* (owned) one for the signals, one per job */
	json_t *document;		  /* (owned) made at the beginning: it says when that was */
	int signal_fd;
	sigset_t signals, mask_before;
	struct sigaction child_before;
	int64_t started_ns, round_ns, told_ns;
	unsigned interrupts;
	int64_t kill_ns; /* when those that do not end are killed, after an interruption */
};

/* ---- the listener */

static void tell(struct run *run, enum runner_news news, size_t which)
{
	const struct runner_options *options = run->options;
	int64_t now = clock_now_ns();

	run->told_ns = now;
	if (!options->listen)
		return;
	for (size_t i = 0; i < options->count; i++) {
		const struct job *job = &run->jobs[i];
		struct runner_progress *progress = &run->progress[i];
		int64_t left = job->left_until_ns - now;

		if (job->phase == JOB_RUNNING)
			progress->seconds = clock_seconds(now - job->started_ns);
		progress->left_s = !job->left_until_ns ? -1 : left > 0 ? clock_seconds(left) : 0;
	}
	options->listen(news, run->progress, options->count, which, options->context);
}

/* ---- results */

/* The place of a job in the run, from the job's address. */
static size_t job_index(const struct run *run, const struct job *job)
{
	return (size_t)(job - run->jobs);
}

static json_t *error_result(const struct run *run, const struct job *job, const char *summary)
{
	int64_t took = job->started_ns ? clock_now_ns() - job->started_ns : 0;

	return runner_error_result(run->options->experiments[job_index(run, job)], took,
				   run->options->play.falsify, summary);
}

/* How a process ended that left no result, for a person. */
static void describe_end(const struct job *job, int status, char *text, size_t room)
{
	const char *garbled = job->bad_lines ? "; what it reported could not be read" : "";

	if (job->killed_because[0])
		snprintf(text, room, "%s%s", job->killed_because, garbled);
	else if (WIFSIGNALED(status))
		snprintf(text, room, "killed by signal %d (%s)%s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)), garbled);
	else
		snprintf(text, room, "ended with status %d and without a result%s",
			 WEXITSTATUS(status), garbled);
}

/*
 * An "error" that comes after the interruption is most likely about arms that were ended by it;
 * any other verdict was reached before.
 */
static bool result_counts(const struct run *run, const json_t *result)
{
	const char *verdict = json_string_value(json_object_get(result, "verdict"));

	return run->interrupts == 0 || verdict_parse(verdict) != VERDICT_ERROR;
}

/* ---- lines */

struct line_context {
	struct run *run;
	struct job *job;
};

static void take_state(struct run *run, struct job *job, const json_t *event)
{
	struct runner_progress *progress = &run->progress[job_index(run, job)];
	const char *text = json_string_value(json_object_get(event, "text"));
	const json_t *left = json_object_get(event, "left_s");

	if (text)
		snprintf(progress->state, sizeof(progress->state), "%s", text);
	/* Bounded, as the number comes from another process; a day is forever here. */
	if (json_is_number(left) && json_number_value(left) >= 0 && json_number_value(left) < 86400)
		job->left_until_ns = clock_now_ns() + (int64_t)(json_number_value(left) * NS_PER_S);
	else
		job->left_until_ns = 0;
	job->news = true;
}

static void take_result(struct run *run, struct job *job, json_t *result)
{
	if (!runner_result_fits(result, run->options->experiments[job_index(run, job)])) {
		job->bad_lines++;
		return;
	}
	if (!job->result && result_counts(run, result)) {
		job->result = json_incref(result);
		job->deadline_ns = clock_now_ns() + EXIT_NS;
	}
}

static void take_line(const char *text, size_t length, void *context)
{
	struct line_context *line = context;
	json_t *event = json_loadb(text, length, 0, NULL);
	const char *kind = json_string_value(json_object_get(event, "event"));

	if (kind && strcmp(kind, "state") == 0)
		take_state(line->run, line->job, event);
	else if (kind && strcmp(kind, "result") == 0)
		take_result(line->run, line->job, json_object_get(event, "result"));
	else
		line->job->bad_lines++;
	json_decref(event);
}

/* ---- jobs */

/* Kills a job that went wrong; the reason becomes its result when it is reaped. */
static void job_kill(struct job *job, const char *reason)
{
	snprintf(job->killed_because, sizeof(job->killed_because), "%s", reason);
	runner_child_kill(&job->child);
}

/* Whether there may be more right now. */
static bool job_read(struct run *run, struct job *job)
{
	struct line_context context = {run, job};
	char reason[120];
	int r = -EAGAIN;

	if (job->child.report_fd >= 0)
		r = runner_child_read(&job->child, take_line, &context);
	if (r > 0 || r == -EAGAIN)
		return r > 0;
	runner_child_hang_up(&job->child);
	if (r < 0) {
		snprintf(reason, sizeof(reason), "its report could not be read: %s", strerror(-r));
		job_kill(job, reason);
	}
	return false;
}

static void job_finish(struct run *run, struct job *job, int status)
{
	struct runner_progress *progress = &run->progress[job_index(run, job)];
	char text[256];

	while (job_read(run, job))
		;
	runner_child_done(&job->child);
	job->phase = JOB_DONE;
	progress->running = false;
	progress->seconds = clock_seconds(clock_now_ns() - job->started_ns);
	job->left_until_ns = 0;
	if (!job->result && run->interrupts == 0) {
		describe_end(job, status, text, sizeof(text));
		job->result = error_result(run, job, text);
	}
	progress->finished = job->result != NULL;
	progress->result = job->result;
	if (job->result)
		tell(run, RUNNER_FINISHED, job_index(run, job));
}

/* A process could not be made for it, and there is none to wait for. */
static void job_refuse(struct run *run, struct job *job, int error)
{
	char text[160];

	snprintf(text, sizeof(text), "no process could be made for it: %s", strerror(-error));
	job->phase = JOB_DONE;
	job->result = error_result(run, job, text);
	run->progress[job_index(run, job)].finished = job->result != NULL;
	run->progress[job_index(run, job)].result = job->result;
	tell(run, RUNNER_FINISHED, job_index(run, job));
}

static double watchdog_seconds(const struct run *run, const struct experiment *experiment)
{
	return run->options->watchdog_s > 0 ? run->options->watchdog_s
					    : experiment_seconds(experiment) * 1.5 + 90;
}

static int job_start(struct run *run, struct job *job)
{
	const struct experiment *experiment = run->options->experiments[job_index(run, job)];
	int r = runner_child_start(&job->child, experiment, &run->options->play);

	if (r < 0)
		return r;
	job->phase = JOB_RUNNING;
	job->started_ns = clock_now_ns();
	job->deadline_ns = job->started_ns +
			   (int64_t)(watchdog_seconds(run, experiment) * NS_PER_S);
	run->progress[job_index(run, job)].running = true;
	tell(run, RUNNER_STARTED, job_index(run, job));
	return 0;
}

/* ---- the schedule */

static size_t count_phase(const struct run *run, enum job_phase phase)
{
	size_t count = 0;

	for (size_t i = 0; i < run->options->count; i++)
		count += run->jobs[i].phase == phase;
	return count;
}

/* The next to start now, or NULL: those that measure speed come last and by themselves. */
static struct job *next_job(const struct run *run)
{
	const struct runner_options *options = run->options;
	size_t running = count_phase(run, JOB_RUNNING);
	struct job *alone = NULL;

	if (run->interrupts > 0 || (options->jobs && running >= options->jobs))
		return NULL;
	for (size_t i = 0; i < options->count; i++) {
		bool is_alone = options->experiments[i]->alone;

		if (is_alone && run->jobs[i].phase == JOB_RUNNING)
			return NULL;
		if (run->jobs[i].phase != JOB_WAITING)
			continue;
		if (!is_alone)
			return &run->jobs[i];
		if (!alone)
			alone = &run->jobs[i];
	}
	return running == 0 ? alone : NULL;
}

static void start_jobs(struct run *run)
{
	struct job *job;

	while ((job = next_job(run))) {
		int r = job_start(run, job);

		/* With others running it is worth a try once one of them has made room. */
		if (r < 0 && count_phase(run, JOB_RUNNING) > 0)
			return;
		if (r < 0)
			job_refuse(run, job, r);
	}
}

/* ---- what wakes the runner */

static void interrupt(struct run *run)
{
	for (size_t i = 0; i < run->options->count; i++) {
		struct job *job = &run->jobs[i];

		if (job->phase != JOB_RUNNING)
			continue;
		/* What was reported before counts as finished. */
		job_read(run, job);
		if (run->interrupts > 0)
			runner_child_kill(&job->child);
		else
			runner_child_signal(&job->child, SIGTERM);
	}
	run->kill_ns = clock_now_ns() + GRACE_NS;
	run->interrupts++;
}

static void read_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			interrupt(run);
}

static void read_jobs(struct run *run)
{
	for (size_t i = 0; i < run->options->count; i++) {
		struct job *job = &run->jobs[i];
		int status;

		if (job->phase != JOB_RUNNING)
			continue;
		/* First the end, then the pipe: all it wrote is in there by then. */
		if (runner_child_ended(&job->child, &status))
			job_finish(run, job, status);
		else if (run->polls[1 + i].revents)
			job_read(run, job);
		if (job->news && job->phase == JOB_RUNNING)
			tell(run, RUNNER_STATE, i);
		job->news = false;
	}
}

/* The watchdogs, and the end of the grace after an interruption. */
static void check_time(struct run *run)
{
	int64_t now = clock_now_ns(), gap = now - run->round_ns;

	run->round_ns = now;
	for (size_t i = 0; i < run->options->count; i++) {
		struct job *job = &run->jobs[i];
		char reason[120];

		if (job->phase != JOB_RUNNING)
			continue;
		/* The runner itself was stopped (Ctrl-Z) or starved: nobody read meanwhile. */
		if (gap > 5 * TICK_NS)
			job->deadline_ns += gap;
		if (run->interrupts > 0 && now >= run->kill_ns)
			runner_child_kill(&job->child);
		if (now < job->deadline_ns || job->killed_because[0])
			continue;
		snprintf(reason, sizeof(reason), "no result after %.0f s: ended by the watchdog",
			 clock_seconds(now - job->started_ns));
		job_kill(job, reason);
	}
}

static int wait_for_news(struct run *run)
{
	size_t count = run->options->count;
	int64_t left = run->told_ns + TICK_NS - clock_now_ns();

	run->polls[0] = (struct pollfd){.fd = run->signal_fd, .events = POLLIN};
	for (size_t i = 0; i < count; i++)
		run->polls[1 + i] = (struct pollfd){
			.fd = run->jobs[i].phase == JOB_RUNNING ? run->jobs[i].child.report_fd : -1,
			.events = POLLIN,
		};
	if (poll(run->polls, 1 + count, left > 0 ? (int)(left / NS_PER_MS) + 1 : 0) < 0)
		return errno == EINTR ? 0 : -errno;
	return 0;
}

static int run_all(struct run *run)
{
	for (;;) {
		int r;

		start_jobs(run);
		if (count_phase(run, JOB_RUNNING) == 0)
			return 0;
		r = wait_for_news(run);
		if (r < 0)
			return r;
		if (run->polls[0].revents)
			read_signals(run);
		read_jobs(run);
		check_time(run);
		if (clock_now_ns() - run->told_ns >= TICK_NS)
			tell(run, RUNNER_TICK, run->options->count);
	}
}

/* ---- beginning and end */

static void add_unless_ignored(sigset_t *set, int signal)
{
	struct sigaction action;

	/* A blocked signal is queued even when it is ignored (kernel/signal.c, sig_ignored()). */
	if (sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(set, signal);
}

static int signals_take(struct run *run)
{
	/* An inherited SIG_IGN would have the kernel reap the children, and lose their status. */
	struct sigaction usual = {.sa_handler = SIG_DFL};

	sigemptyset(&run->signals);
	sigaddset(&run->signals, SIGCHLD);
	add_unless_ignored(&run->signals, SIGINT);
	add_unless_ignored(&run->signals, SIGTERM);
	add_unless_ignored(&run->signals, SIGHUP);
	run->signal_fd = signalfd(-1, &run->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signal_fd < 0)
		return -errno;
	sigaction(SIGCHLD, &usual, &run->child_before);
	sigprocmask(SIG_BLOCK, &run->signals, &run->mask_before);
	return 0;
}

/* Puts back what was; a signal that came too late to interrupt anything is dropped. */
static void signals_return(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	sigprocmask(SIG_SETMASK, &run->mask_before, NULL);
	sigaction(SIGCHLD, &run->child_before, NULL);
	close(run->signal_fd);
}

static int run_new(const struct runner_options *options, struct run *ret)
{
	size_t count = options->count;
	struct run run = {
		.options = options,
		.progress = calloc(count + 1, sizeof(*run.progress)),
		.jobs = calloc(count + 1, sizeof(*run.jobs)),
		.polls = calloc(count + 1, sizeof(*run.polls)),
		.document = results_new(runner_link_expected(options->play.link)),
		.signal_fd = -1,
		.started_ns = clock_now_ns(),
	};

	run.round_ns = run.told_ns = run.started_ns;
	*ret = run;
	if (!run.progress || !run.jobs || !run.polls || !run.document)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		run.jobs[i].child = RUNNER_CHILD_NONE;
		run.progress[i].experiment = options->experiments[i];
		run.progress[i].left_s = -1;
	}
	return 0;
}

static void run_done(struct run *run)
{
	for (size_t i = 0; run->jobs && i < run->options->count; i++) {
		int status;

		/* Only after a failure of poll() is anything still there. */
		runner_child_kill(&run->jobs[i].child);
		while (run->jobs[i].child.pid > 0 &&
		       !runner_child_ended(&run->jobs[i].child, &status))
			poll(NULL, 0, 1);
		runner_child_done(&run->jobs[i].child);
		json_decref(run->jobs[i].result);
	}
	free(run->progress);
	free(run->jobs);
	free(run->polls);
	json_decref(run->document);
}

static void fill_document(struct run *run)
{
	json_t *results = json_object_get(run->document, "results");
	const char *link = NULL;
	bool interrupted = false;

	for (size_t i = 0; i < run->options->count; i++) {
		const json_t *result = run->jobs[i].result;

		if (!result)
			interrupted = true;
		else
			json_array_append(results, run->jobs[i].result);
		if (!link)
			link = runner_link_of(result);
	}
	if (link)
		json_object_set_new(run->document, "link", json_string(link));
	json_object_set_new(run->document, "seconds",
			    runner_seconds(clock_now_ns() - run->started_ns));
	json_object_set_new(run->document, "interrupted", json_boolean(interrupted));
}

int runner_run(const struct runner_options *options, json_t **ret, struct why *why)
{
	struct run run;
	int r = run_new(options, &run);

	if (r == 0)
		r = signals_take(&run);
	if (r == 0) {
		r = run_all(&run);
		signals_return(&run);
	}
	if (r == 0) {
		fill_document(&run);
		*ret = TAKE_PTR(run.document);
	}
	run_done(&run);
	return r < 0 ? why_set(why, r, "cannot run the experiments") : 0;
}
