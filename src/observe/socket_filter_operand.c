/* The words behind state, sport, dport, src and dst: names, ports, addresses. */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/socket_filter_tree.h"

#define STATE(state) (1U << (state))

/* Numbers of the kernel for which sock_diag shows another one: a request socket is shown as
 * SYN-RECEIVED, a socket that is only bound as CLOSED (TCP_BOUND_INACTIVE, 6.8). */
#define REQUESTED (STATE(TCP_SYN_RECV) | STATE(12))
#define UNUSED	  (STATE(TCP_CLOSE) | STATE(13))
#define IDLE	  (UNUSED | STATE(TCP_LISTEN))
#define BUCKET	  (REQUESTED | STATE(TCP_TIME_WAIT))

static const struct {
	const char *name;
	uint32_t states;
} groups[] = {
	{"all", FILTER_ALL_STATES},
	{"connected", FILTER_ALL_STATES & ~IDLE},
	{"synchronized", FILTER_ALL_STATES & ~IDLE & ~STATE(TCP_SYN_SENT)},
	{"bucket", BUCKET},
	{"big", FILTER_ALL_STATES & ~BUCKET},
	{"listening", STATE(TCP_LISTEN)},
	{"unconnected", UNUSED},
};

/* What one is likely to have meant: the spelling of ss first. */
static const char *const state_words[] = {
	"established", "syn-sent",   "syn-recv",  "fin-wait-1",	 "fin-wait-2",	 "time-wait",
	"closed",      "close-wait", "last-ack",  "listening",	 "closing",	 "all",
	"connected",   "bucket",     "big",	  "unconnected", "synchronized", "estab",
	"listen",      "fin-wait1",  "fin-wait2", "unconn",	 "syn-received", NULL,
};

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && same_letter(a[n], b[n]))
		n++;
	return n;
}

static bool one_slip(const char *a, const char *b)
{
	size_t same = common_prefix(a, b), a_left, b_left;

	a += same;
	b += same;
	a_left = strlen(a);
	b_left = strlen(b);
	if (a_left == b_left + 1)
		return strcasecmp(a + 1, b) == 0;
	if (a_left + 1 == b_left)
		return strcasecmp(a, b + 1) == 0;
	if (a_left != b_left || a_left == 0)
		return false;
	if (strcasecmp(a + 1, b + 1) == 0)
		return true;
	return a_left >= 2 && same_letter(a[0], b[1]) && same_letter(a[1], b[0]) &&
	       strcasecmp(a + 2, b + 2) == 0;
}

const char *filter_nearest(const char *word, const char *const *words)
{
	for (size_t i = 0; strlen(word) > 1 && words[i]; i++)
		if (one_slip(word, words[i]))
			return words[i];
	return NULL;
}

char *filter_show(const char *word, char *text)
{
	size_t n = 0;

	for (; word[n] && n < FILTER_SHOWN_MAX - 4; n++)
		text[n] = (unsigned char)word[n] < ' ' || word[n] == 0x7f ? '?' : word[n];
	/* Not in the middle of a character of UTF-8. */
	while (word[n] && n > 0 && ((unsigned char)word[n] & 0xc0) == 0x80)
		n--;
	strcpy(text + n, word[n] ? "..." : "");
	return text;
}

int filter_parse_state(const char *word, uint32_t *ret, struct why *why)
{
	char shown[FILTER_SHOWN_MAX];
	const char *nearest;
	int state;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (strcasecmp(word, groups[i].name) == 0) {
			*ret = groups[i].states;
			return 0;
		}
	}
	state = tcp_state_parse(word);
	if (state >= 0) {
		*ret = STATE(state);
		if (*ret & REQUESTED)
			*ret = REQUESTED;
		else if (*ret & UNUSED)
			*ret = UNUSED;
		return 0;
	}
	nearest = filter_nearest(word, state_words);
	return why_say(why, -EINVAL, "unknown state '%s'%s%s%s", filter_show(word, shown),
		       nearest ? ", did you mean " : "", nearest ? nearest : "",
		       nearest ? "?" : "");
}

