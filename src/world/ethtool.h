/* SIOCETHTOOL: what rtnetlink cannot set. */
#ifndef CONTEST_WORLD_ETHTOOL_H
#define CONTEST_WORLD_ETHTOOL_H

/* Switches off all that makes packets other than they would be on a cable: checksum and
 * segmentation offload, GRO. 0 or -errno. */
int ethtool_offloads_off(int netns_fd, const char *device);

/*
 * Makes the kernel act at once upon a change of the carrier, which it would do some time later
 * (net/core/link_watch.c): before that, the first end of a veth pair sends into the void.
 * Returns whether there is a carrier (0, 1), or -errno.
 */
int ethtool_link_sync(int netns_fd, const char *device);

#endif
