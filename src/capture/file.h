/* Capture files: pcap and pcapng in (libpcap), pcapng out (libwiretap: libpcap writes none). */
#ifndef CONTEST_CAPTURE_FILE_H
#define CONTEST_CAPTURE_FILE_H

#include "base/why.h"
#include "capture/packet.h"

/*
 * Reads a whole pcap or pcapng file ("-": standard input) into *ret, which the caller frees with
 * packet_list_done(). Bounded: at most @limit_packets, 0 for no bound. 0 or -errno with the
 * reason in @why. What was read before a damaged place is not returned.
 */
int capture_read(const char *path, size_t limit_packets, struct packet_list *ret, struct why *why);

/*
 * Writes @list as pcapng to the open descriptor @fd (borrowed; it is duplicated): one interface
 * block per interface with its name, nanosecond times, comments kept. 0 or -errno with @why.
 */
int capture_write(int fd, const struct packet_list *list, struct why *why);

#endif
