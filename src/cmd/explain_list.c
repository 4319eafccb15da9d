#include "cmd/explain_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/explain_words.h"

/* What is told of a connection stands behind its number. */
#define INDENT 4

static void put_ends(struct line *line, const struct finding *finding,
		     const struct explain_names *names)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	explain_put(line, STYLE_BOLD,
		    explain_names_endpoint(names, &finding->end[TRACK_CLIENT].endpoint, text));
	/* Who began it is not known: two ends, and no direction. */
	explain_put(line, STYLE_PLAIN,
		    finding->opened == OPENED_UNKNOWN || finding->opened == OPENED_SIMULTANEOUS
			    ? " ↔ "
			    : " → ");
	explain_put(line, STYLE_BOLD,
		    explain_names_endpoint(names, &finding->end[TRACK_SERVER].endpoint, text));
}

static void put_first_line(const struct screen *screen, const struct finding *finding,
			   const struct explain_names *names)
{
	struct line line = LINE(screen);
	char number[32];

	snprintf(number, sizeof(number), "%*" PRIu64, INDENT - 1, finding->number);
	explain_put(&line, STYLE_PLAIN, number);
	line_to(&line, line.next + 1);
	put_ends(&line, finding, names);
	explain_put(&line, STYLE_PLAIN, "  ");
	explain_put(&line, explain_ending_style(finding->ending),
		    finding_ending_name(finding->ending));
	line_end(&line);
}

/* Of "none" the ending tells enough. */
static const char *closer_text(enum finding_who who)
{
	static const char *const texts[] = {
		[WHO_CLIENT] = "client closed first; ",
		[WHO_SERVER] = "server closed first; ",
		[WHO_BOTH] = "both closed at once; ",
		[WHO_NONE] = "",
		[WHO_UNKNOWN] = "who closed first is unknown; ",
	};

	return texts[who];
}

static void put_facts(const struct screen *screen, const struct finding *finding)
{
	const struct finding_end *client = &finding->end[TRACK_CLIENT];
	const struct finding_end *server = &finding->end[TRACK_SERVER];
	int64_t first = finding->first_ns, last = finding->last_ns;
	char time[40] = "", text[32];

	if (first != FINDING_TIME_UNKNOWN && last > first)
		snprintf(time, sizeof(time), " in %s",
			 explain_duration(last - first, text, sizeof(text)));
	explain_say(screen, STYLE_PLAIN, INDENT,
		    "%*s%sat the end client %s, server %s; packets %" PRIu64 " + %" PRIu64
		    ", bytes %" PRIu64 " + %" PRIu64 "%s",
		    INDENT, "", closer_text(finding->closed_first),
		    finding_state_name(client->state), finding_state_name(server->state),
		    client->packets, server->packets, client->bytes, server->bytes, time);
}

static void put_words(const struct screen *screen, const struct finding *finding)
{
	enum finding_problem problem = finding_problem(finding);
	char text[FINDING_TEXT_MAX];

	screen_wrap(screen, finding_sentence(finding, text), INDENT, screen->width);
	if (problem == PROBLEM_NONE)
		return;
	explain_say(screen, explain_problem_style(problem), INDENT, "%*s%s: %s", INDENT, "",
		    finding_problem_name(problem), finding_advice(finding, text));
}

void explain_list_print(const struct screen *screen, const struct finding *findings, size_t count,
			const struct explain_names *names)
{
	for (size_t i = 0; i < count; i++) {
		fputc('\n', screen->out);
		put_first_line(screen, &findings[i], names);
		put_facts(screen, &findings[i]);
		put_words(screen, &findings[i]);
	}
}
