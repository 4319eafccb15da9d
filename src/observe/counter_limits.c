#include "observe/counter_limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

static const struct {
	const char *name;
	unsigned count;
	bool machine_wide;
} limits[] = {
	[LIMIT_TW_BUCKETS] = {"net.ipv4.tcp_max_tw_buckets", 1, false},
	[LIMIT_SOMAXCONN] = {"net.core.somaxconn", 1, false},
	[LIMIT_ORPHANS] = {"net.ipv4.tcp_max_orphans", 1, true},
	[LIMIT_MEMORY] = {"net.ipv4.tcp_mem", 3, true},
};

_Static_assert(ARRAY_SIZE(limits) == LIMIT_COUNT, "a name for each limit");

const char *counter_limit_name(enum counter_limit_name limit)
{
	return limits[limit].name;
}

bool counter_limit_is_machine_wide(enum counter_limit_name limit)
{
	return limits[limit].machine_wide;
}

int counter_limit_parse(const char *text, unsigned count, struct counter_limit *ret)
{
	struct counter_limit limit = {.count = count};

	for (unsigned i = 0; i < count; i++) {
		char *end;

		text += strspn(text, " \t");
		if (!isdigit((unsigned char)*text))
			return -EBADMSG;
		errno = 0;
		limit.values[i] = strtoll(text, &end, 10);
		if (errno)
			return -EBADMSG;
		text = end;
	}
	if (text[strspn(text, " \t\n")])
		return -EBADMSG;
	*ret = limit;
	return 0;
}

/* "net.core.somaxconn" is /proc/sys/net/core/somaxconn. */
static void path_of(const char *name, char *to, size_t room)
{
	snprintf(to, room, "/proc/sys/%s", name);
	for (char *at = to; *at; at++)
		if (*at == '.')
			*at = '/';
}

static int read_one(enum counter_limit_name which, struct counter_limit *ret, struct why *why)
{
	CLEANUP_FREE char *text = NULL;
	const char *name = limits[which].name;
	char path[64];
	int r;

	*ret = (struct counter_limit){0};
	path_of(name, path, sizeof(path));
	r = file_read(path, 4096, &text, NULL);
	/* A container's /proc/sys may be hidden from it. */
	if (r == -ENOENT || r == -EACCES || r == -EPERM)
		return 0;
	if (r < 0)
		return why_set(why, r, "cannot read %s", name);
	r = counter_limit_parse(text, limits[which].count, ret);
	if (r < 0)
		return why_say(why, r, "%s does not look as the kernel writes it", path);
	return 0;
}

int counter_limits_read_here(struct counter_limit ret[LIMIT_COUNT], struct why *why)
{
	struct counter_limit read[LIMIT_COUNT];

	for (int i = 0; i < LIMIT_COUNT; i++) {
		int r = read_one((enum counter_limit_name)i, &read[i], why);

		if (r < 0)
			return r;
	}
	memcpy(ret, read, sizeof(read));
	return 0;
}
