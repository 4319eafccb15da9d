/*
 * A look is made by the observer's thread or by a caller of observer_look(), one at a time
 * (look_lock): it lists the sockets of each namespace, and then folds the list into the timelines
 * (lock), so that nobody who waits for the lock waits for the kernel.
 *
 * When the thread looks again is decided anew after each look, by whichever comes first:
 *   a kick                          as soon as pause_ns allows
 *   FOLLOW_UP_NS after a kicked look: the kick may have come before what it was about, as when the
 *                                   wire sees a packet on its way into the stack
 *   the next timer of a socket      TIMER_AHEAD_NS before it, TIMER_GRACE_NS after it, and then
 * each OBSERVER_OVERDUE_MS until it has fired (the wheel may be seconds late) the heartbeat
 * pause_ns keeps looks PAUSE_NS apart, and keeps their cost below 1/COST_SHARE of one core: a dump
 * of 100,000 sockets takes many milliseconds.
 *
 * Bounds. A look lists a namespace between `begin` and `end`, each socket at some unknown moment
 * between. What it shows had therefore happened before `end` (time_ns); what the look before it did
 * not show yet had not happened at that look's `begin` (since_ns). Both hold whatever the
 * scheduler did meanwhile.
 */
#include "observe/observer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/timelines.h"
#include "tcp/state.h"

#define DEFAULT_LIMIT  4096
#define PAUSE_NS       (1 * NS_PER_MS)
#define COST_SHARE     20
#define FOLLOW_UP_NS   (4 * NS_PER_MS)
#define TIMER_AHEAD_NS (8 * NS_PER_MS) /* two ticks of HZ=250 */
#define TIMER_GRACE_NS (1 * NS_PER_MS)
#define FAILURES_MAX   8

/* TCP_BOUND_INACTIVE sockets are in a table of their own, as large as the other one: not looked
 * for. TCP_CLOSE is asked for so that a socket in passing shows: see has_passing(). */
#define LOOK_STATES (((1U << TCP_STATE_COUNT) - 1) & ~(1U << 13))

struct host {
	char *name;   /* (owned) */
	size_t first; /* index of the first host with the same namespace */
	dev_t device; /* identity of the namespace */
	ino_t inode;
	struct sockdiag *diag; /* (owned) NULL when another host comes first */
	int64_t begin_ns;      /* of the last look; 0: none yet */
	size_t counts[TCP_STATE_COUNT];
};

/* The sockets of one host in one look. */
struct catch
{
	struct socket_status *items; /* (owned) */
	size_t count, capacity;
};

struct observer {
	pthread_mutex_t look_lock; /* one look at a time; taken before `lock` */
	struct catch caught;	   /* under look_lock; kept for its room */

	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct timelines *timelines; /* (owned) written under both locks */
	struct host *hosts;	     /* (owned) */
	size_t host_count;
	uint64_t looks, left_out;
	int64_t due_ns, pause_ns; /* next look: when it is due, and not before */
	int failures, error;	  /* looks in a row that failed; what stopped the observer */
	bool stopping;

	atomic_bool kicked;
	int wake_fd; /* (owned) eventfd: a kick, another due_ns, the end */
	pthread_t thread;
	bool running; /* the thread is there (caller's side only) */
};

/* What the look at all hosts together says about the next one. */
struct plan {
	int64_t timer_ns;
	bool overdue;
	bool changed;
	size_t left_out;
};

