/* Names, facts by name, problems; and what holds for any finding at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/finding_testing.h"

static void names_states_as_ss_does(void **state)
{
	static const struct {
		int state;
		const char *name;
	} states[] = {
		{TCP_ESTABLISHED, "ESTAB"},
		{TCP_SYN_SENT, "SYN-SENT"},
		{TCP_SYN_RECV, "SYN-RECV"},
		{TCP_FIN_WAIT1, "FIN-WAIT-1"},
		{TCP_FIN_WAIT2, "FIN-WAIT-2"},
		{TCP_TIME_WAIT, "TIME-WAIT"},
		{TCP_CLOSE_WAIT, "CLOSE-WAIT"},
		{TCP_LAST_ACK, "LAST-ACK"},
		{TCP_LISTEN, "LISTEN"},
		{TCP_CLOSING, "CLOSING"},
		{TCP_STATE_NONE, "CLOSED"},
		{TCP_CLOSE, "CLOSED"},
		{-1, "unknown"},
		{TCP_STATE_COUNT, "unknown"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		assert_string_equal(finding_state_name(states[i].state), states[i].name);
}

/* Not NULL, and no two alike. */
static void check_names(const char *(*name)(int), int count)
{
	for (int i = 0; i < count; i++) {
		assert_non_null(name(i));
		for (int other = 0; other < i; other++)
			assert_string_not_equal(name(i), name(other));
	}
	assert_string_equal(name(count), "unknown");
	assert_string_equal(name(-1), "unknown");
}

static const char *opened(int value)
{
	return finding_opened_name((enum finding_opened)value);
}

static const char *ending(int value)
{
	return finding_ending_name((enum finding_ending)value);
}

static const char *who(int value)
{
	return finding_who_name((enum finding_who)value);
}

static const char *confidence(int value)
{
	return finding_confidence_name((enum finding_confidence)value);
}

static const char *option(int value)
{
	return finding_option_name((enum finding_option)value);
}

static const char *problem(int value)
{
	return finding_problem_name((enum finding_problem)value);
}

static void names_everything(void **state)
{
	(void)state;
	check_names(opened, OPENED_COUNT);
	check_names(ending, ENDING_COUNT);
	check_names(who, WHO_COUNT);
	check_names(confidence, CONFIDENCE_COUNT);
	check_names(option, OPTION_AGREEMENT_COUNT);
	check_names(problem, PROBLEM_COUNT);
	assert_string_equal(ending(ENDING_HALF_CLOSED), "half-closed");
	assert_string_equal(opened(OPENED_CLIENT_SYN), "client-syn");
}

static void is_as_sure_as_the_packets(void **state)
{
	struct finding f = finding_open();

	(void)state;
	finding_reset(&f, TRACK_SERVER, RST_REFUSED);
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_CERTAIN);
	f.rst.cause = RST_UNREAD_DATA;
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_LIKELY);
	f.one_way = true;
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_GUESS);
	f.one_way = false;
	f.rst.cause = RST_ABORT;
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_GUESS);
	f.rst.cause = RST_UNKNOWN;
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_GUESS);
	f.rst.cause = RST_REFUSED;
	f.rst.ttl_known = true;
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_CERTAIN);
	f.rst.ttl = 254;
	assert_int_equal(finding_rst_confidence(&f), CONFIDENCE_GUESS);
}

static void says_who_did_not_offer(void **state)
{
	static const struct {
		bool client_seen, client, server_seen, server;
		enum finding_option timestamps, sack;
	} rows[] = {
		{true, true, true, true, OPTION_AGREED, OPTION_AGREED},
		{true, false, true, true, OPTION_CLIENT_DID_NOT, OPTION_CLIENT_DID_NOT},
		{true, true, true, false, OPTION_SERVER_DID_NOT, OPTION_SERVER_DID_NOT},
		{true, false, true, false, OPTION_NEITHER, OPTION_NEITHER},
		{true, true, false, false, OPTION_UNKNOWN, OPTION_UNKNOWN},
		{true, false, false, false, OPTION_CLIENT_DID_NOT, OPTION_CLIENT_DID_NOT},
		{false, false, true, true, OPTION_AGREED, OPTION_UNKNOWN},
		{false, false, true, false, OPTION_UNKNOWN, OPTION_UNKNOWN},
		{false, false, false, false, OPTION_UNKNOWN, OPTION_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct finding f = finding_open();

		f.end[0].syn_seen = rows[i].client_seen;
		f.end[0].has_timestamps = f.end[0].has_window_scale = f.end[0].sack_permitted =
			rows[i].client;
		f.end[1].syn_seen = rows[i].server_seen;
		f.end[1].has_timestamps = f.end[1].has_window_scale = f.end[1].sack_permitted =
			rows[i].server;
		assert_int_equal(finding_timestamps(&f), rows[i].timestamps);
		assert_int_equal(finding_window_scale(&f), rows[i].timestamps);
		assert_int_equal(finding_sack(&f), rows[i].sack);
	}
}

/* --- problems --- */

static void fine(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
}

static void in_time_wait(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->reuses = 1;
	f->reused_in_time_wait = true;
	f->reused_held_by = WHO_CLIENT;
}

static void keepalives(struct finding *f)
{
	*f = finding_open();
	f->end[1].keepalives = 12;
	f->end[1].packets = 20;
}

static void few_keepalives(struct finding *f)
{
	*f = finding_open();
	f->end[1].keepalives = 12;
	f->end[1].packets = 24;
}

static void fin_twice(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->end[1].fin_count = 2;
}

static void last_ack(struct finding *f)
{
	fin_twice(f);
	f->end[1].state = TCP_LAST_ACK;
}

static void half(struct finding *f)
{
	*f = finding_open();
	finding_fin(f, TRACK_CLIENT, 500);
	f->ending = ENDING_HALF_CLOSED;
	f->closed_first = WHO_CLIENT;
	f->end[0].state = TCP_FIN_WAIT2;
	f->end[1].state = TCP_CLOSE_WAIT;
}

static void half_seen_one_way(struct finding *f)
{
	half(f);
	f->one_way = true;
}

static void new_syn(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->newer_syn_ignored = true;
}

static void gone(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_CLIENT, RST_CLIENT_GONE);
	f->ending = ENDING_ABORTED;
}

