/*
 * From text to tree, by recursive descent:
 *
 *	any       = all { "or" all }
 *	all       = one { [ "and" ] one }
 *	one       = { "not" } ( "(" any ")" | states | condition )
 *	states    = ( "state" | "exclude" ) NAME { ( "state" | "exclude" ) NAME }
 *	condition = ( "sport" | "dport" ) [ op ] PORT | ( "src" | "dst" ) [ "=" | "!=" ] HOST
 *
 * ss(8) says that "and" binds tighter than "or", and so it is here; ss 6.1 itself takes them from
 * left to right. Words of states are put together one after the other, before they meet the rest:
 * "state time-wait state last-ack" is either of them, as in ss. Signs need no spaces around them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "observe/socket_filter_tree.h"

#define DEPTH_MAX 64
#define WORD_MAX  128

enum token {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_NOT,
	TOKEN_STATE,
	TOKEN_EXCLUDE,
	TOKEN_SRC,
	TOKEN_DST,
	TOKEN_SPORT,
	TOKEN_DPORT,
	TOKEN_EQ, /* the operators: the last ones */
	TOKEN_NE,
	TOKEN_GE,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_LT,
};

struct parser {
	const char *text;
	struct socket_filter *filter;
	struct why *why;
	size_t *ret_at;
	unsigned depth;
	/* The token that comes next, from @start on, and where it ends. */
	enum token token;
	size_t start, end;
	char word[WORD_MAX]; /* the start of it, when it is longer */
};

/* A sign may begin another one: the longer first. */
static const struct {
	const char *text;
	enum token token;
} signs[] = {
	{"&&", TOKEN_AND}, {"||", TOKEN_OR},   {"==", TOKEN_EQ}, {"!=", TOKEN_NE},
	{">=", TOKEN_GE},  {"<=", TOKEN_LE},   {"&", TOKEN_AND}, {"|", TOKEN_OR},
	{"=", TOKEN_EQ},   {"!", TOKEN_NOT},   {">", TOKEN_GT},	 {"<", TOKEN_LT},
	{"(", TOKEN_OPEN}, {")", TOKEN_CLOSE},
};

static const struct {
	const char *text;
	enum token token;
} words[] = {
	{"and", TOKEN_AND},	    {"or", TOKEN_OR},	{"not", TOKEN_NOT}, {"state", TOKEN_STATE},
	{"exclude", TOKEN_EXCLUDE}, {"src", TOKEN_SRC}, {"dst", TOKEN_DST}, {"sport", TOKEN_SPORT},
	{"dport", TOKEN_DPORT},	    {"eq", TOKEN_EQ},	{"ne", TOKEN_NE},   {"neq", TOKEN_NE},
	{"ge", TOKEN_GE},	    {"geq", TOKEN_GE},	{"le", TOKEN_LE},   {"leq", TOKEN_LE},
	{"gt", TOKEN_GT},	    {"lt", TOKEN_LT},
};

/* Conditions of ss that need what a struct socket_status does not have. */
static const char *const unsupported[] = {"dev", "fwmark", "cgroup", "autobound", NULL};
static const char *const beginnings[] = {"state", "exclude", "src", "dst", "sport",
					 "dport", "not",     "and", "or",  NULL};

static int fail(const struct parser *parser, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct parser *parser, size_t at, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	*parser->ret_at = at;
	return why_say(parser->why, -EINVAL, "%s", text);
}

/* ---- tokens */

static bool read_sign(struct parser *parser)
{
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		size_t length = strlen(signs[i].text);

		if (strncmp(parser->text + parser->start, signs[i].text, length) != 0)
			continue;
		parser->token = signs[i].token;
		parser->end = parser->start + length;
		return true;
	}
	return false;
}

static void read_word(struct parser *parser)
{
	const char *from = parser->text + parser->start;
	size_t length = strcspn(from, " \t\r\n()=!<>&|");

	parser->end = parser->start + length;
	if (length >= sizeof(parser->word))
		length = sizeof(parser->word) - 1;
	memcpy(parser->word, from, length);
	parser->word[length] = '\0';
	parser->token = TOKEN_WORD;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(parser->word, words[i].text) == 0)
			parser->token = words[i].token;
}

