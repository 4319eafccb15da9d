/* contest states --counters for people: what there is now, and what was counted so far. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/states_counters.h"
#include "render/line.h"
#include "render/table.h"

/* Of a limit, in percent. */
#define SHARE_WARN 50
#define SHARE_BAD  90

#define UNLIMITED LIMIT_COUNT
#define NOT_THERE INT64_MIN /* this kernel has no counter of that name */
#define NOTE_MAX  320

/*
 * What there is now. Full sockets are in use from listen() or connect() on, and no longer when they
 * are closed or become minisocks; connections that a listener has not established yet have no full
 * socket (sock_prot_inuse_add() in net/ipv4/inet_hashtables.c, 6.18). CurrEstab stays as it is from
 * ESTAB to CLOSE-WAIT (net/ipv4/tcp.c, tcp_set_state(), 6.18; until 6.10 it went down, as RFC 4022
 * does not have it).
 */
static const struct {
	const char *what, *counter, *note;
	enum counter_limit_name limit;
	bool pages;
} now[] = {
	{"ESTAB + CLOSE-WAIT", "Tcp.CurrEstab",
	 "both together (CurrEstab; kernels before 6.10: ESTAB alone)", UNLIMITED, false},
	{"Minisocks", "sockstat.TCP.tw", "TIME-WAIT, and FIN-WAIT-2 without a process (tw)",
	 LIMIT_TW_BUCKETS, false},
	{"In use, IPv4", "sockstat.TCP.inuse",
	 "full sockets of all states but UNCONN, listeners too; no SYN-RECV, no minisocks (inuse)",
	 UNLIMITED, false},
	{"In use, IPv6", "sockstat.TCP6.inuse",
	 "the same of sockets of IPv6, which may have IPv4 addresses (v4-mapped)", UNLIMITED,
	 false},
	{"Orphans", "sockstat.TCP.orphan",
	 "of the whole machine: full sockets that were closed and still send, or wait for a FIN",
	 LIMIT_ORPHANS, false},
	{"Allocated", "sockstat.TCP.alloc",
	 "of the whole machine: full sockets of all states, UNCONN too (alloc)", UNLIMITED, false},
	{"Memory, KiB", "sockstat.TCP.mem",
	 "of the whole machine: data in queues, to within 1 MiB per CPU (mem)", LIMIT_MEMORY, true},
};

/* What is worth a line of what was counted so far: how connections began, and how they ended badly.
 * A limit is told with what goes beyond it. */
static const struct {
	const char *counter, *note;
	enum counter_limit_name limit;
} totals[] = {
	{"Tcp.ActiveOpens", "connections begun by connect()", UNLIMITED},
	{"Tcp.PassiveOpens", "connections that listeners established", UNLIMITED},
	{"Tcp.AttemptFails", "ended before they were established: refused, reset, no answer",
	 UNLIMITED},
	{"Tcp.EstabResets", "ended at once from ESTAB or CLOSE-WAIT: by a RST, or no answer",
	 UNLIMITED},
	{"Tcp.OutRsts", "RST sent, those for ports where nobody listens too", UNLIMITED},
	{"Tcp.RetransSegs", "segments sent again", UNLIMITED},
	{"TcpExt.TCPSynRetrans", "of these: SYN, and SYN with ACK", UNLIMITED},
	{"TcpExt.TCPTimeouts", "times that the timer for sending again ran out", UNLIMITED},
	{"TcpExt.TW",
	 "minisocks made, for longer than 4 s: TIME-WAIT, or FIN-WAIT-2 without a process",
	 UNLIMITED},
	{"TcpExt.TWKilled", "minisocks made for at most 4 s: FIN-WAIT-2 (net.ipv4.tcp_fin_timeout)",
	 UNLIMITED},
	{"TcpExt.TWRecycled", "TIME-WAIT whose ports connect() has taken again", UNLIMITED},
	{"TcpExt.TCPTimeWaitOverflow", "closed without TIME-WAIT: too many minisocks, or no memory",
	 LIMIT_TW_BUCKETS},
	{"TcpExt.TCPAbortOnData", "RST sent: close() with SO_LINGER 0, or data came after close()",
	 UNLIMITED},
	{"TcpExt.TCPAbortOnClose", "RST sent: close() before all data was read", UNLIMITED},
	{"TcpExt.TCPAbortOnLinger", "FIN-WAIT-2 not waited for: TCP_LINGER2 below 0", UNLIMITED},
	{"TcpExt.TCPAbortOnTimeout", "given up: the peer has not answered", UNLIMITED},
	{"TcpExt.TCPAbortOnMemory", "orphans given up: too many, or no memory", LIMIT_ORPHANS},
	{"TcpExt.TCPAbortFailed", "RST not sent: no memory", UNLIMITED},
	{"TcpExt.TCPMemoryPressures", "times that memory became scarce: net.ipv4.tcp_mem",
	 UNLIMITED},
	{"TcpExt.ListenOverflows", "dropped by listeners: too many wait for accept()",
	 LIMIT_SOMAXCONN},
	{"TcpExt.ListenDrops", "dropped by listeners, for any reason", UNLIMITED},
	{"TcpExt.TCPReqQFullDrop", "SYN dropped: too many in SYN-RECV, and no cookies",
	 LIMIT_SOMAXCONN},
	{"TcpExt.TCPReqQFullDoCookies", "SYN answered with a cookie: too many in SYN-RECV",
	 LIMIT_SOMAXCONN},
	{"TcpExt.PAWSActive", "answers to a SYN refused: their timestamps do not fit", UNLIMITED},
	{"TcpExt.PAWSEstab", "segments dropped: their timestamps are older (RFC 7323, 5)",
	 UNLIMITED},
	{"TcpExt.PAWSTimewait", "the same by TIME-WAIT", UNLIMITED},
	{"TcpExt.TCPChallengeACK", "RST or SYN that do not quite fit, answered by ACK (RFC 5961)",
	 UNLIMITED},
};

