#include "cmd/top_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/states_words.h"
#include "cmd/top_pick.h"
#include "cmd/top_terminal.h"

#define INTERVAL_MIN_NS (NS_PER_S / 10)
#define INTERVAL_MAX_NS (3600 * NS_PER_S) /* as of --interval */

void top_model_done(struct top_model *model)
{
	top_look_free(model->look);
	free(model->order);
}

/* ---- order */

bool top_model_has_column(const struct top_model *model, unsigned column)
{
	if (column >= GROUP_KEYS_MAX)
		return column < TOP_COLUMN_END;
	return column < (model->look ? model->look->by.count : model->by.count);
}

const struct top_row *top_model_row(const struct top_model *model, size_t place)
{
	return &model->look->rows[model->order[place]];
}

static int compare_counts(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Counts from the largest, keys from the lowest. */
static int compare_column(const struct top_model *model, const struct top_row *a,
			  const struct top_row *b)
{
	switch (model->sort) {
	case TOP_COLUMN_COUNT:
		return compare_counts(b->group.count, a->group.count);
	case TOP_COLUMN_CHANGE:
		return (b->change > a->change) - (b->change < a->change);
	case TOP_COLUMN_TIMER:
		return compare_counts(b->group.timer_most_ms, a->group.timer_most_ms);
	default:
		if (model->sort >= model->look->by.count)
			return 0;
		return group_key_compare(model->look->by.at[model->sort], &a->group, &b->group);
	}
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct top_model *model = context;
	const size_t *first = a, *second = b;
	int order = compare_column(model, &model->look->rows[*first], &model->look->rows[*second]);

	if (model->reverse)
		order = -order;
	/* As they came: the largest first. */
	return order ? order : compare_counts(*first, *second);
}

/* Where the chosen group is now; where it is no more, the place stays. */
static void find_chosen(struct top_model *model)
{
	const struct top_look *look = model->look;

	if (!model->group_chosen)
		return;
	for (size_t i = 0; i < look->row_count; i++)
		if (group_by_compare(&look->by, &top_model_row(model, i)->group,
				     &model->chosen_group) == 0)
			model->groups.chosen = i;
}

static void choose_group(struct top_model *model, size_t place)
{
	if (!model->look || place >= model->look->row_count)
		return;
	model->groups.chosen = place;
	model->chosen_group = top_model_row(model, place)->group;
	model->group_chosen = true;
}

static void sort_rows(struct top_model *model)
{
	struct top_look *look = model->look;

	if (!look)
		return;
	for (size_t i = 0; i < look->row_count; i++)
		model->order[i] = i;
	qsort_r(model->order, look->row_count, sizeof(*model->order), compare_rows, model);
	find_chosen(model);
	if (look->row_count && model->groups.chosen >= look->row_count)
		model->groups.chosen = look->row_count - 1;
}

/* ---- news */

static void find_connection(struct top_model *model)
{
	const struct top_group *detail = &model->look->detail;
	struct top_list *list = &model->connections;

	for (size_t i = 0; model->connection_chosen && i < detail->connection_count; i++)
		if (top_connection_compare(&detail->connections[i], &model->chosen_connection) == 0)
			list->chosen = i;
	if (detail->connection_count && list->chosen >= detail->connection_count)
		list->chosen = detail->connection_count - 1;
}

static void take_look(struct top_model *model, struct top_look *look)
{
	size_t *order;

	memcpy(model->error, look->error, sizeof(model->error));
	if (look->error[0]) {
		top_look_free(look);
		return;
	}
	order = calloc(look->row_count + 1, sizeof(*order));
	if (!order) {
		top_look_free(look);
		return;
	}
	/* Other columns: sorted by count. */
	if (!model->look || !group_by_equal(&model->look->by, &look->by)) {
		if (model->sort < GROUP_KEYS_MAX) {
			model->sort = TOP_COLUMN_COUNT;
			model->reverse = false;
		}
		model->group_chosen = false;
		model->groups = (struct top_list){0, 0};
	}
	top_look_free(model->look);
	free(model->order);
	model->look = look;
	model->order = order;
	sort_rows(model);
	find_connection(model);
}

void top_model_news(struct top_model *model)
{
	struct top_look *look = top_walker_take(model->walker);

	if (look)
		take_look(model, look);
	if (model->view == VIEW_CONNECTION)
		top_walker_trail(model->walker, &model->trail);
}

/* ---- typing */

static void complain(struct top_model *model, const struct why *why, size_t at)
{
	memcpy(model->complaint, why->text, sizeof(model->complaint));
	model->complaint_at = at;
}

static void try_filter(struct top_model *model)
{
	struct socket_filter *filter = NULL;
	size_t at = model->edit.length;
	struct why why = {""};
	int r = socket_filter_parse(model->edit.text, &filter, &at, &why);

	if (r < 0) {
		if (!why.text[0])
			why_set(&why, r, "cannot take this filter");
		complain(model, &why, at);
		return;
	}
	model->complaint[0] = '\0';
	if (strcmp(model->filter, model->edit.text) == 0) {
		socket_filter_free(filter);
		return;
	}
	memcpy(model->filter, model->edit.text, sizeof(model->filter));
	top_walker_filter(model->walker, filter);
}

static void set_by(struct top_model *model, const struct group_by *by)
{
	if (group_by_equal(&model->by, by))
		return;
	model->by = *by;
	top_walker_owners(model->walker, model->processes || group_by_has(by, GROUP_PROCESS));
	top_walker_by(model->walker, by);
}

static void try_by(struct top_model *model)
{
	struct group_by by;
	struct why why = {""};
	size_t at = 0;

	if (group_by_parse(model->edit.text, &by, &at, &why) < 0) {
		complain(model, &why, at);
		return;
	}
	model->complaint[0] = '\0';
	set_by(model, &by);
}

static void try_typed(struct top_model *model)
{
	if (model->typing == TYPING_FILTER)
		try_filter(model);
	else
		try_by(model);
}

static void begin_typing(struct top_model *model, enum top_typing what)
{
	char by[GROUP_BY_TEXT_MAX];

	model->typing = what;
	top_edit_set(&model->edit,
		     what == TYPING_FILTER ? model->filter : group_by_format(&model->by, by));
	memcpy(model->before, model->edit.text, sizeof(model->before));
	model->complaint[0] = '\0';
}

static void end_typing(struct top_model *model, bool keep)
{
	/* A wrong one cannot be kept: it stays on the screen, and what is wrong with it. */
	if (keep && model->complaint[0])
		return;
	if (!keep) {
		top_edit_set(&model->edit, model->before);
		try_typed(model);
	}
	model->typing = TYPING_NOTHING;
}

#define CONTROL(letter) ((letter)&0x1f)

static void typing_key(struct top_model *model, unsigned key)
{
	static const struct {
		unsigned key;
		enum top_edit_move move;
	} moves[] = {
		{TOP_KEY_LEFT, EDIT_LEFT}, {TOP_KEY_RIGHT, EDIT_RIGHT}, {TOP_KEY_HOME, EDIT_HOME},
		{TOP_KEY_END, EDIT_END},   {CONTROL('a'), EDIT_HOME},	{CONTROL('e'), EDIT_END},
		{CONTROL('b'), EDIT_LEFT}, {CONTROL('f'), EDIT_RIGHT},
	};
	static const struct {
		unsigned key;
		enum top_edit_cut cut;
	} cuts[] = {
		{TOP_KEY_BACKSPACE, EDIT_BEFORE}, {TOP_KEY_DELETE, EDIT_AFTER},
		{CONTROL('d'), EDIT_AFTER},	  {CONTROL('w'), EDIT_WORD},
		{CONTROL('u'), EDIT_TO_HOME},	  {CONTROL('k'), EDIT_TO_END},
	};
	bool changed = false;

	if (key == TOP_KEY_ENTER || key == TOP_KEY_ESCAPE) {
		end_typing(model, key == TOP_KEY_ENTER);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].key == key)
			top_edit_move(&model->edit, moves[i].move);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++)
		if (cuts[i].key == key)
			changed |= top_edit_cut(&model->edit, cuts[i].cut);
	if (key >= ' ' && key < TOP_KEY_UP)
		changed |= top_edit_insert(&model->edit, key);
	if (changed)
		try_typed(model);
}

