/*
 * Makes up a capture to measure and test `contest explain` with: connections that open, talk, and
 * end in every way, some thousand at a time, as a server's own tcpdump would see them. The same
 * seed makes the same file.
 *
 *	capture [--connections N] [--packets N] [--seed N] [--pcapng] [--snap-length N]
 *		[--retransmitted N] [--reordered N] [--lost N] [--duplicated N] [--reused N]
 *		[--relabelled] [--truth FILE] >FILE
 *
 * About as many packets as asked for, 10 for each connection unless told otherwise. What is lost,
 * … are packets in 1,000, reused are connections. With --relabelled clients have the higher
 * addresses, not the lower, and all else is the same. The truth is a line of JSON per connection,
 *in the words of `contest explain --json`; it knows nothing of what was lost: packets that are
 * missing in the capture.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture_talk.h"
#include "capture_write.h"

#define CLIENTS	     4000
#define CLIENT_PORTS 28000 /* from 32768 */
#define ENDED_KEPT   4096
#define THINK_MEAN   (900 * MILLISECOND)

struct plan {
	uint64_t connections, packets, seed;
	unsigned lost, duplicated, reused;
	bool relabelled;
	struct noise noise;
	struct writer writer;
	FILE *truth;
};

/* What is left of a connection for another one between the same ends. */
struct ended {
	struct side side[2];
	int64_t at_ns;
	bool timestamps;
};

struct maker {
	const struct plan *plan;
	struct chance chance;
	struct talk **heap; /* by the time of their next packet (owned) */
	size_t open, capacity, open_most;
	uint64_t begun, written, promised;
	uint64_t frame_packets; /* of openings and endings */
	uint16_t ports[CLIENTS];
	struct ended ended[ENDED_KEPT];
	size_t ended_count;
	int64_t last_ns;
};

/* ---- what waits to be captured: a heap, for the earliest */

static bool earlier(const struct talk *a, const struct talk *b)
{
	int64_t difference = a->steps[a->done].at_ns - b->steps[b->done].at_ns;

	return difference ? difference < 0 : a->number < b->number;
}

static void swap(struct talk **a, struct talk **b)
{
	struct talk *other = *a;

	*a = *b;
	*b = other;
}

static void sink(struct maker *maker)
{
	for (size_t at = 0, child; (child = 2 * at + 1) < maker->open; at = child) {
		if (child + 1 < maker->open && earlier(maker->heap[child + 1], maker->heap[child]))
			child++;
		if (!earlier(maker->heap[child], maker->heap[at]))
			break;
		swap(&maker->heap[child], &maker->heap[at]);
	}
}

