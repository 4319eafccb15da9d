#include "cmd/explain_stop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[ARRAY_SIZE(ends)];
static int event = -1;
static volatile sig_atomic_t asked;

/* All of them at once: a second signal of another kind is a second one, too. */
static void take(int signal)
{
	const uint64_t one = 1;
	int error = errno;

	(void)signal;
	asked = true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (before[i].sa_handler != SIG_IGN)
			sigaction(ends[i], &before[i], NULL);
	(void)!write(event, &one, sizeof(one));
	errno = error;
}

int explain_stop_init(void)
{
	struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART};

	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaction(ends[i], NULL, &before[i]);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (before[i].sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	return 0;
}

int explain_stop_fd(void)
{
	return event;
}

bool explain_stop_asked(void)
{
	return asked;
}

void explain_stop_done(void)
{
	if (event < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaction(ends[i], &before[i], NULL);
	close(TAKE_FD(event));
}
