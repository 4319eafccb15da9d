/*
 * Holds many connections open to a server on this machine, measures how long connections take
 * that ask, are answered and closed meanwhile, and looks at what the server's processes cost. A
 * tool of bench/, not installed.
 *
 *	hold look PID           processor time, tasks and memory of PID and all below it, as JSON
 *	hold load PORT PID [--idle N] [--active N] [--seconds N]
 *
 * Holders: child processes with up to HOLDER_MOST connections each, to 127.0.0.2, 127.0.0.3 and so
 * on: neither descriptors nor local ports run out. The server must listen on all addresses, with a
 * backlog that holds all of them: an overflow would be measured as the second that a SYN waits
 * for its repetition. The active connections come from the first process, in one event loop.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOLDER_MOST 15000
#define ACTIVE_MOST 4096
#define NS_PER_S    1000000000LL

static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* ---- what the server costs */

struct cost {
	double cpu_s;
	long tasks, processes, memory; /* bytes */
};

struct process {
	int pid, parent;
	long tasks;
	double cpu_s;
	bool below;
};

/* Of the process and of its children that were waited for: who died is in the sum, too. */
static bool process_read(int pid, struct process *ret)
{
	unsigned long user, system;
	long children_user, children_system;
	char path[64], line[1024], *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	at = fgets(line, sizeof(line), file);
	fclose(file);
	at = at ? strrchr(line, ')') : NULL; /* the name may hold anything */
	if (!at || sscanf(at + 1,
			  " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %ld",
			  &ret->parent, &user, &system, &children_user, &children_system,
			  &ret->tasks) != 6)
		return false;
	ret->pid = pid;
	ret->cpu_s = ((double)(user + system) + (double)(children_user + children_system)) /
		     (double)sysconf(_SC_CLK_TCK);
	ret->below = false;
	return true;
}

/* What nobody else has: of pages shared after fork(), its share (Pss). In bytes. */
static long process_memory(int pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Pss_Anon: %ld", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

/* All processes that there are; children may come before their parents. */
static size_t processes_read(struct process **ret)
{
	struct process *list = NULL;
	size_t count = 0, room = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		err(1, "/proc");
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (count == room) {
			room = room ? 2 * room : 1024;
			list = realloc(list, room * sizeof(*list));
			if (!list)
				err(1, "list of processes");
		}
		count += process_read(atoi(entry->d_name), &list[count]);
	}
	closedir(proc);
	*ret = list;
	return count;
}

static void mark_below(struct process *list, size_t count, int root)
{
	bool more = true;

	for (size_t i = 0; i < count; i++)
		list[i].below = list[i].pid == root;
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			if (list[i].below)
				continue;
			for (size_t j = 0; j < count && !list[i].below; j++)
				list[i].below = list[j].below && list[j].pid == list[i].parent;
			more = more || list[i].below;
		}
	}
}

static struct cost look(int root, bool with_memory)
{
	struct cost cost = {0};
	struct process *list;
	size_t count = processes_read(&list);

	mark_below(list, count, root);
	for (size_t i = 0; i < count; i++) {
		if (!list[i].below)
			continue;
		cost.cpu_s += list[i].cpu_s;
		cost.tasks += list[i].tasks;
		cost.processes++;
		if (with_memory)
			cost.memory += process_memory(list[i].pid);
	}
	free(list);
	return cost;
}

static double own_cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

/* ---- what the kernel of this namespace has counted */

/* Tcp: PassiveOpens: connections that came to listeners. */
static long passive_opens(void)
{
	char line[1024];
	long value = -1;
	FILE *file = fopen("/proc/self/net/snmp", "re");

	if (!file)
		err(1, "/proc/self/net/snmp");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Tcp: %*d %*d %*d %*d %*d %ld", &value) == 1)
			break;
	fclose(file);
	return value;
}

/* Connections that the listeners of @port have not given to the server yet. They stand at the top
 * of /proc/net/tcp (net/ipv4/tcp_ipv4.c, tcp_seek_last_pos()), so the rest need not be read. */
static long waiting_for_accept(unsigned port)
{
	char line[256];
	long sum = 0;
	FILE *file = fopen("/proc/self/net/tcp", "re");

	if (!file)
		err(1, "/proc/self/net/tcp");
	while (fgets(line, sizeof(line), file)) {
		unsigned local, state;
		unsigned long queue;

		if (sscanf(line, " %*u: %*x:%x %*x:%*x %x %*x:%lx", &local, &state, &queue) != 3)
			continue;
		if (state != 0x0a) /* TCP_LISTEN */
			break;
		if (local == port)
			sum += (long)queue;
	}
	fclose(file);
	return sum;
}

/* ---- holders */

struct holder {
	pid_t pid;
	int told, tells; /* pipes: to it, from it */
	long opened, kept;
};

static struct sockaddr_in server_at(unsigned port, unsigned number)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number),
	};
}

