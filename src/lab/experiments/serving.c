#include "lab/experiments/serving.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* The longest that the kernel gives: what a burst of clients does to a queue is not asked here. */
static int listen_long(struct stage *stage, size_t host, uint16_t port, int *ret_fd)
{
	CLEANUP_CLOSE int fd = -1;

	TRY(stage, stage_listen(stage, host, AF_INET, port, &fd));
	TRY_SYS(stage, listen(fd, SOMAXCONN));
	TRY_SYS(stage, fcntl(fd, F_SETFL, O_NONBLOCK));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int serving_start_on(struct stage *stage, size_t host, const struct serve_plan *plan, uint16_t port,
		     unsigned processes, struct server **ret)
{
	CLEANUP_SERVER struct server *server = NULL;
	CLEANUP_CLOSE int listener = -1;
	struct why why = {0};

	if (plan->engine->probe(&why) < 0)
		return stage_not_testable(stage, "%s", why.text);
	TRY(stage, listen_long(stage, host, port, &listener));
	TRY(stage, server_new(plan, &listener, 1, processes, NULL, &server, &stage->why));
	TAKE_FD(listener);
	TRY(stage, server_start(server, &stage->why));
	*ret = TAKE_PTR(server);
	return 0;
}

int serving_start(struct stage *stage, const struct serve_plan *plan, uint16_t port,
		  struct server **ret)
{
	return serving_start_on(stage, STAGE_SERVER, plan, port, 1, ret);
}

int serving_end(struct stage *stage, struct server *server, double seconds)
{
	int64_t ns = (int64_t)(seconds * NS_PER_S);

	server_drain(server);
	if (server_wait(server, ns, &stage->why) == -ETIMEDOUT)
		server_force(server);
	TRY(stage, server_wait(server, ns, &stage->why));
	return 0;
}
