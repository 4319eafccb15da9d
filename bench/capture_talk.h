/*
 * Connections as bench/capture makes them up: each is a story that is written down whole when it
 * begins, packet by packet with its time, and with the truth about it.
 */
#ifndef CONTEST_BENCH_CAPTURE_TALK_H
#define CONTEST_BENCH_CAPTURE_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT = 0, SERVER = 1, BOTH, NONE, UNKNOWN };

#define MICROSECOND ((int64_t)1000)
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND	    (1000 * MILLISECOND)

/* ---- chance, the same for the same seed (splitmix64, of Steele, Lea and Flood, 2014) */

struct chance {
	uint64_t state;
};
uint64_t chance_next(struct chance *chance);
/* From 0 up to but without @bound. */
uint64_t chance_below(struct chance *chance, uint64_t bound);
/* Exponentially distributed with this mean. */
double chance_wait(struct chance *chance, double mean);

/* ---- a connection */

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

struct address {
	bool v6;
	uint8_t bytes[16];
};

/* One packet to be. */
struct step {
	int64_t at_ns;
	uint32_t seq, ack, ts_value, ts_echo;
	uint16_t window, length, ip_id;
	uint8_t from, flags, ttl;
	bool bare; /* no timestamps, as RSTs of no socket come */
};

struct side {
	struct address address;
	uint16_t port;
	uint32_t isn, next, got; /* SND.NXT, RCV.NXT */
	uint32_t ts_base, ts_recent;
	uint16_t window, ip_id;
	uint8_t ttl;
};

/* What is true of it, in the words of `contest explain --json`. */
struct truth {
	const char *opened, *ending, *rst_cause;
	int closed_first, time_wait_holder, rst_from;
	const char *state[2];
	unsigned fin_retransmits;
	bool reused;
};

struct talk {
	uint64_t number; /* from 1 */
	struct side side[2];
	bool timestamps;
	int64_t now_ns, rtt_ns;
	int64_t think_mean_ns;
	struct step *steps; /* (owned) */
	size_t count, capacity, done;
	size_t wanted; /* packets of its conversation, without opening and end */
	struct truth truth;
	struct chance *chance;
};

/* What goes wrong with what was sent: chances in 1,000. */
struct noise {
	unsigned retransmitted, reordered;
};

/*
 * Tells a story of the common mix into @talk, whose ends, time and wish are set; the rest is zero.
 * Returns how many of its packets belong to opening and end. Ends the program when memory is short.
 */
size_t talk_make_up(struct talk *talk, const struct noise *noise);
void talk_done(struct talk *talk);

#endif
