/* Findings made for the tests of what explain prints. */
#ifndef CONTEST_CMD_EXPLAIN_TESTING_H
#define CONTEST_CMD_EXPLAIN_TESTING_H

#include "explain/finding.h"
#include "tcp/key.h"

#define START  INT64_C(1700000000000000000)
#define SECOND INT64_C(1000000000)

/* A connection from 10.0.0.@host:40000 to 10.0.1.1:@port that was opened at START, 3 s long. */
struct finding opened(uint64_t number, uint8_t host, uint16_t port);
/* The end sends its FIN, @at_ns after START. */
void send_fin(struct finding *finding, unsigned which, int64_t at_ns);
/* The client closed first, after 1 s, and the server after 2.5 s. */
struct finding graceful(uint64_t number);
/* Ended by a RST after 3 s, to port 80. */
struct finding reset(uint64_t number, uint8_t host, unsigned from, enum rst_cause cause);

/* For struct explain_names: port 80 is called what @context says. */
const char *a_name(void *context, const struct tcp_endpoint *endpoint);

#endif
