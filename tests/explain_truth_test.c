/*
 * What `explain` says of a connection's end, against what the kernels at both ends say: every way
 * to close is played on the wire of a world, and at each rest the states told from the packets
 * must be those of the sockets; the verdict must be what was done.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "explain_truth.h"

/* The same states with client and server swapped, when the server is who acts. */
static const struct finding *agree(struct truth *truth, enum truth_view view, int actor,
				   int actor_state, int other_state)
{
	return actor == CLIENT_HOST ? truth_agree(truth, view, actor_state, other_state)
				    : truth_agree(truth, view, other_state, actor_state);
}

static enum finding_who who(int host)
{
	return host == CLIENT_HOST ? WHO_CLIENT : WHO_SERVER;
}

static void open_pair(struct truth *truth)
{
	const struct finding *finding;

	truth_connect(truth);
	finding = truth_agree(truth, AT_SENDERS, TCP_ESTABLISHED, TCP_ESTABLISHED);
	SAME(truth, finding->opened, OPENED_CLIENT_SYN);
	TRUE(truth, finding->handshake);
	TRUE(truth, tcp_endpoint_equal(&finding->end[0].endpoint, &truth->key.local));
	TRUE(truth, tcp_endpoint_equal(&finding->end[1].endpoint, &truth->key.remote));
}

static void ended(struct truth *truth, const struct finding *finding, enum finding_ending ending,
		  enum finding_who first, enum finding_who holder)
{
	SAME(truth, finding->ending, ending);
	SAME(truth, finding->closed_first, first);
	SAME(truth, finding->time_wait_holder, holder);
}

static void was_reset(struct truth *truth, const struct finding *finding, int from,
		      enum rst_cause cause)
{
	TRUE(truth, finding->rst.any);
	TRUE(truth, finding->rst.ends);
	SAME(truth, finding->rst.from, from);
	SAME(truth, finding->rst.cause, cause);
}

/* ---- FIN */

/* The actor closes first, the other one some time later. */
static void closed_by(struct truth *truth, int actor)
{
	const struct finding *finding;

	open_pair(truth);
	truth_exchange(truth);
	truth_close(truth, actor);
	finding = agree(truth, AT_SENDERS, actor, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	ended(truth, finding, ENDING_HALF_CLOSED, who(actor), WHO_NONE);
	truth_close(truth, !actor);
	finding = agree(truth, AT_SENDERS, actor, TCP_TIME_WAIT, GONE);
	ended(truth, finding, ENDING_GRACEFUL, who(actor), who(actor));
	TRUE(truth, !finding->end[!actor].fin_acked_by_fin);
	SAME(truth, finding->end[CLIENT_HOST].bytes, 20);
	SAME(truth, finding->end[SERVER_HOST].bytes, 30);
}

static void closed_by_client(struct truth *truth)
{
	closed_by(truth, CLIENT_HOST);
}

static void closed_by_server(struct truth *truth)
{
	closed_by(truth, SERVER_HOST);
}

/* The ACK of the first FIN is lost, so that it comes with the second FIN only. */
static void three_segments(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match match = truth_match(truth, SERVER_HOST, TCP_FLAG_ACK, TCP_FLAG_FIN);
	int rule;

	open_pair(truth);
	truth_exchange(truth);
	match.payload = WIRE_PAYLOAD_NONE;
	rule = truth_rule(truth, WIRE_DROP, &match);
	truth_close(truth, CLIENT_HOST);
	truth_rule_hit(truth, rule, 1);
	truth_tracker_agrees(truth, TCP_FIN_WAIT1, TCP_CLOSE_WAIT);
	truth_close(truth, SERVER_HOST);
	wire_rule_remove(truth->scene->wire, rule);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_TIME_WAIT, GONE);
	ended(truth, finding, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	TRUE(truth, finding->end[CLIENT_HOST].fin_acked);
	TRUE(truth, finding->end[CLIENT_HOST].fin_acked_by_fin);
}

/* Both FINs are under way at once; their ACKs are lost for a while. */
static void simultaneous(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match fins = truth_match(truth, WIRE_ANY_HOST, TCP_FLAG_FIN, 0);
	struct wire_match acks = truth_match(truth, WIRE_ANY_HOST, TCP_FLAG_ACK, TCP_FLAG_FIN);
	int hold, lose;

	open_pair(truth);
	hold = truth_rule(truth, WIRE_HOLD, &fins);
	truth_close(truth, SERVER_HOST);
	truth_close(truth, CLIENT_HOST);
	truth_rule_hit(truth, hold, 2);
	truth_tracker_agrees(truth, TCP_FIN_WAIT1, TCP_FIN_WAIT1);
	lose = truth_rule(truth, WIRE_DROP, &acks);
	wire_rule_release(truth->scene->wire, hold);
	truth_rule_hit(truth, lose, 2);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_CLOSING, TCP_CLOSING);
	ended(truth, finding, ENDING_SIMULTANEOUS, WHO_BOTH, WHO_NONE);
	/* The FINs are repeated at the same time. That they cross is no part of this: the server's
	 * are lost, until it has seen the client's and that ACK. */
	fins.from = SERVER_HOST;
	truth_rule(truth, WIRE_DROP, &fins);
	wire_rule_remove(truth->scene->wire, lose);
	wire_rule_remove(truth->scene->wire, hold);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_TIME_WAIT, TCP_TIME_WAIT);
	ended(truth, finding, ENDING_SIMULTANEOUS, WHO_BOTH, WHO_BOTH);
}

