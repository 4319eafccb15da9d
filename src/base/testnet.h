/*
 * For tests: a network namespace of their own, so that ports are free and nothing that they do is
 * to be seen outside. Included by test programs only; no library has it.
 */
#ifndef CONTEST_BASE_TESTNET_H
#define CONTEST_BASE_TESTNET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Why this process is not in a namespace of its own; NULL: it is. */
static const char *not_alone = "be_alone() was not called";

/* The loopback of the thread's namespace comes up. */
static inline void raise_loopback(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		not_alone = strerror(errno);
	if (fd >= 0)
		close(fd);
}

/* Moves the whole test program into a namespace whose loopback is up. */
static inline void be_alone(void)
{
	not_alone = NULL;
	/* TSan has a thread of its own, with which there is no other user namespace (EINVAL). */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0) {
		not_alone = strerror(errno);
		return;
	}
	raise_loopback();
}

/* The same for what is allowed in the first user namespace alone, as BPF is: root stays there. */
static inline void be_alone_with_privileges(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		be_alone();
		return;
	}
	not_alone = NULL;
	raise_loopback();
}

/* Skips the test where be_alone() had no success. */
#define NEEDS_NAMESPACE()                                                                          \
	do {                                                                                       \
		if (not_alone) {                                                                   \
			print_message("no network namespace: %s\n", not_alone);                    \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* The same where processes are watched: valgrind 3.19 does not know pidfd_open(2). */
static inline bool has_pidfd(void)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

#define NEEDS_PROCESSES()                                                                          \
	do {                                                                                       \
		NEEDS_NAMESPACE();                                                                 \
		if (!has_pidfd()) {                                                                \
			print_message("no pidfd_open(2)\n");                                       \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

#endif
