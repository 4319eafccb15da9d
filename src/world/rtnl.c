#include "world/rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/gen_stats.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/netns.h"

#define REQUEST_MAX 1024

int rtnl_open(struct rtnl *rtnl, int netns_fd)
{
	int fd = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (fd < 0)
		return fd;
	rtnl->socket = mnl_socket_fdopen(fd);
	if (!rtnl->socket) {
		close(fd);
		return -ENOMEM;
	}
	rtnl->sequence = 0;
	return 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (rtnl->socket)
		mnl_socket_close(rtnl->socket);
	rtnl->socket = NULL;
}

/* @buffer has REQUEST_MAX bytes. */
static struct nlmsghdr *request_begin(char *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request;

	memset(buffer, 0, REQUEST_MAX); /* libmnl leaves the padding as it is */
	request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}

/* Sends and takes all answers up to the acknowledgement. 0 or -errno. */
static int talk(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t answer, void *context)
{
	char buffer[16384];
	int r;

	request->nlmsg_seq = ++rtnl->sequence;
	/* A dump ends with NLMSG_DONE. Its two bits mean other things in other requests. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(rtnl->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t length = mnl_socket_recvfrom(rtnl->socket, buffer, sizeof(buffer));

		if (length < 0 && errno == EINTR) {
			r = MNL_CB_OK;
			continue;
		}
		if (length < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)length, request->nlmsg_seq, 0, answer, context);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

static struct ifinfomsg *link_put(struct nlmsghdr *request, int index)
{
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof(*link));

	link->ifi_family = AF_UNSPEC;
	link->ifi_index = index;
	return link;
}

int rtnl_veth_add(struct rtnl *rtnl, const struct rtnl_end *a, const struct rtnl_end *b)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *peer;

	link_put(request, 0);
	mnl_attr_put_strz(request, IFLA_IFNAME, a->device);
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(a->mac), a->mac);
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(request, VETH_INFO_PEER);
	link_put(request, 0);
	mnl_attr_put_strz(request, IFLA_IFNAME, b->device);
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(b->mac), b->mac);
	mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)b->netns_fd);
	mnl_attr_nest_end(request, peer);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
	return talk(rtnl, request, NULL, NULL);
}

static int link_index(const struct nlmsghdr *answer, void *context)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(answer);

	*(int *)context = link->ifi_index;
	return MNL_CB_OK;
}

int rtnl_link_index(struct rtnl *rtnl, const char *device)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_GETLINK, 0);
	int index = 0;
	int r;

	link_put(request, 0);
	mnl_attr_put_strz(request, IFLA_IFNAME, device);
	r = talk(rtnl, request, link_index, &index);
	if (r < 0)
		return r;
	return index > 0 ? index : -ENODEV;
}

/* -EAFNOSUPPORT where the kernel has no IPv6. */
static int link_no_generated_addresses(struct rtnl *rtnl, int index)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_NEWLINK, 0);
	struct nlattr *families, *inet6;

	link_put(request, index);
	families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(request, AF_INET6);
	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request, inet6);
	mnl_attr_nest_end(request, families);
	return talk(rtnl, request, NULL, NULL);
}

int rtnl_link_quiet(struct rtnl *rtnl, int index, uint32_t queue_length)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_NEWLINK, 0);
	struct ifinfomsg *link = link_put(request, index);
	int r;

	link->ifi_flags = IFF_NOARP;
	link->ifi_change = IFF_NOARP | IFF_MULTICAST;
	if (queue_length)
		mnl_attr_put_u32(request, IFLA_TXQLEN, queue_length);
	r = talk(rtnl, request, NULL, NULL);
	if (r < 0)
		return r;
	r = link_no_generated_addresses(rtnl, index);
	return r == -EAFNOSUPPORT ? 0 : r;
}

int rtnl_link_up(struct rtnl *rtnl, int index)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_NEWLINK, 0);
	struct ifinfomsg *link = link_put(request, index);

	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	return talk(rtnl, request, NULL, NULL);
}

