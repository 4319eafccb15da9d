#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/commands.h"

/* ---- a table of our own */

static const char *const links[] = {"auto", "tun", "veth", NULL};

static const char *id_word(size_t index)
{
	static const char *const ids[] = {"fin-wait2-timeout", "time-wait-length", "rst-on-unread",
					  NULL};

	return ids[index];
}

static int run_nothing(const struct invocation *call)
{
	(void)call;
	return CLI_DONE;
}

static const struct cli_option play_options[] = {
	{"all", .help = "every experiment"},
	{"json", .help = "print JSON"},
	{"out", OPTION_PATH, "DIR", "where evidence goes", .letter = 'o'},
	{"jobs", OPTION_NUMBER, "N", "at most N at once", .min = 1, .max = 1024},
	{"offset", OPTION_NUMBER, "N", "any number"},
	{"link", OPTION_CHOICE, "LINK", "how hosts are joined", .choices = links},
	{"pause", OPTION_DURATION, "TIME", "how long to wait", .min = NS_PER_MS,
	 .max = 60 * NS_PER_S},
	{"at", OPTION_TEXT, "WHERE", "where", .choices = links, .letter = 'a', .repeats = true},
	{"room", OPTION_SIZE, "BYTES", "how much", .min = 16, .max = 1 << 20},
	{"beat", OPTION_DURATION, "TIME", "with a beat", .letter = 'b', .bare = true},
	{"id", OPTION_CHOICE, "ID", "which", .word = id_word},
	{NULL},
};

static const struct command play_verb = {
	.name = "play",
	.summary = "play experiments",
	.operands = "[ID...]",
	.operand_noun = "experiment",
	.operand_word = id_word,
	.operand_list = "contest scene list",
	.max_operands = OPERANDS_ANY,
	.options = play_options,
	.run = run_nothing,
};

static const struct command list_verb = {.name = "list", .summary = "list", .run = run_nothing};

static const struct command scene_command = {
	.name = "scene",
	.summary = "verbs",
	.verbs = (const struct command *const[]){&play_verb, &list_verb, NULL},
};

static const struct command read_command = {
	.name = "read",
	.summary = "read a file",
	.operands = "FILE",
	.operand_noun = "file",
	.operand_files = true,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_nothing,
};

static const struct cli_option send_options[] = {
	{"fast", .help = "faster"},
	{"to", OPTION_TEXT, "WHERE", "where to", .repeats = true},
	{NULL},
};

static const struct cli_option join_options[] = {{"json", .help = "print JSON"}, {NULL}};

static const struct command join_verb = {
	.name = "join",
	.summary = "join files",
	.operands = "FILE...",
	.operand_noun = "file",
	.min_operands = 1,
	.max_operands = OPERANDS_ANY,
	.options = join_options,
	.examples = (const struct cli_example[]){{"contest send join a b", "both"}, {NULL}},
	.run = run_nothing,
};

/* Has both: a run and a verb. */
static const struct command send_command = {
	.name = "send",
	.summary = "send to hosts",
	.operands = "HOST...",
	.operand_noun = "host",
	.min_operands = 1,
	.max_operands = 3,
	.options = send_options,
	.verbs = (const struct command *const[]){&join_verb, NULL},
	.examples = (const struct cli_example[]){{"contest send here", "there"}, {NULL}},
	.run = run_nothing,
};

static const struct command *const table[] = {&scene_command, &read_command, &send_command, NULL};

/* A parsed line; words are those after "contest", ended by NULL. */
struct line {
	struct invocation call;
	struct why why;
	int result;
};

#define LINE_MAX_WORDS 15
#define PARSE(...)     parse((const char *const[LINE_MAX_WORDS]){__VA_ARGS__})

static struct line parse(const char *const words[LINE_MAX_WORDS])
{
	char *argv[LINE_MAX_WORDS + 2] = {"contest"};
	struct line line;
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	line.result = cli_parse(table, argc, argv, &line.call, &line.why);
	return line;
}

