/* What went wrong, as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/why.h"

static void why_describes(void **state)
{
	struct why why;

	(void)state;
	assert_int_equal(why_set(&why, -ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_string_equal(why.text, "cannot open x: No such file or directory");
	assert_int_equal(why_set(&why, 0, "fine"), 0);
	assert_string_equal(why.text, "fine");
	assert_int_equal(why_say(&why, -EPERM, "run it as %s", "root"), -EPERM);
	assert_string_equal(why.text, "run it as root");
	assert_int_equal(why_set(NULL, -EIO, "nobody asks"), -EIO);
	assert_int_equal(why_say(NULL, -EIO, "nobody asks"), -EIO);
}

static void why_is_cut_to_its_size(void **state)
{
	struct {
		struct why why;
		char guard[16];
	} box;
	char name[sizeof(box.why.text) + 100];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(&box, 'G', sizeof(box));
	why_set(&box.why, -ENOENT, "%s", name);
	assert_int_equal(strlen(box.why.text), sizeof(box.why.text) - 1);
	assert_int_equal(box.guard[0], 'G');
	/* the reason is cut where it runs out of room */
	name[sizeof(box.why.text) - 5] = '\0';
	why_set(&box.why, -ENOENT, "%s", name);
	assert_int_equal(strlen(box.why.text), sizeof(box.why.text) - 1);
	assert_string_equal(box.why.text + sizeof(box.why.text) - 5, ": No");
	assert_int_equal(box.guard[0], 'G');
}

static void errno_names(void **state)
{
	(void)state;
	assert_string_equal(errno_name(EADDRNOTAVAIL), "EADDRNOTAVAIL");
	assert_string_equal(errno_name(-ENOSPC), "ENOSPC");
	assert_string_equal(errno_name(98765), "errno 98765");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_describes),
		cmocka_unit_test(why_is_cut_to_its_size),
		cmocka_unit_test(errno_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
