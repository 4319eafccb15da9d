#include "cmd/serve_live.h"

#include <stdio.h>

struct moment {
	const struct tally_sum *sum;
	bool draining;
};

static void put(struct live_line *live, struct line *line, const void *what)
{
	const struct moment *moment = what;
	const struct tally_sum *sum = moment->sum;
	double rate = live_line_rate(live, sum->accepted);
	char text[48];

	snprintf(text, sizeof(text), "%.0f/s", rate);
	line_put(line, STYLE_BOLD, moment->draining ? "draining" : text);
	live_line_put_count(line, "open", sum->open, STYLE_BOLD);
	live_line_put_count(line, "tasks", sum->tasks, STYLE_PLAIN);
	live_line_put_count(line, "closed by us", sum->closed_by_us, STYLE_PLAIN);
	live_line_put_count(line, "by peer", sum->closed_by_peer, STYLE_PLAIN);
	live_line_put_count(line, "reset", sum->reset, sum->reset ? STYLE_WARN : STYLE_PLAIN);
	live_line_put_count(line, "accepted", sum->accepted, STYLE_PLAIN);
}

void serve_live_draw(struct live_line *live, const struct tally_sum *sum, bool draining)
{
	live_line_draw(live, put, &(struct moment){sum, draining});
}
