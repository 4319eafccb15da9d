/* Packets as they pass an interface of this host, by libpcap. */
#ifndef CONTEST_CAPTURE_LIVE_H
#define CONTEST_CAPTURE_LIVE_H

#include <stdint.h>

#include "base/why.h"
#include "capture/stream.h"

struct capture_live;

/*
 * Opens @interface ("any" for all), with @filter (pcap-filter(7), NULL for none) in the kernel, and
 * headers only, since payload tells nothing of a close. 0 or -errno with @why: -ENODEV (it names
 * those that there are), -EPERM (it says which capability is missing and how to get it), -ENETDOWN,
 * -EINVAL for a bad filter, -EPROTONOSUPPORT where no IP passes, -ENOTSUP in a build without
 * libpcap. Afterwards no privilege is needed: see privileges_drop().
 */
int capture_live_open(const char *interface, const char *filter, struct capture_live **ret,
		      struct why *why);
void capture_live_close(struct capture_live *live);

/* Readable when packets wait. For poll(). (borrowed) */
int capture_live_fd(const struct capture_live *live);

/* The next packet without waiting: 1 with *ret, 0 when none is there now, -errno with @why
 * (-ENETDOWN when the interface is gone; one that is
 * only down may come back, and is waited for). */
int capture_live_next(struct capture_live *live, struct passing_packet *ret, struct why *why);

/*
 * So far: packets that passed the filter (given out by capture_live_next(), or dropped), and those
 * of them that the kernel had to drop because nobody took them in time. 0 or -EIO.
 */
int capture_live_counts(struct capture_live *live, uint64_t *ret_received, uint64_t *ret_dropped);

#endif
