/*
 * contest load: finds its destinations, starts a generator, and is then the place where signals,
 * time and the ends of workers come together; looks at the host meanwhile, and tells what came of
 * it all.
 *
 *	running --SIGINT, SIGTERM, SIGHUP--> draining --again, or --drain is long over--> forcing
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/load_command.h"
#include "cmd/load_files.h"
#include "cmd/load_head.h"
#include "cmd/load_json.h"
#include "cmd/load_live.h"
#include "cmd/load_merge.h"
#include "cmd/load_options.h"
#include "cmd/load_summary.h"
#include "cmd/load_targets.h"
#include "cmd/signal_watch.h"

/* How long workers may take to close everything when they are forced to, before they are killed;
 * and to end by themselves after the drain. */
#define FORCE_NS (5 * NS_PER_S)
#define GRACE_NS (2 * NS_PER_S)
/* Looks at the host: so many in a run that is short, in a long one as many as there are seconds. */
#define LOOKS	      20
#define LOOK_MIN_NS   (10 * NS_PER_MS)
#define LOOK_MAX_NS   NS_PER_S
#define FIRST_LOOK_NS (NS_PER_S / LOOKS) /* where nobody knows how long it takes */

enum phase { RUNNING, DRAINING, FORCING, OVER };

struct loading {
	const struct invocation *call;
	struct load_options options;
	struct load_targets targets;
	struct load_files files;
	struct watch_host host;
	struct generator *generator; /* (owned) */
	struct watch *watch;	     /* (owned) */
	char *command;		     /* (owned) */
	struct live_line live;
	int64_t live_due_ns; /* when it is to be drawn anew */
	struct signal_watch signals;
	enum phase phase;
	int64_t until_ns; /* when the phase ends by itself; 0: it does not */
	int64_t look_ns;  /* when the next look is due */
	int64_t stopped_ns, ended_ns;
	unsigned died;
	uint32_t told; /* limits that were told, 1 << enum load_limit */
};

/* One line on stderr, where the live line may stand. */
#define SAY(l, ...) (live_line_hide(&(l)->live), invocation_fail((l)->call, CLI_DONE, __VA_ARGS__))

static struct load_facts facts_of(const struct loading *l)
{
	return (struct load_facts){
		.plan = &l->options.plan,
		.targets = &l->targets,
		.host = &l->host,
		.generator = l->generator,
		.watch = l->watch,
		.command = l->command,
		.stopped_ns = l->stopped_ns,
		.ended_ns = l->ended_ns,
		.died = l->died,
	};
}

/* ---- what is said while it runs */

/* What has run out is told when it is seen first; the summary tells the rest. */
static void tell_limit(struct loading *l)
{
	const uint32_t worth = 1U << LIMIT_HALF_RANGE | 1U << LIMIT_LOCAL_PORTS |
			       1U << LIMIT_DESCRIPTORS | 1U << LIMIT_PEER_BACKLOG;
	struct load_facts facts = facts_of(l);
	struct limit_verdict verdict;

	if (l->stopped_ns)
		return;
	load_summary_limit(&facts, NULL, &verdict);
	if (!(worth & ~l->told & 1U << verdict.limit))
		return;
	l->told |= 1U << verdict.limit;
	SAY(l, "%s after %.1f s: %s", load_limit_name(verdict.limit),
	    clock_seconds(clock_now_ns() - generator_start_ns(l->generator)), verdict.sentence);
}

static int64_t look_every_ns(const struct loading *l, int64_t now_ns)
{
	int64_t every_ns = l->options.plan.duration_ns / LOOKS;

	if (!l->options.plan.duration_ns)
		every_ns = now_ns - generator_start_ns(l->generator) < NS_PER_S ? FIRST_LOOK_NS
										: LOOK_MAX_NS;
	return every_ns < LOOK_MIN_NS	? LOOK_MIN_NS
	       : every_ns > LOOK_MAX_NS ? LOOK_MAX_NS
					: every_ns;
}

static void look(struct loading *l)
{
	int64_t now_ns = clock_now_ns();
	struct load_sum sum;

	if (now_ns < l->look_ns)
		return;
	generator_sum(l->generator, &sum);
	watch_look(l->watch, &sum, generator_start_ns(l->generator));
	tell_limit(l);
	l->look_ns += look_every_ns(l, now_ns);
	if (l->look_ns <= now_ns) /* no run of them, one after the other, after a pause */
		l->look_ns = now_ns + look_every_ns(l, now_ns);
}

