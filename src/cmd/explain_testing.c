#include "cmd/explain_testing.h"

#include <string.h>

#include "tcp/state.h"

struct finding opened(uint64_t number, uint8_t host, uint16_t port)
{
	struct finding finding = {
		.number = number,
		.opened = OPENED_CLIENT_SYN,
		.handshake = true,
		.handshake_ns = 1234567,
		.ending = ENDING_OPEN,
		.closed_first = WHO_NONE,
		.time_wait_holder = WHO_NONE,
		.first_ns = START,
		.last_ns = START + 3 * SECOND,
	};

	for (size_t i = 0; i < 2; i++) {
		struct finding_end *end = &finding.end[i];
		uint8_t address[] = {10, 0, (uint8_t)i, i ? 1 : host};

		end->endpoint.address.family = AF_INET;
		memcpy(end->endpoint.address.bytes, address, 4);
		end->endpoint.port = i ? port : 40000;
		end->seen = end->syn_seen = true;
		end->state = TCP_ESTABLISHED;
		end->since_ns = START;
		end->last_ns = finding.last_ns;
		end->packets = 4;
		end->bytes = 100;
	}
	return finding;
}

void send_fin(struct finding *finding, unsigned which, int64_t at_ns)
{
	struct finding_end *end = &finding->end[which];

	end->fin_seen = true;
	end->fin_count = 1;
	end->fin_ns = START + at_ns;
}

struct finding graceful(uint64_t number)
{
	struct finding finding = opened(number, 1, 80);

	send_fin(&finding, TRACK_CLIENT, SECOND);
	send_fin(&finding, TRACK_SERVER, 2 * SECOND + SECOND / 2);
	finding.ending = ENDING_GRACEFUL;
	finding.closed_first = finding.time_wait_holder = WHO_CLIENT;
	finding.end[TRACK_CLIENT].time_wait = true;
	finding.end[TRACK_CLIENT].state = TCP_TIME_WAIT;
	finding.end[TRACK_SERVER].state = TCP_STATE_NONE;
	return finding;
}

struct finding reset(uint64_t number, uint8_t host, unsigned from, enum rst_cause cause)
{
	struct finding finding = opened(number, host, 80);

	finding.ending = ENDING_RESET;
	finding.rst = (struct finding_rst){
		.any = true,
		.from = from,
		.cause = cause,
		.at_ns = finding.last_ns,
		.ends = true,
		.count = 1,
	};
	finding.end[from].rst_count = 1;
	finding.end[0].state = finding.end[1].state = TCP_STATE_NONE;
	return finding;
}

const char *a_name(void *context, const struct tcp_endpoint *endpoint)
{
	return endpoint->port == 80 ? context : NULL;
}
