#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explain/finding_testing.h"

static void closed_by_server(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
}

static void closed_by_client(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
}

static void three_segments(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
	f->end[TRACK_SERVER].fin_acked_by_fin = true;
}

static void after_half_close(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->end[TRACK_SERVER].fin_ns = MS(13540);
}

static void last_ack_missing(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
	f->end[TRACK_CLIENT].state = TCP_LAST_ACK;
	f->end[TRACK_CLIENT].fin_acked = false;
	f->end[TRACK_CLIENT].fin_count = 5;
	f->fin_repeater = TRACK_CLIENT;
	f->fin_interval_count = 4;
	f->fin_interval_ms[0] = f->fin_interval_ms[1] = 201;
	f->fin_interval_ms[2] = 402;
	f->fin_interval_ms[3] = 804;
}

static void fin_inferred(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
	f->end[TRACK_SERVER].fin_inferred = true;
	f->end[TRACK_SERVER].fin_count = 0;
}

static void first_unknown(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->closed_first = WHO_UNKNOWN;
	f->end[0].state = f->end[1].state = -1;
	f->one_way = true;
	f->end[TRACK_CLIENT].seen = false;
}

static void reused(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
	f->reuses = 7;
	f->reused_after_ns = 3200 * NS_PER_MS;
	f->reused_held_by = WHO_SERVER;
	f->reused_in_time_wait = true;
}

static void rst_into_time_wait(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
	f->rst = (struct finding_rst){
		.any = true, .from = TRACK_CLIENT, .cause = RST_INTO_TIME_WAIT, .at_ns = MS(2000)};
	f->end[TRACK_SERVER].state = -1;
}

static void begun_before(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->opened = OPENED_UNKNOWN;
	f->handshake = false;
}

static void opened_by_both(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->opened = OPENED_SIMULTANEOUS;
}

static void opened_fast(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->opened = OPENED_FAST_OPEN;
	f->fast_open_taken = true;
}

static void no_times(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->first_ns = f->last_ns = FINDING_TIME_UNKNOWN;
	for (unsigned end = 0; end < 2; end++)
		f->end[end].since_ns = f->end[end].fin_ns = f->end[end].fin_acked_ns =
			f->end[end].last_ns = FINDING_TIME_UNKNOWN;
}

static void time_went_back(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->end[TRACK_CLIENT].fin_ns = MS(-500);
	f->end[TRACK_SERVER].fin_ns = MS(-900);
}

static void simultaneous(struct finding *f)
{
	*f = finding_closed(TRACK_CLIENT);
	f->ending = ENDING_SIMULTANEOUS;
	f->closed_first = f->time_wait_holder = WHO_BOTH;
	f->end[TRACK_SERVER].state = TCP_TIME_WAIT;
}

static void closing_both(struct finding *f)
{
	simultaneous(f);
	f->end[TRACK_SERVER].state = TCP_CLOSING;
	f->end[TRACK_SERVER].fin_acked = false;
}

static void half_closed(struct finding *f)
{
	*f = finding_open();
	finding_fin(f, TRACK_SERVER, 500);
	f->ending = ENDING_HALF_CLOSED;
	f->closed_first = WHO_SERVER;
	f->end[TRACK_SERVER].state = TCP_FIN_WAIT2;
	f->end[TRACK_CLIENT].state = TCP_CLOSE_WAIT;
	f->last_ns = MS(45500);
}

static void half_closed_stuck(struct finding *f)
{
	half_closed(f);
	f->end[TRACK_SERVER].zero_window = true;
}

static void fin_unanswered(struct finding *f)
{
	half_closed(f);
	f->end[TRACK_SERVER].state = TCP_FIN_WAIT1;
	f->end[TRACK_SERVER].fin_acked = false;
	f->end[TRACK_SERVER].fin_count = 9;
	f->end[TRACK_CLIENT].state = TCP_ESTABLISHED;
	f->end[TRACK_CLIENT].last_ns = MS(400);
	f->fin_repeater = TRACK_SERVER;
	f->fin_interval_count = 1;
	f->fin_interval_ms[0] = 102000;
}

static void unread_data(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_SERVER, RST_UNREAD_DATA);
}

static void aborted_open(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_CLIENT, RST_ABORT);
}

