#include "cmd/explain_problems.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cmd/explain_words.h"

/* Printed of those with the same advice; who wants all of them takes --json. */
#define SERVERS_SHOWN 10
#define INDENT	      2

/* One kind of problem at one server, with the same advice. */
struct group {
	struct tcp_endpoint server;
	uint64_t shape; /* of the advice, see shape_of() */
	uint64_t connections;
	uint64_t example; /* the number of the first */
	char *advice;	  /* for that one (owned) */
};

struct kind {
	struct group *groups; /* (owned) */
	size_t count, capacity;
	uint16_t *slots; /* index into groups plus one, open addressing; 0: free (owned) */
	uint64_t connections;
	uint64_t others; /* of them, those whose server found no room */
};

#define SLOTS (size_t)(2 * PROBLEM_SERVERS)

struct explain_problems {
	struct kind kinds[PROBLEM_COUNT];
	uint64_t connections, wrong; /* all; those with a problem */
};

struct explain_problems *explain_problems_new(void)
{
	return calloc(1, sizeof(struct explain_problems));
}

void explain_problems_free(struct explain_problems *problems)
{
	if (!problems)
		return;
	for (size_t i = 0; i < PROBLEM_COUNT; i++) {
		struct kind *kind = &problems->kinds[i];

		for (size_t at = 0; at < kind->count; at++)
			free(kind->groups[at].advice);
		free(kind->groups);
		free(kind->slots);
	}
	free(problems);
}

uint64_t explain_problems_count(const struct explain_problems *problems)
{
	return problems->wrong;
}

/* ---- grouping */

static size_t hash(const struct tcp_endpoint *endpoint)
{
	uint64_t word[2] = {0, 0}, x;

	memcpy(word, endpoint->address.bytes, endpoint->address.family == AF_INET ? 4 : 16);
	x = word[0] ^ word[1] * UINT64_C(0x9e3779b97f4a7c15);
	x = (x + endpoint->port) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(x ^ x >> 32);
}

/* Behind a number: " ms" and its like, or nothing. */
static size_t unit_length(const char *at)
{
	static const char *const units[] = {"ns", "us", "ms", "s", "min", "h", "d"};
	size_t length = *at == ' ' ? strspn(at + 1, "abcdefghijklmnopqrstuvwxyz") : 0;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (length == strlen(units[i]) && memcmp(at + 1, units[i], length) == 0)
			return 1 + length;
	return 0;
}

/*
 * The same for two advices that differ in numbers only: ports and times. It is another one where
 * the other end is to blame.
 */
static uint64_t shape_of(const char *advice)
{
	uint64_t shape = 0;

	while (*advice) {
		size_t digits = strspn(advice, "0123456789");

		if (digits) {
			advice += digits;
			/* Of a fraction only what stands behind the point has a unit. */
			advice += *advice == '.' && advice[1] >= '0' && advice[1] <= '9'
					  ? 1
					  : unit_length(advice);
			continue;
		}
		shape = (shape ^ (unsigned char)*advice++) * UINT64_C(0x100000001b3);
	}
	return shape;
}

/* The slot of the server and shape, or the free one where they belong. */
static uint16_t *slot_of(const struct kind *kind, const struct tcp_endpoint *server, uint64_t shape)
{
	size_t at = (hash(server) + shape) % SLOTS;

	for (; kind->slots[at]; at = (at + 1) % SLOTS) {
		const struct group *group = &kind->groups[kind->slots[at] - 1];

		if (group->shape == shape && tcp_endpoint_equal(&group->server, server))
			break;
	}
	return &kind->slots[at];
}

static int new_group(struct kind *kind, uint16_t *slot, const struct group *group)
{
	char *advice;

	if (ARRAY_ROOM(kind->groups, kind->capacity, kind->count) < 0)
		return -ENOMEM;
	advice = strdup(group->advice);
	if (!advice)
		return -ENOMEM;
	kind->groups[kind->count] = *group;
	kind->groups[kind->count].advice = advice;
	*slot = (uint16_t)++kind->count;
	return 0;
}

static int add_to_kind(struct kind *kind, const struct finding *finding)
{
	char advice[FINDING_TEXT_MAX];
	struct group group = {
		.server = finding->end[TRACK_SERVER].endpoint,
		.connections = 1,
		.example = finding->number,
		.advice = finding_advice(finding, advice),
	};
	uint16_t *slot;

	group.shape = shape_of(advice);
	if (!kind->slots)
		kind->slots = calloc(SLOTS, sizeof(*kind->slots));
	if (!kind->slots)
		return -ENOMEM;
	slot = slot_of(kind, &group.server, group.shape);
	if (*slot)
		kind->groups[*slot - 1].connections++;
	else if (kind->count == PROBLEM_SERVERS)
		kind->others++;
	else if (new_group(kind, slot, &group) < 0)
		return -ENOMEM;
	kind->connections++;
	return 0;
}

int explain_problems_add(struct explain_problems *problems, const struct finding *finding)
{
	enum finding_problem problem = finding_problem(finding);

	if (problem != PROBLEM_NONE) {
		if (add_to_kind(&problems->kinds[problem], finding) < 0)
			return -ENOMEM;
		problems->wrong++;
	}
	problems->connections++;
	return 0;
}

