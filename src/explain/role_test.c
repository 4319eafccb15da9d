/* What a segment is by itself: probes and their answers, and what no TCP sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "explain/track_testing.h"

static void stuck_behind_a_zero_window(void **state)
{
	const struct connection *c = script_play(*state,
						 OPEN "s PA 1 1 60        = data\n"
						      "c A 1 61 w=0       = ack\n"
						      "s A 60 1 t=300     = keepalive\n"
						      "c A 1 61 w=0       = keepalive-ack\n"
						      "s A 60 1 t=900     = keepalive\n"
						      "c A 1 61 w=50      = keepalive-ack\n"
						      "c A 1 61 w=90      = window-update\n"
						      "c A 1 61 w=90      = ack-duplicate\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	assert_closing(c, CLOSING_NOT, -1);
	assert_string_equal(exchange->rows[4].note, "acknowledges data, window 0");
	exchange_free(exchange);
}

static void keepalives(void **state)
{
	const struct connection *c = script_play(*state,
						 OPEN "c PA 1 1 1           = data\n"
						      "c PA 1 1 1 t=200     = data-repeated\n"
						      "s A 1 2              = ack\n"
						      "c A 1 1 t=60000      = keepalive\n"
						      "s A 1 2              = keepalive-ack\n"
						      "c A 1 1 1 t=120000   = keepalive\n"
						      "c A 1 1 1 t=121000   = keepalive\n"
						      "c RA 2 1             = rst/abort\n");

	assert_int_equal(c->end[0].bytes, 1);
}

static void keepalive_that_gave_up(void **state)
{
	/* Data had arrived unanswered, but what ends it is the silence. */
	script_play(*state, OPEN "s PA 1 1 5         = data\n"
				 "c A 1 6            = ack\n"
				 "c A 0 6 t=60000    = keepalive\n"
				 "c RA 1 6 t=61000   = rst/abort CLOSED CLOSED\n");
}

static void scans_are_no_closes(void **state)
{
	struct script *script = *state;
	const struct connection *c = script_play(script, "c SF 0     = illegal ? ?\n"
							 "c - 0      = illegal\n"
							 "c FPU 0    = illegal\n"
							 "c SR 0     = illegal\n"
							 "c RF 0     = illegal\n"
							 "s RA 0 1   = rst/half-open\n");

	(void)c;
	/* And within an open connection they change nothing. */
	script_end(script);
	script_begin(script);
	c = script_play(script, OPEN "c SFA 1 1 = illegal ESTABLISHED ESTABLISHED\n"
				     "c F 1     = illegal ESTABLISHED ESTABLISHED\n");
	assert_closing(c, CLOSING_NOT, -1);
}

int test_role(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(stuck_behind_a_zero_window),
		PLAYED(keepalives),
		PLAYED(keepalive_that_gave_up),
		PLAYED(scans_are_no_closes),
	};

	return cmocka_run_group_tests_name("role", tests, NULL, NULL);
}
