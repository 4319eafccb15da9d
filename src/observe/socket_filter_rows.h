/* For tests: what a filter leaves over of sockets in all states, as a set of rows. */
#ifndef CONTEST_OBSERVE_SOCKET_FILTER_ROWS_H
#define CONTEST_OBSERVE_SOCKET_FILTER_ROWS_H

#include "observe/testnet.h"

#include <linux/types.h>

#include "observe/sockdiag.h"
#include "observe/socket_filter.h"

struct row {
	int state;
	struct tcp_key key;
};

struct rows {
	struct row rows[256];
	size_t count;
};

void add_row(struct rows *rows, int state, const struct tcp_key *key);
void sort_rows(struct rows *rows);
bool same_rows(const struct rows *a, const struct rows *b);
void print_rows(const char *title, const struct rows *rows);

struct sieve {
	const struct socket_filter *filter; /* NULL: all */
	struct rows *rows;
};

/* Visits, with a struct sieve. */
int sift(const struct socket_status *status, void *context);

/* The sockets of a full dump that @filter (NULL: all) matches. */
struct rows matched(const struct socket_filter *filter);
/* Whether what was found at first is not there any more: TIME-WAIT ends some time. */
bool changed(const struct socket_filter *filter, struct rows *rows);
/* Fails, with both, where they differ. */
void compare(const char *text, const char *what, const struct rows *want, const struct rows *got);

/* An end as the kernel has it. */
struct tcp_endpoint endpoint_of(int family, const __be32 *address, __be16 port);
/* "::" is 0.0.0.0 when the other end is at a v4-mapped address. */
void unify(struct tcp_key *key);

/* Makes the sockets and opens what lists them: 0 or -1. */
int rows_open(void);
void rows_close(void);

#endif
