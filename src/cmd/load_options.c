#include "cmd/load_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "cmd/closing_option.h"
#include "cmd/load_time.h"
#include "load/engine.h"
#include "load/protocol.h"

#define DAY (24 * 3600 * NS_PER_S)

/* What echo says, where nothing else is given. */
static const char echo_line[] = "contest load\n";

/* A payload is sent from memory. */
#define PAYLOAD_MAX (64 << 20)

static const char *engine_word(size_t index)
{
	return load_engines[index] ? load_engines[index]->name : NULL;
}

static const char *protocol_word(size_t index)
{
	return load_protocols[index] ? load_protocols[index]->name : NULL;
}

static const char *closing_word(size_t index)
{
	return load_closing_name((enum load_closing)index);
}

static const char *ports_word(size_t index)
{
	return load_ports_name((enum load_ports)index);
}

static const char *const switch_words[] = {"on", "off", NULL};

#define SECONDS_MIN NS_PER_S
#define SECONDS_MAX (32767 * NS_PER_S) /* as for serve: MAX_TCP_KEEPIDLE (include/net/tcp.h) */

const struct cli_option load_option_table[] = {
	{"connections", OPTION_NUMBER, "N", "open exactly so many, and end", .min = 1,
	 .max = 1000000000000},
	{"duration", OPTION_DURATION, "TIME",
	 "open no more after TIME (default: 10s, without --connections)", .min = NS_PER_MS,
	 .max = 365 * DAY},
	{"concurrency", OPTION_NUMBER, "N", "at most so many under way at once (default: 64)",
	 .min = 1, .max = 100000000},
	{"rate", OPTION_NUMBER, "N",
	 "so many arrivals per second, whatever the server does (default: as fast as they end)",
	 .min = 1, .max = 100000000},
	{"ramp", OPTION_DURATION, "TIME", "grow to --rate, or --concurrency, for so long",
	 .max = DAY},
	{"requests-per-connection", OPTION_NUMBER, "N", "one after the other (default: 1)",
	 .min = 1, .max = 1000000000},
	{"think", OPTION_DURATION, "TIME", "wait after each answer", .max = DAY},
	{"timeout", OPTION_DURATION, "TIME", "a step that takes longer has failed (default: 10s)",
	 .min = NS_PER_MS, .max = DAY},
	{"drain", OPTION_DURATION, "TIME",
	 "how long what is under way may go on at the end (default: 1s)", .max = DAY},
	{"threads", OPTION_NUMBER, "N", "in all (default: one per core)", .min = 1, .max = 4096},
	{"processes", OPTION_NUMBER, "N",
	 "worker processes (default: as --concurrency and ulimit -n demand)", .min = 1,
	 .max = 1024},
	{"start-at", OPTION_TEXT, "TIME",
	 "begin then: 2026-01-31T12:00:00Z or @EPOCH, for many hosts at once"},
	{"engine", OPTION_CHOICE, "NAME", "how connections are carried (default: epoll)",
	 .word = engine_word},
	{"protocol", OPTION_CHOICE, "NAME", "what is exchanged (default: daytime)",
	 .word = protocol_word},
	{"payload", OPTION_PATH, "FILE", "what raw and echo send (default of echo: a line)"},
	{"answer-bytes", OPTION_SIZE, "BYTES", "how long an answer of raw is (default: none)",
	 .min = 1, .max = 1LL << 40},
	{"path", OPTION_TEXT, "PATH", "what http asks for (default: /)"},
	{"close", OPTION_TEXT, "HOW",
	 "active, passive, rst, half, linger=SECONDS or abandon (default: as the protocol does)",
	 .word = closing_word},
	{"source", OPTION_TEXT, "ADDR", "connect from it: an address, A-B, or a network A/BITS",
	 .repeats = true},
	{"source-ports", OPTION_TEXT, "LO-HI",
	 "local ports to use (default: net.ipv4.ip_local_port_range)"},
	{"ports", OPTION_CHOICE, "HOW",
	 "who chooses them; ring recycles TIME-WAIT (default: kernel)", .word = ports_word},
	{"v4", .help = "IPv4 only"},
	{"v6", .help = "IPv6 only"},
	{"nodelay", .help = "TCP_NODELAY"},
	{"quickack", OPTION_CHOICE, "SWITCH", "TCP_QUICKACK (default: as the kernel does)",
	 .choices = switch_words},
	{"keepalive", .help = "SO_KEEPALIVE"},
	{"fastopen", .help = "TCP_FASTOPEN_CONNECT: the request goes with the SYN"},
	{"user-timeout", OPTION_DURATION, "TIME", "TCP_USER_TIMEOUT", .min = NS_PER_MS, .max = DAY},
	{"linger2", OPTION_DURATION, "TIME", "TCP_LINGER2: how long FIN-WAIT-2 stays",
	 .min = SECONDS_MIN, .max = SECONDS_MAX},
	{"syn-retries", OPTION_NUMBER, "N", "TCP_SYNCNT", .min = 1, .max = 127},
	{"rcvbuf", OPTION_SIZE, "BYTES", "SO_RCVBUF", .min = 1, .max = INT_MAX},
	{"sndbuf", OPTION_SIZE, "BYTES", "SO_SNDBUF", .min = 1, .max = INT_MAX},
	{"json", .help = "print the results as JSON (contest.load/1)"},
	{"save", OPTION_PATH, "FILE", "write the same JSON there, for contest load merge"},
	{"percentiles", OPTION_PATH, "FILE",
	 "total latency in HdrHistogram's text form; DIR/: a file for each latency"},
	{"yes-i-own-it", OPTION_TEXT, "HOST", "load this host though its address is public",
	 .repeats = true},
	{NULL},
};

