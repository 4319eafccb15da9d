/* Network namespaces, in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_testing.h"
#include "base/file.h"
#include "base/netns.h"

static ino_t inode_of(int fd)
{
	struct stat info;

	return fstat(fd, &info) < 0 ? 0 : info.st_ino;
}

static ino_t inode_now(void)
{
	int fd = netns_open_current();
	ino_t inode = inode_of(fd);

	close(fd);
	return inode;
}

/* Loopback is down in a new namespace: "lo" is up only where this child has raised it. */
static bool loopback_is_up(int fd)
{
	struct ifreq request = {.ifr_name = "lo"};

	return ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

static bool raise_loopback(int fd)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static int netns_child(void)
{
	int first, second, home, fd;
	char text[4] = "";

	if (!unshare_as_root(CLONE_NEWNET))
		return CHILD_SKIP;
	first = netns_open_current();
	CHECK(first >= 0);
	CHECK(unshare(CLONE_NEWNET) == 0);
	second = netns_open_current();
	CHECK(second >= 0 && inode_of(first) != inode_of(second));
	CHECK(fcntl(first, F_GETFD) & FD_CLOEXEC);

	home = netns_enter(first);
	CHECK(home >= 0);
	CHECK(inode_of(home) == inode_of(second));
	CHECK(inode_now() == inode_of(first));
	netns_leave(home);
	CHECK(inode_now() == inode_of(second));
	CHECK(fcntl(home, F_GETFD) < 0); /* closed */

	/* a socket stays where it was made */
	fd = netns_socket(first, AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(inode_now() == inode_of(second));
	CHECK(raise_loopback(fd) && loopback_is_up(fd));
	close(fd);
	fd = netns_socket(second, AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0 && !loopback_is_up(fd));
	close(fd);
	CHECK(netns_socket(first, AF_INET, 999, 0) == -EINVAL);
	CHECK(inode_now() == inode_of(second));

	/* /proc/sys/net is the visited one's */
	fd = netns_open(first, "/proc/sys/net/ipv4/ip_forward", O_RDWR);
	CHECK(fd >= 0 && fd_write_all(fd, "1", 1) == 0);
	close(fd);
	fd = netns_open(first, "/proc/sys/net/ipv4/ip_forward", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, 1) == 1 && text[0] == '1');
	close(fd);
	fd = netns_open(second, "/proc/sys/net/ipv4/ip_forward", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, 1) == 1 && text[0] == '0');
	close(fd);
	CHECK(netns_open(first, "/proc/nothing", O_RDONLY) == -ENOENT);
	CHECK(inode_now() == inode_of(second));
	return 0;
}

static bool give_up_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{.effective = 0}};

	return syscall(SYS_capset, &header, none) == 0;
}

/* As any user at home: the namespace that one is in needs no privilege, another one does. */
static int own_child(void)
{
	int other, own, home, fd;

	if (!unshare_as_root(CLONE_NEWNET))
		return CHILD_SKIP;
	other = netns_open_current();
	CHECK(other >= 0 && unshare(CLONE_NEWNET) == 0);
	own = netns_open_current();
	CHECK(own >= 0 && give_up_privileges());

	home = netns_enter(own);
	CHECK(home >= 0 && inode_of(home) == inode_of(own));
	netns_leave(home);
	CHECK(inode_now() == inode_of(own));
	CHECK(fcntl(home, F_GETFD) < 0); /* closed */
	fd = netns_socket(own, AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	close(fd);
	fd = netns_open(own, "/proc/thread-self/net/tcp", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK(netns_enter(other) == -EPERM);
	CHECK(inode_now() == inode_of(own));
	return 0;
}

static void netns_own_without_privileges(void **state)
{
	(void)state;
	run_child(own_child);
}

static void netns_visits(void **state)
{
	(void)state;
	run_child(netns_child);
}

static void netns_refuses_other_descriptors(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(netns_enter(fd), -EINVAL);
	assert_int_equal(netns_enter(-1), -EBADF);
	assert_int_equal(netns_socket(-1, AF_INET, SOCK_STREAM, 0), -EBADF);
	assert_int_equal(netns_open(-1, "/dev/null", O_RDONLY), -EBADF);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netns_visits),
		cmocka_unit_test(netns_own_without_privileges),
		cmocka_unit_test(netns_refuses_other_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
