/* The wire with a kernel at both ends: each story over TUN and over veth. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/decode.h"
#include "world/scene_testing.h"

#define LONG_NS (60 * NS_PER_S) /* longer than anything here takes */

static struct wire_record record_at(struct wire *wire, size_t index)
{
	struct wire_record record;

	CHECK_EQUAL(wire_record(wire, index, &record), 0);
	return record;
}

static struct segment segment_of(const struct wire_record *record)
{
	struct segment segment;

	CHECK_EQUAL(decode_packet_checked(PACKET_LINK_RAW, record->data, record->length,
					  record->length, &segment),
		    DECODE_SEGMENT);
	return segment;
}

static int rule_add(struct wire *wire, const struct wire_rule *rule)
{
	int number = wire_rule_add(wire, rule);

	CHECK(number >= 0);
	return number;
}

static void talk(struct scene *scene, int family)
{
	int client, server;
	char text[8];

	scene_pair(scene, family, &client, &server);
	CHECK_EQUAL(send(client, "hello", 5, 0), 5);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 5);
	CHECK(memcmp(text, "hello", 5) == 0);
	close(client);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 0);
	close(server);
}

static void tcp_talks(struct scene *scene)
{
	struct wire_record record;

	talk(scene, AF_INET);
	talk(scene, AF_INET6);
	scene_audit(scene->wire);
	record = record_at(scene->wire, 0);
	CHECK_EQUAL(segment_of(&record).flags, TCP_FLAG_SYN);
	CHECK_EQUAL(record.from, 0);
	CHECK_EQUAL(record.to, 1);
	for (size_t i = 0; i < wire_record_count(scene->wire); i++) {
		struct segment segment;

		record = record_at(scene->wire, i);
		segment = segment_of(&record);
		CHECK_EQUAL(record.fate, WIRE_DELIVERED);
		CHECK(record.delivered_ns >= record.time_ns);
		CHECK(segment.checksum_known && !segment.checksum_bad);
	}
	CHECK_EQUAL(wire_record(scene->wire, wire_record_count(scene->wire), &record), -ENOENT);
}

/* All that the kernel would say by itself (MLD, RS, ND, ARP) it says within the first second. */
static void idle_world_is_silent(struct scene *scene)
{
	struct timespec while_ = {.tv_sec = 1, .tv_nsec = 500 * NS_PER_MS};

	nanosleep(&while_, NULL);
	CHECK_EQUAL(wire_record_count(scene->wire), 0);
	scene_audit(scene->wire);
}

#define NUMBERS 10000
#define WINDOW	50

static void numbers_run(struct scene *scene, int family)
{
	struct tcp_endpoint to[2] = {scene_endpoint(scene->server, family, 9),
				     scene_endpoint(scene->client, family, 9)};
	int fd[2] = {scene_udp(scene->client, family, 9), scene_udp(scene->server, family, 9)};

	for (uint32_t first = 0; first < NUMBERS; first += WINDOW) {
		for (uint32_t i = first; i < first + WINDOW; i++)
			for (int side = 0; side < 2; side++)
				scene_udp_send(fd[side], &to[side], i);
		for (uint32_t i = first; i < first + WINDOW; i++)
			for (int side = 0; side < 2; side++)
				CHECK_EQUAL(scene_udp_receive(fd[side]), i);
	}
	close(fd[0]);
	close(fd[1]);
}

static void many_arrive_in_order(struct scene *scene)
{
	uint32_t next[2] = {0};

	numbers_run(scene, AF_INET);
	scene_audit(scene->wire);
	CHECK_EQUAL(wire_record_count(scene->wire), 2 * NUMBERS);
	for (size_t i = 0; i < 2 * NUMBERS; i++) {
		struct wire_record record = record_at(scene->wire, i);
		uint32_t number;

		memcpy(&number, record.data + 28, sizeof(number));
		CHECK_EQUAL(number, next[record.from]++);
	}
	numbers_run(scene, AF_INET6);
	scene_audit(scene->wire);
}

