#include "cmd/states_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/states_groups.h"
#include "cmd/states_words.h"
#include "render/line.h"
#include "render/table.h"

/* Of each list of the summary. */
#define NOTES_SHOWN 5
/* Of the ports of a destination, in percent: then connect() begins to search (every second port is
 * left alone at first: net/ipv4/inet_hashtables.c, __inet_hash_connect(), 6.18), and when it fails
 * soon. */
#define PORTS_WARN 50
#define PORTS_BAD  90

static void free_table(struct table **table)
{
	table_free(*table);
}

/* A sentence, wrapped. */
__attribute__((format(printf, 3, 4))) static void say(const struct screen *screen,
						      enum screen_style style, const char *format,
						      ...)
{
	char text[768], cleaned[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_wrap(screen, style, screen_clean(screen, text, strlen(text), cleaned, sizeof(cleaned)),
		  2);
}

static const char *number(uint64_t value, char *to)
{
	*states_put_number(value, to) = '\0';
	return to;
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* ---- the table of states */

static enum screen_style state_style(int state)
{
	switch (state) {
	case TCP_ESTABLISHED:
		return STYLE_GOOD;
	case TCP_CLOSE_WAIT:
		return STYLE_BAD;
	case TCP_TIME_WAIT:
	case TCP_FIN_WAIT2:
		return STYLE_WARN;
	default:
		return STYLE_PLAIN;
	}
}

static void fin_wait2_note(const struct states_tally *tally, char *to, size_t room)
{
	uint64_t full = tally->count - tally->minisocks;

	if (tally->minisocks && full)
		snprintf(to, room,
			 "%" PRIu64 " minisock%s (closed, no process), %" PRIu64 " full socket%s",
			 tally->minisocks, plural(tally->minisocks), full, plural(full));
	else if (tally->minisocks)
		snprintf(to, room, "%s minisock%s (closed, no process)",
			 tally->count == 1 ? "a" : "all", plural(tally->count));
	else
		snprintf(to, room, "%s full socket%s", tally->count == 1 ? "a" : "all",
			 plural(tally->count));
}

static void time_wait_note(const struct states_tally *tally, char *to, size_t room)
{
	char newest[STATES_TIME_MAX], oldest[STATES_TIME_MAX];

	states_time(states_time_wait_age_ms(tally->most_ms), newest);
	states_time(states_time_wait_age_ms(tally->least_ms), oldest);
	if (strcmp(newest, oldest) != 0)
		snprintf(to, room, "for %s to %s; each lasts 60s", newest, oldest);
	else
		snprintf(to, room, "for %s; %s lasts 60s", newest,
			 tally->timers > 1 ? "each" : "it");
}

static void note(int state, const struct states_tally *tally, char *to, size_t room)
{
	*to = '\0';
	if (state == TCP_TIME_WAIT && tally->timers)
		time_wait_note(tally, to, room);
	else if (state == TCP_FIN_WAIT2)
		fin_wait2_note(tally, to, room);
	else if (state == TCP_CLOSE_WAIT)
		snprintf(to, room, "the peer has closed, the process here has not");
}

static int add_state(struct table *table, int state, const struct states_tally *tally)
{
	char count[24], timers[24], least[STATES_TIME_MAX] = "", most[STATES_TIME_MAX] = "";
	const enum screen_style styles[6] = {state_style(state), STYLE_BOLD};
	char text[120];

	if (tally->timers) {
		states_time(tally->least_ms, least);
		states_time(tally->most_ms, most);
	}
	note(state, tally, text, sizeof(text));
	return table_add(table,
			 (const char *const[]){states_name(state), number(tally->count, count),
					       tally->timers ? number(tally->timers, timers) : "",
					       least, most, text},
			 styles);
}

static int put_states(const struct screen *screen, const struct states_look *look)
{
	static const char *const titles[] = {"State",	  "Sockets",   "Timers",
					     "Next ends", "Last ends", "Notes"};
	CLEANUP(free_table) struct table *table = table_new(titles, ARRAY_SIZE(titles));
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; states_order[i] >= 0 && r == 0; i++)
		if (look->states[states_order[i]].count)
			r = add_state(table, states_order[i], &look->states[states_order[i]]);
	if (r == 0 && look->total)
		table_print(screen, table);
	return r;
}

/* ---- local ports */

static const struct states_net *net_of(const struct states_look *look, uint64_t inode)
{
	for (size_t i = 0; i < look->net_count; i++)
		if (look->nets[i].inode == inode)
			return &look->nets[i];
	return NULL;
}

static void ports_head(const struct screen *screen, const struct states_look *look)
{
	const struct states_net *net = &look->nets[0];

	fputc('\n', screen->out);
	if (look->net_count == 1)
		say(screen, STYLE_BOLD,
		    "Local ports used, of %" PRIu64
		    " for each destination (net.ipv4.ip_local_port_range: %u to %u)",
		    net->ports_available, net->first_port, net->last_port);
	else
		say(screen, STYLE_BOLD,
		    "Local ports used, for each destination (net.ipv4.ip_local_port_range)");
}

static int add_port(struct table *table, const struct states_look *look,
		    const struct socket_group *group)
{
	const struct states_net *net = net_of(look, group->netns);
	uint64_t available = net ? net->ports_available : 0;
	double share = available ? 100.0 * (double)group->count / (double)available : 0;
	enum screen_style style = share >= PORTS_BAD	? STYLE_BAD
				  : share >= PORTS_WARN ? STYLE_WARN
							: STYLE_PLAIN;
	char used[24], percent[24], waiting[24];
	char from[TCP_ENDPOINT_TEXT_MAX], to[TCP_ENDPOINT_TEXT_MAX];

	snprintf(percent, sizeof(percent), "%.1f%%", share);
	return table_add(table,
			 (const char *const[]){
				 tcp_address_format(&group->local.address, from),
				 tcp_endpoint_format(&group->peer, to), number(group->count, used),
				 percent, number(group->minisocks, waiting), net ? net->label : ""},
			 (const enum screen_style[6]){STYLE_PLAIN, STYLE_PLAIN, style, style});
}

static int put_ports(const struct screen *screen, const struct states_look *look)
{
	static const char *const titles[] = {"From",  "Towards",   "Used",
					     "Share", "Minisocks", "Netns"};
	CLEANUP(free_table)
	struct table *table = table_new(titles, ARRAY_SIZE(titles) - (look->net_count == 1));
	CLEANUP_FREE struct socket_group *top = NULL;
	size_t count, all = socket_groups_count(look->ports);
	int r = table ? 0 : -ENOMEM;

	top = socket_groups_top(look->ports, NOTES_SHOWN, &count);
	if (!top)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_port(table, look, &top[i]);
	if (r < 0 || count == 0)
		return r;
	ports_head(screen, look);
	table_print(screen, table);
	if (all > count)
		say(screen, STYLE_DIM, "and %zu more pair%s: --by local,destination", all - count,
		    plural(all - count));
	return 0;
}

/* ---- TIME-WAIT by peer, CLOSE-WAIT by process */

/* A list of names with counts, under its own heading. */
static int put_list(const struct screen *screen, const struct states_look *look,
		    const struct socket_groups *groups, const enum group_key *keys,
		    size_t key_count, const char *more)
{
	CLEANUP(free_table) struct table *table = NULL;
	CLEANUP_FREE struct socket_group *top = NULL;
	const char *titles[3] = {NULL}, *cells[3] = {NULL};
	char texts[2][STATES_KEY_MAX], sockets[24];
	size_t count, all = socket_groups_count(groups);
	int r = 0;

	for (size_t k = 0; k < key_count; k++)
		titles[k] = states_key_title(keys[k]);
	titles[key_count] = "Sockets";
	table = table_new(titles, key_count + 1);
	top = socket_groups_top(groups, NOTES_SHOWN, &count);
	if (!table || !top)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		for (size_t k = 0; k < key_count; k++)
			cells[k] = states_key_text(&top[i], keys[k], states_look_net_name, look,
						   texts[k]);
		cells[key_count] = number(top[i].count, sockets);
		r = table_add(table, cells, NULL);
	}
	if (r < 0)
		return r;
	table_print(screen, table);
	if (all > count)
		say(screen, STYLE_DIM, "and %zu more: %s", all - count, more);
	return 0;
}