static void free_table(struct table **table)
{
	table_free(*table);
}

/* ---- numbers */

static int64_t in_kib(int64_t pages)
{
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void put_number(int64_t value, bool pages, char *to, size_t room)
{
	snprintf(to, room, "%" PRId64, pages ? in_kib(value) : value);
}

/* ---- now */

/* Why there is no limit beside the count, or what else the limit's setting says. */
static void now_note(const struct states_counters_net *net, size_t i, char *to, size_t room)
{
	enum counter_limit_name which = now[i].limit;
	char pressure[32];

	if (which == UNLIMITED) {
		snprintf(to, room, "%s", now[i].note);
	} else if (net->limits[which].count == 0) {
		snprintf(to, room, "%s; %s is not shown in this namespace", now[i].note,
			 counter_limit_name(which));
	} else if (which == LIMIT_MEMORY) {
		put_number(net->limits[which].values[1], true, pressure, sizeof(pressure));
		snprintf(to, room, "%s; scarce from %s on: %s", now[i].note, pressure,
			 counter_limit_name(which));
	} else {
		snprintf(to, room, "%s; limit: %s", now[i].note, counter_limit_name(which));
	}
}

static int add_now(struct table *table, const struct states_counters_net *net, size_t i)
{
	int64_t value = counters_value(&net->counters, now[i].counter, NOT_THERE), most = 0;
	char count[32], limit[32] = "", share[32] = "", note[NOTE_MAX];
	enum screen_style style = STYLE_PLAIN;

	if (value == NOT_THERE)
		return 0;
	if (now[i].limit != UNLIMITED && net->limits[now[i].limit].count) {
		most = net->limits[now[i].limit].values[net->limits[now[i].limit].count - 1];
		put_number(most, now[i].pages, limit, sizeof(limit));
	}
	if (most > 0) {
		double percent = 100.0 * (double)value / (double)most;

		snprintf(share, sizeof(share), "%.1f%%", percent);
		style = percent >= SHARE_BAD	? STYLE_BAD
			: percent >= SHARE_WARN ? STYLE_WARN
						: STYLE_PLAIN;
	}
	put_number(value, now[i].pages, count, sizeof(count));
	now_note(net, i, note, sizeof(note));
	return table_add(table, (const char *const[]){now[i].what, count, limit, share, note},
			 (const enum screen_style[5]){STYLE_PLAIN, STYLE_BOLD, STYLE_PLAIN, style});
}

static int put_now(const struct screen *screen, const struct states_counters_net *net)
{
	static const char *const titles[] = {"Now", "Count", "Limit", "Share", "Notes"};
	CLEANUP(free_table) struct table *table = table_new(titles, ARRAY_SIZE(titles));
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(now) && r == 0; i++)
		r = add_now(table, net, i);
	if (r == 0)
		table_print(screen, table);
	return r;
}

/* ---- so far */

static int add_total(struct table *table, const struct states_counters_net *net, size_t i,
		     int64_t value)
{
	enum counter_limit_name which = totals[i].limit;
	char count[32], limit[32], note[NOTE_MAX];

	put_number(value, false, count, sizeof(count));
	snprintf(note, sizeof(note), "%s", totals[i].note);
	if (which != UNLIMITED && net->limits[which].count == 1) {
		put_number(net->limits[which].values[0], false, limit, sizeof(limit));
		snprintf(note, sizeof(note), "%s (%s: %s)", totals[i].note,
			 counter_limit_name(which), limit);
	}
	return table_add(table,
			 (const char *const[]){strchr(totals[i].counter, '.') + 1, count, note},
			 (const enum screen_style[3]){STYLE_PLAIN, STYLE_BOLD});
}

static int put_totals(const struct screen *screen, const struct states_counters_net *net)
{
	static const char *const titles[] = {"So far", "Count", "Notes"};
	CLEANUP(free_table) struct table *table = table_new(titles, ARRAY_SIZE(titles));
	int r = table ? 0 : -ENOMEM;
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(totals) && r == 0; i++) {
		int64_t value = counters_value(&net->counters, totals[i].counter, 0);

		if (value == 0)
			continue;
		r = add_total(table, net, i, value);
		count++;
	}
	if (r < 0 || count == 0)
		return r;
	fputc('\n', screen->out);
	table_print(screen, table);
	return 0;
}

/* ---- the whole */

static void put_head(const struct screen *screen, const struct states_counters *look,
		     const struct states_counters_net *net)
{
	char where[128] = "this network namespace", text[256], cleaned[1024];

	if (look->netns)
		snprintf(where, sizeof(where), "the network namespace %s", net->label);
	snprintf(text, sizeof(text),
		 "What the kernel has counted of TCP in %s; no socket was "
		 "looked at",
		 where);
	line_wrap(screen, STYLE_BOLD,
		  screen_clean(screen, text, strlen(text), cleaned, sizeof(cleaned)), 2);
}

int states_counters_text(const struct screen *screen, const struct states_counters *look)
{
	int r = 0;

	for (size_t i = 0; i < look->net_count && r == 0; i++) {
		if (i > 0)
			fputc('\n', screen->out);
		put_head(screen, look, &look->nets[i]);
		r = put_now(screen, &look->nets[i]);
		if (r == 0)
			r = put_totals(screen, &look->nets[i]);
	}
	return r;
}
