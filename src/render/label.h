/* What is written on an arrow of the ladder, and what does not fit there. */
#ifndef CONTEST_RENDER_LABEL_H
#define CONTEST_RENDER_LABEL_H

#include "render/screen.h"
#include "tcp/exchange.h"

#define LABEL_MAX 256

struct label {
	char flags[LABEL_MAX]; /* "FIN+ACK", printed in style */
	char rest[LABEL_MAX];  /* " seq=1 ack=1 len=10", printed plain */
	char over[LABEL_MAX];  /* what had no room, or "" */
	unsigned columns;      /* of flags and rest */
	enum screen_style style;
};

/* Fills @ret with as much of @row, cleaned, as fits @room columns. */
void label_make(const struct screen *screen, const struct exchange_row *row, unsigned room,
		struct label *ret);

/* What became of a segment that never arrived, and the note, cleaned, into @to. Returns @to. */
char *label_note(const struct screen *screen, const struct exchange_row *row, char *to,
		 size_t room);

/* "FIN-WAIT-1", and how it stands out. */
const char *label_state(int state, enum screen_style *ret_style);

#endif
