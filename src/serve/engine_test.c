/*
 * The contract of engines, for all of them alike: what they answer, how they close, what they
 * count, how they end. engine_hostile_test.c has bad peers and bad days.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "serve/engine_testing.h"

/* ---- the contract */

static const struct conversation {
	const char *protocol, *request, *answer; /* answer: how it begins */
	size_t least;				 /* bytes of the answer */
} conversations[] = {
	{"daytime", NULL, "", 10},
	{"echo", "hello\n", "hello\n", 6},
	{"discard", "nothing\n", "", 0},
	{"chargen", NULL, " !\"#$%&'()*+,-./0123", 74},
	{"chat", "quit\r\n", "", 0},
	{"http", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", 100},
};

static void converse(const struct serve_engine *engine, const struct conversation *c)
{
	struct served served = {.plan = scene_plan(c->protocol, SERVE_CLOSE_ACTIVE)};
	struct tally_sum told;
	char text[64];

	scene_start(&served, engine);
	for (int i = 0; i < 3; i++) {
		CLEANUP_CLOSE int fd = dial(&served);
		ssize_t n;

		if (c->request)
			say(fd, c->request);
		n = hear(fd, text, sizeof(text));
		assert_true(n >= (ssize_t)c->least);
		assert_memory_equal(text, c->answer, strlen(c->answer));
	}
	AWAIT(&served, closed_by_us, 3);
	told = scene_finish(&served);
	assert_int_equal(told.accepted, 3);
	assert_int_equal(told.closed_by_us, 3);
	assert_int_equal(told.bytes_in, c->request ? 3 * strlen(c->request) : 0);
	assert_true(told.bytes_out >= 3 * c->least);
	assert_true(told.answers >= 3);
}

static void every_protocol_answers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++)
		if (protocol_find(conversations[i].protocol))
			converse(*state, &conversations[i]);
}

/* Who lingers closes in a thread, and valgrind lets that not run: see scene_is_valgrind(). */
static bool waits_in_vain(const struct serve_engine *engine, enum serve_closing closing)
{
	if (!scene_is_valgrind() || engine != engine_find("uring") || closing != SERVE_CLOSE_LINGER)
		return false;
	print_message("uring with linger is left out under valgrind\n");
	return true;
}

enum leaving { LEAVE_FIN, LEAVE_HALF, LEAVE_RST, LEAVE_SILENT, LEAVINGS };

/* One connection that asks, and goes in a way of its own without regard to the server's. */
static void come_and_go(const struct served *served, enum leaving leaving)
{
	char text[16];
	int fd = dial(served);

	if (leaving != LEAVE_SILENT)
		say(fd, "a\n");
	if (leaving == LEAVE_HALF) {
		shutdown(fd, SHUT_WR);
		/* never: nothing would come */
		if (served->plan.closing != SERVE_CLOSE_NEVER)
			hear(fd, text, sizeof(text));
	}
	if (leaving == LEAVE_RST)
		hang_up_rst(fd);
	else
		close(fd);
}

static void counters_add_up(void **state)
{
	for (int closing = 0; closing < SERVE_CLOSING_COUNT; closing++) {
		struct served served = {.plan = scene_plan("echo", closing)};
		uint64_t count = 0;

		if (waits_in_vain(*state, closing))
			continue;
		served.plan.linger_s = 1;
		scene_start(&served, *state);
		for (int round = 0; round < 3; round++)
			for (int leaving = 0; leaving < LEAVINGS; leaving++, count++)
				come_and_go(&served, leaving);
		AWAIT(&served, accepted, count);
		assert_int_equal(scene_finish(&served).accepted, count);
	}
}

