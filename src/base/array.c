#include "base/array.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int array_reserve(void **array, size_t *capacity, size_t count, size_t size)
{
	size_t want;
	void *bigger;

	if (count < *capacity)
		return 0;

	want = *capacity ? *capacity * 2 : 8;
	if (want <= *capacity || want > SIZE_MAX / size)
		return -ENOMEM;
	bigger = realloc(*array, want * size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*capacity = want;
	return 0;
}
