#include "load/engine_account.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

static void record(struct load_tally *tally, enum load_latency latency, int64_t ns)
{
	histogram_record(&tally->latency[latency], ns);
}

static void count_failure(struct load_tally *tally, unsigned failure, enum load_step step)
{
	if (failure >= LOAD_FAILURES)
		failure = EIO;
	load_add(&tally->failed[failure], 1);
	load_add(&tally->failed_at[step], 1);
}

static void count_end(struct load_tally *tally, int64_t now_ns)
{
	load_add(&tally->in_flight, -1ULL);
	atomic_store_explicit(&tally->last_end_ns, now_ns, memory_order_relaxed);
}

void account_refused(struct load_tally *tally, int error, enum load_step step, int64_t now_ns)
{
	load_add(&tally->attempted, 1);
	count_failure(tally, (unsigned)(error < 0 ? -error : error), step);
	atomic_store_explicit(&tally->last_end_ns, now_ns, memory_order_relaxed);
}

void account_begin(struct load_tally *tally, struct slot *slot, int64_t intended_ns, int64_t now_ns)
{
	load_add(&tally->attempted, 1);
	load_add(&tally->in_flight, 1);
	slot->intended_ns = intended_ns ? intended_ns : now_ns;
	if (intended_ns)
		record(tally, LATENCY_LATE, now_ns - intended_ns);
}

void account_connected(const struct load_work *work, struct slot *slot, int64_t now_ns)
{
	slot->state |= SLOT_CONNECTED;
	load_add(&work->tally->connected, 1);
	record(work->tally, LATENCY_CONNECT, now_ns - slot->mark_ns);
	slot->mark_ns = now_ns;
	if (work->course_plan->awaits && !work->course_plan->request)
		slot->state |= SLOT_AWAITS;
}

void account_sent(struct load_tally *tally, struct slot *slot, size_t n, int64_t before_ns)
{
	load_add(&tally->bytes_out, n);
	slot->state |= SLOT_AWAITS;
	if (slot->state & SLOT_CONNECTED) /* else it went with the SYN (TCP Fast Open) */
		slot->mark_ns = before_ns;
}

void account_received(struct load_tally *tally, struct slot *slot, size_t n, int64_t now_ns)
{
	load_add(&tally->bytes_in, n);
	if (!(slot->state & SLOT_AWAITS) || (slot->state & SLOT_ANSWERED))
		return;
	slot->state &= (uint8_t)~SLOT_AWAITS;
	record(tally, LATENCY_FIRST_BYTE, now_ns - slot->mark_ns);
}

bool account_answers(struct load_tally *tally, struct slot *slot, uint32_t requests, int64_t now_ns)
{
	if (slot->course.requests != requests)
		load_add(&tally->answers, slot->course.requests - requests);
	if ((slot->state & SLOT_ANSWERED) || !course_answered(&slot->course))
		return false;
	slot->state |= SLOT_ANSWERED;
	slot->mark_ns = now_ns;
	record(tally, LATENCY_TOTAL, now_ns - slot->intended_ns);
	return true;
}

bool account_was_established(int error)
{
	return error == ECONNRESET || error == EPIPE;
}

void account_unconnected(struct load_tally *tally, unsigned failure, int64_t now_ns)
{
	count_failure(tally, failure, LOAD_STEP_CONNECT);
	count_end(tally, now_ns);
}

static void count_closer(struct load_tally *tally, const struct course_step *step)
{
	_Atomic uint64_t *counter = &tally->closed_by_us;

	if (step->peer_reset)
		counter = &tally->reset_by_peer;
	else if (step->peer_closed)
		counter = &tally->closed_by_peer;
	else if (step->linger == 0)
		counter = &tally->reset_by_us;
	load_add(counter, 1);
}

void account_closed(struct load_tally *tally, struct slot *slot, const struct course_step *step,
		    int64_t before_ns, int64_t now_ns)
{
	bool answered = slot->state & SLOT_ANSWERED;

	count_closer(tally, step);
	if (step->failure) {
		count_failure(tally, step->failure,
			      answered ? LOAD_STEP_CLOSE : LOAD_STEP_EXCHANGE);
	} else {
		load_add(&tally->completed, 1);
		record(tally, LATENCY_CLOSE,
		       (step->peer_closed ? before_ns : now_ns) - slot->mark_ns);
	}
	count_end(tally, now_ns);
}

void account_kept(struct load_tally *tally, struct slot *slot, const struct course_step *step,
		  int64_t now_ns)
{
	if (step->peer_closed || step->peer_reset) {
		count_closer(tally, step);
		slot->state |= SLOT_ENDED;
	}
	load_add(&tally->completed, 1);
	count_end(tally, now_ns);
}

void account_cut(struct load_tally *tally, const struct slot *slot)
{
	if ((slot->state & SLOT_CONNECTED) && !(slot->state & SLOT_ENDED))
		load_add(&tally->reset_by_us, 1);
}

void account_cpu(struct load_tally *tally)
{
	struct timespec used;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0)
		atomic_store_explicit(&tally->cpu_ns,
				      (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec,
				      memory_order_relaxed);
}
