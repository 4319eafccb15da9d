/*
 * A request goes out with a sequence number of its own, and answers to older ones are skipped, so
 * that a dump that was left half-way cannot be mistaken for the next. The kernel answers a dump in
 * parts of at most 32 KiB (net/netlink/af_netlink.c, netlink_dump(), 6.18), each made when the
 * one before has been read.
 */
#include "observe/sockdiag_fd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/socket_key.h"
#include "tcp/state.h"

#define PART_MAX      32768
#define DUMP_ATTEMPTS 4
#define ALL_STATES    ((1U << TCP_STATE_COUNT) - 2)

/* include/net/tcp_states.h; it has no name in <netinet/tcp.h>. */
#define TCP_NEW_SYN_RECV 12

struct sockdiag {
	int fd;		   /* (owned) */
	uint32_t sequence; /* of the last request */
	bool whole;	   /* the last dump came in one part */
	char part[PART_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* One request on its way: what to do with its answers, and what became of them. */
struct walk {
	uint32_t states;
	sockdiag_visit visit;
	void *context;
	int stopped;	  /* what @visit returned */
	bool interrupted; /* the dump is not of one piece */
	bool lost;	  /* the socket's buffer overran: its end may not come */
	size_t sockets;	  /* in this answer */
	uint64_t visited; /* those of them that were asked for */
	size_t parts;	  /* with a socket in them */
};

static const char *const timer_names[] = {
	[SOCKET_TIMER_OFF] = "off",
	[SOCKET_TIMER_RETRANSMIT] = "on",
	[SOCKET_TIMER_KEEPALIVE] = "keepalive",
	[SOCKET_TIMER_TIMEWAIT] = "timewait",
	[SOCKET_TIMER_PROBE] = "persist",
};
static_assert(ARRAY_SIZE(timer_names) == SOCKET_TIMER_COUNT, "a name for each timer");

const char *socket_timer_name(enum socket_timer timer)
{
	if ((unsigned)timer >= SOCKET_TIMER_COUNT)
		return "?";
	return timer_names[timer];
}

static void status_of(const struct inet_diag_msg *message, struct socket_status *ret)
{
	socket_key_set(&ret->key, message->idiag_family, message->id.idiag_src,
		       ntohs(message->id.idiag_sport), message->id.idiag_dst,
		       ntohs(message->id.idiag_dport));
	ret->state = message->idiag_state == TCP_NEW_SYN_RECV ? TCP_SYN_RECV : message->idiag_state;
	ret->timer = message->idiag_timer < SOCKET_TIMER_COUNT ? message->idiag_timer
							       : SOCKET_TIMER_OFF;
	/* Before 5.4 an overdue timer showed as a huge unsigned number: EXPIRES_IN_MS(). */
	ret->timer_left_ms = ret->timer != SOCKET_TIMER_OFF && message->idiag_expires <= INT32_MAX
				     ? message->idiag_expires
				     : 0;
	ret->retransmits = message->idiag_retrans;
	ret->receive_queue = message->idiag_rqueue;
	ret->send_queue = message->idiag_wqueue;
	ret->inode = message->idiag_inode;
	ret->uid = message->idiag_uid;
	/* inet_twsk_diag_fill() is the only one that says 3. */
	ret->minisock = ret->timer == SOCKET_TIMER_TIMEWAIT;
}

static int visit_socket(const struct nlmsghdr *header, struct walk *walk)
{
	struct socket_status status;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return -EBADMSG;
	walk->sockets++;
	status_of(NLMSG_DATA(header), &status);
	if (status.state >= TCP_STATE_COUNT || !(walk->states & 1U << status.state))
		return 0;
	if (walk->stopped != 0)
		return 0;
	walk->visited++;
	walk->stopped = walk->visit(&status, walk->context);
	return 0;
}

/* -errno of what ends an answer, not negative for none: in NLMSG_ERROR, and since 4.18 in
 * NLMSG_DONE. */
static int error_of(const struct nlmsghdr *header)
{
	int error;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(error)))
		return header->nlmsg_type == NLMSG_ERROR ? -EBADMSG : 0;
	memcpy(&error, NLMSG_DATA(header), sizeof(error));
	return error;
}

