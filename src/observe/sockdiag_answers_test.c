/*
 * What a kernel may answer, and no kernel can be made to: the test is at the other end of a pair of
 * sockets and forms netlink messages as net/netlink/af_netlink.c and net/ipv4/inet_diag.c (6.18)
 * do. As in the kernel, an answer is begun inside of sendmsg(2), here __wrap_sendmsg().
 */
#include "observe/testnet.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/cleanup.h"
#include "observe/sockdiag_fd.h"
#include "tcp/state.h"

#define PART_ROOM 70000

static int ours = -1, kernel = -1; /* the ends */
static struct sockdiag *diag;

/* The last request, and how many there were since the interface was opened. */
static struct {
	struct nlmsghdr header;
	char body[PART_ROOM];
} request;
static unsigned requests;

/* What to do at the next request; the last one stays. */
typedef void answer(void);
static answer *answers[8];
static size_t answer_count;

/* What the next calls of recv(2) fail with; as a row of numbers, 0: they do not. */
static int failures[8];
static size_t failure_count;

/* ---- messages */

static char part[PART_ROOM];
static size_t part_length;

/* A message with @length bytes behind its header. */
static struct nlmsghdr *put(int type, int flags, const void *payload, size_t length)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(part + part_length);

	assert_true(part_length + NLMSG_SPACE(length) <= sizeof(part));
	*header = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(length),
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_MULTI | flags),
		.nlmsg_seq = request.header.nlmsg_seq,
	};
	if (length)
		memcpy(NLMSG_DATA(header), payload, length);
	part_length += NLMSG_SPACE(length);
	return header;
}

static struct inet_diag_msg socket_at(uint16_t port, uint8_t state)
{
	return (struct inet_diag_msg){
		.idiag_family = AF_INET,
		.idiag_state = state,
		.id = {.idiag_sport = htons(port),
		       .idiag_dport = htons(80),
		       .idiag_src = {htonl(INADDR_LOOPBACK)},
		       .idiag_dst = {htonl(INADDR_LOOPBACK)}},
		.idiag_uid = 4711,
		.idiag_inode = port,
	};
}

static void put_message(const struct inet_diag_msg *message, int flags)
{
	put(request.header.nlmsg_type, flags, message, sizeof(*message));
}

static void put_socket(uint16_t port, int flags)
{
	struct inet_diag_msg message = socket_at(port, TCP_ESTABLISHED);

	put_message(&message, flags);
}

static void put_done(int flags)
{
	int none = 0;

	put(NLMSG_DONE, flags, &none, sizeof(none));
}

/* netlink_ack(): the error, and what it is about. */
static void put_error(int error)
{
	struct nlmsgerr said = {.error = error, .msg = request.header};

	put(NLMSG_ERROR, 0, &said, sizeof(said));
}

static void send_bytes(const void *bytes, size_t length)
{
	assert_int_equal(send(kernel, bytes, length, 0), length);
}

/* What was put goes out, as what one recvmsg(2) gives. */
static void send_part(void)
{
	send_bytes(part, part_length);
	part_length = 0;
}

/* ---- the kernel's turn */

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t n = __real_sendmsg(fd, message, flags);
	answer *next = answers[0];

	assert_int_equal(recv(kernel, &request, sizeof(request), 0), n);
	assert_int_equal(request.header.nlmsg_len, n);
	requests++;
	if (answer_count > 1)
		memmove(answers, answers + 1, --answer_count * sizeof(answers[0]));
	next();
	assert_int_equal(part_length, 0);
	return n;
}

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	if (fd != kernel && failure_count > 0) {
		int error = failures[0];

		memmove(failures, failures + 1, --failure_count * sizeof(failures[0]));
		if (error) {
			errno = error;
			return -1;
		}
	}
	return __real_recv(fd, buffer, size, flags);
}

#define ANSWER_WITH(...)                                                                           \
	do {                                                                                       \
		answer *const given_[] = {__VA_ARGS__};                                            \
		answer_count = ARRAY_SIZE(given_);                                                 \
		memcpy(answers, given_, sizeof(given_));                                           \
	} while (0)

