#include "explain/words.h"

#include "base/clock.h"

#define MINUTE_NS (60ull * NS_PER_S)
#define HOUR_NS	  (60ull * MINUTE_NS)

static const char cut_mark[] = "...";

void words_put_bytes(struct words *words, const char *bytes, size_t length)
{
	size_t room = FINDING_TEXT_MAX - 1 - words->length;

	if (length > room) {
		words->full = true;
		length = room;
	}
	memcpy(words->text + words->length, bytes, length);
	words->length += length;
}

char *words_end(struct words *words)
{
	size_t length = words->length;

	if (words->full) {
		length = FINDING_TEXT_MAX - sizeof(cut_mark);
		while (length && words->text[length] != ' ')
			length--;
		memcpy(words->text + length, cut_mark, sizeof(cut_mark) - 1);
		length += sizeof(cut_mark) - 1;
	}
	words->text[length] = '\0';
	return words->text;
}

void words_put_number(struct words *words, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	words_put_bytes(words, digits + at, sizeof(digits) - at);
}

void words_put_count(struct words *words, uint64_t number, const char *noun)
{
	words_put_number(words, number);
	words_put(words, " ");
	words_put(words, noun);
	if (number != 1)
		words_put(words, "s");
}

/* Units, largest first. One is used from @least on, with one decimal below ten times @tenths. */
static const struct unit {
	uint64_t least, size;
	bool tenths;
	const char *name;
} units[] = {
	{2 * HOUR_NS, HOUR_NS, true, " h"},
	{10 * MINUTE_NS, MINUTE_NS, false, " min"},
	/* Rounding must not make "1000 ms" or "100.0 s", so each begins half a digit early. */
	{99950 * NS_PER_MS, NS_PER_S, false, " s"},
	{999500 * NS_PER_US, NS_PER_S, true, " s"},
	{9950 * NS_PER_US, NS_PER_MS, false, " ms"},
	{999500, NS_PER_MS, true, " ms"},
	{0, NS_PER_US, false, " us"},
};

void words_put_duration(struct words *words, uint64_t ns)
{
	const struct unit *unit = units;
	uint64_t step, steps;

	if (!ns) {
		words_put(words, "0 s");
		return;
	}
	while (ns < unit->least)
		unit++;
	step = unit->tenths ? unit->size / 10 : unit->size;
	steps = ns / step + (ns % step >= step / 2);
	if (unit->tenths) {
		words_put_number(words, steps / 10);
		words_put(words, ".");
		steps %= 10;
	}
	words_put_number(words, steps);
	words_put(words, unit->name);
}

bool words_span(int64_t from_ns, int64_t to_ns, uint64_t *ret_ns)
{
	if (from_ns == FINDING_TIME_UNKNOWN || to_ns == FINDING_TIME_UNKNOWN)
		return false;
	/* Unsigned: a capture may hold any time at all. */
	*ret_ns = to_ns > from_ns ? (uint64_t)to_ns - (uint64_t)from_ns : 0;
	return true;
}

/* Milliseconds tell moments apart that seconds do not; the ladder has as many. */
static void put_moment(struct words *words, uint64_t ns)
{
	uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);
	char decimals[] = {'.', '0', '0', '0'};

	if (ms < 1000) {
		words_put_duration(words, ns);
		return;
	}
	words_put_number(words, ms / 1000);
	for (unsigned i = 3; i > 0; i--, ms /= 10)
		decimals[i] = (char)('0' + ms % 10);
	words_put_bytes(words, decimals, sizeof(decimals));
	words_put(words, " s");
}

bool words_put_at(struct words *words, const char *before, int64_t ns)
{
	uint64_t since_ns;

	if (!words_span(words->finding->first_ns, ns, &since_ns))
		return false;
	words_put(words, before);
	words_put(words, "+");
	put_moment(words, since_ns);
	return true;
}

static void put_equal_end(struct words *words, unsigned end)
{
	const struct finding_end *ends = words->finding->end;

	if (ends[0].endpoint.port == ends[1].endpoint.port) {
		words_put(words, end ? "the second end" : "the first end");
		return;
	}
	words_put(words, "the end at port ");
	words_put_number(words, ends[end].endpoint.port);
}

void words_put_end(struct words *words, unsigned end)
{
	if (words->finding->opened == OPENED_SIMULTANEOUS) {
		put_equal_end(words, end);
		return;
	}
	words_put(words, end == TRACK_SERVER ? "the server" : "the client");
	if (end != TRACK_SERVER || words->port_told)
		return;
	words_put(words, " (port ");
	words_put_number(words, words->finding->end[TRACK_SERVER].endpoint.port);
	words_put(words, ")");
	words->port_told = true;
}

void words_put_whose(struct words *words, unsigned end)
{
	if (words->finding->opened == OPENED_SIMULTANEOUS)
		put_equal_end(words, end);
	else
		words_put(words, end == TRACK_SERVER ? "the server" : "the client");
	words_put(words, "'s");
}

void words_put_fin_times(struct words *words, unsigned end)
{
	const struct finding *finding = words->finding;
	unsigned count = finding->fin_interval_count;
	uint64_t sum_ms = 0;

	words_put_count(words, finding->end[end].fin_count, "time");
	if (finding->fin_repeater != end || finding->first_ns == FINDING_TIME_UNKNOWN || !count)
		return;
	for (unsigned i = 0; i < count && i < FINDING_INTERVALS; i++)
		sum_ms += finding->fin_interval_ms[i];
	words_put(words, finding->fin_intervals_cut ? " over more than " : " over ");
	words_put_duration(words, sum_ms * NS_PER_MS);
}
