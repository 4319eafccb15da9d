/* What a whole capture comes to: endings, who closed first, server ports, problems. Bounded memory.
 */
#ifndef CONTEST_EXPLAIN_SUMMARY_H
#define CONTEST_EXPLAIN_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "explain/finding.h"

/* Server ports by number of connections, and hosts by connections that they closed first: as many
 * are counted one by one, the rest together, and SUMMARY_OTHERS says so. */
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
	uint64_t rst_causes[RST_CAUSE_COUNT];
	uint64_t packets, bytes, fin_repeated, reused;
	uint64_t other_ports, other_closers; /* connections that found no room below */
	struct summary_tables *tables;	     /* private (owned) */
};

/* Zeroed to begin with; summary_done() frees what grew. */
int summary_add(struct summary *summary, const struct finding *finding); /* 0 or -ENOMEM */
void summary_done(struct summary *summary);

/* The first @room of them, most connections first (ties: lower port, lower address). Returns how
 * many there are in all. */
size_t summary_ports(const struct summary *summary, struct summary_port *ret, size_t room);
size_t summary_closers(const struct summary *summary, struct summary_closer *ret, size_t room);

#endif
