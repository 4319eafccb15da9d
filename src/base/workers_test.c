#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/workers.h"

#define WORKERS 3
#define MINUTE	(60 * NS_PER_S) /* for what comes at once */

/* ---- what the workers of these tests do */

enum life {
	ENDS,	  /* well, at once */
	WAITS,	  /* until go_fd is readable, and ends well */
	FAILS,	  /* says why */
	VANISHES, /* without a word */
	CRASHES,
	LOOKS, /* which descriptors and signals it has */
};

static enum life lives[WORKERS];
static int go_fd = -1;		 /* eventfd */
static unsigned deaths[WORKERS]; /* told to the owner */
static int news_fd = -1;	 /* eventfd that is heard; workers have none of it */
static int news;		 /* what hear() is to return */
static struct told {
	_Atomic unsigned begun, wrong_signals;
	_Atomic uint64_t open; /* descriptors from 3 on, a bit each */
} * told;		       /* of the last workers */

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, timeout_ms) == 1;
}

static bool acts(int signal, void (*handler)(int))
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == handler;
}

static void look(void)
{
	static const int left[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};

	for (int fd = 3; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			told->open |= UINT64_C(1) << fd;
	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		told->wrong_signals += !acts(left[i], SIG_IGN);
	told->wrong_signals += !acts(SIGCHLD, SIG_DFL);
}

static int run(void *owner, unsigned index, struct why *why)
{
	told->begun++;
	if (owner != lives)
		return -EINVAL;
	switch (lives[index]) {
	case WAITS:
		while (!is_readable(go_fd, -1))
			continue;
		return 0;
	case FAILS:
		return why_set(why, -EPERM, "no work for %u", index);
	case VANISHES:
		_exit(EXIT_FAILURE);
	case CRASHES:
		raise(SIGKILL);
		return 0;
	case LOOKS:
		look();
		return 0;
	default:
		return 0;
	}
}

static void died(void *owner, unsigned index)
{
	assert_ptr_equal(owner, lives);
	deaths[index]++;
}

static int hear(void *owner, struct why *why)
{
	eventfd_t count;

	assert_ptr_equal(owner, lives);
	eventfd_read(news_fd, &count);
	return news ? why_say(why, news, "heard") : 0;
}

static const struct workers_role role = {.run = run, .died = died, .hear = hear};

static struct workers *make(enum life first, enum life others)
{
	struct workers *workers = NULL;
	CLEANUP_CLOSE int pidfd = pidfd_open(getpid(), 0);

	if (pidfd < 0) { /* valgrind 3.19 does not know it */
		print_message("no pidfd_open(2)\n");
		skip();
	}
	for (int i = 0; i < WORKERS; i++)
		lives[i] = i ? others : first;
	memset(deaths, 0, sizeof(deaths));
	go_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(go_fd >= 0);
	assert_int_equal(workers_new(&role, lives, WORKERS, sizeof(*told), &workers), 0);
	told = workers_shared(workers);
	return workers;
}

static struct workers *begin(enum life first, enum life others)
{
	struct workers *workers = make(first, others);

	assert_int_equal(workers_start(workers, &go_fd, 1, NULL), 0);
	return workers;
}

static void end(struct workers *workers)
{
	workers_free(workers);
	close(go_fd);
	/* Nobody is left behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* ---- tests */

static void all_end_well(void **state)
{
	struct workers *workers = make(ENDS, ENDS);

	(void)state;
	assert_int_equal(workers_running(workers), 0);
	assert_int_equal(workers_wait(workers, -1, NULL), 0); /* for nobody */
	assert_int_equal(workers_start(workers, NULL, 0, NULL), 0);
	assert_int_equal(workers_running(workers), WORKERS);
	assert_int_equal(workers_wait(workers, -1, NULL), 0);
	assert_int_equal(workers_running(workers), 0);
	assert_int_equal(told->begun, WORKERS);
	assert_int_equal(deaths[0] + deaths[1] + deaths[2], 0);
	end(workers);
}

static void waits_no_longer_than_asked(void **state)
{
	struct workers *workers = begin(WAITS, WAITS);

	(void)state;
	assert_int_equal(workers_wait(workers, 0, NULL), -ETIMEDOUT);
	assert_int_equal(workers_wait(workers, NS_PER_MS, NULL), -ETIMEDOUT);
	assert_false(is_readable(workers_ended_fd(workers), 0));
	assert_int_equal(workers_running(workers), WORKERS);
	eventfd_write(go_fd, 1);
	assert_int_equal(workers_wait(workers, MINUTE, NULL), 0);
	end(workers);
}

/* Of worker 0, which ends by itself while the others go on. */
static void death_is_told(enum life life, const char *sentence)
{
	struct workers *workers = begin(life, WAITS);
	int pid = (int)workers_pid(workers, 0);
	struct why why = {""};
	char wanted[128];

	assert_true(is_readable(workers_ended_fd(workers), 60000));
	assert_int_equal(workers_wait(workers, MINUTE, &why), -ECHILD);
	snprintf(wanted, sizeof(wanted), "worker process %d %s", pid, sentence);
	assert_string_equal(why.text, wanted);
	assert_int_equal(workers_pid(workers, 0), 0);
	assert_int_equal(deaths[0], 1);
	assert_false(is_readable(workers_ended_fd(workers), 0));
	assert_int_equal(workers_wait(workers, 0, &why), -ETIMEDOUT);
	assert_int_equal(workers_running(workers), WORKERS - 1);
	eventfd_write(go_fd, 1);
	assert_int_equal(workers_wait(workers, MINUTE, NULL), 0);
	assert_int_equal(deaths[0] + deaths[1] + deaths[2], 1);
	end(workers);
}

static void deaths_are_told(void **state)
{
	(void)state;
	death_is_told(CRASHES, "was killed by SIGKILL");
	death_is_told(FAILS, "ended: no work for 0: Operation not permitted");
	death_is_told(VANISHES, "ended: it could not begin");
}

static void kills_who_still_runs(void **state)
{
	struct workers *workers = begin(ENDS, WAITS);

	(void)state;
	assert_true(is_readable(workers_ended_fd(workers), 60000));
	assert_int_equal(workers_wait(workers, 0, NULL), -ETIMEDOUT);
	assert_int_equal(workers_running(workers), WORKERS - 1);
	assert_int_equal(workers_kill(workers), WORKERS - 1);
	assert_int_equal(workers_running(workers), 0);
	assert_int_equal(deaths[0], 0);
	assert_int_equal(deaths[1], 1);
	assert_int_equal(deaths[2], 1);
	assert_int_equal(workers_kill(workers), 0);
	end(workers);
	end(begin(WAITS, WAITS));
	workers_free(NULL);
}

static void hears(void **state)
{
	struct workers *workers = make(WAITS, WAITS);
	struct why why = {""};

	(void)state;
	news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(workers_hear(workers, -1), -EBADF);
	assert_int_equal(workers_hear(workers, news_fd), 0);
	assert_int_equal(workers_start(workers, &go_fd, 1, NULL), 0);
	eventfd_write(news_fd, 1);
	assert_true(is_readable(workers_ended_fd(workers), 0));
	news = -EIO;
	assert_int_equal(workers_wait(workers, MINUTE, &why), -EIO);
	assert_string_equal(why.text, "heard");
	eventfd_write(news_fd, 1);
	news = 0;
	assert_int_equal(workers_wait(workers, 0, &why), -ETIMEDOUT);
	assert_int_equal(workers_running(workers), WORKERS);
	end(workers);
	close(news_fd);
}

static void ignore(int signal)
{
	(void)signal;
}

static void workers_have_only_what_they_need(void **state)
{
	struct workers *workers = make(LOOKS, LOOKS);
	const int keep[] = {60, -1, 40, STDERR_FILENO, 41, 40};

	(void)state;
	for (int fd = 38; fd <= 62; fd++)
		assert_int_equal(dup2(go_fd, fd), fd);
	signal(SIGTERM, ignore);
	signal(SIGCHLD, ignore);
	assert_int_equal(workers_start(workers, keep, ARRAY_SIZE(keep), NULL), 0);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(workers_wait(workers, MINUTE, NULL), 0);
	close_range(38, 62, 0);
	assert_int_equal(told->open, UINT64_C(1) << 60 | UINT64_C(1) << 41 | UINT64_C(1) << 40);
	assert_int_equal(told->wrong_signals, 0);
	end(workers);
}

static void what_is_shared_is_empty_and_aligned(void **state)
{
	static const char zeros[1000];
	struct workers *workers = NULL;

	(void)state;
	assert_int_equal(workers_new(&role, lives, WORKERS, sizeof(zeros), &workers), 0);
	assert_memory_equal(workers_shared(workers), zeros, sizeof(zeros));
	assert_int_equal((uintptr_t)workers_shared(workers) % alignof(max_align_t), 0);
	workers_free(workers);
}

static void workers_die_with_the_caller(void **state)
{
	_Atomic pid_t *worker = mmap(NULL, sizeof(*worker), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pidfd;
	pid_t pid;

	(void)state;
	assert_true(worker != MAP_FAILED);
	workers_free(make(WAITS, WAITS)); /* or skips */
	close(go_fd);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct workers *workers = begin(WAITS, WAITS);

		while (told->begun < WORKERS)
			sched_yield();
		*worker = workers_pid(workers, 0);
		for (;;)
			pause();
	}
	while (!*worker)
		sched_yield();
	pidfd = pidfd_open(*worker, 0);
	assert_true(pidfd >= 0);
	assert_false(is_readable(pidfd, 0));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(is_readable(pidfd, 20000));
	close(pidfd);
	munmap(worker, sizeof(*worker));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_end_well),
		cmocka_unit_test(waits_no_longer_than_asked),
		cmocka_unit_test(deaths_are_told),
		cmocka_unit_test(kills_who_still_runs),
		cmocka_unit_test(hears),
		cmocka_unit_test(workers_have_only_what_they_need),
		cmocka_unit_test(what_is_shared_is_empty_and_aligned),
		cmocka_unit_test(workers_die_with_the_caller),
	};

	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
