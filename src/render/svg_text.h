/* Text for XML. Private to render. */
#ifndef CONTEST_RENDER_SVG_TEXT_H
#define CONTEST_RENDER_SVG_TEXT_H

#include <stdio.h>

/*
 * Writes at most @columns columns of @text, which may come from outside (NULL: nothing), as
 * character data or attribute value; what is longer ends in an ellipsis. Controls, broken UTF-8 and
 * what turns the direction of writing become \xNN (screen_escape()); what XML 1.0 forbids besides
 * (2.2) becomes U+FFFD.
 */
void svg_text_put(FILE *out, const char *text, unsigned columns);

#endif
