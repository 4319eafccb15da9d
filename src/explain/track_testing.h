/*
 * The tracker against the cases that tools get wrong (docs/explain.md lists them by number): what
 * the files of track_test share. One program runs them all, as it counts what came up in any.
 */
#ifndef CONTEST_EXPLAIN_TRACK_TESTING_H
#define CONTEST_EXPLAIN_TRACK_TESTING_H

#include <stdbool.h>

#include "explain/script_testing.h"

#define OPEN                                                                                       \
	"c S 0    = syn SYN-SENT SYN-RECEIVED\n"                                                   \
	"s SA 0 1 = syn-ack ESTABLISHED SYN-RECEIVED\n"                                            \
	"c A 1 1  = handshake-ack ESTABLISHED ESTABLISHED\n"

/* The server closes first, and everything comes to its end. */
#define CLOSED                                                                                     \
	OPEN "s FA 1 1 = fin CLOSE-WAIT FIN-WAIT-1\n"                                              \
	     "c A 1 2  = ack-of-fin\n"                                                             \
	     "c FA 1 2 = fin-and-ack-of-fin\n"                                                     \
	     "s A 2 2  = ack-of-fin CLOSED TIME-WAIT\n"

/* A test with a script of its own in *state. */
#define PLAYED(test) cmocka_unit_test_setup_teardown(test, track_test_begin, track_test_end)

int track_test_begin(void **state);
int track_test_end(void **state);

/* @first_closer: TRACK_CLIENT, TRACK_SERVER, or -1. */
void assert_closing(const struct connection *connection, enum track_closing closing,
		    int first_closer);
void assert_time_wait(const struct connection *connection, bool client, bool server);

/* The files: each runs its tests and returns how many failed. */
int test_close(void);
int test_exchange(void);
int test_rst(void);
int test_open(void);
int test_pairs(void);
int test_gaps(void);
int test_role(void);

#endif
