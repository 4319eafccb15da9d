/* Filters as they are written: the tree that each means, and how mistakes are told. */
#include "observe/socket_filter_testing.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/socket_filter_tree.h"
#include "tcp/state.h"

/* ---- trees, written with every parenthesis */

static void write_port(FILE *out, const struct filter_node *node)
{
	fprintf(out, "%cport", node->remote ? 'd' : 's');
	if (node->ports.low == node->ports.high)
		fprintf(out, "=%d", node->ports.low);
	else
		fprintf(out, "=%d-%d", node->ports.low, node->ports.high);
}

static void write_network(FILE *out, const struct filter_node *node)
{
	struct tcp_address address = {.family = node->network.family};
	char text[TCP_ENDPOINT_TEXT_MAX];

	memcpy(address.bytes, node->network.address, sizeof(address.bytes));
	fprintf(out, "%s=%s/%d", node->remote ? "dst" : "src", tcp_address_format(&address, text),
		node->network.length);
}

static void write_tree(FILE *out, const struct socket_filter *filter, uint32_t at);

/* The last one is the first in the chain. */
static void write_chain(FILE *out, const struct socket_filter *filter, uint32_t at,
			const char *sign)
{
	if (filter->nodes[at].before) {
		write_chain(out, filter, filter->nodes[at].before, sign);
		fprintf(out, " %s ", sign);
	}
	write_tree(out, filter, at);
}

static void write_tree(FILE *out, const struct socket_filter *filter, uint32_t at)
{
	const struct filter_node *node = &filter->nodes[at];

	if (node->negated)
		fputc('!', out);
	switch (node->kind) {
	case FILTER_STATES:
		fprintf(out, "%x", node->states);
		break;
	case FILTER_PORTS:
		write_port(out, node);
		break;
	case FILTER_HOST:
		write_network(out, node);
		break;
	default:
		fputc('(', out);
		if (node->below)
			write_chain(out, filter, node->below,
				    node->kind == FILTER_AND ? "and" : "or");
		fputc(')', out);
	}
}

static void assert_tree(const char *text, const char *want)
{
	struct socket_filter *filter = parse(text);
	char got[1024] = "";
	FILE *out = fmemopen(got, sizeof(got), "w");

	assert_non_null(out);
	write_tree(out, filter, filter->root);
	fclose(out);
	socket_filter_free(filter);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", text, got, want);
}

static void test_joining(void **state)
{
	(void)state;
	assert_tree("", "()");
	assert_tree(" \t\n", "()");
	assert_tree("sport = :1", "sport=1");
	assert_tree("((sport = :1))", "sport=1");
	assert_tree("sport = :1 and dport = :2", "(sport=1 and dport=2)");
	assert_tree("sport = :1 dport = :2 sport = :3", "(sport=1 and dport=2 and sport=3)");
	assert_tree("sport = :1 or dport = :2 or sport = :3", "(sport=1 or dport=2 or sport=3)");
	/* ss(8): "and" binds tighter. */
	assert_tree("sport = :1 or sport = :2 and dport = :3",
		    "(sport=1 or (sport=2 and dport=3))");
	assert_tree("sport = :1 sport = :2 or dport = :3", "((sport=1 and sport=2) or dport=3)");
	assert_tree("( sport = :1 or sport = :2 ) and dport = :3",
		    "((sport=1 or sport=2) and dport=3)");
	assert_tree("( sport = :1 or sport = :2 ) ( dport = :3 )",
		    "((sport=1 or sport=2) and dport=3)");
	assert_tree("not sport = :1 and dport = :2", "(!sport=1 and dport=2)");
	assert_tree("not ( sport = :1 and dport = :2 )", "!(sport=1 and dport=2)");
	assert_tree("not not sport = :1", "sport=1");
	assert_tree("! ! ! sport = :1", "!sport=1");
	assert_tree("not sport != :1", "sport=1");
}

