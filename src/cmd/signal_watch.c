#include "cmd/signal_watch.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"

bool signal_is_ignored(int signal)
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int signal_watch_open(struct signal_watch *watch, const int *more, size_t count)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t set, before;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (!signal_is_ignored(ends[i]))
			sigaddset(&set, ends[i]);
	for (size_t i = 0; i < count; i++)
		sigaddset(&set, more[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &before);
	*watch = (struct signal_watch){.fd = fd, .before = before};
	return 0;
}

int signal_watch_next(const struct signal_watch *watch)
{
	struct signalfd_siginfo info;

	return read(watch->fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void signal_watch_close(struct signal_watch *watch)
{
	if (watch->fd < 0)
		return;
	while (signal_watch_next(watch))
		;
	close(watch->fd);
	watch->fd = -1;
	sigprocmask(SIG_SETMASK, &watch->before, NULL);
}
