/*
 * The plain pcap file, read in large blocks: the format that long captures come in. Everything else
 * is libwiretap's. Private to this folder.
 *
 * Not left to the library, too, because it makes and frees an object for each packet: 1,180
 * instructions of the 3,500 that explaining a packet took. Read so, it is some 60.
 */
#ifndef CONTEST_CAPTURE_PCAP_BLOCKS_H
#define CONTEST_CAPTURE_PCAP_BLOCKS_H

#include "capture/stream.h"

struct pcap_blocks;

/*
 * Takes the file when it is what this can read: a regular file, the format's version 2.4 in either
 * byte order with micro- or nanoseconds, a link type without a header of its own, and beginning
 * with records that make sense (there are dialects with the same magic number and longer headers).
 * 1 with *ret, 0 when it is not, or cannot be told, or cannot be opened: whoever asks on will hear
 * why; -ENOMEM.
 */
int pcap_blocks_open(const char *path, struct pcap_blocks **ret);
void pcap_blocks_close(struct pcap_blocks *blocks);

/*
 * The next packet: 1 with all of *ret but that time_ns is not touched where time_known is false, 0
 * at the end, -errno of read(2), or -EBADMSG with what is wrong with the file in *ret_damage.
 */
int pcap_blocks_next(struct pcap_blocks *blocks, struct passing_packet *ret,
		     const char **ret_damage);

#endif
