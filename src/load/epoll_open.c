/* Opening connections: tuple, socket, connect(), and whether it is established already. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/epoll.h"

/* Connections that are opened before events get their turn. */
#define OPEN_BATCH 32

/* ---- whether it is established */

static bool guess_to_try(struct guess_connected *guess)
{
	/* The world changes: now and then the try is made against better knowledge. */
	return guess->eager > 0 || ++guess->skipped % 64 == 0;
}

static void guess_was(struct guess_connected *guess, bool right)
{
	guess->eager += right ? 3 : -1;
	if (guess->eager > EPOLL_LOOP_EAGER)
		guess->eager = EPOLL_LOOP_EAGER;
	if (guess->eager < 0)
		guess->eager = 0;
}

static int connect_to(int fd, const struct tcp_endpoint *destination)
{
	struct sockaddr_storage to;
	socklen_t length;

	tcp_endpoint_to_sockaddr(destination, &to, &length);
	return connect(fd, (const struct sockaddr *)&to, length) < 0 ? -errno : 0;
}

/*
 * connect() again: 0, established; -EALREADY: not yet; or why not (net/ipv4/af_inet.c,
 * __inet_stream_connect()). Which address it is given does not matter then.
 */
static int ask(int fd)
{
	static const struct tcp_endpoint any = {.address.family = AF_INET};

	return connect_to(fd, &any);
}

void epoll_loop_unconnected(struct epoll_loop *loop, uint32_t at, unsigned failure)
{
	close(loop->slots.at[at].fd);
	account_unconnected(loop->tally, failure, epoll_loop_clock(loop));
	slots_give(&loop->slots, at);
	pace_ended(&loop->pace);
}

bool epoll_loop_connected(struct epoll_loop *loop, uint32_t at, uint32_t events)
{
	struct slot *slot = &loop->slots.at[at];
	socklen_t length = sizeof(int);
	int error = 0;

	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error && !account_was_established(error)) {
		epoll_loop_unconnected(loop, at, (unsigned)error);
		return false;
	}
	account_connected(loop->work, slot, loop->now_ns);
	slots_delist(&loop->slots, at); /* the next step has its time from now on */
	epoll_loop_answers(loop, slot, slot->course.requests);
	if (error) /* getsockopt() has taken it: the course would not hear of it */
		course_received(&slot->course, loop->course_plan, NULL, -error);
	return true;
}

/* Sends at once. 0: established, and the course knows what was sent; -EAGAIN: not yet; else why
 * it is none. */
static int try_send(struct epoll_loop *loop, struct slot *slot, const struct course_step *step)
{
	ssize_t n = send(slot->fd, step->bytes, step->length,
			 MSG_NOSIGNAL | (step->last ? MSG_MORE : 0));
	int r = n < 0 ? -errno : 0;

	if (r < 0 && !account_was_established(-r))
		return r;
	/* With TCP Fast Open the bytes go out with the SYN. */
	if (r == 0 && loop->plan->fastopen)
		r = ask(slot->fd) < 0 ? -EAGAIN : 0;
	if (r != -EAGAIN)
		account_connected(loop->work, slot, loop->now_ns);
	if (n > 0)
		account_sent(loop->tally, slot, (size_t)n, loop->now_ns);
	course_sent(&slot->course, loop->course_plan, n < 0 ? r : n);
	if (slot->course.requests) { /* no answer is awaited: this was the end */
		epoll_loop_clock(loop);
		epoll_loop_answers(loop, slot, 0);
	}
	return r == -EAGAIN ? r : 0;
}

/* The same, of any course. */
static int try_on(struct epoll_loop *loop, struct slot *slot)
{
	struct course_step step;
	int r;

	if (course_next(&slot->course, loop->course_plan, &step) == COURSE_SEND)
		return try_send(loop, slot, &step);
	r = ask(slot->fd);
	if (r == 0 || account_was_established(-r))
		account_connected(loop->work, slot, loop->now_ns);
	if (account_was_established(-r)) {
		course_received(&slot->course, loop->course_plan, NULL, r);
		r = 0;
	}
	return r == -EALREADY ? -EAGAIN : r;
}

