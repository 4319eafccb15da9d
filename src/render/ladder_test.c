#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "render/ladder.h"
#include "render/test_output.h"
#include "tcp/state.h"

static struct exchange *new_exchange(void)
{
	struct exchange *exchange = exchange_new();

	assert_non_null(exchange);
	exchange->left = strdup("client");
	exchange->right = strdup("server");
	exchange->left_address = strdup("10.0.0.1:40000");
	exchange->right_address = strdup("10.0.0.2:5000");
	return exchange;
}

static struct exchange_row *add(struct exchange *exchange, int64_t time_ms, bool from_right,
				const char *flags, int left_state, int right_state)
{
	struct exchange_row *row = exchange_add(exchange);

	assert_non_null(row);
	row->time_ns = row->delivered_ns = time_ms * NS_PER_MS;
	row->from_right = from_right;
	row->flags = strdup(flags);
	row->seq = 1;
	row->ack = from_right ? 2 : 1;
	row->has_ack = true;
	row->left_state = left_state;
	row->right_state = right_state;
	return row;
}

/* A close with everything that can become of a segment. */
static struct exchange *a_close(void)
{
	struct exchange *exchange = new_exchange();
	struct exchange_row *row;

	exchange->title = strdup("A close");
	row = add(exchange, 0, false, "PSH+ACK", TCP_ESTABLISHED, TCP_ESTABLISHED);
	row->length = 512;
	row->options = strdup("TS 42 ecr 7");
	row = add(exchange, 1, false, "FIN+ACK", TCP_FIN_WAIT1, TCP_ESTABLISHED);
	row->fate = EXCHANGE_DROPPED;
	row = add(exchange, 202, false, "FIN+ACK", TCP_FIN_WAIT1, TCP_CLOSE_WAIT);
	row->note = strdup("the FIN again");
	row = add(exchange, 203, true, "FIN+ACK", TCP_FIN_WAIT1, TCP_LAST_ACK);
	row->fate = EXCHANGE_HELD;
	row->delivered_ns = row->time_ns + 150 * NS_PER_MS;
	row->note = strdup("acknowledges the FIN");
	add(exchange, 204, true, "FIN+ACK", TCP_FIN_WAIT1, TCP_LAST_ACK)->fate = EXCHANGE_DROPPED;
	row = add(exchange, 353, true, "FIN+ACK", TCP_TIME_WAIT, TCP_LAST_ACK);
	row->fate = EXCHANGE_ARRIVAL;
	row->note = strdup("arrives 150.0 ms after it was sent");
	add(exchange, 400, false, "ACK", TCP_TIME_WAIT, TCP_STATE_NONE);
	row = add(exchange, 60400, true, "RST", -1, TCP_STATE_NONE);
	row->has_ack = false;
	row = add(exchange, 60401, false, "ACK", -1, TCP_STATE_NONE);
	row->fate = EXCHANGE_STUCK;
	row->note = strdup("a duplicate ACK");
	return exchange;
}

/* FINs that cross, and their ACKs: each row at its moment, in both directions. */
static struct exchange *crossing_fins(void)
{
	static const struct {
		int64_t ms;
		bool from_right;
		const char *flags;
		enum exchange_fate fate;
		const char *note;
		int left, right;
	} rows[] = {
		{0, false, "FIN+ACK", EXCHANGE_HELD, "FIN, acknowledges no FIN", TCP_FIN_WAIT1,
		 TCP_ESTABLISHED},
		{1, true, "FIN+ACK", EXCHANGE_HELD, "FIN, acknowledges no FIN", TCP_FIN_WAIT1,
		 TCP_FIN_WAIT1},
		{4, false, "FIN+ACK", EXCHANGE_ARRIVAL, "arrives 4.0 ms after it was sent",
		 TCP_FIN_WAIT1, TCP_CLOSING},
		{5, true, "FIN+ACK", EXCHANGE_ARRIVAL, "arrives 4.0 ms after it was sent",
		 TCP_CLOSING, TCP_CLOSING},
		{6, true, "ACK", EXCHANGE_DELIVERED, NULL, TCP_TIME_WAIT, TCP_CLOSING},
		{7, false, "ACK", EXCHANGE_DELIVERED, NULL, TCP_TIME_WAIT, TCP_TIME_WAIT},
	};
	struct exchange *exchange = new_exchange();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exchange_row *row = add(exchange, rows[i].ms, rows[i].from_right,
					       rows[i].flags, rows[i].left, rows[i].right);

