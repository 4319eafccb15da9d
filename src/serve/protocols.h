/* The protocols, for protocol.c's list alone. */
#ifndef CONTEST_SERVE_PROTOCOLS_H
#define CONTEST_SERVE_PROTOCOLS_H

#include "serve/protocol.h"

extern const struct serve_protocol protocol_daytime, protocol_echo, protocol_discard,
	protocol_chargen, protocol_chat, protocol_http;

#endif
