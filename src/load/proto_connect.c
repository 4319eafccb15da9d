/* Nothing is said: what opening and closing cost by themselves. */
#include "load/proto_list.h"

/* A server that awaits a request would not close first. */
const struct load_protocol load_protocol_connect = {
	.name = "connect",
	.summary = "says nothing: complete once established",
	.usual_closing = LOAD_CLOSE_ACTIVE,
};
