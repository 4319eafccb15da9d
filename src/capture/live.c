#include "capture/live.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture/libpcap.h"

enum {
	/* Cooked header, IPv6 with 100 bytes of extension headers, the longest TCP header: 220. */
	HEADERS = 256,
	/* The kernel hands packets over in blocks; one that is not full comes after that long. */
	DELAY_MS = 100,
	/* 50,000 headers: what a fast link brings while a busy machine does something else. */
	BUFFER_BYTES = 16 << 20,
};

struct capture_live {
	pcap_t *pcap;	 /* (owned) */
	char *interface; /* for messages (owned) */
	enum packet_link link;
	int64_t fraction_ns; /* unit of the library's fractions of a second */
	uint64_t given_out;
	uint64_t dropped;
	uint32_t last_dropped; /* as the library told last, in 32 bits that wrap */
};

/* --- What is said when it cannot be opened --- */

static bool exists(const char *interface)
{
	return strcmp(interface, "any") == 0 || if_nametoindex(interface) != 0;
}

static int complain_of_name(const char *interface, struct why *why)
{
	struct if_nameindex *all = if_nameindex();
	char names[256] = "any";
	size_t length = strlen(names);

	for (struct if_nameindex *one = all; one && one->if_index; one++) {
		int more = snprintf(names + length, sizeof(names) - length, ", %s", one->if_name);

		if (more < 0 || (size_t)more >= sizeof(names) - length) {
			strcpy(names + sizeof(names) - sizeof(", …"), ", …");
			break;
		}
		length += (size_t)more;
	}
	if (all)
		if_freenameindex(all);
	return why_say(why, -ENODEV, "there is no interface %s; there are: %s", interface, names);
}

static int complain_of_privilege(const char *interface, int error, struct why *why)
{
	char path[256] = "contest";
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length > 0)
		path[length] = '\0';
	return why_say(
		why, error,
		"cannot capture on %s without CAP_NET_RAW: run it with sudo, or once "
		"\"sudo setcap cap_net_raw+ep %s\" (it is given up once the interface is open)",
		interface, path);
}

static int complain(const struct capture_live *live, int status, struct why *why)
{
	const char *reason = libpcap.pcap_geterr(live->pcap);

	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return complain_of_name(live->interface, why);
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return complain_of_privilege(live->interface, -EPERM, why);
	case PCAP_ERROR_IFACE_NOT_UP:
		return why_say(why, -ENETDOWN,
			       "cannot capture on %s: it is down (ip link set %s up)",
			       live->interface, live->interface);
	default:
		return why_say(why, -EIO, "cannot capture on %s: %s", live->interface,
			       *reason ? reason : libpcap.pcap_statustostr(status));
	}
}

/* --- Opening --- */

static int activate(struct capture_live *live, struct why *why)
{
	pcap_t *pcap = live->pcap;
	int status;

	libpcap.pcap_set_snaplen(pcap, HEADERS);
	libpcap.pcap_set_timeout(pcap, DELAY_MS);
	libpcap.pcap_set_buffer_size(pcap, BUFFER_BYTES);
	/* As tcpdump does it: else a port that mirrors another one's traffic shows nothing. */
	libpcap.pcap_set_promisc(pcap, 1);
	libpcap.pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
	status = libpcap.pcap_activate(pcap);
	if (status < 0)
		return complain(live, status, why);
	live->fraction_ns = libpcap.pcap_get_tstamp_precision(pcap) == PCAP_TSTAMP_PRECISION_NANO
				    ? 1
				    : 1000;
	return 0;
}

static int check_link(struct capture_live *live, struct why *why)
{
	int dlt = libpcap.pcap_datalink(live->pcap);
	const char *name = libpcap.pcap_datalink_val_to_name(dlt);

	live->link = libpcap_link(dlt);
	if (live->link != PACKET_LINK_OTHER)
		return 0;
	return why_say(why, -EPROTONOSUPPORT, "cannot capture on %s: no IP in its packets (%s)",
		       live->interface, name ? name : "unknown link type");
}

