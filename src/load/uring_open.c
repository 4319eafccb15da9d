/* Opening connections: tuple, socket, connect(). */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/uring.h"

/* Connections that are opened before events get their turn. */
#define OPEN_BATCH 32
/* Calls in which what is queued is to get out of the way of a connect(). */
#define SETTLE_CALLS 4

/* ---- whether it is established */

/* TCP Fast Open: connect() has put the SYN off until there is something to send (net/ipv4/
 * tcp_fastopen.c, tcp_fastopen_defer_connect()). */
static bool is_put_off(const struct uring_loop *loop, int fd)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	return loop->plan->fastopen && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
	       info.tcpi_state == TCP_SYN_SENT;
}

static void established(struct uring_loop *loop, uint32_t at, int error, int64_t now_ns)
{
	struct slot *slot = &loop->slots.at[at];

	account_connected(loop->work, slot, now_ns);
	slots_delist(&loop->slots, at); /* the next step has its time from now on */
	uring_loop_answers(loop, slot, slot->course.requests, now_ns);
	if (error)
		course_received(&slot->course, loop->course_plan, NULL, -error);
}

void uring_loop_connected(struct uring_loop *loop, uint32_t at, int result, int64_t now_ns)
{
	struct slot *slot = &loop->slots.at[at];

	if (result == 0 && is_put_off(loop, slot->fd)) {
		if (!loop->course_plan->request) /* it would be for ever */
			course_fail(&slot->course, EISCONN);
		return;
	}
	if (result == 0 || account_was_established(-result))
		established(loop, at, -result, now_ns);
	else
		course_fail(&slot->course, (unsigned)-result); /* in vain: its time was over */
}

void uring_loop_writable(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];
	socklen_t length = sizeof(int);
	int error = 0;

	if (is_put_off(loop, slot->fd)) /* it was told to end */
		return;
	getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	uring_loop_connected(loop, at, -error, loop->now_ns);
}

/* ---- a socket that connects */

/* What came of trying to open one. */
struct opening {
	int fd;
	int result;		     /* of connect(): 0 or -EINPROGRESS; or -errno of what failed */
	enum load_step step;	     /* that failed */
	bool port;		     /* for want of a port */
	int64_t before_ns, after_ns; /* connect() */
};

/* Whether the peer said so, and not connect() itself. */
static bool is_answer(int error)
{
	return error == ECONNREFUSED || account_was_established(error);
}

/*
 * By itself in its call to the kernel, so that the time in there is that of connect(). Over the
 * loopback the SYN-ACK comes while connect() holds the socket, and release_sock() takes it in
 * (net/core/sock.c, __release_sock()): the request finds it established when it asks, and ends
 * with the same call.
 */
static int connect_to(struct uring_loop *loop, uint32_t at, int fd,
		      const struct tcp_endpoint *destination)
{
	const struct uring_address *to =
		&loop->destinations[destination - loop->plan->destinations];
	struct io_uring_sqe *sqe;

	if (!ring_room(&loop->ring))
		return -ENFILE; /* what the kernel is short of now */
	sqe = ring_request(&loop->ring, IORING_OP_CONNECT, fd, uring_tag(REQUEST_CONNECT, at));
	sqe->addr = (uintptr_t)&to->any;
	sqe->off = to->length;
	loop->slots.at[at].watched = UNDER_WAY(REQUEST_CONNECT);
	loop->opening.at = at;
	loop->opening.result = -EINPROGRESS;
	uring_loop_enter(loop);
	return 0;
}

static void open_tuple(struct uring_loop *loop, uint32_t at, const struct tuple *tuple,
		       struct opening *ret)
{
	const char *failed_at;
	int fd = tuple_socket(loop->plan, tuple, &failed_at);

	*ret = (struct opening){.fd = fd, .result = fd, .step = LOAD_STEP_SOCKET};
	if (fd >= 0) {
		ret->step = LOAD_STEP_CONNECT;
		ret->result = connect_to(loop, at, fd, tuple->destination);
	}
	if (fd >= 0 && ret->result == 0) {
		ret->before_ns = loop->entered_ns;
		ret->after_ns = loop->now_ns;
		uring_loop_events(loop);
		loop->opening.at = SLOTS_NONE;
		ret->result = loop->opening.result;
		if (ret->result == 0 || ret->result == -EINPROGRESS || is_answer(-ret->result))
			return;
		load_add(&loop->tally->connect_calls, 1);
		load_add(&loop->tally->connect_ns, (uint64_t)(ret->after_ns - ret->before_ns));
	}
	if (fd >= 0)
		close(fd);
	ret->port = pace_lacked_port(loop->plan, ret->step, -ret->result);
}

/* Ports that are taken are passed over, where the ports are ours to choose. */
static void open_next(struct uring_loop *loop, uint32_t at, struct opening *ret)
{
	unsigned tries = loop->plan->ports == LOAD_PORTS_KERNEL ? 1 : PACE_PORT_TRIES;
	struct tuple tuple;

	for (;;) {
		tuples_next(&loop->work->tuples, &tuple);
		open_tuple(loop, at, &tuple, ret);
		if (!ret->port || --tries == 0)
			return;
		load_add(&loop->tally->port_retries, 1);
	}
}

static void begin(struct uring_loop *loop, uint32_t at, const struct opening *opening)
{
	struct slot *slot = &loop->slots.at[at];

	account_connect_call(loop->tally, slot, opening->before_ns, opening->after_ns);
	if (opening->result == -EINPROGRESS) {
		uring_loop_park(loop, at);
		return;
	}
	uring_loop_connected(loop, at, opening->result, opening->after_ns);
	uring_loop_turn(loop, at);
}

static void open_one(struct uring_loop *loop, int64_t intended_ns)
{
	uint32_t at = slots_take(&loop->slots);
	int64_t began_ns = uring_loop_clock(loop);
	struct opening opening = {.result = -EMFILE};
	struct slot *slot;

	if (at != SLOTS_NONE) {
		course_begin(&loop->slots.at[at].course, loop->course_plan);
		open_next(loop, at, &opening);
	}
	if (opening.result == -EMFILE || opening.result == -ENFILE) {
		if (at != SLOTS_NONE) {
			loop->work->tuples.next--;
			slots_give(&loop->slots, at);
		}
		pace_want_descriptors(&loop->pace, loop->now_ns);
		return;
	}
	pace_made(&loop->pace);
	if (opening.result < 0 && opening.result != -EINPROGRESS && !is_answer(-opening.result)) {
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
	begin(loop, at, &opening);
}

/* ---- when */

static void settle(struct uring_loop *loop)
{
	for (int i = 0; i < SETTLE_CALLS && ring_queued(&loop->ring) && !loop->forced; i++) {
		uring_loop_enter(loop);
		uring_loop_events(loop);
	}
}

static uint32_t under_way(const struct uring_loop *loop)
{
	return loop->slots.count - loop->slots.lists[SLOTS_KEPT].count;
}

void uring_loop_open(struct uring_loop *loop)
{
	for (int i = 0; i < OPEN_BATCH && !loop->forced; i++) {
		int64_t ns;

		switch (pace_next(&loop->pace, loop->now_ns, under_way(loop), &ns)) {
		case PACE_OPEN:
			settle(loop);
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
