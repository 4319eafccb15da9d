/*
 * The course of a connection in letters, as Zeek's conn.log has it: capitals are the client's.
 * S, H (SYN-ACK), F and R again when their number is another; A, D, I and Q once; C, G, T and W at
 * the 1st, 10th, 100th … time.
 */
#include <ctype.h>
#include <string.h>

#include "explain/flow.h"

static void add(struct flow_history *history, unsigned from, char letter)
{
	if (history->length + 1u < sizeof(history->text))
		history->text[history->length++] = (char)(from == TRACK_CLIENT ? letter
									       : tolower(letter));
}

static void add_once(struct flow_history *history, unsigned from, char letter)
{
	static const char letters[] = "ADIQ";
	unsigned bit = 1u << (2 * (strchr(letters, letter) - letters) + from);

	if (history->once & bit)
		return;
	history->once |= (uint8_t)bit;
	add(history, from, letter);
}

static void add_numbered(struct flow_history *history, unsigned from, char letter, uint32_t number)
{
	static const char letters[] = "SHFR";
	unsigned which = (unsigned)(strchr(letters, letter) - letters);
	uint8_t bit = (uint8_t)(1u << which);

	if ((history->known[from] & bit) && history->number[from][which] == number)
		return;
	history->known[from] |= bit;
	history->number[from][which] = number;
	add(history, from, letter);
}

static bool is_power_of_ten(uint32_t n)
{
	while (n >= 10 && n % 10 == 0)
		n /= 10;
	return n == 1;
}

static void add_counted(struct flow_history *history, unsigned from, char letter)
{
	static const char letters[] = "CGTW";
	uint32_t *times = &history->times[from][strchr(letters, letter) - letters];

	if (*times < UINT32_MAX && is_power_of_ten(++*times))
		add(history, from, letter);
}

void flow_history_flip(struct flow_history *history)
{
	add(history, TRACK_CLIENT, '^');
}

void flow_history_add(struct flow_history *history, unsigned from, const struct segment *s,
		      enum segment_role role, bool repeated, bool gap)
{
	uint8_t flags = s->flags;

	if (s->checksum_bad)
		add_counted(history, from, 'C');
	if ((flags & TCP_FLAG_SYN) && (flags & (TCP_FLAG_FIN | TCP_FLAG_RST)))
		add_once(history, from, 'Q');
	else if ((flags & TCP_FLAG_FIN) && (flags & TCP_FLAG_RST))
		add_once(history, from, 'I');
	else if (flags & TCP_FLAG_SYN)
		add_numbered(history, from, flags & TCP_FLAG_ACK ? 'H' : 'S', s->seq);
	if (gap)
		add_counted(history, !from, 'G');
	if (repeated)
		add_counted(history, from, 'T');
	if (s->payload_length && role != ROLE_KEEPALIVE)
		add_once(history, from, 'D');
	if (!s->payload_length && (flags & TCP_FLAG_ACK) &&
	    !(flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST)))
		add_once(history, from, 'A');
	if (s->window == 0 && !(flags & (TCP_FLAG_SYN | TCP_FLAG_RST)))
		add_counted(history, from, 'W');
	if ((flags & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_FIN)
		add_numbered(history, from, 'F', segment_end(s) - 1);
	if ((flags & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_RST)
		add_numbered(history, from, 'R', s->seq);
}
