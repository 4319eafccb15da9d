#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/netns.h"
#include "world/rtnl.h"
#include "world/tables.h"
#include "world/wire_parts.h"
#include "world/world_parts.h"

int address_parse(const char *text, struct tcp_address *ret, uint8_t *ret_prefix)
{
	char bare[TCP_ENDPOINT_TEXT_MAX];
	const char *slash = strchrnul(text, '/');
	struct tcp_address address;
	long prefix, most;
	char *end;

	if ((size_t)(slash - text) >= sizeof(bare))
		return -EINVAL;
	memcpy(bare, text, (size_t)(slash - text));
	bare[slash - text] = '\0';
	if (tcp_address_parse(bare, &address) < 0)
		return -EINVAL;
	most = address.family == AF_INET ? 32 : 128;
	prefix = most;
	if (*slash) {
		prefix = strtol(slash + 1, &end, 10);
		if (end == slash + 1 || *end || prefix < 0 || prefix > most)
			return -EINVAL;
	}
	*ret = address;
	*ret_prefix = (uint8_t)prefix;
	return 0;
}

/* Opens rtnetlink on the host; the index of @device, or -errno and nothing to close. */
static int host_rtnl(const struct host *host, const char *device, struct rtnl *ret)
{
	int r = rtnl_open(ret, host->netns);

	if (r < 0)
		return r;
	r = rtnl_link_index(ret, device);
	if (r < 0)
		rtnl_close(ret);
	return r;
}

static int device_up(const struct host *host, const char *device)
{
	struct rtnl rtnl;
	int r = host_rtnl(host, device, &rtnl);

	if (r < 0)
		return r;
	r = rtnl_link_up(&rtnl, r);
	rtnl_close(&rtnl);
	return r;
}

int host_open(struct host *host)
{
	int home = netns_open_current();
	int r = 0;

	if (home < 0)
		return home;
	if (unshare(CLONE_NEWNET) < 0) {
		r = -errno;
		close(home);
		return r;
	}
	host->netns = netns_open_current();
	netns_leave(home);
	if (host->netns < 0)
		return host->netns;
	r = tables_restore_limits(host);
	return r < 0 ? r : device_up(host, "lo");
}

void host_close(struct host *host)
{
	for (size_t i = 0; i < host->address_count; i++)
		free(host->addresses[i]);
	free(host->addresses);
	if (host->netns >= 0)
		close(host->netns);
}

int host_link_up(struct host *host)
{
	/* A system may have IPv6 off by default; where it has none at all there is no such name. */
	host_sysctl(host, "net.ipv6.conf.all.disable_ipv6", "0");
	host_sysctl(host, "net.ipv6.conf.default.disable_ipv6", "0");
	return device_up(host, host->device);
}

int host_route_all(struct host *host)
{
	struct rtnl rtnl;
	int index = host_rtnl(host, host->device, &rtnl);
	int r;

	if (index < 0)
		return index;
	r = rtnl_route_default(&rtnl, index, AF_INET);
	if (r == 0 && host->world->ipv6)
		r = rtnl_route_default(&rtnl, index, AF_INET6);
	rtnl_close(&rtnl);
	return r;
}

const char *host_name(const struct host *host)
{
	return host->name;
}

size_t host_index(const struct host *host)
{
	return host->index;
}

int host_netns(const struct host *host)
{
	return host->netns;
}

const char *host_device(const struct host *host)
{
	return host->device;
}

const struct tcp_address *host_address(const struct host *host, int family, size_t index)
{
	for (size_t i = 0; i < host->address_count; i++)
		if (host->addresses[i]->family == family && index-- == 0)
			return host->addresses[i];
	return NULL;
}

/*
 * Some hundred worlds may be made at once, and the kernel's worker that makes addresses ready needs
 * the rtnl lock in turn: whoever waits must not keep it busy with questions, nor give up early.
 */
#define ADDRESS_SECONDS	   60
#define ADDRESS_NAP_MAX_NS (10 * NS_PER_MS)