/* Without expression, too: it is the program in the kernel that cuts packets to HEADERS. */
static int set_filter(struct capture_live *live, const char *expression, struct why *why)
{
	struct bpf_program program;
	int r = libpcap_expression(live->pcap, expression ? expression : "", &program, why);

	if (r < 0)
		return r;
	if (libpcap.pcap_setfilter(live->pcap, &program) < 0)
		r = complain(live, PCAP_ERROR, why);
	libpcap.pcap_freecode(&program);
	return r;
}

static int set_nonblocking(struct capture_live *live, struct why *why)
{
	char reason[PCAP_ERRBUF_SIZE];

	if (libpcap.pcap_setnonblock(live->pcap, 1, reason) < 0)
		return why_say(why, -EIO, "cannot capture on %s: %s", live->interface, reason);
	return 0;
}

static int start(struct capture_live *live, const char *filter, struct why *why)
{
	int r = activate(live, why);

	if (r == 0)
		r = check_link(live, why);
	if (r == 0)
		r = set_filter(live, filter, why);
	if (r == 0)
		r = set_nonblocking(live, why);
	return r;
}

static int create(struct capture_live *live, const char *interface, struct why *why)
{
	char reason[PCAP_ERRBUF_SIZE];

	live->interface = strdup(interface);
	if (!live->interface)
		return why_set(why, -ENOMEM, "cannot capture on %s", interface);
	live->pcap = libpcap.pcap_create(interface, reason);
	if (!live->pcap)
		return why_say(why, -EIO, "cannot capture on %s: %s", interface, reason);
	return 0;
}

int capture_live_open(const char *interface, const char *filter, struct capture_live **ret,
		      struct why *why)
{
	struct capture_live *live;
	int r;

	/* Other names mean other things to libpcap: USB, Bluetooth, netfilter's log. */
	if (!exists(interface))
		return complain_of_name(interface, why);
	r = libpcap_prepare(why);
	if (r < 0)
		return r;
	live = calloc(1, sizeof(*live));
	if (!live)
		return why_set(why, -ENOMEM, "cannot capture on %s", interface);
	r = create(live, interface, why);
	if (r == 0)
		r = start(live, filter, why);
	if (r < 0) {
		capture_live_close(live);
		return r;
	}
	*ret = live;
	return 0;
}

void capture_live_close(struct capture_live *live)
{
	if (!live)
		return;
	if (live->pcap)
		libpcap.pcap_close(live->pcap);
	free(live->interface);
	free(live);
}

int capture_live_fd(const struct capture_live *live)
{
	return libpcap.pcap_get_selectable_fd(live->pcap);
}

/* --- Packets --- */

static int complain_of_read(const struct capture_live *live, struct why *why)
{
	const char *reason = libpcap.pcap_geterr(live->pcap);

	/* libpcap 1.10 has no number for it. Nothing else ends a capture on a socket that works. */
	return why_say(why, -ENETDOWN, "no more packets from %s: %s", live->interface,
		       exists(live->interface) ? reason : "it is gone");
}

int capture_live_next(struct capture_live *live, struct passing_packet *ret, struct why *why)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	int status = libpcap.pcap_next_ex(live->pcap, &header, &data);

	if (status == 0)
		return 0;
	if (status < 0)
		return complain_of_read(live, why);
	*ret = (struct passing_packet){
		.time_ns = header->ts.tv_sec * INT64_C(1000000000) +
			   header->ts.tv_usec * live->fraction_ns,
		.time_known = true,
		.link = live->link,
		.captured_length = header->caplen,
		.length = header->len,
		.data = data,
	};
	live->given_out++;
	return 1;
}

/*
 * The library's count of packets received is not used: on the loopback each passes twice, and only
 * one is given out.
 */
int capture_live_counts(struct capture_live *live, uint64_t *ret_received, uint64_t *ret_dropped)
{
	struct pcap_stat now;

	if (libpcap.pcap_stats(live->pcap, &now) < 0)
		return -EIO;
	live->dropped += (uint32_t)(now.ps_drop - live->last_dropped);
	live->last_dropped = now.ps_drop;
	*ret_received = live->given_out + live->dropped;
	*ret_dropped = live->dropped;
	return 0;
}
