/* What was seen on a stage, as JSON: socket timelines, moved counters, ladders, packets. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "capture/decode.h"
#include "capture/packet.h"
#include "explain/track.h"
#include "lab/exchange_json.h"
#include "lab/stage_private.h"

/* A result is for reading: an arm of a thousand connections shows the first few as examples; the
 * numbers are measured over all of them. */
#define TIMELINES_MAX 12
#define EXCHANGES_MAX 4
#define ROWS_MAX      48
#define PACKETS_MAX   4000

static double since_start(const struct stage *stage, int64_t ns)
{
	return round(clock_seconds(ns - stage->private->started_ns) * 1e6) / 1e6;
}

/* ---- sockets */

static json_t *change_json(const struct stage *stage, const struct observer_change *change)
{
	const struct socket_status *now = &change->status;

	return json_pack(
		"{s:f, s:o, s:s, s:s, s:f, s:i, s:I, s:I, s:I, s:I, s:b}", "t_s",
		since_start(stage, change->time_ns), "since_s",
		change->since_ns ? json_real(since_start(stage, change->since_ns)) : json_null(),
		"state", tcp_state_name(now->state), "timer", socket_timer_name(now->timer),
		"timer_left_s", (double)now->timer_left_ms / 1000, "retransmits",
		(int)now->retransmits, "receive_queue", (json_int_t)now->receive_queue,
		"send_queue", (json_int_t)now->send_queue, "inode", (json_int_t)now->inode, "uid",
		(json_int_t)now->uid, "minisock", now->minisock);
}

static json_t *timeline_json(const struct stage *stage, const struct observer_timeline *timeline)
{
	char local[TCP_ENDPOINT_TEXT_MAX], remote[TCP_ENDPOINT_TEXT_MAX];
	json_t *changes = json_array();

	for (size_t i = 0; i < timeline->count; i++)
		json_array_append_new(changes, change_json(stage, &timeline->changes[i]));
	return json_pack("{s:s, s:s, s:s, s:o}", "host",
			 host_name(world_host(stage->world, timeline->host)), "local",
			 tcp_endpoint_format(&timeline->key.local, local), "remote",
			 tcp_endpoint_format(&timeline->key.remote, remote), "changes", changes);
}

static json_t *sockets_json(const struct stage *stage)
{
	size_t count = observer_timeline_count(stage->observer);
	json_t *sockets = json_array();

	for (size_t i = 0; i < count && i < TIMELINES_MAX; i++)
		json_array_append_new(sockets,
				      timeline_json(stage, observer_timeline(stage->observer, i)));
	return sockets;
}

/* ---- counters */

static json_t *counters_json(struct stage *stage)
{
	json_t *hosts = json_object();

	for (size_t i = 0; i < stage->private->host_count; i++) {
		struct host *host = world_host(stage->world, i);
		struct counters after = {0}, moved = {0};
		json_t *names = json_object();

		if (counters_read(host_netns(host), &after) == 0 &&
		    counters_moved(&stage->private->before[i], &after, &moved) == 0) {
			for (size_t k = 0; k < moved.count; k++)
				if (!counter_is_machine_wide(moved.items[k].name))
					json_object_set_new(names, moved.items[k].name,
							    json_integer(moved.items[k].value));
		}
		json_object_set_new(hosts, host_name(host), names);
		counters_done(&moved);
		counters_done(&after);
	}
	return hosts;
}

/* ---- packets and exchanges */

static size_t records_told(const struct stage *stage)
{
	size_t count = stage->private->record_count;

	return count < PACKETS_MAX ? count : PACKETS_MAX;
}

static int track_record(struct tracker *tracker, const struct wire_record *record)
{
	struct segment segment;
	struct segment_passage passage = {
		.lost = record->fate == WIRE_DROPPED || record->fate == WIRE_UNROUTABLE,
		.stuck = record->fate == WIRE_HELD || record->fate == WIRE_WAITING,
		.delivered_ns = record->delivered_ns,
	};

	if (decode_packet(PACKET_LINK_RAW, record->data, record->length, record->length,
			  &segment) != DECODE_SEGMENT)
		return 0;
	segment.time_ns = record->time_ns;
	return tracker_feed(tracker, &segment, &passage);
}

static const char *owner_name(const struct stage *stage, const struct tcp_address *address)
{
	for (size_t i = 0; i < world_host_count(stage->world); i++) {
		const struct host *host = world_host(stage->world, i);
		const struct tcp_address *own;

		for (size_t n = 0; (own = host_address(host, address->family, n)); n++)
			if (tcp_address_equal(own, address))
				return host_name(host);
	}
	return "outside";
}

static json_t *connections_json(const struct stage *stage, const struct tracker *tracker)
{
	json_t *exchanges = json_array();

	for (size_t i = 0; i < tracker_count(tracker) && i < EXCHANGES_MAX; i++) {
		const struct connection *connection = tracker_connection(tracker, i);
		struct exchange *exchange = connection_exchange(
			connection, owner_name(stage, &connection->end[0].endpoint.address),
			owner_name(stage, &connection->end[1].endpoint.address), ROWS_MAX);

		if (exchange)
			json_array_append_new(exchanges, exchange_to_json(exchange));
		exchange_free(exchange);
	}
	return exchanges;
}