static void test_spelling(void **state)
{
	(void)state;
	assert_tree("sport=:1&&dport=:2||!sport=:3", "((sport=1 and dport=2) or !sport=3)");
	assert_tree("sport = :1 & dport = :2 | ! sport = :3",
		    "((sport=1 and dport=2) or !sport=3)");
	assert_tree("(sport=1)or(not(dport=2))", "(sport=1 or !dport=2)");
	assert_tree("SPORT EQ :1 OR NOT Dport = :2", "(sport=1 or !dport=2)");
	assert_tree("\\( sport = :1 or sport = \\:2 \\) and dport = :3",
		    "((sport=1 or sport=2) and dport=3)");
}

static void test_ports(void **state)
{
	(void)state;
	assert_tree("sport 80", "sport=80");
	assert_tree("sport :80", "sport=80");
	assert_tree("sport *:80", "sport=80");
	assert_tree("dport == 80", "dport=80");
	assert_tree("dport != 80", "!dport=80");
	assert_tree("dport ne 80", "!dport=80");
	assert_tree("dport neq 80", "!dport=80");
	assert_tree("sport > :80", "sport=81-65535");
	assert_tree("sport gt 80", "sport=81-65535");
	assert_tree("sport>=80", "sport=80-65535");
	assert_tree("sport ge 80", "sport=80-65535");
	assert_tree("sport geq 80", "sport=80-65535");
	assert_tree("sport < 80", "sport=0-79");
	assert_tree("sport lt 80", "sport=0-79");
	assert_tree("sport <= 80", "sport=0-80");
	assert_tree("sport le 80", "sport=0-80");
	assert_tree("sport leq 80", "sport=0-80");
	assert_tree("sport = *", "sport=0-65535");
	assert_tree("sport = :*", "sport=0-65535");
	assert_tree("sport != *", "!sport=0-65535");
	assert_tree("sport > 65535", "sport=65536-65535");
	assert_tree("sport < 0", "sport=0--1");
	assert_tree("sport = 00080", "sport=80");
}

static void test_hosts(void **state)
{
	(void)state;
	assert_tree("src 10.1.2.3", "src=10.1.2.3/32");
	assert_tree("dst = 10.1.2.3", "dst=10.1.2.3/32");
	assert_tree("dst eq 10.1.2.3", "dst=10.1.2.3/32");
	assert_tree("dst != 10.1.2.3", "!dst=10.1.2.3/32");
	assert_tree("dst 10.1.2.3:80", "(dport=80 and dst=10.1.2.3/32)");
	assert_tree("dst != 10.1.2.3:80", "!(dport=80 and dst=10.1.2.3/32)");
	assert_tree("not dst != 10.1.2.3:80", "(dport=80 and dst=10.1.2.3/32)");
	assert_tree("dst 10.1.2.3:", "dst=10.1.2.3/32");
	assert_tree("dst 10.1.2.3:*", "dst=10.1.2.3/32");
	assert_tree("dst 10.1.2.3/8", "dst=10.0.0.0/8");
	assert_tree("dst 10.1.2.3/12:80", "(dport=80 and dst=10.0.0.0/12)");
	assert_tree("dst 10/8", "dst=10.0.0.0/8");
	assert_tree("dst 10.200/10:80", "(dport=80 and dst=10.192.0.0/10)");
	assert_tree("dst 0/0", "dst=0.0.0.0/0");
	assert_tree("src :80", "sport=80");
	assert_tree("src *:80", "sport=80");
	assert_tree("src *", "sport=0-65535");
	assert_tree("src *:*", "sport=0-65535");
	assert_tree("src != *", "!sport=0-65535");
	assert_tree("src [fd00::1]", "src=fd00::1/128");
	assert_tree("src [fd00::1]:80", "(sport=80 and src=fd00::1/128)");
	assert_tree("src [fd00:1234::1]/20", "src=fd00:1000::/20");
	assert_tree("src [fd00:1234::1/20]:80", "(sport=80 and src=fd00:1000::/20)");
	assert_tree("src [fd00:1234::1]/20:80", "(sport=80 and src=fd00:1000::/20)");
	assert_tree("src fd00:1234::1/20:80", "(sport=80 and src=fd00:1000::/20)");
	assert_tree("src ::/0", "src=::/0");
	assert_tree("src inet:10.0.0.0/8", "src=10.0.0.0/8");
	assert_tree("src inet6:[fd00::1]:80", "(sport=80 and src=fd00::1/128)");
	assert_tree("src inet6:*:80", "(sport=80 and src=::/0)");
	assert_tree("src inet:*", "src=0.0.0.0/0");
	/* The keys of v4-mapped sockets are v4. */
	assert_tree("src [::ffff:10.1.2.3]:80", "(sport=80 and src=10.1.2.3/32)");
	assert_tree("src [::ffff:10.1.2.3]/104", "src=10.0.0.0/8");
	assert_tree("src [::ffff:0:0/96]", "src=0.0.0.0/0");
	assert_tree("src [::ffff:0:0/95]", "src=::fffe:0:0/95");
}

