#include "world/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/netns.h"
#include "world/ethtool.h"
#include "world/rtnl.h"
#include "world/tables.h"
#include "world/userns.h"
#include "world/veth.h"
#include "world/wire_parts.h"
#include "world/world_parts.h"

/* How a kind of link comes to be, in this order. */
struct link_ops {
	const char *name;
	/* Makes the devices of the hosts; they are down after that. NULL: there is nothing to make.
	 */
	int (*make)(struct world *world, struct why *why);
	/* After the devices were brought up, and before the addresses are there. */
	int (*start)(struct world *world, struct why *why);
};

static int wire_make(struct world *world, const struct port_ops *ops, struct why *why)
{
	int r = 0;

	for (size_t i = 0; i < world->host_count && r == 0; i++)
		r = wire_add_station(world->wire, ops, &world->hosts[i], world->home, why);
	if (r < 0)
		wire_drop_stations(world->wire);
	return r;
}

static int tun_make(struct world *world, struct why *why)
{
	return wire_make(world, &port_tun, why);
}

static int veth_make(struct world *world, struct why *why)
{
	return wire_make(world, &port_veth, why);
}

static int wire_begin(struct world *world, struct why *why)
{
	return wire_start(world->wire, world->home, why);
}

static int fast_make(struct world *world, struct why *why)
{
	struct rtnl_end ends[2];

	for (size_t i = 0; i < 2; i++) {
		ends[i].device = world->hosts[i].device;
		ends[i].netns_fd = world->hosts[i].netns;
		memcpy(ends[i].mac, veth_host_mac, sizeof(ends[i].mac));
	}
	return veth_pair(&ends[0], &ends[1], why);
}

static int fast_start(struct world *world, struct why *why)
{
	for (size_t i = 0; i < 2; i++) {
		const struct host *host = &world->hosts[i];
		int r = ethtool_link_sync(host->netns, host->device);

		if (r <= 0)
			return why_set(why, r ? r : -ENETDOWN, "no carrier on %s", host->device);
	}
	return 0;
}

static const struct link_ops links[] = {
	[WORLD_LINK_WIRE] = {.name = "wire"},
	[WORLD_LINK_WIRE_TUN] = {"tun", tun_make, wire_begin},
	[WORLD_LINK_WIRE_VETH] = {"veth", veth_make, wire_begin},
	[WORLD_LINK_VETH] = {"veth-fast", fast_make, fast_start},
	[WORLD_LINK_LOOPBACK] = {"loopback", NULL, NULL},
};

const char *world_link_name(enum world_link link)
{
	return (size_t)link < ARRAY_SIZE(links) ? links[link].name : "?";
}

enum world_link world_link(const struct world *world)
{
	return world->link;
}

struct host *world_host(struct world *world, size_t index)
{
	return index < world->host_count ? &world->hosts[index] : NULL;
}

size_t world_host_count(const struct world *world)
{
	return world->host_count;
}

struct wire *world_wire(struct world *world)
{
	return world->wire;
}

static int link_make(struct world *world, struct why *why)
{
	int r;

	if (world->link == WORLD_LINK_WIRE) {
		struct why tun_why;

		r = tun_make(world, &tun_why);
		if (r < 0 && r != -ENOTSUP && why)
			*why = tun_why;
		world->link = r == -ENOTSUP ? WORLD_LINK_WIRE_VETH : WORLD_LINK_WIRE_TUN;
		if (r != -ENOTSUP)
			return r;
	}
	return links[world->link].make ? links[world->link].make(world, why) : 0;
}

static bool name_valid(const char *name)
{
	size_t length = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz"
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
			     : 0;

	return length > 0 && length < IFNAMSIZ && name[length] == '\0';
}

static int spec_check(const struct world_spec *spec, struct why *why)
{
	if ((size_t)spec->link >= ARRAY_SIZE(links) || spec->host_count < 1 ||
	    spec->host_count > WORLD_HOSTS_MAX)
		return why_say(why, -EINVAL, "a world has 1 to %d hosts", WORLD_HOSTS_MAX);
	if (spec->link == WORLD_LINK_VETH && spec->host_count != 2)
		return why_say(why, -EINVAL, "a veth link joins two hosts");
	for (size_t i = 0; i < spec->host_count; i++)
		if (!name_valid(spec->hosts[i].name))
			return why_say(why, -EINVAL, "host %zu needs a name of 1 to 15 letters", i);
	return 0;
}

static int host_make(struct world *world, const char *name, struct why *why)
{
	struct host *host = &world->hosts[world->host_count];
	bool shared = world->link == WORLD_LINK_LOOPBACK;
	int r = 0;

	*host = (struct host){.world = world, .index = world->host_count, .netns = -1};
	snprintf(host->name, sizeof(host->name), "%s", name);
	if (shared)
		snprintf(host->device, sizeof(host->device), "lo");
	else
		snprintf(host->device, sizeof(host->device), "%.14s0", name);
	world->host_count++;
	if (shared && host->index > 0) {
		host->netns = fcntl(world->hosts[0].netns, F_DUPFD_CLOEXEC, 0);
		return host->netns < 0 ? why_set(why, -errno, "cannot make host %s", name) : 0;
	}
	r = host_open(host);
	if (r == -EPERM || r == -EACCES || r == -ENOSPC)
		return userns_blame("/proc", r, why);
	return r < 0 ? why_set(why, r, "cannot make host %s", name) : 0;
}

