/* One pair of addresses and ports, used by one connection after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "explain/track_testing.h"
#include "tcp/state.h"

static void other_syn_while_open(void **state)
{
	struct script *script = *state;

	/* The client's host came back from a power cut and takes the same port (cases 11, 18). */
	script_play(script, OPEN "isn 500000 900000\n"
				 "c S 0           = stray ESTABLISHED ESTABLISHED #0\n"
				 "s A 1 1 old     = challenge-ack #0\n"
				 "c R 1 old       = rst/answers-old-ack CLOSED CLOSED #0\n"
				 "c S 0 t=1000    = syn SYN-SENT SYN-RECEIVED #1\n"
				 "s SA 0 1        = syn-ack #1\n"
				 "c A 1 1         = handshake-ack #1\n");
	assert_int_equal(tracker_count(script->tracker), 2);
	assert_closing(tracker_connection(script->tracker, 0), CLOSING_ABORTED, -1);
	assert_closing(tracker_connection(script->tracker, 1), CLOSING_NOT, -1);
}

static void challenged_syn_and_life_goes_on(void **state)
{
	struct script *script = *state;

	script_play(script, OPEN "isn 500000 900000\n"
				 "c S 0          = stray\n"
				 "s A 1 1 old    = challenge-ack\n"
				 "c PA 1 1 5 old = data ESTABLISHED ESTABLISHED\n"
				 "s A 1 6 old    = ack\n");
	assert_int_equal(tracker_count(script->tracker), 1);
}

static void stray_syn_that_was_answered(void **state)
{
	struct script *script = *state;
	const struct connection *c;

	/* The capture missed how the old one ended. */
	script_play(script, OPEN "isn 500000 900000\n"
				 "c S 0    = syn #1\n"
				 "s SA 0 1 = syn-ack ESTABLISHED SYN-RECEIVED #1\n"
				 "c A 1 1  = handshake-ack ESTABLISHED ESTABLISHED #1\n");
	c = tracker_connection(script->tracker, 1);
	assert_int_equal(tracker_count(script->tracker), 2);
	assert_int_equal(tracker_connection(script->tracker, 0)->count, 3);
	assert_int_equal(c->count, 3);
	assert_int_equal(c->end[TRACK_CLIENT].endpoint.port, 40000);
}

static void time_wait_reused(void **state)
{
	struct script *script = *state;
	const struct connection *first, *second;

	script_play(script, CLOSED "isn 500000 900000\n"
				   "c S 0 t=5000 = syn SYN-SENT SYN-RECEIVED #1\n"
				   "s SA 0 1     = syn-ack #1\n"
				   "c A 1 1      = handshake-ack ESTABLISHED ESTABLISHED #1\n"
				   "c PA 1 1 5   = data #1\n");
	assert_int_equal(tracker_count(script->tracker), 2);
	first = tracker_connection(script->tracker, 0);
	second = tracker_connection(script->tracker, 1);
	assert_closing(first, CLOSING_GRACEFUL, TRACK_SERVER);
	assert_time_wait(first, false, true);
	assert_int_equal(first->reused_by, 1);
	assert_int_equal(first->reuses, -1);
	assert_int_equal(second->reuses, 0);
	assert_int_equal(second->reused_by, -1);
	assert_closing(second, CLOSING_NOT, -1);
}

static void old_syn_into_time_wait(void **state)
{
	struct script *script = *state;

	script_play(script, CLOSED "isn 500000 900000\n"
				   "c S 0         = syn SYN-SENT ? #1\n"
				   "s A 2 2 old   = challenge-ack CLOSED TIME-WAIT #0\n"
				   "c R 2 old     = rst/answers-old-ack CLOSED ? #0\n"
				   "c S 0 t=1000  = syn-repeated SYN-SENT SYN-RECEIVED #1\n"
				   "s SA 0 1      = syn-ack ESTABLISHED SYN-RECEIVED #1\n");
	assert_closing(tracker_connection(script->tracker, 0), CLOSING_GRACEFUL, TRACK_SERVER);
}

static void syn_meets_last_ack(void **state)
{
	struct script *script = *state;

	/* The article's second problem: the last ACK is lost, the client comes again. */
	script_play(script, OPEN "c FA 1 1       = fin\n"
				 "s FA 1 2       = fin-and-ack-of-fin\n"
				 "c A 2 2 lost   = ack-of-fin TIME-WAIT LAST-ACK\n"
				 "isn 500000 900000\n"
				 "c S 0 t=100    = syn SYN-SENT ? #1\n"
				 "s FA 1 2 old   = fin-repeated #0\n"
				 "c R 2 old      = rst/answers-old-ack #0\n"
				 "c S 0 t=1100   = syn-repeated SYN-SENT SYN-RECEIVED #1\n"
				 "s SA 0 1       = syn-ack #1\n"
				 "c A 1 1        = handshake-ack #1\n");
	assert_closing(tracker_connection(script->tracker, 0), CLOSING_ABORTED, TRACK_CLIENT);
	assert_int_equal(tracker_connection(script->tracker, 0)->end[1].state, TCP_STATE_NONE);
}

int test_pairs(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(other_syn_while_open),	     PLAYED(challenged_syn_and_life_goes_on),
		PLAYED(stray_syn_that_was_answered), PLAYED(time_wait_reused),
		PLAYED(old_syn_into_time_wait),	     PLAYED(syn_meets_last_ack),
	};

	return cmocka_run_group_tests_name("pairs", tests, NULL, NULL);
}
