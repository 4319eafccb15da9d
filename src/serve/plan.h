/*
 * What a server is to do, as plain data: protocol, the way of closing, socket options, bounds.
 * Made by a command or an experiment, read by everything below.
 */
#ifndef CONTEST_SERVE_PLAN_H
#define CONTEST_SERVE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum serve_closing {
	SERVE_CLOSE_ACTIVE,  /* after the answer: this end closes first and keeps TIME-WAIT */
	SERVE_CLOSE_PASSIVE, /* waits for the peer's FIN, then closes */
	SERVE_CLOSE_NEVER,   /* leaks: CLOSE-WAIT stays until the process ends */
	SERVE_CLOSE_HALF,    /* shutdown(SHUT_WR) after the answer, reads until the peer's FIN */
	SERVE_CLOSE_RST,     /* SO_LINGER with 0: RST, no TIME-WAIT anywhere */
	SERVE_CLOSE_LINGER,  /* SO_LINGER with linger_s: close() blocks up to that time */
	SERVE_CLOSE_UNREAD, /* waits for data, leaves them unread: close() sends RST (RFC 2525 2.17)
			     */
	SERVE_CLOSING_COUNT,
};

/* "active" … "unread"; NULL beyond. */
const char *serve_closing_name(enum serve_closing closing);
/* The closing of that name (without "=N"), or -EINVAL. */
int serve_closing_find(const char *name);

struct serve_protocol; /* protocol.h */
struct serve_engine;   /* engine.h */

struct serve_plan {
	const struct serve_engine *engine;
	const struct serve_protocol *protocol;

	enum serve_closing closing;
	int linger_s; /* for SERVE_CLOSE_LINGER */
	/* Between what makes this end close (talk.h says what that is for each closing) and its
	 * close() or shutdown(); 0: at once. Without effect for SERVE_CLOSE_NEVER. */
	int64_t close_after_ns;
	bool before_answer; /* closing begins when accepted: not a byte is sent */

	size_t http_body; /* bytes of an HTTP answer's body */

	/* set on accepted sockets; 0 or false: the kernel's default */
	bool nodelay, keepalive;
	int keepalive_idle_s, user_timeout_ms, send_buffer, receive_buffer;
	bool set_linger2;
	int linger2_s; /* TCP_LINGER2, when set_linger2 */

	unsigned threads;	 /* of a pool; 0: one per core that the process may use */
	size_t stack_size;	 /* of a thread of the engine "thread"; 0: the C library's */
	size_t max_connections;	 /* open at once, all processes together; 0: no bound */
	int64_t idle_timeout_ns; /* a connection without a byte for so long is closed; 0: never */
};

#endif
