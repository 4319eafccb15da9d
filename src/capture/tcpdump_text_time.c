#include "capture/tcpdump_text_time.h"

#include <time.h>

#include "base/clock.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS	  (60 * MINUTE_NS)
#define DAY_NS	  (24 * HOUR_NS)

/* The year 2239. Days and sums are kept below, so that none of them overflows. */
#define TIME_MAX_NS (8500000000 * NS_PER_S)

enum kind { KIND_NONE, KIND_DATED, KIND_OF_DAY, KIND_DIFFERENCE };

struct stamp {
	enum kind kind;
	int64_t ns;
};

/* --- One stamp --- */

/* ".123456" or ".123456789", in nanoseconds; nothing is 0. */
static bool take_fraction(struct text_slice *word, int64_t *ret)
{
	int64_t ns = 0, unit = NS_PER_S;

	if (slice_take(word, ".") || slice_take(word, ",")) {
		for (; !slice_empty(*word) && text_digit(*word->at) && unit > 1; word->at++) {
			unit /= 10;
			ns += (*word->at - '0') * unit;
		}
	}
	*ret = ns;
	return slice_empty(*word);
}

static bool take_part(struct text_slice *word, uint64_t max, uint64_t *ret, const char *separator)
{
	return slice_number(word, max, ret) && slice_take(word, separator);
}

/* "13:32:31.626549"; -ttttt goes on counting hours, and has "-" for a packet before the first. */
static bool parse_clock(struct text_slice word, int64_t *ret)
{
	bool negative = slice_take(&word, "-");
	uint64_t hours, minutes, seconds;
	int64_t fraction;

	if (!take_part(&word, 99999, &hours, ":") || !take_part(&word, 59, &minutes, ":") ||
	    !slice_number(&word, 60, &seconds) || !take_fraction(&word, &fraction))
		return false;
	*ret = (int64_t)(hours * 3600 + minutes * 60 + seconds) * NS_PER_S + fraction;
	if (negative)
		*ret = -*ret;
	return true;
}

/* "2016-03-01", as if in UTC: the text does not say where it was printed. */
static bool parse_date(struct text_slice word, int64_t *ret)
{
	uint64_t year, month, day;
	struct tm date = {0};

	if (!take_part(&word, 2238, &year, "-") || !take_part(&word, 12, &month, "-") ||
	    !slice_number(&word, 31, &day) || !slice_empty(word) || year < 1970)
		return false;
	date.tm_year = (int)year - 1900;
	date.tm_mon = (int)month - 1;
	date.tm_mday = (int)day;
	*ret = timegm(&date) * NS_PER_S;
	return true;
}

/* "1456803151.626549": the fraction has six digits, or nine. */
static bool parse_epoch(struct text_slice word, int64_t *ret)
{
	uint64_t seconds;
	int64_t fraction;

	if (!slice_number(&word, UINT64_MAX, &seconds) || slice_empty(word) || *word.at != '.' ||
	    (slice_length(word) != 7 && slice_length(word) != 10) ||
	    !take_fraction(&word, &fraction))
		return false;
	*ret = seconds < TIME_MAX_NS / NS_PER_S ? (int64_t)seconds * NS_PER_S + fraction
						: TIME_MAX_NS;
	return true;
}

/* -ttt before tcpdump 4: "000093 IP ", in microseconds. -# has two blanks behind its number. */
static bool parse_microseconds(struct text_slice word, struct text_slice behind, int64_t *ret)
{
	uint64_t number;

	if (slice_length(word) != 6 || !slice_number(&word, 999999, &number) ||
	    !slice_empty(word) || !slice_begins(behind, " IP"))
		return false;
	*ret = (int64_t)number * NS_PER_US;
	return true;
}

/* What the word says, if it is a time. */
static struct stamp read_word(struct text_slice word, struct text_slice behind, int64_t date_ns)
{
	struct stamp stamp = {KIND_NONE, 0};

