/*
 * A group's keys as words of 32 bits, the most significant first, so that two of them are compared
 * and ordered word by word, whatever they are made of. Part of socket_groups.c.
 */
#ifndef CONTEST_OBSERVE_SOCKET_GROUP_KEYS_H
#define CONTEST_OBSERVE_SOCKET_GROUP_KEYS_H

#include "observe/socket_groups.h"

#define GROUP_WORDS_MAX 21

struct group_keys {
	enum group_key at[GROUP_KEYS_MAX];
	size_t count;
};

size_t group_keys_words(const struct group_keys *chosen);

/* Writes group_keys_words() words. @owner may be NULL. */
void group_keys_pack(const struct group_keys *chosen, const struct socket_status *status,
		     const struct owner *owner, uint64_t netns, uint32_t *words);

/* SOCKET_FIELD_… that the keys need; -ENOTSUP. */
int group_keys_fields(const struct group_keys *chosen);

/* Sets those members of the group that are chosen. */
void group_keys_unpack(const struct group_keys *chosen, const uint32_t *words,
		       struct socket_group *ret);

#endif
