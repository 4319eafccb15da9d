/* What other threads ask of the wire. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "world/wire_parts.h"

int wire_add_route(struct wire *wire, const struct tcp_address *address, int host)
{
	int r;

	wire_lock(wire);
	r = routes_add(&wire->routes, address, host);
	wire_unlock(wire);
	return r;
}

void wire_remove_route(struct wire *wire, const struct tcp_address *address)
{
	wire_lock(wire);
	routes_remove(&wire->routes, address);
	wire_unlock(wire);
}

int wire_rule_add(struct wire *wire, const struct wire_rule *rule)
{
	int r;

	wire_lock(wire);
	r = rules_add(&wire->rules, rule);
	wire_unlock(wire);
	return r;
}

/* The rule of that number that is still there, with the lock taken in any case. */
static struct rule *rule_lock(struct wire *wire, int number)
{
	struct rule *rule;

	wire_lock(wire);
	rule = rules_get(&wire->rules, number);
	return rule && !rule->removed ? rule : NULL;
}

static int release(struct wire *wire, struct rule *rule)
{
	struct parcel *parcel;
	int count = 0;

	while ((parcel = parcel_pop(&rule->held))) {
		wire_send(wire, parcel);
		count++;
	}
	return count;
}

int wire_rule_remove(struct wire *wire, int number)
{
	struct rule *rule = rule_lock(wire, number);

	if (rule) {
		release(wire, rule);
		rule->removed = true;
		pthread_cond_broadcast(&wire->changed);
	}
	wire_unlock(wire);
	wire_wake(wire);
	return rule ? 0 : -ENOENT;
}

int wire_rule_release(struct wire *wire, int number)
{
	struct rule *rule = rule_lock(wire, number);
	int r = rule ? release(wire, rule) : -ENOENT;

	wire_unlock(wire);
	wire_wake(wire);
	return r;
}

int wire_rule_discard(struct wire *wire, int number)
{
	struct rule *rule = rule_lock(wire, number);
	struct parcel *parcel;
	int r = rule ? 0 : -ENOENT;

	while (rule && (parcel = parcel_pop(&rule->held))) {
		records_at(&wire->records, parcel->record)->fate = WIRE_DROPPED;
		free(parcel);
		r++;
	}
	wire_unlock(wire);
	return r;
}

int wire_rule_hits(struct wire *wire, int number)
{
	struct rule *rule;
	int r;

	wire_lock(wire);
	rule = rules_get(&wire->rules, number);
	r = rule ? (int)rule->hits : -ENOENT;
	wire_unlock(wire);
	return r;
}

int wire_rule_wait(struct wire *wire, int number, unsigned hits, int64_t timeout_ns)
{
	struct timespec until = clock_timespec(clock_now_ns() + timeout_ns);
	struct rule *rule;
	int r = 0;

	wire_lock(wire);
	rule = rules_get(&wire->rules, number);
	while (rule && rule->hits < hits && r == 0)
		r = rule->removed ? ENOENT
				  : pthread_cond_timedwait(&wire->changed, &wire->lock, &until);
	if (!rule)
		r = ENOENT;
	else if (rule->hits >= hits)
		r = 0;
	wire_unlock(wire);
	return -r;
}

/* Under the lock. */
static int inject(struct wire *wire, struct wire_record *record, const void *packet)
{
	struct parcel *parcel = malloc(sizeof(*parcel));
	ssize_t index = -ENOMEM;

	record->data = records_keep(&wire->records, packet, record->length);
	record->time_ns = clock_now_ns();
	if (record->data && parcel)
		index = records_add(&wire->records, record);
	if (index < 0) {
		free(parcel);
		return -ENOMEM;
	}
	*parcel = (struct parcel){.record = (size_t)index,
				  .to = record->to,
				  .data = record->data,
				  .length = record->length};
	wire_send(wire, parcel);
	return 0;
}

int wire_inject(struct wire *wire, size_t from, size_t to, const void *packet, size_t length,
		const char *note)
{
	struct wire_record record = {
		.from = (int)from, .to = (int)to, .injected = true, .length = (uint32_t)length};
	uint8_t *copy;
	int r;

	if (from >= wire->station_count || to >= wire->station_count || length < 20)
		return -EINVAL;
	if (length > PORT_MTU)
		return -EMSGSIZE;
	copy = malloc(length);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, packet, length);
	wire_fix_checksums(copy, length);
	record_note(&record, note);
	wire_lock(wire);
	r = inject(wire, &record, copy);
	wire_unlock(wire);
	free(copy);
	wire_wake(wire);
	return r;
}

int wire_record(struct wire *wire, size_t index, struct wire_record *ret)
{
	int r = -ENOENT;

	wire_lock(wire);
	if (index < wire->records.count) {
		*ret = *records_at(&wire->records, index);
		r = 0;
	}
	wire_unlock(wire);
	return r;
}

size_t wire_record_count(struct wire *wire)
{
	size_t count;

	wire_lock(wire);
	count = wire->records.count;
	wire_unlock(wire);
	return count;
}

void wire_set_listener(struct wire *wire, void (*fn)(void *context), void *context)
{
	pthread_mutex_lock(&wire->listener_lock);
	wire->listener = fn;
	wire->listener_context = context;
	pthread_mutex_unlock(&wire->listener_lock);
}
