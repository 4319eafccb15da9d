#include "cmd/load_live.h"

#include <stdio.h>

#include "cmd/load_report.h"

static void put(struct live_line *live, struct line *line, const void *what)
{
	const struct load_moment *moment = what;
	const struct load_sum *sum = moment->sum;
	double rate = live_line_rate(live, sum->connected);
	char text[48];

	snprintf(text, sizeof(text), "%.0f s", moment->seconds);
	line_put(line, STYLE_DIM, text);
	line_to(line, line->column + 2);
	snprintf(text, sizeof(text), "%.0f/s", rate);
	line_put(line, STYLE_BOLD, moment->ending ? moment->ending : text);
	live_line_put_count(line, "in flight", sum->in_flight, STYLE_PLAIN);
	live_line_put_count(line, "failed", sum->failed_all,
			    sum->failed_all ? STYLE_BAD : STYLE_PLAIN);
	live_line_put(line, "p99", load_report_time(moment->p99_ns, text, sizeof(text)),
		      STYLE_PLAIN);
	if (moment->ports_left >= 0)
		live_line_put_count(line, "ports left", (uint64_t)moment->ports_left,
				    moment->ports_left ? STYLE_PLAIN : STYLE_WARN);
}

void load_live_draw(struct live_line *live, const struct load_moment *moment)
{
	live_line_draw(live, put, moment);
}
