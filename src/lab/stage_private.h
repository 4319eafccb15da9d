/* What a stage keeps for itself, between stage.c, stage_sockets.c, stage_report.c and arm.c. */
#ifndef CONTEST_LAB_STAGE_PRIVATE_H
#define CONTEST_LAB_STAGE_PRIVATE_H

#include <jansson.h>

#include "lab/play.h"
#include "lab/stage.h"
#include "observe/counters.h"

struct stage_private {
	const struct play_options *options; /* (borrowed) */
	int report_fd;			    /* where states go (borrowed), or -1 */
	int64_t started_ns;
	json_t *measured; /* object of the arm's numbers (owned) */
	struct counters before[WORLD_HOSTS_MAX];
	size_t host_count;
	size_t record_count; /* packets that belong to the story: see stage_settle() */
};

void stage_init(struct stage *stage, struct stage_private *private,
		const struct experiment *experiment, const struct arm *arm,
		const struct play_options *options, int report_fd);
void stage_done(struct stage *stage);

/* Hosts that have a namespace of their own: 1 on loopback, else all. */
size_t stage_host_count(const struct stage *stage);

/*
 * Ends the story: a last look at the sockets at a moment when no packet is under way, so that
 * packets and sockets tell the same; what comes after that does not belong to it, and the wire
 * takes it away. Then the observer is stopped.
 */
void stage_settle(struct stage *stage);

/*
 * What was seen on the stage, as members of an arm of the schema contest.lab/1: "sockets",
 * "counters", "exchanges", "packets", "packets_left_out", "link". To be called after the play,
 * with the observer stopped. 0 or -errno.
 */
int stage_report(struct stage *stage, json_t *arm);

struct packet_list;

/* The recorded packets, as a capture whose interface carries the arm's name. Returns how many
 * were left out for want of room, or -errno. */
int stage_packets(struct stage *stage, struct packet_list *ret);

#endif
