/*
 * Connections told as text, for tests of the tracker. One segment a line, and what it must be:
 *
 *	c S 0              = syn SYN-SENT SYN-RECEIVED
 *	s SA 0 1           = syn-ack
 *	c A 1 1            = handshake-ack ESTABLISHED ESTABLISHED
 *	s FA 1 1 t=50 d=90 = fin
 *
 * who flags seq [ack [length]], then in any order: t=TIME d=DELIVERY in ms (each line is 1 ms
 * after the one before), w=WINDOW, ttl=N, lost, stuck, sack, old (numbers of the ISNs before the
 * last `isn` line). After the =: role, or role/cause; states of client and server; #N: the
 * connection. Numbers are relative to the ISN of each end, set by `isn CLIENT SERVER`.
 */
#ifndef CONTEST_EXPLAIN_SCRIPT_TESTING_H
#define CONTEST_EXPLAIN_SCRIPT_TESTING_H

#include "explain/track.h"

#define SCRIPT_CLIENT_ISN 1000
#define SCRIPT_SERVER_ISN 70000

struct script {
	struct tracker *tracker;
	uint32_t isn[2], old_isn[2];
	int64_t now_ms;
	size_t count;
};

/* Whether each role and cause came up in any script so far. */
extern bool script_roles[ROLE_COUNT], script_causes[RST_CAUSE_COUNT];

/* Feeds the lines and checks what each is; fails the test where one is not. Returns connection 0.
 */
const struct connection *script_play(struct script *script, const char *lines);
void script_begin(struct script *script);

/* One line without what is behind its =, as a segment; an `isn` line is none (and true). */
void script_read(struct script *script, char *line, struct segment *ret,
		 struct segment_passage *ret_passage);
bool script_read_isn(struct script *script, const char *line);
void script_end(struct script *script);

#endif
