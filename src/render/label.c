#include "render/label.h"

#include <string.h>

#include "render/text.h"
#include "tcp/state.h"

static enum screen_style flags_style(const char *flags)
{
	if (strstr(flags, "RST"))
		return STYLE_BAD;
	if (strstr(flags, "FIN"))
		return STYLE_WARN;
	return strstr(flags, "SYN") ? STYLE_BOLD : STYLE_PLAIN;
}

/* Appends @part to what stands on the arrow or, once one had no room, to what is told below. */
static void add_part(struct label *label, unsigned room, const char *part)
{
	unsigned columns = screen_columns(part) + 1;
	char *to = label->rest;
	size_t used;

	if (!*part)
		return;
	if (*label->over || label->columns + columns > room)
		to = label->over;
	else
		label->columns += columns;
	used = strlen(to);
	snprintf(to + used, LABEL_MAX - used, "%s%s", to == label->over && !used ? "" : " ", part);
}

void label_make(const struct screen *screen, const struct exchange_row *row, unsigned room,
		struct label *ret)
{
	const char *flags = row->flags ? row->flags : "?";
	char part[LABEL_MAX] = "";

	memset(ret, 0, sizeof(*ret));
	screen_clean(screen, flags, strlen(flags), ret->flags, sizeof(ret->flags));
	ret->style = flags_style(flags);
	ret->columns = screen_columns(ret->flags);
	if (ret->columns > room) {
		memcpy(ret->over, ret->flags, sizeof(ret->over));
		ret->flags[text_fit(ret->flags, room)] = '\0';
		ret->columns = screen_columns(ret->flags);
	}

	snprintf(part, sizeof(part), "seq=%u", row->seq);
	add_part(ret, room, part);
	if (row->has_ack) {
		snprintf(part, sizeof(part), "ack=%u", row->ack);
		add_part(ret, room, part);
	}
	if (row->length) {
		snprintf(part, sizeof(part), "len=%u", row->length);
		add_part(ret, room, part);
	}
	if (row->options) {
		screen_clean(screen, row->options, strlen(row->options), part, sizeof(part));
		add_part(ret, room, part);
	}
}

char *label_note(const struct screen *screen, const struct exchange_row *row, char *to, size_t room)
{
	size_t used;

	*to = '\0';
	if (row->fate == EXCHANGE_STUCK)
		snprintf(to, room, "still on its way at the end");
	if (row->note && *row->note) {
		used = strlen(to);
		if (used)
			used += (size_t)snprintf(to + used, room - used, "; ");
		screen_clean(screen, row->note, strlen(row->note), to + used, room - used);
	}
	return to;
}

const char *label_state(int state, enum screen_style *ret_style)
{
	const char *name = tcp_state_name(state);

	switch (state) {
	case TCP_ESTABLISHED:
		*ret_style = STYLE_GOOD;
		break;
	case TCP_TIME_WAIT:
		*ret_style = STYLE_WARN;
		break;
	case TCP_STATE_NONE:
	case TCP_CLOSE:
		*ret_style = STYLE_DIM;
		break;
	default:
		*ret_style = strcmp(name, "?") == 0 ? STYLE_DIM : STYLE_BOLD;
		break;
	}
	return name;
}
