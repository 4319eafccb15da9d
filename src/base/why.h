/*
 * The reason that goes with an error. Parts below cmd/ never print: where an errno alone would
 * leave a person guessing, a function takes a `struct why *` and says what failed, on what, and
 * what to do.
 */
#ifndef CONTEST_BASE_WHY_H
#define CONTEST_BASE_WHY_H

struct why {
	char text[512];
};

/*
 * Writes the reason and returns @error (a negative errno) so that a caller can say
 * `return why_set(why, -errno, "cannot open %s", path);`. @why may be NULL.
 * When @error is not 0, ": " and its description are appended; why_say() leaves them out.
 */
int why_set(struct why *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int why_say(struct why *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The name of an errno ("EADDRNOTAVAIL"), or "errno N" in a static buffer of the thread. */
const char *errno_name(int error);

#endif