/* A stream that fills buffers: full-sized segments, both directions of TCP at work. */
static void bulk_arrives(struct scene *scene)
{
	static char out[65536], in[65536];
	int client, server;
	size_t sent = 0, received = 0, total = 16 << 20;

	scene_pair(scene, AF_INET, &client, &server);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7);
	while (received < total) {
		ssize_t n;

		if (sent < total) {
			n = send(client, out + sent % sizeof(out), sizeof(out) - sent % sizeof(out),
				 MSG_DONTWAIT);
			CHECK(n > 0 || errno == EAGAIN);
			sent += n > 0 ? (size_t)n : 0;
		}
		n = recv(server, in, sizeof(in), sent < total ? MSG_DONTWAIT : 0);
		CHECK(n > 0 || errno == EAGAIN);
		for (ssize_t i = 0; i < n; i++, received++)
			CHECK(in[i] == out[received % sizeof(out)]);
		if (sent > total)
			total = sent;
	}
	close(client);
	close(server);
	scene_audit(scene->wire);
}

static void drop_syn_once(struct scene *scene)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "lost SYN"};
	struct wire_record first, second;
	int number;

	rule.match.flags_set = TCP_FLAG_SYN;
	rule.match.flags_clear = TCP_FLAG_ACK;
	rule.match.count = 1;
	number = rule_add(scene->wire, &rule);
	talk(scene, AF_INET);
	CHECK_EQUAL(wire_rule_hits(scene->wire, number), 1);
	first = record_at(scene->wire, 0);
	second = record_at(scene->wire, 1);
	CHECK_EQUAL(first.fate, WIRE_DROPPED);
	CHECK_EQUAL(first.delivered_ns, 0);
	CHECK(strcmp(first.note, "lost SYN") == 0);
	CHECK_EQUAL(second.fate, WIRE_DELIVERED);
	CHECK_EQUAL(segment_of(&second).flags, TCP_FLAG_SYN);
	CHECK_EQUAL(segment_of(&second).seq, segment_of(&first).seq);
	CHECK(second.note[0] == '\0');
	scene_audit(scene->wire);
}

static void hold_fin_and_release(struct scene *scene)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD};
	struct wire_record record = {0};
	int client, server, number;
	size_t held;
	char text[8];

	scene_pair(scene, AF_INET6, &client, &server);
	rule.match.from = 0;
	rule.match.flags_set = TCP_FLAG_FIN;
	rule.match.count = 1;
	number = rule_add(scene->wire, &rule);
	/* FIN comes again after the retransmission timeout: that is not for this story. */
	rule.verb = WIRE_DROP;
	rule.match.count = WIRE_FOREVER;
	rule_add(scene->wire, &rule);
	CHECK_EQUAL(shutdown(client, SHUT_WR), 0);
	CHECK_EQUAL(wire_rule_wait(scene->wire, number, 1, LONG_NS), 0);
	for (held = wire_record_count(scene->wire); record.fate != WIRE_HELD; held--)
		record = record_at(scene->wire, held - 1);
	CHECK(segment_of(&record).flags & TCP_FLAG_FIN);
	CHECK_EQUAL(recv(server, text, sizeof(text), MSG_DONTWAIT), -1);
	CHECK_EQUAL(errno, EAGAIN);
	CHECK_EQUAL(wire_rule_release(scene->wire, number), 1);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 0);
	CHECK_EQUAL(record_at(scene->wire, held).fate, WIRE_DELIVERED);
	CHECK_EQUAL(wire_rule_release(scene->wire, number), 0);
	close(client);
	close(server);
}

/* Two UDP sockets: the client's and the server's. */
struct udp {
	int from, to;
	struct tcp_endpoint target;
};

static struct udp udp_open(struct scene *scene)
{
	return (struct udp){
		.from = scene_udp(scene->client, AF_INET, 9),
		.to = scene_udp(scene->server, AF_INET, 9),
		.target = scene_endpoint(scene->server, AF_INET, 9),
	};
}

static void udp_close(struct udp *udp)
{
	close(udp->from);
	close(udp->to);
}

static void udp_send_run(struct udp *udp, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		scene_udp_send(udp->from, &udp->target, first + i);
}

static void udp_receive_run(struct udp *udp, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQUAL(scene_udp_receive(udp->to), first + i);
}

static struct wire_rule udp_rule(enum wire_verb verb)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = verb};

	rule.match.any_protocol = true;
	return rule;
}

