/* How connections are closed in good order: who first, and what state each end passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "explain/track_testing.h"
#include "tcp/state.h"

static void four_segments(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "c PA 1 1 5   = data\n"
					 "s A 1 6      = ack\n"
					 "s PA 1 6 26  = data\n"
					 "c A 6 27     = ack\n"
					 "s FA 27 6    = fin CLOSE-WAIT FIN-WAIT-1\n"
					 "c A 6 28     = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n"
					 "c FA 6 28    = fin-and-ack-of-fin LAST-ACK TIME-WAIT\n"
					 "s A 28 7     = ack-of-fin CLOSED TIME-WAIT\n");

	assert_closing(c, CLOSING_GRACEFUL, TRACK_SERVER);
	assert_time_wait(c, false, true);
	assert_int_equal(c->opening, OPENING_SEEN);
	assert_int_equal(c->end[0].bytes, 5);
	assert_int_equal(c->end[1].bytes, 26);
	assert_int_equal(c->end[1].fin_seq, SCRIPT_SERVER_ISN + 27);
	assert_int_equal(c->end[1].next, SCRIPT_SERVER_ISN + 28);
	assert_int_equal(c->end[0].acked, SCRIPT_SERVER_ISN + 28);
	assert_true(c->end[0].fin_acked && c->end[1].fin_acked);
	assert_int_equal(c->end[1].fin_acked_ns - c->end[1].fin_ns, 1000000);
	assert_int_equal(c->end[0].state, TCP_STATE_NONE);
	assert_int_equal(c->end[1].state, TCP_TIME_WAIT);
}

/* The dump in the article's section on the close, which begins at the FIN. The first ACK is of
 * the 26 bytes, not of the FIN: it was sent before the FIN came; and the last one begins at 28
 * because the FIN took 27. */
static void article_trace(void **state)
{
	struct script *script = *state;
	const struct connection *c;
	struct exchange *exchange;

	c = script_play(script, "isn 0 0\n"
				"s FA 27 1 = fin\n"
				"c A 1 27  = ack-data-only\n"
				"c FA 1 28 = fin-and-ack-of-fin\n"
				"s A 28 2  = ack-of-fin\n");
	assert_int_equal(c->opening, OPENING_NOT_SEEN);
	/* Who opened is not known; the lower port counts as the server's. */
	assert_int_equal(c->end[TRACK_SERVER].endpoint.port, 80);
	assert_closing(c, CLOSING_GRACEFUL, TRACK_SERVER);
	assert_time_wait(c, false, true);
	assert_int_equal(c->segments[0].state[1], TCP_FIN_WAIT1);
	assert_int_equal(c->segments[1].state[1], TCP_FIN_WAIT1);
	assert_int_equal(c->segments[2].state[1], TCP_TIME_WAIT);
	assert_int_equal(c->segments[2].state[0], TCP_LAST_ACK);
	assert_int_equal(c->segments[3].state[0], TCP_STATE_NONE);

	exchange = connection_exchange(c, "client", "server", 0);
	assert_non_null(exchange);
	assert_int_equal(exchange->rows[0].seq, 27);
	assert_int_equal(exchange->rows[0].ack, 1);
	assert_string_equal(exchange->rows[0].note, "FIN, acknowledges no FIN");
	assert_int_equal(exchange->rows[1].ack, 27);
	assert_string_equal(exchange->rows[1].note, "acknowledges data only, not the FIN");
	assert_int_equal(exchange->rows[2].ack, 28);
	assert_int_equal(exchange->rows[3].seq, 28);
	assert_string_equal(exchange->rows[3].note, "acknowledges the FIN");
	exchange_free(exchange);
}

static void ack_of_data_only_leaves_fin_wait_1(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "s PA 1 1 26 = data\n"
					 "s FA 27 1   = fin\n"
					 "c A 1 27    = ack-data-only CLOSE-WAIT FIN-WAIT-1\n");

	assert_closing(c, CLOSING_HALF, TRACK_SERVER);
	assert_false(c->end[1].fin_acked);
	assert_time_wait(c, false, false);
}

static void fin_with_data_and_wrap(void **state)
{
	const struct connection *c;

	/* The server's FIN has number 0xffffffff and is acknowledged by 0. */
	c = script_play(*state, "isn 4294967290 4294967268\n" OPEN "s PA 1 1 20  = data\n"
				"s FPA 21 1 6 = fin CLOSE-WAIT FIN-WAIT-1\n"
				"c A 1 27     = ack-data-only\n"
				"c A 1 28     = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n"
				"c PA 1 28 10 = data\n"
				"s A 28 11    = ack\n"
				"c FA 11 28   = fin-and-ack-of-fin\n"
				"s A 28 12    = ack-of-fin CLOSED TIME-WAIT\n"
				"c FA 11 28   = fin-repeated LAST-ACK TIME-WAIT\n");
	assert_int_equal(c->end[1].fin_seq, 0xffffffffu);
	assert_int_equal(c->end[0].acked, 0);
	assert_int_equal(c->end[0].bytes, 10);
	assert_int_equal(c->end[1].bytes, 26);
}

