/* The ladder diagram as a picture: one SVG document, without scripts or anything from elsewhere. */
#ifndef CONTEST_RENDER_LADDER_SVG_H
#define CONTEST_RENDER_LADDER_SVG_H

#include <stddef.h>
#include <stdio.h>

#include "tcp/exchange.h"

/* Writes the exchanges, one below the other, as one document to @out. Texts are escaped. 0, or
 * -EIO when @out cannot be written, or -ENOMEM. */
int ladder_svg_write(FILE *out, const struct exchange *const *exchanges, size_t count);

#endif
