/* One arm played in the calling process, which was forked for it. */
#ifndef CONTEST_LAB_ARM_H
#define CONTEST_LAB_ARM_H

#include "lab/experiment.h"
#include "lab/play.h"

/*
 * Plays @arm and reports on @report_fd in lines of JSON: states, and at the end
 *	{"event":"arm","arm":{…}}
 * with an entry of arms[] of the schema contest.lab/1. The packets go to @packets_fd (a memfd,
 * left at its end) by packet_list_send(). 0, or -errno when not even a report could be made.
 */
int arm_play(const struct experiment *experiment, const struct arm *arm,
	     const struct play_options *options, int report_fd, int packets_fd);

/* An entry of arms[] for an arm that ended without one: outcome "error" with @reason. New
 * reference. */
json_t *arm_failed_json(const struct arm *arm, const char *reason);

#endif
