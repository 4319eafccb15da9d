/* What the ends of connections are called where explain tells of them. */
#ifndef CONTEST_CMD_EXPLAIN_NAMES_H
#define CONTEST_CMD_EXPLAIN_NAMES_H

#include "tcp/key.h"

/* A text that tcpdump printed may have names where numbers would be. Zeroed: there are none. */
struct explain_names {
	/* "www:http", good until the next call; or NULL: the endpoint is its numbers. Or NULL. */
	const char *(*name)(void *context, const struct tcp_endpoint *endpoint);
	void *context;
};

/* "10.0.0.1:80", "[fd00::1]:80", or the name as it stood in the text: to be cleaned before it is
 * printed. @names may be NULL. @text, which may be what is returned, has room for
 * TCP_ENDPOINT_TEXT_MAX. */
const char *explain_names_endpoint(const struct explain_names *names,
				   const struct tcp_endpoint *endpoint, char *text);

#endif
