/*
 * What one look at the sockets came to: all that the screen of `contest top` shows. Made by the
 * walker's thread, then handed over whole; nobody changes it after that.
 */
#ifndef CONTEST_CMD_TOP_LOOK_H
#define CONTEST_CMD_TOP_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/group_by.h"
#include "observe/owners.h"
#include "observe/sockdiag.h"
#include "observe/socket_groups.h"
#include "tcp/state.h"

#define TOP_ROWS	1000 /* groups that are shown: the largest */
#define TOP_HISTORY	120  /* counts of a group that are kept */
#define TOP_CONNECTIONS 256  /* connections that a group's detail lists: the lowest by address */
#define TOP_LABEL	80

/* Counts of the last looks, the newest last. */
struct top_history {
	uint32_t at[TOP_HISTORY];
	unsigned count;
};

struct top_row {
	struct socket_group group;
	char labels[GROUP_KEYS_MAX][TOP_LABEL]; /* clean: no controls */
	struct top_history history;
	int64_t change; /* against the look before */
	bool compared;	/* there was one, and it had this group or all there were */
};

struct top_connection {
	struct socket_status status;
	uint64_t netns;
	struct owner owner; /* pid 0: nobody that is seen, or not asked for */
};

/* The group that is looked into. */
struct top_group {
	bool chosen;
	struct group_by by;
	struct socket_group group;
	uint64_t count, states[TCP_STATE_COUNT], minisocks;
	uint64_t receive_queue, send_queue, retransmitting; /* bytes, bytes, sockets */
	struct top_connection *connections;		    /* (owned) sorted by address */
	size_t connection_count;
};

struct top_look {
	uint64_t serial; /* of the request that it answers */
	struct group_by by;
	uint64_t sockets, states[TCP_STATE_COUNT];
	uint64_t fin_wait2_minisocks;
	struct top_history history; /* of the sum */
	struct top_row *rows;	    /* (owned) the largest first */
	size_t row_count;
	uint64_t groups; /* all of them */
	int64_t at_ns, took_ns;
	const char *source; /* who told: the last, where several namespaces had different ones */
	bool torn, owners_known;
	unsigned namespaces, refused; /* walked; not to be entered */
	unsigned hidden;	      /* processes that could not be looked into */
	struct top_group detail;
	char error[512]; /* "": none; else there is nothing above */
};

void top_look_free(struct top_look *look);

#endif
