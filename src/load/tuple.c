#include "load/tuple.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "load/protocol.h"

/* Linux 6.3; value: lowest port | highest << 16. IPv6 sockets have it at the level of IP, too. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

/* ---- whose turn it is */

static uint64_t ports_of(const struct tuples *tuples)
{
	return (uint64_t)tuples->last - tuples->first + 1;
}

static uint64_t pairs_of(const struct tuples *tuples)
{
	return tuples->plan->destination_count * tuples->sources;
}

int tuples_init(struct tuples *tuples, const struct load_plan *plan, uint16_t first, uint16_t last,
		unsigned part, unsigned parts)
{
	uint64_t sources = load_sources_total(plan->sources, plan->source_count);
	uint64_t ports = last >= first ? (uint64_t)last - first + 1 : 0;

	*tuples = (struct tuples){
		.plan = plan,
		.sources = sources ? sources : 1,
		.first = first,
		.last = last,
		/* Or else few connections of many parts would all go to the first destination. */
		.next = part,
	};
	if (plan->ports == LOAD_PORTS_KERNEL)
		return 0;
	if (parts == 0 || ports < parts)
		return -EINVAL;
	tuples->first = (uint16_t)(first + ports * part / parts);
	tuples->last = (uint16_t)(first + ports * (part + 1) / parts - 1);
	return 0;
}

void tuples_next(struct tuples *tuples, struct tuple *ret)
{
	const struct load_plan *plan = tuples->plan;
	uint64_t turn = tuples->next++;
	uint64_t pair = turn / plan->destination_count;

	*ret = (struct tuple){.destination = &plan->destinations[turn % plan->destination_count]};
	if (plan->source_count)
		load_sources_at(plan->sources, plan->source_count, pair % tuples->sources,
				&ret->source);
	if (plan->ports != LOAD_PORTS_KERNEL)
		ret->port = (uint16_t)(tuples->first + pair / tuples->sources % ports_of(tuples));
}

uint64_t tuples_period(const struct tuples *tuples)
{
	if (tuples->plan->ports == LOAD_PORTS_KERNEL)
		return 0;
	return pairs_of(tuples) * ports_of(tuples);
}

/* ---- its socket */

static int set_number(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* One that is 0 stays as the kernel has it. */
static int set_wanted(int fd, int level, int option, int value)
{
	return value ? set_number(fd, level, option, value) : 0;
}

static int set_plan(const struct load_plan *plan, int fd)
{
	/* A connect() that is put off until there is something to send would be for ever. */
	bool fastopen = plan->fastopen && plan->protocol && plan->protocol->has_request;
	int r = set_wanted(fd, IPPROTO_TCP, TCP_NODELAY, plan->nodelay);

	if (r == 0)
		r = set_wanted(fd, SOL_SOCKET, SO_KEEPALIVE, plan->keepalive);
	if (r == 0)
		r = set_wanted(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, fastopen);
	if (r == 0 && plan->set_quickack)
		r = set_number(fd, IPPROTO_TCP, TCP_QUICKACK, plan->quickack);
	if (r == 0)
		r = set_wanted(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, plan->user_timeout_ms);
	if (r == 0)
		r = set_wanted(fd, SOL_SOCKET, SO_SNDBUF, plan->send_buffer);
	if (r == 0)
		r = set_wanted(fd, SOL_SOCKET, SO_RCVBUF, plan->receive_buffer);
	if (r == 0)
		r = set_wanted(fd, IPPROTO_TCP, TCP_SYNCNT, plan->syn_count);
	if (r == 0 && plan->set_linger2)
		r = set_number(fd, IPPROTO_TCP, TCP_LINGER2, plan->linger2_s);
	return r;
}

static int set_range(int fd, uint16_t first, uint16_t last)
{
	return set_number(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE,
			  (int)((uint32_t)first | (uint32_t)last << 16));
}

/* From which ports connect() is to choose; RING leaves it nothing to choose. */
static int set_ports(const struct load_plan *plan, const struct tuple *tuple, int fd)
{
	switch (plan->ports) {
	case LOAD_PORTS_RANGE:
		return set_range(fd, tuple->port, tuple->port);
	case LOAD_PORTS_RING:
		return set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	default:
		return plan->first_port ? set_range(fd, plan->first_port, plan->last_port) : 0;
	}
}

static int bind_local(const struct load_plan *plan, const struct tuple *tuple, int fd)
{
	struct tcp_endpoint local = {.address = tuple->source};
	struct sockaddr_storage at;
	socklen_t length;
	int r = 0;

	if (plan->ports == LOAD_PORTS_RING)
		local.port = tuple->port;
	else if (!tuple->source.family)
		return 0;
	else
		/* With it connect() chooses the port, when the destination is known: without,
		 * bind() would take one for all destinations at once. */
		r = set_number(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (r < 0)
		return r;
	if (!local.address.family)
		local.address.family = tuple->destination->address.family;
	tcp_endpoint_to_sockaddr(&local, &at, &length);
	return bind(fd, (const struct sockaddr *)&at, length) < 0 ? -errno : 0;
}

int tuple_socket(const struct load_plan *plan, const struct tuple *tuple, const char **ret_step)
{
	CLEANUP_CLOSE int fd = socket(tuple->destination->address.family,
				      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const char *step = "setsockopt";
	int r;

	if (fd < 0) {
		*ret_step = "socket";
		return -errno;
	}
	r = set_plan(plan, fd);
	if (r == 0)
		r = set_ports(plan, tuple, fd);
	if (r == 0) {
		step = "bind";
		r = bind_local(plan, tuple, fd);
	}
	if (r < 0) {
		*ret_step = step;
		return r;
	}
	return TAKE_FD(fd);
}

int tuples_probe_range(struct why *why)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return why_set(why, -errno, "cannot make a socket");
	if (set_range(fd, 0, 0) < 0)
		return why_say(why, -ENOTSUP,
			       "this kernel cannot be told which local ports a socket may use "
			       "(IP_LOCAL_PORT_RANGE: Linux 6.3)");
	return 0;
}
