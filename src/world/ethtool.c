#include "world/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/netns.h"

static int ethtool_value(int fd, const char *device, uint32_t command, uint32_t *value)
{
	struct ethtool_value argument = {.cmd = command, .data = *value};
	struct ifreq request = {.ifr_data = (void *)&argument};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		return -errno;
	*value = argument.data;
	return 0;
}

int ethtool_offloads_off(int netns_fd, const char *device)
{
	/* Checksums last: the others depend on them, and without them the kernel drops the rest. */
	static const uint32_t commands[] = {ETHTOOL_SGRO, ETHTOOL_SGSO, ETHTOOL_STSO, ETHTOOL_SSG,
					    ETHTOOL_STXCSUM};
	CLEANUP_CLOSE int fd = netns_socket(netns_fd, AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		uint32_t off = 0;
		int r = ethtool_value(fd, device, commands[i], &off);

		if (r < 0)
			return r;
	}
	return 0;
}

int ethtool_link_sync(int netns_fd, const char *device)
{
	CLEANUP_CLOSE int fd = netns_socket(netns_fd, AF_INET, SOCK_DGRAM, 0);
	uint32_t carrier = 0;
	int r;

	if (fd < 0)
		return fd;
	r = ethtool_value(fd, device, ETHTOOL_GLINK, &carrier);
	return r < 0 ? r : carrier != 0;
}