#define FAIL_WITH(...)                                                                             \
	do {                                                                                       \
		const int given_[] = {__VA_ARGS__};                                                \
		failure_count = ARRAY_SIZE(given_);                                                \
		memcpy(failures, given_, sizeof(given_));                                          \
	} while (0)

static void nothing(void)
{
	put_done(0);
	send_part();
}

/* Four sockets in two parts, and the end by itself. */
static void four(void)
{
	put_socket(1, 0);
	put_socket(2, 0);
	send_part();
	put_socket(3, 0);
	put_socket(4, 0);
	send_part();
	nothing();
}

/* ---- walking */

struct seen {
	struct socket_status at[64];
	size_t count;
	unsigned again;
	int stop_at; /* so many sockets are enough */
};

static int see(const struct socket_status *status, void *context)
{
	struct seen *seen = context;

	assert_true(seen->count < ARRAY_SIZE(seen->at));
	seen->at[seen->count++] = *status;
	return seen->stop_at && seen->count == (size_t)seen->stop_at ? 7 : 0;
}

static void forget(void *context)
{
	struct seen *seen = context;

	seen->count = 0;
	seen->again++;
}

static struct seen seen;
static struct sockdiag_course course;

static int walk(void)
{
	struct sockdiag_query query = {.family = AF_UNSPEC};
	char byte;
	int r;

	seen = (struct seen){.stop_at = seen.stop_at};
	course = (struct sockdiag_course){77, 77, true};
	requests = 0;
	r = sockdiag_walk(diag, &query, see, forget, &seen, &course);
	/* To the kernel a dump is over when it was read to its end. */
	assert_int_equal(__real_recv(ours, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	return r;
}

/* The interface is as good as new: nothing of the last answer is in its way. */
static void assert_usable(void)
{
	failure_count = 0;
	ANSWER_WITH(four);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 4);
	assert_int_equal(requests, 1);
	assert_int_equal(course.visited, 4);
	assert_int_equal(course.repeated, 0);
	assert_false(course.torn);
}

static void assert_fails(int error)
{
	assert_int_equal(walk(), error);
	assert_int_equal(course.visited, 77);
	assert_int_equal(course.repeated, 77);
	assert_int_equal(seen.again, 0);
	assert_usable();
}

static void open_pair(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ours = ends[0];
	kernel = ends[1];
}

static int set_up(void **state)
{
	struct why why = {0};

	(void)state;
	part_length = failure_count = 0;
	seen = (struct seen){0};
	open_pair();
	ANSWER_WITH(nothing);
	assert_int_equal(sockdiag_open_fd(ours, &diag, &why), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sockdiag_close(diag);
	close(kernel);
	diag = NULL;
	return 0;
}

/* ---- of one piece */

static void whole(void **state)
{
	(void)state;
	assert_usable();
	assert_int_equal(request.header.nlmsg_type, TCPDIAG_GETSOCK);
	assert_int_equal(request.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_false(sockdiag_whole(diag));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(seen.at[i].key.local.port, i + 1);
		assert_int_equal(seen.at[i].key.remote.port, 80);
		assert_int_equal(seen.at[i].inode, i + 1);
		assert_int_equal(seen.at[i].uid, 4711);
		assert_int_equal(seen.at[i].state, TCP_ESTABLISHED);
	}
	ANSWER_WITH(nothing);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 0);
	assert_true(sockdiag_whole(diag));
}

/* The end comes with the last sockets where there is room (netlink_dump()), and then it is aligned:
 * here, of a message of 15 bytes, too. */
static void in_one_part(void)
{
	put_socket(1, 0);
	put(NLMSG_NOOP, 0, "fifteen bytes..", 15);
	put_socket(2, 0);
	put_done(0);
	send_part();
}

static void one_part_and_the_end(void)
{
	put_socket(1, 0);
	put_socket(2, 0);
	send_part();
	nothing();
}

static void one_part(void **state)
{
	(void)state;
	ANSWER_WITH(one_part_and_the_end);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 2);
	assert_true(sockdiag_whole(diag));
	ANSWER_WITH(in_one_part);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 2);
	assert_true(sockdiag_whole(diag));
}

static void stopped(void **state)
{
	(void)state;
	for (int at = 1; at <= 4; at++) {
		ANSWER_WITH(four);
		seen.stop_at = at;
		assert_int_equal(walk(), 7);
		assert_int_equal(seen.count, at);
		assert_int_equal(course.visited, at);
		seen.stop_at = 0;
		assert_usable();
	}
}

