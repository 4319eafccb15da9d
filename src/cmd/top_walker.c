/*
 * Two threads, one lock, held for moments: it guards the wishes, the newest look and the trail. The
 * walk itself is under no lock; it reads a copy of the wishes, and `stop` tells it that there are
 * newer ones. The filter in force is the thread's alone: a new one is put into the wishes, and the
 * thread frees the old one when it takes it.
 */
#include "cmd/top_walker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/top_places.h"
#include "cmd/top_walk.h"

/* Between two looks at the connection that is followed. */
#define FOLLOW_NS (50 * NS_PER_MS)
/* The screen is told of a trail without news so often: timers run. */
#define TRAIL_TOLD_NS (NS_PER_S / 4)

struct wishes {
	uint64_t serial;
	struct top_question question; /* without filter and stop */
	int64_t interval_ns;
	bool paused, ended;
};

struct top_walker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the wishes; by CLOCK_MONOTONIC */
	int fd;			/* (owned) eventfd */
	atomic_bool stop;

	/* Under the lock. */
	struct wishes wishes;
	struct socket_filter *next_filter; /* (owned) with… */
	bool filter_changed;
	struct top_look *look; /* (owned) not taken yet */
	bool following;
	struct top_trail trail;

	/* The thread's. */
	struct socket_filter *filter; /* (owned) */
	struct top_places places;
	struct top_walk *walk; /* (owned) */
	int64_t told_ns;
};