static void push(struct maker *maker, struct talk *talk)
{
	if (maker->open == maker->capacity) {
		maker->capacity = maker->capacity ? 2 * maker->capacity : 1024;
		maker->heap = reallocarray(maker->heap, maker->capacity, sizeof(struct talk *));
		if (!maker->heap)
			err(1, "capture");
	}
	maker->heap[maker->open++] = talk;
	for (size_t at = maker->open - 1;
	     at > 0 && earlier(maker->heap[at], maker->heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&maker->heap[at], &maker->heap[(at - 1) / 2]);
	if (maker->open > maker->open_most)
		maker->open_most = maker->open;
}

/* ---- connections */

static void set_address(struct address *address, bool v6, unsigned net, unsigned host)
{
	static const uint8_t v6_net[2][2] = {{0x20, 0x01}, {0xfd, 0x00}};

	*address = (struct address){.v6 = v6};
	if (v6) {
		memcpy(address->bytes, v6_net[net], 2);
		address->bytes[3] = 0xb8;
		address->bytes[14] = (uint8_t)(host >> 8);
		address->bytes[15] = (uint8_t)host;
	} else {
		address->bytes[0] = net ? 10 : 198;
		address->bytes[1] = net ? 0 : 18;
		address->bytes[2] = (uint8_t)(host >> 8);
		address->bytes[3] = (uint8_t)host;
	}
}

/* One client of seven speaks IPv6. */
static void choose_ends(struct maker *maker, struct talk *talk)
{
	static const uint16_t services[] = {443, 443, 443, 443, 80,   80,   8080,
					    22,	 25,  53,  993, 3306, 5432, 6379};
	unsigned client = (unsigned)chance_below(&maker->chance, CLIENTS);
	bool v6 = client % 7 == 0;

	set_address(&talk->side[CLIENT].address, v6, maker->plan->relabelled, client + 1);
	set_address(&talk->side[SERVER].address, v6, !maker->plan->relabelled,
		    1 + (unsigned)chance_below(&maker->chance, 20));
	talk->side[CLIENT].port = (uint16_t)(32768 + maker->ports[client]++ % CLIENT_PORTS);
	talk->side[SERVER].port =
		services[chance_below(&maker->chance, sizeof(services) / sizeof(*services))];
	talk->timestamps = chance_below(&maker->chance, 10) > 0;
	for (int i = 0; i < 2; i++) {
		struct side *side = &talk->side[i];

		side->isn = (uint32_t)chance_next(&maker->chance);
		side->ts_base = (uint32_t)chance_next(&maker->chance);
		side->ip_id = (uint16_t)chance_next(&maker->chance);
		side->window = (uint16_t)(500 + chance_below(&maker->chance, 60000));
		side->ttl = i == CLIENT ? (uint8_t)(44 + chance_below(&maker->chance, 18)) : 64;
	}
}

/* Between ends that had a connection before, whose TIME-WAIT the new SYN meets. */
static bool reuse_ends(struct maker *maker, struct talk *talk)
{
	struct ended *ended;

	if (maker->ended_count < 16 || chance_below(&maker->chance, 1000) >= maker->plan->reused)
		return false;
	ended = &maker->ended[chance_below(
		&maker->chance, maker->ended_count < ENDED_KEPT ? maker->ended_count : ENDED_KEPT)];
	if (ended->at_ns == 0 || ended->at_ns + SECOND / 2 > talk->now_ns)
		return false;
	memcpy(talk->side, ended->side, sizeof(talk->side));
	talk->timestamps = ended->timestamps;
	talk->truth.reused = true;
	for (int i = 0; i < 2; i++)
		talk->side[i].isn = talk->side[i].next + 64000 +
				    (uint32_t)chance_below(&maker->chance, 1 << 20);
	ended->at_ns = 0;
	return true;
}

static void remember_ends(struct maker *maker, const struct talk *talk)
{
	if (talk->truth.ending && strcmp(talk->truth.ending, "graceful") == 0 &&
	    strcmp(talk->truth.opened, "unknown") != 0 &&
	    strcmp(talk->truth.state[SERVER], "LAST-ACK") != 0) {
		struct ended *ended = &maker->ended[maker->ended_count++ % ENDED_KEPT];

		memcpy(ended->side, talk->side, sizeof(ended->side));
		ended->at_ns = talk->steps[talk->count - 1].at_ns;
		ended->timestamps = talk->timestamps;
	}
}

/* So many that what is left of the packets goes round. */
static size_t wish(struct maker *maker)
{
	double connections_left = (double)(maker->plan->connections - maker->begun);
	double packets_left = (double)maker->plan->packets - (double)maker->promised;
	double frame = maker->begun ? (double)maker->frame_packets / (double)maker->begun : 7;
	double mean = packets_left / connections_left - frame;

	return mean > 0 ? (size_t)(chance_wait(&maker->chance, mean) + 0.5) : 0;
}

static const struct talk *begin_talk(struct maker *maker, int64_t now_ns)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	if (!talk)
		err(1, "capture");
	talk->chance = &maker->chance;
	talk->now_ns = now_ns;
	talk->rtt_ns = 300 * MICROSECOND + (int64_t)chance_wait(&maker->chance, 30.0 * MILLISECOND);
	talk->think_mean_ns = THINK_MEAN;
	if (!reuse_ends(maker, talk))
		choose_ends(maker, talk);
	for (int i = 0; i < 2; i++)
		talk->side[i].next = talk->side[i].isn;
	talk->wanted = wish(maker);
	talk->number = ++maker->begun;
	maker->frame_packets += talk_make_up(talk, &maker->plan->noise);
	maker->promised += talk->count;
	push(maker, talk);
	return talk;
}

/* ---- the truth */

static void print_end(FILE *file, const char *name, const struct side *side)
{
	const uint8_t *b = side->address.bytes;

	if (side->address.v6)
		fprintf(file, "\"%s\": \"[%x:%x::%x]:%u\", ", name, b[0] << 8 | b[1],
			b[2] << 8 | b[3], b[14] << 8 | b[15], side->port);
	else
		fprintf(file, "\"%s\": \"%u.%u.%u.%u:%u\", ", name, b[0], b[1], b[2], b[3],
			side->port);
}

static void print_truth(FILE *file, const struct talk *talk)
{
	static const char *const who[] = {"client", "server", "both", "none", "unknown"};
	const struct truth *truth = &talk->truth;

	fprintf(file, "{\"number\": %" PRIu64 ", ", talk->number);
	print_end(file, "client", &talk->side[CLIENT]);
	print_end(file, "server", &talk->side[SERVER]);
	fprintf(file,
		"\"opened\": \"%s\", \"closed_first\": \"%s\", \"ending\": \"%s\", "
		"\"client_state\": \"%s\", \"server_state\": \"%s\", \"time_wait_holder\": \"%s\", "
		"\"fin_retransmits\": %u, \"reused\": %s, \"packets\": %zu, ",
		truth->opened, who[truth->closed_first], truth->ending, truth->state[CLIENT],
		truth->state[SERVER], who[truth->time_wait_holder], truth->fin_retransmits,
		truth->reused ? "true" : "false", talk->count);
	if (truth->rst_from == NONE)
		fprintf(file, "\"rst\": null}\n");
	else
		fprintf(file, "\"rst\": {\"from\": \"%s\", \"cause\": \"%s\"}}\n",
			who[truth->rst_from], truth->rst_cause);
}

