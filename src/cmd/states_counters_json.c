/* contest states --counters --json: the counters as the kernel names them, and what they measure
 * by. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/states_counters.h"
#include "render/json.h"

/* "Tcp.CurrEstab", "TcpExt.TW", "sockstat.TCP.tw", "sockstat.TCP6.inuse". */
static bool is_of_tcp(const char *name)
{
	static const char *const leads[] = {"Tcp.", "TcpExt.", "sockstat.TCP.", "sockstat.TCP6."};

	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (strncmp(name, leads[i], strlen(leads[i])) == 0)
			return true;
	return false;
}

static void put_counters(struct json_writer *json, const struct counters *counters)
{
	json_open_object(json, "counters");
	for (size_t i = 0; i < counters->count; i++)
		if (is_of_tcp(counters->items[i].name))
			json_put_number(json, counters->items[i].name, counters->items[i].value);
	json_close_object(json);
}

static void put_limit(struct json_writer *json, const char *name, const struct counter_limit *limit)
{
	if (limit->count == 1) {
		json_put_number(json, name, limit->values[0]);
		return;
	}
	json_open_array(json, name);
	for (unsigned i = 0; i < limit->count; i++)
		json_put_number(json, NULL, limit->values[i]);
	json_close_array(json);
}

static void put_limits(struct json_writer *json, const struct counter_limit *limits)
{
	json_open_object(json, "limits");
	for (int i = 0; i < LIMIT_COUNT; i++)
		if (limits[i].count)
			put_limit(json, counter_limit_name((enum counter_limit_name)i), &limits[i]);
	json_close_object(json);
}

static void put_machine_wide(struct json_writer *json, const struct counters *counters)
{
	json_open_array(json, "machine_wide");
	for (size_t i = 0; i < counters->count; i++)
		if (is_of_tcp(counters->items[i].name) &&
		    counter_is_machine_wide(counters->items[i].name))
			json_put_text(json, NULL, counters->items[i].name);
	json_close_array(json);
}

void states_counters_json(FILE *out, const struct states_counters *look)
{
	struct json_writer json = JSON_WRITER(out);

	for (size_t i = 0; i < look->net_count; i++) {
		const struct states_counters_net *net = &look->nets[i];

		json_open_object(&json, NULL);
		json_put_text(&json, "schema", "contest.states/1");
		json_put_seconds(&json, "time", look->at_ns + clock_epoch_offset_ns(), 3);
		json_put_text(&json, "netns", net->label);
		json_put_count(&json, "inode", net->inode);
		put_counters(&json, &net->counters);
		put_machine_wide(&json, &net->counters);
		put_limits(&json, net->limits);
		json_put_number(&json, "page_bytes", sysconf(_SC_PAGESIZE));
		json_put_count(&json, "namespaces_closed", look->closed);
		json_close_object(&json);
		json_end_line(&json);
	}
}
