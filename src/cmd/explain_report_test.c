/* What people read: problems, the summary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/explain_problems.h"
#include "cmd/explain_summary.h"
#include "cmd/explain_testing.h"
#include "tcp/state.h"

/* ---- problems */

static char *problems_text(const struct explain_problems *problems, unsigned width)
{
	struct screen screen = {.width = width};
	char *text;
	size_t length;

	screen.out = open_memstream(&text, &length);
	explain_problems_print(&screen, problems, NULL, "contest explain a.pcap");
	fclose(screen.out);
	return text;
}

static void add_problem(struct explain_problems *problems, const struct finding *finding)
{
	assert_int_equal(explain_problems_add(problems, finding), 0);
}

/* That the texts stand in it, one behind the other. */
static void check_order(const char *text, const char *const *want, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *at = strstr(text, want[i]);

		if (!at)
			fail_msg("no \"%s\" in \"%s\"", want[i], text);
		else
			text = at + strlen(want[i]);
	}
}

static void problems_worst_first_and_together(void **state)
{
	static const char *const want[] = {
		"6 of 7 connections deserve a look\n",
		"\nreset-unread: 4 connections\n  2 to 10.0.1.1:80, such as number 2\n",
		"  1 to 10.0.1.1:443, number 5\n    Number 2: ",
		"Look at it: contest explain a.pcap --connection 2 --ladder\n",
		"  1 to 10.0.1.1:80, number 6\n    Number 6: ", /* it was the client there */
		"\nhalf-closed: 2 connections\n",
		"such as number 3\n",
	};
	struct explain_problems *problems = explain_problems_new();
	struct finding finding = opened(1, 1, 80);
	char *text;

	(void)state;
	add_problem(problems, &finding);
	finding = reset(2, 1, TRACK_SERVER, RST_UNREAD_DATA);
	finding.end[TRACK_SERVER].data_unanswered = true;
	add_problem(problems, &finding);
	finding.number = 4;
	add_problem(problems, &finding);
	finding.number = 5;
	finding.end[TRACK_SERVER].endpoint.port = 443;
	add_problem(problems, &finding);
	finding = reset(6, 1, TRACK_CLIENT, RST_UNREAD_DATA);
	add_problem(problems, &finding);
	for (uint64_t number = 3; number < 9; number += 5) {
		finding = opened(number, 1, 80);
		send_fin(&finding, TRACK_CLIENT, SECOND + (int64_t)number);
		finding.end[TRACK_CLIENT].fin_acked = true;
		finding.end[TRACK_CLIENT].fin_acked_ns = START + SECOND;
		finding.end[TRACK_CLIENT].state = TCP_FIN_WAIT2;
		finding.end[TRACK_SERVER].state = TCP_CLOSE_WAIT;
		finding.ending = ENDING_HALF_CLOSED;
		finding.closed_first = WHO_CLIENT;
		add_problem(problems, &finding);
	}
	assert_int_equal(explain_problems_count(problems), 6);
	text = problems_text(problems, 100);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	free(text);
	explain_problems_free(problems);
}

static void problems_bounded(void **state)
{
	static const char *const want[] = {
		"reset-unread: 2000 connections\n",
		"  1 to 10.0.1.1:1, number 1\n",
		"  502 to 502 other servers\n",
		"  1488 to servers for which there was no room here\n",
	};
	struct explain_problems *problems = explain_problems_new();
	char *text;

	(void)state;
	for (uint64_t i = 1; i <= 2000; i++) {
		struct finding finding = reset(i, 1, TRACK_SERVER, RST_UNREAD_DATA);

		finding.end[TRACK_SERVER].endpoint.port = (uint16_t)i;
		add_problem(problems, &finding);
	}
	text = problems_text(problems, 80);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	free(text);
	explain_problems_free(problems);
}

static void no_problems(void **state)
{
	struct explain_problems *problems = explain_problems_new();
	struct finding finding = opened(1, 1, 80);
	char *text = problems_text(problems, 80);

	(void)state;
	assert_string_equal(text, "No connections\n");
	free(text);
	add_problem(problems, &finding);
	text = problems_text(problems, 80);
	assert_string_equal(text, "Nothing deserves a look (1 connection)\n");
	free(text);
	explain_problems_free(problems);
}

/* ---- the summary */

static char *summary_text(const struct explain_model *model, unsigned width, bool utf8)
{
	struct screen screen = {.width = width, .utf8 = utf8};
	char *text;
	size_t length;

	screen.out = open_memstream(&text, &length);
	explain_summary_print(&screen, model);
	fclose(screen.out);
	return text;
}

