/*
 * The stage on which an arm plays: a world with its wire and observer, and the few verbs that let
 * an experiment read like a story. Everything that is seen here goes into the evidence by itself:
 * packets, socket timelines, counters, ladders.
 *
 *	static int play(struct stage *stage)
 *	{
 *		struct pair pair;
 *		struct observer_change change;
 *
 *		TRY(stage, stage_open(stage, NULL));
 *		TRY(stage, stage_pair(stage, NULL, &pair));
 *		TRY(stage, stage_shut(stage, &pair.server));
 *		TRY(stage, stage_await(stage, STAGE_SERVER, &pair.server_key, TCP_FIN_WAIT2, 2,
 *&change)); … stage_measure(stage, "left_in_time_wait", 1); return 0;
 *	}
 */
#ifndef CONTEST_LAB_STAGE_H
#define CONTEST_LAB_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"
#include "lab/experiment.h"
#include "observe/observer.h"
#include "tcp/segment.h"
#include "tcp/state.h"
#include "world/wire.h"
#include "world/world.h"

enum { STAGE_CLIENT = 0, STAGE_SERVER = 1 };

#define STAGE_PORT 5000 /* where servers listen unless told otherwise; the article's */

struct stage {
	const struct experiment *experiment;
	const struct arm *arm;
	struct world *world;	      /* after stage_open() (owned) */
	struct host *client, *server; /* hosts 0 and 1; the same with WORLD_LINK_LOOPBACK */
	struct wire *wire;	      /* NULL on a fast link */
	struct observer *observer;    /* one host per world host, same index */
	struct why why;		      /* what went wrong, after a negative return */
	struct stage_private *private;
};

/*
 * Returns from the calling function with the error when @call fails, after keeping the reason
 * (or, where @call left none, the text of the call itself).
 */
