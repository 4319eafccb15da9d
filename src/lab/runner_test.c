/*
 * The runner against experiments that do what no experiment should. play_experiment() is a double
 * here: what it does is chosen by the experiment's id.
 */
#include "lab/runner.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lab/results.h"

/* ---- doubles */

/* Shared with the experiments' processes: what they saw. */
static struct shared {
	pid_t arm; /* of "leaves-arm": a process that outlives it if nobody takes care */
	int signals_blocked;
} * shared;

static void say(int fd, const char *text)
{
	fd_write_all(fd, text, strlen(text));
}

static void say_result(int fd, const char *id, const char *verdict)
{
	char text[512];

	snprintf(
		text, sizeof(text),
		"{\"event\":\"result\",\"result\":{\"id\":\"%s\",\"claim\":\"c\",\"section\":\"A\","
		"\"source\":\"s\",\"verdict\":\"%s\",\"deciding\":\"\",\"summary\":\"said so\","
		"\"seconds\":0.5,\"measured\":{},\"arms\":[{\"link\":\"veth\"}],\"pcapng\":null,"
		"\"falsified\":false}}\n",
		id, verdict);
	say(fd, text);
}

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

static void leave_arm(void)
{
	pid_t pid = fork();

	if (pid == 0)
		hang();
	shared->arm = pid;
}

static bool is(const struct experiment *experiment, const char *id)
{
	return strncmp(experiment->id, id, strlen(id)) == 0;
}

int play_experiment(const struct experiment *experiment, const struct play_options *options,
		    int report_fd)
{
	(void)options;
	if (is(experiment, "ok") || is(experiment, "alone")) {
		say_result(report_fd, experiment->id, "holds");
	} else if (is(experiment, "states")) {
		say(report_fd,
		    "{\"event\":\"state\",\"text\":\"server FIN-WAIT-2\",\"left_s\":43.2}\n");
		say_result(report_fd, experiment->id, "refuted");
	} else if (is(experiment, "big")) {
		/* Beyond any pipe's capacity, so that it comes in pieces. */
		char *blank = malloc(1 << 20);

		memset(blank, ' ', 1 << 20);
		fd_write_all(report_fd, blank, 1 << 20);
		free(blank);
		say_result(report_fd, experiment->id, "changed");
	} else if (is(experiment, "pieces")) {
		say(report_fd, "{\"event\":\"state\",\"te");
		say(report_fd, "xt\":\"halfway\"}\n");
		say_result(report_fd, experiment->id, "holds");
	} else if (is(experiment, "garbage-then-ok")) {
		say(report_fd, "\x01\xff{]\n\n{}\n[]\n42\n{\"event\":7}\n");
		say_result(report_fd, experiment->id, "holds");
	} else if (is(experiment, "garbage")) {
		say(report_fd, "Segmentation fault\n");
	} else if (is(experiment, "partial")) {
		say(report_fd, "{\"event\":\"result\",\"result\":{\"id\":\"partial\"");
	} else if (is(experiment, "wrong-result")) {
		say_result(report_fd, "somebody-else", "holds");
	} else if (is(experiment, "wrong-verdict")) {
		say_result(report_fd, experiment->id, "marvellous");
	} else if (is(experiment, "twice")) {
		say_result(report_fd, experiment->id, "holds");
		say_result(report_fd, experiment->id, "refuted");
	} else if (is(experiment, "abort")) {
		signal(SIGABRT, SIG_DFL);
		prctl(PR_SET_DUMPABLE, 0);
		abort();
	} else if (is(experiment, "kill")) {
		raise(SIGKILL);
	} else if (is(experiment, "exit3")) {
		_exit(3);
	} else if (is(experiment, "crash-after-result")) {
		say_result(report_fd, experiment->id, "holds");
		raise(SIGKILL);
	} else if (is(experiment, "hang")) {
		say(report_fd, "{\"event\":\"state\",\"text\":\"hanging\"}\n");
		hang();
	} else if (is(experiment, "stubborn")) {
		signal(SIGTERM, SIG_IGN);
		say(report_fd, "{\"event\":\"state\",\"text\":\"hanging\"}\n");
		hang();
	} else if (is(experiment, "leaves-arm")) {
		leave_arm();
		say_result(report_fd, experiment->id, "holds");
	} else if (is(experiment, "holds-stdout")) {
		say(STDOUT_FILENO, "r");
		hang();
	} else if (is(experiment, "mask")) {
		sigset_t mask;

		sigprocmask(SIG_BLOCK, NULL, &mask);
		shared->signals_blocked = sigismember(&mask, SIGTERM) ||
					  sigismember(&mask, SIGCHLD);
		say_result(report_fd, experiment->id, "holds");
	}
	return 0;
}

