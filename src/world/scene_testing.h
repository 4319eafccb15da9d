/*
 * For tests: a scene is a world of its own in a forked child, in which a test's story plays. A
 * failed CHECK ends the child and is told by the parent, which is the one that cmocka runs.
 */
#ifndef CONTEST_WORLD_SCENE_TESTING_H
#define CONTEST_WORLD_SCENE_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world/wire.h"
#include "world/world.h"

struct scene {
	struct world *world;
	struct wire *wire;
	struct host *client, *server;
};

/* What a test is: given to cmocka as the initial state. */
struct trial {
	enum world_link link;
	void (*story)(struct scene *scene); /* in a world of two hosts; or … */
	void (*bare)(void);		    /* … in a child without a world */
};

/* The cmocka test that plays a trial. */
void trial_run(void **state);

#define TRIAL_ON(story_, link_, name_)                                                             \
	{                                                                                          \
		name_, trial_run, NULL, NULL, &(struct trial)                                      \
		{                                                                                  \
			.link = link_, .story = story_                                             \
		}                                                                                  \
	}
#define TRIAL_WIRES(story_)                                                                        \
	TRIAL_ON(story_, WORLD_LINK_WIRE_TUN, #story_ " (tun)"),                                   \
		TRIAL_ON(story_, WORLD_LINK_WIRE_VETH, #story_ " (veth)")
#define TRIAL_BARE(bare_)                                                                          \
	{                                                                                          \
#bare_, trial_run, NULL, NULL, &(struct trial)                                     \
		{                                                                                  \
			.bare = bare_                                                              \
		}                                                                                  \
	}

/* In the child. */
void check_failed(const char *file, int line, const char *what, long long is)
	__attribute__((noreturn));
/* Ends the child: the test is left out. */
void scene_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, #condition, 0);                           \
	} while (0)
#define CHECK_EQUAL(is, should)                                                                    \
	do {                                                                                       \
		long long is_ = (is);                                                              \
		if (is_ != (should))                                                               \
			check_failed(__FILE__, __LINE__, #is " == " #should, is_);                 \
	} while (0)

/* A world or the end of the child: skip where the link is not to be had. */
struct world *scene_world(const struct world_spec *spec);

/* Sockets of hosts; each call checks. */
struct tcp_endpoint scene_endpoint(const struct host *host, int family, uint16_t port);
int scene_listen(const struct host *host, int family, uint16_t port);
int scene_connect(const struct host *host, const struct tcp_endpoint *to);
int scene_accept(int listener);
int scene_udp(const struct host *host, int family, uint16_t port);
void scene_udp_send(int fd, const struct tcp_endpoint *to, uint32_t number);
uint32_t scene_udp_receive(int fd);
/* A connected pair, v4 or v6, to port 80 of the server. */
void scene_pair(struct scene *scene, int family, int *ret_client, int *ret_server);

/* Everything arrived, says the kernel. */
void scene_audit(struct wire *wire);

#endif
