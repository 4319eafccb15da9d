#include "cmd/serve_options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/closing_option.h"
#include "serve/engine.h"
#include "serve/protocol.h"

#define DAY (24 * 3600 * NS_PER_S)

static const char *engine_word(size_t index)
{
	return engines[index] ? engines[index]->name : NULL;
}

static const char *protocol_word(size_t index)
{
	return protocols[index] ? protocols[index]->name : NULL;
}

static const char *closing_word(size_t index)
{
	return serve_closing_name((enum serve_closing)index);
}

static const char *const switch_words[] = {"on", "off", NULL};
static const char *const form_words[] = {"text", "json", NULL};

#define SECONDS_MIN NS_PER_S
#define SECONDS_MAX (32767 * NS_PER_S) /* MAX_TCP_KEEPIDLE (include/net/tcp.h) */

const struct cli_option serve_option_table[] = {
	{"listen", OPTION_TEXT, "ADDR[:PORT]",
	 "an address, an interface, a host name, or * for all, the default", .repeats = true},
	{"port", OPTION_NUMBER, "PORT", "where ADDR names none (default: 5000; 0: any free one)",
	 .max = UINT16_MAX},
	{"engine", OPTION_CHOICE, "NAME", "how connections are served (default: epoll)",
	 .word = engine_word},
	{"protocol", OPTION_CHOICE, "NAME", "what is served (default: daytime)",
	 .word = protocol_word},
	{"close", OPTION_TEXT, "HOW",
	 "active, passive, never, half, rst, linger=SECONDS or unread (default: passive for echo, "
	 "discard and chargen, else active)",
	 .word = closing_word},
	{"close-after", OPTION_DURATION, "TIME", "close so much later", .max = DAY},
	{"before-answer", .help = "close without a byte sent"},
	{"v4", .help = "IPv4 only"},
	{"v6", .help = "IPv6 only"},
	{"dual", .help = "both by one socket (the default for *, where there is IPv6)"},
	{"reuseaddr", OPTION_CHOICE, "SWITCH", "SO_REUSEADDR (default: on)",
	 .choices = switch_words},
	{"reuseport", .help = "SO_REUSEPORT"},
	{"backlog", OPTION_NUMBER, "N", "of listen(2) (default: as much as there may be)", .min = 1,
	 .max = INT_MAX},
	{"defer-accept", OPTION_DURATION, "TIME", "TCP_DEFER_ACCEPT", .min = SECONDS_MIN,
	 .max = SECONDS_MAX},
	{"fastopen", OPTION_NUMBER, "N", "TCP_FASTOPEN, with a queue of N", .min = 1,
	 .max = INT_MAX},
	{"nodelay", .help = "TCP_NODELAY"},
	{"keepalive", OPTION_DURATION, "TIME", "SO_KEEPALIVE, after TIME without a byte",
	 .min = SECONDS_MIN, .max = SECONDS_MAX, .bare = true},
	{"user-timeout", OPTION_DURATION, "TIME", "TCP_USER_TIMEOUT", .min = NS_PER_MS, .max = DAY},
	{"linger2", OPTION_DURATION, "TIME", "TCP_LINGER2: how long FIN-WAIT-2 stays",
	 .min = SECONDS_MIN, .max = SECONDS_MAX},
	{"rcvbuf", OPTION_SIZE, "BYTES", "SO_RCVBUF", .min = 1, .max = INT_MAX},
	{"sndbuf", OPTION_SIZE, "BYTES", "SO_SNDBUF", .min = 1, .max = INT_MAX},
	{"max-connections", OPTION_NUMBER, "N", "at most N open at once; more are closed at once",
	 .min = 1, .max = 100000000},
	{"idle-timeout", OPTION_DURATION, "TIME", "close what has been silent for so long",
	 .min = NS_PER_MS, .max = 365 * DAY},
	{"threads", OPTION_NUMBER, "N", "of a pool, in all (default: one per core)", .min = 1,
	 .max = 4096},
	{"stack-size", OPTION_SIZE, "BYTES", "of each thread of the engine thread", .min = 16384,
	 .max = 1 << 30},
	{"processes", OPTION_NUMBER, "N",
	 "worker processes (default: as --max-connections and ulimit -n demand)", .min = 1,
	 .max = 1024},
	{"body-size", OPTION_SIZE, "BYTES", "of an answer of http (default: 100)", .max = 1 << 30},
	{"log", OPTION_PATH, "FILE",
	 "a line per event; - is standard output, and the default for chat"},
	{"log-format", OPTION_CHOICE, "FORM", "of the log (default: text)", .choices = form_words},
	{"drain", OPTION_DURATION, "TIME",
	 "how long connections may last after SIGTERM or SIGINT (default: 5s)", .max = DAY},
	{"duration", OPTION_DURATION, "TIME", "end by itself after TIME", .min = NS_PER_MS,
	 .max = 365 * DAY},
	{"json", .help = "print the summary as JSON (contest.serve/1)"},
	{NULL},
};

/* ---- single options */

/* What the kernel takes in seconds, rounded up: a part of a second is not none. */
static int seconds(const struct invocation *call, const char *name)
{
	int64_t ns = invocation_duration_ns(call, name, 0);

	return (int)((ns + NS_PER_S - 1) / NS_PER_S);
}