static void second_fin_is_first_in_the_file(void **state)
{
	/* Case 3: the order in the file does not say who closed first; here the client's FIN
	 * acknowledges one that was captured after it. */
	const struct connection *c = script_play(*state, OPEN "c FA 1 2 = fin-and-ack-of-fin\n"
							      "s FA 1 1 = fin\n"
							      "s A 2 2  = ack-of-fin\n");

	assert_closing(c, CLOSING_GRACEFUL, TRACK_SERVER);
	assert_time_wait(c, false, true);
}

static void three_segments(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "c FA 1 1 = fin FIN-WAIT-1 CLOSE-WAIT\n"
					 "s FA 1 2 = fin-and-ack-of-fin TIME-WAIT LAST-ACK\n"
					 "c A 2 2  = ack-of-fin TIME-WAIT CLOSED\n");

	assert_closing(c, CLOSING_GRACEFUL, TRACK_CLIENT);
	assert_time_wait(c, true, false);
}

static void simultaneous_as_captured(void **state)
{
	/* As in the article's section on both ends closing at once. */
	const struct connection *c = script_play(*state, OPEN
						 "s PA 1 1 26 = data\n"
						 "c A 1 27    = ack\n"
						 "c FA 1 27   = fin\n"
						 "s FA 27 1   = fin CLOSING CLOSING\n"
						 "s A 28 2    = ack-of-fin TIME-WAIT CLOSING\n"
						 "c A 2 28    = ack-of-fin TIME-WAIT TIME-WAIT\n");

	assert_closing(c, CLOSING_SIMULTANEOUS, -1);
	assert_time_wait(c, true, true);
}

static void simultaneous_on_the_wire(void **state)
{
	/* Both FINs are held until both are out. */
	const struct connection *c =
		script_play(*state, OPEN "c FA 1 1 t=10 d=30 = fin FIN-WAIT-1 CLOSING\n"
					 "s FA 1 1 t=15 d=31 = fin CLOSING CLOSING\n"
					 "s A 2 2 t=30 d=32  = ack-of-fin TIME-WAIT CLOSING\n"
					 "c A 2 2 t=31 d=33  = ack-of-fin TIME-WAIT TIME-WAIT\n");

	assert_closing(c, CLOSING_SIMULTANEOUS, -1);
	assert_time_wait(c, true, true);
	assert_int_equal(c->end[0].fin_acked_ns, 32000000);
}

static void fin_lost_then_both_close(void **state)
{
	/* The client's FIN is lost; the server closes without knowing of it. Neither FIN
	 * acknowledges the other, and the server passes through FIN-WAIT-2. */
	const struct connection *c =
		script_play(*state, OPEN "c FA 1 1 lost    = fin FIN-WAIT-1 ESTABLISHED\n"
					 "s FA 1 1         = fin CLOSING FIN-WAIT-1\n"
					 "c A 2 2          = ack-of-fin CLOSING FIN-WAIT-2\n"
					 "c FA 1 2 t=300   = fin-repeated CLOSING TIME-WAIT\n"
					 "s A 2 2          = ack-of-fin TIME-WAIT TIME-WAIT\n");

	assert_closing(c, CLOSING_SIMULTANEOUS, -1);
	assert_int_equal(c->end[0].fin_count, 2);
}

static void half_way_states_are_provisional(void **state)
{
	struct script *script = *state;
	const struct connection *c;

	/* Asked in between, a segment under way counts as arrived; fed on, it does not yet. */
	c = script_play(script, OPEN "c FA 1 1 t=10 d=30\n");
	assert_int_equal(c->end[1].state, TCP_CLOSE_WAIT);
	c = script_play(script, "s PA 1 1 5 t=20 = data FIN-WAIT-1 ESTABLISHED\n");
	assert_int_equal(c->segments[3].state[1], TCP_CLOSE_WAIT);
	assert_int_equal(c->end[1].state, TCP_CLOSE_WAIT);
}