/* 0, -ETIMEDOUT or -errno. */
static int address_wait(struct rtnl *rtnl, const struct tcp_address *address)
{
	int64_t deadline = clock_now_ns() + ADDRESS_SECONDS * NS_PER_S;
	int64_t nap_ns = 50 * NS_PER_US;

	for (;;) {
		struct timespec nap;
		int r = rtnl_address_ready(rtnl, address);

		if (r != 0)
			return r < 0 ? r : 0;
		if (clock_now_ns() > deadline)
			return -ETIMEDOUT;
		nap = clock_timespec(nap_ns);
		nanosleep(&nap, NULL);
		if (nap_ns < ADDRESS_NAP_MAX_NS)
			nap_ns *= 2;
	}
}

static int address_add(struct host *host, const struct tcp_address *address, uint8_t prefix)
{
	struct rtnl rtnl;
	int index = host_rtnl(host, host->device, &rtnl);
	int r;

	if (index < 0)
		return index;
	r = rtnl_address_add(&rtnl, index, address, prefix);
	if (r == 0)
		r = address_wait(&rtnl, address);
	rtnl_close(&rtnl);
	return r;
}

int host_add_address(struct host *host, const char *text)
{
	CLEANUP_FREE struct tcp_address *address = malloc(sizeof(*address));
	struct wire *wire = host->world->wire;
	uint8_t prefix;
	int r;

	if (!address ||
	    ARRAY_ROOM(host->addresses, host->address_capacity, host->address_count) < 0)
		return -ENOMEM;
	r = address_parse(text, address, &prefix);
	if (r < 0)
		return r;
	if (address->family == AF_INET6 && !host->world->ipv6)
		return -EAFNOSUPPORT;
	/* The wire first: from the moment that the host has the address, packets may come for it.
	 */
	if (wire)
		r = wire_add_route(wire, address, (int)host->index);
	if (r < 0)
		return r;
	r = address_add(host, address, prefix);
	if (r < 0) {
		if (wire)
			wire_remove_route(wire, address);
		return r;
	}
	host->addresses[host->address_count++] = TAKE_PTR(address);
	return 0;
}

int host_socket(const struct host *host, int family, int type, int protocol)
{
	return netns_socket(host->netns, family, type, protocol);
}

/* "net.ipv4.tcp_rmem" as a file of this host, or -errno. Only net. is kept per namespace. */
static int sysctl_open(const struct host *host, const char *name, int flags)
{
	char path[256] = "/proc/sys/";
	size_t prefix = strlen(path), length = strlen(name);
	int fd;

	if (strncmp(name, "net.", 4) != 0 || strchr(name, '/') || strstr(name, ".."))
		return -ENOENT;
	if (prefix + length >= sizeof(path))
		return -ENOENT;
	memcpy(path + prefix, name, length + 1);
	for (char *at = path + prefix; *at; at++)
		if (*at == '.')
			*at = '/';
	fd = netns_open(host->netns, path, flags);
	/* A name that all namespaces share is shown, read-only (net/core/sysctl_net_core.c). */
	return fd == -EACCES || fd == -EPERM || fd == -EISDIR ? -ENOENT : fd;
}

int host_sysctl(const struct host *host, const char *name, const char *value)
{
	CLEANUP_CLOSE int fd = sysctl_open(host, name, O_WRONLY);

	if (fd < 0)
		return fd;
	/* One write: proc_sys_write() takes each for a whole value. */
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

int host_sysctl_read(const struct host *host, const char *name, char *ret, size_t room)
{
	CLEANUP_CLOSE int fd = sysctl_open(host, name, O_RDONLY);
	CLEANUP_FREE char *text = NULL;
	size_t length;
	int r;

	if (fd < 0)
		return fd;
	r = fd_read(fd, 65536, &text, &length);
	if (r < 0)
		return r == -EISDIR ? -ENOENT : r;
	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length >= room)
		return -ENOBUFS;
	memcpy(ret, text, length);
	ret[length] = '\0';
	return (int)length;
}

int host_device_counters(const struct host *host, struct host_device_counters *ret)
{
	struct rtnl_counters counters;
	struct rtnl rtnl;
	int r = host_rtnl(host, host->device, &rtnl);

	if (r < 0)
		return r;
	r = rtnl_link_counters(&rtnl, r, &counters);
	rtnl_close(&rtnl);
	if (r == 0)
		*ret = (struct host_device_counters){
			.sent_packets = counters.sent_packets,
			.sent_dropped = counters.sent_dropped,
			.received_packets = counters.received_packets,
			.received_dropped = counters.received_dropped,
		};
	return r;
}