double experiment_seconds(const struct experiment *experiment)
{
	(void)experiment;
	return 1;
}

/* ---- helpers */

#define MADE_MAX 8

struct made {
	struct experiment made[MADE_MAX];
	const struct experiment *list[MADE_MAX];
	struct runner_options options;
	json_t *document;
	/* what the listener saw */
	unsigned started, finished, ticks, most;
	bool alone_with_others;
	char state[120];
	double left_s;
	const char
		*interrupt_at_state_of; /* id whose first state makes the listener raise SIGINT */
	const char *interrupt_when_finished;
	int again; /* a second SIGINT behind the first */
};

static void count_running(struct made *made, const struct runner_progress *all, size_t count)
{
	unsigned running = 0, alone = 0;

	for (size_t i = 0; i < count; i++) {
		running += all[i].running;
		alone += all[i].running && all[i].experiment->alone;
	}
	if (running > made->most)
		made->most = running;
	if (alone > 0 && running > 1)
		made->alone_with_others = true;
}

static void listen_and_count(enum runner_news news, const struct runner_progress *all, size_t count,
			     size_t which, void *context)
{
	struct made *made = context;
	const char *id = which < count ? all[which].experiment->id : "";

	count_running(made, all, count);
	made->started += news == RUNNER_STARTED;
	made->ticks += news == RUNNER_TICK;
	if (news == RUNNER_FINISHED) {
		made->finished++;
		assert_true(all[which].finished);
		assert_false(all[which].running);
		assert_non_null(all[which].result);
		if (made->interrupt_when_finished && strcmp(made->interrupt_when_finished, id) == 0)
			kill(getpid(), SIGINT);
	}
	if (news == RUNNER_STATE) {
		snprintf(made->state, sizeof(made->state), "%s", all[which].state);
		made->left_s = all[which].left_s;
		if (made->interrupt_at_state_of && strcmp(made->interrupt_at_state_of, id) == 0) {
			made->interrupt_at_state_of = NULL;
			kill(getpid(), SIGINT);
		}
	}
	if (made->again && news == RUNNER_TICK) {
		made->again = 0;
		kill(getpid(), SIGINT);
	}
}

/* Ids separated by blanks; one that begins with "alone" is. */
static void make(struct made *made, char *ids)
{
	char *rest = NULL;

	*made = (struct made){.options = {.listen = listen_and_count, .watchdog_s = 300}};
	made->options.experiments = made->list;
	made->options.context = made;
	for (char *id = strtok_r(ids, " ", &rest); id; id = strtok_r(NULL, " ", &rest)) {
		size_t n = made->options.count++;

		assert_true(n < MADE_MAX);
		made->made[n] = (struct experiment){.id = id, .claim = "a claim"};
		made->made[n].alone = strncmp(id, "alone", 5) == 0;
		made->list[n] = &made->made[n];
	}
}

