/* Which connections --connection means, and how lines of a text are cut out of what comes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cmd/explain_choice.h"
#include "cmd/explain_text.h"

/* ---- choice */

static struct finding between(uint64_t number, const char *client, uint16_t from,
			      const char *server, uint16_t to)
{
	struct finding finding = {.number = number};

	assert_int_equal(tcp_address_parse(client, &finding.end[0].endpoint.address), 0);
	assert_int_equal(tcp_address_parse(server, &finding.end[1].endpoint.address), 0);
	finding.end[0].endpoint.port = from;
	finding.end[1].endpoint.port = to;
	return finding;
}

static bool fits(const char *which, const struct finding *finding,
		 const struct explain_names *names)
{
	struct explain_choice choice = {0};
	bool result;

	assert_int_equal(explain_choice_add(&choice, which), 0);
	result = explain_choice_fits(&choice, finding, names);
	/* Unmet is what did not fit. */
	if (result)
		assert_null(explain_choice_unmet(&choice));
	else
		assert_string_equal(explain_choice_unmet(&choice), which);
	explain_choice_done(&choice);
	return result;
}

static void chosen_by_number_or_end(void **state)
{
	struct finding v4 = between(12, "10.0.0.1", 40000, "10.0.0.2", 80);
	struct finding v6 = between(13, "fd00::1", 40000, "fd00::2", 443);

	(void)state;
	assert_true(fits("12", &v4, NULL));
	assert_false(fits("1", &v4, NULL));
	assert_true(fits("10.0.0.1:40000", &v4, NULL));
	assert_true(fits("10.0.0.2:80", &v4, NULL));
	assert_false(fits("10.0.0.2:8", &v4, NULL));
	assert_false(fits("10.0.0.3:80", &v4, NULL));
	assert_true(fits("[fd00::2]:443", &v6, NULL));
	assert_true(fits("[fd00:0::2]:443", &v6, NULL));
	assert_false(fits("[fd00::2]:443", &v4, NULL));
	assert_false(fits("www:http", &v4, NULL));
}

static const char *www(void *context, const struct tcp_endpoint *endpoint)
{
	(void)context;
	return endpoint->port == 80 ? "www:http" : NULL;
}

static void chosen_by_the_name_in_a_text(void **state)
{
	const struct explain_names names = {.name = www};
	struct finding finding = between(1, "10.0.0.1", 40000, "240.0.0.1", 80);

	(void)state;
	assert_true(fits("www:http", &finding, &names));
	assert_false(fits("ww:http", &finding, &names));
}

static void nothing_chosen_is_all(void **state)
{
	struct explain_choice choice = {0};
	struct finding finding = between(1, "10.0.0.1", 40000, "10.0.0.2", 80);

	(void)state;
	assert_true(explain_choice_fits(&choice, &finding, NULL));
	assert_null(explain_choice_unmet(&choice));
}

static void what_can_be_no_choice(void **state)
{
	static const char *const wrong[] = {"0", "-1", "x", ":80", "www:", "10.0.0.1", ""};
	struct explain_choice choice = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(explain_choice_add(&choice, wrong[i]), -EINVAL);
	assert_int_equal(choice.count, 0);
}

/* ---- text */

#define LINE                                                                                       \
	"13:32:31.626549 IP 10.0.0.2.5000 > 10.0.0.1.30202: Flags [F.], seq 27, ack 1, win 16, "   \
	"length 0"

/* A descriptor that gives @length bytes. */
static int holding(const char *bytes, size_t length)
{
	char path[] = "/tmp/explain_text_test-XXXXXX";
	int fd = mkostemp(path, 0);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(fd_write_all(fd, bytes, length), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static unsigned segments_in(const char *bytes, size_t length)
{
	struct tcpdump_text *meaning = tcpdump_text_new();
	struct explain_text *text = explain_text_new(holding(bytes, length), meaning);
	struct segment segment;
	unsigned count = 0;

	assert_non_null(text);
	while (explain_text_next(text, &segment) == 1) {
		assert_int_equal(segment.source.port, 5000);
		count++;
	}
	explain_text_free(text);
	tcpdump_text_free(meaning);
	return count;
}

static void lines_end_as_they_may(void **state)
{
	static const char without[] = LINE, with[] = LINE "\n", blank[] = "\n\n" LINE "\n\n" LINE;

	(void)state;
	assert_int_equal(segments_in("", 0), 0);
	assert_int_equal(segments_in("\n", 1), 0);
	assert_int_equal(segments_in(without, strlen(without)), 1);
	assert_int_equal(segments_in(with, strlen(with)), 1);
	assert_int_equal(segments_in(blank, strlen(blank)), 2);
}

/* A line of a megabyte, whose rest looks like a line, then lines behind it. */
static void a_line_without_end_is_passed_over(void **state)
{
	const size_t junk = 1 << 20;
	char *bytes = malloc(junk + 3 * sizeof(LINE));
	size_t length;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', junk);
	length = junk + (size_t)sprintf(bytes + junk, "%s\n%s\n%s", LINE, LINE, LINE);
	assert_int_equal(segments_in(bytes, length), 2);
	free(bytes);
}

/* A line lies across the end of what is read at once, wherever that falls. */
static void lines_across_a_block(void **state)
{
	const unsigned lines = 10000;
	char *bytes = malloc(lines * sizeof(LINE) + 1);
	size_t length = 0;

	(void)state;
	assert_non_null(bytes);
	for (unsigned i = 0; i < lines; i++)
		length += (size_t)sprintf(bytes + length, "%s\n", LINE);
	assert_int_equal(segments_in(bytes, length), lines);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chosen_by_number_or_end),
		cmocka_unit_test(chosen_by_the_name_in_a_text),
		cmocka_unit_test(nothing_chosen_is_all),
		cmocka_unit_test(what_can_be_no_choice),
		cmocka_unit_test(lines_end_as_they_may),
		cmocka_unit_test(a_line_without_end_is_passed_over),
		cmocka_unit_test(lines_across_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