/* ---- lists */

void top_list_scroll(struct top_list *list, size_t count, size_t room)
{
	if (room == 0)
		return;
	if (list->chosen < list->first)
		list->first = list->chosen;
	if (list->chosen >= list->first + room)
		list->first = list->chosen - room + 1;
	/* No empty place at the end while there are rows above. */
	if (list->first + room > count)
		list->first = count > room ? count - room : 0;
}

/* Where a key leads to in a list of @count; false: it is none that moves. */
static bool list_move(unsigned key, size_t at, size_t count, size_t page, size_t *ret)
{
	size_t last = count ? count - 1 : 0;

	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		*ret = at ? at - 1 : 0;
		return true;
	case TOP_KEY_DOWN:
	case 'j':
		*ret = at < last ? at + 1 : last;
		return true;
	case TOP_KEY_PAGE_UP:
		*ret = at > page ? at - page : 0;
		return true;
	case TOP_KEY_PAGE_DOWN:
		*ret = at + page < last ? at + page : last;
		return true;
	case TOP_KEY_HOME:
		*ret = 0;
		return true;
	case TOP_KEY_END:
		*ret = last;
		return true;
	default:
		return false;
	}
}

static void choose_connection(struct top_model *model, size_t place)
{
	const struct top_group *detail = &model->look->detail;

	if (place >= detail->connection_count)
		return;
	model->connections.chosen = place;
	model->chosen_connection = detail->connections[place];
	model->connection_chosen = true;
}

