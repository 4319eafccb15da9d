/* Memory that is read here and there. Private to explain. */
#ifndef CONTEST_EXPLAIN_FLOW_MEMORY_H
#define CONTEST_EXPLAIN_FLOW_MEMORY_H

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FLOW_MEMORY_PAGE ((size_t)2 << 20)

/*
 * Memory at the beginning of a cache line, to be freed with free(); NULL when it is short. Much of
 * it is asked for in huge pages: with 4 KiB each, nearly every record's page must be looked up
 * first, and that took a quarter of the time.
 */
static inline void *flow_memory(size_t size)
{
	void *memory;

	if (size < FLOW_MEMORY_PAGE)
		return aligned_alloc(64, (size + 63) / 64 * 64);
	size = (size + FLOW_MEMORY_PAGE - 1) / FLOW_MEMORY_PAGE * FLOW_MEMORY_PAGE;
	memory = aligned_alloc(FLOW_MEMORY_PAGE, size);
	if (memory)
		madvise(memory, size, MADV_HUGEPAGE); /* where that cannot be, it is slower */
	return memory;
}

#endif
