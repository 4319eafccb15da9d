#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "render/screen.h"
#include "render/test_output.h"
#include "render/text.h"

static void check_escape(const char *text, size_t length, const char *want)
{
	char to[256], again[256];

	assert_ptr_equal(screen_escape(text, length, to, sizeof(to)), to);
	assert_string_equal(to, want);
	assert_string_equal(screen_escape(to, strlen(to), again, sizeof(again)), want);
}

#define ESCAPE(text, want) check_escape(text, sizeof(text) - 1, want)

static void escape_keeps_text(void **state)
{
	(void)state;
	ESCAPE("", "");
	ESCAPE("plain ~ text \\ here", "plain ~ text \\ here");
	ESCAPE("naïve → 日本 😀", "naïve → 日本 😀");
}

static void escape_hides_controls(void **state)
{
	(void)state;
	ESCAPE("a\033[31mb", "a\\x1b[31mb");
	ESCAPE("a\0b\n\t\r\x7f", "a\\x00b\\x0a\\x09\\x0d\\x7f");
	/* C1: CSI is U+009B, in UTF-8 or as a lone byte */
	ESCAPE("\xc2\x9b"
	       "31m",
	       "\\xc2\\x9b31m");
	ESCAPE("\x9b", "\\x9b");
	ESCAPE("\xc2\xa0", "\xc2\xa0");
	/* direction overrides and line separators */
	/* NOLINTNEXTLINE(misc-misleading-bidirectional): being misled is what is tested */
	ESCAPE("\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6",
	       "\\xe2\\x80\\xae\\xe2\\x80\\xa8\\xe2\\x81\\xa6");
}

static void escape_hides_bad_utf8(void **state)
{
	(void)state;
	ESCAPE("\xff\xfe", "\\xff\\xfe");
	ESCAPE("\xc0\xaf", "\\xc0\\xaf");		    /* overlong '/' */
	ESCAPE("\xe0\x80\x9b", "\\xe0\\x80\\x9b");	    /* overlong CSI */
	ESCAPE("\xed\xa0\x80", "\\xed\\xa0\\x80");	    /* surrogate */
	ESCAPE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	ESCAPE("\xe2\x82", "\\xe2\\x82");		    /* cut off */
	check_escape("é", 1, "\\xc3");			    /* the rest stands beyond the length */
	ESCAPE("\xe2\x82\x1b", "\\xe2\\x82\\x1b");
	ESCAPE("\x80z", "\\x80z");
	ESCAPE("\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbd");
}

/* Whatever the room: terminated within it, cut between characters, nothing written beyond. */
static void escape_respects_room(void **state)
{
	const char text[] = "ab\033é日";
	const char *full = "ab\\x1bé日";

	(void)state;
	for (size_t room = 1; room <= strlen(full) + 2; room++) {
		char *to = malloc(room); /* so that a sanitizer sees one byte too many */

		screen_escape(text, strlen(text), to, room);
		assert_true(strlen(to) < room);
		assert_memory_equal(to, full, strlen(to));
		free(to);
	}
	char to[8] = "before!";

	screen_escape(text, strlen(text), to, 0);
	assert_string_equal(to, "before!");
	assert_string_equal(screen_escape("ab\033", 3, to, 6), "ab");
	assert_string_equal(screen_escape("ab\033", 3, to, 7), "ab\\x1b");
	assert_string_equal(screen_escape("aé", 3, to, 3), "a");
}

static void clean_falls_back_to_ascii(void **state)
{
	struct screen screen = {.utf8 = false};
	char to[128];
	const char *text = "a → b … “5 µs” ± é 日";

	(void)state;
	assert_string_equal(screen_clean(&screen, text, strlen(text), to, sizeof(to)),
			    "a -> b ... \"5 us\" +- \\xc3\\xa9 \\xe6\\x97\\xa5");
	screen.utf8 = true;
	assert_string_equal(screen_clean(&screen, text, strlen(text), to, sizeof(to)), text);
}

static void columns_of_characters(void **state)
{
	(void)state;
	assert_int_equal(screen_columns(""), 0);
	assert_int_equal(screen_columns("abc"), 3);
	assert_int_equal(screen_columns("├──▶│…✕"), 7);
	assert_int_equal(screen_columns("日本"), 4);
	assert_int_equal(screen_columns("한😀"), 4);
	assert_int_equal(screen_columns("e\u0301"), 1);
	assert_int_equal(screen_columns("\xff"), 1);
}

static void lines_break_at_blanks(void **state)
{
	const char *text = "one two  three 日本語 abcdefghij";
	const char *want[] = {"one two", "three", "日本語", "abcdefg", "hij"};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		const char *at = text;
		size_t length = text_line(&text, 7);

		assert_int_equal(length, strlen(want[i]));
		assert_memory_equal(at, want[i], length);
	}
	assert_string_equal(text, "");
	/* a character wider than the line is taken all the same */
	text = "日";
	assert_int_equal(text_line(&text, 1), 3);
	assert_string_equal(text, "");
}

