#include "cmd/states_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "render/text.h"

#define GROUPS_SHOWN 20
#define EVERY_NS     NS_PER_S
#define EVERY_MIN_NS (10 * NS_PER_MS)
#define EVERY_MAX_NS (24 * 3600 * NS_PER_S)

static const char *const sorts[] = {
	[STATES_SORT_NONE] = "none",
	[STATES_SORT_COUNT] = "count",
	[STATES_SORT_STATE] = "state",
	[STATES_SORT_RECV_Q] = "recv-q",
	[STATES_SORT_SEND_Q] = "send-q",
	[STATES_SORT_LOCAL] = "local",
	[STATES_SORT_LOCAL_PORT] = "local-port",
	[STATES_SORT_PEER] = "peer",
	[STATES_SORT_PEER_PORT] = "peer-port",
	[STATES_SORT_DESTINATION] = "destination",
	[STATES_SORT_TIMER] = "timer",
	[STATES_SORT_PROCESS] = "process",
	[STATES_SORT_USER] = "user",
	[STATES_SORT_NETNS] = "netns",
	NULL,
};

const struct cli_option states_option_table[] = {
	{"by", OPTION_TEXT, "KEY[,KEY]",
	 "count by state, peer, peer-port, local, local-port, destination, process, user, netns "
	 "or timer, or up to four of them",
	 .word = group_by_word},
	{"list", .help = "every socket on a line, as ss does"},
	{"processes", .help = "tell whose they are; without --list: as --by process,state"},
	{"watch", OPTION_TEXT, "SECONDS",
	 "look again and again, and tell what came and went (default: 1)", .bare = true},
	{"top", OPTION_NUMBER, "N",
	 "the first N groups or rows; 0: all (default: 20 groups, all rows, all in JSON)",
	 .max = 1000000000},
	{"sort", OPTION_CHOICE, "KEY", "what rows of --list, or groups (by count), are ordered by",
	 .choices = sorts},
	{"reverse", .help = "sort the other way round", .letter = 'r'},
	{"counters", .help = "only what the kernel counts anyhow: at once, however many sockets"},
	{"netns", OPTION_TEXT, "NAME",
	 "the network namespace of that name (ip netns) or process; all: each that can be seen"},
	{"source", OPTION_CHOICE, "SOURCE",
	 "netlink, an iterator in the kernel, or /proc/net/tcp (default: the fastest that works)",
	 .word = source_option_word},
	{"json",
	 .help = "print the result as JSON (contest.states/1), with --watch a line per look"},
	{NULL},
};

/* ---- the filter */

/* The filter on a line, and below it a caret where it goes wrong; cut where the screen is narrow,
 * so that the place can be seen. */
static void point_at(const struct invocation *call, const char *text, size_t at)
{
	size_t length = strlen(text), room = 4 * length + 1;
	CLEANUP_FREE char *before = malloc(room), *after = malloc(room);
	const char *from = before;
	struct screen screen;
	unsigned width;

	if (!before || !after)
		return;
	screen_init(&screen, stderr, call->color);
	width = screen.width - 4; /* two blanks, and a terminal's last column */
	screen_clean(&screen, text, at, before, room);
	screen_clean(&screen, text + at, length - at, after, room);
	while (screen_columns(from) > width * 2 / 3)
		from += text_fit(from, 1) ? text_fit(from, 1) : text_fit(from, 2);
	after[text_fit(after, width - screen_columns(from))] = '\0';
	fprintf(stderr, "  %s%s\n  %*s", from, after, (int)screen_columns(from), "");
	screen_print(&screen, STYLE_BAD, "^");
	fputc('\n', stderr);
}

static int read_filter(const struct invocation *call, struct states_options *options)
{
	struct why why;
	size_t at = 0;
	int r;

	options->text = invocation_operands(call);
	if (!options->text)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	if (call->operand_count == 0)
		return CLI_DONE;
	r = socket_filter_parse(options->text, &options->filter, &at, &why);
	if (r == 0)
		return CLI_DONE;
	if (r != -EINVAL)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(-r));
	invocation_fail(call, CLI_USAGE, "%s", why.text);
	point_at(call, options->text, at);
	return CLI_USAGE;
}

/* ---- keys */

static int read_keys(const struct invocation *call, struct states_options *options)
{
	const char *given = invocation_text(call, "by", NULL);
	struct why why;
	size_t at;

	if (given && group_by_parse(given, &options->by, &at, &why) < 0)
		return invocation_fail(call, CLI_USAGE, "option '--by': %s", why.text);
	return CLI_DONE;
}

