#include "observe/socket_source.h"

#include <string.h>

#include "observe/socket_sources.h"

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
