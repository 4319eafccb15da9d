#include "lab/exchange_json.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tcp/state.h"

static const char *const fate_names[] = {
	[EXCHANGE_DELIVERED] = "delivered", [EXCHANGE_DROPPED] = "dropped",
	[EXCHANGE_HELD] = "held",	    [EXCHANGE_ARRIVAL] = "arrival",
	[EXCHANGE_STUCK] = "stuck",
};

static json_t *state_json(int state)
{
	return state < 0 ? json_null() : json_string(tcp_state_name(state));
}

static json_t *seconds_json(int64_t ns)
{
	return json_real(round(clock_seconds(ns) * 1e6) / 1e6);
}

static json_t *row_to_json(const struct exchange_row *row)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:s?, s:I, s:o, s:I, s:s?, s:s?, s:o, s:o}", "t_s",
			 seconds_json(row->time_ns), "delivered_s", seconds_json(row->delivered_ns),
			 "from", row->from_right ? "right" : "left", "fate", fate_names[row->fate],
			 "flags", row->flags ? row->flags : "", "seq", (json_int_t)row->seq, "ack",
			 row->has_ack ? json_integer(row->ack) : json_null(), "length",
			 (json_int_t)row->length, "options", row->options, "note", row->note,
			 "left_state", state_json(row->left_state), "right_state",
			 state_json(row->right_state));
}

json_t *exchange_to_json(const struct exchange *exchange)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < exchange->count; i++)
		json_array_append_new(rows, row_to_json(&exchange->rows[i]));
	return json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:I, s:I, s:o}", "title", exchange->title,
			 "left", exchange->left, "right", exchange->right, "left_address",
			 exchange->left_address, "right_address", exchange->right_address,
			 "left_out", (json_int_t)exchange->left_out, "left_out_before",
			 (json_int_t)exchange->left_out_before, "rows", rows);
}

/* A copy of a member's text; NULL when it is none. Sets *failed when memory is short. */
static char *text_of(const json_t *json, const char *name, int *failed)
{
	const char *text = json_string_value(json_object_get(json, name));
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		*failed = 1;
	return copy;
}

static int state_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	if (!text)
		return -1;
	if (strcmp(text, tcp_state_name(TCP_STATE_NONE)) == 0)
		return TCP_STATE_NONE;
	return tcp_state_parse(text);
}

static int64_t ns_of(const json_t *json, const char *name)
{
	double seconds = json_number_value(json_object_get(json, name));

	if (!(fabs(seconds) < 1e9))
		return 0;
	return (int64_t)(seconds * NS_PER_S);
}

static uint32_t u32_of(const json_t *json, const char *name)
{
	return (uint32_t)json_integer_value(json_object_get(json, name));
}

static enum exchange_fate fate_of(const json_t *json)
{
	const char *text = json_string_value(json_object_get(json, "fate"));

	for (int i = 0; text && i < EXCHANGE_FATE_COUNT; i++)
		if (strcmp(text, fate_names[i]) == 0)
			return i;
	return EXCHANGE_DELIVERED;
}

static int row_from_json(struct exchange *exchange, const json_t *json)
{
	struct exchange_row *row = exchange_add(exchange);
	const char *from = json_string_value(json_object_get(json, "from"));
	int failed = 0;

	if (!row)
		return -ENOMEM;
	if (!from)
		return -EPROTO;
	row->time_ns = ns_of(json, "t_s");
	row->delivered_ns = ns_of(json, "delivered_s");
	row->from_right = strcmp(from, "right") == 0;
	row->fate = fate_of(json);
	row->flags = text_of(json, "flags", &failed);
	row->seq = u32_of(json, "seq");
	row->ack = u32_of(json, "ack");
	row->has_ack = json_is_integer(json_object_get(json, "ack"));
	row->length = u32_of(json, "length");
	row->options = text_of(json, "options", &failed);
	row->note = text_of(json, "note", &failed);
	row->left_state = state_of(json, "left_state");
	row->right_state = state_of(json, "right_state");
	return failed ? -ENOMEM : 0;
}

int exchange_from_json(const json_t *json, struct exchange **ret)
{
	const json_t *rows = json_object_get(json, "rows");
	struct exchange *exchange;
	const json_t *row;
	size_t i;
	int failed = 0, r = 0;

	if (!json_is_array(rows))
		return -EPROTO;
	exchange = exchange_new();
	if (!exchange)
		return -ENOMEM;
	exchange->title = text_of(json, "title", &failed);
	exchange->left = text_of(json, "left", &failed);
	exchange->right = text_of(json, "right", &failed);
	exchange->left_address = text_of(json, "left_address", &failed);
	exchange->right_address = text_of(json, "right_address", &failed);
	exchange->left_out = (size_t)json_integer_value(json_object_get(json, "left_out"));
	exchange->left_out_before =
		(size_t)json_integer_value(json_object_get(json, "left_out_before"));
	json_array_foreach (rows, i, row) {
		r = row_from_json(exchange, row);
		if (r < 0)
			break;
	}
	if (r < 0 || failed) {
		exchange_free(exchange);
		return r < 0 ? r : -ENOMEM;
	}
	*ret = exchange;
	return 0;
}
