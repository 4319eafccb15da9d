#include "lab/experiments/judge_test.h"

struct close {
	int segments, first_ack, fin2, last, of_data; /* first_ack < 0: none */
};

static const struct close four = {4, 1, 1, 1, 0};
static const struct close three = {3, -1, 1, 1, 0};
static const struct close with_data = {4, 0, 1, 1, 1};

static void set(struct evidence *evidence, const char *arm, struct close close)
{
	evidence_set_text(evidence, arm, "segments", "FIN+ACK(K,L) …");
	evidence_set_number(evidence, arm, "segments_count", close.segments);
	evidence_set_number(evidence, arm, "fin2_ack_minus_k", close.fin2);
	evidence_set_number(evidence, arm, "last_ack_seq_minus_k", close.last);
	evidence_set_number(evidence, arm, "acks_of_data_only_count", close.of_data);
	if (close.first_ack >= 0)
		evidence_set_number(evidence, arm, "first_ack_minus_k", close.first_ack);
}

static struct evidence *closes(struct close later, struct close data, struct close delayed,
			       struct close at_once)
{
	struct evidence *evidence = evidence_new();

	set(evidence, "closes-later", later);
	evidence_set_number(evidence, "closes-later", "ack_of_fin_after_s", 0.044);
	set(evidence, "data-under-way", data);
	set(evidence, "acks-delayed", delayed);
	set(evidence, "closes-at-once", at_once);
	return evidence;
}

static enum verdict verdict_of(struct close later, struct close data, struct close delayed,
			       struct close at_once)
{
	return judge_made(&experiment_close_segments, closes(later, data, delayed, at_once));
}

static struct close ending_with(struct close close, int last)
{
	close.last = last;
	return close;
}

static void refuted_when_the_last_ack_is_behind_the_fin(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(four, with_data, three, three), VERDICT_REFUTED);
}

static void holds_when_the_last_ack_carries_k(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(ending_with(four, 0), ending_with(with_data, 0),
				    ending_with(three, 0), ending_with(three, 0)),
			 VERDICT_HOLDS);
}

static void inconclusive_when_closes_disagree(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(four, with_data, three, ending_with(three, 0)),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_control_acks_k_too(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(four, with_data, three, with_data), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(four, three, three, three), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_no_ack_is_of_the_fin(void **state)
{
	struct close short_of_fin = {4, 0, 1, 1, 0};

	(void)state;
	assert_int_equal(verdict_of(short_of_fin, with_data, three, three), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct close no_first_ack = {3, -1, 1, 1, 0};

	(void)state;
	assert_int_equal(verdict_of(no_first_ack, with_data, three, three), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuted_when_the_last_ack_is_behind_the_fin),
		cmocka_unit_test(holds_when_the_last_ack_carries_k),
		cmocka_unit_test(inconclusive_when_closes_disagree),
		cmocka_unit_test(inconclusive_when_the_control_acks_k_too),
		cmocka_unit_test(inconclusive_when_no_ack_is_of_the_fin),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
