/*
 * Sockets for others to count: so many in TIME-WAIT, so many established. A tool of bench/, not
 * installed.
 *
 *	crowd [--time-wait N] [--established N] [--peers N]
 *
 * Prints "ready SECONDS" when all are there, and stays until its standard input ends; then those
 * that are established go without a trace (by RST), and TIME-WAIT is the kernel's.
 *
 * TIME-WAIT lasts a minute, so a million of them must be made fast: a process on each processor
 * connects to itself over loopback, binds each time to the next of its addresses and ports, and
 * closes both ends at once. In turn the client has closed first, and the server: half of them are
 * at the ports of clients, half at one port of a server. Established are pairs of as many processes
 * as the limit of open files asks for.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PORT  2000
#define PORTS	    60000
#define PAIRS_MOST  9000 /* of a process */
#define BACKLOG	    128
#define SERVER_PORT 1000 /* below the range that connect() chooses from */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in at(uint32_t address, unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(address),
	};
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static int listen_at(const struct sockaddr_in *server)
{
	int fd = tcp_socket();

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
	    bind(fd, (const struct sockaddr *)server, sizeof(*server)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		err(1, "listen");
	return fd;
}

/* Every @step-th, from @first on; in turn the client and the server closes first, and has it. */
static void make_time_wait(long first, long step, long count, long peers)
{
	struct sockaddr_in server = at(0x7f030001 + (uint32_t)first, SERVER_PORT);
	int listener = listen_at(&server);

	for (long i = first; i < count; i += step) {
		struct sockaddr_in client = at(0x7f010001 + (uint32_t)(i % peers),
					       FIRST_PORT + (unsigned)(i / peers));
		int from = tcp_socket(), to;

		if (bind(from, (struct sockaddr *)&client, sizeof(client)) < 0)
			err(1, "bind number %ld", i);
		if (connect(from, (struct sockaddr *)&server, sizeof(server)) < 0)
			err(1, "connect number %ld", i);
		to = accept(listener, NULL, NULL);
		if (to < 0)
			err(1, "accept number %ld", i);
		close(i / step % 2 ? from : to);
		close(i / step % 2 ? to : from);
	}
}

static void reset_at_end(int fd)
{
	const struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void make_pairs(long holder, long pairs)
{
	struct sockaddr_in server = at(0x7f020001 + (uint32_t)holder, SERVER_PORT);
	int listener = listen_at(&server);

	for (long i = 0; i < pairs; i++) {
		int from = tcp_socket(), to;

		if (connect(from, (struct sockaddr *)&server, sizeof(server)) < 0)
			err(1, "connect pair %ld", i);
		to = accept(listener, NULL, NULL);
		if (to < 0)
			err(1, "accept pair %ld", i);
		reset_at_end(from);
		reset_at_end(to);
	}
}

static void run_on(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t pids[1024];
static int pid_count;

/* A child; 0 in itself. */
static pid_t begin(void)
{
	pid_t pid = pid_count < 1024 ? fork() : -1;

	if (pid < 0)
		err(1, "fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else
		pids[pid_count++] = pid;
	return pid;
}

static void end_all(void)
{
	for (int i = 0; i < pid_count; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

static void say_ready(int done)
{
	if (write(done, "", 1) != 1)
		err(1, "write");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"time-wait", required_argument, NULL, 't'},
		{"established", required_argument, NULL, 'e'},
		{"peers", required_argument, NULL, 'p'},
		{NULL},
	};
	long time_wait = 0, established = 0, peers = 250, children = 0;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct rlimit files;
	double began;
	int done[2], option;
	char byte;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		long value = option == '?' ? 0 : atol(optarg);

		switch (option) {
		case 't':
			time_wait = value;
			break;
		case 'e':
			established = value;
			break;
		case 'p':
			peers = value;
			break;
		default:
			return 2;
		}
	}
	if (peers < 1 || peers > 65000 || time_wait / peers > PORTS)
		errx(2, "--time-wait: at most %d for each peer", PORTS);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 2 * PAIRS_MOST + 20)
		errx(1, "the limit of open files is %ld", (long)files.rlim_cur);
	if (pipe2(done, O_CLOEXEC) < 0)
		err(1, "pipe");
	began = now();
	for (long pairs = established / 2, holder = 0; pairs > 0; holder++) {
		long some = pairs < PAIRS_MOST ? pairs : PAIRS_MOST;

		if (begin() == 0) {
			close(done[0]);
			make_pairs(holder, some);
			say_ready(done[1]);
			for (;;)
				pause();
		}
		pairs -= some;
		children++;
	}
	for (long core = 0; core < cores && time_wait > 0; core++) {
		if (begin() == 0) {
			close(done[0]);
			run_on((int)core);
			make_time_wait(core, cores, time_wait, peers);
			say_ready(done[1]);
			_exit(0);
		}
		children++;
	}
	close(done[1]);
	for (; children > 0; children--)
		if (read(done[0], &byte, 1) != 1)
			errx(1, "a part of it failed");
	printf("ready %.2f\n", now() - began);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	end_all();
	return 0;
}
