/* The screen of a build without ncursesw (meson option top): it says so. */
#include "cmd/top_screen.h"

#include <errno.h>

int top_screen_probe(struct why *why)
{
	return why_say(
		why, -ENOTSUP,
		"this contest was built without ncursesw: install libncurses-dev and run make "
		"clean all; contest states --watch needs none");
}

int top_screen_run(const struct top_options *options, struct why *why)
{
	socket_filter_free(options->filter);
	return top_screen_probe(why);
}