int rtnl_address_add(struct rtnl *rtnl, int index, const struct tcp_address *address,
		     uint8_t prefix)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
	size_t length = address->family == AF_INET ? 4 : 16;

	message->ifa_family = (uint8_t)address->family;
	message->ifa_prefixlen = prefix;
	message->ifa_index = (uint32_t)index;
	/* 127.0.0.0/8 is refused with a wider scope (net/ipv4/devinet.c, inet_rtm_newaddr()). */
	message->ifa_scope = address->family == AF_INET && address->bytes[0] == 127
				     ? RT_SCOPE_HOST
				     : RT_SCOPE_UNIVERSE;
	if (address->family == AF_INET6)
		message->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(request, IFA_LOCAL, length, address->bytes);
	mnl_attr_put(request, IFA_ADDRESS, length, address->bytes);
	return talk(rtnl, request, NULL, NULL);
}

static int route_type(const struct nlmsghdr *answer, void *context)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(answer);

	*(int *)context = route->rtm_type;
	return MNL_CB_OK;
}

int rtnl_address_ready(struct rtnl *rtnl, const struct tcp_address *address)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_GETROUTE, 0);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	size_t length = address->family == AF_INET ? 4 : 16;
	int type = RTN_UNSPEC;
	int r;

	route->rtm_family = (uint8_t)address->family;
	route->rtm_dst_len = (uint8_t)(length * 8);
	mnl_attr_put(request, RTA_DST, length, address->bytes);
	r = talk(rtnl, request, route_type, &type);
	if (r == -ENETUNREACH || r == -EHOSTUNREACH)
		return 0;
	return r < 0 ? r : type == RTN_LOCAL;
}

int rtnl_route_default(struct rtnl *rtnl, int index, int family)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_NEWROUTE,
						 NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));

	route->rtm_family = (uint8_t)family;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(request, RTA_OIF, (uint32_t)index);
	return talk(rtnl, request, NULL, NULL);
}

static int link_counters(const struct nlmsghdr *answer, void *context)
{
	struct rtnl_counters *ret = context;
	struct rtnl_link_stats64 stats = {0};
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, answer, sizeof(struct ifinfomsg))
	{
		size_t length = mnl_attr_get_payload_len(attribute);

		if (mnl_attr_get_type(attribute) != IFLA_STATS64)
			continue;
		/* An older or newer kernel has fewer or more fields; the attribute is not aligned
		 * to 8. */
		memcpy(&stats, mnl_attr_get_payload(attribute),
		       length < sizeof(stats) ? length : sizeof(stats));
		*ret = (struct rtnl_counters){
			.sent_packets = stats.tx_packets,
			.sent_dropped = stats.tx_dropped + stats.tx_errors,
			.received_packets = stats.rx_packets,
			.received_dropped = stats.rx_dropped + stats.rx_errors,
		};
	}
	return MNL_CB_OK;
}

int rtnl_link_counters(struct rtnl *rtnl, int index, struct rtnl_counters *ret)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_GETLINK, 0);
	struct rtnl_counters counters = {0};
	int r;

	link_put(request, index);
	r = talk(rtnl, request, link_counters, &counters);
	if (r == 0)
		*ret = counters;
	return r;
}

struct queue_drops {
	int index;
	unsigned long long drops;
};

static int queue_drops(const struct nlmsghdr *answer, void *context)
{
	const struct tcmsg *queue = mnl_nlmsg_get_payload(answer);
	struct queue_drops *sum = context;
	const struct nlattr *attribute, *inner;

	if (queue->tcm_ifindex != sum->index)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, answer, sizeof(*queue))
	{
		if (mnl_attr_get_type(attribute) != TCA_STATS2)
			continue;
		mnl_attr_for_each_nested(inner, attribute)
		{
			struct gnet_stats_queue stats = {0};
			size_t length = mnl_attr_get_payload_len(inner);

			if (mnl_attr_get_type(inner) != TCA_STATS_QUEUE)
				continue;
			memcpy(&stats, mnl_attr_get_payload(inner),
			       length < sizeof(stats) ? length : sizeof(stats));
			sum->drops += stats.drops;
		}
	}
	return MNL_CB_OK;
}

int rtnl_queue_drops(struct rtnl *rtnl, int index, unsigned long long *ret)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *request = request_begin(buffer, RTM_GETQDISC, NLM_F_DUMP);
	struct tcmsg *queue = mnl_nlmsg_put_extra_header(request, sizeof(*queue));
	struct queue_drops sum = {.index = index};
	int r;

	queue->tcm_family = AF_UNSPEC;
	queue->tcm_ifindex = index;
	r = talk(rtnl, request, queue_drops, &sum);
	if (r == 0)
		*ret = sum.drops;
	return r;
}