static int put_peers(const struct screen *screen, const struct states_look *look)
{
	static const enum group_key keys[] = {GROUP_PEER};
	uint64_t all = look->states[TCP_TIME_WAIT].count;

	if (all == 0)
		return 0;
	fputc('\n', screen->out);
	say(screen, STYLE_BOLD, "TIME-WAIT by peer");
	if (look->served == all)
		say(screen, STYLE_PLAIN,
		    "All are at ports that are listened at here: they take no local port.");
	else if (look->served)
		say(screen, STYLE_PLAIN,
		    "%" PRIu64 " of %" PRIu64
		    " are at ports that are listened at here: these take no local port.",
		    look->served, all);
	return put_list(screen, look, look->peers, keys, 1, "state time-wait --by peer");
}

static int put_holders(const struct screen *screen, const struct states_look *look)
{
	static const enum group_key keys[] = {GROUP_PROCESS, GROUP_USER};

	if (look->states[TCP_CLOSE_WAIT].count == 0)
		return 0;
	fputc('\n', screen->out);
	say(screen, STYLE_BOLD, "CLOSE-WAIT by process: it has not called close()");
	return put_list(screen, look, look->holders, keys, 2, "state close-wait --by process");
}

/* ---- the whole */

static void put_total(const struct screen *screen, const struct states_look *look)
{
	const struct states_options *options = look->options;
	bool filtered = options->text && options->text[strspn(options->text, " \t\r\n")];
	char where[96] = "";

	if (look->net_count > 1)
		snprintf(where, sizeof(where), " in %zu network namespaces", look->net_count);
	else if (options->netns && look->net_count == 1)
		snprintf(where, sizeof(where), " in the network namespace %s", look->nets[0].label);
	say(screen, STYLE_PLAIN, "%" PRIu64 " TCP socket%s%s%s%s", look->total, plural(look->total),
	    where, filtered ? " match: " : "", filtered ? options->text : "");
}

