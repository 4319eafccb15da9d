#include "observe/socket_filter_chance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/cleanup.h"

uint32_t seed;

uint32_t chance(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

#define ONE_OF(array) (array)[chance(ARRAY_SIZE(array))]

static const char *const ports[] = {"0",     "1",     "80",    "5000",	"5001",	 "5002",  "5004",
				    "5010",  "5011",  "40000", "40001", "40002", "40005", "40008",
				    "40013", "40016", "40020", "40024", "65535", "6000"};
static const char *const operators[] = {
	"", "=", "==", "!=", ">", "<", ">=", "<=", "eq", "ne", "gt", "lt", "ge", "le"};
/* The same to ss: it does not take 0.0.0.0 for the peer of a v4-mapped listener, nor v4-mapped
 * addresses for other than IPv6 ones. */
static const char *const networks[] = {"127.0.0.1",    "127.0.0.2",    "127.0.0.4", "127.0.0.1/8",
				       "127.0.0.4/30", "127.9.0.0/16", "10/8",	    "127/8",
				       "[::1]",	       "[fd00::1/8]",  "[::1/128]", "[2000::/3]",
				       "127.0.0.1",    "127.0.0.0/31"};
static const char *const our_networks[] = {"0.0.0.0/0",
					   "0.0.0.0",
					   "[::]",
					   "[::]/0",
					   "[::/64]",
					   "[::ffff:127.0.0.1]",
					   "[::ffff:0:0/96]",
					   "[::ffff:0:0/95]",
					   "[::fffe:0:0/96]",
					   "inet:*",
					   "inet6:*",
					   "0.0.0.0/1",
					   "[::]/127",
					   "[::ffff:127.0.0.0/104]"};
static const char *const states[] = {"established",  "syn-sent",  "syn-recv",	"fin-wait-1",
				     "fin-wait-2",   "time-wait", "close-wait", "last-ack",
				     "listening",    "closing",	  "all",	"connected",
				     "synchronized", "bucket",	  "big",	"closed"};

static void write_port(FILE *out)
{
	fprintf(out, "%s %s %s%s ", chance(2) ? "sport" : "dport", ONE_OF(operators),
		chance(2) ? ":" : "", ONE_OF(ports));
}

static void write_host(FILE *out, bool for_ss)
{
	static const char *const equal[] = {"", "=", "=="};
	bool port = chance(3) == 0, ours = !for_ss && chance(2);

	fprintf(out, "%s ", chance(2) ? "src" : "dst");
	if (!for_ss && chance(4) == 0)
		fprintf(out, "!= ");
	else
		fprintf(out, "%s ", ONE_OF(equal));
	if (chance(8) == 0)
		fprintf(out, chance(2) ? "*" : "");
	else
		fprintf(out, "%s", ours ? ONE_OF(our_networks) : ONE_OF(networks));
	fprintf(out, port ? ":%s " : ":* ", ONE_OF(ports));
}

static void write_states(FILE *out)
{
	fprintf(out, "%s %s ", chance(3) ? "state" : "exclude", ONE_OF(states));
	if (chance(3) == 0)
		fprintf(out, "%s %s ", chance(2) ? "state" : "exclude", ONE_OF(states));
}

static void write_expression(FILE *out, int depth, bool for_ss)
{
	static const char *const signs[][3] = {{"and", "&&", ""}, {"or", "||", "|"}};
	uint32_t parts, sign = chance(2);

	if (chance(4) == 0)
		fprintf(out, chance(2) ? "not " : "! ");
	if (depth == 0 || chance(3) == 0) {
		if (!for_ss && chance(4) == 0)
			write_states(out);
		else if (chance(2))
			write_port(out);
		else
			write_host(out, for_ss);
		return;
	}
	parts = 1 + chance(3);
	fprintf(out, "( ");
	for (uint32_t i = 0; i < parts; i++) {
		if (i > 0)
			fprintf(out, "%s ", signs[sign][chance(3)]);
		write_expression(out, depth - 1, for_ss);
	}
	fprintf(out, ") ");
}

void make_filter(char *text, bool for_ss, bool states_first)
{
	FILE *out = fmemopen(text, TEXT_MAX, "w");

	assert_non_null(out);
	if (states_first)
		write_states(out);
	if (!states_first || chance(4))
		write_expression(out, (int)chance(4), for_ss);
	fclose(out);
}
