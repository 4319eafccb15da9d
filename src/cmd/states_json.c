#include "cmd/states_json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/states_groups.h"
#include "cmd/states_words.h"
#include "render/json.h"

struct states_json {
	const struct states_look *look;
	struct json_writer writer;
	bool listed;
};

/* ---- groups */

static void put_owner(struct json_writer *json, const char *key, const struct owner *owner)
{
	if (!owner || owner->pid == 0) {
		json_put_null(json, key);
		return;
	}
	json_open_object(json, key);
	json_put_text(json, "name", owner->name);
	json_put_number(json, "pid", owner->pid);
	json_close_object(json);
}

/* Numbers and objects; all else is text. */
static void put_key(struct json_writer *json, const struct states_look *look,
		    const struct socket_group *group, enum group_key key)
{
	const char *name = group_key_name(key);
	char text[STATES_KEY_MAX];

	switch (key) {
	case GROUP_PEER_PORT:
		json_put_count(json, name, group->peer.port);
		break;
	case GROUP_LOCAL_PORT:
		json_put_count(json, name, group->local.port);
		break;
	case GROUP_PROCESS:
		put_owner(json, name, &group->owner);
		break;
	case GROUP_USER:
		if (group->uid == GROUP_NO_USER)
			json_put_null(json, name);
		else
			json_put_text(json, name, states_user(group->uid, text, sizeof(text)));
		break;
	default:
		json_put_text(json, name,
			      states_key_text(group, key, states_look_net_name, look, text));
	}
}

static void put_group(struct json_writer *json, const struct states_look *look,
		      const struct socket_group *group, bool changes)
{
	const struct states_options *options = look->options;

	json_open_object(json, NULL);
	json_open_object(json, "keys");
	for (size_t i = 0; i < options->by.count; i++)
		put_key(json, look, group, options->by.at[i]);
	json_close_object(json);
	json_put_count(json, "count", group->count);
	json_put_count(json, "minisocks", group->minisocks);
	json_put_count(json, "timers", group->timers);
	if (group->timers) {
		json_put_count(json, "timer_least_ms", group->timer_least_ms);
		json_put_count(json, "timer_most_ms", group->timer_most_ms);
	}
	if (changes) {
		json_put_count(json, "born", group->born);
		json_put_count(json, "gone", group->gone);
	}
	json_close_object(json);
}

static void put_groups(struct json_writer *json, const struct states_look *look,
		       const struct socket_group *groups, size_t count, bool changes)
{
	json_open_array(json, "groups");
	for (size_t i = 0; i < count; i++)
		put_group(json, look, &groups[i], changes);
	json_close_array(json);
}

/* ---- the rest of a look */

static void put_states(struct json_writer *json, const struct states_look *look)
{
	json_put_count(json, "total", look->total);
	json_open_object(json, "states");
	for (size_t i = 0; states_order[i] >= 0; i++)
		json_put_count(json, states_name(states_order[i]),
			       look->states[states_order[i]].count);
	json_close_object(json);
	json_put_count(json, "fin_wait2_minisocks", states_look_fin_wait2_minisocks(look));
}

/* When the first and the last will go, of those whose timer runs. */
static void put_timers(struct json_writer *json, const struct states_look *look)
{
	json_open_object(json, "timers");
	for (size_t i = 0; states_order[i] >= 0; i++) {
		const struct states_tally *tally = &look->states[states_order[i]];

		if (!tally->timers)
			continue;
		json_open_object(json, states_name(states_order[i]));
		json_put_count(json, "count", tally->timers);
		json_put_count(json, "least_ms", tally->least_ms);
		json_put_count(json, "most_ms", tally->most_ms);
		json_close_object(json);
	}
	json_close_object(json);
}

static const struct states_net *net_of(const struct states_look *look, uint64_t inode)
{
	for (size_t i = 0; i < look->net_count; i++)
		if (look->nets[i].inode == inode)
			return &look->nets[i];
	return NULL;
}

static void put_port(struct json_writer *json, const struct states_look *look,
		     const struct socket_group *group)
{
	const struct states_net *net = net_of(look, group->netns);
	char text[TCP_ENDPOINT_TEXT_MAX];

	json_open_object(json, NULL);
	json_put_text(json, "netns", net ? net->label : NULL);
	json_put_text(json, "local", tcp_address_format(&group->local.address, text));
	json_put_text(json, "destination", tcp_endpoint_format(&group->peer, text));
	json_put_count(json, "used", group->count);
	json_put_count(json, "available", net ? net->ports_available : 0);
	json_put_count(json, "minisocks", group->minisocks);
	json_close_object(json);
}

static int put_ports(struct json_writer *json, const struct states_look *look)
{
	CLEANUP_FREE struct socket_group *top = NULL;
	size_t count = 0;

	if (!look->ports)
		return 0;
	top = socket_groups_top(look->ports, look->options->list ? 0 : look->options->top, &count);
	if (!top)
		return -ENOMEM;
	json_open_array(json, "ports");
	for (size_t i = 0; i < count; i++)
		put_port(json, look, &top[i]);
	json_close_array(json);
	return 0;
}

