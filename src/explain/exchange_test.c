/* What the rows of an exchange tell: their order, fates, states and notes, and what a limit leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explain/track_testing.h"
#include "tcp/state.h"

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

int test_exchange(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(rows_of_crossing_fins),
		PLAYED(late_and_alone_is_one_row),
		PLAYED(rows_half_way_are_provisional),
		PLAYED(rows_of_a_late_syn),
		PLAYED(fin_overtakes_data),
		PLAYED(time_runs_backwards),
		PLAYED(rst_with_another_ttl),
		PLAYED(exchange_rows),
		PLAYED(exchange_with_limit),
		PLAYED(limit_counts_rows),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
