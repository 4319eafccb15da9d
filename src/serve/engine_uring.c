/*
 * The engine "uring": a pool of threads, each with an io_uring that carries many connections.
 *
 * Theory of operation. Nothing is waited for but the ring: each connection has one request under
 * way (two, when an answer and the look after it are linked), and the completion says what is
 * next. All that completions bring about is queued and goes to the kernel by the one system call
 * that also waits for the next ones. So a batch of connections costs as many system calls as one.
 *
 * A multishot accept per listener brings connections without being asked again. A request for
 * bytes takes a buffer of the ring's only when bytes come: idle connections hold none. An answer
 * lies in the ring's scratch until it is handed over; one that the socket does not take at once is
 * made anew when it is writable (talk_next() gives the same bytes again).
 *
 * Linking. After the last answer the talk looks whether anything lies unread before it closes.
 * What it will say is found by asking a copy of it; then answer and look go out together.
 *
 * Direct descriptors (numbers in a table of the ring, not of the process) save their part of
 * accept and close. Where a connection needs a plain one (socket options, SO_LINGER, names for
 * the journal), all are plain: uses_plain().
 *
 * Whoever has a request under way keeps its slot until that has ended: a slot's index in a tag
 * never means a successor. Timeouts are those of the lists in the slab.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "serve/engine.h"
#include "serve/slab.h"
#include "serve/talk.h"
#include "serve/uring.h"

/* What a tag is about: in its upper half; a slot or a listener in the lower one. */
enum request {
	REQUEST_NONE, /* its event says nothing */
	REQUEST_ACCEPT,
	REQUEST_LISTENER, /* poll of a listener */
	REQUEST_STOP,
	REQUEST_FORCE,
	REQUEST_RECEIVE,
	REQUEST_SEND,
	REQUEST_LOOK,
	REQUEST_WRITABLE,
	REQUEST_PEEK,
	REQUEST_SHUT,
	REQUEST_CLOSE, /* by a worker of the kernel */
};

/* slot.watched: requests under way, and two notes. */
#define UNDER_WAY(request) (1u << ((request)-REQUEST_RECEIVE))
#define UNDER_WAY_ANY	   (UNDER_WAY(REQUEST_SHUT + 1) - 1)
#define NOTE_BLOCKED	   64u	/* the socket took not all: wait until it is writable */
#define NOTE_CANCELLED	   128u /* what is under way was told to end */

struct loop {
	const struct serve_work *work;
	const struct serve_plan *plan;
	struct tally *tally;
	struct uring uring;
	struct slab slab;
	int64_t now_ns;
	int64_t resume_ns; /* when accepting is tried again; INT64_MAX: nothing to try */
	bool *accepting;   /* by listener: a request is under way (owned) */
	size_t accepts;	   /* how many are */
	size_t closes;	   /* REQUEST_CLOSE under way */
	bool starved;	   /* the last accept found no room */
	bool draining, forced;
	bool sweeping; /* connections are still to be told so */
	int error;     /* why the loop cannot go on */
	pthread_t thread;
};

static uint64_t tag(enum request request, size_t which)
{
	return (uint64_t)request << 32 | (uint32_t)which;
}

static int fd_at(const struct loop *loop, uint32_t at)
{
	return slab_at(&loop->slab, at)->fd;
}

static void under_way(struct loop *loop, uint32_t at, enum request request)
{
	slab_at(&loop->slab, at)->watched |= (uint8_t)UNDER_WAY(request);
}

/* ---- the end of a connection */

/* SO_LINGER is only set on plain descriptors: see uses_plain(). */
static void hang_up(struct loop *loop, int fd, int linger_s)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = linger_s};
	bool blocks = linger_s > 0 && !loop->uring.files;

	if (linger_s >= 0 && !loop->uring.files &&
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		tally_error(loop->tally, errno);
	if (!uring_room(&loop->uring)) {
		uring_close_now(&loop->uring, fd);
		return;
	}
	uring_close(&loop->uring, fd, blocks, tag(blocks ? REQUEST_CLOSE : REQUEST_NONE, 0));
	loop->closes += blocks;
}