static void put_nets(struct json_writer *json, const struct states_look *look)
{
	json_open_array(json, "namespaces");
	for (size_t i = 0; i < look->net_count; i++) {
		const struct states_net *net = &look->nets[i];

		json_open_object(json, NULL);
		json_put_text(json, "netns", net->label);
		json_put_count(json, "inode", net->inode);
		json_put_count(json, "sockets", net->sockets);
		if (net->first_port) {
			json_put_count(json, "first_port", net->first_port);
			json_put_count(json, "last_port", net->last_port);
		}
		json_close_object(json);
	}
	json_close_array(json);
	json_put_count(json, "namespaces_closed", look->closed);
}

static void put_head(struct json_writer *json, const struct states_look *look)
{
	json_open_object(json, NULL);
	json_put_text(json, "schema", "contest.states/1");
	json_put_text(json, "filter", look->options->text);
	json_put_text(json, "source", look->options->source.source->name);
}

static int put_rest(struct json_writer *json, const struct states_look *look)
{
	int r;

	/* A thousandth of a second is fine enough. */
	json_put_seconds(json, "time", look->at_ns + clock_epoch_offset_ns(), 3);
	put_states(json, look);
	put_timers(json, look);
	r = put_ports(json, look);
	put_nets(json, look);
	if (look->owners)
		json_put_count(json, "processes_hidden", look->hidden);
	json_put_count(json, "repeated", look->repeated);
	json_put_bool(json, "torn", look->torn);
	return r;
}

static int put_chosen_groups(struct json_writer *json, const struct states_look *look)
{
	CLEANUP_FREE struct socket_group *groups = NULL;
	size_t count = 0;

	if (look->groups) {
		groups = states_groups_take(look, &count);
		if (!groups)
			return -ENOMEM;
	}
	put_groups(json, look, groups, count, false);
	return 0;
}

int states_json_print(const struct states_look *look)
{
	struct states_json *json = states_json_begin(look);

	return json ? states_json_end(json, look, 0) : -ENOMEM;
}

/* ---- with sockets */

struct states_json *states_json_begin(const struct states_look *look)
{
	struct states_json *json = calloc(1, sizeof(*json));

	if (!json)
		return NULL;
	json->look = look;
	json->writer.out = stdout;
	json->listed = look->options->list;
	put_head(&json->writer, look);
	if (json->listed)
		json_open_array(&json->writer, "sockets");
	return json;
}

static void put_socket_owner(struct json_writer *json, const struct owner *owner)
{
	if (!owner) {
		json_put_null(json, "process");
		return;
	}
	json_open_object(json, "process");
	json_put_text(json, "name", owner->name);
	json_put_number(json, "pid", owner->pid);
	json_put_number(json, "fd", owner->fd);
	json_put_count(json, "more", owner->more);
	json_close_object(json);
}

void states_json_socket(struct states_json *json, const struct socket_status *status,
			const struct owner *owner, const struct states_net *net)
{
	struct json_writer *writer = &json->writer;
	char text[TCP_ENDPOINT_TEXT_MAX];

	json_open_object(writer, NULL);
	json_put_text(writer, "state", states_name(status->state));
	json_put_count(writer, "recv_q", status->receive_queue);
	json_put_count(writer, "send_q", status->send_queue);
	json_put_text(writer, "local", tcp_endpoint_format(&status->key.local, text));
	json_put_text(writer, "peer", tcp_endpoint_format(&status->key.remote, text));
	if (status->timer != SOCKET_TIMER_OFF) {
		json_put_text(writer, "timer", socket_timer_name(status->timer));
		json_put_count(writer, "timer_left_ms", status->timer_left_ms);
		json_put_count(writer, "retransmits", status->retransmits);
	}
	if (status->state == TCP_TIME_WAIT)
		json_put_count(writer, "age_ms", states_time_wait_age_ms(status->timer_left_ms));
	json_put_bool(writer, "minisock", status->minisock);
	json_put_count(writer, "inode", status->inode);
	json_put_count(writer, "uid", status->uid);
	if (json->look->owners)
		put_socket_owner(writer, owner);
	if (net && json->look->options->netns)
		json_put_text(writer, "netns", net->label);
	json_close_object(writer);
}

int states_json_end(struct states_json *json, const struct states_look *look, size_t failed)
{
	struct json_writer *writer = &json->writer;
	int r;

	if (json->listed) {
		json_close_array(writer);
		json_put_count(writer, "sockets_void", failed);
	}
	r = put_rest(writer, look);
	if (r == 0)
		r = put_chosen_groups(writer, look);
	json_close_object(writer);
	json_end_line(writer);
	free(json);
	return r;
}

void states_json_drop(struct states_json *json)
{
	free(json);
}

int states_json_watch(FILE *out, const struct states_look *look, double seconds,
		      const struct socket_group *groups, size_t count)
{
	struct json_writer writer = JSON_WRITER(out);
	int r;

	put_head(&writer, look);
	if (seconds > 0)
		json_put_seconds(&writer, "seconds", llround(seconds * 1e9), 6);
	r = put_rest(&writer, look);
	put_groups(&writer, look, groups, count, seconds > 0);
	json_close_object(&writer);
	json_end_line(&writer);
	return r;
}
