/*
 * For tests of `explain` against the kernel: a connection between two hosts of a scene, what
 * passed its wire, and what both kernels say of it at the same moment.
 */
#ifndef CONTEST_TESTS_EXPLAIN_TRUTH_H
#define CONTEST_TESTS_EXPLAIN_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/flows.h"
#include "observe/sockdiag.h"
#include "tcp/state.h"
#include "world/scene_testing.h"

enum { CLIENT_HOST = 0, SERVER_HOST = 1 };

/* Where the capture is made: what was lost on the way is in it, or not. */
enum truth_view { AT_SENDERS, AT_RECEIVERS };

#define TOLD_MAX 8

struct truth {
	struct scene *scene;
	struct sockdiag *diag[2];
	struct tcp_key key; /* as the client sees it */
	int family;
	int fd[2];	     /* of client and server; -1: closed (owned) */
	int listener;	     /* (owned) */
	size_t first_record; /* of this play */
	struct finding told[TOLD_MAX];
	size_t told_count;
};

/* A play with ends of its own: truth->key is set, nothing is sent. */
void truth_begin(struct truth *truth, struct scene *scene, int family);
void truth_end(struct truth *truth);

/* Sockets. Each call checks that it works, with much patience. */
void truth_listen(struct truth *truth);
int truth_socket(struct truth *truth, int host);      /* bound to that host's end of the key */
void truth_connect(struct truth *truth);	      /* listens, connects, accepts */
void truth_start(struct truth *truth);		      /* connect(2) without waiting */
void truth_connected(struct truth *truth, int error); /* how that ends: 0 or an errno */
void truth_say(struct truth *truth, int host, size_t length);
void truth_hear(struct truth *truth, int host, size_t length);
void truth_arrived(struct truth *truth, int host, size_t length); /* it waits there, unread */
void truth_exchange(struct truth *truth); /* a question and an answer, all acknowledged */
void truth_shut(struct truth *truth, int host);
void truth_close(struct truth *truth, int host);
void truth_reset(struct truth *truth, int host); /* SO_LINGER 0 */
void truth_sysctl(struct truth *truth, int host, const char *name, const char *value);

/* The wire. */
struct wire_match truth_match(const struct truth *truth, int from, uint8_t set, uint8_t clear);
int truth_rule(struct truth *truth, enum wire_verb verb, const struct wire_match *match);
void truth_rule_hit(struct truth *truth, int rule, unsigned hits);
/* The n-th packet of that match in this play, or the last one (-1). */
struct wire_record truth_record(struct truth *truth, const struct wire_match *match, int nth);

/* Waits until the kernels have these states: client's, server's. */
void truth_await(struct truth *truth, int client, int server);
#define GONE TCP_STATE_NONE

/* The connections of this play as flows tells them, the last one is returned. */
const struct finding *truth_explain(struct truth *truth, enum truth_view view);

/*
 * Waits for these states and holds against them, and so against the kernels, what flows says of
 * a capture made at @view, and what the tracker says, which is told what became of each packet.
 * EXPLAIN_UNKNOWN added to a state: explain must not know it.
 */
#define EXPLAIN_UNKNOWN 0x100
const struct finding *truth_agree(struct truth *truth, enum truth_view view, int client,
				  int server);
/* The tracker alone: where a capture cannot tell, because what was sent has not arrived. */
void truth_tracker_agrees(struct truth *truth, int client, int server);

/* The last call's capture, on stderr. Ends the child. */
void truth_failed(struct truth *truth, const char *file, int line, const char *what, long long is)
	__attribute__((noreturn));

#define TRUE(truth, condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			truth_failed(truth, __FILE__, __LINE__, #condition, 0);                    \
	} while (0)
#define SAME(truth, is, should)                                                                    \
	do {                                                                                       \
		long long is_ = (long long)(is);                                                   \
		if (is_ != (long long)(should))                                                    \
			truth_failed(truth, __FILE__, __LINE__, #is " == " #should, is_);          \
	} while (0)

#endif
