#include "cmd/explain_json.h"

#define DECIMALS 9 /* of times: what a capture has */

/* A time of the capture: its seconds, or null. */
static void put_time(struct json_writer *json, const char *key, int64_t ns)
{
	if (ns == FINDING_TIME_UNKNOWN)
		json_put_null(json, key);
	else
		json_put_seconds(json, key, ns, DECIMALS);
}

/* null where there is none. */
static void put_number_or_null(struct json_writer *json, const char *key, bool known,
			       uint64_t number)
{
	if (known)
		json_put_count(json, key, number);
	else
		json_put_null(json, key);
}

static const char *end_name(unsigned end)
{
	return finding_who_name(end == TRACK_SERVER ? WHO_SERVER : WHO_CLIENT);
}

/* ---- opening */

static void put_ends(struct json_writer *json, const struct finding *finding,
		     const struct explain_names *names)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	json_put_text(json, "client",
		      explain_names_endpoint(names, &finding->end[TRACK_CLIENT].endpoint, text));
	json_put_text(json, "server",
		      explain_names_endpoint(names, &finding->end[TRACK_SERVER].endpoint, text));
}

static void put_opening(struct json_writer *json, const struct finding *finding)
{
	json_put_text(json, "opened", finding_opened_name(finding->opened));
	json_put_bool(json, "opened_inferred", finding->opened_inferred);
	json_put_bool(json, "handshake", finding->handshake);
	if (finding->handshake_ns)
		json_put_fixed(json, "handshake_us", (int64_t)finding->handshake_ns, 3, 3);
	else
		json_put_null(json, "handshake_us");
	if (finding->opened == OPENED_FAST_OPEN)
		json_put_bool(json, "fast_open_taken", finding->fast_open_taken);
	else
		json_put_null(json, "fast_open_taken");
}

static void put_options(struct json_writer *json, const struct finding *finding)
{
	const struct finding_end *client = &finding->end[TRACK_CLIENT];
	const struct finding_end *server = &finding->end[TRACK_SERVER];

	json_put_text(json, "timestamps", finding_option_name(finding_timestamps(finding)));
	json_put_text(json, "sack", finding_option_name(finding_sack(finding)));
	json_put_text(json, "window_scale", finding_option_name(finding_window_scale(finding)));
	json_open_object(json, "window_shift");
	put_number_or_null(json, "client", client->has_window_scale, client->window_scale);
	put_number_or_null(json, "server", server->has_window_scale, server->window_scale);
	json_close_object(json);
	json_open_object(json, "mss");
	put_number_or_null(json, "client", client->has_mss, client->mss);
	put_number_or_null(json, "server", server->has_mss, server->mss);
	json_close_object(json);
}

/* ---- the end */

/* What the end is left with. The keys differ by its name, which is all that this table is for. */
static void put_state(struct json_writer *json, const struct finding *finding, unsigned end)
{
	static const struct {
		const char *state, *since, *why;
	} keys[] = {
		[TRACK_CLIENT] = {"client_state", "client_state_since", "client_state_why"},
		[TRACK_SERVER] = {"server_state", "server_state_since", "server_state_why"},
	};
	char text[FINDING_TEXT_MAX];

	json_put_text(json, keys[end].state, finding_state_name(finding->end[end].state));
	put_time(json, keys[end].since, finding->end[end].since_ns);
	json_put_text(json, keys[end].why, finding_state_why(finding, end, text));
}

/* For how long one end had closed and the other had not; false: it never was so, or the times are
 * not known. What still is so counts up to the last packet. */
static bool half_closed_ns(const struct finding *finding, int64_t *ret)
{
	const struct finding_end *a = &finding->end[0], *b = &finding->end[1];
	int64_t from, until = finding->last_ns;

	if (finding->ending == ENDING_SIMULTANEOUS || !(a->fin_seen || b->fin_seen) ||
	    a->fin_inferred || b->fin_inferred || finding->first_ns == FINDING_TIME_UNKNOWN)
		return false;
	from = a->fin_seen ? a->fin_ns : b->fin_ns;
	if (a->fin_seen && b->fin_seen) {
		until = a->fin_ns > b->fin_ns ? a->fin_ns : b->fin_ns;
		from = a->fin_ns < b->fin_ns ? a->fin_ns : b->fin_ns;
	} else if (finding->rst.any && finding->rst.ends) {
		until = finding->rst.at_ns;
	}
	if (from == FINDING_TIME_UNKNOWN || until == FINDING_TIME_UNKNOWN)
		return false;
	*ret = until > from ? until - from : 0;
	return true;
}

static unsigned repeated(const struct finding_end *end)
{
	return end->fin_count ? end->fin_count - 1 : 0;
}

