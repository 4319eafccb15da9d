/* Keys of sockets as the kernel keeps them: addresses in network order and by family. */
#ifndef CONTEST_OBSERVE_SOCKET_KEY_H
#define CONTEST_OBSERVE_SOCKET_KEY_H

#include <stdint.h>
#include <string.h>

#include "tcp/key.h"

/* In the header, since it is done for each of a million sockets. */
static inline void socket_key_endpoint(struct tcp_endpoint *ret, int family, const void *address,
				       uint16_t port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(ret, 0, sizeof(*ret));
	ret->port = port;
	ret->address.family = AF_INET;
	if (family == AF_INET) {
		memcpy(ret->address.bytes, address, 4);
	} else if (memcmp(address, mapped, sizeof(mapped)) == 0) {
		memcpy(ret->address.bytes, (const uint8_t *)address + sizeof(mapped), 4);
	} else {
		ret->address.family = family;
		memcpy(ret->address.bytes, address, 16);
	}
}

/*
 * @local and @remote have 4 bytes for AF_INET, else 16; ports in host order. v4-mapped addresses
 * become the v4 addresses that they stand for. A listener bound to a v4-mapped address has "::" as
 * its other end: both are to be of one family.
 */
static inline void socket_key_set(struct tcp_key *ret, int family, const void *local,
				  uint16_t local_port, const void *remote, uint16_t remote_port)
{
	static const uint8_t none[16];

	socket_key_endpoint(&ret->local, family, local, local_port);
	socket_key_endpoint(&ret->remote, family, remote, remote_port);
	if (ret->local.address.family == AF_INET && ret->remote.address.family != AF_INET &&
	    remote_port == 0 && memcmp(ret->remote.address.bytes, none, sizeof(none)) == 0)
		ret->remote.address.family = AF_INET;
}

#endif
