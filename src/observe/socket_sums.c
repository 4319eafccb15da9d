#include "observe/socket_sums.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/netns.h"
#include "observe/bpf/tcp_sum.h"
#include "observe/bpf/tcp_sums.skel.h"
#include "observe/bpf_allowed.h"
#include "observe/socket_key.h"
#include "observe/socket_sources.h"
#include "tcp/state.h"

#define PLACES (1U << TCP_SUMS_BITS)
/* Buckets in one run, in which the kernel gives nobody else its turn: a millisecond. */
#define BUCKETS_A_RUN 2048
#define ATTEMPTS      4

static_assert((int)SOCKET_FIELD_LOCAL == TCP_SUM_LOCAL &&
		      (int)SOCKET_FIELD_LOCAL_PORT == TCP_SUM_LOCAL_PORT &&
		      (int)SOCKET_FIELD_REMOTE == TCP_SUM_REMOTE &&
		      (int)SOCKET_FIELD_REMOTE_PORT == TCP_SUM_REMOTE_PORT &&
		      (int)SOCKET_FIELD_TIMER == TCP_SUM_TIMER,
	      "fields are the program's");

struct socket_sums {
	struct tcp_sums *program;   /* (owned) */
	int netns_fd;		    /* (borrowed) */
	struct sockdiag *listeners; /* (owned) */
	int64_t tick_ns;
};

/* Who is told. */
struct reading {
	struct socket_sums *sums;
	unsigned fields;
	socket_sum_take take;
	void *context;
	uint64_t seen; /* sockets that were told */
};

int socket_sums_open(int netns_fd, struct socket_sums **ret, struct why *why)
{
	struct socket_sums *sums = calloc(1, sizeof(*sums));
	int r;

	if (!sums)
		return why_set(why, -ENOMEM, "cannot add up the TCP sockets");
	sums->netns_fd = netns_fd;
	sums->tick_ns = clock_tick_ns();
	r = sockdiag_open(netns_fd, &sums->listeners, why);
	if (r == 0) {
		sums->program = tcp_sums__open_and_load();
		if (!sums->program)
			r = why_say(why, -ENOTSUP,
				    "this kernel cannot add up sockets for us (Linux 6.2 can)");
	}
	if (r < 0) {
		socket_sums_close(sums);
		return r;
	}
	*ret = sums;
	return 0;
}

void socket_sums_close(struct socket_sums *sums)
{
	if (!sums)
		return;
	tcp_sums__destroy(sums->program);
	sockdiag_close(sums->listeners);
	free(sums);
}

/* ---- a sum is told */

static uint32_t ms_of(const struct socket_sums *sums, int ticks)
{
	return ticks > 0 ? (uint32_t)(ticks * sums->tick_ns / NS_PER_MS) : 0;
}

static struct socket_sum sum_of(const struct socket_sums *sums, const struct tcp_sum *from)
{
	struct socket_sum sum = {
		.like = {.state = from->key.state, .timer = (enum socket_timer)from->key.timer},
		.count = from->count,
		.minisocks = from->minisocks,
		.timers = from->timers,
	};

	socket_key_set(&sum.like.key, from->key.family, from->key.local, from->key.local_port,
		       from->key.remote, ntohs(from->key.remote_port_be));
	if (from->timers) {
		sum.timer_least_ms = ms_of(sums, from->least);
		sum.timer_most_ms = ms_of(sums, from->most);
	}
	return sum;
}

static int tell(struct reading *reading, const struct socket_sum *sum)
{
	reading->seen += sum->count;
	return reading->take(sum, reading->context);
}

/* What is in the table. */
static int take_all(struct reading *reading)
{
	const struct tcp_sum *table = reading->sums->program->bss->sums;
	int r = 0;

	for (size_t i = 0; i < PLACES && r == 0; i++) {
		struct socket_sum sum;

		if (table[i].count == 0)
			continue;
		sum = sum_of(reading->sums, &table[i]);
		r = tell(reading, &sum);
	}
	return r;
}

/* ---- listeners */

static int take_listener(const struct socket_status *status, void *context)
{
	struct reading *reading = context;
	struct socket_sum sum = {.like = *status, .count = 1};

	if (!(reading->fields & SOCKET_FIELD_LOCAL))
		memset(sum.like.key.local.address.bytes, 0,
		       sizeof(sum.like.key.local.address.bytes));
	if (!(reading->fields & SOCKET_FIELD_LOCAL_PORT))
		sum.like.key.local.port = 0;
	return tell(reading, &sum);
}

/* They are few, and in a table that sock_diag walks by itself. */
static int take_listeners(struct reading *reading)
{
	return sockdiag_dump(reading->sums->listeners, AF_UNSPEC, 1U << TCP_LISTEN, take_listener,
			     reading);
}

/* ---- connections */

static void empty(struct tcp_sums__bss *bss)
{
	if (bss->used)
		memset(bss->sums, 0, sizeof(bss->sums));
	bss->used = bss->strayed = bss->lost = 0;
}

/* In the namespace, which is that of the thread that runs it. */
static int run_all(struct socket_sums *sums)
{
	int fd = bpf_program__fd(sums->program->progs.add_up), home = netns_enter(sums->netns_fd);
	struct tcp_sums_run run = {.most = BUCKETS_A_RUN};
	struct bpf_test_run_opts options = {
		.sz = sizeof(options),
		.ctx_in = &run,
		.ctx_size_in = sizeof(run),
	};
	const struct tcp_sums__bss *bss = sums->program->bss;
	int r;

	if (home < 0)
		return home;
	do {
		run.from = run.next;
		r = bpf_prog_test_run_opts(fd, &options);
	} while (r == 0 && run.next < run.buckets && !bss->lost && !bss->strayed);
	netns_leave(home);
	return r;
}

/* Fills the table. -ENOTSUP: it cannot be done this way. */
static int add_up(struct socket_sums *sums, unsigned *ret_repeated)
{
	struct tcp_sums__bss *bss = sums->program->bss;

	for (unsigned repeated = 0; repeated < ATTEMPTS; repeated++) {
		int r;

		empty(bss);
		r = run_all(sums);
		if (r < 0)
			return r;
		if (bss->lost)
			return -ENOTSUP;
		if (!bss->strayed) {
			*ret_repeated = repeated;
			return 0;
		}
	}
	return -ENOTSUP;
}

int socket_sums_read(struct socket_sums *sums, uint32_t states, unsigned fields,
		     socket_sum_take take, void *context, struct socket_walk *ret, struct why *why)
{
	struct reading reading = {.sums = sums, .fields = fields, .take = take, .context = context};
	struct tcp_sums__bss *bss = sums->program->bss;
	unsigned repeated = 0;
	int r = 0;

	if (getrandom(&bss->seed, sizeof(bss->seed), GRND_NONBLOCK) < 0)
		bss->seed = (uintptr_t)sums;
	sums->program->data->wanted_states = states;
	bss->wanted_fields = fields;
	if (states & ~(1U << TCP_LISTEN))
		r = add_up(sums, &repeated);
	if (r < 0)
		return why_set(why, r, "cannot add up the TCP sockets");
	if (states & ~(1U << TCP_LISTEN))
		r = take_all(&reading);
	if (r == 0 && states & 1U << TCP_LISTEN)
		r = take_listeners(&reading);
	if (r == 0)
		*ret = (struct socket_walk){.seen = reading.seen, .repeated = repeated};
	return r;
}
