#include "explain/script_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tcp/state.h"

#define LINES_MAX 64
#define MS_NS	  1000000

bool script_roles[ROLE_COUNT], script_causes[RST_CAUSE_COUNT];

struct expected {
	size_t index;
	char line[160], role[40], states[2][20];
	int connection;
};

static uint8_t flags_of(const char *text)
{
	static const char letters[] = "FSRPAUEC";
	uint8_t flags = 0;

	for (; *text; text++) {
		const char *at = strchr(letters, *text);

		if (at)
			flags |= (uint8_t)(1 << (at - letters));
	}
	return flags;
}

static struct tcp_endpoint endpoint_of(unsigned who)
{
	struct tcp_endpoint endpoint = {.port = who ? 80 : 40000};

	tcp_address_parse(who ? "10.0.0.2" : "10.0.0.1", &endpoint.address);
	return endpoint;
}

static void read_word(const char *word, struct segment *s, struct segment_passage *passage,
		      int64_t *now_ms)
{
	if (strncmp(word, "t=", 2) == 0)
		*now_ms = atoll(word + 2);
	else if (strncmp(word, "d=", 2) == 0)
		passage->delivered_ns = atoll(word + 2) * MS_NS;
	else if (strncmp(word, "w=", 2) == 0)
		s->window = (uint16_t)atoi(word + 2);
	else if (strncmp(word, "ttl=", 4) == 0)
		s->ttl = (uint8_t)atoi(word + 4);
	else if (strcmp(word, "lost") == 0)
		passage->lost = true;
	else if (strcmp(word, "stuck") == 0)
		passage->stuck = true;
	else if (strcmp(word, "sack") == 0)
		s->options.sack_permitted = true;
	else if (strcmp(word, "old") != 0)
		fail_msg("what is '%s'?", word);
}

void script_read(struct script *script, char *line, struct segment *ret,
		 struct segment_passage *ret_passage)
{
	struct segment s = {.window = 100, .ttl = 64};
	struct segment_passage passage = {0};
	char *rest = NULL, *word = strtok_r(line, " ", &rest);
	unsigned who = *word == 's', numbers = 0;
	bool old = strstr(rest, " old") != NULL;
	const uint32_t *isn = old ? script->old_isn : script->isn;

	script->now_ms++;
	s.source = endpoint_of(who);
	s.target = endpoint_of(!who);
	s.flags = flags_of(strtok_r(NULL, " ", &rest));
	while ((word = strtok_r(NULL, " ", &rest))) {
		if (strchr("0123456789-", *word)) {
			uint32_t number = (uint32_t)atoll(word);

			if (numbers == 0)
				s.seq = isn[who] + number;
			else if (numbers == 1)
				s.ack = isn[!who] + number;
			else
				s.payload_length = number;
			numbers++;
		} else {
			read_word(word, &s, &passage, &script->now_ms);
		}
	}
	s.time_ns = script->now_ms * MS_NS;
	s.options.has_timestamps = s.flags & TCP_FLAG_SYN;
	s.options.ts_value = 42;
	*ret = s;
	*ret_passage = passage;
}

bool script_read_isn(struct script *script, const char *line)
{
	long long isn[2];

	if (sscanf(line, "isn %lld %lld", &isn[0], &isn[1]) != 2)
		return false;
	memcpy(script->old_isn, script->isn, sizeof(script->isn));
	script->isn[0] = (uint32_t)isn[0];
	script->isn[1] = (uint32_t)isn[1];
	return true;
}

static void feed_line(struct script *script, char *line)
{
	struct segment_passage passage;
	struct segment s;
	int r;

	script_read(script, line, &s, &passage);
	r = tracker_feed(script->tracker, &s, &passage);
	assert_int_equal(r, 0);
	script->count++;
}

static void read_expected(struct expected *expected, char *text)
{
	char *rest = NULL, *word = strtok_r(text, " ", &rest);
	size_t states = 0;

	expected->connection = -1;
	if (!word)
		return;
	snprintf(expected->role, sizeof(expected->role), "%s", word);
	while ((word = strtok_r(NULL, " ", &rest))) {
		if (*word == '#')
			expected->connection = atoi(word + 1);
		else if (states < 2)
			snprintf(expected->states[states++], sizeof(expected->states[0]), "%s",
				 word);
	}
}

static const struct tracked_segment *find(const struct tracker *tracker, size_t index,
					  int *ret_connection)
{
	for (size_t i = 0; i < tracker_count(tracker); i++) {
		const struct connection *connection = tracker_connection(tracker, i);

		for (size_t n = 0; n < connection->count; n++) {
			if (connection->segments[n].index != index)
				continue;
			*ret_connection = (int)i;
			return &connection->segments[n];
		}
	}
	return NULL;
}

static void check(const struct script *script, const struct expected *expected)
{
	int connection = -1;
	const struct tracked_segment *tracked = find(script->tracker, expected->index, &connection);
	char role[60];

	if (!tracked) {
		fail_msg("'%s' is in no connection", expected->line);
		return;
	}
	script_roles[tracked->role] = script_causes[tracked->cause] = true;
	snprintf(role, sizeof(role), "%s%s%s", segment_role_name(tracked->role),
		 tracked->role == ROLE_RST ? "/" : "",
		 tracked->role == ROLE_RST ? rst_cause_name(tracked->cause) : "");
	if (*expected->role && strcmp(role, expected->role) != 0)
		fail_msg("'%s' came out as %s", expected->line, role);
	for (unsigned end = 0; end < 2; end++)
		if (*expected->states[end] &&
		    strcmp(expected->states[end], tcp_state_name(tracked->state[end])) != 0)
			fail_msg("'%s' came out as %s %s", expected->line,
				 tcp_state_name(tracked->state[0]),
				 tcp_state_name(tracked->state[1]));
	if (expected->connection >= 0 && expected->connection != connection)
		fail_msg("'%s' is in connection %d", expected->line, connection);
}

const struct connection *script_play(struct script *script, const char *lines)
{
	static struct expected expected[LINES_MAX];
	CLEANUP_FREE char *copy = strdup(lines);
	size_t count = 0;
	char *rest = NULL;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct expected *next = &expected[count];
		char *wanted;

		line += strspn(line, "\t ");
		if (script_read_isn(script, line))
			continue;
		assert_true(count < LINES_MAX);
		count++;
		memset(next, 0, sizeof(*next));
		snprintf(next->line, sizeof(next->line), "%s", line);
		next->index = script->count;
		wanted = strstr(line, "= ");
		while (wanted && wanted > line && wanted[-1] != ' ')
			wanted = strstr(wanted + 1, "= ");
		if (wanted)
			*wanted++ = '\0';
		if (wanted)
			read_expected(next, wanted);
		else
			next->connection = -1;
		feed_line(script, line);
	}
	for (size_t i = 0; i < count; i++)
		check(script, &expected[i]);
	return tracker_connection(script->tracker, 0);
}

void script_begin(struct script *script)
{
	*script = (struct script){
		.tracker = tracker_new(),
		.isn = {SCRIPT_CLIENT_ISN, SCRIPT_SERVER_ISN},
		.old_isn = {SCRIPT_CLIENT_ISN, SCRIPT_SERVER_ISN},
	};
	assert_non_null(script->tracker);
}

void script_end(struct script *script)
{
	tracker_free(script->tracker);
	script->tracker = NULL;
}