static void release_keeps_order(struct scene *scene)
{
	struct wire_rule rule = udp_rule(WIRE_HOLD);
	struct udp udp = udp_open(scene);
	int number = rule_add(scene->wire, &rule);

	udp_send_run(&udp, 0, 20);
	CHECK_EQUAL(wire_rule_wait(scene->wire, number, 20, LONG_NS), 0);
	CHECK_EQUAL(wire_rule_release(scene->wire, number), 20);
	udp_receive_run(&udp, 0, 20);
	/* It goes on holding; taking it away releases. */
	udp_send_run(&udp, 20, 5);
	CHECK_EQUAL(wire_rule_wait(scene->wire, number, 25, LONG_NS), 0);
	CHECK_EQUAL(wire_rule_remove(scene->wire, number), 0);
	udp_send_run(&udp, 25, 5);
	udp_receive_run(&udp, 20, 10);
	CHECK_EQUAL(wire_rule_hits(scene->wire, number), 25);
	CHECK_EQUAL(wire_rule_remove(scene->wire, number), -ENOENT);
	CHECK_EQUAL(wire_rule_release(scene->wire, number), -ENOENT);
	udp_close(&udp);
	scene_audit(scene->wire);
}

static void discard_drops(struct scene *scene)
{
	struct wire_rule rule = udp_rule(WIRE_HOLD);
	struct udp udp = udp_open(scene);
	int number;

	rule.match.count = 3;
	number = rule_add(scene->wire, &rule);
	udp_send_run(&udp, 0, 5);
	udp_receive_run(&udp, 3, 2);
	CHECK_EQUAL(record_at(scene->wire, 0).fate, WIRE_HELD);
	CHECK_EQUAL(wire_rule_discard(scene->wire, number), 3);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQUAL(record_at(scene->wire, i).fate, WIRE_DROPPED);
	CHECK_EQUAL(wire_rule_release(scene->wire, number), 0);
	udp_close(&udp);
	scene_audit(scene->wire);
}

static void nth_packet(struct scene *scene)
{
	struct wire_rule rule = udp_rule(WIRE_DROP);
	struct udp udp = udp_open(scene);
	int number;

	rule.match.from = 0;
	rule.match.to = 1;
	rule.match.skip = 2;
	rule.match.count = 2;
	number = rule_add(scene->wire, &rule);
	udp_send_run(&udp, 0, 6);
	udp_receive_run(&udp, 0, 2);
	udp_receive_run(&udp, 4, 2);
	CHECK_EQUAL(wire_rule_hits(scene->wire, number), 2);
	udp_close(&udp);
}

/* They come when they are due, whatever the order they left in. */
static void delay_is_kept(struct scene *scene)
{
	const int64_t delays_ns[3] = {40 * NS_PER_MS, 40 * NS_PER_MS, 5 * NS_PER_MS};
	struct wire_rule rule = udp_rule(WIRE_DELAY);
	struct udp udp = udp_open(scene);
	int64_t due_before = 0;

	rule.match.count = 1;
	for (size_t i = 0; i < 3; i++) {
		rule.delay_ns = delays_ns[i];
		rule_add(scene->wire, &rule);
	}
	udp_send_run(&udp, 0, 3);
	for (int i = 0; i < 3; i++) {
		uint32_t number = scene_udp_receive(udp.to);
		struct wire_record record;

		CHECK(number < 3);
		record = record_at(scene->wire, number);
		CHECK_EQUAL(record.fate, WIRE_DELIVERED);
		CHECK(record.delivered_ns - record.time_ns >= delays_ns[number]);
		CHECK(record.time_ns + delays_ns[number] >= due_before);
		due_before = record.time_ns + delays_ns[number];
	}
	udp_close(&udp);
	scene_audit(scene->wire);
}

static void repeat_comes_again(struct scene *scene)
{
	struct wire_rule rule = udp_rule(WIRE_REPEAT);
	struct udp udp = udp_open(scene);
	struct wire_record first, copy;

	rule.match.count = 1;
	rule.delay_ns = 5 * NS_PER_MS;
	rule_add(scene->wire, &rule);
	udp_send_run(&udp, 7, 1);
	udp_receive_run(&udp, 7, 1);
	udp_receive_run(&udp, 7, 1);
	CHECK_EQUAL(wire_record_count(scene->wire), 2);
	first = record_at(scene->wire, 0);
	copy = record_at(scene->wire, 1);
	CHECK(!first.repeat && copy.repeat);
	CHECK_EQUAL(first.fate, WIRE_DELIVERED);
	CHECK_EQUAL(copy.fate, WIRE_DELIVERED);
	CHECK(copy.delivered_ns - first.time_ns >= rule.delay_ns);
	CHECK(memcmp(first.data, copy.data, first.length) == 0);
	udp_close(&udp);
	scene_audit(scene->wire);
}

