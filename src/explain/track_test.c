/* Runs the tests of the tracker, and sees that no role and no cause was left out. */
#include "explain/track_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

int track_test_begin(void **state)
{
	static struct script script;

	script_begin(&script);
	*state = &script;
	return 0;
}

int track_test_end(void **state)
{
	script_end(*state);
	return 0;
}

void assert_closing(const struct connection *connection, enum track_closing closing,
		    int first_closer)
{
	assert_string_equal(track_closing_name(connection->closing), track_closing_name(closing));
	assert_int_equal(connection->first_closer, first_closer);
}

void assert_time_wait(const struct connection *connection, bool client, bool server)
{
	assert_int_equal(connection->time_wait[TRACK_CLIENT], client);
	assert_int_equal(connection->time_wait[TRACK_SERVER], server);
}

/* Each role and cause has come up in a script. */
static void all_roles_and_causes_were_reached(void **state)
{
	(void)state;
	for (int role = 0; role < ROLE_COUNT; role++) {
		assert_string_not_equal(segment_role_text(role), "?");
		if (!script_roles[role])
			fail_msg("no script has a %s", segment_role_name(role));
	}
	for (int cause = 0; cause < RST_CAUSE_COUNT; cause++) {
		assert_string_not_equal(rst_cause_text(cause), "?");
		if (!script_causes[cause])
			fail_msg("no script has a RST for %s", rst_cause_name(cause));
	}
}

int main(void)
{
	const struct CMUnitTest last[] = {
		cmocka_unit_test(all_roles_and_causes_were_reached),
	};
	int failed = 0;

	failed += test_open();
	failed += test_close();
	failed += test_rst();
	failed += test_pairs();
	failed += test_gaps();
	failed += test_role();
	failed += test_exchange();
	failed += cmocka_run_group_tests_name("all", last, NULL, NULL);
	return failed;
}
