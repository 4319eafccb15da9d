/*
 * One connection's course from connect() on, without sockets: protocol, number of requests and
 * way of closing together say what the engine is to do next. All engines drive the same machine,
 * so they count and close in the same way. It does not know the time: engines measure.
 *
 *	course_begin(&course, &plan);		(established)
 *	for (;;) switch (course_next(&course, &plan, &step)) { … }
 */
#ifndef CONTEST_LOAD_COURSE_H
#define CONTEST_LOAD_COURSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "load/plan.h"
#include "load/protocol.h"
#include "load/tally.h"

/* What is said, made once for all connections. */
struct course_plan {
	const struct load_plan *plan; /* (borrowed) */
	char *request, *last;	      /* (owned) NULL: nothing is said. One pointer when alike */
	size_t request_length, last_length;
	bool awaits; /* answers */
};
/* 0, -ENOMEM, or -EINVAL: the plan's payload, target or host cannot be sent. */
int course_plan_init(struct course_plan *course_plan, const struct load_plan *plan);
void course_plan_done(struct course_plan *course_plan);

enum course_verb {
	/*
	 * Send step.bytes, step.length: told with course_sent(). Where there is no room, wait for
	 * room or for bytes, whichever comes first, and tell those with course_received(): an echo
	 * larger than all buffers goes on only if it is read meanwhile.
	 */
	COURSE_SEND,
	COURSE_READ,  /* read what comes: course_received() */
	COURSE_THINK, /* wait plan->think_ns, then course_thought(). A FIN may be told meanwhile */
	COURSE_SHUT,  /* shutdown(SHUT_WR), then course_shut() */
	COURSE_CLOSE, /* close as step.linger says; over. completed, or failed for step.failure */
	COURSE_KEEP,  /* over and completed, but left open (LOAD_CLOSE_ABANDON) */
};

/* Only the members that the verb uses are set. */
struct course_step {
	const char *bytes; /* of SEND */
	size_t length;
	bool last;	  /* of SEND: nothing is to be read after it, the close follows at once */
	int linger;	  /* of CLOSE: < 0 plainly, else with SO_LINGER */
	unsigned failure; /* of CLOSE: an errno or enum load_failure; 0: completed */
	bool peer_closed; /* of CLOSE, KEEP: the peer's FIN was seen before ours went out */
	bool peer_reset;  /* the peer's RST was seen */
};

struct course {
	struct answer_state answer;
	uint32_t sent;	   /* bytes of the current request */
	uint32_t requests; /* that were answered (sent, where no answer is awaited) */
	uint16_t flags;	   /* private, as phase */
	uint8_t failure;
	uint8_t phase;
};

void course_begin(struct course *course, const struct course_plan *plan);
/* May be asked again without an outcome in between: it says the same. */
enum course_verb course_next(struct course *course, const struct course_plan *plan,
			     struct course_step *ret);

/* Outcomes: bytes, or -errno (-EAGAIN and -EINTR change nothing). */
void course_sent(struct course *course, const struct course_plan *plan, ssize_t length);
/*
 * @length 0: the peer's FIN. May be told whatever the last verb was; what comes after the last
 * answer is thrown away. More than one answer may be complete with it. An engine that saw the FIN
 * (RDHUP) before a read that did not fill its buffer may tell 0 without another read.
 */
void course_received(struct course *course, const struct course_plan *plan, const char *bytes,
		     ssize_t length);
/* RDHUP: the peer's FIN lies behind bytes that may still be unread. Tells who closed first without
 * a read, and that there is no use in another request. */
void course_saw_fin(struct course *course);
void course_thought(struct course *course);
/* Whatever shutdown(2) returned. */
void course_shut(struct course *course);
/* Ends it at the next step: LOAD_FAIL_TIMEOUT, or an errno. Changes nothing once it has failed. */
void course_fail(struct course *course, unsigned failure);

/* Whether the last answer is complete: total latency ends with the step that made it so, and what
 * fails from here on fails at LOAD_STEP_CLOSE. */
bool course_answered(const struct course *course);

#endif