static void who_closes_first_is_told(void **state)
{
	struct served passive = {.plan = scene_plan("daytime", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;

	scene_start(&passive, *state);
	for (int i = 0; i < 4; i++) {
		int fd = dial(&passive);

		hear_line(fd); /* with something unread, close() would send RST instead of FIN */
		if (i < 3)
			close(fd);
		else
			hang_up_rst(fd);
	}
	AWAIT(&passive, closed_by_peer, 3);
	AWAIT(&passive, reset, 1);
	told = scene_finish(&passive);
	assert_int_equal(told.closed_by_peer, 3);
	assert_int_equal(told.reset, 1);
	assert_int_equal(told.closed_by_us, 0);
}

static void closing_reaches_the_peer(void **state)
{
	static const struct {
		enum serve_closing closing;
		ssize_t end; /* of what the client hears: bytes, or -errno */
	} cases[] = {
		{SERVE_CLOSE_ACTIVE, 2},	   {SERVE_CLOSE_HALF, 2},
		{SERVE_CLOSE_RST, -ECONNRESET},	   {SERVE_CLOSE_LINGER, 2},
		{SERVE_CLOSE_UNREAD, -ECONNRESET},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct served served = {.plan = scene_plan("echo", cases[i].closing)};
		char text[8];
		int fd;

		if (waits_in_vain(*state, cases[i].closing))
			continue;
		served.plan.linger_s = 1;
		scene_start(&served, *state);
		fd = dial(&served);
		say(fd, "a\n");
		if (cases[i].end < 0)
			hear_text(fd, "a\n");
		if (cases[i].closing == SERVE_CLOSE_UNREAD)
			say(fd, "b\n");
		assert_int_equal(hear(fd, text, sizeof(text)), cases[i].end);
		if (cases[i].closing == SERVE_CLOSE_HALF)
			say(fd, "more"); /* is read */
		close(fd);
		AWAIT(&served, closed_by_us, 1);
		assert_int_equal(scene_finish(&served).closed_by_us, 1);
	}
}

static void before_the_answer(void **state)
{
	struct served served = {.plan = scene_plan("daytime", SERVE_CLOSE_ACTIVE)};
	char text[8];
	int fd;

	served.plan.before_answer = true;
	scene_start(&served, *state);
	fd = dial(&served);
	assert_int_equal(hear(fd, text, sizeof(text)), 0);
	close(fd);
	assert_int_equal(scene_finish(&served).bytes_out, 0);
}

static void close_after_a_time(void **state)
{
	struct served served = {.plan = scene_plan("daytime", SERVE_CLOSE_ACTIVE)};
	int64_t began_ns = clock_now_ns();
	char text[8];
	int fds[8];

	served.plan.close_after_ns = 100 * NS_PER_MS;
	scene_start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_true(hear(fds[i], text, sizeof(text)) > 0);
		close(fds[i]);
	}
	assert_true(clock_now_ns() - began_ns >= 100 * NS_PER_MS);
	AWAIT(&served, closed_by_us, ARRAY_SIZE(fds));
	scene_finish(&served);
}

/* Whether a connection of this port waits for the peer to acknowledge its FIN: FIN-WAIT-1 is state
 * 4 in the table. */
static bool is_in_fin_wait_1(const struct sockaddr_in *at)
{
	CLEANUP_FREE char *table = NULL;
	char local[16], state[16];
	size_t length;
	char *rest, *line;

	assert_int_equal(file_read("/proc/self/net/tcp", 1 << 20, &table, &length), 0);
	snprintf(local, sizeof(local), ":%04X", ntohs(at->sin_port));
	for (line = strtok_r(table, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, " %*[0-9]: %*8s%5s %*s %2s", state, state + 8) == 2 &&
		    strcmp(state, local) == 0 && strcmp(state + 8, "04") == 0)
			return true;
	return false;
}

/* The peer takes so little that close() waits with what is unsent, and with the FIN behind it. */
static void a_close_that_waits_is_open(void **state)
{
	struct served served = {.plan = scene_plan("chargen", SERVE_CLOSE_LINGER)};
	int64_t end_ns = clock_now_ns() + SCENE_PATIENCE_NS;
	struct tally_sum told;
	char text[8];
	int fd;

	if (waits_in_vain(*state, SERVE_CLOSE_LINGER))
		skip();
	served.plan.linger_s = 3600;
	scene_start(&served, *state);
	fd = dial_narrow(&served);
	while (!is_in_fin_wait_1(&served.at) && clock_now_ns() < end_ns)
		poll(NULL, 0, 1);
	assert_no_spin(&served); /* what it would count too early is counted by now */
	told = scene_sum(&served);
	assert_int_equal(told.open, 1);
	assert_int_equal(told.closed_by_us, 0);
	assert_int_equal(hear(fd, text, sizeof(text)), told.bytes_out);
	AWAIT(&served, closed_by_us, 1);
	close(fd);
	scene_finish(&served);
}

/* ---- the end of the server */

static void stop_drains(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_ACTIVE)};
	char text[8];
	int idle, waiting;

	served.plan.close_after_ns = 300 * NS_PER_MS;
	scene_start(&served, *state);
	idle = dial(&served);
	waiting = dial(&served);
	say(waiting, "a\n");
	hear_text(waiting, "a\n");
	AWAIT(&served, accepted, 2);
	scene_stop(&served);
	/* One that asked for nothing is closed at once, one that waits for its end gets that. */
	assert_int_equal(hear(idle, text, sizeof(text)), 0);
	assert_int_equal(hear(waiting, text, sizeof(text)), 0);
	assert_int_equal(scene_ended(&served).closed_by_us, 2);
	close(idle);
	close(waiting);
}

