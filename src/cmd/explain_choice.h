/* Which connections are meant: by their numbers, or by an end. */
#ifndef CONTEST_CMD_EXPLAIN_CHOICE_H
#define CONTEST_CMD_EXPLAIN_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/explain_names.h"
#include "explain/finding.h"
#include "tcp/key.h"

struct explain_choice {
	struct chosen {
		const char *text;	      /* (borrowed) as it was given */
		uint64_t number;	      /* 0: an end is meant */
		bool has_endpoint;	      /* false: a name of tcpdump's text ("www:http") */
		struct tcp_endpoint endpoint; /* port 0: any */
		uint64_t met;		      /* connections that it was found to mean */
	} * at;				      /* (owned) */
	size_t count;			      /* 0: all are meant */
};

/* "12", "10.0.0.1:80", "[fd00::1]:80", "www:http". 0, -EINVAL when it can be none of them, -ENOMEM.
 * @text is borrowed. */
int explain_choice_add(struct explain_choice *choice, const char *text);
void explain_choice_done(struct explain_choice *choice);

/* Whether the connection is meant, which is counted. @names may be NULL. */
bool explain_choice_fits(struct explain_choice *choice, const struct finding *finding,
			 const struct explain_names *names);

/* The first one given that meant no connection, or NULL. */
const char *explain_choice_unmet(const struct explain_choice *choice);

#endif
