#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "render/ladder_svg.h"
#include "render/text.h"
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

static struct exchange_row *add(struct exchange *exchange, int64_t ms, bool from_right,
				const char *flags, enum exchange_fate fate, int left, int right)
{
	struct exchange_row *row = exchange_add(exchange);

	assert_non_null(row);
	row->time_ns = row->delivered_ns = ms * NS_PER_MS;
	row->from_right = from_right;
	row->flags = strdup(flags);
	row->fate = fate;
	row->seq = 1;
	row->ack = 27;
	row->has_ack = true;
	row->left_state = left;
	row->right_state = right;
	return row;
}

static struct exchange *opened(void)
{
	struct exchange *exchange = new_exchange();
	struct exchange_row *row;

	exchange->title = strdup("A close with everything that can become of a segment");
	row = add(exchange, 0, false, "SYN", EXCHANGE_DELIVERED, TCP_SYN_SENT, TCP_SYN_RECV);
	row->has_ack = false;
	row->options = strdup("TS 42 ecr 0");
	row->note = strdup("SYN: asks for a connection");
	row = add(exchange, 0, true, "SYN+ACK", EXCHANGE_DELIVERED, TCP_ESTABLISHED, TCP_SYN_RECV);
	row->options = strdup("TS 7 ecr 42");
	row->note = strdup("SYN, acknowledges the SYN");
	add(exchange, 1, false, "ACK", EXCHANGE_DELIVERED, TCP_ESTABLISHED, TCP_ESTABLISHED);
	add(exchange, 2, true, "PSH+ACK", EXCHANGE_DELIVERED, TCP_ESTABLISHED, TCP_ESTABLISHED)
		->length = 26;
	return exchange;
}

/* Every fate, a pause, rows left out. */
static struct exchange *a_close(void)
{
	struct exchange *exchange = opened();
	struct exchange_row *row;

	exchange->left_out = 12;
	exchange->left_out_before = 4;
	add(exchange, 3, true, "FIN+ACK", EXCHANGE_DROPPED, TCP_ESTABLISHED, TCP_FIN_WAIT1);
	row = add(exchange, 204, true, "FIN+ACK", EXCHANGE_DELIVERED, TCP_CLOSE_WAIT,
		  TCP_FIN_WAIT1);
	row->note = strdup("FIN repeated (2nd time)");
	row->delivered_ns += 120 * NS_PER_MS;
	row = add(exchange, 400, false, "FIN+ACK", EXCHANGE_HELD, TCP_LAST_ACK, TCP_FIN_WAIT1);
	row->note = strdup("FIN, acknowledges the other's FIN");
	row->delivered_ns = 550 * NS_PER_MS;
	add(exchange, 410, true, "ACK", EXCHANGE_DELIVERED, TCP_LAST_ACK, TCP_FIN_WAIT1);
	row = add(exchange, 550, false, "FIN+ACK", EXCHANGE_ARRIVAL, TCP_LAST_ACK, TCP_TIME_WAIT);
	row->note = strdup("arrives 150.0 ms after it was sent");
	add(exchange, 551, true, "ACK", EXCHANGE_DELIVERED, TCP_STATE_NONE, TCP_TIME_WAIT);
	row = add(exchange, 60400, false, "RST", EXCHANGE_DELIVERED, TCP_STATE_NONE, -1);
	row->has_ack = false;
	row->note = strdup("RST into TIME-WAIT: deletes it unless tcp_rfc1337 = 1, which a capture "
			   "cannot show");
	add(exchange, 60401, true, "ACK", EXCHANGE_STUCK, TCP_STATE_NONE, -1);
	return exchange;
}

/* FINs that cross; and a half of a segment whose other half was left out. */
static struct exchange *crossing(void)
{
	struct exchange *exchange = new_exchange();
	int fw = TCP_FIN_WAIT1, closing = TCP_CLOSING;

