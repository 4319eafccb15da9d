/* How connections are opened, or are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "explain/track_testing.h"

static void refused(void **state)
{
	const struct connection *c;

	c = script_play(*state, "c S 0       = syn SYN-SENT CLOSED\n"
				"s RA -70000 1 = rst/refused CLOSED CLOSED\n");
	assert_closing(c, CLOSING_REFUSED, -1);
	assert_int_equal(c->segments[1].segment.seq, 0);
}

static void refusal_that_fits_nothing(void **state)
{
	const struct connection *c;

	c = script_play(*state, "c S 0          = syn SYN-SENT ?\n"
				"s RA -70000 77 = rst/ignored SYN-SENT ?\n"
				"c S 0          = syn-repeated\n");
	assert_closing(c, CLOSING_NO_ANSWER, -1);
}

static void client_gone(void **state)
{
	const struct connection *c = script_play(*state,
						 "c S 0    = syn\n"
						 "s SA 0 1 = syn-ack ESTABLISHED SYN-RECEIVED\n"
						 "c R 1    = rst/client-gone CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, -1);
}

static void repeated_handshake(void **state)
{
	const struct connection *c =
		script_play(*state, "c S 0 lost     = syn SYN-SENT LISTEN\n"
				    "c S 0          = syn-repeated SYN-SENT SYN-RECEIVED\n"
				    "s SA 0 1 lost  = syn-ack SYN-SENT SYN-RECEIVED\n"
				    "s SA 0 1       = syn-ack-repeated ESTABLISHED SYN-RECEIVED\n"
				    "c A 1 1        = handshake-ack ESTABLISHED ESTABLISHED\n");

	assert_int_equal(tracker_count(((struct script *)*state)->tracker), 1);
	assert_closing(c, CLOSING_NOT, -1);
}

static void no_answer(void **state)
{
	struct script *script = *state;
	const struct connection *c = script_play(script, "c S 0 = syn\n"
							 "c S 0 t=1000 = syn-repeated\n");

	assert_closing(c, CLOSING_NO_ANSWER, -1);
	/* A new attempt from the same port. */
	script_play(script, "isn 900000 0\n"
			    "c S 0 t=90000 = syn #1\n");
	assert_int_equal(tracker_connection(script->tracker, 0)->reused_by, 1);
}

static void simultaneous_open(void **state)
{
	const struct connection *c =
		script_play(*state, "c S 0 t=1 d=5     = syn SYN-SENT SYN-RECEIVED\n"
				    "s S 0 t=2 d=6     = syn SYN-RECEIVED SYN-RECEIVED\n"
				    "s SA 0 1 t=5 d=9  = syn-ack ESTABLISHED SYN-RECEIVED\n"
				    "c SA 0 1 t=6 d=10 = syn-ack ESTABLISHED ESTABLISHED\n");

	assert_int_equal(tracker_count(((struct script *)*state)->tracker), 1);
	assert_int_equal(c->opening, OPENING_SIMULTANEOUS);
}

static void fast_open_taken(void **state)
{
	const struct connection *c = script_play(*state,
						 "c S 0 0 5   = syn\n"
						 "s SA 0 6    = syn-ack\n"
						 "s PA 1 6 9  = data ESTABLISHED SYN-RECEIVED\n"
						 "c A 6 10    = ack ESTABLISHED ESTABLISHED\n");

	assert_int_equal(c->end[0].bytes, 5);
}

static void fast_open_not_taken(void **state)
{
	const struct connection *c = script_play(*state, "c S 0 0 5   = syn\n"
							 "s SA 0 1    = syn-ack\n"
							 "c PA 1 1 5  = data-repeated\n"
							 "s A 1 6     = ack\n"
							 "c RA 6 1    = rst/abort CLOSED CLOSED\n");

	assert_int_equal(c->end[0].bytes, 5);
}

int test_open(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(refused),	 PLAYED(refusal_that_fits_nothing),
		PLAYED(client_gone),	 PLAYED(repeated_handshake),
		PLAYED(no_answer),	 PLAYED(simultaneous_open),
		PLAYED(fast_open_taken), PLAYED(fast_open_not_taken),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