/* ---- interrupted */

static void marked_at_the_end(void)
{
	put_socket(1, 0);
	put_socket(2, 0);
	send_part();
	put_done(NLM_F_DUMP_INTR);
	send_part();
}

static void marked_at_a_socket(void)
{
	put_socket(1, 0);
	put_socket(2, NLM_F_DUMP_INTR);
	put_socket(3, 0);
	put_done(0);
	send_part();
}

static void overrun(void)
{
	put_socket(1, 0);
	put(NLMSG_OVERRUN, 0, NULL, 0);
	put_socket(2, 0);
	put_done(0);
	send_part();
}

static void interrupted_once(void **state)
{
	answer *const ways[] = {marked_at_the_end, marked_at_a_socket, overrun};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		ANSWER_WITH(ways[i], four);
		assert_int_equal(walk(), 0);
		assert_int_equal(seen.again, 1);
		assert_int_equal(seen.count, 4);
		assert_int_equal(requests, 2);
		assert_int_equal(course.visited, 4);
		assert_int_equal(course.repeated, 1);
		assert_false(course.torn);
		assert_usable();
	}
}

static void interrupted_each_time(void **state)
{
	(void)state;
	ANSWER_WITH(marked_at_the_end, overrun, marked_at_a_socket, marked_at_the_end, nothing);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.again, 3);
	assert_int_equal(seen.count, 2);
	assert_int_equal(requests, 4);
	assert_int_equal(course.visited, 2);
	assert_int_equal(course.repeated, 3);
	assert_true(course.torn);
	assert_false(sockdiag_whole(diag));
	assert_usable();
	/* The fourth is the last that is asked for, and may be whole. */
	ANSWER_WITH(overrun, overrun, overrun, four);
	assert_int_equal(walk(), 0);
	assert_int_equal(course.repeated, 3);
	assert_false(course.torn);
}

/* What was left behind of it is of no use, and its end may never come. */
static void answers_lost(void **state)
{
	(void)state;
	ANSWER_WITH(four);
	FAIL_WITH(0, ENOBUFS, 0);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.again, 1);
	assert_int_equal(seen.count, 4);
	assert_int_equal(course.repeated, 1);
	assert_false(course.torn);
	/* While it is thrown away, too. */
	FAIL_WITH(ENOBUFS, ENOBUFS, EINTR, 0);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.again, 1);
	assert_int_equal(course.repeated, 1);
}

static void nothing_but_losses(void)
{
	FAIL_WITH(ENOBUFS, ENOBUFS, EINTR);
	four();
}

static void answers_lost_each_time(void **state)
{
	(void)state;
	ANSWER_WITH(nothing_but_losses);
	assert_int_equal(walk(), -ENOBUFS);
	assert_int_equal(requests, 4);
	assert_int_equal(seen.again, 3);
	assert_int_equal(course.visited, 77);
	assert_usable();
}

static void interrupted_call(void **state)
{
	(void)state;
	ANSWER_WITH(four);
	FAIL_WITH(EINTR, 0, EINTR, EINTR, 0);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 4);
	assert_int_equal(course.repeated, 0);
	FAIL_WITH(0, EIO);
	assert_fails(-EIO);
}

/* ---- of another request */

/* Of the request before, that nobody waits for any more; its marks and its end are not ours. */
static void behind_an_older_answer(void)
{
	request.header.nlmsg_seq--;
	put_socket(1, NLM_F_DUMP_INTR);
	put(NLMSG_OVERRUN, 0, NULL, 0);
	put_error(-EIO);
	put_done(0);
	send_part();
	request.header.nlmsg_seq += 2;
	put_socket(1, 0);
	put_done(0);
	request.header.nlmsg_seq--;
	put_socket(2, 0);
	put_done(0);
	send_part();
}

static void older_answer(void **state)
{
	(void)state;
	ANSWER_WITH(behind_an_older_answer);
	assert_int_equal(walk(), 0);
	assert_int_equal(requests, 1);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.at[0].inode, 2);
	assert_int_equal(course.repeated, 0);
}

/* ---- no messages */