static void put_fins(struct json_writer *json, const struct finding *finding)
{
	unsigned client = repeated(&finding->end[TRACK_CLIENT]);
	unsigned server = repeated(&finding->end[TRACK_SERVER]);
	bool any = client || server;
	int64_t half_ns;

	if (half_closed_ns(finding, &half_ns))
		json_put_seconds(json, "half_closed_s", half_ns, DECIMALS);
	else
		json_put_null(json, "half_closed_s");
	json_put_count(json, "fin_retransmits", (uint64_t)client + server);
	json_put_count(json, "client_fin_retransmits", client);
	json_put_count(json, "server_fin_retransmits", server);
	json_put_text(json, "fin_intervals_of", any ? end_name(finding->fin_repeater) : NULL);
	json_open_array(json, "fin_intervals_ms");
	for (unsigned i = 0; i < finding->fin_interval_count && i < FINDING_INTERVALS; i++)
		json_put_count(json, NULL, finding->fin_interval_ms[i]);
	json_close_array(json);
	json_put_bool(json, "fin_intervals_cut", finding->fin_intervals_cut);
}

static void put_rst(struct json_writer *json, const struct finding *finding)
{
	const struct finding_rst *rst = &finding->rst;

	if (!rst->any) {
		json_put_null(json, "rst");
		return;
	}
	json_open_object(json, "rst");
	json_put_text(json, "from", end_name(rst->from));
	json_put_text(json, "cause", rst_cause_name(rst->cause));
	json_put_text(json, "confidence", finding_confidence_name(finding_rst_confidence(finding)));
	put_time(json, "at", rst->at_ns);
	json_put_bool(json, "ends", rst->ends);
	put_number_or_null(json, "ttl", rst->ttl_known, rst->ttl);
	put_number_or_null(json, "sender_ttl", rst->ttl_known, rst->sender_ttl);
	json_put_count(json, "count", rst->count);
	json_close_object(json);
}

static void put_ending(struct json_writer *json, const struct finding *finding)
{
	json_put_text(json, "closed_first", finding_who_name(finding->closed_first));
	json_put_text(json, "ending", finding_ending_name(finding->ending));
	put_state(json, finding, TRACK_CLIENT);
	put_state(json, finding, TRACK_SERVER);
	json_put_text(json, "time_wait_holder", finding_who_name(finding->time_wait_holder));
	put_fins(json, finding);
	put_rst(json, finding);
}

/* ---- the connections before and behind */

static void put_reuse(struct json_writer *json, const struct finding *finding)
{
	bool reuses = finding->reuses != 0;

	put_number_or_null(json, "reuses", reuses, finding->reuses);
	put_number_or_null(json, "reused_by", finding->reused_by != 0, finding->reused_by);
	put_time(json, "reused_after_s", reuses ? finding->reused_after_ns : FINDING_TIME_UNKNOWN);
	json_put_text(json, "reused_held_by",
		      reuses ? finding_who_name(finding->reused_held_by) : NULL);
	json_put_bool(json, "reused_in_time_wait", reuses && finding->reused_in_time_wait);
	json_put_bool(json, "newer_syn_ignored", finding->newer_syn_ignored);
}

/* ---- counts */

static void put_counts(struct json_writer *json, const struct finding *finding)
{
	const struct finding_end *client = &finding->end[TRACK_CLIENT];
	const struct finding_end *server = &finding->end[TRACK_SERVER];

	json_put_count(json, "client_packets", client->packets);
	json_put_count(json, "server_packets", server->packets);
	json_put_count(json, "client_bytes", client->bytes);
	json_put_count(json, "server_bytes", server->bytes);
	json_put_count(json, "client_retransmits", client->data_repeated);
	json_put_count(json, "server_retransmits", server->data_repeated);
	json_put_count(json, "client_keepalives", client->keepalives);
	json_put_count(json, "server_keepalives", server->keepalives);
	json_put_bool(json, "client_zero_window", client->zero_window);
	json_put_bool(json, "server_zero_window", server->zero_window);
	put_time(json, "first", finding->first_ns);
	put_time(json, "last", finding->last_ns);
	json_put_bool(json, "one_way", finding->one_way);
	json_put_bool(json, "evicted", finding->evicted);
}

static void put_words(struct json_writer *json, const struct finding *finding)
{
	enum finding_problem problem = finding_problem(finding);
	char text[FINDING_TEXT_MAX];

	if (problem == PROBLEM_NONE) {
		json_put_null(json, "problem");
		json_put_null(json, "advice");
	} else {
		json_put_text(json, "problem", finding_problem_name(problem));
		json_put_text(json, "advice", finding_advice(finding, text));
	}
	json_put_text(json, "sentence", finding_sentence(finding, text));
}

void explain_json_finding(struct json_writer *json, const struct finding *finding,
			  const struct explain_names *names)
{
	json_open_object(json, NULL);
	json_put_text(json, "schema", "contest.explain/1");
	json_put_count(json, "number", finding->number);
	put_ends(json, finding, names);
	put_opening(json, finding);
	put_ending(json, finding);
	put_options(json, finding);
	put_reuse(json, finding);
	put_counts(json, finding);
	put_words(json, finding);
	json_close_object(json);
	json_end_line(json);
}
