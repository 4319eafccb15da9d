/* Evidence, judgements, lines between processes, exchanges in results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lab/evidence.h"
#include "lab/exchange_json.h"
#include "lab/experiment.h"
#include "lab/judgement.h"
#include "lab/line_reader.h"
#include "lab/play.h"
#include "lab/stage.h"
#include "tcp/state.h"

/* ---- evidence */

static void evidence_gives_back_what_was_set(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_number(evidence, "arm", "life_s", 60.25);
	evidence_set_text(evidence, "arm", "errno", "ECONNRESET");
	assert_true(evidence_has(evidence, "arm"));
	assert_true(evidence_number(evidence, "arm", "life_s") == 60.25);
	assert_string_equal(evidence_text(evidence, "arm", "errno"), "ECONNRESET");
	assert_true(evidence_is(evidence, "arm", "life_s"));
	assert_null(evidence_missing(evidence));
	evidence_free(evidence);
}

static void evidence_remembers_the_first_missing_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	assert_false(evidence_has(evidence, "arm"));
	assert_false(evidence_knows(evidence, "arm", "life_s"));
	assert_null(evidence_missing(evidence));
	assert_true(isnan(evidence_number(evidence, "arm", "life_s")));
	assert_string_equal(evidence_text(evidence, "arm", "errno"), "");
	assert_string_equal(evidence_missing(evidence), "arm: life_s");
	evidence_free(evidence);
}

static void evidence_refuses_what_is_no_arm(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	assert_int_equal(evidence_add_arm(evidence, json_object()), -EINVAL);
	assert_int_equal(evidence_add_arm(evidence, json_string("arm")), -EINVAL);
	assert_int_equal(json_array_size(evidence_arms(evidence)), 0);
	evidence_free(evidence);
}

/* ---- judgements */

static void verdict_names_can_be_parsed(void **state)
{
	(void)state;
	for (int verdict = 0; verdict < VERDICT_COUNT; verdict++)
		assert_int_equal(verdict_parse(verdict_name(verdict)), verdict);
	assert_int_equal(verdict_parse("confirmed"), -EINVAL);
}

static void measured_numbers_are_rounded_and_named(void **state)
{
	struct judgement judgement;

	(void)state;
	judgement_init(&judgement);
	judge_measured(&judgement, 30.40049, "life_s_at_fin_timeout_%d", 75);
	judge_measured(&judgement, 2.0, "rst_count");
	judge_measured(&judgement, NAN, "nothing");
	assert_true(json_number_value(json_object_get(judgement.measured,
						      "life_s_at_fin_timeout_75")) == 30.4);
	assert_true(json_is_integer(json_object_get(judgement.measured, "rst_count")));
	assert_null(json_object_get(judgement.measured, "nothing"));
	judgement_done(&judgement);
}

static void judge_reads_a_missing_number(const struct evidence *evidence, struct judgement *ret)
{
	if (evidence_number(evidence, "arm", "life_s") > 59)
		judge_say(ret, VERDICT_HOLDS, "It holds.");
	else
		judge_say(ret, VERDICT_REFUTED, "It does not.");
}

static void a_missing_number_is_inconclusive(void **state)
{
	static const struct experiment made = {.judge = judge_reads_a_missing_number};
	struct evidence *evidence = evidence_new();
	struct judgement judgement;

	(void)state;
	judgement_init(&judgement);
	experiment_judge(&made, evidence, &judgement);
	assert_int_equal(judgement.verdict, VERDICT_INCONCLUSIVE);
	assert_non_null(strstr(judgement.summary, "arm: life_s"));

	evidence_free(evidence);
	evidence = evidence_new();
	evidence_set_number(evidence, "arm", "life_s", 60);
	experiment_judge(&made, evidence, &judgement);
	assert_int_equal(judgement.verdict, VERDICT_HOLDS);
	judgement_done(&judgement);
	evidence_free(evidence);
}

/* ---- the registry */

static void experiments_are_complete(void **state)
{
	(void)state;
	assert_non_null(experiments[0]);
	for (size_t i = 0; experiments[i]; i++) {
		const struct experiment *e = experiments[i];
		size_t treatments = 0, controls = 0;

		assert_ptr_equal(experiment_find(e->id), e);
		assert_true(e->claim && e->source && e->section && e->method && e->why);
		assert_true(e->judge && e->falsify);
		assert_true(e->arm_count >= 2 && e->arm_count <= EXPERIMENT_ARMS_MAX);
		for (size_t k = 0; k < e->arm_count; k++) {
			assert_true(e->arms[k].play && e->arms[k].what && e->arms[k].seconds > 0);
			treatments += e->arms[k].role == ARM_TREATMENT;
			controls += e->arms[k].role == ARM_CONTROL;
		}
		if (treatments == 0 || controls == 0)
			fail_msg("%s has no %s", e->id, treatments ? "control" : "treatment");
	}
	assert_null(experiment_find("no-such-thing"));
}

/* ---- lines */

static void collect(const char *text, size_t length, void *context)
{
	char *all = context;

	assert_int_equal(strlen(text), length);
	strcat(all, text);
	strcat(all, "|");
}

/* ---- playing */

/* Leaves when it was played, and takes long enough to be seen beside another. */
static int play_short(struct stage *stage)
{
	struct timespec nap = clock_timespec(20 * NS_PER_MS);

	stage_measure(stage, "began_s", clock_seconds(clock_now_ns()));
	nanosleep(&nap, NULL);
	stage_measure(stage, "ended_s", clock_seconds(clock_now_ns()));
	return 0;
}

static double second_began_after_first_s;