	/* "`13:32:31.626549", "[13:32:31]" */
	while (!slice_empty(word) && *word.at && strchr("`*_[(\"'>|", *word.at))
		word.at++;
	if (!slice_empty(word) && word.end[-1] == ']')
		word.end--;
	if (parse_clock(word, &stamp.ns)) {
		stamp.kind = date_ns >= 0 ? KIND_DATED : KIND_OF_DAY;
		stamp.ns += date_ns >= 0 ? date_ns : 0;
	} else if (parse_epoch(word, &stamp.ns)) {
		stamp.kind = KIND_DATED;
	} else if (parse_microseconds(word, behind, &stamp.ns)) {
		stamp.kind = KIND_DIFFERENCE;
	}
	return stamp;
}

/* The last one: in front of it there may be that of a log. What -v says of IP has none. */
static struct stamp find_stamp(struct text_slice before)
{
	struct stamp stamp = {KIND_NONE, 0}, found;
	const char *header = slice_find(before, "(");
	int64_t date_ns = -1, next_date_ns;

	if (header)
		before.end = header;
	for (unsigned int words = 0; words < 16 && !slice_empty(before); words++) {
		struct text_slice word = slice_word(&before);

		if (!parse_date(word, &next_date_ns))
			next_date_ns = -1;
		found = read_word(word, before, date_ns);
		if (found.kind != KIND_NONE)
			stamp = found;
		date_ns = next_date_ns;
	}
	return stamp;
}

/* --- One after the other --- */

static void sum_add(struct text_times *times, int64_t ns)
{
	times->sum_ns += ns;
	if (times->sum_ns > TIME_MAX_NS || times->sum_ns < 0)
		times->sum_ns = times->sum_ns < 0 ? 0 : TIME_MAX_NS;
}

/*
 * Whether one that is less than the one before shows them to be differences. Packets are recorded
 * out of order, but not by a second; and by less now and then only. Between 0 and 1 o'clock at
 * night nobody captures and sends the text in; differences are hardly above an hour.
 */
static bool shows_differences(const struct text_times *times, int64_t ns)
{
	int64_t back = times->printed_ns - ns;

	if (ns >= HOUR_NS || times->printed_ns >= DAY_NS / 2)
		return false;
	return back > NS_PER_S || (!times->long_ago && 8 * times->backwards >= times->count);
}

static int64_t of_day(struct text_times *times, int64_t ns)
{
	if (times->count && times->printed_ns - ns > DAY_NS / 2 && times->day_ns < TIME_MAX_NS)
		times->day_ns += DAY_NS;
	/* Recorded out of order, around midnight. */
	if (times->count && ns >= DAY_NS - MINUTE_NS && times->printed_ns < MINUTE_NS &&
	    times->day_ns >= DAY_NS)
		return times->day_ns - DAY_NS + ns;
	times->printed_ns = ns;
	return times->day_ns + ns;
}

static int64_t without_date(struct text_times *times, int64_t ns)
{
	/* Not 0: packets of one moment have it, and a second run of -ttttt begins with it. */
	if (times->count && ns > 0 && ns < times->printed_ns) {
		times->backwards++;
		times->differences |= shows_differences(times, ns);
	}
	times->long_ago |= ns > MINUTE_NS;
	sum_add(times, ns);
	if (times->differences) {
		times->printed_ns = ns;
		ns = times->sum_ns;
	} else {
		ns = of_day(times, ns);
	}
	times->count++;
	return ns;
}

bool text_times_read(struct text_times *times, struct text_slice before, int64_t *ret)
{
	struct stamp stamp = find_stamp(before);
	int64_t ns = stamp.ns;

	if (stamp.kind == KIND_DIFFERENCE)
		text_times_differences(times);
	if (stamp.kind == KIND_NONE || stamp.ns >= TIME_MAX_NS) {
		*ret = times->last_ns;
		return stamp.kind == KIND_NONE;
	}
	if (stamp.kind != KIND_DATED)
		ns = without_date(times, ns);
	times->any = true;
	times->last_ns = ns;
	*ret = ns;
	return true;
}

void text_times_begin(struct text_times *times)
{
	*times = (struct text_times){.any = times->any, .last_ns = times->last_ns};
}

void text_times_differences(struct text_times *times)
{
	times->differences = true;
}

bool text_times_there(struct text_slice before)
{
	return find_stamp(before).kind != KIND_NONE;
}