/* A line that must be refused, with this complaint about this command. */
#define REFUSED(path, text, ...)                                                                   \
	refused(path, text, (const char *const[LINE_MAX_WORDS]){__VA_ARGS__})

static void refused(const char *path, const char *text, const char *const words[LINE_MAX_WORDS])
{
	struct line line = parse(words);

	assert_int_equal(line.result, -EINVAL);
	assert_string_equal(line.why.text, text);
	assert_string_equal(line.call.path, path);
	invocation_done(&line.call);
}

/* ---- parsing */

static void options_and_operands(void **state)
{
	struct line line = PARSE("--color=never", "scene", "play", "time-wait-length", "--out",
				 "a/b", "--jobs=4", "--all", "--pause", "1.5s", "--link=veth", "--",
				 "rst-on-unread");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_ptr_equal(line.call.command, &play_verb);
	assert_string_equal(line.call.path, "contest scene play");
	assert_int_equal(line.call.color, COLOR_NEVER);
	assert_true(invocation_flag(&line.call, "all"));
	assert_false(invocation_flag(&line.call, "json"));
	assert_string_equal(invocation_text(&line.call, "out", "x"), "a/b");
	assert_int_equal(invocation_number(&line.call, "jobs", 0), 4);
	assert_int_equal(invocation_duration_ns(&line.call, "pause", 0), 1500 * NS_PER_MS);
	assert_int_equal(invocation_choice(&line.call, "link", 0), 2);
	assert_string_equal(invocation_text(&line.call, "link", "x"), "veth");
	assert_int_equal(line.call.operand_count, 2);
	assert_string_equal(line.call.operands[0], "time-wait-length");
	assert_string_equal(line.call.operands[1], "rst-on-unread");
	assert_null(line.call.operands[2]);
	invocation_done(&line.call);
}

static void an_option_may_repeat(void **state)
{
	struct line line = PARSE("scene", "play", "--at", "one", "-a", "two", "--jobs=3", "-athree",
				 "--at=one");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_string_equal(invocation_text_at(&line.call, "at", 0), "one");
	assert_string_equal(invocation_text_at(&line.call, "at", 1), "two");
	assert_string_equal(invocation_text_at(&line.call, "at", 2), "three");
	assert_string_equal(invocation_text_at(&line.call, "at", 3), "one");
	assert_null(invocation_text_at(&line.call, "at", 4));
	assert_int_equal(invocation_number(&line.call, "jobs", 0), 3);
	invocation_done(&line.call);

	line = PARSE("scene", "play");
	assert_null(invocation_text_at(&line.call, "at", 0));
	invocation_done(&line.call);
}

static void an_argument_may_be_left_out(void **state)
{
	struct line line = PARSE("scene", "play", "--beat", "time-wait-length");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_true(invocation_given(&line.call, "beat"));
	assert_int_equal(invocation_duration_ns(&line.call, "beat", 7), 0);
	assert_int_equal(line.call.operand_count, 1);
	invocation_done(&line.call);

	line = PARSE("scene", "play", "--beat=3s");
	assert_int_equal(invocation_duration_ns(&line.call, "beat", 7), 3 * NS_PER_S);
	invocation_done(&line.call);

	line = PARSE("scene", "play", "-b2s");
	assert_int_equal(invocation_duration_ns(&line.call, "beat", 7), 2 * NS_PER_S);
	invocation_done(&line.call);

	line = PARSE("scene", "play");
	assert_int_equal(invocation_duration_ns(&line.call, "beat", 7), 7);
	invocation_done(&line.call);
}

static void a_choice_may_come_from_elsewhere(void **state)
{
	struct line line = PARSE("scene", "play", "--id=rst-on-unread", "--room", "4k");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_int_equal(invocation_choice(&line.call, "id", 0), 2);
	assert_string_equal(invocation_text(&line.call, "id", ""), "rst-on-unread");
	assert_int_equal(invocation_size(&line.call, "room", 0), 4096);
	invocation_done(&line.call);
}

