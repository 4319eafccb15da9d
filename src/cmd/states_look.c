#include "cmd/states_look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "load/watch.h"
#include "observe/namespaces.h"

/* A walk over several namespaces is begun anew as a whole: counts cannot be taken back in part. */
#define ATTEMPTS   4
#define BEGIN_ANEW 0x7a9e

/* What one walk needs beside the look. */
struct walking {
	struct states_look *look;
	const struct states_sink *sink;
	struct states_net *net;
	struct why *why;
	bool first; /* no namespace came before: what was counted can all be forgotten */
	bool anew;  /* it cannot */
	bool last;  /* no other attempt */
	uint8_t listened[UINT16_MAX / 8 + 1]; /* a bit for each port */
};

/* ---- memory */

static struct socket_groups *want(const enum group_key *keys, size_t count, int *r)
{
	struct socket_groups *groups = socket_groups_new(keys, count);

	if (!groups)
		*r = -ENOMEM;
	return groups;
}

int states_look_init(struct states_look *look, const struct states_options *options)
{
	static const enum group_key port_keys[] = {GROUP_NETNS, GROUP_LOCAL, GROUP_DESTINATION};
	static const enum group_key peer_keys[] = {GROUP_PEER};
	static const enum group_key holder_keys[] = {GROUP_PROCESS, GROUP_USER};
	int r = 0;

	*look = (struct states_look){.options = options};
	if (options->by.count)
		look->groups = want(options->by.at, options->by.count, &r);
	if (options->list && !options->json)
		return r;
	/* The notes of the summary; JSON has them all. */
	if (!options->by.count || options->json)
		look->ports = want(port_keys, ARRAY_SIZE(port_keys), &r);
	if (!options->by.count && !options->json && !options->every_ns) {
		look->peers = want(peer_keys, ARRAY_SIZE(peer_keys), &r);
		look->holders = want(holder_keys, ARRAY_SIZE(holder_keys), &r);
	}
	return r;
}

void states_look_done(struct states_look *look)
{
	socket_groups_free(TAKE_PTR(look->groups));
	socket_groups_free(TAKE_PTR(look->ports));
	socket_groups_free(TAKE_PTR(look->peers));
	socket_groups_free(TAKE_PTR(look->holders));
	owners_free(TAKE_PTR(look->owners));
	free(TAKE_PTR(look->leaks));
	free(TAKE_PTR(look->nets));
}

static void forget_counts(struct states_look *look)
{
	struct socket_groups *const all[] = {look->groups, look->ports, look->peers, look->holders};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i])
			socket_groups_clear(all[i]);
	memset(look->states, 0, sizeof(look->states));
	look->total = look->served = 0;
	look->leak_count = 0;
}

/* ---- a socket */

static void tally(struct states_tally *to, const struct socket_status *status)
{
	uint32_t left = status->timer_left_ms;

	to->count++;
	to->minisocks += status->minisock;
	if (status->timer == SOCKET_TIMER_OFF)
		return;
	if (to->timers++ == 0 || left < to->least_ms)
		to->least_ms = left;
	if (left > to->most_ms)
		to->most_ms = left;
}

static bool is_listened_at(const struct walking *walking, uint16_t port)
{
	return walking->listened[port / 8] & 1U << port % 8;
}

/* A local port of the range, chosen for a connection to elsewhere. */
static bool takes_port(const struct walking *walking, const struct socket_status *status)
{
	uint16_t port = status->key.local.port;

	return port >= walking->net->first_port && port <= walking->net->last_port &&
	       status->key.remote.port && !is_listened_at(walking, port);
}

static int add_leak(struct states_look *look, const struct socket_status *status)
{
	if (ARRAY_ROOM(look->leaks, look->leak_capacity, look->leak_count) < 0)
		return -ENOMEM;
	look->leaks[look->leak_count++] = (struct states_leak){status->inode, status->uid};
	return 0;
}

static int add_notes(struct walking *walking, const struct socket_status *status)
{
	struct states_look *look = walking->look;
	int r = 0;

	if (look->ports && takes_port(walking, status))
		r = socket_groups_add(look->ports, status, NULL, walking->net->inode);
	if (r == 0 && look->peers && status->state == TCP_TIME_WAIT) {
		look->served += is_listened_at(walking, status->key.local.port);
		r = socket_groups_add(look->peers, status, NULL, 0);
	}
	if (r == 0 && look->holders && status->state == TCP_CLOSE_WAIT)
		r = add_leak(look, status);
	return r;
}

static int visit(const struct socket_status *status, void *context)
{
	struct walking *walking = context;
	struct states_look *look = walking->look;
	const struct owner *owner = NULL;
	struct owner found;
	int r = 0;

	look->total++;
	walking->net->sockets++;
	tally(&look->states[status->state], status);
	if (look->owners && owners_find(look->owners, status->inode, &found))
		owner = &found;
	if (look->groups)
		r = socket_groups_add(look->groups, status, owner, walking->net->inode);
	if (r == 0)
		r = add_notes(walking, status);
	if (r == 0 && walking->sink && walking->sink->row)
		r = walking->sink->row(walking->sink->context, status, owner, walking->net);
	if (r == -ENOMEM)
		why_set(walking->why, r, "cannot count the sockets");
	return walking->anew ? BEGIN_ANEW : r;
}

