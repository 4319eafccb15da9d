/* The screen of `contest top`, from taking the terminal to giving it back. */
#ifndef CONTEST_CMD_TOP_SCREEN_H
#define CONTEST_CMD_TOP_SCREEN_H

#include "cmd/group_by.h"
#include "cmd/source_option.h"
#include "observe/socket_filter.h"
#include "render/screen.h"

struct top_options {
	struct source_choice source;
	const char *netns;	      /* NULL: this one; "all"; a name or process */
	const char *filter_text;      /* "" without one */
	struct socket_filter *filter; /* (owned by who runs it; NULL: all) */
	struct group_by by;
	bool processes;
	int64_t interval_ns;
	enum color_choice color;
};

/* Whether this program has it: 0, or -ENOTSUP with what it lacks. */
int top_screen_probe(struct why *why);

/* Until the person has had enough, or a signal ends it. Takes options->filter over, in any case. 0;
 * or -errno with @why, the terminal as it was: -EIO when it has gone. */
int top_screen_run(const struct top_options *options, struct why *why);

#endif