static void fin_repeated_with_other_split(void **state)
{
	const struct connection *c = script_play(
		*state, OPEN "s PA 1 1 20           = data\n"
			     "s FA 21 1 lost        = fin ESTABLISHED FIN-WAIT-1\n"
			     "s FA 21 1 t=210 lost  = fin-repeated\n"
			     "s FPA 1 1 20 t=410    = fin-repeated CLOSE-WAIT FIN-WAIT-1\n"
			     "c A 1 22              = ack-of-fin\n"
			     "s FA 21 1 t=430       = fin-repeated CLOSE-WAIT FIN-WAIT-1\n"
			     "c A 1 22              = ack-of-fin-again CLOSE-WAIT FIN-WAIT-2\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	assert_non_null(exchange);
	assert_int_equal(c->end[1].fin_count, 4);
	assert_int_equal(c->end[1].bytes, 20);
	assert_string_equal(exchange->rows[5].note, "FIN repeated (2nd time)");
	assert_string_equal(exchange->rows[6].note, "FIN repeated (3rd time)");
	assert_string_equal(exchange->rows[8].note, "FIN repeated (4th time)");
	assert_int_equal(exchange->rows[4].fate, EXCHANGE_DROPPED);
	exchange_free(exchange);
}

static void fin_captured_before_its_data(void **state)
{
	const struct connection *c =
		script_play(*state, OPEN "s FA 27 1   = fin ESTABLISHED FIN-WAIT-1\n"
					 "s PA 1 1 26 = data CLOSE-WAIT FIN-WAIT-1\n"
					 "c A 1 28    = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n");

	assert_int_equal(c->end[1].bytes, 26);
}

static void half_close_with_data(void **state)
{
	const struct connection *c = script_play(*state, OPEN
						 "c FA 1 1     = fin FIN-WAIT-1 CLOSE-WAIT\n"
						 "s PA 1 2 9   = ack-of-fin FIN-WAIT-2 CLOSE-WAIT\n"
						 "c A 2 10     = ack\n"
						 "c PA 2 10 4  = illegal FIN-WAIT-2 CLOSE-WAIT\n"
						 "s PA 10 2 9  = data\n"
						 "s PA 10 2 9  = data-repeated\n"
						 "c A 2 19     = ack FIN-WAIT-2 CLOSE-WAIT\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	assert_closing(c, CLOSING_HALF, TRACK_CLIENT);
	assert_int_equal(c->end[0].bytes, 0);
	assert_int_equal(c->end[1].bytes, 18);
	assert_string_equal(exchange->rows[4].note, "data, acknowledges the FIN");
	assert_string_equal(exchange->rows[6].note, "data beyond its own FIN: no TCP sends this");
	exchange_free(exchange);
}

static void last_ack_missing(void **state)
{
	const struct connection *c = script_play(*state, OPEN
						 "c FA 1 1      = fin\n"
						 "s FA 1 2      = fin-and-ack-of-fin\n"
						 "c A 2 2       = ack-of-fin TIME-WAIT CLOSED\n"
						 "s FA 1 2      = fin-repeated\n");

	/* Repeated after the ACK that was seen: so that was lost. */
	assert_closing(c, CLOSING_LAST_ACK, TRACK_CLIENT);
	assert_int_equal(c->end[1].state, TCP_LAST_ACK);
	assert_false(c->end[1].fin_acked);
	assert_time_wait(c, true, false);
	c = script_play(*state, "c A 2 2 = ack-of-fin-again TIME-WAIT CLOSED\n");
	assert_closing(c, CLOSING_GRACEFUL, TRACK_CLIENT);
}

static void one_application_has_not_closed(void **state)
{
	const struct connection *c = script_play(*state, OPEN "s FA 1 1 = fin\n"
							      "c A 1 2  = ack-of-fin\n");

	assert_closing(c, CLOSING_HALF, TRACK_SERVER);
	assert_int_equal(c->end[0].state, TCP_CLOSE_WAIT);
	assert_int_equal(c->end[1].state, TCP_FIN_WAIT2);
}

static void fin_at_another_number(void **state)
{
	const struct connection *c = script_play(*state, OPEN
						 "c FA 50 1 = fin FIN-WAIT-1 ESTABLISHED\n"
						 "c FA 1 1  = fin FIN-WAIT-1 CLOSE-WAIT\n"
						 "s A 1 2   = ack-of-fin\n"
						 "c FA 9 1  = illegal FIN-WAIT-2 CLOSE-WAIT\n");

	assert_int_equal(c->end[0].fin_count, 1);
	assert_int_equal(c->end[0].fin_seq, SCRIPT_CLIENT_ISN + 1);
}

int test_close(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(four_segments),
		PLAYED(article_trace),
		PLAYED(ack_of_data_only_leaves_fin_wait_1),
		PLAYED(fin_with_data_and_wrap),
		PLAYED(second_fin_is_first_in_the_file),
		PLAYED(three_segments),
		PLAYED(simultaneous_as_captured),
		PLAYED(simultaneous_on_the_wire),
		PLAYED(fin_lost_then_both_close),
		PLAYED(half_way_states_are_provisional),
		PLAYED(fin_repeated_with_other_split),
		PLAYED(fin_captured_before_its_data),
		PLAYED(half_close_with_data),
		PLAYED(last_ack_missing),
		PLAYED(one_application_has_not_closed),
		PLAYED(fin_at_another_number),
	};

	return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}