	add(exchange, 0, false, "FIN+ACK", EXCHANGE_HELD, fw, TCP_ESTABLISHED)->delivered_ns =
		4 * NS_PER_MS;
	add(exchange, 1, true, "FIN+ACK", EXCHANGE_HELD, fw, fw)->delivered_ns = 5 * NS_PER_MS;
	add(exchange, 4, false, "FIN+ACK", EXCHANGE_ARRIVAL, fw, closing);
	add(exchange, 5, true, "FIN+ACK", EXCHANGE_ARRIVAL, closing, closing);
	add(exchange, 6, true, "ACK", EXCHANGE_ARRIVAL, TCP_TIME_WAIT, closing);
	add(exchange, 7, false, "ACK", EXCHANGE_HELD, TCP_TIME_WAIT, TCP_TIME_WAIT);
	exchange->left_out = 1;
	exchange->left_out_before = exchange->count;
	return exchange;
}

static char *draw(struct exchange **exchanges, size_t count)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_int_equal(ladder_svg_write(out, (const struct exchange *const *)exchanges, count),
			 0);
	fclose(out);
	for (size_t i = 0; i < count; i++)
		exchange_free(exchanges[i]);
	return text;
}

/* --- a strict reader of what is written here: elements, attributes, the five entities --- */

struct xml {
	const char *at;
	const char *names[16]; /* of the open elements */
	size_t lengths[16], depth, elements;
};

static void expect(struct xml *xml, char c)
{
	if (*xml->at != c)
		fail_msg("no %c at \"%.40s\"", c, xml->at);
	xml->at++;
}

static void read_text(struct xml *xml, char end)
{
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
	uint32_t character;

	while (*xml->at && *xml->at != end) {
		size_t length = text_decode(xml->at, strlen(xml->at), &character), i = 0;

		assert_true(length > 0);
		assert_true(character >= 0x20 || character == '\n');
		assert_true(character != 0xfffe && character != 0xffff);
		assert_true(*xml->at != '<' && (*xml->at != '>' || end != '<'));
		for (; *xml->at == '&' && i < 5; i++)
			if (strncmp(xml->at, entities[i], strlen(entities[i])) == 0)
				break;
		assert_true(i < 5);
		xml->at += length;
	}
}

static size_t read_name(struct xml *xml)
{
	const char *begin = xml->at;

	while (isalnum((unsigned char)*xml->at) || *xml->at == '-' || *xml->at == ':')
		xml->at++;
	assert_true(xml->at > begin);
	return (size_t)(xml->at - begin);
}

static void read_end(struct xml *xml)
{
	const char *name = ++xml->at;
	size_t length = read_name(xml);

	assert_true(xml->depth > 0);
	xml->depth--;
	assert_int_equal(length, xml->lengths[xml->depth]);
	assert_memory_equal(name, xml->names[xml->depth], length);
	expect(xml, '>');
}

static void read_begin(struct xml *xml)
{
	const char *attributes[16];
	size_t lengths[16], count = 0;

	assert_true(xml->depth < 16);
	xml->names[xml->depth] = xml->at;
	xml->lengths[xml->depth++] = read_name(xml);
	xml->elements++;
	while (isspace((unsigned char)*xml->at)) {
		while (isspace((unsigned char)*xml->at))
			xml->at++;
		if (*xml->at == '>' || *xml->at == '/')
			break;
		assert_true(count < 16);
		attributes[count] = xml->at;
		lengths[count] = read_name(xml);
		for (size_t i = 0; i < count; i++) /* none twice */
			assert_false(lengths[i] == lengths[count] &&
				     memcmp(attributes[i], attributes[count], lengths[i]) == 0);
		count++;
		expect(xml, '=');
		expect(xml, '"');
		read_text(xml, '"');
		expect(xml, '"');
	}
	if (*xml->at == '/') {
		xml->at++;
		xml->depth--;
	}
	expect(xml, '>');
}

/* Fails the test where it is not well-formed; returns the number of elements. */
static size_t check_xml(const char *text)
{
	struct xml xml = {.at = text};

	do {
		expect(&xml, '<');
		if (*xml.at == '/')
			read_end(&xml);
		else
			read_begin(&xml);
		read_text(&xml, '<');
	} while (*xml.at);
	assert_int_equal(xml.depth, 0);
	assert_memory_equal(text, "<svg ", 5);
	return xml.elements;
}

/* --- tests --- */

static unsigned count_of(const char *text, const char *what)
{
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		count++;
	return count;
}

