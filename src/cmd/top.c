/* contest top: who is in which state, towards whom, as a screen. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/top_edit.h"
#include "cmd/top_screen.h"
#include "render/text.h"

#define INTERVAL_NS	(NS_PER_S)
#define FILTER_SHOWN	40 /* columns of a wrong filter, from the place on */
#define INTERVAL_MIN_NS (NS_PER_S / 10)
#define INTERVAL_MAX_NS (3600 * NS_PER_S)

static const struct cli_option top_options[] = {
	{"by", OPTION_TEXT, "KEY[,KEY]",
	 "group by state, peer, peer-port, local, local-port, destination, process, user, netns "
	 "or timer, or up to four of them (default: peer,state)",
	 .word = group_by_word},
	{"processes", .help = "whose sockets they are; without --by: as --by process,state"},
	{"interval", OPTION_TEXT, "SECONDS", "from look to look (default: 1)"},
	{"netns", OPTION_TEXT, "NAME",
	 "the network namespace of that name (ip netns) or process; all: each that can be seen"},
	{"source", OPTION_CHOICE, "SOURCE",
	 "diag: netlink; bpf: an iterator in the kernel; proc: /proc/net/tcp (default: the fastest "
	 "that works)",
	 .word = source_option_word},
	{NULL},
};

/* ---- options */

static int read_keys(const struct invocation *call, struct top_options *options)
{
	const char *text = invocation_text(call, "by", NULL);
	struct why why;
	size_t at;

	options->processes = invocation_flag(call, "processes");
	if (!text)
		text = options->processes ? "process,state" : "peer,state";
	if (group_by_parse(text, &options->by, &at, &why) < 0)
		return invocation_fail(call, CLI_USAGE, "option '--by': %s", why.text);
	return CLI_DONE;
}

static int read_interval(const struct invocation *call, struct top_options *options)
{
	const char *text = invocation_text(call, "interval", "1");

	if (cli_parse_seconds(text, &options->interval_ns) < 0)
		return invocation_fail(call, CLI_USAGE,
				       "option '--interval': '%s' is no number of seconds", text);
	if (options->interval_ns < INTERVAL_MIN_NS || options->interval_ns > INTERVAL_MAX_NS)
		return invocation_fail(call, CLI_USAGE,
				       "option '--interval': %s is not from 0.1 to 3600 seconds",
				       text);
	return CLI_DONE;
}

/* ---- the filter */

static int read_filter(const struct invocation *call, const char *text, struct top_options *options)
{
	struct why why = {""};
	size_t at = 0;
	int r;

	if (!text)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	if (strlen(text) >= TOP_EDIT_MAX)
		return invocation_fail(call, CLI_USAGE, "the filter is longer than %d bytes",
				       TOP_EDIT_MAX - 1);
	options->filter_text = text;
	if (!*text)
		return CLI_DONE;
	r = socket_filter_parse(text, &options->filter, &at, &why);
	if (r == -EINVAL && !text[at])
		return invocation_fail(call, CLI_USAGE, "%s (at the filter's end)", why.text);
	if (r == -EINVAL)
		/* A line of its own would need the one above it: "…state ^tme-wait". */
		return invocation_fail(call, CLI_USAGE, "%s (at '%.*s', character %u)", why.text,
				       (int)text_fit(text + at, FILTER_SHOWN), text + at,
				       text_columns(text, at) + 1);
	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "cannot take the filter: %s",
				       strerror(-r));
	return CLI_DONE;
}

/* ---- the command */

static int check_terminal(const struct invocation *call)
{
	struct why why;

	if (top_screen_probe(&why) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return invocation_fail(call, CLI_USAGE,
				       "standard %s is not a terminal; contest states prints "
				       "the same, --watch again and again",
				       isatty(STDOUT_FILENO) ? "input" : "output");
	return CLI_DONE;
}

static int top(const struct invocation *call)
{
	CLEANUP_FREE char *text = invocation_operands(call);
	struct top_options options = {
		.netns = invocation_text(call, "netns", NULL),
		.color = call->color,
	};
	struct why why = {""};
	int r = read_keys(call, &options);

	if (r == CLI_DONE)
		r = read_interval(call, &options);
	if (r == CLI_DONE)
		r = check_terminal(call);
	if (r == CLI_DONE)
		r = source_option_read(call, &options.source);
	if (r == CLI_DONE)
		r = read_filter(call, text, &options);
	if (r != CLI_DONE)
		return r;
	r = top_screen_run(&options, &why);
	return r < 0 ? invocation_fail(call, CLI_REFUSED, "%s", why.text) : CLI_DONE;
}

const struct command top_command = {
	.name = "top",
	.summary = "watch sockets by state, peer and process on the whole screen",
	.description =
		"Groups sockets as contest states --by does, looks again and again, and shows the "
		"largest groups with their history. Keys sort, group anew, take a filter while it "
		"is typed, and lead into a group and to one of its connections, whose states and "
		"timers are followed. ? shows all keys.",
	.operands = "[FILTER]",
	.operand_noun = "filter",
	.max_operands = OPERANDS_ANY,
	.needs = "a terminal; root for processes of others and for --netns",
	.options = top_options,
	.examples =
		(const struct cli_example[]){
			{"contest top", "what this machine talks with"},
			{"contest top --processes state close-wait", "who forgets to close"},
			{"contest top --by destination 'state time-wait and dport = :443'",
			 "where ports are spent"},
			{"contest top --netns all --by netns,state", "all containers"},
			{NULL},
		},
	.run = top,
};
