#include "cmd/group_by.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/cli.h"
#include "cmd/order.h"
#include "tcp/state.h"

/* ---- text */

const char *group_by_word(size_t index)
{
	return index < GROUP_KEY_COUNT ? group_key_name((enum group_key)index) : NULL;
}

static const char *candidate(const void *context, size_t index)
{
	(void)context;
	return group_by_word(index);
}

static int wrong_key(const char *name, struct why *why)
{
	const char *near = cli_nearest(name, candidate, NULL);

	if (near)
		return why_say(why, -EINVAL, "unknown key '%s'; did you mean '%s'?", name, near);
	return why_say(why, -EINVAL,
		       "unknown key '%s'; it is state, peer, peer-port, local, local-port, "
		       "destination, process, user, netns or timer",
		       name);
}

static int add_key(struct group_by *by, const char *name, size_t length, struct why *why)
{
	char copy[64];
	int key;

	if (length == 0)
		return why_say(why, -EINVAL,
			       "a key is missing: state, peer, destination, process…");
	snprintf(copy, sizeof(copy), "%.*s", (int)length, name);
	key = length < sizeof(copy) ? group_key_parse(copy) : -EINVAL;
	if (key < 0)
		return wrong_key(copy, why);
	if (group_by_has(by, (enum group_key)key))
		return why_say(why, -EINVAL, "'%s' twice", copy);
	if (by->count == GROUP_KEYS_MAX)
		return why_say(why, -EINVAL, "at most %d keys", GROUP_KEYS_MAX);
	by->at[by->count++] = (enum group_key)key;
	return 0;
}

int group_by_parse(const char *text, struct group_by *ret, size_t *ret_at, struct why *why)
{
	struct group_by by = {.count = 0};
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

char *group_by_format(const struct group_by *by, char *to)
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

bool group_by_equal(const struct group_by *a, const struct group_by *b)
{
	return a->count == b->count && memcmp(a->at, b->at, a->count * sizeof(*a->at)) == 0;
}

bool group_by_has(const struct group_by *by, enum group_key key)
{
	for (size_t i = 0; i < by->count; i++)
		if (by->at[i] == key)
			return true;
	return false;
}

struct group_by group_by_next(const struct group_by *by, int step)
{
	static const struct group_by round[] = {
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
		if (group_by_equal(by, &round[i]))
			return round[(i + count + (size_t)step) % count];
	return round[0];
}

/* ---- groups */

int group_key_compare(enum group_key key, const struct socket_group *a,
		      const struct socket_group *b)
{
	switch (key) {
	case GROUP_STATE:
		return order_numbers((uint64_t)a->state, (uint64_t)b->state);
	case GROUP_PEER:
		return order_addresses(&a->peer.address, &b->peer.address);
	case GROUP_PEER_PORT:
		return order_numbers(a->peer.port, b->peer.port);
	case GROUP_LOCAL:
		return order_addresses(&a->local.address, &b->local.address);
	case GROUP_LOCAL_PORT:
		return order_numbers(a->local.port, b->local.port);
	case GROUP_DESTINATION:
		return order_endpoints(&a->peer, &b->peer);
	case GROUP_PROCESS:
		return order_owners(&a->owner, &b->owner);
	case GROUP_USER:
		return order_numbers(a->uid, b->uid);
	case GROUP_NETNS:
		return order_numbers(a->netns, b->netns);
	case GROUP_TIMER:
		return order_numbers(a->timer, b->timer);
	case GROUP_KEY_COUNT:
		break;
	}
	return 0;
}

int group_by_compare(const struct group_by *by, const struct socket_group *a,
		     const struct socket_group *b)
{
	int order = 0;

	for (size_t i = 0; i < by->count && order == 0; i++)
		order = group_key_compare(by->at[i], a, b);
	return order;
}

bool group_by_matches(const struct group_by *by, const struct socket_group *group,
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
	return group_by_compare(by, group, &its) == 0;
}
