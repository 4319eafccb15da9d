/* The document of the schema contest.lab/1: what a run leaves, and what `lab show` reads back. */
#ifndef CONTEST_LAB_RESULTS_H
#define CONTEST_LAB_RESULTS_H

#include <jansson.h>
#include <stdio.h>

#include "base/why.h"
#include "lab/judgement.h"

#define RESULTS_SCHEMA "contest.lab/1"

/* A new document: schema, version, kernel, started (RFC 3339, UTC), link; results empty. */
json_t *results_new(const char *link);

/* Writes it to a stream, the way it is written to a file. 0 or -errno. */
int results_print(const json_t *document, FILE *out);

/* Writes it to DIRECTORY/results.json, whole or not at all. 0 or -errno with @why. */
int results_write(const json_t *document, const char *directory, struct why *why);

/*
 * Reads one back. -ENOENT when there is none; -EPROTO with the reason when it is damaged, of
 * another schema, or of a newer version of it than this program knows.
 */
int results_read(const char *path, json_t **ret, struct why *why);

/* The entry of an experiment in a document (borrowed), or NULL. */
const json_t *results_find(const json_t *document, const char *id);

#endif