static void force_closes(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_ACTIVE)};
	char text[8];
	int fds[10];

	served.plan.close_after_ns = 3600 * NS_PER_S;
	scene_start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(&served);
		say(fds[i], "a\n");
		hear_text(fds[i], "a\n");
	}
	scene_stop(&served);
	scene_tell(served.force_fd);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(hear(fds[i], text, sizeof(text)), 0);
		close(fds[i]);
	}
	assert_int_equal(scene_ended(&served).closed_by_us, ARRAY_SIZE(fds));
}

/* ---- what is told */

static size_t lines_with(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

static void the_journal_has_all(void **state)
{
	struct served served = {.plan = scene_plan("chat", SERVE_CLOSE_ACTIVE)};
	CLEANUP_CLOSE int log = memfd_create("journal", MFD_CLOEXEC);
	char path[64], text[4096];
	struct why why;
	ssize_t length;

	assert_true(log >= 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), log);
	assert_int_equal(journal_open(path, JOURNAL_JSON, &served.journal, &why), 0);
	scene_start(&served, *state);
	for (int i = 0; i < 2; i++) {
		CLEANUP_CLOSE int fd = dial(&served);

		say(fd, "good day\nquit\n");
		assert_int_equal(hear(fd, text, sizeof(text)), 0);
	}
	AWAIT(&served, closed_by_us, 2);
	scene_finish(&served);
	journal_close(served.journal);
	length = pread(log, text, sizeof(text) - 1, 0);
	assert_true(length > 0);
	text[length] = '\0';
	assert_int_equal(lines_with(text, "good day"), 2);
	assert_int_equal(lines_with(text, "127.0.0.1"), 4);
	assert_int_equal(lines_with(text, "\n"), 8);
}

/* ---- what only some have */

static void engines_are_found_by_name(void **state)
{
	static const char *const names[] = {"epoll", "poll", "select", "thread", "fork", "uring"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_ptr_equal(engine_find(names[i]), engines[i]);
		assert_string_equal(engines[i]->name, names[i]);
	}
	assert_null(engines[ARRAY_SIZE(names)]);
	assert_null(engine_find("ssl"));
}

static void troubles_of_accept(void **state)
{
	(void)state;
	assert_int_equal(engine_accept_trouble(EMFILE), ACCEPT_NO_ROOM);
	assert_int_equal(engine_accept_trouble(ENFILE), ACCEPT_NO_ROOM);
	assert_int_equal(engine_accept_trouble(EPERM), ACCEPT_NO_ROOM);
	assert_int_equal(engine_accept_trouble(ECONNABORTED), ACCEPT_AGAIN);
	assert_int_equal(engine_accept_trouble(EBADF), ACCEPT_FATAL);
}

static const struct scene_case contract[] = {
	{"every protocol answers", every_protocol_answers},
	{"counters add up", counters_add_up},
	{"who closes first is told", who_closes_first_is_told},
	{"closing reaches the peer", closing_reaches_the_peer},
	{"before the answer", before_the_answer},
	{"close after a time", close_after_a_time},
	{"a close that waits is open", a_close_that_waits_is_open},
	{"stop drains", stop_drains},
	{"force closes", force_closes},
	{"the journal has all", the_journal_has_all},
};

static const struct CMUnitTest others[] = {
	cmocka_unit_test(engines_are_found_by_name),
	cmocka_unit_test(troubles_of_accept),
};

/* engine_test [ENGINE]: all engines, or one. */
int main(int argc, char **argv)
{
	static const struct scene scene = {
		.cases = contract,
		.case_count = ARRAY_SIZE(contract),
		.others = others,
		.other_count = ARRAY_SIZE(others),
	};

	return scene_main(&scene, argc, argv);
}