static void begin_again(void *context)
{
	struct walking *walking = context;

	walking->net->sockets = 0;
	/* As the last attempt, twice is better than nothing. */
	if (!walking->first && walking->last) {
		walking->look->torn = true;
		return;
	}
	walking->anew = !walking->first;
	forget_counts(walking->look);
	if (walking->sink && walking->sink->again)
		walking->sink->again(walking->sink->context);
}

static int mark_listened(const struct socket_status *status, void *context)
{
	struct walking *walking = context;
	uint16_t port = status->key.local.port;

	walking->listened[port / 8] |= (uint8_t)(1U << port % 8);
	return 0;
}

/* ---- sockets that the source has added up */

/* Of what is wanted, sums give the counts by state and by these keys alone. */
static int sum_fields(const struct walking *walking)
{
	const struct states_look *look = walking->look;
	const struct socket_filter *filter = look->options->filter;
	int fields;

	if (!look->groups || look->ports || look->peers || look->holders || look->owners ||
	    walking->sink)
		return -ENOTSUP;
	fields = socket_groups_fields(look->groups);
	if (fields >= 0 && filter)
		fields |= (int)socket_filter_fields(filter);
	return fields;
}

static void tally_sum(struct states_tally *to, const struct socket_sum *sum)
{
	to->count += sum->count;
	to->minisocks += sum->minisocks;
	if (sum->timers == 0)
		return;
	if (to->timers == 0 || sum->timer_least_ms < to->least_ms)
		to->least_ms = sum->timer_least_ms;
	if (to->timers == 0 || sum->timer_most_ms > to->most_ms)
		to->most_ms = sum->timer_most_ms;
	to->timers += sum->timers;
}

static int take_sum(const struct socket_sum *sum, void *context)
{
	struct walking *walking = context;
	struct states_look *look = walking->look;
	int r;

	if (look->options->filter && !socket_filter_matches(look->options->filter, &sum->like))
		return 0;
	look->total += sum->count;
	walking->net->sockets += sum->count;
	tally_sum(&look->states[sum->like.state], sum);
	r = socket_groups_add_sum(look->groups, sum, walking->net->inode);
	if (r < 0)
		why_set(walking->why, r, "cannot count the sockets");
	return r;
}

/* -ENOTSUP: they have to be walked. */
static int sum_up(struct walking *walking, const struct socket_source *kind, void *source)
{
	const struct socket_filter *filter = walking->look->options->filter;
	struct socket_walk course = {0};
	int r = kind->sum(source, filter ? socket_filter_states(filter) : ~0U,
			  (unsigned)sum_fields(walking), take_sum, walking, &course, walking->why);

	if (r == 0)
		walking->look->repeated += course.repeated;
	return r;
}

/* ---- a namespace */

static void free_filter(struct socket_filter **filter)
{
	socket_filter_free(*filter);
}

static int walk_sockets(struct walking *walking, const struct socket_source *kind, void *source)
{
	CLEANUP(free_filter) struct socket_filter *listening = NULL;
	struct socket_walk course = {0};
	size_t at;
	int r = 0;

	/* Listeners come first: what is connected at their ports has not chosen them. */
	memset(walking->listened, 0, sizeof(walking->listened));
	if (walking->look->ports || walking->look->peers) {
		r = socket_filter_parse("state listening", &listening, &at, walking->why);
		if (r == 0)
			r = kind->walk(source, listening, mark_listened, NULL, walking, &course,
				       walking->why);
	}
	if (r == 0)
		r = kind->walk(source, walking->look->options->filter, visit, begin_again, walking,
			       &course, walking->why);
	if (r == 0 && walking->anew)
		r = BEGIN_ANEW; /* and nothing came behind that */
	if (r != 0)
		return r;
	walking->look->repeated += course.repeated;
	walking->look->torn |= course.torn;
	return 0;
}

static void read_range(struct states_net *net, int netns_fd)
{
	int home = netns_enter(netns_fd);
	struct watch_host host;

	if (home < 0)
		return;
	if (watch_host_read(&host, NULL) == 0) {
		net->first_port = host.first_port;
		net->last_port = host.last_port;
		net->ports_available = (uint64_t)(host.last_port - host.first_port + 1) -
				       host.reserved_ports;
	}
	netns_leave(home);
}

/* NULL: nobody, they are to be walked. */
static const struct socket_source *choose_summing(const struct walking *walking, int netns_fd)
{
	if (sum_fields(walking) < 0)
		return NULL;
	return source_choice_summing(&walking->look->options->source, netns_fd);
}

/* With the source opened for it. */
static int ask(struct walking *walking, const struct socket_source *kind, int netns_fd,
	       int (*what)(struct walking *walking, const struct socket_source *kind, void *source))
{
	void *source;
	int r = kind->open(netns_fd, &source, walking->why);

	if (r < 0)
		return r;
	r = what(walking, kind, source);
	kind->close(source);
	return r;
}