static void strip_timestamps(struct scene *scene)
{
	uint8_t kind = 8;
	struct wire_rule rule = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_REWRITE,
				 .rewrite = wire_rewrite_strip_option,
				 .context = &kind};
	struct tcp_info info;
	socklen_t length = sizeof(info);
	struct wire_record record;
	int client, server;

	rule.match.flags_set = TCP_FLAG_SYN;
	rule_add(scene->wire, &rule);
	scene_pair(scene, AF_INET6, &client, &server);
	CHECK_EQUAL(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	CHECK(!(info.tcpi_options & TCPI_OPT_TIMESTAMPS));
	CHECK(info.tcpi_options & TCPI_OPT_WSCALE);
	/* The record shows what left, not what came. */
	record = record_at(scene->wire, 0);
	CHECK(record.rewritten);
	CHECK(segment_of(&record).options.has_timestamps);
	close(client);
	close(server);
	scene_audit(scene->wire);
}

static void translate_one(struct scene *scene, int family, const char *nobody)
{
	struct wire_translation there = {.to = scene_endpoint(scene->server, family, 80)};
	struct wire_translation back;
	struct wire_rule rule = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_REWRITE, .rewrite = wire_rewrite_address};
	int listener = scene_listen(scene->server, family, 80);
	int client, server;
	int rules[2];
	char text[8];

	CHECK_EQUAL(tcp_address_parse(nobody, &there.from.address), 0);
	there.from.port = 99;
	back = (struct wire_translation){.from = there.to, .to = there.from};
	rule.match.from = 0;
	rule.context = &there;
	rules[0] = rule_add(scene->wire, &rule);
	rule.match.from = 1;
	rule.context = &back;
	rules[1] = rule_add(scene->wire, &rule);
	client = scene_connect(scene->client, &there.from);
	server = scene_accept(listener);
	CHECK_EQUAL(send(server, "hi", 2, 0), 2);
	CHECK_EQUAL(recv(client, text, sizeof(text), 0), 2);
	CHECK_EQUAL(wire_rule_remove(scene->wire, rules[0]), 0);
	CHECK_EQUAL(wire_rule_remove(scene->wire, rules[1]), 0);
	close(client);
	close(server);
	close(listener);
}

static void translate_addresses(struct scene *scene)
{
	translate_one(scene, AF_INET, "192.0.2.9");
	CHECK_EQUAL(record_at(scene->wire, 0).to, 1);
	translate_one(scene, AF_INET6, "2001:db8::9");
	scene_audit(scene->wire);
}

static void unknown_target(struct scene *scene)
{
	struct udp udp = udp_open(scene);
	struct tcp_endpoint nobody = udp.target;
	struct wire_record record;

	CHECK_EQUAL(tcp_address_parse("192.0.2.9", &nobody.address), 0);
	scene_udp_send(udp.from, &nobody, 0);
	udp_send_run(&udp, 1, 1);
	udp_receive_run(&udp, 1, 1);
	record = record_at(scene->wire, 0);
	CHECK_EQUAL(record.fate, WIRE_UNROUTABLE);
	CHECK_EQUAL(record.to, -1);
	udp_close(&udp);
	scene_audit(scene->wire);
}

/* The last packet of host 1, as a RST without payload and options. */
static size_t make_reset(struct wire *wire, uint8_t *packet)
{
	for (size_t i = wire_record_count(wire); i-- > 0;) {
		struct wire_record record = record_at(wire, i);

		if (record.from != 1)
			continue;
		memcpy(packet, record.data, 40);
		packet[2] = 0;
		packet[3] = 40;
		packet[20 + 12] = 5 << 4;
		packet[20 + 13] = TCP_FLAG_RST | TCP_FLAG_ACK;
		memset(packet + 10, 0x55, 2); /* checksums are set by the wire */
		memset(packet + 36, 0x55, 2);
		return 40;
	}
	CHECK(false);
}

