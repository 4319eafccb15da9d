/* The listening sockets of `contest serve`, and why one cannot be had. */
#ifndef CONTEST_CMD_SERVE_LISTEN_H
#define CONTEST_CMD_SERVE_LISTEN_H

#include "cmd/serve_options.h"

struct serve_listeners {
	int fds[LISTEN_MAX]; /* (owned) until serve_listeners_release() */
	struct tcp_endpoint at[LISTEN_MAX];
	size_t count;
};

/* Opens what --listen names. CLI_DONE, or another status with the complaint printed; @ret is for
 * serve_listeners_done() in any case. */
int serve_listeners_open(const struct invocation *call, const struct serve_options *options,
			 struct serve_listeners *ret);
/* Closes them. After _release(), which leaves the descriptors to another, it has none to close. */
void serve_listeners_done(struct serve_listeners *listeners);
void serve_listeners_release(struct serve_listeners *listeners);

#endif
