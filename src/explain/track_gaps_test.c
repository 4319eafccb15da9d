/* Captures that do not have all: one direction, the middle, a FIN or a handshake missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "explain/track_testing.h"

static void rst_to_an_end_not_in_the_capture(void **state)
{
	const struct connection *c = script_play(*state, "c S 0      = syn\n"
							 "c A 1 1    = handshake-ack\n"
							 "c PA 1 1 5 = data\n"
							 "c RA 3 1   = rst/ignored\n"
							 "c PA 6 1 5 = data\n"
							 "c RA 11 1  = rst/abort CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, -1);
}

static void one_direction_only(void **state)
{
	const struct connection *c = script_play(*state,
						 "c S 0      = syn\n"
						 "c A 1 1    = handshake-ack ESTABLISHED ?\n"
						 "c PA 1 1 5 = data\n"
						 "c A 6 101  = ack\n"
						 "c FA 6 101 = fin\n"
						 "c A 7 102  = ack-of-fin\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	assert_true(c->end[1].fin_inferred);
	assert_false(c->end[1].fin_seen);
	assert_int_equal(c->end[1].fin_seq, SCRIPT_SERVER_ISN + 101);
	assert_closing(c, CLOSING_GRACEFUL, TRACK_CLIENT);
	assert_time_wait(c, true, false);
	assert_string_equal(exchange->rows[5].note, "acknowledges the FIN (inferred: that FIN is "
						    "not in the capture)");
	assert_int_equal(exchange->rows[5].ack, 102);
	exchange_free(exchange);
}

static void one_direction_of_the_second_closer(void **state)
{
	const struct connection *c = script_play(*state, "c S 0      = syn\n"
							 "c A 1 1    = handshake-ack\n"
							 "c A 1 101  = ack\n"
							 "c A 1 102  = ack\n"
							 "c FA 1 102 = fin-and-ack-of-fin\n");

	assert_true(c->end[1].fin_inferred);
	assert_closing(c, CLOSING_LAST_ACK, TRACK_SERVER);
}

static void fin_not_captured(void **state)
{
	const struct connection *c = script_play(*state, OPEN
						 "s PA 1 1 5 = data\n"
						 "c A 1 6    = ack\n"
						 "c A 1 7    = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n"
						 "c FA 1 7   = fin-and-ack-of-fin\n"
						 "s A 7 2    = ack-of-fin CLOSED TIME-WAIT\n");

	assert_true(c->end[1].fin_inferred);
	assert_closing(c, CLOSING_GRACEFUL, TRACK_SERVER);
}

static void one_byte_is_no_fin(void **state)
{
	const struct connection *c = script_play(*state, OPEN
						 "s PA 1 1 5 = data\n"
						 "c A 1 6    = ack\n"
						 "c A 1 7    = ack-of-fin\n"
						 "s PA 7 1 5 = data ESTABLISHED ESTABLISHED\n");

	assert_false(c->end[1].fin_inferred);
	assert_closing(c, CLOSING_NOT, -1);
}

static void begun_in_the_middle(void **state)
{
	const struct connection *c = script_play(*state, "c A 1 1    = ack ? ?\n"
							 "s PA 1 1 5 = data ? ESTABLISHED\n"
							 "c A 1 6    = ack\n");

	assert_int_equal(c->opening, OPENING_NOT_SEEN);
	assert_false(c->end[0].isn_known);
	assert_closing(c, CLOSING_NOT, -1);
}

static void syn_was_missed(void **state)
{
	const struct connection *c =
		script_play(*state, "s SA 0 1 = syn-ack ESTABLISHED SYN-RECEIVED\n"
				    "c A 1 1  = handshake-ack ESTABLISHED ESTABLISHED\n");

	assert_int_equal(c->end[TRACK_CLIENT].endpoint.port, 40000);
	assert_true(c->end[0].isn_known);
	assert_int_equal(c->end[0].isn, SCRIPT_CLIENT_ISN);
}

static void rst_out_of_nowhere(void **state)
{
	struct script *script = *state;

	script_play(script, "s R 1    = rst/unknown\n"
			    "isn 500000 600000\n"
			    "c S 0    = syn SYN-SENT SYN-RECEIVED #1\n"
			    "s SA 0 1 = syn-ack #1\n");
	assert_closing(tracker_connection(script->tracker, 0), CLOSING_ABORTED, -1);
	assert_int_equal(tracker_connection(script->tracker, 1)->reuses, -1);
}

int test_gaps(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(rst_to_an_end_not_in_the_capture),
		PLAYED(one_direction_only),
		PLAYED(one_direction_of_the_second_closer),
		PLAYED(fin_not_captured),
		PLAYED(one_byte_is_no_fin),
		PLAYED(begun_in_the_middle),
		PLAYED(syn_was_missed),
		PLAYED(rst_out_of_nowhere),
	};

	return cmocka_run_group_tests_name("gaps", tests, NULL, NULL);
}