static int read_closing(const struct invocation *call, struct serve_plan *plan)
{
	static const struct closing_option option = {
		.word = closing_word,
		.find = serve_closing_find,
		.linger = SERVE_CLOSE_LINGER,
		.list = "active, passive, never, half, rst, linger=SECONDS or unread",
	};
	int closing, r;

	if (!invocation_text(call, "close", NULL)) {
		plan->closing = plan->protocol->usual_closing;
		return CLI_DONE;
	}
	r = closing_option_read(call, &option, &closing, &plan->linger_s);
	if (r == CLI_DONE)
		plan->closing = (enum serve_closing)closing;
	return r;
}

static int read_family(const struct invocation *call, enum listen_family *ret)
{
	static const struct {
		const char *name;
		enum listen_family family;
	} families[] = {{"v4", LISTEN_V4}, {"v6", LISTEN_V6}, {"dual", LISTEN_DUAL}};
	int given = 0;

	*ret = LISTEN_ANY_FAMILY;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!invocation_flag(call, families[i].name))
			continue;
		*ret = families[i].family;
		given++;
	}
	if (given > 1)
		return invocation_fail(call, CLI_USAGE, "--v4, --v6 and --dual exclude each other");
	return CLI_DONE;
}

/* ---- options that have no effect are mistakes */

/* The names of the engines that are pools: "epoll, poll, …". */
static const char *pools(char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; engines[i] && used < room; i++)
		if (engines[i]->pool)
			used += (size_t)snprintf(to + used, room - used, "%s%s", used ? ", " : "",
						 engines[i]->name);
	return to;
}

static int check(const struct invocation *call, const struct serve_options *options)
{
	const char *engine = options->plan.engine->name, *protocol = options->plan.protocol->name;
	char names[128];

	if (invocation_given(call, "threads") && !options->plan.engine->pool)
		return invocation_fail(call, CLI_USAGE,
				       "--threads is for pools (%s), not for the engine %s",
				       pools(names, sizeof(names)), engine);
	if (invocation_given(call, "stack-size") && strcmp(engine, "thread") != 0)
		return invocation_fail(call, CLI_USAGE,
				       "--stack-size is for --engine=thread, not for %s", engine);
	if (invocation_given(call, "body-size") && strcmp(protocol, "http") != 0)
		return invocation_fail(call, CLI_USAGE,
				       "--body-size is for --protocol=http, not for %s", protocol);
	if (invocation_given(call, "log-format") && !options->log)
		return invocation_fail(call, CLI_USAGE, "--log-format needs --log");
	return CLI_DONE;
}

/* ---- all of them */

static struct serve_plan read_plan(const struct invocation *call)
{
	return (struct serve_plan){
		.engine = engines[invocation_choice(call, "engine", 0)],
		.protocol = protocols[invocation_choice(call, "protocol", 0)],
		.close_after_ns = invocation_duration_ns(call, "close-after", 0),
		.before_answer = invocation_flag(call, "before-answer"),
		.http_body = (size_t)invocation_size(call, "body-size", 100),
		.nodelay = invocation_flag(call, "nodelay"),
		.keepalive = invocation_given(call, "keepalive"),
		.keepalive_idle_s = seconds(call, "keepalive"),
		.user_timeout_ms =
			(int)((invocation_duration_ns(call, "user-timeout", 0) + NS_PER_MS - 1) /
			      NS_PER_MS),
		.send_buffer = (int)invocation_size(call, "sndbuf", 0),
		.receive_buffer = (int)invocation_size(call, "rcvbuf", 0),
		.set_linger2 = invocation_given(call, "linger2"),
		.linger2_s = seconds(call, "linger2"),
		.threads = (unsigned)invocation_number(call, "threads", 0),
		.stack_size = (size_t)invocation_size(call, "stack-size", 0),
		.max_connections = (size_t)invocation_number(call, "max-connections", 0),
		.idle_timeout_ns = invocation_duration_ns(call, "idle-timeout", 0),
	};
}

static struct listen_options read_listen(const struct invocation *call)
{
	return (struct listen_options){
		.no_reuseaddr = invocation_choice(call, "reuseaddr", 0) == 1,
		.reuseport = invocation_flag(call, "reuseport"),
		.backlog = (int)invocation_number(call, "backlog", 0),
		.defer_accept_s = seconds(call, "defer-accept"),
		.fastopen = (int)invocation_number(call, "fastopen", 0),
		.send_buffer = (int)invocation_size(call, "sndbuf", 0),
		.receive_buffer = (int)invocation_size(call, "rcvbuf", 0),
	};
}

/* chat is there to be seen: without --log, what clients say goes where a person looks. */
static const char *read_log(const struct invocation *call)
{
	const struct serve_protocol *protocol = protocols[invocation_choice(call, "protocol", 0)];
	bool chat = strcmp(protocol->name, "chat") == 0 && !invocation_flag(call, "json");

	return invocation_text(call, "log", chat ? "-" : NULL);
}

int serve_options_read(const struct invocation *call, struct serve_options *ret)
{
	struct serve_options options = {
		.plan = read_plan(call),
		.listen = read_listen(call),
		.port = (uint16_t)invocation_number(call, "port", 5000),
		.processes = (unsigned)invocation_number(call, "processes", 0),
		.drain_ns = invocation_duration_ns(call, "drain", 5 * NS_PER_S),
		.duration_ns = invocation_duration_ns(call, "duration", 0),
		.log = read_log(call),
		.log_form = (enum journal_form)invocation_choice(call, "log-format", JOURNAL_TEXT),
		.json = invocation_flag(call, "json"),
	};
	int r = read_family(call, &options.listen.family);

	if (r == CLI_DONE)
		r = read_closing(call, &options.plan);
	if (r == CLI_DONE)
		r = check(call, &options);
	if (r == CLI_DONE)
		*ret = options;
	return r;
}
