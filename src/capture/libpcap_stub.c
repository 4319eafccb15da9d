/* Live capture and filters of a build without libpcap: they say so. */
#include <errno.h>

#include "capture/filter.h"
#include "capture/live.h"

static int lacking(struct why *why)
{
	return why_say(why, -ENOTSUP,
		       "this contest was built without libpcap, which live captures and filters "
		       "need: install libpcap-dev and run make clean all, or pipe tcpdump -w - "
		       "into it");
}

int capture_live_open(const char *interface, const char *filter, struct capture_live **ret,
		      struct why *why)
{
	(void)interface;
	(void)filter;
	(void)ret;
	return lacking(why);
}

void capture_live_close(struct capture_live *live)
{
	(void)live;
}

int capture_live_fd(const struct capture_live *live)
{
	(void)live;
	return -1;
}

int capture_live_next(struct capture_live *live, struct passing_packet *ret, struct why *why)
{
	(void)live;
	(void)ret;
	return lacking(why);
}

int capture_live_counts(struct capture_live *live, uint64_t *ret_received, uint64_t *ret_dropped)
{
	(void)live;
	(void)ret_received;
	(void)ret_dropped;
	return -ENOTSUP;
}

int capture_filter_new(const char *expression, struct capture_filter **ret, struct why *why)
{
	(void)expression;
	(void)ret;
	return lacking(why);
}

void capture_filter_free(struct capture_filter *filter)
{
	(void)filter;
}

int capture_filter_packet(struct capture_filter *filter, const struct passing_packet *packet,
			  struct why *why)
{
	(void)filter;
	(void)packet;
	return lacking(why);
}

int capture_filter_segment(struct capture_filter *filter, const struct segment *segment,
			   struct why *why)
{
	(void)filter;
	(void)segment;
	return lacking(why);
}