/* ---- the rest */

/* What is counted by where nothing was named. */
static void choose_keys(struct states_options *options)
{
	if (options->by.count || options->list)
		return;
	if (options->processes)
		options->by.at[options->by.count++] = GROUP_PROCESS;
	if (options->processes || options->every_ns)
		options->by.at[options->by.count++] = GROUP_STATE;
}

static int read_watch(const struct invocation *call, struct states_options *options)
{
	const char *text = invocation_text(call, "watch", NULL);
	if (!text)
		return CLI_DONE;
	options->every_ns = EVERY_NS;
	if (!*text)
		return CLI_DONE;
	if (cli_parse_seconds(text, &options->every_ns) < 0)
		return invocation_fail(call, CLI_USAGE,
				       "option '--watch': '%s' is no number of seconds", text);
	if (options->every_ns < EVERY_MIN_NS || options->every_ns > EVERY_MAX_NS)
		return invocation_fail(call, CLI_USAGE,
				       "option '--watch': %s is not from 0.01 to 86400 seconds",
				       text);
	return CLI_DONE;
}

static bool groups_have(const struct states_options *options, enum states_sort sort)
{
	int key = group_key_parse(sorts[sort]);

	return sort <= STATES_SORT_COUNT ||
	       (key >= 0 && group_by_has(&options->by, (enum group_key)key));
}

/* What does not go together, or says nothing. */
static int check(const struct invocation *call, const struct states_options *options)
{
	if (options->list && options->by.count)
		return invocation_fail(call, CLI_USAGE, "--list and --by exclude each other");
	if (options->list && options->every_ns)
		return invocation_fail(call, CLI_USAGE, "--list and --watch exclude each other");
	if (options->list && options->sort == STATES_SORT_COUNT)
		return invocation_fail(call, CLI_USAGE, "--sort=count is for groups, not for rows");
	if (!options->list && !options->by.count &&
	    (options->sort != STATES_SORT_NONE || options->reverse))
		return invocation_fail(call, CLI_USAGE,
				       "--sort and --reverse are for --list and --by");
	if (!options->list && options->by.count && !groups_have(options, options->sort))
		return invocation_fail(call, CLI_USAGE, "--sort=%s: --by does not name that key",
				       sorts[options->sort]);
	return CLI_DONE;
}

/* Counters are of no socket in particular. */
static int check_counters(const struct invocation *call)
{
	static const char *const others[] = {"by",   "list",	"processes", "top",
					     "sort", "reverse", "source"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (invocation_given(call, others[i]))
			return invocation_fail(call, CLI_USAGE,
					       "--counters and --%s exclude each other: no socket "
					       "is looked at",
					       others[i]);
	if (invocation_given(call, "watch"))
		return invocation_fail(call, CLI_USAGE,
				       "--counters and --watch exclude each other: watch(1) "
				       "repeats it, watch -d shows what moves");
	if (call->operand_count)
		return invocation_fail(call, CLI_USAGE,
				       "--counters and a filter exclude each other: no socket is "
				       "looked at");
	return CLI_DONE;
}

int states_options_read(const struct invocation *call, struct states_options *ret)
{
	int r;

	*ret = (struct states_options){
		.list = invocation_flag(call, "list"),
		.processes = invocation_flag(call, "processes"),
		.json = invocation_flag(call, "json"),
		.reverse = invocation_flag(call, "reverse"),
		.sort = (enum states_sort)invocation_choice(call, "sort", STATES_SORT_NONE),
		.netns = invocation_text(call, "netns", NULL),
		.counters = invocation_flag(call, "counters"),
	};
	if (ret->counters)
		return check_counters(call);
	ret->top = (size_t)invocation_number(call, "top",
					     ret->list || ret->json ? 0 : GROUPS_SHOWN);
	r = read_keys(call, ret);
	if (r == CLI_DONE)
		r = read_watch(call, ret);
	choose_keys(ret);
	if (r == CLI_DONE)
		r = check(call, ret);
	if (r == CLI_DONE)
		r = read_filter(call, ret);
	return r == CLI_DONE ? source_option_read(call, &ret->source) : r;
}

void states_options_done(struct states_options *options)
{
	free(TAKE_PTR(options->text));
	socket_filter_free(TAKE_PTR(options->filter));
}

bool states_options_need_owners(const struct states_options *options)
{
	return options->processes || options->sort == STATES_SORT_PROCESS ||
	       group_by_has(&options->by, GROUP_PROCESS);
}
