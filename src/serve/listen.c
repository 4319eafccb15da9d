/*
 * A text names addresses in one of four ways, tried in this order: an address as inet_pton(3)
 * reads it, "*", a network interface, a host name. An interface stands for all addresses that it
 * has now; link-local ones of IPv6 are left out, since they mean nothing without the interface,
 * for which an endpoint has no room.
 */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

/* ---- what a text stands for */

/* Endpoints found so far, each once. */
struct found {
	struct tcp_endpoint *items; /* (borrowed) the caller's room */
	size_t count, room;
	uint16_t port;
	enum listen_family family;
};

#define HOST_MAX 256

static bool family_fits(enum listen_family wanted, int family)
{
	if (wanted == LISTEN_V4)
		return family == AF_INET;
	if (wanted == LISTEN_V6)
		return family == AF_INET6;
	return family == AF_INET || family == AF_INET6;
}

static void add(struct found *found, const struct tcp_address *address)
{
	struct tcp_endpoint endpoint = {.address = *address, .port = found->port};

	if (!family_fits(found->family, address->family))
		return;
	for (size_t i = 0; i < found->count; i++)
		if (tcp_endpoint_equal(&found->items[i], &endpoint))
			return;
	if (found->count < found->room)
		found->items[found->count++] = endpoint;
}

static int parse_port(const char *text, uint16_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port;

	if (digits == 0 || digits > 5 || text[digits])
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* Where the port begins in @text: behind the ']', or behind the only ':'; NULL: there is none. */
static const char *find_port(const char *text)
{
	const char *colon = strchr(text, ':'), *bracket = strchr(text, ']');

	if (text[0] == '[')
		return bracket && bracket[1] == ':' ? bracket + 2 : NULL;
	return colon && !strchr(colon + 1, ':') ? colon + 1 : NULL;
}

/* Takes "host", "host:port", "[v6]" or "[v6]:port" apart. */
static int split(const char *text, char host[HOST_MAX], uint16_t *port, struct why *why)
{
	const char *port_text = find_port(text);
	size_t length = port_text ? (size_t)(port_text - 1 - text) : strlen(text);
	bool brackets = text[0] == '[';

	if (brackets && (length < 3 || text[length - 1] != ']'))
		return why_say(why, -EINVAL, "'%.100s' is not [ADDRESS] or [ADDRESS]:PORT", text);
	if (length - 2 * brackets >= HOST_MAX || length == 0)
		return why_say(why, -EINVAL, "'%.100s' names no address", text);
	if (port_text && parse_port(port_text, port) < 0)
		return why_say(why, -EINVAL, "'%.100s': its port is not a number from 0 to 65535",
			       text);
	memcpy(host, text + brackets, length - 2 * brackets);
	host[length - 2 * brackets] = '\0';
	if (brackets && !strchr(host, ':'))
		return why_say(why, -EINVAL, "'%.100s': only IPv6 addresses stand in brackets",
			       text);
	return 0;
}

/* Whether this system knows the family at all (ipv6.disable=1, CONFIG_IPV6=n: EAFNOSUPPORT). */
static bool has_ipv6(void)
{
	CLEANUP_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

/* All addresses: one socket for both families where that can be, see listen_open(). */
static void add_all_addresses(struct found *found)
{
	struct tcp_address any = {.family = AF_INET6};

	if (found->family == LISTEN_V4 || (found->family == LISTEN_ANY_FAMILY && !has_ipv6()))
		any.family = AF_INET;
	add(found, &any);
}

static int add_literal(struct found *found, const struct tcp_address *address, const char *host,
		       struct why *why)
{
	if (!family_fits(found->family, address->family))
		return why_say(why, -EINVAL, "%.60s is not an IPv%d address", host,
			       found->family == LISTEN_V4 ? 4 : 6);
	add(found, address);
	return 0;
}

static bool is_link_local(const struct tcp_address *address)
{
	return address->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address->v6);
}

static int add_interface(struct found *found, const char *name, struct why *why)
{
	struct ifaddrs *all;
	size_t before = found->count;

	if (getifaddrs(&all) < 0)
		return why_set(why, -errno, "cannot list the addresses of interface %.60s", name);
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		struct tcp_endpoint endpoint;

		if (one->ifa_addr && strcmp(one->ifa_name, name) == 0 &&
		    tcp_endpoint_from_sockaddr(one->ifa_addr, &endpoint) == 0 &&
		    !is_link_local(&endpoint.address))
			add(found, &endpoint.address);
	}
	freeifaddrs(all);
	if (found->count == before)
		return why_say(why, -EADDRNOTAVAIL,
			       "interface %.60s has no %saddress to listen on (link-local ones "
			       "excluded)",
			       name,
			       found->family == LISTEN_V4   ? "IPv4 "
			       : found->family == LISTEN_V6 ? "IPv6 "
							    : "");
	return 0;
}

