#include "lab/experiments/judge_test.h"

#include <math.h>
#include <string.h>

/* The age at which an arm reused TIME-WAIT; NAN: it did not. */
static void set_age(struct evidence *evidence, const char *arm, double age_s)
{
	evidence_set_number(evidence, arm, "reused", !isnan(age_s));
	evidence_set_number(evidence, arm, "refused_until_s", isnan(age_s) ? 4.99 : age_s - 0.003);
	evidence_set_text(evidence, arm, "last_errno", isnan(age_s) ? "EADDRNOTAVAIL" : "none");
	evidence_set_text(evidence, arm, "tcp_tw_reuse_delay_ms", "1000");
	if (!isnan(age_s))
		evidence_set_number(evidence, arm, "reused_at_s", age_s);
}

static struct evidence *made(double early, double late, double named, double off)
{
	struct evidence *evidence = evidence_new();

	set_age(evidence, "early-in-second", early);
	set_age(evidence, "late-in-second", late);
	set_age(evidence, "named-port", named);
	set_age(evidence, "reuse-off", off);
	return evidence;
}

static enum verdict verdict_of(double early, double late, double off)
{
	return judge_made(&experiment_reuse_delay, made(early, late, 0.004, off));
}

static void holds(void **state)
{
	struct evidence *evidence = made(1.004, 1.003, 0.004, NAN);

	(void)state;
	assert_int_equal(verdict_of(1.003, 1.004, NAN), VERDICT_HOLDS);
	assert_int_equal(judge_made(&experiment_reuse_delay, made(1.2, 1.4, NAN, NAN)),
			 VERDICT_HOLDS);
	set_age(evidence, "delay-1", 0.004);
	set_age(evidence, "delay-100", 0.104);
	set_age(evidence, "delay-3000", 3.004);
	assert_int_equal(judge_made(&experiment_reuse_delay, evidence), VERDICT_HOLDS);
}

static void assert_says(struct evidence *evidence, enum verdict verdict, const char *text)
{
	struct judgement judgement;

	judgement_init(&judgement);
	experiment_judge(&experiment_reuse_delay, evidence, &judgement);
	assert_int_equal(judgement.verdict, verdict);
	assert_non_null(strstr(judgement.summary, text));
	judgement_done(&judgement);
	evidence_free(evidence);
}

/* The sysctl is not the claim, but what it does is said. */
static void tells_of_the_sysctl(void **state)
{
	struct evidence *evidence = made(1.004, 1.003, 0.004, NAN);

	(void)state;
	set_age(evidence, "delay-3000", 1.004);
	assert_says(evidence, VERDICT_HOLDS, "not obeyed");

	evidence = made(0.95, 0.4, 0.004, NAN);
	assert_says(evidence, VERDICT_REFUTED, "set to 1000 ms");
	evidence = made(0.95, 0.4, 0.004, NAN);
	evidence_set_text(evidence, "late-in-second", "tcp_tw_reuse_delay_ms", "none");
	assert_says(evidence, VERDICT_REFUTED, "whole seconds");
}

static void refuted_when_it_is_sooner(void **state)
{
	(void)state;
	/* whole seconds, as before 6.14 */
	assert_int_equal(verdict_of(0.95, 0.4, NAN), VERDICT_REFUTED);
	assert_int_equal(verdict_of(0.95, 1.003, NAN), VERDICT_REFUTED);
}

static void refuted_when_it_is_later_or_never(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2.004, 2.004, NAN), VERDICT_REFUTED);
	assert_int_equal(verdict_of(NAN, NAN, NAN), VERDICT_REFUTED);
}

/* A late try is no late reuse; no try at all for a second says nothing. */
static void a_busy_machine_does_not_refute(void **state)
{
	struct evidence *evidence = made(1.004, 1.7, 0.004, NAN);

	(void)state;
	evidence_set_number(evidence, "late-in-second", "refused_until_s", 0.98);
	assert_int_equal(judge_made(&experiment_reuse_delay, evidence), VERDICT_HOLDS);
	evidence = made(1.004, 1.7, 0.004, NAN);
	evidence_set_number(evidence, "late-in-second", "refused_until_s", 0.6);
	assert_int_equal(judge_made(&experiment_reuse_delay, evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_setting_does_not_matter(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(1.003, 1.003, 1.003), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = made(1.003, 1.003, 0.004, NAN);

	(void)state;
	assert_int_equal(judge_made(&experiment_reuse_delay, evidence_new()), VERDICT_INCONCLUSIVE);
	evidence_set_number(evidence, "delay-1", "reused", 1);
	assert_int_equal(judge_made(&experiment_reuse_delay, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(tells_of_the_sysctl),
		cmocka_unit_test(refuted_when_it_is_sooner),
		cmocka_unit_test(refuted_when_it_is_later_or_never),
		cmocka_unit_test(a_busy_machine_does_not_refute),
		cmocka_unit_test(inconclusive_when_the_setting_does_not_matter),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