static void inject_reset(struct scene *scene)
{
	struct wire_rule all = {.match = WIRE_MATCH_ALL, .verb = WIRE_DROP};
	struct wire_rule watch = {.match = WIRE_MATCH_ALL, .verb = WIRE_PASS};
	struct wire_record record;
	int client, server, number;
	uint8_t packet[40];
	char text[8];

	watch.match.from = 1;
	number = rule_add(scene->wire, &watch);
	scene_pair(scene, AF_INET, &client, &server);
	/* From here on the sequence number of the server's last packet is the next expected. */
	CHECK_EQUAL(send(client, "x", 1, 0), 1);
	CHECK_EQUAL(wire_rule_wait(scene->wire, number, 2, LONG_NS), 0);
	rule_add(scene->wire, &all); /* which an injected packet does not meet */
	CHECK_EQUAL(
		wire_inject(scene->wire, 1, 0, packet, make_reset(scene->wire, packet), "forged"),
		0);
	CHECK_EQUAL(recv(client, text, sizeof(text), 0), -1);
	CHECK_EQUAL(errno, ECONNRESET);
	record = record_at(scene->wire, wire_record_count(scene->wire) - 1);
	CHECK(record.injected);
	CHECK(strcmp(record.note, "forged") == 0);
	CHECK_EQUAL(record.fate, WIRE_DELIVERED);
	CHECK(segment_of(&record).checksum_known && !segment_of(&record).checksum_bad);
	CHECK_EQUAL(wire_inject(scene->wire, 1, 7, packet, 40, NULL), -EINVAL);
	close(client);
	close(server);
	scene_audit(scene->wire);
}

static void key_and_payload_match(struct scene *scene)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_PASS};
	int client, server, by_key, by_bytes, pure;
	struct tcp_key key;
	char text[8];

	scene_pair(scene, AF_INET, &client, &server);
	CHECK_EQUAL(tcp_key_of_socket(client, &key), 0);
	rule.match.key = &key;
	by_key = rule_add(scene->wire, &rule);
	rule.match.payload_bytes = "QUIT";
	rule.match.payload_length = 4;
	by_bytes = rule_add(scene->wire, &rule);
	rule.match.payload_bytes = NULL;
	rule.match.payload = WIRE_PAYLOAD_NONE;
	pure = rule_add(scene->wire, &rule);
	memset(&key, 0, sizeof(key)); /* it was copied */
	CHECK_EQUAL(send(client, "HELO", 4, 0), 4);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 4);
	CHECK_EQUAL(send(client, "QUIT", 4, 0), 4);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 4);
	CHECK_EQUAL(wire_rule_wait(scene->wire, pure, 2, LONG_NS), 0); /* two ACKs */
	CHECK_EQUAL(wire_rule_hits(scene->wire, by_key), 4);
	CHECK_EQUAL(wire_rule_hits(scene->wire, by_bytes), 1);
	close(client);
	close(server);
	talk(scene, AF_INET6);
	/* Another connection is none of its business, and the FINs of this one carry nothing. */
	CHECK_EQUAL(wire_rule_hits(scene->wire, by_bytes), 1);
}

static void waiting_ends(struct scene *scene)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_PASS};
	int number = rule_add(scene->wire, &rule);

	CHECK_EQUAL(wire_rule_wait(scene->wire, number, 0, 0), 0);
	CHECK_EQUAL(wire_rule_wait(scene->wire, number, 1, NS_PER_MS), -ETIMEDOUT);
	CHECK_EQUAL(wire_rule_wait(scene->wire, number + 1, 1, NS_PER_MS), -ENOENT);
	CHECK_EQUAL(wire_rule_hits(scene->wire, -1), -ENOENT);
	rule.verb = WIRE_REWRITE; /* by nothing */
	CHECK_EQUAL(wire_rule_add(scene->wire, &rule), -EINVAL);
}

static void listen_in(void *context)
{
	uint64_t one = 1;

	CHECK_EQUAL(write(*(int *)context, &one, sizeof(one)), sizeof(one));
}

static void listener_hears(struct scene *scene)
{
	CLEANUP_CLOSE int heard = eventfd(0, EFD_CLOEXEC);
	struct wire_rule rule = udp_rule(WIRE_DROP);
	struct udp udp = udp_open(scene);
	uint64_t count, sum = 0;

	rule.match.count = 1;
	rule_add(scene->wire, &rule);
	wire_set_listener(scene->wire, listen_in, &heard);
	udp_send_run(&udp, 0, 3);
	while (sum < 3) {
		CHECK_EQUAL(read(heard, &count, sizeof(count)), sizeof(count));
		sum += count;
	}
	wire_set_listener(scene->wire, NULL, NULL);
	udp_receive_run(&udp, 1, 2);
	udp_close(&udp);
}