/* ---- states */

static uint32_t states_of_text(const char *text)
{
	struct socket_filter *filter = parse(text);
	uint32_t states = socket_filter_states(filter);

	socket_filter_free(filter);
	return states;
}

#define BIT(state) (1U << (state))

static void test_state_names(void **state)
{
	/* 12: a request socket; 13: bound only. */
	static const struct {
		const char *name;
		uint32_t states;
	} cases[] = {
		{"established", BIT(1)},
		{"estab", BIT(1)},
		{"syn-sent", BIT(2)},
		{"syn-recv", BIT(3) | BIT(12)},
		{"syn-received", BIT(3) | BIT(12)},
		{"fin-wait-1", BIT(4)},
		{"fin-wait-2", BIT(5)},
		{"FIN_WAIT2", BIT(5)},
		{"time-wait", BIT(6)},
		{"TIME-WAIT", BIT(6)},
		{"closed", BIT(7) | BIT(13)},
		{"unconnected", BIT(7) | BIT(13)},
		{"unconn", BIT(7) | BIT(13)},
		{"close-wait", BIT(8)},
		{"last-ack", BIT(9)},
		{"listening", BIT(10)},
		{"listen", BIT(10)},
		{"closing", BIT(11)},
		{"all", 0x3ffe},
		{"connected", 0x3ffe & ~(BIT(7) | BIT(10) | BIT(13))},
		{"synchronized", 0x3ffe & ~(BIT(2) | BIT(7) | BIT(10) | BIT(13))},
		{"bucket", BIT(3) | BIT(6) | BIT(12)},
		{"big", 0x3ffe & ~(BIT(3) | BIT(6) | BIT(12))},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];

		snprintf(text, sizeof(text), "state %s", cases[i].name);
		if (states_of_text(text) != cases[i].states)
			fail_msg("%s: %x, not %x", text, states_of_text(text), cases[i].states);
		snprintf(text, sizeof(text), "exclude %s", cases[i].name);
		assert_int_equal(states_of_text(text), 0x3ffe & ~cases[i].states);
	}
}

