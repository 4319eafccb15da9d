#include "serve/talk_testing.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 1000000

struct run {
	struct peer *peer;
	size_t told;	  /* of says */
	size_t late_told; /* of late */
	unsigned reads;
	int64_t now;
};

static void trace(struct peer *peer, char step)
{
	size_t length = strlen(peer->trace);

	if (length && peer->trace[length - 1] == step)
		return;
	assert(length + 1 < sizeof(peer->trace));
	peer->trace[length] = step;
	peer->trace[length + 1] = '\0';
}

/* How many bytes lie there for the talk, and where. */
static size_t pending(struct run *run, const char **ret_bytes)
{
	struct peer *peer = run->peer;
	size_t left = peer->length - run->told, piece;

	if (left) {
		piece = run->reads < 2 ? peer->pieces[run->reads] : 0;
		*ret_bytes = peer->says + run->told;
		return piece && piece < left ? piece : left;
	}
	*ret_bytes = peer->late ? peer->late + run->late_told : NULL;
	return peer->late ? strlen(*ret_bytes) : 0;
}

/* The outcome of a read, -EAGAIN when there is nothing to tell. */
static ssize_t read_step(struct run *run, char *buffer)
{
	struct peer *peer = run->peer;
	const char *bytes;
	size_t n = pending(run, &bytes);

	if (n) {
		memcpy(buffer, bytes, n);
		if (run->told < peer->length)
			run->told += n;
		else
			run->late_told += n;
		run->reads++;
		return (ssize_t)n;
	}
	if (peer->breaks)
		return -peer->breaks;
	return peer->ends ? 0 : -EAGAIN;
}

static ssize_t write_step(struct peer *peer, const char *buffer, size_t length)
{
	if (peer->sends && length > peer->sends)
		length = peer->sends;
	assert(peer->got_length + length <= sizeof(peer->got));
	memcpy(peer->got + peer->got_length, buffer, length);
	peer->got_length += length;
	return (ssize_t)length;
}

static void say_step(struct peer *peer, const char *buffer, const struct talk_step *step)
{
	size_t at = strlen(peer->said);

	assert(at + step->length + 32 < sizeof(peer->said));
	snprintf(peer->said + at, sizeof(peer->said) - at, "%.*s@%llu|", (int)step->length, buffer,
		 (unsigned long long)step->total);
}

/* False: nothing more will happen. */
static bool step(struct run *run, struct talk *talk, const struct serve_plan *plan, char *buffer)
{
	static const char letters[] =
		"RLWSPUTKC"; /* as enum talk_verb: P peeks, U shuts, T waits */
	struct peer *peer = run->peer;
	struct talk_step step = {0}, again = {0};
	size_t room = peer->room ? peer->room : 4096;
	enum talk_verb verb = talk_next(talk, plan, run->now, buffer, room, &step);
	const char *bytes;
	ssize_t n;

	/* Asked again, it says the same. */
	assert(talk_next(talk, plan, run->now, buffer, room, &again) == verb);
	assert(again.length == step.length && again.until_ns == step.until_ns &&
	       again.last == step.last);
	trace(peer, verb == TALK_WRITE && step.last ? 'F' : letters[verb]);
	switch (verb) {
	case TALK_READ:
	case TALK_LOOK:
		n = read_step(run, buffer);
		talk_received(talk, plan, buffer, n);
		if (n == -EAGAIN && verb == TALK_READ)
			trace(peer, '?');
		return n != -EAGAIN || verb == TALK_LOOK;
	case TALK_WRITE:
		talk_sent(talk, plan, write_step(peer, buffer, step.length));
		return true;
	case TALK_SAY:
		say_step(peer, buffer, &step);
		talk_said(talk, plan);
		return true;
	case TALK_WATCH:
		if (!pending(run, &bytes) && !peer->ends && !peer->breaks) {
			trace(peer, '?');
			return false;
		}
		talk_watched(talk, pending(run, &bytes) ? 1 : -peer->breaks);
		return true;
	case TALK_SHUT:
		talk_shut(talk);
		return true;
	case TALK_WAIT:
		peer->waited_until = step.until_ns;
		run->now = step.until_ns;
		return true;
	case TALK_LEAK:
		return false;
	case TALK_CLOSE:
		peer->last = step;
		return false;
	}
	abort();
}

void peer_run(struct peer *peer, const struct serve_plan *plan)
{
	struct run run = {.peer = peer, .now = 1000};
	static char buffer[65536];
	struct talk talk;
	int steps = 0;

	peer->got_length = 0;
	peer->trace[0] = peer->said[0] = '\0';
	peer->answers = 0;
	talk_begin(&talk, plan, run.now);
	while (step(&run, &talk, plan, buffer)) {
		peer->answers += talk_answers(&talk);
		steps++;
		assert(steps < STEPS_MAX);
	}
	peer->idle = talk_idle(&talk);
	peer->error = talk.error;
	talk_done(&talk);
	talk_done(&talk); /* allowed */
}