static uint32_t length_said;  /* in the second header, … */
static size_t length_present; /* … and the bytes of it that there are */
static unsigned older;	      /* than the request */

static void wrong_length(void)
{
	struct nlmsghdr *header;
	size_t first;

	put_socket(1, 0);
	first = part_length;
	header = (struct nlmsghdr *)(part + first);
	put_socket(2, 0);
	header->nlmsg_len = length_said;
	header->nlmsg_seq -= older;
	send_bytes(part, first + length_present);
	part_length = 0;
	nothing();
}

static void wrong_lengths(void **state)
{
	enum { MESSAGE = NLMSG_LENGTH(sizeof(struct inet_diag_msg)) };
	static const struct {
		uint32_t said;
		size_t present;
	} lengths[] = {
		{0, MESSAGE},
		{1, MESSAGE},
		{15, MESSAGE},
		{MESSAGE + 1, MESSAGE},
		{INT32_MAX, MESSAGE},
		{1U << 31, MESSAGE},
		{UINT32_MAX, MESSAGE},
		{UINT32_MAX - 15, MESSAGE},
		{MESSAGE, 15},
		{MESSAGE, 1},
		{16, 15},
		{MESSAGE, MESSAGE - 1},
		{32768, MESSAGE},
		{16 + 20, MESSAGE}, /* a message, and too short for a socket */
		{MESSAGE - 1, MESSAGE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		length_said = lengths[i].said;
		length_present = lengths[i].present;
		ANSWER_WITH(wrong_length);
		assert_fails(-EBADMSG);
		/* What a message of no length says does not matter, where the next one begins does.
		 */
		older = length_said < sizeof(struct nlmsghdr);
		ANSWER_WITH(wrong_length);
		assert_fails(-EBADMSG);
		older = 0;
	}
}

static void empty(void)
{
	send_bytes("", 0);
}

static void too_long(void)
{
	for (int i = 0; i < 32768 / 88 + 1; i++)
		put_socket(1, 0);
	send_part();
	nothing();
}

static void no_messages(void **state)
{
	(void)state;
	ANSWER_WITH(empty);
	assert_fails(-EBADMSG);
	/* More than the kernel makes at once. */
	ANSWER_WITH(too_long);
	assert_fails(-EMSGSIZE);
}

/* ---- errors */

static int error_said;

static void refuse(void)
{
	put_error(error_said);
	send_part();
}

static void refuse_without_reason(void)
{
	put(NLMSG_ERROR, 0, "abc", 3);
	send_part();
}

static void refuse_shortly(void)
{
	put(NLMSG_ERROR, 0, &error_said, sizeof(error_said));
	send_part();
}

static void end_with_error(void)
{
	put_socket(1, 0);
	put(NLMSG_DONE, 0, &error_said, sizeof(error_said));
	send_part();
}

/* As before 4.18. */
static void end_without_error(void)
{
	put_socket(1, 0);
	put(NLMSG_DONE, 0, NULL, 0);
	send_part();
}

static void errors(void **state)
{
	(void)state;
	error_said = -EINVAL;
	ANSWER_WITH(refuse);
	assert_fails(-EINVAL);
	ANSWER_WITH(refuse_shortly);
	assert_fails(-EINVAL);
	ANSWER_WITH(refuse_without_reason);
	assert_fails(-EBADMSG);
	error_said = -ENOMEM;
	ANSWER_WITH(end_with_error);
	assert_fails(-ENOMEM);
}

/* An acknowledgement (error 0), and numbers that are no errors. */
static void no_errors(void **state)
{
	static const int numbers[] = {0, 1, 4096};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		error_said = numbers[i];
		ANSWER_WITH(refuse);
		assert_int_equal(walk(), 0);
		assert_int_equal(seen.count, 0);
		ANSWER_WITH(end_with_error);
		assert_int_equal(walk(), 0);
		assert_int_equal(seen.count, 1);
	}
	ANSWER_WITH(end_without_error);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 1);
}

/* ---- sockets */

static struct inet_diag_msg told;

static void tell(void)
{
	put_message(&told, 0);
	put_done(0);
	send_part();
}

static const struct socket_status *walk_told(void)
{
	ANSWER_WITH(tell);
	assert_int_equal(walk(), 0);
	assert_int_equal(course.visited, seen.count);
	return seen.count ? &seen.at[0] : NULL;
}