static void test_states_joined(void **state)
{
	(void)state;
	assert_int_equal(states_of_text(""), 0x3ffe);
	assert_int_equal(states_of_text("sport = :1"), 0x3ffe);
	/* One after the other: as ss has it. */
	assert_int_equal(states_of_text("state time-wait state last-ack"), BIT(6) | BIT(9));
	assert_int_equal(states_of_text("state bucket exclude time-wait"), BIT(3) | BIT(12));
	assert_int_equal(states_of_text("exclude big state listening"),
			 BIT(3) | BIT(6) | BIT(10) | BIT(12));
	assert_int_equal(states_of_text("state time-wait exclude time-wait"), 0);
	assert_int_equal(states_of_text("state time-wait state last-ack sport = :1"),
			 BIT(6) | BIT(9));
	/* As conditions. */
	assert_int_equal(states_of_text("state time-wait and state last-ack"), 0);
	assert_int_equal(states_of_text("state time-wait or state last-ack"), BIT(6) | BIT(9));
	assert_int_equal(states_of_text("sport = :1 and state time-wait"), BIT(6));
	assert_int_equal(states_of_text("sport = :1 or state time-wait"), 0x3ffe);
	assert_int_equal(states_of_text("not state big"), BIT(3) | BIT(6) | BIT(12));
	assert_int_equal(states_of_text("not ( state big or state time-wait )"), BIT(3) | BIT(12));
	assert_int_equal(states_of_text("not ( state big and sport = :1 )"), 0x3ffe);
	assert_int_equal(states_of_text("( state time-wait sport = :1 ) or "
					"( state last-ack dport = :2 )"),
			 BIT(6) | BIT(9));
}

/* ---- mistakes */

static void assert_error(const char *text, size_t want_at, const char *want)
{
	struct socket_filter *untouched = (void *)0x10, *filter = untouched;
	struct why why = {0};
	size_t at = SIZE_MAX;

	assert_int_equal(socket_filter_parse(text, &filter, &at, &why), -EINVAL);
	assert_ptr_equal(filter, untouched);
	if (at != want_at || strcmp(why.text, want) != 0)
		fail_msg("%s\nat %zu: %s\nnot %zu: %s", text, at, why.text, want_at, want);
	/* Who does not want a sentence gets none. */
	assert_int_equal(socket_filter_parse(text, &filter, &at, NULL), -EINVAL);
}

static void test_mistakes_of_structure(void **state)
{
	(void)state;
	assert_error("(", 1, "condition expected, not the end");
	assert_error("()", 1, "condition expected (state, src, dst, sport, dport), not ')'");
	assert_error("( sport = :1", 0, "there is no ')' for this '('");
	assert_error("sport = :1 and ( sport = :1 or ( dport = :2 )", 15,
		     "there is no ')' for this '('");
	assert_error("sport = :1 )", 11, "there is no '(' for this ')'");
	assert_error("sport = :1 and", 14, "condition expected, not the end");
	assert_error("and sport = :1", 0,
		     "condition expected (state, src, dst, sport, dport), not 'and'");
	assert_error("sport = :1 or or sport = :2", 14,
		     "condition expected (state, src, dst, sport, dport), not 'or'");
	assert_error("not", 3, "condition expected, not the end");
	assert_error("sport = :1 = :2", 11,
		     "condition expected (state, src, dst, sport, dport), not '='");
	assert_error("sprt = :1", 0, "condition expected, not 'sprt', did you mean sport?");
	assert_error("sport = :1 adn dport = :2", 11,
		     "condition expected, not 'adn', did you mean and?");
	assert_error("sport = :1 time-wait", 11,
		     "condition expected, not 'time-wait': write 'state time-wait'");
	assert_error("sport = :1 127.0.0.1", 11,
		     "condition expected (state, src, dst, sport, dport), not '127.0.0.1'");
	assert_error("sport = :1 dev lo", 11, "'dev' is not supported here");
	assert_error("fwmark = 1", 0, "'fwmark' is not supported here");
	assert_error("cgroup /a", 0, "'cgroup' is not supported here");
	assert_error("not autobound", 4, "'autobound' is not supported here");
	/* What could move a terminal's cursor is not shown; letters of all kinds are, and whole. */
	assert_error("\x1b[31m\xc3\n", 0,
		     "condition expected (state, src, dst, sport, dport), not '?[31m\xc3'");
	assert_error("größe = :1", 0,
		     "condition expected (state, src, dst, sport, dport), not 'größe'");
	assert_error("日本語日本語日本語日本語日本語", 0,
		     "condition expected (state, src, dst, sport, dport), not "
		     "'日本語日本語日本語日本語日...'");
}

