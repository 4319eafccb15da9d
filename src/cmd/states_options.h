/* The command line of `contest states`: its table, and what is made of it. */
#ifndef CONTEST_CMD_STATES_OPTIONS_H
#define CONTEST_CMD_STATES_OPTIONS_H

#include "cmd/cli.h"
#include "cmd/group_by.h"
#include "cmd/source_option.h"
#include "observe/socket_filter.h"
#include "observe/socket_groups.h"

/* What rows and groups are sorted by. */
enum states_sort {
	STATES_SORT_NONE, /* rows as the kernel gives them, groups by their count */
	STATES_SORT_COUNT,
	STATES_SORT_STATE,
	STATES_SORT_RECV_Q,
	STATES_SORT_SEND_Q,
	STATES_SORT_LOCAL,
	STATES_SORT_LOCAL_PORT,
	STATES_SORT_PEER,
	STATES_SORT_PEER_PORT,
	STATES_SORT_DESTINATION,
	STATES_SORT_TIMER, /* time left */
	STATES_SORT_PROCESS,
	STATES_SORT_USER,
	STATES_SORT_NETNS,
};

struct states_options {
	char *text;		      /* (owned) the filter's, "" without one */
	struct socket_filter *filter; /* (owned) NULL: all */
	struct source_choice source;
	struct group_by by; /* no key: the summary */
	enum states_sort sort;
	size_t top;	   /* 0: all */
	const char *netns; /* (borrowed) NULL: one's own */
	int64_t every_ns;  /* 0: one look */
	bool list, processes, json, reverse;
	bool counters; /* and nothing that is about sockets: no source, no filter, no keys */
};

extern const struct cli_option states_option_table[];

/* Reads the options and operands of @call. CLI_DONE, or another status with the complaint printed;
 * to be given to states_options_done() anyway. */
int states_options_read(const struct invocation *call, struct states_options *ret);
void states_options_done(struct states_options *options);

/* Whether a look has to know whose sockets are. */
bool states_options_need_owners(const struct states_options *options);

#endif
