#include "lab/runner_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define READS_MAX 16 /* per call: one talkative experiment must not starve the others */

/*
 * Every descriptor but the standard ones and the pipe: one of the runner's that stayed open here
 * would keep another experiment's pipe from ending.
 */
static int keep_only(int fd)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (kept < 0)
		return -errno;
	if (kept != 3 && dup3(kept, 3, O_CLOEXEC) < 0)
		return -errno;
	if (close_range(4, ~0U, 0) < 0)
		return -errno;
	return 3;
}

/* The runner has its signals blocked and takes them from a descriptor; here they are as usual. */
static void reset_signals(void)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
	struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		sigaction(taken[i], &usual, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void live(pid_t runner, const struct experiment *experiment,
			   const struct play_options *options, int report_fd)
{
	setpgid(0, 0);
	/* kill -9 of the runner must leave nothing behind. It may have died before the prctl(). */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != runner)
		_exit(1);
	prctl(PR_SET_NAME, experiment->id); /* for ps(1); the kernel cuts it to 15 bytes */
	report_fd = keep_only(report_fd);
	if (report_fd < 0)
		_exit(1);
	reset_signals();
	_exit(play_experiment(experiment, options, report_fd) == 0 ? 0 : 1);
}

int runner_child_start(struct runner_child *child, const struct experiment *experiment,
		       const struct play_options *options)
{
	pid_t runner = getpid(), pid;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* Only the read end: the experiment may wait for the runner. */
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		r = -errno;
		goto fail;
	}
	pid = fork();
	if (pid < 0) {
		r = -errno;
		goto fail;
	}
	if (pid == 0)
		live(runner, experiment, options, ends[1]);

	/* Both sides do it, so that the group is there whoever runs first. */
	setpgid(pid, pid);
	close(ends[1]);
	*child = (struct runner_child){.pid = pid, .report_fd = ends[0]};
	return 0;
fail:
	close(ends[0]);
	close(ends[1]);
	return r;
}

int runner_child_read(struct runner_child *child,
		      void (*line)(const char *text, size_t length, void *context), void *context)
{
	for (int i = 0; i < READS_MAX; i++) {
		ptrdiff_t n = line_reader_feed(&child->reader, child->report_fd, line, context);

		if (n <= 0)
			return (int)n;
	}
	return 1;
}

void runner_child_signal(const struct runner_child *child, int signal)
{
	if (child->pid > 0)
		kill(child->pid, signal);
}

void runner_child_kill(const struct runner_child *child)
{
	if (child->pid > 0)
		kill(-child->pid, SIGKILL);
}

bool runner_child_ended(struct runner_child *child, int *ret)
{
	siginfo_t info = {0};

	/*
	 * The group is swept while the leader is a zombie, because its number cannot be given to
	 * somebody else before it is reaped.
	 */
	if (child->pid <= 0 ||
	    waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    info.si_pid == 0)
		return false;
	runner_child_kill(child);
	waitpid(child->pid, ret, 0);
	child->pid = 0;
	return true;
}

void runner_child_hang_up(struct runner_child *child)
{
	if (child->report_fd >= 0)
		close(child->report_fd);
	child->report_fd = -1;
}

void runner_child_done(struct runner_child *child)
{
	runner_child_hang_up(child);
	line_reader_done(&child->reader);
	*child = RUNNER_CHILD_NONE;
}
