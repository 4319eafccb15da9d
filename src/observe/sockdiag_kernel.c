#include "observe/sockdiag_kernel.h"

int ours = -1, kernel = -1;
struct sockdiag *diag;

struct kernel_request request;
unsigned requests;

answer *answers[8];
size_t answer_count;

int failures[8];
size_t failure_count;
int error_said;

/* ---- messages */

char part[PART_ROOM];
size_t part_length;

struct nlmsghdr *put(int type, int flags, const void *payload, size_t length)
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

struct inet_diag_msg socket_at(uint16_t port, uint8_t state)
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

void put_message(const struct inet_diag_msg *message, int flags)
{
	put(request.header.nlmsg_type, flags, message, sizeof(*message));
}

void put_socket(uint16_t port, int flags)
{
	struct inet_diag_msg message = socket_at(port, TCP_ESTABLISHED);

	put_message(&message, flags);
}

void put_done(int flags)
{
	int none = 0;

	put(NLMSG_DONE, flags, &none, sizeof(none));
}

void put_error(int error)
{
	struct nlmsgerr said = {.error = error, .msg = request.header};

	put(NLMSG_ERROR, 0, &said, sizeof(said));
}

void send_bytes(const void *bytes, size_t length)
{
	assert_int_equal(send(kernel, bytes, length, 0), length);
}

void send_part(void)
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

void nothing(void)
{
	put_done(0);
	send_part();
}

void four(void)
{
	put_socket(1, 0);
	put_socket(2, 0);
	send_part();
	put_socket(3, 0);
	put_socket(4, 0);
	send_part();
	nothing();
}

void overrun(void)
{
	put_socket(1, 0);
	put(NLMSG_OVERRUN, 0, NULL, 0);
	put_socket(2, 0);
	put_done(0);
	send_part();
}

void refuse(void)
{
	put_error(error_said);
	send_part();
}

/* ---- walking */

struct seen seen;
struct sockdiag_course course;

int see(const struct socket_status *status, void *context)
{
	struct seen *to = context;

	assert_true(to->count < ARRAY_SIZE(to->at));
	to->at[to->count++] = *status;
	return to->stop_at && to->count == (size_t)to->stop_at ? 7 : 0;
}

static void forget(void *context)
{
	struct seen *to = context;

	to->count = 0;
	to->again++;
}

int walk(void)
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

void assert_usable(void)
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

void assert_fails(int error)
{
	assert_int_equal(walk(), error);
	assert_int_equal(course.visited, 77);
	assert_int_equal(course.repeated, 77);
	assert_int_equal(seen.again, 0);
	assert_usable();
}

void open_pair(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ours = ends[0];
	kernel = ends[1];
}

int set_up(void **state)
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

int tear_down(void **state)
{
	(void)state;
	sockdiag_close(diag);
	close(kernel);
	diag = NULL;
	return 0;
}