static void half_close_with_data(struct truth *truth)
{
	const struct finding *finding;

	open_pair(truth);
	truth_shut(truth, CLIENT_HOST);
	truth_await(truth, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	truth_say(truth, SERVER_HOST, 100);
	truth_hear(truth, CLIENT_HOST, 100);
	finding = truth_agree(truth, AT_SENDERS, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	ended(truth, finding, ENDING_HALF_CLOSED, WHO_CLIENT, WHO_NONE);
	truth_close(truth, SERVER_HOST);
	finding = truth_agree(truth, AT_SENDERS, TCP_TIME_WAIT, GONE);
	ended(truth, finding, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	SAME(truth, finding->end[SERVER_HOST].bytes, 100);
}

static void lost_fin(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match fin = truth_match(truth, CLIENT_HOST, TCP_FLAG_FIN, 0);
	int rule;

	open_pair(truth);
	truth_exchange(truth);
	fin.count = 2;
	rule = truth_rule(truth, WIRE_DROP, &fin);
	truth_close(truth, CLIENT_HOST);
	truth_rule_hit(truth, rule, 1);
	truth_tracker_agrees(truth, TCP_FIN_WAIT1, TCP_ESTABLISHED);
	finding = truth_agree(truth, AT_SENDERS, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	SAME(truth, finding->end[CLIENT_HOST].fin_count, 3);
	SAME(truth, finding->fin_repeater, CLIENT_HOST);
	SAME(truth, finding->fin_interval_count, 2);
	TRUE(truth, finding->fin_interval_ms[0] > 0);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	SAME(truth, finding->end[CLIENT_HOST].fin_count, 1);
	SAME(truth, finding->fin_interval_count, 0);
}

static void lost_last_ack(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match ack = truth_match(truth, CLIENT_HOST, TCP_FLAG_ACK, TCP_FLAG_FIN);
	int rule;

	open_pair(truth);
	truth_exchange(truth);
	truth_close(truth, CLIENT_HOST);
	truth_await(truth, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	rule = truth_rule(truth, WIRE_DROP, &ack);
	truth_close(truth, SERVER_HOST);
	truth_rule_hit(truth, rule, 1);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_TIME_WAIT, TCP_LAST_ACK);
	ended(truth, finding, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	wire_rule_remove(truth->scene->wire, rule);
	finding = truth_agree(truth, AT_SENDERS, TCP_TIME_WAIT, GONE);
	ended(truth, finding, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	TRUE(truth, finding->end[SERVER_HOST].fin_count >= 2);
}

/* The orphan in FIN-WAIT-2 ends silently: the late FIN meets nobody. */
static void fin_wait2_gone(struct truth *truth)
{
	const struct finding *finding;

	truth_sysctl(truth, CLIENT_HOST, "net.ipv4.tcp_fin_timeout", "1");
	open_pair(truth);
	truth_close(truth, CLIENT_HOST);
	truth_await(truth, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	truth_await(truth, GONE, TCP_CLOSE_WAIT); /* no packet shows it */
	truth_close(truth, SERVER_HOST);
	finding = truth_agree(truth, AT_SENDERS, GONE, GONE);
	SAME(truth, finding->ending, ENDING_RESET);
	SAME(truth, finding->closed_first, WHO_CLIENT);
	was_reset(truth, finding, CLIENT_HOST, RST_HALF_OPEN);
	truth_sysctl(truth, CLIENT_HOST, "net.ipv4.tcp_fin_timeout", "60");
}

/* ---- RST */

static void aborted_by(struct truth *truth, int actor, bool talked)
{
	const struct finding *finding;

	open_pair(truth);
	if (talked)
		truth_exchange(truth);
	truth_reset(truth, actor);
	finding = truth_agree(truth, AT_SENDERS, GONE, GONE);
	ended(truth, finding, ENDING_RESET, WHO_NONE, WHO_NONE);
	/* The server's answer was the last word: nobody can know whether the client read it. */
	was_reset(truth, finding, actor,
		  talked && actor == CLIENT_HOST ? RST_UNREAD_DATA : RST_ABORT);
}

static void aborted_by_client(struct truth *truth)
{
	aborted_by(truth, CLIENT_HOST, false);
}

static void aborted_by_server(struct truth *truth)
{
	aborted_by(truth, SERVER_HOST, false);
}

static void aborted_after_answer(struct truth *truth)
{
	aborted_by(truth, SERVER_HOST, true);
}

static void unread_data(struct truth *truth)
{
	const struct finding *finding;

	open_pair(truth);
	truth_say(truth, CLIENT_HOST, 100);
	truth_arrived(truth, SERVER_HOST, 100);
	truth_close(truth, SERVER_HOST);
	finding = truth_agree(truth, AT_SENDERS, GONE, GONE);
	ended(truth, finding, ENDING_RESET, WHO_NONE, WHO_NONE);
	was_reset(truth, finding, SERVER_HOST, RST_UNREAD_DATA);
}

static void data_after_close(struct truth *truth)
{
	const struct finding *finding;

	open_pair(truth);
	truth_exchange(truth);
	truth_close(truth, SERVER_HOST);
	truth_await(truth, TCP_CLOSE_WAIT, TCP_FIN_WAIT2);
	truth_say(truth, CLIENT_HOST, 10);
	finding = truth_agree(truth, AT_SENDERS, GONE, GONE);
	ended(truth, finding, ENDING_RESET, WHO_SERVER, WHO_NONE);
	was_reset(truth, finding, SERVER_HOST, RST_DATA_AFTER_CLOSE);
}

/* The server's end vanishes: what told of it is lost. */
static void half_open(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match rst = truth_match(truth, SERVER_HOST, TCP_FLAG_RST, 0);
	int rule;

	open_pair(truth);
	truth_exchange(truth);
	rule = truth_rule(truth, WIRE_DROP, &rst);
	truth_reset(truth, SERVER_HOST);
	truth_rule_hit(truth, rule, 1);
	truth_tracker_agrees(truth, TCP_ESTABLISHED, GONE);
	wire_rule_remove(truth->scene->wire, rule);
	truth_say(truth, CLIENT_HOST, 10);
	finding = truth_agree(truth, AT_RECEIVERS, GONE, GONE);
	SAME(truth, finding->ending, ENDING_RESET);
	was_reset(truth, finding, SERVER_HOST, RST_HALF_OPEN);
}

/* A copy of the client's last segment with other flags and numbers. */
static void inject(struct truth *truth, uint8_t flags, int32_t shift)
{
	struct wire_match match = truth_match(truth, CLIENT_HOST, TCP_FLAG_ACK, 0);
	struct wire_record record = truth_record(truth, &match, -1);
	size_t tcp = truth->family == AF_INET ? 20 : 40;
	uint8_t packet[1500];
	uint32_t seq;

	memcpy(packet, record.data, record.length);
	memcpy(&seq, packet + tcp + 4, sizeof(seq));
	seq = htonl(ntohl(seq) + (uint32_t)shift);
	memcpy(packet + tcp + 4, &seq, sizeof(seq));
	packet[tcp + 13] = flags;
	SAME(truth,
	     wire_inject(truth->scene->wire, CLIENT_HOST, SERVER_HOST, packet, record.length,
			 "made up"),
	     0);
}

/* In the window, but not at its edge: a challenge ACK, and the connection lives (RFC 5961 3). */
static void blind_reset(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match acks = truth_match(truth, SERVER_HOST, TCP_FLAG_ACK, TCP_FLAG_SYN);
	int rule;

	open_pair(truth);
	rule = truth_rule(truth, WIRE_PASS, &acks);
	inject(truth, TCP_FLAG_RST, 100);
	truth_rule_hit(truth, rule, 1);
	/* Whose RST it was a capture does not show: it has the client's address. */
	finding = truth_agree(truth, AT_SENDERS, TCP_ESTABLISHED | EXPLAIN_UNKNOWN,
			      TCP_ESTABLISHED);
	SAME(truth, finding->ending, ENDING_OPEN);
	SAME(truth, finding->rst.cause, RST_IGNORED);
	TRUE(truth, !finding->rst.ends);
	SAME(truth, finding->end[SERVER_HOST].challenges, 1);
	truth_close(truth, CLIENT_HOST);
	truth_agree(truth, AT_SENDERS, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
}

/* ---- openings that come to nothing, or are not usual */

static void refused(struct truth *truth)
{
	const struct finding *finding;

	truth_start(truth);
	truth_connected(truth, ECONNREFUSED);
	finding = truth_agree(truth, AT_SENDERS, GONE, GONE);
	ended(truth, finding, ENDING_REFUSED, WHO_NONE, WHO_NONE);
	was_reset(truth, finding, SERVER_HOST, RST_REFUSED);
	TRUE(truth, !finding->handshake);
}

static void unanswered(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match syn = truth_match(truth, CLIENT_HOST, TCP_FLAG_SYN, 0);
	int rule = truth_rule(truth, WIRE_DROP, &syn);

	truth_start(truth);
	truth_rule_hit(truth, rule, 2); /* the second one comes after 1 s */
	finding = truth_agree(truth, AT_SENDERS, TCP_SYN_SENT, GONE | EXPLAIN_UNKNOWN);
	ended(truth, finding, ENDING_UNANSWERED, WHO_NONE, WHO_NONE);
	SAME(truth, finding->end[CLIENT_HOST].syn_count, 2);
}

static void client_gone(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match answer = truth_match(truth, SERVER_HOST, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
	int rule = truth_rule(truth, WIRE_HOLD, &answer);

	truth_listen(truth);
	truth_start(truth);
	truth_rule_hit(truth, rule, 1);
	truth_close(truth, CLIENT_HOST);
	truth_await(truth, GONE, TCP_SYN_RECV);
	wire_rule_remove(truth->scene->wire, rule);
	finding = truth_agree(truth, AT_SENDERS, GONE, GONE);
	ended(truth, finding, ENDING_ABORTED, WHO_NONE, WHO_NONE);
	was_reset(truth, finding, CLIENT_HOST, RST_CLIENT_GONE);
}

/* The third segment is not there yet. */
static void half_opened(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match ack = truth_match(truth, CLIENT_HOST, TCP_FLAG_ACK, TCP_FLAG_SYN);
	int rule = truth_rule(truth, WIRE_DROP, &ack);

	truth_listen(truth);
	truth_start(truth);
	truth_connected(truth, 0);
	truth_rule_hit(truth, rule, 1);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_ESTABLISHED, TCP_SYN_RECV);
	SAME(truth, finding->ending, ENDING_OPEN);
	wire_rule_remove(truth->scene->wire, rule);
	truth_agree(truth, AT_RECEIVERS, TCP_ESTABLISHED, TCP_ESTABLISHED);
}

static void simultaneous_open(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match syns = truth_match(truth, WIRE_ANY_HOST, TCP_FLAG_SYN, TCP_FLAG_ACK);
	int rule = truth_rule(truth, WIRE_HOLD, &syns), on = 1;
	struct sockaddr_storage to;
	socklen_t length;

	truth_start(truth);
	truth->fd[SERVER_HOST] = truth_socket(truth, SERVER_HOST);
	tcp_endpoint_to_sockaddr(&truth->key.local, &to, &length);
	SAME(truth, ioctl(truth->fd[SERVER_HOST], FIONBIO, &on), 0);
	SAME(truth, connect(truth->fd[SERVER_HOST], (struct sockaddr *)&to, length), -1);
	truth_rule_hit(truth, rule, 2);
	truth_tracker_agrees(truth, TCP_SYN_SENT, TCP_SYN_SENT);
	wire_rule_remove(truth->scene->wire, rule);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_ESTABLISHED, TCP_ESTABLISHED);
	SAME(truth, finding->opened, OPENED_SIMULTANEOUS);
	truth_close(truth, SERVER_HOST);
	finding = truth_agree(truth, AT_RECEIVERS, TCP_CLOSE_WAIT, TCP_FIN_WAIT2);
	/* Who is the client is arbitrary: who was seen first. */
	ended(truth, finding, ENDING_HALF_CLOSED,
	      tcp_endpoint_equal(&finding->end[0].endpoint, &truth->key.local) ? WHO_SERVER
									       : WHO_CLIENT,
	      WHO_NONE);
}

static void fast_open(struct truth *truth)
{
	/* Client and server, neither asks for a cookie, every listener takes it
	 * (Documentation/networking/ip-sysctl.rst, tcp_fastopen). */
	static const char all[] = "1543";
	const struct finding *finding;
	struct sockaddr_storage to;
	socklen_t length;

	for (int i = 0; i < 2; i++)
		truth_sysctl(truth, i, "net.ipv4.tcp_fastopen", all);
	truth_listen(truth);
	truth->fd[CLIENT_HOST] = truth_socket(truth, CLIENT_HOST);
	tcp_endpoint_to_sockaddr(&truth->key.remote, &to, &length);
	SAME(truth,
	     sendto(truth->fd[CLIENT_HOST], "early", 5, MSG_FASTOPEN, (struct sockaddr *)&to,
		    length),
	     5);
	truth->fd[SERVER_HOST] = scene_accept(truth->listener);
	truth_hear(truth, SERVER_HOST, 5);
	finding = truth_agree(truth, AT_SENDERS, TCP_ESTABLISHED, TCP_ESTABLISHED);
	SAME(truth, finding->opened, OPENED_FAST_OPEN);
	TRUE(truth, finding->fast_open_taken);
	SAME(truth, finding->end[CLIENT_HOST].bytes, 5);
}

/* ---- TIME-WAIT */

static void server_in_time_wait(struct truth *truth)
{
	open_pair(truth);
	truth_exchange(truth);
	truth_close(truth, SERVER_HOST);
	truth_await(truth, TCP_CLOSE_WAIT, TCP_FIN_WAIT2);
	truth_close(truth, CLIENT_HOST);
	truth_agree(truth, AT_SENDERS, GONE, TCP_TIME_WAIT);
}

/* A newer SYN is taken: a second connection between the same ends (RFC 9293 3.6.1). */
static void reused(struct truth *truth)
{
	const struct finding *finding;

	server_in_time_wait(truth);
	truth_connect(truth);
	finding = truth_agree(truth, AT_SENDERS, TCP_ESTABLISHED, TCP_ESTABLISHED);
	SAME(truth, truth->told_count, 2);
	SAME(truth, finding->reuses, truth->told[0].number);
	SAME(truth, truth->told[0].reused_by, finding->number);
	SAME(truth, finding->reused_held_by, WHO_SERVER);
	TRUE(truth, finding->reused_in_time_wait);
	TRUE(truth, finding->reused_after_ns >= 0);
	ended(truth, &truth->told[0], ENDING_GRACEFUL, WHO_SERVER, WHO_SERVER);
	truth_close(truth, CLIENT_HOST);
	truth_await(truth, TCP_FIN_WAIT2, TCP_CLOSE_WAIT);
	truth_close(truth, SERVER_HOST);
	finding = truth_agree(truth, AT_SENDERS, TCP_TIME_WAIT, GONE);
	ended(truth, finding, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
}

/* An old SYN is answered by an ACK of the old connection, and that by a RST, which deletes
 * TIME-WAIT, unless tcp_rfc1337 is set: a capture does not show it. */
static void old_syn(struct truth *truth)
{
	struct wire_match syn, rst = truth_match(truth, CLIENT_HOST, TCP_FLAG_RST, 0);
	struct wire_record record;
	int rule;

	server_in_time_wait(truth);
	rule = truth_rule(truth, WIRE_PASS, &rst);
	syn = truth_match(truth, CLIENT_HOST, TCP_FLAG_SYN, 0);
	record = truth_record(truth, &syn, 0);
	SAME(truth,
	     wire_inject(truth->scene->wire, CLIENT_HOST, SERVER_HOST, record.data, record.length,
			 "the old SYN"),
	     0);
	truth_rule_hit(truth, rule, 1);
	truth_await(truth, GONE, GONE);
	truth_explain(truth, AT_SENDERS);
	ended(truth, &truth->told[0], ENDING_GRACEFUL, WHO_SERVER, WHO_UNKNOWN);
	SAME(truth, truth->told[0].end[SERVER_HOST].state, -1);
}

/* ---- open, and stuck or idle */

/* What close() finds in the send queue goes first, FIN behind it: nothing of it is to be seen. */
static void closed_behind_zero_window(struct truth *truth)
{
	const struct finding *finding;
	char bytes[4096] = {0};
	ssize_t n;

	open_pair(truth);
	do
		n = send(truth->fd[CLIENT_HOST], bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	SAME(truth, errno, EAGAIN);
	truth_close(truth, CLIENT_HOST);
	truth_await(truth, TCP_FIN_WAIT1, TCP_ESTABLISHED);
	finding = truth_explain(truth, AT_SENDERS);
	SAME(truth, finding->end[CLIENT_HOST].state, TCP_ESTABLISHED);
	SAME(truth, finding->end[SERVER_HOST].state, TCP_ESTABLISHED);
	ended(truth, finding, ENDING_OPEN, WHO_NONE, WHO_NONE);
	while (recv(truth->fd[SERVER_HOST], bytes, sizeof(bytes), 0) > 0)
		;
	truth_close(truth, SERVER_HOST);
	finding = truth_agree(truth, AT_SENDERS, TCP_TIME_WAIT, GONE);
	ended(truth, finding, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
}

static void keepalive(struct truth *truth)
{
	const struct finding *finding;
	struct wire_match acks = truth_match(truth, SERVER_HOST, TCP_FLAG_ACK, TCP_FLAG_SYN);
	int rule, on = 1;

	open_pair(truth);
	truth_exchange(truth);
	rule = truth_rule(truth, WIRE_PASS, &acks);
	setsockopt(truth->fd[CLIENT_HOST], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(truth->fd[CLIENT_HOST], IPPROTO_TCP, TCP_KEEPIDLE, &on, sizeof(on));
	truth_rule_hit(truth, rule, 1);
	finding = truth_agree(truth, AT_SENDERS, TCP_ESTABLISHED, TCP_ESTABLISHED);
	SAME(truth, finding->ending, ENDING_OPEN);
	SAME(truth, finding->end[CLIENT_HOST].keepalives, 1);
	SAME(truth, finding->end[CLIENT_HOST].unanswered_keepalives, 0);
	SAME(truth, finding->end[CLIENT_HOST].data_repeated, 0);
}

/* ---- each story in a world of its own, over IPv4 and IPv6 */

static void play(struct scene *scene, void (*story)(struct truth *truth))
{
	static const int families[] = {AF_INET, AF_INET6};
	struct truth truth;

	for (size_t i = 0; i < 2; i++) {
		truth_begin(&truth, scene, families[i]);
		story(&truth);
		truth_end(&truth);
	}
}

#define STORIES(X)                                                                                 \
	X(closed_by_client)                                                                        \
	X(closed_by_server)                                                                        \
	X(three_segments)                                                                          \
	X(simultaneous)                                                                            \
	X(half_close_with_data)                                                                    \
	X(lost_fin)                                                                                \
	X(lost_last_ack)                                                                           \
	X(fin_wait2_gone)                                                                          \
	X(aborted_by_client)                                                                       \
	X(aborted_by_server)                                                                       \
	X(aborted_after_answer)                                                                    \
	X(unread_data)                                                                             \
	X(data_after_close)                                                                        \
	X(half_open)                                                                               \
	X(blind_reset)                                                                             \
	X(refused)                                                                                 \
	X(unanswered)                                                                              \
	X(client_gone)                                                                             \
	X(half_opened)                                                                             \
	X(simultaneous_open)                                                                       \
	X(fast_open)                                                                               \
	X(reused)                                                                                  \
	X(old_syn)                                                                                 \
	X(closed_behind_zero_window)                                                               \
	X(keepalive)

#define PLAY(name)                                                                                 \
	static void play_##name(struct scene *scene)                                               \
	{                                                                                          \
		play(scene, name);                                                                 \
	}
STORIES(PLAY)

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) TRIAL_ON(play_##name, WORLD_LINK_WIRE, #name),
		STORIES(TEST)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
