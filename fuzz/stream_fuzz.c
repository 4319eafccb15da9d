/*
 * A capture file of any content, the whole way: read as a stream, filtered, decoded, its fragments
 * put together, its connections told and summed up. The same file read as a list must have the same
 * packets, as far as both can read it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "capture/file.h"
#include "capture/filter.h"
#include "capture/fragments.h"
#include "capture/stream.h"
#include "explain/flows.h"
#include "explain/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* A packed file may hold any number of packets: a few thousand are enough to fail with. */
#define PACKETS_MAX	4000
#define CONNECTIONS_MAX 64

static struct capture_filter *filter; /* NULL in a build without libpcap */

/* Compiled once: that takes as long as all the rest. */
static void compile_filter(void)
{
	struct why why = {{0}};
	int r;

	if (filter)
		return;
	r = capture_filter_new("tcp port 80 or host 10.0.0.1", &filter, &why);
	CHECK(r == 0 || (r == -ENOTSUP && why.text[0]));
}

struct way {
	struct fragments *fragments;
	struct flows *flows;
	struct summary summary;
	uint64_t segments, told;
};

static int tell(void *context, const struct finding *finding)
{
	struct way *way = context;
	char text[FINDING_TEXT_MAX];

	way->told++;
	CHECK(finding->ending < ENDING_COUNT && finding->opened < OPENED_COUNT);
	CHECK(finding->closed_first < WHO_COUNT && finding->time_wait_holder < WHO_COUNT);
	CHECK(strlen(finding_sentence(finding, text)) > 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK(strlen(finding_state_why(finding, i, text)) < FINDING_TEXT_MAX);
	CHECK(finding_problem(finding) < PROBLEM_COUNT);
	return summary_add(&way->summary, finding);
}

static void pass(struct way *way, const struct passing_packet *packet)
{
	struct why why = {{0}};
	struct segment segment;
	int r = filter ? capture_filter_packet(filter, packet, &why) : 0;

	CHECK(r >= 0 || why.text[0]);
	if (fragments_decode(way->fragments, packet, &segment) != DECODE_SEGMENT)
		return;
	CHECK(!filter || capture_filter_segment(filter, &segment, &why) >= 0);
	segment.time_ns = packet->time_ns;
	segment.payload = NULL;
	way->segments++;
	CHECK(flows_feed(way->flows, &segment, 1) == 0);
}

/* Each byte that is said to be there is read, for the sanitizer. */
static void check_packet(const struct passing_packet *packet)
{
	static volatile uint8_t sum;

	for (uint32_t i = 0; i < packet->captured_length; i++)
		sum = (uint8_t)(sum + packet->data[i]);
}

/* How many packets came, before the end or what is damaged. */
static size_t read_stream(const char *path, struct way *way)
{
	struct capture_stream *stream;
	struct passing_packet packet;
	struct why why = {{0}};
	size_t count = 0;
	int r = capture_stream_open(path, &stream, &why);

	if (r < 0) {
		CHECK(why.text[0]);
		return 0;
	}
	while (count < PACKETS_MAX && (r = capture_stream_next(stream, &packet, &why)) > 0) {
		count++;
		check_packet(&packet);
		pass(way, &packet);
	}
	CHECK(r >= 0 || why.text[0]);
	capture_stream_close(stream);
	return count;
}

static void begin(struct way *way)
{
	const struct flows_plan plan = {.max_connections = CONNECTIONS_MAX, .history = true};

	*way = (struct way){0};
	compile_filter();
	way->fragments = fragments_new();
	way->flows = flows_new(&plan, tell, way);
	CHECK(way->fragments && way->flows);
}

static void end(struct way *way)
{
	struct flows_sums sums;

	CHECK(flows_finish(way->flows) == 0);
	flows_sums(way->flows, &sums);
	CHECK(sums.segments == way->segments && sums.copies <= sums.segments);
	CHECK(sums.connections == way->told && way->summary.connections == way->told);
	CHECK(sums.evicted <= sums.connections);
	summary_done(&way->summary);
	flows_free(way->flows);
	fragments_free(way->fragments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_CLOSE int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct packet_list list;
	struct why why = {{0}};
	struct way way;
	char path[32];
	size_t count;

	CHECK(fd >= 0 && fd_write_all(fd, data, size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	begin(&way);
	count = read_stream(path, &way);
	end(&way);
	if (capture_read(path, PACKETS_MAX, &list, &why) == 0) {
		CHECK(list.count == count);
		packet_list_done(&list);
	}
	return 0;
}
