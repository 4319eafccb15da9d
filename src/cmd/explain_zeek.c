#include "cmd/explain_zeek.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "render/screen.h"

/* How Zeek's connection log sees one end. */
enum zeek_end {
	END_INACTIVE, /* nothing of it was captured */
	END_PARTIAL,  /* only what came behind the SYNs */
	END_SYN_SENT, /* its SYN was not answered */
	END_SYN_ACK,  /* answered a SYN that was not captured */
	END_OPEN,
	END_CLOSED, /* sent a FIN */
	END_RESET,  /* sent a RST before both had sent a FIN */
};

static bool closed(const struct finding_end *end)
{
	return end->fin_seen && !end->fin_inferred;
}

static enum zeek_end end_of(const struct finding *finding, unsigned which)
{
	const struct finding_end *end = &finding->end[which], *peer = &finding->end[!which];

	if (closed(end) && closed(peer))
		return END_CLOSED;
	if (end->rst_count)
		return END_RESET;
	if (closed(end))
		return END_CLOSED;
	if (end->syn_seen && peer->syn_seen)
		return END_OPEN;
	if (end->syn_seen)
		return which == TRACK_CLIENT ? END_SYN_SENT : END_SYN_ACK;
	return end->seen ? END_PARTIAL : END_INACTIVE;
}

static const char *reset_by_server(const struct finding *finding, enum zeek_end client)
{
	const struct finding_end *end = finding->end;

	if (client == END_SYN_SENT ||
	    (client == END_RESET && end[TRACK_CLIENT].bytes == 0 && end[TRACK_SERVER].bytes == 0))
		return "REJ";
	return client == END_INACTIVE || client == END_PARTIAL ? "RSTRH" : "RSTR";
}

static const char *reset_by_client(const struct finding *finding, enum zeek_end server)
{
	const struct finding_end *client = &finding->end[TRACK_CLIENT];

	if (server != END_INACTIVE && server != END_PARTIAL)
		return "RSTO";
	/* A SYN and then the RST, with nothing between them. */
	if (client->syn_seen && !closed(client) && client->bytes == 0 && server == END_INACTIVE)
		return "RSTOS0";
	return "OTH";
}

const char *explain_zeek_state(const struct finding *finding)
{
	enum zeek_end client = end_of(finding, TRACK_CLIENT);
	enum zeek_end server = end_of(finding, TRACK_SERVER);

	if (server == END_RESET)
		return reset_by_server(finding, client);
	if (client == END_RESET)
		return reset_by_client(finding, server);
	if (client == END_CLOSED && server == END_CLOSED)
		return "SF";
	if (client == END_CLOSED)
		return server == END_INACTIVE || server == END_PARTIAL ? "SH" : "S2";
	if (server == END_CLOSED)
		return client == END_INACTIVE || client == END_PARTIAL ? "SHR" : "S3";
	if (client == END_SYN_SENT && server == END_INACTIVE)
		return "S0";
	return client == END_OPEN && server == END_OPEN ? "S1" : "OTH";
}

/* ---- the log */

#define MICRO 1000

void explain_zeek_head(FILE *out)
{
	fputs("#separator \\x09\n"
	      "#set_separator\t,\n"
	      "#empty_field\t(empty)\n"
	      "#unset_field\t-\n"
	      "#path\tconn\n"
	      "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\t"
	      "orig_bytes\tresp_bytes\tconn_state\thistory\torig_pkts\tresp_pkts\n"
	      "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\t"
	      "count\tcount\tstring\tstring\tcount\tcount\n",
	      out);
}

/* No "#close TIME": the same capture gives the same log. */
void explain_zeek_end(FILE *out)
{
	fputs("#close\t-\n", out);
}

/* To microseconds, as Zeek does; cut, so that no order is changed. */
static void put_time(FILE *out, int64_t ns)
{
	int64_t us = ns / MICRO - (ns % MICRO < 0);
	uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;

	fprintf(out, "%s%" PRIu64 ".%06" PRIu64, us < 0 ? "-" : "", size / 1000000, size % 1000000);
}

/* A name of a text as Zeek writes what is no plain text: controls, and so the separator, as \xNN.
 */
static void put_name(FILE *out, const char *name)
{
	const char *colon = strrchr(name, ':');
	size_t length = colon ? (size_t)(colon - name) : strlen(name);
	char text[1024];

	fputs(length ? screen_escape(name, length, text, sizeof(text)) : "-", out);
	fputc('\t', out);
	name = colon ? colon + 1 : "";
	fputs(*name ? screen_escape(name, strlen(name), text, sizeof(text)) : "-", out);
}

static void put_endpoint(FILE *out, const struct tcp_endpoint *endpoint,
			 const struct explain_names *names)
{
	const char *name = names && names->name ? names->name(names->context, endpoint) : NULL;
	char text[TCP_ENDPOINT_TEXT_MAX];

	fputc('\t', out);
	if (name)
		put_name(out, name);
	else
		fprintf(out, "%s\t%u", tcp_address_format(&endpoint->address, text),
			endpoint->port);
}

/* Zeek does not say how many bytes there were when it took no time. */
static void put_sizes(FILE *out, const struct finding *finding)
{
	bool lasted = finding->first_ns != FINDING_TIME_UNKNOWN &&
		      finding->last_ns / MICRO > finding->first_ns / MICRO;

	if (!lasted) {
		fputs("\t-\t-\t-", out);
		return;
	}
	fputc('\t', out);
	put_time(out, finding->last_ns - finding->first_ns);
	fprintf(out, "\t%" PRIu64 "\t%" PRIu64, finding->end[TRACK_CLIENT].bytes,
		finding->end[TRACK_SERVER].bytes);
}

void explain_zeek_finding(FILE *out, const struct finding *finding, const char *history,
			  const struct explain_names *names)
{
	if (finding->first_ns == FINDING_TIME_UNKNOWN)
		fputc('-', out);
	else
		put_time(out, finding->first_ns);
	fprintf(out, "\tC%" PRIu64, finding->number);
	put_endpoint(out, &finding->end[TRACK_CLIENT].endpoint, names);
	put_endpoint(out, &finding->end[TRACK_SERVER].endpoint, names);
	fputs("\ttcp", out);
	put_sizes(out, finding);
	fprintf(out, "\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\n", explain_zeek_state(finding),
		history && *history ? history : "-", finding->end[TRACK_CLIENT].packets,
		finding->end[TRACK_SERVER].packets);
}
