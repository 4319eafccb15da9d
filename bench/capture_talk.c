#include "capture_talk.h"

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MSS 1448

/* ---- chance */

uint64_t chance_next(struct chance *chance)
{
	uint64_t z = chance->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t chance_below(struct chance *chance, uint64_t bound)
{
	return chance_next(chance) % bound;
}

double chance_wait(struct chance *chance, double mean)
{
	double u = (double)(chance_next(chance) >> 11) / 9007199254740992.0;

	return -log(1 - u) * mean;
}

static bool one_in(struct talk *talk, uint64_t n)
{
	return chance_below(talk->chance, n) == 0;
}

/* ---- words of which stories are made */

static struct step *add(struct talk *talk)
{
	if (talk->count == talk->capacity) {
		talk->capacity = talk->capacity ? 2 * talk->capacity : 16;
		talk->steps = reallocarray(talk->steps, talk->capacity, sizeof(*talk->steps));
		if (!talk->steps)
			err(1, "capture");
	}
	return &talk->steps[talk->count++];
}

static void pass(struct talk *talk, int64_t ns)
{
	talk->now_ns += ns;
}

/* The capture is made beside the server: it answers soon, the client after a round trip. */
static void turn(struct talk *talk, unsigned from)
{
	const struct step *last = talk->count ? &talk->steps[talk->count - 1] : NULL;
	int64_t jitter = (int64_t)chance_below(talk->chance, 80) * MICROSECOND;

	if (!last)
		return;
	if (last->from == from)
		pass(talk, 5 * MICROSECOND + jitter / 8);
	else
		pass(talk, (from == CLIENT ? talk->rtt_ns : 20 * MICROSECOND) + jitter);
}

static uint32_t ts_now(const struct talk *talk, const struct side *side)
{
	return side->ts_base + (uint32_t)(talk->now_ns / MILLISECOND);
}

/* A segment of that sequence number; it is sent, and nothing more. */
static struct step *say_at(struct talk *talk, unsigned from, uint8_t flags, uint32_t seq,
			   uint16_t length)
{
	struct side *side = &talk->side[from];
	struct step *step = add(talk);

	*step = (struct step){
		.at_ns = talk->now_ns,
		.seq = seq,
		.ack = flags & ACK ? side->got : 0,
		.ts_value = ts_now(talk, side),
		.ts_echo = flags & ACK ? side->ts_recent : 0,
		.window = side->window,
		.length = length,
		.ip_id = side->ip_id++,
		.from = (uint8_t)from,
		.flags = flags,
		.ttl = side->ttl,
	};
	return step;
}

/* The other end got everything that was sent so far. */
static void arrive(struct talk *talk, unsigned from)
{
	talk->side[!from].got = talk->side[from].next;
	talk->side[!from].ts_recent = ts_now(talk, &talk->side[from]);
}

/* The next segment, which does not arrive by itself. */
static struct step *send_off(struct talk *talk, unsigned from, uint8_t flags, uint16_t length)
{
	struct side *side = &talk->side[from];
	struct step *step;

	turn(talk, from);
	step = say_at(talk, from, flags, side->next, length);
	side->next += length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
	return step;
}

static void say(struct talk *talk, unsigned from, uint8_t flags, uint16_t length)
{
	send_off(talk, from, flags, length);
	arrive(talk, from);
}

/* The RST of a socket that is there; where there is none, see say_no_socket(). */
static void say_reset(struct talk *talk, unsigned from)
{
	say(talk, from, RST | ACK, 0);
}

/* What answers a segment for which there is no socket (tcp_v4_send_reset(), 6.18). */
static void say_no_socket(struct talk *talk, unsigned from)
{
	const struct step *last = &talk->steps[talk->count - 1];
	uint32_t answered = last->ack;
	struct step *step;

	turn(talk, from);
	step = say_at(talk, from, RST, answered, 0);
	step->window = 0;
	step->ip_id = 0;
	step->bare = true;
}

static void opened(struct talk *talk, const char *how)
{
	talk->truth.opened = how;
	talk->truth.ending = "open";
	talk->truth.closed_first = NONE;
	talk->truth.time_wait_holder = NONE;
	talk->truth.rst_from = NONE;
	talk->truth.state[CLIENT] = talk->truth.state[SERVER] = "ESTAB";
}

static void open_it(struct talk *talk)
{
	opened(talk, "client-syn");
	say(talk, CLIENT, SYN, 0);
	say(talk, SERVER, SYN | ACK, 0);
	say(talk, CLIENT, ACK, 0);
}

static void ended(struct talk *talk, const char *ending, int first, int holder)
{
	talk->truth.ending = ending;
	talk->truth.closed_first = first;
	talk->truth.time_wait_holder = holder;
	talk->truth.state[CLIENT] = holder == CLIENT || holder == BOTH ? "TIME-WAIT" : "CLOSED";
	talk->truth.state[SERVER] = holder == SERVER || holder == BOTH ? "TIME-WAIT" : "CLOSED";
}

static void reset(struct talk *talk, const char *ending, unsigned from, const char *cause)
{
	ended(talk, ending, NONE, NONE);
	talk->truth.rst_from = (int)from;
	talk->truth.rst_cause = cause;
}

/* ---- the conversation */

static uint16_t request_length(struct talk *talk)
{
	return (uint16_t)(40 + chance_below(talk->chance, 900));
}

/* A segment that is lost behind the capture, and comes again. */
static void say_twice(struct talk *talk, unsigned from, uint16_t length)
{
	uint32_t seq = talk->side[from].next;

	send_off(talk, from, PSH | ACK, length);
	pass(talk, 200 * MILLISECOND + talk->rtt_ns);
	say_at(talk, from, PSH | ACK, seq, length);
	arrive(talk, from);
}

/* Two segments of an answer, the second one first. */
static void say_reordered(struct talk *talk, unsigned from)
{
	uint32_t seq = talk->side[from].next;

	turn(talk, from);
	say_at(talk, from, ACK, seq + MSS, MSS);
	pass(talk, 30 * MICROSECOND);
	say_at(talk, from, ACK, seq, MSS);
	talk->side[from].next += 2 * MSS;
	arrive(talk, from);
}

static bool happens(struct talk *talk, unsigned chance)
{
	return chance_below(talk->chance, 1000) < chance;
}

/* Requests and answers of @wanted packets in all. The server says the last word. */
static void converse(struct talk *talk, size_t wanted, const struct noise *noise)
{
	size_t end = talk->count + wanted;

	while (talk->count < end) {
		size_t left = end - talk->count;

		if (left >= 3 && happens(talk, noise->retransmitted))
			say_twice(talk, CLIENT, request_length(talk));
		else if (left >= 2)
			say(talk, CLIENT, PSH | ACK, request_length(talk));
		if (end - talk->count >= 3 && happens(talk, noise->reordered)) {
			say_reordered(talk, SERVER);
			say(talk, CLIENT, ACK, 0);
		}
		while (end - talk->count >= 3 && !one_in(talk, 4)) {
			say(talk, SERVER, ACK, MSS);
			if (one_in(talk, 2))
				say(talk, CLIENT, ACK, 0);
		}
		if (talk->count < end)
			say(talk, SERVER, PSH | ACK, request_length(talk));
		pass(talk, (int64_t)chance_wait(talk->chance, (double)talk->think_mean_ns));
	}
}

/* ---- the stories */

static unsigned either(struct talk *talk)
{
	return one_in(talk, 2) ? CLIENT : SERVER;
}

static void begin(struct talk *talk, const struct noise *noise)
{
	open_it(talk);
	converse(talk, talk->wanted, noise);
}

static void four_segments(struct talk *talk, unsigned first)
{
	say(talk, first, FIN | ACK, 0);
	say(talk, !first, ACK, 0);
	pass(talk, (int64_t)chance_wait(talk->chance, 5.0 * MILLISECOND));
	say(talk, !first, FIN | ACK, 0);
	say(talk, first, ACK, 0);
	ended(talk, "graceful", (int)first, (int)first);
}

static void graceful_four(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	four_segments(talk, either(talk));
}

static void graceful_three(struct talk *talk, const struct noise *noise)
{
	unsigned first = chance_below(talk->chance, 5) < 2 ? CLIENT : SERVER;

	begin(talk, noise);
	say(talk, first, FIN | ACK, 0);
	say(talk, !first, FIN | ACK, 0);
	say(talk, first, ACK, 0);
	ended(talk, "graceful", (int)first, (int)first);
}

/* The FIN comes with the last of the answer. */
static void fin_with_data(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say(talk, SERVER, FIN | PSH | ACK, request_length(talk));
	say(talk, CLIENT, FIN | ACK, 0);
	say(talk, SERVER, ACK, 0);
	ended(talk, "graceful", SERVER, SERVER);
}

static void simultaneous(struct talk *talk, const struct noise *noise)
{
	unsigned first = either(talk);

	begin(talk, noise);
	send_off(talk, first, FIN | ACK, 0);
	pass(talk, 50 * MICROSECOND);
	say_at(talk, !first, FIN | ACK, talk->side[!first].next++, 0);
	arrive(talk, first);
	arrive(talk, !first);
	say(talk, first, ACK, 0);
	say(talk, !first, ACK, 0);
	ended(talk, "simultaneous", BOTH, BOTH);
}

/* One end closes, and the other one goes on for a while. */
static void half_close_used(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, CLIENT, FIN | ACK, 0);
	for (int i = 0; i < 2; i++) {
		say(talk, SERVER, PSH | ACK, request_length(talk));
		say(talk, CLIENT, ACK, 0);
		pass(talk, 300 * MILLISECOND);
	}
	say(talk, SERVER, FIN | ACK, 0);
	say(talk, CLIENT, ACK, 0);
	ended(talk, "graceful", CLIENT, CLIENT);
}

