/*
 * Ports over veth: one end in the host, the other in the wire's own namespace under a packet
 * socket with a ring. The ring holds bursts without asking for a receive buffer beyond
 * net.core.rmem_max, which an unprivileged user may not have.
 */
#include "world/veth.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "capture/decode.h"
#include "world/ethtool.h"
#include "world/port.h"
#include "world/rtnl.h"

#define RING_FRAME  2048 /* a packet of PORT_MTU and the kernel's header */
#define RING_FRAMES 4096
#define RING_BLOCK  65536

const uint8_t veth_host_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

static int quiet_end(const struct rtnl_end *end)
{
	struct rtnl rtnl;
	int r = rtnl_open(&rtnl, end->netns_fd);

	if (r < 0)
		return r;
	r = rtnl_link_index(&rtnl, end->device);
	if (r > 0)
		r = rtnl_link_quiet(&rtnl, r, 0);
	rtnl_close(&rtnl);
	return r;
}

int veth_pair(const struct rtnl_end *a, const struct rtnl_end *b, struct why *why)
{
	struct rtnl rtnl;
	int r = rtnl_open(&rtnl, a->netns_fd);

	if (r < 0)
		return why_set(why, r, "cannot open rtnetlink");
	r = rtnl_veth_add(&rtnl, a, b);
	rtnl_close(&rtnl);
	if (r == -EOPNOTSUPP)
		return why_say(why, -ENOTSUP, "this kernel has no veth devices");
	if (r == 0)
		r = quiet_end(a);
	if (r == 0)
		r = quiet_end(b);
	return r < 0 ? why_set(why, r, "cannot make the veth pair %s, %s", a->device, b->device)
		     : 0;
}

static int wire_end_up(int netns_fd, const char *device)
{
	struct rtnl rtnl;
	int r = rtnl_open(&rtnl, netns_fd);
	int index;

	if (r < 0)
		return r;
	index = rtnl_link_index(&rtnl, device);
	r = index < 0 ? index : rtnl_link_up(&rtnl, index);
	rtnl_close(&rtnl);
	return r < 0 ? r : index;
}

static int ring_map(struct port *port, int fd)
{
	struct tpacket_req ring = {
		.tp_block_size = RING_BLOCK,
		.tp_block_nr = RING_FRAMES / (RING_BLOCK / RING_FRAME),
		.tp_frame_size = RING_FRAME,
		.tp_frame_nr = RING_FRAMES,
	};
	int version = TPACKET_V2;
	size_t length = (size_t)ring.tp_block_size * ring.tp_block_nr;
	void *map;

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) < 0)
		return -errno;
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	port->ring = map;
	port->ring_length = length;
	port->ring_next = 0;
	return 0;
}

/* The socket takes nothing before it is bound to the device (protocol 0, packet(7)). */
static int packet_socket(struct port *port, int netns_fd, int index)
{
	CLEANUP_CLOSE int fd = netns_socket(netns_fd, AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = index,
	};
	int one = 1;
	int r;

	if (fd < 0)
		return fd;
	/* Since 4.20; before that veth_read() leaves them out. */
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	r = ring_map(port, fd);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	port->fd = TAKE_FD(fd);
	port->ring_index = index;
	return 0;
}

static int veth_open(struct port *port, const struct port_place *place, struct why *why)
{
	char name[IFNAMSIZ];
	struct rtnl_end host = {.device = place->device, .netns_fd = place->host_netns};
	struct rtnl_end wire = {.device = name,
				.netns_fd = place->wire_netns,
				.mac = {0x02, 0, 0, 0, 1, (uint8_t)place->index}};
	int r;

	snprintf(name, sizeof(name), "wire%zu", place->index);
	memcpy(host.mac, veth_host_mac, sizeof(host.mac));
	r = veth_pair(&host, &wire, why);
	if (r < 0)
		return r;
	r = ethtool_offloads_off(host.netns_fd, host.device);
	if (r == 0)
		r = ethtool_offloads_off(wire.netns_fd, wire.device);
	if (r < 0)
		return why_set(why, r, "cannot switch off the offloads of %s", host.device);
	r = wire_end_up(wire.netns_fd, wire.device);
	if (r < 0)
		return why_set(why, r, "cannot bring %s up", wire.device);
	r = packet_socket(port, wire.netns_fd, r);
	if (r == -EAFNOSUPPORT)
		return why_say(why, -ENOTSUP, "this kernel has no packet sockets");
	return r < 0 ? why_set(why, r, "cannot open a packet socket on %s", wire.device) : 0;
}

