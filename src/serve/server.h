/*
 * A server: listeners, worker processes with an engine each, tallies, and an orderly end. A part,
 * not a command: it prints nothing, and signals are its caller's business. The lab's worlds run
 * it as it is, on listeners of their hosts.
 */
#ifndef CONTEST_SERVE_SERVER_H
#define CONTEST_SERVE_SERVER_H

#include "base/why.h"
#include "serve/engine.h"
#include "serve/journal.h"
#include "serve/plan.h"
#include "serve/tally.h"
#include "tcp/key.h"

struct server;

/*
 * Makes a server for @listeners (on success the descriptors become the server's own; one socket
 * may serve all workers). @plan is copied, @journal is borrowed. @processes: worker processes; 0:
 * as many as max_connections needs under this process's descriptor limit (whose soft value it
 * raises to the hard one). The threads of a pool are spread over them. 0 or -errno with @why.
 */
int server_new(const struct serve_plan *plan, const int *listeners, size_t count,
	       unsigned processes, struct journal *journal, struct server **ret, struct why *why);

/* Kills workers that still run, without a word; closes the listeners. NULL is allowed. */
void server_free(struct server *server);

/*
 * Starts the workers: child processes which call engine->run(). They die with the calling thread
 * (PR_SET_PDEATHSIG), leave signals to it, and keep none of its descriptors but 0 to 2, the
 * listeners and the journal's. 0 or -errno with @why; what was started then is for server_free().
 */
int server_start(struct server *server, struct why *why);

/* Tells the workers to accept no more (a connect is refused from now on) and to end;
 * server_force(): now, closing what is open. */
void server_drain(struct server *server);
void server_force(struct server *server);

/* Kills the workers that still run; returns how many. What was open in them was closed by us then
 * (tally.h): server_sum() adds up, with nothing open. */
unsigned server_kill(struct server *server);

/*
 * Waits until all workers have ended, at most @timeout_ns (<0: for ever): 0, -ETIMEDOUT, or
 * -ECHILD with @why as soon as a worker is found to have died of a signal or error; or -EIO with
 * @why when a part of one cannot go on (engine_tell()) while the rest of it does. Each is told
 * once, the others go on, and so may the waiting. No worker is started in place of a dead one: a
 * server that was told how many it is to have would hide what killed them.
 */
int server_wait(struct server *server, int64_t timeout_ns, struct why *why);

/* Readable when server_wait() has something to tell: a worker has ended. For poll(). (borrowed) */
int server_ended_fd(const struct server *server);

void server_sum(const struct server *server, struct tally_sum *ret);
unsigned server_processes(const struct server *server); /* asked for */
unsigned server_running(const struct server *server);	/* that have not ended yet */

/* How many processes @connections at once need, when each may have @descriptors open, of which
 * @listeners and what @threads threads of an engine need are none of theirs. At least 1. */
unsigned server_processes_for(uint64_t connections, uint64_t descriptors, size_t listeners,
			      unsigned threads);

#endif