static int walk_namespace(struct walking *walking, int netns_fd)
{
	const struct socket_source *summing = choose_summing(walking, netns_fd);
	struct stat status;
	int r = -ENOTSUP;

	if (fstat(netns_fd, &status) == 0)
		walking->net->inode = status.st_ino;
	if (walking->look->ports)
		read_range(walking->net, netns_fd);
	if (summing)
		r = ask(walking, summing, netns_fd, sum_up);
	if (r != -ENOTSUP)
		return r;
	return ask(walking, walking->look->options->source.source, netns_fd, walk_sockets);
}

static struct states_net *add_net(struct states_look *look)
{
	if (ARRAY_ROOM(look->nets, look->net_capacity, look->net_count) < 0)
		return NULL;
	look->nets[look->net_count] = (struct states_net){0};
	return &look->nets[look->net_count++];
}

/* One's own, or the one that was named. */
static int walk_one(struct walking *walking)
{
	const char *name = walking->look->options->netns;
	CLEANUP_CLOSE int fd = net_namespace_find(name, walking->why);

	if (fd < 0)
		return fd;
	walking->net = add_net(walking->look);
	if (!walking->net)
		return why_set(walking->why, -ENOMEM, "cannot count the sockets");
	snprintf(walking->net->label, sizeof(walking->net->label), "%s", name ? name : "own");
	return walk_namespace(walking, fd);
}

/* ---- all namespaces */

/* One that cannot be looked into is told, and the others go on. */
static int skip(struct walking *walking, int error)
{
	struct states_look *look = walking->look;

	if (error == -ENOMEM)
		return error;
	if (error != -ENOENT && look->closed++ == 0)
		look->closed_why = *walking->why;
	return 0;
}

static int walk_among(struct walking *walking, const struct net_namespace *namespace)
{
	CLEANUP_CLOSE int fd = net_namespace_open(namespace, walking->why);
	struct states_look *look = walking->look;
	int r;

	if (fd < 0)
		return skip(walking, fd);
	walking->net = add_net(look);
	if (!walking->net)
		return why_set(walking->why, -ENOMEM, "cannot count the sockets");
	net_namespace_label(namespace, walking->net->label, sizeof(walking->net->label));
	r = walk_namespace(walking, fd);
	if (r < 0 && walking->net->sockets == 0) {
		look->net_count--;
		return skip(walking, r);
	}
	walking->first = false;
	return r;
}

static int walk_all(struct walking *walking)
{
	CLEANUP(net_namespaces_done) struct net_namespaces all = {0};
	int r = net_namespaces_read(&all, walking->why);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all.count && r == 0; i++)
		r = walk_among(walking, &all.at[i]);
	return r;
}

/* ---- a look */

static int read_owners(struct states_look *look, struct why *why)
{
	owners_free(TAKE_PTR(look->owners));
	return owners_read(OWNERS_BEST, &look->owners, &look->hidden, why);
}

/* Whose are those in CLOSE-WAIT. */
static int find_holders(struct states_look *look, struct why *why)
{
	int r = 0;

	if (look->leak_count == 0)
		return 0;
	if (!look->owners)
		r = read_owners(look, why);
	for (size_t i = 0; i < look->leak_count && r == 0; i++) {
		struct socket_status status = {
			.state = TCP_CLOSE_WAIT,
			.inode = look->leaks[i].inode,
			.uid = look->leaks[i].uid,
		};
		struct owner owner;
		bool found = owners_find(look->owners, status.inode, &owner);

		r = socket_groups_add(look->holders, &status, found ? &owner : NULL, 0);
		if (r < 0)
			why_set(why, r, "cannot count the sockets");
	}
	return r;
}

static int walk(struct states_look *look, const struct states_sink *sink, bool last,
		struct why *why)
{
	CLEANUP_FREE struct walking *walking = calloc(1, sizeof(*walking));
	const char *netns = look->options->netns;

	if (!walking)
		return why_set(why, -ENOMEM, "cannot count the sockets");
	*walking = (struct walking){
		.look = look, .sink = sink, .why = why, .first = true, .last = last};
	look->net_count = 0;
	look->closed = 0;
	forget_counts(look);
	return netns && strcmp(netns, "all") == 0 ? walk_all(walking) : walk_one(walking);
}

int states_look_take(struct states_look *look, const struct states_sink *sink, struct why *why)
{
	int r = 0;

	look->repeated = 0;
	look->torn = false;
	if (states_options_need_owners(look->options))
		r = read_owners(look, why);
	for (int attempt = 1; r == 0; attempt++) {
		r = walk(look, sink, attempt == ATTEMPTS, why);
		if (r != BEGIN_ANEW)
			break;
		look->repeated++;
		r = 0;
	}
	if (r == 0)
		r = find_holders(look, why);
	look->at_ns = clock_now_ns();
	return r;
}

const char *states_look_net_name(const void *context, uint64_t netns)
{
	const struct states_look *look = context;

	for (size_t i = 0; i < look->net_count; i++)
		if (look->nets[i].inode == netns)
			return look->nets[i].label;
	return "?";
}
