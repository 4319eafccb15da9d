#include "cmd/load_targets.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "load/source.h"

/* An operand in its parts: "HOST", "HOST:PORT", "[v6]", "[v6]:PORT", "v6". */
struct target {
	char host[256];
	uint16_t port;
};

static int bad_target(const struct invocation *call, const char *text)
{
	return invocation_fail(call, CLI_USAGE,
			       "'%.100s' is not a destination such as 127.0.0.1:80, [::1]:80 or "
			       "name:80",
			       text);
}

/* Where the port's colon is, or the end of @text: several colons are an IPv6 address's. */
static const char *find_colon(const char *text)
{
	const char *bracket = *text == '[' ? strchr(text, ']') : NULL, *colon;

	if (bracket)
		return bracket + 1;
	colon = strchr(text, ':');
	return colon && !strchr(colon + 1, ':') ? colon : text + strlen(text);
}

static int split(const struct invocation *call, const char *text, struct target *ret)
{
	const char *colon = find_colon(text), *from = text;
	struct target target = {.port = LOAD_PORT};
	size_t length;
	int64_t port;

	if (*text == '[') {
		if (colon == text + strlen(text) && text[strlen(text) - 1] != ']')
			return bad_target(call, text);
		from++;
	}
	length = (size_t)(colon - from) - (*text == '[');
	if (length == 0 || length >= sizeof(target.host) || (*colon && *colon != ':'))
		return bad_target(call, text);
	memcpy(target.host, from, length);
	if (*colon) {
		if (cli_parse_number(colon + 1, &port) < 0 || port < 1 || port > UINT16_MAX)
			return invocation_fail(call, CLI_USAGE,
					       "'%.100s': its port is not a number from 1 to 65535",
					       text);
		target.port = (uint16_t)port;
	}
	*ret = target;
	return CLI_DONE;
}

static int cannot_resolve(const struct invocation *call, const char *host, int error)
{
	const char *reason = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
	const char *verb = invocation_near_verb(call, host);

	if (verb)
		return invocation_fail(call, CLI_REFUSED,
				       "cannot resolve '%.100s': %s; did you mean '%s %s'?", host,
				       reason, call->path, verb);
	return invocation_fail(call, CLI_REFUSED, "cannot resolve '%.100s': %s", host, reason);
}

static int resolve(const struct invocation *call, const struct target *target, int family,
		   struct tcp_endpoint *ret)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *found;
	struct tcp_endpoint at = {.port = target->port};
	int r;

	/* Plain addresses need no resolver, and are of the family they are of. */
	if (tcp_address_parse(target->host, &at.address) == 0) {
		if (family != AF_UNSPEC && family != at.address.family)
			return invocation_fail(call, CLI_USAGE, "%s is not an IPv%d address",
					       target->host, family == AF_INET ? 4 : 6);
		*ret = at;
		return CLI_DONE;
	}
	r = getaddrinfo(target->host, NULL, &hints, &found);
	if (r != 0)
		return cannot_resolve(call, target->host, r);
	r = tcp_endpoint_from_sockaddr(found->ai_addr, &at);
	freeaddrinfo(found);
	if (r < 0)
		return cannot_resolve(call, target->host, EAI_FAMILY);
	at.port = target->port;
	*ret = at;
	return CLI_DONE;
}

static int guard(const struct invocation *call, const struct target *target,
		 const struct tcp_endpoint *at)
{
	char text[TCP_ENDPOINT_TEXT_MAX];
	const char *owned;

	if (at->address.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&at->address.v6))
		return invocation_fail(call, CLI_USAGE,
				       "%s is link-local: contest load cannot name the interface "
				       "that it belongs to",
				       target->host);
	if (load_is_private(&at->address))
		return CLI_DONE;
	for (size_t i = 0; (owned = invocation_text_at(call, "yes-i-own-it", i)); i++)
		if (strcmp(owned, target->host) == 0)
			return CLI_DONE;
	return invocation_fail(call, CLI_USAGE,
			       "%s is not loopback, private or set aside for tests: only the owner "
			       "of %s may load it, and says so with --yes-i-own-it %s",
			       tcp_address_format(&at->address, text), target->host, target->host);
}