static void run(struct made *made)
{
	assert_int_equal(runner_run(&made->options, &made->document, NULL), 0);
	/* No child is left, not even as a zombie. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static const char *text_of(const struct made *made, const char *id, const char *name)
{
	const json_t *result = results_find(made->document, id);

	assert_non_null(result);
	return json_string_value(json_object_get(result, name));
}

static bool interrupted(const struct made *made)
{
	return json_is_true(json_object_get(made->document, "interrupted"));
}

static size_t result_count(const struct made *made)
{
	return json_array_size(json_object_get(made->document, "results"));
}

static const char *id_at(const struct made *made, size_t index)
{
	const json_t *results = json_object_get(made->document, "results");

	return json_string_value(json_object_get(json_array_get(results, index), "id"));
}

#define MADE(name, text)                                                                           \
	char name##_ids[] = text;                                                                  \
	struct made name;                                                                          \
	make(&name, name##_ids)

/* An "error" of the full shape, with this summary. */
static void assert_error(const struct made *made, const char *id, const char *summary)
{
	const json_t *result = results_find(made->document, id);

	assert_string_equal(text_of(made, id, "verdict"), "error");
	assert_string_equal(text_of(made, id, "summary"), summary);
	assert_string_equal(text_of(made, id, "claim"), "a claim");
	assert_string_equal(text_of(made, id, "section"), "");
	assert_string_equal(text_of(made, id, "source"), "");
	assert_string_equal(text_of(made, id, "deciding"), "");
	assert_true(json_is_real(json_object_get(result, "seconds")));
	assert_true(json_is_object(json_object_get(result, "measured")));
	assert_true(json_is_array(json_object_get(result, "arms")));
	assert_true(json_is_null(json_object_get(result, "pcapng")));
	assert_true(json_is_false(json_object_get(result, "falsified")));
}

/* ---- tests */

static void results_keep_the_asked_order(void **state)
{
	MADE(made, "states ok big pieces garbage-then-ok twice");

	(void)state;
	run(&made);
	assert_int_equal(result_count(&made), 6);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(id_at(&made, i), made.list[i]->id);
	assert_string_equal(text_of(&made, "states", "verdict"), "refuted");
	assert_string_equal(text_of(&made, "big", "verdict"), "changed");
	assert_string_equal(text_of(&made, "garbage-then-ok", "verdict"), "holds");
	assert_string_equal(text_of(&made, "twice", "verdict"), "holds");
	assert_int_equal(made.started, 6);
	assert_int_equal(made.finished, 6);
	assert_false(interrupted(&made));
	assert_string_equal(json_string_value(json_object_get(made.document, "schema")),
			    "contest.lab/1");
	assert_string_equal(json_string_value(json_object_get(made.document, "link")), "veth");
	assert_true(json_number_value(json_object_get(made.document, "seconds")) > 0);
	json_decref(made.document);
}

static void states_reach_the_listener(void **state)
{
	MADE(made, "hang");

	(void)state;
	made.interrupt_at_state_of = "hang";
	run(&made);
	assert_string_equal(made.state, "hanging");
	assert_true(made.left_s < 0);
	json_decref(made.document);
}

static void a_death_is_the_error_of_that_one(void **state)
{
	MADE(made, "ok abort kill exit3 garbage partial wrong-result wrong-verdict");

	(void)state;
	run(&made);
	assert_int_equal(result_count(&made), 8);
	assert_string_equal(text_of(&made, "ok", "verdict"), "holds");
	assert_error(&made, "abort", "killed by signal 6 (Aborted)");
	assert_error(&made, "kill", "killed by signal 9 (Killed)");
	assert_error(&made, "exit3", "ended with status 3 and without a result");
	assert_error(
		&made, "garbage",
		"ended with status 0 and without a result; what it reported could not be read");
	assert_error(&made, "partial", "ended with status 0 and without a result");
	assert_error(
		&made, "wrong-result",
		"ended with status 0 and without a result; what it reported could not be read");
	assert_error(
		&made, "wrong-verdict",
		"ended with status 0 and without a result; what it reported could not be read");
	assert_false(interrupted(&made));
	json_decref(made.document);
}

static void a_result_counts_whatever_comes_after_it(void **state)
{
	MADE(made, "crash-after-result");

	(void)state;
	run(&made);
	assert_string_equal(text_of(&made, "crash-after-result", "verdict"), "holds");
	json_decref(made.document);
}

static void the_watchdog_ends_what_hangs(void **state)
{
	MADE(made, "hang stubborn ok");

	(void)state;
	made.options.watchdog_s = 0.3;
	run(&made);
	assert_error(&made, "hang", "no result after 0 s: ended by the watchdog");
	assert_error(&made, "stubborn", "no result after 0 s: ended by the watchdog");
	assert_false(interrupted(&made));
	json_decref(made.document);
}

static void arms_do_not_outlive_their_experiment(void **state)
{
	MADE(made, "leaves-arm");
	int status;

	(void)state;
	/* So that the arm becomes a child of this process, and its end can be seen. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_int_equal(runner_run(&made.options, &made.document, NULL), 0);
	assert_string_equal(text_of(&made, "leaves-arm", "verdict"), "holds");
	assert_true(shared->arm > 0);
	assert_int_equal(waitpid(shared->arm, &status, 0), shared->arm);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	json_decref(made.document);
}

static void jobs_bounds_what_runs_at_once(void **state)
{
	MADE(made, "ok-a ok-b ok-c ok-d ok-e");

	(void)state;
	made.options.jobs = 2;
	run(&made);
	assert_int_equal(result_count(&made), 5);
	assert_int_equal(made.most, 2);
	json_decref(made.document);
}

static void without_a_bound_all_run_at_once(void **state)
{
	MADE(made, "ok-a ok-b ok-c ok-d ok-e");

	(void)state;
	run(&made);
	assert_int_equal(made.most, 5);
	json_decref(made.document);
}

static void those_that_measure_speed_run_alone_and_last(void **state)
{
	MADE(made, "alone-a ok-a ok-b alone-b");

	(void)state;
	run(&made);
	assert_int_equal(made.most, 2);
	assert_false(made.alone_with_others);
	assert_string_equal(id_at(&made, 0), "alone-a");
	assert_string_equal(id_at(&made, 3), "alone-b");
	json_decref(made.document);
}

static void an_interruption_keeps_what_is_finished(void **state)
{
	MADE(made, "ok hang stubborn alone");

	(void)state;
	made.interrupt_when_finished = "ok";
	run(&made);
	assert_true(interrupted(&made));
	assert_int_equal(result_count(&made), 1);
	assert_string_equal(text_of(&made, "ok", "verdict"), "holds");
	assert_null(results_find(made.document, "hang"));
	assert_int_equal(made.started, 3);
	json_decref(made.document);
}

static void a_second_interruption_does_not_wait(void **state)
{
	MADE(made, "stubborn");

	(void)state;
	made.interrupt_at_state_of = "stubborn";
	made.again = 1;
	run(&made);
	assert_true(interrupted(&made));
	assert_int_equal(result_count(&made), 0);
	/* The grace of two seconds has ten ticks. */
	assert_true(made.ticks < 8);
	json_decref(made.document);
}

static void signals_are_as_before(void **state)
{
	MADE(made, "mask");
	sigset_t mask;

	(void)state;
	run(&made);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; i < NSIG; i++)
		assert_int_not_equal(sigismember(&mask, i), 1);
	assert_int_equal(shared->signals_blocked, 0);
	json_decref(made.document);
}

