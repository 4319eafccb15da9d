/* What the screen of `contest top` shows and what its keys change: all but the drawing. */
#ifndef CONTEST_CMD_TOP_MODEL_H
#define CONTEST_CMD_TOP_MODEL_H

#include "cmd/top_edit.h"
#include "cmd/top_look.h"
#include "cmd/top_trail.h"
#include "cmd/top_walker.h"

enum top_view { VIEW_GROUPS, VIEW_GROUP, VIEW_CONNECTION };
enum top_typing { TYPING_NOTHING, TYPING_FILTER, TYPING_BY };

/* Columns of the table of groups: below GROUP_KEYS_MAX the keys. */
enum top_column {
	TOP_COLUMN_COUNT = GROUP_KEYS_MAX,
	TOP_COLUMN_CHANGE,
	TOP_COLUMN_TIMER,
	TOP_COLUMN_END,
};

/* A list with a place that is chosen, of which some rows are shown. */
struct top_list {
	size_t chosen, first; /* row, and the first one that is shown */
};

struct top_model {
	struct top_walker *walker; /* (borrowed) */
	const char *source;	   /* its name */
	bool ended;

	struct top_look *look; /* (owned) the last one that told sockets; NULL: none yet */
	char error[512];       /* of the last one; "": none */
	size_t *order;	       /* (owned) rows of look, sorted */
	unsigned sort;	       /* enum top_column */
	bool reverse;
	struct group_by by; /* wanted; the look's may still be older */
	int64_t interval_ns;
	bool paused, processes;

	enum top_view view;
	bool help;
	size_t help_first;
	struct top_list groups, connections;
	struct socket_group chosen_group; /* stays chosen wherever it goes */
	bool group_chosen;
	struct top_connection chosen_connection;
	bool connection_chosen;
	struct group_by detail_by; /* of the group that is looked into */
	char detail_title[GROUP_KEYS_MAX * (TOP_LABEL + 16)];
	struct top_trail trail;

	enum top_typing typing;
	struct top_edit edit;
	char before[TOP_EDIT_MAX]; /* what was in force when typing began */
	char filter[TOP_EDIT_MAX]; /* in force */
	char complaint[512];	   /* about what is typed; "": it is in force */
	size_t complaint_at;	   /* byte of edit.text */
	size_t page;		   /* rows that the drawing has shown last */
};

void top_model_done(struct top_model *model);

/* The walker has something new: takes looks and the trail. */
void top_model_news(struct top_model *model);
/* A key: a character, or enum top_key. */
void top_model_key(struct top_model *model, unsigned key);

/* The row of the table at that place. */
const struct top_row *top_model_row(const struct top_model *model, size_t place);
/* Scrolls so that the chosen row is among the @room that are shown of @count. */
void top_list_scroll(struct top_list *list, size_t count, size_t room);
/* Whether the table has a column for that. */
bool top_model_has_column(const struct top_model *model, unsigned column);

#endif