static void what_is_not_given_is_otherwise(void **state)
{
	struct line line = PARSE("scene", "play");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_int_equal(line.call.color, COLOR_AUTO);
	assert_string_equal(invocation_text(&line.call, "out", "results"), "results");
	assert_int_equal(invocation_number(&line.call, "jobs", 7), 7);
	assert_int_equal(invocation_choice(&line.call, "link", 1), 1);
	assert_false(invocation_given(&line.call, "pause"));
	assert_int_equal(line.call.operand_count, 0);
	invocation_done(&line.call);
}

static void the_last_of_two_counts(void **state)
{
	struct line line = PARSE("scene", "play", "--jobs=1", "-ox", "--jobs", "2", "-o", "y");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_int_equal(invocation_number(&line.call, "jobs", 0), 2);
	assert_string_equal(invocation_text(&line.call, "out", ""), "y");
	invocation_done(&line.call);
}

static void bounds_are_allowed(void **state)
{
	struct line line = PARSE("scene", "play", "--jobs=1024", "--pause=1ms");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_int_equal(invocation_number(&line.call, "jobs", 0), 1024);
	assert_int_equal(invocation_duration_ns(&line.call, "pause", 0), NS_PER_MS);
	invocation_done(&line.call);

	line = PARSE("scene", "play", "--jobs=1", "--pause=60s");
	assert_int_equal(line.result, 0);
	invocation_done(&line.call);
}

static void options_may_be_shortened(void **state)
{
	struct line line = PARSE("scene", "play", "--js", "--jo=3", "--col=always");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_true(invocation_flag(&line.call, "json"));
	assert_int_equal(invocation_number(&line.call, "jobs", 0), 3);
	assert_int_equal(line.call.color, COLOR_ALWAYS);
	invocation_done(&line.call);
}

static void a_dash_is_an_operand(void **state)
{
	struct line line = PARSE("read", "-");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_string_equal(line.call.operands[0], "-");
	invocation_done(&line.call);

	line = PARSE("read", "--", "--help");
	assert_int_equal(line.result, 0);
	assert_false(line.call.help);
	assert_string_equal(line.call.operands[0], "--help");
	invocation_done(&line.call);
}

static void help_at_every_level(void **state)
{
	struct line line = PARSE("--help");

	(void)state;
	assert_true(line.call.help);
	assert_null(line.call.command);
	invocation_done(&line.call);

	line = PARSE("scene", "-h");
	assert_true(line.call.help);
	assert_ptr_equal(line.call.command, &scene_command);
	invocation_done(&line.call);

	/* What is missing or wrong among the operands is what help is asked for. */
	line = PARSE("scene", "play", "no-such", "--help");
	assert_int_equal(line.result, 0);
	assert_true(line.call.help);
	assert_ptr_equal(line.call.command, &play_verb);
	invocation_done(&line.call);
}

static void commands_are_suggested(void **state)
{
	(void)state;
	REFUSED("contest", "which command? It is scene, read or send", NULL);
	REFUSED("contest", "unknown command 'scnee'; did you mean 'scene'?", "scnee");
	REFUSED("contest", "unknown command 'zzz'; it is scene, read or send", "zzz");
	REFUSED("contest", "unknown command ''; it is scene, read or send", "");
	REFUSED("contest scene", "which verb? It is play or list", "scene");
	REFUSED("contest scene", "unknown verb 'plya'; did you mean 'play'?", "scene", "plya");
}

static void options_are_suggested(void **state)
{
	(void)state;
	REFUSED("contest", "unknown option '--verzion'; did you mean '--version'?", "--verzion");
	REFUSED("contest scene play", "unknown option '--jbos'; did you mean '--jobs'?", "scene",
		"play", "--jbos=3");
	REFUSED("contest scene play", "unknown option '-json'; did you mean '--json'?", "scene",
		"play", "-json");
	REFUSED("contest scene play", "unknown option '-z'", "scene", "play", "-z");
	REFUSED("contest scene play", "unknown option '--zzz'", "scene", "play", "--zzz");
	REFUSED("contest scene play", "option '--j' is short for several: json or jobs", "scene",
		"play", "--j");
	REFUSED("contest scene play", "option '--jobs' lacks its N", "scene", "play", "--jobs");
	REFUSED("contest scene play", "option '--out' lacks its DIR", "scene", "play", "-o");
	REFUSED("contest scene play", "option '--out': its DIR is empty", "scene", "play",
		"--out=");
	REFUSED("contest scene play", "option '--all' takes no argument", "scene", "play",
		"--all=yes");
}

