#include "cmd/top_by.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "tcp/state.h"

/* ---- text */

static int wrong_key(const char *name, size_t length, struct why *why)
{
	if (length == 0)
		return why_say(why, -EINVAL,
			       "a key is missing: state, peer, destination, process…");
	return why_say(why, -EINVAL,
		       "'%.*s' is not state, peer, peer-port, local, local-port, destination, "
		       "process, user, netns or timer",
		       (int)length, name);
}

static int add_key(struct top_by *by, const char *name, size_t length, struct why *why)
{
	char copy[32] = "";
	int key;

	if (length < sizeof(copy))
		memcpy(copy, name, length);
	key = group_key_parse(copy);
	if (key < 0)
		return wrong_key(name, length, why);
	if (top_by_has(by, (enum group_key)key))
		return why_say(why, -EINVAL, "'%s' twice", copy);
	if (by->count == GROUP_KEYS_MAX)
		return why_say(why, -EINVAL, "at most %d keys", GROUP_KEYS_MAX);
	by->at[by->count++] = (enum group_key)key;
	return 0;
}

int top_by_parse(const char *text, struct top_by *ret, size_t *ret_at, struct why *why)
{
	struct top_by by = {.count = 0};
	const char *name = text;

	for (;;) {
		size_t length = strcspn(name, ",");
		int r = add_key(&by, name, length, why);

		if (r < 0) {
			*ret_at = (size_t)(name - text);
			return r;
		}
		if (!name[length])
			break;
		name += length + 1;
	}
	*ret = by;
	return 0;
}

char *top_by_format(const struct top_by *by, char *to)
{
	*to = '\0';
	for (size_t i = 0; i < by->count; i++) {
		if (i)
			strcat(to, ",");
		strcat(to, group_key_name(by->at[i]));
	}
	return to;
}

/* ---- the keys */

bool top_by_equal(const struct top_by *a, const struct top_by *b)
{
	return a->count == b->count && memcmp(a->at, b->at, a->count * sizeof(*a->at)) == 0;
}

bool top_by_has(const struct top_by *by, enum group_key key)
{
	for (size_t i = 0; i < by->count; i++)
		if (by->at[i] == key)
			return true;
	return false;
}

struct top_by top_by_next(const struct top_by *by, int step)
{
	static const struct top_by round[] = {
		{{GROUP_PEER, GROUP_STATE}, 2},
		{{GROUP_DESTINATION, GROUP_STATE}, 2},
		{{GROUP_PROCESS, GROUP_STATE}, 2},
		{{GROUP_LOCAL_PORT, GROUP_STATE}, 2},
		{{GROUP_STATE}, 1},
		{{GROUP_TIMER, GROUP_STATE}, 2},
		{{GROUP_USER, GROUP_STATE}, 2},
		{{GROUP_NETNS, GROUP_STATE}, 2},
	};
	size_t count = ARRAY_SIZE(round);

	for (size_t i = 0; i < count; i++)
		if (top_by_equal(by, &round[i]))
			return round[(i + count + (size_t)step) % count];
	return round[0];
}

/* ---- groups */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_addresses(const struct tcp_address *a, const struct tcp_address *b)
{
	if (a->family != b->family)
		return compare_numbers((uint64_t)a->family, (uint64_t)b->family);
	return memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16);
}

static int compare_endpoints(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	int order = compare_addresses(&a->address, &b->address);

	return order ? order : compare_numbers(a->port, b->port);
}

static int compare_owners(const struct owner *a, const struct owner *b)
{
	int order = strncmp(a->name, b->name, sizeof(a->name));

	return order ? order : compare_numbers((uint64_t)a->pid, (uint64_t)b->pid);
}

int top_key_compare(enum group_key key, const struct socket_group *a, const struct socket_group *b)
{
	switch (key) {
	case GROUP_STATE:
		return compare_numbers((uint64_t)a->state, (uint64_t)b->state);
	case GROUP_PEER:
		return compare_addresses(&a->peer.address, &b->peer.address);
	case GROUP_PEER_PORT:
		return compare_numbers(a->peer.port, b->peer.port);
	case GROUP_LOCAL:
		return compare_addresses(&a->local.address, &b->local.address);
	case GROUP_LOCAL_PORT:
		return compare_numbers(a->local.port, b->local.port);
	case GROUP_DESTINATION:
		return compare_endpoints(&a->peer, &b->peer);
	case GROUP_PROCESS:
		return compare_owners(&a->owner, &b->owner);
	case GROUP_USER:
		return compare_numbers(a->uid, b->uid);
	case GROUP_NETNS:
		return compare_numbers(a->netns, b->netns);
	case GROUP_TIMER:
		return compare_numbers(a->timer, b->timer);
	case GROUP_KEY_COUNT:
		break;
	}
	return 0;
}

int top_group_compare(const struct top_by *by, const struct socket_group *a,
		      const struct socket_group *b)
{
	int order = 0;

	for (size_t i = 0; i < by->count && order == 0; i++)
		order = top_key_compare(by->at[i], a, b);
	return order;
}

bool top_group_has(const struct top_by *by, const struct socket_group *group,
		   const struct socket_status *status, const struct owner *owner, uint64_t netns)
{
	struct socket_group its = {
		.state = status->state,
		.peer = status->key.remote,
		.local = status->key.local,
		.timer = status->timer,
		.uid = socket_group_user(status),
		.netns = netns,
	};

	if (owner)
		its.owner = *owner;
	return top_group_compare(by, group, &its) == 0;
}
