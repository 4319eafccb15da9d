/*
 * The wire's thread.
 *
 * It waits for packets from any port, for the next delayed packet, and for others that call the
 * wire (an eventfd). It takes one packet of each port in turn, so that no host is favoured. A
 * packet is recorded as it came, goes through the rules, and ends in one of these places: nowhere
 * (dropped), in its rule's queue (held), in the queue of delayed packets, or in the outgoing
 * queue of the host that owns its target. Whatever is delivered, also what was held, delayed or
 * injected, goes through that one outgoing queue; so order there is order on the wire. A port
 * that refuses a packet for now is tried again; nothing is thrown away.
 *
 * The lock is held while a packet is taken and written, so that who sees a packet's effect sees
 * its record complete.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "world/wire_parts.h"

#define ROUNDS	   64		   /* packets per port before the clock is looked at again */
#define POLITENESS 64		   /* turns that others get before the thread takes the lock */
#define RETRY_NS   (NS_PER_MS / 4) /* until a refused packet is tried again */

struct wire *wire_new(void)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	pthread_condattr_t attributes;

	if (!wire)
		return NULL;
	wire->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wire->wakeup < 0) {
		free(wire);
		return NULL;
	}
	pthread_mutex_init(&wire->lock, NULL);
	pthread_mutex_init(&wire->listener_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&wire->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return wire;
}

void wire_drop_stations(struct wire *wire)
{
	for (size_t i = 0; i < wire->station_count; i++) {
		struct station *station = &wire->stations[i];

		station->port.ops->close(&station->port);
		parcel_queue_done(&station->out);
	}
	wire->station_count = 0;
}

void wire_free(struct wire *wire)
{
	if (!wire)
		return;
	if (wire->running) {
		atomic_store(&wire->stopping, true);
		wire_wake(wire);
		pthread_join(wire->thread, NULL);
	}
	wire_drop_stations(wire);
	close(wire->wakeup);
	parcel_queue_done(&wire->delayed);
	rules_done(&wire->rules);
	routes_done(&wire->routes);
	records_done(&wire->records);
	pthread_cond_destroy(&wire->changed);
	pthread_mutex_destroy(&wire->listener_lock);
	pthread_mutex_destroy(&wire->lock);
	free(wire);
}

