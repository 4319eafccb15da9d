/*
 * Which connection of a pair of endpoints a segment belongs to: the rules, for both trackers (they
 * are told at the top of track.c). Private to explain.
 */
#ifndef CONTEST_EXPLAIN_PLACE_H
#define CONTEST_EXPLAIN_PLACE_H

#include "explain/machine.h"

enum place {
	PLACE_HERE,	 /* the newest connection of the pair */
	PLACE_NEW,	 /* opens a connection, which reuses the pair */
	PLACE_UNRELATED, /* opens one; what was there before was none */
	PLACE_PROMOTE,	 /* answers a stray SYN: both are a new connection's */
};

/* A SYN, or a SYN-ACK; not one of a scan. */
bool place_is_syn(const struct segment *segment);
bool place_is_syn_ack(const struct segment *segment);

/*
 * Whether the first segment that is seen of a connection is from its server. Of one that began
 * before the capture it is a guess: the lower port is the server's; of equal ones, who is answered.
 */
bool place_is_from_server(const struct segment *first);

/* Going by the newest connection alone, in which @from sent the segment. */
enum place place_of(const struct machine *newest, unsigned from, const struct segment *segment);

/* Whether the connection is still being opened, so that the one before it may be meant. */
bool place_is_opening(const struct machine *m);

/* Whether the segment's numbers are those of the connection. */
bool place_fits(const struct machine *m, unsigned from, const struct segment *segment);

/* The old connection learns of a SYN from @from that is not its own: its other end may answer it.
 */
void place_tell_old(struct machine *old, unsigned from, const struct segment *syn);

#endif