/* Nothing is wider than the screen, or ends in blanks, or is no plain text. */
static void check_lines(const char *text, unsigned width, bool utf8)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		char *line = strndup(text, length);

		assert_int_equal(text[length], '\n');
		if (screen_columns(line) > width || (length && line[length - 1] == ' '))
			fail_msg("at %u: \"%s\"", width, line);
		for (const char *at = line; *at; at++)
			assert_true((unsigned char)*at >= 0x20 &&
				    (utf8 || (unsigned char)*at < 0x7f));
		free(line);
		text += length + 1;
	}
}

static void check_widths(const struct explain_model *model)
{
	for (unsigned width = 40; width <= 120; width++) {
		char *text = summary_text(model, width, width % 2);

		check_lines(text, width, width % 2);
		free(text);
	}
}

static void summary_of_few(void **state)
{
	static const char *const want[] = {
		"2 connections, 17 packets in 3 s, from a.pcap\n",
		"\n  1 10.0.0.1:40000 → w\\x1bw:http  graceful\n",
		"    client closed first; at the end client TIME-WAIT, server CLOSED;",
		"\n  2 10.0.0.1:40000 → w\\x1bw:http  reset\n",
		"\n    reset-unread: ",
		"\n1 connection deserves a look: reset-unread 1.\n",
		"\nNotes\n  - cut off\n",
		"  - 1 packet: not TCP\n",
	};
	static const char *const notes[] = {"cut off"};
	char hostile[] = "w\x1bw:http";
	struct explain_names names = {.name = a_name, .context = hostile};
	struct explain_model model = {
		.from = "a.pcap",
		.packets = 17,
		.sums = {.first_ns = START, .last_ns = START + 3 * SECOND},
		.decoded = {[DECODE_NOT_TCP] = 1},
		.notes = notes,
		.note_count = 1,
		.names = &names,
	};
	struct finding finding = graceful(1);
	char *text;

	(void)state;
	assert_int_equal(explain_model_add(&model, &finding), 0);
	finding = reset(2, 1, TRACK_SERVER, RST_UNREAD_DATA);
	assert_int_equal(explain_model_add(&model, &finding), 0);
	text = summary_text(&model, 100, true);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	assert_null(strstr(text, "Ending"));
	free(text);
	check_widths(&model);
	explain_model_done(&model);
}

static void summary_of_many(void **state)
{
	static const char *const want[] = {
		"4000 connections, 0 packets\n",
		"\nEnding    connections  share\n",
		"graceful         3999  100.0 %\n",
		"reset               1   <0.1 %\n",
		"\nClosed first  connections  share\n",
		"client               3999  100.0 %\n",
		"nobody                  1   <0.1 %\n",
		"Port  total  graceful  reset  by client\n",
		"  80   4000      3999      1       3999\n",
		"\nActive closer  closed first  left with TIME-WAIT\n",
		"10.0.0.1                 20                   20\n",
		"10.0.0.10                20                   20\n",
		"and 190 more hosts\n",
		"unread-data            1  close()",
		"1 connection deserves a look: reset-unread 1.\n",
	};
	struct explain_model model = {
		.sums = {.first_ns = FINDING_TIME_UNKNOWN, .last_ns = FINDING_TIME_UNKNOWN},
	};
	char *text;

	(void)state;
	for (uint64_t i = 1; i < 4000; i++) {
		struct finding finding = graceful(i);

		finding.end[0].endpoint.address.bytes[3] = (uint8_t)(i % 200);
		assert_int_equal(explain_model_add(&model, &finding), 0);
	}
	{
		struct finding finding = reset(4000, 1, TRACK_CLIENT, RST_UNREAD_DATA);

		assert_int_equal(explain_model_add(&model, &finding), 0);
	}
	text = summary_text(&model, 80, false);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	assert_null(strstr(text, "Notes"));
	assert_null(strstr(text, "10.0.0.1:40000"));
	free(text);
	text = summary_text(&model, 80, true);
	assert_non_null(strstr(text, "3999  100.0 %  ████████████████████████\n"));
	assert_non_null(strstr(text, "   1   <0.1 %  ▏\n"));
	free(text);
	check_widths(&model);
	explain_model_done(&model);
}

static void summary_of_nothing(void **state)
{
	struct explain_model model = {.no_times = true};
	char *text = summary_text(&model, 80, false);

	(void)state;
	assert_string_equal(text, "0 connections, 0 packets\n\nNotes\n  - the text has no times: "
				  "nothing is said of how long anything took\n");
	free(text);
	explain_model_done(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems_worst_first_and_together),
		cmocka_unit_test(problems_bounded),
		cmocka_unit_test(no_problems),
		cmocka_unit_test(summary_of_few),
		cmocka_unit_test(summary_of_many),
		cmocka_unit_test(summary_of_nothing),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