static int veth_start(struct port *port, const struct port_place *place, struct why *why)
{
	char name[IFNAMSIZ];
	int r;

	(void)port;
	snprintf(name, sizeof(name), "wire%zu", place->index);
	r = ethtool_link_sync(place->host_netns, place->device);
	if (r > 0)
		r = ethtool_link_sync(place->wire_netns, name);
	if (r == 0)
		r = -ENETDOWN;
	return r < 0 ? why_set(why, r, "no carrier on %s", place->device) : 0;
}

static struct tpacket2_hdr *ring_frame(const struct port *port)
{
	return (struct tpacket2_hdr *)(port->ring + (size_t)port->ring_next * RING_FRAME);
}

/* The IP packet in the frame: its length, or 0 when it is something else. */
static ssize_t frame_copy(const struct tpacket2_hdr *frame, uint8_t *packet, size_t room)
{
	const struct sockaddr_ll *from =
		(const void *)((const uint8_t *)frame + TPACKET_ALIGN(sizeof(*frame)));
	size_t length = frame->tp_snaplen;

	if (from->sll_protocol != htons(ETH_P_IP) && from->sll_protocol != htons(ETH_P_IPV6))
		return 0;
	if (frame->tp_len != length || length > room)
		return 0;
	memcpy(packet, (const uint8_t *)frame + frame->tp_net, length);
	if (frame->tp_status & TP_STATUS_CSUMNOTREADY)
		packet_fix_checksums(packet, length);
	return (ssize_t)length;
}

static bool frame_outgoing(const struct tpacket2_hdr *frame)
{
	const struct sockaddr_ll *from =
		(const void *)((const uint8_t *)frame + TPACKET_ALIGN(sizeof(*frame)));

	return from->sll_pkttype == PACKET_OUTGOING;
}

static ssize_t veth_read(struct port *port, uint8_t *packet, size_t room)
{
	for (;;) {
		struct tpacket2_hdr *frame = ring_frame(port);
		ssize_t length = -EAGAIN;

		/* The kernel sets it after the frame is written (net/packet/af_packet.c,
		 * __packet_set_status()). */
		if (!(__atomic_load_n(&frame->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return -EAGAIN;
		if (!frame_outgoing(frame))
			length = frame_copy(frame, packet, room);
		__atomic_store_n(&frame->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		port->ring_next = (port->ring_next + 1) % RING_FRAMES;
		if (length != -EAGAIN)
			return length;
	}
}

static int veth_write(struct port *port, const uint8_t *packet, size_t length)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = port->ring_index,
		.sll_halen = sizeof(veth_host_mac),
	};
	ssize_t n;

	memcpy(to.sll_addr, veth_host_mac, sizeof(veth_host_mac));
	n = sendto(port->fd, packet, length, 0, (struct sockaddr *)&to, sizeof(to));
	if (n >= 0)
		return 0;
	/* ENOBUFS: the receiving CPU's backlog was full (net/core/dev.c, enqueue_to_backlog()). */
	return errno == EINTR || errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN
											: -errno;
}

static unsigned long long veth_lost(struct port *port)
{
	struct tpacket_stats stats;
	socklen_t length = sizeof(stats);

	/* Reading sets it back to zero. */
	if (getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
		port->lost += stats.tp_drops;
	return port->lost;
}

static void veth_close(struct port *port)
{
	if (port->ring)
		munmap(port->ring, port->ring_length);
	if (port->fd >= 0)
		close(port->fd);
	port->ring = NULL;
	port->fd = -1;
}

const struct port_ops port_veth = {
	.name = "veth",
	.open = veth_open,
	.start = veth_start,
	.read = veth_read,
	.write = veth_write,
	.lost = veth_lost,
	.close = veth_close,
};