static void operands_are_checked(void **state)
{
	(void)state;
	REFUSED("contest scene play",
		"unknown experiment 'fin-wait2-timeot'; did you mean 'fin-wait2-timeout'?", "scene",
		"play", "time-wait-length", "fin-wait2-timeot");
	REFUSED("contest scene play", "unknown experiment 'zzz'; 'contest scene list' shows them",
		"scene", "play", "zzz");
	REFUSED("contest read", "which file? Usage: contest read [options] FILE", "read");
	REFUSED("contest read", "'b' is one operand too many", "read", "a", "b");
	REFUSED("contest scene list", "'a' is one operand too many", "scene", "list", "a");
}

static void values_are_checked(void **state)
{
	(void)state;
	REFUSED("contest scene play", "option '--jobs': '4x' is not a whole number", "scene",
		"play", "--jobs=4x");
	REFUSED("contest scene play", "option '--jobs': 0 is not between 1 and 1024", "scene",
		"play", "--jobs=0");
	REFUSED("contest scene play",
		"option '--jobs': 99999999999999999999 is not between 1 and 1024", "scene", "play",
		"--jobs=99999999999999999999");
	REFUSED("contest scene play", "option '--offset': 9223372036854775808 is too large",
		"scene", "play", "--offset=9223372036854775808");
	REFUSED("contest scene play",
		"option '--pause': '10' is not a duration such as 500ms, 10s or 2m", "scene",
		"play", "--pause=10");
	REFUSED("contest scene play", "option '--pause': 2m is not between 1ms and 1m", "scene",
		"play", "--pause=2m");
	REFUSED("contest scene play",
		"option '--link': 'tum' is not auto, tun or veth; did you mean 'tun'?", "scene",
		"play", "--link=tum");
	REFUSED("contest scene play", "option '--room': '4x' is not a size such as 4096, 16k or 1M",
		"scene", "play", "--room=4x");
	REFUSED("contest scene play", "option '--room': 2M is not between 16 and 1048576", "scene",
		"play", "--room=2M");
	REFUSED("contest scene play", "option '--beat': its TIME is empty", "scene", "play",
		"--beat=");
	REFUSED("contest scene play",
		"option '--id': 'rst' is not fin-wait2-timeout, time-wait-length or rst-on-unread; "
		"did you mean 'rst-on-unread'?",
		"scene", "play", "--id=rst");
	REFUSED("contest", "option '--color': 'red' is not auto, always or never", "--color=red");
}

static void no_name_at_all(void **state)
{
	char *argv[] = {NULL};
	struct invocation call;
	struct why why;

	(void)state;
	assert_int_equal(cli_parse(table, 0, argv, &call, &why), -EINVAL);
	assert_string_equal(why.text, "which command? It is scene, read or send");
	invocation_done(&call);
}

static void a_command_with_verbs_may_run(void **state)
{
	struct line line = PARSE("send", "--fast", "here", "--to=a", "there", "--to", "b");

	(void)state;
	assert_int_equal(line.result, 0);
	assert_ptr_equal(line.call.command, &send_command);
	assert_string_equal(line.call.path, "contest send");
	assert_true(invocation_flag(&line.call, "fast"));
	assert_string_equal(invocation_text_at(&line.call, "to", 1), "b");
	assert_null(invocation_text_at(&line.call, "to", 2));
	assert_int_equal(line.call.operand_count, 2);
	assert_string_equal(line.call.operands[1], "there");
	assert_string_equal(invocation_near_verb(&line.call, "jion"), "join");
	assert_null(invocation_near_verb(&line.call, "localhost"));
	invocation_done(&line.call);

	line = PARSE("--color=never", "send", "--color=always", "join", "a", "--json", "b");
	assert_int_equal(line.result, 0);
	assert_ptr_equal(line.call.command, &join_verb);
	assert_string_equal(line.call.path, "contest send join");
	assert_int_equal(line.call.color, COLOR_ALWAYS);
	assert_true(invocation_flag(&line.call, "json"));
	assert_int_equal(line.call.operand_count, 2);
	assert_null(invocation_near_verb(&line.call, "join"));
	invocation_done(&line.call);
}

