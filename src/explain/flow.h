/*
 * A connection as the streaming tracker keeps it. Private to explain.
 *
 * Two parts: what each segment reads and writes is two cache lines (struct flow); what the opening
 * and the close add lies apart (struct flow_close); what few connections have is allocated when
 * they do (struct flow_rare).
 */
#ifndef CONTEST_EXPLAIN_FLOW_H
#define CONTEST_EXPLAIN_FLOW_H

#include "explain/finding.h"
#include "explain/flow_addresses.h"
#include "explain/flow_table.h"
#include "explain/flows.h"
#include "explain/machine.h"

#define FLOW_NONE UINT32_MAX

enum flow_flag {
	FLOW_ALIVE = 1,	      /* the record is in use */
	FLOW_V6 = 2,	      /* addresses are numbers of flow_addresses */
	FLOW_TOLD = 4,	      /* as it was once */
	FLOW_NEWEST = 8,      /* of its pair, so the table has it */
	FLOW_WIDE = 16,	      /* times are in flow_rare */
	FLOW_VARIOUS_0 = 32,  /* the client's segments had more than one TTL */
	FLOW_VARIOUS_1 = 64,  /* the server's */
	FLOW_SHOWN_OPEN = 128 /* by its first segment, a SYN: its time is when it began */
};

/* Times are kept as distances from the first segment's. */
enum flow_time {
	FLOW_LAST,
	FLOW_FIN = 2,
	FLOW_MARK = 4,
	FLOW_TIMES = 6 /* plus the end's number */
};

struct flow {
	struct machine machine; /* its memory for what is rare is in a flow_rare */
	int64_t first_ns;
	uint32_t address[2];
	uint16_t port[2];
	uint32_t packets[2], bytes[2]; /* the lower halves: flow_rare */
	uint32_t last_low[2];
	uint16_t last_high[2];
	uint32_t turn_low; /* when it had its last segment, counted in segments */
	uint8_t turn_high;
	uint8_t ttl[2]; /* 0: not known */
	uint8_t flags;	/* enum flow_flag */
};

static_assert(sizeof(struct flow) == 128, "two cache lines");

/* Where the time is at which an end entered its state. */
enum flow_since {
	SINCE_MARK,	 /* FLOW_MARK of the end */
	SINCE_OTHER_FIN, /* FLOW_FIN of the other end */
	SINCE_RARE,	 /* flow_rare */
	SINCE_UNKNOWN,
};

struct flow_close {
	uint32_t number_low;
	uint32_t before, behind; /* on the pair: records, or FLOW_NONE; a free record's next one */
	uint32_t fin_low[2];	 /* when the FIN was first seen; or an ACK showed it */
	uint32_t mark_low[2];	 /* once the end's FIN is acknowledged, when; until then, since when
				  * it is in its state */
	uint32_t handshake_low;
	uint16_t fin_high[2], mark_high[2], handshake_high;
	uint16_t mss[2];
	uint8_t number_high;
	uint8_t state[2]; /* plus 1 */
	struct flow_close_end {
		uint8_t syn_seen : 1, has_timestamps : 1, has_window_scale : 1, has_mss : 1;
		uint8_t fin_acked_by_fin : 1;
		uint8_t opened : 1; /* sent a SYN before anything but SYNs came */
		uint8_t since : 2;  /* enum flow_since */
	} end[2];
	uint8_t opening_over : 1; /* something but SYNs came */
	uint8_t handshake : 1;
	uint8_t fast_open_taken : 1;
	uint8_t newer_syn_ignored : 1;
};

static_assert(sizeof(struct flow) + sizeof(struct flow_close) +
			      sizeof(struct flow_bucket) * 8 / 5 * 8 / 7 / FLOW_SLOTS <=
		      FLOWS_BYTES_EACH,
	      "what the header promises; the table is at least 5/8 of 7/8 full");

/* Repeated FINs of an end. */
struct flow_intervals {
	int64_t last_ns; /* of the FIN */
	uint8_t count;
	bool cut;
	uint32_t ms[FINDING_INTERVALS];
};

/* A SYN that is not of this connection: if it is answered, it is of the next one. */
struct flow_stray {
	struct segment syn, last; /* the first and the last of them */
	uint32_t count;
	int64_t without_ns;  /* its sender's last segment but for them */
	bool ignored_before; /* newer_syn_ignored without it */
};

/* About another connection on the pair that is gone, or has gone on. */
struct flow_reuse {
	uint64_t number; /* 0: nothing is kept here */
	int64_t after_ns;
	enum finding_who held_by;
	bool in_time_wait;
};

/* What is counted of each end where it happens at all. */
enum flow_count {
	COUNT_DATA_REPEATED,
	COUNT_SYNS, /* beyond the first, as … */
	COUNT_FINS,
	COUNT_KEEPALIVES,
	COUNT_UNANSWERED,
	COUNT_CHALLENGES,
	COUNT_RSTS,
	FLOW_COUNTS
};

