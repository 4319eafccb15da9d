/*
 * What limited a load: decided from evidence, by a pure function. And what can be said before the
 * start.
 */
#ifndef CONTEST_LOAD_LIMIT_H
#define CONTEST_LOAD_LIMIT_H

#include "load/plan.h"
#include "load/tally.h"
#include "load/watch.h"

enum load_limit {
	LIMIT_NONE,	    /* "none": what was asked for was done */
	LIMIT_HALF_RANGE,   /* "half-range-cliff": connect() searches for the odd ports */
	LIMIT_LOCAL_PORTS,  /* "local-ports" */
	LIMIT_DESCRIPTORS,  /* "descriptors" */
	LIMIT_PEER_BACKLOG, /* "peer-backlog": SYNs unanswered, listen queue full */
	LIMIT_PEER_REFUSED, /* "peer-refused" */
	LIMIT_PEER_RESET,   /* "peer-reset" */
	LIMIT_UNREACHABLE,  /* "unreachable" */
	LIMIT_CLIENT_CPU,   /* "client-cpu" */
	LIMIT_CONCURRENCY,  /* "concurrency": all that may be under way waited for the peer */
	LIMIT_INTERRUPTED,  /* "interrupted" */
	LIMITS,
};
const char *load_limit_name(enum load_limit limit);

struct limit_facts {
	const struct load_plan *plan;
	const struct load_sum *sum;
	const struct watch_host *host;
	const struct watch_kernel *kernel;
	const struct watch_sample *series;
	size_t series_count;
	const uint64_t *ports_used;	/* by destination, at the end; NULL: not known */
	uint16_t first_port, last_port; /* used by the load */
	uint64_t sources;		/* addresses; at least 1 */
	double seconds;			/* from the start to the end of the last connection */
	unsigned threads;		/* of all processes */
	bool interrupted;
	bool peer_is_here; /* the destinations are this namespace's own addresses */
};

#define LIMIT_EVIDENCE 6
struct limit_verdict {
	enum load_limit limit;
	char sentence[400];		    /* what ran out, with the numbers */
	char evidence[LIMIT_EVIDENCE][200]; /* facts it was decided by; "" behind the last */
	char cure[400]; /* what would lift it; "" where nothing is to be lifted */
};
void load_limit_decide(const struct limit_facts *facts, struct limit_verdict *ret);

/*
 * Before the start: connections per second that can be kept up to one destination from one source
 * while this end closes first: ports / 60 s; and the sentence that says so. Lines that do not
 * apply (RST, passive close, RING) say why instead.
 */
double load_forecast(const struct load_plan *plan, const struct watch_host *host, char *text,
		     size_t room);

#endif
