/* When libwiretap is loaded, and what is said when it cannot be. */
#include "capture/wiretap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "capture/file.h"

/* Whether a file whose name has @name in it is mapped into this process. */
static bool is_mapped(const char *name)
{
	CLEANUP_FCLOSE FILE *file = fopen("/proc/self/maps", "re");
	char line[4096];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, name))
			return true;
	return false;
}

/* The first of the tests: nothing has touched a capture yet. */
static void it_waits_for_the_first_capture(void **state)
{
	struct packet_list list;

	(void)state;
	packet_list_init(&list);
	assert_int_equal(packet_list_add_interface(&list, "x", PACKET_LINK_RAW), 0);
	packet_list_done(&list);
	assert_true(is_mapped("libc.so"));
	assert_false(is_mapped("libwiretap"));
	assert_false(is_mapped("libwsutil"));
	assert_false(is_mapped("libglib"));

	assert_int_equal(capture_read("/nonexistent", 0, &list, NULL), -ENOENT);
	assert_true(is_mapped(WIRETAP_SONAME));
}

static void assert_not_loaded(const char *soname, int error, const char *reason)
{
	struct wiretap found, untouched;
	struct why why = {{0}};

	memset(&found, 0x5a, sizeof(found));
	untouched = found;
	assert_int_equal(wiretap_load(soname, &found, &why), error);
	assert_memory_equal(&found, &untouched, sizeof(found));
	if (!strstr(why.text, soname) || !strstr(why.text, reason) ||
	    !strstr(why.text, "install " WIRETAP_PACKAGE))
		fail_msg("%s", why.text);
	assert_int_equal(wiretap_load(soname, &found, NULL), error);
}

static void without_it_the_package_is_named(void **state)
{
	(void)state;
	assert_not_loaded("libwiretap.so.0", -ELIBACC, "captures need libwiretap.so.0");
	assert_not_loaded("libwiretap.so.0", -ELIBACC, "No such file");
}

static void another_library_is_refused(void **state)
{
	(void)state;
	assert_not_loaded("libc.so.6", -ELIBBAD, "undefined symbol");
}

static void the_package_is_as_debian_names_it(void **state)
{
	char expected[64];

	(void)state;
	snprintf(expected, sizeof(expected), "libwiretap%s", strrchr(WIRETAP_SONAME, '.') + 1);
	assert_string_equal(WIRETAP_PACKAGE, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_for_the_first_capture),
		cmocka_unit_test(without_it_the_package_is_named),
		cmocka_unit_test(another_library_is_refused),
		cmocka_unit_test(the_package_is_as_debian_names_it),
	};

	return cmocka_run_group_tests_name("capture wiretap", tests, NULL, NULL);
}