		row->fate = rows[i].fate;
		row->note = rows[i].note ? strdup(rows[i].note) : NULL;
	}
	return exchange;
}

static void check(const struct exchange *exchange, unsigned width, bool utf8, const char *want)
{
	struct output output;

	output_begin(&output, width, utf8);
	ladder_draw(&output.screen, exchange);
	output_end(&output);
	output_check_lines(&output);
	if (want)
		assert_string_equal(output.text, want);
	free(output.text);
}

/* clang-format would tear the pictures apart. */
/* clang-format off */
static void draws_utf8(void **state)
{
	struct exchange *exchange = a_close();

	(void)state;
	check(exchange, 80, true,
	      "A close\n"
	      "                   client                                       server\n"
	      "               10.0.0.1:40000                                10.0.0.2:5000\n"
	      "                      │                                            │\n"
	      " 0.000 s  ESTABLISHED ├── PSH+ACK seq=1 ack=1 len=512 ────────────▶│ ESTABLISHED\n"
	      "                      │   TS 42 ecr 7                              │\n"
	      " 0.001 s   FIN-WAIT-1 ├── FIN+ACK seq=1 ack=1 ─✕ lost              │\n"
	      " 0.202 s              ├── FIN+ACK seq=1 ack=1 ────────────────────▶│ CLOSE-WAIT\n"
	      "                      │   the FIN again                            │\n"
	      " 0.203 s              │                  ┄┄─ FIN+ACK seq=1 ack=2 ──┤ LAST-ACK\n"
	      "                      │   acknowledges the FIN                     │\n"
	      " 0.204 s              │              lost ✕─ FIN+ACK seq=1 ack=2 ──┤\n"
	      " 0.353 s    TIME-WAIT │◀── FIN+ACK seq=1 ack=2 ─┄┄                 │\n"
	      "                      │   arrives 150.0 ms after it was sent       │\n"
	      " 0.400 s              ├── ACK seq=1 ack=1 ────────────────────────▶│ CLOSED\n"
	      "                      ┊               60.000 s pass                ┊\n"
	      "60.400 s            ? │◀────────────────────────────── RST seq=1 ──┤\n"
	      "60.401 s              ├── ACK seq=1 ack=1 ─┄┄ held                 │\n"
	      "                      │   still on its way at the end; a duplicate │\n"
	      "                      │   ACK                                      │\n");
	exchange_free(exchange);
}

static void draws_ascii(void **state)
{
	struct exchange *exchange = a_close();

	(void)state;
	check(exchange, 60, false,
	      "A close\n"
	      "                 client                     server\n"
	      "             10.0.0.1:40000              10.0.0.2:5000\n"
	      "                    |                          |\n"
	      " 0.000s ESTABLISHED |-- PSH+ACK seq=1 ack=1 -->| ESTABLISHED\n"
	      "                    |   len=512 TS 42 ecr 7    |\n"
	      " 0.001s  FIN-WAIT-1 |-- FIN+ACK seq=1 -X lost  |\n"
	      "                    |   ack=1                  |\n"
	      " 0.202s             |-- FIN+ACK seq=1 ack=1 -->| CLOSE-WAIT\n"
	      "                    |   the FIN again          |\n"
	      " 0.203s             |      ..- FIN+ACK seq=1 --| LAST-ACK\n"
	      "                    |   ack=2; acknowledges    |\n"
	      "                    |   the FIN                |\n"
	      " 0.204s             |  lost X- FIN+ACK seq=1 --|\n"
	      "                    |   ack=2                  |\n"
	      " 0.353s   TIME-WAIT |<-- FIN+ACK seq=1 -..     |\n"
	      "                    |   ack=2; arrives 150.0   |\n"
	      "                    |   ms after it was sent   |\n"
	      " 0.400s             |-- ACK seq=1 ack=1 ------>| CLOSED\n"
	      "                    :      60.000 s pass       :\n"
	      "60.400s           ? |<------------ RST seq=1 --|\n"
	      "60.401s             |-- ACK seq=1 -.. held     |\n"
	      "                    |   ack=1; still on its    |\n"
	      "                    |   way at the end; a      |\n"
	      "                    |   duplicate ACK          |\n");
	exchange_free(exchange);
}

