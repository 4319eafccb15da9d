/* Filters against ss(8): the same words, some hundred times, and the same sockets. */
#include "observe/socket_filter_rows.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "observe/socket_filter_chance.h"
#include "observe/socket_filter_testing.h"
#include "tcp/state.h"

/* Its words for a filter of ours, one for each argument. */
static void exec_ss(char *text, int out)
{
	char *arguments[TEXT_MAX / 2 + 4] = {"ss", "-tanH"};
	size_t count = 2;

	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	dup2(out, STDOUT_FILENO);
	execvp(arguments[0], arguments);
	_exit(127);
}

/* What it prints, in @ret; its exit status. */
static int run_ss(const char *text, char *ret, size_t size)
{
	char copy[TEXT_MAX];
	size_t length = 0;
	ssize_t n = 1;
	int out[2], status;
	pid_t child;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	strcpy(copy, text);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		exec_ss(copy, out[1]);
	close(out[1]);
	for (; n > 0 && length < size - 1; length += (size_t)n)
		n = read(out[0], ret + length, size - 1 - length);
	assert_int_equal(n, 0);
	ret[length] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* "127.0.0.1:80", "[::1]:80", "*:80", "0.0.0.0:*" */
static struct tcp_endpoint read_endpoint(char *text)
{
	char *colon = strrchr(text, ':'), *address = text;
	struct in6_addr v6;
	struct in_addr v4;

	assert_non_null(colon);
	*colon = '\0';
	if (*address == '[') {
		address++;
		colon[-1] = '\0';
	}
	if (strcmp(address, "*") == 0)
		address = "::";
	if (inet_pton(AF_INET, address, &v4) == 1)
		return endpoint_of(AF_INET, (__be32[4]){v4.s_addr},
				   htons((uint16_t)atoi(colon + 1)));
	assert_int_equal(inet_pton(AF_INET6, address, &v6), 1);
	return endpoint_of(AF_INET6, v6.s6_addr32, htons((uint16_t)atoi(colon + 1)));
}

/* "STATE 0 0 LOCAL PEER"; without the first when there is one state only. */
static void read_line(char *line, struct rows *rows, bool *no_states)
{
	char *fields[8] = {NULL}, *save = NULL, *field = strtok_r(line, " ", &save);
	int state = 0;
	size_t n = 0;
	struct tcp_key key;

	for (; field && n < ARRAY_SIZE(fields); field = strtok_r(NULL, " ", &save))
		fields[n++] = field;
	if (n < 4) {
		fail_msg("a line of ss with %zu words", n);
		return;
	}
	if (isalpha((unsigned char)*fields[0])) {
		assert_true(n >= 5);
		state = tcp_state_parse(fields[0]);
		assert_true(state > 0);
		memmove(fields, fields + 1, 4 * sizeof(fields[0]));
	} else {
		*no_states = true;
	}
	key = (struct tcp_key){.local = read_endpoint(fields[2]),
			       .remote = read_endpoint(fields[3])};
	unify(&key);
	add_row(rows, state, &key);
}

static void read_ss(char *text, struct rows *ret, bool *no_states)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		read_line(line, ret, no_states);
	sort_rows(ret);
}

/* It does not ask for sockets that are only bound, and may not tell states. */
static void as_ss_sees_it(struct rows *rows, bool no_states)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->count; i++) {
		if (rows->rows[i].state == TCP_CLOSE)
			continue;
		rows->rows[kept] = rows->rows[i];
		if (no_states)
			rows->rows[kept].state = 0;
		kept++;
	}
	memset(rows->rows + kept, 0, (rows->count - kept) * sizeof(rows->rows[0]));
	rows->count = kept;
	sort_rows(rows);
}

static void compare_with_ss(const char *text, const struct socket_filter *filter)
{
	static char printed[65536];
	struct rows whole = matched(filter), want, got;
	bool no_states;

	do {
		if (run_ss(text, printed, sizeof(printed)) != 0)
			fail_msg("ss does not take it: %s", text);
		got = (struct rows){0};
		no_states = false;
		read_ss(printed, &got, &no_states);
		want = whole;
		as_ss_sees_it(&want, no_states);
	} while (!same_rows(&want, &got) && changed(filter, &whole));
	compare(text, "ss", &want, &got);
}

static void check_ss(const char *text)
{
	struct socket_filter *filter = parse(text);

	/* No state at all is an error there, or means the default. */
	if (socket_filter_states(filter) != 0)
		compare_with_ss(text, filter);
	socket_filter_free(filter);
}

static void test_ss(void **state)
{
	static char printed[65536];
	char text[TEXT_MAX];

	(void)state;
	NEEDS_NAMESPACE();
	if (run_ss("", printed, sizeof(printed)) != 0) {
		print_message("no ss(8) to compare with\n");
		skip();
	}
	seed = 521288629;
	for (int i = 0; i < 300; i++) {
		make_filter(text, true, chance(2));
		check_ss(text);
	}
}

static int set_up(void **state)
{
	(void)state;
	return not_alone ? 0 : rows_open();
}

static int tear_down(void **state)
{
	(void)state;
	rows_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ss),
	};

	be_alone();
	return cmocka_run_group_tests_name("socket filter and ss", tests, set_up, tear_down);
}
