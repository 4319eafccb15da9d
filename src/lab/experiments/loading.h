/* contest's own load on a stage's hosts: what the experiments that need volume share. */
#ifndef CONTEST_LAB_EXPERIMENTS_LOADING_H
#define CONTEST_LAB_EXPERIMENTS_LOADING_H

#include "lab/stage.h"
#include "load/generator.h"

/* For one step of a connection, and for the end of a server: on a busy machine. */
#define LOADING_PATIENCE_S 60

/* Addresses of the client beside its first, for loads that need more ports than one has. */
#define LOADING_SOURCES	      "10.0.1.1-10.0.1.4"
#define LOADING_ONE_SOURCE    "10.0.1.1"
#define LOADING_SOURCES_COUNT 4

/*
 * Opens a stage of two hosts on a fast link with LOADING_SOURCES, and sets the client's
 * ip_local_port_range. Nobody looks at single sockets there: the observer is stopped.
 */
int loading_open(struct stage *stage, uint16_t first_port, uint16_t last_port);

/* What a load gave: evidence_number()s come from here. */
struct loading {
	struct load_sum sum;
	struct histogram connect; /* connect() to established */
	double seconds;		  /* from its beginning to its last connection's end */
};

/*
 * The usual load: one thread opens @connections to @to, from each port of the plan's range in turn
 * (LOAD_PORTS_RANGE), says nothing and closes as @closing says.
 */
struct load_plan loading_plan(const struct tcp_endpoint *to, uint64_t connections,
			      enum load_closing closing);

/*
 * Runs a load on @host (its sources are addresses of that host) and waits for its end: not longer
 * than @seconds, after which it is stopped, and what came about counts. 0 or -errno after
 * stage_fail().
 */
int loading_run(struct stage *stage, size_t host, const struct load_plan *plan, double seconds,
		struct loading *ret);

/* The first half of it: a load that goes on; not testable without IP_LOCAL_PORT_RANGE where the
 * plan asks for it. *ret is for CLEANUP_GENERATOR. */
int loading_start(struct stage *stage, size_t host, const struct load_plan *plan,
		  struct generator **ret);

static inline void loading_generator_done(struct generator **generator)
{
	generator_free(*generator);
}
#define CLEANUP_GENERATOR __attribute__((cleanup(loading_generator_done)))

/* Connections that come and go, and leave TIME-WAIT at the end that closes first. */
struct filling {
	size_t client_host, server_host;
	uint16_t port;			/* of the server */
	const char *sources;		/* "10.0.1.1-10.0.1.4": of the client; NULL: its first */
	uint16_t first_port, last_port; /* of each source */
	uint64_t connections;
	bool client_closes; /* first; else the server does */
	double seconds;	    /* at most */
};

/*
 * Makes them, with a server of contest's own for as long as it takes, and returns once what was
 * completed has become TIME-WAIT where it should (or nothing more comes).
 */
int loading_fill(struct stage *stage, const struct filling *filling, struct loading *ret);

/* CPU time of the calling thread so far, in microseconds. */
double loading_thread_us(void);

/* Sorts, and tells the value at @part (0 to 1) of them; NAN without any. The median is the middle
 * of the two in the middle. */
double loading_quantile(double *values, size_t count, double part);
double loading_median(double *values, size_t count);

/* Sockets in TIME-WAIT on @host now: the kernel's own count, without a look at each; or -errno. */
int64_t loading_time_waits(struct stage *stage, size_t host);

#endif
