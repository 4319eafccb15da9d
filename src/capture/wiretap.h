/* What reading and writing share of libwiretap. Private to this folder. */
#ifndef CONTEST_CAPTURE_WIRETAP_H
#define CONTEST_CAPTURE_WIRETAP_H

#include "base/why.h"
#include "capture/packet.h"
#include "capture/wiretap_load.h"

/* The library's functions; wiretap_prepare() first, for what follows here too. */
extern struct wiretap wiretap;

/* Loads the library and sets it up, once in a process: 0, or what wiretap_load() says. */
int wiretap_prepare(struct why *why);

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