static void draws_notes_at_the_right(void **state)
{
	struct exchange *exchange = a_close();

	(void)state;
	free(exchange->rows[2].note);
	exchange->rows[2].note = strdup("the FIN again, since nothing acknowledged the first one "
					"within the retransmission timeout");
	check(exchange, 120, true,
	      "A close\n"
	      "                   client                                            server\n"
	      "               10.0.0.1:40000                                     10.0.0.2:5000\n"
	      "                      │                                                 │\n"
	      " 0.000 s  ESTABLISHED ├── PSH+ACK seq=1 ack=1 len=512 TS 42 ecr 7 ─────▶│ ESTABLISHED\n"
	      " 0.001 s   FIN-WAIT-1 ├── FIN+ACK seq=1 ack=1 ─✕ lost                   │\n"
	      " 0.202 s              ├── FIN+ACK seq=1 ack=1 ─────────────────────────▶│ CLOSE-WAIT   the FIN again, since nothing\n"
	      "                      │                                                 │              acknowledged the first one within\n"
	      "                      │                                                 │              the retransmission timeout\n"
	      " 0.203 s              │                       ┄┄─ FIN+ACK seq=1 ack=2 ──┤ LAST-ACK     acknowledges the FIN\n"
	      " 0.204 s              │                   lost ✕─ FIN+ACK seq=1 ack=2 ──┤\n"
	      " 0.353 s    TIME-WAIT │◀── FIN+ACK seq=1 ack=2 ─┄┄                      │              arrives 150.0 ms after it was\n"
	      "                      │                                                 │              sent\n"
	      " 0.400 s              ├── ACK seq=1 ack=1 ─────────────────────────────▶│ CLOSED\n"
	      "                      ┊                  60.000 s pass                  ┊\n"
	      "60.400 s            ? │◀─────────────────────────────────── RST seq=1 ──┤\n"
	      "60.401 s              ├── ACK seq=1 ack=1 ───┄┄ held                    │              still on its way at the end; a\n"
	      "                      │                                                 │              duplicate ACK\n");
	exchange_free(exchange);
}