static void half_closed(struct talk *talk, const struct noise *noise)
{
	unsigned first = either(talk);

	begin(talk, noise);
	say(talk, first, FIN | ACK, 0);
	say(talk, !first, ACK, 0);
	ended(talk, "half-closed", (int)first, NONE);
	talk->truth.state[first] = "FIN-WAIT-2";
	talk->truth.state[!first] = "CLOSE-WAIT";
}

static void reset_unread(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say(talk, SERVER, ACK, 0);
	pass(talk, MILLISECOND);
	say_reset(talk, SERVER);
	reset(talk, "reset", SERVER, "unread-data");
}

/* SO_LINGER 0, everything answered. */
static void reset_abort(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say(talk, SERVER, PSH | ACK, request_length(talk));
	say(talk, CLIENT, ACK, 0);
	pass(talk, MILLISECOND);
	say_reset(talk, SERVER);
	reset(talk, "reset", SERVER, "abort");
}

static void reset_after_close(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, SERVER, FIN | ACK, 0);
	say(talk, CLIENT, ACK, 0);
	pass(talk, (int64_t)chance_wait(talk->chance, 500.0 * MILLISECOND));
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say_no_socket(talk, SERVER);
	reset(talk, "reset", SERVER, "data-after-close");
	talk->truth.closed_first = SERVER;
}

