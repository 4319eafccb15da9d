/* Packets of bench/capture as bytes: Ethernet, IPv4 or IPv6, TCP with right checksums, in a pcap or
 * pcapng file. */
#ifndef CONTEST_BENCH_CAPTURE_WRITE_H
#define CONTEST_BENCH_CAPTURE_WRITE_H

#include <stdio.h>

#include "capture_talk.h"

struct writer {
	FILE *file; /* (borrowed) */
	bool pcapng;
	uint32_t snap_length;
};

/* Both end the program when the file cannot be written. */
void write_head(const struct writer *writer);
void write_step(const struct writer *writer, const struct talk *talk, const struct step *step);

#endif
