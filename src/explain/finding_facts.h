/* Small conclusions from a finding that its words share. Private to explain. */
#ifndef CONTEST_EXPLAIN_FINDING_FACTS_H
#define CONTEST_EXPLAIN_FINDING_FACTS_H

#include "explain/words.h"

static inline bool finding_sent_fin(const struct finding *finding, unsigned end)
{
	return finding->end[end].fin_seen || finding->end[end].fin_inferred;
}

static inline bool finding_any_fin(const struct finding *finding)
{
	return finding_sent_fin(finding, TRACK_CLIENT) || finding_sent_fin(finding, TRACK_SERVER);
}

/* Where only an ACK shows the FIN, nobody knows when it was sent. */
static inline int64_t finding_fin_ns(const struct finding *finding, unsigned end)
{
	const struct finding_end *me = &finding->end[end];

	return me->fin_seen && !me->fin_inferred ? me->fin_ns : FINDING_TIME_UNKNOWN;
}

/* Another TTL than its sender has elsewhere: perhaps it is from something in between. */
static inline bool finding_rst_foreign(const struct finding *finding)
{
	const struct finding_rst *rst = &finding->rst;

	return rst->any && rst->ttl_known && rst->ttl != rst->sender_ttl;
}

/* --- clauses about the RST (finding_rst.c) --- */

/* " at +3.000 s, 20 ms after its own FIN" */
void words_put_rst_moment(struct words *words);
/* ": likely …"; of one that looks foreign "; its TTL was …" */
void words_put_rst_why(struct words *words);
/* "; a RST of the client …" of one that ended nothing */
void words_put_rst_aside(struct words *words);

#endif
