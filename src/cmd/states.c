/*
 * contest states: which sockets are in which state, towards whom, of whom, for how long. One look,
 * or one after the other.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/states_counters.h"
#include "cmd/states_json.h"
#include "cmd/states_list.h"
#include "cmd/states_look.h"
#include "cmd/states_options.h"
#include "cmd/states_text.h"
#include "cmd/states_watch.h"

static int no_memory(const struct invocation *call)
{
	return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
}

static int tell(const struct invocation *call, const struct states_look *look)
{
	struct screen screen;
	int r;

	screen_init(&screen, stdout, call->color);
	r = look->groups ? states_text_groups(&screen, look) : states_text_summary(&screen, look);
	return r < 0 ? no_memory(call) : CLI_DONE;
}

static int look_once(const struct invocation *call, struct states_look *look)
{
	struct why why;
	int r = states_look_take(look, NULL, &why);

	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	if (look->options->json)
		r = states_json_print(look) < 0 ? no_memory(call) : CLI_DONE;
	else
		r = tell(call, look);
	states_text_doubts(call, look);
	return r == CLI_DONE && look->torn ? CLI_BAD : r;
}

static int list(const struct invocation *call, struct states_look *look)
{
	struct why why;
	int r = states_list_print(call, look, &why);

	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	states_text_doubts(call, look);
	return look->torn ? CLI_BAD : CLI_DONE;
}

static int states_run(const struct invocation *call)
{
	struct states_options options;
	struct states_look look;
	int r = states_options_read(call, &options);

	/* Whoever reads from us may go when he has seen enough, as with any other tool of a pipe.
	 */
	signal(SIGPIPE, SIG_DFL);
	if (r == CLI_DONE && options.counters) {
		r = states_counters_run(call, &options);
	} else if (r == CLI_DONE && options.every_ns) {
		r = states_watch_run(call, &options);
	} else if (r == CLI_DONE) {
		if (states_look_init(&look, &options) < 0)
			r = no_memory(call);
		else
			r = options.list ? list(call, &look) : look_once(call, &look);
		states_look_done(&look);
	}
	states_options_done(&options);
	return r;
}

const struct command states_command = {
	.name = "states",
	.summary = "count and list TCP sockets by state, peer, process, timer ...",
	.description =
		"Without options: how many sockets are in which state and how long their timers "
		"have left, local ports used towards each destination, peers of TIME-WAIT, "
		"processes that hold CLOSE-WAIT. FILTER is in the words of ss(8): state time-wait "
		"and ( sport = :5000 or dst 10.0.0.0/8 ) and not dport ge :1024.",
	.operands = "[FILTER]",
	.operand_noun = "filter",
	.max_operands = OPERANDS_ANY,
	.needs = "nothing for one's own namespace; root to see the processes of others",
	.bad = "the kernel's list was interrupted each time: sockets may be missing",
	.options = states_option_table,
	.examples =
		(const struct cli_example[]){
			{"contest states", "the summary"},
			{"contest states --by destination state time-wait",
			 "who we keep TIME-WAIT for"},
			{"contest states --list --processes state close-wait",
			 "who has not called close()"},
			{"contest states --by peer,state --watch",
			 "what comes and goes, each second"},
			{"contest states --counters",
			 "what the kernel counts anyhow, beside a million sockets too"},
			{"contest states --netns all --by netns,state --json",
			 "all containers, for scripts"},
			{NULL},
		},
	.run = states_run,
};
