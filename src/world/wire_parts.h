/* The inside of a wire, for its own files and for the world that makes it. */
#ifndef CONTEST_WORLD_WIRE_PARTS_H
#define CONTEST_WORLD_WIRE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "world/port.h"
#include "world/records.h"
#include "world/routes.h"
#include "world/rtnl.h"
#include "world/wire.h"
#include "world/wire_rules.h"
#include "world/world.h"

/* One host as the wire sees it. */
struct station {
	const struct host *host; /* (borrowed) */
	struct port port;
	bool dead; /* the port failed for good: see error */
	int error;
	struct parcel_queue out;    /* to be given to the host, in this order */
	unsigned long long taken;   /* packets from the host */
	unsigned long long given;   /* packets that the port took for the host */
	unsigned long long refused; /* "not now" answers of the port */
	unsigned long long failed;  /* packets that could not be given */
	struct rtnl_counters at_start;
	unsigned long long queue_drops_at_start;
};

struct wire {
	pthread_mutex_t lock;	/* over all but what is said otherwise */
	atomic_int waiting;	/* others that want the lock */
	pthread_cond_t changed; /* a rule's hits, or that it was removed */
	pthread_t thread;
	bool running;
	atomic_bool stopping;
	int wakeup; /* eventfd (owned) */

	struct station stations[WORLD_HOSTS_MAX];
	size_t station_count;
	struct routes routes;
	struct rules rules;
	struct parcel_queue delayed; /* by due time */
	struct records records;
	unsigned long long unrecorded; /* packets lost for want of memory */

	pthread_mutex_t listener_lock; /* over the next two */
	void (*listener)(void *context);
	void *listener_context;

	uint8_t scratch[65536]; /* the thread's */
};

/* An idle wire without stations, or NULL. */
struct wire *wire_new(void);
/* Ends the thread, closes the ports. NULL is allowed. */
void wire_free(struct wire *wire);

/* Makes the device of the host, in the host's namespace. Before wire_start(). 0 or -errno. */
int wire_add_station(struct wire *wire, const struct port_ops *ops, const struct host *host,
		     int wire_netns, struct why *why);
/* Closes the ports of all stations and forgets them. Before wire_start(). */
void wire_drop_stations(struct wire *wire);

/* Once the devices are up. 0 or -errno. */
int wire_start(struct wire *wire, int wire_netns, struct why *why);

/*
 * The rest is for the wire's own files. The lock, for others than the wire's thread, which lets
 * them go first: it would hold the lock nearly all the time when there is much to do.
 */
void wire_lock(struct wire *wire);
void wire_unlock(struct wire *wire);
/* With the lock held: the packet goes to its host next. */
void wire_send(struct wire *wire, struct parcel *parcel);
/* Makes the thread look at what others did. */
void wire_wake(struct wire *wire);
/* Takes the counters of the devices as they are now for the zero of the audit. 0 or -errno. */
int wire_audit_begin(struct wire *wire);
/* Starts the thread. 0 or -errno. */
int wire_run(struct wire *wire);

/* The host owns one more address, or it does not. 0, -EEXIST, -ENOMEM. */
int wire_add_route(struct wire *wire, const struct tcp_address *address, int host);
void wire_remove_route(struct wire *wire, const struct tcp_address *address);

#endif
