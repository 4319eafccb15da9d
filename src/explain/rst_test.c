/* What a RST was sent for, and whether its receiver took it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "explain/track_testing.h"
#include "tcp/state.h"

static void rst_for_unread_data(void **state)
{
	const struct connection *c = script_play(*state,
						 OPEN "c PA 1 1 5 = data\n"
						      "s A 1 6    = ack\n"
						      "s RA 1 6   = rst/unread-data CLOSED CLOSED\n"
						      "s RA 1 6   = rst/unread-data\n");

	assert_closing(c, CLOSING_ABORTED, -1);
	assert_time_wait(c, false, false);
}

static void rst_for_abort(void **state)
{
	const struct connection *c = script_play(*state,
						 OPEN "c PA 1 1 5 = data\n"
						      "s A 1 6    = ack\n"
						      "c RA 6 1   = rst/abort CLOSED CLOSED\n"
						      "s PA 1 6 9 = stray CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, -1);
}

static void rst_after_an_answer_is_an_abort(void **state)
{
	script_play(*state, OPEN "c PA 1 1 5 = data\n"
				 "s PA 1 6 9 = data\n"
				 "s RA 10 6  = rst/abort\n");
}

static void rst_lost_on_the_way(void **state)
{
	const struct connection *c = script_play(*state, OPEN
						 "c RA 1 1 lost = rst/abort CLOSED ESTABLISHED\n"
						 "s PA 1 1 5    = data\n"
						 "c R 1         = rst/abort CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, -1);
}

static void rst_after_close(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "s FA 1 1    = fin\n"
					 "c A 1 2     = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n"
					 "c PA 1 2 5  = data\n"
					 "s R 2       = rst/data-after-close CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, TRACK_SERVER);
	assert_time_wait(c, false, false);
}

static void rst_after_close_of_crossing_data(void **state)
{
	script_play(*state, OPEN "c PA 1 1 5 t=10 d=20 = data\n"
				 "s FA 1 1 t=11        = fin\n"
				 "s R 1 t=20           = rst/data-after-close\n");
}

static void rst_after_half_close_with_data_unread(void **state)
{
	script_play(*state, OPEN "s FA 1 1   = fin\n"
				 "c A 1 2    = ack-of-fin\n"
				 "c PA 1 2 5 = data\n"
				 "s A 2 6    = ack\n"
				 "s RA 2 6   = rst/unread-data\n");
}

static void rst_after_half_close_without_data(void **state)
{
	script_play(*state, OPEN "s FA 1 1   = fin\n"
				 "c A 1 2    = ack-of-fin\n"
				 "s RA 2 1   = rst/abort CLOSED CLOSED\n");
}

static void fin_wait_2_that_ended_silently(void **state)
{
	/* Case 15 and 18: the orphan is gone after tcp_fin_timeout; the FIN meets nobody. */
	const struct connection *c =
		script_play(*state, OPEN "s FA 1 1          = fin\n"
					 "c A 1 2           = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n"
					 "c FA 1 2 t=70000  = fin-and-ack-of-fin LAST-ACK CLOSED\n"
					 "s R 2             = rst/half-open CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, TRACK_SERVER);
	assert_time_wait(c, false, false);
}

static void rst_in_the_window_is_challenged(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "c R 50           = rst/ignored ? ESTABLISHED\n"
					 "s A 1 1          = challenge-ack ? ESTABLISHED\n"
					 "c PA 1 1 5       = data ESTABLISHED ESTABLISHED\n"
					 "c R 500000       = rst/ignored ? ESTABLISHED\n"
					 "s A 1 6          = ack ? ESTABLISHED\n"
					 "c R 500000       = rst/ignored ? ESTABLISHED\n"
					 "s A 1 6          = ack-duplicate ? ESTABLISHED\n"
					 "s PA 1 6 5       = data\n"
					 "c A 6 6          = ack ESTABLISHED ESTABLISHED\n");

	assert_closing(c, CLOSING_NOT, -1);
}

static void rst_after_a_challenge(void **state)
{
	/* Data was lost before the abort: the first RST does not fit, the second does. */
	const struct connection *c = script_play(*state, OPEN
						 "c PA 1 1 5 lost = data\n"
						 "c RA 6 1        = rst/ignored ? ESTABLISHED\n"
						 "s A 1 1         = challenge-ack\n"
						 "c R 1           = rst/abort CLOSED CLOSED\n");

	assert_closing(c, CLOSING_ABORTED, -1);
}

static void rst_at_the_edge_of_sack(void **state)
{
	script_play(*state, "c S 0 sack\n"
			    "s SA 0 1 sack\n"
			    "c A 1 1\n"
			    "c PA 1 1 5 lost = data\n"
			    "c PA 6 1 5      = data\n"
			    "c RA 11 1       = rst/abort CLOSED CLOSED\n");
}

static void rst_into_time_wait(void **state)
{
	const struct connection *c = script_play(*state,
						 CLOSED "c R 2      = rst/into-time-wait CLOSED ?\n"
							"c R 2      = rst/into-time-wait CLOSED ?\n"
							"c R 2 lost = rst/half-open\n");

	assert_closing(c, CLOSING_GRACEFUL, TRACK_SERVER);
	assert_time_wait(c, false, true);
}

static void rst_beside_time_wait(void **state)
{
	script_play(*state, CLOSED "c R 9   = rst/ignored ? TIME-WAIT\n");
}

static void half_open(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "c PA 1 1 5         = data\n"
					 "s A 1 6            = ack\n"
					 "c PA 6 1 5 t=90000 = data\n"
					 "s R 1              = rst/half-open CLOSED CLOSED\n");

	assert_int_equal(c->segments[c->count - 2].state[1], TCP_STATE_NONE);

	assert_closing(c, CLOSING_ABORTED, -1);
}

static void rst_behind_fast_open_data(void **state)
{
	/* The server did not take the data with the SYN, so the RST is not at its RCV.NXT. */
	script_play(*state, "c S 0 0 5   = syn\n"
			    "s SA 0 1    = syn-ack\n"
			    "c A 1 1     = handshake-ack\n"
			    "c RA 6 1    = rst/ignored ? ESTABLISHED\n");
}

int test_rst(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(rst_for_unread_data),
		PLAYED(rst_for_abort),
		PLAYED(rst_after_an_answer_is_an_abort),
		PLAYED(rst_lost_on_the_way),
		PLAYED(rst_after_close),
		PLAYED(rst_after_close_of_crossing_data),
		PLAYED(rst_after_half_close_with_data_unread),
		PLAYED(rst_after_half_close_without_data),
		PLAYED(fin_wait_2_that_ended_silently),
		PLAYED(rst_in_the_window_is_challenged),
		PLAYED(rst_after_a_challenge),
		PLAYED(rst_at_the_edge_of_sack),
		PLAYED(rst_into_time_wait),
		PLAYED(rst_beside_time_wait),
		PLAYED(half_open),
		PLAYED(rst_behind_fast_open_data),
	};

	return cmocka_run_group_tests_name("rst", tests, NULL, NULL);
}