/* Only the first operand is a verb, and not what stands behind "--" or only begins like one. */
static void an_operand_may_look_like_a_verb(void **state)
{
	static const char *const lines[][4] = {{"send", "here", "join"},
					       {"send", "--", "join"},
					       {"send", "./join"},
					       {"send", "--to", "join", "here"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct line line = PARSE(lines[i][0], lines[i][1], lines[i][2],
					 i == 3 ? lines[i][3] : NULL);

		assert_int_equal(line.result, 0);
		assert_ptr_equal(line.call.command, &send_command);
		invocation_done(&line.call);
	}
	REFUSED("contest send", "which host? Usage: contest send [options] HOST...", "send",
		"--fast");
	REFUSED("contest send", "'4' is one operand too many", "send", "1", "2", "3", "4");
	REFUSED("contest send",
		"option '--fast' is of 'contest send', not of 'contest send join', whose options "
		"stand behind it",
		"send", "--fast", "join", "a");
	REFUSED("contest send", "unknown option '--json'", "send", "--json", "join", "a");
	REFUSED("contest send join", "which file? Usage: contest send join [options] FILE...",
		"send", "join");
	REFUSED("contest", "unknown command 'sned'; did you mean 'send'?", "sned");
}

static void a_command_with_both_has_help_for_both(void **state)
{
	struct line line = PARSE("send", "--help", "join");
	struct screen screen = {.width = 80};
	char *text = NULL;
	size_t length;

	(void)state;
	assert_int_equal(line.result, 0);
	assert_true(line.call.help);
	assert_ptr_equal(line.call.command, &send_command);
	invocation_done(&line.call);

	line = PARSE("send", "join", "--help");
	assert_true(line.call.help);
	assert_ptr_equal(line.call.command, &join_verb);
	invocation_done(&line.call);

	line = PARSE("send", "here", "--help");
	assert_true(line.call.help);
	assert_ptr_equal(line.call.command, &send_command);
	invocation_done(&line.call);

	screen.out = open_memstream(&text, &length);
	cli_help_command(&screen, "contest send", &send_command);
	fclose(screen.out);
	assert_non_null(strstr(text, "Usage: contest send [options] HOST...\n"
				     "       contest send VERB [options] [operands]\n"));
	assert_non_null(strstr(text, "join  join files"));
	assert_non_null(strstr(text, "Exit status:"));
	free(text);
}

/* ---- values */

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t number;
	} cases[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"-12", 0, -12},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"99999999999999999999x", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t number = 0;

		assert_int_equal(cli_parse_number(cases[i].text, &number), cases[i].result);
		assert_int_equal(number, cases[i].number);
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t ns;
	} cases[] = {
		{"10s", 0, 10 * NS_PER_S},
		{"500ms", 0, 500 * NS_PER_MS},
		{"2m", 0, 120 * NS_PER_S},
		{"2min", 0, 120 * NS_PER_S},
		{"1h", 0, 3600 * NS_PER_S},
		{"7us", 0, 7 * NS_PER_US},
		{"3ns", 0, 3},
		{"0s", 0, 0},
		{"1.5s", 0, 1500 * NS_PER_MS},
		{"0.25m", 0, 15 * NS_PER_S},
		{"0.000000001s", 0, 1},
		{"0.0000000001s", 0, 0},
		{"10", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{".5s", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{"1.5.5s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"10S", -EINVAL, 0},
		{"10ss", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"9223372036s", 0, 9223372036 * NS_PER_S},
		{"9223372037s", -ERANGE, 0},
		{"99999999999999999999ns", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = 0;

		assert_int_equal(cli_parse_duration(cases[i].text, &ns), cases[i].result);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void seconds(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t ns;
	} cases[] = {
		{"2", 0, 2 * NS_PER_S},	   {"0.5", 0, NS_PER_S / 2}, {"500ms", 0, NS_PER_S / 2},
		{"5m", 0, 300 * NS_PER_S}, {"3s", 0, 3 * NS_PER_S},  {"1u", -EINVAL, 0},
		{"2n", -EINVAL, 0},	   {"", -EINVAL, 0},	     {"x", -EINVAL, 0},
		{"-1", -EINVAL, 0},	   {"1.", -EINVAL, 0},	     {"9223372037", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = 0;

		assert_int_equal(cli_parse_seconds(cases[i].text, &ns), cases[i].result);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t bytes;
	} cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"16k", 0, 16384},
		{"16K", 0, 16384},
		{"1M", 0, 1048576},
		{"2G", 0, 2147483648},
		{"8589934591G", 0, 8589934591 * 1073741824},
		{"8589934592G", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"k", -EINVAL, 0},
		{"1m", -EINVAL, 0},
		{"1kB", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1.5k", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t bytes = 0;

		assert_int_equal(cli_parse_size(cases[i].text, &bytes), cases[i].result);
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static const char *list_word(const void *context, size_t index)
{
	return ((const char *const *)context)[index];
}

static void nearest(void **state)
{
	static const char *const words[] = {
		"serve", "states", "explain", "lab", "fin-wait2-timeout", "fin-wait1-lost", NULL};
	static const struct {
		const char *word, *meant;
	} cases[] = {
		{"sevre", "serve"},
		{"STATES", "states"},
		{"state", "states"},
		{"explian", "explain"},
		{"lba", "lab"},
		{"exp", "explain"},
		{"fin-wait2", "fin-wait2-timeout"},
		{"fin-wait", NULL},
		{"zzz", NULL},
		{"", NULL},
		{"x", NULL},
		{"staxxx", NULL},
		{"a-word-of-more-than-sixty-three-letters-that-nobody-could-have-meant-to-type",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *found = cli_nearest(cases[i].word, list_word, words);

		if (cases[i].meant) {
			assert_non_null(found);
			assert_string_equal(found, cases[i].meant);
		} else {
			assert_null(found);
		}
	}
}

/* ---- what is made from the table */

static char *completion(const struct command *const *of, const char *shell)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(cli_complete(out, of, shell), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void completion_names_everything(void **state)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};
	static const char *const parts[] = {
		"contest scene play", "rst-on-unread", "jobs", "veth", "version",
		"contest send join",  "fast"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		char *text = completion(table, shells[i]);

		for (size_t j = 0; j < ARRAY_SIZE(parts); j++)
			assert_non_null(strstr(text, parts[j]));
		free(text);
	}
	assert_int_equal(cli_complete(stderr, table, "tcsh"), -EINVAL);
}

/* An option's letter is completed, too, and what stands behind it is its argument. */
static void completion_knows_letters(void **state)
{
	char *bash = completion(table, "bash"), *zsh = completion(table, "zsh");
	char *fish = completion(table, "fish");

	(void)state;
	assert_non_null(strstr(bash, "-o | --out) kind=files"));
	assert_non_null(strstr(zsh, "-o | --out) kind=files"));
	assert_non_null(strstr(bash, "--out= -o "));
	assert_non_null(strstr(fish, "-l out -s o"));
	free(bash);
	free(zsh);
	free(fish);
}

static void help_knows_letters(void **state)
{
	struct screen screen = {.width = 80};
	char *text = NULL;
	size_t length;

	(void)state;
	screen.out = open_memstream(&text, &length);
	cli_help_command(&screen, "contest scene play", &play_verb);
	fclose(screen.out);
	assert_non_null(strstr(text, "-o, --out DIR"));
	free(text);
}

static void help_shows_examples_first(void **state)
{
	struct screen screen = {.width = 80};
	char *text = NULL;
	size_t length;

	(void)state;
	screen.out = open_memstream(&text, &length);
	cli_help_command(&screen, "contest help", &help_command);
	fclose(screen.out);
	assert_non_null(strstr(text, "Examples:"));
	assert_non_null(strstr(text, "Usage: contest help"));
	assert_true(strstr(text, "Examples:") < strstr(text, "Usage:"));
	assert_non_null(strstr(text, "2 wrong usage; 3 the system refused"));
	free(text);
}

/* ---- the table that is shipped */

static void assert_ascii(const char *text)
{
	for (; text && *text; text++)
		assert_in_range((unsigned char)*text, ' ', '~');
}

/* Completion scripts write words without quotes. */
static void assert_word(const char *text)
{
	assert_non_null(text);
	assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-"),
			 strlen(text));
	assert_int_not_equal(text[0], '-');
	assert_int_not_equal(text[0], '\0');
}

static void check_option(const struct cli_option *option)
{
	assert_word(option->name);
	assert_non_null(option->help);
	assert_ascii(option->help);
	assert_int_equal(option->kind == OPTION_FLAG, option->argument == NULL);
	if (option->kind == OPTION_CHOICE)
		assert_non_null(cli_option_word(option, 0));
	if (option->repeats || option->bare)
		assert_non_null(option->argument);
	for (size_t i = 0; i < CLI_COMMON_OPTIONS; i++)
		assert_string_not_equal(option->name, cli_common_options[i].name);
	for (size_t i = 0; cli_option_word(option, i); i++)
		assert_word(cli_option_word(option, i));
}

static void check_command(const struct command *command)
{
	assert_word(command->name);
	assert_non_null(command->summary);
	assert_ascii(command->summary);
	assert_ascii(command->description);
	assert_ascii(command->operands);
	assert_ascii(command->needs);
	assert_ascii(command->bad);
	assert_true(command->verbs || command->run);
	if (command->verbs) {
		assert_null(command->operand_word);
		assert_false(command->operand_files);
	}
	assert_int_equal(command->max_operands > 0, command->operands != NULL);
	assert_true(command->min_operands <= command->max_operands);
	for (size_t i = 0; command->operand_word && command->operand_word(i); i++)
		assert_word(command->operand_word(i));
	for (size_t i = 0; i < cli_option_count(command->options); i++)
		check_option(&command->options[i]);
	assert_non_null(command->examples);
	for (const struct cli_example *e = command->examples; e->line; e++) {
		assert_ascii(e->line);
		assert_ascii(e->what);
		assert_non_null(strstr(e->line, command->name));
	}
	for (size_t i = 0; command->verbs && command->verbs[i]; i++)
		check_command(command->verbs[i]);
}

static void every_command_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++)
		check_command(commands[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_operands),
		cmocka_unit_test(an_option_may_repeat),
		cmocka_unit_test(an_argument_may_be_left_out),
		cmocka_unit_test(a_choice_may_come_from_elsewhere),
		cmocka_unit_test(what_is_not_given_is_otherwise),
		cmocka_unit_test(the_last_of_two_counts),
		cmocka_unit_test(bounds_are_allowed),
		cmocka_unit_test(options_may_be_shortened),
		cmocka_unit_test(a_dash_is_an_operand),
		cmocka_unit_test(help_at_every_level),
		cmocka_unit_test(commands_are_suggested),
		cmocka_unit_test(options_are_suggested),
		cmocka_unit_test(operands_are_checked),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(no_name_at_all),
		cmocka_unit_test(a_command_with_verbs_may_run),
		cmocka_unit_test(an_operand_may_look_like_a_verb),
		cmocka_unit_test(a_command_with_both_has_help_for_both),
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(seconds),
		cmocka_unit_test(sizes),
		cmocka_unit_test(nearest),
		cmocka_unit_test(completion_names_everything),
		cmocka_unit_test(completion_knows_letters),
		cmocka_unit_test(help_knows_letters),
		cmocka_unit_test(help_shows_examples_first),
		cmocka_unit_test(every_command_is_whole),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