static void wrap_prints_paragraphs(void **state)
{
	struct output output;

	(void)state;
	output_begin(&output, 80, true);
	screen_wrap(&output.screen, "one two three four\n\nfive\033[0m", 2, 11);
	output_end(&output);
	assert_string_equal(output.text, "  one two\n"
					 "  three\n"
					 "  four\n"
					 "\n"
					 "  five\\x1b[\n"
					 "  0m\n");
	free(output.text);
}

static void wrap_survives_odd_sizes(void **state)
{
	(void)state;
	for (unsigned width = 0; width < 12; width++) {
		struct output output;

		output_begin(&output, 80, width & 1);
		screen_wrap(&output.screen, "日本 x \n y", width & 2 ? 5 : 0, width);
		output_end(&output);
		assert_non_null(strstr(output.text, "x"));
		free(output.text);
	}
}

static void wrap_with_no_room_left(void **state)
{
	struct output output;

	(void)state;
	output_begin(&output, 80, true);
	screen_wrap(&output.screen, "ab", 3, 2);
	output_end(&output);
	assert_string_equal(output.text, "   a\n   b\n");
	free(output.text);
}

static void styles_only_with_color(void **state)
{
	struct output output;

	(void)state;
	output_begin(&output, 80, true);
	screen_print(&output.screen, STYLE_BAD, "%s %d", "lost", 3);
	output.screen.color = true;
	screen_print(&output.screen, STYLE_PLAIN, "plain");
	screen_print(&output.screen, STYLE_BAD, "%s", "bad");
	output_end(&output);
	assert_string_equal(output.text, "lost 3plain\033[1;31mbad\033[0m");
	free(output.text);
}

static int clear_environment(void **state)
{
	(void)state;
	unsetenv("COLUMNS");
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	return 0;
}

static void init_piped(void **state)
{
	struct screen screen;
	FILE *out = fopen("/dev/null", "w");

	(void)state;
	screen_init(&screen, out, COLOR_AUTO);
	assert_ptr_equal(screen.out, out);
	assert_int_equal(screen.width, 100);
	assert_false(screen.color);
	assert_false(screen.terminal);
	screen_init(&screen, out, COLOR_ALWAYS);
	assert_true(screen.color);

	const char *bad[] = {"", "0", "-5", "80x", "wide"};

	for (size_t i = 0; i < 5; i++) {
		setenv("COLUMNS", bad[i], 1);
		screen_init(&screen, out, COLOR_AUTO);
		assert_int_equal(screen.width, 100);
	}
	setenv("COLUMNS", "72", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_int_equal(screen.width, 72);
	setenv("COLUMNS", "1", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_int_equal(screen.width, 20);
	setenv("COLUMNS", "99999999999999999999", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_int_equal(screen.width, 1000);
	fclose(out);
}

static void init_on_memory(void **state)
{
	struct output output;
	struct screen screen;

	(void)state;
	output_begin(&output, 80, true);
	screen_init(&screen, output.screen.out, COLOR_AUTO);
	assert_false(screen.terminal);
	assert_int_equal(screen.width, 100);
	output_end(&output);
	free(output.text);
}

static void init_on_terminal(void **state)
{
	struct winsize size = {.ws_col = 123, .ws_row = 40};
	struct screen screen;
	int master, slave;
	FILE *out;

	(void)state;
	if (openpty(&master, &slave, NULL, NULL, &size) < 0) {
		print_message("no pseudo terminal here\n");
		skip();
	}
	out = fdopen(slave, "w");
	screen_init(&screen, out, COLOR_AUTO);
	assert_true(screen.terminal);
	assert_true(screen.color);
	assert_int_equal(screen.width, 123);
	screen_init(&screen, out, COLOR_NEVER);
	assert_false(screen.color);

	setenv("NO_COLOR", "", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_true(screen.color);
	setenv("NO_COLOR", "1", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_false(screen.color);
	screen_init(&screen, out, COLOR_ALWAYS);
	assert_true(screen.color);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_false(screen.color);

	size.ws_col = 0;
	ioctl(slave, TIOCSWINSZ, &size);
	screen_init(&screen, out, COLOR_AUTO);
	assert_int_equal(screen.width, 80);
	setenv("COLUMNS", "66", 1);
	screen_init(&screen, out, COLOR_AUTO);
	assert_int_equal(screen.width, 66);
	fclose(out);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escape_keeps_text),
		cmocka_unit_test(escape_hides_controls),
		cmocka_unit_test(escape_hides_bad_utf8),
		cmocka_unit_test(escape_respects_room),
		cmocka_unit_test(clean_falls_back_to_ascii),
		cmocka_unit_test(columns_of_characters),
		cmocka_unit_test(lines_break_at_blanks),
		cmocka_unit_test(wrap_prints_paragraphs),
		cmocka_unit_test(wrap_survives_odd_sizes),
		cmocka_unit_test(wrap_with_no_room_left),
		cmocka_unit_test(styles_only_with_color),
		cmocka_unit_test_setup(init_piped, clear_environment),
		cmocka_unit_test_setup(init_on_memory, clear_environment),
		cmocka_unit_test_setup(init_on_terminal, clear_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
