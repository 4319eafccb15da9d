/*
 * Engines: ways to serve many connections. One const struct serve_engine each, one file each,
 * listed in engines[]; one contract test runs over all of them.
 */
#ifndef CONTEST_SERVE_ENGINE_H
#define CONTEST_SERVE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "serve/journal.h"
#include "serve/plan.h"
#include "serve/tally.h"

/* What one process of a server works with. */
struct serve_work {
	const struct serve_plan *plan;
	const int *listeners; /* listening, non-blocking sockets (borrowed) */
	size_t listener_count;
	/* Readable once the server is to end: accept no more; close idle connections (those that
	 * wait for a request), and let the others end, until force_fd is readable: close all. Never
	 * read from them: all threads and processes watch the same. */
	int stop_fd, force_fd;
	struct tally *tallies; /* this process's own: plan->threads of them, or 1 */
	size_t tally_count;
	_Atomic uint64_t *open_all; /* connections open in all processes, for max_connections */
	struct journal *journal;    /* where events go; NULL: nowhere */
	/* What follows may be left 0 by who runs one process. */
	size_t room; /* connections open in a tally, see engine_has_room(); 0: no bound */
	const struct tally *all_tallies; /* of all processes (borrowed) */
	size_t all_count;
	_Atomic int *trouble; /* for engine_tell(); NULL: nobody wants to know */
	int trouble_fd;	      /* eventfd */
};

struct serve_engine {
	const char *name;    /* "epoll" */
	const char *summary; /* one line */
	bool pool;	     /* plan->threads applies */
	bool blocking;	     /* a task per connection */
	/* Descriptors from this one on are of no use to it (select: FD_SETSIZE); 0: all are. */
	unsigned descriptors_max;
	/* Connections are in processes of their own: a worker's descriptors do not bound them. */
	bool apart;
	/* Whether this system has what it needs: 0, or -ENOTSUP / -EPERM with one line in @why. */
	int (*probe)(struct why *why);
	/*
	 * Serves in the calling process until it is told to stop and all connections have ended or
	 * were closed by force; all its tasks have ended on return. 0 or -errno with @why.
	 * Descriptor limits, failing fork() or pthread_create() and short memory are no errors:
	 * accepting pauses (tally.paused counts pauses, tally.errors each failed try) and resumes.
	 */
	int (*run)(const struct serve_work *work, struct why *why);
};

extern const struct serve_engine *const engines[]; /* ended by NULL; the first is the default */
const struct serve_engine *engine_find(const char *name);

/* ---- what engines share (engine.c) */

/* Sets the options of the plan on an accepted socket. Failures are counted, not fatal. No system
 * call when the plan has none. */
void engine_prepare(const struct serve_plan *plan, struct tally *tally, int fd);

/*
 * Counts a new connection. False when it is over max_connections: it is counted as accepted,
 * refused and closed by us then, and the caller only closes the descriptor, with plain close(2).
 * After true, engine_close() must follow.
 */
bool engine_admit(const struct serve_work *work, struct tally *tally);

/*
 * Whether who counts in @tally may accept one more connection. For servers of several processes on
 * one listener: a process that is out of descriptors is still woken for connections
 * (EPOLLEXCLUSIVE: and nobody else is) which others have room for. So an engine asks this after
 * each connection that it took and before it waits for listeners. False: it leaves them alone until
 * a connection of its own ends, or for ENGINE_PAUSE_MS, and counts nothing: that is no failure.
 * When all the server is full, a pause is counted here.
 */
bool engine_has_room(const struct serve_work *work, struct tally *tally);

/* Tells the server at once that a part of the engine, a loop or an acceptor, ends by @error (errno
 * or -errno) while the rest goes on; run() returns it when that has ended, too. */
void engine_tell(const struct serve_work *work, int error);

/* Counts the end and closes @fd as TALK_CLOSE says. Blocks up to step->linger seconds when that is
 * > 0, on non-blocking sockets too (net/ipv4/af_inet.c, inet_release()). */
struct talk_step;
void engine_close(const struct serve_work *work, struct tally *tally, int fd,
		  const struct talk_step *step);

/*
 * What an error of accept(2) means: no room now (EMFILE, ENFILE, ENOBUFS, ENOMEM, and all that
 * could come back at once: pause); try again (the connection is gone: ECONNABORTED, EPROTO, …; or
 * EAGAIN and EINTR); or the listener is broken (EBADF, EINVAL, …).
 */
enum accept_trouble { ACCEPT_NO_ROOM, ACCEPT_AGAIN, ACCEPT_FATAL };
enum accept_trouble engine_accept_trouble(int error);
/* Unit of a pause while there is no room: engines wait so long, or until a connection ends. */
#define ENGINE_PAUSE_MS 50

/* What a journal wants to know of a connection at its end; engines keep it only for a journal. */
struct engine_record {
	uint64_t id, bytes_in, bytes_out;
	int64_t began_ns;
};

/* Journal lines for a connection that was just accepted, from @peer (of accept4(2); NULL: the
 * socket is asked), and for its end. Nothing happens without a journal; @record is untouched then.
 */
struct sockaddr;
void engine_note_accepted(const struct serve_work *work, int fd, const struct sockaddr *peer,
			  int64_t now_ns, struct engine_record *record);
void engine_note_ended(const struct serve_work *work, const struct engine_record *record,
		       enum tally_ending ending, int64_t now_ns, int error);

/* Whether stop_fd or force_fd is readable now. Who stops a server may shut its listeners as well
 * (server_drain()): an engine that sees ACCEPT_FATAL asks this first, and drains. */
bool engine_is_stopped(const struct serve_work *work);

/* Threads of a pool: plan->threads, or one per core that this process may use. At least 1. */
unsigned engine_threads(const struct serve_plan *plan);

#endif