static void gave_up(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_CLIENT, RST_ABORT);
	f->end[TRACK_CLIENT].unanswered_keepalives = 9;
}

static void data_after_close(struct finding *f)
{
	*f = finding_open();
	finding_fin(f, TRACK_SERVER, 500);
	f->closed_first = WHO_SERVER;
	finding_reset(f, TRACK_SERVER, RST_DATA_AFTER_CLOSE);
}

static void late_fin(struct finding *f)
{
	*f = finding_closed(TRACK_SERVER);
	finding_reset(f, TRACK_SERVER, RST_HALF_OPEN);
}

static void half_open(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_SERVER, RST_HALF_OPEN);
}

static void unknown_cause(struct finding *f)
{
	*f = finding_open();
	f->opened = OPENED_UNKNOWN;
	finding_reset(f, TRACK_SERVER, RST_UNKNOWN);
}

static void middlebox(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_SERVER, RST_ABORT);
	f->rst.ttl_known = true;
	f->rst.ttl = 254;
	f->rst.sender_ttl = 57;
}

static void refused(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_SERVER, RST_REFUSED);
	f->ending = ENDING_REFUSED;
	f->handshake = false;
}

static void unanswered(struct finding *f)
{
	*f = finding_open();
	f->ending = ENDING_UNANSWERED;
	f->handshake = false;
	f->one_way = true;
	f->end[TRACK_SERVER].seen = f->end[TRACK_SERVER].syn_seen = false;
	f->end[TRACK_SERVER].syn_count = 0;
	f->end[TRACK_CLIENT].syn_count = 6;
	f->end[TRACK_CLIENT].last_ns = MS(31000);
	f->end[TRACK_CLIENT].state = TCP_SYN_SENT;
	f->end[TRACK_SERVER].state = -1;
}

static void client_gone(struct finding *f)
{
	*f = finding_open();
	finding_reset(f, TRACK_CLIENT, RST_CLIENT_GONE);
	f->ending = ENDING_ABORTED;
	f->handshake = false;
}

static void still_open(struct finding *f)
{
	*f = finding_open();
}

static void open_stuck(struct finding *f)
{
	*f = finding_open();
	f->end[TRACK_CLIENT].zero_window = true;
}

static void open_unheard(struct finding *f)
{
	*f = finding_open();
	f->end[TRACK_SERVER].unanswered_keepalives = 3;
}

static void open_from_before(struct finding *f)
{
	*f = finding_open();
	f->opened = OPENED_UNKNOWN;
	f->handshake = false;
	f->end[TRACK_CLIENT].state = -1;
}

static void opening(struct finding *f)
{
	*f = finding_open();
	f->handshake = false;
	f->end[TRACK_SERVER].state = TCP_SYN_RECV;
}

static void ignored_rst(struct finding *f)
{
	*f = finding_open();
	f->rst = (struct finding_rst){
		.any = true, .from = TRACK_CLIENT, .cause = RST_IGNORED, .at_ns = MS(700)};
	f->end[TRACK_CLIENT].state = -1;
}

static void evicted(struct finding *f)
{
	*f = finding_open();
	f->evicted = f->newer_syn_ignored = true;
}