static void states(void **state)
{
	(void)state;
	for (int i = 0; i <= UINT8_MAX; i++) {
		const struct socket_status *status;

		told = socket_at(1, (uint8_t)i);
		status = walk_told();
		assert_int_equal(status != NULL, i > TCP_STATE_NONE && i < TCP_STATE_COUNT);
		/* TCP_NEW_SYN_RECV, which <netinet/tcp.h> does not name. */
		if (status)
			assert_int_equal(status->state, i == 12 ? TCP_SYN_RECV : i);
	}
}

static void check_timer(uint8_t timer, uint32_t expires, enum socket_timer expected, uint32_t left)
{
	const struct socket_status *status;

	told = socket_at(1, TCP_TIME_WAIT);
	told.idiag_timer = timer;
	told.idiag_expires = expires;
	told.idiag_retrans = 9;
	status = walk_told();
	assert_non_null(status);
	assert_int_equal(status->timer, expected);
	assert_int_equal(status->timer_left_ms, left);
	assert_int_equal(status->retransmits, 9);
	assert_int_equal(status->minisock, expected == SOCKET_TIMER_TIMEWAIT);
}

static void timers(void **state)
{
	(void)state;
	for (uint8_t timer = 1; timer < SOCKET_TIMER_COUNT; timer++) {
		check_timer(timer, 59000, timer, 59000);
		check_timer(timer, INT32_MAX, timer, INT32_MAX);
		/* Overdue, before 5.4. */
		check_timer(timer, (uint32_t)INT32_MAX + 1, timer, 0);
		check_timer(timer, UINT32_MAX, timer, 0);
	}
	check_timer(0, 59000, SOCKET_TIMER_OFF, 0);
	check_timer(SOCKET_TIMER_COUNT, 59000, SOCKET_TIMER_OFF, 0);
	check_timer(UINT8_MAX, 59000, SOCKET_TIMER_OFF, 0);
}

/* ---- one of them */

static struct tcp_key key_at(uint16_t port)
{
	struct tcp_key key = {.local.port = port, .remote.port = 80};

	assert_int_equal(tcp_address_parse("127.0.0.1", &key.local.address), 0);
	key.remote.address = key.local.address;
	return key;
}

static void tell_alone(void)
{
	put_message(&told, 0);
	send_part();
}

static int find(uint16_t port, struct socket_status *ret)
{
	struct tcp_key key = key_at(port);

	requests = 0;
	ret->inode = 77;
	return sockdiag_find(diag, &key, ret);
}

static void finds(void **state)
{
	struct socket_status status;

	(void)state;
	told = socket_at(5, TCP_CLOSE_WAIT);
	ANSWER_WITH(tell_alone);
	assert_int_equal(find(5, &status), 0);
	assert_int_equal(status.inode, 5);
	assert_int_equal(status.state, TCP_CLOSE_WAIT);
	assert_int_equal(request.header.nlmsg_type, SOCK_DIAG_BY_FAMILY);
	assert_int_equal(request.header.nlmsg_flags, NLM_F_REQUEST);
	assert_int_equal(find(6, &status), -ENOENT);
	assert_int_equal(status.inode, 77);
	ANSWER_WITH(refuse);
	error_said = -ENOENT;
	assert_int_equal(find(5, &status), -ENOENT);
	assert_usable();
}

static void finds_not(void **state)
{
	struct socket_status status;

	(void)state;
	ANSWER_WITH(refuse_without_reason);
	assert_int_equal(find(5, &status), -EBADMSG);
	ANSWER_WITH(empty);
	assert_int_equal(find(5, &status), -EBADMSG);
	ANSWER_WITH(tell_alone);
	FAIL_WITH(ENOBUFS);
	assert_int_equal(find(5, &status), -ENOBUFS);
	assert_int_equal(status.inode, 77);
	assert_usable();
}

