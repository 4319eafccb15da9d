#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void say(struct why *why, const char *format,
						      va_list args)
{
	vsnprintf(why->text, sizeof(why->text), format, args);
}

int why_set(struct why *why, int error, const char *format, ...)
{
	va_list args;
	size_t used;

	if (!why)
		return error;

	va_start(args, format);
	say(why, format, args);
	va_end(args);

	used = strlen(why->text);
	if (error)
		snprintf(why->text + used, sizeof(why->text) - used, ": %s", strerror(abs(error)));
	return error;
}

int why_say(struct why *why, int error, const char *format, ...)
{
	va_list args;

	if (!why)
		return error;

	va_start(args, format);
	say(why, format, args);
	va_end(args);
	return error;
}

const char *errno_name(int error)
{
	static _Thread_local char number[24];
	const char *name = strerrorname_np(abs(error));

	if (name)
		return name;
	snprintf(number, sizeof(number), "errno %d", abs(error));
	return number;
}
