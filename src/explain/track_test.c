/* The tracker against the cases that tools get wrong (docs/explain.md lists them by number). */
#include "explain/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "explain/dedup.h"
#include "explain/script_test.h"
#include "tcp/state.h"

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

static int begin(void **state)
{
	static struct script script;

	script_begin(&script);
	*state = &script;
	return 0;
}

static int end(void **state)
{
	script_end(*state);
	return 0;
}

static void assert_closing(const struct connection *connection, enum track_closing closing,
			   int first_closer)
{
	assert_string_equal(track_closing_name(connection->closing), track_closing_name(closing));
	assert_int_equal(connection->first_closer, first_closer);
}

static void assert_time_wait(const struct connection *connection, bool client, bool server)
{
	assert_int_equal(connection->time_wait[TRACK_CLIENT], client);
	assert_int_equal(connection->time_wait[TRACK_SERVER], server);
}

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
	/* Who opened is not known; who was seen first counts as the client. */
	assert_int_equal(c->end[TRACK_CLIENT].endpoint.port, 80);
	assert_closing(c, CLOSING_GRACEFUL, TRACK_CLIENT);
	assert_time_wait(c, true, false);
	assert_int_equal(c->segments[0].state[0], TCP_FIN_WAIT1);
	assert_int_equal(c->segments[1].state[0], TCP_FIN_WAIT1);
	assert_int_equal(c->segments[2].state[0], TCP_TIME_WAIT);
	assert_int_equal(c->segments[2].state[1], TCP_LAST_ACK);
	assert_int_equal(c->segments[3].state[1], TCP_STATE_NONE);

	exchange = connection_exchange(c, "server", "client", 0);
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

/* What a row tells, in order, all but its numbers and its note. */
static char *row_text(const struct exchange_row *row, char text[static 120])
{
	static const char *const fates[] = {"", " lost", " sent", " arrives", " stuck"};

	snprintf(text, 120, "%lld %c %s%s: %s %s", (long long)row->time_ns / 1000000,
		 row->from_right ? 's' : 'c', row->flags, fates[row->fate],
		 tcp_state_name(row->left_state), tcp_state_name(row->right_state));
	return text;
}

/* The rows from @first on are these lines, and no more. */
static void assert_rows(const struct connection *c, size_t first, const char *const *lines)
{
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);
	char text[120];

	assert_non_null(exchange);
	for (size_t i = first; i < exchange->count && lines[i - first]; i++)
		assert_string_equal(row_text(&exchange->rows[i], text), lines[i - first]);
	for (; *lines; lines++)
		first++;
	assert_int_equal(exchange->count, first);
	exchange_free(exchange);
}

#define ASSERT_ROWS(c, first, ...) assert_rows(c, first, (const char *const[]){__VA_ARGS__, NULL})

static void rows_of_crossing_fins(void **state)
{
	/* Each end goes its way in its column, through CLOSING. */
	const struct connection *c =
		script_play(*state, OPEN "c FA 1 1 t=10 d=30 = fin FIN-WAIT-1 CLOSING\n"
					 "s FA 1 1 t=15 d=31 = fin CLOSING CLOSING\n"
					 "s A 2 2 t=30 d=40  = ack-of-fin TIME-WAIT CLOSING\n"
					 "c A 2 2 t=31 d=41  = ack-of-fin TIME-WAIT TIME-WAIT\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	ASSERT_ROWS(c, 3, "9 c FIN+ACK sent: FIN-WAIT-1 ESTABLISHED",
		    "14 s FIN+ACK sent: FIN-WAIT-1 FIN-WAIT-1",
		    "29 c FIN+ACK arrives: FIN-WAIT-1 CLOSING", "29 s ACK sent: FIN-WAIT-1 CLOSING",
		    "30 s FIN+ACK arrives: CLOSING CLOSING", "30 c ACK sent: CLOSING CLOSING",
		    "39 s ACK arrives: TIME-WAIT CLOSING", "40 c ACK arrives: TIME-WAIT TIME-WAIT");
	assert_string_equal(exchange->rows[3].note, "FIN, acknowledges no FIN");
	assert_string_equal(exchange->rows[5].note, "arrives 20.0 ms after it was sent");
	assert_int_equal(exchange->rows[3].delivered_ns, exchange->rows[5].time_ns);
	assert_int_equal(exchange->rows[5].delivered_ns, exchange->rows[5].time_ns);
	assert_int_equal(exchange->rows[5].seq, 1);
	assert_int_equal(exchange->rows[5].ack, 1);
	exchange_free(exchange);
}