static void advance(struct parser *parser)
{
	const char *text = parser->text;

	parser->start = parser->end + strspn(text + parser->end, " \t\r\n");
	/* "\(", as it is written for a shell, and not always unwritten by one. */
	if (text[parser->start] == '\\' && text[parser->start + 1])
		parser->start++;
	parser->end = parser->start;
	parser->word[0] = '\0';
	if (!text[parser->start])
		parser->token = TOKEN_END;
	else if (!read_sign(parser))
		read_word(parser);
}

/* The token as a person wrote it, or that there is none. */
static const char *token_text(const struct parser *parser, char *text)
{
	char part[FILTER_SHOWN_MAX];

	if (parser->token == TOKEN_END)
		return "the end";
	snprintf(part, sizeof(part), "%.*s", (int)(parser->end - parser->start),
		 parser->text + parser->start);
	text[0] = '\'';
	filter_show(part, text + 1);
	strcat(text, "'");
	return text;
}

/* ---- nodes */

static int add_node(struct parser *parser, const struct filter_node *node, uint32_t *ret)
{
	struct socket_filter *filter = parser->filter;

	if (ARRAY_ROOM(filter->nodes, filter->capacity, filter->count) < 0) {
		*parser->ret_at = parser->start;
		return why_set(parser->why, -ENOMEM, "cannot keep this filter");
	}
	*ret = (uint32_t)filter->count;
	filter->nodes[filter->count++] = *node;
	return 0;
}

/* Chains @node behind those below @above. */
static void add_below(struct parser *parser, uint32_t above, uint32_t node)
{
	struct filter_node *nodes = parser->filter->nodes;

	nodes[node].before = nodes[above].below;
	nodes[above].below = node;
}

/* ---- conditions */

/* "state NAME" or "exclude NAME", which is the token. */
static int parse_state(struct parser *parser, uint32_t *states)
{
	bool exclude = parser->token == TOKEN_EXCLUDE;
	const char *name = exclude ? "exclude" : "state";
	uint32_t one;
	int r;

	advance(parser);
	if (parser->token != TOKEN_WORD)
		return fail(parser, parser->start, "name of a state expected after '%s'", name);
	r = filter_parse_state(parser->word, &one, parser->why);
	if (r < 0) {
		*parser->ret_at = parser->start;
		return r;
	}
	*states = exclude ? *states & ~one : *states | one;
	advance(parser);
	return 0;
}

static int parse_states(struct parser *parser, uint32_t *ret)
{
	struct filter_node node = {.kind = FILTER_STATES};

	if (parser->token == TOKEN_EXCLUDE)
		node.states = FILTER_ALL_STATES;
	while (parser->token == TOKEN_STATE || parser->token == TOKEN_EXCLUDE) {
		int r = parse_state(parser, &node.states);

		if (r < 0)
			return r;
	}
	return add_node(parser, &node, ret);
}

static enum token parse_operator(struct parser *parser)
{
	enum token op = parser->token;

	if (op < TOKEN_EQ)
		return TOKEN_EQ;
	advance(parser);
	return op;
}

static void set_ports(struct filter_node *node, enum token op, int port)
{
	node->kind = FILTER_PORTS;
	node->negated = op == TOKEN_NE;
	node->ports.low = 0;
	node->ports.high = UINT16_MAX;
	if (port == FILTER_ANY_PORT)
		return;
	if (op == TOKEN_EQ || op == TOKEN_NE || op == TOKEN_GE)
		node->ports.low = port;
	if (op == TOKEN_EQ || op == TOKEN_NE || op == TOKEN_LE)
		node->ports.high = port;
	if (op == TOKEN_GT)
		node->ports.low = port + 1;
	if (op == TOKEN_LT)
		node->ports.high = port - 1;
}

static int add_port(struct parser *parser, bool remote, enum token op, int port, uint32_t *ret)
{
	struct filter_node node = {.remote = remote};

	set_ports(&node, op, port);
	return add_node(parser, &node, ret);
}

static int parse_ports(struct parser *parser, uint32_t *ret)
{
	bool remote = parser->token == TOKEN_DPORT;
	enum token op;
	char text[FILTER_SHOWN_MAX + 2];
	size_t at;
	int port, r;

	advance(parser);
	op = parse_operator(parser);
	if (parser->token != TOKEN_WORD)
		return fail(parser, parser->start, "port expected, not %s",
			    token_text(parser, text));
	r = filter_parse_port(parser->word, &port, &at, parser->why);
	if (r < 0) {
		*parser->ret_at = parser->start + at;
		return r;
	}
	if (port == FILTER_ANY_PORT && op > TOKEN_NE)
		return fail(parser, parser->start,
			    "'*' is no port that others could be compared with");
	advance(parser);
	return add_port(parser, remote, op, port, ret);
}

