#include "cmd/explain_ladder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cmd/explain_detail.h"
#include "explain/dedup.h"
#include "explain/track.h"
#include "render/ladder.h"
#include "render/ladder_svg.h"

/* A tracked segment takes some 250 bytes. */
#define SEGMENTS_MAX 500000
#define SIEVE	     4096

struct explain_ladders {
	struct drawing {
		struct finding finding;
		struct exchange *exchange; /* (owned) */
	} * at;				   /* (owned) */
	size_t count, capacity, limit;
	uint64_t chosen;
	bool sieve[SIEVE]; /* by both ends' ports: whether it may be one of the chosen pairs */
	struct tracker *tracker; /* (owned) */
	struct dedup dedup;
	uint64_t fed, left_out;
};

struct explain_ladders *explain_ladders_new(size_t limit)
{
	struct explain_ladders *ladders = calloc(1, sizeof(*ladders));

	if (!ladders)
		return NULL;
	ladders->limit = limit;
	ladders->tracker = tracker_new();
	if (ladders->tracker)
		return ladders;
	free(ladders);
	return NULL;
}

void explain_ladders_free(struct explain_ladders *ladders)
{
	if (!ladders)
		return;
	for (size_t i = 0; i < ladders->count; i++)
		exchange_free(ladders->at[i].exchange);
	free(ladders->at);
	tracker_free(ladders->tracker);
	free(ladders);
}

/* The same for both directions. */
static size_t sieve_of(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	return ((size_t)a->port + b->port) % SIEVE;
}

int explain_ladders_choose(struct explain_ladders *ladders, const struct finding *finding)
{
	if (++ladders->chosen > ladders->limit)
		return 0;
	if (ARRAY_ROOM(ladders->at, ladders->capacity, ladders->count) < 0)
		return -ENOMEM;
	ladders->at[ladders->count++] = (struct drawing){.finding = *finding};
	ladders->sieve[sieve_of(&finding->end[0].endpoint, &finding->end[1].endpoint)] = true;
	return 0;
}

uint64_t explain_ladders_chosen(const struct explain_ladders *ladders)
{
	return ladders->chosen;
}

size_t explain_ladders_limit(const struct explain_ladders *ladders)
{
	return ladders->limit;
}

/* ---- the second time */

static bool is_pair(const struct finding *finding, const struct tcp_endpoint *a,
		    const struct tcp_endpoint *b)
{
	const struct tcp_endpoint *client = &finding->end[0].endpoint,
				  *server = &finding->end[1].endpoint;

	return (tcp_endpoint_equal(client, a) && tcp_endpoint_equal(server, b)) ||
	       (tcp_endpoint_equal(client, b) && tcp_endpoint_equal(server, a));
}

static bool is_chosen(const struct explain_ladders *ladders, const struct segment *segment)
{
	if (!ladders->sieve[sieve_of(&segment->source, &segment->target)])
		return false;
	for (size_t i = 0; i < ladders->count; i++)
		if (is_pair(&ladders->at[i].finding, &segment->source, &segment->target))
			return true;
	return false;
}

