/* The engine "uring" of a build without liburing: it says so. */
#include <errno.h>

#include "serve/engine.h"

static int probe(struct why *why)
{
	return why_say(why, -ENOTSUP,
		       "this contest was built without io_uring: install liburing-dev and run "
		       "make clean all; --engine=epoll needs none");
}

static int run(const struct serve_work *work, struct why *why)
{
	(void)work;
	return probe(why);
}

const struct serve_engine engine_uring = {
	.name = "uring",
	.summary = "a pool of threads, on io_uring (not in this build)",
	.pool = true,
	.probe = probe,
	.run = run,
};