static void give(int pipe_end, long number)
{
	if (write(pipe_end, &number, sizeof(number)) != sizeof(number))
		_exit(1);
}

static long take(int pipe_end)
{
	long number;

	return read(pipe_end, &number, sizeof(number)) == sizeof(number) ? number : -1;
}

/* Those of which nothing was heard: no end, no error. */
static long count_kept(const int *fds, long count)
{
	long kept = 0;

	for (long i = 0; i < count; i++) {
		struct pollfd one = {.fd = fds[i], .events = POLLIN | POLLRDHUP};

		kept += poll(&one, 1, 0) == 0;
	}
	return kept;
}

static _Noreturn void holder_main(unsigned port, unsigned number, long count, int told, int tells)
{
	struct sockaddr_in at = server_at(port, number);
	int *fds = calloc((size_t)count, sizeof(*fds));
	long opened = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!fds || take(told) < 0)
		_exit(1);
	while (opened < count) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
			warn("connection %ld of %ld", opened + 1, count);
			break;
		}
		fds[opened++] = fd;
	}
	give(tells, opened);
	if (take(told) < 0)
		_exit(1);
	give(tells, count_kept(fds, opened));
	_exit(0);
}

static struct holder holder_start(unsigned port, unsigned number, long count)
{
	int down[2], up[2];
	struct holder holder = {0};

