#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "render/json.h"

static char *written;
static size_t written_length;

static struct json_writer start(void)
{
	return JSON_WRITER(open_memstream(&written, &written_length));
}

/* What was written is @want and the end of a line. */
static void check(struct json_writer *json, const char *want)
{
	json_end_line(json);
	fclose(json->out);
	assert_true(written_length > 0 && written[written_length - 1] == '\n');
	written[written_length - 1] = '\0';
	assert_string_equal(written, want);
	free(written);
}

static void check_text(const char *text, const char *want)
{
	struct json_writer json = start();

	json_put_text(&json, NULL, text);
	check(&json, want);
}

static void commas_and_brackets(void **state)
{
	struct json_writer json = start();

	(void)state;
	json_open_object(&json, NULL);
	json_put_text(&json, "a", "b");
	json_open_array(&json, "list");
	json_put_number(&json, NULL, -1);
	json_open_object(&json, NULL);
	json_close_object(&json);
	json_open_array(&json, NULL);
	json_put_bool(&json, NULL, true);
	json_close_array(&json);
	json_close_array(&json);
	json_put_bool(&json, "no", false);
	json_put_null(&json, "nothing");
	json_put_text(&json, "none", NULL);
	json_close_object(&json);
	check(&json, "{\"a\":\"b\",\"list\":[-1,{},[true]],\"no\":false,\"nothing\":null,"
		     "\"none\":null}");
}

static void lines_are_documents_of_their_own(void **state)
{
	struct json_writer json = start();

	(void)state;
	for (int i = 0; i < 2; i++) {
		json_open_object(&json, NULL);
		json_put_number(&json, "i", i);
		json_close_object(&json);
		json_end_line(&json);
		fflush(json.out);
		/* Nothing waits for the next line. */
		assert_int_equal(written[written_length - 1], '\n');
	}
	check(&json, "{\"i\":0}\n{\"i\":1}\n");
}

static void numbers(void **state)
{
	struct json_writer json = start();

	(void)state;
	json_open_array(&json, NULL);
	json_put_number(&json, NULL, 0);
	json_put_number(&json, NULL, INT64_MIN);
	json_put_number(&json, NULL, INT64_MAX);
	json_put_count(&json, NULL, UINT64_MAX);
	json_close_array(&json);
	check(&json, "[0,-9223372036854775808,9223372036854775807,18446744073709551615]");
}

static void decimals_are_exact(void **state)
{
	struct json_writer json = start();

	(void)state;
	json_open_array(&json, NULL);
	json_put_seconds(&json, NULL, 0, 9);
	json_put_seconds(&json, NULL, 1700000000123456789, 9);
	json_put_seconds(&json, NULL, 1700000000120000000, 9);
	json_put_seconds(&json, NULL, 1700000000000000000, 9);
	json_put_seconds(&json, NULL, 1, 9);
	json_put_seconds(&json, NULL, -1, 9);
	json_put_seconds(&json, NULL, -1500000000, 9);
	json_put_seconds(&json, NULL, INT64_MIN, 9);
	json_put_seconds(&json, NULL, INT64_MAX, 0);
	json_put_fixed(&json, NULL, 1234, 3, 3);
	json_put_fixed(&json, NULL, 1234, 0, 0);
	json_put_fixed(&json, NULL, INT64_MIN, 18, 18);
	json_close_array(&json);
	check(&json, "[0,1700000000.123456789,1700000000.12,1700000000,0.000000001,-0.000000001,"
		     "-1.5,-9223372036.854775808,9223372037,1.234,1234,-9.223372036854775808]");
}

static void decimals_are_rounded(void **state)
{
	struct json_writer json = start();

	(void)state;
	json_open_array(&json, NULL);
	json_put_seconds(&json, NULL, 1499999999, 0);
	json_put_seconds(&json, NULL, 1500000000, 0);
	json_put_seconds(&json, NULL, 999999999, 3);
	json_put_seconds(&json, NULL, 1234567, 3);
	json_put_seconds(&json, NULL, -400, 6); /* not "-0" */
	json_put_seconds(&json, NULL, -500, 6);
	json_close_array(&json);
	check(&json, "[1,2,1,0.001,0,-0.000001]");
}