static void finish(struct loop *loop, uint32_t at, const struct talk_step *step)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (loop->slab.recording)
		engine_note_ended(loop->work, slab_record(&loop->slab, at), step->ending,
				  clock_now_ns(), slot->talk.error);
	if (slot->talk.error)
		tally_error(loop->tally, slot->talk.error);
	hang_up(loop, slot->fd, step->linger);
	tally_end(loop->tally, step->ending);
	if (loop->plan->max_connections) /* see engine_admit() */
		atomic_fetch_sub_explicit(loop->work->open_all, 1, memory_order_relaxed);
	talk_done(&slot->talk);
	slab_give(&loop->slab, at);
	if (loop->resume_ns != INT64_MAX) /* there is room for one again */
		loop->resume_ns = loop->now_ns;
}

/* ---- the course of a connection */

/* It waits for its peer. A byte that moved has taken it off the list: the time begins anew. */
static void park(struct loop *loop, uint32_t at)
{
	int64_t idle_ns = loop->plan->idle_timeout_ns;

	if (slab_at(&loop->slab, at)->list != SLAB_PEER)
		slab_enlist(&loop->slab, at, SLAB_PEER,
			    idle_ns ? loop->now_ns + idle_ns : INT64_MAX);
}

static void receive(struct loop *loop, uint32_t at)
{
	uring_receive(&loop->uring, fd_at(loop, at), 0, tag(REQUEST_RECEIVE, at));
	under_way(loop, at, REQUEST_RECEIVE);
	park(loop, at);
}

static void look(struct loop *loop, uint32_t at)
{
	uring_receive(&loop->uring, fd_at(loop, at), MSG_DONTWAIT, tag(REQUEST_LOOK, at));
	under_way(loop, at, REQUEST_LOOK);
}

/* Whether the talk will look once @length bytes are sent. A copy is asked: it is plain data, as
 * long as it keeps no buffer. */
static bool will_look(const struct loop *loop, const struct talk *talk, size_t length)
{
	struct talk copy = *talk;
	struct talk_step step;
	bool looks;

	if (copy.protocol.buffer)
		return false;
	talk_sent(&copy, loop->plan, (ssize_t)length);
	looks = talk_next(&copy, loop->plan, loop->now_ns,
			  loop->uring.scratch + loop->uring.scratch_used + length, URING_ROOM,
			  &step) == TALK_LOOK;
	talk_done(&copy);
	return looks;
}

static void transmit(struct loop *loop, uint32_t at, size_t length)
{
	struct slot *slot = slab_at(&loop->slab, at);
	bool link;

	if (slot->watched & NOTE_BLOCKED) {
		slot->watched &= (uint8_t)~NOTE_BLOCKED;
		uring_poll(&loop->uring, slot->fd, tag(REQUEST_WRITABLE, at));
		under_way(loop, at, REQUEST_WRITABLE);
		park(loop, at);
		return;
	}
	link = will_look(loop, &slot->talk, length);
	uring_send(&loop->uring, slot->fd, length, link, tag(REQUEST_SEND, at));
	under_way(loop, at, REQUEST_SEND);
	if (link)
		look(loop, at);
}

static void say(struct loop *loop, uint32_t at, const struct talk_step *step)
{
	const struct engine_record *record = slab_record(&loop->slab, at);

	if (record)
		journal_said(loop->work->journal, record->id, uring_scratch(&loop->uring),
			     step->length, step->total);
	talk_said(&slab_at(&loop->slab, at)->talk, loop->plan);
}

static enum talk_verb next(struct loop *loop, struct talk *talk, struct talk_step *ret)
{
	enum talk_verb verb = talk_next(talk, loop->plan, loop->now_ns, uring_scratch(&loop->uring),
					URING_ROOM, ret);
	unsigned answers = talk_answers(talk);

	if (answers)
		tally_add(&loop->tally->answers, answers);
	return verb;
}

/* Queues the request that the talk asks for, or puts it to the list in which it waits. Nothing of
 * it is under way. The slot may be gone after. */