static void tells_all(void **state)
{
	static const char *const said[] = {
		">A close with everything",
		">client<",
		">10.0.0.2:5000<",
		">SYN+ACK</tspan> seq=1 ack=27",
		"len=26",
		"TS 42 ecr 0",
		">TIME-WAIT<",
		">LAST-ACK<",
		">0.204 s<",
		">59.849 s pass<",
		">12 rows left out<",
		">lost<",
		">held<",
		">still on its way at the end<",
		">RST into TIME-WAIT: deletes it unless<",
		">arrives 150.0 ms after it was sent<",
	};
	struct exchange *exchanges[] = {a_close()};
	char *text = draw(exchanges, 1);

	(void)state;
	check_xml(text);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (!strstr(text, said[i]))
			fail_msg("no %s", said[i]);
	/* 12 rows; the arrival has no label of its own. */
	assert_int_equal(count_of(text, "</tspan>"), 11);
	/* Heads: of all but the lost and the held one. */
	assert_int_equal(count_of(text, "M0 0l-11 -4.5v9z"), 9);
	free(text);
}

static void draws_crossing_segments(void **state)
{
	struct exchange *exchanges[] = {crossing()};
	char *text = draw(exchanges, 1);

	(void)state;
	check_xml(text);
	/* Two whole arrows, and the head of one that came out of what was left out. */
	assert_int_equal(count_of(text, "M0 0l-11 -4.5v9z"), 3);
	assert_int_equal(count_of(text, "stroke-dasharray"), 2);
	assert_int_equal(count_of(text, "</tspan>"), 4);
	assert_non_null(strstr(text, ">1 row left out<"));
	assert_non_null(strstr(text, ">4.000 ms<"));
	free(text);
}

static void stacks_several(void **state)
{
	struct exchange *exchanges[] = {a_close(), crossing(), opened()};
	char *text = draw(exchanges, 3);

	(void)state;
	check_xml(text);
	assert_int_equal(count_of(text, "<svg "), 1);
	assert_int_equal(count_of(text, ">client<"), 3);
	free(text);
}

static void draws_nothing(void **state)
{
	struct exchange *empty[] = {new_exchange()};
	char *text = draw(NULL, 0);

	(void)state;
	check_xml(text);
	free(text);
	text = draw(empty, 1);
	check_xml(text);
	assert_non_null(strstr(text, ">server<"));
	free(text);
	empty[0] = exchange_new(); /* not even names */
	exchange_add(empty[0]);
	text = draw(empty, 1);
	check_xml(text);
	free(text);
}

static void escapes_hostile_text(void **state)
{
	static const char turn[] = {'\xe2', '\x80', '\xae', '\0'}; /* right to left */
	static const char hostile[] =
		"</text><script>x='&\"'</script> \x1b[31m \xff\xfe \xe2\x80\xae\xe2\x80\xac "
		"\xef\xbf\xbf ]]> \xc2\x85";
	struct exchange *exchange = new_exchange();
	struct exchange_row *row;
	char *text;

	(void)state;
	free(exchange->left);
	free(exchange->right_address);
	exchange->title = strdup(hostile);
	exchange->left = strdup(hostile);
	exchange->right_address = strdup(hostile);
	row = add(exchange, 0, false, hostile, EXCHANGE_DELIVERED, 77, -9);
	row->options = strdup(hostile);
	row->note = strdup(hostile);
	text = draw(&exchange, 1);
	check_xml(text);
	assert_null(strstr(text, "<script"));
	assert_non_null(strstr(text, "&lt;script&gt;"));
	assert_null(strstr(text, turn));
	free(text);
}

static void says_what_cannot_be_written(void **state)
{
	struct exchange *exchange = a_close();
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(ladder_svg_write(full, (const struct exchange *const *)&exchange, 1),
			 -EIO);
	fclose(full);
	exchange_free(exchange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_all),
		cmocka_unit_test(draws_crossing_segments),
		cmocka_unit_test(stacks_several),
		cmocka_unit_test(draws_nothing),
		cmocka_unit_test(escapes_hostile_text),
		cmocka_unit_test(says_what_cannot_be_written),
	};

	/* For eyes: the picture into a file. */
	if (getenv("LADDER_SVG")) {
		struct exchange *exchanges[] = {a_close(), crossing()};
		char *text = draw(exchanges, 2);
		FILE *out = fopen(getenv("LADDER_SVG"), "w");

		fputs(text, out);
		fclose(out);
		free(text);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
