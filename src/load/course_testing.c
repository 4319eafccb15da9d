#include "load/course_testing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define STEPS_MAX 100000

struct run {
	struct course_peer *peer;
	const struct course_plan *plan;
	unsigned asked;	   /* requests that have come whole */
	unsigned answer;   /* that is being told */
	size_t told;	   /* bytes of it */
	size_t of_request; /* bytes of the one that is coming */
	unsigned reads, writes;
};

static void trace(struct course_peer *peer, char step)
{
	size_t length = strlen(peer->trace);

	if (length && peer->trace[length - 1] == step)
		return;
	assert(length + 1 < sizeof(peer->trace));
	peer->trace[length] = step;
	peer->trace[length + 1] = '\0';
}

static bool has_ended(const struct run *run)
{
	return run->peer->end != PEER_STAYS &&
	       (!run->plan->request || run->asked >= run->peer->after);
}

/* The rest of the answers that lie there for the course. */
static size_t pending(struct run *run, const char *to[4], size_t lengths[4])
{
	struct course_peer *peer = run->peer;
	size_t count = 0;

	for (unsigned i = run->answer; i < ARRAY_SIZE(peer->answers) && peer->answers[i]; i++) {
		if (run->plan->request && !peer->eager && i >= run->asked)
			break;
		if (peer->end != PEER_STAYS && i >= peer->after)
			break;
		to[count] = peer->answers[i] + (i == run->answer ? run->told : 0);
		lengths[count] = strlen(to[count]);
		count++;
	}
	return count;
}

/* Puts what a read gives to @buffer; 0 or -errno when nothing is left. */
static ssize_t read_bytes(struct run *run, char *buffer, size_t room)
{
	size_t lengths[4], n = 0;
	const char *from[4];
	size_t count = pending(run, from, lengths);

	if (run->peer->piece && run->peer->piece < room)
		room = run->peer->piece;
	for (size_t i = 0; i < count && n < room; i++) {
		size_t part = lengths[i] < room - n ? lengths[i] : room - n;

		memcpy(buffer + n, from[i], part);
		n += part;
		run->told += part;
		if (part == lengths[i]) {
			run->answer++;
			run->told = 0;
		}
	}
	if (n)
		return (ssize_t)n;
	if (!has_ended(run))
		return -EAGAIN;
	return run->peer->end == PEER_FIN ? 0 : -ECONNRESET;
}

/* False: there is nothing to read. */
static bool read_step(struct run *run, struct course *course)
{
	struct course_peer *peer = run->peer;
	static char buffer[65536];
	ssize_t n;
	char *exact;

	if (peer->read_error && run->reads == peer->error_at)
		n = -peer->read_error;
	else
		n = read_bytes(run, buffer, sizeof(buffer));
	run->reads++;
	if (n > 0 && has_ended(run) && peer->end == PEER_FIN && !peer->hidden)
		course_saw_fin(course);
	/* exactly as long, for the sanitizer */
	exact = n > 0 ? malloc((size_t)n) : NULL;
	if (exact)
		memcpy(exact, buffer, (size_t)n);
	course_received(course, run->plan, exact, n);
	free(exact);
	return n != -EAGAIN;
}

/* No room yet: false, when what is read meanwhile leaves nothing to send. */
static bool read_before_send(struct run *run, struct course *course)
{
	struct course_step step;

	read_step(run, course);
	return course_next(course, run->plan, &step) == COURSE_SEND;
}

static void send_step(struct run *run, struct course *course, const struct course_step *step)
{
	struct course_peer *peer = run->peer;
	size_t n = step->length, whole;

	assert(step->length > 0);
	if (peer->eager && !read_before_send(run, course))
		return;
	if (peer->send_error && run->writes++ == peer->error_at) {
		course_sent(course, run->plan, -peer->send_error);
		return;
	}
	if (has_ended(run) && peer->end == PEER_RST) {
		course_sent(course, run->plan, -ECONNRESET);
		return;
	}
	if (peer->sends && n > peer->sends)
		n = peer->sends;
	assert(peer->got_length + n <= sizeof(peer->got));
	memcpy(peer->got + peer->got_length, step->bytes, n);
	peer->got_length += n;
	run->of_request += n;
	whole = run->asked + 1 == run->plan->plan->requests ? run->plan->last_length
							    : run->plan->request_length;
	if (run->of_request == whole) {
		run->asked++;
		run->of_request = 0;
	}
	course_sent(course, run->plan, (ssize_t)n);
}

/* What comes while the course thinks is told at once; else it thinks to the end. */
static void think_step(struct run *run, struct course *course)
{
	struct course_peer *peer = run->peer;
	size_t lengths[4];
	const char *from[4];

	if (pending(run, from, lengths))
		read_step(run, course);
	else if (has_ended(run) && peer->end == PEER_FIN && !peer->hidden)
		course_saw_fin(course);
	else if (has_ended(run))
		read_step(run, course);
	else
		course_thought(course);
}

static bool is_same(const struct course_step *a, const struct course_step *b)
{
	return a->bytes == b->bytes && a->length == b->length && a->last == b->last &&
	       a->linger == b->linger && a->failure == b->failure &&
	       a->peer_closed == b->peer_closed && a->peer_reset == b->peer_reset;
}

/* What is no outcome changes nothing. */
static void check_passing(struct course *course, const struct course_plan *plan)
{
	static const int errors[] = {EAGAIN, EINTR};
	const size_t size = offsetof(struct course, phase) + sizeof(course->phase);
	struct course before = *course;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		course_received(course, plan, NULL, -errors[i]);
		course_sent(course, plan, -errors[i]);
		assert(memcmp(course, &before, size) == 0);
	}
}

/* False: nothing more will happen. */
static bool step(struct run *run, struct course *course)
{
	static const char letters[] = "SRTUCK"; /* as enum course_verb */
	struct course_peer *peer = run->peer;
	struct course_step step = {0}, again = {0};
	enum course_verb verb;

	peer->steps++;
	if (peer->steps == peer->expire_at)
		course_fail(course, LOAD_FAIL_TIMEOUT);
	verb = course_next(course, run->plan, &step);
	assert(course_next(course, run->plan, &again) == verb && is_same(&step, &again));
	check_passing(course, run->plan);
	trace(peer, verb == COURSE_SEND && step.last ? 'F' : letters[verb]);
	switch (verb) {
	case COURSE_SEND:
		send_step(run, course, &step);
		return true;
	case COURSE_READ:
		if (read_step(run, course))
			return true;
		trace(peer, '?');
		course_fail(course, LOAD_FAIL_TIMEOUT);
		return peer->times_out;
	case COURSE_THINK:
		think_step(run, course);
		return true;
	case COURSE_SHUT:
		course_shut(course);
		return true;
	case COURSE_CLOSE:
	case COURSE_KEEP:
		peer->last = step;
		return false;
	}
	abort();
}

void course_peer_run(struct course_peer *peer, const struct course_plan *plan)
{
	struct run run = {.peer = peer, .plan = plan};

	peer->got_length = peer->steps = 0;
	peer->trace[0] = '\0';
	course_begin(&peer->course, plan);
	while (step(&run, &peer->course))
		assert(peer->steps < STEPS_MAX);
}
