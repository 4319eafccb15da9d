/*
 * What a load is to be, as plain data: where to, how many, how fast, what is exchanged and how it
 * is closed. Made by a command or an experiment, read by everything below.
 */
#ifndef CONTEST_LOAD_PLAN_H
#define CONTEST_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/source.h"
#include "tcp/key.h"

enum load_closing {
	LOAD_CLOSE_ACTIVE,  /* close() after the last answer: this end closes first, TIME-WAIT here
			     */
	LOAD_CLOSE_PASSIVE, /* reads up to the peer's FIN, then closes */
	LOAD_CLOSE_RST,	    /* SO_LINGER with 0: RST, no TIME-WAIT anywhere */
	LOAD_CLOSE_HALF,    /* shutdown(SHUT_WR) after the last answer, reads to the FIN, closes */
	LOAD_CLOSE_LINGER,  /* SO_LINGER with linger_s: close() blocks up to that time */
	LOAD_CLOSE_ABANDON, /* left open, nothing more is done with it before the load ends */
	LOAD_CLOSING_COUNT,
};

/* "active" … "abandon"; NULL beyond. */
const char *load_closing_name(enum load_closing closing);
/* The closing of that name (without "=N"), or -EINVAL. */
int load_closing_find(const char *name);

/* How local ports are chosen. */
enum load_ports {
	LOAD_PORTS_KERNEL, /* connect() chooses */
	LOAD_PORTS_RANGE,  /* IP_LOCAL_PORT_RANGE of one port, sliding over the range: Linux 6.3 */
	LOAD_PORTS_RING,   /* bind() to each port in turn with SO_REUSEADDR: recycles TIME-WAIT */
	LOAD_PORTS_COUNT,
};
const char *load_ports_name(enum load_ports ports);
int load_ports_find(const char *name);

struct load_protocol; /* protocol.h */
struct load_engine;   /* engine.h */

struct load_plan {
	const struct load_engine *engine;
	const struct load_protocol *protocol;

	const struct tcp_endpoint *destinations; /* in turn (borrowed) */
	size_t destination_count;
	const struct load_source *sources; /* addresses to connect from, in turn (borrowed) */
	size_t source_count;		   /* 0: the kernel's choice */
	enum load_ports ports;
	/* The local ports that may be used; 0: those of ip_local_port_range. For KERNEL with a
	 * range of its own IP_LOCAL_PORT_RANGE gives it to the kernel to choose from. */
	uint16_t first_port, last_port;

	uint64_t connections; /* to be opened in all, exactly; 0: as many as the time allows */
	int64_t duration_ns;  /* no connection is opened after that; 0: no bound */
	int64_t drain_ns;     /* how long those under way may go on then */
	unsigned concurrency; /* under way at once, at most; > 0 */
	double rate;	      /* arrivals per second (open loop); 0: as fast as they end */
	int64_t ramp_ns;      /* rate, or concurrency, grows from nothing for so long */
	unsigned requests;    /* per connection; > 0 */
	int64_t think_ns;     /* between an answer and the next request, or the close */
	int64_t timeout_ns;   /* a connection may take so long for a step before it fails; > 0 */
	unsigned threads;     /* 0: one per core that this process may use */
	unsigned processes;   /* 0: as many as the descriptor limit demands */

	/* what is exchanged */
	const char *payload; /* of echo and raw (borrowed) */
	size_t payload_length;
	size_t answer_bytes;	 /* of raw: an answer is so long; 0: none is awaited */
	const char *http_target; /* "/"; (borrowed) */
	const char *http_host;	 /* for Host (borrowed) */

	enum load_closing closing;
	int linger_s; /* for LOAD_CLOSE_LINGER */

	/* socket options; 0 or false: the kernel's default */
	bool nodelay, keepalive, fastopen;
	bool set_quickack, quickack; /* TCP_QUICKACK before connect() */
	int user_timeout_ms, send_buffer, receive_buffer, syn_count;
	bool set_linger2;
	int linger2_s;
};

#endif
