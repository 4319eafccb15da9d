#include "cmd/top_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/states_words.h"
#include "cmd/top_pick.h"
#include "render/screen.h"

/* Between two looks at all processes lies so many times what one takes. */
#define OWNERS_REST 4
/* Walks that begin anew, per namespace, before what there is has to do. */
#define WALKS_MAX 4

struct user_name {
	uint32_t uid;
	char name[TOP_LABEL];
};

struct top_walk {
	struct top_places *places;
	struct top_memory *memory;    /* (owned) */
	struct socket_groups *groups; /* (owned) */
	struct group_by by;	      /* of groups */
	struct owners *owners;	      /* (owned) */
	int64_t owners_due_ns;
	unsigned hidden;
	struct user_name user; /* the last that was looked up */
};

/* What a visit needs. */
struct visit {
	const struct top_question *question;
	struct socket_groups *groups;
	const struct owners *owners;
	const struct top_place *place;
	struct top_look *look;
	bool anew; /* what was counted before does not count */
};

struct top_walk *top_walk_new(struct top_places *places)
{
	struct top_walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return NULL;
	walk->places = places;
	walk->memory = top_memory_new();
	if (!walk->memory) {
		free(walk);
		return NULL;
	}
	return walk;
}

void top_walk_free(struct top_walk *walk)
{
	if (!walk)
		return;
	top_memory_free(walk->memory);
	socket_groups_free(walk->groups);
	owners_free(walk->owners);
	free(walk);
}

void top_walk_forget(struct top_walk *walk)
{
	top_memory_clear(walk->memory);
}

struct owner top_walk_owner(const struct top_walk *walk, uint32_t inode)
{
	struct owner owner = {.pid = 0};

	if (walk->owners)
		owners_find(walk->owners, inode, &owner);
	return owner;
}

/* ---- sockets are counted */

static int count_one(const struct socket_status *status, void *context)
{
	struct visit *visit = context;
	const struct top_question *question = visit->question;
	struct top_look *look = visit->look;
	struct owner found, *owner = NULL;

	if (atomic_load_explicit(question->stop, memory_order_relaxed))
		return -ECANCELED;
	if (visit->owners && owners_find(visit->owners, status->inode, &found))
		owner = &found;
	if ((unsigned)status->state < TCP_STATE_COUNT)
		look->states[status->state]++;
	look->fin_wait2_minisocks += status->minisock && status->state == TCP_FIN_WAIT2;
	if (question->group_chosen && group_by_matches(&question->group_by, &question->group,
						       status, owner, visit->place->netns)) {
		struct top_connection connection = {.status = *status,
						    .netns = visit->place->netns};

		if (owner)
			connection.owner = *owner;
		top_pick_add(&look->detail, &connection);
	}
	return socket_groups_add(visit->groups, status, owner, visit->place->netns);
}

static int count_sum(const struct socket_sum *sum, void *context)
{
	struct visit *visit = context;
	const struct socket_filter *filter = visit->question->filter;
	struct top_look *look = visit->look;

	if (filter && !socket_filter_matches(filter, &sum->like))
		return 0;
	if ((unsigned)sum->like.state < TCP_STATE_COUNT)
		look->states[sum->like.state] += sum->count;
	if (sum->like.state == TCP_FIN_WAIT2)
		look->fin_wait2_minisocks += sum->minisocks;
	return socket_groups_add_sum(visit->groups, sum, visit->place->netns);
}

static void count_anew(void *context)
{
	struct visit *visit = context;
	struct top_look *look = visit->look;

	visit->anew = true;
	socket_groups_clear(visit->groups);
	top_pick_clear(&look->detail);
	memset(look->states, 0, sizeof(look->states));
	look->fin_wait2_minisocks = 0;
}

/* Where nothing is asked of single sockets, and somebody can: the place's sums. -ENOTSUP. */
static int sum_place(const struct top_walk *walk, struct top_place *place, struct visit *visit,
		     struct socket_walk *course, struct why *why)
{
	const struct socket_filter *filter = visit->question->filter;
	int fields = socket_groups_fields(visit->groups);
	const struct socket_source *summing;

	if (fields < 0 || visit->owners || visit->question->group_chosen)
		return -ENOTSUP;
	if (filter)
		fields |= (int)socket_filter_fields(filter);
	summing = top_place_summing(walk->places, place);
	if (!summing)
		return -ENOTSUP;
	visit->look->source = summing->name;
	return summing->sum(place->sums, filter ? socket_filter_states(filter) : ~0U,
			    (unsigned)fields, count_sum, visit, course, why);
}

static int count_place(const struct top_walk *walk, struct top_place *place, struct visit *visit,
		       struct socket_walk *course, struct why *why)
{
	int r;

	visit->place = place;
	visit->anew = false;
	r = sum_place(walk, place, visit, course, why);
	if (r != -ENOTSUP)
		return r;
	visit->look->source = walk->places->source.source->name;
	return walk->places->source.source->walk(place->source, visit->question->filter, count_one,
						 count_anew, visit, course, why);
}

/* All namespaces. One that is begun anew takes the others' counts along: these are walked again,
 * until each has been since. */
