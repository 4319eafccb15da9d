/*
 * For tests of `serve` on the wire: a server on one host of a scene, a kernel's client on the
 * other, and what a witness saw: the wire's record, the sockets of both hosts, the counters.
 */
#ifndef CONTEST_TESTS_SERVE_SCENE_H
#define CONTEST_TESTS_SERVE_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/track.h"
#include "observe/sockdiag.h"
#include "serve/plan.h"
#include "serve/server.h"
#include "tcp/state.h"
#include "world/scene_testing.h"

/* A scene in which one connection after the other is played. */
struct serve_scene {
	struct scene *scene;
	struct sockdiag *diag[2]; /* of client and server */
	uint16_t next_port;	  /* each server has its own, and each client */
	unsigned plays, failures;
	char name[96]; /* of the play that is on */
};

void serve_scene_open(struct serve_scene *on, struct scene *scene);
/* Ends the child when a play failed. */
void serve_scene_close(struct serve_scene *on);

/* Tells that the play does not go as it should; returns false. */
bool play_failed(struct serve_scene *on, const char *file, int line, const char *what,
		 long long is);

#define EXPECT(on, condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return play_failed(on, __FILE__, __LINE__, #condition, 0);                 \
	} while (0)
#define EXPECT_EQUAL(on, is, should)                                                               \
	do {                                                                                       \
		long long is_ = (long long)(is);                                                   \
		if (is_ != (long long)(should))                                                    \
			return play_failed(on, __FILE__, __LINE__, #is " == " #should, is_);       \
	} while (0)

struct play {
	struct serve_scene *on;
	struct serve_plan plan;
	struct server *server;
	struct tcp_key key; /* as the client sees it */
	int client;	    /* -1: not open */
	size_t first_record;
	int64_t asked_ns; /* not later than what makes the server close */
	uint64_t sent, received;
	struct tracker *tracker;
};

/*
 * A plan with what a test need not choose. The name is for messages.
 */
struct serve_plan play_plan(const char *engine, const char *protocol, enum serve_closing closing);

/* Starts the server of the plan. @defer: accepted are only those who have sent something
 * (TCP_DEFER_ACCEPT), so that it lies there at the first look. */
bool play_begin(struct play *play, struct serve_scene *on, const struct serve_plan *plan,
		int family, bool defer);
/* Another socket to the server, with play->key: 0, or the errno of connect(2). */
int play_connect(struct play *play);
/* Ends everything; when all went well so far, the server has to end well, too: with an orderly end
 * after a drain, and sums that fit. Returns @well, or false. */
bool play_end(struct play *play, bool well);

/* The client's side; each gives up after PLAY_PATIENCE. */
#define PLAY_PATIENCE_S 20
bool play_send(struct play *play, const char *text);
/* Until @length bytes were received in all; *ret (of room @room, may be NULL) gets the first. */
bool play_receive(struct play *play, size_t length, char *ret, size_t room);
/* Reads to the end: 0 after a FIN, or the errno. */
int play_receive_all(struct play *play);
void play_shut(struct play *play);
void play_close(struct play *play);
/* RST instead of FIN. */
void play_reset(struct play *play);

/* What is to be seen. */
enum { CLIENT_HOST = 0, SERVER_HOST = 1 };
bool play_await_state(struct play *play, int host, int state, struct socket_status *ret);
/* Nothing is under way or unread any more; what comes is read. */
bool play_await_quiet(struct play *play);
struct tally_sum play_sum(const struct play *play);
/* Waits until that counter of the sum (a member's offset) has come to @value. */
bool play_await_counter(struct play *play, size_t offset, uint64_t value, const char *name);
#define AWAIT_COUNTER(play, member, value)                                                         \
	play_await_counter(play, offsetof(struct tally_sum, member), value, #member)
/* The connection as the wire recorded it (borrowed until play_end()), or NULL: it is not one. */
const struct connection *play_connection(struct play *play);
unsigned play_count(const struct connection *connection, int from, uint8_t flags);

#endif