static void test_mistakes_of_states(void **state)
{
	(void)state;
	assert_error("state", 5, "name of a state expected after 'state'");
	assert_error("exclude and", 8, "name of a state expected after 'exclude'");
	assert_error("state tme-wait", 6, "unknown state 'tme-wait', did you mean time-wait?");
	assert_error("state lsiten", 6, "unknown state 'lsiten', did you mean listen?");
	assert_error("exclude esablished", 8,
		     "unknown state 'esablished', did you mean established?");
	assert_error("sport = :1 state closinx", 17,
		     "unknown state 'closinx', did you mean closing?");
	assert_error("state nonsense", 6, "unknown state 'nonsense'");
	assert_error("state time-wait,established", 6, "unknown state 'time-wait,established'");
	assert_error("state aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 6,
		     "unknown state 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'");
}

static void test_mistakes_of_ports(void **state)
{
	(void)state;
	assert_error("sport", 5, "port expected, not the end");
	assert_error("sport = ", 8, "port expected, not the end");
	assert_error("sport = and dport = :1", 8, "port expected, not 'and'");
	assert_error("sport = )", 8, "port expected, not ')'");
	assert_error("sport => :1", 7, "port expected, not '>'");
	assert_error("sport = :", 9, "port expected");
	assert_error("sport = :65536", 9, "the largest port is 65535");
	assert_error("sport = 99999999999999999999", 8, "the largest port is 65535");
	assert_error("sport = :-1", 9, "port expected: there is no service '-1' in /etc/services");
	assert_error("sport = :nosuch", 9,
		     "port expected: there is no service 'nosuch' in /etc/services");
	assert_error("sport = 127.0.0.1:80", 8,
		     "port expected, not '127.0.0.1:80'; addresses go with src, dst");
	assert_error("sport > :*", 8, "'*' is no port that others could be compared with");
}

static void test_mistakes_of_hosts(void **state)
{
	(void)state;
	assert_error("src", 3, "address expected, not the end");
	assert_error("src or", 4, "address expected, not 'or'");
	assert_error("src >= 127.0.0.1", 4,
		     "'src' knows = and != only; ports are compared by 'sport'");
	assert_error("dst lt :80", 4, "'dst' knows = and != only; ports are compared by 'dport'");
	assert_error("src localhost", 4,
		     "address expected, not 'localhost' (names of hosts are not looked up)");
	assert_error("src 300.1.1.1", 4,
		     "address expected, not '300.1.1.1' (names of hosts are not looked up)");
	assert_error("src 127.1", 4,
		     "address expected, not '127.1' (names of hosts are not looked up)");
	assert_error("src []", 5, "address expected, not '' (names of hosts are not looked up)");
	assert_error("src /8", 4, "address expected, not '' (names of hosts are not looked up)");
	assert_error("src 127.0.0.1/33", 14, "length of a network expected: 0 to 32");
	assert_error("src 127.0.0.1/-1", 14, "length of a network expected: 0 to 32");
	assert_error("src 127.0.0.1/", 14, "length of a network expected: 0 to 32");
	assert_error("src [::1]/129", 10, "length of a network expected: 0 to 128");
	assert_error("src [::1/129]:80", 9, "length of a network expected: 0 to 128");
	assert_error("src [::1/64]/64", 12, "':' and a port expected behind ']'");
	assert_error("src [::1]80", 9, "':' and a port expected behind ']'");
	assert_error("src [::1", 8, "']' expected");
	assert_error("src [127.0.0.1]", 5, "only an IPv6 address goes into brackets");
	assert_error("src ::1", 4,
		     "an IPv6 address goes into brackets, so that a port is told from it: "
		     "[fd00::1]:80");
	assert_error("src inet:[::1]", 10, "this is not an address of the family inet");
	assert_error("src inet6:127.0.0.1", 10, "this is not an address of the family inet6");
	assert_error("src unix:/tmp/a", 4,
		     "'unix:' is not supported: these are TCP sockets, inet: or inet6:");
	assert_error("src 127.0.0.1:nosuch", 14,
		     "port expected: there is no service 'nosuch' in /etc/services");
	assert_error("src 127.0.0.1:80:80", 4,
		     "an IPv6 address goes into brackets, so that a port is told from it: "
		     "[fd00::1]:80");
	assert_error("src 127.0.0.1/8:99999", 16, "the largest port is 65535");
	assert_error("src aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 4,
		     "this is too long for an address");
}

