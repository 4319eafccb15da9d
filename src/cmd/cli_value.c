/* Values of options: strict parsers, and the accessors that a command's function uses. */
#include "cmd/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Digits to a number; *text is moved behind them. */
static int take_digits(const char **text, int64_t *ret)
{
	int64_t number = 0;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;

	for (; isdigit((unsigned char)**text); (*text)++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, **text - '0', &number))
			return -ERANGE;
	*ret = number;
	return 0;
}

/* How many digits in a row: those of "12x" are not a number, those of a too long one are. */
static const char *skip_digits(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return text;
}

int cli_parse_number(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	int64_t number;
	int r;

	text += negative;
	if (*skip_digits(text) != '\0')
		return -EINVAL;
	r = take_digits(&text, &number);
	if (r < 0)
		return r;
	*ret = negative ? -number : number;
	return 0;
}

static int64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"ns", 1},
		{"us", NS_PER_US},
		{"ms", NS_PER_MS},
		{"s", NS_PER_S},
		{"m", 60 * NS_PER_S},
		{"h", 3600 * NS_PER_S},
		{"min", 60 * NS_PER_S},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ns;
	return 0;
}

/* The part behind the point: ".25" of a unit. What is less than a nanosecond is cut. */
static int64_t fraction_ns(const char *digits, int64_t unit)
{
	int64_t ns = 0, part = unit;

	for (; isdigit((unsigned char)*digits) && part > 0; digits++) {
		/* Of 3600 s each digit's place divides evenly until it no longer matters. */
		part /= 10;
		ns += (*digits - '0') * part;
	}
	return ns;
}

int cli_parse_duration(const char *text, int64_t *ret_ns)
{
	const char *point = skip_digits(text), *unit_name = point;
	int64_t unit, whole, ns;
	int r;

	if (*point == '.') {
		unit_name = skip_digits(point + 1);
		if (unit_name == point + 1)
			return -EINVAL;
	}
	unit = unit_ns(unit_name);
	if (!unit)
		return -EINVAL;

	r = take_digits(&text, &whole);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(whole, unit, &ns) ||
	    (*point == '.' && __builtin_add_overflow(ns, fraction_ns(point + 1, unit), &ns)))
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}

/* Whether an "s" behind it would be the unit: behind "5m" or "1u" it would make another one. */
static bool has_no_unit(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && isdigit((unsigned char)text[length - 1]);
}

int cli_parse_seconds(const char *text, int64_t *ret_ns)
{
	char with_unit[64];

	if (!has_no_unit(text) || strlen(text) + 2 > sizeof(with_unit))
		return cli_parse_duration(text, ret_ns);
	snprintf(with_unit, sizeof(with_unit), "%ss", text);
	return cli_parse_duration(with_unit, ret_ns);
}

int cli_parse_size(const char *text, int64_t *ret_bytes)
{
	static const char units[] = "kMG";
	const char *unit = skip_digits(text), *found;
	int64_t number, scale = 1;
	int r;

	if (*unit) {
		found = unit[1] ? NULL : strchr(units, *unit == 'K' ? 'k' : *unit);
		if (!found)
			return -EINVAL;
		scale <<= 10 * (found - units + 1);
	}
	r = take_digits(&text, &number);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(number, scale, &number))
		return -ERANGE;
	*ret_bytes = number;
	return 0;
}

const char *cli_option_word(const struct cli_option *option, size_t index)
{
	if (option->word)
		return option->word(index);
	return option->choices ? option->choices[index] : NULL;
}

size_t cli_option_count(const struct cli_option *options)
{
	size_t count = 0;

	while (options && options[count].name)
		count++;
	return count;
}

const struct cli_option *cli_option_at(const struct command *command, size_t index)
{
	size_t own = command ? cli_option_count(command->options) : 0;
	size_t common = command ? CLI_COMMON_OPTIONS - 1 : CLI_COMMON_OPTIONS;

	if (index < own)
		return &command->options[index];
	return index - own < common ? &cli_common_options[index - own] : NULL;
}

static const struct cli_value *value_of(const struct invocation *call, const char *name,
					unsigned kinds)
{
	const struct cli_option *options = call->command->options;

	for (size_t i = 0; i < cli_option_count(options); i++)
		if (strcmp(options[i].name, name) == 0 && (kinds & 1U << options[i].kind))
			return &call->values[i];
	abort();
}

bool invocation_flag(const struct invocation *call, const char *name)
{
	return value_of(call, name, 1U << OPTION_FLAG)->text;
}

bool invocation_given(const struct invocation *call, const char *name)
{
	return value_of(call, name, ~0U)->text;
}

const char *invocation_text(const struct invocation *call, const char *name, const char *otherwise)
{
	const struct cli_value *value =
		value_of(call, name, 1U << OPTION_TEXT | 1U << OPTION_PATH | 1U << OPTION_CHOICE);

	return value->text ? value->text : otherwise;
}

static int64_t number_of(const struct invocation *call, const char *name, enum option_kind kind,
			 int64_t otherwise)
{
	const struct cli_value *value = value_of(call, name, 1U << kind);

	return value->text ? value->number : otherwise;
}

int64_t invocation_number(const struct invocation *call, const char *name, int64_t otherwise)
{
	return number_of(call, name, OPTION_NUMBER, otherwise);
}

int64_t invocation_duration_ns(const struct invocation *call, const char *name, int64_t otherwise)
{
	return number_of(call, name, OPTION_DURATION, otherwise);
}

int64_t invocation_size(const struct invocation *call, const char *name, int64_t otherwise)
{
	return number_of(call, name, OPTION_SIZE, otherwise);
}

const char *invocation_text_at(const struct invocation *call, const char *name, size_t index)
{
	const struct cli_option *option;

	option = &call->command->options[value_of(call, name, ~0U) - call->values];
	if (!option->repeats)
		abort();
	for (size_t i = 0; i < call->repeat_count; i++)
		if (call->repeats[i].option == option && index-- == 0)
			return call->repeats[i].value.text;
	return NULL;
}

int invocation_choice(const struct invocation *call, const char *name, int otherwise)
{
	return (int)number_of(call, name, OPTION_CHOICE, otherwise);
}

char *invocation_operands(const struct invocation *call)
{
	size_t length = 1;
	char *text, *at;

	for (size_t i = 0; i < call->operand_count; i++)
		length += strlen(call->operands[i]) + 1;
	text = at = calloc(1, length);
	for (size_t i = 0; text && i < call->operand_count; i++)
		at += sprintf(at, "%s%s", i ? " " : "", call->operands[i]);
	return text;
}