static bool move_key(struct top_model *model, unsigned key)
{
	size_t place;

	if (!model->look)
		return false;
	if (model->view == VIEW_GROUPS) {
		if (!list_move(key, model->groups.chosen, model->look->row_count, model->page,
			       &place))
			return false;
		choose_group(model, place);
		return true;
	}
	if (model->view != VIEW_GROUP ||
	    !list_move(key, model->connections.chosen, model->look->detail.connection_count,
		       model->page, &place))
		return false;
	choose_connection(model, place);
	return true;
}

/* ---- from view to view */

static void title_group(struct top_model *model, const struct top_row *row)
{
	const struct group_by *by = &model->look->by;
	char *at = model->detail_title;

	for (size_t i = 0; i < by->count; i++)
		at += sprintf(at, "%s%s %s", i ? ", " : "", group_key_name(by->at[i]),
			      row->labels[i]);
}

static void deeper(struct top_model *model)
{
	const struct top_look *look = model->look;

	if (!look)
		return;
	if (model->view == VIEW_GROUPS && model->groups.chosen < look->row_count) {
		choose_group(model, model->groups.chosen);
		title_group(model, top_model_row(model, model->groups.chosen));
		model->detail_by = look->by;
		model->connections = (struct top_list){0, 0};
		model->connection_chosen = false;
		model->view = VIEW_GROUP;
		/* Whose its sockets are is asked for one group, too. */
		top_walker_owners(model->walker, true);
		top_walker_group(model->walker, &look->by, &model->chosen_group);
	} else if (model->view == VIEW_GROUP &&
		   model->connections.chosen < look->detail.connection_count) {
		choose_connection(model, model->connections.chosen);
		model->view = VIEW_CONNECTION;
		top_walker_follow(model->walker, &model->chosen_connection);
		top_walker_trail(model->walker, &model->trail);
	}
}

