/* The protocols, for protocol.c's list and their tests alone. */
#ifndef CONTEST_LOAD_PROTO_LIST_H
#define CONTEST_LOAD_PROTO_LIST_H

#include "load/protocol.h"

extern const struct load_protocol load_protocol_daytime, load_protocol_echo, load_protocol_http,
	load_protocol_raw, load_protocol_connect;

/* The plan's payload as a request of its own (owned by the caller); NULL when it is empty. */
int load_payload_copy(const struct load_plan *plan, char **ret, size_t *ret_length);

#endif
