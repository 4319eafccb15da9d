/* Which packets are looked at: an expression of pcap-filter(7), compiled by libpcap. */
#ifndef CONTEST_CAPTURE_FILTER_H
#define CONTEST_CAPTURE_FILTER_H

#include "base/why.h"
#include "capture/stream.h"
#include "tcp/segment.h"

struct capture_filter;

/*
 * 0, or -EINVAL with libpcap's words in @why when the expression is wrong for every link type;
 * -ENOTSUP in a build without libpcap, -ELIBACC or -ELIBBAD as in capture/file.h where the library
 * is missing. Names of hosts in it are not looked up in the network: from the first filter on, this
 * process finds names in the files of its host only (/etc/hosts), whoever asks.
 */
int capture_filter_new(const char *expression, struct capture_filter **ret, struct why *why);
void capture_filter_free(struct capture_filter *filter);

/* 1: passes; 0: does not; -EINVAL with @why when the expression makes no sense for the packet's
 * link type (`ether host` on raw IP). Compiled once per link type. */
int capture_filter_packet(struct capture_filter *filter, const struct passing_packet *packet,
			  struct why *why);

/* The same for a segment that has no packet (of a text): its headers are made up for the question.
 */
int capture_filter_segment(struct capture_filter *filter, const struct segment *segment,
			   struct why *why);

#endif
