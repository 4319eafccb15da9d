/* For tests of filters. */
#ifndef CONTEST_OBSERVE_SOCKET_FILTER_TESTING_H
#define CONTEST_OBSERVE_SOCKET_FILTER_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/socket_filter.h"

/* A filter that is right. */
static inline struct socket_filter *parse(const char *text)
{
	struct socket_filter *filter = NULL;
	struct why why = {0};
	size_t at = 0;

	if (socket_filter_parse(text, &filter, &at, &why) != 0)
		fail_msg("%s: at %zu: %s", text, at, why.text);
	return filter;
}

#endif
