#include "lab/arm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "capture/packet.h"
#include "lab/stage_private.h"

/* All members of an entry of arms[], for an arm of which nothing is known yet. */
static json_t *arm_json(const struct arm *arm)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:n, s:f, s:n, s:{}, s:[], s:{}, s:[], s:i, s:i}",
			 "name", arm->name, "role",
			 arm->role == ARM_CONTROL ? "control" : "treatment", "what", arm->what,
			 "outcome", "done", "reason", "seconds", 0.0, "link", "measured", "sockets",
			 "counters", "exchanges", "packets", 0, "packets_left_out", 0);
}

static void set_outcome(json_t *json, const char *outcome, const char *reason)
{
	json_object_set_new(json, "outcome", json_string(outcome));
	json_object_set_new(json, "reason", json_string(reason));
}

json_t *arm_failed_json(const struct arm *arm, const char *reason)
{
	json_t *json = arm_json(arm);

	set_outcome(json, "error", reason);
	return json;
}

static int send_line(int fd, json_t *arm)
{
	json_t *event = json_pack("{s:s, s:O}", "event", "arm", "arm", arm);
	char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	int r = -ENOMEM;

	if (text)
		r = fd_write_all(fd, text, strlen(text));
	if (r == 0)
		r = fd_write_all(fd, "\n", 1);
	free(text);
	json_decref(event);
	return r;
}

static int send_packets(struct stage *stage, int fd)
{
	struct packet_list list;
	int r;

	packet_list_init(&list);
	r = stage_packets(stage, &list);
	if (r >= 0)
		r = packet_list_send(&list, fd);
	packet_list_done(&list);
	return r;
}

/* The outcome of a play that returned @r, and of the wire's audit. */
static void judge_play(struct stage *stage, int r, json_t *json)
{
	if (r >= 0 && stage->wire)
		r = wire_audit(stage->wire, &stage->why);
	if (r >= 0)
		return;
	set_outcome(json, r == -ENOTSUP ? "not testable here" : "error",
		    stage->why.text[0] ? stage->why.text : strerror(-r));
}

int arm_play(const struct experiment *experiment, const struct arm *arm,
	     const struct play_options *options, int report_fd, int packets_fd)
{
	struct stage_private private;
	struct stage stage;
	json_t *json = arm_json(arm);
	int r;

	stage_init(&stage, &private, experiment, arm, options, report_fd);
	r = arm->play(&stage);
	stage_settle(&stage);
	judge_play(&stage, r, json);
	json_object_set(json, "measured", private.measured);
	json_object_set_new(json, "seconds",
			    json_real(clock_seconds(clock_now_ns() - private.started_ns)));
	r = stage_report(&stage, json);
	if (r >= 0 && stage.world)
		r = send_packets(&stage, packets_fd);
	if (r >= 0)
		r = send_line(report_fd, json);
	json_decref(json);
	stage_done(&stage);
	return r < 0 ? r : 0;
}