int states_text_summary(const struct screen *screen, const struct states_look *look)
{
	int r;

	put_total(screen, look);
	r = put_states(screen, look);
	if (r == 0)
		r = put_ports(screen, look);
	if (r == 0)
		r = put_peers(screen, look);
	return r == 0 ? put_holders(screen, look) : r;
}

static int add_group(struct table *table, const struct states_look *look,
		     const struct socket_group *group)
{
	const struct states_options *options = look->options;
	char texts[GROUP_KEYS_MAX][STATES_KEY_MAX], sockets[24], timers[24];
	char least[STATES_TIME_MAX] = "", most[STATES_TIME_MAX] = "";
	const char *cells[GROUP_KEYS_MAX + 4];
	enum screen_style styles[GROUP_KEYS_MAX + 4] = {0};
	size_t n = 0;

	for (; n < options->by.count; n++) {
		cells[n] = states_key_text(group, options->by.at[n], states_look_net_name, look,
					   texts[n]);
		if (options->by.at[n] == GROUP_STATE)
			styles[n] = state_style(group->state);
	}
	if (group->timers) {
		states_time(group->timer_least_ms, least);
		states_time(group->timer_most_ms, most);
	}
	styles[n] = STYLE_BOLD;
	cells[n++] = number(group->count, sockets);
	cells[n++] = group->timers ? number(group->timers, timers) : "";
	cells[n++] = least;
	cells[n++] = most;
	return table_add(table, cells, styles);
}

int states_text_groups(const struct screen *screen, const struct states_look *look)
{
	const struct states_options *options = look->options;
	CLEANUP(free_table) struct table *table = NULL;
	CLEANUP_FREE struct socket_group *groups = NULL;
	const char *titles[GROUP_KEYS_MAX + 4];
	size_t count, n = 0, all = socket_groups_count(look->groups);
	uint64_t shown = 0;
	int r = 0;

	for (; n < options->by.count; n++)
		titles[n] = states_key_title(options->by.at[n]);
	titles[n++] = "Sockets";
	titles[n++] = "Timers";
	titles[n++] = "Next ends";
	titles[n++] = "Last ends";
	table = table_new(titles, n);
	groups = states_groups_take(look, &count);
	if (!table || !groups)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		shown += groups[i].count;
		r = add_group(table, look, &groups[i]);
	}
	if (r < 0)
		return r;
	if (count)
		table_print(screen, table);
	else
		put_total(screen, look);
	if (all > count)
		say(screen, STYLE_DIM,
		    "and %zu more group%s with %" PRIu64 " socket%s; --top 0 shows all",
		    all - count, plural(all - count), look->total - shown,
		    plural(look->total - shown));
	return 0;
}

void states_text_doubts(const struct invocation *call, const struct states_look *look)
{
	if (look->torn)
		invocation_fail(call, CLI_BAD,
				"the kernel's list was interrupted each time, it changes too fast: "
				"sockets may be missing, or be there twice");
	else if (look->repeated)
		invocation_fail(call, CLI_DONE,
				"the kernel's list was interrupted, and read again (%u time%s)",
				look->repeated, plural(look->repeated));
	if (look->owners && look->hidden)
		invocation_fail(call, CLI_DONE,
				"%u process%s could not be looked into (not one's own): "
				"sockets of theirs show none",
				look->hidden, look->hidden == 1 ? "" : "es");
	if (look->closed)
		invocation_fail(call, CLI_DONE,
				"%u network namespace%s could not be looked into: %s", look->closed,
				plural(look->closed), look->closed_why.text);
}