static void turn(struct loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	struct talk_step step;

	slot->watched &= (uint8_t)~NOTE_CANCELLED;
	for (;;) {
		if (!uring_room(&loop->uring)) {
			slab_enlist(&loop->slab, at, SLAB_TIME, loop->now_ns);
			return;
		}
		if (loop->forced)
			talk_expire(&slot->talk, ENDED_BY_US);
		switch (next(loop, &slot->talk, &step)) {
		case TALK_READ:
			if (loop->draining && talk_idle(&slot->talk)) {
				talk_expire(&slot->talk, ENDED_BY_US);
				break;
			}
			receive(loop, at);
			return;
		case TALK_LOOK:
			look(loop, at);
			return;
		case TALK_WRITE:
			transmit(loop, at, step.length);
			return;
		case TALK_SAY:
			say(loop, at, &step);
			break;
		case TALK_WATCH:
			uring_peek(&loop->uring, slot->fd, tag(REQUEST_PEEK, at));
			under_way(loop, at, REQUEST_PEEK);
			park(loop, at);
			return;
		case TALK_SHUT:
			uring_shutdown(&loop->uring, slot->fd, tag(REQUEST_SHUT, at));
			under_way(loop, at, REQUEST_SHUT);
			return;
		case TALK_WAIT:
			slab_enlist(&loop->slab, at, SLAB_TIME, step.until_ns);
			return;
		case TALK_LEAK:
			slab_enlist(&loop->slab, at, SLAB_LEAK, INT64_MAX);
			return;
		case TALK_CLOSE:
			finish(loop, at, &step);
			return;
		}
	}
}

/* ---- what came of its requests */

/* Neither the peer's doing nor ours: the same is asked for again. */
static bool is_void(int result)
{
	return result == -ECANCELED || result == -ENOBUFS || result == -EINTR;
}

static void received(struct loop *loop, uint32_t at, const struct uring_event *event)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (event->result > 0) {
		tally_add(&loop->tally->bytes_in, (uint64_t)event->result);
		if (loop->slab.recording)
			slab_record(&loop->slab, at)->bytes_in += (uint64_t)event->result;
		slab_delist(&loop->slab, at);
	}
	if (!is_void(event->result))
		talk_received(&slot->talk, loop->plan, event->bytes, event->result);
}

static void sent(struct loop *loop, uint32_t at, int result)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (result == -EAGAIN) {
		slot->watched |= NOTE_BLOCKED;
		return;
	}
	if (result > 0) {
		tally_add(&loop->tally->bytes_out, (uint64_t)result);
		if (loop->slab.recording)
			slab_record(&loop->slab, at)->bytes_out += (uint64_t)result;
		slab_delist(&loop->slab, at);
	}
	if (!is_void(result))
		talk_sent(&slot->talk, loop->plan, result);
}

static void completed(struct loop *loop, uint32_t at, enum request request,
		      const struct uring_event *event)
{
	struct slot *slot = slab_at(&loop->slab, at);

	slot->watched &= (uint8_t)~UNDER_WAY(request);
	switch (request) {
	case REQUEST_RECEIVE:
	case REQUEST_LOOK:
		received(loop, at, event);
		break;
	case REQUEST_SEND:
		sent(loop, at, event->result);
		break;
	case REQUEST_PEEK:
		if (!is_void(event->result))
			talk_watched(&slot->talk, event->result);
		break;
	case REQUEST_SHUT:
		talk_shut(&slot->talk);
		break;
	default:
		break;
	}
	/* The look that is linked to a send comes after it. */
	if (!(slot->watched & UNDER_WAY_ANY))
		turn(loop, at);
}

/* ---- accepting */

/* No room for one more: accepting pauses until a connection of this loop ends, or for a while
 * (another thread or process may be the one that holds what is missing). */
static void accept_pause(struct loop *loop, int error)
{
	tally_error(loop->tally, error);
	if (!loop->starved)
		tally_add(&loop->tally->paused, 1);
	loop->starved = true;
	loop->resume_ns = loop->now_ns + ENGINE_PAUSE_MS * NS_PER_MS;
}

/*
 * Whether many connections may come without being asked for. One that finds the table of direct
 * descriptors full is closed by the kernel (io_uring/net.c, io_accept()), while one that finds
 * RLIMIT_NOFILE exhausted stays in the queue. So near the end of the table each is asked for. How
 * many come unasked is bounded by the room for their events.
 */
static bool accepts_many(const struct loop *loop)
{
	return !loop->uring.files || loop->uring.files - loop->slab.count > URING_COMPLETIONS + 64;
}

