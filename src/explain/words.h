/*
 * Text put together from pieces: for explain/finding_*.c, which say something of each of half a
 * million connections, so without printf. Private to explain.
 */
#ifndef CONTEST_EXPLAIN_WORDS_H
#define CONTEST_EXPLAIN_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "explain/finding.h"

struct words {
	const struct finding *finding; /* (borrowed) whose times and ends are told */
	char *text; /* (borrowed) FINDING_TEXT_MAX bytes, terminated by words_end() */
	size_t length;
	bool full;	/* something had no room */
	bool port_told; /* the server's port was */
};

static inline struct words words_begin(const struct finding *finding, char *text)
{
	return (struct words){.finding = finding, .text = text};
}

/* Ends the text, cut between two words where it was too long. Returns it. */
char *words_end(struct words *words);

void words_put_bytes(struct words *words, const char *bytes, size_t length);

/* Inline, so that the length of a literal is known when it is compiled. */
static inline void words_put(struct words *words, const char *text)
{
	words_put_bytes(words, text, strlen(text));
}

void words_put_number(struct words *words, uint64_t number);

/* "1 byte", "3 bytes". */
void words_put_count(struct words *words, uint64_t number, const char *noun);

/* "420 us", "4.2 ms", "45 ms", "12.3 s", "312 s", "12 min", "3.4 h": what a person wants of it. */
void words_put_duration(struct words *words, uint64_t ns);

/*
 * The time since the connection's first packet behind @before: " at " and "+12.345 s". False, and
 * nothing is put, where the capture has no times.
 */
bool words_put_at(struct words *words, const char *before, int64_t ns);

/* From @from_ns to @to_ns; false where one is not known, 0 where time went back. */
bool words_span(int64_t from_ns, int64_t to_ns, uint64_t *ret_ns);

/* "the client", "the server (port 80)", the port once; of two that opened it at once, "the end at
 * port 80". */
void words_put_end(struct words *words, unsigned end);
/* "the client's" */
void words_put_whose(struct words *words, unsigned end);

/* "5 times over 3.1 s": how often the FIN of @end was sent. It was sent more than once. */
void words_put_fin_times(struct words *words, unsigned end);

#endif
