#include "lab/experiments/serving.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* The longest that the kernel gives: what a burst of clients does to a queue is not asked here. */
static int listen_long(struct stage *stage, uint16_t port, int *ret_fd)
{
	CLEANUP_CLOSE int fd = -1;

	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, port, &fd));
	TRY_SYS(stage, listen(fd, SOMAXCONN));
	TRY_SYS(stage, fcntl(fd, F_SETFL, O_NONBLOCK));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int serving_start(struct stage *stage, const struct serve_plan *plan, uint16_t port,
		  struct server **ret)
{
	CLEANUP_SERVER struct server *server = NULL;
	CLEANUP_CLOSE int listener = -1;
	struct why why = {0};

	if (plan->engine->probe(&why) < 0)
		return stage_not_testable(stage, "%s", why.text);
	TRY(stage, listen_long(stage, port, &listener));
	TRY(stage, server_new(plan, &listener, 1, 1, NULL, &server, &stage->why));
	TAKE_FD(listener);
	TRY(stage, server_start(server, &stage->why));
	*ret = TAKE_PTR(server);
	return 0;
}
