/*
 * Connections in the form of Zeek's conn.log, for those who compare. The words are Zeek's, and so
 * are their rules, as far as a struct finding tells: a RST counts whether or not it could end the
 * connection, and only FINs that were captured count.
 */
#ifndef CONTEST_CMD_EXPLAIN_ZEEK_H
#define CONTEST_CMD_EXPLAIN_ZEEK_H

#include <stdio.h>

#include "cmd/explain_names.h"
#include "explain/finding.h"

/* Zeek's conn_state: "SF", "S0", "RSTO" … */
const char *explain_zeek_state(const struct finding *finding);

/* The lines that begin with "#". */
void explain_zeek_head(FILE *out);
/* @history: flows_history(). uid is "C" and the connection's number. @names may be NULL. */
void explain_zeek_finding(FILE *out, const struct finding *finding, const char *history,
			  const struct explain_names *names);
void explain_zeek_end(FILE *out);

#endif