static int add_host(struct found *found, const char *name, struct why *why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
	size_t before = found->count;
	int r = getaddrinfo(name, NULL, &hints, &all);

	if (r != 0)
		return why_say(why, -ENODEV,
			       "'%.100s' is no address, no network interface (`ip link` shows "
			       "them) and no host that is known here (%s)",
			       name, gai_strerror(r));
	for (const struct addrinfo *one = all; one; one = one->ai_next) {
		struct tcp_endpoint endpoint;

		if (tcp_endpoint_from_sockaddr(one->ai_addr, &endpoint) == 0)
			add(found, &endpoint.address);
	}
	freeaddrinfo(all);
	if (found->count == before)
		return why_say(why, -EADDRNOTAVAIL, "host %.100s has no IPv%d address", name,
			       found->family == LISTEN_V4 ? 4 : 6);
	return 0;
}

/* What was most likely meant as an address need not be asked of DNS: "10.0.0.256", "1:2:3". */
static bool looks_like_address(const char *host)
{
	return strchr(host, ':') || host[strspn(host, "0123456789.")] == '\0';
}

static int find(struct found *found, const char *host, struct why *why)
{
	struct tcp_address address;

	if (strcmp(host, "*") == 0) {
		add_all_addresses(found);
		return 0;
	}
	if (tcp_address_parse(host, &address) == 0)
		return add_literal(found, &address, host, why);
	if (if_nametoindex(host) > 0)
		return add_interface(found, host, why);
	if (looks_like_address(host))
		return why_say(why, -EINVAL, "'%.100s' is not an IP address", host);
	return add_host(found, host, why);
}

int listen_resolve(const char *text, uint16_t port, const struct listen_options *options,
		   struct tcp_endpoint *ret, size_t room, struct why *why)
{
	struct tcp_endpoint items[LISTEN_MAX];
	struct found found = {.items = items, .port = port, .family = options->family};
	char host[HOST_MAX];
	int r;

	found.room = room < LISTEN_MAX ? room : LISTEN_MAX;
	if (found.room == 0)
		return why_say(why, -EINVAL, "'%.100s': there is no room for more addresses", text);
	r = split(text, host, &found.port, why);
	if (r == 0)
		r = find(&found, host, why);
	if (r < 0)
		return r;
	memcpy(ret, items, found.count * sizeof(*ret));
	return (int)found.count;
}

/* ---- why a socket cannot be had */

/* Where ports begin that need no privilege: inet_port_requires_bind_service(), since 4.11. */
static int first_free_port(void)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;

	if (file_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", 32, &text, &length) < 0)
		return 1024;
	return atoi(text);
}

static int explain(const struct tcp_endpoint *at, const struct listen_options *options, int error,
		   struct why *why)
{
	char where[TCP_ENDPOINT_TEXT_MAX];

