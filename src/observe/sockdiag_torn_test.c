/* Lists that are of one piece, and those that are not: NLM_F_DUMP_INTR, overruns, answers that are
 * lost, or of another request. */
#include "observe/sockdiag_kernel.h"

/* ---- of one piece */

static void whole(void **state)
{
	(void)state;
	assert_usable();
	assert_int_equal(request.header.nlmsg_type, TCPDIAG_GETSOCK);
	assert_int_equal(request.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_false(sockdiag_whole(diag));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(seen.at[i].key.local.port, i + 1);
		assert_int_equal(seen.at[i].key.remote.port, 80);
		assert_int_equal(seen.at[i].inode, i + 1);
		assert_int_equal(seen.at[i].uid, 4711);
		assert_int_equal(seen.at[i].state, TCP_ESTABLISHED);
	}
	ANSWER_WITH(nothing);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 0);
	assert_true(sockdiag_whole(diag));
}

/* The end comes with the last sockets where there is room (netlink_dump()), and then it is aligned:
 * here, of a message of 15 bytes, too. */
static void in_one_part(void)
{
	put_socket(1, 0);
	put(NLMSG_NOOP, 0, "fifteen bytes..", 15);
	put_socket(2, 0);
	put_done(0);
	send_part();
}

static void one_part_and_the_end(void)
{
	put_socket(1, 0);
	put_socket(2, 0);
	send_part();
	nothing();
}

static void one_part(void **state)
{
	(void)state;
	ANSWER_WITH(one_part_and_the_end);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 2);
	assert_true(sockdiag_whole(diag));
	ANSWER_WITH(in_one_part);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 2);
	assert_true(sockdiag_whole(diag));
}

static void stopped(void **state)
{
	(void)state;
	for (int at = 1; at <= 4; at++) {
		ANSWER_WITH(four);
		seen.stop_at = at;
		assert_int_equal(walk(), 7);
		assert_int_equal(seen.count, at);
		assert_int_equal(course.visited, at);
		seen.stop_at = 0;
		assert_usable();
	}
}

/* ---- interrupted */

static void marked_at_the_end(void)
{
	put_socket(1, 0);
	put_socket(2, 0);
	send_part();
	put_done(NLM_F_DUMP_INTR);
	send_part();
}

static void marked_at_a_socket(void)
{
	put_socket(1, 0);
	put_socket(2, NLM_F_DUMP_INTR);
	put_socket(3, 0);
	put_done(0);
	send_part();
}

static void interrupted_once(void **state)
{
	answer *const ways[] = {marked_at_the_end, marked_at_a_socket, overrun};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		ANSWER_WITH(ways[i], four);
		assert_int_equal(walk(), 0);
		assert_int_equal(seen.again, 1);
		assert_int_equal(seen.count, 4);
		assert_int_equal(requests, 2);
		assert_int_equal(course.visited, 4);
		assert_int_equal(course.repeated, 1);
		assert_false(course.torn);
		assert_usable();
	}
}

static void interrupted_each_time(void **state)
{
	(void)state;
	ANSWER_WITH(marked_at_the_end, overrun, marked_at_a_socket, marked_at_the_end, nothing);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.again, 3);
	assert_int_equal(seen.count, 2);
	assert_int_equal(requests, 4);
	assert_int_equal(course.visited, 2);
	assert_int_equal(course.repeated, 3);
	assert_true(course.torn);
	assert_false(sockdiag_whole(diag));
	assert_usable();
	/* The fourth is the last that is asked for, and may be whole. */
	ANSWER_WITH(overrun, overrun, overrun, four);
	assert_int_equal(walk(), 0);
	assert_int_equal(course.repeated, 3);
	assert_false(course.torn);
}

/* What was left behind of it is of no use, and its end may never come. */
static void answers_lost(void **state)
{
	(void)state;
	ANSWER_WITH(four);
	FAIL_WITH(0, ENOBUFS, 0);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.again, 1);
	assert_int_equal(seen.count, 4);
	assert_int_equal(course.repeated, 1);
	assert_false(course.torn);
	/* While it is thrown away, too. */
	FAIL_WITH(ENOBUFS, ENOBUFS, EINTR, 0);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.again, 1);
	assert_int_equal(course.repeated, 1);
}

static void nothing_but_losses(void)
{
	FAIL_WITH(ENOBUFS, ENOBUFS, EINTR);
	four();
}

static void answers_lost_each_time(void **state)
{
	(void)state;
	ANSWER_WITH(nothing_but_losses);
	assert_int_equal(walk(), -ENOBUFS);
	assert_int_equal(requests, 4);
	assert_int_equal(seen.again, 3);
	assert_int_equal(course.visited, 77);
	assert_usable();
}

static void interrupted_call(void **state)
{
	(void)state;
	ANSWER_WITH(four);
	FAIL_WITH(EINTR, 0, EINTR, EINTR, 0);
	assert_int_equal(walk(), 0);
	assert_int_equal(seen.count, 4);
	assert_int_equal(course.repeated, 0);
	FAIL_WITH(0, EIO);
	assert_fails(-EIO);
}

/* ---- of another request */

/* Of the request before, that nobody waits for any more; its marks and its end are not ours. */
static void behind_an_older_answer(void)
{
	request.header.nlmsg_seq--;
	put_socket(1, NLM_F_DUMP_INTR);
	put(NLMSG_OVERRUN, 0, NULL, 0);
	put_error(-EIO);
	put_done(0);
	send_part();
	request.header.nlmsg_seq += 2;
	put_socket(1, 0);
	put_done(0);
	request.header.nlmsg_seq--;
	put_socket(2, 0);
	put_done(0);
	send_part();
}

static void older_answer(void **state)
{
	(void)state;
	ANSWER_WITH(behind_an_older_answer);
	assert_int_equal(walk(), 0);
	assert_int_equal(requests, 1);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.at[0].inode, 2);
	assert_int_equal(course.repeated, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(whole),
		CASE(one_part),
		CASE(stopped),
		CASE(interrupted_once),
		CASE(interrupted_each_time),
		CASE(answers_lost),
		CASE(answers_lost_each_time),
		CASE(interrupted_call),
		CASE(older_answer),
	};

	return cmocka_run_group_tests_name("sockdiag torn", tests, NULL, NULL);
}