static int add_network(struct parser *parser, bool remote, const struct filter_network *network,
		       uint32_t *ret)
{
	struct filter_node node = {.kind = FILTER_HOST, .remote = remote, .network = *network};

	return add_node(parser, &node, ret);
}

/* Both below a node, that they can be negated together; one alone needs none. */
static int add_host(struct parser *parser, bool remote, const struct filter_network *network,
		    int port, uint32_t *ret)
{
	static const struct filter_node both = {.kind = FILTER_AND};
	uint32_t one = 0, other = 0;
	int r;

	if (network->family == AF_UNSPEC)
		return add_port(parser, remote, TOKEN_EQ, port, ret);
	if (port == FILTER_ANY_PORT)
		return add_network(parser, remote, network, ret);
	r = add_node(parser, &both, ret);
	if (r == 0)
		r = add_port(parser, remote, TOKEN_EQ, port, &one);
	if (r == 0)
		r = add_network(parser, remote, network, &other);
	if (r == 0) {
		add_below(parser, *ret, one);
		add_below(parser, *ret, other);
	}
	return r;
}

static int parse_host(struct parser *parser, uint32_t *ret)
{
	bool remote = parser->token == TOKEN_DST;
	const char *name = remote ? "dst" : "src";
	struct filter_network network;
	char text[FILTER_SHOWN_MAX + 2];
	size_t start, at;
	enum token op;
	int port, r;

	advance(parser);
	start = parser->start;
	op = parse_operator(parser);
	if (op > TOKEN_NE)
		return fail(parser, start,
			    "'%s' knows = and != only; ports are compared by '%cport'", name,
			    *name);
	if (parser->token != TOKEN_WORD)
		return fail(parser, parser->start, "address expected, not %s",
			    token_text(parser, text));
	r = filter_parse_host(parser->word, &network, &port, &at, parser->why);
	if (r < 0) {
		*parser->ret_at = parser->start + at;
		return r;
	}
	advance(parser);
	r = add_host(parser, remote, &network, port, ret);
	if (r == 0)
		parser->filter->nodes[*ret].negated = op == TOKEN_NE;
	return r;
}

/* ---- what joins them */

static int parse_any(struct parser *parser, uint32_t *ret);

/* Neither a condition nor anything that may stand before one. */
static int refuse(const struct parser *parser)
{
	char text[FILTER_SHOWN_MAX + 2];
	const char *nearest;
	uint32_t states;

	token_text(parser, text);
	if (parser->token == TOKEN_END)
		return fail(parser, parser->start, "condition expected, not the end");
	for (size_t i = 0; unsupported[i]; i++)
		if (strcasecmp(parser->word, unsupported[i]) == 0)
			return fail(parser, parser->start, "%s is not supported here", text);
	if (parser->token == TOKEN_WORD && filter_parse_state(parser->word, &states, NULL) == 0)
		return fail(parser, parser->start, "condition expected, not %s: write 'state %s'",
			    text, parser->word);
	nearest = parser->token == TOKEN_WORD ? filter_nearest(parser->word, beginnings) : NULL;
	if (nearest)
		return fail(parser, parser->start, "condition expected, not %s, did you mean %s?",
			    text, nearest);
	return fail(parser, parser->start,
		    "condition expected (state, src, dst, sport, dport), not %s", text);
}

static int parse_group(struct parser *parser, uint32_t *ret)
{
	size_t open = parser->start;
	int r;

	if (parser->depth == DEPTH_MAX)
		return fail(parser, open, "more than %d '(' in each other", DEPTH_MAX);
	parser->depth++;
	advance(parser);
	r = parse_any(parser, ret);
	parser->depth--;
	if (r < 0)
		return r;
	if (parser->token != TOKEN_CLOSE)
		return fail(parser, open, "there is no ')' for this '('");
	advance(parser);
	return 0;
}