#define TRY(stage, call)                                                                           \
	do {                                                                                       \
		int try_r_ = (call);                                                               \
		if (try_r_ < 0) {                                                                  \
			stage_fail_call(stage, try_r_, #call, __FILE__, __LINE__);                 \
			return try_r_;                                                             \
		}                                                                                  \
	} while (0)

/* For system calls that return -1 and set errno. */
#define TRY_SYS(stage, call) TRY(stage, (call) < 0 ? -errno : 0)

void stage_fail_call(struct stage *stage, int error, const char *call, const char *file, int line);

/* Fails with a reason of one's own; returns @error. */
int stage_fail(struct stage *stage, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Not testable here, because …; returns -ENOTSUP, which the runner understands. */
int stage_not_testable(struct stage *stage, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Builds the world of @spec, or two hosts "client" 10.0.N.1 and "server" 10.0.N.2 (and v6
 * fd00:0:0:N::1, …::2; N: the arm, from 0) on the wire for NULL, the observer and the counters'
 * first reading; then applies the experiment's falsify() when asked to. Call once, first.
 * WORLD_LINK_WIRE in @spec follows the --link that the user chose.
 */
int stage_open(struct stage *stage, const struct world_spec *spec);

/* Whether the claim is to be false here: for a world that has to be built otherwise. falsify() may
 * have nothing left to do then, but an experiment must have one. */
bool stage_is_falsified(const struct stage *stage);

/* A sysctl of a host; not testable when the kernel has none of that name. */
int stage_sysctl(struct stage *stage, size_t host, const char *name, long value);
/* The same for a value that is more than one number: "40000 40999". */
int stage_sysctl_text(struct stage *stage, size_t host, const char *name, const char *value);

/* ---- sockets */

/* A listening socket of @host (fd, owned): SO_REUSEADDR set, bound to @port of its first address.
 */
int stage_listen(struct stage *stage, size_t host, int family, uint16_t port, int *ret_fd);

/* A connected pair. Descriptors of -1 are closed already. */
struct pair {
	int client, server, listener; /* (owned) */
	size_t client_host, server_host;
	struct tcp_key client_key, server_key; /* local = the respective end */
};

struct pair_options {
	size_t client_host, server_host; /* zeroed: client 0, server 0! use PAIR_DEFAULT */
	int family;
	uint16_t port;				  /* of the server */
	uint16_t client_port;			  /* 0: the kernel's choice */
	const struct tcp_address *client_address; /* NULL: the first */
	int listener;				  /* an open one to accept from (borrowed), or -1 */
	/* Called with the fresh client socket before connect(), or NULL: to set options. */
	int (*prepare)(int fd, void *context);
	void *context;
};
#define PAIR_DEFAULT                                                                               \
	((struct pair_options){.client_host = STAGE_CLIENT,                                        \
			       .server_host = STAGE_SERVER,                                        \
			       .family = AF_INET,                                                  \
			       .port = STAGE_PORT,                                                 \
			       .listener = -1})

/*
 * Listens (unless a listener is given), connects and accepts; both ends are ESTABLISHED on
 * return. NULL options: PAIR_DEFAULT. Blocking sockets. A listener made here stays open in
 * pair->listener.
 */
int stage_pair(struct stage *stage, const struct pair_options *options, struct pair *ret);
void pair_close(struct pair *pair);

/*
 * Only connect(2), as @options say (the listener there is not used: one must be open at the
 * server), for outcomes that are measured: returns 0 and the socket, or the negative errno that
 * connect() or bind() gave, -ETIMEDOUT after @seconds, without failing the stage.
 * @ret_key (may be NULL): the key of the connection, when it came about.
 */
int stage_connect(struct stage *stage, const struct pair_options *options, double seconds,
		  int *ret_fd, struct tcp_key *ret_key);
/* accept(2) within @seconds: 0 and the socket, or -errno without failing the stage. */
int stage_accept(struct stage *stage, int listener, double seconds, int *ret_fd);

/* close(2) of *fd, sets it to -1, and tells the observer. 0 or -errno. */
int stage_shut(struct stage *stage, int *fd);

/* shutdown(fd, SHUT_WR), and tells the observer. */
int stage_shut_write(struct stage *stage, int fd);

/* Closes with SO_LINGER on, l_linger = @seconds. */
int stage_shut_linger(struct stage *stage, int *fd, int seconds);

/* Writes @length bytes of a pattern / reads exactly @length bytes (fails after @seconds). */
int stage_send(struct stage *stage, int fd, size_t length);
int stage_receive(struct stage *stage, int fd, size_t length, double seconds);
/* Waits until the peer's FIN is read: read(2) returns 0. -EBADMSG when data comes first. */
int stage_receive_end(struct stage *stage, int fd, double seconds);
/* The error a read gives: 0 for end of file, a positive errno otherwise; waits up to @seconds. */
int stage_read_error(struct stage *stage, int fd, double seconds, int *ret_errno);

/*
 * Runs @fn in a child process that dies with the stage: for what a process's end does. The child
 * has copies of all descriptors; _exit() with what @fn returns. stage_reap() waits for it
 * (-ETIMEDOUT) and hands back its wait status.
 */
int stage_fork(struct stage *stage, int (*fn)(struct stage *stage, void *context), void *context,
	       pid_t *ret);
int stage_reap(struct stage *stage, pid_t pid, double seconds, int *ret_status);

/* ---- seeing */

/*
 * Waits until the socket is in @state (TCP_STATE_NONE: gone), up to @seconds. Shows the state and
 * the time left while it waits. @ret may be NULL. Fails with -ETIMEDOUT, and says in which state
 * the socket is instead.
 */
int stage_await(struct stage *stage, size_t host, const struct tcp_key *key, int state,
		double seconds, struct observer_change *ret);
/* Like stage_await, for a state entered after @after_ns. */
int stage_await_after(struct stage *stage, size_t host, const struct tcp_key *key, int state,
		      int64_t after_ns, double seconds, struct observer_change *ret);

/*
 * The state in which the socket is once it is one of @states (bits 1 << state, TCP_STATE_NONE for
 * gone), or whatever it is after @seconds: for outcomes that are measured, not demanded. Never
 * fails.
 */
int stage_outcome(struct stage *stage, size_t host, const struct tcp_key *key, uint32_t states,
		  double seconds);
#define STATE_BIT(state) (1u << (state))

/* The socket now, after a fresh look; state TCP_STATE_NONE when there is none. */
int stage_status(struct stage *stage, size_t host, const struct tcp_key *key,
		 struct socket_status *ret);

/*
 * Lets @seconds of an experiment's own time pass ("the peer's FIN comes at 45 s"): never to wait
 * for something that can be observed. @text is shown with the time left.
 */
int stage_pass_time(struct stage *stage, double seconds, const char *text);
/* The same, until a moment of CLOCK_MONOTONIC. */
int stage_pass_until(struct stage *stage, int64_t time_ns, const char *text);

/* What the arm is doing, for the progress line; @seconds_left < 0: unknown. */
void stage_state(struct stage *stage, double seconds_left, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* How much a counter of a host ("TcpExt.TCPAbortOnData") moved since stage_open(); 0 when this
 * kernel has none of that name. */
int64_t stage_counter(struct stage *stage, size_t host, const char *name);

/* A recorded segment: what passed the wire. */
struct stage_segment {
	struct wire_record record;
	struct segment segment; /* time_ns: CLOCK_MONOTONIC, as record.time_ns */
	size_t index;		/* of the record */
};

/*
 * The segments recorded so far that fit @match, in the order they were sent: fills up to @room
 * and returns how many fit in all (which may be more), or -errno. skip and count of @match apply.
 */
int stage_segments(struct stage *stage, const struct wire_match *match, struct stage_segment *ret,
		   size_t room);

/* Waits until @count segments fit @match, at most @seconds; ret is the last of these. */
int stage_await_segments(struct stage *stage, const struct wire_match *match, size_t count,
			 double seconds, struct stage_segment *ret);

/* ---- measuring */

/* Names a number (unit in the name: "life_s") or a text of this arm. The last call counts. */
void stage_measure(struct stage *stage, const char *name, double value);
void stage_measure_text(struct stage *stage, const char *name, const char *value);

/* The middle of the interval in which the change happened, and half its width, in seconds. */
double change_seconds(const struct observer_change *change);
double change_uncertainty(const struct observer_change *change);
/* Time from one change to another, in seconds. */
double change_distance(const struct observer_change *from, const struct observer_change *to);

#endif
