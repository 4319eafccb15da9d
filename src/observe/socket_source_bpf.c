/*
 * Sockets by a BPF iterator (bpf/tcp_iter.bpf.c): records that the kernel writes and that are read
 * in blocks of 32 KiB, the most that it makes at once (kernel/bpf/bpf_iter.c, bpf_seq_read(),
 * 6.18). An iterator walks the namespace of the thread that creates it (bpf_iter_init_seq_net()).
 * Sums come from a program of their own (socket_sums.h).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "observe/bpf/tcp_iter.skel.h"
#include "observe/bpf/tcp_record.h"
#include "observe/bpf_allowed.h"
#include "observe/socket_key.h"
#include "observe/socket_sources.h"
#include "observe/socket_sums.h"

#define BLOCK 32768

struct bpf_source {
	/* Both are loaded when they are first needed: it takes 15 ms each. */
	struct tcp_iter *program; /* (owned) NULL: not yet */
	struct socket_sums *sums; /* (owned) NULL: not yet, or … */
	bool no_sums;		  /* … they cannot be had */
	int netns_fd;		  /* (owned) */
	int64_t tick_ns;
	struct tcp_record block[BLOCK / sizeof(struct tcp_record)];
};

static void bpf_close(void *source)
{
	struct bpf_source *bpf = source;

	if (!bpf)
		return;
	tcp_iter__destroy(bpf->program);
	socket_sums_close(bpf->sums);
	if (bpf->netns_fd >= 0)
		close(bpf->netns_fd);
	free(bpf);
}

/* An iterator at its beginning, in the source's namespace: its descriptor, or -errno. */
static int begin(const struct bpf_source *bpf)
{
	int home = netns_enter(bpf->netns_fd), fd;

	if (home < 0)
		return home;
	fd = bpf_iter_create(bpf_link__fd(bpf->program->links.list_tcp));
	netns_leave(home);
	return fd;
}

static int attach(struct bpf_source *bpf, struct why *why)
{
	int r = tcp_iter__load(bpf->program);

	/* libbpf finds none of this name among the kernel's types. */
	if (r == -ESRCH)
		return why_say(why, r,
			       "this kernel has no BPF iterator over TCP sockets (Linux 5.9 has)");
	if (r < 0)
		return bpf_refused(r, why);
	r = tcp_iter__attach(bpf->program);
	if (r < 0)
		return why_set(why, r, "this kernel has no BPF iterator over TCP sockets");
	r = begin(bpf);
	if (r < 0)
		return why_set(why, r, "cannot begin a BPF iterator in the network namespace");
	close(r);
	return 0;
}

static int load_program(struct bpf_source *bpf, struct why *why)
{
	int r;

	bpf->program = tcp_iter__open();
	if (!bpf->program)
		return why_set(why, -errno, "cannot open the BPF program");
	r = attach(bpf, why);
	if (r < 0) {
		tcp_iter__destroy(bpf->program);
		bpf->program = NULL;
	}
	return r;
}

/* What cannot be entered is told now, and not when the first walk begins. */
static int try_to_enter(int netns_fd, struct why *why)
{
	int home = netns_enter(netns_fd);

	if (home < 0)
		return why_set(why, home, "cannot enter the network namespace");
	netns_leave(home);
	return 0;
}

static int bpf_open(int netns_fd, void **ret, struct why *why)
{
	struct bpf_source *bpf;
	int r = bpf_allowed(why);

	if (r < 0)
		return r;
	bpf = calloc(1, sizeof(*bpf));
	if (!bpf)
		return why_set(why, -ENOMEM, "cannot list the TCP sockets");
	bpf->tick_ns = clock_tick_ns();
	bpf->netns_fd = fcntl(netns_fd, F_DUPFD_CLOEXEC, 0);
	if (bpf->netns_fd < 0)
		r = why_set(why, -errno, "cannot keep the network namespace");
	else
		r = try_to_enter(netns_fd, why);
	if (r < 0) {
		bpf_close(bpf);
		return r;
	}
	*ret = bpf;
	return 0;
}

static void status_of(const struct bpf_source *bpf, const struct tcp_record *record,
		      struct socket_status *ret)
{
	socket_key_set(&ret->key, record->family, record->local, record->local_port, record->remote,
		       ntohs(record->remote_port_be));
	ret->state = record->state;
	ret->timer = (enum socket_timer)record->timer;
	ret->timer_left_ms = record->timer_left > 0
				     ? (uint32_t)(record->timer_left * bpf->tick_ns / NS_PER_MS)
				     : 0;
	ret->retransmits = record->retransmits;
	ret->receive_queue = record->receive_queue;
	ret->send_queue = record->send_queue;
	ret->inode = record->inode;
	ret->uid = record->uid;
	ret->minisock = record->timer == SOCKET_TIMER_TIMEWAIT;
}

/* Whole records: how many, 0 at the end, or -errno. */
static ssize_t read_block(struct bpf_source *bpf, int fd)
{
	ssize_t n;

	/* EAGAIN: a million sockets went by, and none was wanted (MAX_ITER_OBJECTS). */
	do {
		n = read(fd, bpf->block, sizeof(bpf->block));
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return -errno;
	if ((size_t)n % sizeof(bpf->block[0]) != 0)
		return -EBADMSG;
	return n / (ssize_t)sizeof(bpf->block[0]);
}

static int show_all(struct bpf_source *bpf, int fd, struct socket_visitor *visitor)
{
	struct socket_status status;
	ssize_t n;

	while ((n = read_block(bpf, fd)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			status_of(bpf, &bpf->block[i], &status);
			if (socket_visitor_show(visitor, &status) != 0)
				return visitor->stopped;
		}
	}
	return (int)n;
}

static int bpf_walk(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		    void (*again)(void *context), void *context, struct socket_walk *ret,
		    struct why *why)
{
	struct socket_visitor visitor = {filter, visit, again, context};
	struct bpf_source *bpf = source;
	CLEANUP_CLOSE int fd = -1;
	int r = bpf->program ? 0 : load_program(bpf, why);

	if (r < 0)
		return r;
	bpf->program->data->wanted_states = socket_source_states(filter);
	fd = begin(bpf);
	r = fd < 0 ? fd : show_all(bpf, fd, &visitor);
	if (visitor.stopped)
		return visitor.stopped;
	if (r < 0)
		return why_set(why, r, "cannot list the TCP sockets by a BPF iterator");
	*ret = (struct socket_walk){.seen = visitor.seen};
	return 0;
}

static int bpf_sum(void *source, uint32_t states, unsigned fields, socket_sum_take take,
		   void *context, struct socket_walk *ret, struct why *why)
{
	struct bpf_source *bpf = source;
	int r;

	if (!bpf->sums && !bpf->no_sums) {
		r = socket_sums_open(bpf->netns_fd, &bpf->sums, why);
		if (r < 0 && r != -ENOTSUP)
			return r;
		bpf->no_sums = r < 0;
	}
	if (bpf->no_sums)
		return why_say(why, -ENOTSUP, "this kernel cannot add up sockets for us");
	return socket_sums_read(bpf->sums, states & SOCKET_SOURCE_STATES, fields, take, context,
				ret, why);
}

const struct socket_source socket_source_bpf = {
	.name = "bpf",
	.summary = "a BPF iterator: needs CAP_BPF and CAP_PERFMON",
	.probe = bpf_allowed,
	.open = bpf_open,
	.walk = bpf_walk,
	.sum = bpf_sum,
	.close = bpf_close,
};
