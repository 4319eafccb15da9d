#include "serve/tally.h"

#include <sys/mman.h>

/*
 * Endings are added with release and read with acquire, before `accepted` is: who sees the end of
 * a connection sees its beginning too, so that a sum never has more endings than beginnings.
 */
static void add_ending(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_release);
}

void tally_end(struct tally *tally, enum tally_ending ending)
{
	switch (ending) {
	case ENDED_IDLE:
		tally_add(&tally->idle_closed, 1);
		add_ending(&tally->closed_by_us);
		break;
	case ENDED_BY_US:
		add_ending(&tally->closed_by_us);
		break;
	case ENDED_BY_PEER:
		add_ending(&tally->closed_by_peer);
		break;
	case ENDED_RESET:
		add_ending(&tally->reset);
		break;
	}
}

void tally_error(struct tally *tally, int error)
{
	unsigned number = error < 0 ? -(unsigned)error : (unsigned)error;

	tally_add(&tally->errors[number < TALLY_ERRNO_MAX ? number : 0], 1);
}

void tally_tasks(struct tally *tally, int change)
{
	int64_t now = atomic_fetch_add_explicit(&tally->tasks, change, memory_order_relaxed) +
		      change;
	int64_t max = atomic_load_explicit(&tally->tasks_max, memory_order_relaxed);

	while (now > max &&
	       !atomic_compare_exchange_weak_explicit(&tally->tasks_max, &max, now,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

struct tally *tallies_new(size_t count)
{
	struct tally *tallies;
	size_t size;

	if (!count || __builtin_mul_overflow(count, sizeof(*tallies), &size))
		return NULL;
	/* Zero pages: all counters begin at 0. */
	tallies = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return tallies == MAP_FAILED ? NULL : tallies;
}

void tallies_free(struct tally *tallies, size_t count)
{
	if (tallies)
		munmap(tallies, count * sizeof(*tallies));
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit((_Atomic uint64_t *)counter, memory_order_acquire);
}

uint64_t tally_open(const struct tally *tally)
{
	uint64_t ended = get(&tally->closed_by_us) + get(&tally->closed_by_peer) +
			 get(&tally->reset);

	return get(&tally->accepted) - ended;
}

uint64_t tallies_abandon(struct tally *tallies, size_t count)
{
	uint64_t open = 0;

	for (size_t i = 0; i < count; i++) {
		open += tally_open(&tallies[i]);
		atomic_store(&tallies[i].abandoned, true);
	}
	return open;
}

static uint64_t get_tasks(const _Atomic int64_t *counter)
{
	int64_t n = atomic_load_explicit((_Atomic int64_t *)counter, memory_order_relaxed);

	return n > 0 ? (uint64_t)n : 0;
}

/*
 * What nobody has counted the end of, in a tally of the dead, was closed for them by the kernel.
 * Made anew for each sum, not added once: a dying child may still count an end, and what it counts
 * is one less here.
 */
static uint64_t closed_by_us(const struct tally *tally, uint64_t closed_by_peer, uint64_t reset)
{
	if (!atomic_load(&tally->abandoned))
		return get(&tally->closed_by_us);
	return get(&tally->accepted) - closed_by_peer - reset;
}

static void sum_one(const struct tally *tally, struct tally_sum *sum)
{
	uint64_t closed_by_peer = get(&tally->closed_by_peer), reset = get(&tally->reset);

	sum->closed_by_us += closed_by_us(tally, closed_by_peer, reset);
	sum->closed_by_peer += closed_by_peer;
	sum->reset += reset;
	sum->idle_closed += get(&tally->idle_closed);
	sum->refused += get(&tally->refused);
	sum->bytes_in += get(&tally->bytes_in);
	sum->bytes_out += get(&tally->bytes_out);
	sum->answers += get(&tally->answers);
	sum->paused += get(&tally->paused);
	if (!atomic_load(&tally->abandoned))
		sum->tasks += get_tasks(&tally->tasks);
	sum->tasks_max += get_tasks(&tally->tasks_max);
	for (int i = 0; i < TALLY_ERRNO_MAX; i++)
		sum->errors[i] += get(&tally->errors[i]);
}

void tallies_sum(const struct tally *tallies, size_t count, struct tally_sum *ret)
{
	struct tally_sum sum = {0};

	for (size_t i = 0; i < count; i++)
		sum_one(&tallies[i], &sum);
	/* Last, and of all tallies: a connection may end in another tally than it began in. */
	for (size_t i = 0; i < count; i++)
		sum.accepted += get(&tallies[i].accepted);
	sum.open = sum.accepted - sum.closed_by_us - sum.closed_by_peer - sum.reset;
	*ret = sum;
}