static void escapes(void **state)
{
	(void)state;
	check_text("", "\"\"");
	check_text("plain text, long enough for words", "\"plain text, long enough for words\"");
	check_text("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
	check_text("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
	check_text("\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"");
	/* At each place of a word of eight bytes. */
	for (size_t i = 0; i < 20; i++) {
		char text[] = "....................", want[64];

		text[i] = '"';
		snprintf(want, sizeof(want), "\"%.*s\\\"%s\"", (int)i, text, text + i + 1);
		check_text(text, want);
		text[i] = '\x1f';
		snprintf(want, sizeof(want), "\"%.*s\\u001f%s\"", (int)i, text, text + i + 1);
		check_text(text, want);
		text[i] = '\xff';
		snprintf(want, sizeof(want), "\"%.*s\xef\xbf\xbd%s\"", (int)i, text, text + i + 1);
		check_text(text, want);
	}
}

static void utf8_stays(void **state)
{
	static const char turns[] = {(char)0xe2, (char)0x80, (char)0xae, '\0'};

	(void)state;
	check_text("\xc3\xa9 \xed\x95\x9c \xf0\x9f\x98\x80",
		   "\"\xc3\xa9 \xed\x95\x9c \xf0\x9f\x98\x80\"");
	/* What would end a line or turn its direction in the reader's terminal. */
	check_text("\xc2\x9b \xe2\x80\xa8", "\"\\u009b \\u2028\"");
	check_text(turns, "\"\\u202e\"");
}

static void what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	check_text("a\xff"
		   "b",
		   "\"a\xef\xbf\xbd"
		   "b\"");
	check_text("\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");			/* overlong */
	check_text("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* a surrogate */
	check_text("x\xe2\x82", "\"x\xef\xbf\xbd\xef\xbf\xbd\"");		/* cut off */
}

/* More than the buffer holds, of what takes most room; the key is not lost at its edge. */
static void longer_than_the_buffer(void **state)
{
	size_t length = 3 * JSON_BUFFER;
	char *text = malloc(length + 1), *want = malloc(6 * length + 100);
	struct json_writer json = start();
	char *at = want;

	(void)state;
	assert_non_null(text);
	assert_non_null(want);
	memset(text, '\x01', length);
	memset(text + JSON_BUFFER, 'x', JSON_BUFFER);
	text[length] = '\0';
	at = stpcpy(at, "{\"key\":\"");
	for (size_t i = 0; i < length; i++)
		at = stpcpy(at, text[i] == 'x' ? "x" : "\\u0001");
	stpcpy(at, "\",\"last\":1}");
	json_open_object(&json, NULL);
	json_put_text(&json, "key", text);
	json_put_number(&json, "last", 1);
	json_close_object(&json);
	check(&json, want);
	free(text);
	free(want);
}

static void many_small_values(void **state)
{
	struct json_writer json = start();
	size_t at = 1;

	(void)state;
	json_open_array(&json, NULL);
	for (int i = 0; i < JSON_BUFFER; i++)
		json_put_number(&json, NULL, 1000 + i % 9000);
	json_close_array(&json);
	json_end_line(&json);
	fclose(json.out);
	for (int i = 0; i < JSON_BUFFER; i++, at += 5)
		assert_int_equal(atoi(written + at), 1000 + i % 9000);
	assert_string_equal(written + at - 1, "]\n");
	free(written);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_brackets),
		cmocka_unit_test(lines_are_documents_of_their_own),
		cmocka_unit_test(numbers),
		cmocka_unit_test(decimals_are_exact),
		cmocka_unit_test(decimals_are_rounded),
		cmocka_unit_test(escapes),
		cmocka_unit_test(utf8_stays),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(longer_than_the_buffer),
		cmocka_unit_test(many_small_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