/* As of the last look that counted ports. */
static int64_t ports_left(const struct loading *l)
{
	struct load_facts facts = facts_of(l);
	uint64_t available = load_ports_available(&facts);
	const struct watch_sample *series;
	size_t count;

	series = watch_series(l->watch, &count);
	while (count > 0 && !series[count - 1].ports_known)
		count--;
	if (count == 0)
		return -1;
	return available > series[count - 1].ports_used
		       ? (int64_t)(available - series[count - 1].ports_used)
		       : 0;
}

static void draw(struct loading *l)
{
	bool due = l->live.on && clock_now_ns() >= l->live_due_ns;
	CLEANUP_FREE struct histogram *total = due ? malloc(sizeof(*total)) : NULL;
	struct load_sum sum;
	struct load_moment moment = {.sum = &sum};

	if (!total)
		return;
	generator_sum(l->generator, &sum);
	generator_latency(l->generator, LATENCY_TOTAL, total);
	moment.p99_ns = histogram_at(total, 0.99);
	moment.ports_left = ports_left(l);
	moment.seconds = clock_seconds(clock_now_ns() - generator_start_ns(l->generator));
	moment.ending = l->phase == RUNNING ? NULL : "ending";
	load_live_draw(&l->live, &moment);
	l->live_due_ns = clock_now_ns() + LOAD_LIVE_NS;
}

/* ---- phases */

static void say_drain(struct loading *l)
{
	struct load_sum sum;

	generator_sum(l->generator, &sum);
	if (sum.in_flight > 0 && l->options.plan.drain_ns > 0)
		SAY(l,
		    "%llu connections are in flight; they have %g s to end, a second signal ends "
		    "them now",
		    (unsigned long long)sum.in_flight, clock_seconds(l->options.plan.drain_ns));
}

static void next_phase(struct loading *l)
{
	int64_t now_ns = clock_now_ns();

	if (l->phase == RUNNING) {
		l->phase = DRAINING;
		l->stopped_ns = now_ns;
		l->until_ns = now_ns + l->options.plan.drain_ns + GRACE_NS;
		generator_stop(l->generator);
		say_drain(l);
	} else if (l->phase == DRAINING) {
		l->phase = FORCING;
		l->until_ns = now_ns + FORCE_NS;
		generator_force(l->generator);
	} else if (now_ns >= l->until_ns) {
		struct generator_facts used;

		generator_facts(l->generator, &used);
		l->died += used.running;
		SAY(l, "%u worker processes did not end, and are killed", used.running);
		l->phase = OVER;
	}
}

static void take_worker_ends(struct loading *l)
{
	struct why why;
	int r;

	while ((r = generator_wait(l->generator, 0, &why)) == -ECHILD) {
		l->died++;
		SAY(l, "%s", why.text);
	}
	if (r == 0)
		l->phase = OVER;
}

