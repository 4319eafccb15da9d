/* What a look came to, for people: the summary, or groups. */
#ifndef CONTEST_CMD_STATES_TEXT_H
#define CONTEST_CMD_STATES_TEXT_H

#include "cmd/states_look.h"
#include "render/screen.h"

/* Both 0 or -ENOMEM. */
int states_text_summary(const struct screen *screen, const struct states_look *look);
int states_text_groups(const struct screen *screen, const struct states_look *look);

/* What puts the numbers in doubt, a line each, on @out, each behind @call's name. */
void states_text_doubts(const struct invocation *call, const struct states_look *look);

#endif
