/*
 * For tests: the kernel's end of sock_diag. What a kernel may answer, and no kernel can be made to:
 * the test has the other end of a pair of sockets, and forms netlink messages as
 * net/netlink/af_netlink.c and net/ipv4/inet_diag.c (6.18) do. As in the kernel, an answer is begun
 * inside of sendmsg(2): programs are linked with --wrap=sendmsg,--wrap=recv.
 */
#ifndef CONTEST_OBSERVE_SOCKDIAG_KERNEL_H
#define CONTEST_OBSERVE_SOCKDIAG_KERNEL_H

#include "observe/testnet.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include "base/cleanup.h"
#include "observe/sockdiag_fd.h"
#include "tcp/state.h"

#define PART_ROOM 70000

/* The last request, and how many there were since the last walk() began, or since it was set to 0.
 */
extern struct kernel_request {
	struct nlmsghdr header;
	char body[PART_ROOM];
} request;
extern unsigned requests;

/* ---- messages: put together to a part, which is what one recv(2) gives */

extern char part[PART_ROOM];
extern size_t part_length;

/* A message with @length bytes behind its header. */
struct nlmsghdr *put(int type, int flags, const void *payload, size_t length);
/* From 127.0.0.1:@port to port 80, of user 4711; the port is its inode, too. */
struct inet_diag_msg socket_at(uint16_t port, uint8_t state);
void put_message(const struct inet_diag_msg *message, int flags);
void put_socket(uint16_t port, int flags);
void put_done(int flags);
/* netlink_ack(): the error, and what it is about. */
void put_error(int error);
void send_bytes(const void *bytes, size_t length);
void send_part(void);

/* ---- what to do at the next requests; the last one stays */

typedef void answer(void);
extern answer *answers[8];
extern size_t answer_count;

#define ANSWER_WITH(...)                                                                           \
	do {                                                                                       \
		answer *const given_[] = {__VA_ARGS__};                                            \
		answer_count = ARRAY_SIZE(given_);                                                 \
		memcpy(answers, given_, sizeof(given_));                                           \
	} while (0)

/* What the next calls of recv(2) fail with; 0: they do not. */
extern int failures[8];
extern size_t failure_count;

#define FAIL_WITH(...)                                                                             \
	do {                                                                                       \
		const int given_[] = {__VA_ARGS__};                                                \
		failure_count = ARRAY_SIZE(given_);                                                \
		memcpy(failures, given_, sizeof(given_));                                          \
	} while (0)

void nothing(void); /* no socket */
void four(void);    /* four sockets in two parts, and the end by itself */
void overrun(void); /* two sockets, and something missing between them */
/* Refuses with error_said. */
void refuse(void);
extern int error_said;

/* ---- our end */

extern int ours, kernel; /* the descriptors */
extern struct sockdiag *diag;
void open_pair(void);

struct seen {
	struct socket_status at[64];
	size_t count;
	unsigned again;
	int stop_at; /* so many sockets are enough; 0: none are */
};

extern struct seen seen;
extern struct sockdiag_course course;
int see(const struct socket_status *status, void *context);

/* A walk over all: what it returned; seen, course and requests are what it came to. */
int walk(void);
/* The interface is as good as new: nothing of the last answer is in its way. */
void assert_usable(void);
/* A walk fails so, leaves its outputs alone, and the next one does not. */
void assert_fails(int error);

/* Before and behind each case. */
int set_up(void **state);
int tear_down(void **state);

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
