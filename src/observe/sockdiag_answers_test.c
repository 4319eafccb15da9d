/* Answers that are wrong, refusals, sockets as no kernel would tell of them; and what is asked. */
#include "observe/sockdiag_kernel.h"

#include <linux/sock_diag.h>

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

static void check_timer(int timer, uint32_t expires, enum socket_timer expected, uint32_t left)
{
	const struct socket_status *status;

	told = socket_at(1, TCP_TIME_WAIT);
	told.idiag_timer = (uint8_t)timer;
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
	for (int timer = 1; timer < SOCKET_TIMER_COUNT; timer++) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(wrong_lengths), CASE(no_messages), CASE(errors),  CASE(no_errors),
		CASE(states),	     CASE(timers),	CASE(finds),   CASE(finds_not),
		CASE(gets),	     CASE(bytecode),	CASE(refused),
	};

	return cmocka_run_group_tests_name("sockdiag answers", tests, NULL, NULL);
}
