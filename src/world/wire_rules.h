/* The rules of a wire: which packets fit, and what a packet's way through them is. No kernel. */
#ifndef CONTEST_WORLD_WIRE_RULES_H
#define CONTEST_WORLD_WIRE_RULES_H

#include "tcp/segment.h"
#include "world/parcel.h"
#include "world/records.h"
#include "world/routes.h"
#include "world/wire.h"

struct rule {
	struct wire_rule spec; /* with copies of what it points to */
	struct tcp_key key;    /* spec.match.key points here, or is NULL */
	unsigned seen, hits;   /* packets that fit; that were taken of those */
	bool removed;
	struct parcel_queue held;
};

struct rules {
	struct rule **items; /* (owned); the number of a rule is its index */
	size_t count, capacity;
};

/* A packet as the rules see it; rewriting changes it. */
struct work {
	int from, to;  /* to is -1 without a host that owns the target */
	uint8_t *data; /* (borrowed) */
	size_t length, room;
	bool is_tcp;
	struct segment segment;
	bool rewritten;
};

/* Fills the rest of @work from its data. */
void work_look(struct work *work, const struct routes *routes);

/* Whether the packet fits, skip and count aside. */
bool match_fits(const struct wire_match *match, const struct work *work);

/* 0 or more: the rule's number; -EINVAL, -ENOMEM. */
int rules_add(struct rules *rules, const struct wire_rule *spec);
/* The rule of that number, removed ones too, or NULL. */
struct rule *rules_get(const struct rules *rules, int number);
void rules_done(struct rules *rules);

/* Marks in rules_pass(): what the packet came through. */
struct passage {
	struct rule *decider; /* the rule that decides, or NULL: deliver it */
	bool hit;	      /* some rule took it */
	int error;	      /* a rewrite said to drop it */
};

/* Takes the packet through the rules: rewrites it, counts, notes in @record. */
struct passage rules_pass(struct rules *rules, const struct routes *routes, struct work *work,
			  struct wire_record *record);

/* Sets the checksums after a change: TCP and UDP, and the header of IPv4. */
void wire_fix_checksums(uint8_t *packet, size_t length);

#endif