/* clang-format off */
static const struct {
	void (*make)(struct finding *f);
	const char *sentence, *client_why, *server_why;
	enum finding_problem problem;
} cases[] = {
	{closed_by_server,
	 "The server (port 5000) closed first at +1.200 s, and the client 40 ms "
	 "later (four segments); the server is left with TIME-WAIT since +1.240 s, "
	 "the client with nothing.",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 PROBLEM_NONE},
	{closed_by_client,
	 "The client closed first at +1.200 s, and the server (port 5000) 40 ms "
	 "later (four segments); the client is left with TIME-WAIT since +1.240 s, "
	 "the server with nothing.",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 PROBLEM_NONE},
	{three_segments,
	 "The server (port 5000) closed first at +1.200 s; the client's FIN "
	 "carried the ACK of that (three segments); the server is left with "
	 "TIME-WAIT since +1.240 s, the client with nothing.",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 PROBLEM_NONE},
	{after_half_close,
	 "The client closed first at +1.200 s, and the server (port 5000) after a "
	 "half-close of 12.3 s (four segments); the client is left with TIME-WAIT "
	 "since +1.240 s, the server with nothing.",
	 "it closed first and got the other's FIN at +13.540 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 PROBLEM_NONE},
	{last_ack_missing,
	 "The server (port 5000) closed first at +1.200 s, and the client 40 ms "
	 "later; the ACK of the client's FIN is missing; the server is left with "
	 "TIME-WAIT since +1.240 s, the client in LAST-ACK; the client's FIN was "
	 "sent 5 times over 1.6 s.",
	 "its FIN was not acknowledged in the capture, though it was sent 5 times "
	 "over 1.6 s",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 PROBLEM_LAST_ACK_LOST},
	{fin_inferred,
	 "The server (port 5000) closed first, then the client (the server's FIN "
	 "is inferred: only an ACK shows it); the server is left with TIME-WAIT "
	 "since +1.240 s, the client with nothing.",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 PROBLEM_NONE},
	{first_unknown,
	 "Both ends closed, and who did first is unknown, for only one direction "
	 "was captured; the state of both ends is unknown; only packets of the "
	 "server (port 5000) were captured.",
	 "nothing that it sent is in the capture",
	 "what is in the capture does not decide it",
	 PROBLEM_NONE},
	{reused,
	 "The server (port 5000) closed first at +1.200 s, and the client 40 ms "
	 "later (four segments); the server is left with TIME-WAIT since +1.240 s, "
	 "the client with nothing; it reused the 4-tuple of connection 7, 3.2 s "
	 "after the last packet of that, while the server's TIME-WAIT lasted.",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 PROBLEM_REUSED_TIME_WAIT},
	{rst_into_time_wait,
	 "The server (port 5000) closed first at +1.200 s, and the client 40 ms "
	 "later (four segments); the client is left with nothing, and what is left "
	 "at the server is unknown; a RST of the client at +2.000 s met TIME-WAIT, "
	 "and whether it deleted that is unknown (net.ipv4.tcp_rfc1337).",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 "a RST came at +2.000 s that may have deleted TIME-WAIT: "
	 "net.ipv4.tcp_rfc1337 decides, which a capture cannot show",
	 PROBLEM_NONE},
	{begun_before,
	 "Begun before the capture, so who opened it is unknown (port 5000 is "
	 "taken for the server): the client closed first at +1.200 s, and the "
	 "server 40 ms later (four segments); the client is left with TIME-WAIT "
	 "since +1.240 s, the server with nothing.",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 PROBLEM_NONE},
	{opened_by_both,
	 "Two SYNs crossed, so neither end is the client: the end at port 40000 "
	 "closed first at +1.200 s, and the end at port 5000 40 ms later (four "
	 "segments); the end at port 40000 is left with TIME-WAIT since +1.240 s, "
	 "the end at port 5000 with nothing.",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 PROBLEM_NONE},
	{opened_fast,
	 "The client closed first at +1.200 s, and the server (port 5000) 40 ms "
	 "later (four segments); the client is left with TIME-WAIT since +1.240 s, "
	 "the server with nothing; the data in the SYN was taken (Fast Open).",
	 "it closed first and got the other's FIN at +1.240 s; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 PROBLEM_NONE},
	{no_times,
	 "The client closed first, then the server (port 5000) (four segments); "
	 "the client is left with TIME-WAIT, the server with nothing.",
	 "it closed first and got the other's FIN; Linux keeps this for 60 s to "
	 "acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged: nothing is left of it",
	 PROBLEM_NONE},
	{time_went_back,
	 "The client closed first at +0 s, then the server (port 5000) (four "
	 "segments); the client is left with TIME-WAIT since +1.240 s, the server "
	 "with nothing.",
	 "it closed first and got the other's FIN at +0 s; Linux keeps this for 60 "
	 "s to acknowledge that FIN again and to let old segments die",
	 "it closed second, and its FIN was acknowledged at +1.241 s: nothing is "
	 "left of it",
	 PROBLEM_NONE},
	{simultaneous,
	 "Both ends closed at once at +1.200 s: neither FIN acknowledges the "
	 "other's; both ends are left with TIME-WAIT.",
	 "both ends closed at once, and its FIN was acknowledged; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "both ends closed at once, and its FIN was acknowledged; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 PROBLEM_NONE},
	{closing_both,
	 "Both ends closed at once at +1.200 s: neither FIN acknowledges the "
	 "other's; the client is left with TIME-WAIT since +1.240 s, the server "
	 "(port 5000) in CLOSING.",
	 "both ends closed at once, and its FIN was acknowledged; Linux keeps this "
	 "for 60 s to acknowledge that FIN again and to let old segments die",
	 "both FINs crossed, and its FIN was not acknowledged in the capture",
	 PROBLEM_LAST_ACK_LOST},
	{half_closed,
	 "The server (port 5000) closed at +500 ms, and the client had not by the "
	 "last packet, 45.0 s later; the server is left in FIN-WAIT-2, the client "
	 "in CLOSE-WAIT.",
	 "got the other's FIN at +500 ms and has not sent its own: the application "
	 "has not called close()",
	 "its FIN was acknowledged at +501 ms, and the other's has not come; Linux "
	 "drops this state silently after tcp_fin_timeout when the application has "
	 "let go of the socket",
	 PROBLEM_HALF_CLOSED},
	{half_closed_stuck,
	 "The server (port 5000) closed at +500 ms, and the client had not by the "
	 "last packet, 45.0 s later; the server is left in FIN-WAIT-2, the client "
	 "in CLOSE-WAIT; the window of the server is 0, so that nothing can be "
	 "sent to it, a FIN neither.",
	 "got the other's FIN at +500 ms and has not sent its own: the application "
	 "has not called close(), or the FIN waits behind the other's window of 0",
	 "its FIN was acknowledged at +501 ms, and the other's has not come; Linux "
	 "drops this state silently after tcp_fin_timeout when the application has "
	 "let go of the socket",
	 PROBLEM_STUCK_WINDOW},
	{fin_unanswered,
	 "The server (port 5000) closed at +500 ms, and the client had not by the "
	 "last packet, 45.0 s later; the FIN was not acknowledged; the server is "
	 "left in FIN-WAIT-1, the client in ESTAB; the server's FIN was sent 9 "
	 "times over 102 s.",
	 "the other's FIN at +500 ms, or data before that, has not reached it, and "
	 "it has not sent its own",
	 "its FIN was not acknowledged in the capture, though it was sent 9 times "
	 "over 102 s",
	 PROBLEM_VANISHED},
	{unread_data,
	 "The server (port 5000) reset the connection at +3.000 s: likely close() "
	 "with data unread (SO_LINGER 0 looks the same); nothing is left at either "
	 "end.",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 PROBLEM_RESET_UNREAD},
	{aborted_open,
	 "The client reset the connection at +3.000 s: perhaps SO_LINGER 0, data left "
	 "unread, or its system gave up; nothing is left at either end.",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 PROBLEM_RESET_ABORT},
	{gave_up,
	 "The client reset the connection at +3.000 s: likely because 9 "
	 "keep-alives or window probes were not answered; nothing is left at "
	 "either end.",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 PROBLEM_VANISHED},
	{data_after_close,
	 "The server (port 5000) reset the connection at +3.000 s, 2.5 s after its "
	 "own FIN: likely because data came after it had closed; nothing is left "
	 "at either end.",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 PROBLEM_RESET_AFTER_CLOSE},
	{late_fin,
	 "The server (port 5000) reset the connection at +3.000 s, 1.8 s after its "
	 "own FIN: likely its FIN-WAIT-2 had ended silently (tcp_fin_timeout), so "
	 "that it no longer knew the connection; nothing is left at either end.",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 PROBLEM_VANISHED},
	{half_open,
	 "The server (port 5000) reset the connection at +3.000 s: likely it did "
	 "not know the connection (any more), after a restart for example; nothing "
	 "is left at either end.",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 PROBLEM_VANISHED},
	{unknown_cause,
	 "Begun before the capture, so who opened it is unknown (port 5000 is "
	 "taken for the server): the server reset the connection at +3.000 s: why "
	 "is unknown, since nothing in the capture explains it; nothing is left at "
	 "either end.",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 PROBLEM_RESET_ABORT},
	{middlebox,
	 "A RST with the address of the server (port 5000) ended the connection at "
	 "+3.000 s; its TTL was 254 and that of its sender's other packets 57, so "
	 "perhaps something in between sent it and the server knows nothing of it.",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 "a RST with its address, but perhaps from something in between, was sent "
	 "at +3.000 s; only if it is its own, nothing is left here",
	 PROBLEM_RESET_MIDDLEBOX},
	{refused,
	 "The server (port 5000) refused: it answered the SYN with a RST (likely "
	 "nobody listens there, or a firewall rejects).",
	 "its SYN was answered by a RST: connect() fails",
	 "it answered the SYN with a RST: no connection came about",
	 PROBLEM_REFUSED},
	{unanswered,
	 "Nothing in the capture answers the client's SYN to port 5000, sent 6 "
	 "times over 31.0 s; the client is left in SYN-SENT, and what is left at "
	 "the server is unknown.",
	 "its SYN, sent 6 times, had no answer in the capture that opens the "
	 "connection",
	 "it has not answered the SYN: whether it is there a capture cannot show",
	 PROBLEM_UNANSWERED},
	{client_gone,
	 "The client gave up while it was being opened, with a RST at +3.000 s: "
	 "likely connect() was given up, or it is a scan; nothing is left at "
	 "either end.",
	 "it sent a RST at +3.000 s, and who sends one has no socket left",
	 "a RST that fits was sent to it at +3.000 s, which ends it at once",
	 PROBLEM_CLIENT_GONE},
	{still_open,
	 "Nobody had closed by its last packet at +1.200 s; 0 bytes from the "
	 "client, 26 from the server (port 5000).",
	 "the handshake was finished, and no FIN was seen of either end",
	 "the handshake was finished, and no FIN was seen of either end",
	 PROBLEM_NONE},
	{open_stuck,
	 "Nobody had closed by its last packet at +1.200 s; 0 bytes from the "
	 "client, 26 from the server (port 5000); the window of the client is 0, "
	 "so that nothing can be sent to it, a FIN neither.",
	 "the handshake was finished, and no FIN was seen of either end",
	 "the handshake was finished, and no FIN was seen of either end; the "
	 "other's window is 0: if it has called close(), its FIN waits",
	 PROBLEM_STUCK_WINDOW},
	{open_unheard,
	 "Nobody had closed by its last packet at +1.200 s; 0 bytes from the "
	 "client, 26 from the server (port 5000); the last 3 keep-alives or window "
	 "probes of the server had no answer.",
	 "the handshake was finished, and no FIN was seen of either end",
	 "the handshake was finished, and no FIN was seen of either end; its last "
	 "keep-alives were not answered",
	 PROBLEM_VANISHED},
	{open_from_before,
	 "Begun before the capture, so who opened it is unknown (port 5000 is "
	 "taken for the server): nobody had closed by its last packet at +1.200 s; "
	 "0 bytes from the client, 26 from the server; the server is left in "
	 "ESTAB, and what is left at the client is unknown.",
	 "the connection began before the capture, and nothing that it sent since "
	 "shows its state",
	 "it has sent data, and no FIN was seen of either end",
	 PROBLEM_NONE},
	{opening,
	 "The handshake is not finished in the capture; the client is left in "
	 "ESTAB, the server (port 5000) in SYN-RECV.",
	 "its SYN was acknowledged, and no FIN was seen of either end",
	 "it got a SYN and answered, and the ACK of that did not come in the "
	 "capture",
	 PROBLEM_NONE},
	{ignored_rst,
	 "Nobody had closed by its last packet at +1.200 s; 0 bytes from the "
	 "client, 26 from the server (port 5000); the server is left in ESTAB, and "
	 "what is left at the client is unknown; a RST of the client at +700 ms "
	 "ended nothing, likely because its number did not fit.",
	 "a RST with its address at +700 ms ended nothing, and it sent no more: a "
	 "socket that sends RST is gone, but perhaps it was not its own",
	 "the handshake was finished, and no FIN was seen of either end",
	 PROBLEM_NONE},
	{evicted,
	 "Nobody had closed by its last packet at +1.200 s; 0 bytes from the "
	 "client, 26 from the server (port 5000); a SYN with another first number "
	 "came and opened nothing; told early (--max-connections), so what came "
	 "later counts as another connection.",
	 "the handshake was finished, and no FIN was seen of either end",
	 "the handshake was finished, and no FIN was seen of either end",
	 PROBLEM_VANISHED},
};
/* clang-format on */

static void says_it(void **state)
{
	char text[FINDING_TEXT_MAX];
	struct finding f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].make(&f);
		assert_string_equal(finding_sentence(&f, text), cases[i].sentence);
		assert_string_equal(finding_state_why(&f, TRACK_CLIENT, text), cases[i].client_why);
		assert_string_equal(finding_state_why(&f, TRACK_SERVER, text), cases[i].server_why);
		assert_string_equal(finding_problem_name(finding_problem(&f)),
				    finding_problem_name(cases[i].problem));
	}
}

