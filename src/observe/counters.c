#include "observe/counters.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/netns.h"

#define TEXT_MAX (1 << 20)

/* A piece of a text between blanks; the text itself is not changed. */
struct word {
	const char *at;
	size_t length;
};

/* The next word of the line at *@at, which moves on; empty at the line's end. */
static struct word next_word(const char **at)
{
	struct word word;

	while (**at == ' ' || **at == '\t')
		(*at)++;
	word.at = *at;
	while (**at && !isspace((unsigned char)**at))
		(*at)++;
	word.length = (size_t)(*at - word.at);
	return word;
}

/* Over the end of a line; false when there is more on it. */
static bool end_line(const char **at)
{
	while (**at == ' ' || **at == '\t' || **at == '\r')
		(*at)++;
	if (**at == '\n')
		(*at)++;
	else if (**at)
		return false;
	return true;
}

/* "Tcp:" at the start of a line, without its colon. */
static int line_prefix(const char **at, struct word *ret)
{
	struct word word = next_word(at);

	if (word.length < 2 || word.at[word.length - 1] != ':')
		return -EBADMSG;
	word.length--;
	*ret = word;
	return 0;
}

/* Most counters are unsigned long in the kernel and wrap; Tcp.MaxConn is signed, and -1. */
static int parse_value(struct word word, int64_t *ret)
{
	bool negative = word.length > 0 && word.at[0] == '-';
	uint64_t value = 0;
	size_t i = negative;

	if (i == word.length)
		return -EBADMSG;
	for (; i < word.length; i++) {
		unsigned digit = (unsigned char)word.at[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return -EBADMSG;
	}
	if (negative && value > (uint64_t)INT64_MAX)
		return -EBADMSG;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

/* As all that the kernel has are: safe as a key, and on a terminal, whatever the locale. */
static bool is_name(struct word word)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_";

	return word.length > 0 && strspn(word.at, allowed) >= word.length;
}

/* Appends "@lead@prefix.@name". */
static int append(struct counters *counters, const char *lead, struct word prefix, struct word name,
		  struct word value)
{
	struct counter item;
	int length, r;

	if (!is_name(prefix) || !is_name(name) || prefix.length >= sizeof(item.name) ||
	    name.length >= sizeof(item.name))
		return -EBADMSG;
	length = snprintf(item.name, sizeof(item.name), "%s%.*s.%.*s", lead, (int)prefix.length,
			  prefix.at, (int)name.length, name.at);
	if (length < 0 || (size_t)length >= sizeof(item.name))
		return -EBADMSG;
	r = parse_value(value, &item.value);
	if (r < 0)
		return r;
	r = ARRAY_ROOM(counters->items, counters->capacity, counters->count);
	if (r < 0)
		return r;
	counters->items[counters->count++] = item;
	return 0;
}

/* Two lines, "Tcp: Name …" and "Tcp: value …", column for column. */
static int parse_pair(struct counters *counters, const char **at)
{
	const char *names = *at, *values = strchr(*at, '\n');
	struct word prefix, again, name, value;
	int r;

	if (!values)
		return -EBADMSG;
	values++;
	if (line_prefix(&names, &prefix) < 0 || line_prefix(&values, &again) < 0 ||
	    prefix.length != again.length || memcmp(prefix.at, again.at, prefix.length) != 0)
		return -EBADMSG;
	for (;;) {
		name = next_word(&names);
		value = next_word(&values);
		if (name.length == 0 || value.length == 0)
			break;
		r = append(counters, "", prefix, name, value);
		if (r < 0)
			return r;
	}
	if (name.length != value.length || !end_line(&values))
		return -EBADMSG;
	*at = values;
	return 0;
}

/* "TCP: inuse 5 orphan 0 tw 0"; a line without any pair is allowed. */
static int parse_line(struct counters *counters, const char **at)
{
	struct word prefix, name;
	int r = line_prefix(at, &prefix);

	while (r == 0 && (name = next_word(at)).length > 0)
		r = append(counters, "sockstat.", prefix, name, next_word(at));
	if (r == 0 && !end_line(at))
		r = -EBADMSG;
	return r;
}

/* All of @text by @parse; what was appended is taken back on failure. */
static int parse_all(struct counters *counters, const char *text,
		     int (*parse)(struct counters *, const char **))
{
	size_t before = counters->count;
	int r = 0;

	while (r == 0 && *text)
		r = parse(counters, &text);
	if (r < 0)
		counters->count = before;
	return r;
}

int counters_parse_table(struct counters *counters, const char *text)
{
	return parse_all(counters, text, parse_pair);
}

int counters_parse_sockstat(struct counters *counters, const char *text)
{
	return parse_all(counters, text, parse_line);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

void counters_sort(struct counters *counters)
{
	if (counters->count > 1)
		qsort(counters->items, counters->count, sizeof(*counters->items), by_name);
}

/* /proc/net is the thread-group leader's: only thread-self follows netns_enter(). */
static const struct {
	const char *name;
	int (*parse)(struct counters *, const char *);
	bool optional;
} files[] = {
	{"netstat", counters_parse_table, false},
	{"snmp", counters_parse_table, false},
	{"sockstat", counters_parse_sockstat, false},
	{"sockstat6", counters_parse_sockstat, true}, /* a kernel without IPv6 has none */
};

static int read_one(size_t i, struct counters *counters, struct why *why)
{
	CLEANUP_FREE char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", files[i].name);
	r = file_read(path, TEXT_MAX, &text, NULL);
	if (r == -ENOENT && files[i].optional)
		return 0;
	if (r < 0)
		return why_set(why, r, "cannot read /proc/net/%s", files[i].name);
	r = files[i].parse(counters, text);
	if (r == -EBADMSG)
		return why_say(why, r, "/proc/net/%s does not look as the kernel writes it",
			       files[i].name);
	return r < 0 ? why_set(why, r, "cannot keep the kernel's counters") : 0;
}

int counters_read_here(struct counters *ret, struct why *why)
{
	struct counters counters = {0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++)
		r = read_one(i, &counters, why);
	if (r < 0) {
		counters_done(&counters);
		return r;
	}
	counters_sort(&counters);
	*ret = counters;
	return 0;
}

int counters_read(int netns_fd, struct counters *ret)
{
	int home = netns_enter(netns_fd);
	int r;

	if (home < 0)
		return home;
	r = counters_read_here(ret, NULL);
	netns_leave(home);
	return r;
}

void counters_done(struct counters *counters)
{
	free(counters->items);
	*counters = (struct counters){0};
}

static int name_order(const void *name, const void *item)
{
	return strcmp(name, ((const struct counter *)item)->name);
}

int64_t counters_value(const struct counters *counters, const char *name, int64_t otherwise)
{
	const struct counter *found = NULL;

	if (counters->count > 0)
		found = bsearch(name, counters->items, counters->count, sizeof(*counters->items),
				name_order);
	return found ? found->value : otherwise;
}

/* The order of the heads of two sorted lists; a list that is used up comes last. */
static int head_order(const struct counters *a, size_t i, const struct counters *b, size_t j)
{
	if (i == a->count)
		return 1;
	if (j == b->count)
		return -1;
	return strcmp(a->items[i].name, b->items[j].name);
}

int counters_moved(const struct counters *before, const struct counters *after,
		   struct counters *ret)
{
	struct counters moved = {0};
	size_t i = 0, j = 0;

	while (i < before->count || j < after->count) {
		int order = head_order(before, i, after, j);
		struct counter item = order <= 0 ? before->items[i] : after->items[j];
		uint64_t was = order <= 0 ? (uint64_t)before->items[i++].value : 0;
		uint64_t is = order >= 0 ? (uint64_t)after->items[j++].value : 0;

		if (is == was)
			continue;
		item.value = (int64_t)(is - was);
		if (ARRAY_ROOM(moved.items, moved.capacity, moved.count) < 0) {
			counters_done(&moved);
			return -ENOMEM;
		}
		moved.items[moved.count++] = item;
	}
	*ret = moved;
	return 0;
}

bool counter_is_machine_wide(const char *name)
{
	static const char *const names[] = {
		"sockstat.TCP.orphan",
		"sockstat.TCP.alloc",
		"sockstat.TCP.mem",
		"sockstat.UDP.mem",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}
