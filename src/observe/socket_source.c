#include "observe/socket_source.h"

#include <string.h>

#include "observe/counters.h"
#include "observe/socket_sources.h"

/* What is saved of a walk over as many (some 40 ms) is what it takes to load the program. */
#define SUM_FROM 200000

const struct socket_source *const socket_sources[] = {
	&socket_source_diag,
	&socket_source_bpf,
	&socket_source_proc,
	NULL,
};

const struct socket_source *socket_source_find(const char *name)
{
	for (size_t i = 0; socket_sources[i]; i++)
		if (strcmp(socket_sources[i]->name, name) == 0)
			return socket_sources[i];
	return NULL;
}

static bool are_many(int netns_fd)
{
	struct counters counters;
	int64_t sockets;

	if (counters_read(netns_fd, &counters) < 0)
		return false;
	sockets = counters_value(&counters, "sockstat.TCP.inuse", 0) +
		  counters_value(&counters, "sockstat.TCP6.inuse", 0) +
		  counters_value(&counters, "sockstat.TCP.tw", 0);
	counters_done(&counters);
	return sockets >= SUM_FROM;
}

const struct socket_source *socket_source_summing(int netns_fd)
{
	struct why why;

	if (!are_many(netns_fd))
		return NULL;
	for (size_t i = 0; socket_sources[i]; i++)
		if (socket_sources[i]->sum && socket_sources[i]->probe(&why) == 0)
			return socket_sources[i];
	return NULL;
}