/* A duration as it stands in a sentence. */
static const char *half_close_of(int64_t ns, char *text)
{
	struct finding f = finding_closed(TRACK_CLIENT);
	char *end;

	f.end[TRACK_SERVER].fin_ns = f.end[TRACK_CLIENT].fin_ns + ns;
	finding_sentence(&f, text);
	text = strstr(text, "(port 5000) ") + strlen("(port 5000) ");
	end = strstr(text, " (four");
	assert_non_null(end);
	*end = '\0';
	return text;
}

static void tells_durations(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} durations[] = {
		{1, "0 us later"},
		{999499, "999 us later"},
		{999500, "1.0 ms later"},
		{9949999, "9.9 ms later"},
		{9950000, "10 ms later"},
		{999499999, "999 ms later"},
		{999500000, "1.0 s later"},
		{1000000000, "after a half-close of 1.0 s"},
		{99949999999, "after a half-close of 99.9 s"},
		{99950000000, "after a half-close of 100 s"},
		{599999999999, "after a half-close of 600 s"},
		{600000000000, "after a half-close of 10 min"},
		{7199000000000, "after a half-close of 120 min"},
		{12240000000000, "after a half-close of 3.4 h"},
	};
	char text[FINDING_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		assert_string_equal(half_close_of(durations[i].ns, text), durations[i].text);
}

