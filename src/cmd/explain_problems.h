/*
 * What deserves a look, worst first; the same problem at the same server is told once, with how
 * many connections have it. Bounded memory.
 */
#ifndef CONTEST_CMD_EXPLAIN_PROBLEMS_H
#define CONTEST_CMD_EXPLAIN_PROBLEMS_H

#include <stdint.h>

#include "cmd/explain_names.h"
#include "explain/finding.h"
#include "render/screen.h"

/* Servers that are told apart for each kind of problem, the first that come (twice where the blame
 * is now here, now there); the rest are counted together. */
#define PROBLEM_SERVERS 512

struct explain_problems;

struct explain_problems *explain_problems_new(void); /* NULL when memory is short */
void explain_problems_free(struct explain_problems *problems);

/* Any connection: those without a problem are only counted. 0 or -ENOMEM. */
int explain_problems_add(struct explain_problems *problems, const struct finding *finding);

/* Connections with a problem so far. */
uint64_t explain_problems_count(const struct explain_problems *problems);

/*
 * Prints them. @command is how the same capture is looked at again ("contest explain a.pcap"), to
 * which it adds "--connection 17 --ladder"; NULL: the option alone. @names may be NULL.
 */
void explain_problems_print(const struct screen *screen, const struct explain_problems *problems,
			    const struct explain_names *names, const char *command);

#endif
