/*
 * An experiment settles one claim. It has arms that run in fresh worlds, each in a process of its
 * own, and a pure function that turns what they measured into a verdict.
 */
#ifndef CONTEST_LAB_EXPERIMENT_H
#define CONTEST_LAB_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lab/evidence.h"
#include "lab/judgement.h"

struct stage;

enum arm_role {
	ARM_TREATMENT,
	ARM_CONTROL, /* the outcome must differ here, else the experiment is inconclusive */
};

struct arm {
	const char *name; /* "server-first"; unique within the experiment */
	enum arm_role role;
	const char *what; /* one line: what is done here */
	double seconds;	  /* how long it takes, about: for the time left and for the watchdog */
	/*
	 * A missing feature (privilege, sysctl, module) in an optional arm leaves the verdict to
	 * the others: judge() sees no numbers of it (evidence_has()). In any other arm it makes the
	 * experiment not testable.
	 */
	bool optional;
	long value;	   /* what differs between arms that share play(): a sysctl's value */
	const void *extra; /* the same, for more than a number */
	/* The story. 0, or a negative errno after stage_fail(); TRY() does that. */
	int (*play)(struct stage *stage);
};

#define EXPERIMENT_ARMS_MAX 24

struct experiment {
	const char *id;	     /* "fin-wait2-timeout" */
	const char *claim;   /* a sentence that can be false */
	const char *source;  /* who says it: "article, 타임아웃"; "RFC 2525 2.17" */
	const char *section; /* letter and title in CLAIMS.md: "F. FIN_WAIT" */
	const char *method;  /* how it is settled: for `contest lab show` */
	const char *why;     /* why it matters to a user */
	const struct arm *arms;
	size_t arm_count;
	bool alone; /* measures speed: runs after the others, by itself; its arms take turns */
	/*
	 * Changes a stage that has just been opened so that the claim is false in it (a rule on the
	 * wire, a sysctl): `contest lab run --falsify` plays the arms in that world, and the
	 * verdict must be another one. This is how an experiment shows that it can fail. 0 or
	 * -errno.
	 */
	int (*falsify)(struct stage *stage);
	/* Turns evidence into the verdict. Pure: reads nothing but @evidence. */
	void (*judge)(const struct evidence *evidence, struct judgement *ret);
};

/* All experiments, in the order of CLAIMS.md, ended by NULL. */
extern const struct experiment *const experiments[];

/* The one of that id, or NULL. */
const struct experiment *experiment_find(const char *id);

/* How long it takes, in seconds: its longest arm, or the sum of those that take turns. */
double experiment_seconds(const struct experiment *experiment);

/*
 * The experiment's judge, and the rule that stands above all judges: a verdict for which a number
 * was missing is inconclusive, and says which.
 */
void experiment_judge(const struct experiment *experiment, const struct evidence *evidence,
		      struct judgement *ret);

/* Needs no long kernel timer: what `contest lab run --quick` runs. */
bool experiment_is_quick(const struct experiment *experiment);

#endif
