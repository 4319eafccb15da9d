/*
 * Protocols without sockets: bytes in, bytes out. An engine reads and writes; a protocol only says
 * what the bytes mean. One const struct serve_protocol each, one file each, listed in protocols[].
 * Their only caller is talk.c, which asks give() before it hands anything to take(): no protocol
 * has to keep more than what one read brought.
 */
#ifndef CONTEST_SERVE_PROTOCOL_H
#define CONTEST_SERVE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve/plan.h"

/* What a protocol remembers of one connection between two bytes: small, so that 100,000 idle
 * connections cost little. All zero at the beginning. */
struct protocol_state {
	uint64_t offset; /* output produced and sent so far of the current answer */
	int64_t number;	 /* daytime, http: the time told; http before: what is to come of a request
			  */
	uint32_t bits;	 /* flags and parser state, the protocol's own */
	uint32_t held;	 /* bytes at buffer */
	char *buffer;	 /* bytes that must be kept between calls, or NULL (owned; freed by talk) */
};

enum protocol_progress {
	PROTOCOL_ON,	   /* nothing has become complete */
	PROTOCOL_ANSWERED, /* an answer is complete; the connection is kept for more */
	PROTOCOL_LAST,	   /* an answer is complete, and closing may begin with it */
};

struct serve_protocol {
	const char *name;    /* "daytime" */
	const char *summary; /* one line */
	bool speaks_first;   /* answers before a byte has come */
	/* The closing that fits, where the user named none: those that a peer ends by RFC are
	 * passive. Each protocol works with each closing. */
	enum serve_closing usual_closing;

	/*
	 * Takes @length bytes that came. Returns how many it took (all of them, unless output must
	 * go out first: then it is called again with the rest, which the talk keeps at
	 * state->buffer — a protocol that does so leaves that alone), or -errno: -EPROTO ends the
	 * connection after what give() still has (an HTTP 400), -ENOMEM at once.
	 */
	ssize_t (*take)(struct protocol_state *state, const struct serve_plan *plan,
			const char *bytes, size_t length);

	/*
	 * Puts output that is due, from state->offset on, to @room bytes at @to; returns how many
	 * (0: nothing is due now). Must give the same bytes again until sent() moved on.
	 */
	size_t (*give)(struct protocol_state *state, const struct serve_plan *plan, char *to,
		       size_t room);

	/*
	 * @length bytes of what give() gave were sent: what is complete with that. Is also called
	 * with 0 after take() when nothing is due, for answers without a byte (discard's).
	 */
	enum protocol_progress (*sent)(struct protocol_state *state, const struct serve_plan *plan,
				       size_t length);

	/*
	 * NULL, or: puts the next line that the peer said to @room (>= 1024) bytes at @to, without
	 * its end, and in *ret_total how many bytes the peer has said with it. Returns its length,
	 * or -EAGAIN when there is none. said() drops it, and tells what is complete with that.
	 * take() with 0 bytes tells such a protocol that the peer has ended: half a line is one.
	 */
	ssize_t (*say)(struct protocol_state *state, char *to, size_t room, uint64_t *ret_total);
	enum protocol_progress (*said)(struct protocol_state *state);

	/* NULL, or: makes what lasts for many answers (the time of this second as text). For who is
	 * about to fork a process for one connection: its children find it made. */
	void (*warm)(void);
};

extern const struct serve_protocol *const protocols[]; /* ended by NULL; the first is the default */
const struct serve_protocol *protocol_find(const char *name);

#endif
