#include "tcp/key.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

bool tcp_address_equal(const struct tcp_address *a, const struct tcp_address *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

bool tcp_endpoint_equal(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	return a->port == b->port && tcp_address_equal(&a->address, &b->address);
}

bool tcp_key_equal(const struct tcp_key *a, const struct tcp_key *b)
{
	return tcp_endpoint_equal(&a->local, &b->local) &&
	       tcp_endpoint_equal(&a->remote, &b->remote);
}

struct tcp_key tcp_key_reverse(const struct tcp_key *key)
{
	return (struct tcp_key){.local = key->remote, .remote = key->local};
}

int tcp_address_parse(const char *text, struct tcp_address *ret)
{
	struct tcp_address address = {0};

	address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address.family, text, address.bytes) != 1)
		return -EINVAL;
	*ret = address;
	return 0;
}

/* Up to 99999. */
static char *put_decimal(char *at, unsigned number)
{
	unsigned unit = number >= 10000	 ? 10000
			: number >= 1000 ? 1000
			: number >= 100	 ? 100
			: number >= 10	 ? 10
					 : 1;

	for (; unit; unit /= 10)
		*at++ = (char)('0' + number / unit % 10);
	return at;
}

/* Both formats are made for each of half a million connections: printf would take longer than all
 * else that is told of one. */
static char *put_address(char *at, const struct tcp_address *address)
{
	if (address->family == AF_INET) {
		for (int i = 0; i < 4; i++) {
			at = put_decimal(at, address->bytes[i]);
			*at++ = i < 3 ? '.' : '\0';
		}
		return at - 1;
	}
	/* The brackets and the port find room behind any address: INET6_ADDRSTRLEN is 46. */
	if (!inet_ntop(address->family, address->bytes, at, INET6_ADDRSTRLEN))
		strcpy(at, "?");
	return at + strlen(at);
}

char *tcp_address_format(const struct tcp_address *address, char *text)
{
	put_address(text, address);
	return text;
}

char *tcp_endpoint_format(const struct tcp_endpoint *endpoint, char *text)
{
	bool brackets = endpoint->address.family == AF_INET6;
	char *at = text;

	if (brackets)
		*at++ = '[';
	at = put_address(at, &endpoint->address);
	if (brackets)
		*at++ = ']';
	*at++ = ':';
	at = put_decimal(at, endpoint->port);
	*at = '\0';
	return text;
}

void tcp_endpoint_to_sockaddr(const struct tcp_endpoint *endpoint, struct sockaddr_storage *ret,
			      socklen_t *ret_length)
{
	memset(ret, 0, sizeof(*ret));
	if (endpoint->address.family == AF_INET6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

		v6->sin6_family = AF_INET6;
		v6->sin6_addr = endpoint->address.v6;
		v6->sin6_port = htons(endpoint->port);
		*ret_length = sizeof(*v6);
	} else {
		struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

		v4->sin_family = AF_INET;
		v4->sin_addr = endpoint->address.v4;
		v4->sin_port = htons(endpoint->port);
		*ret_length = sizeof(*v4);
	}
}

int tcp_endpoint_from_sockaddr(const struct sockaddr *from, struct tcp_endpoint *ret)
{
	struct tcp_endpoint endpoint = {0};

	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;

		endpoint.address.family = AF_INET;
		endpoint.address.v4 = v4->sin_addr;
		endpoint.port = ntohs(v4->sin_port);
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

		endpoint.port = ntohs(v6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
			endpoint.address.family = AF_INET;
			memcpy(endpoint.address.bytes, v6->sin6_addr.s6_addr + 12, 4);
		} else {
			endpoint.address.family = AF_INET6;
			endpoint.address.v6 = v6->sin6_addr;
		}
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = endpoint;
	return 0;
}

int tcp_key_of_socket(int fd, struct tcp_key *ret)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	struct tcp_key key;
	int r;

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	r = tcp_endpoint_from_sockaddr((struct sockaddr *)&address, &key.local);
	if (r < 0)
		return r;
	length = sizeof(address);
	if (getpeername(fd, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	r = tcp_endpoint_from_sockaddr((struct sockaddr *)&address, &key.remote);
	if (r < 0)
		return r;
	*ret = key;
	return 0;
}
