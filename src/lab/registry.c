/* All experiments, in the order of CLAIMS.md. One line each; one file each in experiments/. */
#include "lab/experiment.h"

#include <string.h>

#include "lab/experiments/list.h"

const struct experiment *const experiments[] = {
#define EXPERIMENT(name) &experiment_##name,
	EXPERIMENT_LIST
#undef EXPERIMENT
		NULL,
};

/* What a newcomer waits for gladly; the next longer experiments need a minute of TIME-WAIT. */
#define QUICK_SECONDS 12.0

const struct experiment *experiment_find(const char *id)
{
	for (size_t i = 0; experiments[i]; i++)
		if (strcmp(experiments[i]->id, id) == 0)
			return experiments[i];
	return NULL;
}

double experiment_seconds(const struct experiment *experiment)
{
	double longest = 0, sum = 0;

	for (size_t i = 0; i < experiment->arm_count; i++) {
		sum += experiment->arms[i].seconds;
		if (experiment->arms[i].seconds > longest)
			longest = experiment->arms[i].seconds;
	}
	return experiment->alone ? sum : longest;
}

bool experiment_is_quick(const struct experiment *experiment)
{
	return !experiment->alone && experiment_seconds(experiment) <= QUICK_SECONDS;
}

void experiment_judge(const struct experiment *experiment, const struct evidence *evidence,
		      struct judgement *ret)
{
	experiment->judge(evidence, ret);
	if (evidence_missing(evidence))
		judge_say(ret, VERDICT_INCONCLUSIVE, "The number \"%s\" was not measured.",
			  evidence_missing(evidence));
}