/* ---- printing */

/* What is printed of the problems: where to, and how its parts are called. */
struct report {
	const struct screen *screen;
	const struct explain_names *names;
	const char *command;
};

static int compare_endpoints(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	int r;

	if (a->address.family != b->address.family)
		return a->address.family == AF_INET ? -1 : 1;
	r = memcmp(a->address.bytes, b->address.bytes, a->address.family == AF_INET ? 4 : 16);
	return r ? r : (a->port > b->port) - (a->port < b->port);
}

/* Most connections first; among equals the order of addresses, then of the capture. */
static int compare_groups(const void *left, const void *right)
{
	const struct group *a = *(const struct group *const *)left;
	const struct group *b = *(const struct group *const *)right;
	int r;

	if (a->connections != b->connections)
		return a->connections > b->connections ? -1 : 1;
	r = compare_endpoints(&a->server, &b->server);
	return r ? r : (a->example > b->example) - (a->example < b->example);
}

/* "6 to 10.0.0.1:5000, such as 1525" */
static void put_group(const struct report *report, const struct group *group)
{
	bool one = group->connections == 1;
	char text[TCP_ENDPOINT_TEXT_MAX];

	explain_say(report->screen, STYLE_PLAIN, 2 * INDENT, "%*s%" PRIu64 " to %s, %s%" PRIu64,
		    INDENT, "", group->connections,
		    explain_names_endpoint(report->names, &group->server, text),
		    one ? "number " : "such as number ", group->example);
}

/* The advice names ports and times, which are those of the example. */
static void put_advice(const struct report *report, const struct group *group)
{
	explain_say(report->screen, STYLE_PLAIN, 2 * INDENT, "%*sNumber %" PRIu64 ": %s",
		    2 * INDENT, "", group->example, group->advice);
	explain_say(report->screen, STYLE_PLAIN, 2 * INDENT,
		    "%*sLook at it: %s%s--connection %" PRIu64 " --ladder", 2 * INDENT, "",
		    report->command ? report->command : "", report->command ? " " : "",
		    group->example);
}

/*
 * All groups that have the advice of @groups[0], and what to do about it. They are taken out of the
 * list; returns how many are left in it.
 */
static size_t put_shape(const struct report *report, const struct group **groups, size_t count)
{
	const struct group *first = groups[0];
	uint64_t shown = 0, connections = 0, servers = 0;
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (groups[i]->shape != first->shape) {
			groups[left++] = groups[i];
		} else if (shown < SERVERS_SHOWN) {
			put_group(report, groups[i]);
			shown++;
		} else {
			connections += groups[i]->connections;
			servers++;
		}
	}
	if (servers)
		explain_say(report->screen, STYLE_PLAIN, 2 * INDENT,
			    "%*s%" PRIu64 " to %" PRIu64 " other server%s", INDENT, "", connections,
			    servers, servers == 1 ? "" : "s");
	put_advice(report, first);
	return left;
}

static void put_kind(const struct report *report, enum finding_problem problem,
		     const struct kind *kind)
{
	CLEANUP_FREE const struct group **groups = calloc(kind->count, sizeof(*groups));
	const struct screen *screen = report->screen;

	if (!groups) {
		fputs("(out of memory)\n", screen->out);
		return;
	}
	for (size_t i = 0; i < kind->count; i++)
		groups[i] = &kind->groups[i];
	qsort(groups, kind->count, sizeof(struct group *), compare_groups);
	fputc('\n', screen->out);
	screen_print(screen, explain_problem_style(problem), "%s", finding_problem_name(problem));
	fprintf(screen->out, ": %" PRIu64 " connection%s\n", kind->connections,
		kind->connections == 1 ? "" : "s");
	for (size_t left = kind->count; left;)
		left = put_shape(report, groups, left);
	if (kind->others)
		explain_say(screen, STYLE_PLAIN, 2 * INDENT,
			    "%*s%" PRIu64 " to servers for which there was no room here", INDENT,
			    "", kind->others);
}

void explain_problems_print(const struct screen *screen, const struct explain_problems *problems,
			    const struct explain_names *names, const char *command)
{
	struct report report = {.screen = screen, .names = names, .command = command};

	if (!problems->wrong) {
		screen_print(screen, STYLE_GOOD, "%s",
			     problems->connections ? "Nothing deserves a look" : "No connections");
		if (problems->connections)
			fprintf(screen->out, " (%" PRIu64 " connection%s)", problems->connections,
				problems->connections == 1 ? "" : "s");
		fputc('\n', screen->out);
		return;
	}
	screen_print(screen, STYLE_BOLD, "%" PRIu64 " of %" PRIu64 " connection%s deserve%s a look",
		     problems->wrong, problems->connections, problems->connections == 1 ? "" : "s",
		     problems->wrong == 1 ? "s" : "");
	fputc('\n', screen->out);
	for (int i = PROBLEM_COUNT - 1; i > PROBLEM_NONE; i--)
		if (problems->kinds[i].connections)
			put_kind(&report, (enum finding_problem)i, &problems->kinds[i]);
}
