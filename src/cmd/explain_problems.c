#include "cmd/explain_problems.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cmd/explain_words.h"

/* Printed of each kind; who wants all of them takes --json. */
#define SERVERS_SHOWN 10
#define INDENT	      2

/* One kind of problem at one server. */
struct group {
	struct tcp_endpoint server;
	uint64_t connections;
	uint64_t example; /* the number of the first */
	char *advice;	  /* for that one (owned) */
};

struct kind {
	struct group *groups; /* (owned) */
	size_t count, capacity;
	uint16_t *slots; /* index into groups plus one, open addressing; 0: free (owned) */
	uint64_t connections;
	uint64_t others; /* of them, at servers that found no room */
};

#define SLOTS (2 * PROBLEM_SERVERS)

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

/* The slot of the server, or the free one where it belongs. */
static uint16_t *slot_of(const struct kind *kind, const struct tcp_endpoint *server)
{
	size_t at = hash(server) % SLOTS;

	while (kind->slots[at] &&
	       !tcp_endpoint_equal(&kind->groups[kind->slots[at] - 1].server, server))
		at = (at + 1) % SLOTS;
	return &kind->slots[at];
}

static int new_group(struct kind *kind, uint16_t *slot, const struct finding *finding)
{
	char advice[FINDING_TEXT_MAX];
	struct group *group;

	if (ARRAY_ROOM(kind->groups, kind->capacity, kind->count) < 0)
		return -ENOMEM;
	group = &kind->groups[kind->count];
	*group = (struct group){
		.server = finding->end[TRACK_SERVER].endpoint,
		.connections = 1,
		.example = finding->number,
		.advice = strdup(finding_advice(finding, advice)),
	};
	if (!group->advice)
		return -ENOMEM;
	*slot = (uint16_t)++kind->count;
	return 0;
}

static int add_to_kind(struct kind *kind, const struct finding *finding)
{
	uint16_t *slot;

	if (!kind->slots)
		kind->slots = calloc(SLOTS, sizeof(*kind->slots));
	if (!kind->slots)
		return -ENOMEM;
	slot = slot_of(kind, &finding->end[TRACK_SERVER].endpoint);
	if (*slot)
		kind->groups[*slot - 1].connections++;
	else if (kind->count == PROBLEM_SERVERS)
		kind->others++;
	else if (new_group(kind, slot, finding) < 0)
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

/* Most connections first; among equals the order of addresses. */
static int compare_groups(const void *left, const void *right)
{
	const struct group *a = *(const struct group *const *)left;
	const struct group *b = *(const struct group *const *)right;

	if (a->connections != b->connections)
		return a->connections > b->connections ? -1 : 1;
	return compare_endpoints(&a->server, &b->server);
}

static void put_group(const struct report *report, const struct group *group)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	explain_say(report->screen, STYLE_PLAIN, 2 * INDENT, "%*s%" PRIu64 " connection%s to %s",
		    INDENT, "", group->connections, group->connections == 1 ? "" : "s",
		    explain_names_endpoint(report->names, &group->server, text));
}

static void put_advice(const struct report *report, const struct group *group)
{
	const struct screen *screen = report->screen;

	screen_wrap(screen, group->advice, 2 * INDENT, screen->width);
	explain_say(screen, STYLE_PLAIN, 2 * INDENT,
		    "%*sLook at one: %s%s--connection %" PRIu64 " --ladder", 2 * INDENT, "",
		    report->command ? report->command : "", report->command ? " " : "",
		    group->example);
}

/* Servers with the same advice stand together, above it. */
static void put_groups(const struct report *report, const struct group *const *groups, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		put_group(report, groups[i]);
		if (i + 1 == count || strcmp(groups[i]->advice, groups[i + 1]->advice) != 0)
			put_advice(report, groups[i]);
	}
}

static void put_rest(const struct report *report, const struct kind *kind, uint64_t told)
{
	uint64_t servers = kind->count > SERVERS_SHOWN ? kind->count - SERVERS_SHOWN : 0;

	if (told == kind->connections)
		return;
	explain_say(report->screen, STYLE_PLAIN, 2 * INDENT,
		    "%*sand %" PRIu64 " at %" PRIu64 "%s other server%s", INDENT, "",
		    kind->connections - told, servers, kind->others ? " and more" : "",
		    servers == 1 && !kind->others ? "" : "s");
}

static void put_kind(const struct report *report, enum finding_problem problem,
		     const struct kind *kind)
{
	CLEANUP_FREE const struct group **groups = calloc(kind->count, sizeof(*groups));
	size_t shown = kind->count < SERVERS_SHOWN ? kind->count : SERVERS_SHOWN;
	uint64_t told = 0;

	if (!groups) {
		fputs("(out of memory)\n", report->screen->out);
		return;
	}
	for (size_t i = 0; i < kind->count; i++)
		groups[i] = &kind->groups[i];
	qsort(groups, kind->count, sizeof(struct group *), compare_groups);
	for (size_t i = 0; i < shown; i++)
		told += groups[i]->connections;
	fputc('\n', report->screen->out);
	screen_print(report->screen, explain_problem_style(problem), "%s",
		     finding_problem_name(problem));
	fprintf(report->screen->out, ": %" PRIu64 "\n", kind->connections);
	put_groups(report, groups, shown);
	put_rest(report, kind, told);
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
