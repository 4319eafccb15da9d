#include "observe/socket_group_keys.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "tcp/state.h"

#define ADDRESS_WORDS 5
#define NAME_WORDS    4

#define ASK_EACH (-1)

static const struct {
	const char *name;
	size_t words;
	int fields; /* SOCKET_FIELD_…; ASK_EACH: a sum does not have it */
} keys[] = {
	[GROUP_STATE] = {"state", 1},
	[GROUP_PEER] = {"peer", ADDRESS_WORDS, SOCKET_FIELD_REMOTE},
	[GROUP_PEER_PORT] = {"peer-port", 1, SOCKET_FIELD_REMOTE_PORT},
	[GROUP_LOCAL] = {"local", ADDRESS_WORDS, SOCKET_FIELD_LOCAL},
	[GROUP_LOCAL_PORT] = {"local-port", 1, SOCKET_FIELD_LOCAL_PORT},
	[GROUP_DESTINATION] = {"destination", ADDRESS_WORDS + 1,
			       SOCKET_FIELD_REMOTE | SOCKET_FIELD_REMOTE_PORT},
	[GROUP_PROCESS] = {"process", 1 + NAME_WORDS, ASK_EACH},
	[GROUP_USER] = {"user", 1, ASK_EACH},
	[GROUP_NETNS] = {"netns", 2},
	[GROUP_TIMER] = {"timer", 1, SOCKET_FIELD_TIMER},
};
static_assert(ARRAY_SIZE(keys) == GROUP_KEY_COUNT, "a name for each key");
/* The widest four: a destination, the two addresses, a process. */
static_assert(GROUP_WORDS_MAX >= 3 * ADDRESS_WORDS + 1 + NAME_WORDS + 1, "words for any keys");
static_assert(sizeof(((struct owner *)NULL)->name) == 4 * NAME_WORDS, "a name is 16 bytes");

int group_key_parse(const char *name)
{
	for (int key = 0; key < GROUP_KEY_COUNT; key++)
		if (strcmp(name, keys[key].name) == 0)
			return key;
	return -EINVAL;
}

const char *group_key_name(enum group_key key)
{
	if ((unsigned)key >= GROUP_KEY_COUNT)
		return "?";
	return keys[key].name;
}

static void pack_address(uint32_t *words, const struct tcp_address *address)
{
	words[0] = (uint32_t)address->family;
	words[1] = ntohl(address->v6.s6_addr32[0]);
	if (address->family == AF_INET) {
		words[2] = words[3] = words[4] = 0;
		return;
	}
	for (int i = 1; i < 4; i++)
		words[1 + i] = ntohl(address->v6.s6_addr32[i]);
}

static struct tcp_address unpack_address(const uint32_t *words)
{
	struct tcp_address address = {.family = (int)words[0]};

	for (int i = 0; i < 4; i++)
		address.v6.s6_addr32[i] = htonl(words[1 + i]);
	return address;
}

static void pack_owner(uint32_t *words, const struct owner *owner)
{
	words[0] = owner ? (uint32_t)owner->pid : 0;
	for (int i = 0; i < NAME_WORDS; i++) {
		uint32_t bytes = 0;

		if (owner)
			memcpy(&bytes, owner->name + 4 * i, sizeof(bytes));
		words[1 + i] = ntohl(bytes);
	}
}

static struct owner unpack_owner(const uint32_t *words)
{
	struct owner owner = {.pid = (pid_t)words[0]};

	for (int i = 0; i < NAME_WORDS; i++) {
		uint32_t bytes = htonl(words[1 + i]);

		memcpy(owner.name + 4 * i, &bytes, sizeof(bytes));
	}
	return owner;
}

uint32_t socket_group_user(const struct socket_status *status)
{
	if (status->minisock || (status->state == TCP_SYN_RECV && status->inode == 0))
		return GROUP_NO_USER;
	return status->uid;
}

size_t group_keys_words(const struct group_keys *chosen)
{
	size_t words = 0;

	for (size_t i = 0; i < chosen->count; i++)
		words += keys[chosen->at[i]].words;
	return words;
}

int group_keys_fields(const struct group_keys *chosen)
{
	int fields = 0;

	for (size_t i = 0; i < chosen->count; i++) {
		if (keys[chosen->at[i]].fields == ASK_EACH)
			return -ENOTSUP;
		fields |= keys[chosen->at[i]].fields;
	}
	return fields;
}

void group_keys_pack(const struct group_keys *chosen, const struct socket_status *status,
		     const struct owner *owner, uint64_t netns, uint32_t *words)
{
	for (size_t i = 0; i < chosen->count; i++) {
		enum group_key key = chosen->at[i];

		switch (key) {
		case GROUP_STATE:
			*words = (uint32_t)status->state;
			break;
		case GROUP_DESTINATION:
			words[ADDRESS_WORDS] = status->key.remote.port;
			/* fall through */
		case GROUP_PEER:
			pack_address(words, &status->key.remote.address);
			break;
		case GROUP_PEER_PORT:
			*words = status->key.remote.port;
			break;
		case GROUP_LOCAL:
			pack_address(words, &status->key.local.address);
			break;
		case GROUP_LOCAL_PORT:
			*words = status->key.local.port;
			break;
		case GROUP_PROCESS:
			pack_owner(words, owner);
			break;
		case GROUP_USER:
			*words = socket_group_user(status);
			break;
		case GROUP_NETNS:
			words[0] = (uint32_t)(netns >> 32);
			words[1] = (uint32_t)netns;
			break;
		case GROUP_TIMER:
			*words = status->timer;
			break;
		case GROUP_KEY_COUNT:
			break;
		}
		words += keys[key].words;
	}
}

void group_keys_unpack(const struct group_keys *chosen, const uint32_t *words,
		       struct socket_group *ret)
{
	for (size_t i = 0; i < chosen->count; i++) {
		enum group_key key = chosen->at[i];

		switch (key) {
		case GROUP_STATE:
			ret->state = (int)*words;
			break;
		case GROUP_DESTINATION:
			ret->peer.port = (uint16_t)words[ADDRESS_WORDS];
			/* fall through */
		case GROUP_PEER:
			ret->peer.address = unpack_address(words);
			break;
		case GROUP_PEER_PORT:
			ret->peer.port = (uint16_t)*words;
			break;
		case GROUP_LOCAL:
			ret->local.address = unpack_address(words);
			break;
		case GROUP_LOCAL_PORT:
			ret->local.port = (uint16_t)*words;
			break;
		case GROUP_PROCESS:
			ret->owner = unpack_owner(words);
			break;
		case GROUP_USER:
			ret->uid = *words;
			break;
		case GROUP_NETNS:
			ret->netns = (uint64_t)words[0] << 32 | words[1];
			break;
		case GROUP_TIMER:
			ret->timer = *words;
			break;
		case GROUP_KEY_COUNT:
			break;
		}
		words += keys[key].words;
	}
}