/*
 * Whether packets to it stay here: the route to an address of our own has that address as its
 * source (net/ipv4/route.c, __ip_route_output_key()). A UDP socket asks the way and sends nothing.
 */
static bool is_here(const struct tcp_endpoint *at)
{
	CLEANUP_CLOSE int fd = socket(at->address.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address;
	struct tcp_endpoint local;
	socklen_t length;

	tcp_endpoint_to_sockaddr(at, &address, &length);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) < 0)
		return false;
	length = sizeof(address);
	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	       tcp_endpoint_from_sockaddr((struct sockaddr *)&address, &local) == 0 &&
	       tcp_address_equal(&local.address, &at->address);
}

static bool is_loopback(const struct tcp_address *address)
{
	return address->family == AF_INET ? address->bytes[0] == IN_LOOPBACKNET
					  : IN6_IS_ADDR_LOOPBACK(&address->v6);
}

static int find(const struct invocation *call, const struct load_options *options,
		struct load_targets *targets)
{
	struct target target = {0};
	int r;

	for (size_t i = 0; i < call->operand_count; i++) {
		struct tcp_endpoint at = {0};

		r = split(call, call->operands[i], &target);
		if (r == CLI_DONE)
			r = resolve(call, &target, options->family, &at);
		if (r == CLI_DONE)
			r = guard(call, &target, &at);
		if (r != CLI_DONE)
			return r;
		/* The source of 127.0.0.2 is 127.0.0.1. */
		if (!is_loopback(&at.address) && !is_here(&at))
			targets->are_here = false;
		targets->at[targets->count++] = at;
	}
	return CLI_DONE;
}

/* Sources of another family than a destination can only fail. */
static int check_families(const struct invocation *call, const struct load_plan *plan,
			  const struct load_targets *targets)
{
	char source[TCP_ENDPOINT_TEXT_MAX], to[TCP_ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < plan->source_count; i++)
		for (size_t j = 0; j < targets->count; j++)
			if (plan->sources[i].first.family != targets->at[j].address.family)
				return invocation_fail(
					call, CLI_USAGE,
					"option '--source': no connection leads from %s to %s",
					tcp_address_format(&plan->sources[i].first, source),
					tcp_endpoint_format(&targets->at[j], to));
	return CLI_DONE;
}

/* The port where it is not that of http (RFC 9110 section 7.2). */
static int name_host(const struct invocation *call, struct load_targets *targets)
{
	struct target target = {0};
	const char *open, *close;
	int r = split(call, call->operands[0], &target);

	if (r != CLI_DONE)
		return r;
	open = strchr(target.host, ':') ? "[" : "";
	close = *open ? "]" : "";
	if (target.port == 80)
		r = asprintf(&targets->http_host, "%s%s%s", open, target.host, close);
	else
		r = asprintf(&targets->http_host, "%s%s%s:%u", open, target.host, close,
			     target.port);
	if (r >= 0)
		return CLI_DONE;
	targets->http_host = NULL;
	return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
}

int load_targets_find(const struct invocation *call, struct load_options *options,
		      struct load_targets *ret)
{
	int r;

	*ret = (struct load_targets){
		.at = calloc(call->operand_count, sizeof(*ret->at)),
		.are_here = true,
	};
	if (!ret->at)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	r = find(call, options, ret);
	if (r == CLI_DONE)
		r = check_families(call, &options->plan, ret);
	if (r == CLI_DONE)
		r = name_host(call, ret);
	options->plan.destinations = ret->at;
	options->plan.destination_count = ret->count;
	options->plan.http_host = ret->http_host;
	return r;
}

void load_targets_done(struct load_targets *targets)
{
	free(TAKE_PTR(targets->at));
	free(TAKE_PTR(targets->http_host));
}
