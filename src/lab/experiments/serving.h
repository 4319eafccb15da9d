/* contest's own servers on a stage's hosts: what the experiments about servers share. */
#ifndef CONTEST_LAB_EXPERIMENTS_SERVING_H
#define CONTEST_LAB_EXPERIMENTS_SERVING_H

#include "lab/stage.h"
#include "serve/server.h"

/*
 * Starts a server of one worker process that does what @plan says, on @port of the server host.
 * -ENOTSUP, not testable here, when this system lacks what the plan's engine needs. The stage's
 * other descriptors are not kept open by the worker. 0 and the server (owned: server_free()), or
 * -errno after stage_fail().
 */
int serving_start(struct stage *stage, const struct serve_plan *plan, uint16_t port,
		  struct server **ret);

/* The same on another host, with as many worker processes as are asked for (0: as many as
 * plan->max_connections needs under the descriptor limit). */
int serving_start_on(struct stage *stage, size_t host, const struct serve_plan *plan, uint16_t port,
		     unsigned processes, struct server **ret);

/* Ends it when its clients have gone, or by force after @seconds, and waits for its processes. */
int serving_end(struct stage *stage, struct server *server, double seconds);

/* For CLEANUP: frees a server. */
static inline void serving_done(struct server **server)
{
	server_free(*server);
}
#define CLEANUP_SERVER __attribute__((cleanup(serving_done)))

#endif
