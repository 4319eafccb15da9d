#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "render/table.h"
#include "render/test_output.h"

static struct table *connections(void)
{
	static const char *const titles[] = {"LOCAL", "STATE", "COUNT", "HINT"};
	static const char *const rows[][4] = {
		{"10.0.0.1:40000", "TIME-WAIT", "3", "nothing is wrong with it"},
		{"[fd00::1]:40000", "CLOSE-WAIT", "12345",
		 "the peer has closed; the application has not called close()"},
		{"10.0.0.1:80", "LISTEN", NULL, NULL},
	};
	struct table *table = table_new(titles, 4);

	assert_non_null(table);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(table_add(table, rows[i], NULL), 0);
	return table;
}

static void check(const struct table *table, unsigned width, bool utf8, const char *want)
{
	struct output output;

	output_begin(&output, width, utf8);
	table_print(&output.screen, table);
	output_end(&output);
	if (want)
		assert_string_equal(output.text, want);
	output_check_lines(&output);
	free(output.text);
}

static void fits_its_columns(void **state)
{
	struct table *table = connections();

	(void)state;
	check(table, 120, false,
	      "LOCAL            STATE       COUNT  HINT\n"
	      "10.0.0.1:40000   TIME-WAIT       3  nothing is wrong with it\n"
	      "[fd00::1]:40000  CLOSE-WAIT  12345  the peer has closed; the application has not "
	      "called close()\n"
	      "10.0.0.1:80      LISTEN\n");
	table_free(table);
}

static void wraps_the_last_column(void **state)
{
	struct table *table = connections();

	(void)state;
	check(table, 64, true,
	      "LOCAL            STATE       COUNT  HINT\n"
	      "10.0.0.1:40000   TIME-WAIT       3  nothing is wrong with it\n"
	      "[fd00::1]:40000  CLOSE-WAIT  12345  the peer has closed; the\n"
	      "                                    application has not called\n"
	      "                                    close()\n"
	      "10.0.0.1:80      LISTEN\n");
	table_free(table);
}

static void narrow_becomes_blocks(void **state)
{
	struct table *table = connections();

	(void)state;
	check(table, 40, true,
	      "LOCAL: 10.0.0.1:40000\n"
	      "STATE: TIME-WAIT\n"
	      "COUNT: 3\n"
	      "HINT:  nothing is wrong with it\n"
	      "\n"
	      "LOCAL: [fd00::1]:40000\n"
	      "STATE: CLOSE-WAIT\n"
	      "COUNT: 12345\n"
	      "HINT:  the peer has closed; the\n"
	      "       application has not called\n"
	      "       close()\n"
	      "\n"
	      "LOCAL: 10.0.0.1:80\n"
	      "STATE: LISTEN\n");
	table_free(table);
}

static void blocks_with_long_titles(void **state)
{
	static const char *const titles[] = {"a title wider than half of it", "b"};
	static const char *const cells[] = {"a value that goes on and on", "x"};
	struct table *table = table_new(titles, 2);

	(void)state;
	table_add(table, cells, NULL);
	check(table, 20, true,
	      "a title wider than …\n"
	      "     a value that\n"
	      "     goes on and on\n"
	      "b:   x\n");
	table_free(table);
}

static void wide_other_columns_wrap(void **state)
{
	static const char *const titles[] = {"NAME", "WHAT"};
	static const char *const cells[] = {
		"a first column that is far too long to stand beside anything", "short"};
	struct table *table = table_new(titles, 2);

	(void)state;
	table_add(table, cells, NULL);
	check(table, 40, true,
	      "NAME                               WHAT\n"
	      "a first column that is far too     short\n"
	      "long to stand beside anything\n");
	table_free(table);
}

static void every_width_holds(void **state)
{
	struct table *table = connections();

	(void)state;
	for (unsigned width = 20; width <= 130; width++)
		check(table, width, width & 1, NULL);
	table_free(table);
}

