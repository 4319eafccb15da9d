#include "lab/experiments/judge_test.h"

#include <string.h>

#define IN_USE	  "EADDRINUSE"
#define NOT_AVAIL "EADDRNOTAVAIL"
#define NONE	  "none"

struct errors {
	const char *neither, *option, *sysctl;
};

static struct evidence *made(const struct errors *binds, const struct errors *connects,
			     const char *named)
{
	const struct {
		const char *arm, *error;
	} arms[] = {
		{"bind-neither", binds->neither},	 {"bind-reuseaddr", binds->option},
		{"bind-tw-reuse", binds->sysctl},	 {"connect-neither", connects->neither},
		{"connect-reuseaddr", connects->option}, {"connect-tw-reuse", connects->sysctl},
		{"connect-reuseaddr-named", named},
	};
	struct evidence *evidence = evidence_new();

	for (size_t i = 0; i < sizeof(arms) / sizeof(arms[0]); i++) {
		evidence_set_number(evidence, arms[i].arm, "time_wait_count", 10);
		evidence_set_text(evidence, arms[i].arm, "errno", arms[i].error);
	}
	return evidence;
}

static enum verdict verdict_of(struct errors binds, struct errors connects)
{
	return judge_made(&experiment_reuseaddr_is_not_tw_reuse, made(&binds, &connects, NONE));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct errors){IN_USE, NONE, IN_USE},
				    (struct errors){NOT_AVAIL, NOT_AVAIL, NONE}),
			 VERDICT_HOLDS);
}

static void refuted_when_they_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct errors){IN_USE, NONE, NONE},
				    (struct errors){NOT_AVAIL, NONE, NONE}),
			 VERDICT_REFUTED);
}

static void refuted_when_one_does_the_others_work(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct errors){IN_USE, NONE, NONE},
				    (struct errors){NOT_AVAIL, NOT_AVAIL, NONE}),
			 VERDICT_REFUTED);
	assert_int_equal(verdict_of((struct errors){IN_USE, NONE, IN_USE},
				    (struct errors){NOT_AVAIL, NONE, NONE}),
			 VERDICT_REFUTED);
}

static void refuted_when_one_cures_nothing(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct errors){IN_USE, NONE, IN_USE},
				    (struct errors){NOT_AVAIL, NOT_AVAIL, NOT_AVAIL}),
			 VERDICT_REFUTED);
	assert_int_equal(verdict_of((struct errors){IN_USE, IN_USE, IN_USE},
				    (struct errors){NOT_AVAIL, NOT_AVAIL, NONE}),
			 VERDICT_REFUTED);
}

static void inconclusive_when_nothing_fails(void **state)
{
	struct errors binds = {IN_USE, NONE, IN_USE}, connects = {NOT_AVAIL, NOT_AVAIL, NONE};
	struct evidence *evidence = made(&binds, &connects, NONE);

	(void)state;
	assert_int_equal(verdict_of((struct errors){NONE, NONE, NONE}, connects),
			 VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(binds, (struct errors){NONE, NONE, NONE}),
			 VERDICT_INCONCLUSIVE);
	/* refused, but not by TIME-WAIT */
	evidence_set_number(evidence, "bind-neither", "time_wait_count", 0);
	assert_int_equal(judge_made(&experiment_reuseaddr_is_not_tw_reuse, evidence),
			 VERDICT_INCONCLUSIVE);
}

static void tells_of_the_named_port(void **state)
{
	struct errors binds = {IN_USE, NONE, IN_USE}, connects = {NOT_AVAIL, NOT_AVAIL, NONE};
	const char *const named[] = {NONE, NOT_AVAIL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct evidence *evidence = made(&binds, &connects, named[i]);
		struct judgement judgement;

		judgement_init(&judgement);
		experiment_judge(&experiment_reuseaddr_is_not_tw_reuse, evidence, &judgement);
		assert_int_equal(judgement.verdict, VERDICT_HOLDS);
		assert_int_equal(strstr(judgement.summary, "its own port") != NULL, i == 0);
		judgement_done(&judgement);
		evidence_free(evidence);
	}
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_reuseaddr_is_not_tw_reuse, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_they_are_the_same),
		cmocka_unit_test(refuted_when_one_does_the_others_work),
		cmocka_unit_test(refuted_when_one_cures_nothing),
		cmocka_unit_test(inconclusive_when_nothing_fails),
		cmocka_unit_test(tells_of_the_named_port),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
