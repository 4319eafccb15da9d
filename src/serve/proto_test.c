/*
 * All protocols, through a talk: the same conversation whole, split at every byte boundary, and
 * with output taken in pieces of every length, must come to the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "serve/protocols.h"
#include "serve/talk_testing.h"

#define HEAD_OF(status, length)                                                                    \
	"HTTP/1.1 " status "\r\nDate: " ANY_DATE                                                   \
	"\r\nServer: contest\r\nContent-Type: text/plain\r\nContent-Length: " length "\r\n"
/* Whatever time it was, once it is seen to be one. */
#define ANY_DATE "Day, 00 Mon 0000 00:00:00 GMT"
#define CLOSING	 "Connection: close\r\n"
#define KEEPING	 "Connection: keep-alive\r\n"
#define BODY	 "0123456789012"
#define H	 "Host: a\r\n"

struct conversation {
	const struct serve_protocol *protocol;
	const char *says;
	const char *gets, *said;
	unsigned answers;
	bool closes; /* active: by its own, else the peer's FIN is the end of it */
};

static const struct conversation conversations[] = {
	{&protocol_echo, "hello", "hello", "", 0, false},
	{&protocol_echo, "hello\n", "hello\n", "", 1, true},
	{&protocol_discard, "hello", "", "", 0, false},
	{&protocol_discard, "hello\n", "", "", 1, true},
	{&protocol_chat, "one\r\n\ntwo\n", "", "one@5|@6|two@10|", 3, false},
	{&protocol_chat, "half", "", "half@4|", 1, false},
	{&protocol_chat, "Quit\r\nnever\n", "", "Quit@6|", 1, true},
	{&protocol_chat, "quitter\nquit", "", "quitter@8|quit@12|", 2, true},
	{&protocol_http, "GET / HTTP/1.0\r\n\r\n", HEAD_OF("200 OK", "13") CLOSING "\r\n" BODY, "",
	 1, true},
	{&protocol_http, "HEAD / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
	 HEAD_OF("200 OK", "13") CLOSING "\r\n", "", 1, true},
	{&protocol_http,
	 "GET / HTTP/1.1\r\n" H "\r\n\r\nHEAD / HTTP/1.1\r\n" H "\r\n"
	 "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	 HEAD_OF("200 OK", "13") "\r\n" BODY HEAD_OF("200 OK", "13") "\r\n" HEAD_OF("200 OK", "13")
		 KEEPING "\r\n" BODY,
	 "", 3, false},
	{&protocol_http,
	 "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
	 "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
	 "HTTP/1.1 100 Continue\r\n\r\n" HEAD_OF("200 OK", "13") "\r\n" BODY HEAD_OF("200 OK", "13")
		 CLOSING "\r\n" BODY,
	 "", 2, true},
	{&protocol_http,
	 "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nbad",
	 HEAD_OF("200 OK", "13") "\r\n" BODY, "", 1, false},
	{&protocol_http, "GET / HTTP/1.1\r\n" H "\r\n\tbad\r\n\r\nGET / HTTP/1.0\r\n\r\n",
	 HEAD_OF("200 OK", "13") "\r\n" BODY HEAD_OF("400 Bad Request", "16") CLOSING
	 "\r\n400 Bad Request\n",
	 "", 2, true},
	{&protocol_http, "HEAD / HTTP/3.0\r\n",
	 HEAD_OF("505 HTTP Version Not Supported", "31") CLOSING "\r\n", "", 1, true},
};

/* Each Date of what it got, which is one of RFC 9110, 5.6.7, becomes ANY_DATE. */
static void settle_dates(struct peer *peer)
{
	char *at = peer->got;

	peer->got[peer->got_length] = '\0';
	while ((at = strstr(at, "\r\nDate: "))) {
		struct tm tm = {0};
		const char *end = strptime(at += 8, "%a, %d %b %Y %T GMT", &tm);

		assert_non_null(end);
		assert_int_equal(end - at, strlen(ANY_DATE));
		assert_true(labs((long)(timegm(&tm) - time(NULL))) < 600);
		memcpy(at, ANY_DATE, strlen(ANY_DATE));
	}
}