struct gate {
	sem_t reached, open;
};

static int stand_still(uint8_t *packet, size_t *length, size_t room, void *context)
{
	struct gate *gate = context;

	(void)packet, (void)length, (void)room;
	CHECK_EQUAL(sem_post(&gate->reached), 0);
	while (sem_wait(&gate->open) < 0)
		;
	return 0;
}

/* The wire's thread stands still while a host sends more than any queue holds. */
static void audit_finds_loss(struct scene *scene)
{
	const char *expected = world_link(scene->world) == WORLD_LINK_WIRE_TUN
				       ? "dropped by its device when sending"
				       : "not taken in time by the wire";
	struct wire_rule rule = udp_rule(WIRE_REWRITE);
	struct udp udp = udp_open(scene);
	struct why why = {0};
	struct gate gate;

	CHECK_EQUAL(sem_init(&gate.reached, 0, 0), 0);
	CHECK_EQUAL(sem_init(&gate.open, 0, 0), 0);
	rule.rewrite = stand_still;
	rule.context = &gate;
	rule.match.count = 1;
	rule_add(scene->wire, &rule);
	udp_send_run(&udp, 0, 1);
	while (sem_wait(&gate.reached) < 0)
		;
	udp_send_run(&udp, 0, 11000);
	CHECK_EQUAL(sem_post(&gate.open), 0);
	CHECK_EQUAL(wire_audit(scene->wire, &why), -EIO);
	if (!strstr(why.text, expected))
		check_failed(__FILE__, __LINE__, why.text, 0);
	CHECK(strstr(why.text, "client"));
	udp_close(&udp);
}

static void three_hosts(enum world_link link)
{
	struct world_spec spec = {.link = link,
				  .host_count = 3,
				  .hosts = {{.name = "a"}, {.name = "b"}, {.name = "c"}}};
	struct world *world = scene_world(&spec);
	int fd[3];

	for (size_t i = 0; i < 3; i++)
		fd[i] = scene_udp(world_host(world, i), AF_INET, 9);
	for (size_t from = 0; from < 3; from++)
		for (size_t to = 0; to < 3; to++) {
			struct tcp_endpoint target = scene_endpoint(world_host(world, to), AF_INET,
								    9);

			scene_udp_send(fd[from], &target, (uint32_t)(from * 10 + to));
			CHECK_EQUAL(scene_udp_receive(fd[to]), (long long)(from * 10 + to));
		}
	for (size_t i = 0; i < 3; i++)
		close(fd[i]);
	CHECK_EQUAL(wire_record_count(world_wire(world)), 6); /* not to themselves */
	scene_audit(world_wire(world));
	world_free(world);
}

static void three_hosts_tun(void)
{
	three_hosts(WORLD_LINK_WIRE_TUN);
}

static void three_hosts_veth(void)
{
	three_hosts(WORLD_LINK_WIRE_VETH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRIAL_WIRES(tcp_talks),
		TRIAL_WIRES(idle_world_is_silent),
		TRIAL_WIRES(many_arrive_in_order),
		TRIAL_WIRES(bulk_arrives),
		TRIAL_WIRES(drop_syn_once),
		TRIAL_WIRES(hold_fin_and_release),
		TRIAL_WIRES(release_keeps_order),
		TRIAL_WIRES(discard_drops),
		TRIAL_WIRES(nth_packet),
		TRIAL_WIRES(delay_is_kept),
		TRIAL_WIRES(repeat_comes_again),
		TRIAL_WIRES(strip_timestamps),
		TRIAL_WIRES(translate_addresses),
		TRIAL_WIRES(unknown_target),
		TRIAL_WIRES(inject_reset),
		TRIAL_WIRES(key_and_payload_match),
		TRIAL_WIRES(waiting_ends),
		TRIAL_WIRES(listener_hears),
		TRIAL_WIRES(audit_finds_loss),
		TRIAL_BARE(three_hosts_tun),
		TRIAL_BARE(three_hosts_veth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