static int64_t cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void wake(struct observer *observer)
{
	uint64_t one = 1;

	/* EAGAIN: it is at its maximum, and so awake. */
	if (write(observer->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static int catch_socket(const struct socket_status *status, void *context)
{
	struct catch *caught = context;

	if (ARRAY_ROOM(caught->items, caught->capacity, caught->count) < 0)
		return -ENOMEM;
	caught->items[caught->count++] = *status;
	return 0;
}

/*
 * inet_diag_dump_icsk() collects the sockets of a chain under its lock and shows them after it
 * (6.18): one that became a minisock or went meanwhile is shown as CLOSED.
 */
static bool has_passing(const struct catch *caught)
{
	for (size_t i = 0; i < caught->count; i++)
		if (caught->items[i].state == TCP_CLOSE)
			return true;
	return false;
}

/* Asks again for sockets that a dump may have missed although they are there. */
static int catch_missed(struct observer *observer, size_t index)
{
	struct sockdiag *diag = observer->hosts[index].diag;
	struct catch *caught = &observer->caught;
	struct look look = {.host = index, .sockets = caught->items, .count = caught->count};
	const struct tcp_key *key;
	size_t cursor = 0;
	int r = 0;

	if (sockdiag_whole(diag) && !has_passing(caught))
		return 0;
	timelines_mark(observer->timelines, &look);
	while (r == 0 && (key = timelines_missing(observer->timelines, index, &cursor))) {
		struct socket_status status;

		r = sockdiag_find(diag, key, &status);
		if (r == 0)
			r = catch_socket(&status, caught);
		else if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static void count_states(struct host *host, const struct catch *caught)
{
	memset(host->counts, 0, sizeof(host->counts));
	for (size_t i = 0; i < caught->count; i++)
		if (caught->items[i].state != TCP_CLOSE)
			host->counts[caught->items[i].state]++;
}

static int look_at(struct observer *observer, size_t index, struct plan *plan)
{
	struct host *host = &observer->hosts[index];
	struct catch *caught = &observer->caught;
	struct look_result result;
	struct look look = {.host = index, .since_ns = host->begin_ns};
	int64_t begin = clock_now_ns();
	int r;

	caught->count = 0;
	r = sockdiag_dump(host->diag, AF_UNSPEC, LOOK_STATES, catch_socket, caught);
	if (r == 0)
		r = catch_missed(observer, index);
	if (r < 0)
		return r;
	look.sockets = caught->items;
	look.count = caught->count;
	look.time_ns = clock_now_ns();

	pthread_mutex_lock(&observer->lock);
	r = timelines_merge(observer->timelines, &look, &result);
	if (r == 0)
		host->begin_ns = begin;
	count_states(host, caught);
	pthread_mutex_unlock(&observer->lock);
	if (r < 0)
		return r;
	plan->timer_ns = earlier(plan->timer_ns, result.timer_ns);
	plan->overdue |= result.overdue;
	plan->changed |= result.changed;
	plan->left_out += result.left_out;
	return 0;
}

/* Under lock. */
static void schedule(struct observer *observer, const struct plan *plan, bool kicked, int64_t cost)
{
	int64_t now = clock_now_ns();
	int64_t due = now + OBSERVER_HEARTBEAT_MS * NS_PER_MS;

	/* Just before a timer fires and just after it: what it does is then known to the
	 * millisecond, and not to the heartbeat. */
	if (plan->timer_ns != INT64_MAX)
		due = earlier(due, plan->timer_ns - TIMER_AHEAD_NS > now
					   ? plan->timer_ns - TIMER_AHEAD_NS
					   : plan->timer_ns + TIMER_GRACE_NS);
	if (plan->overdue)
		due = earlier(due, now + OBSERVER_OVERDUE_MS * NS_PER_MS);
	if (kicked)
		due = earlier(due, now + FOLLOW_UP_NS);
	observer->due_ns = due;
	observer->pause_ns = now + later(PAUSE_NS, cost * COST_SHARE);
}

/* Under lock. A look may fail for a passing want of memory. */
static void note_outcome(struct observer *observer, int r)
{
	observer->looks++;
	if (r == 0) {
		observer->failures = 0;
	} else if (++observer->failures >= FAILURES_MAX) {
		observer->error = r;
		observer->stopping = true;
	}
}

/* Under look_lock. A kick that comes from here on needs another look. */
static int look_around(struct observer *observer)
{
	bool kicked = atomic_exchange(&observer->kicked, false);
	struct plan plan = {.timer_ns = INT64_MAX};
	int64_t cpu = cpu_now_ns();
	int r = 0;

	for (size_t i = 0; r == 0 && i < observer->host_count; i++)
		if (observer->hosts[i].diag)
			r = look_at(observer, i, &plan);

	pthread_mutex_lock(&observer->lock);
	schedule(observer, &plan, kicked, cpu_now_ns() - cpu);
	note_outcome(observer, r);
	if (plan.left_out > observer->left_out)
		observer->left_out = plan.left_out;
	if (plan.changed || observer->error)
		pthread_cond_broadcast(&observer->changed);
	pthread_mutex_unlock(&observer->lock);
	return r;
}

int observer_look(struct observer *observer)
{
	int r;

	pthread_mutex_lock(&observer->look_lock);
	pthread_mutex_lock(&observer->lock);
	r = observer->error ? observer->error : observer->stopping ? -ECANCELED : 0;
	pthread_mutex_unlock(&observer->lock);
	if (r == 0) {
		r = look_around(observer);
		wake(observer); /* to another due_ns */
	}
	pthread_mutex_unlock(&observer->look_lock);
	return r;
}

void observer_kick(struct observer *observer)
{
	if (!atomic_exchange(&observer->kicked, true))
		wake(observer);
}

/* Until @until_ns, or until woken: whoever wakes has left word under lock or in kicked. */
static void sleep_until(struct observer *observer, int64_t until_ns)
{
	struct pollfd poll = {.fd = observer->wake_fd, .events = POLLIN};
	struct timespec left = clock_timespec(later(until_ns - clock_now_ns(), 0));
	uint64_t times;

	if (ppoll(&poll, 1, &left, NULL) > 0 && read(observer->wake_fd, &times, sizeof(times)) < 0)
		return;
}

/* When the next look is to be; false when there is to be none any more. */
static bool next_look(struct observer *observer, int64_t *ret)
{
	bool go_on;

	pthread_mutex_lock(&observer->lock);
	go_on = !observer->stopping;
	*ret = later(atomic_load(&observer->kicked) ? 0 : observer->due_ns, observer->pause_ns);
	pthread_mutex_unlock(&observer->lock);
	return go_on;
}

static void *keep_looking(void *context)
{
	struct observer *observer = context;
	int64_t at;

	while (next_look(observer, &at)) {
		if (clock_now_ns() < at) {
			sleep_until(observer, at);
			continue;
		}
		pthread_mutex_lock(&observer->look_lock);
		look_around(observer);
		pthread_mutex_unlock(&observer->look_lock);
	}
	return NULL;
}

static int add_host(struct observer *observer, const struct observer_host *from, struct why *why)
{
	size_t index = observer->host_count;
	struct host *host = &observer->hosts[index];
	struct stat info;

	if (fstat(from->netns_fd, &info) < 0)
		return why_set(why, -errno, "cannot observe the sockets of %s", from->name);
	host->name = strdup(from->name);
	if (!host->name)
		return why_set(why, -ENOMEM, "cannot observe the sockets of %s", from->name);
	observer->host_count++;
	host->device = info.st_dev;
	host->inode = info.st_ino;
	for (host->first = 0; host->first < index; host->first++) {
		const struct host *other = &observer->hosts[host->first];

		if (other->device == info.st_dev && other->inode == info.st_ino)
			return 0;
	}
	return sockdiag_open(from->netns_fd, &host->diag, why);
}

static int init_locks(struct observer *observer)
{
	pthread_condattr_t monotonic;
	int r;

	pthread_mutex_init(&observer->look_lock, NULL);
	pthread_mutex_init(&observer->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	r = pthread_cond_init(&observer->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return -r;
}

/* The thread takes no signals: they are for those that the caller has threads for. */
static int start_thread(struct observer *observer)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&observer->thread, NULL, keep_looking, observer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	observer->running = r == 0;
	return -r;
}

static int prepare(struct observer *observer, size_t host_count, size_t limit)
{
	int r = init_locks(observer);

	observer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (observer->wake_fd < 0)
		return -errno;
	observer->hosts = calloc(host_count ? host_count : 1, sizeof(*observer->hosts));
	if (!observer->hosts)
		return -ENOMEM;
	if (r == 0)
		r = timelines_new(limit ? limit : DEFAULT_LIMIT, &observer->timelines);
	return r;
}

int observer_new(const struct observer_host *hosts, size_t count, size_t limit,
		 struct observer **ret, struct why *why)
{
	struct observer *observer = calloc(1, sizeof(*observer));
	int r;

	if (!observer)
		return why_set(why, -ENOMEM, "cannot observe sockets");
	r = prepare(observer, count, limit);
	if (r < 0)
		why_set(why, r, "cannot observe sockets");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_host(observer, &hosts[i], why);
	if (r == 0) {
		r = look_around(observer);
		if (r == 0)
			r = start_thread(observer);
		if (r < 0)
			why_set(why, r, "cannot observe sockets");
	}
	if (r < 0) {
		observer_free(observer);
		return r;
	}
	*ret = observer;
	return 0;
}

void observer_stop(struct observer *observer)
{
	pthread_mutex_lock(&observer->lock);
	observer->stopping = true;
	pthread_cond_broadcast(&observer->changed);
	pthread_mutex_unlock(&observer->lock);
	if (!observer->running)
		return;
	wake(observer);
	pthread_join(observer->thread, NULL);
	observer->running = false;
}

void observer_free(struct observer *observer)
{
	if (!observer)
		return;
	observer_stop(observer);
	for (size_t i = 0; i < observer->host_count; i++) {
		sockdiag_close(observer->hosts[i].diag);
		free(observer->hosts[i].name);
	}
	free(observer->hosts);
	free(observer->caught.items);
	timelines_free(observer->timelines);
	if (observer->wake_fd >= 0)
		close(observer->wake_fd);
	pthread_cond_destroy(&observer->changed);
	pthread_mutex_destroy(&observer->lock);
	pthread_mutex_destroy(&observer->look_lock);
	free(observer);
}

/* Under lock; hosts with one namespace between them share the timelines of the first. */
static const struct observer_timeline *find(const struct observer *observer, size_t host,
					    const struct tcp_key *key)
{
	if (host >= observer->host_count)
		return NULL;
	return timelines_find(observer->timelines, observer->hosts[host].first, key);
}

/* A wait: what for, and how far the timeline has been searched. */
struct wait {
	observer_predicate predicate;
	void *context;
	int64_t after_ns;
	size_t searched;
};

static const struct observer_change *search(struct wait *wait,
					    const struct observer_timeline *timeline)
{
	while (timeline && wait->searched < timeline->count) {
		size_t i = wait->searched++;
		const struct observer_change *change = &timeline->changes[i];

		if (change->time_ns <= wait->after_ns && i + 1 < timeline->count)
			continue;
		if (wait->predicate(change, wait->context))
			return change;
	}
	return NULL;
}

int observer_wait_for(struct observer *observer, size_t host, const struct tcp_key *key,
		      observer_predicate predicate, void *context, int64_t after_ns,
		      int64_t timeout_ns, struct observer_change *ret)
{
	struct wait wait = {.predicate = predicate, .context = context, .after_ns = after_ns};
	const struct observer_change *found;
	struct timespec deadline;
	int64_t until_ns;
	int r = 0;

	if (__builtin_add_overflow(clock_now_ns(), later(timeout_ns, 0), &until_ns))
		until_ns = INT64_MAX;
	deadline = clock_timespec(until_ns);
	observer_kick(observer);

	pthread_mutex_lock(&observer->lock);
	while (!(found = search(&wait, find(observer, host, key)))) {
		if (r == 0 && observer->stopping)
			r = observer->error ? observer->error : -ECANCELED;
		if (r != 0)
			break;
		r = -pthread_cond_timedwait(&observer->changed, &observer->lock, &deadline);
	}
	if (found) {
		r = 0;
		if (ret)
			*ret = *found;
	}
	pthread_mutex_unlock(&observer->lock);
	return r;
}

static bool is_in_state(const struct observer_change *change, void *context)
{
	return change->status.state == *(int *)context;
}

int observer_wait(struct observer *observer, size_t host, const struct tcp_key *key, int state,
		  int64_t after_ns, int64_t timeout_ns, struct observer_change *ret)
{
	return observer_wait_for(observer, host, key, is_in_state, &state, after_ns, timeout_ns,
				 ret);
}

int observer_status(struct observer *observer, size_t host, const struct tcp_key *key,
		    struct observer_change *ret)
{
	const struct observer_timeline *timeline;
	int r = -ENOENT;

	pthread_mutex_lock(&observer->lock);
	timeline = find(observer, host, key);
	if (timeline) {
		*ret = timeline->changes[timeline->count - 1];
		r = 0;
	}
	pthread_mutex_unlock(&observer->lock);
	return r;
}

size_t observer_count(struct observer *observer, size_t host, int state)
{
	size_t count;

	if (host >= observer->host_count || state < 0 || state >= TCP_STATE_COUNT)
		return 0;
	pthread_mutex_lock(&observer->lock);
	count = observer->hosts[observer->hosts[host].first].counts[state];
	pthread_mutex_unlock(&observer->lock);
	return count;
}

size_t observer_timeline_count(const struct observer *observer)
{
	return timelines_count(observer->timelines);
}

const struct observer_timeline *observer_timeline(const struct observer *observer, size_t index)
{
	if (index >= timelines_count(observer->timelines))
		return NULL;
	return timelines_at(observer->timelines, index);
}

void observer_totals(const struct observer *observer, uint64_t *ret_looks, uint64_t *ret_left_out)
{
	*ret_looks = observer->looks;
	*ret_left_out = observer->left_out;
}
