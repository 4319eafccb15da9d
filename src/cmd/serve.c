/*
 * contest serve: listens, starts a server, and is then the place where signals, time and the ends
 * of workers come together, until the last worker has ended.
 *
 *	serving --SIGTERM, SIGINT, --duration--> draining --again, or --drain is over--> forcing
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/serve_listen.h"
#include "cmd/serve_live.h"
#include "cmd/serve_options.h"
#include "cmd/serve_report.h"
#include "cmd/signal_watch.h"
#include "serve/engine.h"
#include "serve/server.h"

/* How long workers may take to close everything when they are forced to, before they are killed. */
#define FORCE_NS (5 * NS_PER_S)
/* Between two looks at the counters, where no live line wants more. */
#define LOOK_NS NS_PER_S

enum phase { SERVING, DRAINING, FORCING, OVER };

struct serving {
	const struct invocation *call;
	struct serve_options options;
	struct serve_listeners listeners;
	struct journal *journal; /* (owned) */
	struct server *server;	 /* (owned) */
	struct live_line live;
	struct signal_watch signals;
	enum phase phase;
	int64_t began_ns, until_ns; /* when the phase ends by itself; 0: it does not */
	unsigned died;
	bool told_pause;
};

/* A log that can be opened anew: for it SIGHUP is no end. */
static bool has_log_file(const struct serve_options *options)
{
	return options->log && strcmp(options->log, "-") != 0;
}

/* ---- what is said while it runs */

/* One line on stderr, where the live line may stand. */
#define SAY(s, ...) (live_line_hide(&(s)->live), invocation_fail((s)->call, CLI_DONE, __VA_ARGS__))

static struct serve_report report_of(struct serving *s)
{
	struct serve_report report = {
		.options = &s->options,
		.at = s->listeners.at,
		.at_count = s->listeners.count,
		.seconds = clock_seconds(clock_now_ns() - s->began_ns),
		.processes = server_processes(s->server),
		.died = s->died,
	};

	server_sum(s->server, &report.sum);
	report.log_lost = journal_lost(s->journal, &report.log_error);
	return report;
}

static void say_counters(struct serving *s)
{
	struct serve_report report = report_of(s);

	live_line_hide(&s->live);
	serve_report_text(&report, stderr);
	fflush(stderr);
}

/* The first pause is told; the summary counts the others. */
static void look_for_pause(struct serving *s, const struct tally_sum *sum)
{
	/* Also of workers that leave the rest to others before accept() fails: engine_has_room() */
	const char *what = "descriptors (EMFILE: see ulimit -Hn, --processes, --max-connections)";

	if (s->told_pause || sum->paused == 0)
		return;
	s->told_pause = true;
	if (sum->errors[ENFILE])
		what = "descriptors in the whole system (ENFILE: see fs.file-max)";
	else if (!sum->errors[EMFILE] &&
		 (sum->errors[ENOMEM] || sum->errors[ENOBUFS] || sum->errors[EAGAIN]))
		what = "memory, processes or threads";
	SAY(s, "accepting pauses for want of %s, and goes on when there is room; this is told once",
	    what);
}

static void look(struct serving *s)
{
	struct tally_sum sum;

	server_sum(s->server, &sum);
	look_for_pause(s, &sum);
	serve_live_draw(&s->live, &sum, s->phase != SERVING);
}

/* ---- phases */

static void force(struct serving *s)
{
	s->phase = FORCING;
	s->until_ns = clock_now_ns() + FORCE_NS;
	server_force(s->server);
}

static void drain(struct serving *s)
{
	struct tally_sum sum;

	if (s->options.drain_ns == 0) {
		force(s);
		return;
	}
	s->phase = DRAINING;
	s->until_ns = clock_now_ns() + s->options.drain_ns;
	server_drain(s->server);
	server_sum(s->server, &sum);
	if (s->live.on && sum.open > 0)
		SAY(s,
		    "%llu connections open; they have %g s to end, a second signal ends them now",
		    (unsigned long long)sum.open, clock_seconds(s->options.drain_ns));
}

/* A signal that asks for the end, or the end of the phase's time. */
static void next_phase(struct serving *s)
{
	if (s->phase == SERVING) {
		drain(s);
	} else if (s->phase == DRAINING) {
		force(s);
	} else if (clock_now_ns() >= s->until_ns) {
		SAY(s, "worker processes did not end, and are killed");
		s->died += server_kill(s->server);
		s->phase = OVER;
	}
}

/* How it goes on without a worker that died. */
static void say_died(struct serving *s, const struct why *why)
{
	unsigned left = server_running(s->server);

	s->died++;
	if (left == 0)
		SAY(s, "%s; it was the last one: the server ends", why->text);
	else
		SAY(s, "%s; %u of %u go on", why->text, left, server_processes(s->server));
}

static void take_worker_ends(struct serving *s)
{
	struct why why;
	int r;

	while ((r = server_wait(s->server, 0, &why)) == -ECHILD || r == -EIO) {
		if (r == -ECHILD)
			say_died(s, &why);
		else
			SAY(s, "%s", why.text);
	}
	if (r == 0)
		s->phase = OVER;
}

static void reopen_log(struct serving *s)
{
	struct why why;

	if (journal_reopen(s->journal, &why) < 0)
		SAY(s, "%s", why.text);
}

static void take_signal(struct serving *s)
{
	int signal = signal_watch_next(&s->signals);

	if (signal == SIGUSR1)
		say_counters(s);
	else if (signal == SIGHUP && has_log_file(&s->options))
		reopen_log(s);
	else if (signal)
		next_phase(s);
}

