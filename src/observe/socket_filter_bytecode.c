/*
 * A filter as inet_diag bytecode, as net/ipv4/inet_diag.c (6.18) has it: each operation goes `yes`
 * or `no` bytes further. inet_diag_bc_audit() walks the whole code along `yes`, so that is always
 * the next operation, and `no` leads to one of these, to the end (accepted), or 4 bytes behind it
 * (not accepted). Jumps go forward only.
 *
 * So the code is written from its end: where a jump leads to is there already, and a place is told
 * by its distance from the end.
 *
 * There is no operation for states. The mask of the request leaves most of them out; here, a
 * condition on them is taken to hold, negated or not, and what the kernel then shows too much,
 * socket_filter_matches() leaves out. All other conditions must be exact, since below a `not` too
 * much would become too little.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "observe/socket_filter_tree.h"

/* Places. */
#define ACCEPT 0
#define REJECT (-4)

struct code {
	const struct socket_filter *filter;
	char bytes[SOCKET_FILTER_BYTECODE_MAX] __attribute__((aligned(4)));
	int used; /* at their end */
	bool full;
};

enum value {
	NEVER,
	ALWAYS,
	DEPENDS,
};

static enum value value_of_ports(const struct filter_node *node)
{
	if (node->ports.low > node->ports.high)
		return NEVER;
	return node->ports.low <= 0 && node->ports.high >= UINT16_MAX ? ALWAYS : DEPENDS;
}

static enum value value_of(const struct socket_filter *filter, const struct filter_node *node,
			   bool negated)
{
	enum value value = DEPENDS, weak, strong;

	negated ^= node->negated;
	switch (node->kind) {
	case FILTER_STATES:
		return ALWAYS;
	case FILTER_HOST:
		return DEPENDS;
	case FILTER_PORTS:
		value = value_of_ports(node);
		return value == DEPENDS || !negated ? value : value == ALWAYS ? NEVER : ALWAYS;
	case FILTER_AND:
	case FILTER_OR:
		break;
	}
	/* De Morgan: a negated AND is an OR of what is below it, negated. */
	weak = (node->kind == FILTER_AND) == negated ? NEVER : ALWAYS;
	strong = weak == NEVER ? ALWAYS : NEVER;
	value = weak;
	for (uint32_t i = node->below; i != 0; i = filter->nodes[i].before) {
		enum value one = value_of(filter, &filter->nodes[i], negated);

		if (one == strong)
			return strong;
		if (one == DEPENDS)
			value = DEPENDS;
	}
	return value;
}

/* Room for an operation of @size bytes before what is there. */
static struct inet_diag_bc_op *put(struct code *code, int op, int size, int no)
{
	struct inet_diag_bc_op *ret;

	if (code->used + size > (int)sizeof(code->bytes)) {
		code->full = true;
		return NULL;
	}
	code->used += size;
	ret = (void *)(code->bytes + sizeof(code->bytes) - code->used);
	memset(ret, 0, (size_t)size);
	ret->code = (uint8_t)op;
	ret->yes = (uint8_t)size;
	ret->no = (uint16_t)(code->used - no);
	return ret;
}

/* Makes @place the next one. */
static void go_to(struct code *code, int place)
{
	if (place != code->used)
		put(code, INET_DIAG_BC_JMP, sizeof(struct inet_diag_bc_op), place);
}

static void put_port(struct code *code, int op, int port, int yes, int no)
{
	struct inet_diag_bc_op *ret;

	go_to(code, yes);
	ret = put(code, op, 2 * sizeof(*ret), no);
	if (ret)
		ret[1].no = (uint16_t)port;
}

static void put_network(struct code *code, bool remote, const struct filter_network *network,
			int port, int yes, int no)
{
	size_t length = network->family == AF_INET ? 4 : network->family == AF_INET6 ? 16 : 0;
	struct inet_diag_hostcond *condition;
	struct inet_diag_bc_op *ret;

	go_to(code, yes);
	ret = put(code, remote ? INET_DIAG_BC_D_COND : INET_DIAG_BC_S_COND,
		  (int)(sizeof(*ret) + sizeof(*condition) + length), no);
	if (!ret)
		return;
	condition = (void *)(ret + 1);
	condition->family = (uint8_t)network->family;
	condition->prefix_len = network->length;
	condition->port = port;
	memcpy(condition->addr, network->address, length);
}

