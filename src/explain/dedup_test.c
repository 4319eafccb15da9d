/* Captures that have a segment twice. */
#include "explain/dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void gone_captures_twice(void **state)
{
	static struct dedup dedup;
	struct segment s = {.seq = 5, .flags = TCP_FLAG_ACK, .ip_id = 7, .ttl = 64};

	(void)state;
	assert_false(dedup_is_copy(&dedup, &s));
	s.time_ns = 1000000;
	assert_true(dedup_is_copy(&dedup, &s));
	s.ttl = 63;
	assert_true(dedup_is_copy(&dedup, &s));
	s.ip_id = 8; /* a retransmission */
	assert_false(dedup_is_copy(&dedup, &s));
	s.time_ns = 300000000;
	assert_false(dedup_is_copy(&dedup, &s));
	s.ip_id = 0;
	assert_false(dedup_is_copy(&dedup, &s));
	assert_false(dedup_is_copy(&dedup, &s));
	s.ttl = 62;
	assert_true(dedup_is_copy(&dedup, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gone_captures_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
