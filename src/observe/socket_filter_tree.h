/* For the parts of socket_filter: what a filter is made of. */
#ifndef CONTEST_OBSERVE_SOCKET_FILTER_TREE_H
#define CONTEST_OBSERVE_SOCKET_FILTER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "observe/socket_filter.h"
#include "tcp/state.h"

enum filter_kind {
	FILTER_AND, /* all below it hold; nothing below it: it always holds */
	FILTER_OR,
	FILTER_STATES,
	FILTER_PORTS,
	FILTER_HOST,
};

#define FILTER_ALL_STATES (((1U << TCP_STATE_COUNT) - 1) & ~(1U << TCP_STATE_NONE))
#define FILTER_ANY_PORT	  (-1)

/* Addresses of one family that begin with the same bits. */
struct filter_network {
	int family;	/* AF_UNSPEC: any address */
	uint8_t length; /* in bits: 0…32, 0…128 */
	uint8_t address[16], mask[16];
};

/* What is below a node is a chain from the last to the first: the order in which bytecode is
 * written (socket_filter_bytecode.c). A chain of thousands is one level deep. */
struct filter_node {
	enum filter_kind kind;
	bool negated;
	bool remote;	 /* the peer's port or address */
	uint32_t below;	 /* the last one; 0: none */
	uint32_t before; /* its neighbour; 0: none */
	union {
		uint32_t states; /* bit 1 << state */
		struct {
			int low, high; /* nothing is in it when low > high */
		} ports;
		struct filter_network network;
	};
};

struct socket_filter {
	struct filter_node *nodes; /* (owned) [0] stands for none */
	size_t count, capacity;
	uint32_t root;
	uint32_t states;
	void *bytecode; /* (owned) NULL: none */
	size_t bytecode_length;
};

/*
 * Operands, by socket_filter_operand.c: @word has no spaces in it. 0, or -EINVAL with @why and the
 * byte of @word that is wrong in *ret_at.
 */
int filter_parse_state(const char *word, uint32_t *ret, struct why *why);
int filter_parse_port(const char *word, int *ret, size_t *ret_at, struct why *why);
int filter_parse_host(const char *word, struct filter_network *ret, int *ret_port, size_t *ret_at,
		      struct why *why);

/* The one of @words (NULL at the end) from which @word differs by one slip: a letter missing, too
 * many, another one, or two swapped. NULL: none. */
const char *filter_nearest(const char *word, const char *const *words);

/* A word fit to be shown: cut, and without control characters. Returns @text. */
#define FILTER_SHOWN_MAX 44
char *filter_show(const char *word, char *text);

/* Whether the network holds that address; no conditions on its family. */
bool filter_network_holds(const struct filter_network *network, const uint8_t *address);

/* Sets bytecode and bytecode_length. 0 or -ENOMEM. */
int filter_compile(struct socket_filter *filter);

#endif