static bool is_full(const struct loop *loop)
{
	return loop->uring.files && loop->slab.count + loop->accepts >= loop->uring.files;
}

static void accept_from(struct loop *loop, size_t which)
{
	if (loop->draining || loop->forced || loop->accepting[which])
		return;
	if (is_full(loop)) {
		accept_pause(loop, EMFILE);
		return;
	}
	if (!uring_room(&loop->uring)) {
		loop->resume_ns = loop->now_ns;
		return;
	}
	uring_accept(&loop->uring, loop->work->listeners[which], accepts_many(loop),
		     tag(REQUEST_ACCEPT, which));
	loop->accepting[which] = true;
	loop->accepts++;
}

static void accept_from_all(struct loop *loop)
{
	loop->resume_ns = INT64_MAX;
	for (size_t i = 0; i < loop->work->listener_count; i++)
		accept_from(loop, i);
}

static void begin(struct loop *loop, int fd)
{
	struct slot *slot;
	uint32_t at;

	loop->starved = false;
	if (!engine_admit(loop->work, loop->tally)) {
		hang_up(loop, fd, -1);
		return;
	}
	/* It is here already: who has no memory for it cannot leave it in the queue. */
	if (slab_reserve(&loop->slab) < 0) {
		hang_up(loop, fd, -1);
		tally_add(&loop->tally->refused, 1);
		tally_end(loop->tally, ENDED_BY_US);
		if (loop->plan->max_connections)
			atomic_fetch_sub_explicit(loop->work->open_all, 1, memory_order_relaxed);
		accept_pause(loop, ENOMEM);
		return;
	}
	if (!loop->uring.files)
		engine_prepare(loop->plan, loop->tally, fd);
	at = slab_take(&loop->slab);
	slot = slab_at(&loop->slab, at);
	slot->fd = fd;
	if (loop->slab.recording)
		engine_note_accepted(loop->work, fd, NULL, loop->now_ns,
				     slab_record(&loop->slab, at));
	talk_begin(&slot->talk, loop->plan, loop->now_ns);
	turn(loop, at);
}

/* An accept that does not wait, though nothing is there: on a non-blocking listener, as older
 * kernels do it. */
static void await_listener(struct loop *loop, size_t which)
{
	if (!uring_room(&loop->uring)) {
		loop->resume_ns = loop->now_ns;
		return;
	}
	uring_poll_plain(&loop->uring, loop->work->listeners[which], tag(REQUEST_LISTENER, which));
	loop->accepting[which] = true;
	loop->accepts++;
}

/* No more connections; those who can be spared are told by sweep(). */
static void drain(struct loop *loop)
{
	loop->draining = loop->sweeping = true;
	loop->resume_ns = INT64_MAX;
}

static void accept_failed(struct loop *loop, size_t which, int error)
{
	if (loop->draining || loop->forced)
		return;
	if (error == EAGAIN) {
		await_listener(loop, which);
		return;
	}
	if (error == ECANCELED) { /* by accepted() */
		accept_from(loop, which);
		return;
	}
	switch (engine_accept_trouble(error)) {
	case ACCEPT_AGAIN:
		tally_error(loop->tally, error);
		accept_from(loop, which);
		break;
	case ACCEPT_NO_ROOM:
		accept_pause(loop, error);
		break;
	case ACCEPT_FATAL:
		if (engine_is_stopped(loop->work)) {
			drain(loop);
			break;
		}
		loop->error = error;
		loop->forced = loop->sweeping = true;
		break;
	}
}

static void accepted(struct loop *loop, size_t which, const struct uring_event *event)
{
	if (!event->more) {
		loop->accepting[which] = false;
		loop->accepts--;
	}
	if (event->result < 0) {
		accept_failed(loop, which, -event->result);
		return;
	}
	begin(loop, event->result);
	if (!event->more)
		accept_from(loop, which);
	else if (!accepts_many(loop) && uring_room(&loop->uring))
		uring_cancel(&loop->uring, tag(REQUEST_ACCEPT, which), tag(REQUEST_NONE, 0));
}

static void listener_ready(struct loop *loop, size_t which)
{
	loop->accepting[which] = false;
	loop->accepts--;
	accept_from(loop, which);
}

/* ---- endings that come from this side */