static void draws_a_list_when_narrow(void **state)
{
	struct exchange *exchange = a_close();

	(void)state;
	check(exchange, 40, true,
	      "A close\n"
	      "client 10.0.0.1:40000\n"
	      "server 10.0.0.2:5000\n"
	      "0.000s client: PSH+ACK seq=1 ack=1\n"
	      "    len=512 TS 42 ecr 7\n"
	      "    client ESTABLISHED, server\n"
	      "    ESTABLISHED\n"
	      "0.001s client: FIN+ACK seq=1 ack=1\n"
	      "    (lost)\n"
	      "    client FIN-WAIT-1, server\n"
	      "    ESTABLISHED\n"
	      "0.202s client: FIN+ACK seq=1 ack=1\n"
	      "    the FIN again\n"
	      "    client FIN-WAIT-1, server CLOSE-WAIT\n"
	      "0.203s server: FIN+ACK seq=1 ack=2\n"
	      "    (under way)\n"
	      "    acknowledges the FIN\n"
	      "    client FIN-WAIT-1, server LAST-ACK\n"
	      "0.204s server: FIN+ACK seq=1 ack=2\n"
	      "    (lost)\n"
	      "0.353s server: FIN+ACK seq=1 ack=2\n"
	      "    (arrives)\n"
	      "    arrives 150.0 ms after it was sent\n"
	      "    client TIME-WAIT, server LAST-ACK\n"
	      "0.400s client: ACK seq=1 ack=1\n"
	      "    client TIME-WAIT, server CLOSED\n"
	      "60.400s server: RST seq=1\n"
	      "    client ?, server CLOSED\n"
	      "60.401s client: ACK seq=1 ack=1 (held)\n"
	      "    still on its way at the end; a\n"
	      "    duplicate ACK\n");
	exchange_free(exchange);
}
static void draws_crossing_fins(void **state)
{
	struct exchange *exchange = crossing_fins();

	(void)state;
	check(exchange, 80, true,
	      "                  client                                        server\n"
	      "              10.0.0.1:40000                                 10.0.0.2:5000\n"
	      "                     │                                             │\n"
	      "0.000 ms  FIN-WAIT-1 ├── FIN+ACK seq=1 ack=1 ─┄┄                   │ ESTABLISHED\n"
	      "                     │   FIN, acknowledges no FIN                  │\n"
	      "1.000 ms             │                   ┄┄─ FIN+ACK seq=1 ack=2 ──┤ FIN-WAIT-1\n"
	      "                     │   FIN, acknowledges no FIN                  │\n"
	      "4.000 ms             │                  ┄┄─ FIN+ACK seq=1 ack=1 ──▶│ CLOSING\n"
	      "                     │   arrives 4.0 ms after it was sent          │\n"
	      "5.000 ms     CLOSING │◀── FIN+ACK seq=1 ack=2 ─┄┄                  │\n"
	      "                     │   arrives 4.0 ms after it was sent          │\n"
	      "6.000 ms   TIME-WAIT │◀───────────────────────── ACK seq=1 ack=2 ──┤\n"
	      "7.000 ms             ├── ACK seq=1 ack=1 ─────────────────────────▶│ TIME-WAIT\n");
	check(exchange, 80, false,
	      "                  client                                        server\n"
	      "              10.0.0.1:40000                                 10.0.0.2:5000\n"
	      "                     |                                             |\n"
	      "0.000 ms  FIN-WAIT-1 |-- FIN+ACK seq=1 ack=1 -..                   | ESTABLISHED\n"
	      "                     |   FIN, acknowledges no FIN                  |\n"
	      "1.000 ms             |                   ..- FIN+ACK seq=1 ack=2 --| FIN-WAIT-1\n"
	      "                     |   FIN, acknowledges no FIN                  |\n"
	      "4.000 ms             |                  ..- FIN+ACK seq=1 ack=1 -->| CLOSING\n"
	      "                     |   arrives 4.0 ms after it was sent          |\n"
	      "5.000 ms     CLOSING |<-- FIN+ACK seq=1 ack=2 -..                  |\n"
	      "                     |   arrives 4.0 ms after it was sent          |\n"
	      "6.000 ms   TIME-WAIT |<------------------------- ACK seq=1 ack=2 --|\n"
	      "7.000 ms             |-- ACK seq=1 ack=1 ------------------------->| TIME-WAIT\n");
	check(exchange, 96, true,
	      "                  client                                                        server\n"
	      "              10.0.0.1:40000                                                 10.0.0.2:5000\n"
	      "                     │                                                             │\n"
	      "0.000 ms  FIN-WAIT-1 ├── FIN+ACK seq=1 ack=1 ─────┄┄                               │ ESTABLISHED\n"
	      "                     │   FIN, acknowledges no FIN                                  │\n"
	      "1.000 ms             │                               ┄┄───── FIN+ACK seq=1 ack=2 ──┤ FIN-WAIT-1\n"
	      "                     │   FIN, acknowledges no FIN                                  │\n"
	      "4.000 ms             │                              ┄┄───── FIN+ACK seq=1 ack=1 ──▶│ CLOSING\n"
	      "                     │   arrives 4.0 ms after it was sent                          │\n"
	      "5.000 ms     CLOSING │◀── FIN+ACK seq=1 ack=2 ─────┄┄                              │\n"
	      "                     │   arrives 4.0 ms after it was sent                          │\n"
	      "6.000 ms   TIME-WAIT │◀───────────────────────────────────────── ACK seq=1 ack=2 ──┤\n"
	      "7.000 ms             ├── ACK seq=1 ack=1 ─────────────────────────────────────────▶│ TIME-WAIT\n");
	check(exchange, 112, true,
	      "                  client                             server\n"
	      "              10.0.0.1:40000                      10.0.0.2:5000\n"
	      "                     │                                  │\n"
	      "0.000 ms  FIN-WAIT-1 ├── FIN+ACK seq=1 ack=1 ─┄┄        │ ESTABLISHED  FIN, acknowledges no FIN\n"
	      "1.000 ms             │        ┄┄─ FIN+ACK seq=1 ack=2 ──┤ FIN-WAIT-1   FIN, acknowledges no FIN\n"
	      "4.000 ms             │       ┄┄─ FIN+ACK seq=1 ack=1 ──▶│ CLOSING      arrives 4.0 ms after it was sent\n"
	      "5.000 ms     CLOSING │◀── FIN+ACK seq=1 ack=2 ─┄┄       │              arrives 4.0 ms after it was sent\n"
	      "6.000 ms   TIME-WAIT │◀────────────── ACK seq=1 ack=2 ──┤\n"
	      "7.000 ms             ├── ACK seq=1 ack=1 ──────────────▶│ TIME-WAIT\n");
	check(exchange, 60, false,
	      "                client                      server\n"
	      "            10.0.0.1:40000               10.0.0.2:5000\n"
	      "                   |                           |\n"
	      "0.000ms FIN-WAIT-1 |-- FIN+ACK seq=1 ack=1 -.. | ESTABLISHED\n"
	      "                   |   FIN, acknowledges no    |\n"
	      "                   |   FIN                     |\n"
	      "1.000ms            | ..- FIN+ACK seq=1 ack=2 --| FIN-WAIT-1\n"
	      "                   |   FIN, acknowledges no    |\n"
	      "                   |   FIN                     |\n"
	      "4.000ms            |      ..- FIN+ACK seq=1 -->| CLOSING\n"
	      "                   |   ack=1; arrives 4.0 ms   |\n"
	      "                   |   after it was sent       |\n"
	      "5.000ms    CLOSING |<-- FIN+ACK seq=1 -..      |\n"
	      "                   |   ack=2; arrives 4.0 ms   |\n"
	      "                   |   after it was sent       |\n"
	      "6.000ms  TIME-WAIT |<------- ACK seq=1 ack=2 --|\n"
	      "7.000ms            |-- ACK seq=1 ack=1 ------->| TIME-WAIT\n");
	exchange_free(exchange);
}
/* clang-format on */