/* ---- single options */

static int read_closing(const struct invocation *call, struct load_options *options)
{
	static const struct closing_option option = {
		.word = closing_word,
		.find = load_closing_find,
		.linger = LOAD_CLOSE_LINGER,
		.list = "active, passive, rst, half, linger=SECONDS or abandon",
	};
	int closing, r;

	if (!invocation_text(call, "close", NULL))
		return CLI_DONE;
	r = closing_option_read(call, &option, &closing, &options->plan.linger_s);
	if (r == CLI_DONE)
		options->plan.closing = (enum load_closing)closing;
	return r;
}

static int read_family(const struct invocation *call, struct load_options *options)
{
	bool v4 = invocation_flag(call, "v4"), v6 = invocation_flag(call, "v6");

	if (v4 && v6)
		return invocation_fail(call, CLI_USAGE, "--v4 and --v6 exclude each other");
	options->family = v4 ? AF_INET : v6 ? AF_INET6 : AF_UNSPEC;
	return CLI_DONE;
}

static int read_start(const struct invocation *call, struct load_options *options)
{
	const char *text = invocation_text(call, "start-at", NULL);

	if (!text)
		return CLI_DONE;
	if (load_time_parse(text, &options->start_at_ns) < 0)
		return invocation_fail(call, CLI_USAGE,
				       "option '--start-at': '%.100s' is not a time in UTC such as "
				       "2026-01-31T12:00:00Z or @1790000000",
				       text);
	if (options->start_at_ns <= clock_now_ns() + clock_epoch_offset_ns())
		return invocation_fail(call, CLI_USAGE, "option '--start-at': %.100s has passed",
				       text);
	return CLI_DONE;
}

/* "LO-HI", or one port. */
static int read_ports(const struct invocation *call, struct load_options *options)
{
	const char *text = invocation_text(call, "source-ports", NULL);
	char low[8] = "", high[8] = "";
	int64_t first, last;
	int end = 0;

	if (!text)
		return CLI_DONE;
	if (sscanf(text, "%7[0-9]%n-%7[0-9]%n", low, &end, high, &end) < 1 || text[end] ||
	    cli_parse_number(low, &first) < 0 || cli_parse_number(*high ? high : low, &last) < 0 ||
	    first < 1 || last > UINT16_MAX)
		return invocation_fail(call, CLI_USAGE,
				       "option '--source-ports': '%.100s' is not a range of ports "
				       "such as 10000-20000",
				       text);
	if (first > last)
		return invocation_fail(call, CLI_USAGE,
				       "option '--source-ports': %.100s runs backwards", text);
	options->plan.first_port = (uint16_t)first;
	options->plan.last_port = (uint16_t)last;
	return CLI_DONE;
}

static int read_sources(const struct invocation *call, struct load_options *options)
{
	size_t count = 0;
	struct why why;

	while (invocation_text_at(call, "source", count))
		count++;
	options->sources = calloc(count + 1, sizeof(*options->sources));
	if (!options->sources)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	for (size_t i = 0; i < count; i++)
		if (load_source_parse(invocation_text_at(call, "source", i), &options->sources[i],
				      &why) < 0)
			return invocation_fail(call, CLI_USAGE, "option '--source': %s", why.text);
	if (load_sources_total(options->sources, count) > LOAD_SOURCE_MAX)
		return invocation_fail(call, CLI_USAGE,
				       "option '--source': more than %u addresses in all",
				       LOAD_SOURCE_MAX);
	options->plan.sources = options->sources;
	options->plan.source_count = count;
	return CLI_DONE;
}

static int read_payload(const struct invocation *call, struct load_options *options)
{
	const char *path = invocation_text(call, "payload", NULL);
	int r;

	if (!path && strcmp(options->plan.protocol->name, "echo") == 0) {
		options->plan.payload = echo_line;
		options->plan.payload_length = strlen(echo_line);
	}
	if (!path)
		return CLI_DONE;
	r = file_read(path, PAYLOAD_MAX, &options->payload, &options->plan.payload_length);
	if (r == -EFBIG)
		return invocation_fail(call, CLI_REFUSED, "%s is larger than %d bytes", path,
				       PAYLOAD_MAX);
	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "cannot read %s: %s", path, strerror(-r));
	if (options->plan.payload_length == 0)
		return invocation_fail(call, CLI_USAGE, "option '--payload': %s is empty", path);
	options->plan.payload = options->payload;
	return CLI_DONE;
}