static void test_depth(void **state)
{
	char text[1024];
	size_t n;

	(void)state;
	for (n = 0; n < 64; n++)
		text[n] = '(';
	strcpy(text + n, "sport=1");
	n = strlen(text);
	memset(text + n, ')', 64);
	text[n + 64] = '\0';
	assert_tree(text, "sport=1");
	memmove(text + 1, text, strlen(text) + 1);
	assert_error(text, 64, "more than 64 '(' in each other");
}

/* ---- services(5) */

static bool put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return false;
	fputs(text, file);
	return fclose(file) == 0;
}

/* A mount namespace: as root, or with this user as its root. */
static bool unshare_mounts(void)
{
	char uid_map[32], gid_map[32];

	snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
	if (unshare(CLONE_NEWNS) < 0 &&
	    (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !put("/proc/self/setgroups", "deny") ||
	     !put("/proc/self/uid_map", uid_map) || !put("/proc/self/gid_map", gid_map)))
		return false;
	return mount("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0 &&
	       mount("none", "/etc", "tmpfs", 0, "") == 0;
}

/* In a process of its own: @services is all that is in /etc. NULL: nothing. */
static int in_etc(const char *services, const char *text, int want_port, const char *want_error)
{
	struct socket_filter *filter = NULL;
	struct why why = {0};
	size_t at;
	FILE *file;
	int r;

	if (!unshare_mounts())
		return 77;
	if (services) {
		file = fopen("/etc/services", "w");
		if (!file || fputs(services, file) < 0 || fclose(file) < 0)
			return 1;
	}
	r = socket_filter_parse(text, &filter, &at, &why);
	if (r == 0)
		r = filter->nodes[filter->root].ports.low == want_port ? 0 : 2;
	else
		r = want_error && strcmp(why.text, want_error) == 0 ? 0 : 3;
	if (r != 0)
		fprintf(stderr, "%s: %s\n", text, why.text);
	socket_filter_free(filter);
	return r;
}

static void assert_in_etc(const char *services, const char *text, int want_port,
			  const char *want_error)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(in_etc(services, text, want_port, want_error));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no mount namespace\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_services(void **state)
{
	const char *services = "our-own 4711/tcp alias\nother 4712/udp\n";

	(void)state;
	assert_in_etc(services, "sport = :our-own", 4711, NULL);
	assert_in_etc(services, "sport alias", 4711, NULL);
	assert_in_etc(services, "sport = other", 0,
		      "port expected: there is no service 'other' in /etc/services");
	assert_in_etc(NULL, "sport = our-own", 0,
		      "port expected: there is no service 'our-own' in /etc/services, which "
		      "cannot be read");
	assert_in_etc(NULL, "sport = 4711", 4711, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joining),
		cmocka_unit_test(test_spelling),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_state_names),
		cmocka_unit_test(test_states_joined),
		cmocka_unit_test(test_mistakes_of_structure),
		cmocka_unit_test(test_mistakes_of_states),
		cmocka_unit_test(test_mistakes_of_ports),
		cmocka_unit_test(test_mistakes_of_hosts),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_services),
	};

	return cmocka_run_group_tests_name("socket filter, parsed", tests, NULL, NULL);
}