static void judge_turns(const struct evidence *evidence, struct judgement *ret)
{
	second_began_after_first_s = evidence_number(evidence, "second", "began_s") -
				     evidence_number(evidence, "first", "ended_s");
	judge_say(ret, VERDICT_HOLDS, "played");
}

static void arms_that_measure_speed_take_turns(void **state)
{
	static const struct arm arms[] = {
		{.name = "first", .what = "", .seconds = 1, .play = play_short},
		{.name = "second", .what = "", .seconds = 2, .play = play_short},
	};
	struct experiment made = {.id = "made",
				  .claim = "",
				  .source = "",
				  .section = "",
				  .arms = arms,
				  .arm_count = 2,
				  .judge = judge_turns};
	struct play_options options = {0};
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(experiment_seconds(&made) == 2);
	made.alone = true;
	assert_true(experiment_seconds(&made) == 3);
	second_began_after_first_s = -1;
	assert_int_equal(play_experiment(&made, &options, out), 0);
	assert_true(second_began_after_first_s >= 0);
	close(out);
}

static void lines_come_whole_whatever_the_pieces(void **state)
{
	struct line_reader reader = {0};
	char all[64] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "on", 2), 2);
	assert_int_equal(line_reader_feed(&reader, ends[0], collect, all), 2);
	assert_string_equal(all, "");
	assert_int_equal(write(ends[1], "e\ntwo\n\nthr", 10), 10);
	assert_int_equal(line_reader_feed(&reader, ends[0], collect, all), 10);
	assert_string_equal(all, "one|two||");
	close(ends[1]);
	assert_int_equal(line_reader_feed(&reader, ends[0], collect, all), 0);
	assert_string_equal(all, "one|two||"); /* its writer did not finish "thr" */
	close(ends[0]);
	line_reader_done(&reader);
}

/* ---- exchanges */

static struct exchange *made_exchange(void)
{
	struct exchange *exchange = exchange_new();
	struct exchange_row *row;

	exchange->left = strdup("client");
	exchange->right = strdup("server");
	exchange->left_address = strdup("10.0.0.1:40000");
	exchange->right_address = strdup("10.0.0.2:5000");
	exchange->left_out = 3;
	exchange->left_out_before = 1;
	row = exchange_add(exchange);
	row->flags = strdup("FIN+ACK");
	row->note = strdup("FIN, acknowledges no FIN");
	row->seq = 27;
	row->ack = 1;
	row->has_ack = true;
	row->from_right = true;
	row->fate = EXCHANGE_HELD;
	row->time_ns = 15 * NS_PER_MS / 10;
	row->delivered_ns = 2 * NS_PER_S;
	row->left_state = TCP_CLOSE_WAIT;
	row = exchange_add(exchange);
	row->flags = strdup("RST");
	row->fate = EXCHANGE_DROPPED;
	row->right_state = TCP_STATE_NONE;
	for (int fate = 0; fate < EXCHANGE_FATE_COUNT; fate++)
		exchange_add(exchange)->fate = fate;
	return exchange;
}

static void exchanges_survive_json(void **state)
{
	struct exchange *made = made_exchange(), *back;
	json_t *json = exchange_to_json(made);

	(void)state;
	assert_int_equal(exchange_from_json(json, &back), 0);
	assert_int_equal(back->count, 2 + EXCHANGE_FATE_COUNT);
	assert_int_equal(back->left_out, 3);
	assert_int_equal(back->left_out_before, 1);
	assert_string_equal(back->right_address, "10.0.0.2:5000");
	assert_null(back->title);
	assert_string_equal(back->rows[0].note, "FIN, acknowledges no FIN");
	assert_true(back->rows[0].from_right && back->rows[0].has_ack);
	assert_int_equal(back->rows[0].seq, 27);
	assert_int_equal(back->rows[0].time_ns, made->rows[0].time_ns);
	assert_int_equal(back->rows[0].delivered_ns, made->rows[0].delivered_ns);
	assert_int_equal(back->rows[0].fate, EXCHANGE_HELD);
	assert_int_equal(back->rows[0].left_state, TCP_CLOSE_WAIT);
	assert_int_equal(back->rows[0].right_state, -1);
	assert_int_equal(back->rows[1].fate, EXCHANGE_DROPPED);
	assert_int_equal(back->rows[1].right_state, TCP_STATE_NONE);
	assert_false(back->rows[1].has_ack);
	for (int fate = 0; fate < EXCHANGE_FATE_COUNT; fate++)
		assert_int_equal(back->rows[2 + fate].fate, fate);
	json_decref(json);
	exchange_free(made);
	exchange_free(back);
}

static void damaged_exchanges_are_refused(void **state)
{
	struct exchange *none = NULL;
	json_t *json = json_pack("{s:[{}]}", "rows");

	(void)state;
	assert_int_equal(exchange_from_json(json, &none), -EPROTO);
	json_decref(json);
	json = json_pack("{s:s}", "rows", "none");
	assert_int_equal(exchange_from_json(json, &none), -EPROTO);
	json_decref(json);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_gives_back_what_was_set),
		cmocka_unit_test(evidence_remembers_the_first_missing_number),
		cmocka_unit_test(evidence_refuses_what_is_no_arm),
		cmocka_unit_test(verdict_names_can_be_parsed),
		cmocka_unit_test(measured_numbers_are_rounded_and_named),
		cmocka_unit_test(a_missing_number_is_inconclusive),
		cmocka_unit_test(experiments_are_complete),
		cmocka_unit_test(arms_that_measure_speed_take_turns),
		cmocka_unit_test(lines_come_whole_whatever_the_pieces),
		cmocka_unit_test(exchanges_survive_json),
		cmocka_unit_test(damaged_exchanges_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
