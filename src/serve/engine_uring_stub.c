/* The engine "uring" of a build without liburing: it says so. */
#include <errno.h>

#include "serve/engine.h"

static int probe(struct why *why)
{
	return why_say(why, -ENOTSUP,
		       "this build has no io_uring (liburing was missing); use --engine=epoll");
}

static int run(const struct serve_work *work, struct why *why)
{
	(void)work;
	return probe(why);
}

const struct serve_engine engine_uring = {
	.name = "uring",
	.summary = "a pool of threads, each carrying many connections by io_uring",
	.pool = true,
	.probe = probe,
	.run = run,
};
