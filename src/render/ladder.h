/* The ladder diagram: an exchange drawn with both ends' states along its sides. */
#ifndef CONTEST_RENDER_LADDER_H
#define CONTEST_RENDER_LADDER_H

#include "render/screen.h"
#include "tcp/exchange.h"

/*
 * Draws @exchange; UTF-8 or ASCII, colours and width as @screen says: notes stand at the right
 * from 110 columns on, else below their arrow; under 60 columns the exchange is told as a list.
 */
void ladder_draw(const struct screen *screen, const struct exchange *exchange);

#endif