static void refused(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_SERVER, RST_REFUSED);
	f->ending = ENDING_REFUSED;
}

static void unanswered(struct finding *f)
{
	*f = finding_open();
	f->ending = ENDING_UNANSWERED;
}

static void window(struct finding *f)
{
	half(f);
	f->end[0].zero_window = true;
}

static void window_after_close(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->end[0].zero_window = true;
}

static void silent(struct finding *f)
{
	half(f);
	f->end[0].state = TCP_FIN_WAIT1;
	f->end[0].fin_count = 4;
	f->end[1].last_ns = MS(400);
}

static void forgotten(struct finding *f)
{
	*f = finding_open();
	f->newer_syn_ignored = true;
}

static void late(struct finding *f)
{
	half(f);
	finding_reset(f, TRACK_CLIENT, RST_HALF_OPEN);
}

static void aborted(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_CLIENT, RST_ABORT);
}

static void wrote_on(struct finding *f)
{
	half(f);
	finding_reset(f, TRACK_CLIENT, RST_DATA_AFTER_CLOSE);
}

static void unread(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_CLIENT, RST_UNREAD_DATA);
}

static void foreign(struct finding *f)
{
	unread(f);
	f->rst.ttl_known = true;
	f->rst.ttl = 3;
}

/* @says: what the advice cannot do without. */
static const struct {
	void (*make)(struct finding *f);
	enum finding_problem problem;
	const char *says;
} problems[] = {
	{fine, PROBLEM_NONE, ""},
	{in_time_wait, PROBLEM_REUSED_TIME_WAIT, "run reuse-client-side"},
	{keepalives, PROBLEM_MANY_KEEPALIVES, "idle"},
	{few_keepalives, PROBLEM_NONE, ""},
	{fin_twice, PROBLEM_FIN_REPEATED, "server's FIN was sent 2 times"},
	{last_ack, PROBLEM_LAST_ACK_LOST, "ACK of the server's FIN is missing"},
	{half, PROBLEM_HALF_CLOSED, "application at the server (port 5000) has not closed"},
	{half_seen_one_way, PROBLEM_NONE, ""},
	{new_syn, PROBLEM_SYN_MET_TIME_WAIT, "not newer"},
	{gone, PROBLEM_CLIENT_GONE, "connect()"},
	{refused, PROBLEM_REFUSED, "port 5000"},
	{unanswered, PROBLEM_UNANSWERED, "port 5000"},
	{window, PROBLEM_STUCK_WINDOW, "application at the client does not read"},
	{window_after_close, PROBLEM_NONE, ""},
	{silent, PROBLEM_VANISHED, "server (port 5000) does not answer"},
	{forgotten, PROBLEM_VANISHED, "new SYN"},
	{late, PROBLEM_VANISHED, "client closed and, likely, forgot"},
	{aborted, PROBLEM_RESET_ABORT, "client reset"},
	{wrote_on, PROBLEM_RESET_AFTER_CLOSE, "server (port 5000) went on sending"},
	{unread, PROBLEM_RESET_UNREAD, "application at the client likely closed"},
	{foreign, PROBLEM_RESET_MIDDLEBOX, "perhaps"},
};

