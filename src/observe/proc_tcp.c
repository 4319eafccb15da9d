#include "observe/proc_tcp.h"

#include <errno.h>

#include "observe/socket_key.h"
#include "tcp/state.h"

/* What is left of a line; @bad once something was not there, and then nothing is any more. */
struct cursor {
	const char *at, *end;
	bool bad;
};

static void expect(struct cursor *line, char wanted)
{
	if (line->at == line->end || *line->at != wanted)
		line->bad = true;
	else
		line->at++;
}

static void skip_spaces(struct cursor *line)
{
	while (line->at < line->end && *line->at == ' ')
		line->at++;
}

static int digit_of(char c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The number that stands here, whose digits must fit into 64 bits. */
static uint64_t number(struct cursor *line, unsigned base)
{
	const char *start = line->at;
	uint64_t value = 0, more;
	int digit;

	while (line->at < line->end && (digit = digit_of(*line->at, base)) >= 0) {
		if (__builtin_mul_overflow(value, base, &more) ||
		    __builtin_add_overflow(more, (unsigned)digit, &value)) {
			line->bad = true;
			return 0;
		}
		line->at++;
	}
	if (line->at == start)
		line->bad = true;
	return value;
}

static uint64_t field(struct cursor *line, unsigned base)
{
	skip_spaces(line);
	return number(line, base);
}

/* Exactly @digits of them. */
static uint32_t hex(struct cursor *line, int digits)
{
	uint32_t value = 0;

	for (int i = 0; i < digits; i++) {
		int digit = line->at < line->end ? digit_of(*line->at, 16) : -1;

		if (digit < 0) {
			line->bad = true;
			return 0;
		}
		value = value << 4 | (uint32_t)digit;
		line->at++;
	}
	return value;
}

/* Each 32 bits of an address are printed as a number of this machine; the port is one. */
static uint16_t read_endpoint(struct cursor *line, int family, uint32_t *ret_address)
{
	skip_spaces(line);
	for (int i = 0; i < (family == AF_INET ? 1 : 4); i++)
		ret_address[i] = hex(line, 8);
	expect(line, ':');
	return (uint16_t)hex(line, 4);
}

static void read_key(struct cursor *line, int family, struct tcp_key *ret)
{
	uint32_t local[4], remote[4];
	uint16_t local_port = read_endpoint(line, family, local);
	uint16_t remote_port = read_endpoint(line, family, remote);

	if (!line->bad)
		socket_key_set(ret, family, local, local_port, remote, remote_port);
}

static void read_queues(struct cursor *line, struct socket_status *ret)
{
	ret->send_queue = (uint32_t)field(line, 16);
	expect(line, ':');
	ret->receive_queue = (uint32_t)number(line, 16);
}

static void read_timer(struct cursor *line, unsigned ticks, struct socket_status *ret)
{
	uint32_t timer;
	uint64_t left;

	skip_spaces(line);
	timer = hex(line, 2);
	expect(line, ':');
	left = number(line, 16);
	if (timer == SOCKET_TIMER_OFF || timer >= SOCKET_TIMER_COUNT)
		return;
	ret->timer = (enum socket_timer)timer;
	/* jiffies_delta_to_clock_t() makes 0 of what is overdue. */
	if (left <= UINT32_MAX && left * 1000 / ticks <= INT32_MAX)
		ret->timer_left_ms = (uint32_t)(left * 1000 / ticks);
}

/* Repetitions, user, probes, inode. */
static void read_rest(struct cursor *line, struct socket_status *ret)
{
	uint64_t repeats = field(line, 16), probes;
	bool full;

	ret->uid = (uint32_t)field(line, 10);
	probes = field(line, 10);
	ret->inode = (uint32_t)field(line, 10);
	field(line, 10); /* references */
	skip_spaces(line);
	while (line->at < line->end && *line->at != ' ') /* its address, "(null)", or "(ptrval)" */
		line->at++;
	skip_spaces(line);
	/* Only a full socket has more columns (rto, ato …). A request socket shows its listener's
	 * user, and sock_diag shows none. */
	full = line->at < line->end;
	if (!full)
		ret->uid = 0;
	ret->minisock = ret->timer == SOCKET_TIMER_TIMEWAIT;
	if (ret->timer == SOCKET_TIMER_RETRANSMIT)
		ret->retransmits = (unsigned)repeats;
	else if (ret->timer == SOCKET_TIMER_KEEPALIVE || ret->timer == SOCKET_TIMER_PROBE)
		ret->retransmits = (unsigned)probes;
}

int proc_tcp_parse(const char *text, const char *end, int family, unsigned ticks,
		   struct socket_status *ret)
{
	struct cursor line = {.at = text, .end = end};
	struct socket_status status = {0};

	field(&line, 10); /* its number */
	expect(&line, ':');
	read_key(&line, family, &status.key);
	skip_spaces(&line);
	status.state = (int)hex(&line, 2);
	read_queues(&line, &status);
	read_timer(&line, ticks, &status);
	read_rest(&line, &status);
	if (line.bad || status.state == 0 || status.state >= TCP_STATE_COUNT)
		return -EBADMSG;
	*ret = status;
	return 0;
}