static int wait_ms(const struct serving *s)
{
	int64_t now_ns = clock_now_ns(), wait_ns = s->live.on ? SERVE_LIVE_NS : LOOK_NS;

	if (s->until_ns && s->until_ns - now_ns < wait_ns)
		wait_ns = s->until_ns > now_ns ? s->until_ns - now_ns : 0;
	return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void serve(struct serving *s)
{
	struct pollfd fds[] = {
		{.fd = s->signals.fd, .events = POLLIN},
		{.fd = server_ended_fd(s->server), .events = POLLIN},
	};

	while (s->phase != OVER) {
		int n = poll(fds, ARRAY_SIZE(fds), wait_ms(s));

		if (n > 0 && fds[0].revents)
			take_signal(s);
		if (n > 0 && fds[1].revents)
			take_worker_ends(s);
		if (s->phase == OVER)
			break;
		if (s->until_ns && clock_now_ns() >= s->until_ns)
			next_phase(s);
		if (s->phase != OVER)
			look(s);
	}
	live_line_hide(&s->live);
}

/* ---- beginning and end */

/* A log is reopened also where SIGHUP was ignored when the program began (nohup): that is no end.
 */
static int take_signals(struct serving *s)
{
	static const int more[] = {SIGUSR1, SIGHUP};

	return signal_watch_open(&s->signals, more, has_log_file(&s->options) ? 2 : 1);
}

static void say_where(const struct serving *s)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < s->listeners.count; i++)
		printf("listening on %s\n", tcp_endpoint_format(&s->listeners.at[i], text));
	fflush(stdout);
}

static int start(struct serving *s)
{
	struct why why;
	int r;

	if (s->options.log &&
	    journal_open(s->options.log, s->options.log_form, &s->journal, &why) < 0)
		return invocation_fail(s->call, CLI_REFUSED, "%s", why.text);
	r = take_signals(s);
	if (r < 0)
		return invocation_fail(s->call, CLI_REFUSED, "cannot take signals: %s",
				       strerror(-r));
	if (server_new(&s->options.plan, s->listeners.fds, s->listeners.count, s->options.processes,
		       s->journal, &s->server, &why) < 0)
		return invocation_fail(s->call, CLI_REFUSED, "%s", why.text);
	serve_listeners_release(&s->listeners);
	s->began_ns = clock_now_ns();
	/* Peers that come now wait in the backlog. Said before workers may write a log there. */
	say_where(s);
	if (server_start(s->server, &why) < 0)
		return invocation_fail(s->call, CLI_REFUSED, "%s", why.text);
	return CLI_DONE;
}

static int finish(struct serving *s)
{
	struct serve_report report = report_of(s);

	if (!s->options.json)
		serve_report_text(&report, stdout);
	else if (serve_report_json(&report, stdout) < 0)
		return invocation_fail(s->call, CLI_REFUSED, "%s", strerror(ENOMEM));
	return s->died ? CLI_BAD : CLI_DONE;
}

/* The log may want the terminal that the live line stands on. */
static bool may_have_live_line(const struct serve_options *options)
{
	return !options->log || has_log_file(options) || isatty(STDOUT_FILENO) != 1;
}

static int run(struct serving *s)
{
	int r = start(s);

	if (r != CLI_DONE)
		return r;
	live_line_init(&s->live, stderr, s->call->color, may_have_live_line(&s->options));
	if (s->options.duration_ns)
		s->until_ns = s->began_ns + s->options.duration_ns;
	serve(s);
	return finish(s);
}

static int serve_run(const struct invocation *call)
{
	struct serving s = {.call = call, .signals = SIGNAL_WATCH_NONE};
	int r = serve_options_read(call, &s.options);
	struct why why;

	if (r != CLI_DONE)
		return r;
	if (s.options.plan.engine->probe && s.options.plan.engine->probe(&why) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	r = serve_listeners_open(call, &s.options, &s.listeners);
	if (r == CLI_DONE)
		r = run(&s);
	serve_listeners_done(&s.listeners);
	server_free(s.server);
	journal_close(s.journal);
	signal_watch_close(&s.signals);
	return r;
}

const struct command serve_command = {
	.name = "serve",
	.summary = "serve connections in a chosen way, and close them in a chosen way",
	.description =
		"Listens, answers, closes exactly as it is told, and says what happened. The first "
		"lines on standard output are \"listening on ADDR:PORT\", the last ones the "
		"summary. SIGTERM and SIGINT let connections end for the time of --drain, a second "
		"one does not wait; SIGUSR1 prints the counters to standard error; SIGHUP reopens "
		"the file of --log (without one it ends the server).",
	.needs = "CAP_NET_BIND_SERVICE for ports below 1024",
	.bad = "a worker process died",
	.options = serve_option_table,
	.examples =
		(const struct cli_example[]){
			{"contest serve", "the time of day, at port 5000 of all addresses"},
			{"contest serve --listen 127.0.0.1 --port 0",
			 "at any free port, which it tells"},
			{"contest serve --protocol echo --close never",
			 "leak into CLOSE-WAIT, as broken servers do"},
			{"contest serve --protocol http --close passive --log -",
			 "for curl or a browser; each connection on a line"},
			{"contest serve --engine thread --max-connections 10000 --json --duration 60s",
			 "a thread per connection, for a minute"},
			{NULL},
		},
	.run = serve_run,
};
