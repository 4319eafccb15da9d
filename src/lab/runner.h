/*
 * The runner: experiments in processes of their own, all at once or a few at a time, those that
 * measure speed alone and last. It prints nothing: a listener is told what happens.
 */
#ifndef CONTEST_LAB_RUNNER_H
#define CONTEST_LAB_RUNNER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "lab/play.h"

enum runner_news {
	RUNNER_STARTED,	 /* an experiment began */
	RUNNER_STATE,	 /* its state or time left changed */
	RUNNER_FINISHED, /* its result is there */
	RUNNER_TICK,	 /* nothing new; called at least four times a second, for live lines */
};

struct runner_progress {
	const struct experiment *experiment;
	bool running, finished;
	char state[120];      /* what it says it is doing */
	double left_s;	      /* until it is done, as of now; < 0 unknown */
	double seconds;	      /* since it began */
	const json_t *result; /* when finished (borrowed) */
};

struct runner_options {
	const struct experiment *const *experiments; /* which, in this order */
	size_t count;
	unsigned jobs;	   /* at most so many at once; 0: no bound */
	double watchdog_s; /* 0: 90 s more than 1.5 times experiment_seconds(), of each */
	struct play_options play;
	/* Called in the runner's thread. @which: index of the experiment; RUNNER_TICK: count. */
	void (*listen)(enum runner_news news, const struct runner_progress *all, size_t count,
		       size_t which, void *context);
	void *context;
};

/*
 * Runs them. *ret is the document of the schema contest.lab/1 (owned), also when interrupted:
 * SIGINT and SIGTERM end all experiments; what was not finished is then missing from results[]
 * and "interrupted" is true. A process that dies without a result is that experiment's "error",
 * with the signal or exit status; one that outlives its watchdog is killed and is an "error".
 * 0, or -errno with @why when nothing could be run.
 */
int runner_run(const struct runner_options *options, json_t **ret, struct why *why);

#endif