	if (pipe(down) < 0 || pipe(up) < 0)
		err(1, "pipe");
	holder.pid = fork();
	if (holder.pid < 0)
		err(1, "fork");
	if (holder.pid == 0) {
		close(down[1]);
		close(up[0]);
		holder_main(port, number, count, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	holder.told = down[1];
	holder.tells = up[0];
	return holder;
}

/* ---- active connections: each asks, reads to the end, closes, and is opened anew */

struct active {
	int fd;
	bool asked;
	int64_t began_ns;
};

struct load {
	unsigned port;
	int set;
	struct active *active;
	long count;
	uint32_t *took_ns; /* of each that was answered (owned) */
	size_t answered, room;
	long broken;
};

static void active_begin(struct load *load, long i)
{
	struct active *active = &load->active[i];
	struct sockaddr_in at = server_at(load->port, 0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
				    .data.u32 = (uint32_t)i};

	active->began_ns = now_ns();
	active->asked = false;
	active->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (active->fd < 0)
		err(1, "socket");
	if (connect(active->fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EINPROGRESS)
		err(1, "connect");
	/* Over loopback it mostly stands already, and can be used at once. */
	if (send(active->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0) {
		active->asked = true;
		event.events = EPOLLIN;
	}
	if (epoll_ctl(load->set, EPOLL_CTL_ADD, active->fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void note(struct load *load, const struct active *active)
{
	int64_t took_ns = now_ns() - active->began_ns;

	if (load->answered == load->room) {
		load->room = load->room ? 2 * load->room : 65536;
		load->took_ns = realloc(load->took_ns, load->room * sizeof(*load->took_ns));
		if (!load->took_ns)
			err(1, "latencies");
	}
	load->took_ns[load->answered++] = took_ns < UINT32_MAX ? (uint32_t)took_ns : UINT32_MAX;
}

/* True when it is over. */
static bool active_go_on(struct load *load, struct active *active)
{
	char buffer[4096];
	ssize_t n;

	if (!active->asked) {
		n = send(active->fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return false;
		active->asked = true;
	}
	while ((n = recv(active->fd, buffer, sizeof(buffer), 0)) > 0)
		;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n == 0)
		note(load, active);
	else
		load->broken++;
	return true;
}

static void load_run(struct load *load, double seconds)
{
	int64_t until_ns = now_ns() + (int64_t)(seconds * NS_PER_S);

	load->set = epoll_create1(EPOLL_CLOEXEC);
	load->active = calloc((size_t)load->count, sizeof(*load->active));
	if (load->set < 0 || !load->active)
		err(1, "active connections");
	for (long i = 0; i < load->count; i++)
		active_begin(load, i);
	while (now_ns() < until_ns) {
		struct epoll_event events[256];
		int n = epoll_wait(load->set, events, 256, 100);

		for (int i = 0; i < n; i++) {
			struct active *active = &load->active[events[i].data.u32];

			if (!active_go_on(load, active))
				continue;
			close(active->fd);
			active_begin(load, events[i].data.u32);
		}
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Microseconds; @took_ns is sorted. */
static double quantile(const struct load *load, double q)
{
	size_t at = (size_t)(q * (double)load->answered);

	if (load->answered == 0)
		return 0;
	return load->took_ns[at < load->answered ? at : load->answered - 1] / 1e3;
}

/* ---- the whole */

struct wishes {
	unsigned port;
	int server;
	long idle, active;
	double seconds;
};

/* Seconds until all are open and the server has accepted them. */
static double open_all(const struct wishes *wishes, struct holder *holders, unsigned count,
		       long *ret_opened)
{
	int64_t began_ns = now_ns();
	const struct timespec moment = {.tv_nsec = 1000000};

	*ret_opened = 0;
	for (unsigned i = 0; i < count; i++)
		give(holders[i].told, 0);
	for (unsigned i = 0; i < count; i++) {
		holders[i].opened = take(holders[i].tells);
		*ret_opened += holders[i].opened;
	}
	while (waiting_for_accept(wishes->port) > 0) {
		if (now_ns() - began_ns > 60 * NS_PER_S)
			errx(1, "the server does not accept");
		nanosleep(&moment, NULL);
	}
	return (double)(now_ns() - began_ns) / NS_PER_S;
}

static long close_all(struct holder *holders, unsigned count)
{
	long kept = 0;

	for (unsigned i = 0; i < count; i++) {
		give(holders[i].told, 0);
		kept += take(holders[i].tells);
	}
	return kept;
}

static void run(const struct wishes *wishes)
{
	unsigned count = (unsigned)((wishes->idle + HOLDER_MOST - 1) / HOLDER_MOST);
	struct holder *holders = calloc(count + 1, sizeof(*holders));
	struct load load = {.port = wishes->port, .count = wishes->active};
	long opened, kept, opens;
	struct cost empty, before, after, full;
	double open_s, client_s, began_s;

	if (!holders)
		err(1, "holders");
	for (unsigned i = 0; i < count; i++)
		holders[i] = holder_start(wishes->port, i + 1,
					  wishes->idle / count + (i < wishes->idle % count));
	empty = look(wishes->server, true);
	open_s = open_all(wishes, holders, count, &opened);
	full = look(wishes->server, true);

	before = look(wishes->server, false);
	opens = passive_opens();
	client_s = own_cpu_s();
	began_s = (double)now_ns() / NS_PER_S;
	if (wishes->active)
		load_run(&load, wishes->seconds);
	began_s = (double)now_ns() / NS_PER_S - began_s;
	client_s = own_cpu_s() - client_s;
	opens = passive_opens() - opens;
	after = look(wishes->server, false);
	kept = close_all(holders, count);

	if (load.took_ns)
		qsort(load.took_ns, load.answered, sizeof(*load.took_ns), compare);
	printf("{\"idle\":%ld,\"kept\":%ld,\"open_s\":%.3f,\"open_cpu_s\":%.2f,\"active\":%ld,"
	       "\"memory_empty\":%ld,\"memory\":%ld,\"tasks\":%ld,\"processes\":%ld,"
	       "\"seconds\":%.3f,\"passive_opens\":%ld,\"answered\":%zu,\"broken\":%ld,"
	       "\"rate\":%.0f,\"server_us\":%.2f,\"client_us\":%.2f,"
	       "\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
	       opened, kept, open_s, full.cpu_s - empty.cpu_s, wishes->active, empty.memory,
	       full.memory, after.tasks > full.tasks ? after.tasks : full.tasks, full.processes,
	       began_s, opens, load.answered, load.broken, opens ? (double)opens / began_s : 0,
	       opens ? (after.cpu_s - before.cpu_s) * 1e6 / (double)opens : 0,
	       opens ? client_s * 1e6 / (double)opens : 0, quantile(&load, 0.5),
	       quantile(&load, 0.99), quantile(&load, 1));
	free(load.took_ns);
	free(load.active);
	free(holders);
}

static _Noreturn void usage(void)
{
	fputs("usage: hold look PID\n"
	      "       hold load PORT PID [--idle N] [--active N] [--seconds N]\n",
	      stderr);
	exit(2);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"idle", required_argument, NULL, 'i'},
		{"active", required_argument, NULL, 'a'},
		{"seconds", required_argument, NULL, 's'},
		{0},
	};
	struct wishes wishes = {.seconds = 2};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'i')
			wishes.idle = atol(optarg);
		else if (option == 'a')
			wishes.active = atol(optarg);
		else if (option == 's')
			wishes.seconds = atof(optarg);
		else
			usage();
	}
	argv += optind;
	argc -= optind;
	if (argc == 2 && strcmp(argv[0], "look") == 0) {
		struct cost cost = look(atoi(argv[1]), true);

		printf("{\"cpu_s\":%.2f,\"tasks\":%ld,\"processes\":%ld,\"memory\":%ld,"
		       "\"passive_opens\":%ld}\n",
		       cost.cpu_s, cost.tasks, cost.processes, cost.memory, passive_opens());
		return 0;
	}
	if (argc != 3 || strcmp(argv[0], "load") != 0 || wishes.active > ACTIVE_MOST)
		usage();
	wishes.port = (unsigned)atoi(argv[1]);
	wishes.server = atoi(argv[2]);
	run(&wishes);
	return 0;
}
