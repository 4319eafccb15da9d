#include "cmd/states_counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "observe/namespaces.h"

/* What a look needs beside what it comes to. */
struct visitor {
	struct states_counters *look;
	uint64_t own; /* inode of the namespace that we are in */
	/* What is shown there. A setting of the machine, which others do not show, is theirs, too.
	 */
	struct counter_limit limits[LIMIT_COUNT];
	struct why *why;
};

/* ---- a namespace */

static int read_limits(const struct visitor *visitor, struct counter_limit *limits)
{
	int r = counter_limits_read_here(limits, visitor->why);

	for (int i = 0; i < LIMIT_COUNT && r == 0; i++)
		if (limits[i].count == 0 &&
		    counter_limit_is_machine_wide((enum counter_limit_name)i))
			limits[i] = visitor->limits[i];
	return r;
}

static int visit(const struct visitor *visitor, int netns_fd, struct states_counters_net *net)
{
	int home = netns_enter(netns_fd), r;

	if (home == -EPERM)
		return why_say(visitor->why, home,
			       "the network namespace %s may not be entered; root may", net->label);
	if (home < 0)
		return why_set(visitor->why, home, "cannot enter the network namespace %s",
			       net->label);
	r = read_limits(visitor, net->limits);
	if (r == 0)
		r = counters_read_here(&net->counters, visitor->why);
	netns_leave(home);
	return r;
}

/* One's own is not entered: that would take a privilege. */
static int read_net(const struct visitor *visitor, int netns_fd, struct states_counters_net *net)
{
	if (net->inode != visitor->own)
		return visit(visitor, netns_fd, net);
	memcpy(net->limits, visitor->limits, sizeof(net->limits));
	return counters_read_here(&net->counters, visitor->why);
}

static int add(const struct visitor *visitor, int netns_fd, const char *label)
{
	struct states_counters *look = visitor->look;
	struct states_counters_net net = {0};
	struct stat status;
	int r;

	if (ARRAY_ROOM(look->nets, look->net_capacity, look->net_count) < 0)
		return why_set(visitor->why, -ENOMEM, "cannot keep the kernel's counters");
	if (fstat(netns_fd, &status) < 0)
		return why_set(visitor->why, -errno, "cannot look at the network namespace %s",
			       label);
	net.inode = status.st_ino;
	snprintf(net.label, sizeof(net.label), "%s", label);
	r = read_net(visitor, netns_fd, &net);
	if (r < 0)
		return r;
	look->nets[look->net_count++] = net;
	return 0;
}

/* ---- which of them */

static int add_one(const struct visitor *visitor)
{
	const char *name = visitor->look->netns;
	CLEANUP_CLOSE int fd = net_namespace_find(name, visitor->why);

	if (fd < 0)
		return fd;
	return add(visitor, fd, name ? name : "own");
}

static int add_among(const struct visitor *visitor, const struct net_namespace *namespace)
{
	CLEANUP_CLOSE int fd = net_namespace_open(namespace, visitor->why);
	struct states_counters *look = visitor->look;
	char label[sizeof(look->nets->label)];
	int r = fd;

	net_namespace_label(namespace, label, sizeof(label));
	if (fd >= 0)
		r = add(visitor, fd, label);
	/* One that has gone is none; one that cannot be looked into is told, and others go on. */
	if (r >= 0 || r == -ENOMEM)
		return r < 0 ? r : 0;
	if (r != -ENOENT && look->closed++ == 0)
		look->closed_why = *visitor->why;
	return 0;
}

static int add_all(const struct visitor *visitor)
{
	CLEANUP(net_namespaces_done) struct net_namespaces all = {0};
	int r = net_namespaces_read(&all, visitor->why);

	for (size_t i = 0; i < all.count && r == 0; i++)
		r = add_among(visitor, &all.at[i]);
	return r;
}

/* ---- a look */

static int know_own(struct visitor *visitor)
{
	CLEANUP_CLOSE int fd = net_namespace_find(NULL, visitor->why);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return why_set(visitor->why, -errno, "cannot look at one's network namespace");
	visitor->own = status.st_ino;
	return counter_limits_read_here(visitor->limits, visitor->why);
}

int states_counters_take(struct states_counters *ret, const char *netns, struct why *why)
{
	struct visitor visitor = {.look = ret, .why = why};
	int r;

	*ret = (struct states_counters){.netns = netns};
	r = know_own(&visitor);
	if (r == 0)
		r = netns && strcmp(netns, "all") == 0 ? add_all(&visitor) : add_one(&visitor);
	ret->at_ns = clock_now_ns();
	return r;
}

void states_counters_done(struct states_counters *look)
{
	for (size_t i = 0; i < look->net_count; i++)
		counters_done(&look->nets[i].counters);
	free(look->nets);
	*look = (struct states_counters){0};
}

static int tell(const struct invocation *call, const struct states_counters *look, bool json)
{
	struct screen screen;

	screen_init(&screen, stdout, call->color);
	if (json)
		states_counters_json(stdout, look);
	else if (states_counters_text(&screen, look) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	if (look->closed)
		invocation_fail(call, CLI_DONE,
				"%u network namespace%s could not be looked into: %s", look->closed,
				look->closed == 1 ? "" : "s", look->closed_why.text);
	return CLI_DONE;
}

int states_counters_run(const struct invocation *call, const struct states_options *options)
{
	CLEANUP(states_counters_done) struct states_counters look = {0};
	struct why why;

	if (states_counters_take(&look, options->netns, &why) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	return tell(call, &look, options->json);
}