static int wait_ms(const struct loading *l)
{
	int64_t now_ns = clock_now_ns(), until_ns = l->look_ns;

	if (l->until_ns && l->until_ns < until_ns)
		until_ns = l->until_ns;
	if (l->live.on && l->live_due_ns < until_ns)
		until_ns = l->live_due_ns;
	if (until_ns <= now_ns)
		return 0;
	return (int)((until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void follow(struct loading *l)
{
	struct pollfd fds[] = {
		{.fd = l->signals.fd, .events = POLLIN},
		{.fd = generator_ended_fd(l->generator), .events = POLLIN},
	};

	while (l->phase != OVER) {
		int n = poll(fds, ARRAY_SIZE(fds), wait_ms(l));

		if (n > 0 && fds[0].revents && signal_watch_next(&l->signals))
			next_phase(l);
		if (n > 0 && fds[1].revents)
			take_worker_ends(l);
		if (l->until_ns && l->phase != OVER && clock_now_ns() >= l->until_ns)
			next_phase(l);
		if (l->phase == OVER)
			break;
		look(l);
		draw(l);
	}
	l->ended_ns = clock_now_ns();
	live_line_hide(&l->live);
}

/* ---- before the start */

/* 0 when it is time, -EINTR when a signal came before, or another -errno. */
static int await_start(const struct loading *l)
{
	CLEANUP_CLOSE int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	struct itimerspec at = {.it_value = clock_timespec(l->options.start_at_ns)};
	struct pollfd fds[] = {
		{.fd = l->signals.fd, .events = POLLIN},
		{.fd = timer, .events = POLLIN},
	};

	/* The wall clock's time is meant, also when that clock is set meanwhile. */
	if (timer < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		return -errno;
	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		if (errno != EINTR)
			return -errno;
	return fds[0].revents ? -EINTR : 0;
}

static int prepare(struct loading *l)
{
	struct why why;
	int r;

	l->command = load_command_line(l->call);
	if (!l->command)
		return invocation_fail(l->call, CLI_REFUSED, "%s", strerror(ENOMEM));
	if (watch_host_read(&l->host, &why) < 0 ||
	    generator_new(&l->options.plan, &l->generator, &why) < 0)
		return invocation_fail(l->call, CLI_REFUSED, "%s", why.text);
	r = signal_watch_open(&l->signals, NULL, 0);
	if (r < 0)
		return invocation_fail(l->call, CLI_REFUSED, "cannot take signals: %s",
				       strerror(-r));
	return CLI_DONE;
}

static int start(struct loading *l)
{
	struct why why;
	int r = l->options.start_at_ns ? await_start(l) : 0;

	if (r == -EINTR)
		return invocation_fail(l->call, CLI_BAD, "interrupted before it began");
	if (r < 0)
		return invocation_fail(l->call, CLI_REFUSED, "cannot wait for the start: %s",
				       strerror(-r));
	if (watch_new(&l->options.plan, &l->host, &l->watch, &why) < 0 ||
	    generator_start(l->generator, &why) < 0)
		return invocation_fail(l->call, CLI_REFUSED, "%s", why.text);
	live_line_init(&l->live, stderr, l->call->color, true);
	l->look_ns = generator_start_ns(l->generator) + look_every_ns(l, clock_now_ns());
	return CLI_DONE;
}

/* ---- the end */

static int finish(struct loading *l)
{
	struct load_facts facts = facts_of(l);
	struct load_result *result = NULL;
	json_t *document;
	int r;

	load_summary_settle(&facts);
	if (load_summary_make(&facts, &result) < 0)
		return invocation_fail(l->call, CLI_REFUSED, "%s", strerror(ENOMEM));
	document = load_json_make(result);
	if (document) {
		r = load_files_write(l->call, &l->files, document, result);
		signal_watch_close(&l->signals); /* whoever reads from us may be slow */
		load_print(l->call, result, document, l->options.json);
	} else {
		r = invocation_fail(l->call, CLI_REFUSED, "%s", strerror(ENOMEM));
	}
	json_decref(document);
	if (r == CLI_DONE && load_result_is_bad(result))
		r = CLI_BAD;
	load_result_free(result);
	return r;
}

static int run(struct loading *l)
{
	int r = prepare(l);

	if (r != CLI_DONE)
		return r;
	if (!l->options.json)
		load_head_print(l->call, &l->options.plan, &l->host, l->generator);
	r = start(l);
	if (r != CLI_DONE)
		return r;
	follow(l);
	return finish(l);
}

static int load_run(const struct invocation *call)
{
	struct loading l = {.call = call, .signals = SIGNAL_WATCH_NONE};
	int r = load_options_read(call, &l.options);

	if (r == CLI_DONE)
		r = load_targets_find(call, &l.options, &l.targets);
	if (r == CLI_DONE)
		r = load_files_open(call, l.options.save, l.options.percentiles, &l.files);
	if (r == CLI_DONE)
		r = run(&l);
	generator_free(l.generator);
	watch_free(l.watch);
	load_files_done(&l.files);
	load_targets_done(&l.targets);
	load_options_done(&l.options);
	free(l.command);
	signal_watch_close(&l.signals);
	return r;
}

const struct command load_command = {
	.name = "load",
	.summary = "open, exchange and close many connections, and say what ran out",
	.description =
		"Opens connections to each HOST:PORT in turn (port 5000 where none is named), "
		"exchanges what --protocol says, closes as it is told, and tells how many, how "
		"fast, how long each step took, what failed, and which resource limited the run. "
		"SIGINT, SIGTERM and SIGHUP end it early: what has come about by then is told and "
		"saved all the same. Addresses that are neither loopback nor private need "
		"--yes-i-own-it.",
	.operands = "HOST[:PORT]...",
	.operand_noun = "destination",
	.min_operands = 1,
	.max_operands = OPERANDS_ANY,
	.bad = "attempts failed, it was interrupted, or ports, descriptors or the peer limited it",
	.options = load_option_table,
	.verbs = (const struct command *const[]){&load_merge_verb, NULL},
	.examples =
		(const struct cli_example[]){
			{"contest load 127.0.0.1:5000", "for 10 seconds, 64 at once"},
			{"contest load --connections 10000 --close rst 127.0.0.1:5000",
			 "exactly so many, without TIME-WAIT"},
			{"contest load --rate 500 --duration 1m --protocol http 10.0.0.2:80",
			 "500 requests a second, each on a connection of its own"},
			{"contest load --ports range --source 127.0.0.2-127.0.0.9 --close active 127.0.0.1",
			 "from eight addresses, to the last port of each"},
			{"contest load --save a.json 10.0.0.2", "for contest load merge"},
			{NULL},
		},
	.run = load_run,
};
