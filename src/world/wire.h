/*
 * The wire: every packet between the hosts of a world passes through this program. It is
 * recorded, held against the rules, and forwarded to the host that owns its target address.
 *
 * One thread owns the wire. It takes one packet at a time from a host's device and writes it to
 * another's, so packets that no rule touched keep their order per pair of hosts; that none is
 * lost is not believed but audited: wire_audit() holds the counters of all devices against what
 * the wire took and gave.
 *
 * All functions may be called from any thread.
 */
#ifndef CONTEST_WORLD_WIRE_H
#define CONTEST_WORLD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "tcp/key.h"

struct wire;

#define WIRE_ANY_HOST (-1)
#define WIRE_FOREVER  0 /* wire_match.count: no upper bound */

/* Which packets. All of what is set must fit; zeroed matches every packet from host 0, so begin
 * with WIRE_MATCH_ALL. */
struct wire_match {
	int from, to;		   /* host index, or WIRE_ANY_HOST */
	uint8_t flags_set;	   /* enum tcp_flag: all of these … */
	uint8_t flags_clear;	   /* … and none of these */
	bool any_protocol;	   /* also what is not TCP; else only TCP matches */
	const struct tcp_key *key; /* only this connection, in either direction (copied); or NULL */
	enum wire_payload { WIRE_PAYLOAD_ANY, WIRE_PAYLOAD_NONE, WIRE_PAYLOAD_SOME } payload;
	const void *payload_bytes; /* the payload begins with these (copied), or NULL */
	size_t payload_length;
	unsigned skip;	/* leave out the first so many that fit */
	unsigned count; /* then take so many; WIRE_FOREVER */
};
#define WIRE_MATCH_ALL ((struct wire_match){.from = WIRE_ANY_HOST, .to = WIRE_ANY_HOST})

enum wire_verb {
	WIRE_PASS, /* do nothing, but count: wire_rule_hits() */
	WIRE_DROP,
	WIRE_HOLD,    /* keep until wire_rule_release() */
	WIRE_DELAY,   /* deliver after delay_ns */
	WIRE_REPEAT,  /* deliver now, and a copy after delay_ns */
	WIRE_REWRITE, /* change it by rewrite(), then go on with the next rule */
};

/*
 * Changes a raw IP packet in place: *length may shrink, or grow up to @room. Checksums are set
 * afterwards by the wire. Runs in the wire's thread; must not call the wire. Returns 0, or a
 * negative errno to drop the packet.
 */
typedef int (*wire_rewrite)(uint8_t *packet, size_t *length, size_t room, void *context);

struct wire_rule {
	struct wire_match match;
	enum wire_verb verb;
	int64_t delay_ns;
	wire_rewrite rewrite;
	void *context;	  /* (borrowed) */
	const char *note; /* said in the record of each packet it took (copied), or NULL */
};

/* Rules are tried in the order they were added; the first that fits and is not WIRE_REWRITE or
 * WIRE_PASS decides. Returns the rule's number (>= 0), or -errno. */
int wire_rule_add(struct wire *wire, const struct wire_rule *rule);
/* Takes the rule away; what it still holds is released in order, what it delayed stays due. */
int wire_rule_remove(struct wire *wire, int rule);
/* Delivers what the rule holds, in the order it came; the rule goes on holding what comes. The
 * number of packets, or -errno. */
int wire_rule_release(struct wire *wire, int rule);
/* Drops what the rule holds; the number of packets, or -errno. */
int wire_rule_discard(struct wire *wire, int rule);
/* Packets that the rule has taken so far (after skip, up to count). */
int wire_rule_hits(struct wire *wire, int rule);
/* Waits until the rule has taken @hits packets. 0, -ETIMEDOUT, or -ENOENT when it is taken away. */
int wire_rule_wait(struct wire *wire, int rule, unsigned hits, int64_t timeout_ns);

/* Ready rewrites. wire_rewrite_strip_option: context points to a uint8_t, the TCP option kind,
 * replaced by NOPs. wire_rewrite_address: context points to a struct wire_translation; source
 * and target endpoints equal to .from become .to (.from.port 0: any port; .to.port 0: it is kept).
 * Both ways of a connection take two rules. */
int wire_rewrite_strip_option(uint8_t *packet, size_t *length, size_t room, void *context);
struct wire_translation {
	struct tcp_endpoint from, to;
};
int wire_rewrite_address(uint8_t *packet, size_t *length, size_t room, void *context);

/* Puts a raw IP packet on the wire towards host @to, as if host @from had sent it (recorded as
 * injected). No rule is held against it. The checksums are set for TCP. 0, -EINVAL, -EMSGSIZE
 * (more than 1500 bytes), -ENOMEM. */
int wire_inject(struct wire *wire, size_t from, size_t to, const void *packet, size_t length,
		const char *note);

/* What happened to one packet. */
enum wire_fate { WIRE_DELIVERED, WIRE_DROPPED, WIRE_HELD, WIRE_WAITING, WIRE_UNROUTABLE };

struct wire_record {
	int64_t time_ns; /* CLOCK_MONOTONIC when it left its host; a repeat: when the first did */
	int64_t delivered_ns;		  /* when it was given to the other; 0: not, or not yet */
	int from, to;			  /* host indices; to is -1 when no host owns the target */
	enum wire_fate fate;		  /* WIRE_HELD, WIRE_WAITING: still */
	bool injected, rewritten, repeat; /* repeat: the copy that WIRE_REPEAT made */
	uint32_t length;
	const uint8_t *data; /* raw IP packet as it left its host (borrowed from the wire) */
	char note[80];
};

/*
 * Copies record @index (from 0, in the order of leaving) to *ret; the data stays where it is
 * until the world ends. -ENOENT beyond the last.
 */
int wire_record(struct wire *wire, size_t index, struct wire_record *ret);
size_t wire_record_count(struct wire *wire);

/*
 * Calls @fn in the wire's thread after each packet that was delivered or dropped; NULL stops
 * that: it is not running any more when this returns. The function must be quick and must not
 * call the wire.
 */
void wire_set_listener(struct wire *wire, void (*fn)(void *context), void *context);

/*
 * Holds the counters of the kernel's devices against those of the wire. 0 when each packet that
 * a host sent was taken, and each that the wire gave was received; else -EIO with what is
 * missing and where in @why. Waits shortly for packets that are on their way.
 */
int wire_audit(struct wire *wire, struct why *why);

#endif