static void tells_what_was_left_out(void **state)
{
	struct exchange *exchange = new_exchange();
	struct output output;
	const char *first, *left_out, *last;

	(void)state;
	add(exchange, 0, false, "SYN", TCP_SYN_SENT, TCP_SYN_RECV);
	add(exchange, 1, true, "FIN+ACK", TCP_SYN_SENT, TCP_SYN_RECV);
	exchange->left_out = 37;
	exchange->left_out_before = 1;
	for (unsigned width = 40; width <= 80; width += 40) {
		output_begin(&output, width, true);
		ladder_draw(&output.screen, exchange);
		output_end(&output);
		first = strstr(output.text, "SYN seq");
		left_out = strstr(output.text, "… 37 rows left out …");
		last = strstr(output.text, "FIN+ACK seq");
		assert_true(first && left_out && last);
		assert_true(first < left_out && left_out < last);
		free(output.text);
	}
	exchange_free(exchange);
}

static void colors_only_when_asked(void **state)
{
	struct exchange *exchange = a_close();
	struct output plain, color;

	(void)state;
	output_begin(&plain, 80, true);
	ladder_draw(&plain.screen, exchange);
	output_end(&plain);
	assert_null(strchr(plain.text, '\033'));

	output_begin(&color, 80, true);
	color.screen.color = true;
	ladder_draw(&color.screen, exchange);
	output_end(&color);
	assert_non_null(strstr(color.text, "\033[33mFIN+ACK\033[0m"));
	assert_non_null(strstr(color.text, "\033[1;31mRST\033[0m"));
	assert_non_null(strstr(color.text, "\033[33mTIME-WAIT\033[0m"));
	output_strip_styles(color.text);
	assert_string_equal(color.text, plain.text);
	free(plain.text);
	free(color.text);
	exchange_free(exchange);
}

/* Every string that came from outside, hostile; output_check_lines() finds any control. */
static void escapes_every_string(void **state)
{
	const char *bad = "A\033[2J\r\n\xc2\x9b!";
	struct exchange *exchange = exchange_new();
	struct exchange_row *row;

	(void)state;
	exchange->left = strdup(bad);
	exchange->right = strdup(bad);
	exchange->left_address = strdup(bad);
	exchange->right_address = strdup(bad);
	exchange->title = strdup(bad);
	row = add(exchange, 0, false, bad, TCP_ESTABLISHED, 99);
	row->options = strdup(bad);
	row->note = strdup(bad);
	for (unsigned width = 20; width <= 130; width += 10) {
		struct output output;
		size_t found = 0;

		check(exchange, width, width % 20 == 0, NULL);
		output_begin(&output, width, true);
		ladder_draw(&output.screen, exchange);
		output_end(&output);
		for (const char *at = output.text; (at = strstr(at, "\\x1b")); at++)
			found++;
		if (width >= 80)
			assert_int_equal(found, 8);
		free(output.text);
	}
	exchange_free(exchange);
}