/* ---- the capture */

static bool happens(struct maker *maker, unsigned chance)
{
	return chance && chance_below(&maker->chance, 1000) < chance;
}

/* Takes the next packet from what is open. */
static void capture_one(struct maker *maker)
{
	struct talk *talk = maker->heap[0];
	const struct step *step = &talk->steps[talk->done++];

	maker->last_ns = step->at_ns;
	if (!happens(maker, maker->plan->lost)) {
		write_step(&maker->plan->writer, talk, step);
		maker->written++;
		if (happens(maker, maker->plan->duplicated)) {
			struct step copy = *step;

			copy.ip_id += 1000; /* the network's doing would keep it: see dedup.h */
			write_step(&maker->plan->writer, talk, &copy);
			maker->written++;
		}
	}
	if (talk->done == talk->count) {
		remember_ends(maker, talk);
		talk_done(talk);
		free(talk);
		maker->heap[0] = maker->heap[--maker->open];
	}
	sink(maker);
}

static void make(struct maker *maker)
{
	int64_t next_ns = 0;

	write_head(&maker->plan->writer);
	while (maker->open || maker->begun < maker->plan->connections) {
		if (maker->begun < maker->plan->connections &&
		    (!maker->open ||
		     next_ns <= maker->heap[0]->steps[maker->heap[0]->done].at_ns)) {
			const struct talk *talk = begin_talk(maker, next_ns);

			if (maker->plan->truth)
				print_truth(maker->plan->truth, talk);
			next_ns += (int64_t)chance_wait(&maker->chance, 1.0 * MILLISECOND) +
				   MICROSECOND;
		} else {
			capture_one(maker);
		}
	}
}

static uint64_t number(const char *text, uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value > most)
		errx(2, "%s: not a number up to %" PRIu64, text, most);
	return value;
}

enum { FREELY = 1000 };

static void read_options(struct plan *plan, int argc, char **argv)
{
	static const struct option options[] = {
		{"connections", required_argument, NULL, 'c'},
		{"packets", required_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 's'},
		{"pcapng", no_argument, NULL, 'n'},
		{"snap-length", required_argument, NULL, 'l'},
		{"retransmitted", required_argument, NULL, 'R'},
		{"reordered", required_argument, NULL, 'O'},
		{"lost", required_argument, NULL, 'L'},
		{"duplicated", required_argument, NULL, 'D'},
		{"reused", required_argument, NULL, 'U'},
		{"relabelled", no_argument, NULL, 'X'},
		{"truth", required_argument, NULL, 't'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			plan->connections = number(optarg, UINT32_MAX);
		else if (option == 'p')
			plan->packets = number(optarg, UINT32_MAX);
		else if (option == 's')
			plan->seed = number(optarg, UINT64_MAX);
		else if (option == 'n')
			plan->writer.pcapng = true;
		else if (option == 'l')
			plan->writer.snap_length = (uint32_t)number(optarg, 65535);
		else if (option == 'R')
			plan->noise.retransmitted = (unsigned)number(optarg, FREELY);
		else if (option == 'O')
			plan->noise.reordered = (unsigned)number(optarg, FREELY);
		else if (option == 'L')
			plan->lost = (unsigned)number(optarg, FREELY);
		else if (option == 'D')
			plan->duplicated = (unsigned)number(optarg, FREELY);
		else if (option == 'U')
			plan->reused = (unsigned)number(optarg, FREELY);
		else if (option == 'X')
			plan->relabelled = true;
		else if (option != 't')
			errx(2, "usage: see the head of bench/capture.c");
		else if (!(plan->truth = fopen(optarg, "we")))
			err(1, "%s", optarg);
	}
	if (optind != argc || isatty(STDOUT_FILENO))
		errx(2, "usage: capture [OPTION...] >FILE; see the head of bench/capture.c");
	if (!plan->packets)
		plan->packets = 10 * plan->connections;
}

int main(int argc, char **argv)
{
	struct plan plan = {
		.connections = 500000,
		.seed = 1,
		.reused = 20,
		.noise = {.retransmitted = 10, .reordered = 10},
		.writer = {.file = stdout, .snap_length = 96},
	};
	struct maker maker = {.plan = &plan};

	read_options(&plan, argc, argv);
	maker.chance.state = plan.seed;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	make(&maker);
	if (fflush(stdout) || (plan.truth && fclose(plan.truth)))
		err(1, "cannot write");
	fprintf(stderr, "%" PRIu64 " packets, %" PRIu64 " connections, %zu at most open, %.0f s\n",
		maker.written, maker.begun, maker.open_most,
		(double)maker.last_ns / (double)SECOND);
	free(maker.heap);
	return 0;
}