static void tell(struct top_walker *walker)
{
	uint64_t one = 1;

	/* Full (EAGAIN) is told as well. */
	if (write(walker->fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- the connection that is followed */

/* Whether anything is there to be followed, and has not been found to be gone for good. */
static bool follow_target(struct top_walker *walker, struct top_trail *ret)
{
	bool following;

	pthread_mutex_lock(&walker->lock);
	following = walker->following;
	*ret = walker->trail;
	pthread_mutex_unlock(&walker->lock);
	return following;
}

/* @status NULL: gone. Nothing happens when another one is followed by now. */
static void follow_saw(struct top_walker *walker, const struct top_trail *target,
		       const struct socket_status *status, const struct owner *owner)
{
	int64_t now = clock_now_ns();
	bool told = false;

	pthread_mutex_lock(&walker->lock);
	if (walker->following && walker->trail.netns == target->netns &&
	    tcp_key_equal(&walker->trail.key, &target->key)) {
		told = top_trail_see(&walker->trail, status, now);
		if (owner && owner->pid)
			walker->trail.owner = *owner;
	}
	pthread_mutex_unlock(&walker->lock);
	if (told || now - walker->told_ns >= TRAIL_TOLD_NS) {
		walker->told_ns = now;
		tell(walker);
	}
}

/* A look at that one alone: cheap, it asks the hash table. */
static void follow(struct top_walker *walker)
{
	struct socket_status status;
	struct top_trail target;
	const struct top_place *place;
	int r;

	if (!follow_target(walker, &target))
		return;
	place = top_place_find(&walker->places, target.netns);
	if (!place || !place->diag)
		return;
	r = sockdiag_find(place->diag, &target.key, &status);
	/* A socket bound to a device is found by a dump only; once it is said to be gone, that is
	 * not asked again. */
	if (r == -ENOENT && !top_trail_is_gone(&target))
		r = sockdiag_get(place->diag, &target.key, &status);
	if (r == 0) {
		struct owner owner = top_walk_owner(walker->walk, status.inode);

		follow_saw(walker, &target, &status, &owner);
	} else if (r == -ENOENT) {
		follow_saw(walker, &target, NULL, NULL);
	}
}

/* ---- looks */

static void hand_over(struct top_walker *walker, struct top_look *look)
{
	struct top_look *before;

	pthread_mutex_lock(&walker->lock);
	before = walker->look;
	walker->look = look;
	pthread_mutex_unlock(&walker->lock);
	top_look_free(before);
	tell(walker);
}

/* What went wrong, as a look. Without memory for that the screen shows the one before. */
static struct top_look *failed_look(const struct why *why)
{
	struct top_look *look = calloc(1, sizeof(*look));

	if (!look)
		return NULL;
	memcpy(look->error, why->text, sizeof(look->error));
	look->at_ns = clock_now_ns();
	return look;
}

/* The wishes as they are now, a new filter among them. */
static void take_wishes(struct top_walker *walker, struct wishes *ret)
{
	struct socket_filter *old = NULL;
	bool filter_changed;

	pthread_mutex_lock(&walker->lock);
	*ret = walker->wishes;
	filter_changed = walker->filter_changed;
	if (filter_changed) {
		old = walker->filter;
		walker->filter = TAKE_PTR(walker->next_filter);
		walker->filter_changed = false;
	}
	atomic_store(&walker->stop, walker->wishes.ended);
	pthread_mutex_unlock(&walker->lock);
	socket_filter_free(old);
	if (filter_changed)
		top_walk_forget(walker->walk);
}

static void look(struct top_walker *walker, const struct wishes *wishes)
{
	struct top_question question = wishes->question;
	struct top_look *look = NULL;
	struct why why = {""};
	int r;

	question.filter = walker->filter;
	question.stop = &walker->stop;
	r = top_walk_look(walker->walk, &question, &look, &why);
	if (r == -ECANCELED)
		return;
	if (r < 0) {
		if (!why.text[0])
			why_set(&why, r, "cannot list sockets");
		look = failed_look(&why);
		if (look)
			look->by = question.by;
	}
	if (!look)
		return;
	look->serial = wishes->serial;
	hand_over(walker, look);
}

/* Until the next look is due, following a connection meanwhile. False: the end. */
static bool wait_until(struct top_walker *walker, int64_t due_ns, uint64_t serial)
{
	for (;;) {
		struct timespec until;
		int64_t now = clock_now_ns();
		int64_t wake = due_ns;
		bool changed, ended, paused;

		pthread_mutex_lock(&walker->lock);
		paused = walker->wishes.paused;
		if (paused)
			wake = now + NS_PER_S;
		if (walker->following && wake > now + FOLLOW_NS)
			wake = now + FOLLOW_NS;
		until = clock_timespec(wake);
		if (walker->wishes.serial == serial && !walker->wishes.ended && wake > now)
			pthread_cond_timedwait(&walker->changed, &walker->lock, &until);
		changed = walker->wishes.serial != serial;
		ended = walker->wishes.ended;
		paused = walker->wishes.paused;
		pthread_mutex_unlock(&walker->lock);
		if (ended)
			return false;
		if (changed || (!paused && clock_now_ns() >= due_ns))
			return true;
		follow(walker);
	}
}

static void *walk_on(void *context)
{
	struct top_walker *walker = context;
	struct wishes wishes;

	do {
		int64_t start = clock_now_ns(), due, now;

		take_wishes(walker, &wishes);
		look(walker, &wishes);
		follow(walker);
		/* From beginning to beginning; a walk that takes longer than that leaves the
		 * machine half of the time. */
		now = clock_now_ns();
		due = start + wishes.interval_ns;
		if (due < now + (now - start))
			due = now + (now - start);
		if (!wait_until(walker, due, wishes.serial))
			break;
	} while (!wishes.ended);
	return NULL;
}

/* ---- start and stop */

static void release(struct top_walker *walker)
{
	top_look_free(walker->look);
	top_walk_free(walker->walk);
	top_places_close(&walker->places);
	socket_filter_free(walker->filter);
	socket_filter_free(walker->next_filter);
	if (walker->fd >= 0)
		close(walker->fd);
	pthread_cond_destroy(&walker->changed);
	pthread_mutex_destroy(&walker->lock);
	free(walker);
}

static struct top_walker *make(const struct top_start *start, struct socket_filter *filter)
{
	struct top_walker *walker = calloc(1, sizeof(*walker));
	pthread_condattr_t monotonic;

	if (!walker) {
		socket_filter_free(filter);
		return NULL;
	}
	walker->filter = filter;
	walker->fd = -1;
	walker->wishes = (struct wishes){
		.serial = 1,
		.question = {.by = start->by, .owners = start->owners},
		.interval_ns = start->interval_ns,
	};
	pthread_mutex_init(&walker->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&walker->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return walker;
}

int top_walker_start(const struct top_start *start, struct socket_filter *filter,
		     struct top_walker **ret, struct why *why)
{
	struct top_walker *walker = make(start, filter);
	int r;

	if (!walker)
		return why_set(why, -ENOMEM, "cannot start");
	r = top_places_open(&walker->places, start->source, start->netns, why);
	if (r < 0) {
		release(walker);
		return r;
	}
	walker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (walker->fd < 0)
		r = -errno;
	walker->walk = top_walk_new(&walker->places);
	if (r == 0 && !walker->walk)
		r = -ENOMEM;
	if (r == 0)
		r = -pthread_create(&walker->thread, NULL, walk_on, walker);
	if (r < 0) {
		release(walker);
		return why_set(why, r, "cannot start");
	}
	*ret = walker;
	return 0;
}

/* ---- the other thread's side */

static void wish_begin(struct top_walker *walker)
{
	pthread_mutex_lock(&walker->lock);
	walker->wishes.serial++;
}

static void wish_end(struct top_walker *walker)
{
	atomic_store(&walker->stop, true);
	pthread_cond_signal(&walker->changed);
	pthread_mutex_unlock(&walker->lock);
}

void top_walker_stop(struct top_walker *walker)
{
	if (!walker)
		return;
	wish_begin(walker);
	walker->wishes.ended = true;
	wish_end(walker);
	pthread_join(walker->thread, NULL);
	release(walker);
}

int top_walker_fd(const struct top_walker *walker)
{
	return walker->fd;
}

struct top_look *top_walker_take(struct top_walker *walker)
{
	struct top_look *look;
	uint64_t count;

	/* Emptied first: what comes after that is told anew. */
	if (read(walker->fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&walker->lock);
	look = TAKE_PTR(walker->look);
	pthread_mutex_unlock(&walker->lock);
	return look;
}

bool top_walker_trail(struct top_walker *walker, struct top_trail *ret)
{
	return follow_target(walker, ret);
}

void top_walker_filter(struct top_walker *walker, struct socket_filter *filter)
{
	struct socket_filter *unused;

	wish_begin(walker);
	unused = walker->next_filter;
	walker->next_filter = filter;
	walker->filter_changed = true;
	wish_end(walker);
	socket_filter_free(unused);
}

void top_walker_by(struct top_walker *walker, const struct group_by *by)
{
	wish_begin(walker);
	walker->wishes.question.by = *by;
	wish_end(walker);
}

void top_walker_owners(struct top_walker *walker, bool owners)
{
	wish_begin(walker);
	walker->wishes.question.owners = owners;
	wish_end(walker);
}

void top_walker_group(struct top_walker *walker, const struct group_by *by,
		      const struct socket_group *group)
{
	wish_begin(walker);
	walker->wishes.question.group_chosen = group;
	if (group) {
		walker->wishes.question.group_by = *by;
		walker->wishes.question.group = *group;
	}
	wish_end(walker);
}

void top_walker_follow(struct top_walker *walker, const struct top_connection *connection)
{
	pthread_mutex_lock(&walker->lock);
	walker->following = connection;
	memset(&walker->trail, 0, sizeof(walker->trail));
	if (connection) {
		walker->trail.key = connection->status.key;
		walker->trail.netns = connection->netns;
		walker->trail.owner = connection->owner;
		top_trail_see(&walker->trail, &connection->status, clock_now_ns());
	}
	pthread_cond_signal(&walker->changed);
	pthread_mutex_unlock(&walker->lock);
}

void top_walker_pace(struct top_walker *walker, int64_t interval_ns, bool paused)
{
	wish_begin(walker);
	walker->wishes.interval_ns = interval_ns;
	walker->wishes.paused = paused;
	wish_end(walker);
}

uint64_t top_walker_serial(struct top_walker *walker)
{
	uint64_t serial;

	pthread_mutex_lock(&walker->lock);
	serial = walker->wishes.serial;
	pthread_mutex_unlock(&walker->lock);
	return serial;
}
