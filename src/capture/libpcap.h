/*
 * libpcap, loaded when it is first needed (library.h says why), and the one thing that live capture
 * and filters have in common: expressions of pcap-filter(7). Private to this folder.
 */
#ifndef CONTEST_CAPTURE_LIBPCAP_H
#define CONTEST_CAPTURE_LIBPCAP_H

#include <pcap/pcap.h>

#include "base/why.h"
#include "capture/packet.h"

/* What we call. */
#define PCAP_SYMBOLS(X)                                                                            \
	X(pcap_activate)                                                                           \
	X(pcap_close)                                                                              \
	X(pcap_compile)                                                                            \
	X(pcap_create)                                                                             \
	X(pcap_datalink)                                                                           \
	X(pcap_datalink_val_to_name)                                                               \
	X(pcap_fopen_offline)                                                                      \
	X(pcap_freecode)                                                                           \
	X(pcap_get_selectable_fd)                                                                  \
	X(pcap_get_tstamp_precision)                                                               \
	X(pcap_geterr)                                                                             \
	X(pcap_next_ex)                                                                            \
	X(pcap_offline_filter)                                                                     \
	X(pcap_set_buffer_size)                                                                    \
	X(pcap_set_promisc)                                                                        \
	X(pcap_set_snaplen)                                                                        \
	X(pcap_set_timeout)                                                                        \
	X(pcap_set_tstamp_precision)                                                               \
	X(pcap_setfilter)                                                                          \
	X(pcap_setnonblock)                                                                        \
	X(pcap_stats)                                                                              \
	X(pcap_statustostr)

/* A pointer to each, of its own type and name: `libpcap.pcap_compile(…)`. */
struct libpcap {
#define PCAP_MEMBER(name) __typeof__(name) *name;
	PCAP_SYMBOLS(PCAP_MEMBER)
#undef PCAP_MEMBER
};

/* The library's functions; libpcap_prepare() first. */
extern struct libpcap libpcap;

/* Loads the library, once in a process: 0, or what library_load() says. */
int libpcap_prepare(struct why *why);

/*
 * pcap_compile() for @pcap, without a question to the network: from the first call on, this process
 * looks names up in the files of this host only (/etc/hosts, networks, services, protocols,
 * ethers). 0, or -EINVAL with libpcap's words in @why. *ret is freed with pcap_freecode().
 */
int libpcap_expression(pcap_t *pcap, const char *expression, struct bpf_program *ret,
		       struct why *why);

/*
 * The link type, as files number it, of what libpcap numbers DLT_…; PACKET_LINK_OTHER for one that
 * has no IP in its packets. The two differ in raw IP, whose DLT_RAW is another one on each system
 * (pcap-linktype(7)).
 */
enum packet_link libpcap_link(int dlt);

#endif