int explain_ladders_feed(struct explain_ladders *ladders, const struct segment *segments,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int r;

		if (!is_chosen(ladders, &segments[i]) ||
		    dedup_is_copy(&ladders->dedup, &segments[i]))
			continue;
		if (ladders->fed >= SEGMENTS_MAX) {
			ladders->left_out++;
			continue;
		}
		ladders->fed++;
		r = tracker_feed(ladders->tracker, &segments[i], NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

uint64_t explain_ladders_left_out(const struct explain_ladders *ladders)
{
	return ladders->left_out;
}

/*
 * How well a connection of the tracker fits one that was explained without keeping its segments;
 * 0: not at all. Several may be on the same pair of ends: they differ in when they began, and,
 * where there are no times, in what went over them.
 */
static unsigned fit(const struct finding *finding, const struct connection *connection)
{
	uint64_t packets = finding->end[0].packets + finding->end[1].packets;
	unsigned fits = 1;

	if (!is_pair(finding, &connection->end[0].endpoint, &connection->end[1].endpoint))
		return 0;
	if (connection->count > 0 && connection->segments[0].segment.time_ns == finding->first_ns)
		fits += 4;
	if (connection->count == packets)
		fits += 2;
	if (connection->end[0].bytes == finding->end[0].bytes &&
	    connection->end[1].bytes == finding->end[1].bytes)
		fits += 1;
	return fits;
}

/* The one that fits best; of several that do, one that no other took. NULL: none. */
static const struct connection *find(const struct explain_ladders *ladders,
				     const struct finding *finding, bool *taken)
{
	const struct connection *best = NULL;
	size_t best_index = 0;
	unsigned best_fit = 0;

	for (size_t i = 0; i < tracker_count(ladders->tracker); i++) {
		const struct connection *connection = tracker_connection(ladders->tracker, i);
		unsigned fits = taken[i] ? 0 : fit(finding, connection);

		if (fits > best_fit) {
			best = connection;
			best_fit = fits;
			best_index = i;
		}
	}
	if (best)
		taken[best_index] = true;
	return best;
}

/* The address as the capture has it. */
static char *address_of(const struct explain_names *names, const struct tcp_endpoint *endpoint)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	return strdup(explain_names_endpoint(names, endpoint, text));
}

static int make(struct drawing *drawing, const struct connection *connection,
		const struct explain_names *names, size_t rows)
{
	/* Where the opening was not captured, the two trackers may guess differently who is who. */
	bool turned = !tcp_endpoint_equal(&connection->end[TRACK_CLIENT].endpoint,
					  &drawing->finding.end[TRACK_CLIENT].endpoint);
	struct exchange *exchange = connection_exchange(connection, turned ? "server" : "client",
							turned ? "client" : "server", rows);

	if (!exchange)
		return -ENOMEM;
	drawing->exchange = exchange;
	if (!names || !names->name)
		return 0;
	free(exchange->left_address);
	free(exchange->right_address);
	exchange->left_address = address_of(names, &connection->end[0].endpoint);
	exchange->right_address = address_of(names, &connection->end[1].endpoint);
	return exchange->left_address && exchange->right_address ? 0 : -ENOMEM;
}

int explain_ladders_make(struct explain_ladders *ladders, const struct explain_names *names,
			 size_t rows)
{
	CLEANUP_FREE bool *taken = calloc(tracker_count(ladders->tracker) + 1, sizeof(*taken));
	int r = taken ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ladders->count; i++) {
		const struct connection *connection = find(ladders, &ladders->at[i].finding, taken);

		if (connection)
			r = make(&ladders->at[i], connection, names, rows);
	}
	return r;
}

/* ---- drawing */

void explain_ladders_print(const struct explain_ladders *ladders, const struct screen *screen,
			   const struct explain_names *names)
{
	for (size_t i = 0; i < ladders->count; i++) {
		const struct drawing *drawing = &ladders->at[i];

		explain_detail_print(screen, &drawing->finding, names);
		fputc('\n', screen->out);
		if (drawing->exchange)
			ladder_draw(screen, drawing->exchange);
	}
}

int explain_ladders_write_svg(const struct explain_ladders *ladders, FILE *out)
{
	CLEANUP_FREE const struct exchange **all = calloc(ladders->count + 1, sizeof(*all));
	char text[FINDING_TEXT_MAX], title[FINDING_TEXT_MAX + 32];
	size_t count = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < ladders->count; i++) {
		struct drawing *drawing = &ladders->at[i];

		if (!drawing->exchange)
			continue;
		snprintf(title, sizeof(title), "%" PRIu64 ": %s", drawing->finding.number,
			 finding_sentence(&drawing->finding, text));
		free(drawing->exchange->title);
		drawing->exchange->title = strdup(title);
		all[count++] = drawing->exchange;
	}
	return ladder_svg_write(out, all, count);
}
