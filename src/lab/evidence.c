#include "lab/evidence.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct evidence {
	json_t *arms;	   /* array (owned) */
	char missing[160]; /* the first number that was asked for in vain; "" for none */
};

struct evidence *evidence_new(void)
{
	struct evidence *evidence = calloc(1, sizeof(*evidence));

	if (!evidence)
		return NULL;
	evidence->arms = json_array();
	if (!evidence->arms) {
		free(evidence);
		return NULL;
	}
	return evidence;
}

void evidence_free(struct evidence *evidence)
{
	if (!evidence)
		return;
	json_decref(evidence->arms);
	free(evidence);
}

int evidence_add_arm(struct evidence *evidence, json_t *arm)
{
	if (!json_is_string(json_object_get(arm, "name")) ||
	    !json_is_object(json_object_get(arm, "measured"))) {
		json_decref(arm);
		return -EINVAL;
	}
	return json_array_append_new(evidence->arms, arm) < 0 ? -ENOMEM : 0;
}

const json_t *evidence_arms(const struct evidence *evidence)
{
	return evidence->arms;
}

static json_t *find_arm(const struct evidence *evidence, const char *name)
{
	json_t *arm;
	size_t i;

	json_array_foreach (evidence->arms, i, arm)
		if (strcmp(json_string_value(json_object_get(arm, "name")), name) == 0)
			return arm;
	return NULL;
}

static json_t *find(const struct evidence *evidence, const char *arm, const char *name)
{
	return json_object_get(json_object_get(find_arm(evidence, arm), "measured"), name);
}

bool evidence_has(const struct evidence *evidence, const char *arm)
{
	const char *outcome =
		json_string_value(json_object_get(find_arm(evidence, arm), "outcome"));

	return outcome && strcmp(outcome, "done") == 0;
}

bool evidence_knows(const struct evidence *evidence, const char *arm, const char *name)
{
	return find(evidence, arm, name) != NULL;
}

/* A judge is pure but for this note, which only makes its verdict more careful. */
static void note_missing(const struct evidence *evidence, const char *arm, const char *name)
{
	char *missing = ((struct evidence *)evidence)->missing;

	if (!missing[0])
		snprintf(missing, sizeof(evidence->missing), "%s: %s", arm, name);
}

double evidence_number(const struct evidence *evidence, const char *arm, const char *name)
{
	const json_t *value = find(evidence, arm, name);

	if (json_is_number(value))
		return json_number_value(value);
	note_missing(evidence, arm, name);
	return NAN;
}

bool evidence_is(const struct evidence *evidence, const char *arm, const char *name)
{
	double value = evidence_number(evidence, arm, name);

	return !isnan(value) && value != 0;
}

const char *evidence_text(const struct evidence *evidence, const char *arm, const char *name)
{
	const char *text = json_string_value(find(evidence, arm, name));

	if (text)
		return text;
	note_missing(evidence, arm, name);
	return "";
}

const char *evidence_missing(const struct evidence *evidence)
{
	return evidence->missing[0] ? evidence->missing : NULL;
}

static void set_made(struct evidence *evidence, const char *arm, const char *name, json_t *value)
{
	json_t *made = find_arm(evidence, arm);

	if (!made) {
		made = json_pack("{s:s, s:s, s:{}}", "name", arm, "outcome", "done", "measured");
		json_array_append_new(evidence->arms, made);
	}
	json_object_set_new(json_object_get(made, "measured"), name, value);
}

void evidence_set_number(struct evidence *evidence, const char *arm, const char *name, double value)
{
	set_made(evidence, arm, name, json_real(value));
}

void evidence_set_text(struct evidence *evidence, const char *arm, const char *name,
		       const char *value)
{
	set_made(evidence, arm, name, json_string(value));
}
