/* What a whole capture comes to: endings, who closed first, server ports, problems. Bounded memory.
 */
#ifndef CONTEST_EXPLAIN_SUMMARY_H
#define CONTEST_EXPLAIN_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "explain/finding.h"

/* So many server ports, and hosts that closed first, are counted one by one, the first that come;
 * the rest together (other_ports, other_closers). */
#define SUMMARY_PORTS 4096
#define SUMMARY_HOSTS 65536

struct summary_port {
	uint16_t port;
	uint64_t connections, endings[ENDING_COUNT], closed_first[WHO_COUNT];
};

struct summary_closer {
	struct tcp_address host;
	uint64_t closed_first; /* connections that it closed before its peer did */
	uint64_t time_wait;    /* of them, left with TIME-WAIT by what was seen */
};

struct summary {
	uint64_t connections, evicted;
	uint64_t opened[OPENED_COUNT], endings[ENDING_COUNT], closed_first[WHO_COUNT];
	uint64_t time_wait_holder[WHO_COUNT];
	uint64_t problems[PROBLEM_COUNT];
	uint64_t rst_causes[RST_CAUSE_COUNT]; /* of the RST that ended it; else of the first */
	uint64_t packets, bytes;
	uint64_t fin_repeated, reused; /* connections in which a FIN was repeated; on the 4-tuple
					* of one before */
	uint64_t other_ports, other_closers; /* connections that found no room below */
	struct summary_tables *tables;	     /* private (owned) */
};

/* Zeroed to begin with; summary_done() frees what grew, and zeroes it. On -ENOMEM nothing was
 * added. */
int summary_add(struct summary *summary, const struct finding *finding); /* 0 or -ENOMEM */
void summary_done(struct summary *summary);

/* The first @room of them, most connections first (ties: lower port, lower address). Returns how
 * many there are in all. */
size_t summary_ports(const struct summary *summary, struct summary_port *ret, size_t room);
size_t summary_closers(const struct summary *summary, struct summary_closer *ret, size_t room);

#endif
