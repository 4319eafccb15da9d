#include "load/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* An address as a number; of IPv4 in @low alone. */
struct number {
	uint64_t high, low;
};

static struct number to_number(const struct tcp_address *address)
{
	struct number number = {0};
	int length = address->family == AF_INET ? 4 : 16;

	for (int i = 0; i < length; i++) {
		number.high = number.high << 8 | number.low >> 56;
		number.low = number.low << 8 | address->bytes[i];
	}
	return number;
}

static void from_number(struct number number, int family, struct tcp_address *ret)
{
	struct tcp_address address = {.family = family};

	for (int i = family == AF_INET ? 3 : 15; i >= 0; i--) {
		address.bytes[i] = (uint8_t)number.low;
		number.low = number.low >> 8 | number.high << 56;
		number.high >>= 8;
	}
	*ret = address;
}

static struct number add(struct number number, uint64_t n)
{
	struct number sum = {number.high, number.low + n};

	if (sum.low < number.low)
		sum.high++;
	return sum;
}

static struct number subtract(struct number from, struct number what)
{
	return (struct number){from.high - what.high - (from.low < what.low), from.low - what.low};
}

static bool is_less(struct number a, struct number b)
{
	return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* The number with its last @bits (0 to 128) set to 0. */
static struct number clear_last(struct number number, unsigned bits)
{
	if (bits >= 64) {
		number.low = 0;
		number.high &= bits == 128 ? 0 : UINT64_MAX << (bits - 64);
	} else {
		number.low &= UINT64_MAX << bits;
	}
	return number;
}

/* The address in the first @length characters of @text. */
static int parse_part(const char *text, size_t length, struct tcp_address *ret)
{
	char part[INET6_ADDRSTRLEN];

	if (length >= sizeof(part))
		return -EINVAL;
	memcpy(part, text, length);
	part[length] = '\0';
	return tcp_address_parse(part, ret);
}

static int no_address(const char *text, struct why *why)
{
	return why_say(why, -EINVAL,
		       "%s: not an address, range or network like 10.0.0.1, 10.0.0.1-10.0.0.9, "
		       "10.0.0.0/24, fd00::1-fd00::9, fd00::/112",
		       text);
}

static int too_large(const char *text, struct why *why)
{
	return why_say(why, -EINVAL, "%s: too large; %u addresses are the most", text,
		       LOAD_SOURCE_MAX);
}

static int parse_range(const char *text, const struct tcp_address *first, const char *last_text,
		       struct load_source *ret, struct why *why)
{
	struct number begin = to_number(first), end, distance;
	struct tcp_address last;

	if (parse_part(last_text, strlen(last_text), &last) < 0)
		return no_address(text, why);
	if (last.family != first->family)
		return why_say(why, -EINVAL,
			       "%s: one end is IPv4, the other is IPv6; a range has one of them",
			       text);
	end = to_number(&last);
	if (is_less(end, begin))
		return why_say(why, -EINVAL, "%s: runs backwards; the lower address comes first",
			       text);
	distance = subtract(end, begin);
	if (distance.high || distance.low >= LOAD_SOURCE_MAX)
		return too_large(text, why);
	*ret = (struct load_source){.first = *first, .count = distance.low + 1};
	return 0;
}

/* The bits of a prefix "/N" that @width bits have; or -EINVAL. */
static int parse_prefix(const char *text, int width)
{
	size_t digits = strspn(text, "0123456789");
	int prefix;

	if (!digits || digits > 3 || text[digits])
		return -EINVAL;
	prefix = atoi(text);
	return prefix <= width ? prefix : -EINVAL;
}

/*
 * Leaves out what no host has. All of loopback are local addresses, but its broadcast address is
 * none: bind() takes 127.255.255.255 and sets no source (net/ipv4/af_inet.c, __inet_bind(): "Use
 * device"), so that connect() silently goes from 127.0.0.1; seen with Linux 6.18.
 */
static void trim_v4(struct number *first, uint64_t *count)
{
	uint64_t last = first->low + *count - 1;

	if (first->low >> 24 == IN_LOOPBACKNET) {
		if (last == 0x7fffffff)
			*count -= 1;
		return;
	}
	first->low += 1;
	*count -= 2;
}

static int parse_network(const char *text, const struct tcp_address *within,
			 const char *prefix_text, struct load_source *ret, struct why *why)
{
	int width = within->family == AF_INET ? 32 : 128;
	int prefix = parse_prefix(prefix_text, width);
	struct load_source source;
	struct number first;

	if (prefix < 0)
		return why_say(why, -EINVAL, "%s: a prefix has /0 to /%d", text, width);
	if (width - prefix > 24)
		return too_large(text, why);
	first = clear_last(to_number(within), (unsigned)(width - prefix));
	source.count = UINT64_C(1) << (width - prefix);
	if (width == 32 && prefix < 31)
		trim_v4(&first, &source.count);
	from_number(first, within->family, &source.first);
	*ret = source;
	return 0;
}

_Static_assert(LOAD_SOURCE_MAX == 16777216, "parse_network() bounds by bits");

int load_source_parse(const char *text, struct load_source *ret, struct why *why)
{
	size_t length = strcspn(text, "-/");
	struct tcp_address first;

	if (parse_part(text, length, &first) < 0)
		return no_address(text, why);
	if (text[length] == '-')
		return parse_range(text, &first, text + length + 1, ret, why);
	if (text[length] == '/')
		return parse_network(text, &first, text + length + 1, ret, why);
	*ret = (struct load_source){.first = first, .count = 1};
	return 0;
}

uint64_t load_sources_total(const struct load_source *sources, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += sources[i].count;
	return total;
}

void load_sources_at(const struct load_source *sources, size_t count, uint64_t index,
		     struct tcp_address *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (index < sources[i].count) {
			from_number(add(to_number(&sources[i].first), index),
				    sources[i].first.family, ret);
			return;
		}
		index -= sources[i].count;
	}
}

