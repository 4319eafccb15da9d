/*
 * One thread draws and reads keys, and waits for nothing but these: keys, signals, the walker. All
 * that may take its time is the walker's.
 */
#include "cmd/top_screen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/signal_watch.h"
#include "cmd/top_draw.h"

/* Times that count on in the view of one connection. */
#define REDRAW_MS 250

#define CONTROL_L 0x0c

enum { WAKE_KEYS, WAKE_SIGNAL, WAKE_WALKER, WAKE_COUNT };

int top_screen_probe(struct why *why)
{
	(void)why;
	return 0;
}

static void hear_signals(struct top_model *model, struct top_terminal *terminal,
			 const struct signal_watch *watch)
{
	int signal;

	while ((signal = signal_watch_next(watch)))
		switch (signal) {
		case SIGWINCH:
			top_terminal_resize(terminal);
			break;
		case SIGTSTP:
			top_terminal_suspend(terminal);
			break;
		case SIGCONT:
			top_terminal_resume(terminal);
			break;
		default:
			model->ended = true;
			break;
		}
}

static void hear_keys(struct top_model *model, struct top_terminal *terminal)
{
	unsigned key;

	while (!model->ended && (key = top_terminal_key(terminal)) != TOP_KEY_NONE) {
		if (key == CONTROL_L)
			top_terminal_redraw(terminal);
		else
			top_model_key(model, key);
	}
}

static int run(struct top_model *model, struct top_terminal *terminal,
	       const struct signal_watch *watch)
{
	struct pollfd wake[WAKE_COUNT] = {
		[WAKE_KEYS] = {.fd = STDIN_FILENO, .events = POLLIN},
		[WAKE_SIGNAL] = {.fd = watch->fd, .events = POLLIN},
		[WAKE_WALKER] = {.fd = top_walker_fd(model->walker), .events = POLLIN},
	};

	while (!model->ended) {
		top_draw(model, terminal);
		if (poll(wake, WAKE_COUNT, model->view == VIEW_CONNECTION ? REDRAW_MS : -1) < 0 &&
		    errno != EINTR)
			return -errno;
		hear_signals(model, terminal, watch);
		if (wake[WAKE_KEYS].revents & (POLLHUP | POLLERR | POLLNVAL))
			return model->ended ? 0 : -EIO;
		hear_keys(model, terminal);
		if (wake[WAKE_WALKER].revents)
			top_model_news(model);
	}
	return 0;
}

static int watch_signals(struct signal_watch *watch)
{
	static const int more[] = {SIGWINCH, SIGCONT, SIGTSTP};

	/* A shell without job control has Ctrl-Z ignored. */
	return signal_watch_open(watch, more,
				 ARRAY_SIZE(more) - (signal_is_ignored(SIGTSTP) ? 1 : 0));
}

static int run_walking(const struct top_options *options, struct top_walker *walker,
		       const struct signal_watch *watch, struct why *why)
{
	struct top_model model = {
		.walker = walker,
		.source = options->source.source->name,
		.sort = GROUP_KEYS_MAX,
		.by = options->by,
		.interval_ns = options->interval_ns,
		.processes = options->processes,
	};
	struct top_terminal *terminal;
	int r = top_terminal_open(options->color, &terminal, why);

	if (r < 0)
		return r;
	snprintf(model.filter, sizeof(model.filter), "%s", options->filter_text);
	r = run(&model, terminal, watch);
	top_terminal_close(terminal);
	top_model_done(&model);
	return r < 0 ? why_say(why, r, "the terminal has gone") : 0;
}

int top_screen_run(const struct top_options *options, struct why *why)
{
	struct top_start start = {
		.source = options->source,
		.netns = options->netns,
		.by = options->by,
		.owners = options->processes || group_by_has(&options->by, GROUP_PROCESS),
		.interval_ns = options->interval_ns,
	};
	struct signal_watch watch = SIGNAL_WATCH_NONE;
	struct top_walker *walker;
	int r;

	/* Before the thread, which is to have them blocked. */
	r = watch_signals(&watch);
	if (r < 0) {
		socket_filter_free(options->filter);
		return why_set(why, r, "cannot watch for signals");
	}
	r = top_walker_start(&start, options->filter, &walker, why);
	if (r == 0) {
		r = run_walking(options, walker, &watch, why);
		top_walker_stop(walker);
	}
	signal_watch_close(&watch);
	return r;
}
