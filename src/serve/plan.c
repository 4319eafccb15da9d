#include "serve/plan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const names[] = {
	[SERVE_CLOSE_ACTIVE] = "active", [SERVE_CLOSE_PASSIVE] = "passive",
	[SERVE_CLOSE_NEVER] = "never",	 [SERVE_CLOSE_HALF] = "half",
	[SERVE_CLOSE_RST] = "rst",	 [SERVE_CLOSE_LINGER] = "linger",
	[SERVE_CLOSE_UNREAD] = "unread",
};
static_assert(ARRAY_SIZE(names) == SERVE_CLOSING_COUNT, "a name for each closing");

const char *serve_closing_name(enum serve_closing closing)
{
	return (size_t)closing < ARRAY_SIZE(names) ? names[closing] : NULL;
}

int serve_closing_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -EINVAL;
}