	tcp_endpoint_format(at, where);
	switch (error) {
	case -EADDRINUSE:
		return why_say(why, error, "cannot listen on %s: %s", where,
			       options->no_reuseaddr
				       ? "the port is in use; without SO_REUSEADDR connections in "
					 "TIME-WAIT are enough for that, for up to 60 s"
				       : "the port is in use");
	case -EACCES:
		return why_say(why, error,
			       "cannot listen on %s: ports below %d need CAP_NET_BIND_SERVICE: be "
			       "root, or setcap cap_net_bind_service+ep on the program, or sysctl "
			       "net.ipv4.ip_unprivileged_port_start=%u",
			       where, first_free_port(), at->port);
	case -EADDRNOTAVAIL:
		return why_say(why, error,
			       "cannot listen on %s: no interface here has this address (`ip "
			       "address` shows them)",
			       where);
	case -EAFNOSUPPORT:
		return why_say(why, error, "cannot listen on %s: this system has no IPv%d", where,
			       at->address.family == AF_INET6 ? 6 : 4);
	default:
		return why_set(why, error, "cannot listen on %s", where);
	}
}

/* ---- the socket */

static int set(int fd, int level, int name, int value, const char *what, struct why *why)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) == 0)
		return 0;
	return why_set(why, -errno, "cannot set %s to %d on the listening socket", what, value);
}

/* A wildcard of IPv6 takes IPv4 as well, whatever net.ipv6.bindv6only says, unless told not to. */
static bool is_v6_only(const struct tcp_endpoint *at, const struct listen_options *options)
{
	return options->family == LISTEN_V6 || !IN6_IS_ADDR_UNSPECIFIED(&at->address.v6);
}

static int set_options(int fd, const struct tcp_endpoint *at, const struct listen_options *options,
		       struct why *why)
{
	const struct {
		bool wanted;
		int level, name, value;
		const char *what;
	} table[] = {
		{at->address.family == AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY,
		 at->address.family == AF_INET6 && is_v6_only(at, options), "IPV6_V6ONLY"},
		{!options->no_reuseaddr, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"},
		{options->reuseport, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"},
		{options->receive_buffer, SOL_SOCKET, SO_RCVBUF, options->receive_buffer,
		 "SO_RCVBUF"},
		{options->send_buffer, SOL_SOCKET, SO_SNDBUF, options->send_buffer, "SO_SNDBUF"},
		{options->defer_accept_s, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept_s,
		 "TCP_DEFER_ACCEPT"},
		{options->fastopen, IPPROTO_TCP, TCP_FASTOPEN, options->fastopen, "TCP_FASTOPEN"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = table[i].wanted ? set(fd, table[i].level, table[i].name, table[i].value,
					      table[i].what, why)
					: 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Binds and listens; either finds the port in use (inet_csk_listen_start() looks again). */
static int begin(int fd, const struct tcp_endpoint *at, int backlog)
{
	struct sockaddr_storage address;
	socklen_t length;

	tcp_endpoint_to_sockaddr(at, &address, &length);
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, backlog) < 0)
		return -errno;
	return 0;
}

/* Not tcp_key_of_socket(): a listener has no peer. */
static int where_is(int fd, struct tcp_endpoint *ret)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	return tcp_endpoint_from_sockaddr((struct sockaddr *)&address, ret);
}

int listen_open(const struct tcp_endpoint *at, const struct listen_options *options, int *ret_fd,
		struct tcp_endpoint *ret_at, struct why *why)
{
	CLEANUP_CLOSE int fd = -1;
	struct tcp_endpoint where;
	int r;

	fd = socket(at->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return explain(at, options, -errno, why);
	r = set_options(fd, at, options, why);
	if (r < 0)
		return r;
	r = begin(fd, at, options->backlog > 0 ? options->backlog : SOMAXCONN);
	if (r == 0)
		r = where_is(fd, &where);
	if (r < 0)
		return explain(at, options, r, why);
	*ret_fd = TAKE_FD(fd);
	*ret_at = where;
	return 0;
}