/* Any times at all: the widest there are do not overflow. */
static void stands_absurd_times(void **state)
{
	struct finding f = finding_closed(TRACK_CLIENT);
	char text[FINDING_TEXT_MAX];

	(void)state;
	f.first_ns = INT64_MIN + 1;
	f.end[TRACK_CLIENT].fin_ns = INT64_MAX;
	assert_non_null(strstr(finding_sentence(&f, text), "first at +18446744073.710 s, "));
}

/* Everything at once does not fit; it ends between two words, and says that it was cut. */
static void cuts_long_texts(void **state)
{
	struct finding f = finding_closed(TRACK_CLIENT);
	char text[FINDING_TEXT_MAX];
	size_t length;

	(void)state;
	f.opened = OPENED_UNKNOWN;
	f.reuses = UINT64_MAX;
	f.reused_in_time_wait = f.newer_syn_ignored = f.one_way = f.evicted = true;
	f.end[0].fin_count = f.end[1].fin_count = UINT32_MAX;
	f.rst = (struct finding_rst){.any = true, .cause = RST_INTO_TIME_WAIT, .at_ns = MS(9999)};
	finding_sentence(&f, text);
	length = strlen(text);
	assert_in_range(length, FINDING_TEXT_MAX - 30, FINDING_TEXT_MAX - 1);
	assert_string_equal(text + length - 3, "...");
	assert_true(text[length - 4] != ' ');
}

static void opens_as_told(void **state)
{
	struct finding f = finding_closed(TRACK_CLIENT);
	char text[FINDING_TEXT_MAX];

	(void)state;
	f.opened = OPENED_SIMULTANEOUS;
	f.end[0].endpoint.port = f.end[1].endpoint.port = 179;
	finding_sentence(&f, text);
	assert_non_null(strstr(text, "the first end closed first"));
	assert_null(strstr(text, "the client "));
	f.opened = OPENED_UNKNOWN;
	assert_null(strstr(finding_sentence(&f, text), "taken for"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_it),
		cmocka_unit_test(tells_durations),
		cmocka_unit_test(stands_absurd_times),
		cmocka_unit_test(cuts_long_texts),
		cmocka_unit_test(opens_as_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
