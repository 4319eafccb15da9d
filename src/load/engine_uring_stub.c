/* The engine "uring" of a build without liburing: it says so. */
#include <errno.h>

#include "load/engine.h"

static int probe(struct why *why)
{
	return why_say(why, -ENOTSUP,
		       "this contest was built without io_uring: install liburing-dev and run "
		       "make clean all; --engine=epoll needs none");
}

static int run(struct load_work *work, struct why *why)
{
	(void)work;
	return probe(why);
}

extern const struct load_engine load_engine_uring;

const struct load_engine load_engine_uring = {
	.name = "uring",
	.summary = "an event loop per thread, on io_uring(7) (not in this build)",
	.probe = probe,
	.run = run,
};