static void check(const struct conversation *expected, const struct peer *peer, const char *how,
		  size_t n)
{
	/* Data beyond the last answer may have come: what ends it is said by the trace. */
	bool by_us = peer->last.ending == ENDED_BY_US;

	if (peer->got_length != strlen(expected->gets) ||
	    memcmp(peer->got, expected->gets, peer->got_length) != 0 ||
	    strcmp(peer->said, expected->said) != 0 || peer->answers != expected->answers ||
	    by_us != expected->closes)
		fail_msg("%s, %s %zu: %s: \"%.*s\", %s, %u answers, %s", expected->protocol->name,
			 how, n, expected->says, (int)peer->got_length, peer->got, peer->said,
			 peer->answers, peer->trace);
}

static void run(const struct conversation *conversation, struct peer *peer, size_t split,
		size_t second, size_t room, size_t sends)
{
	const struct serve_plan plan = {
		.protocol = conversation->protocol,
		.closing = conversation->closes ? SERVE_CLOSE_RST : SERVE_CLOSE_ACTIVE,
		.http_body = strlen(BODY),
	};

	*peer = (struct peer){
		.says = conversation->says,
		.length = strlen(conversation->says),
		.pieces = {split, second},
		.room = room,
		.sends = sends,
		.ends = !conversation->closes,
	};
	/* chat sees "quit" without an end only with the FIN */
	peer->ends |= peer->says[peer->length - 1] == 't';
	peer_run(peer, &plan);
	settle_dates(peer);
	if (peer->ends && conversation->closes)
		peer->last.ending = ENDED_BY_US;
}

static void test_split(void **state)
{
	static struct peer peer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++)
		for (size_t at = 0; at < strlen(conversations[i].says); at++) {
			run(&conversations[i], &peer, at, 0, 0, 0);
			check(&conversations[i], &peer, "split at", at);
			run(&conversations[i], &peer, at, 1, 0, 0);
			check(&conversations[i], &peer, "byte alone at", at);
		}
}

static void test_partial(void **state)
{
	static struct peer peer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++) {
		bool says = conversations[i].protocol->say; /* needs its room */

		for (size_t n = 1; n <= strlen(conversations[i].gets); n++) {
			run(&conversations[i], &peer, 0, 0, 0, n);
			check(&conversations[i], &peer, "sent in pieces of", n);
			run(&conversations[i], &peer, n / 2, 0, says ? 0 : n, 0);
			check(&conversations[i], &peer, "given in pieces of", n);
		}
	}
}

static void run_speaker(const struct serve_protocol *protocol, enum serve_closing closing,
			size_t sends, size_t room, struct peer *peer)
{
	const struct serve_plan plan = {.protocol = protocol, .closing = closing};

	*peer = (struct peer){.sends = sends, .room = room};
	peer_run(peer, &plan);
}

static void test_daytime(void **state)
{
	static struct peer peer;

	(void)state;
	for (size_t n = 0; n <= 26; n++) {
		time_t before = time(NULL), told;
		struct tm parts = {.tm_isdst = -1};
		char text[27];

		run_speaker(&protocol_daytime, SERVE_CLOSE_ACTIVE, n, n / 2, &peer);
		assert_int_equal(peer.got_length, 26);
		assert_memory_equal(peer.got + 24, "\r\n", 2);
		snprintf(text, sizeof(text), "%.24s", peer.got);
		assert_non_null(strptime(text, "%a %b %d %H:%M:%S %Y", &parts));
		parts.tm_isdst = -1;
		told = mktime(&parts);
		assert_true(told >= before && told <= time(NULL));
		assert_int_equal(peer.answers, 1);
	}
}

