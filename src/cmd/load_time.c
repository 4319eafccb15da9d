#include "cmd/load_time.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* Exactly @count digits; *text is moved behind them. -1: they are none. */
static int digits(const char **text, int count)
{
	int number = 0;

	for (; count > 0; count--, (*text)++) {
		if (**text < '0' || **text > '9')
			return -1;
		number = number * 10 + (**text - '0');
	}
	return number;
}

/* ".25" in nanoseconds, 0 where there is no point; what is less than one is cut. -1: no digit. */
static int64_t fraction_ns(const char **text)
{
	int64_t ns = 0, unit = NS_PER_S;

	if (**text != '.')
		return 0;
	if (*++*text < '0' || **text > '9')
		return -1;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		unit /= 10;
		ns += (**text - '0') * unit;
	}
	return ns;
}

static int parse_epoch(const char *text, int64_t *ret_ns)
{
	int64_t seconds = 0, fraction;
	size_t length = strspn(text, "0123456789");

	/* So many that they fit into nanoseconds. */
	if (length == 0 || length > 10 || (length == 10 && strncmp(text, "9223372035", 10) > 0))
		return -EINVAL;
	for (; length > 0; length--)
		seconds = seconds * 10 + (*text++ - '0');
	fraction = fraction_ns(&text);
	if (fraction < 0 || *text)
		return -EINVAL;
	*ret_ns = seconds * NS_PER_S + fraction;
	return 0;
}

static int parse_iso(const char *text, int64_t *ret_ns)
{
	static const char glue[] = "--T::";
	static const int widths[] = {4, 2, 2, 2, 2, 2};
	int parts[6];
	struct tm tm = {0}, back;
	int64_t fraction;
	time_t time;

	for (size_t i = 0; i < 6; i++) {
		parts[i] = digits(&text, widths[i]);
		if (parts[i] < 0 || (i < 5 && *text++ != glue[i]))
			return -EINVAL;
	}
	fraction = fraction_ns(&text);
	if (fraction < 0 || strcmp(text, "Z") != 0 || parts[0] < 1970 || parts[0] > 2261)
		return -EINVAL;
	tm.tm_year = parts[0] - 1900;
	tm.tm_mon = parts[1] - 1;
	tm.tm_mday = parts[2];
	tm.tm_hour = parts[3];
	tm.tm_min = parts[4];
	tm.tm_sec = parts[5];
	time = timegm(&tm);
	/* timegm() makes March 3rd of February 31st. */
	if (!gmtime_r(&time, &back) || back.tm_mon != parts[1] - 1 || back.tm_mday != parts[2] ||
	    back.tm_hour != parts[3] || back.tm_min != parts[4] || back.tm_sec != parts[5])
		return -EINVAL;
	*ret_ns = (int64_t)time * NS_PER_S + fraction;
	return 0;
}

int load_time_parse(const char *text, int64_t *ret_ns)
{
	return *text == '@' ? parse_epoch(text + 1, ret_ns) : parse_iso(text, ret_ns);
}
