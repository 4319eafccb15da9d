#include "load/plan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const closings[] = {
	[LOAD_CLOSE_ACTIVE] = "active", [LOAD_CLOSE_PASSIVE] = "passive",
	[LOAD_CLOSE_RST] = "rst",	[LOAD_CLOSE_HALF] = "half",
	[LOAD_CLOSE_LINGER] = "linger", [LOAD_CLOSE_ABANDON] = "abandon",
};
static_assert(ARRAY_SIZE(closings) == LOAD_CLOSING_COUNT, "a name for each closing");

static const char *const port_modes[] = {
	[LOAD_PORTS_KERNEL] = "kernel",
	[LOAD_PORTS_RANGE] = "range",
	[LOAD_PORTS_RING] = "ring",
};
static_assert(ARRAY_SIZE(port_modes) == LOAD_PORTS_COUNT, "a name for each way to choose ports");

static int find(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -EINVAL;
}

const char *load_closing_name(enum load_closing closing)
{
	return (size_t)closing < ARRAY_SIZE(closings) ? closings[closing] : NULL;
}

int load_closing_find(const char *name)
{
	return find(closings, ARRAY_SIZE(closings), name);
}

const char *load_ports_name(enum load_ports ports)
{
	return (size_t)ports < ARRAY_SIZE(port_modes) ? port_modes[ports] : NULL;
}

int load_ports_find(const char *name)
{
	return find(port_modes, ARRAY_SIZE(port_modes), name);
}
