#include "capture/wiretap.h"

#include <errno.h>
#include <string.h>
#include <threads.h>

#include "base/cleanup.h"

struct wiretap wiretap;

static wtap_open_return_val open_nothing(wtap *file, int *error, gchar **info)
{
	(void)file;
	(void)error;
	(void)info;
	return WTAP_OPEN_NOT_MINE;
}

/*
 * The library recognises a hundred formats, down to JPEG and JSON, many of them by guessing: a
 * damaged capture would come back as something else, and every guess is one more parser (some read
 * uninitialised memory on short files). Only pcap with its dialects and pcapng are left. It wants
 * at least one format of the guessing kind, that is open_nothing().
 */
static void forget_formats(void)
{
	static struct open_info nothing = {
		.name = "nothing",
		.type = OPEN_INFO_HEURISTIC,
		.open_routine = open_nothing,
	};

	wiretap.wtap_register_open_info(&nothing, FALSE);
	/* It moves when formats come and go. */
	for (size_t i = 0; (*wiretap.open_routines)[i].name;) {
		const char *name = (*wiretap.open_routines)[i].name;

		if (strstr(name, "pcap") || strcmp(name, nothing.name) == 0)
			i++;
		else
			wiretap.wtap_deregister_open_info(name);
	}
}

enum { ENCAPS = 512 };	  /* the library has 217, and room for those that plugins add */
static int links[ENCAPS]; /* link type of each WTAP_ENCAP_…, or -EINVAL */

static void note_link(int link)
{
	int encap = wiretap.wtap_pcap_encap_to_wtap_encap(link);

	if (encap > WTAP_ENCAP_UNKNOWN && encap < ENCAPS)
		links[encap] = link;
}

/*
 * The library exports one direction only. Several numbers stand for raw IP (12 and 14 are those of
 * BSD systems), so the ones that the decoder knows count most: they come last. PPP_HDLC comes back
 * as PPP, which the library does not tell apart.
 */
static void find_links(void)
{
	static const enum packet_link known[] = {
		PACKET_LINK_NULL, PACKET_LINK_ETHERNET, PACKET_LINK_PPP, PACKET_LINK_RAW,
		PACKET_LINK_LOOP, PACKET_LINK_PPPOE,	PACKET_LINK_SLL, PACKET_LINK_IPV4,
		PACKET_LINK_IPV6, PACKET_LINK_SLL2,
	};
	enum { NUMBERS = 512 }; /* 300 are given away */

	for (size_t i = 0; i < ENCAPS; i++)
		links[i] = -EINVAL;
	for (int link = NUMBERS - 1; link >= 0; link--)
		note_link(link);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		note_link((int)known[i]);
	/* The byte before the frame, that says which way it went, the library takes away. */
	links[WTAP_ENCAP_PPP_WITH_PHDR] = PACKET_LINK_PPP;
	links[WTAP_ENCAP_UNKNOWN] = PACKET_LINK_OTHER;
}

static int loading_error;
static struct why loading_why;

static void prepare(void)
{
	loading_error = wiretap_load(WIRETAP_SONAME, &wiretap, &loading_why);
	if (loading_error < 0)
		return;
	/* Parts below cmd/ never print, what they call does not either. */
	wiretap.ws_log_set_level(LOG_LEVEL_ERROR);
	wiretap.wtap_init(FALSE);
	forget_formats();
	find_links();
}

int wiretap_prepare(struct why *why)
{
	static once_flag once = ONCE_FLAG_INIT;

	call_once(&once, prepare);
	return loading_error < 0 ? why_say(why, loading_error, "%s", loading_why.text) : 0;
}

static int wiretap_errno(int error)
{
	switch (error) {
	case WTAP_ERR_NOT_REGULAR_FILE:
	case WTAP_ERR_UNWRITABLE_ENCAP:
		return -EINVAL;
	case WTAP_ERR_FILE_UNKNOWN_FORMAT:
	case WTAP_ERR_UNSUPPORTED:
	case WTAP_ERR_SHORT_READ:
	case WTAP_ERR_BAD_FILE:
	case WTAP_ERR_DECOMPRESS:
	case WTAP_ERR_DECOMPRESSION_NOT_SUPPORTED:
		return -EBADMSG;
	case WTAP_ERR_PACKET_TOO_LARGE:
		return -EMSGSIZE;
	default:
		return error > 0 ? -error : -EIO;
	}
}

/* Where the library's own words do not help. */
static const char *wiretap_reason(int error)
{
	switch (error) {
	case WTAP_ERR_FILE_UNKNOWN_FORMAT:
		return "neither pcap nor pcapng, plain or packed by gzip, zstd or lz4";
	case WTAP_ERR_SHORT_READ:
		return "it ends in the middle of a record";
	default:
		return wiretap.wtap_strerror(error);
	}
}

int wiretap_why(struct why *why, const char *verb, const char *file, int error, gchar *info)
{
	const char *reason = wiretap_reason(error);

	why_say(why, 0, info ? "cannot %s %s: %s (%s)" : "cannot %s %s: %s", verb, file, reason,
		info);
	(wiretap.g_free)(info); /* glib 2.78 has a macro of that name */
	return wiretap_errno(error);
}

int wiretap_encap(enum packet_link link)
{
	int encap = wiretap.wtap_pcap_encap_to_wtap_encap((int)link);

	return encap == WTAP_ENCAP_UNKNOWN ? -EINVAL : encap;
}

int wiretap_link(int encap)
{
	return encap >= 0 && encap < ENCAPS ? links[encap] : -EINVAL;
}