static void back(struct top_model *model)
{
	if (model->view == VIEW_CONNECTION) {
		top_walker_follow(model->walker, NULL);
		model->view = VIEW_GROUP;
	} else if (model->view == VIEW_GROUP) {
		top_walker_group(model->walker, NULL, NULL);
		top_walker_owners(model->walker,
				  model->processes || group_by_has(&model->by, GROUP_PROCESS));
		model->view = VIEW_GROUPS;
	}
}

/* ---- other keys */

static void sort_by(struct top_model *model, unsigned column)
{
	if (!top_model_has_column(model, column))
		return;
	/* Chosen once more: the other way round. */
	model->reverse = model->sort == column && !model->reverse;
	model->sort = column;
	sort_rows(model);
}

static void sort_beside(struct top_model *model, int step)
{
	unsigned column = model->sort;

	do {
		column = (column + TOP_COLUMN_END + (unsigned)step) % TOP_COLUMN_END;
	} while (!top_model_has_column(model, column));
	model->reverse = false;
	model->sort = column;
	sort_rows(model);
}

static void pace(struct top_model *model, int64_t interval_ns, bool paused)
{
	if (interval_ns < INTERVAL_MIN_NS)
		interval_ns = INTERVAL_MIN_NS;
	if (interval_ns > INTERVAL_MAX_NS)
		interval_ns = INTERVAL_MAX_NS;
	model->interval_ns = interval_ns;
	model->paused = paused;
	top_walker_pace(model->walker, interval_ns, paused);
}

static void help_key(struct top_model *model, unsigned key)
{
	if (key == TOP_KEY_DOWN || key == 'j')
		model->help_first++;
	else if (key == TOP_KEY_UP || key == 'k')
		model->help_first -= model->help_first > 0;
	else
		model->help = false;
}

static void groups_key(struct top_model *model, unsigned key)
{
	struct group_by by;

	switch (key) {
	case TOP_KEY_TAB:
	case TOP_KEY_BACK_TAB:
		by = group_by_next(&model->by, key == TOP_KEY_TAB ? 1 : -1);
		set_by(model, &by);
		break;
	case 'b':
		begin_typing(model, TYPING_BY);
		break;
	case '<':
		sort_beside(model, -1);
		break;
	case '>':
		sort_beside(model, 1);
		break;
	case 'r':
		model->reverse = !model->reverse;
		sort_rows(model);
		break;
	case 'c':
		sort_by(model, TOP_COLUMN_COUNT);
		break;
	case 'd':
		sort_by(model, TOP_COLUMN_CHANGE);
		break;
	case 't':
		sort_by(model, TOP_COLUMN_TIMER);
		break;
	default:
		if (key >= '1' && key < '1' + GROUP_KEYS_MAX)
			sort_by(model, key - '1');
		break;
	}
}

void top_model_key(struct top_model *model, unsigned key)
{
	if (model->help) {
		help_key(model, key);
		return;
	}
	if (model->typing) {
		typing_key(model, key);
		return;
	}
	if (move_key(model, key))
		return;
	switch (key) {
	case 'q':
		model->ended = true;
		break;
	case '?':
	case 'h':
	case TOP_KEY_HELP:
		model->help = true;
		model->help_first = 0;
		break;
	case '/':
		begin_typing(model, TYPING_FILTER);
		break;
	case TOP_KEY_ENTER:
	case TOP_KEY_RIGHT:
	case 'l':
		deeper(model);
		break;
	case TOP_KEY_ESCAPE:
	case TOP_KEY_BACKSPACE:
	case TOP_KEY_LEFT:
		back(model);
		break;
	case ' ':
		pace(model, model->interval_ns, !model->paused);
		break;
	case '+':
		pace(model, model->interval_ns * 2, model->paused);
		break;
	case '-':
		pace(model, model->interval_ns / 2, model->paused);
		break;
	default:
		if (model->view == VIEW_GROUPS)
			groups_key(model, key);
		break;
	}
}