/* Tells what is under way for a connection whose talk has expired to end; the completion leads to
 * the close. False: no room. */
static bool cancel(struct loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	int bit = __builtin_ffs(slot->watched & UNDER_WAY_ANY) - 1;

	if (!uring_room(&loop->uring))
		return false;
	uring_cancel(&loop->uring, tag(REQUEST_RECEIVE + (unsigned)bit, at), tag(REQUEST_NONE, 0));
	slot->watched |= NOTE_CANCELLED;
	return true;
}

static bool cancel_accepts(struct loop *loop)
{
	for (size_t i = 0; i < loop->work->listener_count; i++) {
		if (!loop->accepting[i])
			continue;
		if (!uring_room(&loop->uring))
			return false;
		uring_cancel(&loop->uring, tag(REQUEST_ACCEPT, i), tag(REQUEST_NONE, 0));
		uring_cancel(&loop->uring, tag(REQUEST_LISTENER, i), tag(REQUEST_NONE, 0));
	}
	return true;
}

/* Those who wait for their peer: all when forced, else those who asked for nothing. */
static bool sweep_waiting(struct loop *loop)
{
	uint32_t at = loop->slab.lists[SLAB_PEER].first;

	for (; at != SLAB_NO_SLOT; at = slab_at(&loop->slab, at)->next) {
		struct slot *slot = slab_at(&loop->slab, at);
		bool idle = slot->watched & UNDER_WAY(REQUEST_RECEIVE) && talk_idle(&slot->talk);

		if (slot->watched & NOTE_CANCELLED || !(loop->forced || idle))
			continue;
		if (!cancel(loop, at))
			return false;
		talk_expire(&slot->talk, ENDED_BY_US);
	}
	return true;
}

/* Those with nothing under way. */
static void sweep_list(struct loop *loop, enum slab_list list)
{
	uint32_t rest = loop->slab.lists[list].count;

	while (rest--) {
		uint32_t at = loop->slab.lists[list].first;

		slab_delist(&loop->slab, at);
		turn(loop, at);
	}
}

/* The end is near (draining) or there (forced): what waits is told. */
static void sweep(struct loop *loop)
{
	loop->sweeping = !cancel_accepts(loop) || !sweep_waiting(loop);
	if (!loop->forced)
		return;
	sweep_list(loop, SLAB_TIME);
	sweep_list(loop, SLAB_LEAK);
}

static void expire(struct loop *loop)
{
	for (int list = SLAB_PEER; list <= SLAB_TIME; list++) {
		uint32_t rest = loop->slab.lists[list].count;

		while (rest--) {
			uint32_t at = loop->slab.lists[list].first;
			struct slot *slot = slab_at(&loop->slab, at);

			if (slot->due_ns > loop->now_ns)
				break;
			if (list == SLAB_PEER) {
				if (!cancel(loop, at))
					return;
				talk_expire(&slot->talk, ENDED_IDLE);
				slab_delist(&loop->slab, at);
			} else {
				slab_delist(&loop->slab, at);
				turn(loop, at);
			}
		}
	}
}

/* ---- the loop */

static void handle(struct loop *loop, const struct uring_event *event)
{
	enum request request = (enum request)(event->tag >> 32);
	uint32_t which = (uint32_t)event->tag;

	switch (request) {
	case REQUEST_NONE:
		break;
	case REQUEST_ACCEPT:
		accepted(loop, which, event);
		break;
	case REQUEST_LISTENER:
		listener_ready(loop, which);
		break;
	case REQUEST_STOP:
		drain(loop);
		break;
	case REQUEST_FORCE:
		drain(loop);
		loop->forced = true;
		break;
	case REQUEST_CLOSE:
		loop->closes--;
		break;
	default:
		completed(loop, which, request, event);
		break;
	}
}

static int64_t due(const struct loop *loop)
{
	int64_t due_ns = slab_due(&loop->slab);

	if (loop->sweeping)
		return loop->now_ns;
	return loop->resume_ns < due_ns ? loop->resume_ns : due_ns;
}

/* Leaks do not keep a server: they last until it ends. */
static bool over(struct loop *loop)
{
	if (!loop->draining && !loop->forced)
		return false;
	if (!loop->forced && loop->slab.count == loop->slab.lists[SLAB_LEAK].count)
		loop->forced = loop->sweeping = true;
	return !loop->sweeping && !loop->slab.count && !loop->accepts && !loop->closes;
}