static int host_address_all(struct host *host, const struct world_spec *world, struct why *why)
{
	const struct world_host_spec *spec = &world->hosts[host->index];
	char v4[32], v6[32];
	const char *usual[] = {v4, host->world->ipv6 ? v6 : NULL, NULL};
	const char *const *addresses = spec->addresses[0] ? spec->addresses : usual;

	snprintf(v4, sizeof(v4), "10.0.%u.%zu/24", world->network, host->index + 1);
	snprintf(v6, sizeof(v6), "fd00:0:0:%x::%zx/64", world->network, host->index + 1);
	for (size_t i = 0; i < WORLD_ADDRESSES_MAX && addresses[i]; i++) {
		int r = host_add_address(host, addresses[i]);

		if (r == -EAFNOSUPPORT)
			return why_say(why, -ENOTSUP,
				       "this kernel has no IPv6, and host %s needs %s", host->name,
				       addresses[i]);
		if (r < 0)
			return why_set(why, r, "cannot give host %s the address %s", host->name,
				       addresses[i]);
	}
	return 0;
}

static bool ipv6_works(void)
{
	CLEANUP_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

/* Under world->home. */
static int world_build(struct world *world, const struct world_spec *spec, struct why *why)
{
	int r;

	for (size_t i = 0; i < spec->host_count; i++) {
		r = host_make(world, spec->hosts[i].name, why);
		if (r < 0)
			return r;
	}
	r = link_make(world, why);
	for (size_t i = 0; i < world->host_count && r == 0; i++) {
		r = host_link_up(&world->hosts[i]);
		if (r < 0)
			return why_set(why, r, "cannot bring %s up", world->hosts[i].device);
	}
	if (r == 0 && links[world->link].start)
		r = links[world->link].start(world, why);
	for (size_t i = 0; i < world->host_count && r == 0; i++)
		r = host_address_all(&world->hosts[i], spec, why);
	for (size_t i = 0; i < world->host_count && r == 0; i++) {
		if (world->link == WORLD_LINK_LOOPBACK)
			break; /* all is local */
		r = host_route_all(&world->hosts[i]);
		if (r < 0)
			return why_set(why, r, "cannot route on host %s", world->hosts[i].name);
	}
	return r;
}

static bool link_has_wire(enum world_link link)
{
	return link == WORLD_LINK_WIRE || link == WORLD_LINK_WIRE_TUN ||
	       link == WORLD_LINK_WIRE_VETH;
}

/* How large the hosts' connection hashes are to be. */
static int make_tables(const struct world_spec *spec, struct why *why)
{
	int r;

	if (!spec->hash_entries) {
		if (link_has_wire(spec->link))
			tables_make(TABLES_SMALL); /* without it looks are slower, no more */
		return 0;
	}
	r = tables_make(spec->hash_entries);
	if (r == -ENOENT)
		return why_say(why, -ENOTSUP,
			       "this kernel gives no namespace a connection hash of its own "
			       "(net.ipv4.tcp_child_ehash_entries: Linux 6.1)");
	return r < 0 ? why_set(why, r, "cannot set net.ipv4.tcp_child_ehash_entries") : 0;
}

int world_new(const struct world_spec *spec, struct world **ret, struct why *why)
{
	struct world *world;
	int r = spec_check(spec, why);

	if (r < 0)
		return r;
	r = userns_enter(why);
	if (r < 0)
		return r;
	world = calloc(1, sizeof(*world));
	if (!world)
		return why_set(why, -ENOMEM, "cannot make a world");
	world->link = spec->link;
	world->ipv6 = ipv6_works();
	world->home = netns_open_current();
	if (link_has_wire(spec->link))
		world->wire = wire_new();
	r = make_tables(spec, why);
	if (r == 0 && (world->home < 0 || (link_has_wire(spec->link) && !world->wire)))
		r = why_set(why, world->home < 0 ? world->home : -ENOMEM, "cannot make a world");
	if (r == 0)
		r = world_build(world, spec, why);
	if (r < 0) {
		world_free(world);
		return r;
	}
	*ret = world;
	return 0;
}

void world_free(struct world *world)
{
	if (!world)
		return;
	wire_free(world->wire);
	for (size_t i = 0; i < world->host_count; i++)
		host_close(&world->hosts[i]);
	if (world->home >= 0)
		close(world->home);
	free(world);
}

/* In the child: a world without link is what every world begins with. */
static int probe(struct why *why)
{
	struct world_spec spec = {
		.link = WORLD_LINK_LOOPBACK, .host_count = 1, .hosts = {{.name = "probe"}}};
	struct world *world = NULL;
	int r = world_new(&spec, &world, why);

	world_free(world);
	return r;
}

int world_probe(struct why *why)
{
	struct {
		int result;
		struct why why;
	} answer = {0};
	int pipe_fds[2], status;
	ssize_t length;
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return why_set(why, -errno, "cannot make a pipe");
	child = fork();
	if (child == 0) {
		answer.result = probe(&answer.why);
		_exit(fd_write_all(pipe_fds[1], &answer, sizeof(answer)) < 0);
	}
	close(pipe_fds[1]);
	do
		length = child < 0 ? 0 : read(pipe_fds[0], &answer, sizeof(answer));
	while (length < 0 && errno == EINTR);
	close(pipe_fds[0]);
	if (child < 0)
		return why_set(why, -EAGAIN, "cannot fork");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (length != sizeof(answer))
		return why_say(why, -EIO, "the trial of a user namespace ended without an answer");
	if (answer.result < 0 && why)
		*why = answer.why;
	return answer.result;
}