/* What hardly any connection has. */
struct flow_more {
	uint32_t packets_high[2], bytes_high[2];
	uint32_t counts_high[2][FLOW_COUNTS]; /* times 256 */
	int64_t since_ns[2];
	struct flow_intervals *intervals[2]; /* (owned) */
	struct flow_stray *stray[2];	     /* (owned) the last of each end */
	int64_t *times;			     /* (owned) FLOW_TIMES of them when FLOW_WIDE */
	struct flow_reuse before;
	uint64_t behind; /* number; 0: not kept here */
};

/* What one in some connections has. */
struct flow_rare {
	struct machine_rare machine; /* its holes (owned) */
	struct flow_more *more;	     /* (owned) or NULL */
	int64_t rst_ns;
	uint8_t counts[2][FLOW_COUNTS]; /* the lowest 8 bits */
	uint8_t rst_ttl;
	uint8_t rst_any : 1, rst_ends : 1, rst_from : 1, rst_cause : 4;
	uint8_t since_more : 2; /* a bit for each end: SINCE_RARE is in flow_more, else the RST */
};

static_assert(sizeof(struct flow_rare) <= 56, "64 bytes of the heap");

/* Letters for Zeek; see flow_history.c. */
struct flow_history {
	char text[52];
	uint8_t length, once;
	uint8_t known[2];
	uint32_t number[2][4]; /* of the last SYN, SYN-ACK, FIN, RST */
	uint32_t times[2][4];  /* of bad checksums, gaps, repetitions, windows of 0 */
};

#define FLOW_CHUNK 4096 /* records */

struct flow_chunk {
	struct flow *hot;		/* (owned) */
	struct flow_close *close;	/* (owned) */
	struct flow_history *histories; /* (owned) or NULL */
};

struct flow_candidate {
	uint64_t turn;
	uint32_t id;
};

struct flows {
	struct flows_plan plan;
	flows_tell tell;
	void *context;
	struct flows_sums sums;
	int64_t last_time_ns; /* of the segment before */
	uint64_t turn;	      /* segments so far that were no copies */
	uint64_t seed;

	struct flow_table table;
	struct flow_addresses addresses;
	struct flow_chunk *chunks; /* (owned) */
	size_t chunk_count, chunk_capacity;
	uint32_t used, free, alive; /* records ever given out; the first free one; in use */
	bool shuffled;		    /* records are no longer in the order of their numbers */

	struct flow_candidate *idle; /* (owned) the longest idle ones, in order */
	size_t idle_count, idle_at;

	const struct flow_history *telling;
	struct dedup *dedup; /* (owned) */
};

__attribute__((returns_nonnull)) static inline struct flow *flow_at(const struct flows *flows,
								    uint32_t id)
{
	return &flows->chunks[id / FLOW_CHUNK].hot[id % FLOW_CHUNK];
}

static inline struct flow_close *flow_close_at(const struct flows *flows, uint32_t id)
{
	return &flows->chunks[id / FLOW_CHUNK].close[id % FLOW_CHUNK];
}

static inline struct flow_history *flow_history_at(const struct flows *flows, uint32_t id)
{
	return &flows->chunks[id / FLOW_CHUNK].histories[id % FLOW_CHUNK];
}

static inline struct flow_rare *flow_rare_of(const struct flow *flow)
{
	/* The first member. */
	return (struct flow_rare *)flow->machine.rare;
}

static inline struct flow_more *flow_more_of(const struct flow *flow)
{
	return flow->machine.rare ? flow_rare_of(flow)->more : NULL;
}

static inline uint64_t flow_turn(const struct flow *flow)
{
	return (uint64_t)flow->turn_high << 32 | flow->turn_low;
}

static inline uint64_t flow_number(const struct flow_close *close)
{
	return (uint64_t)close->number_high << 32 | close->number_low;
}

/* --- times: 48 bits with a sign, 39 hours either way; the lowest stands for unknown --- */

#define FLOW_OFFSET_LIMIT   ((int64_t)1 << 47)
#define FLOW_OFFSET_UNKNOWN (-FLOW_OFFSET_LIMIT)

static inline int64_t flow_offset(uint32_t low, uint16_t high)
{
	return (int64_t)((uint64_t)(int64_t)(int16_t)high << 32 | low);
}

static inline int64_t flow_last_offset(const struct flow *flow, unsigned end)
{
	return flow_offset(flow->last_low[end], flow->last_high[end]);
}

/* The distance from the first segment; false when a record has no room for it. */
static inline bool flow_distance(const struct flow *flow, int64_t ns, int64_t *ret)
{
	if (ns == FINDING_TIME_UNKNOWN) {
		*ret = FLOW_OFFSET_UNKNOWN;
		return true;
	}
	if (flow->first_ns == FINDING_TIME_UNKNOWN ||
	    __builtin_sub_overflow(ns, flow->first_ns, ret))
		return false;
	return *ret > -FLOW_OFFSET_LIMIT && *ret < FLOW_OFFSET_LIMIT;
}

