#include "cmd/states_words.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tcp/state.h"

#define TIME_WAIT_MS 60000

/* What comes before data, data, what comes after, by the end that closes first and the other. */
const int states_order[] = {
	TCP_LISTEN,  TCP_SYN_SENT,  TCP_SYN_RECV,   TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2,
	TCP_CLOSING, TCP_TIME_WAIT, TCP_CLOSE_WAIT, TCP_LAST_ACK,    TCP_CLOSE,	    -1,
};

const char *states_name(int state)
{
	switch (state) {
	case TCP_ESTABLISHED:
		return "ESTAB";
	case TCP_SYN_RECV:
		return "SYN-RECV";
	case TCP_CLOSE:
		return "UNCONN";
	default:
		return tcp_state_name(state);
	}
}

char *states_put_number(uint64_t number, char *at)
{
	char digits[24];
	size_t length = 0;

	do {
		digits[length++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (length)
		*at++ = digits[--length];
	return at;
}

static char *put_unit(const char *unit, char *at)
{
	while (*unit)
		*at++ = *unit++;
	return at;
}

char *states_put_time(uint64_t ms, char *at)
{
	if (ms < 1000)
		return put_unit("ms", states_put_number(ms, at));
	if (ms < 10000) {
		at = states_put_number(ms / 1000, at);
		*at++ = '.';
		return put_unit("s", states_put_number(ms / 100 % 10, at));
	}
	if (ms >= 60000)
		at = put_unit("min", states_put_number(ms / 60000, at));
	if (ms < 60000 || ms / 1000 % 60 > 0)
		at = put_unit("s", states_put_number(ms / 1000 % 60, at));
	return at;
}

char *states_time(uint64_t ms, char *to)
{
	*states_put_time(ms, to) = '\0';
	return to;
}

const char *states_key_title(enum group_key key)
{
	static const char *const titles[] = {
		[GROUP_STATE] = "State",	   [GROUP_PEER] = "Peer",
		[GROUP_PEER_PORT] = "Peer port",   [GROUP_LOCAL] = "Local",
		[GROUP_LOCAL_PORT] = "Local port", [GROUP_DESTINATION] = "Destination",
		[GROUP_PROCESS] = "Process",	   [GROUP_USER] = "User",
		[GROUP_NETNS] = "Netns",	   [GROUP_TIMER] = "Timer",
	};

	_Static_assert(ARRAY_SIZE(titles) == GROUP_KEY_COUNT, "a title for each key");
	return titles[key];
}

char *states_user(uint32_t uid, char *to, size_t room)
{
	char buffer[1024];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(to, room, "%s", found->pw_name);
	else
		snprintf(to, room, "%" PRIu32, uid);
	return to;
}

static void put_owner(const struct owner *owner, char *to)
{
	if (owner->pid)
		snprintf(to, STATES_KEY_MAX, "%s (%d)", owner->name, (int)owner->pid);
	else
		strcpy(to, "-");
}

static void put_user(uint32_t uid, char *to)
{
	if (uid == GROUP_NO_USER)
		strcpy(to, "-");
	else
		states_user(uid, to, STATES_KEY_MAX);
}

/* Of a listener there is none. */
static void put_destination(const struct tcp_endpoint *endpoint, char *to)
{
	tcp_endpoint_format(endpoint, to);
	if (endpoint->port == 0)
		strcpy(strrchr(to, ':'), ":*");
}

char *states_key_text(const struct socket_group *group, enum group_key key,
		      const char *(*netns_name)(const void *context, uint64_t netns),
		      const void *context, char *to)
{
	switch (key) {
	case GROUP_STATE:
		snprintf(to, STATES_KEY_MAX, "%s", states_name(group->state));
		break;
	case GROUP_PEER:
		tcp_address_format(&group->peer.address, to);
		break;
	case GROUP_PEER_PORT:
		snprintf(to, STATES_KEY_MAX, "%u", group->peer.port);
		break;
	case GROUP_LOCAL:
		tcp_address_format(&group->local.address, to);
		break;
	case GROUP_LOCAL_PORT:
		snprintf(to, STATES_KEY_MAX, "%u", group->local.port);
		break;
	case GROUP_DESTINATION:
		put_destination(&group->peer, to);
		break;
	case GROUP_PROCESS:
		put_owner(&group->owner, to);
		break;
	case GROUP_USER:
		put_user(group->uid, to);
		break;
	case GROUP_NETNS:
		snprintf(to, STATES_KEY_MAX, "%s", netns_name(context, group->netns));
		break;
	case GROUP_TIMER:
		snprintf(to, STATES_KEY_MAX, "%s", socket_timer_name(group->timer));
		break;
	case GROUP_KEY_COUNT:
		*to = '\0';
		break;
	}
	return to;
}

uint32_t states_time_wait_age_ms(uint32_t left_ms)
{
	return left_ms < TIME_WAIT_MS ? TIME_WAIT_MS - left_ms : 0;
}
