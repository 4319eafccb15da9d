/*
 * What tcpdump printed, back into segments: as people paste it into tickets. Old and new spelling
 * ("Flags [S.]", "S 1:1(0)"), with and without -n, -S, -v, -e, -x, every -t; quoted, indented, and
 * wrapped where there is a blank. Relative numbers become whole ones again, as far as the text has
 * what they are relative to; otherwise they stay as they are, right to one another.
 */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/segment.h"

struct tcpdump_text;

struct tcpdump_text *tcpdump_text_new(void); /* NULL when memory is short */
void tcpdump_text_free(struct tcpdump_text *text);

/*
 * The beginning of the text, if it is at hand before its lines are fed: from it is seen whether its
 * times are differences (-ttt). Without, that is seen when one is less than the one before, and
 * those until then are taken as since the first (-ttttt), which are spelled the same.
 */
void tcpdump_text_peek(struct tcpdump_text *text, const char *bytes, size_t length);

/*
 * Feeds one line (no newline needed; hostile bytes are fine). 1 with a segment in *ret, 0 when the
 * line has none or more is needed (the first of -v's two lines), -ENOMEM. Payload is never there;
 * ttl, ip_id and checksum_known are 0 but with -v. What stands before the time of day (a quote mark
 * "> ", blanks, a syslog prefix) is skipped. Of a line longer than 2048 bytes the rest is not seen.
 *
 * An ACK without anything else is printed without its seq (but for -vv): it is then the next that
 * its sender would send, by what the text has of it.
 *
 * Times: those of -ttt, -ttttt (differences) add up from 0, a time of day counts from 0 at midnight
 * and goes on over midnight; -tt and -tttt are since the epoch. Without any (-t) time_ns is 0: see
 * tcpdump_text_has_times().
 */
int tcpdump_text_line(struct tcpdump_text *text, const char *line, size_t length,
		      struct segment *ret);

bool tcpdump_text_has_times(const struct tcpdump_text *text);

/*
 * Lines that were not understood, or not all of it, though they look as if from tcpdump: those of
 * TCP with -q (no numbers), captured too short, an ACK before anything that tells its seq. Also
 * pairs of endpoints that were forgotten since there were more than 262144.
 */
uint64_t tcpdump_text_unclear(const struct tcpdump_text *text);

/*
 * Where the text had names in place of numbers ("client.example.54321 > www.http"), the endpoint's
 * address and port are stand-ins; this is what the text called it: "www:http" (borrowed from
 * @text), or NULL where it has a true address and port.
 */
const char *tcpdump_text_name(const struct tcpdump_text *text, const struct tcp_endpoint *endpoint);

/* Whether the beginning of a file looks like such a text. */
bool tcpdump_text_recognize(const char *bytes, size_t length);

#endif
