/* --source SOURCE: who lists the sockets, for states and for top. */
#ifndef CONTEST_CMD_SOURCE_OPTION_H
#define CONTEST_CMD_SOURCE_OPTION_H

#include <stdbool.h>

#include "cmd/cli.h"
#include "observe/socket_source.h"

struct source_choice {
	const struct socket_source *source;
	bool named; /* by the user: nobody else will do */
};

/* Whom to ask for sums of the sockets in the namespace of @netns_fd: who was named, else whoever
 * takes less time than a walk (socket_source_summing()). NULL: nobody. */
const struct socket_source *source_choice_summing(const struct source_choice *choice, int netns_fd);

/* The words that it takes, NULL behind the last. */
const char *source_option_word(size_t index);

/* The one that was named, else the first that may be used here. CLI_DONE, or CLI_REFUSED with a
 * line said. */
int source_option_read(const struct invocation *call, struct source_choice *ret);

#endif
