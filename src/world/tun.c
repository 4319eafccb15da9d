/* Ports over TUN: the kernel gives raw IP packets with all checksums set, one per read(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "world/port.h"
#include "world/rtnl.h"

static int tun_device(int fd, const char *device)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

static int tun_quiet(const struct port_place *place)
{
	struct rtnl rtnl;
	int r = rtnl_open(&rtnl, place->host_netns);

	if (r < 0)
		return r;
	r = rtnl_link_index(&rtnl, place->device);
	if (r > 0)
		r = rtnl_link_quiet(&rtnl, r, PORT_QUEUE_LENGTH);
	rtnl_close(&rtnl);
	return r;
}

static int tun_open(struct port *port, const struct port_place *place, struct why *why)
{
	/* The device is made where /dev/net/tun was opened (drivers/net/tun.c, tun_chr_open()). */
	CLEANUP_CLOSE int fd = netns_open(place->host_netns, "/dev/net/tun", O_RDWR | O_NONBLOCK);
	int r;

	if (fd < 0) {
		why_set(why, fd, "cannot open /dev/net/tun");
		return -ENOTSUP;
	}
	r = tun_device(fd, place->device);
	if (r < 0) {
		why_set(why, r, "cannot make the TUN device %s", place->device);
		return r == -EPERM ? -ENOTSUP : r;
	}
	r = tun_quiet(place);
	if (r < 0)
		return why_set(why, r, "cannot set up the TUN device %s", place->device);
	port->fd = TAKE_FD(fd);
	return 0;
}

static int tun_start(struct port *port, const struct port_place *place, struct why *why)
{
	(void)port, (void)place, (void)why;
	return 0;
}

static ssize_t tun_read(struct port *port, uint8_t *packet, size_t room)
{
	ssize_t n = read(port->fd, packet, room);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return n;
}

static int tun_write(struct port *port, const uint8_t *packet, size_t length)
{
	ssize_t n = write(port->fd, packet, length);

	if (n >= 0)
		return 0;
	return errno == EINTR || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -errno;
}

/* What the device's ring had no room for is in the device's own counters. */
static unsigned long long tun_lost(struct port *port)
{
	(void)port;
	return 0;
}

static void tun_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
}

const struct port_ops port_tun = {
	.name = "tun",
	.open = tun_open,
	.start = tun_start,
	.read = tun_read,
	.write = tun_write,
	.lost = tun_lost,
	.close = tun_close,
};