/* The server was started anew, and knows nothing. */
static void reset_half_open(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	pass(talk, 2 * SECOND + (int64_t)chance_wait(talk->chance, 3.0 * SECOND));
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say_no_socket(talk, SERVER);
	reset(talk, "reset", SERVER, "half-open");
}

static void refused(struct talk *talk, const struct noise *noise)
{
	struct step *step;

	(void)noise;
	opened(talk, "client-syn");
	say(talk, CLIENT, SYN, 0);
	talk->side[SERVER].next = 0;
	step = send_off(talk, SERVER, RST | ACK, 0);
	step->window = 0;
	step->ip_id = 0;
	step->bare = true;
	reset(talk, "refused", SERVER, "refused");
}

static void unanswered(struct talk *talk, const struct noise *noise)
{
	int64_t wait = SECOND;
	unsigned count = 1 + (unsigned)chance_below(talk->chance, 5);

	(void)noise;
	opened(talk, "client-syn");
	talk->side[CLIENT].next++;
	for (unsigned i = 0; i < count; i++, wait *= 2) {
		say_at(talk, CLIENT, SYN, talk->side[CLIENT].isn, 0);
		pass(talk, wait);
	}
	talk->truth.ending = "unanswered";
	talk->truth.state[CLIENT] = "SYN-SENT";
	talk->truth.state[SERVER] = "unknown";
}

static void client_gone(struct talk *talk, const struct noise *noise)
{
	(void)noise;
	opened(talk, "client-syn");
	say(talk, CLIENT, SYN, 0);
	say(talk, SERVER, SYN | ACK, 0);
	say_no_socket(talk, CLIENT);
	reset(talk, "aborted", CLIENT, "client-gone");
}

/* The FIN is lost behind the capture some times: a loss probe first, then the back-off doubles. */
static void fin_repeated(struct talk *talk, const struct noise *noise)
{
	unsigned count = 1 + (unsigned)chance_below(talk->chance, 4);
	int64_t wait = 220 * MILLISECOND;
	uint32_t seq;

	begin(talk, noise);
	seq = talk->side[SERVER].next;
	send_off(talk, SERVER, FIN | ACK, 0);
	for (unsigned i = 0; i < count; i++) {
		pass(talk, wait);
		wait = i == 0 ? wait : 2 * wait;
		say_at(talk, SERVER, FIN | ACK, seq, 0);
	}
	arrive(talk, SERVER);
	say(talk, CLIENT, FIN | ACK, 0);
	say(talk, SERVER, ACK, 0);
	ended(talk, "graceful", SERVER, SERVER);
	talk->truth.fin_retransmits = count;
}