static int count_all(const struct top_walk *walk, struct visit *visit, struct why *why)
{
	const struct top_places *places = walk->places;
	size_t done = 0;

	for (size_t i = 0; done < places->count; i++) {
		struct socket_walk course = {0};
		int r;

		r = count_place(walk, &places->at[i % places->count], visit, &course, why);
		if (r < 0)
			return r;
		visit->look->torn |= course.torn;
		done = visit->anew ? 1 : done + 1;
		if (i >= WALKS_MAX * places->count) {
			visit->look->torn = true;
			break;
		}
	}
	return 0;
}

/* ---- rows are made */

static const char *place_name(const void *context, uint64_t netns)
{
	const struct top_place *place = top_place_find(context, netns);

	return place ? place->name : "?";
}

/* A look-up of a name may ask the network; neighbours in the table are often of one user. */
static const char *user_label(struct top_walk *walk, const struct socket_group *group)
{
	if (walk->user.name[0] == '\0' || walk->user.uid != group->uid) {
		walk->user.uid = group->uid;
		states_user(group->uid, walk->user.name, sizeof(walk->user.name));
	}
	return walk->user.name;
}

static void label(struct top_walk *walk, const struct group_by *by, struct top_row *row)
{
	for (size_t i = 0; i < by->count; i++) {
		char text[STATES_KEY_MAX];
		const char *from = text;

		if (by->at[i] == GROUP_USER && row->group.uid != GROUP_NO_USER)
			from = user_label(walk, &row->group);
		else
			states_key_text(&row->group, by->at[i], place_name, walk->places, text);
		screen_escape(from, strlen(from), row->labels[i], sizeof(row->labels[i]));
	}
}

static int make_rows(struct top_walk *walk, struct top_look *look)
{
	CLEANUP_FREE struct socket_group *top = NULL;

	look->groups = socket_groups_count(walk->groups);
	look->sockets = socket_groups_sockets(walk->groups);
	top = socket_groups_top(walk->groups, TOP_ROWS, &look->row_count);
	look->rows = calloc(look->row_count + 1, sizeof(*look->rows));
	if (!top || !look->rows)
		return -ENOMEM;
	for (size_t i = 0; i < look->row_count; i++) {
		look->rows[i].group = top[i];
		label(walk, &look->by, &look->rows[i]);
	}
	return top_memory_recall(walk->memory, look);
}

/* ---- a look */

/* Anew, unless that took long and is not long ago. */
static int read_owners(struct top_walk *walk, struct why *why)
{
	int64_t now = clock_now_ns(), took;
	struct owners *owners;
	int r;

	if (walk->owners && now < walk->owners_due_ns)
		return 0;
	r = owners_read(OWNERS_BEST, &owners, &walk->hidden, why);
	if (r < 0)
		return r;
	owners_free(walk->owners);
	walk->owners = owners;
	took = clock_now_ns() - now;
	walk->owners_due_ns = now + OWNERS_REST * took;
	return 0;
}

static int prepare(struct top_walk *walk, const struct top_question *question,
		   struct top_look *look, struct why *why)
{
	int r = top_places_renew(walk->places, why);

	if (r == 0 && question->owners)
		r = read_owners(walk, why);
	if (r < 0)
		return r;
	if (walk->groups && group_by_equal(&walk->by, &question->by)) {
		socket_groups_clear(walk->groups);
	} else {
		socket_groups_free(walk->groups);
		walk->by = question->by;
		walk->groups = socket_groups_new(walk->by.at, walk->by.count);
	}
	look->by = question->by;
	look->detail.chosen = question->group_chosen;
	look->detail.by = question->group_by;
	look->detail.group = question->group;
	if (question->group_chosen)
		look->detail.connections = calloc(TOP_CONNECTIONS,
						  sizeof(*look->detail.connections));
	if (!walk->groups || (question->group_chosen && !look->detail.connections))
		return why_set(why, -ENOMEM, "cannot look");
	return 0;
}

static int look_at_all(struct top_walk *walk, const struct top_question *question,
		       struct top_look *look, struct why *why)
{
	struct visit visit = {.question = question, .look = look};
	int r = prepare(walk, question, look, why);

	if (r < 0)
		return r;
	visit.groups = walk->groups;
	visit.owners = question->owners ? walk->owners : NULL;
	r = count_all(walk, &visit, why);
	if (r == 0) {
		top_pick_end(&look->detail);
		r = make_rows(walk, look);
	}
	return r == -ENOMEM ? why_set(why, r, "cannot look") : r;
}

int top_walk_look(struct top_walk *walk, const struct top_question *question, struct top_look **ret,
		  struct why *why)
{
	struct top_look *look = calloc(1, sizeof(*look));
	int64_t start = clock_now_ns();
	int r;

	if (!look)
		return why_set(why, -ENOMEM, "cannot look");
	r = look_at_all(walk, question, look, why);
	if (r < 0) {
		top_look_free(look);
		return r;
	}
	look->at_ns = clock_now_ns();
	look->took_ns = look->at_ns - start;
	look->owners_known = question->owners;
	look->hidden = walk->hidden;
	look->namespaces = (unsigned)walk->places->count;
	look->refused = walk->places->refused;
	*ret = look;
	return 0;
}
