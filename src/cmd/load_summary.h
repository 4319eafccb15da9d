/* From a run (generator, watch) to its result and to what limits it. */
#ifndef CONTEST_CMD_LOAD_SUMMARY_H
#define CONTEST_CMD_LOAD_SUMMARY_H

#include "cmd/load_result.h"
#include "cmd/load_targets.h"
#include "load/generator.h"

/* What there is to know about a run, while it runs or when it has ended. All borrowed. */
struct load_facts {
	const struct load_plan *plan;
	const struct load_targets *targets;
	const struct watch_host *host;
	const struct generator *generator;
	struct watch *watch;
	const char *command; /* the command line */
	int64_t stopped_ns;  /* when it was interrupted; 0: it was not */
	int64_t ended_ns;    /* when its workers had ended; 0: they have not */
	unsigned died;	     /* of them */
};

/* Ports of one source towards one destination. */
uint64_t load_ports_available(const struct load_facts *facts);

/* What limits it. @ports_used: towards each destination, or NULL. */
void load_summary_limit(const struct load_facts *facts, const uint64_t *ports_used,
			struct limit_verdict *ret);

/*
 * Waits until the kernel's counters agree with ours or have come to rest: the last FINs may still
 * be under way. A fraction of a second, mostly nothing; 2 s at most.
 */
void load_summary_settle(const struct load_facts *facts);

/* The result of a run that has ended, after a last look. 0 with *ret (owned), or -ENOMEM. */
int load_summary_make(const struct load_facts *facts, struct load_result **ret);

#endif
