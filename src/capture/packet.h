/*
 * Captured packets as they were on the wire, in memory: what the lab's wire records and what a
 * capture file holds.
 */
#ifndef CONTEST_CAPTURE_PACKET_H
#define CONTEST_CAPTURE_PACKET_H

#include <stddef.h>
#include <stdint.h>

/* Link types as pcap numbers them (LINKTYPE_*). The decoder knows these; a file may have others. */
enum packet_link {
	PACKET_LINK_NULL = 0,
	PACKET_LINK_ETHERNET = 1,
	PACKET_LINK_PPP = 9,	   /* RFC 1661, with or without the HDLC framing of RFC 1662 */
	PACKET_LINK_PPP_HDLC = 50, /* with it; comes back from a file as PACKET_LINK_PPP */
	PACKET_LINK_PPPOE = 51,	   /* begins with the PPPoE header (RFC 2516) */
	PACKET_LINK_RAW = 101,	   /* begins with the IP header */
	PACKET_LINK_LOOP = 108,
	PACKET_LINK_SLL = 113,
	PACKET_LINK_IPV4 = 228,
	PACKET_LINK_IPV6 = 229,
	PACKET_LINK_SLL2 = 276,
	PACKET_LINK_OTHER = 0xffff, /* none that the capture file's reader knows */
};

struct packet {
	int64_t time_ns;	  /* since the Unix epoch */
	uint32_t interface;	  /* index into packet_list.interfaces */
	uint32_t captured_length; /* bytes at data */
	uint32_t length;	  /* bytes it had on the wire */
	uint8_t *data;		  /* (owned by the list) */
	char *comment; /* what the recorder noted, not empty, or NULL (owned by the list) */
};

struct packet_interface {
	char *name; /* (owned by the list) */
	enum packet_link link;
};

struct packet_list {
	struct packet_interface *interfaces;
	size_t interface_count, interface_capacity;
	struct packet *packets; /* in the order of the file or of the recording */
	size_t count, capacity;
};

void packet_list_init(struct packet_list *list);
void packet_list_done(struct packet_list *list);

/* Adds an interface; copies @name ("" for none). Returns its index (0 or more), or -ENOMEM. */
int packet_list_add_interface(struct packet_list *list, const char *name, enum packet_link link);

/* Adds a packet; copies @data and @comment (may be NULL). 0, or -ENOMEM / -EINVAL for an unknown
 * interface. */
int packet_list_add(struct packet_list *list, const struct packet *packet);

/* Adds the interfaces and packets of another list behind those of @list. 0, or -ENOMEM: @list is as
 * it was. */
int packet_list_append(struct packet_list *list, const struct packet_list *from);

/* Stable sort by time. Cannot fail. */
void packet_list_sort(struct packet_list *list);

/*
 * Carries a list from one process to another over a file descriptor, in a private form that only
 * the same build of contest reads. The receiver reads from where the descriptor stands and takes
 * nothing that follows the list: several lists may come over one pipe; whoever passes a memfd
 * rewinds it in between (one offset serves both processes). 0 or -errno (-EBADMSG when what comes
 * is not a whole list). The received list is the caller's to free.
 */
int packet_list_send(const struct packet_list *list, int fd);
int packet_list_receive(int fd, struct packet_list *ret);

#endif
