#include "cmd/closing_option.h"

#include <limits.h>
#include <string.h>

static const char *candidate(const void *context, size_t index)
{
	const struct closing_option *option = context;

	return option->word(index);
}

static int refuse(const struct invocation *call, const struct closing_option *option,
		  const char *text)
{
	const char *nearest = cli_nearest(text, candidate, option);

	return invocation_fail(call, CLI_USAGE, "option '--close': '%.100s' is not %s%s%s%s", text,
			       option->list, nearest ? "; did you mean '" : "",
			       nearest ? nearest : "", nearest ? "'?" : "");
}

static int read_linger(const struct invocation *call, const char *text, int *ret_seconds)
{
	int64_t number;

	if (*text++ != '=')
		return invocation_fail(call, CLI_USAGE,
				       "option '--close': linger needs its seconds: linger=5");
	/* sk_lingertime is in ticks; sock_setsockopt() cuts what is too much. */
	if (cli_parse_number(text, &number) < 0 || number < 0 || number > INT_MAX / 1000)
		return invocation_fail(call, CLI_USAGE,
				       "option '--close': '%.100s' of linger is not a whole number "
				       "of seconds from 0 to %d",
				       text, INT_MAX / 1000);
	*ret_seconds = (int)number;
	return CLI_DONE;
}

int closing_option_read(const struct invocation *call, const struct closing_option *option,
			int *ret, int *ret_linger_s)
{
	const char *text = invocation_text(call, "close", NULL);
	size_t linger = strlen("linger");
	int r;

	if (strncmp(text, "linger", linger) == 0 && strchr("=", text[linger])) {
		r = read_linger(call, text + linger, ret_linger_s);
		if (r == CLI_DONE)
			*ret = option->linger;
		return r;
	}
	r = option->find(text);
	if (r < 0)
		return refuse(call, option, text);
	*ret = r;
	return CLI_DONE;
}