/* A time in ns, or FINDING_TIME_UNKNOWN. @which: enum flow_time plus the end. */
static inline int64_t flow_time(const struct flow *flow, const struct flow_close *close,
				unsigned which)
{
	unsigned end = which % 2;
	int64_t offset;

	if (flow->flags & FLOW_WIDE)
		return flow_more_of(flow)->times[which];
	if (which < FLOW_FIN)
		offset = flow_last_offset(flow, end);
	else if (which < FLOW_MARK)
		offset = flow_offset(close->fin_low[end], close->fin_high[end]);
	else
		offset = flow_offset(close->mark_low[end], close->mark_high[end]);
	return offset == FLOW_OFFSET_UNKNOWN ? FINDING_TIME_UNKNOWN : flow->first_ns + offset;
}

/* There is room for it: flow_make_room_for(). */
static inline void flow_set_time(struct flow *flow, struct flow_close *close, unsigned which,
				 int64_t ns)
{
	unsigned end = which % 2;
	int64_t offset;

	if (flow->flags & FLOW_WIDE) {
		flow_more_of(flow)->times[which] = ns;
	} else if (!flow_distance(flow, ns, &offset)) {
		return;
	} else if (which < FLOW_FIN) {
		flow->last_low[end] = (uint32_t)offset;
		flow->last_high[end] = (uint16_t)((uint64_t)offset >> 32);
	} else if (which < FLOW_MARK) {
		close->fin_low[end] = (uint32_t)offset;
		close->fin_high[end] = (uint16_t)((uint64_t)offset >> 32);
	} else {
		close->mark_low[end] = (uint32_t)offset;
		close->mark_high[end] = (uint16_t)((uint64_t)offset >> 32);
	}
}

/* Of the later one of both ends' last segments. */
static inline int64_t flow_last_ns(const struct flow *flow, const struct flow_close *close)
{
	int64_t one = flow_time(flow, close, FLOW_LAST);
	int64_t other = flow_time(flow, close, FLOW_LAST + 1);

	return one > other ? one : other; /* unknown is the least of all */
}

/* Puts times where any fits. 0 or -ENOMEM. */
int flow_widen(struct flow *flow, struct flow_close *close);

static inline int flow_make_room_for(struct flow *flow, struct flow_close *close, int64_t ns)
{
	int64_t offset;

	if (flow_distance(flow, ns, &offset) || (flow->flags & FLOW_WIDE))
		return 0;
	return flow_widen(flow, close);
}

/* --- flow.c --- */

/* The rare part, made when there is none; NULL when memory is short. */
struct flow_rare *flow_need_rare(struct flow *flow);
struct flow_more *flow_need_more(struct flow *flow);
uint32_t flow_count(const struct flow *flow, unsigned end, enum flow_count which);
/* Adds to a count. 0 or -ENOMEM. */
int flow_count_up(struct flow *flow, unsigned end, enum flow_count which, uint32_t add);
void flow_count_clear(struct flow *flow, unsigned end, enum flow_count which);
/* What the record owns. */
void flow_release(struct flow *flow);

/* --- flow_store.c --- */

struct flow_key;

/* The newest connection of the pair, or FLOW_NONE. */
uint32_t flow_find(const struct flows *flows, const struct flow_key *key);

/* Opens a connection whose first segment is @first, which is not taken yet. @newest: of its pair,
 * or FLOW_NONE; @reuses: and it is the one before. 0 or -ENOMEM. */
int flow_open(struct flows *flows, const struct segment *first, uint32_t newest, bool reuses,
	      uint32_t *ret);

/* What the one behind has to say of the one before it is settled now, before that changes or goes.
 * 0 or -ENOMEM. */
int flow_settle_reuse(struct flows *flows, uint32_t behind);

int flow_forget(struct flows *flows, uint32_t id); /* 0 or -ENOMEM */
void flow_store_done(struct flows *flows);

/* --- flow_idle.c --- */

/* The connection that had no segment for longest; there is one. 0 or -ENOMEM. */
int flow_idlest(struct flows *flows, uint32_t *ret);

/* --- flow_take.c --- */

/* The usual segment, in order, of an open connection: takes it and returns true when nothing but
 * counts and numbers changes by it. Without a history. */
bool flow_pass(struct flow *flow, unsigned from, const struct segment *segment);

/* A segment of the connection, sent by @from. 0 or -ENOMEM. */
int flow_take(struct flows *flows, uint32_t id, unsigned from, const struct segment *segment);

/* The client's SYN again, @count times, the last time as @syn. */
int flow_take_syns_again(struct flows *flows, uint32_t id, const struct segment *syn,
			 uint32_t count);

/* When an end entered its state, or FINDING_TIME_UNKNOWN. */
int64_t flow_since(const struct flow *flow, const struct flow_close *close, unsigned end);

/* --- flow_finding.c --- */

void flow_finding(const struct flows *flows, uint32_t id, struct finding *ret);

/* What the next connection on the pair, begun at @syn_ns, has to say of this one. */
void flow_reuse_of(const struct flows *flows, uint32_t before, int64_t syn_ns,
		   struct flow_reuse *ret);

/* --- flow_history.c --- */

void flow_history_add(struct flow_history *history, unsigned from, const struct segment *segment,
		      enum segment_role role, bool repeated, bool gap);
void flow_history_flip(struct flow_history *history);

#endif