/* An advice that names an experiment names one that there is. */
static void check_experiments(const char *advice)
{
	static const char run[] = "contest lab run ";
	char path[512];

	for (const char *at = advice; (at = strstr(at, run));) {
		size_t length;

		at += strlen(run);
		length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
		snprintf(path, sizeof(path), "%s/%.*s.c", EXPERIMENTS, (int)length, at);
		for (char *dash = path + strlen(EXPERIMENTS); (dash = strchr(dash, '-'));)
			*dash = '_';
		if (access(path, R_OK) < 0)
			fail_msg("no experiment: %s", path);
	}
}

static void finds_the_worst(void **state)
{
	bool found[PROBLEM_COUNT] = {false};
	char text[FINDING_TEXT_MAX];
	struct finding f;

	(void)state;
	for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
		problems[i].make(&f);
		assert_string_equal(finding_problem_name(finding_problem(&f)),
				    finding_problem_name(problems[i].problem));
		finding_advice(&f, text);
		if (!strstr(text, problems[i].says))
			fail_msg("no \"%s\" in \"%s\"", problems[i].says, text);
		assert_int_equal(*text == '\0', problems[i].problem == PROBLEM_NONE);
		assert_true(strlen(text) < FINDING_TEXT_MAX - 20); /* not cut */
		check_experiments(text);
		found[problems[i].problem] = true;
	}
	for (int i = 0; i < PROBLEM_COUNT; i++)
		assert_true(found[i]);
}

/* --- any finding at all --- */

static void check_text(const char *text, char last)
{
	size_t length = strlen(text);

	assert_in_range(length, 1, FINDING_TEXT_MAX - 1);
	for (size_t i = 0; i < length; i++)
		assert_in_range((unsigned char)text[i], 0x20, 0x7e);
	if (last && text[length - 1] != last)
		fail_msg("\"%s\" ends otherwise", text);
	assert_null(strstr(text, "+-"));
	assert_null(strstr(text, "  "));
	assert_null(strstr(text, " ;"));
	assert_null(strstr(text, "in unknown"));
	assert_null(strstr(text, "in CLOSED"));
}

/* An end whose state is unknown is left with nothing that is called by a name. */
static void check_unknown(const struct finding *f, const char *sentence)
{
	static const char *const ends[] = {"the client", "the server"};

	for (unsigned end = 0; end < 2; end++) {
		char claim[64];

		if (f->end[end].state >= 0 || f->opened == OPENED_SIMULTANEOUS)
			continue;
		snprintf(claim, sizeof(claim), "%s is left", ends[end]);
		assert_null(strstr(sentence, claim));
		snprintf(claim, sizeof(claim), ", %s with", ends[end]);
		assert_null(strstr(sentence, claim));
		assert_null(strstr(sentence, "both ends are left"));
		assert_null(strstr(sentence, "nothing is left at either end"));
	}
}

static void holds_for_any(void **state)
{
	char text[FINDING_TEXT_MAX];
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		struct finding f = finding_random(&seed);

		check_text(finding_sentence(&f, text), '.');
		assert_null(strstr(text, ". "));
		check_unknown(&f, text);
		assert_false(*text >= 'a' && *text <= 'z');
		check_text(finding_state_why(&f, TRACK_CLIENT, text), '\0');
		check_text(finding_state_why(&f, TRACK_SERVER, text), '\0');
		if (finding_problem(&f) != PROBLEM_NONE)
			check_text(finding_advice(&f, text), '.');
		else
			assert_string_equal(finding_advice(&f, text), "");
		if (finding_rst_confidence(&f) == CONFIDENCE_CERTAIN && f.rst.any)
			assert_true(f.rst.cause == RST_REFUSED || f.rst.cause == RST_NONE ||
				    f.rst.cause == RST_ANSWERS_OLD_ACK);
	}
}

/* Without times no text tells one. */
static void tells_no_time_where_there_is_none(void **state)
{
	char text[FINDING_TEXT_MAX];
	uint64_t seed = 2;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct finding f = finding_random(&seed);

		f.first_ns = f.last_ns = f.reused_after_ns = f.rst.at_ns = FINDING_TIME_UNKNOWN;
		for (unsigned end = 0; end < 2; end++)
			f.end[end].since_ns = f.end[end].fin_ns = f.end[end].fin_acked_ns =
				f.end[end].last_ns = FINDING_TIME_UNKNOWN;
		assert_null(strchr(finding_sentence(&f, text), '+'));
		assert_null(strstr(text, " ms"));
		assert_null(strstr(text, "half-close of"));
		assert_null(strchr(finding_state_why(&f, i & 1, text), '+'));
		assert_null(strchr(finding_advice(&f, text), '+'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_states_as_ss_does),
		cmocka_unit_test(names_everything),
		cmocka_unit_test(is_as_sure_as_the_packets),
		cmocka_unit_test(says_who_did_not_offer),
		cmocka_unit_test(finds_the_worst),
		cmocka_unit_test(holds_for_any),
		cmocka_unit_test(tells_no_time_where_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