/* connect() has returned @r: 0 or -EINPROGRESS. */
static void go_on(struct epoll_loop *loop, uint32_t at, int r)
{
	struct slot *slot = &loop->slots.at[at];

	course_begin(&slot->course, loop->course_plan);
	if (r == 0 && !loop->plan->fastopen) {
		account_connected(loop->work, slot, loop->now_ns);
	} else if (r == 0 || guess_to_try(&loop->guess)) {
		r = try_on(loop, slot);
		guess_was(&loop->guess, r == 0);
		if (r < 0 && r != -EAGAIN) {
			epoll_loop_unconnected(loop, at, (unsigned)-r);
			return;
		}
	} else {
		r = -EAGAIN;
	}
	if (r < 0) {
		epoll_loop_await(loop, at);
		return;
	}
	epoll_loop_answers(loop, slot, slot->course.requests);
	epoll_loop_turn(loop, at);
}

/* ---- a socket that connects */

/* What came of trying to open one. */
struct opening {
	int fd;
	int result;	     /* of connect(): 0 or -EINPROGRESS; or -errno of what failed */
	enum load_step step; /* that failed */
	bool port;	     /* for want of a port */
	int64_t connect_ns;  /* before connect(); loop->now_ns is after it */
};

static void open_tuple(struct epoll_loop *loop, const struct tuple *tuple, struct opening *ret)
{
	const char *failed_at;
	int r, fd = tuple_socket(loop->plan, tuple, &failed_at);

	*ret = (struct opening){.fd = fd, .result = fd, .step = LOAD_STEP_SOCKET};
	if (fd >= 0) {
		ret->step = LOAD_STEP_CONNECT;
		ret->connect_ns = clock_now_ns();
		r = connect_to(fd, tuple->destination);
		epoll_loop_clock(loop);
		ret->result = r;
		if (r == 0 || r == -EINPROGRESS)
			return;
		close(fd);
		load_add(&loop->tally->connect_calls, 1);
		load_add(&loop->tally->connect_ns, (uint64_t)(loop->now_ns - ret->connect_ns));
	}
	ret->port = pace_lacked_port(loop->plan, ret->step, -ret->result);
}

/* Ports that are taken are passed over, where the ports are ours to choose. */
static void open_next(struct epoll_loop *loop, struct opening *ret)
{
	unsigned tries = loop->plan->ports == LOAD_PORTS_KERNEL ? 1 : PACE_PORT_TRIES;
	struct tuple tuple;

	for (;;) {
		tuples_next(&loop->work->tuples, &tuple);
		open_tuple(loop, &tuple, ret);
		if (!ret->port || --tries == 0)
			return;
		load_add(&loop->tally->port_retries, 1);
	}
}

static void open_one(struct epoll_loop *loop, int64_t intended_ns)
{
	uint32_t at = slots_take(&loop->slots);
	int64_t began_ns = epoll_loop_clock(loop);
	struct opening opening = {.result = -EMFILE};
	struct slot *slot;

	if (at != SLOTS_NONE)
		open_next(loop, &opening);
	if (opening.result == -EMFILE || opening.result == -ENFILE) {
		if (at != SLOTS_NONE) {
			loop->work->tuples.next--;
			slots_give(&loop->slots, at);
		}
		pace_want_descriptors(&loop->pace, loop->now_ns);
		return;
	}
	pace_made(&loop->pace);
	if (opening.result < 0 && opening.result != -EINPROGRESS) {
		slots_give(&loop->slots, at);
		account_refused(loop->tally, opening.result, opening.step, loop->now_ns);
		if (opening.port)
			pace_want_ports(&loop->pace, loop->now_ns);
		return;
	}
	pace_found_port(&loop->pace);
	slot = &loop->slots.at[at];
	slot->fd = opening.fd;
	account_begin(loop->tally, slot, intended_ns, began_ns);
	account_connect_call(loop->tally, slot, opening.connect_ns, loop->now_ns);
	go_on(loop, at, opening.result);
}

void epoll_loop_open(struct epoll_loop *loop)
{
	for (int i = 0; i < OPEN_BATCH; i++) {
		uint32_t under_way = loop->slots.count - loop->slots.lists[SLOTS_KEPT].count;
		int64_t ns;

		switch (pace_next(&loop->pace, loop->now_ns, under_way, &ns)) {
		case PACE_OPEN:
			open_one(loop, ns);
			break;
		case PACE_FAIL:
			pace_made(&loop->pace);
			account_refused(loop->tally, EADDRNOTAVAIL, LOAD_STEP_CONNECT,
					loop->now_ns);
			break;
		case PACE_WAIT:
			loop->pace_ns = ns;
			return;
		case PACE_OVER:
			loop->pace_ns = INT64_MAX;
			return;
		}
	}
	loop->pace_ns = 0; /* there may be more */
}