static void write_ports(struct code *code, const struct filter_node *node, int yes, int no)
{
	int low = node->ports.low, high = node->ports.high;
	bool remote = node->remote;

	if (low == high) {
		put_port(code, remote ? INET_DIAG_BC_D_EQ : INET_DIAG_BC_S_EQ, low, yes, no);
		return;
	}
	if (high < UINT16_MAX) {
		put_port(code, remote ? INET_DIAG_BC_D_LE : INET_DIAG_BC_S_LE, high, yes, no);
		yes = code->used;
	}
	if (low > 0)
		put_port(code, remote ? INET_DIAG_BC_D_GE : INET_DIAG_BC_S_GE, low, yes, no);
}

/* For a socket of AF_INET6, a condition of AF_INET holds when the address is v4-mapped. */
static const struct filter_network all_v4 = {.family = AF_INET};
static const struct filter_network no_v6_address = {.family = AF_INET6, .length = 128};

/*
 * Whether the peer's address is "::" and stands for 0.0.0.0: that of a listener at a v4-mapped
 * address (sockdiag.c, key_of()).
 */
static void write_mapped_listener(struct code *code, int yes, int no)
{
	put_network(code, true, &no_v6_address, 0, yes, no);
	put_network(code, false, &all_v4, FILTER_ANY_PORT, code->used, no);
}

static void write_v4(struct code *code, const struct filter_node *node, int yes, int no)
{
	static const uint8_t unspecified[16];

	if (node->remote && filter_network_holds(&node->network, unspecified)) {
		write_mapped_listener(code, yes, no);
		no = code->used;
	}
	put_network(code, node->remote, &node->network, FILTER_ANY_PORT, yes, no);
}

/* The v4-mapped addresses are not v6 ones. */
static void write_v6(struct code *code, const struct filter_node *node, int yes, int no)
{
	static const uint8_t unspecified[16], mapped[16] = {[10] = 0xff, [11] = 0xff};

	if (node->remote && filter_network_holds(&node->network, unspecified)) {
		write_mapped_listener(code, no, yes);
		yes = code->used;
	}
	if (filter_network_holds(&node->network, mapped)) {
		put_network(code, node->remote, &all_v4, FILTER_ANY_PORT, no, yes);
		yes = code->used;
	}
	put_network(code, node->remote, &node->network, FILTER_ANY_PORT, yes, no);
}

static void write_node(struct code *code, const struct filter_node *node, bool negated, int yes,
		       int no);

/* All that are below @node, or one of them, as the caller says by @all. */
static void write_below(struct code *code, const struct filter_node *node, bool negated, bool all,
			int yes, int no)
{
	bool last = true;

	for (uint32_t i = node->below; i != 0 && !code->full; i = code->filter->nodes[i].before) {
		const struct filter_node *one = &code->filter->nodes[i];

		if (value_of(code->filter, one, negated) != DEPENDS)
			continue;
		/* What decides nothing goes on to the one behind it. */
		if (!last && all)
			yes = code->used;
		else if (!last)
			no = code->used;
		write_node(code, one, negated, yes, no);
		last = false;
	}
}

/* Code that goes to @yes if @node holds, else to @no; only for what DEPENDS. */
static void write_node(struct code *code, const struct filter_node *node, bool negated, int yes,
		       int no)
{
	int on_true, on_false;

	negated ^= node->negated;
	on_true = negated ? no : yes;
	on_false = negated ? yes : no;
	switch (node->kind) {
	case FILTER_AND:
	case FILTER_OR:
		write_below(code, node, negated, (node->kind == FILTER_AND) != negated, yes, no);
		break;
	case FILTER_PORTS:
		write_ports(code, node, on_true, on_false);
		break;
	case FILTER_HOST:
		if (node->network.family == AF_INET)
			write_v4(code, node, on_true, on_false);
		else
			write_v6(code, node, on_true, on_false);
		break;
	case FILTER_STATES:
		break;
	}
}

int filter_compile(struct socket_filter *filter)
{
	const struct filter_node *root = &filter->nodes[filter->root];
	struct code code = {.filter = filter};

	switch (value_of(filter, root, false)) {
	case ALWAYS:
		return 0;
	case NEVER:
		go_to(&code, REJECT);
		break;
	case DEPENDS:
		write_node(&code, root, false, ACCEPT, REJECT);
		break;
	}
	if (code.full)
		return 0;
	filter->bytecode = malloc((size_t)code.used);
	if (!filter->bytecode)
		return -ENOMEM;
	filter->bytecode_length = (size_t)code.used;
	memcpy(filter->bytecode, code.bytes + sizeof(code.bytes) - code.used, (size_t)code.used);
	return 0;
}
