/* What reading and writing share of libwiretap. Private to this folder. */
#ifndef CONTEST_CAPTURE_WIRETAP_H
#define CONTEST_CAPTURE_WIRETAP_H

#include <wiretap/wtap.h>

#include "base/why.h"
#include "capture/packet.h"

/* Sets the library up, once in a process. */
void wiretap_prepare(void);

/*
 * "cannot read FILE: …" in @why for @error and @info as a wtap_ function left them. Frees @info
 * (may be NULL). Returns -errno, -EBADMSG for what is wrong with the file's content.
 */
int wiretap_why(struct why *why, const char *verb, const char *file, int error, gchar *info);

/* WTAP_ENCAP_… of a link type, or -EINVAL. */
int wiretap_encap(enum packet_link link);

/* The link type, or -EINVAL for what pcap has no number for (no network, mostly). */
int wiretap_link(int encap);

#endif