/* One message: 0 when more are to come, 1 when it is the last one, or -errno. */
static int read_message(const struct sockdiag *diag, const struct nlmsghdr *header,
			struct walk *walk)
{
	int r;

	if (header->nlmsg_seq != diag->sequence)
		return 0;
	if (header->nlmsg_flags & NLM_F_DUMP_INTR)
		walk->interrupted = true;
	switch (header->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_OVERRUN:
		walk->interrupted = true;
		return 0;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		r = error_of(header);
		return r < 0 ? r : 1;
	default:
		return visit_socket(header, walk);
	}
}

/* Whether a whole message is at byte @at of @length. Not libmnl's functions: their calls were three
 * quarters of the time that a socket took here; and without them any descriptor will do. */
static bool holds_message(const char *part, size_t at, size_t length)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)(part + at);

	return at < length && length - at >= sizeof(*header) &&
	       header->nlmsg_len >= sizeof(*header) && header->nlmsg_len <= length - at;
}

/* The messages that @length bytes hold, up to the one that ends the answer. Returns as
 * read_message() does; -EBADMSG when something else is behind the last of them: what is cut there
 * may be the end, and nobody would ever send another. */
static int read_messages(const struct sockdiag *diag, size_t length, struct walk *walk)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && holds_message(diag->part, at, length)) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(diag->part + at);

		at += NLMSG_ALIGN(header->nlmsg_len);
		r = read_message(diag, header, walk);
	}
	if (r == 0 && (at == 0 || at < length))
		return -EBADMSG;
	return r;
}