static json_t *exchanges_json(const struct stage *stage)
{
	struct tracker *tracker;
	struct wire_record record;
	json_t *exchanges;

	if (!stage->wire)
		return json_array();
	tracker = tracker_new();
	if (!tracker)
		return NULL;
	for (size_t i = 0; i < records_told(stage) && wire_record(stage->wire, i, &record) == 0;
	     i++)
		if (track_record(tracker, &record) < 0)
			break;
	exchanges = connections_json(stage, tracker);
	tracker_free(tracker);
	return exchanges;
}

static const char *fate_text(const struct wire_record *record)
{
	switch (record->fate) {
	case WIRE_DROPPED:
		return "dropped on the wire";
	case WIRE_HELD:
	case WIRE_WAITING:
		return "held on the wire to the end";
	case WIRE_UNROUTABLE:
		return "no host has its target address";
	case WIRE_DELIVERED:
		break;
	}
	return NULL;
}

/* What a reader of the capture must know that the packet does not show. */
static void comment_on(const struct wire_record *record, char *ret, size_t room)
{
	const char *fate = fate_text(record);
	double late = clock_seconds(record->delivered_ns - record->time_ns);
	size_t used = 0;

	ret[0] = '\0';
#define ADD(...)                                                                                   \
	do {                                                                                       \
		used += (size_t)snprintf(ret + used, room - used, "%s", used ? "; " : "");         \
		used += (size_t)snprintf(ret + used, room - used, __VA_ARGS__);                    \
		if (used >= room)                                                                  \
			return;                                                                    \
	} while (0)
	if (record->injected)
		ADD("put on the wire by the experiment");
	if (record->repeat)
		ADD("a copy made by the wire");
	if (record->rewritten)
		ADD("rewritten by the wire");
	if (fate)
		ADD("%s", fate);
	else if (late > 0.001)
		ADD("delivered %.3f s later", late);
	if (record->note[0])
		ADD("%s", record->note);
#undef ADD
}

/*
 * Hosts exchange raw IP packets; the capture gives them Ethernet headers, whose addresses end in
 * the number of the host. Not for beauty: libpcap up to 1.10.3 refuses a pcapng file of several
 * interfaces whose link type has another number in files than in memory, as that of raw IP has
 * (sf-pcapng.c, pcap_ng_next_packet()).
 */
static int add_packet(struct packet_list *list, struct packet *packet,
		      const struct wire_record *record)
{
	struct ether_header header = {
		.ether_dhost = {2, 0, 0, 0, 0, (uint8_t)(record->to + 1)},
		.ether_shost = {2, 0, 0, 0, 0, (uint8_t)(record->from + 1)},
		.ether_type = htons(record->data[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
	};
	uint8_t *frame = malloc(sizeof(header) + record->length);
	int r;

	if (!frame)
		return -ENOMEM;
	memcpy(frame, &header, sizeof(header));
	memcpy(frame + sizeof(header), record->data, record->length);
	packet->data = frame;
	packet->captured_length = packet->length = (uint32_t)sizeof(header) + record->length;
	r = packet_list_add(list, packet);
	free(frame);
	return r;
}

int stage_packets(struct stage *stage, struct packet_list *ret)
{
	int64_t epoch = clock_epoch_offset_ns();
	struct wire_record record;
	size_t count = stage->private->record_count;
	int interface;

	interface = packet_list_add_interface(ret, stage->arm->name, PACKET_LINK_ETHERNET);
	if (interface < 0)
		return interface;
	for (size_t i = 0; i < records_told(stage); i++) {
		char comment[200];
		struct packet packet = {.interface = (uint32_t)interface};
		int r = wire_record(stage->wire, i, &record);

		if (r < 0)
			return r;
		comment_on(&record, comment, sizeof(comment));
		packet.time_ns = record.time_ns + epoch;
		packet.comment = comment[0] ? comment : NULL;
		r = add_packet(ret, &packet, &record);
		if (r < 0)
			return r;
	}
	return count > PACKETS_MAX ? (int)(count - PACKETS_MAX) : 0;
}

int stage_report(struct stage *stage, json_t *arm)
{
	size_t packets = stage->private->record_count;

	if (!stage->world)
		return 0;
	json_object_set_new(arm, "link", json_string(world_link_name(world_link(stage->world))));
	json_object_set_new(arm, "packets", json_integer((json_int_t)packets));
	json_object_set_new(
		arm, "packets_left_out",
		json_integer(packets > PACKETS_MAX ? (json_int_t)(packets - PACKETS_MAX) : 0));
	json_object_set_new(arm, "counters", counters_json(stage));
	if (stage->observer)
		json_object_set_new(arm, "sockets", sockets_json(stage));
	json_object_set_new(arm, "exchanges", exchanges_json(stage));
	return 0;
}