static void late_and_alone_is_one_row(void **state)
{
	const struct connection *c = script_play(
		*state, OPEN "c FA 1 1 t=10 d=30\n"
			     "s A 1 2 t=30\n"
			     "s FA 1 2 t=40 lost\n"
			     "s FA 1 2 t=240 stuck = fin-repeated FIN-WAIT-2 LAST-ACK\n");

	ASSERT_ROWS(c, 3, "9 c FIN+ACK: FIN-WAIT-1 CLOSE-WAIT", "29 s ACK: FIN-WAIT-2 CLOSE-WAIT",
		    "39 s FIN+ACK lost: FIN-WAIT-2 LAST-ACK",
		    "239 s FIN+ACK stuck: FIN-WAIT-2 LAST-ACK");
}

/* Asked while segments are under way, these count as arrived; fed on, they do so in their time. */
static void rows_half_way_are_provisional(void **state)
{
	const struct connection *c = script_play(*state, OPEN "c FA 1 1 t=10 d=30\n");

	ASSERT_ROWS(c, 3, "9 c FIN+ACK: FIN-WAIT-1 CLOSE-WAIT");
	c = script_play(*state, "s PA 1 1 5 t=20 d=40\n");
	ASSERT_ROWS(c, 3, "9 c FIN+ACK sent: FIN-WAIT-1 ESTABLISHED",
		    "19 s PSH+ACK sent: FIN-WAIT-1 ESTABLISHED",
		    "29 c FIN+ACK arrives: FIN-WAIT-1 CLOSE-WAIT",
		    "39 s PSH+ACK arrives: FIN-WAIT-1 CLOSE-WAIT");
	c = script_play(*state, "s A 6 2 t=30\n");
	ASSERT_ROWS(c, 3, "9 c FIN+ACK sent: FIN-WAIT-1 ESTABLISHED",
		    "19 s PSH+ACK sent: FIN-WAIT-1 ESTABLISHED",
		    "29 c FIN+ACK arrives: FIN-WAIT-1 CLOSE-WAIT",
		    "29 s ACK: FIN-WAIT-2 CLOSE-WAIT",
		    "39 s PSH+ACK arrives: FIN-WAIT-2 CLOSE-WAIT");
}

/* Before a listener is known by its answer, each SYN has met it, or not yet. */
static void rows_of_a_late_syn(void **state)
{
	const struct connection *c = script_play(*state, "c S 0 t=1 d=1501\n"
							 "c S 0 t=1001 d=2501\n"
							 "s SA 0 1 t=1501\n");

	ASSERT_ROWS(c, 0, "0 c SYN sent: SYN-SENT LISTEN", "1000 c SYN sent: SYN-SENT LISTEN",
		    "1500 c SYN arrives: SYN-SENT SYN-RECEIVED",
		    "1500 s SYN+ACK: ESTABLISHED SYN-RECEIVED",
		    "2500 c SYN arrives: ESTABLISHED SYN-RECEIVED");
}

