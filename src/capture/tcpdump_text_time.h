/* The time in front of a line, of every -t kind. */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_TIME_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_TIME_H

#include "capture/tcpdump_text_scan.h"

/*
 * A time of day, -ttt (since the packet before) and -ttttt (since the first) are spelled alike.
 * Neither of the two others goes back by much, differences do all the time: from then on they are
 * added up, from the first one on.
 */
struct text_times {
	bool any;		   /* a time was met */
	bool differences;	   /* -ttt */
	int64_t last_ns;	   /* given for the last packet */
	int64_t printed_ns;	   /* the last one without a date */
	int64_t sum_ns;		   /* of all without a date */
	int64_t day_ns;		   /* of the midnights that went by */
	uint64_t count, backwards; /* of those without a date: all, and less than the one before */
	bool long_ago;		   /* one was above a minute: they are no differences, or few */
};

/*
 * The time in nanoseconds that stands in @before (what is left of the endpoints), or, without one,
 * that of the packet before. False where it is absurd; *ret is then that of the packet before.
 */
bool text_times_read(struct text_times *times, struct text_slice before, int64_t *ret);

/* Another run of tcpdump begins. */
void text_times_begin(struct text_times *times);

/* Its command line says so: -ttt. */
void text_times_differences(struct text_times *times);

/* Whether there is a time in @before. */
bool text_times_there(struct text_slice before);

#endif
