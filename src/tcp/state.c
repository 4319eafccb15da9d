#include "tcp/state.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

/* clang-format off */
static const char *const names[] = {
	[TCP_STATE_NONE] = "CLOSED",
	[TCP_ESTABLISHED] = "ESTABLISHED",
	[TCP_SYN_SENT] = "SYN-SENT",
	[TCP_SYN_RECV] = "SYN-RECEIVED",
	[TCP_FIN_WAIT1] = "FIN-WAIT-1",
	[TCP_FIN_WAIT2] = "FIN-WAIT-2",
	[TCP_TIME_WAIT] = "TIME-WAIT",
	[TCP_CLOSE] = "CLOSED",
	[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_LAST_ACK] = "LAST-ACK",
	[TCP_LISTEN] = "LISTEN",
	[TCP_CLOSING] = "CLOSING",
	[12] = "NEW-SYN-RECV",
	[13] = "BOUND-INACTIVE",
};
/* clang-format on */
static_assert(sizeof(names) / sizeof(names[0]) == TCP_STATE_COUNT, "a name for each state");

/* Other spellings: ss's and the kernel's where they differ by more than a dash. */
static const struct {
	const char *name;
	int state;
} aliases[] = {
	{"ESTAB", TCP_ESTABLISHED},
	{"SYN-RECV", TCP_SYN_RECV},
	{"UNCONN", TCP_CLOSE},
	{"CLOSE", TCP_CLOSE},
};

const char *tcp_state_name(int state)
{
	if (state < 0 || state >= TCP_STATE_COUNT)
		return "?";
	return names[state];
}

/* Equal but for case and for dashes and underscores, so that FIN_WAIT2 is FIN-WAIT-2. */
static bool same_name(const char *a, const char *b)
{
	for (;;) {
		while (*a == '-' || *a == '_')
			a++;
		while (*b == '-' || *b == '_')
			b++;
		if (toupper((unsigned char)*a) != toupper((unsigned char)*b))
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

int tcp_state_parse(const char *name)
{
	/* The kernel's own spelling, as in tracepoints: TCP_FIN_WAIT1. */
	if (strncasecmp(name, "TCP_", 4) == 0)
		name += 4;
	for (int state = 1; state < TCP_STATE_COUNT; state++)
		if (same_name(name, names[state]))
			return state;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (same_name(name, aliases[i].name))
			return aliases[i].state;
	return -EINVAL;
}