/* ---- options that have no effect are mistakes */

static int check(const struct invocation *call, struct load_options *options)
{
	const struct load_protocol *protocol = options->plan.protocol;
	const char *name = protocol->name;
	static const struct {
		const char *option, *protocols[2];
	} needs[] = {
		{"payload", {"echo", "raw"}},
		{"answer-bytes", {"raw", "raw"}},
		{"path", {"http", "http"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (invocation_given(call, needs[i].option) &&
		    strcmp(name, needs[i].protocols[0]) != 0 &&
		    strcmp(name, needs[i].protocols[1]) != 0)
			return invocation_fail(
				call, CLI_USAGE, "--%s is for --protocol=%s%s%s, not for %s",
				needs[i].option, needs[i].protocols[0], i == 0 ? " and " : "",
				i == 0 ? needs[i].protocols[1] : "", name);
	if (strcmp(name, "raw") == 0 && !invocation_given(call, "payload") &&
	    !invocation_given(call, "answer-bytes"))
		return invocation_fail(call, CLI_USAGE,
				       "--protocol=raw needs --payload, --answer-bytes, or both "
				       "(to connect alone: --protocol=connect)");
	if (options->plan.requests > 1 && !protocol->has_request)
		return invocation_fail(call, CLI_USAGE,
				       "--requests-per-connection is for protocols that ask, not "
				       "for %s",
				       name);
	return CLI_DONE;
}

/* ---- all of them */

/* What the kernel takes in seconds, rounded up: a part of a second is not none. */
static int seconds(const struct invocation *call, const char *name)
{
	return (int)((invocation_duration_ns(call, name, 0) + NS_PER_S - 1) / NS_PER_S);
}

static struct load_plan read_plan(const struct invocation *call)
{
	const struct load_protocol *protocol =
		load_protocols[invocation_choice(call, "protocol", 0)];
	int64_t otherwise_ns = invocation_given(call, "connections") ? 0 : 10 * NS_PER_S;

	return (struct load_plan){
		.engine = load_engines[invocation_choice(call, "engine", 0)],
		.protocol = protocol,
		.closing = protocol->usual_closing,
		.ports = (enum load_ports)invocation_choice(call, "ports", LOAD_PORTS_KERNEL),
		.connections = (uint64_t)invocation_number(call, "connections", 0),
		.duration_ns = invocation_duration_ns(call, "duration", otherwise_ns),
		.drain_ns = invocation_duration_ns(call, "drain", NS_PER_S),
		.concurrency = (unsigned)invocation_number(call, "concurrency", 64),
		.rate = (double)invocation_number(call, "rate", 0),
		.ramp_ns = invocation_duration_ns(call, "ramp", 0),
		.requests = (unsigned)invocation_number(call, "requests-per-connection", 1),
		.think_ns = invocation_duration_ns(call, "think", 0),
		.timeout_ns = invocation_duration_ns(call, "timeout", 10 * NS_PER_S),
		.threads = (unsigned)invocation_number(call, "threads", 0),
		.processes = (unsigned)invocation_number(call, "processes", 0),
		.answer_bytes = (size_t)invocation_size(call, "answer-bytes", 0),
		.http_target = invocation_text(call, "path", "/"),
		.nodelay = invocation_flag(call, "nodelay"),
		.keepalive = invocation_flag(call, "keepalive"),
		.fastopen = invocation_flag(call, "fastopen"),
		.set_quickack = invocation_given(call, "quickack"),
		.quickack = invocation_choice(call, "quickack", 0) == 0,
		.user_timeout_ms =
			(int)((invocation_duration_ns(call, "user-timeout", 0) + NS_PER_MS - 1) /
			      NS_PER_MS),
		.send_buffer = (int)invocation_size(call, "sndbuf", 0),
		.receive_buffer = (int)invocation_size(call, "rcvbuf", 0),
		.syn_count = (int)invocation_number(call, "syn-retries", 0),
		.set_linger2 = invocation_given(call, "linger2"),
		.linger2_s = seconds(call, "linger2"),
	};
}

int load_options_read(const struct invocation *call, struct load_options *ret)
{
	static int (*const steps[])(const struct invocation *call, struct load_options *options) = {
		read_closing, read_family,  read_start,	  check,
		read_ports,   read_sources, read_payload,
	};
	int r = CLI_DONE;

	*ret = (struct load_options){
		.plan = read_plan(call),
		.save = invocation_text(call, "save", NULL),
		.percentiles = invocation_text(call, "percentiles", NULL),
		.json = invocation_flag(call, "json"),
	};
	for (size_t i = 0; r == CLI_DONE && i < ARRAY_SIZE(steps); i++)
		r = steps[i](call, ret);
	return r;
}

void load_options_done(struct load_options *options)
{
	free(TAKE_PTR(options->sources));
	free(TAKE_PTR(options->payload));
}
