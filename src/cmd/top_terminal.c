/*
 * What is to be written to leave the screen is asked of terminfo(5) at the start: a handler of all
 * signals that end a program, SIGSEGV as SIGUSR1, can write it and set the terminal's modes by
 * tcsetattr(3), both safe there (signal-safety(7)), and then lets the signal do what it did before.
 */
#include "cmd/top_terminal.h"

/* Functions, not macros with names like "move" and "erase". */
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "render/text.h"

/* A key that ends the program does so with one byte; what begins an escape sequence is waited for
 * so long. */
#define ESCAPE_MS 25

/* The numbers below have a name and a meaning; nobody sends us the others, of real time. */
#define SIGNALS 32

struct top_terminal {
	SCREEN *screen; /* (owned) */
	struct screen style;
	bool color;
};

/* What the handler needs: nothing here changes while the terminal is taken. */
static struct {
	struct termios modes; /* as they were */
	char leave[256];      /* what is written */
	size_t length;
	struct sigaction before[SIGNALS];
	bool armed[SIGNALS];
	volatile sig_atomic_t taken;
} rescue;

/* ---- the way out when a signal ends it */

static int collect(int byte)
{
	if (rescue.length < sizeof(rescue.leave))
		rescue.leave[rescue.length++] = (char)byte;
	return byte;
}

static void collect_capability(const char *name)
{
	const char *text = tigetstr((NCURSES_CONST char *)name);

	if (text && text != (char *)-1)
		tputs(text, 1, collect);
}

static void on_end(int signal)
{
	int error = errno;

	if (rescue.taken) {
		rescue.taken = 0;
		if (write(STDOUT_FILENO, rescue.leave, rescue.length) < 0)
			errno = 0; /* there is nothing else to be done */
		tcsetattr(STDIN_FILENO, TCSANOW, &rescue.modes);
	}
	sigaction(signal, &rescue.before[signal], NULL);
	/* Delivered when this returns, with what it did before: a core, a sanitizer's report. */
	raise(signal);
	errno = error;
}

/* Whether it ends a program by itself (signal(7)), and can be caught. */
static bool ends(int signal)
{
	switch (signal) {
	case SIGKILL:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
		return false;
	default:
		return true;
	}
}

static void rescue_arm(void)
{
	/* SA_NODEFER: raise() is to take effect at once where the stack still tells the cause. */
	struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_NODEFER};

	rescue.length = 0;
	collect_capability("sgr0");
	collect_capability("rmkx");
	collect_capability("cnorm");
	collect_capability("rmcup");
	rescue.taken = 1;
	for (int signal = 1; signal < SIGNALS; signal++) {
		struct sigaction *before = &rescue.before[signal];

		/* What was ignored when the program began stays so (a shell's background job). */
		rescue.armed[signal] = ends(signal) && sigaction(signal, NULL, before) == 0 &&
				       before->sa_handler != SIG_IGN &&
				       sigaction(signal, &action, NULL) == 0;
	}
}

static void rescue_disarm(void)
{
	rescue.taken = 0;
	for (int signal = 1; signal < SIGNALS; signal++)
		if (rescue.armed[signal])
			sigaction(signal, &rescue.before[signal], NULL);
}

/* ---- taken and given back */

static const short style_colors[] = {
	[STYLE_GOOD] = COLOR_GREEN,
	[STYLE_BAD] = COLOR_RED,
	[STYLE_WARN] = COLOR_YELLOW,
	[STYLE_LINK] = COLOR_CYAN,
};

static void begin_colors(struct top_terminal *terminal)
{
	terminal->color = terminal->style.color && has_colors() && start_color() == OK;
	if (!terminal->color)
		return;
	use_default_colors();
	for (size_t i = 0; i < ARRAY_SIZE(style_colors); i++)
		if (style_colors[i])
			init_pair((short)i, style_colors[i], -1);
}

static void begin_input(void)
{
	/* Ctrl-C and Ctrl-Z stay signals. */
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
}

/* newterm() takes a terminal that can only go to the next line (TERM=dumb), too. */
static bool can_place_text(void)
{
	const char *move;
	int error;

	if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return false;
	move = tigetstr((NCURSES_CONST char *)"cup");
	del_curterm(cur_term);
	return move && move != (char *)-1;
}

int top_terminal_open(enum color_choice color, struct top_terminal **ret, struct why *why)
{
	struct top_terminal *terminal = calloc(1, sizeof(*terminal));
	const char *name = getenv("TERM");

	if (!terminal)
		return why_set(why, -ENOMEM, "cannot take the terminal");
	screen_init(&terminal->style, stdout, color);
	if (tcgetattr(STDIN_FILENO, &rescue.modes) < 0) {
		free(terminal);
		return why_set(why, -errno, "cannot read the terminal's modes");
	}
	/* initscr() would end the program. */
	terminal->screen = can_place_text() ? newterm(NULL, stdout, stdin) : NULL;
	if (!terminal->screen) {
		free(terminal);
		if (!name || !*name)
			return why_say(why, -ENOTSUP,
				       "TERM is not set: which terminal is it? (TERM=xterm)");
		return why_say(why, -ENOTSUP,
			       "terminfo does not know this terminal, or it cannot place text "
			       "(TERM=%s); Debian: ncurses-term",
			       name);
	}
	begin_input();
	begin_colors(terminal);
	rescue_arm();
	top_terminal_resize(terminal);
	*ret = terminal;
	return 0;
}

void top_terminal_close(struct top_terminal *terminal)
{
	if (!terminal)
		return;
	curs_set(1);
	endwin();
	rescue_disarm();
	/* A terminal that has gone has no modes. */
	tcsetattr(STDIN_FILENO, TCSADRAIN, &rescue.modes);
	delscreen(terminal->screen);
	free(terminal);
}

