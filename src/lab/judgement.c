#include "lab/judgement.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const verdict_names[] = {
	[VERDICT_HOLDS] = "holds",
	[VERDICT_REFUTED] = "refuted",
	[VERDICT_CHANGED] = "changed",
	[VERDICT_INCONCLUSIVE] = "inconclusive",
	[VERDICT_NOT_TESTABLE] = "not testable here",
	[VERDICT_ERROR] = "error",
};
static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == VERDICT_COUNT,
	      "a name for each verdict");

const char *verdict_name(enum verdict verdict)
{
	return (unsigned)verdict < VERDICT_COUNT ? verdict_names[verdict] : "?";
}

int verdict_parse(const char *name)
{
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (strcmp(name, verdict_names[i]) == 0)
			return i;
	return -EINVAL;
}

void judgement_init(struct judgement *judgement)
{
	*judgement = (struct judgement){.verdict = VERDICT_INCONCLUSIVE, .measured = json_object()};
	snprintf(judgement->summary, sizeof(judgement->summary), "The judge came to no verdict.");
}

void judgement_done(struct judgement *judgement)
{
	json_decref(judgement->measured);
	judgement->measured = NULL;
}

void judge_say(struct judgement *judgement, enum verdict verdict, const char *summary, ...)
{
	va_list args;

	judgement->verdict = verdict;
	va_start(args, summary);
	vsnprintf(judgement->summary, sizeof(judgement->summary), summary, args);
	va_end(args);
}

void judge_deciding(struct judgement *judgement, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(judgement->deciding, sizeof(judgement->deciding), format, args);
	va_end(args);
}

static json_t *number(double value)
{
	/* Milliseconds are as fine as any observation of the lab; more digits would be noise. */
	value = round(value * 1000) / 1000;
	if (value == floor(value) && fabs(value) < 9e15)
		return json_integer((json_int_t)value);
	return json_real(value);
}

__attribute__((format(printf, 2, 0))) static void set(struct judgement *judgement,
						      const char *format, va_list args,
						      json_t *value)
{
	char name[128];

	vsnprintf(name, sizeof(name), format, args);
	json_object_set_new(judgement->measured, name, value);
}

void judge_measured(struct judgement *judgement, double value, const char *name, ...)
{
	va_list args;

	if (!isfinite(value))
		return;
	va_start(args, name);
	set(judgement, name, args, number(value));
	va_end(args);
}

void judge_measured_text(struct judgement *judgement, const char *value, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	set(judgement, name, args, json_string(value));
	va_end(args);
}
