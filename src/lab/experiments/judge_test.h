/* For tests of judges: a verdict out of made evidence. */
#ifndef CONTEST_LAB_EXPERIMENTS_JUDGE_TEST_H
#define CONTEST_LAB_EXPERIMENTS_JUDGE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/experiment.h"
#include "lab/experiments/list.h"

/* The verdict on @evidence, which it frees. Checks that a verdict is explained. */
static inline enum verdict judge_made(const struct experiment *experiment,
				      struct evidence *evidence)
{
	struct judgement judgement;
	enum verdict verdict;

	judgement_init(&judgement);
	experiment_judge(experiment, evidence, &judgement);
	verdict = judgement.verdict;
	assert_true(judgement.summary[0] != '\0');
	judgement_done(&judgement);
	evidence_free(evidence);
	return verdict;
}

#endif
