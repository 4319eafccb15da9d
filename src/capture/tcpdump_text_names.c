#include "capture/tcpdump_text_names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "capture/tcpdump_text_services.h"

/* What a text may cost; a real one is far below. */
enum { HOSTS_MAX = 1 << 16, SERVICES_MAX = 1 << 13, SAID_MAX = 1 << 16 };

/* A domain name has 253 characters at most (RFC 1035 2.3.4), the name of a service 15 (RFC
 * 6335 5.1). */
enum { HOST_MAX = 255, SERVICE_MAX = 31 };

static const uint8_t discard_prefix[8] = {0x01};

void text_names_init(struct text_names *names, uint64_t seed)
{
	*names = (struct text_names){.next_port = TEXT_PORT_STAND_IN};
	names->hosts.seed = names->services.seed = names->said.seed = seed;
}

void text_names_done(struct text_names *names)
{
	text_words_done(&names->hosts);
	text_words_done(&names->services);
	text_words_done(&names->said);
	free(names->ports);
	names->ports = NULL;
}

/* --- Addresses --- */

/* Letters, digits, and what else is met in names; at least one letter. */
static bool is_name(struct text_slice word, const char *others, size_t max)
{
	bool letter = false;

	if (slice_length(word) > max)
		return false;
	for (; !slice_empty(word); word.at++) {
		unsigned char c = (unsigned char)*word.at;

		if (c >= 0x80 || (!isalnum(c) && (!c || !strchr(others, c))))
			return false;
		letter |= isalpha(c) != 0;
	}
	return letter;
}

static int host_stand_in(struct text_names *names, struct text_slice host, struct tcp_address *ret)
{
	struct tcp_address address = {.family = AF_INET6};
	int64_t number;

	if (!is_name(host, "-_.", HOST_MAX))
		return -EBADMSG;
	number = text_words_number(&names->hosts, host, HOSTS_MAX);
	if (number < 0)
		return (int)number;
	memcpy(address.bytes, discard_prefix, sizeof(discard_prefix));
	number++; /* 0100:: itself looks like a mistake */
	for (size_t i = 0; i < 4; i++)
		address.bytes[15 - i] = (uint8_t)(number >> 8 * i);
	*ret = address;
	return 0;
}

static int parse_host(struct text_names *names, struct text_slice host, struct tcp_address *ret)
{
	char text[INET6_ADDRSTRLEN];
	const char *zone = slice_find(host, "%"); /* "fe80::1%en0", on macOS */

	if (zone && zone > host.at && memchr(host.at, ':', (size_t)(zone - host.at)))
		host.end = zone;
	if (slice_length(host) < sizeof(text)) {
		memcpy(text, host.at, slice_length(host));
		text[slice_length(host)] = '\0';
		if (!tcp_address_parse(text, ret))
			return 0;
	}
	return host_stand_in(names, host, ret);
}

/* --- Ports --- */

static int service_add(struct text_names *names, struct text_slice service, size_t number)
{
	char text[SERVICE_MAX + 1];
	int known;

	memcpy(text, service.at, slice_length(service));
	text[slice_length(service)] = '\0';
	known = text_service_port(text);
	if (known < 0) {
		if (!names->next_port)
			return -ENOSPC;
		known = names->next_port++; /* 0 after 65535 */
	}
	names->ports[number] = (uint16_t)known;
	return 0;
}

static int parse_service(struct text_names *names, struct text_slice service, uint16_t *ret)
{
	size_t before = names->services.count;
	int64_t number;
	int r = 0;

	if (!is_name(service, "-_+*/", SERVICE_MAX))
		return -EBADMSG;
	if (ARRAY_ROOM(names->ports, names->port_capacity, before) < 0)
		return -ENOMEM;
	number = text_words_number(&names->services, service,
				   names->next_port ? SERVICES_MAX : before);
	if (number < 0)
		return (int)number;
	if ((size_t)number == before)
		r = service_add(names, service, before);
	if (r == 0)
		*ret = names->ports[number];
	return r;
}

static int parse_port(struct text_names *names, struct text_slice port, uint16_t *ret)
{
	struct text_slice rest = port;
	uint64_t number;

	if (!slice_number(&rest, UINT16_MAX, &number) || !slice_empty(rest))
		return parse_service(names, port, ret); /* "9pfs" is a name, too; "99999" is none */
	*ret = (uint16_t)number;
	return 0;
}

int text_names_endpoint(struct text_names *names, struct text_slice text, struct tcp_endpoint *ret)
{
	struct tcp_endpoint endpoint = {0};
	const char *dot = slice_empty(text) ? NULL : memrchr(text.at, '.', slice_length(text));
	int r;

	if (!dot || dot == text.at)
		return -EBADMSG;
	r = parse_port(names, (struct text_slice){dot + 1, text.end}, &endpoint.port);
	if (r == 0)
		r = parse_host(names, (struct text_slice){text.at, dot}, &endpoint.address);
	if (r == 0)
		*ret = endpoint;
	return r;
}

/* --- Back --- */

static const char *host_name(const struct text_names *names, const struct tcp_address *address)
{
	const uint8_t *low = address->bytes + 12;
	size_t number = (size_t)low[0] << 24 | (size_t)low[1] << 16 | (size_t)low[2] << 8 | low[3];

	if (address->family != AF_INET6 ||
	    memcmp(address->bytes, discard_prefix, sizeof(discard_prefix)) != 0 ||
	    memcmp(address->bytes + 8, "\0\0\0\0", 4) != 0 || number == 0)
		return NULL;
	return text_words_get(&names->hosts, number - 1);
}

static const char *service_name(const struct text_names *names, uint16_t port)
{
	for (size_t i = 0; i < names->services.count; i++)
		if (names->ports[i] == port)
			return text_words_get(&names->services, i);
	return NULL;
}

const char *text_names_name(struct text_names *names, const struct tcp_endpoint *endpoint)
{
	const char *host = host_name(names, &endpoint->address);
	const char *service = service_name(names, endpoint->port);
	char address[TCP_ENDPOINT_TEXT_MAX], port[8], text[HOST_MAX + SERVICE_MAX + 4];
	bool six = endpoint->address.family == AF_INET6 && !host;
	int64_t number;
	int length;

	/* "10.0.0.1.http" is told as it is: 10.0.0.1:80. */
	if (!host && (!service || endpoint->port < TEXT_PORT_STAND_IN ||
		      text_service_port(service) == endpoint->port))
		return NULL;
	snprintf(port, sizeof(port), "%u", endpoint->port);
	tcp_address_format(&endpoint->address, address);
	length = snprintf(text, sizeof(text), "%s%s%s:%s", six ? "[" : "", host ? host : address,
			  six ? "]" : "", service ? service : port);
	number = text_words_number(&names->said, (struct text_slice){text, text + length},
				   SAID_MAX);
	return number < 0 ? NULL : text_words_get(&names->said, (size_t)number);
}
