#include "load/engine.h"

#include <stddef.h>
#include <string.h>

extern const struct load_engine load_engine_epoll, load_engine_uring;

const struct load_engine *const load_engines[] = {
	&load_engine_epoll,
	&load_engine_uring,
	NULL,
};

const struct load_engine *load_engine_find(const char *name)
{
	for (size_t i = 0; load_engines[i]; i++)
		if (strcmp(load_engines[i]->name, name) == 0)
			return load_engines[i];
	return NULL;
}
