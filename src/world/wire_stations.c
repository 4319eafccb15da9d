/* The wire's stations: made before its thread runs. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "world/wire_parts.h"

bool port_clear_error(struct port *port)
{
	struct pollfd state = {.fd = port->fd, .events = POLLIN};
	socklen_t length = sizeof(int);
	int error;

	if (getsockopt(port->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return false;
	return poll(&state, 1, 0) == 0 || !(state.revents & (POLLERR | POLLNVAL));
}

static struct port_place place_of(const struct host *host, int wire_netns)
{
	return (struct port_place){
		.index = host_index(host),
		.host_netns = host_netns(host),
		.wire_netns = wire_netns,
		.device = host_device(host),
	};
}

int wire_add_station(struct wire *wire, const struct port_ops *ops, const struct host *host,
		     int wire_netns, struct why *why)
{
	struct port_place place = place_of(host, wire_netns);
	struct station *station = &wire->stations[wire->station_count];
	int r;

	*station = (struct station){.host = host, .port = {.ops = ops, .fd = -1}};
	r = ops->open(&station->port, &place, why);
	if (r < 0) {
		ops->close(&station->port);
		return r;
	}
	wire->station_count++;
	return 0;
}

int wire_start(struct wire *wire, int wire_netns, struct why *why)
{
	int r;

	for (size_t i = 0; i < wire->station_count; i++) {
		struct station *station = &wire->stations[i];
		struct port_place place = place_of(station->host, wire_netns);

		r = station->port.ops->start(&station->port, &place, why);
		if (r < 0)
			return r;
	}
	r = wire_audit_begin(wire);
	if (r < 0)
		return why_set(why, r, "cannot read the counters of the devices");
	r = wire_run(wire);
	return r < 0 ? why_set(why, r, "cannot start the wire's thread") : 0;
}
