#include "lab/experiments/ports.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/experiments/common.h"

#define FIRST_PORT 40000

int ports_spare_time_wait(struct stage *stage, size_t holder)
{
	return lose_segments(stage, holder == STAGE_CLIENT ? STAGE_SERVER : STAGE_CLIENT,
			     TCP_FLAG_RST, "a RST would end TIME-WAIT");
}

int ports_cut(struct stage *stage, size_t count, long tw_reuse)
{
	char range[32];

	snprintf(range, sizeof(range), "%d %zu", FIRST_PORT, FIRST_PORT + count - 1);
	TRY(stage, stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_port_range", range));
	if (stage->wire)
		TRY(stage, ports_spare_time_wait(stage, STAGE_CLIENT));
	return stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_tw_reuse", tw_reuse);
}

/* Closes one end, and the other once it has read the end. */
static int close_in_order(struct stage *stage, int *first, int *second)
{
	close(TAKE_FD(*first));
	TRY(stage, stage_receive_end(stage, *second, 5));
	close(TAKE_FD(*second));
	return 0;
}

int ports_spend_as(struct stage *stage, const struct pair_options *options, int listener,
		   size_t limit, bool client_first, struct ports_spent *ret)
{
	struct ports_spent spent = {0};
	struct tcp_key last = {0};

	while (spent.connections < limit) {
		CLEANUP_CLOSE int client = -1, server = -1;
		struct tcp_key key;
		int r = stage_connect(stage, options, 5, &client, &key);

		if (r < 0) {
			spent.error = -r;
			spent.failed_ns = clock_now_ns();
			break;
		}
		TRY(stage, stage_accept(stage, listener, 5, &server));
		TRY(stage, close_in_order(stage, client_first ? &client : &server,
					  client_first ? &server : &client));
		if (spent.connections++ == 0)
			spent.first_key = key;
		last = key;
	}
	/* The other FINs had their time; the last one is perhaps still on its way. */
	if (spent.connections > 0 && client_first)
		stage_outcome(stage, STAGE_CLIENT, &last, STATE_BIT(TCP_TIME_WAIT), 3);
	*ret = spent;
	return 0;
}

int ports_spend(struct stage *stage, int listener, uint16_t port, size_t limit, bool client_first,
		struct ports_spent *ret)
{
	struct pair_options options = PAIR_DEFAULT;

	options.port = port;
	return ports_spend_as(stage, &options, listener, limit, client_first, ret);
}

size_t ports_in_time_wait(struct stage *stage, size_t host)
{
	observer_look(stage->observer);
	return observer_count(stage->observer, host, TCP_TIME_WAIT);
}