/* Where the hash chain does not have it, a dump of both ports may. */
static void gets(void **state)
{
	struct tcp_key key = key_at(5);
	struct socket_status status;

	(void)state;
	told = socket_at(5, TCP_ESTABLISHED);
	error_said = -ENOENT;
	requests = 0;
	ANSWER_WITH(refuse, tell);
	assert_int_equal(sockdiag_get(diag, &key, &status), 0);
	assert_int_equal(status.inode, 5);
	assert_int_equal(requests, 2);
	ANSWER_WITH(refuse, overrun, tell);
	assert_int_equal(sockdiag_get(diag, &key, &status), 0);
	ANSWER_WITH(refuse, nothing);
	assert_int_equal(sockdiag_get(diag, &key, &status), -ENOENT);
	ANSWER_WITH(refuse, empty);
	assert_int_equal(sockdiag_get(diag, &key, &status), -EBADMSG);
	error_said = -EPERM;
	requests = 0;
	ANSWER_WITH(refuse, tell);
	assert_int_equal(sockdiag_get(diag, &key, &status), -EPERM);
	assert_int_equal(requests, 1);
}

/* ---- requests */

static int walk_bytecode(const void *bytecode, size_t length)
{
	struct sockdiag_query query = {
		.family = AF_INET6,
		.states = 1U << TCP_SYN_RECV,
		.bytecode = bytecode,
		.bytecode_length = length,
	};

	ANSWER_WITH(nothing);
	requests = 0;
	return sockdiag_walk(diag, &query, see, NULL, &seen, &course);
}

/* The attribute behind the body, up to as long as its 16 bits can say. */
static void bytecode(void **state)
{
	static const char code[65536];
	struct inet_diag_req_v2 body;
	struct nlattr attribute;

	(void)state;
	for (size_t length = 4; length <= SOCKDIAG_BYTECODE_MAX;
	     length += length == 4 ? SOCKDIAG_BYTECODE_MAX - 4 : 4) {
		assert_int_equal(walk_bytecode(code, length), 0);
		memcpy(&body, request.body, sizeof(body));
		memcpy(&attribute, request.body + sizeof(body), sizeof(attribute));
		assert_int_equal(body.sdiag_family, AF_INET6);
		assert_int_equal(body.sdiag_protocol, IPPROTO_TCP);
		assert_int_equal(body.idiag_states, 1U << TCP_SYN_RECV | 1U << 12);
		assert_int_equal(attribute.nla_type, INET_DIAG_REQ_BYTECODE);
		assert_int_equal(attribute.nla_len, sizeof(attribute) + length);
		assert_int_equal(request.header.nlmsg_len,
				 sizeof(request.header) + sizeof(body) + attribute.nla_len);
	}
	assert_int_equal(walk_bytecode(code, SOCKDIAG_BYTECODE_MAX + 4), -E2BIG);
	assert_int_equal(requests, 0);
}

/* ---- opening */

static void check_open(int error, int expected, const char *words)
{
	struct sockdiag *opened = diag;
	struct why why = {0};
	int our_first = ours, its_first = kernel;

	open_pair();
	error_said = error;
	ANSWER_WITH(refuse);
	assert_int_equal(sockdiag_open_fd(ours, &opened, &why), expected);
	assert_non_null(strstr(why.text, words));
	assert_ptr_equal(opened, diag);
	assert_int_equal(close(ours), 0);
	close(kernel);
	ours = our_first;
	kernel = its_first;
}

static void refused(void **state)
{
	(void)state;
	check_open(-ENOENT, -ENOTSUP, "modprobe tcp_diag");
	check_open(-EOPNOTSUPP, -ENOTSUP, "modprobe tcp_diag");
	check_open(-EPROTONOSUPPORT, -ENOTSUP, "modprobe tcp_diag");
	check_open(-EPERM, -EPERM, "cannot list the TCP sockets over netlink");
	sockdiag_close(NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(whole),
		CASE(one_part),
		CASE(stopped),
		CASE(interrupted_once),
		CASE(interrupted_each_time),
		CASE(answers_lost),
		CASE(answers_lost_each_time),
		CASE(interrupted_call),
		CASE(older_answer),
		CASE(wrong_lengths),
		CASE(no_messages),
		CASE(errors),
		CASE(no_errors),
		CASE(states),
		CASE(timers),
		CASE(finds),
		CASE(finds_not),
		CASE(gets),
		CASE(bytecode),
		CASE(refused),
	};

	return cmocka_run_group_tests_name("sockdiag answers", tests, NULL, NULL);
}
