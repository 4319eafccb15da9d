#include "capture/libpcap.h"

#include <errno.h>
#include <nss.h>
#include <stddef.h>
#include <string.h>
#include <threads.h>

#include "base/cleanup.h"
#include "capture/library.h"

struct libpcap libpcap;

static int loading_error;
static struct why loading_why;

/*
 * libpcap asks getaddrinfo(3) for what is not a number. Whoever analyses an incident must not wait
 * for name servers, nor tell them what is looked for. glibc lets a program name its own sources
 * (nsswitch.conf(5)); nscd is not asked then, either.
 */
static void look_up_in_files_only(void)
{
	static const char *const databases[] = {
		"hosts", "networks", "services", "protocols", "ethers",
	};

	for (size_t i = 0; i < ARRAY_SIZE(databases); i++)
		__nss_configure_lookup(databases[i], "files");
}

static void prepare(void)
{
	static const struct library_symbol symbols[] = {
#define PCAP_ENTRY(name) {#name, offsetof(struct libpcap, name)},
		PCAP_SYMBOLS(PCAP_ENTRY)
#undef PCAP_ENTRY
	};
	static const struct library library = {
		.soname = PCAP_SONAME,
		.purpose = "filters and live captures",
		.package = PCAP_PACKAGE,
		.symbols = symbols,
		.symbol_count = ARRAY_SIZE(symbols),
		.size = sizeof(libpcap),
	};

	loading_error = library_load(&library, &libpcap, &loading_why);
	if (loading_error == 0)
		look_up_in_files_only();
}

int libpcap_prepare(struct why *why)
{
	static once_flag once = ONCE_FLAG_INIT;

	call_once(&once, prepare);
	return loading_error < 0 ? why_say(why, loading_error, "%s", loading_why.text) : 0;
}

int libpcap_expression(pcap_t *pcap, const char *expression, struct bpf_program *ret,
		       struct why *why)
{
	struct bpf_program program;
	const char *reason;

	if (libpcap.pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) == 0) {
		*ret = program;
		return 0;
	}
	reason = libpcap.pcap_geterr(pcap);
	return why_say(
		why, -EINVAL, "filter \"%s\": %s%s", expression, reason,
		strstr(reason, "unknown host") || strstr(reason, "unknown network")
			? " (names are looked up in this host's files only: give the address)"
			: "");
}

enum packet_link libpcap_link(int dlt)
{
	static const enum packet_link known[] = {
		PACKET_LINK_NULL, PACKET_LINK_ETHERNET, PACKET_LINK_PPP, PACKET_LINK_PPP_HDLC,
		PACKET_LINK_LOOP, PACKET_LINK_PPPOE,	PACKET_LINK_SLL, PACKET_LINK_IPV4,
		PACKET_LINK_IPV6, PACKET_LINK_SLL2,
	};

	if (dlt == DLT_RAW)
		return PACKET_LINK_RAW;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if ((int)known[i] == dlt)
			return known[i];
	return PACKET_LINK_OTHER;
}
