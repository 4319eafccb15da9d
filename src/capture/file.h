/*
 * Capture files: pcap and pcapng in, compressed ones too, pcapng out. Done by libwiretap, which is
 * loaded at the first call and stays; where it is missing, calls end with -ELIBACC, or -ELIBBAD
 * where it is not the one that we were compiled for, and @why names the package.
 */
#ifndef CONTEST_CAPTURE_FILE_H
#define CONTEST_CAPTURE_FILE_H

#include "base/why.h"
#include "capture/packet.h"

/*
 * Reads a whole pcap or pcapng file ("-": standard input) into *ret, which the caller frees with
 * packet_list_done(). @limit_packets bounds it: only the first so many are read, 0 for all. gzip,
 * zstd and lz4 are unpacked. Link types may differ between interfaces; those of a pcap file have no
 * name (""). Several comments of a packet are joined by newlines. A packet without time has 0.
 *
 * 0 or -errno with the reason in @why: what open(2) says, -EINVAL for what is neither file nor
 * pipe, -EBADMSG for another format or a damaged file, -ERANGE for a time that is none of 1970 to
 * 2262. What was read before a damaged place is not returned.
 */
int capture_read(const char *path, size_t limit_packets, struct packet_list *ret, struct why *why);

/*
 * Writes @list as pcapng to the open descriptor @fd (borrowed; it is duplicated): one interface
 * block per interface with its name, nanosecond times, comments kept. It begins at the start of the
 * file, wherever @fd stands, and leaves what lies behind; a pipe is fine. A list without interfaces
 * gets one without name.
 *
 * 0 or -errno with @why: -EBADF, -ENOSPC, and so on; -EINVAL for PACKET_LINK_OTHER, -EMSGSIZE for a
 * packet above 256 KiB, -ERANGE for a time before 1970. What was written until then is no whole
 * file.
 */
int capture_write(int fd, const struct packet_list *list, struct why *why);

#endif
