/* One experiment played: its arms as processes, their evidence, the judge, the result. */
#ifndef CONTEST_LAB_PLAY_H
#define CONTEST_LAB_PLAY_H

#include <stdbool.h>

#include "lab/experiment.h"
#include "world/world.h"

struct play_options {
	enum world_link link;  /* which wire: WORLD_LINK_WIRE, _WIRE_TUN or _WIRE_VETH */
	const char *directory; /* where ID.pcapng goes, or NULL for none */
	bool falsify;	       /* in the world in which the claim is false */
};

/*
 * Plays @experiment in the calling process, which was forked for it: forks the arms (all at
 * once), gathers their evidence, judges, writes the pcapng, and reports on @report_fd in lines of
 * JSON:
 *	{"event":"state","text":"server FIN-WAIT-2 (timewait)","left_s":43.2}   any number of times
 *	{"event":"result","result":{…}}                                         once, at the end
 * where the result is an entry of results[] of the schema contest.lab/1. "left_s" is missing when
 * unknown. Returns 0 when the result was reported, else -errno. SIGTERM ends the arms and itself.
 */
int play_experiment(const struct experiment *experiment, const struct play_options *options,
		    int report_fd);

#endif