/* The last ACK is lost behind the capture: the FIN comes again, and it again. */
static void last_ack_lost(struct talk *talk, const struct noise *noise)
{
	unsigned first = CLIENT;
	uint32_t seq;

	begin(talk, noise);
	say(talk, first, FIN | ACK, 0);
	seq = talk->side[!first].next;
	say(talk, !first, FIN | ACK, 0);
	say(talk, first, ACK, 0);
	pass(talk, 210 * MILLISECOND);
	say_at(talk, !first, FIN | ACK, seq, 0);
	say(talk, first, ACK, 0);
	ended(talk, "graceful", (int)first, (int)first);
	talk->truth.fin_retransmits = 1;
}

/* The second FIN is the last that is seen; whether it arrived nobody can know. */
static void last_ack_missing(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, CLIENT, FIN | ACK, 0);
	say(talk, SERVER, FIN | ACK, 0);
	ended(talk, "graceful", CLIENT, CLIENT);
	talk->truth.state[SERVER] = "LAST-ACK";
}

static void left_open(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	for (uint64_t i = chance_below(talk->chance, 4); i > 0; i--) {
		pass(talk, 15 * SECOND);
		say_at(talk, SERVER, ACK, talk->side[SERVER].next - 1, 0);
		say(talk, CLIENT, ACK, 0);
	}
}

/* The client does not read: its window is closed, and probes find it so. */
static void stuck(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, SERVER, PSH | ACK, MSS);
	talk->side[CLIENT].window = 0;
	say(talk, CLIENT, ACK, 0);
	for (int i = 0; i < 3; i++) {
		pass(talk, (int64_t)(200 << i) * MILLISECOND);
		say_at(talk, SERVER, ACK, talk->side[SERVER].next - 1, 0);
		say(talk, CLIENT, ACK, 0);
	}
}

static void begun_before(struct talk *talk, const struct noise *noise)
{
	opened(talk, "unknown");
	for (unsigned i = 0; i < 2; i++) {
		talk->side[i].next += 5000 + (uint32_t)chance_below(talk->chance, 1000000);
		arrive(talk, i);
	}
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say(talk, SERVER, PSH | ACK, request_length(talk));
	converse(talk, talk->wanted, noise);
	four_segments(talk, either(talk));
}

static void fast_open(struct talk *talk, const struct noise *noise)
{
	opened(talk, "fast-open");
	say(talk, CLIENT, SYN, request_length(talk));
	say(talk, SERVER, SYN | ACK, 0);
	say(talk, CLIENT, ACK, 0);
	say(talk, SERVER, PSH | ACK, request_length(talk));
	converse(talk, talk->wanted, noise);
	four_segments(talk, SERVER);
}

/* Something in between ends it in the client's name. The answer was just there: by the look of it
 * the client had not read it. */
static void middlebox(struct talk *talk, const struct noise *noise)
{
	begin(talk, noise);
	say(talk, CLIENT, PSH | ACK, request_length(talk));
	say(talk, SERVER, PSH | ACK, request_length(talk));
	say(talk, CLIENT, ACK, 0);
	pass(talk, 100 * MICROSECOND);
	turn(talk, CLIENT);
	talk->side[CLIENT].ttl = 250;
	say_reset(talk, CLIENT);
	reset(talk, "reset", CLIENT, "unread-data");
}

static const struct story {
	unsigned share; /* of all, together 1,000 */
	void (*tell)(struct talk *talk, const struct noise *noise);
} stories[] = {
	{250, graceful_four},  {335, graceful_three}, {120, fin_with_data},
	{10, simultaneous},    {15, half_close_used}, {35, half_closed},
	{15, reset_unread},    {35, reset_abort},     {20, reset_after_close},
	{5, reset_half_open},  {20, refused},	      {20, unanswered},
	{10, client_gone},     {20, fin_repeated},    {10, last_ack_lost},
	{5, last_ack_missing}, {40, left_open},	      {5, stuck},
	{20, begun_before},    {6, fast_open},	      {4, middlebox},
};

static const struct story *pick(struct talk *talk)
{
	unsigned left = (unsigned)chance_below(talk->chance, 1000);
	const struct story *story = stories;

	while (left >= story->share)
		left -= (story++)->share;
	return story;
}

size_t talk_make_up(struct talk *talk, const struct noise *noise)
{
	const struct story *story;

	/* Without a SYN nobody could tell it from the one before. */
	do
		story = pick(talk);
	while (talk->truth.reused && story->tell == begun_before);
	story->tell(talk, noise);
	return talk->count > talk->wanted ? talk->count - talk->wanted : 0;
}

void talk_done(struct talk *talk)
{
	free(talk->steps);
	talk->steps = NULL;
}