/* A number without sign or base: 0, or -EINVAL for another text, -ERANGE above @max. */
static int parse_number(const char *text, size_t length, int max, int *ret)
{
	int value = 0;

	if (length == 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		if (!isdigit((unsigned char)text[i]))
			return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		value = value * 10 + text[i] - '0';
		if (value > max)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

/* services(5), for TCP. */
static int find_service(const char *name, int *ret)
{
	struct servent entry, *found = NULL;
	char buffer[4096];

	if (getservbyname_r(name, "tcp", &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return -ENOENT;
	*ret = ntohs((uint16_t)found->s_port);
	return 0;
}

/* "5000", "*", "http", and nothing where @empty allows it: any. */
static int parse_port(const char *text, bool empty, int *ret, struct why *why)
{
	char shown[FILTER_SHOWN_MAX];
	int r = parse_number(text, strlen(text), UINT16_MAX, ret);

	if (r == 0)
		return 0;
	if (strcmp(text, "*") == 0 || (empty && !*text)) {
		*ret = FILTER_ANY_PORT;
		return 0;
	}
	if (r == -ERANGE)
		return why_say(why, -EINVAL, "the largest port is 65535");
	if (!*text)
		return why_say(why, -EINVAL, "port expected");
	if (strpbrk(text, ":[]/*"))
		return why_say(why, -EINVAL, "port expected, not '%s'; addresses go with src, dst",
			       filter_show(text, shown));
	if (find_service(text, ret) == 0)
		return 0;
	return why_say(why, -EINVAL, "port expected: there is no service '%s' in /etc/services%s",
		       filter_show(text, shown),
		       access("/etc/services", R_OK) < 0 ? ", which cannot be read" : "");
}

int filter_parse_port(const char *word, int *ret, size_t *ret_at, struct why *why)
{
	const char *port = word;

	if (strncmp(port, "*:", 2) == 0)
		port += 2;
	else if (*port == ':')
		port++;
	*ret_at = (size_t)(port - word);
	return parse_port(port, false, ret, why);
}

/* The word behind src or dst, taken to pieces. */
struct host_word {
	int family; /* as it was said: inet:, inet6:, brackets; AF_UNSPEC: not at all */
	bool brackets;
	char address[64];
	size_t address_at;
	const char *length; /* NULL: none */
	size_t length_size;
	const char *port; /* NULL: none */
};

static const struct {
	const char *prefix;
	int family;
} families[] = {
	{"inet:", AF_INET},   {"inet6:", AF_INET6},	{"unix:", AF_UNIX},
	{"link:", AF_PACKET}, {"netlink:", AF_NETLINK}, {"vsock:", AF_VSOCK},
};

static int split_family(const char **at, struct host_word *ret, struct why *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		size_t length = strlen(families[i].prefix);

		if (strncmp(*at, families[i].prefix, length) != 0)
			continue;
		ret->family = families[i].family;
		if (ret->family != AF_INET && ret->family != AF_INET6)
			return why_say(why, -EINVAL,
				       "'%s' is not supported: these are TCP sockets, "
				       "inet: or inet6:",
				       families[i].prefix);
		*at += length;
	}
	return 0;
}

static int take_address(const char *from, const char *end, struct host_word *ret, struct why *why)
{
	size_t length = (size_t)(end - from);

	if (length >= sizeof(ret->address))
		return why_say(why, -EINVAL, "this is too long for an address");
	memcpy(ret->address, from, length);
	ret->address[length] = '\0';
	return 0;
}

/* "/len" at @at: what is behind it. */
static const char *take_length(const char *at, const char *end, struct host_word *ret)
{
	ret->length = at + 1;
	ret->length_size = (size_t)(end - ret->length);
	return end;
}

/* "[address]/len:port", or "[address/len]:port" as ss has it. */
static int split_brackets(const char *at, const char **end, struct host_word *ret, struct why *why)
{
	const char *close = strchr(at, ']'), *slash = strchr(at, '/');

	if (!close) {
		*end = at + strlen(at);
		return why_say(why, -EINVAL, "']' expected");
	}
	ret->brackets = true;
	*end = close + 1;
	if (slash && slash < close)
		take_length(slash, close, ret);
	else if (close[1] == '/')
		*end = take_length(close + 1, close + 1 + strcspn(close + 1, ":"), ret);
	return take_address(at + 1, slash && slash < close ? slash : close, ret, why);
}

/* "address/len:port", "address:port" */
static int split_plain(const char *at, const char **end, struct host_word *ret, struct why *why)
{
	const char *slash = strchr(at, '/'), *colon = strrchr(slash ? slash : at, ':');

	*end = colon ? colon : at + strlen(at);
	if (!slash && colon && memchr(at, ':', (size_t)(colon - at)))
		return why_say(why, -EINVAL,
			       "an IPv6 address goes into brackets, so that a port is told "
			       "from it: [fd00::1]:80");
	if (slash)
		take_length(slash, *end, ret);
	return take_address(at, slash ? slash : *end, ret, why);
}

static int split_host(const char *word, struct host_word *ret, size_t *ret_at, struct why *why)
{
	const char *at = word, *end = word;
	int r = split_family(&at, ret, why);

	*ret_at = (size_t)(at - word);
	if (r < 0)
		return r;
	ret->address_at = *ret_at + (*at == '[');
	r = *at == '[' ? split_brackets(at, &end, ret, why) : split_plain(at, &end, ret, why);
	if (r < 0) {
		if (*at == '[' && !ret->brackets)
			*ret_at = (size_t)(end - word);
		return r;
	}
	if (*end == ':') {
		ret->port = end + 1;
	} else if (*end) {
		*ret_at = (size_t)(end - word);
		return why_say(why, -EINVAL, "':' and a port expected behind ']'");
	}
	return 0;
}

/* "10/8" is "10.0.0.0/8". */
static void complete(char *address, size_t size)
{
	int dots = 0;

	if (address[strspn(address, "0123456789.")] || !*address)
		return;
	for (const char *at = address; *at; at++)
		dots += *at == '.';
	for (; dots < 3 && strlen(address) + 3 <= size; dots++)
		strcat(address, ".0");
}

static int parse_address(struct host_word *word, struct tcp_address *ret, struct why *why)
{
	char shown[FILTER_SHOWN_MAX];

	if (word->length)
		complete(word->address, sizeof(word->address));
	if (tcp_address_parse(word->address, ret) < 0)
		return why_say(why, -EINVAL,
			       "address expected, not '%s' (names of hosts are not looked up)",
			       filter_show(word->address, shown));
	if (word->brackets && ret->family != AF_INET6)
		return why_say(why, -EINVAL, "only an IPv6 address goes into brackets");
	if (word->family != AF_UNSPEC && ret->family != word->family)
		return why_say(why, -EINVAL, "this is not an address of the family %s",
			       word->family == AF_INET ? "inet" : "inet6");
	return 0;
}

static void set_network(struct filter_network *ret, const struct tcp_address *address, int length)
{
	const uint8_t *bytes = address->bytes;

	*ret = (struct filter_network){.family = address->family};
	/* The addresses of sockets come without the mapping, too (observe/sockdiag.h). */
	if (address->family == AF_INET6 && length >= 96 && IN6_IS_ADDR_V4MAPPED(&address->v6)) {
		ret->family = AF_INET;
		bytes += 12;
		length -= 96;
	}
	ret->length = (uint8_t)length;
	for (int i = 0; i * 8 < length; i++) {
		ret->mask[i] = length - i * 8 >= 8 ? 0xff : (uint8_t)(0xff00 >> (length - i * 8));
		ret->address[i] = bytes[i] & ret->mask[i];
	}
}

static int parse_network(struct host_word *word, struct filter_network *ret, size_t *ret_at,
			 const char *begin, struct why *why)
{
	bool any = !word->brackets && (!*word->address || strcmp(word->address, "*") == 0);
	struct tcp_address address;
	int length, max, r;

	*ret_at = word->address_at;
	if (any && !word->length) {
		*ret = (struct filter_network){.family = word->family};
		return 0;
	}
	r = parse_address(word, &address, why);
	if (r < 0)
		return r;
	length = max = address.family == AF_INET ? 32 : 128;
	if (word->length && parse_number(word->length, word->length_size, max, &length) < 0) {
		*ret_at = (size_t)(word->length - begin);
		return why_say(why, -EINVAL, "length of a network expected: 0 to %d", max);
	}
	set_network(ret, &address, length);
	return 0;
}

int filter_parse_host(const char *text, struct filter_network *ret, int *ret_port, size_t *ret_at,
		      struct why *why)
{
	struct host_word word = {.family = AF_UNSPEC};
	int r = split_host(text, &word, ret_at, why);

	if (r == 0)
		r = parse_network(&word, ret, ret_at, text, why);
	if (r < 0)
		return r;
	*ret_port = FILTER_ANY_PORT;
	if (!word.port)
		return 0;
	*ret_at = (size_t)(word.port - text);
	return parse_port(word.port, true, ret_port, why);
}
