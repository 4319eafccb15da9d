/* --close HOW: the ways of closing of serve and of load, with "linger=SECONDS" among them. */
#ifndef CONTEST_CMD_CLOSING_OPTION_H
#define CONTEST_CMD_CLOSING_OPTION_H

#include "cmd/cli.h"

struct closing_option {
	const char *(*word)(size_t index); /* all of them, NULL behind the last */
	int (*find)(const char *name);	   /* the number of one, or -EINVAL */
	int linger;			   /* the number of "linger" */
	const char *list;		   /* "active, passive, … or linger=SECONDS" */
};

/*
 * Reads --close, which was given. *ret is its number; *ret_linger_s is set for linger=SECONDS
 * alone. CLI_DONE, or CLI_USAGE with a line said.
 */
int closing_option_read(const struct invocation *call, const struct closing_option *option,
			int *ret, int *ret_linger_s);

#endif