/* SIGTSTP, not SIGSTOP: where no shell is there to let it go on (xterm -e, ssh -t), the kernel does
 * not stop it (kernel/signal.c, get_signal(), is_current_pgrp_orphaned(), 6.18). */
static void stop_as_ever(void)
{
	const struct sigaction stop = {.sa_handler = SIG_DFL};
	struct sigaction before;
	sigset_t set, mask;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaction(SIGTSTP, &stop, &before);
	pthread_sigmask(SIG_UNBLOCK, &set, &mask);
	raise(SIGTSTP);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGTSTP, &before, NULL);
}

void top_terminal_suspend(struct top_terminal *terminal)
{
	curs_set(1);
	endwin();
	rescue.taken = 0;
	stop_as_ever();
	rescue.taken = 1;
	top_terminal_resume(terminal);
}

void top_terminal_resume(struct top_terminal *terminal)
{
	/* Whoever had the terminal meanwhile has set its modes. */
	reset_prog_mode();
	top_terminal_redraw(terminal);
	top_terminal_resize(terminal);
	doupdate();
}

void top_terminal_resize(struct top_terminal *terminal)
{
	struct winsize size;

	(void)terminal;
	/* What LINES and COLUMNS say is not asked: the screen is the terminal's. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
}

/* ---- keys */

static unsigned special(wint_t key)
{
	static const struct {
		int from;
		enum top_key to;
	} keys[] = {
		{KEY_UP, TOP_KEY_UP},	      {KEY_DOWN, TOP_KEY_DOWN},
		{KEY_LEFT, TOP_KEY_LEFT},     {KEY_RIGHT, TOP_KEY_RIGHT},
		{KEY_HOME, TOP_KEY_HOME},     {KEY_END, TOP_KEY_END},
		{KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
		{KEY_ENTER, TOP_KEY_ENTER},   {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
		{KEY_DC, TOP_KEY_DELETE},     {KEY_BTAB, TOP_KEY_BACK_TAB},
		{KEY_F(1), TOP_KEY_HELP},     {KEY_HELP, TOP_KEY_HELP},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if ((int)key == keys[i].from)
			return keys[i].to;
	return TOP_KEY_OTHER;
}

unsigned top_terminal_key(struct top_terminal *terminal)
{
	wint_t key;
	bool code;

	(void)terminal;
	/* A resize is told by its signal, and then once more by ncurses as a key. */
	do {
		int r = wget_wch(stdscr, &key);

		if (r == KEY_CODE_YES && key != KEY_RESIZE)
			return special(key);
		if (r != KEY_CODE_YES && r != OK)
			return TOP_KEY_NONE;
		code = r == KEY_CODE_YES;
	} while (code);
	switch (key) {
	case '\r':
	case '\n':
		return TOP_KEY_ENTER;
	case '\t':
		return TOP_KEY_TAB;
	case 0x1b:
		return TOP_KEY_ESCAPE;
	case 0x7f:
	case '\b':
		return TOP_KEY_BACKSPACE;
	case 0:
		return TOP_KEY_OTHER;
	default:
		return key;
	}
}

/* ---- drawing */

unsigned top_terminal_rows(const struct top_terminal *terminal)
{
	(void)terminal;
	return (unsigned)getmaxy(stdscr);
}

unsigned top_terminal_columns(const struct top_terminal *terminal)
{
	(void)terminal;
	return (unsigned)getmaxx(stdscr);
}

bool top_terminal_utf8(const struct top_terminal *terminal)
{
	return terminal->style.utf8;
}

void top_terminal_erase(struct top_terminal *terminal)
{
	(void)terminal;
	werase(stdscr);
}

static attr_t attributes(const struct top_terminal *terminal, enum screen_style style, bool reverse)
{
	attr_t set = reverse ? A_REVERSE : A_NORMAL;

	if (style == STYLE_BOLD)
		return set | A_BOLD;
	if (style == STYLE_DIM)
		return set | A_DIM;
	if (style == STYLE_PLAIN || !terminal->color)
		return set;
	return set | (attr_t)COLOR_PAIR(style);
}

unsigned top_terminal_put(struct top_terminal *terminal, unsigned row, unsigned column,
			  unsigned width, enum screen_style style, bool reverse, const char *text)
{
	char clean[1024];
	unsigned used, edge = top_terminal_columns(terminal);

	if (row >= top_terminal_rows(terminal) || column >= edge)
		return 0;
	if (width > edge - column)
		width = edge - column;
	screen_clean(&terminal->style, text, strlen(text), clean, sizeof(clean));
	clean[text_fit(clean, width)] = '\0';
	used = text_columns(clean, strlen(clean));
	wattrset(stdscr, (int)attributes(terminal, style, reverse));
	mvwaddstr(stdscr, (int)row, (int)column, clean);
	if (reverse) {
		for (; used < width; used++)
			mvwaddstr(stdscr, (int)row, (int)(column + used), " ");
	}
	wattrset(stdscr, A_NORMAL);
	return used;
}

void top_terminal_cursor(struct top_terminal *terminal, unsigned row, unsigned column)
{
	(void)terminal;
	curs_set(1);
	wmove(stdscr, (int)row, (int)column);
}

void top_terminal_no_cursor(struct top_terminal *terminal)
{
	(void)terminal;
	if (curs_set(0) == ERR)
		wmove(stdscr, 0, 0);
}

void top_terminal_show(struct top_terminal *terminal)
{
	(void)terminal;
	wrefresh(stdscr);
}

void top_terminal_redraw(struct top_terminal *terminal)
{
	(void)terminal;
	clearok(stdscr, TRUE);
}
