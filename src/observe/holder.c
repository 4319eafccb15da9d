#include "observe/holder.h"

#include <errno.h>
#include <string.h>

#include "observe/owners.h"
#include "observe/sockdiag.h"
#include "tcp/state.h"

int socket_owner_find(uint32_t inode, struct socket_owner *ret)
{
	struct owner owner;
	struct owners *owners;
	int r = owners_read(OWNERS_PROC, &owners, NULL, NULL);

	if (r < 0)
		return r;
	r = owners_find(owners, inode, &owner) ? 0 : -ENOENT;
	owners_free(owners);
	if (r < 0)
		return r;
	*ret = (struct socket_owner){.pid = owner.pid, .processes = 1 + (size_t)owner.more};
	memcpy(ret->name, owner.name, sizeof(owner.name));
	return 0;
}

static bool is_wildcard(const struct tcp_address *address)
{
	return address->family == AF_INET ? address->v4.s_addr == INADDR_ANY
					  : IN6_IS_ADDR_UNSPECIFIED(&address->v6);
}

/* Whether sockets bound to these can be in each other's way. That a wildcard of IPv6 may leave
 * IPv4 alone (IPV6_V6ONLY) is not looked at. */
static bool overlaps(const struct tcp_address *a, const struct tcp_address *b)
{
	if (tcp_address_equal(a, b))
		return true;
	if (a->family == b->family)
		return is_wildcard(a) || is_wildcard(b);
	return is_wildcard(a->family == AF_INET6 ? a : b);
}

struct search {
	const struct tcp_endpoint *at;
	struct port_holder found;
	uint32_t inode; /* of the listener */
};

static int visit(const struct socket_status *status, void *context)
{
	struct search *search = context;
	const struct tcp_endpoint *local = &status->key.local;

	if (local->port != search->at->port || !overlaps(&local->address, &search->at->address))
		return 0;
	if (status->state == TCP_TIME_WAIT) {
		search->found.time_wait++;
	} else if (status->state != TCP_LISTEN) {
		search->found.connections++;
	} else if (!search->found.listening) {
		search->found.listening = true;
		search->found.where = *local;
		search->found.uid = status->uid;
		search->inode = status->inode;
	}
	return 0;
}

int port_holder_find(int netns_fd, const struct tcp_endpoint *at, struct port_holder *ret,
		     struct why *why)
{
	struct search search = {.at = at};
	struct sockdiag *diag;
	int r = sockdiag_open(netns_fd, &diag, why);

	if (r < 0)
		return r;
	r = sockdiag_dump(diag, AF_UNSPEC, 0, visit, &search);
	sockdiag_close(diag);
	if (r < 0)
		return why_set(why, r, "cannot list the sockets");
	search.found.owned = search.found.listening &&
			     socket_owner_find(search.inode, &search.found.owner) == 0;
	*ret = search.found;
	return 0;
}
