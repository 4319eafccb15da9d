#include "cmd/explain_live.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/explain_stop.h"
#include "cmd/live_line.h"

#define BATCH 64
/* Between two drawings, and two looks at what is over. */
#define TICK_NS (NS_PER_S / 4)
/* A connection that is over is told when it has been quiet for so long: a last ACK that was lost
 * shows after 200 ms (TCP_RTO_MIN, include/net/tcp.h). */
#define QUIET_NS (2 * NS_PER_S)
/* More than packets take from the kernel to us. */
#define REST_NS (NS_PER_S / 4)

/* ---- kept segments */

#define KEPT_MAX 300000 /* some 50 MB */

struct explain_kept {
	struct segment *at; /* (owned) */
	size_t count, capacity;
	uint64_t left_out;
};

struct explain_kept *explain_kept_new(void)
{
	return calloc(1, sizeof(struct explain_kept));
}

void explain_kept_free(struct explain_kept *kept)
{
	if (!kept)
		return;
	free(kept->at);
	free(kept);
}

void explain_kept_add(struct explain_kept *kept, const struct segment *segments, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (kept->count >= KEPT_MAX ||
		    ARRAY_ROOM(kept->at, kept->capacity, kept->count) < 0)
			kept->left_out++;
		else
			kept->at[kept->count++] = segments[i];
	}
}

const struct segment *explain_kept_all(const struct explain_kept *kept, size_t *ret_count)
{
	*ret_count = kept->count;
	return kept->at;
}

uint64_t explain_kept_left_out(const struct explain_kept *kept)
{
	return kept->left_out;
}

/* ---- the live line */

struct moment {
	double seconds;
	uint64_t packets, dropped, connections;
	const struct summary *summary;
};

static void put(struct live_line *line, struct line *to, const void *what)
{
	const struct moment *moment = what;
	const uint64_t *endings = moment->summary->endings;
	double rate = live_line_rate(line, moment->packets);
	uint64_t ended = 0;
	char text[48];

	for (size_t i = 0; i < ENDING_COUNT; i++)
		ended += i == ENDING_OPEN ? 0 : endings[i];
	snprintf(text, sizeof(text), "%.0f s", moment->seconds);
	line_put(to, STYLE_DIM, text);
	line_to(to, to->column + 2);
	snprintf(text, sizeof(text), "%.0f packets/s", rate);
	line_put(to, STYLE_BOLD, text);
	if (moment->dropped)
		live_line_put_count(to, "dropped", moment->dropped, STYLE_BAD);
	live_line_put_count(to, "connections", moment->connections, STYLE_BOLD);
	live_line_put_count(to, "ended", ended, STYLE_PLAIN);
	live_line_put_count(to, "reset", endings[ENDING_RESET],
			    endings[ENDING_RESET] ? STYLE_WARN : STYLE_PLAIN);
	live_line_put_count(to, "refused", endings[ENDING_REFUSED],
			    endings[ENDING_REFUSED] ? STYLE_WARN : STYLE_PLAIN);
	live_line_put(to, "", "Ctrl-C ends", STYLE_DIM);
}

/* ---- the loop */

struct loop {
	struct explain_live *live;
	struct live_line line;
	int64_t began_ns, until_ns, tick_ns;
};

static int64_t epoch_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void draw(struct loop *loop)
{
	const struct explain_live *live = loop->live;
	struct flows_sums sums;
	struct moment moment = {
		.seconds = clock_seconds(clock_now_ns() - loop->began_ns),
		.packets = live->decoder->packets,
		.dropped = live->dropped,
		.summary = &live->output->model.summary,
	};

	flows_sums(live->flows, &sums);
	moment.connections = sums.connections;
	live_line_draw(&loop->line, put, &moment);
}

/* What is over is told, and how it goes. */
static int tick(struct loop *loop)
{
	struct explain_live *live = loop->live;
	uint64_t received;
	int r;

	loop->tick_ns = clock_now_ns() + TICK_NS;
	capture_live_counts(live->from, &received, &live->dropped);
	/* The list may go to where the live line stands. */
	if (live->output->options->list)
		live_line_hide(&loop->line);
	r = flows_tell_over(live->flows, epoch_now_ns() - QUIET_NS);
	fflush(stdout);
	if (r == 0)
		draw(loop);
	return r;
}

/* Packets that wait. How many segments they made, or -errno with @why. */
static int take(struct explain_live *live, struct segment *segments, struct why *why)
{
	struct passing_packet packet;
	int count = 0, r = 1;

	/* Bounded, so that others have their turn in a flood of what is not TCP. */
	for (int n = 0; n < 16 * BATCH && count < BATCH; n++) {
		r = capture_live_next(live->from, &packet, why);
		if (r <= 0)
			break;
		count += explain_decoder_take(live->decoder, &packet, &segments[count]);
	}
	return r < 0 && count == 0 ? r : count;
}

static int feed(struct explain_live *live, struct why *why)
{
	struct segment segments[BATCH];
	int count = take(live, segments, why), r;

	if (count <= 0)
		return count;
	if (live->kept)
		explain_kept_add(live->kept, segments, (size_t)count);
	r = flows_feed(live->flows, segments, (size_t)count);
	return r < 0 ? why_set(why, r, "cannot go on") : 0;
}

static int wait_ms(const struct loop *loop)
{
	int64_t until_ns = loop->tick_ns, now_ns = clock_now_ns();

	if (loop->until_ns && loop->until_ns < until_ns)
		until_ns = loop->until_ns;
	return until_ns > now_ns ? (int)((until_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static bool is_over(const struct loop *loop)
{
	return explain_stop_asked() || (loop->until_ns && clock_now_ns() >= loop->until_ns);
}

static int follow(struct loop *loop, struct why *why)
{
	struct pollfd fds[] = {
		{.fd = capture_live_fd(loop->live->from), .events = POLLIN},
		{.fd = explain_stop_fd(), .events = POLLIN},
	};
	int r = 0;

	while (r == 0 && !is_over(loop)) {
		if (poll(fds, ARRAY_SIZE(fds), wait_ms(loop)) > 0 && fds[0].revents)
			r = feed(loop->live, why);
		if (r == 0 && clock_now_ns() >= loop->tick_ns)
			r = tick(loop);
	}
	return r;
}

/* What has passed by now still counts: the kernel hands packets over some time later, a block at a
 * time (capture/live.c). No more than that, since a busy interface has no end. */
static int take_rest(struct explain_live *live, struct why *why)
{
	struct pollfd fd = {.fd = capture_live_fd(live->from), .events = POLLIN};
	int64_t until_ns = clock_now_ns() + REST_NS, left_ns;
	int r = 0;

	while (r == 0 && (left_ns = until_ns - clock_now_ns()) > 0)
		if (poll(&fd, 1, (int)(left_ns / NS_PER_MS) + 1) > 0)
			r = feed(live, why);
	return r;
}

int explain_live_follow(struct explain_live *live, struct why *why)
{
	struct loop loop = {.live = live, .began_ns = clock_now_ns()};
	uint64_t received;
	int r;

	loop.tick_ns = loop.began_ns + TICK_NS;
	loop.until_ns = live->duration_ns ? loop.began_ns + live->duration_ns : 0;
	live_line_init(&loop.line, stderr, live->color, true);
	r = follow(&loop, why);
	if (r == 0)
		r = take_rest(live, why);
	live_line_hide(&loop.line);
	capture_live_counts(live->from, &received, &live->dropped);
	return r;
}