static void an_ignored_signal_stays_ignored(void **state)
{
	MADE(made, "ok states");

	(void)state;
	signal(SIGINT, SIG_IGN);
	made.options.jobs = 1;
	made.interrupt_when_finished = "ok";
	run(&made);
	assert_int_equal(signal(SIGINT, SIG_DFL), SIG_IGN);
	assert_false(interrupted(&made));
	assert_int_equal(result_count(&made), 2);
	json_decref(made.document);
}

/* kill -9 of the runner: its experiments and their arms vanish by PR_SET_PDEATHSIG. */
static void nothing_survives_the_runner(void **state)
{
	int pipe_fds[2];
	pid_t runner;
	char byte;

	(void)state;
	/* The experiment says that it is there; the pipe ends when the last that inherited it has.
	 */
	assert_int_equal(pipe(pipe_fds), 0);
	runner = fork();
	if (runner == 0) {
		MADE(made, "holds-stdout");
		json_t *document;

		/* Standard output is kept by the experiment; all else it closes. */
		dup2(pipe_fds[1], STDOUT_FILENO);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		made.options.listen = NULL;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		runner_run(&made.options, &document, NULL);
		_exit(0);
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	kill(runner, SIGKILL);
	assert_int_equal(waitpid(runner, NULL, 0), runner);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_keep_the_asked_order),
		cmocka_unit_test(states_reach_the_listener),
		cmocka_unit_test(a_death_is_the_error_of_that_one),
		cmocka_unit_test(a_result_counts_whatever_comes_after_it),
		cmocka_unit_test(the_watchdog_ends_what_hangs),
		cmocka_unit_test(arms_do_not_outlive_their_experiment),
		cmocka_unit_test(jobs_bounds_what_runs_at_once),
		cmocka_unit_test(without_a_bound_all_run_at_once),
		cmocka_unit_test(those_that_measure_speed_run_alone_and_last),
		cmocka_unit_test(an_interruption_keeps_what_is_finished),
		cmocka_unit_test(a_second_interruption_does_not_wait),
		cmocka_unit_test(signals_are_as_before),
		cmocka_unit_test(an_ignored_signal_stays_ignored),
		cmocka_unit_test(nothing_survives_the_runner),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