/* One part of an answer. Returns as read_message() does. */
static int read_part(struct sockdiag *diag, struct walk *walk)
{
	size_t before = walk->sockets;
	ssize_t n;
	int r;

	do {
		n = recv(diag->fd, diag->part, sizeof(diag->part), MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ENOBUFS) {
		walk->lost = true;
		return 1;
	}
	if (n < 0)
		return -errno;
	if ((size_t)n > sizeof(diag->part))
		return -EMSGSIZE;
	r = read_messages(diag, (size_t)n, walk);
	walk->parts += walk->sockets > before;
	return r;
}

/* Reads a dump to its end without looking: until then the kernel refuses another one (EBUSY). */
static void drain(struct sockdiag *diag)
{
	ssize_t n;

	do {
		n = recv(diag->fd, diag->part, sizeof(diag->part), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
}

static int send_message(struct sockdiag *diag, const struct iovec *parts, size_t count)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr message = {
		.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
		.msg_iov = (struct iovec *)parts,
		.msg_iovlen = count,
	};

	while (sendmsg(diag->fd, &message, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* @bytecode is the attribute behind @body, which is a multiple of NLMSG_ALIGNTO long. */
static int send_request(struct sockdiag *diag, int type, int flags, const void *body, size_t length,
			const struct sockdiag_query *query)
{
	struct nlmsghdr header = {
		.nlmsg_len = (uint32_t)(sizeof(header) + length),
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = ++diag->sequence,
	};
	struct nlattr attribute = {.nla_type = INET_DIAG_REQ_BYTECODE};
	struct iovec parts[] = {
		{&header, sizeof(header)},
		{(void *)body, length},
		{&attribute, sizeof(attribute)},
		{NULL, 0},
	};

	if (!query || query->bytecode_length == 0)
		return send_message(diag, parts, 2);
	if (query->bytecode_length > SOCKDIAG_BYTECODE_MAX)
		return -E2BIG;
	attribute.nla_len = (uint16_t)(sizeof(attribute) + query->bytecode_length);
	header.nlmsg_len += attribute.nla_len;
	parts[3] = (struct iovec){(void *)query->bytecode, query->bytecode_length};
	return send_message(diag, parts, 4);
}

/*
 * SOCK_DIAG_BY_FAMILY knows one family at a time, and each dump walks the whole hash table of
 * connections (inet_diag_dump_icsk()), empty or not. The older request TCPDIAG_GETSOCK takes
 * AF_UNSPEC for granted (inet_diag_dump_compat()), and so gives both families in one walk.
 */
static int send_dump(struct sockdiag *diag, const struct sockdiag_query *query, uint32_t states,
		     const struct inet_diag_sockid *id)
{
	struct inet_diag_req_v2 one = {
		.sdiag_family = (uint8_t)query->family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = states,
		.id = *id,
	};
	struct inet_diag_req both = {.idiag_states = states, .id = *id};

	if (query->family == AF_UNSPEC)
		return send_request(diag, TCPDIAG_GETSOCK, NLM_F_DUMP, &both, sizeof(both), query);
	return send_request(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &one, sizeof(one), query);
}

static int dump_once(struct sockdiag *diag, const struct sockdiag_query *query,
		     const struct inet_diag_sockid *id, struct walk *walk)
{
	uint32_t states = walk->states;
	int r;

	/* A request socket has a state of its own inside the kernel, and is shown as SYN-RECEIVED.
	 */
	if (states & 1U << TCP_SYN_RECV)
		states |= 1U << TCP_NEW_SYN_RECV;
	r = send_dump(diag, query, states, id);
	while (r == 0 && walk->stopped == 0)
		r = read_part(diag, walk);
	if (r < 0 || walk->stopped != 0 || walk->lost)
		drain(diag);
	if (r < 0)
		return r;
	return walk->stopped;
}

/* @again (may be NULL) is called before all is asked anew. */
static int dump(struct sockdiag *diag, const struct sockdiag_query *query,
		const struct inet_diag_sockid *id, sockdiag_visit visit,
		void (*again)(void *context), void *context, struct sockdiag_course *ret)
{
	for (unsigned repeated = 0;; repeated++) {
		struct walk walk = {
			.states = query->states ? query->states : ALL_STATES,
			.visit = visit,
			.context = context,
		};
		int r = dump_once(diag, query, id, &walk);
		bool torn = walk.interrupted || walk.lost;

		diag->whole = r == 0 && walk.parts <= 1 && !torn;
		*ret = (struct sockdiag_course){walk.visited, repeated, torn};
		if (r != 0 || !torn)
			return r;
		if (repeated == DUMP_ATTEMPTS - 1)
			return walk.lost ? -ENOBUFS : 0;
		if (again)
			again(context);
	}
}

int sockdiag_walk(struct sockdiag *diag, const struct sockdiag_query *query, sockdiag_visit visit,
		  void (*again)(void *context), void *context, struct sockdiag_course *ret)
{
	static const struct inet_diag_sockid any;
	struct sockdiag_course course;
	int r = dump(diag, query, &any, visit, again, context, &course);

	if (r >= 0)
		*ret = course;
	return r;
}

int sockdiag_dump(struct sockdiag *diag, int family, uint32_t states, sockdiag_visit visit,
		  void *context)
{
	struct sockdiag_query query = {.family = family, .states = states};
	struct sockdiag_course course;

	return sockdiag_walk(diag, &query, visit, NULL, context, &course);
}

bool sockdiag_whole(const struct sockdiag *diag)
{
	return diag->whole;
}

struct search {
	const struct tcp_key *key;
	struct socket_status found;
};

/* The exact lookup falls back to a listener at the local address (inet_lookup()), and a dump by
 * ports shows other addresses: only the very key counts. */
static int keep_match(const struct socket_status *status, void *context)
{
	struct search *search = context;

	if (!tcp_key_equal(&status->key, search->key))
		return 0;
	search->found = *status;
	return 1;
}

static void put_address(__be32 *ret, const struct tcp_address *address)
{
	memcpy(ret, address->bytes, address->family == AF_INET ? 4 : 16);
}

static struct inet_diag_sockid id_of(const struct tcp_key *key)
{
	struct inet_diag_sockid id = {
		.idiag_sport = htons(key->local.port),
		.idiag_dport = htons(key->remote.port),
		.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
	};

	/* inet_diag_find_one_icsk(): idiag_src is our end, as in a dump. */
	put_address(id.idiag_src, &key->local.address);
	put_address(id.idiag_dst, &key->remote.address);
	return id;
}

int sockdiag_find(struct sockdiag *diag, const struct tcp_key *key, struct socket_status *ret)
{
	struct search search = {.key = key};
	struct walk walk = {.states = ALL_STATES, .visit = keep_match, .context = &search};
	/* A lookup of AF_INET finds v4-mapped sockets of AF_INET6 too: inet_match() compares
	 * skc_daddr and skc_rcv_saddr, which they have as well. */
	struct inet_diag_req_v2 request = {
		.sdiag_family = (uint8_t)key->local.address.family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = ALL_STATES,
		.id = id_of(key),
	};
	int r = send_request(diag, SOCK_DIAG_BY_FAMILY, 0, &request, sizeof(request), NULL);

	/* One message and nothing behind it, or an error. */
	while (r == 0 && walk.sockets == 0)
		r = read_part(diag, &walk);
	if (walk.lost)
		return -ENOBUFS;
	if (r < 0)
		return r;
	if (walk.stopped == 0)
		return -ENOENT;
	*ret = search.found;
	return 0;
}

int sockdiag_get(struct sockdiag *diag, const struct tcp_key *key, struct socket_status *ret)
{
	struct inet_diag_sockid ports = {
		.idiag_sport = htons(key->local.port),
		.idiag_dport = htons(key->remote.port),
	};
	struct sockdiag_query query = {.family = AF_UNSPEC};
	struct search search = {.key = key};
	struct sockdiag_course course;
	int r = sockdiag_find(diag, key, ret);

	if (r != -ENOENT)
		return r;
	r = dump(diag, &query, &ports, keep_match, NULL, &search, &course);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = search.found;
	return 0;
}

static int ignore(const struct socket_status *status, void *context)
{
	(void)status;
	(void)context;
	return 0;
}

/* Whether the kernel answers at all. LISTEN alone leaves the large table out. */
static int probe(struct sockdiag *diag, struct why *why)
{
	int r = sockdiag_dump(diag, AF_UNSPEC, 1U << TCP_LISTEN, ignore, NULL);

	if (r == -ENOENT || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT) {
		why_say(why, -ENOTSUP,
			"this kernel does not list TCP sockets (CONFIG_INET_TCP_DIAG): "
			"load the module tcp_diag as root: modprobe tcp_diag");
		return -ENOTSUP;
	}
	if (r < 0)
		return why_set(why, r, "cannot list the TCP sockets over netlink");
	return 0;
}

int sockdiag_open_fd(int fd, struct sockdiag **ret, struct why *why)
{
	struct sockdiag *diag = calloc(1, sizeof(*diag));
	int r;

	if (!diag)
		return why_set(why, -ENOMEM, "cannot list the TCP sockets");
	diag->fd = fd;
	r = probe(diag, why);
	if (r < 0) {
		free(diag);
		return r;
	}
	*ret = diag;
	return 0;
}

int sockdiag_open(int netns_fd, struct sockdiag **ret, struct why *why)
{
	/* Its address it gets when it first sends (netlink_sendmsg(), 6.18). */
	CLEANUP_CLOSE int fd = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	int r;

	if (fd < 0)
		return why_set(why, fd, "cannot open a socket of the family NETLINK_SOCK_DIAG");
	r = sockdiag_open_fd(fd, ret, why);
	if (r == 0)
		(void)TAKE_FD(fd);
	return r;
}

void sockdiag_close(struct sockdiag *diag)
{
	if (!diag)
		return;
	close(diag->fd);
	free(diag);
}
