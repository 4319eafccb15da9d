#include "observe/socket_filter_rows.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/socket_testing.h"
#include "tcp/state.h"

static struct sockdiag *diag;

void add_row(struct rows *rows, int state, const struct tcp_key *key)
{
	assert_true(rows->count < ARRAY_SIZE(rows->rows));
	rows->rows[rows->count++] = (struct row){.state = state, .key = *key};
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	if (one->state != other->state)
		return one->state - other->state;
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): padding is set to 0, too. */
	return memcmp(&one->key, &other->key, sizeof(one->key));
}

void sort_rows(struct rows *rows)
{
	qsort(rows->rows, rows->count, sizeof(rows->rows[0]), compare_rows);
}

bool same_rows(const struct rows *a, const struct rows *b)
{
	return a->count == b->count && memcmp(a->rows, b->rows, a->count * sizeof(a->rows[0])) == 0;
}

void print_rows(const char *title, const struct rows *rows)
{
	char local[TCP_ENDPOINT_TEXT_MAX], remote[TCP_ENDPOINT_TEXT_MAX];

	print_error("%s: %zu\n", title, rows->count);
	for (size_t i = 0; i < rows->count; i++)
		print_error("\t%-12s %s %s\n", tcp_state_name(rows->rows[i].state),
			    tcp_endpoint_format(&rows->rows[i].key.local, local),
			    tcp_endpoint_format(&rows->rows[i].key.remote, remote));
}

int sift(const struct socket_status *status, void *context)
{
	struct sieve *sieve = context;

	if (!sieve->filter || socket_filter_matches(sieve->filter, status))
		add_row(sieve->rows, status->state, &status->key);
	return 0;
}

struct rows matched(const struct socket_filter *filter)
{
	struct rows rows = {0};
	struct sieve sieve = {.filter = filter, .rows = &rows};

	assert_int_equal(sockdiag_dump(diag, AF_UNSPEC, 0, sift, &sieve), 0);
	assert_true(rows.count > 0 || filter);
	sort_rows(&rows);
	return rows;
}

void compare(const char *text, const char *what, const struct rows *want, const struct rows *got)
{
	if (same_rows(want, got))
		return;
	print_rows("matched in a full dump", want);
	print_rows(what, got);
	fail_msg("%s", text);
}

bool changed(const struct socket_filter *filter, struct rows *rows)
{
	struct rows now = matched(filter);
	bool r = !same_rows(rows, &now);

	*rows = now;
	return r;
}

struct tcp_endpoint endpoint_of(int family, const __be32 *address, __be16 port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
	struct tcp_endpoint end = {0};

	memcpy(&v4.sin_addr, address, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, address, sizeof(v6.sin6_addr));
	assert_int_equal(tcp_endpoint_from_sockaddr(family == AF_INET ? (struct sockaddr *)&v4
								      : (struct sockaddr *)&v6,
						    &end),
			 0);
	return end;
}

void unify(struct tcp_key *key)
{
	static const uint8_t none[16];

	if (key->local.address.family == AF_INET && key->remote.port == 0 &&
	    memcmp(key->remote.address.bytes, none, sizeof(none)) == 0)
		key->remote.address.family = AF_INET;
}

int rows_open(void)
{
	CLEANUP_CLOSE int here = netns_open_current();
	struct why why = {0};

	if (sockdiag_open(here, &diag, &why) != 0) {
		print_error("%s\n", why.text);
		return -1;
	}
	sockets_make();
	return 0;
}

void rows_close(void)
{
	sockdiag_close(diag);
	sockets_close();
}