static int parse_one(struct parser *parser, uint32_t *ret)
{
	bool negated = false;
	int r;

	for (; parser->token == TOKEN_NOT; advance(parser))
		negated = !negated;
	switch (parser->token) {
	case TOKEN_OPEN:
		r = parse_group(parser, ret);
		break;
	case TOKEN_STATE:
	case TOKEN_EXCLUDE:
		r = parse_states(parser, ret);
		break;
	case TOKEN_SRC:
	case TOKEN_DST:
		r = parse_host(parser, ret);
		break;
	case TOKEN_SPORT:
	case TOKEN_DPORT:
		r = parse_ports(parser, ret);
		break;
	default:
		return refuse(parser);
	}
	if (r == 0)
		parser->filter->nodes[*ret].negated ^= negated;
	return r;
}

/* Whether another part of a row follows, whose sign is @sign: TOKEN_AND may be left out. */
static bool goes_on(struct parser *parser, enum token sign)
{
	if (parser->token == sign) {
		advance(parser);
		return true;
	}
	return sign == TOKEN_AND && parser->token != TOKEN_OR && parser->token != TOKEN_CLOSE &&
	       parser->token != TOKEN_END;
}

/* Parts with @sign between them. One alone needs no node above it. */
static int parse_row(struct parser *parser, enum token sign,
		     int (*parse_part)(struct parser *parser, uint32_t *ret), uint32_t *ret)
{
	struct filter_node above = {.kind = sign == TOKEN_OR ? FILTER_OR : FILTER_AND};
	uint32_t first = 0, next = 0;
	int r = parse_part(parser, &first);

	*ret = first;
	while (r == 0 && goes_on(parser, sign)) {
		if (*ret == first) {
			r = add_node(parser, &above, ret);
			if (r < 0)
				return r;
			add_below(parser, *ret, first);
		}
		r = parse_part(parser, &next);
		if (r == 0)
			add_below(parser, *ret, next);
	}
	return r;
}

static int parse_all(struct parser *parser, uint32_t *ret)
{
	return parse_row(parser, TOKEN_AND, parse_one, ret);
}

static int parse_any(struct parser *parser, uint32_t *ret)
{
	return parse_row(parser, TOKEN_OR, parse_all, ret);
}

static int parse_text(struct parser *parser)
{
	static const struct filter_node everything = {.kind = FILTER_AND};
	struct socket_filter *filter = parser->filter;
	uint32_t none;
	int r = add_node(parser, &everything, &none); /* [0] */

	advance(parser);
	if (r == 0 && parser->token == TOKEN_END)
		return add_node(parser, &everything, &filter->root);
	if (r == 0)
		r = parse_any(parser, &filter->root);
	if (r == 0 && parser->token == TOKEN_CLOSE)
		return fail(parser, parser->start, "there is no '(' for this ')'");
	return r;
}

/* ---- the states in which @node may hold, or, @negated, may not hold */

static uint32_t states_of(const struct socket_filter *filter, const struct filter_node *node,
			  bool negated)
{
	bool all;
	uint32_t states;

	negated ^= node->negated;
	if (node->kind == FILTER_STATES)
		return negated ? FILTER_ALL_STATES & ~node->states : node->states;
	if (node->kind != FILTER_AND && node->kind != FILTER_OR)
		return FILTER_ALL_STATES;
	all = (node->kind == FILTER_AND) != negated;
	states = all ? FILTER_ALL_STATES : 0;
	for (uint32_t i = node->below; i != 0; i = filter->nodes[i].before) {
		uint32_t one = states_of(filter, &filter->nodes[i], negated);

		states = all ? states & one : states | one;
	}
	return states;
}

int socket_filter_parse(const char *text, struct socket_filter **ret, size_t *ret_at,
			struct why *why)
{
	struct parser parser = {.text = text, .why = why, .ret_at = ret_at};
	int r;

	parser.filter = calloc(1, sizeof(*parser.filter));
	if (!parser.filter) {
		*ret_at = 0;
		return why_set(why, -ENOMEM, "cannot keep this filter");
	}
	r = parse_text(&parser);
	if (r == 0) {
		parser.filter->states =
			states_of(parser.filter, &parser.filter->nodes[parser.filter->root], false);
		r = filter_compile(parser.filter);
	}
	if (r < 0) {
		socket_filter_free(parser.filter);
		return r;
	}
	*ret = parser.filter;
	return 0;
}