/* Each connection is told its own time, and the same however often it is asked. */
static void test_daytime_moves_on(void **state)
{
	const struct serve_plan plan = {0};
	struct protocol_state first = {.number = 1000000000}, second = {.number = 1000000001};
	char a[26], b[26], again[26];

	(void)state;
	assert_int_equal(protocol_daytime.give(&first, &plan, a, sizeof(a)), 26);
	assert_int_equal(protocol_daytime.give(&second, &plan, b, sizeof(b)), 26);
	assert_int_equal(protocol_daytime.give(&first, &plan, again, sizeof(again)), 26);
	assert_memory_not_equal(a, b, 26);
	assert_memory_equal(a, again, 26);
}

/* RFC 864: the lines that its example shows, 95 of them, and then the first again. */
static void test_chargen(void **state)
{
	static struct peer whole, peer;
	const struct serve_plan plan = {.closing = SERVE_CLOSE_PASSIVE};
	struct protocol_state again = {0};
	char more[100];

	(void)state;
	run_speaker(&protocol_chargen, SERVE_CLOSE_ACTIVE, 0, 0, &whole);
	assert_int_equal(whole.got_length, 95 * 74);
	assert_memory_equal(
		whole.got,
		" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"
		"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n",
		148);
	for (size_t i = 0; i < whole.got_length; i++) {
		size_t line = i / 74, column = i % 74;
		char expected = (char)(' ' + (line + column) % 95);

		assert_int_equal(whole.got[i], column == 72   ? '\r'
					       : column == 73 ? '\n'
							      : expected);
	}
	for (size_t n = 1; n < 200; n += 7) {
		run_speaker(&protocol_chargen, SERVE_CLOSE_ACTIVE, n, n + 3, &peer);
		assert_int_equal(peer.got_length, whole.got_length);
		assert_memory_equal(peer.got, whole.got, whole.got_length);
	}
	assert_int_equal(protocol_chargen.sent(&again, &plan, 95 * 74), PROTOCOL_LAST);
	assert_int_equal(protocol_chargen.give(&again, &plan, more, sizeof(more)), 100);
	assert_memory_equal(more, whole.got, 100);
}

/* A client that says much without an end of line takes no more memory than what is told at once. */
static void test_chat_long_line(void **state)
{
	static struct peer peer;
	const struct serve_plan plan = {.protocol = &protocol_chat};
	char text[2500];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + 2000, "quit\nquit\n", 10); /* the first is the end of a line, not a word */
	peer = (struct peer){.says = text, .length = 2010};
	peer_run(&peer, &plan);
	assert_memory_equal(peer.said + 1000, "@1000|", 6);
	assert_memory_equal(peer.said + 2006, "@2000|quit@2005|quit@2010|", 27);
	assert_int_equal(peer.last.ending, ENDED_BY_US);
}

static void test_http_body(void **state)
{
	static const size_t sizes[] = {0, 1, 61, 62, 63, 4096, 50000};
	static struct peer peer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct serve_plan plan = {.protocol = &protocol_http, .http_body = sizes[i]};
		char *body;
		char length[64];

		peer = (struct peer){.says = "GET / HTTP/1.0\r\n\r\n", .length = 18, .sends = 997};
		peer_run(&peer, &plan);
		body = memmem(peer.got, peer.got_length, "\r\n\r\n", 4);
		assert_non_null(body);
		body += 4;
		assert_int_equal(peer.got + peer.got_length - body, sizes[i]);
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", sizes[i]);
		assert_non_null(memmem(peer.got, peer.got_length, length, strlen(length)));
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(body[k], k % 62 == 61 ? '\n' : '0' + k % 62 % 10);
	}
}

static void test_list(void **state)
{
	(void)state;
	for (size_t i = 0; protocols[i]; i++)
		assert_ptr_equal(protocol_find(protocols[i]->name), protocols[i]);
	assert_ptr_equal(protocols[0], protocol_find("daytime"));
	assert_null(protocol_find("gopher"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),	  cmocka_unit_test(test_partial),
		cmocka_unit_test(test_daytime),	  cmocka_unit_test(test_daytime_moves_on),
		cmocka_unit_test(test_chargen),	  cmocka_unit_test(test_chat_long_line),
		cmocka_unit_test(test_http_body), cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