void wire_wake(struct wire *wire)
{
	uint64_t one = 1;

	/* It can only fail when the counter is full, and then the thread wakes up anyway. */
	while (write(wire->wakeup, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void wire_lock(struct wire *wire)
{
	atomic_fetch_add(&wire->waiting, 1);
	pthread_mutex_lock(&wire->lock);
	atomic_fetch_sub(&wire->waiting, 1);
}

void wire_unlock(struct wire *wire)
{
	pthread_mutex_unlock(&wire->lock);
}

static void thread_lock(struct wire *wire)
{
	/* Bounded, so that one who asks all the time does not stop the wire. */
	for (int i = 0; i < POLITENESS && atomic_load(&wire->waiting); i++)
		sched_yield();
	pthread_mutex_lock(&wire->lock);
}

static void tell_listener(struct wire *wire)
{
	pthread_mutex_lock(&wire->listener_lock);
	if (wire->listener)
		wire->listener(wire->listener_context);
	pthread_mutex_unlock(&wire->listener_lock);
}

void wire_send(struct wire *wire, struct parcel *parcel)
{
	struct wire_record *record = records_at(&wire->records, parcel->record);

	record->fate = WIRE_WAITING;
	parcel_push(&wire->stations[parcel->to].out, parcel);
}

static void record_error(struct wire_record *record, const char *what, int error)
{
	char note[64];

	snprintf(note, sizeof(note), "%s%s", what, errno_name(error));
	record_note(record, note);
}

/* Writes the first packet of the queue; whether it is gone. */
static bool station_give(struct wire *wire, struct station *station)
{
	struct parcel *parcel = station->out.head;
	struct wire_record *record = records_at(&wire->records, parcel->record);
	/* The receiver may answer before the write returns. */
	int64_t now = clock_now_ns();
	int r = station->port.ops->write(&station->port, parcel->data, parcel->length);

	if (r == -EAGAIN) {
		station->refused++;
		return false;
	}
	if (r < 0) {
		station->failed++;
		record->fate = WIRE_DROPPED;
		record_error(record, "not delivered: ", -r);
	} else {
		station->given++;
		record->fate = WIRE_DELIVERED;
		record->delivered_ns = now;
	}
	free(parcel_pop(&station->out));
	return true;
}

/* Writes what waits for the hosts; whether all of it is gone. */
static bool flush(struct wire *wire)
{
	bool all = true;

	for (size_t i = 0; i < wire->station_count; i++) {
		struct station *station = &wire->stations[i];

		thread_lock(wire);
		while (station->out.head) {
			if (!station_give(wire, station)) {
				all = false;
				break;
			}
			wire_unlock(wire);
			tell_listener(wire);
			thread_lock(wire);
		}
		wire_unlock(wire);
	}
	return all;
}

/* The packet as it is to be delivered; bytes that were rewritten are kept beside the record's. */
static struct parcel *parcel_make(struct wire *wire, const struct work *work, size_t record)
{
	const uint8_t *data = records_at(&wire->records, record)->data;
	struct parcel *parcel;

	if (work->rewritten)
		data = records_keep(&wire->records, work->data, work->length);
	parcel = data ? malloc(sizeof(*parcel)) : NULL;
	if (!parcel) {
		wire->unrecorded++;
		return NULL;
	}
	*parcel = (struct parcel){
		.record = record, .to = work->to, .data = data, .length = work->length};
	return parcel;
}

static void delay(struct wire *wire, struct parcel *parcel, int64_t due_ns)
{
	records_at(&wire->records, parcel->record)->fate = WIRE_WAITING;
	parcel->due_ns = due_ns;
	parcel_push_due(&wire->delayed, parcel);
}

/* The second packet of WIRE_REPEAT, with a record of its own. */
static void repeat(struct wire *wire, const struct work *work, size_t record, int64_t due_ns)
{
	struct wire_record copy = *records_at(&wire->records, record);
	struct parcel *parcel;
	ssize_t index;

	copy.repeat = true;
	copy.fate = WIRE_WAITING;
	index = records_add(&wire->records, &copy);
	parcel = index < 0 ? NULL : parcel_make(wire, work, (size_t)index);
	if (parcel)
		delay(wire, parcel, due_ns);
	else if (index < 0)
		wire->unrecorded++;
}

/* Acts as the deciding rule says; whether the packet is dropped. */
static bool dispatch(struct wire *wire, const struct work *work, size_t index, struct rule *rule)
{
	struct wire_record *record = records_at(&wire->records, index);
	enum wire_verb verb = rule ? rule->spec.verb : WIRE_PASS;
	int64_t due_ns = rule ? record->time_ns + rule->spec.delay_ns : 0;
	struct parcel *parcel;

	if (verb == WIRE_DROP) {
		record->fate = WIRE_DROPPED;
		return true;
	}
	if (work->to < 0) {
		record->fate = WIRE_UNROUTABLE;
		return true;
	}
	parcel = parcel_make(wire, work, index);
	if (!parcel)
		return true;
	switch (verb) {
	case WIRE_HOLD:
		record->fate = WIRE_HELD;
		parcel_push(&rule->held, parcel);
		break;
	case WIRE_DELAY:
		delay(wire, parcel, due_ns);
		break;
	case WIRE_REPEAT:
		wire_send(wire, parcel);
		repeat(wire, work, index, due_ns);
		break;
	default:
		wire_send(wire, parcel);
	}
	return false;
}

/* Records the packet in wire->scratch and takes it through the rules; whether it is dropped. */
static bool handle(struct wire *wire, size_t from, size_t length)
{
	struct work work = {.from = (int)from,
			    .data = wire->scratch,
			    .length = length,
			    .room = length > PORT_MTU ? length : PORT_MTU};
	struct wire_record record = {.time_ns = clock_now_ns(),
				     .from = (int)from,
				     .fate = WIRE_DROPPED,
				     .length = (uint32_t)length};
	struct passage passage;
	ssize_t index;

	record.data = records_keep(&wire->records, wire->scratch, length);
	work_look(&work, &wire->routes);
	passage = rules_pass(&wire->rules, &wire->routes, &work, &record);
	record.to = work.to;
	record.rewritten = work.rewritten;
	index = record.data ? records_add(&wire->records, &record) : -ENOMEM;
	if (passage.hit)
		pthread_cond_broadcast(&wire->changed);
	if (index < 0) {
		wire->unrecorded++;
		return true;
	}
	if (passage.error < 0) {
		record_error(records_at(&wire->records, (size_t)index),
			     "rewrite: ", -passage.error);
		return true;
	}
	return dispatch(wire, &work, (size_t)index, passage.decider);
}

static void station_fail(struct station *station, int error)
{
	station->dead = true;
	station->error = error;
}

/* Takes one packet of a port; whether there was one. */
static bool station_take(struct wire *wire, size_t index)
{
	struct station *station = &wire->stations[index];
	bool dropped = false;
	ssize_t length;

	if (station->dead)
		return false;
	thread_lock(wire);
	length = station->port.ops->read(&station->port, wire->scratch, sizeof(wire->scratch));
	if (length >= 0)
		station->taken++;
	else if (length != -EAGAIN)
		station_fail(station, (int)length);
	if (length > 0)
		dropped = handle(wire, index, (size_t)length);
	wire_unlock(wire);
	if (dropped)
		tell_listener(wire);
	return length >= 0;
}

/* Sends the delayed packets whose time has come; the time of the next, or 0. */
static int64_t send_due(struct wire *wire)
{
	int64_t now = clock_now_ns();
	int64_t next;

	thread_lock(wire);
	while (wire->delayed.head && wire->delayed.head->due_ns <= now)
		wire_send(wire, parcel_pop(&wire->delayed));
	next = wire->delayed.head ? wire->delayed.head->due_ns : 0;
	wire_unlock(wire);
	return next;
}

static void wait_for_work(struct wire *wire, int64_t until_ns)
{
	struct pollfd polls[WORLD_HOSTS_MAX + 1] = {{.fd = wire->wakeup, .events = POLLIN}};
	struct timespec timeout = {0};
	uint64_t count;

	for (size_t i = 0; i < wire->station_count; i++) {
		const struct station *station = &wire->stations[i];

		polls[i + 1].fd = station->dead ? -1 : station->port.fd;
		polls[i + 1].events = POLLIN;
	}
	if (until_ns) {
		int64_t left = until_ns - clock_now_ns();

		timeout = clock_timespec(left > 0 ? left : 0);
	}
	if (ppoll(polls, wire->station_count + 1, until_ns ? &timeout : NULL, NULL) <= 0)
		return;
	if (polls[0].revents && read(wire->wakeup, &count, sizeof(count)) < 0)
		return;
	for (size_t i = 0; i < wire->station_count; i++) {
		struct station *station = &wire->stations[i];

		if (!(polls[i + 1].revents & (POLLERR | POLLNVAL)))
			continue;
		thread_lock(wire);
		/* A port that only tells an error does not tell it twice. */
		if (!port_clear_error(&station->port))
			station_fail(station, -EIO);
		wire_unlock(wire);
	}
}

/* Takes packets while there are any, one of each port in turn; whether there was one. */
static bool take_round(struct wire *wire)
{
	bool any = false, more = true;

	for (int round = 0; more && round < ROUNDS; round++) {
		more = false;
		for (size_t i = 0; i < wire->station_count; i++) {
			more |= station_take(wire, i);
			flush(wire);
		}
		any |= more;
	}
	return any;
}

static void *wire_main(void *context)
{
	struct wire *wire = context;

	while (!atomic_load(&wire->stopping)) {
		int64_t next = send_due(wire);
		bool all = flush(wire);

		/* What was taken may be delayed: only after a round of nothing is @next the next.
		 */
		if (take_round(wire))
			continue;
		if (!all && (!next || next > clock_now_ns() + RETRY_NS))
			next = clock_now_ns() + RETRY_NS;
		wait_for_work(wire, next);
	}
	return NULL;
}

/* Signals are the business of the program's main thread. */
int wire_run(struct wire *wire)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&wire->thread, NULL, wire_main, wire);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	wire->running = r == 0;
	return -r;
}