static int loop_begin(struct loop *loop)
{
	int r = uring_enable(&loop->uring);

	if (r < 0)
		return r;
	loop->now_ns = clock_now_ns();
	uring_poll_plain(&loop->uring, loop->work->stop_fd, tag(REQUEST_STOP, 0));
	uring_poll_plain(&loop->uring, loop->work->force_fd, tag(REQUEST_FORCE, 0));
	accept_from_all(loop);
	return 0;
}

static void loop_once(struct loop *loop)
{
	struct uring_event event;
	int r = uring_wait(&loop->uring, due(loop));

	if (r < 0)
		loop->error = -r;
	loop->now_ns = clock_now_ns();
	while (uring_next(&loop->uring, &event)) {
		handle(loop, &event);
		uring_release(&loop->uring, &event);
	}
	expire(loop);
	if (loop->resume_ns <= loop->now_ns)
		accept_from_all(loop);
	if (loop->sweeping)
		sweep(loop);
}

static void loop_run(struct loop *loop)
{
	int r = loop_begin(loop);

	if (r < 0) {
		loop->error = -r;
		return;
	}
	tally_tasks(loop->tally, 1);
	while (!over(loop) && !(loop->error && !loop->forced))
		loop_once(loop);
	uring_flush(&loop->uring);
	tally_tasks(loop->tally, -1);
}

/* ---- the pool */

/* Whether what is to be done with connections needs descriptors of the process. */
static bool uses_plain(const struct serve_work *work)
{
	const struct serve_plan *plan = work->plan;

	return work->journal || plan->nodelay || plan->keepalive || plan->keepalive_idle_s ||
	       plan->user_timeout_ms || plan->send_buffer || plan->receive_buffer ||
	       plan->set_linger2 || plan->closing == SERVE_CLOSE_RST ||
	       plan->closing == SERVE_CLOSE_LINGER;
}

static int loop_init(struct loop *loop, const struct serve_work *work, unsigned number,
		     struct why *why)
{
	*loop = (struct loop){
		.work = work,
		.plan = work->plan,
		.tally = &work->tallies[number % work->tally_count],
		.accepting = calloc(work->listener_count + 1, sizeof(bool)),
	};
	slab_init(&loop->slab, work->journal);
	if (!loop->accepting)
		return why_set(why, -ENOMEM, "cannot watch %zu listeners", work->listener_count);
	return uring_init(&loop->uring, !uses_plain(work), why);
}

static void loop_done(struct loop *loop)
{
	uring_done(&loop->uring);
	slab_done(&loop->slab);
	free(loop->accepting);
}

static void *thread_main(void *data)
{
	loop_run(data);
	return NULL;
}

/* Runs all loops, the first in this thread; with fewer threads when there cannot be more. */
static int pool_run(struct loop *loops, unsigned count, struct why *why)
{
	sigset_t all, before;
	unsigned started = 1;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the caller's thread */
	for (; started < count; started++) {
		int r = pthread_create(&loops[started].thread, NULL, thread_main, &loops[started]);

		if (r) {
			tally_error(loops[0].tally, r);
			break;
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	loop_run(&loops[0]);
	for (unsigned i = 0; i < started; i++) {
		if (i)
			pthread_join(loops[i].thread, NULL);
		error = error ? error : loops[i].error;
	}
	return error ? why_set(why, -error, "cannot go on serving") : 0;
}

static int run(const struct serve_work *work, struct why *why)
{
	unsigned count = engine_threads(work->plan), made = 0;
	CLEANUP_FREE struct loop *loops = calloc(count, sizeof(*loops));
	int r = 0;

	if (!loops)
		return why_set(why, -ENOMEM, "cannot make %u threads", count);
	while (r == 0 && made < count)
		r = loop_init(&loops[made], work, made, why), made++;
	if (r == 0)
		r = pool_run(loops, count, why);
	while (made)
		loop_done(&loops[--made]);
	return r;
}

const struct serve_engine engine_uring = {
	.name = "uring",
	.summary = "a pool of threads, each carrying many connections by io_uring",
	.pool = true,
	.probe = uring_probe,
	.run = run,
};