static void holds_every_width(void **state)
{
	struct exchange *exchange = a_close();
	struct exchange_row *row;

	(void)state;
	free(exchange->left_address);
	exchange->left_address = strdup("[fd00:1111:2222:3333:4444:5555:6666:7777]:40000");
	free(exchange->right_address);
	exchange->right_address = strdup("[fd00:1111:2222:3333:4444:5555:6666:8888]:50000");
	row = add(exchange, 100000000, false, "SYN+FIN+RST+PSH+ACK+URG+ECE+CWR", 13, 13);
	row->seq = row->ack = row->length = UINT32_MAX;
	row->options = strdup("日本語日本語日本語日本語日本語日本語日本語日本語日本語");
	row->note = strdup("日本語 wide 日本語日本語日本語日本語日本語日本語日本語日本語日本語");
	row->time_ns = INT64_MAX; /* a time so long that 60 columns are too few for a ladder */
	for (unsigned width = 20; width <= 140; width++) {
		for (int fate = 0; fate < EXCHANGE_FATE_COUNT; fate++) {
			row->fate = fate;
			row->from_right = width % 2;
			check(exchange, width, true, NULL);
			check(exchange, width, false, NULL);
		}
	}
	exchange_free(exchange);
}

/* A name wider than the screen, one that hangs over its edge, and two that would meet. */
static void names_of_any_length(void **state)
{
	struct exchange *exchange = a_close();
	char name[240];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t length = sizeof(name) - 1; length > 1; length -= length / 7 + 1) {
		struct output output;
		size_t found = 0;

		name[length] = '\0';
		free(exchange->left);
		free(exchange->right);
		exchange->left = strdup(name);
		exchange->right = strdup(name);
		check(exchange, 60, true, NULL);
		check(exchange, 100, true, NULL);
		output_begin(&output, 100, true);
		ladder_draw(&output.screen, exchange);
		output_end(&output);
		for (const char *at = output.text; (at = strstr(at, "nn")); at += strspn(at, "n"))
			found++;
		assert_int_equal(found, 2); /* apart, and neither is lost */
		free(output.text);
	}
	exchange_free(exchange);
}

/* A ladder's lifelines stand in the same two columns in each of its lines. */
static void lifelines_are_straight(void **state)
{
	struct exchange *exchange = a_close();
	struct output output;

	(void)state;
	free(exchange->title);
	exchange->title = NULL;
	for (unsigned width = 60; width <= 130; width++) {
		unsigned lines = 0, left = 0, right = 0;

		output_begin(&output, width, false);
		ladder_draw(&output.screen, exchange);
		output_end(&output);
		for (char *line = strtok(output.text, "\n"); line; line = strtok(NULL, "\n")) {
			if (++lines == 3) {
				left = (unsigned)(strpbrk(line, "|") - line);
				right = (unsigned)(strrchr(line, '|') - line);
			}
			if (lines < 3)
				continue;
			assert_true(strlen(line) > right);
			assert_non_null(strchr("|:", line[left]));
			assert_non_null(strchr("|:", line[right]));
		}
		assert_true(left > 0 && right >= left + 20 && lines >= 10);
		free(output.text);
	}
	exchange_free(exchange);
}

static void fast_exchanges_in_milliseconds(void **state)
{
	struct exchange *exchange = new_exchange();
	struct output output;

	(void)state;
	add(exchange, 0, false, "SYN", -1, -1)->flags[0] = 'S';
	add(exchange, 0, true, "ACK", -1, -1)->time_ns = 57 * NS_PER_US;
	output_begin(&output, 80, true);
	ladder_draw(&output.screen, exchange);
	output_end(&output);
	assert_non_null(strstr(output.text, "0.057 ms"));
	free(output.text);
	exchange_free(exchange);
}

static void draws_nothing_much(void **state)
{
	struct exchange *exchange = exchange_new();

	(void)state;
	for (unsigned width = 20; width <= 130; width += 10) {
		check(exchange, width, true, NULL);
		exchange->left_out = 1;
		check(exchange, width, false, NULL);
	}
	exchange_add(exchange); /* no flags, no states, no strings at all */
	check(exchange, 80, true, NULL);
	check(exchange, 40, true, NULL);
	exchange_free(exchange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_utf8),
		cmocka_unit_test(draws_ascii),
		cmocka_unit_test(draws_notes_at_the_right),
		cmocka_unit_test(draws_a_list_when_narrow),
		cmocka_unit_test(draws_crossing_fins),
		cmocka_unit_test(tells_what_was_left_out),
		cmocka_unit_test(colors_only_when_asked),
		cmocka_unit_test(escapes_every_string),
		cmocka_unit_test(holds_every_width),
		cmocka_unit_test(names_of_any_length),
		cmocka_unit_test(lifelines_are_straight),
		cmocka_unit_test(fast_exchanges_in_milliseconds),
		cmocka_unit_test(draws_nothing_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
