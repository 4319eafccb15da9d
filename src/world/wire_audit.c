/*
 * The audit: the kernel's own counters of each host's device against what the wire counted.
 *
 * TUN: the kernel counts a packet as sent when the wire reads it (drivers/net/tun.c,
 * tun_do_read()), and as dropped when the device's ring is full (tun_net_xmit()); so "sent" says
 * little, "dropped" and an empty ring say it all. veth counts as sent what reached the other end
 * (drivers/net/veth.c, veth_xmit()); what the packet socket had no room for, it tells itself.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "world/wire_parts.h"

#define PATIENCE_NS (20 * NS_PER_S) /* a busy machine may keep the wire from running */
#define NAP_NS	    (2 * NS_PER_MS)

struct device_counters {
	struct rtnl_counters link;
	unsigned long long queue_drops;
};

static int device_counters(const struct host *host, struct device_counters *ret)
{
	struct rtnl rtnl;
	int r = rtnl_open(&rtnl, host_netns(host));
	int index;

	if (r < 0)
		return r;
	index = rtnl_link_index(&rtnl, host_device(host));
	r = index < 0 ? index : rtnl_link_counters(&rtnl, index, &ret->link);
	if (r == 0)
		r = rtnl_queue_drops(&rtnl, index, &ret->queue_drops);
	rtnl_close(&rtnl);
	return r;
}

int wire_audit_begin(struct wire *wire)
{
	for (size_t i = 0; i < wire->station_count; i++) {
		struct station *station = &wire->stations[i];
		struct device_counters counters;
		int r = device_counters(station->host, &counters);

		if (r < 0)
			return r;
		station->at_start = counters.link;
		station->queue_drops_at_start = counters.queue_drops;
	}
	return 0;
}

static int blame(struct why *why, const struct host *host, const char *what, unsigned long long is,
		 unsigned long long should)
{
	return why_say(why, -EIO, "the wire lost packets of host %s: %s: %llu, expected %llu",
		       host_name(host), what, is, should);
}

static int audit_sent(const struct station *station, const struct device_counters *now,
		      unsigned long long lost, struct why *why)
{
	const struct rtnl_counters *start = &station->at_start;
	unsigned long long sent = now->link.sent_packets - start->sent_packets;

	if (now->link.sent_dropped != start->sent_dropped)
		return blame(why, station->host, "dropped by its device when sending",
			     now->link.sent_dropped - start->sent_dropped, 0);
	if (now->queue_drops != station->queue_drops_at_start)
		return blame(why, station->host, "dropped by its queueing discipline",
			     now->queue_drops - station->queue_drops_at_start, 0);
	if (lost)
		return blame(why, station->host, "not taken in time by the wire", lost, 0);
	if (sent != station->taken)
		return blame(why, station->host, "sent and taken by the wire", station->taken,
			     sent);
	return 0;
}

static int audit_received(const struct station *station, const struct device_counters *now,
			  struct why *why)
{
	const struct rtnl_counters *start = &station->at_start;
	unsigned long long received = now->link.received_packets - start->received_packets;
	unsigned long long dropped = now->link.received_dropped - start->received_dropped;

	if (station->failed)
		return blame(why, station->host, "not accepted by its device", station->failed, 0);
	if (received != station->given)
		return blame(why, station->host, "received of what the wire gave", received,
			     station->given);
	/* What was refused was given again. */
	if (dropped > station->refused)
		return blame(why, station->host, "dropped by its device when receiving", dropped,
			     0);
	return 0;
}

static int audit_station(struct station *station, struct why *why)
{
	struct pollfd waiting = {.fd = station->port.fd, .events = POLLIN};
	struct device_counters now;
	int r;

	if (station->dead)
		return why_set(why, -EIO, "the wire cannot read from host %s: %s",
			       host_name(station->host), errno_name(-station->error));
	if (station->out.head || poll(&waiting, 1, 0) > 0)
		return why_say(why, -EIO, "packets from or to host %s are still on their way",
			       host_name(station->host));
	r = device_counters(station->host, &now);
	if (r < 0)
		return why_set(why, r, "cannot read the counters of host %s",
			       host_name(station->host));
	r = audit_sent(station, &now, station->port.ops->lost(&station->port), why);
	return r < 0 ? r : audit_received(station, &now, why);
}

static int audit_once(struct wire *wire, struct why *why)
{
	int r = 0;

	wire_lock(wire);
	if (wire->unrecorded)
		r = why_say(why, -EIO, "the wire had no memory for %llu packets", wire->unrecorded);
	for (size_t i = 0; i < wire->station_count && r == 0; i++)
		r = audit_station(&wire->stations[i], why);
	wire_unlock(wire);
	return r;
}

int wire_audit(struct wire *wire, struct why *why)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;
	struct timespec nap = clock_timespec(NAP_NS);
	struct why last;

	for (;;) {
		int r = audit_once(wire, &last);

		if (r == 0)
			return 0;
		if (clock_now_ns() >= deadline) {
			if (why)
				*why = last;
			return r;
		}
		nanosleep(&nap, NULL);
	}
}