static void wide_characters_align(void **state)
{
	static const char *const titles[] = {"NAME", "N"};
	static const char *const first[] = {"日本語", "1"};
	static const char *const second[] = {"e\u0301a", "22"};
	struct table *table = table_new(titles, 2);

	(void)state;
	table_add(table, first, NULL);
	table_add(table, second, NULL);
	check(table, 40, true,
	      "NAME     N\n"
	      "日本語   1\n"
	      "e\u0301a      22\n");
	check(table, 80, false,
	      "NAME                                   N\n"
	      "\\xe6\\x97\\xa5\\xe6\\x9c\\xac\\xe8\\xaa\\x9e   1\n"
	      "e\\xcc\\x81a                            22\n");
	table_free(table);
}

static void cells_are_escaped(void **state)
{
	static const char *const titles[] = {"A\033[1m", "B"};
	static const char *const cells[] = {"x\ny\x9b", "\033]0;title\a"};
	struct table *table = table_new(titles, 2);

	(void)state;
	table_add(table, cells, NULL);
	check(table, 60, true,
	      "A\\x1b[1m    B\n"
	      "x\\x0ay\\x9b  \\x1b]0;title\\x07\n");
	table_free(table);
}

static void numbers_stand_right(void **state)
{
	static const char *const titles[] = {"SHARE", "ADDRESS", "END"};
	static const char *const rows[][3] = {
		{"1.5%", "1.2.3.4", " "}, {"100%", "10.2.3.4", "y"}, {"-", "1", "z"}};
	struct table *table = table_new(titles, 3);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		table_add(table, rows[i], NULL);
	check(table, 60, true,
	      "SHARE  ADDRESS   END\n"
	      " 1.5%  1.2.3.4\n"
	      " 100%  10.2.3.4  y\n"
	      "    -  1         z\n");
	table_free(table);
}

static void styles_of_cells(void **state)
{
	static const char *const titles[] = {"A", "B"};
	static const char *const cells[] = {"good", "plain"};
	static const enum screen_style styles[] = {STYLE_GOOD, STYLE_PLAIN};
	struct table *table = table_new(titles, 2);
	struct output output;

	(void)state;
	table_add(table, cells, styles);
	output_begin(&output, 80, true);
	output.screen.color = true;
	table_print(&output.screen, table);
	output_end(&output);
	assert_string_equal(output.text, "\033[1mA\033[0m     \033[1mB\033[0m\n"
					 "\033[32mgood\033[0m  plain\n");
	free(output.text);
	table_free(table);
}

static void empty_ones(void **state)
{
	static const char *const titles[] = {"A", ""};
	struct table *table = table_new(titles, 2);

	(void)state;
	check(table, 80, true, "A\n");
	table_free(table);
	table = table_new(titles, 0);
	check(table, 80, true, NULL);
	table_free(table);
	table_free(NULL);
}

static void headings_stand_over_all_columns(void **state)
{
	static const char *const titles[] = {"ID", "CLAIM"};
	struct table *table = table_new(titles, 2);
	struct output output;

	(void)state;
	assert_int_equal(table_add_heading(table, "A heading wider than any identifier"), 0);
	assert_int_equal(table_add(table, (const char *const[]){"one", "first"}, NULL), 0);
	output_begin(&output, 80, true);
	table_print(&output.screen, table);
	output_end(&output);
	assert_string_equal(output.text, "ID   CLAIM\n"
					 "\n"
					 "A heading wider than any identifier\n"
					 "one  first\n");
	free(output.text);
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits_its_columns),
		cmocka_unit_test(wraps_the_last_column),
		cmocka_unit_test(narrow_becomes_blocks),
		cmocka_unit_test(blocks_with_long_titles),
		cmocka_unit_test(wide_other_columns_wrap),
		cmocka_unit_test(every_width_holds),
		cmocka_unit_test(wide_characters_align),
		cmocka_unit_test(cells_are_escaped),
		cmocka_unit_test(numbers_stand_right),
		cmocka_unit_test(styles_of_cells),
		cmocka_unit_test(empty_ones),
		cmocka_unit_test(headings_stand_over_all_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