static void fin_overtakes_data(void **state)
{
	const struct connection *c = script_play(
		*state, OPEN "s PA 1 1 26 t=10 d=40 = data CLOSE-WAIT FIN-WAIT-1\n"
			     "s FA 27 1 t=11        = fin ESTABLISHED FIN-WAIT-1\n"
			     "c A 1 1 t=12          = ack-duplicate\n"
			     "c A 1 28 t=41         = ack-of-fin CLOSE-WAIT FIN-WAIT-2\n");

	ASSERT_ROWS(c, 3, "9 s PSH+ACK sent: ESTABLISHED ESTABLISHED",
		    "10 s FIN+ACK: ESTABLISHED FIN-WAIT-1", "11 c ACK: ESTABLISHED FIN-WAIT-1",
		    "39 s PSH+ACK arrives: CLOSE-WAIT FIN-WAIT-1",
		    "40 c ACK: CLOSE-WAIT FIN-WAIT-2");
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

static void rst_behind_fast_open_data(void **state)
{
	/* The server did not take the data with the SYN, so the RST is not at its RCV.NXT. */
	script_play(*state, "c S 0 0 5   = syn\n"
			    "s SA 0 1    = syn-ack\n"
			    "c A 1 1     = handshake-ack\n"
			    "c RA 6 1    = rst/ignored ? ESTABLISHED\n");
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

static void time_runs_backwards(void **state)
{
	const struct connection *c = script_play(*state,
						 OPEN "s FA 1 1 t=1 = fin\n"
						      "c FA 1 2 t=0 = fin-and-ack-of-fin\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	for (size_t i = 0; i < exchange->count; i++)
		assert_true(exchange->rows[i].time_ns >= 0);
	exchange_free(exchange);
	assert_closing(c, CLOSING_LAST_ACK, TRACK_SERVER);
}

static void rst_with_another_ttl(void **state)
{
	const struct connection *c = script_play(*state,
						 OPEN "s PA 1 1 5  = data\n"
						      "c RA 1 6 ttl=57 = rst/unread-data\n");
	struct exchange *exchange = connection_exchange(c, "client", "server", 0);

	assert_non_null(strstr(exchange->rows[4].note, "TTL 57, its sender's was 64"));
	exchange_free(exchange);
}

static void exchange_rows(void **state)
{
	const struct connection *c = script_play(*state, CLOSED);
	struct exchange *exchange = connection_exchange(c, "alice", "bob", 0);

	assert_non_null(exchange);
	assert_string_equal(exchange->left, "alice");
	assert_string_equal(exchange->right, "bob");
	assert_string_equal(exchange->left_address, "10.0.0.1:40000");
	assert_string_equal(exchange->right_address, "10.0.0.2:80");
	assert_int_equal(exchange->count, 7);
	assert_int_equal(exchange->left_out, 0);
	assert_string_equal(exchange->rows[0].flags, "SYN");
	assert_string_equal(exchange->rows[0].options, "TS 42 ecr 0");
	assert_int_equal(exchange->rows[0].seq, 0);
	assert_false(exchange->rows[0].has_ack);
	assert_true(exchange->rows[1].from_right);
	assert_int_equal(exchange->rows[1].ack, 1);
	assert_int_equal(exchange->rows[2].seq, 1);
	assert_null(exchange->rows[2].options);
	assert_int_equal(exchange->rows[3].time_ns, 3000000);
	assert_string_equal(exchange->rows[3].note, "FIN, acknowledges no FIN");
	assert_string_equal(exchange->rows[6].note, "acknowledges the FIN");
	assert_int_equal(exchange->rows[6].right_state, TCP_TIME_WAIT);
	exchange_free(exchange);
}

static void exchange_with_limit(void **state)
{
	struct script *script = *state;
	const struct connection *c;

	script_play(script, OPEN);
	for (int i = 0; i < 50; i++)
		script_play(script, "s PA 1 1 10\n");
	c = script_play(script, "s FA 11 1\n"
				"c FA 1 12\n"
				"s A 12 2\n");
	for (size_t limit = 0; limit < 70; limit++) {
		struct exchange *exchange = connection_exchange(c, "client", "server", limit);
		size_t rows = limit && limit < c->count ? limit : c->count;

		assert_non_null(exchange);
		assert_int_equal(exchange->count, rows);
		assert_int_equal(exchange->count + exchange->left_out, c->count);
		assert_non_null(strstr(exchange->rows[rows - 1].note, "acknowledges the FIN"));
		if (limit == 12) {
			assert_string_equal(exchange->rows[0].flags, "SYN");
			assert_int_equal(exchange->left_out, 44);
			assert_int_equal(exchange->left_out_before, 4);
			assert_string_equal(exchange->rows[9].flags, "FIN+ACK");
		}
		exchange_free(exchange);
	}
}

static void limit_counts_rows(void **state)
{
	const struct connection *c;

	script_play(*state, OPEN);
	for (int i = 0; i < 10; i++)
		script_play(*state, "s PA 1 1 10 d=1000\n");
	c = script_play(*state, "s FA 11 1 d=2000\n"
				"c FA 1 1\n");
	for (size_t limit = 1; limit < 30; limit++) {
		struct exchange *exchange = connection_exchange(c, "client", "server", limit);

		assert_non_null(exchange);
		assert_int_equal(exchange->count, limit < 26 ? limit : 26);
		assert_int_equal(exchange->count + exchange->left_out, 26);
		assert_int_equal(exchange->rows[exchange->count - 1].fate, EXCHANGE_ARRIVAL);
		exchange_free(exchange);
	}
}

static void gone_captures_twice(void **state)
{
	static struct dedup dedup;
	struct segment s = {.seq = 5, .flags = TCP_FLAG_ACK, .ip_id = 7, .ttl = 64};

	(void)state;
	assert_false(dedup_is_copy(&dedup, &s));
	s.time_ns = 1000000;
	assert_true(dedup_is_copy(&dedup, &s));
	s.ttl = 63;
	assert_true(dedup_is_copy(&dedup, &s));
	s.ip_id = 8; /* a retransmission */
	assert_false(dedup_is_copy(&dedup, &s));
	s.time_ns = 300000000;
	assert_false(dedup_is_copy(&dedup, &s));
	s.ip_id = 0;
	assert_false(dedup_is_copy(&dedup, &s));
	assert_false(dedup_is_copy(&dedup, &s));
	s.ttl = 62;
	assert_true(dedup_is_copy(&dedup, &s));
}

/* Each role and cause has come up in a script above; runs last. */
static void all_roles_and_causes_were_reached(void **state)
{
	(void)state;
	for (int role = 0; role < ROLE_COUNT; role++) {
		assert_string_not_equal(segment_role_text(role), "?");
		if (!script_roles[role])
			fail_msg("no script has a %s", segment_role_name(role));
	}
	for (int cause = 0; cause < RST_CAUSE_COUNT; cause++) {
		assert_string_not_equal(rst_cause_text(cause), "?");
		if (!script_causes[cause])
			fail_msg("no script has a RST for %s", rst_cause_name(cause));
	}
}

#define PLAYED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
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
		PLAYED(rows_of_crossing_fins),
		PLAYED(late_and_alone_is_one_row),
		PLAYED(rows_half_way_are_provisional),
		PLAYED(rows_of_a_late_syn),
		PLAYED(fin_overtakes_data),
		PLAYED(fin_captured_before_its_data),
		PLAYED(half_close_with_data),
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
		PLAYED(refused),
		PLAYED(refusal_that_fits_nothing),
		PLAYED(client_gone),
		PLAYED(repeated_handshake),
		PLAYED(no_answer),
		PLAYED(other_syn_while_open),
		PLAYED(challenged_syn_and_life_goes_on),
		PLAYED(stray_syn_that_was_answered),
		PLAYED(time_wait_reused),
		PLAYED(old_syn_into_time_wait),
		PLAYED(syn_meets_last_ack),
		PLAYED(rst_into_time_wait),
		PLAYED(rst_beside_time_wait),
		PLAYED(last_ack_missing),
		PLAYED(one_application_has_not_closed),
		PLAYED(stuck_behind_a_zero_window),
		PLAYED(keepalives),
		PLAYED(keepalive_that_gave_up),
		PLAYED(fin_at_another_number),
		PLAYED(rst_to_an_end_not_in_the_capture),
		PLAYED(half_open),
		PLAYED(one_direction_only),
		PLAYED(one_direction_of_the_second_closer),
		PLAYED(fin_not_captured),
		PLAYED(one_byte_is_no_fin),
		PLAYED(simultaneous_open),
		PLAYED(fast_open_taken),
		PLAYED(fast_open_not_taken),
		PLAYED(rst_behind_fast_open_data),
		PLAYED(begun_in_the_middle),
		PLAYED(syn_was_missed),
		PLAYED(scans_are_no_closes),
		PLAYED(rst_out_of_nowhere),
		PLAYED(time_runs_backwards),
		PLAYED(rst_with_another_ttl),
		PLAYED(exchange_rows),
		PLAYED(exchange_with_limit),
		PLAYED(limit_counts_rows),
		cmocka_unit_test(gone_captures_twice),
		cmocka_unit_test(all_roles_and_causes_were_reached),
	};

	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