bool load_source_find(const struct load_source *source, const struct tcp_address *address,
		      uint64_t *ret)
{
	struct number first = to_number(&source->first), at = to_number(address);

	if (address->family != source->first.family || is_less(at, first))
		return false;
	at = subtract(at, first);
	if (at.high != 0 || at.low >= source->count)
		return false;
	*ret = at.low;
	return true;
}

struct network {
	struct tcp_address address;
	unsigned prefix;
};

#define V4(bits, ...)                                                                              \
	{                                                                                          \
		{.family = AF_INET, .bytes = {__VA_ARGS__}}, bits                                  \
	}
#define V6(bits, ...)                                                                              \
	{                                                                                          \
		{.family = AF_INET6, .bytes = {__VA_ARGS__}}, bits                                 \
	}

static const struct network own[] = {
	V4(8, 127),	      /* loopback, RFC 1122 3.2.1.3 */
	V4(32, 0),	      /* this host: connect() takes it for loopback (ip_route_connect()) */
	V4(8, 10),	      /* RFC 1918 */
	V4(12, 172, 16),      /* RFC 1918 */
	V4(16, 192, 168),     /* RFC 1918 */
	V4(16, 169, 254),     /* link-local, RFC 3927 */
	V4(10, 100, 64),      /* carrier-grade NAT, RFC 6598 */
	V4(15, 198, 18),      /* benchmarking, RFC 2544 C.2.2 */
	V4(24, 192, 0, 2),    /* documentation, RFC 5737 */
	V4(24, 198, 51, 100), /* documentation, RFC 5737 */
	V4(24, 203, 0, 113),  /* documentation, RFC 5737 */
	V6(128, [15] = 1),    /* loopback, RFC 4291 2.5.3 */
	V6(128, [15] = 0),    /* the unspecified one: this host, too */
	V6(7, 0xfc),	      /* unique local, RFC 4193 */
	V6(10, 0xfe, 0x80),   /* link-local, RFC 4291 2.5.6 */
	V6(48, 0x20, 0x01, 0x00, 0x02), /* benchmarking, RFC 5180 8 */
	V6(32, 0x20, 0x01, 0x0d, 0xb8), /* documentation, RFC 3849 */
};

static bool contains(const struct network *network, const struct tcp_address *address)
{
	unsigned width = network->address.family == AF_INET ? 32 : 128;
	struct number first;

	if (address->family != network->address.family)
		return false;
	first = clear_last(to_number(address), width - network->prefix);
	return !is_less(first, to_number(&network->address)) &&
	       !is_less(to_number(&network->address), first);
}

bool load_is_private(const struct tcp_address *address)
{
	struct tcp_address plain = *address;

	if (address->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6)) {
		plain = (struct tcp_address){.family = AF_INET};
		memcpy(plain.bytes, address->bytes + 12, 4);
	}
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (contains(&own[i], &plain))
			return true;
	return false;
}
